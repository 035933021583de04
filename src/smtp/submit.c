#include "submit.h"
#include "mail/date.h"
#include "mail/header.h"
#include <stdlib.h>

struct smtp_submit *smtp_submit_new(struct arena *a)
{
	struct smtp_submit *s = arena_new(a, struct smtp_submit);
	if (s) {
		s->arena = a;
		s->header.max = LIMIT_HEADER_BYTES;
	}
	return s;
}

void smtp_submit_free(struct smtp_submit **s)
{
	if (*s)
		buf_free(&(*s)->header);
	*s = NULL;
}

/* Where the header ends: behind the first empty line; -1 when it goes on. `from`: nothing ends before. */
static ptrdiff_t header_end(struct slice text, size_t from)
{
	if (slice_starts(text, SLICE("\r\n")))
		return 2;
	from = from > 3 ? from - 3 : 0;
	ptrdiff_t at = slice_search(slice_sub(text, from, text.n), SLICE("\r\n\r\n"));
	return at < 0 ? -1 : (ptrdiff_t)from + at + 4;
}

bool smtp_submit_take(struct smtp_submit *s, struct slice run, struct slice *rest_out)
{
	size_t before = s->header.n;
	buf_put(&s->header, run);
	if (buf_result(&s->header) != OK)
		return true; /* smtp_submit_finish refuses it */
	ptrdiff_t end = header_end(buf_slice(&s->header), before);
	if (end < 0)
		return false;
	size_t over = s->header.n - (size_t)end;
	*rest_out = slice_sub(run, run.n - over, over);
	s->header.n = (size_t)end;
	return true;
}

static enum smtp_reply note_from(struct smtp_submit *s, struct slice value)
{
	struct mail_entries entries;
	mail_entries_parse(value, s->arena, &entries);
	for (struct mail_entry *e = entries.first; e; e = e->next) {
		if (e->kind != MAIL_ENTRY_MAILBOX)
			continue;
		if (s->froms == SUBMIT_FROMS)
			return REPLY_FROM_NOT_YOURS;
		s->from[s->froms++] =
		    (struct mail_addr){arena_dup(s->arena, e->local), arena_dup(s->arena, e->domain)};
	}
	return entries.cut ? REPLY_HEADER_LONG : REPLY_NONE;
}

static bool is_field(const struct mail_field *f, const char *name)
{
	return slice_ieq(f->name, slice_str(name));
}

static void put_missing(struct buf *out, const struct smtp_submit_facts *facts, bool date, bool id, bool from)
{
	if (!date) {
		buf_puts(out, "Date: ");
		mail_date_put(out, (struct mail_date){.ms = facts->now_ms});
		buf_puts(out, "\r\n");
	}
	if (!id)
		buf_printf(out, "Message-ID: <%s@%s>\r\n", facts->mail_id, facts->hostname);
	if (!from && !mail_addr_null(facts->sender)) {
		buf_puts(out, "From: ");
		mail_addr_put(out, facts->sender);
		buf_puts(out, "\r\n");
	}
}

enum smtp_reply smtp_submit_finish(
    struct smtp_submit *s, const struct smtp_submit_facts *facts, struct buf *out)
{
	s->done = true;
	if (buf_result(&s->header) != OK)
		return REPLY_HEADER_LONG;
	BUF_LOCAL(kept, LIMIT_HEADER_BYTES);
	size_t used = 0; /* octets of fields */
	bool date = false, id = false, from = false;
	struct mail_fields fields = mail_fields_of(buf_slice(&s->header));
	struct mail_field f;
	while (mail_fields_next(&fields, &f)) {
		used += f.all.n;
		if (is_field(&f, "Bcc") || is_field(&f, "Resent-Bcc") || is_field(&f, "Return-Path"))
			continue;
		date |= is_field(&f, "Date");
		id |= is_field(&f, "Message-ID");
		if (is_field(&f, "From")) {
			from = true;
			enum smtp_reply r = note_from(s, f.value);
			if (r != REPLY_NONE)
				return r;
		}
		buf_put(&kept, f.all);
	}
	put_missing(out, facts, date, id, from);
	buf_put(out, buf_slice(&kept));
	if (fields.rest.n + used < s->header.n ||
	    fields.rest.n) /* the empty line; also where it was left out */
		buf_puts(out, "\r\n");
	buf_put(out, fields.rest);
	return buf_result(out) == OK ? REPLY_NONE : REPLY_HEADER_LONG;
}

enum smtp_reply smtp_submit_sender(struct slice header, struct slice user, struct arena *a, struct buf *out)
{
	struct mail_addr addr;
	if (mail_addr_parse(user, a, &addr) != OK)
		return REPLY_LATER;
	buf_puts(out, "Sender: ");
	mail_addr_put(out, addr);
	buf_puts(out, "\r\n");
	struct mail_fields fields = mail_fields_of(header);
	struct mail_field f;
	size_t kept = 0;
	while (mail_fields_next(&fields, &f)) {
		kept += f.all.n;
		if (!is_field(&f, "Sender"))
			buf_put(out, f.all);
	}
	buf_put(out, slice_sub(header, kept, header.n)); /* the empty line, and what no field is */
	return buf_result(out) == OK ? REPLY_NONE : REPLY_HEADER_LONG;
}
