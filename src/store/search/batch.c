/* search_batch: from messages, or from segments, to a segment. */
#include "store/search/search.h"
#include <poll.h>
#include <stdlib.h>

#define ROWS_AT_ONCE 64
#define PAGES_AT_ONCE 16
#define MERGE_MANY 6 /* segments of about one size become one */
#define MARKS_MOST 10000
#define PACE_MS 500

/* A segment being written. */
struct output {
	struct store *store;
	int64_t index, segment;
	struct search_builder *builder;
	struct search_sealed pages[PAGES_AT_ONCE];
	struct buf sealed[PAGES_AT_ONCE];
	size_t n;
	struct search_part part;
	enum result result;
};

static void flush_pages(struct output *o)
{
	if (o->n && o->result == OK)
		o->result = search_pages_put(o->store, o->pages, o->n);
	for (size_t i = 0; i < o->n; i++)
		buf_free(&o->sealed[i]);
	o->n = 0;
}

static void put_page(void *ctx, uint32_t page, struct slice plain)
{
	struct output *o = ctx;
	char room[64];
	struct buf *b = &o->sealed[o->n];
	if (page >= SEARCH_PAGES_A_SEGMENT)
		o->result = FULL;
	buf_init(b, plain.n + SEAL_OVERHEAD);
	seal_put(o->store->seal, plain, search_page_bound(o->segment, page, room), b);
	o->pages[o->n] = (struct search_sealed){o->segment * SEARCH_PAGES_A_SEGMENT + page, buf_slice(b)};
	o->part.octets += b->n;
	if (++o->n == PAGES_AT_ONCE)
		flush_pages(o);
}

static void output_add(struct output *o, const struct search_doc *d, struct slice text)
{
	if (!o->segment && o->result == OK) {
		o->segment = search_segment_begin(o->store, o->index);
		o->result = o->segment ? OK : LATER;
		o->builder = search_builder_new(put_page, o);
	}
	if (o->result != OK)
		return;
	search_builder_add(o->builder, d, text);
	o->part.docs++;
	o->part.text += text.n;
	o->part.highest = MAX(o->part.highest, d->email);
	o->part.cut += (d->notes & INSPECT_CUT) != 0;
	o->part.unreadable += (d->notes & INSPECT_UNREADABLE) != 0;
	o->part.reduced += (d->notes & SEARCH_REDUCED) != 0;
}

static bool output_full(const struct output *o)
{
	return o->builder && search_builder_full(o->builder);
}

/* Makes the segment, if there is any, part of the index, with what else changes. */
static enum result output_finish(struct output *o, struct search_change *c)
{
	if (o->builder && o->result == OK) {
		search_builder_finish(o->builder);
		flush_pages(o);
	}
	c->index = o->index;
	c->segment = o->segment;
	c->part = o->part;
	if (o->result == OK && (c->segment || c->n_marks || c->n_merged))
		o->result = search_change(o->store, c);
	if (o->result != OK && o->segment)
		search_segment_drop(o->store, o->segment);
	return o->result;
}

static void output_free(struct output *o)
{
	for (size_t i = 0; i < o->n; i++)
		buf_free(&o->sealed[i]);
	search_builder_free(o->builder);
}

/* ---- what is due ---- */

uint64_t search_due_count(struct db *db, int64_t account, int64_t index)
{
	uint64_t n = 0;
	DB_ROWS q = DB_QUERY(db, SEARCH_BOXES, DI(account), DI(index));
	while (db_next(&q))
		n += (uint64_t)MIN(db_int(&q, 1) - db_int(&q, 2), db_int(&q, 3));
	return n;
}

struct batch {
	const struct search_work *work;
	struct output out;
	int64_t highest;          /* of all segments: what is above is in none of them */
	struct search_list known; /* emails of the index, once they were needed */
	bool knows;
	struct search_list added; /* emails of this batch that are not above those before */
	int64_t last;
	struct search_mark *marks;
	size_t n_marks;
	uint64_t arrived;
	int64_t paced_ms;
};

static void list_boxes(struct db *db, int64_t account, int64_t index, struct batch *b)
{
	DB_ROWS q = DB_QUERY(db, SEARCH_BOXES, DI(account), DI(index));
	while (b->n_marks < MARKS_MOST && db_next(&q))
		if (db_int(&q, 1) > db_int(&q, 2))
			b->marks[b->n_marks++] = (struct search_mark){.mailbox = db_int(&q, 0),
			    .from = (uint32_t)db_int(&q, 2),
			    .to = (uint32_t)db_int(&q, 1)};
}

static enum result start(struct batch *b, int64_t account, int64_t index)
{
	READER r = reader_begin(b->out.store);
	if (!r.db)
		return LATER;
	__attribute__((cleanup(search_parts_free))) struct search_parts parts;
	search_parts_of(r.db, index, &parts);
	for (size_t i = 0; i < parts.n; i++)
		b->highest = MAX(b->highest, parts.v[i].highest);
	list_boxes(r.db, account, index, b);
	return db_result(r.db);
}

/* A message that was copied or moved here may be in the index already. */
static enum result is_known(struct batch *b, int64_t email, bool *known_out)
{
	*known_out = false;
	if (email > b->highest && email > b->last)
		return OK;
	if (!b->knows) {
		READER r = reader_begin(b->out.store);
		if (!r.db || search_emails(b->out.store, r.db, b->out.index, &b->known) != OK)
			return LATER;
		b->knows = true;
	}
	*known_out = search_list_has(&b->known, email);
	for (size_t i = 0; !*known_out && i < b->added.n; i++)
		*known_out = b->added.v[i] == email;
	return OK;
}

static enum result add_message(struct batch *b, const struct search_message *m)
{
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	struct search_doc d = {.email = m->email};
	bool known;
	enum result r = is_known(b, m->email, &known);
	if (r != OK || known)
		return r;
	r = search_text(b->out.store, m, INSPECT_WANT_BODY | INSPECT_WANT_ATTACHMENTS, &text, &d.notes);
	if (r != OK)
		return r;
	output_add(&b->out, &d, buf_slice(&text));
	search_list_add(&b->added, m->email);
	b->last = MAX(b->last, m->email);
	return b->out.result;
}

/* While mail comes in, a batch takes half of the time at most. */
static void pace(struct batch *b)
{
	uint64_t arrived = atomic_load(b->work->arrived);
	int64_t now = clock_mono_ms(), took = now - b->paced_ms;
	if (b->paced_ms && arrived != b->arrived)
		poll(NULL, 0, (int)MIN(took, PACE_MS));
	b->arrived = arrived;
	b->paced_ms = clock_mono_ms();
}

static enum result read_rows(
    struct batch *b, const struct search_mark *m, uint32_t from, struct search_message *rows, size_t *n_out)
{
	pace(b);
	READER r = reader_begin(b->out.store);
	*n_out = 0;
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, SEARCH_ROWS, DI(m->mailbox), DI(from), DI(m->to), DI(ROWS_AT_ONCE));
	while (*n_out < ROWS_AT_ONCE && db_next(&q))
		search_message_read(&q, &rows[(*n_out)++]);
	return db_result(r.db);
}

/* Takes a mailbox's messages until the segment is full; m->to says how far it came. */
static enum result take_box(struct batch *b, struct search_mark *m)
{
	struct search_message rows[ROWS_AT_ONCE];
	uint32_t from = m->from;
	size_t n;
	do {
		enum result r = read_rows(b, m, from, rows, &n);
		if (r != OK)
			return r;
		for (size_t i = 0; i < n; i++) {
			if (output_full(&b->out) || atomic_load(b->work->ending)) {
				m->to = rows[i].uid;
				return OK;
			}
			r = add_message(b, &rows[i]);
			if (r != OK)
				return r;
			from = rows[i].uid + 1;
		}
	} while (n == ROWS_AT_ONCE);
	return OK;
}

enum result search_batch(const struct search_work *w, int64_t account, int64_t index, bool *more_out)
{
	struct batch b = {.work = w, .out = {.store = w->store, .index = index}};
	*more_out = false;
	b.marks = calloc(MARKS_MOST, sizeof *b.marks);
	if (!b.marks)
		abort();
	enum result r = start(&b, account, index);
	size_t taken = 0;
	for (; r == OK && taken < b.n_marks && !*more_out; taken++) {
		uint32_t end = b.marks[taken].to;
		r = take_box(&b, &b.marks[taken]);
		*more_out = b.marks[taken].to < end;
	}
	struct search_change c = {.marks = b.marks, .n_marks = taken};
	if (r != OK)
		b.out.result = r;
	r = output_finish(&b.out, &c);
	if (r == OK && c.segment)
		EVENT(SEARCH_INDEXED, KN("account", account), KN("messages", c.part.docs),
		    KN("text", c.part.text), KN("octets", c.part.octets));
	output_free(&b.out);
	search_list_free(&b.known);
	search_list_free(&b.added);
	free(b.marks);
	return r;
}

/* ---- merging ---- */

/* Segments of one class are within a factor of four of each other; a full one is in none. */
static unsigned class_of(const struct search_part *p)
{
	unsigned class = 1;
	uint64_t most = 16384;
	if (p->text >= SEARCH_SEGMENT_TEXT / 4 * 3 || p->docs >= SEARCH_SEGMENT_DOCS / 4 * 3)
		return 0;
	for (; p->text > most; most *= 4)
		class ++;
	return class;
}

/* The segments to merge, in `chosen`: many of one class, as many as make one that is not too full. */
static size_t choose(const struct search_parts *p, struct search_part *chosen)
{
	for (unsigned class = 1; class < 16; class ++) {
		size_t n = 0;
		uint64_t text = 0, docs = 0;
		for (size_t i = 0; i < p->n; i++)
			if (class_of(&p->v[i]) == class && text + p->v[i].text <= SEARCH_SEGMENT_TEXT &&
			    docs + p->v[i].docs <= SEARCH_SEGMENT_DOCS) {
				chosen[n++] = p->v[i];
				text += p->v[i].text;
				docs += p->v[i].docs;
			}
		if (n >= MERGE_MANY || (n >= 2 && text > SEARCH_SEGMENT_TEXT / 2))
			return n;
	}
	return 0;
}

static void live_emails(struct db *db, int64_t account, struct search_list *out)
{
	DB_ROWS q = DB_QUERY(db, SEARCH_EMAILS_OF, DI(account));
	while (db_next(&q))
		search_list_add(out, db_int(&q, 0));
	search_list_sort(out);
}

/* The segment with the largest part of docs that are gone. */
static enum result choose_loose(struct store *s, struct db *db, const struct search_parts *p,
    const struct search_list *live, struct search_part *chosen, size_t *n_out)
{
	double worst = 0.2;
	*n_out = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct search_open o;
		uint32_t gone = 0;
		enum result r = search_open(s, db, p->v[i].id, &o);
		for (uint32_t n = 0; r == OK && n < search_segment_docs(o.segment); n++)
			gone += !search_list_has(live, search_segment_doc(o.segment, n)->email);
		search_close(&o);
		if (r != OK)
			return r;
		if (p->v[i].docs && (double)gone / p->v[i].docs > worst) {
			worst = (double)gone / p->v[i].docs;
			chosen[0] = p->v[i];
			*n_out = 1;
		}
	}
	return OK;
}

static enum result copy_segment(struct output *out, struct db *db, int64_t id, const struct search_list *live)
{
	struct search_open o;
	enum result r = search_open(out->store, db, id, &o);
	for (uint32_t n = 0; r == OK && n < search_segment_docs(o.segment); n++) {
		struct slice text;
		const struct search_doc *d = search_segment_doc(o.segment, n);
		if (!search_list_has(live, d->email))
			continue;
		r = search_segment_text(o.segment, n, &text);
		if (r == OK)
			output_add(out, d, text);
		if (r == OK)
			r = out->result;
	}
	search_close(&o);
	return r == BAD ? LATER : r;
}

enum result search_merge(
    const struct search_work *w, int64_t account, int64_t index, bool loose, bool *more_out)
{
	READER r = reader_begin(w->store);
	*more_out = false;
	if (!r.db)
		return LATER;
	__attribute__((cleanup(search_parts_free))) struct search_parts parts;
	SEARCH_LIST(live);
	search_parts_of(r.db, index, &parts);
	struct search_part *chosen = calloc(parts.n + 1, sizeof *chosen);
	int64_t *ids = calloc(parts.n + 1, sizeof *ids);
	if (!chosen || !ids)
		abort();
	struct output out = {.store = w->store, .index = index, .result = db_result(r.db)};
	size_t n = out.result == OK ? choose(&parts, chosen) : 0;
	if (n || loose)
		live_emails(r.db, account, &live);
	if (!n && loose && out.result == OK)
		out.result = choose_loose(w->store, r.db, &parts, &live, chosen, &n);
	for (size_t i = 0; i < n && out.result == OK; i++) {
		ids[i] = chosen[i].id;
		out.result = atomic_load(w->ending) ? LATER : copy_segment(&out, r.db, chosen[i].id, &live);
	}
	struct search_change c = {.merged = ids, .n_merged = n};
	enum result done = output_finish(&out, &c);
	*more_out = done == OK && n;
	output_free(&out);
	free(chosen);
	free(ids);
	return done;
}
