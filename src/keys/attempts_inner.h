/* What the files of attempts share. All fields but the constant ones are under the lock. */
#ifndef KEYS_ATTEMPTS_INNER_H
#define KEYS_ATTEMPTS_INNER_H

#include "keys/attempts.h"
#include "keys/lru.h"
#include <pthread.h>

#define COUNTS 40000
#define KNOWN 50000
#define TRIED 50000
#define GUESSED 20000
#define PREFIXES 4000
#define PASSWORDS 4000
#define SENTENCES 20000
#define RECENT 256
#define UNKEPT 4096 /* changes that wait to be kept */

#define KNOWN_MS (90 * DAY_MS)
#define KNOWN_AGAIN_MS DAY_MS /* a pair's last use is kept no finer */
#define OFFICE_TIMES 3        /* so much more an own network may do */

#define SPRAY_FAST 5 /* logins of a prefix ... */
#define SPRAY_FAST_MS (10 * MINUTE_MS)
#define SPRAY_SLOW 15
#define SPRAY_LOGINS (SPRAY_SLOW * OFFICE_TIMES)
#define SPRAY_SAME 5 /* logins that one password failed for */
#define SPRAY_SOURCES 128
#define SPRAY_HITS 4
#define SIEGE_FAILURES 40
#define SIEGE_SOURCES 30
#define SIEGE_LOGINS 10
#define SIEGE_MS (10 * MINUTE_MS)
#define SIEGE_LASTS_MS HOUR_MS
#define SENTENCE_MS DAY_MS
#define SENTENCE_MOST 5                  /* doublings */
#define SENTENCE_FORGET_MS (30 * DAY_MS) /* after so long without a new one it begins with a day again */

enum count { COUNT_LOGIN, COUNT_SOURCE, COUNT_PREFIX, COUNT_PAIR, COUNT_FACTOR };

struct who {
	const struct attempt *attempt;
	struct ip_net source, prefix; /* bits 0: not an address */
	bool office;
	int times;
	char pair[32];
	uint64_t login_hash;
};

struct seen_login {
	uint64_t hash;
	int64_t at;
};
/* The logins that failed from a prefix lately. */
struct spray_prefix {
	char key[32]; /* of the entry it belongs to */
	struct seen_login logins[SPRAY_LOGINS];
	unsigned n;
};
/* A wrong password of the day. */
struct spray_password {
	char key[32];
	uint64_t logins[SPRAY_SAME * OFFICE_TIMES];
	unsigned n;
	struct ip_net sources[SPRAY_SOURCES];
	unsigned sources_n;
	uint64_t hits[SPRAY_HITS]; /* accounts that it opened */
	unsigned hits_n;
	bool fired;
};
struct failure {
	uint64_t login, source;
	int64_t at;
};

enum kept_kind { KEPT_KNOWN = 1, KEPT_SENTENCE = 2 };
struct kept {
	enum kept_kind kind;
	int64_t a, b;
	struct ip_net net;
	enum sentence_kind sentence;
	char key[32];
};

struct attempts {
	pthread_mutex_t lock;
	const struct vault *vault;
	struct book *book;
	const struct ip_nets *office;

	struct lru counts, known, tried, guesses;
	struct lru prefixes; /* with spray_prefix by the entry's place */
	struct spray_prefix *prefix_at;
	struct lru passwords; /* likewise */
	struct spray_password *password_at;
	char password_key[32];
	int64_t password_day;
	struct lru sentences; /* a: how often, b: until when */
	struct sentence *sentence_at;
	struct failure recent[RECENT];
	unsigned recent_at;
	int64_t siege_until;

	pthread_t keeper;
	pthread_cond_t wake;
	struct kept unkept[UNKEPT];
	size_t unkept_n;
	bool urgent, ending;
};

void attempts_name(
    const struct attempts *all, char kind, const struct ip_net *net, struct slice login, char out[32]);
void attempts_who(const struct attempts *all, const struct attempt *a, struct who *out);
/* Has it kept soon. */
void attempts_keep(struct attempts *all, const struct kept *k, const char key[32]);

/* attempts_spray.c; with the lock. */
bool spray_is_sentenced(struct attempts *all, const struct who *w, int64_t now);
void spray_failed(struct attempts *all, const struct who *w, int64_t now, struct attempt_view *out);
void spray_right(struct attempts *all, const struct who *w, int64_t now, struct attempt_view *out);
void spray_condemn(struct attempts *all, const struct who *w, int64_t now);
bool spray_pardon(struct attempts *all, const struct who *w);
/* As it was kept. */
void spray_restore(struct attempts *all, const struct kept *k);

#endif
