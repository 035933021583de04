/* search: SEARCH (RFC 3501 6.4.4; RFC 4731 ESEARCH, 5182 SEARCHRES, 7162 MODSEQ). */
#include "search.h"
#include "facts.h"
#include "rows.h"
#include "verbs.h"
#include <stdlib.h>

struct found {
	uint32_t uid;
	uint64_t modseq;
};
struct hunt {
	const struct imap_search *q;
	int64_t now_ms;
	struct runs found;        /* UIDs */
	struct runs open;         /* left for the next step */
	uint64_t highest;         /* modseq of what was found */
	struct found first, last; /* by UID */
};

static bool keep(struct imap *s, struct hunt *h, const Sekisho__Row *row)
{
	h->highest = MAX(h->highest, row->modseq);
	if (!h->first.uid || row->uid < h->first.uid)
		h->first = (struct found){row->uid, row->modseq};
	if (row->uid > h->last.uid)
		h->last = (struct found){row->uid, row->modseq};
	return imap_runs_add(&h->found, &s->arena, row->uid, row->uid);
}

/* Steps one and two. */
static enum result judge(struct imap *s, struct arena *a, const struct imap_row *row, void *context)
{
	struct hunt *h = context;
	struct imap_candidate c = {.row = row->row, .now_ms = h->now_ms, .arena = a};
	c.seq = imap_uidmap_seq(&s->box->map, row->row->uid);
	if (!c.seq)
		return OK;
	if (row->facts.n) {
		struct ipc_allocator al = ipc_allocator(a);
		c.facts = sekisho__facts__unpack(&al.pb, row->facts.n, (const uint8_t *)row->facts.p);
	}
	switch (imap_search_eval(s, h->q->root, &c)) {
	case IMAP_YES:
		return keep(s, h, row->row) ? OK : FULL;
	case IMAP_OPEN:
		return imap_runs_add(&h->open, &s->arena, row->row->uid, row->row->uid) ? OK : FULL;
	default:
		return OK;
	}
}

/* ---- step three: scan reads the message ---- */

static void init_needle(Sekisho__Needle *n, const struct imap_key *k, struct arena *a)
{
	static const char *const fields[] = {"Subject", "From", "To", "Cc", "Bcc"};
	sekisho__needle__init(n);
	char *text = arena_z(a, k->text);
	char *field = arena_z(a, k->field);
	n->text = text ? text : n->text;
	switch (k->kind) {
	case KEY_BODY:
		n->where = SEKISHO__NEEDLE__WHERE__BODY;
		return;
	case KEY_TEXT:
		n->where = SEKISHO__NEEDLE__WHERE__TEXT;
		return;
	case KEY_HEADER:
		n->where = SEKISHO__NEEDLE__WHERE__HEADER;
		n->field = field ? field : n->field;
		return;
	default:
		n->where = SEKISHO__NEEDLE__WHERE__HEADER;
		n->field = (char *)fields[k->kind - KEY_SUBJECT];
	}
}

static bool needs_body(const struct imap_search *q)
{
	for (unsigned i = 0; i < q->needles; i++)
		if (q->needle[i]->kind == KEY_BODY || q->needle[i]->kind == KEY_TEXT)
			return true;
	return false;
}

/* The message, or its header when no key looks further, in a sealed memfd. */
static enum result message_fd(struct imap *s, const struct imap_row *row, bool body, int *fd_out)
{
	FD_LOCAL fd = fd_memory("search");
	if (fd < 0)
		return LATER;
	struct slice header = imap_facts_top(row->facts).header;
	uint64_t at = 0;
	enum result r = OK;
	if (!body && header.n) {
		r = fd_write_all(fd, header);
		at = row->row->size;
	} else if (row->row->has_body) {
		r = fd_write_all(fd, slice_of(row->row->body.data, row->row->body.len));
		at = row->row->size;
	}
	while (r == OK && at < row->row->size) {
		ARENA_LOCAL(piece, (size_t)1 << 20);
		Sekisho__BodyAsk ask = SEKISHO__BODY_ASK__INIT;
		Sekisho__BodyAnswer *answer = NULL;
		ask.uid = row->row->uid;
		ask.offset = at;
		ask.length = 98304;
		r = ipc_call(&s->store, ASK_STORE_BODY, &ask, NULL, &piece, &answer, NULL);
		if (r == OK && !answer->data.len)
			r = GONE;
		if (r == OK)
			r = fd_write_all(fd, slice_of(answer->data.data, answer->data.len));
		at += r == OK ? answer->data.len : 0;
	}
	if (r == OK)
		r = fd_seal(fd);
	if (r == OK) {
		*fd_out = fd;
		fd = -1;
	}
	return r;
}

static enum result ask_scan(struct imap *s, struct arena *a, const struct hunt *h, int fd, bool *found)
{
	Sekisho__MatchAsk ask = SEKISHO__MATCH_ASK__INIT;
	Sekisho__MatchAnswer *answer = NULL;
	Sekisho__Needle needles[COUNT(h->q->needle)], *list[COUNT(h->q->needle)];
	for (unsigned i = 0; i < h->q->needles; i++) {
		init_needle(&needles[i], h->q->needle[i], a);
		list[i] = &needles[i];
	}
	ask.needles = list;
	ask.n_needles = h->q->needles;
	struct ipc_fds send = {.fd = {fd}, .n = 1};
	struct ipc *scan = ipc_thread(s->service->scan);
	enum result r = scan ? ipc_call(scan, ASK_SCAN_MATCH, &ask, &send, a, &answer, NULL) : LATER;
	if (r != OK)
		return r == GONE ? LATER : r;
	for (unsigned i = 0; i < h->q->needles && i < answer->n_found; i++)
		found[i] = answer->found[i];
	return OK;
}

static enum result look_inside(struct imap *s, struct arena *a, const struct imap_row *row, void *context)
{
	struct hunt *h = context;
	bool found[COUNT(h->q->needle)] = {0};
	struct imap_candidate c = {.row = row->row, .now_ms = h->now_ms, .arena = a, .found = found};
	c.seq = imap_uidmap_seq(&s->box->map, row->row->uid);
	if (!c.seq)
		return OK;
	FD_LOCAL fd = -1;
	enum result r = message_fd(s, row, needs_body(h->q), &fd);
	if (r == OK)
		r = ask_scan(s, a, h, fd, found);
	if (r != OK)
		return r;
	struct ipc_allocator al = ipc_allocator(a);
	if (row->facts.n)
		c.facts = sekisho__facts__unpack(&al.pb, row->facts.n, (const uint8_t *)row->facts.p);
	if (imap_search_eval(s, h->q->root, &c) == IMAP_YES && !keep(s, h, row->row))
		return FULL;
	return OK;
}

static enum result hunt_for(struct imap *s, struct hunt *h)
{
	struct runs uids = {0};
	const struct uidmap *map = &s->box->map;
	if (map->messages && !imap_runs_add(&uids, &s->arena, map->v[0].uid, imap_uidmap_last(map)))
		return FULL;
	enum result r = imap_rows(s, &(struct imap_rows_ask){.uids = &uids}, judge, h);
	if (r != OK || !h->open.n)
		return r;
	uids = h->open;
	h->open = (struct runs){0};
	r = imap_rows(s, &(struct imap_rows_ask){.uids = &uids, .want = SEKISHO__WANT__WANT_FACTS}, judge, h);
	if (r != OK || !h->open.n)
		return r;
	uint32_t want = SEKISHO__WANT__WANT_FACTS | (needs_body(h->q) ? SEKISHO__WANT__WANT_BODY : 0u);
	return imap_rows(s, &(struct imap_rows_ask){.uids = &h->open, .want = want}, look_inside, h);
}

/* ---- answers ---- */

/* Found UIDs as the client asked for them. */
static bool as_numbers(struct imap *s, const struct runs *uids, struct runs *out)
{
	*out = (struct runs){0};
	for (size_t i = 0; i < uids->n; i++) {
		if (s->uid) {
			if (!imap_runs_add(out, &s->arena, uids->v[i].first, uids->v[i].last))
				return false;
			continue;
		}
		/* Runs were made of messages that are there one by one: what lies between two of them is there too. */
		uint32_t seq = imap_uidmap_seq(&s->box->map, uids->v[i].first);
		if (!imap_runs_add(out, &s->arena, seq, seq + (uids->v[i].last - uids->v[i].first)))
			return false;
	}
	return true;
}

static void put_modseq(struct imap *s, uint64_t modseq)
{
	stream_put(s->base.stream, SLICE(" MODSEQ "));
	imap_put_number(s->base.stream, modseq);
}

static void answer_plain(struct imap *s, const struct hunt *h, const struct runs *numbers)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* SEARCH"));
	for (size_t i = 0; i < numbers->n; i++)
		for (uint64_t n = numbers->v[i].first; n <= numbers->v[i].last; n++) {
			stream_put(out, SLICE(" "));
			imap_put_number(out, n);
		}
	if (h->q->modseq && numbers->n) {
		stream_put(out, SLICE(" (MODSEQ "));
		imap_put_number(out, h->highest);
		stream_put(out, SLICE(")"));
	}
	stream_put(out, SLICE("\r\n"));
}

static void put_return(struct imap *s, const char *word, uint64_t n)
{
	stream_puts(s->base.stream, word);
	imap_put_number(s->base.stream, n);
}

/* RFC 4731 3.2: with MIN and MAX alone, that of the messages shown. */
static uint64_t shown_modseq(const struct hunt *h)
{
	switch (h->q->wanted & (RETURN_MIN | RETURN_MAX | RETURN_ALL | RETURN_COUNT)) {
	case RETURN_MIN:
		return h->first.modseq;
	case RETURN_MAX:
		return h->last.modseq;
	case RETURN_MIN | RETURN_MAX:
		return MAX(h->first.modseq, h->last.modseq);
	default:
		return h->highest;
	}
}

static void answer_esearch(struct imap *s, const struct hunt *h, const struct runs *numbers)
{
	struct stream *out = s->base.stream;
	unsigned wanted = h->q->wanted;
	stream_put(out, SLICE("* ESEARCH (TAG "));
	imap_put_string(out, s->tag);
	stream_puts(out, s->uid ? ") UID" : ")");
	if (numbers->n) {
		if (wanted & RETURN_MIN)
			put_return(s, " MIN ", numbers->v[0].first);
		if (wanted & RETURN_MAX)
			put_return(s, " MAX ", numbers->v[numbers->n - 1].last);
		if (wanted & RETURN_ALL) {
			stream_put(out, SLICE(" ALL "));
			imap_put_runs(out, numbers);
		}
	}
	if (wanted & RETURN_COUNT)
		put_return(s, " COUNT ", imap_runs_count(numbers));
	if (h->q->modseq && numbers->n)
		put_modseq(s, shown_modseq(h));
	stream_put(out, SLICE("\r\n"));
}

/* RFC 5182: what "$" stands for from now on; with MIN or MAX alone only these. */
static void save(struct imap *s, unsigned wanted, const struct runs *uids)
{
	struct imap_box *box = s->box;
	free(box->saved);
	box->saved = NULL;
	box->saved_n = 0;
	if (!uids->n)
		return;
	bool all = !(wanted & (RETURN_MIN | RETURN_MAX)) || (wanted & (RETURN_ALL | RETURN_COUNT));
	size_t n = all ? uids->n : 2;
	box->saved = calloc(n, sizeof *box->saved);
	if (!box->saved)
		abort();
	if (all) {
		memcpy(box->saved, uids->v, n * sizeof *box->saved);
		box->saved_n = n;
		return;
	}
	uint32_t min = uids->v[0].first, max = uids->v[uids->n - 1].last;
	if (wanted & RETURN_MIN)
		box->saved[box->saved_n++] = (struct run){min, min};
	if ((wanted & RETURN_MAX) && !(box->saved_n && min == max))
		box->saved[box->saved_n++] = (struct run){max, max};
}

static enum result answer_search(struct imap *s, struct hunt *h)
{
	struct runs numbers;
	imap_runs_tidy(&h->found);
	if (!as_numbers(s, &h->found, &numbers))
		return imap_no(s, "LIMIT", "Too much");
	if (h->q->wanted & RETURN_SAVE)
		save(s, h->q->wanted, &h->found);
	if (!h->q->esearch)
		answer_plain(s, h, &numbers);
	else if (h->q->wanted != RETURN_SAVE)
		answer_esearch(s, h, &numbers);
	return imap_ok(s, "Done");
}

enum result imap_search(struct imap *s, struct imap_args *p)
{
	struct imap_search *q = arena_new(&s->arena, struct imap_search);
	if (!q)
		return imap_no(s, "LIMIT", "Too much");
	imap_search_parse(s, p, q);
	if (q->bad_charset)
		return imap_no(
		    s, "BADCHARSET (UTF-8 US-ASCII ISO-2022-JP SHIFT_JIS EUC-JP)", "Unknown charset");
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if ((s->enabled & IMAP_REV2) && !q->esearch) { /* RFC 9051 6.4.4: as if RETURN () had been said */
		q->esearch = true;
		q->wanted = RETURN_ALL;
	}
	if (q->modseq)
		imap_sync_condstore(s);
	struct hunt h = {.q = q, .now_ms = clock_utc_ms()};
	enum result r = hunt_for(s, &h);
	if (r == OK)
		return answer_search(s, &h);
	if (q->wanted & RETURN_SAVE)
		save(s, q->wanted, &(struct runs){0});
	return r == STOP ? STOP : imap_refused(s, r, &s->store, "NONEXISTENT");
}
