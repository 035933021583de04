/* Reading cards: blocks, and the tail that has none. */
#include "store/mailbox/cards.h"
#include "store/mailbox/facts_cache.h"
#include <stdio.h>
#include <zstd.h>

#define PLAIN_MOST ((size_t)8 << 20) /* octets of a block, opened */
#define FACTS_MOST ((size_t)64 << 20)
#define MOVED_TRIES 3
#define NEAR (16 * CARDS_A_BLOCK) /* UIDs further away are looked up anew instead of walked to */

struct slice cards_bound(unsigned part, uint32_t first, uint32_t last, char room[64])
{
	int n = snprintf(room, 64, "cards %u %u %u", part, first, last);
	return slice_of(room, (size_t)n);
}

/* ---- from facts ---- */

static enum result read_facts(struct store *s, int64_t blob, struct blob_place at, struct buf *out)
{
	for (unsigned i = 0;; i++) {
		enum result r = facts_get(s, blob, &at, out);
		if (r != GONE || i == MOVED_TRIES)
			return r;
		READER fresh = reader_begin(s);
		if (!fresh.db || !blob_find(fresh.db, blob, &at))
			return LATER;
		buf_clear(out);
	}
}

enum result cards_from_facts(struct store *s, const struct entry *e, const struct blob_place *at,
    unsigned parts, struct arena *a, cards_fn *each, void *arg)
{
	struct slice packed[MAIL_CARD_PARTS] = {0};
	BUF_LOCAL(facts, FACTS_MOST);
	BUF_LOCAL(out, PLAIN_MOST);
	arena_reset(a);
	struct mail_card card = {0};
	enum result r = at->facts ? read_facts(s, e->blob, *at, &facts) : OK;
	if (r != OK)
		return r;
	struct ipc_allocator al = ipc_allocator(a);
	const Sekisho__Facts *f =
	    facts.n ? sekisho__facts__unpack(&al.pb, facts.n, (const uint8_t *)facts.p) : NULL;
	if (f && !mail_card_make(f, a, &card))
		return LATER;
	card.internal_ms = e->internal_ms;
	card.size = e->size;
	for (unsigned part = 0; part < MAIL_CARD_PARTS; part++)
		if (parts & MAIL_CARD_BIT(part)) {
			buf_clear(&out);
			mail_card_put(&card, part, &out);
			packed[part] = arena_dup(a, buf_slice(&out));
		}
	return arena_full(a) ? LATER : each(arg, e->uid, packed);
}

/* ---- blocks ---- */

struct part {
	struct db_rows rows;
	struct buf plain;
	struct mail_card_list list;
	bool at; /* list stands at a record that was not used yet */
};
struct reading {
	struct store *store;
	struct db *db;
	int64_t mailbox;
	unsigned parts;
	struct part part[MAIL_CARD_PARTS];
	uint32_t last; /* of the block in hand; 0: none */
	bool over;     /* there are no further blocks */
	cards_fn *each;
	void *arg;
};

static void rows_begin(struct reading *r, uint32_t uid)
{
	static const enum sql which[MAIL_CARD_PARTS] = {SQL_CARDS_HEADS, SQL_CARDS_KEYS, SQL_CARDS_TEXTS};
	const struct db_value values[] = {DI(r->mailbox), DI(uid)};
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		if (r->parts & MAIL_CARD_BIT(i)) {
			db_end(&r->part[i].rows);
			r->part[i].rows = db_query(r->db, which[i], values, COUNT(values));
		}
}

static void rows_end(struct reading *r)
{
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		db_end(&r->part[i].rows);
		buf_free(&r->part[i].plain);
	}
}

static enum result block_open(struct reading *r, unsigned i)
{
	struct part *p = &r->part[i];
	char room[64];
	uint32_t first = (uint32_t)db_int(&p->rows, 0), last = (uint32_t)db_int(&p->rows, 1);
	BUF_LOCAL(packed, PLAIN_MOST);
	buf_clear(&p->plain);
	if (seal_get(r->store->seal, db_octets(&p->rows, 2), cards_bound(i, first, last, room), &packed) !=
	    OK)
		return LATER;
	unsigned long long n = ZSTD_getFrameContentSize(packed.p, packed.n);
	char *to = n <= PLAIN_MOST ? buf_room(&p->plain, (size_t)n + 1) : NULL;
	if (!to || ZSTD_decompress(to, (size_t)n, packed.p, packed.n) != n)
		return LATER;
	buf_wrote(&p->plain, (size_t)n);
	p->list = mail_card_list_of(buf_slice(&p->plain));
	p->at = mail_card_list_next(&p->list);
	r->last = last;
	return OK;
}

/* Each part's next row; the blocks of all parts begin and end at the same UIDs. */
static bool rows_next(struct reading *r)
{
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		if (r->parts & MAIL_CARD_BIT(i) && !db_next(&r->part[i].rows))
			return false;
	return true;
}

static uint32_t rows_last(const struct reading *r)
{
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		if (r->parts & MAIL_CARD_BIT(i))
			return (uint32_t)db_int(&r->part[i].rows, 1);
	return 0;
}

/* Moves on to the block that has this UID or comes next after it. */
static enum result block_seek(struct reading *r, uint32_t uid)
{
	if (!r->last || uid - r->last > NEAR)
		rows_begin(r, uid);
	do {
		if (!rows_next(r)) {
			r->over = true;
			return db_result(r->db);
		}
	} while (rows_last(r) < uid);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		if (r->parts & MAIL_CARD_BIT(i) && block_open(r, i) != OK)
			return LATER;
	return OK;
}

/* The card of this very UID, when the block has one. */
static bool block_take(struct reading *r, uint32_t uid, struct slice packed[MAIL_CARD_PARTS])
{
	bool all = true;
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		struct part *p = &r->part[i];
		packed[i] = SLICE_NONE;
		if (!(r->parts & MAIL_CARD_BIT(i)))
			continue;
		while (p->at && p->list.number < uid)
			p->at = mail_card_list_next(&p->list);
		if (p->at && p->list.number == uid)
			packed[i] = p->list.record;
		else
			all = false;
	}
	return all;
}

/* The smallest UID from `uid` on for which the block in hand may have a card; past its end when there is none. */
static uint32_t block_next(struct reading *r, uint32_t uid)
{
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		struct part *p = &r->part[i];
		if (!(r->parts & MAIL_CARD_BIT(i)))
			continue;
		while (p->at && p->list.number < uid)
			p->at = mail_card_list_next(&p->list);
		return p->at ? p->list.number : r->last + 1;
	}
	return r->last + 1;
}

/* What of the run lies in blocks; *uid stands behind it, or where the blocks end. */
static enum result read_blocks(struct reading *r, struct run run, uint64_t *uid)
{
	while (*uid < run_end(run) && !r->over) {
		enum result done = OK;
		struct slice packed[MAIL_CARD_PARTS];
		if (*uid > r->last && (done = block_seek(r, (uint32_t)*uid)) != OK)
			return done;
		if (r->over)
			return OK;
		*uid = MAX(*uid, block_next(r, (uint32_t)*uid));
		if (*uid > r->last || *uid >= run_end(run))
			continue;
		if (block_take(r, (uint32_t)*uid, packed))
			done = r->each(r->arg, (uint32_t)*uid, packed);
		if (done != OK)
			return done;
		++*uid;
	}
	return OK;
}

/* Messages behind the last block. */
static enum result read_tail(struct reading *r, uint64_t from, uint64_t to, unsigned *count)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	DB_ROWS q = DB_QUERY(r->db, FETCH_PLACES, DI(r->mailbox), DI(from), DI(to), DI(0));
	while (db_next(&q)) {
		struct entry e;
		entry_read(&q, &e);
		struct blob_place at = blob_place_of(&q, 10);
		enum result done = cards_from_facts(r->store, &e, &at, r->parts, &a, r->each, r->arg);
		if (done != OK)
			return done;
		++*count;
	}
	return db_result(r->db);
}

enum result cards_each(struct store *s, struct db *db, int64_t mailbox, const struct runs *uids,
    unsigned parts, cards_fn *each, void *arg)
{
	struct reading r = {
	    .store = s, .db = db, .mailbox = mailbox, .parts = parts, .each = each, .arg = arg};
	enum result done = OK;
	unsigned made = 0;
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		buf_init(&r.part[i].plain, PLAIN_MOST + 1);
	for (size_t i = 0; i < uids->n && done == OK; i++) {
		uint64_t uid = uids->v[i].first;
		done = read_blocks(&r, uids->v[i], &uid);
		if (done == OK && uid < run_end(uids->v[i]))
			done = read_tail(&r, uid, run_end(uids->v[i]), &made);
	}
	rows_end(&r);
	if (made >= CARDS_A_BLOCK)
		cards_due(s->cards, mailbox);
	return done;
}
