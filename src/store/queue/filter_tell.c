/* The note to somebody whose script failed: at most one a day. */
#include "mail/build.h"
#include "store/queue/filter.h"
#include "store/queue/queue.h"

#define TEXT_MOST 16384

static void put_english(struct buf *b, struct slice script, struct slice why)
{
	buf_printf(b,
	    "Your mail filter (Sieve script) \"" SLICE_FMT "\" failed when a message arrived.\r\n"
	    "The message was put into your inbox; no mail was lost.\r\n\r\n"
	    "    " SLICE_FMT "\r\n\r\n"
	    "Please correct the script with your mail program. You are told this once a day at most.\r\n",
	    SLICE_ARG(script), SLICE_ARG(why));
}

static void put_japanese(struct buf *b, struct slice script, struct slice why)
{
	buf_printf(b,
	    "メールの受信時に、フィルター (Sieve スクリプト)「" SLICE_FMT "」が失敗しました。\r\n"
	    "そのメールは受信箱に入れました。失われたメールはありません。\r\n\r\n"
	    "    " SLICE_FMT "\r\n\r\n"
	    "お使いのメールソフトでスクリプトを直してください。このお知らせは一日に一度だけ届きます。\r\n",
	    SLICE_ARG(script), SLICE_ARG(why));
}

static void put_text(struct buf *b, const char *languages, struct slice script, struct slice why)
{
	struct slice rest = slice_str(languages);
	for (bool first = true; rest.n; first = false) {
		struct slice language = slice_split(&rest, ' ');
		if (!first)
			buf_puts(b, "\r\n--\r\n\r\n");
		if (slice_eq(language, SLICE("ja")))
			put_japanese(b, script, why);
		else
			put_english(b, script, why);
	}
}

static void put_message(const struct filter_run *run, struct slice script, struct slice why, struct buf *b)
{
	const struct store_settings *c = run->f->store->settings;
	bool japanese = slice_starts(slice_str(c->languages), SLICE("ja"));
	BUF_LOCAL(id, 512);
	BUF_LOCAL(text, TEXT_MOST);
	const struct mail_named from = {SLICE("Sekisho"), {SLICE("postmaster"), run->to->domain}};
	const struct mail_named to = {slice_str(run->name), {run->to->local, run->to->domain}};
	mail_id_make(&id, slice_str(c->hostname));
	mail_put_addresses(b, SLICE("From"), &from, 1);
	mail_put_addresses(b, SLICE("To"), &to, 1);
	mail_put_text(b, SLICE("Subject"),
	    slice_str(japanese ? "メールフィルターが失敗しました" : "Your mail filter failed"));
	mail_put_date(b, SLICE("Date"), (struct mail_date){.ms = clock_utc_ms()});
	buf_printf(b,
	    "Message-ID: <" SLICE_FMT ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
	    SLICE_ARG(buf_slice(&id)));
	put_text(&text, c->languages, script, why);
	mail_put_text_part(b, SLICE("plain"), buf_slice(&text));
}

static enum result take_in(struct filter_run *run, struct slice text, unsigned *body_out)
{
	struct filtering *f = run->f;
	struct message m = {0};
	FD_LOCAL fd = fd_memory("note");
	if (fd < 0 || fd_write_all(fd, text) != OK || fd_seal(fd) != OK)
		return LATER;
	enum result r = message_scan(f->store, f->d->arena, fd, &m);
	if (r == OK)
		r = filter_keep_body(f, &m, body_out);
	message_unmap(&m);
	return r;
}

void filter_tell(struct filter_run *run, struct slice script, struct slice why)
{
	struct filtering *f = run->f;
	struct deliver_mark once = {
	    .account = run->to->account, .kind = FILTER_TOLD, .until = f->d->now_ms + DAY_MS};
	struct arena *a = f->d->arena;
	unsigned body;
	BUF_LOCAL(text, 4 * TEXT_MOST);
	if (DB_NUMBER(f->db, 0, FILTER_MARKED, DI(once.account), DI(once.kind), DI(0), DI(f->d->now_ms)))
		return;
	put_message(run, slice_sub(script, 0, 500), slice_sub(why, 0, 2000), &text);
	if (buf_result(&text) != OK || take_in(run, buf_slice(&text), &body) != OK)
		return; /* the next failure tells it */
	struct deliver_sent *s = deliver_add_sent(f->d);
	if (!s)
		return;
	s->account = run->to->account;
	s->mail = deliver_mail_id(a);
	s->body = body;
	s->once = once;
	s->sealed = queue_seal_mail(f->store, s->mail, SLICE_NONE, SLICE_NONE, SLICE_NONE, 0, ORIGIN_OURS, a);
	s->to = (struct deliver_remote){.state = RCPT_INWARD, .domain = run->to->domain};
	s->to.sealed = queue_seal_rcpt(f->store, s->mail, run->to->local, run->to->domain, SLICE_NONE, a);
	TRACE t;
	trace_start(&t, f->store, s->mail);
	trace_step(&t, STEP_RECEIVED);
	trace_address(&t, TRACE_FROM, SLICE_NONE, SLICE_NONE);
	trace_field(&t, TRACE_SERVICE, SLICE("filter"));
	trace_field(&t, TRACE_ABOUT, f->d->mail);
	trace_seal(&t, s->mail, 0, &s->trace);
}
