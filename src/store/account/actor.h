/*
 * actor: who is behind an ask of the web: whoever holds its token, or the person whose session its cookie is of.
 *
 * Every verb runs with an actor. What he may do beside acting on his own account (the verbs me.*) are his powers, which
 * stand beside the actor in struct admin.
 */
#ifndef STORE_ACCOUNT_ACTOR_H
#define STORE_ACCOUNT_ACTOR_H

#include "store/audit/audit.h"

/* What a session is good for; kept in web_sessions. */
enum session_state {
	SESSION_IN,     /* everything */
	SESSION_FACTOR, /* only for showing a second factor */
	SESSION_ENROL,  /* only for getting one: it has to be there by now */
	SESSION_CHANGE, /* only for setting a new password */
};

struct actor {
	struct audit_actor audit; /* who, as the record names him */
	int64_t account;          /* whose session it is; 0: the command's or a token's */
	/* Of a session; the texts live in the arena given to websession_find. */
	int64_t session;
	enum session_state state;
	bool factor;  /* a second factor was shown */
	bool strange; /* signed in from where what outlasts a password is not made (signin_is_strange) */
	int64_t made_ms, ends_ms;
	int64_t password_ms; /* when the password that opened it was made; 0: not known */
	int64_t browser;     /* browsers.h */
	struct slice address, name;
	const char *csrf; /* what has to come with changes */
};

/* The administrator's command, as whoever asks on its socket. */
struct actor actor_command(struct ipc_turn *t);

#endif
