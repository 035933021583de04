#include "store/account/tell.h"
#include "mail/address.h"
#include "store/queue/notice.h"

#define TEXT_MOST 32768

static void put_one(struct slice text, struct slice *subject, struct buf *rest)
{
	struct slice first = slice_split(&text, '\n');
	if (!subject->n)
		*subject = first;
	else
		buf_puts(rest, "\n----------------------------------------\n\n");
	buf_put(rest, slice_starts(text, SLICE("\n")) ? slice_sub(text, 1, text.n) : text);
	buf_putc(rest, '\n');
}

struct slice tell_text(const struct store *s, struct slice language, const struct tell *t, struct buf *rest)
{
	struct slice order = language.n ? language : slice_str(s->settings->languages), subject = SLICE_NONE;
	while (order.n)
		put_one(slice_eq(slice_split(&order, ' '), SLICE("ja")) ? t->ja : t->en, &subject, rest);
	return subject;
}

struct person {
	struct slice local, domain, language, second;
};

static enum result find_person(struct store *s, int64_t account, struct arena *a, struct person *out)
{
	READER r = reader_begin(s);
	*out = (struct person){0};
	if (!r.db)
		return LATER;
	{
		DB_ROWS q = DB_QUERY(r.db, ACCOUNT_SHOWN, DI(account));
		if (!db_next(&q))
			return db_result(r.db) == OK ? GONE : LATER;
		out->local = arena_dup(a, db_octets(&q, 0));
		out->domain = arena_dup(a, db_octets(&q, 1));
	}
	DB_ROWS q = DB_QUERY(r.db, PERSON_GET, DI(account));
	if (db_next(&q)) {
		out->language = arena_dup(a, db_octets(&q, 3));
		out->second = arena_dup(a, db_octets(&q, 4));
	}
	return db_result(r.db) == OK ? OK : LATER;
}

enum result tell_person(struct store *s, const struct tell *t)
{
	ARENA_LOCAL(a, (size_t)65536);
	BUF_LOCAL(text, TEXT_MOST);
	struct person p;
	struct mail_addr second;
	enum result r = find_person(s, t->account, &a, &p);
	if (r != OK)
		return r;
	struct notice n = {.local = p.local, .domain = p.domain, .service = t->service};
	n.subject = tell_text(s, p.language, t, &text);
	n.text = buf_slice(&text);
	if (t->where & TELL_MAILBOX)
		r = notice_send(s, &n);
	if (!(t->where & TELL_SECOND) || !p.second.n || mail_addr_parse(p.second, &a, &second) != OK)
		return r;
	n.local = second.local;
	n.domain = second.domain;
	enum result other = notice_send(s, &n);
	return r == OK ? other : r;
}
