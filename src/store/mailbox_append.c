/* STORE_APPEND. */
#include "store/access.h"
#include "store/handlers.h"

struct append {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	struct blob blob;
	uint64_t size;
	int64_t tokens[THREAD_TOKENS];
	size_t n_tokens;
	const char *why;
	Sekisho__AppendAnswer answer;
};

static enum result apply_append(struct job *j, struct db *db)
{
	struct append *p = (struct append *)j;
	const Sekisho__AppendAsk *ask = p->turn->ask;
	struct store *s = j->store;
	struct box b;
	bool added = false;
	int64_t now = clock_utc_ms();
	struct access x;
	access_find(db, p->user->account, slice_str(ask->mailbox), &p->turn->arena, &x);
	enum result r = access_need(&x, RIGHT_INSERT, &p->why);
	if (r != OK)
		return r;
	if (!box_load(db, x.id, &b) || b.noselect)
		return GONE;
	struct entry e = {
	    .flags = ask->flags & access_flags(x.rights),
	    .email = writer_number(s->writer, SEQUENCE_EMAIL),
	    .blob = blob_ref(s->blob, s->writer, db, &p->blob, 1),
	    .internal_ms = ask->internal_ms ? ask->internal_ms : now,
	    .saved_ms = now,
	    .size = p->size,
	};
	if (!e.blob)
		return LATER;
	if (x.rights & RIGHT_WRITE)
		r = box_keywords(db, x.id, ask->keywords, ask->n_keywords, &e.keywords, &added);
	if (r != OK)
		return r;
	e.thread = thread_of(db, b.account, e.email, p->tokens, p->n_tokens);
	box_add(s->writer, db, &b, &e);
	box_save(db, &b);
	writer_touch(s->writer, x.id, NULL);
	p->answer.uidvalidity = b.uidvalidity;
	p->answer.uid = e.uid;
	return OK;
}

static void done_append(struct job *j, enum result r)
{
	struct append *p = (struct append *)j;
	Sekisho__AppendAnswer answer = p->answer;
	blob_release(j->store->blob, &p->blob);
	if (r == OK)
		ipc_answer(p->turn, &answer, NULL);
	else if (p->why)
		ipc_refuse(p->turn, r, "%s", p->why);
	else if (r == GONE && !writer_is_broken(j->store->writer))
		ipc_refuse(p->turn, GONE, "TRYCREATE");
	else
		refuse(p->turn, r);
}

/* Asked before the body is written, so that a wrong name costs nothing. */
static enum result prepare(struct append *p, struct store *s, struct message *m)
{
	const Sekisho__AppendAsk *ask = p->turn->ask;
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	if (!m->facts)
		return BAD;
	struct access x;
	access_find(r.db, p->user->account, slice_str(ask->mailbox), &p->turn->arena, &x);
	enum result may = access_need(&x, RIGHT_INSERT, &p->why);
	if (may != OK || db_result(r.db) != OK)
		return db_result(r.db) == OK ? may : LATER;
	p->size = m->body.n;
	p->n_tokens = thread_tokens(s, m->facts, p->tokens, THREAD_TOKENS);
	enum result room = blob_room(s->blob);
	return room == OK ? blob_keep(s->blob, r.db, m->digest, m->body, m->packed, &p->blob) : room;
}

void ask_append(struct ipc_turn *t)
{
	const Sekisho__AppendAsk *ask = t->ask;
	struct store *s = store_of(t);
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct append *p = arena_new(&t->arena, struct append);
	if (!p || !ask->facts) {
		refuse(t, p ? BAD : LATER);
		return;
	}
	*p = (struct append){
	    .job = {.store = s, .apply = apply_append, .done = done_append, .durable = true, .bodies = true},
	    .turn = t,
	    .user = user,
	    .answer = SEKISHO__APPEND_ANSWER__INIT,
	};
	enum result r;
	{
		MESSAGE m;
		r = message_take(s, t, ask->facts, &m);
		if (r == OK)
			r = prepare(p, s, &m);
	}
	if (r == OK)
		writer_put(s->writer, &p->job);
	else if (p->why)
		ipc_refuse(t, r, "%s", p->why);
	else if (r == GONE)
		ipc_refuse(t, GONE, "TRYCREATE");
	else if (r == FULL)
		ipc_refuse(t, FULL, "OVERQUOTA");
	else
		refuse(t, r);
}
