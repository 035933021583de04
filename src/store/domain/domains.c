#include "store/domain/domains.h"
#include "mail/date.h"
#include "store/domain/dns_json.h"
#include "store/domain/lookalikes.h"
#include "store/queue/notice.h"
#include "store/rounds.h"
#include "store/tasks.h"
#include <stdlib.h>

#define FIRST_MS                                                                                             \
	(30 * SECOND_MS) /* after a start: the others are up, and a restart does not ask at once again */
#define TICK_MS (15 * SECOND_MS)
#define CHECK_ARENA ((size_t)16 << 20)
#define ANSWER_MOST ((size_t)1 << 20)
#define TEXT_MOST 65536
#define EVENTS_MOST 10

struct domains {
	struct store *store;
	struct rounds rounds;
	struct tasks *tasks;
};

struct tasks *domains_tasks(struct domains *d)
{
	return d->tasks;
}

/* ---- asking scan ---- */

enum result domains_ask(
    struct store *s, struct slice domain, bool silent, struct arena *a, Sekisho__AssistAnswer **out)
{
	Sekisho__AssistAsk ask;
	if (!domains_self(s, domain, a, &ask))
		return LATER;
	ask.silent = silent;
	struct ipc *c = ipc_thread(s->settings->scan);
	enum result r = c ? ipc_call(c, ASK_SCAN_ASSIST, &ask, NULL, a, out, NULL) : LATER;
	return r == OK || r == FULL ? r : LATER;
}

/* ---- keeping what was found ---- */

enum occasion { OCCASION_WORSE, OCCASION_MONTH };
static const struct {
	enum occasion occasion;
	const char *language, *subject, *before, *none, *after;
} texts[] = {
#define X(occasion, language, subject, before, none, after)                                                  \
	{OCCASION_##occasion, language, subject, before, none, after},
#include "store/domain/domains_text.def"
#undef X
};

struct keeping {
	struct job job;
	struct slice domain;
	const Sekisho__AssistAnswer *answer;
	struct slice packed, told;
};

static bool is_bad(const Sekisho__AssistFinding *f)
{
	return f->state >= SEKISHO__ASSIST_STATE__WARNING;
}

static void put_line(struct buf *b, const Sekisho__AssistFinding *f)
{
	buf_printf(b, "%s %s\n", f->code, f->name);
}

static bool has_line(struct slice lines, struct slice line)
{
	while (lines.n)
		if (slice_eq(slice_split(&lines, '\n'), line))
			return true;
	return false;
}

static bool was_told(struct slice told, const Sekisho__AssistFinding *f)
{
	BUF_LOCAL(line, 2048);
	put_line(&line, f);
	line.n -= line.n ? 1 : 0;
	return has_line(told, buf_slice(&line));
}

/* Where the DNS did not answer, what was wrong there before may still be. */
static bool is_whole(const Sekisho__AssistAnswer *answer)
{
	for (size_t i = 0; i < answer->n_findings; i++)
		if (answer->findings[i]->state == SEKISHO__ASSIST_STATE__UNKNOWN)
			return false;
	return true;
}

static void put_told(const Sekisho__AssistAnswer *answer, struct slice before, struct buf *out)
{
	for (size_t i = 0; i < answer->n_findings; i++)
		if (is_bad(answer->findings[i]))
			put_line(out, answer->findings[i]);
	while (!is_whole(answer) && before.n) {
		struct slice line = slice_split(&before, '\n');
		if (has_line(buf_slice(out), line))
			continue;
		buf_put(out, line);
		buf_putc(out, '\n');
	}
}

static enum result apply_keep(struct job *j, struct db *db)
{
	struct keeping *k = (struct keeping *)j;
	int64_t now = clock_utc_ms();
	DB_RUN(db, CHECK_CLAIM, DT(k->domain), DI(now), DI(INT64_MAX), DB(SLICE_NONE));
	DB_RUN(db, CHECK_SET, DT(k->domain), DI(now), DI(k->answer->worst), DT(k->told), DB(k->packed));
	return OK;
}

/* ---- telling ---- */

static void put_filled(const char *text, struct slice domain, struct buf *b)
{
	struct slice rest = slice_str(text);
	while (rest.n) {
		buf_put(b, slice_split(&rest, '{'));
		if (rest.n) {
			slice_split(&rest, '}');
			buf_put(b, domain);
		}
	}
}

static bool put_new(const Sekisho__AssistAnswer *answer, struct slice told, bool japanese, struct buf *b)
{
	bool any = false;
	for (size_t i = 0; i < answer->n_findings; i++) {
		const Sekisho__AssistFinding *f = answer->findings[i];
		if (!is_bad(f) || was_told(told, f))
			continue;
		buf_printf(b, "- %s\n  -> %s\n", japanese ? f->ja : f->en, japanese ? f->ja_do : f->en_do);
		any = true;
	}
	return any;
}

static void tell_postmaster(struct store *s, enum occasion occasion, struct slice domain,
    const Sekisho__AssistAnswer *answer, struct slice told)
{
	BUF_LOCAL(subject, 1000);
	BUF_LOCAL(text, TEXT_MOST);
	struct slice rest = slice_str(s->settings->languages);
	while (rest.n) {
		struct slice language = slice_split(&rest, ' ');
		for (size_t i = 0; i < COUNT(texts); i++) {
			if (texts[i].occasion != occasion ||
			    !slice_eq(language, slice_str(texts[i].language)))
				continue;
			buf_puts(&subject, subject.n ? " / " : "");
			put_filled(texts[i].subject, domain, &subject);
			buf_puts(&text, text.n ? "\n----\n\n" : "");
			put_filled(texts[i].before, domain, &text);
			if (!put_new(answer, told, slice_eq(language, SLICE("ja")), &text))
				buf_puts(&text, texts[i].none);
			put_filled(texts[i].after, domain, &text);
		}
	}
	struct notice n = {SLICE("postmaster"), domain, buf_slice(&subject), buf_slice(&text), "dns"};
	enum result r = notice_send(s, &n);
	if (r != OK)
		EVENT(INTERNAL, KZ("where", "dns warning"), KZ("why", result_name(r)));
}

static unsigned note_new(struct slice domain, const Sekisho__AssistAnswer *answer, struct slice told)
{
	unsigned n = 0;
	for (size_t i = 0; i < answer->n_findings; i++) {
		const Sekisho__AssistFinding *f = answer->findings[i];
		if (is_bad(f) && !was_told(told, f) && n++ < EVENTS_MOST)
			EVENT(DNS_WORSE, KV("domain", domain), KZ("finding", f->code), KZ("name", f->name));
	}
	return n;
}

/* What was told before, in the arena; false: the domain was never checked. */
static bool read_told(struct store *s, struct slice domain, struct arena *a, struct slice *out)
{
	READER r = reader_begin(s);
	*out = SLICE_NONE;
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, CHECK_GET, DT(domain));
	if (!db_next(&q) || !db_octets(&q, 3).n)
		return false;
	*out = arena_dup(a, db_octets(&q, 2));
	return true;
}

void domains_keep(struct store *s, struct slice domain, const Sekisho__AssistAnswer *answer)
{
	ARENA_LOCAL(a, CHECK_ARENA);
	BUF_LOCAL(packed, ANSWER_MOST);
	BUF_LOCAL(told, ANSWER_MOST);
	struct slice before;
	bool known = read_told(s, domain, &a, &before);
	ipc_pack(answer, &packed);
	put_told(answer, before, &told);
	struct keeping k = {.job = {.store = s, .apply = apply_keep},
	    .domain = domain,
	    .answer = answer,
	    .packed = buf_slice(&packed),
	    .told = buf_slice(&told)};
	EVENT(DNS_CHECKED, KV("domain", domain), KZ("state", dns_state_name(answer->worst)));
	if (writer_wait(s->writer, &k.job) == OK && known && note_new(domain, answer, before))
		tell_postmaster(s, OCCASION_WORSE, domain, answer, before);
}

static int64_t month_of(int64_t ms)
{
	int64_t year;
	int month, day;
	mail_days_split(ms / DAY_MS, &year, &month, &day);
	return year * 12 + month;
}

/* ---- the thread ---- */

/*
 * A domain whose time has come, taken by this node alone: the row's time moves before the work begins. False: none.
 */
struct claim {
	struct job job;
	struct slice domain;
	int64_t before;
};

static enum result apply_claim(struct job *j, struct db *db)
{
	struct claim *c = (struct claim *)j;
	DB_RUN(db, CHECK_CLAIM, DT(c->domain), DI(clock_utc_ms()), DI(c->before), DB(SLICE_NONE));
	return db_changed(db) ? OK : GONE;
}

/* *last_out: when it was checked before, 0: never. */
static bool take_due(struct store *s, struct arena *a, struct slice *out, int64_t *last_out)
{
	struct claim c = {.job = {.store = s, .apply = apply_claim},
	    .before = clock_utc_ms() - s->settings->dns.check_every_ms};
	{
		READER r = reader_begin(s);
		if (!r.db)
			return false;
		DB_ROWS q = DB_QUERY(r.db, CHECK_DUE, DI(ORGANISATION), DI(c.before));
		if (!db_next(&q))
			return false;
		*out = c.domain = arena_dup(a, db_octets(&q, 0));
		*last_out = db_int(&q, 1);
	}
	return c.domain.n && writer_wait(s->writer, &c.job) == OK;
}

static void check_due(struct store *s)
{
	ARENA_LOCAL(a, CHECK_ARENA);
	struct slice domain;
	int64_t last;
	Sekisho__AssistAnswer *answer;
	if (atomic_load(&s->broken) || !take_due(s, &a, &domain, &last) ||
	    domains_ask(s, domain, false, &a, &answer) != OK)
		return;
	domains_keep(s, domain, answer);
	if (last && month_of(last) != month_of(clock_utc_ms()))
		tell_postmaster(s, OCCASION_MONTH, domain, answer, SLICE_NONE);
}

static int64_t work(void *arg)
{
	struct domains *d = arg;
	check_due(d->store);
	lookalikes_due(d->store);
	return MIN(TICK_MS, d->store->settings->dns.check_every_ms);
}

struct domains *domains_new(struct store *s)
{
	struct domains *d = calloc(1, sizeof *d);
	if (!d)
		abort();
	d->store = s;
	d->tasks = tasks_new(1);
	int64_t every = s->settings->dns.check_every_ms;
	if (every)
		rounds_start(&d->rounds, "domains", MIN(FIRST_MS, MAX(every, SECOND_MS)), work, d);
	return d;
}

void domains_free(struct domains *d)
{
	if (!d)
		return;
	rounds_stop(&d->rounds);
	tasks_free(d->tasks);
	free(d);
}
