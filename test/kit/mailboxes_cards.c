/* mailboxes_cards: STORE_CARDS, by the real card of the facts. One record a packet, so that answers in parts are the rule. */
#include "mail/card.h"
#include "mailboxes_inside.h"

static bool has(const Sekisho__CardsAsk *ask, uint32_t uid)
{
	for (size_t i = 0; i < ask->n_uids; i++)
		if (uid >= ask->uids[i]->first && uid - ask->uids[i]->first < ask->uids[i]->count)
			return true;
	return false;
}

static void put_row(struct buf *out, const struct kit_message *x)
{
	mail_varint_put(out, x->flags);
	mail_varint_put(out, x->keywords);
	mail_varint_put(out, x->modseq);
	mail_varint_put(out, mail_zigzag(x->ms));
	mail_varint_put(out, mail_zigzag(x->ms));
	mail_varint_put(out, x->n);
	mail_varint_put(out, x->email);
	mail_varint_put(out, x->email);
}

static void put_record(
    struct ipc_turn *t, const Sekisho__CardsAsk *ask, const struct kit_message *x, struct buf *out)
{
	struct mail_card card = {0};
	BUF_LOCAL(record, 100000);
	BUF_LOCAL(part, 100000);
	struct ipc_allocator al = ipc_allocator(&t->arena);
	const Sekisho__Facts *f = sekisho__facts__unpack(&al.pb, x->facts_n, (const uint8_t *)x->facts);
	uint32_t last = 0;
	if (f)
		mail_card_make(f, &t->arena, &card);
	card.internal_ms = x->ms;
	card.size = x->n;
	if (ask->rows)
		put_row(&record, x);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		if (ask->parts & MAIL_CARD_BIT(i)) {
			buf_clear(&part);
			mail_card_put(&card, i, &part);
			mail_varint_put(&record, part.n);
			buf_put(&record, buf_slice(&part));
		}
	mail_card_list_put(out, &last, x->uid, buf_slice(&record));
}

void kit_on_cards(struct ipc_turn *t)
{
	const Sekisho__CardsAsk *ask = t->ask;
	const struct kit_session *s = ipc_conn_data(t->conn);
	struct mailboxes *m = kit_enter(t);
	Sekisho__CardsAnswer answer = SEKISHO__CARDS_ANSWER__INIT;
	BUF_LOCAL(data, 100000);
	for (size_t i = 0; s->box && i < s->box->n; i++) {
		const struct kit_message *x = &s->box->messages[i];
		if (!has(ask, x->uid))
			continue;
		if (data.n)
			ipc_answer_part(t, &answer, NULL);
		buf_clear(&data);
		put_record(t, ask, x, &data);
		answer.data = (ProtobufCBinaryData){.len = data.n, .data = (uint8_t *)data.p};
	}
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}
