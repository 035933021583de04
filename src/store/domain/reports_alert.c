/* Sources nobody has seen before that do not pass: one message to postmaster for those of a little while. */
#include "store/domain/reports.h"

#define ALERT_ARENA ((size_t)32 << 20)
#define SHOWN 20
#define TEXT_MOST 32768

static const struct {
	const char *language, *subject, *before, *after;
} texts[] = {
#define X(language, subject, before, after) {language, subject, before, after},
#include "store/domain/reports_text.def"
#undef X
};

struct alert {
	struct deliver d; /* first: its job is ours */
	struct store *s;
	struct arena *arena;
	struct slice domain;
	int64_t until; /* those first seen until then */
	bool ours;     /* the domain still is: there is somebody to tell */
	struct buf list;
};

/* A domain with a source that has waited long enough for others to join it. */
static bool find_domain(struct alert *w, struct db *db)
{
	DB_ROWS q = DB_QUERY0(db, DMARC_HOSTS_NEW);
	if (!db_next(&q) || db_int(&q, 1) > w->until - w->s->settings->reports.gather_ms)
		return false;
	w->domain = arena_dup(w->arena, db_octets(&q, 0));
	w->ours = resolve_is_ours(db, w->domain);
	return w->domain.n > 0;
}

static void put_source(struct alert *w, struct slice ip, const Sekisho__DmarcSource *s, int64_t messages)
{
	buf_printf(&w->list, "- " SLICE_FMT, SLICE_ARG(ip));
	if (s && *s->host)
		buf_printf(&w->list, " (%s)", s->host);
	buf_printf(&w->list, ": %lld", (long long)messages);
	if (s && *s->spf_result)
		buf_printf(&w->list, "; SPF %s %s", s->spf_result, s->spf_domain);
	if (s && *s->dkim_result)
		buf_printf(&w->list, "; DKIM %s %s", s->dkim_result, s->dkim_domain);
	buf_puts(&w->list, "\n");
	EVENT(
	    DMARC_NEW_SOURCE, KV("domain", w->domain), KV("source", ip), KN("messages", (uint64_t)messages));
}

static void put_list(struct alert *w, struct db *db)
{
	int64_t all = DB_NUMBER(db, 0, DMARC_HOSTS_UNTOLD_COUNT, DT(w->domain), DI(w->until));
	DB_ROWS q = DB_QUERY(db, DMARC_HOSTS_UNTOLD, DT(w->domain), DI(w->until), DI(SHOWN));
	while (db_next(&q)) {
		struct slice ip = arena_dup(w->arena, db_octets(&q, 0));
		put_source(
		    w, ip, reports_open_host(w->s, w->domain, ip, db_octets(&q, 1), w->arena), db_int(&q, 2));
	}
	if (all > SHOWN)
		buf_printf(&w->list, "- + %lld\n", (long long)all - SHOWN);
}

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

static void put_texts(const struct alert *w, struct buf *subject, struct buf *text)
{
	struct slice rest = slice_str(w->s->settings->languages);
	while (rest.n) {
		struct slice language = slice_split(&rest, ' ');
		for (size_t i = 0; i < COUNT(texts); i++) {
			if (!slice_eq(language, slice_str(texts[i].language)))
				continue;
			buf_puts(subject, subject->n ? " / " : "");
			put_filled(texts[i].subject, w->domain, subject);
			buf_puts(text, text->n ? "\n----\n\n" : "");
			put_filled(texts[i].before, w->domain, text);
			buf_put(text, buf_slice(&w->list));
			put_filled(texts[i].after, w->domain, text);
		}
	}
}

static enum result apply(struct job *j, struct db *db)
{
	struct alert *w = (struct alert *)j;
	DB_RUN(db, DMARC_HOSTS_TOLD, DT(w->domain), DI(w->until));
	if (!db_changed(db))
		return GONE;
	return w->ours ? deliver_apply(&w->d, db) : OK;
}

static enum result prepare(struct alert *w, struct db *db, struct message *m)
{
	BUF_LOCAL(subject, 1000);
	BUF_LOCAL(text, TEXT_MOST);
	put_list(w, db);
	put_texts(w, &subject, &text);
	struct notice n = {SLICE("postmaster"), w->domain, buf_slice(&subject), buf_slice(&text), "dmarc"};
	return notice_prepare(w->s, db, w->arena, &n, &w->d, m);
}

/* False: nothing was to be told, or it could not be. */
static bool alert_one(struct store *s)
{
	ARENA_LOCAL(a, ALERT_ARENA);
	MESSAGE m = {0};
	struct alert *w = arena_new(&a, struct alert);
	enum result r;
	if (!w)
		return false;
	*w = (struct alert){.s = s, .arena = &a, .until = clock_utc_ms(), .list.max = TEXT_MOST / 4};
	{
		READER reader = reader_begin(s);
		if (!reader.db || !find_domain(w, reader.db))
			return false;
		r = w->ours ? prepare(w, reader.db, &m) : OK;
	}
	buf_free(&w->list);
	if (r == OK) {
		w->d.job.store = s;
		w->d.job.apply = apply;
		r = writer_wait(s->writer, &w->d.job);
	}
	if (w->ours && w->d.job.store)
		deliver_finish(&w->d, r);
	return r == OK;
}

void reports_alert(struct store *s)
{
	while (alert_one(s))
		;
}
