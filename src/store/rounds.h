/*
 * rounds: a thread of the store that works in rounds: each after a pause, or as soon as somebody wakes it.
 *
 * Embedded in what owns it. A round runs without any lock of this file and says how long to pause behind it.
 */
#ifndef STORE_ROUNDS_H
#define STORE_ROUNDS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ROUNDS_UNTIL_WOKEN INT64_MAX

struct rounds {
	void *context;
	int64_t (*work)(void *context); /* one round; ms to pause behind it */
	int64_t pause_ms;               /* guarded by lock, as `due` */
	bool due, started;
	_Atomic bool ending;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* The first round begins after `first_ms`; `name` (15 octets at most) is the thread's. Without a thread the process ends. */
void rounds_start(
    struct rounds *r, const char *name, int64_t first_ms, int64_t (*work)(void *), void *context);
/* From any thread; a round that is at work is followed by another without a pause. */
void rounds_wake(struct rounds *r);
/* For rounds that take long: they are to end. */
static inline bool rounds_ending(const struct rounds *r)
{
	return atomic_load(&r->ending);
}
/* Waits for the round that is at work; afterwards a wake does nothing. Harmless when it was never started, or again. */
void rounds_stop(struct rounds *r);

#endif
