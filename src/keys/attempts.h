/*
 * attempts: how often somebody may try a password, over all protocols together, without giving strangers the power to lock
 * an owner out.
 *
 * Counted are wrong passwords: for each login, each source (an IPv4 address, an IPv6 /64), each prefix (/24, /48), and each
 * pair of login and source. Counts halve every 15 minutes; above a threshold the next try has to wait, twice as long with each
 * failure, up to a most. The same wrong password for the same login from the same source counts once in a day: that is a phone
 * with an old password. A pair that has signed in before is known: only its own count matters to it, and its longest wait is
 * seconds. So what is ever locked is a source at an account, never the account.
 *
 * Spraying, which tries few passwords on many accounts:
 *
 *   a prefix in which 5 logins failed within 10 minutes, or 15 within a day, is blocked for a day, next time for two ...
 *   a password that failed for 5 logins within a day, from wherever: all sources that tried it are flagged for a day
 *   40 failures of 30 sources at 10 logins within 10 minutes: for the next hour each source that fails is flagged
 *
 * The organisation's own networks may do three times as much. What is blocked or flagged gets no password tried, except by
 * known pairs. Passwords are compared by HMAC under a key that is made anew each day and never leaves memory.
 *
 * Known pairs, blocks and flags are kept in the book (sealed), behind the answers; counts are forgotten at a restart. Tables
 * have a fixed size; what was not used for longest makes room. Times are UTC milliseconds; a clock that is set back makes
 * waits no longer than they may be. Thread-safe.
 */
#ifndef KEYS_ATTEMPTS_H
#define KEYS_ATTEMPTS_H

#include "base/ip.h"
#include "keys/book.h"
#include "keys/vault.h"

struct attempt {
	struct slice login;    /* prepared */
	uint64_t account;      /* 0: there is no such login */
	const char *ip;        /* text; what is no address is a source of its own */
	struct slice password; /* prepared; empty where it is not known (SCRAM) */
};

struct attempt_view {
	int64_t wait_ms;  /* nothing may be tried before; 0: it may */
	bool blocked;     /* for spraying */
	uint32_t flags;   /* enum grant_flag */
	uint64_t suspect; /* an account whose sign-in of a while ago was a guess, as is known now; 0: none */
};

struct attempts;
/* office: borrowed. What was kept is read; LATER: it cannot be. */
NODISCARD enum result attempts_open(
    const struct vault *v, struct book *b, const struct ip_nets *office, struct attempts **out);
void attempts_close(struct attempts *all); /* keeps what is not kept yet */

void attempts_look(struct attempts *all, const struct attempt *a, int64_t now_ms, struct attempt_view *out);
/* A password was wrong: *out says what it led to (flags, suspect). */
void attempts_failed(struct attempts *all, const struct attempt *a, int64_t now_ms, struct attempt_view *out);
void attempts_right(struct attempts *all, const struct attempt *a, int64_t now_ms, struct attempt_view *out);

/*
 * Codes of second factors. Whoever guesses them knows the password already: after five each has to wait twice as long, up to a
 * quarter of an hour, from wherever it comes. Milliseconds.
 */
int64_t attempts_factor_wait(struct attempts *all, uint64_t account, int64_t now_ms);
void attempts_factor_failed(struct attempts *all, uint64_t account, int64_t now_ms);

/* What store has seen: this address is held back for a day, as for spraying. False: it is no address. */
bool attempts_condemn(struct attempts *all, const char *ip, int64_t now_ms);

/* ---- for the administrator ---- */

enum sentence_kind { SENTENCE_PREFIX = 1, SENTENCE_SOURCE = 2 };
struct sentence {
	enum sentence_kind kind;
	struct ip_net net;
	int64_t until_ms;
	int64_t times; /* it was blocked so often */
};
/* Those in force, the latest to end first; at most `most`. */
size_t attempts_sentences(struct attempts *all, int64_t now_ms, struct sentence *out, size_t most);
/* Takes back what is held against a network, or (net NULL) a login. False: nothing is. */
bool attempts_pardon(struct attempts *all, const struct ip_net *net, struct slice login);

#endif
