/* session (pop3): what one connection is, and what its verbs share. Inside the room only. */
#ifndef POP3_SESSION_H
#define POP3_SESSION_H

#include "pop3.h"

/* RFC 1939 section 3; bits, for verbs.def. UPDATE is what QUIT does. */
enum pop3_state { POP3_START = 0, POP3_AUTHORIZATION = 1, POP3_TRANSACTION = 2 };
#define POP3_ANY (POP3_AUTHORIZATION | POP3_TRANSACTION)

struct pop3_message {
	uint64_t size : 63;
	bool deleted : 1;
	uint32_t uid;
};

struct pop3 {
	struct session base; /* first */
	const struct pop3_service *service;
	struct ipc store;              /* bound to the account; fd -1 before login */
	struct arena arena;            /* the command's */
	struct pop3_message *messages; /* number 1 at index 0 */
	uint32_t n;
	uint32_t uidvalidity;
	char *user; /* named by USER, waiting for PASS */
	enum pop3_state state;
	unsigned bad, denied;
	bool secure;
	int64_t since_ms; /* of the connection, mono */
	uint16_t port;
	char ip[46];
};

/* The rest of the line behind the word, without the space; each verb answers and says how the session goes on. */
typedef enum result pop3_verb_fn(struct pop3 *s, struct slice args);
#define X(word, function, states) pop3_verb_fn function;
#include "verbs.def"
#undef X

enum result pop3_ok(struct pop3 *s, const char *text);
/* code: "AUTH", "SYS/TEMP", ... in brackets (RFC 2449 section 8), or NULL. */
enum result pop3_err(struct pop3 *s, const char *code, const char *text);
enum result pop3_end_of_list(struct pop3 *s); /* "." */
/* What store answered instead of OK. */
enum result pop3_refused(struct pop3 *s, enum result r);

/* Numbers of the command; count says how many must be there. BAD was answered otherwise. */
bool pop3_numbers(
    struct pop3 *s, struct slice args, unsigned least, unsigned most, uint32_t *out, unsigned *count);
/* The message a number stands for, or NULL and -ERR said. */
struct pop3_message *pop3_find(struct pop3 *s, uint32_t number);
/* Reads the maildrop after login. */
NODISCARD enum result pop3_drop_open(struct pop3 *s);

#endif
