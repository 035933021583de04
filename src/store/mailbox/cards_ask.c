/* STORE_CARDS: rows and cards of messages, many in a packet. */
#include "store/mailbox/access.h"
#include "store/mailbox/cards.h"
#include "store/handlers.h"
#include <stdlib.h>

#define PACKET_ROOM ((size_t)LIMIT_IPC_PACKET - 1024)
#define AT_A_TIME 4096u /* rows */

struct dealing {
	struct ipc_turn *turn;
	struct store *store;
	struct db *db;
	int64_t mailbox;
	unsigned parts;
	bool rows;
	struct entry *entries; /* AT_A_TIME, when rows are wanted */
	size_t n, at;
	struct buf packet, record;
	uint32_t last;
};

static void flush(struct dealing *d, bool final)
{
	Sekisho__CardsAnswer answer = SEKISHO__CARDS_ANSWER__INIT;
	answer.data = octets_of(buf_slice(&d->packet));
	if (final)
		ipc_answer(d->turn, &answer, NULL);
	else
		ipc_answer_part(d->turn, &answer, NULL);
	buf_clear(&d->packet);
	d->last = 0;
}

static void put_row(struct buf *out, const struct entry *e)
{
	mail_varint_put(out, e->flags);
	mail_varint_put(out, e->keywords);
	mail_varint_put(out, e->modseq);
	mail_varint_put(out, mail_zigzag(e->internal_ms));
	mail_varint_put(out, mail_zigzag(e->saved_ms));
	mail_varint_put(out, e->size);
	mail_varint_put(out, (uint64_t)e->email);
	mail_varint_put(out, (uint64_t)e->thread);
}

static enum result put_card(
    struct dealing *d, uint32_t uid, const struct entry *e, const struct slice packed[MAIL_CARD_PARTS])
{
	buf_clear(&d->record);
	if (d->rows)
		put_row(&d->record, e);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		if (d->parts & MAIL_CARD_BIT(i)) {
			mail_varint_put(&d->record, packed[i].n);
			buf_put(&d->record, packed[i]);
		}
	if (d->packet.n + d->record.n + 16 > PACKET_ROOM)
		flush(d, false);
	mail_card_list_put(&d->packet, &d->last, uid, buf_slice(&d->record));
	return buf_result(&d->packet);
}

static const struct slice none[MAIL_CARD_PARTS];

/* A card for the rows at hand; a row whose card cannot be had comes without. */
static enum result deal(void *arg, uint32_t uid, const struct slice packed[MAIL_CARD_PARTS])
{
	struct dealing *d = arg;
	enum result r = OK;
	while (r == OK && d->at < d->n && d->entries[d->at].uid < uid) {
		r = put_card(d, d->entries[d->at].uid, &d->entries[d->at], none);
		d->at++;
	}
	if (r != OK || !d->rows)
		return r != OK ? r : put_card(d, uid, NULL, packed);
	if (d->at < d->n && d->entries[d->at].uid == uid) {
		r = put_card(d, uid, &d->entries[d->at], packed);
		d->at++;
	}
	return r;
}

static enum result deal_rows(struct dealing *d)
{
	RUNS_LOCAL(uids);
	enum result r = OK;
	for (size_t i = 0; d->parts && i < d->n; i++)
		runs_add(&uids, d->entries[i].uid);
	d->at = 0;
	if (d->parts)
		r = cards_each(d->store, d->db, d->mailbox, &uids, d->parts, deal, d);
	if (r == OK)
		r = deal(d, UINT32_MAX, none); /* the rows behind the last card */
	d->n = 0;
	return r;
}

static enum result deal_run(struct dealing *d, struct run run)
{
	DB_ROWS q = DB_QUERY(d->db, FETCH_ROWS, DI(d->mailbox), DI(run.first), DI(run_end(run)), DI(0));
	enum result r = OK;
	while (r == OK && db_next(&q)) {
		entry_read(&q, &d->entries[d->n++]);
		if (d->n == AT_A_TIME)
			r = deal_rows(d);
	}
	return r == OK ? db_result(d->db) : r;
}

static enum result deal_all(struct dealing *d, const struct runs *uids)
{
	READER r = reader_begin(d->store);
	if (!r.db)
		return LATER;
	d->db = r.db;
	if (!d->rows)
		return cards_each(d->store, r.db, d->mailbox, uids, d->parts, deal, d);
	enum result done = OK;
	for (size_t i = 0; i < uids->n && done == OK; i++)
		done = deal_run(d, uids->v[i]);
	return done == OK ? deal_rows(d) : done;
}

void ask_cards(struct ipc_turn *t)
{
	const Sekisho__CardsAsk *ask = t->ask;
	const struct login *user = selected_of(t);
	if (!user || !access_check_selected(t, user, RIGHT_READ, NULL))
		return;
	struct dealing d = {.turn = t,
	    .store = store_of(t),
	    .mailbox = user->selected,
	    .parts = ask->parts & (MAIL_CARD_BIT(MAIL_CARD_PARTS) - 1),
	    .rows = ask->rows};
	RUNS_LOCAL(uids);
	runs_take(&uids, ask->uids, ask->n_uids);
	buf_init(&d.packet, PACKET_ROOM);
	buf_init(&d.record, PACKET_ROOM / 2);
	if (d.rows && !(d.entries = calloc(AT_A_TIME, sizeof *d.entries)))
		abort();
	enum result r = d.rows || d.parts ? deal_all(&d, &uids) : BAD;
	if (r == OK)
		flush(&d, true);
	else
		refuse(t, r);
	buf_free(&d.packet);
	buf_free(&d.record);
	free(d.entries);
}
