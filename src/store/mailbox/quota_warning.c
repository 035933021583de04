/* The warning that an account comes near to its limit: an ordinary message into its INBOX. */
#include "store/queue/notice.h"
#include "store/mailbox/quota.h"

#define WARNING_ARENA ((size_t)16 << 20)
#define WARNING_MOST 8192

struct warning {
	struct deliver d; /* first: its job is ours */
	struct store *store;
	struct arena *arena;
	int64_t account;
	unsigned level; /* what is owed */
	struct slice local, domain;
	struct quota quota;
};

static const struct {
	const char *language, *subject, *text;
} texts[] = {
#define X(language, subject, text) {language, subject, text},
#include "store/mailbox/quota_text.def"
#undef X
};

/* False when nothing is owed any more. */
static bool read_owed(struct warning *w, struct db *db)
{
	{
		DB_ROWS q = DB_QUERY(db, QUOTA_STATE, DI(w->account));
		if (!db_next(&q) || db_int(&q, 0) <= db_int(&q, 1))
			return false;
		w->level = (unsigned)db_int(&q, 0);
	}
	quota_load(w->store, db, w->account, &w->quota);
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(w->account));
	if (!db_next(&q))
		return false;
	w->local = arena_dup(w->arena, db_octets(&q, 0));
	w->domain = arena_dup(w->arena, db_octets(&q, 1));
	return true;
}

static void put_size(struct buf *b, uint64_t octets)
{
	static const char units[] = "KMGT";
	uint64_t n = (octets + 1023) / 1024;
	size_t unit = 0;
	while (n >= 10240 && unit + 1 < sizeof units - 1) {
		n = (n + 512) / 1024;
		unit++;
	}
	buf_printf(b, "%llu %cB", (unsigned long long)n, units[unit]);
}

/* By size when that is what fills it, else by number. */
static void put_amount(struct buf *b, const struct quota *q, bool used, const char *language)
{
	struct quota sizes = {.storage = q->storage, .used_storage = q->used_storage};
	if (quota_level(&sizes) == quota_level(q))
		put_size(b, used ? q->used_storage : q->storage);
	else
		buf_printf(b, strcmp(language, "ja") == 0 ? "%llu 通" : "%llu messages",
		    (unsigned long long)(used ? q->used_messages : q->messages));
}

static void put_word(const struct warning *w, struct slice word, const char *language, struct buf *b)
{
	if (slice_eq(word, SLICE("percent")))
		buf_printf(b, "%u", w->level);
	else
		put_amount(b, &w->quota, slice_eq(word, SLICE("used")), language);
}

/* The text with its {words} filled in. */
static void put_filled(const struct warning *w, const char *text, const char *language, struct buf *b)
{
	struct slice rest = slice_str(text);
	while (rest.n) {
		buf_put(b, slice_split(&rest, '{'));
		if (rest.n)
			put_word(w, slice_split(&rest, '}'), language, b);
	}
}

static void put_text(const struct warning *w, size_t i, struct buf *subject, struct buf *text)
{
	buf_puts(subject, subject->n ? " / " : "");
	put_filled(w, texts[i].subject, texts[i].language, subject);
	buf_puts(text, text->n ? "\n----\n\n" : "");
	put_filled(w, texts[i].text, texts[i].language, text);
}

/* In the languages of notices, in their order. */
static void put_texts(const struct warning *w, struct buf *subject, struct buf *text)
{
	struct slice rest = slice_str(w->store->settings->languages);
	while (rest.n) {
		struct slice language = slice_split(&rest, ' ');
		for (size_t i = 0; i < COUNT(texts); i++)
			if (slice_eq(language, slice_str(texts[i].language)))
				put_text(w, i, subject, text);
	}
}

/* Once more under the transaction: what is owed may have been told, or fallen below, meanwhile. */
static enum result apply(struct job *j, struct db *db)
{
	struct warning *w = (struct warning *)j;
	struct warning now = {.store = w->store, .arena = w->arena, .account = w->account};
	if (!read_owed(&now, db) || now.level != w->level)
		return GONE;
	DB_RUN(db, QUOTA_STATE_SET, DI(w->account), DI(w->level), DI(w->level));
	struct quota above = now.quota;
	above.storage += above.storage ? LIMIT_QUOTA_GRACE : 0;
	above.messages += above.messages ? LIMIT_QUOTA_GRACE_MESSAGES : 0;
	/* Beyond that the event has to do. */
	return quota_fits(&above, w->d.bodies[0].size, 1) == OK ? deliver_apply(&w->d, db) : OK;
}

static enum result prepare(struct warning *w, struct db *db, struct message *m)
{
	BUF_LOCAL(subject, 1000);
	BUF_LOCAL(text, WARNING_MOST);
	put_texts(w, &subject, &text);
	struct notice n = {w->local, w->domain, buf_slice(&subject), buf_slice(&text), "quota"};
	w->d.over_quota = true;
	return notice_prepare(w->store, db, w->arena, &n, &w->d, m);
}

enum result quota_warn(struct store *s, int64_t account)
{
	ARENA_LOCAL(a, WARNING_ARENA);
	struct warning *w = arena_new(&a, struct warning);
	MESSAGE m = {0};
	enum result r;
	if (!w)
		return LATER;
	*w = (struct warning){.store = s, .arena = &a, .account = account};
	{
		READER reader = reader_begin(s);
		if (!reader.db)
			return LATER;
		if (!read_owed(w, reader.db))
			return db_result(reader.db);
		r = prepare(w, reader.db, &m);
	}
	if (r != OK)
		return r;
	w->d.job.apply = apply;
	r = writer_wait(s->writer, &w->d.job);
	deliver_finish(&w->d, r);
	return r == GONE && !writer_is_broken(s->writer) ? OK : r;
}
