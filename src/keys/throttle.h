/*
 * throttle: guessing made slow, without giving strangers the power to lock an owner out.
 *
 * Failures are counted for each login, for each client network (an IPv4 address or an IPv6 /64) and for each pair of
 * the two. Counts halve every HALF_MS. Above a threshold the next try has to wait, twice as long with each failure, up to
 * a most. A pair that has logged in before is known: only its own count matters to it, and its longest wait is seconds,
 * so whatever strangers do to a login, its owner gets in from where they always do. Forgotten at a restart.
 *
 * The tables hold 20,000 counts and 50,000 known pairs; the least recently used make room. Thread-safe.
 */
#ifndef KEYS_THROTTLE_H
#define KEYS_THROTTLE_H

#include "keys/lru.h"
#include "keys/vault.h"
#include <pthread.h>

struct throttle {
	pthread_mutex_t lock;
	const struct vault *vault;
	struct lru counts, known;
};

void throttle_init(struct throttle *t, const struct vault *v);
void throttle_free(struct throttle *t);
/* Milliseconds this login from this client still has to wait; 0: it may try. `login` is prepared, `ip` is text. */
int64_t throttle_wait(struct throttle *t, struct slice login, const char *ip, int64_t now_ms);
void throttle_failed(struct throttle *t, struct slice login, const char *ip, int64_t now_ms);
void throttle_right(struct throttle *t, struct slice login, const char *ip, int64_t now_ms);

/*
 * Codes of second factors. Whoever guesses them knows the password already: after five each has to wait twice as long, up to a
 * quarter of an hour, from wherever it comes.
 */
int64_t throttle_factor_wait(struct throttle *t, uint64_t account, int64_t now_ms);
void throttle_factor_failed(struct throttle *t, uint64_t account, int64_t now_ms);

#endif
