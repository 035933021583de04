#include "store/domain/lookalikes.h"
#include "store/contain/alarm.h"
#include "store/contain/contain.h"
#include "store/queue/resolve.h"
#include "trust/lookalike.h"

#define LOOK_ARENA ((size_t)8 << 20)
#define TAKEN_MS (3 * MINUTE_MS) /* a node that died with a few candidates in hand is not waited for longer */
#define TOLD_MOST 50
#define TURNS 10
#define TEXT_MOST 16384

const char *lookalike_mark_name(int64_t mark)
{
	static const char *const names[] = {"", "watched", "known"};
	return mark >= 0 && mark < (int64_t)COUNT(names) ? names[mark] : "";
}

/* A few candidates of one domain: taken, looked at, kept. */
struct going {
	struct job job;
	struct slice domain;
	int64_t taken, taken_before, next, begun;
	const Sekisho__LookalikeAnswer *answer;
};

/* ---- taking ---- */

static enum result apply_take(struct job *j, struct db *db)
{
	struct going *g = (struct going *)j;
	DB_RUN(db, LOOKALIKE_TAKE, DT(g->domain), DI(g->taken), DI(g->taken_before));
	return db_changed(db) ? OK : GONE;
}

/* No other node looks at these meanwhile. */
static bool take(struct store *s, struct going *g)
{
	g->job = (struct job){.store = s, .apply = apply_take};
	g->taken = clock_utc_ms();
	if (!g->next)
		g->begun = g->taken;
	return writer_wait(s->writer, &g->job) == OK;
}

/* ---- keeping ---- */

/* A domain of ours, or what one of ours stands below. */
static bool is_ours(struct db *db, const char *name)
{
	if (resolve_is_ours(db, slice_str(name)))
		return true;
	DB_ROWS q = DB_QUERY(db, DOMAIN_BELOW, DZ(name));
	return db_next(&q);
}

static void keep(struct db *db, const struct going *g, const Sekisho__LookalikeSeen *seen)
{
	if (seen->state == SEKISHO__LOOKALIKE_STATE__NOT_THERE)
		DB_RUN(db, LOOKALIKE_GONE, DT(g->domain), DZ(seen->name));
	else if (seen->state != SEKISHO__LOOKALIKE_STATE__NOT_KNOWN && !is_ours(db, seen->name))
		DB_RUN(db, LOOKALIKE_SEEN, DT(g->domain), DZ(seen->name), DZ(seen->shown), DZ(seen->kind),
		    DI(seen->state), DZ(seen->seen), DI(g->taken));
}

/* ---- telling ---- */

static void put_news(struct db_rows *q, struct buf *en, struct buf *ja)
{
	static const struct {
		const char *en, *ja;
	} states[] = {[SEKISHO__LOOKALIKE_STATE__HAS_ADDRESS] = {"has a server", "サーバーあり"},
	    [SEKISHO__LOOKALIKE_STATE__TAKES_MAIL] = {"can send and take mail", "メールを送受信可能"}};
	unsigned state = (unsigned)db_int(q, 3);
	unsigned kind = 0;
	while (kind < LOOKALIKE_KINDS && !slice_eq(db_octets(q, 2), slice_str(lookalike_word(kind))))
		kind++;
	if (state >= COUNT(states))
		return;
	buf_printf(en, "- " SLICE_FMT " (" SLICE_FMT "): %s; %s; " SLICE_FMT "\n", SLICE_ARG(db_octets(q, 1)),
	    SLICE_ARG(db_octets(q, 0)), lookalike_text(kind, false), states[state].en,
	    SLICE_ARG(db_octets(q, 4)));
	buf_printf(ja, "- " SLICE_FMT " (" SLICE_FMT "): %s、%s、" SLICE_FMT "\n", SLICE_ARG(db_octets(q, 1)),
	    SLICE_ARG(db_octets(q, 0)), lookalike_text(kind, true), states[state].ja,
	    SLICE_ARG(db_octets(q, 4)));
}

static void tell(const struct going *g, struct db *db)
{
	BUF_LOCAL(en, TEXT_MOST);
	BUF_LOCAL(ja, TEXT_MOST);
	struct slice d = g->domain;
	bool any = false;
	buf_printf(&en, "Somebody has names that look like " SLICE_FMT "\n", SLICE_ARG(d));
	buf_printf(&ja, SLICE_FMT " に似た名前のドメインが見つかりました\n", SLICE_ARG(d));
	{
		DB_ROWS q = DB_QUERY(db, LOOKALIKE_NEWS, DT(d), DI(LOOKALIKE_HARMLESS),
		    DI(SEKISHO__LOOKALIKE_STATE__HAS_ADDRESS), DI(TOLD_MOST));
		for (; db_next(&q); any = true)
			put_news(&q, &en, &ja);
	}
	DB_RUN(db, LOOKALIKE_TOLD, DT(d));
	if (!any)
		return;
	buf_printf(&en, "All of them: sekisho dns lookalikes " SLICE_FMT "\n", SLICE_ARG(d));
	buf_printf(&ja, "一覧: sekisho dns lookalikes " SLICE_FMT "\n", SLICE_ARG(d));
	struct alarm a = {"domain.lookalike", ALARM_WARNING, .en = buf_slice(&en), .ja = buf_slice(&ja)};
	alarm_put(g->job.store, db, &a);
}

static enum result apply_keep(struct job *j, struct db *db)
{
	struct going *g = (struct going *)j;
	if (!resolve_is_ours(db, g->domain)) { /* removed meanwhile */
		DB_RUN(db, LOOKALIKE_FORGET_ROUND, DT(g->domain));
		return db_result(db);
	}
	for (size_t i = 0; i < g->answer->n_seen; i++)
		keep(db, g, g->answer->seen[i]);
	int64_t ended = g->answer->next ? DB_NUMBER(db, 0, LOOKALIKE_ENDED, DT(g->domain)) : clock_utc_ms();
	DB_RUN(db, LOOKALIKE_WENT_ON, DT(g->domain), DI(g->answer->next), DI(g->begun), DI(ended),
	    DI(g->answer->total));
	if (!g->answer->next)
		tell(g, db);
	return db_result(db);
}

/* ---- looking ---- */

/* Those that are watched go with the first candidates. */
static size_t read_watched(struct store *s, const struct going *g, struct arena *a, char ***out)
{
	size_t n = 0;
	READER r = reader_begin(s);
	*out = arena_array(a, LIMIT_LOOKALIKES_WATCHED, sizeof **out);
	if (!r.db || !*out || g->next)
		return 0;
	DB_ROWS q = DB_QUERY(r.db, LOOKALIKE_WATCHED, DT(g->domain), DI(LOOKALIKE_TO_WATCH));
	while (n < LIMIT_LOOKALIKES_WATCHED && db_next(&q))
		if (((*out)[n] = arena_z(a, db_octets(&q, 0))))
			n++;
	return n;
}

static enum result go_on(struct store *s, struct going *g, struct arena *a)
{
	Sekisho__LookalikeAsk ask = SEKISHO__LOOKALIKE_ASK__INIT;
	Sekisho__LookalikeAnswer *answer;
	struct ipc *c = ipc_thread(s->settings->scan);
	ask.domain = arena_z(a, g->domain);
	ask.from = (uint32_t)g->next;
	ask.n_watched = read_watched(s, g, a, &ask.watched);
	if (!c || !ask.domain || ipc_call(c, ASK_SCAN_LOOKALIKES, &ask, NULL, a, &answer, NULL) != OK)
		return LATER;
	g->answer = answer;
	g->job = (struct job){.store = s, .apply = apply_keep, .durable = true};
	enum result r = writer_wait(s->writer, &g->job);
	contain_wake(s); /* there may be an alarm to mail */
	if (r == OK && !answer->next)
		EVENT(LOOKALIKES_CHECKED, KV("domain", g->domain), KN("candidates", answer->total));
	return r;
}

static bool read_due(struct store *s, struct arena *a, struct going *out)
{
	int64_t now = clock_utc_ms();
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, LOOKALIKE_DUE, DI(ORGANISATION), DI(now - TAKEN_MS),
	    DI(now - s->settings->dns.check_every_ms));
	if (!db_next(&q))
		return false;
	*out = (struct going){.domain = arena_dup(a, db_octets(&q, 0)),
	    .taken_before = db_int(&q, 1),
	    .next = db_int(&q, 2),
	    .begun = db_int(&q, 3)};
	return out->domain.n != 0;
}

void lookalikes_due(struct store *s)
{
	ARENA_LOCAL(a, LOOK_ARENA);
	struct going g;
	if (!s->settings->dns.lookalikes || atomic_load(&s->broken) || !read_due(s, &a, &g) || !take(s, &g))
		return;
	result_ignore(
	    go_on(s, &g, &a)); /* what could not be asked stays taken for a while, and is asked again then */
}

/* When the thread is at the same domain, they take turns. */
static enum result take_next(struct store *s, struct going *g)
{
	for (unsigned i = 0; i < TURNS; i++) {
		{
			READER r = reader_begin(s);
			if (!r.db)
				return LATER;
			g->taken_before = DB_NUMBER(r.db, 0, LOOKALIKE_TAKEN, DT(g->domain));
		}
		if (take(s, g))
			return OK;
	}
	return LATER;
}

enum result lookalikes_check(struct store *s, struct slice domain, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	struct going g = {.domain = domain};
	enum result r;
	do {
		ARENA_LOCAL(a, LOOK_ARENA);
		r = take_next(s, &g);
		if (r == OK)
			r = go_on(s, &g, &a);
		g.next = r == OK ? g.answer->next : 0;
	} while (g.next && clock_mono_ms() < until);
	return r;
}
