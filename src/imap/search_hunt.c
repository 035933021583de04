/* search_hunt: which messages are meant, step by step (search.h). */
#include "search.h"
#include "facts.h"
#include "rows.h"

static bool keep(struct imap *s, struct imap_hunt *h, const Sekisho__Row *row)
{
	h->highest = MAX(h->highest, row->modseq);
	if (!h->first.uid || row->uid < h->first.uid)
		h->first = (struct imap_found){row->uid, row->modseq};
	if (row->uid > h->last.uid)
		h->last = (struct imap_found){row->uid, row->modseq};
	return imap_runs_add(&h->found, &s->arena, row->uid, row->uid);
}

/* What a step makes of a message. */
static enum result take_truth(struct imap *s, struct imap_hunt *h, const struct imap_candidate *c)
{
	switch (imap_search_eval(s, h->q->root, c)) {
	case IMAP_YES:
		return keep(s, h, c->row) ? OK : FULL;
	case IMAP_OPEN:
		return imap_runs_add(&h->open, &s->arena, c->row->uid, c->row->uid) ? OK : FULL;
	default:
		return OK;
	}
}

/* By row and card. */
static enum result judge(struct imap *s, const struct imap_card *card, void *context)
{
	struct imap_hunt *h = context;
	struct imap_candidate c = {
	    .row = &card->row, .now_ms = h->now_ms, .card = &card->card, .parts = card->parts};
	c.seq = imap_uidmap_seq(&s->box->map, card->row.uid);
	return c.seq ? take_truth(s, h, &c) : OK;
}

/* By facts. */
static enum result judge_facts(struct imap *s, struct arena *a, const struct imap_row *row, void *context)
{
	struct imap_hunt *h = context;
	struct imap_candidate c = {.row = row->row, .now_ms = h->now_ms, .arena = a};
	c.seq = imap_uidmap_seq(&s->box->map, row->row->uid);
	if (!c.seq)
		return OK;
	if (row->facts.n) {
		struct ipc_allocator al = ipc_allocator(a);
		c.facts = sekisho__facts__unpack(&al.pb, row->facts.n, (const uint8_t *)row->facts.p);
	}
	return take_truth(s, h, &c);
}

/* ---- the last step: scan reads the message ---- */

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
		r = imap_ask_into(s, ASK_STORE_BODY, &ask, &piece, &answer, NULL);
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

static enum result ask_scan(struct imap *s, struct arena *a, const struct imap_hunt *h, int fd, bool *found)
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
	struct imap_hunt *h = context;
	bool found[COUNT(h->q->needle)] = {0};
	struct imap_candidate c = {.row = row->row, .now_ms = h->now_ms, .arena = a, .found = found};
	c.seq = imap_uidmap_seq(&s->box->map, row->row->uid);
	if (!c.seq)
		return OK;
	FD_LOCAL fd = -1;
	enum result r = message_fd(s, row, needs_body(h->q), &fd);
	if (r == GONE && s->store.fd >= 0)
		return OK; /* it went meanwhile */
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

/* ---- the steps ---- */

/* What the keys of a tree are judged by. */
struct needs {
	unsigned parts;
	bool rows, more;
};

static void needs_of(const struct imap_key *k, struct needs *n)
{
	if (k->fuzzy) {
		n->more |= !k->known;
		return;
	}
	for (const struct imap_key *c = k->child; c; c = c->next)
		needs_of(c, n);
	switch (k->kind) {
	case KEY_AND:
	case KEY_OR:
	case KEY_NOT:
	case KEY_ALL:
	case KEY_SEQ:
	case KEY_UID:
		return;
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		n->parts |= MAIL_CARD_BIT(MAIL_CARD_HEAD);
		return;
	case KEY_SUBJECT:
	case KEY_FROM:
	case KEY_TO:
	case KEY_CC:
	case KEY_BCC:
		n->parts |= MAIL_CARD_BIT(MAIL_CARD_TEXTS);
		return;
	case KEY_HEADER:
	case KEY_BODY:
	case KEY_TEXT:
		n->more |= !k->known;
		return;
	default:
		n->rows = true;
	}
}

/* a := what is in both; b is tidy, and so is a. */
static bool cut(struct arena *arena, struct runs *a, const struct runs *b)
{
	struct runs both = {0};
	for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
		uint32_t first = MAX(a->v[i].first, b->v[k].first), last = MIN(a->v[i].last, b->v[k].last);
		if (first <= last && !imap_runs_add(&both, arena, first, last))
			return false;
		if (a->v[i].last < b->v[k].last)
			i++;
		else
			k++;
	}
	*a = both;
	return true;
}

/* The messages that can be meant at all: the root is an AND, and sets that stand in it directly bound everything. */
static bool reach(struct imap *s, const struct imap_key *root, struct runs *uids)
{
	const struct uidmap *map = &s->box->map;
	*uids = (struct runs){0};
	if (map->messages && !imap_runs_add(uids, &s->arena, map->v[0].uid, imap_uidmap_last(map)))
		return false;
	for (const struct imap_key *k = root->child; k; k = k->next) {
		struct runs set = k->set;
		if (k->kind == KEY_SEQ && !imap_uidmap_of_seqs(map, &k->set, &s->arena, &set))
			return false;
		if ((k->kind == KEY_SEQ || k->kind == KEY_UID || k->known) && !cut(&s->arena, uids, &set))
			return false;
	}
	return true;
}

/* Nothing but sets and what combines them: nobody need be asked. */
static enum result hunt_in_map(struct imap *s, struct imap_hunt *h, const struct runs *uids)
{
	const struct uidmap *map = &s->box->map;
	Sekisho__Row row = SEKISHO__ROW__INIT;
	struct imap_candidate c = {.row = &row, .now_ms = h->now_ms};
	for (size_t i = 0; i < uids->n; i++)
		for (uint32_t k = imap_uidmap_run_at(map, uids->v[i].first);
		     k < map->n && map->v[k].uid <= uids->v[i].last; k++) {
			uint32_t from = MAX(map->v[k].uid, uids->v[i].first);
			uint32_t to = MIN(map->v[k].uid + (map->v[k].count - 1), uids->v[i].last);
			for (uint64_t uid = from; uid <= to; uid++) {
				row.uid = (uint32_t)uid;
				c.seq = map->v[k].seq + (row.uid - map->v[k].uid);
				enum result r = take_truth(s, h, &c);
				if (r != OK)
					return r;
			}
		}
	return OK;
}

static enum result hunt_in_cards(
    struct imap *s, struct imap_hunt *h, struct runs *uids, unsigned parts, bool rows)
{
	enum result r =
	    imap_cards(s, &(struct imap_cards_ask){.uids = uids, .parts = parts, .rows = rows}, judge, h);
	*uids = h->open;
	h->open = (struct runs){0};
	return r;
}

static enum result hunt_in_rows(
    struct imap *s, struct imap_hunt *h, struct runs *uids, uint32_t want, imap_row_fn *each)
{
	enum result r = imap_rows(s, &(struct imap_rows_ask){.uids = uids, .want = want}, each, h);
	*uids = h->open;
	h->open = (struct runs){0};
	return r;
}

static enum result hunt_by_steps(struct imap *s, struct imap_hunt *h, struct needs n)
{
	struct runs uids;
	n.rows |= h->q->modseq;
	if (!reach(s, h->q->root, &uids))
		return FULL;
	imap_box_limit(s, &uids);
	if (!n.rows && !n.parts && !n.more)
		return hunt_in_map(s, h, &uids);
	enum result r = OK;
	if (n.rows)
		r = hunt_in_cards(s, h, &uids, 0, true);
	if (r == OK && uids.n && n.parts)
		r = hunt_in_cards(s, h, &uids, n.parts, n.rows);
	if (r == OK && uids.n)
		r = hunt_in_rows(s, h, &uids, SEKISHO__WANT__WANT_FACTS, judge_facts);
	if (r != OK || !uids.n)
		return r;
	uint32_t want = SEKISHO__WANT__WANT_FACTS | (needs_body(h->q) ? SEKISHO__WANT__WANT_BODY : 0u);
	return hunt_in_rows(s, h, &uids, want, look_inside);
}

static bool has_kind(const struct imap_key *k, enum imap_key_kind kind)
{
	if (k->kind == kind)
		return true;
	for (const struct imap_key *c = k->child; c; c = c->next)
		if (has_kind(c, kind))
			return true;
	return false;
}

enum result imap_search_hunt(struct imap *s, struct imap_hunt *h)
{
	struct needs n = {0};
	needs_of(h->q->root, &n);
	/* A keyword that others have just made is told of by a note. */
	enum result r = OK;
	if (s->store.notes & NOTE_MAILBOX && has_kind(h->q->root, KEY_KEYWORD))
		r = imap_sync_keywords(s);
	struct runs uids;
	if (r == OK && n.more && !reach(s, h->q->root, &uids))
		r = FULL;
	if (r == OK && n.more) {
		r = imap_search_ask_index(s, h->q, &uids);
		n = (struct needs){0};
		needs_of(h->q->root, &n);
	}
	if (r == OK)
		r = hunt_by_steps(s, h, n);
	imap_runs_tidy(&h->found);
	return r;
}
