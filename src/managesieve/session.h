/* session (managesieve): what one connection is, and what its verbs share. Inside the room only. */
#ifndef MANAGESIEVE_SESSION_H
#define MANAGESIEVE_SESSION_H

#include "managesieve.h"

/* Bits, for verbs.def. */
enum managesieve_state { MANAGESIEVE_START = 0, MANAGESIEVE_UNKNOWN = 1, MANAGESIEVE_KNOWN = 2 };
#define MANAGESIEVE_ANY (MANAGESIEVE_UNKNOWN | MANAGESIEVE_KNOWN)
#define MANAGESIEVE_ARGS 2

/* One command as it was read. Texts live in the command's arena. */
struct managesieve_command {
	struct slice verb;
	struct managesieve_arg {
		bool number;
		struct slice text;
		uint64_t value;
	} args[MANAGESIEVE_ARGS];
	unsigned n;
	bool too_large; /* a literal above LIMIT_SCRIPT_SIZE was skipped */
};

struct managesieve {
	struct session base; /* first */
	const struct managesieve_service *service;
	struct ipc store;   /* bound to the account; fd -1 before login */
	struct arena arena; /* the command's */
	char *owner;        /* the account's address, after login */
	enum managesieve_state state;
	unsigned bad, denied;
	bool secure;
	uint16_t port;
	char ip[46];
};

/* Each verb answers and says how the session goes on. */
typedef enum result managesieve_verb_fn(struct managesieve *s, const struct managesieve_command *c);
#define X(word, function, states, args) managesieve_verb_fn function;
#include "verbs.def"
#undef X

/* `code` is a response code without its parentheses, or NULL; text may hold line ends. */
enum result managesieve_ok(struct managesieve *s, const char *code, const char *text);
enum result managesieve_no(struct managesieve *s, const char *code, const char *text);
enum result managesieve_wrong(struct managesieve *s, const char *why); /* NO, or BYE when it was too often */
enum result managesieve_bye(struct managesieve *s, const char *code, const char *text); /* STOP */
/* The lines of CAPABILITY, without the OK. */
void managesieve_put_capability(struct managesieve *s);
/* A string in the form it needs: quoted, or a literal. */
void managesieve_put_string(struct stream *out, struct slice text);

/*
 * Reads one command whole, however long the client takes for its literals. BAD: not a command (the line is gone);
 * FULL: too long to be skipped; else the stream's failure.
 */
NODISCARD enum result managesieve_read(struct managesieve *s, struct managesieve_command *out);
/* The client's answer to a challenge: a string, or "*" to give up. */
NODISCARD enum result managesieve_read_string(struct managesieve *s, struct slice *out);

#endif
