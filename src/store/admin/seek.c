/* The verbs me.mailboxes and me.search: what a person finds in the mail that is open to him. */
#include "store/admin/admin.h"
#include "store/account/people.h"
#include "store/mailbox/facts_cache.h"
#include "store/search/seek.h"
#include "mail/card.h"
#include "mail/utf8.h"

#define PAGE_STANDARD 50
#define FACTS_MOST ((size_t)64 << 20)
#define MOVED_TRIES 3

enum result admin_me_mailboxes(struct admin *a, struct db *db)
{
	struct seek_box *boxes = NULL;
	size_t n;
	enum result r = seek_boxes(db, a->actor->account, a->arena, &boxes, &n);
	a->answer = json_array();
	for (size_t i = 0; r == OK && i < n; i++) {
		struct box b;
		if (!box_load(db, boxes[i].id, &b))
			continue;
		bool own = boxes[i].owner == a->actor->account;
		json_array_append_new(a->answer,
		    json_pack("{s:o,s:b,s:I,s:I}", "name",
			admin_string(
			    access_name(db, a->actor->account, boxes[i].owner, boxes[i].name, a->arena)),
			"own", own, "messages", (json_int_t)b.messages, "unseen", (json_int_t)b.unseen));
	}
	return r;
}

/* ---- what is asked ---- */

static enum result take_terms(struct admin *a, struct seek *s)
{
	static const struct {
		const char *name;
		enum seek_where where;
	} fields[] = {{"text", SEEK_TEXT}, {"subject", SEEK_SUBJECT}, {"from", SEEK_FROM}, {"to", SEEK_TO},
	    {"cc", SEEK_CC}, {"body", SEEK_BODY}, {"attachment", SEEK_FILE}};
	for (size_t f = 0; f < COUNT(fields); f++)
		for (size_t i = 0; admin_item(a, fields[f].name, i).p; i++) {
			BUF_LOCAL(folded, 16 * LIMIT_IMAP_LITERAL);
			struct slice text = admin_item(a, fields[f].name, i);
			if (s->n == LIMIT_SEARCH_NEEDLES)
				return admin_refuse(
				    a, DENY, "too many texts: %u may be looked for", LIMIT_SEARCH_NEEDLES);
			if (text.n > LIMIT_IMAP_LITERAL)
				return admin_refuse(a, DENY, "a text is too long");
			mail_text_fold(text, &folded);
			s->terms[s->n++] =
			    (struct seek_term){fields[f].where, arena_dup(a->arena, buf_slice(&folded))};
		}
	return arena_full(a->arena) ? LATER : OK;
}

static void take_flags(const struct admin *a, struct seek *s)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = {{"seen", SEKISHO__FLAG__FLAG_SEEN}, {"flagged", SEKISHO__FLAG__FLAG_FLAGGED},
	    {"answered", SEKISHO__FLAG__FLAG_ANSWERED}, {"deleted", SEKISHO__FLAG__FLAG_DELETED},
	    {"draft", SEKISHO__FLAG__FLAG_DRAFT}};
	for (size_t i = 0; i < COUNT(flags); i++) {
		const json_t *v = json_object_get(a->args, flags[i].name);
		if (v)
			*(json_is_true(v) ? &s->set : &s->clear) |= flags[i].flag;
	}
	s->keyword = admin_text(a, "keyword");
	s->since_ms = admin_number(a, "since_ms", INT64_MIN);
	s->before_ms = admin_number(a, "before_ms", 0);
}

/* Those that are named, or all. */
static enum result take_boxes(struct admin *a, struct seek *s)
{
	READER r = reader_begin(a->store);
	if (!r.db)
		return LATER;
	if (!admin_item(a, "mailbox", 0).p)
		return seek_boxes(r.db, s->account, a->arena, &s->boxes, &s->n_boxes);
	size_t n = 0;
	while (n <= LIMIT_SEEK_MAILBOXES && admin_item(a, "mailbox", n).p)
		n++;
	s->boxes = arena_array(a->arena, n, sizeof *s->boxes);
	if (n > LIMIT_SEEK_MAILBOXES || !s->boxes)
		return admin_refuse(a, DENY, "too many mailboxes");
	for (; s->n_boxes < n; s->n_boxes++) {
		struct slice name = admin_item(a, "mailbox", s->n_boxes);
		enum result done = seek_box_named(r.db, s->account, name, a->arena, &s->boxes[s->n_boxes]);
		for (size_t i = 0; done == OK && i < s->n_boxes; i++)
			if (s->boxes[i].id == s->boxes[s->n_boxes].id)
				return admin_refuse(
				    a, DENY, "named twice: the mailbox " SLICE_FMT, SLICE_ARG(name));
		if (done != OK)
			return done == GONE
				   ? admin_refuse(a, GONE, "no such mailbox: " SLICE_FMT, SLICE_ARG(name))
				   : done;
	}
	return OK;
}

static enum result take_order(struct admin *a, struct seek *s)
{
	struct slice order = admin_text(a, "order");
	s->fuzzy = json_is_true(json_object_get(a->args, "fuzzy"));
	s->by_score = slice_eq(order, SLICE("relevance"));
	if (order.n && !s->by_score && !slice_eq(order, SLICE("date")))
		return admin_refuse(a, DENY, "the order is date or relevance");
	if (s->by_score && !s->fuzzy)
		return admin_refuse(a, DENY, "relevance is known of a fuzzy search only");
	return OK;
}

/* ---- places in the order: score, time (biased, so that it is never below 0), mailbox and UID ---- */

#define BIAS ((uint64_t)1 << 62)

static json_t *place_json(const struct admin *a, const struct seek_hit *h)
{
	return json_string(arena_printf(a->arena, "%u.%llu.%lld.%u", h->score,
	    (unsigned long long)((uint64_t)h->ms + BIAS), (long long)h->mailbox, h->uid));
}

static bool place_read(struct slice text, struct seek_hit *out)
{
	struct slice score = slice_split(&text, '.'), ms = slice_split(&text, '.'),
		     mailbox = slice_split(&text, '.');
	uint64_t time, box;
	*out = (struct seek_hit){0};
	if (num_u32(score, UINT32_MAX, &out->score) != OK || num_u64(ms, 2 * BIAS - 1, &time) != OK ||
	    num_u64(mailbox, INT64_MAX, &box) != OK || num_u32(text, UINT32_MAX, &out->uid) != OK)
		return false;
	out->ms = (int64_t)time - (int64_t)BIAS;
	out->mailbox = (int64_t)box;
	return true;
}

/* ---- what is told of a message ---- */

struct telling {
	struct admin *a;
	const struct seek *s;
	uint32_t best;   /* score */
	int attachments; /* 1: only what has some, 0: only what has none, -1: all */
	struct buf facts;
};

/* Facts of one found message. GONE: it is not there any more. */
static enum result facts_of(struct telling *t, struct db *db, const struct seek_hit *h, struct entry *e)
{
	for (unsigned i = 0; i < MOVED_TRIES; i++) {
		struct blob_place at;
		buf_clear(&t->facts);
		{
			DB_ROWS q = DB_QUERY(
			    db, FETCH_PLACES, DI(h->mailbox), DI(h->uid), DI((uint64_t)h->uid + 1), DI(0));
			if (!db_next(&q))
				return db_result(db) == OK ? GONE : LATER;
			entry_read(&q, e);
			at = blob_place_of(&q, 10);
		}
		enum result r = at.facts ? facts_get(t->s->store, e->blob, &at, &t->facts) : OK;
		if (r != GONE)
			return r;
		READER fresh = reader_begin(t->s->store);
		db = fresh.db;
		if (!db)
			return LATER;
		if (blob_find(fresh.db, e->blob, &at) &&
		    (r = facts_get(t->s->store, e->blob, &at, &t->facts)) != GONE)
			return r;
		return LATER;
	}
	return LATER;
}

static unsigned count_attachments(const Sekisho__Part *p)
{
	unsigned n = p->attachment;
	for (size_t i = 0; !p->attachment && i < p->n_parts; i++)
		n += count_attachments(p->parts[i]);
	return n;
}

static json_t *people_json(Sekisho__Address *const *v, size_t n)
{
	BUF_LOCAL(text, LIMIT_HEADER_BYTES);
	mail_addresses_text(v, n, &text);
	return admin_string(mail_utf8_cut(buf_slice(&text), 1000));
}

static json_t *message_json(struct telling *t, struct db *db, const struct seek_hit *h, const struct entry *e,
    const Sekisho__Facts *f)
{
	struct admin *a = t->a;
	const struct seek_box *box = &t->s->boxes[h->box];
	const Sekisho__Part *root = f ? f->root : NULL;
	const Sekisho__Envelope *env = root ? root->envelope : NULL;
	json_t *v = json_pack("{s:o,s:I,s:o,s:I,s:I,s:b,s:b,s:b,s:s,s:o,s:o,s:s,s:I}", "mailbox",
	    admin_string(access_name(db, a->actor->account, box->owner, box->name, a->arena)), "uid",
	    (json_int_t)h->uid, "id", json_string(arena_printf(a->arena, "M%lld", (long long)e->email)),
	    "received_at_ms", (json_int_t)e->internal_ms, "size", (json_int_t)e->size, "seen",
	    (e->flags & SEKISHO__FLAG__FLAG_SEEN) != 0, "flagged",
	    (e->flags & SEKISHO__FLAG__FLAG_FLAGGED) != 0, "answered",
	    (e->flags & SEKISHO__FLAG__FLAG_ANSWERED) != 0, "subject", f ? f->subject : "", "from",
	    people_json(env ? env->from : NULL, env ? env->n_from : 0), "to",
	    people_json(env ? env->to : NULL, env ? env->n_to : 0), "preview", f ? f->preview : "",
	    "attachments", (json_int_t)(root ? count_attachments(root) : 0));
	if (t->s->by_score) /* RFC 6203: as a part in a hundred of the best */
		json_object_set_new(v, "score",
		    json_integer((json_int_t)MAX(((uint64_t)h->score * 100 + t->best / 2) / t->best, 1u)));
	return v;
}

/* One message into the list, unless it is gone or not meant. */
static enum result tell_one(struct telling *t, struct db *db, const struct seek_hit *h, json_t *list)
{
	ARENA_LOCAL(mem, FACTS_MOST);
	struct entry e;
	enum result r = facts_of(t, db, h, &e);
	if (r != OK)
		return r == GONE ? OK : r;
	struct ipc_allocator al = ipc_allocator(&mem);
	const Sekisho__Facts *f =
	    t->facts.n ? sekisho__facts__unpack(&al.pb, t->facts.n, (const uint8_t *)t->facts.p) : NULL;
	bool has = f && f->root && count_attachments(f->root);
	if (t->attachments < 0 || has == (t->attachments == 1))
		json_array_append_new(list, message_json(t, db, h, &e, f));
	return OK;
}

/* A page from a place on; *next_out: the last that was looked at, when there are more. */
static enum result tell_page(struct telling *t, const struct seek_hits *hits, size_t from, size_t most,
    json_t *list, const struct seek_hit **next_out)
{
	READER r = reader_begin(t->s->store);
	enum result done = r.db ? OK : LATER;
	size_t i = from;
	for (; done == OK && i < hits->n && json_array_size(list) < most && i - from < LIMIT_SEEK_READ; i++)
		done = tell_one(t, r.db, &hits->v[i], list);
	*next_out = i < hits->n && i ? &hits->v[i - 1] : NULL;
	return done == OK ? db_result(r.db) : done;
}

/* What is told out of the mailboxes of others is written down before. */
static enum result note_opened(const struct admin *a, const struct seek *s)
{
	enum result r = OK;
	const char *address = arena_z(a->arena, a->actor->address);
	for (size_t i = 0; r == OK && i < s->n_boxes; i++)
		if (s->boxes[i].found && s->boxes[i].owner != s->account)
			r = opened_note(s->store, &(struct opener){s->account, address, "web"},
			    s->boxes[i].owner, s->boxes[i].name);
	return r;
}

static enum result answer(struct admin *a, struct seek *s, const struct seek_hits *hits, size_t from)
{
	int64_t most = admin_number(a, "limit", PAGE_STANDARD);
	const json_t *with = json_object_get(a->args, "attachments");
	const struct seek_hit *next = NULL;
	json_t *list = json_array();
	struct telling t = {.a = a,
	    .s = s,
	    .best = hits->n && hits->v[0].score ? hits->v[0].score : 1,
	    .attachments = with ? json_is_true(with) : -1};
	buf_init(&t.facts, FACTS_MOST);
	enum result r = tell_page(&t, hits, from, (size_t)most, list, &next);
	buf_free(&t.facts);
	/* How many have attachments is not known before all were looked into. */
	a->answer = json_pack("{s:o,s:o,s:o}", "messages", list, "total",
	    with ? json_null() : json_integer((json_int_t)hits->n), "after",
	    next ? place_json(a, next) : json_null());
	return r;
}

enum result admin_me_search(struct admin *a, struct db *db)
{
	(void)db;
	struct seek *s = arena_new(a->arena, struct seek);
	struct slice after = admin_text(a, "after");
	int64_t most = admin_number(a, "limit", PAGE_STANDARD);
	struct seek_hit place;
	if (!s)
		return LATER;
	s->store = a->store;
	s->account = a->actor->account;
	if (most < 1 || most > LIMIT_SEEK_PAGE)
		return admin_refuse(a, DENY, "the limit is 1 to %u", LIMIT_SEEK_PAGE);
	if (after.n && !place_read(after, &place))
		return admin_refuse(a, DENY, "`after` is what an answer before this said");
	enum result r = take_order(a, s);
	if (r == OK)
		r = take_terms(a, s);
	take_flags(a, s);
	if (r == OK)
		r = take_boxes(a, s);
	SEEK_HITS hits = {0};
	if (r == OK)
		r = seek_find(s, &hits);
	if (r == OK)
		r = note_opened(a, s);
	size_t from = 0;
	while (after.n && from < hits.n && seek_order(&hits.v[from], &place) <= 0)
		from++;
	return r == OK ? answer(a, s, &hits, from) : r;
}
