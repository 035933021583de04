#include "store/search/verify.h"
#include <stdlib.h>

#define ROWS_AT_ONCE 64

struct place {
	int64_t email;
	uint32_t part, doc;
};

struct verifying {
	struct store *store;
	struct db *db;
	int64_t account, index;
	bool deep;
	struct search_verdict *out;
	struct search_parts parts;
	struct place *places;
	size_t n, cap;
	struct search_open open; /* the segment whose texts are compared */
	uint32_t opened;         /* its number + 1 */
};

/* ---- a segment against itself ---- */

struct remake {
	struct verifying *v;
	int64_t segment;
	bool same;
};

static void compare_page(void *ctx, uint32_t page, struct slice plain)
{
	struct remake *m = ctx;
	BUF_LOCAL(kept, SEARCH_PAGE_MOST * 2);
	if (m->same && (search_page(m->v->store, m->v->db, m->segment, page, &kept) != OK ||
			   !slice_eq(buf_slice(&kept), plain)))
		m->same = false;
}

static void note_place(struct verifying *v, int64_t email, uint32_t part, uint32_t doc)
{
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 1024;
		v->places = realloc(v->places, v->cap * sizeof *v->places);
		if (!v->places)
			abort();
	}
	v->places[v->n++] = (struct place){email, part, doc};
}

static bool segment_is_whole(struct verifying *v, uint32_t part)
{
	struct remake m = {v, v->parts.v[part].id, true};
	struct search_open o;
	if (search_open(v->store, v->db, m.segment, &o) != OK)
		return false;
	struct search_builder *b = search_builder_new(compare_page, &m);
	m.same = search_segment_docs(o.segment) == v->parts.v[part].docs;
	for (uint32_t i = 0; m.same && i < search_segment_docs(o.segment); i++) {
		struct slice text;
		const struct search_doc *d = search_segment_doc(o.segment, i);
		if (search_segment_text(o.segment, i, &text) == OK)
			search_builder_add(b, d, text);
		else
			m.same = false;
		note_place(v, d->email, part, i);
	}
	if (m.same)
		search_builder_finish(b);
	search_builder_free(b);
	search_close(&o);
	return m.same;
}

static int by_email(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return (x->email > y->email) - (x->email < y->email);
}

static void check_segments(struct verifying *v)
{
	search_parts_of(v->db, v->index, &v->parts);
	for (uint32_t i = 0; i < v->parts.n; i++) {
		v->out->segments++;
		v->out->damaged += !segment_is_whole(v, i);
	}
	if (v->n)
		qsort(v->places, v->n, sizeof *v->places, by_email);
}

/* ---- every message ---- */

static enum result compare_text(struct verifying *v, const struct search_message *m, const struct place *p)
{
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	uint32_t notes;
	struct slice kept;
	enum result r = OK;
	if (v->opened != p->part + 1) {
		search_close(&v->open);
		r = search_open(v->store, v->db, v->parts.v[p->part].id, &v->open);
		v->opened = r == OK ? p->part + 1 : 0;
	}
	if (r == OK)
		r = search_segment_text(v->open.segment, p->doc, &kept);
	if (r == OK)
		r = search_text(v->store, m, INSPECT_WANT_BODY | INSPECT_WANT_ATTACHMENTS, &text, &notes);
	if (r == OK && !slice_eq(kept, buf_slice(&text)))
		search_list_add(&v->out->differ, m->email);
	return r == BAD ? LATER : r;
}

static enum result check_message(struct verifying *v, const struct search_message *m)
{
	struct place key = {.email = m->email};
	const struct place *p = v->n ? bsearch(&key, v->places, v->n, sizeof key, by_email) : NULL;
	v->out->checked++;
	if (!p)
		search_list_add(&v->out->missing, m->email);
	return p && v->deep ? compare_text(v, m, p) : OK;
}

static enum result check_box(struct verifying *v, int64_t mailbox, uint32_t to)
{
	struct search_message rows[ROWS_AT_ONCE];
	uint32_t from = 1;
	enum result r = OK;
	size_t n;
	do {
		n = 0;
		{
			DB_ROWS q =
			    DB_QUERY(v->db, SEARCH_ROWS, DI(mailbox), DI(from), DI(to), DI(ROWS_AT_ONCE));
			while (n < ROWS_AT_ONCE && db_next(&q))
				search_message_read(&q, &rows[n++]);
		}
		for (size_t i = 0; r == OK && i < n; i++) {
			r = check_message(v, &rows[i]);
			from = rows[i].uid + 1;
		}
	} while (r == OK && n == ROWS_AT_ONCE);
	return r == OK ? db_result(v->db) : r;
}

static enum result check_boxes(struct verifying *v)
{
	SEARCH_LIST(boxes); /* mailbox and mark in turn */
	{
		DB_ROWS q = DB_QUERY(v->db, SEARCH_BOXES, DI(v->account), DI(v->index));
		while (db_next(&q)) {
			search_list_add(&boxes, db_int(&q, 0));
			search_list_add(&boxes, db_int(&q, 2));
		}
	}
	enum result r = db_result(v->db);
	for (size_t i = 0; r == OK && i < boxes.n; i += 2)
		r = check_box(v, boxes.v[i], (uint32_t)boxes.v[i + 1]);
	v->out->waiting = search_due_count(v->db, v->account, v->index);
	return r;
}

enum result search_verify(
    struct store *s, struct db *db, int64_t account, bool deep, struct search_verdict *out)
{
	struct verifying v = {.store = s, .db = db, .account = account, .deep = deep, .out = out};
	v.index = DB_NUMBER(db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_SERVING));
	check_segments(&v);
	enum result r = check_boxes(&v);
	search_close(&v.open);
	search_parts_free(&v.parts);
	free(v.places);
	return r;
}
