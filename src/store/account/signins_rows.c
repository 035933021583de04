/* The rows of the log: written behind the answer, counted up while nothing new happens, forgotten in time. */
#include "store/contain/contain.h"
#include "store/account/signins_inside.h"
#include "store/stats.h"
#include <stdlib.h>

#define PRUNE_ROWS 1000
#define TOGETHER_MS (15 * MINUTE_MS) /* sign-ins within it are at the same time */
#define TOGETHER_ROWS 1000
#define TOGETHER_NETWORKS 3
#define TOGETHER_COUNTRIES 2
#define DAYS_KEPT 100

struct writing {
	struct job job;
	struct alike key;
	int64_t at, row;
	enum door door;
	enum signin_outcome outcome;
	struct signin_context context;
	bool factor;
	struct buf sealed;
	enum points_level level; /* of the account, by what the sign-in says */
};

static void add_days(const struct writing *w, struct db *db)
{
	const struct signin_context *c = &w->context;
	const struct store *s = w->job.store;
	const struct {
		enum day_kind kind;
		int64_t value;
		bool known;
	} days[] = {
	    {DAY_ASN, c->place.asn, c->place.asn != 0},
	    {DAY_PREFIX, signins_prefix_token(s, &c->prefix), true},
	    {DAY_COUNTRY, (int64_t)c->place.country[0] << 8 | c->place.country[1], *c->place.country != '\0'},
	    {DAY_CREDENTIAL, c->credential, true},
	    {DAY_DEVICE, c->device, true},
	    {DAY_HOUR, w->at / HOUR_MS % 24, true},
	    {DAY_CONFIRMED, signins_prefix_token(s, &c->prefix), w->factor},
	};
	for (size_t i = 0; i < COUNT(days); i++)
		if (days[i].known)
			DB_RUN(db, SIGNIN_DAY, DI(w->key.account), DI(days[i].kind), DI(days[i].value),
			    DI(w->at / DAY_MS));
}

/* Phones and VPNs change their place without moving. */
static bool many_at_once(const struct writing *w, struct db *db)
{
	DB_ROWS q = DB_QUERY(db, SIGNINS_TOGETHER, DI(w->key.account), DI(w->at - TOGETHER_MS), DI(SIGNIN_IN),
	    DI(GEO_VPN | GEO_MOBILE), DI(TOGETHER_ROWS));
	return db_next(&q) && (db_int(&q, 0) >= TOGETHER_NETWORKS || db_int(&q, 1) >= TOGETHER_COUNTRIES);
}

/* What makes one doubt that it was the owner (policy/signals.def). Once for a row, not for each attempt it counts. */
static void add_signs(struct writing *w, struct db *db)
{
	static const struct {
		unsigned reasons;
		enum points_signal signal;
	} signs[] = {
	    {SIGNIN_FIRST_COUNTRY, SIGNAL_NEW_COUNTRY},
	    {SIGNIN_HOSTING | SIGNIN_VPN | SIGNIN_TOR, SIGNAL_HOSTING_NETWORK},
	    {SIGNIN_FIRST_ASN, SIGNAL_NEW_NETWORK},
	    {SIGNIN_FIRST_DEVICE, SIGNAL_NEW_CLIENT},
	    {SIGNIN_FLAGGED | SIGNIN_GUESSED, SIGNAL_SPRAY_SUCCESS},
	    {SIGNIN_ODD_HOUR, SIGNAL_ODD_HOUR},
	};
	struct store *s = w->job.store;
	char ip[IP_TEXT];
	struct slice from = slice_str(ip_text(&w->context.ip, ip));
	for (size_t i = 0; i < COUNT(signs); i++)
		if (w->context.reasons & signs[i].reasons)
			w->level = contain_signal(s, db, w->key.account, signs[i].signal, from);
	if (many_at_once(w, db))
		w->level = contain_signal(s, db, w->key.account, SIGNAL_SIMULTANEOUS, from);
}

static enum result apply_row(struct job *j, struct db *db)
{
	struct writing *w = (struct writing *)j;
	const struct signin_context *c = &w->context;
	char ip[IP_TEXT];
	w->row = writer_number(j->store->writer, SEQUENCE_SIGNIN);
	DB_RUN(db, SIGNIN_ADD, DI(w->row), DI(w->at), DI(w->key.account), DI(w->key.login), DI(w->door),
	    DZ(ip_text(&c->ip, ip)), DZ(c->place.country), DI(c->place.asn), DI(c->place.kind),
	    DI(c->credential), DI(c->device), DI(w->outcome), DI(w->key.rule), DI(c->familiarity),
	    DI(c->reasons), DB(buf_slice(&w->sealed)));
	w->level = LEVEL_CALM;
	if (w->outcome == SIGNIN_IN && w->key.account) {
		add_days(w, db);
		add_signs(w, db);
	}
	return db_result(db);
}

/* From now on the slot counts for this row, unless others took the slot meanwhile. */
static void done_row(struct job *j, enum result r)
{
	struct writing *w = (struct writing *)j;
	struct signins *all = j->store->signins;
	pthread_mutex_lock(&all->lock);
	struct row_slot *slot = &all->rows[signins_slot(all, &w->key)];
	if (!slot->row && memcmp(&slot->key, &w->key, sizeof w->key) == 0) {
		slot->row = r == OK ? w->row : 0;
		if (r != OK)
			slot->until_ms = 0;
	}
	pthread_mutex_unlock(&all->lock);
	if (r == OK && w->level >= LEVEL_HOLD)
		contain_wake(j->store);
	buf_free(&w->sealed);
	free(w);
}

/* What a slot has counted and no row has. */
struct more {
	int64_t row, times, last;
};

struct counting {
	struct job job;
	size_t n;
	struct more at[];
};

static enum result apply_counts(struct job *j, struct db *db)
{
	struct counting *c = (struct counting *)j;
	for (size_t i = 0; i < c->n; i++)
		DB_RUN(db, SIGNIN_MORE, DI(c->at[i].row), DI(c->at[i].times), DI(c->at[i].last));
	return db_result(db);
}

static void done_counts(struct job *j, enum result r)
{
	free(j);
}

static struct counting *counting_new(struct store *s, size_t n)
{
	struct counting *c = calloc(1, sizeof *c + n * sizeof c->at[0]);
	if (!c)
		abort();
	c->job = (struct job){.store = s, .apply = apply_counts, .done = done_counts};
	return c;
}

static void slot_take(struct row_slot *slot, struct counting *c)
{
	if (slot->row && slot->more)
		c->at[c->n++] = (struct more){slot->row, slot->more, slot->last_ms};
	if (slot->row)
		slot->more = 0;
}

static void counting_put(struct counting *c)
{
	if (c->n)
		writer_put(c->job.store->writer, &c->job);
	else
		free(c);
}

/* True when an open row took it in. Else the slot is this attempt's, and what it had counted for another goes to *left. */
static bool count_up(struct store *s, const struct alike *key, int64_t now, struct counting **left)
{
	struct signins *all = s->signins;
	pthread_mutex_lock(&all->lock);
	struct row_slot *slot = &all->rows[signins_slot(all, key)];
	bool open = memcmp(&slot->key, key, sizeof *key) == 0 && now < slot->until_ms &&
		    now >= slot->until_ms - SIGNIN_ALIKE_MS;
	if (open) {
		slot->more++;
		slot->last_ms = now;
	} else {
		*left = counting_new(s, 1);
		slot_take(slot, *left);
		*slot = (struct row_slot){.key = *key, .until_ms = now + SIGNIN_ALIKE_MS, .last_ms = now};
	}
	pthread_mutex_unlock(&all->lock);
	return open;
}

void signin_record(struct store *s, const struct signin *in, enum signin_outcome outcome)
{
	int64_t now = clock_utc_ms();
	struct alike key = signins_alike(s, in, outcome);
	struct counting *left = NULL;
	stats_count(s->stats, outcome == SIGNIN_IN ? STAT_SIGNINS : STAT_SIGNINS_FAILED, 1);
	if (count_up(s, &key, now, &left))
		return;
	counting_put(left);
	struct writing *w = calloc(1, sizeof *w);
	if (!w)
		abort();
	*w = (struct writing){.job = {.store = s, .apply = apply_row, .done = done_row},
	    .key = key,
	    .at = now,
	    .door = in->door,
	    .outcome = outcome,
	    .context = in->context,
	    .factor = in->factor,
	    .sealed = {.max = LIMIT_SIGNIN_AGENT + SEAL_OVERHEAD}};
	struct slice agent = signins_agent(in);
	if (agent.n)
		seal_put(s->seal, agent, SLICE("signin"), &w->sealed);
	writer_put(s->writer, &w->job);
}

/* ---- what is understood later ---- */

struct suspecting {
	struct job job;
	int64_t account;
	enum points_signal signal;
};

static enum result apply_suspect(struct job *j, struct db *db)
{
	const struct suspecting *p = (const struct suspecting *)j;
	if (DB_NUMBER(db, 0, SIGNIN_CREATED, DI(p->account)))
		contain_signal(j->store, db, p->account, p->signal, SLICE_NONE);
	return db_result(db);
}

static void done_suspect(struct job *j, enum result r)
{
	if (r == OK)
		contain_wake(j->store);
	free(j);
}

void signin_sign(struct store *s, int64_t account, enum points_signal signal)
{
	struct suspecting *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	*p = (struct suspecting){.job = {.store = s, .apply = apply_suspect, .done = done_suspect},
	    .account = account,
	    .signal = signal};
	writer_put(s->writer, &p->job);
}

void signin_suspect(struct store *s, int64_t account)
{
	signin_sign(s, account, SIGNAL_SPRAY_SUCCESS);
}

void signins_tick(struct store *s)
{
	struct signins *all = s->signins;
	size_t n = 0;
	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < SIGNIN_SLOTS; i++)
		n += all->rows[i].row && all->rows[i].more;
	struct counting *c = n ? counting_new(s, n) : NULL;
	for (size_t i = 0; c && i < SIGNIN_SLOTS; i++)
		slot_take(&all->rows[i], c);
	pthread_mutex_unlock(&all->lock);
	if (c)
		counting_put(c);
}

/* ---- forgetting ---- */

struct pruning {
	struct job job;
	int64_t above; /* rows more than there may be */
	int64_t gone;
};

static enum result apply_prune(struct job *j, struct db *db)
{
	struct pruning *p = (struct pruning *)j;
	int64_t now = clock_utc_ms();
	DB_RUN(db, SIGNINS_OLD, DI(now - j->store->settings->signin_keep_ms), DI(PRUNE_ROWS));
	p->gone = (int64_t)db_changed(db);
	if (p->above > p->gone) {
		DB_RUN(db, SIGNINS_OLDEST, DI(MIN(p->above - p->gone, (int64_t)PRUNE_ROWS)));
		p->gone += (int64_t)db_changed(db);
	}
	DB_RUN(db, SIGNIN_DAYS_OLD, DI(now / DAY_MS - DAYS_KEPT));
	return db_result(db);
}

static int64_t count_above(struct store *s)
{
	READER r = reader_begin(s);
	if (!r.db)
		return 0;
	DB_ROWS q = DB_QUERY0(r.db, SIGNINS_COUNT);
	return db_next(&q) ? db_int(&q, 0) - LIMIT_SIGNINS : 0;
}

void signins_prune(struct store *s)
{
	struct pruning p = {.above = count_above(s)};
	do {
		p = (struct pruning){.job = {.store = s, .apply = apply_prune}, .above = p.above - p.gone};
	} while (writer_wait(s->writer, &p.job) == OK && p.gone >= PRUNE_ROWS);
}
