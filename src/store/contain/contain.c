/* Signs, levels, incidents: in the transaction of whatever shows them. */
#include "store/contain/contain.h"
#include "store/contain/alarm.h"

#define SIGNALS_MOST 32
#define SIGN_FORGOTTEN_MS (2 * DAY_MS) /* a sign that was not seen for so long begins anew */
#define BAD_MOST_MS (7 * DAY_MS)       /* an incident began at most so long before it was noticed, */
#define BAD_BEFORE_MS HOUR_MS          /* and so long before its first sign */

static struct slice seal_detail(struct store *s, int64_t account, struct slice detail, struct arena *a)
{
	BUF_LOCAL(sealed, 4096 + SEAL_OVERHEAD);
	char room[48];
	int n = snprintf(room, sizeof room, "signal %lld", (long long)account);
	if (!detail.n)
		return SLICE("");
	seal_put(s->seal, slice_sub(detail, 0, 4096), slice_of(room, (size_t)n), &sealed);
	return arena_dup(a, buf_slice(&sealed));
}

/* ---- levels ---- */

static int64_t sum_of(struct db *db, int64_t account, int64_t now)
{
	struct points_event events[SIGNALS_MOST];
	size_t n = 0;
	DB_ROWS q = DB_QUERY(db, SIGNALS_OF, DI(account));
	for (; n < SIGNALS_MOST && db_next(&q); n++)
		events[n] = (struct points_event){(enum points_signal)db_int(&q, 0), db_int(&q, 2)};
	return points_sum(events, n, now);
}

struct guard {
	enum points_level level;
	int64_t incident, since;
};

static struct guard guard_of(struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, GUARD_GET, DI(account));
	if (!db_next(&q))
		return (struct guard){0};
	return (struct guard){(enum points_level)db_int(&q, 0), db_int(&q, 1), db_int(&q, 2)};
}

/* Opens an incident, or raises the one that is open; with a first or a new level its steps begin. */
static void open_incident(struct store *s, struct db *db, int64_t account, struct guard *g, int64_t now)
{
	if (g->incident) {
		DB_RUN(db, INCIDENT_RAISE, DI(g->incident), DI(g->level));
		return;
	}
	int64_t bad = DB_NUMBER(db, now, SIGNALS_SINCE, DI(account), DI(now), DI(now - SIGN_FORGOTTEN_MS));
	g->incident = writer_number(s->writer, SEQUENCE_INCIDENT);
	DB_RUN(db, INCIDENT_ADD, DI(g->incident), DI(account), DI(g->level), DI(now),
	    DI(MAX(bad - BAD_BEFORE_MS, now - BAD_MOST_MS)), DB(SLICE("")));
	EVENT(INCIDENT, KN("incident", g->incident), KN("account", account),
	    KZ("level", points_level_name(g->level)));
}

static enum points_level set_level(
    struct store *s, struct db *db, int64_t account, struct guard g, enum points_level level, int64_t now)
{
	if (level == g.level)
		return level;
	bool rises = level > g.level;
	g.level = level;
	if (rises && level >= LEVEL_HOLD)
		open_incident(s, db, account, &g, now);
	DB_RUN(db, GUARD_SET, DI(account), DI(level), DI(now), DI(g.incident));
	EVENT(LEVEL, KN("account", account), KZ("level", points_level_name(level)));
	return level;
}

enum points_level contain_signal(
    struct store *s, struct db *db, int64_t account, enum points_signal signal, struct slice detail)
{
	ARENA_LOCAL(a, 16384);
	int64_t now = clock_utc_ms();
	struct guard g = guard_of(db, account);
	DB_RUN(db, SIGNAL_SEEN, DI(account), DI(signal), DI(now), DB(seal_detail(s, account, detail, &a)),
	    DI(now - SIGN_FORGOTTEN_MS));
	return set_level(s, db, account, g, points_level(sum_of(db, account, now), g.level), now);
}

void contain_held(struct store *s, struct db *db, int64_t account, enum hold_reason why)
{
	int64_t now = clock_utc_ms();
	struct guard g = guard_of(db, account);
	if (g.incident)
		return;
	open_incident(s, db, account, &g, now);
	DB_RUN(db, GUARD_SET, DI(account), DI(g.level), DI(now), DI(g.incident));
	EVENT(MAIL_HELD, KN("account", account), KZ("why", hold_text(why).name));
}

void contain_close(struct db *db, int64_t account, int64_t incident, enum contain_outcome outcome)
{
	int64_t now = clock_utc_ms();
	DB_RUN(db, INCIDENT_CLOSE, DI(incident), DI(now), DI(outcome));
	DB_RUN(db, GUARD_SET, DI(account), DI(LEVEL_CALM), DI(now), DI(0));
	if (outcome != CONTAIN_OVER)
		DB_RUN(db, SIGNALS_FORGET, DI(account));
	EVENT(INCIDENT_CLOSED, KN("incident", incident), KN("account", account));
}

void contain_forget_account(struct db *db, int64_t account)
{
	DB_RUN(db, SIGNALS_FORGET, DI(account));
	DB_RUN(db, GUARD_FORGET, DI(account));
	DB_RUN(db, INCIDENTS_FORGET, DI(account));
	DB_RUN(db, KNOWN_FORGET, DI(account));
	DB_RUN(db, SPENT_FORGET, DI(account));
	DB_RUN(db, SAME_BODY_FORGET, DI(account));
	DB_RUN(db, ALLOWANCE_FORGET, DI(account));
}

/* ---- what falls by itself ---- */

struct cooling {
	struct job job;
	int64_t after; /* account */
	unsigned n;
};

/* An incident is over by itself when it never came to a suspension, its points have fallen, and nothing is held. */
static void cool(struct store *s, struct db *db, int64_t account, int64_t now)
{
	struct guard g = guard_of(db, account);
	enum points_level level = points_level(sum_of(db, account, now), g.level);
	if (level < g.level)
		set_level(s, db, account, g, level, now);
	if (level < LEVEL_HOLD && g.incident && now - g.since > HOUR_MS &&
	    !DB_NUMBER(db, 0, HELD_ANY, DI(account)))
		contain_close(db, account, g.incident, CONTAIN_OVER);
}

static enum result apply_cool(struct job *j, struct db *db)
{
	struct cooling *c = (struct cooling *)j;
	int64_t accounts[100], now = clock_utc_ms();
	{
		DB_ROWS q = DB_QUERY(db, GUARDS_RAISED, DI(c->after));
		for (c->n = 0; c->n < COUNT(accounts) && db_next(&q); c->n++)
			accounts[c->n] = db_int(&q, 0);
	}
	for (unsigned i = 0; i < c->n; i++)
		cool(j->store, db, accounts[i], now);
	if (c->n)
		c->after = accounts[c->n - 1];
	return db_result(db);
}

void contain_cool(struct store *s)
{
	struct cooling c = {.job = {.store = s, .apply = apply_cool}};
	while (writer_wait(s->writer, &c.job) == OK && c.n)
		;
}
