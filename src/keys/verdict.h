/*
 * verdict: passwords that were verified a moment ago.
 *
 * After a restart of a server some thousand clients come back at once, each with the password it used before; without
 * this each would cost an Argon2. An entry's name is a MAC, by a key of this process, over login, password and the
 * version of the stored hash: nothing can be read from it, and a changed password has another name. Wrong passwords are
 * remembered too: a phone with an old password asks every minute. 10,000 entries, 10 minutes. Thread-safe.
 */
#ifndef KEYS_VERDICT_H
#define KEYS_VERDICT_H

#include "keys/lru.h"
#include "keys/vault.h"
#include <pthread.h>

#define VERDICT_MS (10 * MINUTE_MS)
#define VERDICT_ENTRIES 10000

enum verdict { VERDICT_NONE, VERDICT_RIGHT, VERDICT_WRONG };

struct verdicts {
	pthread_mutex_t lock;
	struct lru lru;
};

void verdicts_init(struct verdicts *v);
void verdicts_free(struct verdicts *v);
/* The name of an entry; `version` is the stored hash's, any constant for logins that do not exist. */
void verdict_name(
    const struct vault *v, struct slice login, struct slice password, uint64_t version, char out[32]);
enum verdict verdict_get(struct verdicts *v, const char name[32], int64_t now_ms);
void verdict_put(struct verdicts *v, const char name[32], enum verdict verdict, int64_t now_ms);

#endif
