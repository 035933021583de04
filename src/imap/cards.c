#include "cards.h"

#define WINDOW 16384u /* messages in one ask: store holds a view of its database meanwhile */

static void take_row(struct cursor *c, Sekisho__Row *row)
{
	row->flags = (uint32_t)mail_varint_take(c);
	row->keywords = mail_varint_take(c);
	row->modseq = mail_varint_take(c);
	row->internal_ms = mail_unzigzag(mail_varint_take(c));
	row->saved_ms = mail_unzigzag(mail_varint_take(c));
	row->size = mail_varint_take(c);
	row->email = mail_varint_take(c);
	row->thread = mail_varint_take(c);
}

static bool take_card(const struct imap_cards_ask *q, struct slice record, struct imap_card *out)
{
	struct cursor c = cursor_of(record);
	if (q->rows)
		take_row(&c, &out->row);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		if (!(q->parts & MAIL_CARD_BIT(i)))
			continue;
		struct slice packed = cursor_bytes(&c, mail_varint_take(&c));
		if (packed.n && mail_card_get(packed, i, &out->card))
			out->parts |= MAIL_CARD_BIT(i);
	}
	return cursor_done(&c) == OK;
}

static enum result take_packet(struct imap *s, const struct imap_cards_ask *q,
    const Sekisho__CardsAnswer *answer, imap_card_fn *each, void *context)
{
	struct mail_card_list list = mail_card_list_of(slice_of(answer->data.data, answer->data.len));
	while (mail_card_list_next(&list)) {
		struct imap_card card = {.row = SEKISHO__ROW__INIT};
		card.row.uid = list.number;
		if (!take_card(q, list.record, &card))
			return LATER;
		enum result r = each(s, &card, context);
		if (r != OK)
			return r;
	}
	return cursor_done(&list.c) == OK ? OK : LATER;
}

/* An answer is read to its end also when nobody wants the rest. */
static enum result ask_window(struct imap *s, const struct imap_cards_ask *q, const struct runs *uids,
    struct arena *a, imap_card_fn *each, void *context)
{
	Sekisho__CardsAsk ask = SEKISHO__CARDS_ASK__INIT;
	Sekisho__CardsAnswer *answer = NULL;
	ask.uids = imap_runs_pack(a, uids);
	ask.n_uids = uids->n;
	ask.parts = q->parts;
	ask.rows = q->rows;
	if (!ask.uids)
		return FULL;
	enum result r = imap_ask_into(s, ASK_STORE_CARDS, &ask, a, &answer, NULL), used = OK;
	while (r == OK) {
		if (used == OK)
			used = take_packet(s, q, answer, each, context);
		if (!s->store.more)
			break;
		arena_reset(a);
		r = imap_ask_more(s, a, &answer, NULL);
	}
	return r != OK ? r : used;
}

enum result imap_cards(struct imap *s, const struct imap_cards_ask *q, imap_card_fn *each, void *context)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct uidmap_walk walk = imap_uidmap_walk(&s->box->map, q->uids);
	for (;;) {
		struct runs uids;
		arena_reset(&a);
		if (!imap_uidmap_next(&walk, WINDOW, &a, &uids))
			return FULL;
		if (!uids.n)
			return OK;
		imap_progress(s);
		enum result r = ask_window(s, q, &uids, &a, each, context);
		if (r != OK)
			return r;
	}
}
