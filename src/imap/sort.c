/*
 * sort: SORT (RFC 5256 section 3, RFC 5957 DISPLAYFROM and DISPLAYTO, RFC 5267 ESORT, RFC 6203 RELEVANCY).
 *
 * What is to be sorted is found as SEARCH finds it. Its sort keys are then read from the cards, in one go, into columns:
 * numbers as they are, texts as their first eight octets and where the rest lies. Equal messages keep their order.
 */
#include "search.h"
#include "verbs.h"
#include <stdlib.h>

#define KEYS_MOST 16 /* criteria of one SORT */
#define TEXT_MOST ((size_t)512 << 20)

enum sort_by { BY_NUMBER, BY_TEXT };
enum number { ARRIVAL, DATE, SIZE, RELEVANCY };

static const struct {
	const char *word;
	enum sort_by by;
	unsigned which; /* enum number or enum mail_card_key */
} criteria[] = {
    {"ARRIVAL", BY_NUMBER, ARRIVAL},
    {"CC", BY_TEXT, MAIL_KEY_CC},
    {"DATE", BY_NUMBER, DATE},
    {"DISPLAYFROM", BY_TEXT, MAIL_KEY_SHOW_FROM},
    {"DISPLAYTO", BY_TEXT, MAIL_KEY_SHOW_TO},
    {"FROM", BY_TEXT, MAIL_KEY_FROM},
    {"RELEVANCY", BY_NUMBER, RELEVANCY},
    {"SIZE", BY_NUMBER, SIZE},
    {"SUBJECT", BY_TEXT, MAIL_KEY_SUBJECT},
    {"TO", BY_TEXT, MAIL_KEY_TO},
};

/* A key of one message: for texts the first octets, and the place of all of it. */
struct cell {
	uint64_t head;
	uint32_t n;
	size_t at;
};
struct sorting {
	const struct imap_search *q;
	struct {
		enum sort_by by;
		unsigned which;
		bool reverse;
	} key[KEYS_MOST];
	unsigned keys;
	unsigned parts;
	bool relevant; /* RELEVANCY is sorted by, or asked for */
	struct imap_relevancy relevancy;
	uint32_t n, room;
	uint32_t *uids;
	struct cell *cells; /* keys of the first message, of the second ... */
	struct buf text;
	uint32_t *order; /* positions in uids, sorted */
};

static void sorting_free(struct sorting *o)
{
	free(o->uids);
	free(o->cells);
	free(o->order);
	buf_free(&o->text);
}

/* ---- grammar ---- */

static void take_criterion(struct imap_args *p, struct sorting *o)
{
	bool reverse = cursor_try_word(&p->c, SLICE("REVERSE "));
	struct slice word = imap_args_word(p);
	for (size_t i = 0; i < COUNT(criteria); i++) {
		if (!slice_ieq(word, slice_str(criteria[i].word)))
			continue;
		if (o->keys == KEYS_MOST) {
			imap_args_fail(p, "Too many sort criteria");
			return;
		}
		o->relevant |= criteria[i].by == BY_NUMBER && criteria[i].which == RELEVANCY;
		o->key[o->keys].by = criteria[i].by;
		o->key[o->keys].which = criteria[i].which;
		o->key[o->keys++].reverse = reverse;
		o->parts |= MAIL_CARD_BIT(criteria[i].by == BY_TEXT ? MAIL_CARD_KEYS : MAIL_CARD_HEAD);
		return;
	}
	imap_args_fail(p, "Unknown sort criterion");
}

static void parse_sort(struct imap *s, struct imap_args *p, struct imap_search *q, struct sorting *o)
{
	*q = (struct imap_search){0};
	imap_args_space(p);
	imap_search_parse_return(p, q);
	imap_args_need(p, '(');
	do
		take_criterion(p, o);
	while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	imap_args_space(p);
	imap_search_parse_program(s, p, q);
	if (o->relevant && !q->fuzzy)
		imap_args_fail(p, IMAP_NEEDS_FUZZY);
	o->relevant |= (q->wanted & RETURN_RELEVANCY) != 0;
}

/* ---- keys ---- */

static uint64_t ordered(int64_t v)
{
	return (uint64_t)v ^ (uint64_t)1 << 63;
}

static uint64_t number_of(const struct sorting *o, const struct imap_card *card, enum number which)
{
	const struct mail_card *c = &card->card;
	switch (which) {
	case ARRIVAL:
		return ordered(c->internal_ms);
	case DATE: /* RFC 5256 section 3: without one that makes sense, when it arrived */
		return ordered(c->has_date ? c->sent_ms : c->internal_ms);
	case SIZE:
		return c->size;
	case RELEVANCY: /* RFC 6203 section 5: the highest comes first */
		return 100 - imap_relevancy_at(&o->relevancy, card->row.uid);
	}
	return 0;
}

static struct cell text_cell(struct sorting *o, struct slice text)
{
	struct cell cell = {.n = (uint32_t)text.n, .at = o->text.n};
	uint8_t first[8] = {0};
	if (text.n)
		memcpy(first, text.p, MIN(text.n, sizeof first));
	for (unsigned i = 0; i < sizeof first; i++)
		cell.head = cell.head << 8 | first[i];
	if (text.n > sizeof first)
		buf_put(&o->text, text);
	return cell;
}

/* The cards name a message that was found, or one between two such. */
static enum result take_keys(struct imap *s, const struct imap_card *card, void *context)
{
	struct sorting *o = context;
	if (o->n == o->room || !imap_uidmap_seq(&s->box->map, card->row.uid))
		return OK;
	for (unsigned i = 0; i < o->keys; i++)
		o->cells[(size_t)o->n * o->keys + i] =
		    o->key[i].by == BY_TEXT ? text_cell(o, card->card.key[o->key[i].which])
					    : (struct cell){.head = number_of(o, card, o->key[i].which)};
	o->uids[o->n++] = card->row.uid;
	return buf_result(&o->text);
}

static int compare_cells(const struct sorting *o, const struct cell *a, const struct cell *b)
{
	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	if (a->n <= 8 || b->n <= 8)
		return (a->n > b->n) - (a->n < b->n);
	return slice_cmp(slice_of(o->text.p + a->at, a->n), slice_of(o->text.p + b->at, b->n));
}

static int compare(const void *x, const void *y, void *context)
{
	const struct sorting *o = context;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	for (unsigned i = 0; i < o->keys; i++) {
		int c =
		    compare_cells(o, &o->cells[(size_t)a * o->keys + i], &o->cells[(size_t)b * o->keys + i]);
		if (c)
			return o->key[i].reverse ? -c : c;
	}
	return (a > b) - (a < b);
}

static enum result sort_found(struct imap *s, struct sorting *o, const struct runs *found)
{
	size_t n = imap_runs_count(found);
	o->room = (uint32_t)MIN(n, s->box->map.messages);
	o->uids = calloc((size_t)o->room + 1, sizeof *o->uids);
	o->order = calloc((size_t)o->room + 1, sizeof *o->order);
	o->cells = calloc(((size_t)o->room + 1) * o->keys, sizeof *o->cells);
	if (!o->uids || !o->order || !o->cells)
		return FULL;
	if (o->relevant && !imap_relevancy_of(s, o->q, found, &o->relevancy))
		return FULL;
	buf_init(&o->text, TEXT_MOST);
	enum result r =
	    n ? imap_cards(s, &(struct imap_cards_ask){.uids = found, .parts = o->parts}, take_keys, o) : OK;
	for (uint32_t i = 0; i < o->n; i++)
		o->order[i] = i;
	if (r == OK)
		qsort_r(o->order, o->n, sizeof *o->order, compare, o);
	return r;
}

/* ---- answers ---- */

static uint32_t number_at(const struct imap *s, const struct sorting *o, size_t i)
{
	uint32_t uid = o->uids[o->order[i]];
	return s->uid ? uid : imap_uidmap_seq(&s->box->map, uid);
}

/* In their order, ascending neighbours as ranges. */
static void put_ordered(struct imap *s, const struct sorting *o, size_t from, size_t n)
{
	struct stream *out = s->base.stream;
	for (size_t i = 0; i < n;) {
		uint32_t first = number_at(s, o, from + i), last = first;
		size_t end = i + 1;
		while (end < n && last != UINT32_MAX && number_at(s, o, from + end) == last + 1) {
			last++;
			end++;
		}
		stream_puts(out, i ? "," : "");
		imap_put_number(out, first);
		if (last != first) {
			stream_put(out, SLICE(":"));
			imap_put_number(out, last);
		}
		i = end;
	}
}

static void answer_plain(struct imap *s, const struct imap_hunt *h, const struct sorting *o)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* SORT"));
	for (size_t i = 0; i < o->n; i++) {
		stream_put(out, SLICE(" "));
		imap_put_number(out, number_at(s, o, i));
	}
	imap_put_plain_end(s, h, o->n);
}

static void put_relevancy(struct imap *s, const struct sorting *o, const struct imap_search *q)
{
	struct stream *out = s->base.stream;
	size_t from = 0, n = o->n;
	if (q->wanted & RETURN_PARTIAL)
		imap_partial_cut(&q->partial, o->n, &from, &n);
	stream_put(out, SLICE(" RELEVANCY ("));
	for (size_t i = 0; i < n; i++) {
		stream_puts(out, i ? " " : "");
		imap_put_number(out, imap_relevancy_at(&o->relevancy, o->uids[o->order[from + i]]));
	}
	stream_put(out, SLICE(")"));
}

/* RFC 5267 3.1: MIN and MAX are the first and the last in this order. */
static void answer_extended(struct imap *s, const struct imap_hunt *h, const struct sorting *o)
{
	struct stream *out = s->base.stream;
	unsigned wanted = h->q->wanted;
	imap_put_esearch(s, h->q);
	if (wanted & RETURN_MIN && o->n)
		imap_put_return(s, " MIN ", number_at(s, o, 0));
	if (wanted & RETURN_MAX && o->n)
		imap_put_return(s, " MAX ", number_at(s, o, o->n - 1));
	if (wanted & RETURN_ALL && o->n) {
		stream_put(out, SLICE(" ALL "));
		put_ordered(s, o, 0, o->n);
	}
	if (wanted & RETURN_COUNT)
		imap_put_return(s, " COUNT ", o->n);
	if (wanted & RETURN_PARTIAL) {
		size_t from, n;
		imap_partial_cut(&h->q->partial, o->n, &from, &n);
		imap_put_partial(out, &h->q->partial);
		if (n)
			put_ordered(s, o, from, n);
		else
			stream_put(out, SLICE("NIL"));
		stream_put(out, SLICE(")"));
	}
	if (wanted & RETURN_RELEVANCY && o->n)
		put_relevancy(s, o, h->q);
	if (h->q->modseq && o->n)
		imap_put_return(s, " MODSEQ ", h->highest);
	stream_put(out, SLICE("\r\n"));
}

/* As for SEARCH, but first and last are those of this order. */
static bool save(struct imap *s, const struct imap_hunt *h, const struct sorting *o)
{
	unsigned wanted = h->q->wanted;
	struct runs kept = {0};
	if (!o->n || !(wanted & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL)) ||
	    (wanted & (RETURN_ALL | RETURN_COUNT))) {
		imap_search_save(s, &h->found);
		return true;
	}
	size_t from = 0, n = 0;
	if (wanted & RETURN_PARTIAL)
		imap_partial_cut(&h->q->partial, o->n, &from, &n);
	for (size_t i = 0; i < n; i++) {
		uint32_t uid = o->uids[o->order[from + i]];
		if (!imap_runs_add(&kept, &s->arena, uid, uid))
			return false;
	}
	uint32_t min = o->uids[o->order[0]], max = o->uids[o->order[o->n - 1]];
	if ((wanted & RETURN_MIN && !imap_runs_add(&kept, &s->arena, min, min)) ||
	    (wanted & RETURN_MAX && !imap_runs_add(&kept, &s->arena, max, max)))
		return false;
	imap_runs_tidy(&kept);
	imap_search_save(s, &kept);
	return true;
}

static enum result answer_sort(struct imap *s, const struct imap_hunt *h, const struct sorting *o)
{
	if (h->q->wanted & RETURN_SAVE && !save(s, h, o))
		return imap_no(s, "LIMIT", "Too much");
	if (!h->q->esearch)
		answer_plain(s, h, o);
	else if (h->q->wanted != RETURN_SAVE)
		answer_extended(s, h, o);
	return imap_ok(s, "Done");
}

enum result imap_sort(struct imap *s, struct imap_args *p)
{
	enum result r;
	struct imap_search *q = arena_new(&s->arena, struct imap_search);
	__attribute__((cleanup(sorting_free))) struct sorting o = {.q = q};
	if (!q)
		return imap_no(s, "LIMIT", "Too much");
	parse_sort(s, p, q, &o);
	if (!imap_search_parsed(s, p, q, &r))
		return r;
	if (q->modseq)
		imap_sync_condstore(s);
	struct imap_hunt h = {.q = q, .now_ms = clock_utc_ms()};
	r = imap_search_hunt(s, &h);
	if (r == OK)
		r = sort_found(s, &o, &h.found);
	if (r == OK)
		return answer_sort(s, &h, &o);
	if (q->wanted & RETURN_SAVE)
		imap_search_save(s, &(struct runs){0});
	return r == STOP ? STOP : imap_refused(s, r, &s->store, "NONEXISTENT");
}
