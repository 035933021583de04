/* mailboxes_append: messages that arrive over a session's own channel. */
#include "mailboxes_inside.h"
#include <stdlib.h>

struct kit_staged {
	char *octets, **keywords;
	size_t n, keywords_n;
	uint32_t flags;
	int64_t ms;
};

static void staged_free(struct kit_staged *x)
{
	for (size_t i = 0; i < x->keywords_n; i++)
		free(x->keywords[i]);
	free(x->keywords);
	free(x->octets);
}

void kit_unstage(struct kit_session *s)
{
	for (size_t i = 0; i < s->staged_n; i++)
		staged_free(&s->staged[i]);
	free(s->staged);
	s->staged = NULL;
	s->staged_n = 0;
}

/* What came with the turn; false when it is not sealed. */
static bool staged_take(struct ipc_turn *t, struct kit_staged *out)
{
	const Sekisho__AppendAsk *ask = t->ask;
	struct slice octets;
	if (fd_map_sealed(t->fds.fd[0], LIMIT_MESSAGE_SIZE * 2, &octets) != OK)
		return false;
	*out = (struct kit_staged){.flags = ask->flags, .n = octets.n};
	out->ms = ask->internal_ms ? ask->internal_ms : 1000;
	out->octets = malloc(octets.n + 1);
	if (octets.n)
		memcpy(out->octets, octets.p, octets.n);
	out->keywords = calloc(ask->n_keywords + 1, sizeof *out->keywords);
	for (; out->keywords_n < ask->n_keywords; out->keywords_n++)
		out->keywords[out->keywords_n] = strdup(ask->keywords[out->keywords_n]);
	fd_unmap(&octets);
	return true;
}

static void staged_add(struct kit_session *s, struct kit_staged x)
{
	s->staged = kit_grow(s->staged, s->staged_n + 1, sizeof *s->staged);
	s->staged[s->staged_n++] = x;
}

static void on_stage(struct ipc_turn *t)
{
	const Sekisho__AppendAsk *ask = t->ask;
	struct kit_session *s = ipc_conn_data(t->conn);
	struct mailboxes *m = kit_enter(t);
	struct kit_staged x;
	enum result r = kit_box_find(m, ask->mailbox) ? OK : GONE;
	if (r == OK && !staged_take(t, &x))
		r = BAD;
	if (r == OK)
		staged_add(s, x);
	kit_leave(m);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, r, r == GONE ? "TRYCREATE" : "not sealed");
}

static void on_unstage(struct ipc_turn *t)
{
	struct mailboxes *m = kit_enter(t);
	kit_unstage(ipc_conn_data(t->conn));
	kit_leave(m);
	ipc_answer(t, NULL, NULL);
}

static void add_all(
    struct mailboxes *m, struct kit_box *b, struct kit_session *s, Sekisho__AppendAnswer *answer)
{
	for (size_t i = 0; i < s->staged_n; i++) {
		const struct kit_staged *in = &s->staged[i];
		struct kit_message *x = kit_box_store(m, b, slice_of(in->octets, in->n), in->ms);
		x->flags = in->flags;
		for (size_t k = 0; k < in->keywords_n; k++)
			x->keywords |= kit_keyword(b, in->keywords[k]);
		answer->uid = x->uid;
	}
	answer->uidvalidity = b->uidvalidity;
}

static enum result append(
    struct mailboxes *m, struct ipc_turn *t, struct kit_session *s, Sekisho__AppendAnswer *answer)
{
	const Sekisho__AppendAsk *ask = t->ask;
	struct kit_box *b = kit_box_find(m, ask->mailbox);
	struct kit_message *old = ask->replace && s->box ? kit_message_find(s->box, ask->replace) : NULL;
	struct kit_staged last;
	if (!b || (ask->replace && !old))
		return GONE;
	if (ask->staged != s->staged_n || !staged_take(t, &last))
		return BAD;
	staged_add(s, last);
	add_all(m, b, s, answer);
	kit_unstage(s);
	kit_changed(m, b, s);
	if (ask->replace) {
		old = kit_message_find(s->box, ask->replace);
		kit_message_expunge(s->box, (size_t)(old - s->box->messages));
		kit_changed(m, s->box, s);
		answer->highestmodseq = s->box->modseq;
	}
	return OK;
}

static void on_append(struct ipc_turn *t)
{
	Sekisho__AppendAnswer answer = SEKISHO__APPEND_ANSWER__INIT;
	struct mailboxes *m = kit_enter(t);
	enum result r = append(m, t, ipc_conn_data(t->conn), &answer);
	const char *why = r == BAD ? "not sealed" : "TRYCREATE";
	if (r == GONE && kit_box_find(m, ((const Sekisho__AppendAsk *)t->ask)->mailbox))
		why = "NONEXISTENT";
	kit_leave(m);
	if (r == OK)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, r, "%s", why);
}

void kit_append_handlers(ipc_handler **table)
{
	table[ASK_STORE_APPEND] = on_append;
	table[ASK_STORE_STAGE] = on_stage;
	table[ASK_STORE_UNSTAGE] = on_unstage;
}
