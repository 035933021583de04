/* A report on its way: the message and its mark in one transaction. */
#include "mail/address.h"
#include "store/mailbox/fields.h"
#include "store/domain/reports.h"

#define BASE64_MORE(n) ((n) + (n) / 2 + 65536)

struct sending {
	struct deliver d; /* first: its job is ours; used when mail goes */
	struct report_out *o;
	enum sent_state state;
	bool mail;
	struct slice sealed;
};

struct slice reports_seal_sent(
    const struct report_out *o, enum sent_state state, struct slice mail, struct slice to)
{
	BUF_LOCAL(fields, 16384);
	BUF_LOCAL(sealed, 16384 + SEAL_OVERHEAD);
	const char *bound = arena_printf(
	    o->arena, "report sent %d %lld %lld", (int)o->kind, (long long)o->day, (long long)o->token);
	fields_put(&fields, SENT_DOMAIN, o->domain);
	fields_put(&fields, SENT_TO, to);
	fields_put(&fields, SENT_MAIL, mail);
	fields_put(&fields, SENT_ID, o->about.id);
	seal_put(o->s->seal, buf_slice(&fields), slice_str(bound), &sealed);
	return arena_dup(o->arena, buf_slice(&sealed));
}

/* Whoever makes the mark sends it. */
static enum result apply(struct job *j, struct db *db)
{
	struct sending *s = (struct sending *)j;
	const struct report_out *o = s->o;
	DB_RUN(db, SENT_ADD, DI(o->kind), DI(o->day), DI(o->token), DI(clock_utc_ms()), DI(s->state),
	    DB(s->sealed));
	if (!db_changed(db))
		return GONE;
	for (size_t i = 0; s->state == SENT_QUEUED && i < o->to->n_targets; i++)
		if (o->to->targets[i]->https)
			reports_post_add(o->s, db, o->to->targets[i]->uri, buf_slice(&o->packed));
	return s->mail ? deliver_apply(&s->d, db) : OK;
}

enum result reports_mark(struct report_out *o, enum sent_state state)
{
	struct sending *s = arena_new(o->arena, struct sending);
	if (!s)
		return LATER;
	s->d.job = (struct job){.store = o->s, .apply = apply, .durable = true};
	s->o = o;
	s->state = state;
	s->sealed = reports_seal_sent(o, state, SLICE_NONE, SLICE_NONE);
	return arena_full(o->arena) ? LATER : writer_wait(o->s->writer, &s->d.job);
}

/* ---- by mail ---- */

struct mailing {
	struct slice to[LIMIT_REPORT_TARGETS]; /* as they are written */
	struct envelope_rcpt rcpts[LIMIT_REPORT_TARGETS];
	size_t n;
};

/* Those whose limit it keeps. */
static void choose(struct report_out *o, struct resolving *res, struct mailing *m)
{
	uint64_t size = BASE64_MORE(o->packed.n);
	for (size_t i = 0; i < o->to->n_targets; i++) {
		const Sekisho__ReportTarget *t = o->to->targets[i];
		struct mail_addr a;
		if (t->https || (t->most && size > t->most) || m->n == LIMIT_REPORT_TARGETS ||
		    mail_addr_parse(slice_str(t->uri), o->arena, &a) != OK)
			continue;
		m->rcpts[m->n] = (struct envelope_rcpt){a.local, a.domain, SLICE_NONE, NOTIFY_NEVER};
		if (resolve(res, a.local, a.domain, (unsigned)m->n).result == OK)
			m->to[m->n++] = slice_str(t->uri);
	}
}

static int make_message(struct report_out *o, const struct mailing *m)
{
	BUF_LOCAL(text, BASE64_MORE(o->packed.n));
	struct report_mail mail = {.about = &o->about,
	    .tls = o->kind == REPORT_TLS,
	    .host = slice_str(o->s->settings->hostname),
	    .to = m->to,
	    .n_to = m->n,
	    .packed = buf_slice(&o->packed),
	    .now_ms = clock_utc_ms()};
	report_mail_put(&mail, &text);
	FD_LOCAL fd = fd_memory("report");
	if (buf_result(&text) != OK || fd < 0 || fd_write_all(fd, buf_slice(&text)) != OK ||
	    fd_seal(fd) != OK)
		return -1;
	int out = fd;
	fd = -1;
	return out;
}

static enum result prepare_mail(
    struct sending *s, struct db *db, struct resolving *res, const struct mailing *m, struct message *message)
{
	struct report_out *o = s->o;
	FD_LOCAL fd = make_message(o, m);
	enum result r = fd < 0 ? LATER : message_scan(o->s, o->arena, fd, message);
	if (r != OK)
		return r;
	struct envelope e = {
	    .mail = deliver_mail_id(o->arena), .rcpts = m->rcpts, .n_rcpts = m->n, .origin = ORIGIN_OURS};
	TRACE t;
	trace_start(&t, o->s, e.mail);
	trace_step(&t, STEP_RECEIVED);
	trace_address(&t, TRACE_FROM, SLICE_NONE, SLICE_NONE);
	trace_field(&t, TRACE_SERVICE, SLICE("reports"));
	trace_number(&t, TRACE_SIZE, message->body.n);
	s->d.arena = o->arena;
	s->mail = true;
	return deliver_prepare(&s->d, o->s, db, &e, res, message, &t);
}

static struct slice joined(struct report_out *o, const struct mailing *m)
{
	BUF_LOCAL(text, 8192);
	for (size_t i = 0; i < m->n; i++)
		buf_printf(&text, "%s" SLICE_FMT, text.n ? " " : "", SLICE_ARG(m->to[i]));
	for (size_t i = 0; i < o->to->n_targets; i++)
		if (o->to->targets[i]->https)
			buf_printf(&text, "%s%s", text.n ? " " : "", o->to->targets[i]->uri);
	return arena_dup(o->arena, buf_slice(&text));
}

enum result reports_send(struct report_out *o, struct db *db)
{
	MESSAGE message = {0};
	struct sending *s = arena_new(o->arena, struct sending);
	struct mailing *m = arena_new(o->arena, struct mailing);
	struct resolving res;
	enum result r = OK;
	if (!s || !m)
		return LATER;
	s->o = o;
	s->state = SENT_QUEUED;
	resolve_start(&res, o->s, db, o->arena, true);
	choose(o, &res, m);
	struct slice to = joined(o, m);
	if (!to.n)
		return reports_mark(o, SENT_TOO_LARGE);
	if (m->n)
		r = prepare_mail(s, db, &res, m, &message);
	s->d.job.store = o->s;
	s->d.job.apply = apply;
	s->d.job.durable = true;
	s->sealed = reports_seal_sent(o, s->state, s->d.mail, to);
	if (r == OK)
		r = arena_full(o->arena) ? LATER : writer_wait(o->s->writer, &s->d.job);
	if (s->mail)
		deliver_finish(&s->d, r);
	if (r == OK)
		EVENT(REPORT_SENT, KZ("kind", o->kind == REPORT_TLS ? "tls" : "dmarc"),
		    KV("domain", o->domain), KN("day", (uint64_t)o->day), KV("to", to),
		    KV("mail", s->d.mail));
	return r;
}
