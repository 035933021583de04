/* What the files of signins share. */
#ifndef STORE_ACCOUNT_SIGNINS_INSIDE_H
#define STORE_ACCOUNT_SIGNINS_INSIDE_H

#include "store/account/signins.h"
#include <pthread.h>

#define SIGNIN_SLOTS 4096

/* Of what a day is remembered (signin_days). Kept in the database. */
enum day_kind {
	DAY_ASN = 1,
	DAY_PREFIX,
	DAY_COUNTRY,
	DAY_CREDENTIAL,
	DAY_DEVICE,
	DAY_HOUR,
	DAY_CONFIRMED, /* a prefix, by an administrator or a second factor */
};

/* Everything in which alike attempts are alike; compared as octets. */
struct alike {
	int64_t account, login, credential, device, rule, browser;
	unsigned char ip[16];
	uint32_t v4, door, outcome, flags;
};

/* A row that may still grow. */
struct row_slot {
	struct alike key;
	int64_t row; /* 0: not written yet */
	int64_t until_ms, last_ms;
	int64_t more; /* attempts that the row does not count yet */
};

struct context_slot {
	struct alike key; /* without door, outcome and rule */
	int64_t judged_ms;
	struct signin_context context;
};

struct signins {
	pthread_mutex_t lock;
	uint64_t seed;
	struct row_slot rows[SIGNIN_SLOTS];
	struct context_slot contexts[SIGNIN_SLOTS];
};

struct alike signins_alike(const struct store *s, const struct signin *in, enum signin_outcome outcome);
size_t signins_slot(const struct signins *all, const struct alike *key);
int64_t signins_prefix_token(const struct store *s, const struct ip_net *prefix);
/* "imap Thunderbird": what tells one client of an account from another, without what changes with every update. */
void signins_client(const struct signin *in, struct buf *out);
/* What the client says of itself, as it is shown. */
struct slice signins_agent(const struct signin *in);

#endif
