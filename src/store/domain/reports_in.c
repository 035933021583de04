/* Mail that waits to be read as a report: scan reads it, one transaction keeps what it says and lets go of the mail. */
#include "store/mailbox/fields.h"
#include "store/domain/reports.h"

#define READ_ARENA ((size_t)512 << 20)
#define REPORT_MOST ((uint64_t)64 << 20)
#define CLAIM_MS (2 * MINUTE_MS) /* for whoever takes it; another node may then */
#define TRIES_MOST 3

enum mail_field { MAIL_RCPT_DOMAIN = 1, MAIL_AUTHOR, MAIL_FROM_LOCAL, MAIL_FROM_DOMAIN };

static struct slice bound_to(struct slice mail, struct arena *a)
{
	return slice_str(arena_printf(a, "report mail " SLICE_FMT, SLICE_ARG(mail)));
}

/* What an account of ours submits proves nothing about other organisations, nor about us. */
static struct slice proven_author(struct store *s, const struct envelope *e)
{
	if (e->judged)
		return e->judged->proven;
	return e->origin == ORIGIN_OURS && !e->client ? slice_str(s->settings->hostname) : SLICE_NONE;
}

struct slice reports_seal_mail(
    struct store *s, const struct envelope *e, struct slice domain, struct arena *a)
{
	BUF_LOCAL(fields, 8192);
	BUF_LOCAL(sealed, 8192 + SEAL_OVERHEAD);
	fields_put(&fields, MAIL_RCPT_DOMAIN, domain);
	fields_put(&fields, MAIL_AUTHOR, proven_author(s, e));
	fields_put(&fields, MAIL_FROM_LOCAL, e->from_local);
	fields_put(&fields, MAIL_FROM_DOMAIN, e->from_domain);
	seal_put(s->seal, buf_slice(&fields), bound_to(e->mail, a), &sealed);
	return arena_dup(a, buf_slice(&sealed));
}

/* ---- taking one ---- */

struct reading {
	struct deliver d; /* first: its job is ours; used when the mail is no report */
	struct store *s;
	struct arena *arena;
	struct report_mail_row row;
	const Sekisho__Report *report;
	bool deliver;
};

static bool find_due(struct reading *r, struct db *db)
{
	struct report_mail_row *row = &r->row;
	BUF_LOCAL(plain, 8192);
	DB_ROWS q = DB_QUERY(db, REPORT_MAIL_DUE, DI(clock_utc_ms()));
	if (!db_next(&q))
		return false;
	row->id = db_int(&q, 0);
	row->mail = arena_dup(r->arena, db_octets(&q, 1));
	row->due = db_int(&q, 2);
	row->attempts = db_int(&q, 3);
	row->blob = db_int(&q, 4);
	/* What does not open counts as unproven. */
	if (seal_get(r->s->seal, db_octets(&q, 5), bound_to(row->mail, r->arena), &plain) != OK)
		buf_clear(&plain);
	row->body = blob_place_of(&q, 6);
	struct slice fields = arena_dup(r->arena, buf_slice(&plain));
	row->rcpt_domain = fields_find(fields, MAIL_RCPT_DOMAIN);
	row->author = fields_find(fields, MAIL_AUTHOR);
	row->from_local = fields_find(fields, MAIL_FROM_LOCAL);
	row->from_domain = fields_find(fields, MAIL_FROM_DOMAIN);
	return !arena_full(r->arena);
}

struct claim {
	struct job job;
	const struct report_mail_row *row;
};

static enum result apply_claim(struct job *j, struct db *db)
{
	const struct report_mail_row *row = ((struct claim *)j)->row;
	DB_RUN(db, REPORT_MAIL_CLAIM, DI(row->id), DI(row->due), DI(clock_utc_ms() + CLAIM_MS));
	return db_changed(db) ? OK : GONE;
}

/* ---- reading it ---- */

static Sekisho__Report *refused(struct arena *a, const char *why)
{
	Sekisho__Report *r = arena_new(a, Sekisho__Report);
	if (r) {
		sekisho__report__init(r);
		r->why = (char *)(uintptr_t)why;
	}
	return r;
}

static Sekisho__Report *unpack_report(
    struct arena *a, const Sekisho__ReadReportAnswer *answer, struct ipc_fds *fds)
{
	struct ipc_allocator al = ipc_allocator(a);
	struct slice packed = slice_of_octets(answer->report), mapped = SLICE_NONE;
	if (answer->in_fd && (!fds->n || fd_map_sealed(fds->fd[0], REPORT_MOST, &mapped) != OK))
		return NULL;
	if (mapped.p)
		packed = mapped;
	Sekisho__Report *r = sekisho__report__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	if (mapped.p)
		fd_unmap(&mapped);
	return r;
}

/* NULL: scan cannot be asked now. */
static Sekisho__Report *ask_scan(struct reading *r, int fd)
{
	struct ipc *c = ipc_thread(r->s->settings->scan);
	Sekisho__ReadReportAsk ask = SEKISHO__READ_REPORT_ASK__INIT;
	Sekisho__ReadReportAnswer *answer;
	struct ipc_fds send = {.fd = {fd}, .n = 1}, got = {0};
	enum result done = c ? ipc_call(c, ASK_SCAN_REPORT, &ask, &send, r->arena, &answer, &got) : LATER;
	Sekisho__Report *out = done == OK ? unpack_report(r->arena, answer, &got) : NULL;
	ipc_fds_close(&got);
	if (!out && (done == FULL || done == DENY))
		return refused(r->arena, "it says too much");
	return out;
}

/* ---- what it was ---- */

/* Not a report that can be read: somebody should see it. */
static enum result prepare_delivery(struct reading *r, struct db *db, const struct message *m)
{
	struct resolving res;
	struct envelope_rcpt rcpt = {SLICE("postmaster"), r->row.rcpt_domain, SLICE_NONE, NOTIFY_NEVER};
	struct envelope e = {.mail = deliver_mail_id(r->arena),
	    .from_local = r->row.from_local,
	    .from_domain = r->row.from_domain,
	    .rcpts = &rcpt,
	    .n_rcpts = 1};
	TRACE t;
	resolve_start(&res, r->s, db, r->arena, true);
	if (resolve(&res, rcpt.local, rcpt.domain, 0).result != OK)
		rcpt.domain = SLICE_NONE; /* it is ours no longer: postmaster of the server */
	if (!rcpt.domain.n && resolve(&res, rcpt.local, rcpt.domain, 0).result != OK)
		return LATER;
	trace_start(&t, r->s, e.mail);
	trace_step(&t, STEP_RECEIVED);
	trace_address(&t, TRACE_FROM, e.from_local, e.from_domain);
	trace_field(&t, TRACE_SERVICE, SLICE("reports"));
	trace_field(&t, TRACE_ABOUT, r->row.mail);
	trace_number(&t, TRACE_SIZE, m->body.n);
	r->d.arena = r->arena;
	r->d.over_quota = true; /* it was taken in already */
	r->deliver = true;
	return deliver_prepare(&r->d, r->s, db, &e, &res, m, &t);
}

static enum result apply(struct job *j, struct db *db)
{
	struct reading *r = (struct reading *)j;
	DB_RUN(db, REPORT_MAIL_REMOVE, DI(r->row.id));
	if (!db_changed(db))
		return GONE;
	blob_unref(db, r->row.blob, 1);
	reports_keep(r->s, db, &r->row, r->report);
	return r->deliver ? deliver_apply(&r->d, db) : OK;
}

static enum result read_it(struct reading *r)
{
	MESSAGE m = {.fd = -1};
	enum result done = message_reopen(r->s, r->arena, &r->row.body, &m);
	if (done != OK)
		return done;
	r->report =
	    r->row.attempts >= TRIES_MOST ? refused(r->arena, "the scanner failed on it") : ask_scan(r, m.fd);
	if (!r->report)
		done = LATER;
	r->d.job = (struct job){.store = r->s, .apply = apply, .durable = true};
	if (done == OK && !r->report->kind) {
		READER reader = reader_begin(r->s);
		done = reader.db ? prepare_delivery(r, reader.db, &m) : LATER;
		r->d.job.apply = apply;
	}
	if (done == OK)
		done = writer_wait(r->s->writer, &r->d.job);
	if (r->deliver)
		deliver_finish(&r->d, done);
	fd_close(&m.fd);
	if (done == OK && !r->report->kind)
		EVENT(REPORT_REFUSED,
		    KZ("why", *r->report->why ? r->report->why : "nothing in it looks like a report"));
	return done;
}

bool reports_read_one(struct store *s)
{
	ARENA_LOCAL(a, READ_ARENA);
	struct reading *r = arena_new(&a, struct reading);
	if (!r)
		return false;
	r->s = s;
	r->arena = &a;
	{
		READER reader = reader_begin(s);
		if (!reader.db || !find_due(r, reader.db))
			return false;
	}
	struct claim c = {.job = {.store = s, .apply = apply_claim}, .row = &r->row};
	if (writer_wait(s->writer, &c.job) == OK)
		result_ignore(read_it(r)); /* what failed is due again */
	return !atomic_load(&s->broken);
}
