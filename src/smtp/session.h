/*
 * session: what one client's session holds, and what the verbs share. Internal to the room.
 *
 * A verb is `enum result f(struct smtp *s, struct slice args)`. It says its reply itself; OK goes on, anything else ends
 * the session (STOP: after what was said has been sent). args is gone with the next read.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "body.h"
#include "parse.h"
#include "smtp.h"
#include "submit.h"
#include "text.h"
#include "trace.h"

enum smtp_phase {
	PHASE_CONNECTED, /* nothing was done yet */
	PHASE_TLS,       /* waits for the client's part of the handshake */
	PHASE_SILENCE,   /* the greeting is held back */
	PHASE_COMMANDS,
};

struct smtp_rcpt {
	struct smtp_rcpt_args args;
	struct smtp_rcpt *next;
};

/* One transaction, from MAIL on; in s->mail_memory. */
struct smtp_mail {
	struct smtp_mail_args args;
	struct smtp_rcpt *first, **last; /* accepted */
	unsigned rcpts;
	unsigned rcpts_over; /* refused because there were too many */
	size_t rcpt_octets;  /* of accepted ones, packed */
	char id[SMTP_MAIL_ID + 1];
	int64_t began_ms;
	uint32_t strip;    /* DeliverAsk.strip */
	uint32_t added;    /* ScanAsk.added */
	bool receiving;    /* DATA or the first BDAT was accepted; text and body are in use */
	bool failed;       /* a chunk was refused: only RSET, or the end, helps */
	uint64_t received; /* octets that the client sent */
	struct smtp_text text;
	struct smtp_body body;
	bool behalf;                /* the envelope's sender is somebody that this session sends for */
	struct slice user;          /* who the session is, as store says */
	struct smtp_submit *submit; /* submission: the header while it is incomplete, else NULL */
};

/* Who is logged in. */
struct smtp_login {
	struct ipc channel; /* bound to the account; fd -1: none */
	struct slice grant; /* to open another one with while it is good */
	const char *mechanism;
	struct slice user; /* empty: nobody */
	bool lost;         /* the channel broke and another one was refused */
};

struct smtp {
	struct session base; /* first */
	const struct smtp_service *service;
	enum smtp_phase phase;
	bool greeted, tls, esmtp, early;
	char id[SMTP_MAIL_ID + 1]; /* of the session, in events */
	char ip[48];
	int64_t began_ms;         /* mono */
	int64_t half_since_ms;    /* half a line or half a handshake has come since; 0: not so */
	const char *end_why;      /* DISCONNECT */
	Sekisho__Client client;   /* its texts live in `memory` */
	struct arena memory;      /* session */
	struct arena mail_memory; /* transaction */
	struct arena work;        /* command */
	struct smtp_mail *mail;   /* NULL: no transaction */
	struct smtp_login login;
	enum smtp_verb verb;           /* the one in hand, for events */
	const struct smtp_rcpt *about; /* likewise */
	unsigned bad_commands, idle_commands, bad_rcpts, mails, bad_logins;
	/* A line that was read ahead of its turn. */
	bool ahead;
	enum result ahead_result;
	struct slice ahead_line;
};

/* Says a reply, counts it when it is for a bad command, and logs it when it refuses something. */
void smtp_say(struct smtp *s, enum smtp_reply r);
void smtp_say_text(struct smtp *s, unsigned code, const char *status, struct slice text);
/* The same, and on with the next command. */
NODISCARD enum result smtp_answer(struct smtp *s, enum smtp_reply r);
/* The reply is the last: says it and returns STOP. */
NODISCARD enum result smtp_stop(struct smtp *s, enum smtp_reply r);

/* The next line, with every limit on it. */
NODISCARD enum result smtp_line(struct smtp *s, struct slice *line_out);
/* The same without waiting: LATER, with the stream still in order, when it has not come whole. */
NODISCARD enum result smtp_try_line(struct smtp *s, struct slice *line_out);
/* That line was not the caller's: it comes again. `r` is what smtp_line returned; nothing may be read in between. */
void smtp_line_back(struct smtp *s, enum result r, struct slice line);

/*
 * Goes on with the handshake without waiting: LATER, with the stream still in order, until the client has said more. Once
 * done, what was known about the client is forgotten.
 */
NODISCARD enum result smtp_tls_accept(struct smtp *s);

/* The transaction is over, with or without success. */
void smtp_mail_end(struct smtp *s);
/*
 * Asks store over the channel that this session's authority is tied to: its own after a login, else the thread's. A
 * channel that broke is replaced once and the ask repeated, since every ask made here may be. *why_out lives in s->work.
 */
NODISCARD enum result smtp_ask_store(struct smtp *s, enum ipc_ask kind, const void *ask,
    const struct ipc_fds *fds, void *answer_out, struct slice *why_out);
NODISCARD enum result smtp_open_channel(struct smtp *s); /* auth.c: with the grant of the login */
/* The session's channel to store became readable. STOP: this session must end. */
NODISCARD enum result smtp_listen(struct smtp *s);

Sekisho__Addr *smtp_addr(struct arena *a, struct mail_addr m);

/* May this account send as `sender`? Store's answer; *behalf_out is set when the message must say who sent it. */
NODISCARD enum result smtp_check_sender(
    struct smtp *s, struct mail_addr sender, struct slice *why_out, bool *behalf_out);

/* After the end of the message: scan, store, the reply. deliver.c */
NODISCARD enum result smtp_deliver(struct smtp *s);

#define X(name, needs, function) enum result function(struct smtp *s, struct slice args);
#include "verbs.def"
#undef X

#endif
