/* retr: RETR and TOP. Messages leave in pieces; bare LFs become CRLF and dots are doubled (RFC 1939 section 3). */
#include "session.h"

#define PIECE 98304u /* octets a STORE_BODY answers at most */

struct sink {
	struct stream *out;
	char before;   /* the last octet that left */
	bool at_start; /* of a line */
	bool in_body;
	uint64_t lines;  /* of the body that may still leave (TOP) */
	uint64_t header; /* octets before the body that may still leave */
};

static void put_piece(struct sink *k, struct slice piece)
{
	if (piece.n) {
		stream_put(k->out, piece);
		k->before = piece.p[piece.n - 1];
	}
}

/* One line or a part of one; lf: it ends with LF. */
static void put_line(struct sink *k, struct slice part, bool lf)
{
	if (k->at_start && part.n && part.p[0] == '.')
		put_piece(k, SLICE("."));
	if (!lf) {
		put_piece(k, part);
		k->at_start = k->at_start && !part.n;
		return;
	}
	struct slice text = slice_sub(part, 0, part.n - 1);
	put_piece(k, text);
	bool cr = text.n ? text.p[text.n - 1] == '\r' : !k->at_start && k->before == '\r';
	put_piece(k, cr ? SLICE("\n") : SLICE("\r\n"));
	k->at_start = true;
}

/* False when nothing more is wanted. */
static bool put_octets(struct sink *k, struct slice s)
{
	while (s.n) {
		if (!k->header && !k->lines)
			return false;
		size_t most = k->header ? (size_t)MIN(k->header, s.n) : s.n;
		const char *lf = memchr(s.p, '\n', most);
		size_t n = lf ? (size_t)(lf + 1 - s.p) : most;
		put_line(k, slice_sub(s, 0, n), lf != NULL);
		if (k->header)
			k->header -= n;
		else if (lf)
			k->lines--;
		s = slice_sub(s, n, s.n);
	}
	return true;
}

static enum result put_rest(struct pop3 *s, struct sink *k, const struct pop3_message *m, uint64_t at)
{
	while (at < m->size) {
		Sekisho__BodyAsk ask = SEKISHO__BODY_ASK__INIT;
		Sekisho__BodyAnswer *answer = NULL;
		ask.uid = m->uid;
		ask.offset = at;
		ask.length = PIECE;
		ARENA_LOCAL(a, 4 * PIECE);
		enum result r = ipc_call(&s->store, ASK_STORE_BODY, &ask, NULL, &a, &answer, NULL);
		if (r != OK || !answer->data.len)
			return STOP; /* in the middle of an answer: only closing tells the client */
		at += answer->data.len;
		if (!put_octets(k, slice_of(answer->data.data, answer->data.len)))
			return OK;
		if (stream_state(s->base.stream) != OK)
			return STOP;
	}
	return OK;
}

static enum result ask_row(
    struct pop3 *s, const struct pop3_message *m, uint32_t want, Sekisho__Row **row_out)
{
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	Sekisho__FetchAnswer *answer = NULL;
	Sekisho__Run one = SEKISHO__RUN__INIT, *list[] = {&one};
	one.first = m->uid;
	one.count = 1;
	ask.uids = list;
	ask.n_uids = 1;
	ask.want = want;
	ask.body_max = PIECE;
	*row_out = NULL;
	enum result r = ipc_call(&s->store, ASK_STORE_FETCH, &ask, NULL, &s->arena, &answer, NULL);
	while (r == OK) {
		if (answer->n_rows)
			*row_out = answer->rows[0];
		if (!s->store.more)
			break;
		r = ipc_more(&s->store, &s->arena, &answer, NULL);
	}
	return r;
}

static enum result put_message(
    struct pop3 *s, const struct pop3_message *m, const Sekisho__Row *row, struct sink *k)
{
	enum result r = OK;
	if (row->has_body)
		put_octets(k, slice_of(row->body.data, row->body.len));
	else
		r = put_rest(s, k, m, 0);
	if (r != OK)
		return r;
	if (!k->at_start)
		stream_put(k->out, k->before == '\r' ? SLICE("\n") : SLICE("\r\n"));
	return pop3_end_of_list(s);
}

static enum result send(struct pop3 *s, const struct pop3_message *m, bool top, uint64_t lines)
{
	Sekisho__Row *row;
	uint32_t want = SEKISHO__WANT__WANT_BODY | (top ? SEKISHO__WANT__WANT_FACTS : 0u);
	struct sink k = {.out = s->base.stream, .at_start = true, .lines = top ? lines : UINT64_MAX};
	enum result r = ask_row(s, m, want, &row);
	if (r != OK)
		return pop3_refused(s, r);
	if (!row)
		return pop3_err(s, NULL, "It was removed by another session");
	if (top) {
		struct ipc_allocator al = ipc_allocator(&s->arena);
		const Sekisho__FactsRef *ref = row->facts;
		const Sekisho__Facts *f =
		    ref ? sekisho__facts__unpack(&al.pb, ref->packed.len, ref->packed.data) : NULL;
		k.header = f && f->root ? f->root->body_offset : 0;
	}
	stream_printf(s->base.stream, "+OK %llu octets\r\n", (unsigned long long)m->size);
	return put_message(s, m, row, &k);
}

enum result pop3_retr(struct pop3 *s, struct slice args)
{
	uint32_t number;
	unsigned given;
	if (!pop3_numbers(s, args, 1, 1, &number, &given))
		return stream_state(s->base.stream);
	const struct pop3_message *m = pop3_find(s, number);
	return m ? send(s, m, false, 0) : stream_state(s->base.stream);
}

enum result pop3_top(struct pop3 *s, struct slice args)
{
	uint32_t numbers[2];
	unsigned given;
	if (!pop3_numbers(s, args, 2, 2, numbers, &given))
		return stream_state(s->base.stream);
	const struct pop3_message *m = pop3_find(s, numbers[0]);
	return m ? send(s, m, true, numbers[1]) : stream_state(s->base.stream);
}
