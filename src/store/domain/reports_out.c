/* Which reports are due, and who asks for them. */
#include "store/domain/reports.h"

#define OUT_ARENA ((size_t)256 << 20)
#define DAYS_LATE 3 /* after so many days nobody waits for a report any more */
#define PACKED_MOST ((size_t)16 << 20)

bool reports_submitter(struct store *s, struct db *db, struct report_out *o)
{
	struct slice name = slice_str(s->settings->hostname);
	while (name.n && !resolve_is_ours(db, name))
		slice_split(&name, '.');
	if (!name.n) {
		DB_ROWS q = DB_QUERY0(db, DOMAIN_OLDEST);
		if (db_next(&q))
			name = db_octets(&q, 0);
		name = arena_dup(o->arena, name);
	}
	struct slice contact = slice_str(s->settings->reports.contact);
	o->about.submitter = o->about.org = name;
	o->about.email =
	    contact.n ? contact : slice_str(arena_printf(o->arena, "postmaster@" SLICE_FMT, SLICE_ARG(name)));
	return name.n && !arena_full(o->arena) && db_result(db) == OK;
}

enum result reports_targets(struct report_out *o, const char *record, bool last_try)
{
	Sekisho__ReportTargetsAsk ask = SEKISHO__REPORT_TARGETS_ASK__INIT;
	Sekisho__ReportTargetsAnswer *to;
	struct ipc *c = ipc_thread(o->s->settings->scan);
	ask.domain = arena_z(o->arena, o->domain);
	ask.record = (char *)(uintptr_t)record;
	if (!c || !ask.domain || ipc_call(c, ASK_SCAN_REPORT_TARGETS, &ask, NULL, o->arena, &to, NULL) != OK)
		return LATER;
	o->to = to;
	return to->unsure && !last_try ? LATER : OK;
}

static void describe(struct report_out *o)
{
	o->about.domain = o->domain;
	o->about.begin_s = o->day * (DAY_MS / SECOND_MS);
	o->about.end_s = o->about.begin_s + DAY_MS / SECOND_MS - 1;
	o->about.id =
	    slice_str(arena_printf(o->arena, "%lld.%llx", (long long)o->day, (unsigned long long)o->token));
}

/* One domain of one day. */
static enum result report_one(struct report_out *o)
{
	READER reader = reader_begin(o->s);
	if (!reader.db || !reports_submitter(o->s, reader.db, o))
		return LATER;
	describe(o);
	enum result r =
	    o->kind == REPORT_DMARC ? reports_dmarc_make(o, reader.db) : reports_tls_make(o, reader.db);
	if (r == GONE)
		return reports_mark(o, SENT_NOT_WANTED);
	if (r == FULL)
		return reports_mark(o, SENT_TOO_LARGE);
	return r == OK ? reports_send(o, reader.db) : r;
}

struct due {
	struct store *s;
	enum report_kind kind;
	int64_t day;
	int64_t token;
	char name[LIMIT_DNS_NAME + 1]; /* TLS: the domain; of DMARC the rows tell it */
};

/* The next after it in the day's order. False: no more. */
static bool find_next(struct due *d)
{
	READER r = reader_begin(d->s);
	if (!r.db)
		return false;
	if (d->kind == REPORT_DMARC) {
		d->token = DB_NUMBER(r.db, 0, TRUST_ABOUT_NEXT, DI(d->day), DI(d->token));
		return d->token > 0;
	}
	DB_ROWS q = DB_QUERY(r.db, TLS_ABOUT_NEXT, DI(d->day), DZ(d->name));
	if (!db_next(&q) || db_is_null(&q, 0))
		return false;
	struct slice name = slice_sub(db_octets(&q, 0), 0, sizeof d->name - 1);
	if (!name.n)
		return false;
	memcpy(d->name, name.p, name.n);
	d->name[name.n] = '\0';
	d->token = seal_token(d->s->seal, "tls report", name);
	return true;
}

static bool is_sent(const struct due *d)
{
	READER r = reader_begin(d->s);
	return !r.db || DB_NUMBER(r.db, 0, SENT_IS, DI(d->kind), DI(d->day), DI(d->token)) != 0;
}

/* False: something is left for the next time. */
static bool send_day(struct store *s, enum report_kind kind, int64_t day)
{
	struct due d = {.s = s, .kind = kind, .day = day};
	bool all = true;
	while (!atomic_load(&s->broken) && find_next(&d)) {
		if (is_sent(&d))
			continue;
		ARENA_LOCAL(a, OUT_ARENA);
		struct report_out o = {.s = s,
		    .arena = &a,
		    .kind = kind,
		    .day = day,
		    .token = d.token,
		    .domain = slice_str(d.name),
		    .packed.max = PACKED_MOST};
		enum result r = report_one(&o);
		buf_free(&o.packed);
		all = all && (r == OK || r == GONE);
	}
	return all;
}

static void send_kind(struct store *s, enum report_kind kind, _Atomic int64_t *done)
{
	int64_t last = (clock_utc_ms() - s->settings->reports.after_ms) / DAY_MS - 1;
	int64_t day = MAX(atomic_load(done) + 1, last - DAYS_LATE + 1);
	bool all = true;
	for (; day <= last; day++) {
		all = send_day(s, kind, day) && all;
		if (all)
			atomic_store(done, day);
	}
}

void reports_send_due(struct store *s)
{
	if (s->settings->reports.dmarc)
		send_kind(s, REPORT_DMARC, &s->dmarc_reported);
	if (s->settings->reports.tls)
		send_kind(s, REPORT_TLS, &s->tls_reported);
}
