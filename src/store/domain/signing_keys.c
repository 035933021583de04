/* The life of DKIM keys. */
#include "store/domain/signing.h"
#include "store/rounds.h"
#include <stdio.h>
#include <stdlib.h>

#define ROUND_MS (5 * MINUTE_MS)
#define SOON_MS (10 * MINUTE_MS) /* between two looks at the DNS for a key that waits for something there */
#define LATER_MS (6 * HOUR_MS)   /* likewise for one that is in use */
#define ROUND_ARENA ((size_t)64 << 20)

/* clang-format off */
static const char *const state_names[] = {
	[SIGNING_WAITING] = "waiting", [SIGNING_ACTIVE] = "signing", [SIGNING_RETIRED] = "retired",
	[SIGNING_REMOVABLE] = "removable",
};
static const char *const mode_names[] = {
	[SIGNING_AUTHOR] = "author", [SIGNING_THIRD_PARTY] = "third-party", [SIGNING_BOTH] = "both",
};
static const int64_t algorithms[] = {SEKISHO__DKIM_ALGORITHM__DKIM_RSA, SEKISHO__DKIM_ALGORITHM__DKIM_ED25519};
/* clang-format on */

const char *signing_state_name(enum signing_state s)
{
	return s >= SIGNING_WAITING && s <= SIGNING_REMOVABLE ? state_names[s] : "?";
}

const char *signing_mode_name(enum signing_mode m)
{
	return m <= SIGNING_BOTH ? mode_names[m] : "?";
}

bool signing_mode_read(struct slice name, enum signing_mode *out)
{
	for (enum signing_mode m = SIGNING_AUTHOR; m <= SIGNING_BOTH; m++)
		if (slice_eq(name, slice_str(mode_names[m]))) {
			*out = m;
			return true;
		}
	return false;
}

enum signing_mode signing_mode_of(struct db *db, struct slice domain)
{
	return (enum signing_mode)DB_NUMBER(db, SIGNING_AUTHOR, DKIM_MODE, DT(domain));
}

static const char *algorithm_name(int64_t a)
{
	return a == SEKISHO__DKIM_ALGORITHM__DKIM_ED25519 ? "ed25519" : "rsa";
}

size_t signing_keys(struct db *db, struct slice domain, struct arena *a, struct signing_key **out)
{
	size_t n = 0;
	*out = arena_array(a, SIGNING_KEYS, sizeof **out);
	DB_ROWS q = DB_QUERY(db, DKIM_KEYS, DT(domain));
	while (*out && n < SIGNING_KEYS && db_next(&q))
		(*out)[n++] = (struct signing_key){.domain = domain,
		    .selector = arena_dup(a, db_octets(&q, 0)),
		    .algorithm = db_int(&q, 1),
		    .state = (enum signing_state)db_int(&q, 2),
		    .made_ms = db_int(&q, 3),
		    .since_ms = db_int(&q, 4),
		    .checked_ms = db_int(&q, 5),
		    .dns = db_int(&q, 6),
		    .public_key = arena_dup(a, db_octets(&q, 7)),
		    .usable = db_octets(&q, 8).n > 0};
	return n;
}

/* ---- changes ---- */

enum change { CHANGE_ADD, CHANGE_CHECKED, CHANGE_PROMOTE, CHANGE_STATE, CHANGE_REMOVE, CHANGE_FORGET };

struct key_job {
	struct job job;
	enum change change;
	const struct signing_key *key;
	enum signing_state state; /* the new one */
	int64_t now_ms;
	struct slice wrapped;
	bool done; /* something changed */
};

static void retire_others(const struct key_job *k, struct db *db)
{
	DB_RUN(db, DKIM_RETIRE, DT(k->key->domain), DI(k->key->algorithm), DT(k->key->selector),
	    DI(k->now_ms), DB(SLICE_NONE));
}

/* Another node, or somebody at the command, may have made one meanwhile. */
static enum result add(struct key_job *k, struct db *db)
{
	const struct signing_key *n = k->key;
	if (n->state == SIGNING_ACTIVE && !k->state &&
	    DB_NUMBER(db, 1, DKIM_COUNT, DT(n->domain), DI(n->algorithm)))
		return OK;
	if (n->state == SIGNING_WAITING && DB_NUMBER(db, 1, DKIM_WAITING, DT(n->domain), DI(n->algorithm)))
		return DENY;
	DB_RUN(db, DKIM_ADD, DT(n->domain), DT(n->selector), DI(n->algorithm), DI(n->state), DI(k->now_ms),
	    DB(n->public_key), DB(k->wrapped));
	k->done = db_changed(db) > 0;
	if (k->done && n->state == SIGNING_ACTIVE)
		retire_others(k, db);
	return OK;
}

static enum result apply(struct job *j, struct db *db)
{
	struct key_job *k = (struct key_job *)j;
	const struct signing_key *key = k->key;
	switch (k->change) {
	case CHANGE_ADD:
		return add(k, db);
	case CHANGE_CHECKED:
		DB_RUN(db, DKIM_CHECKED, DT(key->domain), DT(key->selector), DI(k->now_ms), DI(key->dns));
		return OK;
	case CHANGE_PROMOTE:
	case CHANGE_STATE:
		DB_RUN(db, DKIM_STATE, DT(key->domain), DT(key->selector), DI(k->state), DI(k->now_ms),
		    DI(key->state));
		k->done = db_changed(db) > 0;
		if (k->done && k->change == CHANGE_PROMOTE)
			retire_others(k, db);
		return OK;
	case CHANGE_REMOVE:
		DB_RUN(db, DKIM_REMOVE, DT(key->domain), DT(key->selector));
		k->done = db_changed(db) > 0;
		return OK;
	case CHANGE_FORGET:
		DB_RUN(db, DKIM_FORGET, DT(key->domain));
		return OK;
	}
	return BAD;
}

static enum result change(struct store *s, struct key_job *k)
{
	k->job.store = s;
	k->job.apply = apply;
	k->job.durable = true;
	k->now_ms = clock_utc_ms();
	enum result r = writer_wait(s->writer, &k->job);
	if (r == OK && k->done)
		EVENT(DKIM_KEY, KV("domain", k->key->domain), KV("selector", k->key->selector),
		    KZ("algorithm", algorithm_name(k->key->algorithm)),
		    KZ("state", k->change == CHANGE_REMOVE ? "removed"
				: k->change == CHANGE_ADD  ? signing_state_name(k->key->state)
							   : signing_state_name(k->state)));
	return r;
}

/* ---- making ---- */

static enum result ask_key(
    struct store *s, const struct signing_key *k, struct arena *a, Sekisho__DkimMakeAnswer **out)
{
	struct ipc *c = ipc_thread(s->settings->keys);
	Sekisho__DkimMakeAsk ask = SEKISHO__DKIM_MAKE_ASK__INIT;
	ask.domain = arena_z(a, k->domain);
	ask.selector = arena_z(a, k->selector);
	ask.algorithm = (Sekisho__DkimAlgorithm)k->algorithm;
	return c && !arena_full(a) ? ipc_call(c, ASK_KEYS_DKIM_MAKE, &ask, NULL, a, out, NULL) : LATER;
}

/* "r20261122", "e20261122b": the kind, the day, and a letter when that day has one already. */
static struct slice new_selector(const struct signing_key *have, size_t n, int64_t algorithm, struct arena *a)
{
	struct tm day;
	time_t now = (time_t)(clock_utc_ms() / SECOND_MS);
	gmtime_r(&now, &day);
	for (char letter = 'a'; letter <= 'z'; letter++) {
		char more[2] = {letter == 'a' ? '\0' : letter, '\0'};
		struct slice name = slice_str(arena_printf(a, "%c%04d%02d%02d%s",
		    algorithm_name(algorithm)[0], day.tm_year + 1900, day.tm_mon + 1, day.tm_mday, more));
		bool taken = false;
		for (size_t i = 0; i < n; i++)
			taken |= slice_eq(have[i].selector, name);
		if (!taken)
			return name;
	}
	return SLICE_NONE;
}

/* `forced`: it takes the place of the one that signs. */
static enum result make_key(struct store *s, struct slice domain, const struct signing_key *have, size_t n,
    int64_t algorithm, enum signing_state state, bool forced)
{
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__DkimMakeAnswer *answer;
	struct signing_key key = {.domain = domain,
	    .algorithm = algorithm,
	    .state = state,
	    .selector = new_selector(have, n, algorithm, &a)};
	if (!key.selector.n || n == SIGNING_KEYS)
		return FULL;
	enum result r = ask_key(s, &key, &a, &answer);
	if (r != OK)
		return LATER;
	key.public_key = slice_of_octets(answer->public_key);
	struct key_job job = {.change = CHANGE_ADD,
	    .key = &key,
	    .state = forced ? state : 0,
	    .wrapped = slice_of_octets(answer->wrapped)};
	return change(s, &job);
}

static const struct signing_key *newest(
    const struct signing_key *keys, size_t n, int64_t algorithm, enum signing_state state)
{
	const struct signing_key *found = NULL;
	for (size_t i = 0; i < n; i++)
		if (keys[i].algorithm == algorithm && keys[i].state == state)
			found = &keys[i];
	return found;
}

/* With one that waits already, that one signs from now on. */
static enum result next_key(struct store *s, struct slice domain, const struct signing_key *have, size_t n,
    int64_t algorithm, bool at_once)
{
	struct key_job job = {.change = CHANGE_PROMOTE,
	    .key = newest(have, n, algorithm, SIGNING_WAITING),
	    .state = SIGNING_ACTIVE};
	if (at_once && job.key)
		return change(s, &job);
	return make_key(s, domain, have, n, algorithm, at_once ? SIGNING_ACTIVE : SIGNING_WAITING, at_once);
}

enum result signing_rotate(struct store *s, struct slice domain, bool at_once)
{
	ARENA_LOCAL(a, 1 << 20);
	struct signing_key *have;
	enum result r = OK;
	for (size_t i = 0; r == OK && i < COUNT(algorithms); i++) {
		size_t n;
		{
			READER reader = reader_begin(s);
			if (!reader.db)
				return LATER;
			n = signing_keys(reader.db, domain, &a, &have);
		}
		r = next_key(s, domain, have, n, algorithms[i], at_once);
	}
	return r;
}

/* ---- a round ---- */

static void make_missing(struct store *s, struct slice domain, const struct signing_key *keys, size_t n)
{
	int64_t rotate = s->settings->dkim_rotate_ms, now = clock_utc_ms();
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		const struct signing_key *active = newest(keys, n, algorithms[i], SIGNING_ACTIVE);
		bool waits = newest(keys, n, algorithms[i], SIGNING_WAITING) != NULL;
		if (!active && !waits)
			result_ignore(make_key(s, domain, keys, n, algorithms[i], SIGNING_ACTIVE, false));
		else if (active && !waits && rotate && now - active->since_ms >= rotate)
			result_ignore(make_key(s, domain, keys, n, algorithms[i], SIGNING_WAITING, false));
	}
}

/* What the DNS has; UNKNOWN also when nobody can be asked. */
static int64_t look(struct store *s, const struct signing_key *k)
{
	ARENA_LOCAL(a, 1 << 20);
	struct ipc *c = ipc_thread(s->settings->scan);
	Sekisho__DkimSeenAsk ask = SEKISHO__DKIM_SEEN_ASK__INIT;
	Sekisho__DkimSeenAnswer *answer;
	ask.domain = arena_z(&a, k->domain);
	ask.selector = arena_z(&a, k->selector);
	ask.algorithm = (Sekisho__DkimAlgorithm)k->algorithm;
	ask.public_key = octets_of(k->public_key);
	if (!c || ipc_call(c, ASK_SCAN_DKIM_SEEN, &ask, NULL, &a, &answer, NULL) != OK)
		return SEKISHO__DKIM_SEEN_ANSWER__STATE__UNKNOWN;
	return answer->state;
}

/* Everything that the DNS or the clock does to a key. A failure is made good in the next round. */
static void step(struct store *s, struct signing_key *k)
{
	int64_t now = clock_utc_ms();
	if (k->state == SIGNING_RETIRED) {
		struct key_job over = {.change = CHANGE_STATE, .key = k, .state = SIGNING_REMOVABLE};
		if (now - k->since_ms >= s->settings->dkim_overlap_ms)
			result_ignore(change(s, &over));
		return;
	}
	if (k->checked_ms && now - k->checked_ms < (k->state == SIGNING_ACTIVE ? LATER_MS : SOON_MS) &&
	    now >= k->checked_ms)
		return;
	k->dns = look(s, k);
	struct key_job checked = {.change = CHANGE_CHECKED, .key = k};
	result_ignore(change(s, &checked));
	struct key_job sign = {.change = CHANGE_PROMOTE, .key = k, .state = SIGNING_ACTIVE};
	struct key_job gone = {.change = CHANGE_REMOVE, .key = k};
	if (k->state == SIGNING_WAITING && k->dns == SEKISHO__DKIM_SEEN_ANSWER__STATE__SEEN)
		result_ignore(change(s, &sign));
	if (k->state == SIGNING_REMOVABLE && (k->dns == SEKISHO__DKIM_SEEN_ANSWER__STATE__ABSENT ||
						 k->dns == SEKISHO__DKIM_SEEN_ANSWER__STATE__OTHER))
		result_ignore(change(s, &gone));
}

static void look_after(struct store *s, struct slice domain)
{
	ARENA_LOCAL(a, 1 << 20);
	struct signing_key *keys;
	size_t n;
	for (int pass = 0; pass < 2; pass++) { /* what the first makes the second looks up */
		{
			READER r = reader_begin(s);
			if (!r.db)
				return;
			n = signing_keys(r.db, domain, &a, &keys);
			if (db_result(r.db) != OK)
				return;
		}
		if (pass == 0)
			make_missing(s, domain, keys, n);
	}
	for (size_t i = 0; i < n; i++)
		step(s, &keys[i]);
}

/* All domains with keys of their own, in the arena; false when they cannot be read. */
struct domain_list {
	struct domain_list *next;
	struct slice name;
};
static bool read_domains(struct store *s, struct arena *a, struct domain_list **out, bool *orphans_out)
{
	struct slice service = slice_str(s->settings->dkim_service);
	struct domain_list **last = out;
	*out = NULL;
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, DKIM_DOMAINS, DI(ORGANISATION));
	bool more = db_next(&q);
	while (more || service.n) {
		struct domain_list *d = arena_new(a, struct domain_list);
		if (!d)
			return false;
		d->name = more ? arena_dup(a, db_octets(&q, 0)) : service;
		if (!more || slice_eq(d->name, service))
			service = SLICE_NONE;
		*last = d;
		last = &d->next;
		more = more && db_next(&q);
	}
	*orphans_out = DB_NUMBER(r.db, 0, DKIM_ORPHANS, DZ(s->settings->dkim_service)) != 0;
	return db_result(r.db) == OK;
}

void signing_round(struct store *s)
{
	ARENA_LOCAL(a, ROUND_ARENA);
	struct domain_list *list;
	bool orphans;
	if (!read_domains(s, &a, &list, &orphans))
		return;
	struct signing_key service = {.domain = slice_str(s->settings->dkim_service)};
	struct key_job forget = {.change = CHANGE_FORGET, .key = &service};
	if (orphans)
		result_ignore(change(s, &forget));
	for (const struct domain_list *d = list; d && !atomic_load(&s->broken); d = d->next)
		look_after(s, d->name);
}

/* ---- the thread ---- */

struct signing {
	struct store *store;
	struct rounds rounds;
};

static int64_t work(void *arg)
{
	signing_round(((struct signing *)arg)->store);
	return ROUND_MS;
}

struct signing *signing_new(struct store *s)
{
	if (!s->settings->dkim_sign)
		return NULL;
	struct signing *g = calloc(1, sizeof *g);
	if (!g)
		abort();
	g->store = s;
	rounds_start(&g->rounds, "signing", 0, work, g);
	return g;
}

void signing_free(struct signing *g)
{
	if (!g)
		return;
	rounds_stop(&g->rounds);
	free(g);
}

void signing_wake(struct store *s)
{
	if (s->signing)
		rounds_wake(&s->signing->rounds);
}
