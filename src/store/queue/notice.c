#include "store/queue/notice.h"
#include "mail/build.h"

#define NOTICE_ARENA ((size_t)16 << 20)
#define NOTICE_MOST 262144

static void put_message(const struct store *s, const struct notice *n, struct buf *b)
{
	struct slice host = slice_str(s->settings->hostname);
	BUF_LOCAL(id, 600);
	buf_puts(&id, "<");
	mail_id_make(&id, host);
	buf_puts(&id, ">");
	struct mail_named from = {SLICE("Mail System"), {SLICE("postmaster"), host}};
	struct mail_named to = {.addr = {n->local, n->domain}};
	mail_put_date(b, SLICE("Date"), (struct mail_date){.ms = clock_utc_ms()});
	mail_put_addresses(b, SLICE("From"), &from, 1);
	mail_put_addresses(b, SLICE("To"), &to, 1);
	mail_put_raw(b, SLICE("Message-ID"), buf_slice(&id));
	mail_put_text(b, SLICE("Subject"), n->subject);
	buf_puts(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
	mail_put_text_part(b, SLICE("plain"), n->text);
}

enum result notice_prepare(struct store *s, struct db *db, struct arena *a, const struct notice *n,
    struct deliver *d, struct message *m)
{
	BUF_LOCAL(text, NOTICE_MOST);
	struct resolving res;
	put_message(s, n, &text);
	FD_LOCAL fd = fd_memory("notice");
	if (buf_result(&text) != OK || fd < 0 || fd_write_all(fd, buf_slice(&text)) != OK ||
	    fd_seal(fd) != OK)
		return LATER;
	enum result r = message_scan(s, a, fd, m);
	if (r != OK)
		return r;
	resolve_start(&res, s, db, a, true);
	if (resolve(&res, n->local, n->domain, 0).result != OK)
		return LATER;
	struct envelope_rcpt rcpt = {n->local, n->domain, SLICE_NONE, NOTIFY_NEVER};
	struct envelope e = {.mail = deliver_mail_id(a), .rcpts = &rcpt, .n_rcpts = 1, .origin = ORIGIN_OURS};
	TRACE t;
	trace_start(&t, s, e.mail);
	trace_step(&t, STEP_RECEIVED);
	trace_address(&t, TRACE_FROM, SLICE_NONE, SLICE_NONE);
	trace_field(&t, TRACE_SERVICE, slice_str(n->service));
	trace_number(&t, TRACE_SIZE, m->body.n);
	d->arena = a;
	return deliver_prepare(d, s, db, &e, &res, m, &t);
}

static enum result apply(struct job *j, struct db *db)
{
	return deliver_apply((struct deliver *)j, db);
}

enum result notice_send(struct store *s, const struct notice *n)
{
	ARENA_LOCAL(a, NOTICE_ARENA);
	struct deliver *d = arena_new(&a, struct deliver);
	MESSAGE m = {0};
	if (!d)
		return LATER;
	{
		READER reader = reader_begin(s);
		enum result r = reader.db ? notice_prepare(s, reader.db, &a, n, d, &m) : LATER;
		if (r != OK) {
			deliver_finish(d, r);
			return r;
		}
	}
	d->job.apply = apply;
	enum result r = writer_wait(s->writer, &d->job);
	deliver_finish(d, r);
	return r;
}
