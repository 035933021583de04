/*
 * result: how an operation ended, in the words of the protocols.
 *
 * The values are protocol outcomes: they map to SMTP 2xx/4xx/5xx/421, to IMAP OK/BAD/NO/BYE and to POP3
 * +OK/-ERR in one table each (in the protocol's own room). A result must be looked at: every function that
 * returns one is NODISCARD. A bug in our own code is an assert, never a result.
 */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

enum result {
	OK = 0, /* done */
	BAD,    /* the peer broke the grammar or the order of commands */
	DENY,   /* refused for good: policy, no such thing */
	LATER,  /* cannot be done now; asking again may help (also: a deadline passed) */
	FULL,   /* a named limit was reached */
	GONE,   /* the peer or the thing itself has gone */
	STOP,   /* end this session */
};

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* The result's name for logs: "ok", "bad", "deny", "later", "full", "gone", "stop". */
const char *result_name(enum result r);

/* For the rare caller to whom the outcome makes no difference; say why beside the call. */
static inline void result_ignore(enum result r)
{
	(void)r;
}

#endif
