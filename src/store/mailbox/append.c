/*
 * STORE_APPEND, STORE_STAGE, STORE_UNSTAGE.
 *
 * A staged message's body is kept already, as any body before its row; the session holds it until the STORE_APPEND that
 * ends the command writes the rows of all, in one transaction, or until STORE_UNSTAGE or the session's end lets it go.
 */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/quota.h"
#include <stdlib.h>

/* A message whose body is kept, and what its row will say. */
struct incoming {
	struct incoming *next;
	struct blobs *blobs;
	struct blob blob;
	uint64_t size;
	int64_t tokens[THREAD_TOKENS];
	size_t n_tokens;
	uint32_t flags;
	int64_t internal_ms; /* 0: now */
	char **keywords;
	size_t n_keywords;
	struct arena arena; /* of a staged one's keywords */
};

struct append {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	struct incoming *all;
	struct access target;
	const char *why; /* NULL: in general words */
	Sekisho__AppendAnswer answer;
};

static void incoming_free(struct incoming *all)
{
	while (all) {
		struct incoming *next = all->next;
		blob_release(all->blobs, &all->blob);
		arena_free(&all->arena);
		free(all);
		all = next;
	}
}

/* ---- in the transaction ---- */

static enum result add_one(
    struct append *p, struct db *db, struct box *b, struct incoming *in, uint32_t *uid_out)
{
	struct store *s = p->job.store;
	bool added = false;
	int64_t now = clock_utc_ms();
	struct entry e = {
	    .flags = in->flags & access_flags(p->target.rights),
	    .email = writer_number(s->writer, SEQUENCE_EMAIL),
	    .blob = blob_ref(s->blob, s->writer, db, &in->blob, 1),
	    .internal_ms = in->internal_ms ? in->internal_ms : now,
	    .saved_ms = now,
	    .size = in->size,
	};
	if (!e.blob)
		return LATER;
	enum result r = OK;
	if (p->target.rights & RIGHT_WRITE)
		r = box_keywords(db, b->id, in->keywords, in->n_keywords, &e.keywords, &added);
	if (r != OK)
		return r;
	e.thread = thread_of(db, b->account, e.email, in->tokens, in->n_tokens);
	box_add(s->writer, db, b, &e);
	*uid_out = e.uid;
	return OK;
}

static enum result add_all(struct append *p, struct db *db, struct box *to)
{
	for (struct incoming *in = p->all; in; in = in->next) {
		enum result r = add_one(p, db, to, in, &p->answer.uid);
		if (r != OK)
			return r;
	}
	p->answer.uidvalidity = to->uidvalidity;
	return OK;
}

/* For all of them, beside the room that a message of the same owner gives back. */
static enum result take_room(struct append *p, struct db *db, int64_t owner, const struct entry *old)
{
	uint64_t octets = 0, messages = 0, back = old ? old->size : 0;
	for (const struct incoming *in = p->all; in; in = in->next) {
		octets += in->size;
		messages++;
	}
	octets = octets > back ? octets - back : 0;
	messages -= old ? MIN(messages, (uint64_t)1) : 0;
	if (quota_take(p->job.store, db, owner, octets, messages, true) == OK)
		return OK;
	p->why = "OVERQUOTA";
	return FULL;
}

/* The message that STORE_APPEND replaces; false when it is gone. */
static bool replaced(struct db *db, const struct box *from, uint32_t uid, struct entry *e)
{
	DB_ROWS q = DB_QUERY(db, FETCH_ROWS, DI(from->id), DI(uid), DI((int64_t)uid + 1), DI(0));
	if (!db_next(&q))
		return false;
	entry_read(&q, e);
	return true;
}

static enum result replace(struct append *p, struct db *db, struct box *to, uint32_t uid)
{
	struct writer *w = p->job.store->writer;
	struct box other, *from = to;
	struct entry old;
	enum result r = access_selected(db, p->user, RIGHT_READ | RIGHT_TRASH | RIGHT_EXPUNGE, NULL);
	if (r == DENY)
		p->why = "NOPERM";
	if (r != OK)
		return r;
	if (to->id != p->user->selected) {
		from = &other;
		if (!box_load(db, p->user->selected, from))
			return GONE;
	}
	if (!replaced(db, from, uid, &old)) {
		p->why = "NONEXISTENT";
		return GONE;
	}
	r = take_room(p, db, to->account, from->account == to->account ? &old : NULL);
	if (r == OK)
		r = add_all(p, db, to);
	if (r != OK)
		return r;
	box_vanish(db, from, &old, 1, writer_modseq(w, db, from->account), true, NULL);
	box_save(db, from);
	if (from != to) {
		box_save(db, to);
		writer_touch(w, to->id, NULL);
	}
	writer_touch(w, from->id, p->user); /* it is told by the answer */
	p->answer.highestmodseq = from->modseq;
	quota_settle(p->job.store, db, from->account);
	return OK;
}

static enum result apply_append(struct job *j, struct db *db)
{
	struct append *p = (struct append *)j;
	const Sekisho__AppendAsk *ask = p->turn->ask;
	struct box b;
	access_find(db, p->user->account, slice_str(ask->mailbox), &p->turn->arena, &p->target);
	enum result r = access_need(&p->target, RIGHT_INSERT, &p->why);
	if (r != OK)
		return r;
	if (!box_load(db, p->target.id, &b) || b.noselect)
		return GONE;
	if (ask->replace)
		return replace(p, db, &b, ask->replace);
	r = take_room(p, db, b.account, NULL);
	if (r == OK)
		r = add_all(p, db, &b);
	if (r != OK)
		return r;
	box_save(db, &b);
	writer_touch(j->store->writer, b.id, NULL);
	return OK;
}

static void done_append(struct job *j, enum result r)
{
	struct append *p = (struct append *)j;
	Sekisho__AppendAnswer answer = p->answer;
	incoming_free(p->all);
	if (!(p->target.rights & RIGHT_READ)) /* RFC 4315 5 */
		answer.uidvalidity = answer.uid = 0;
	if (r == OK)
		ipc_answer(p->turn, &answer, NULL);
	else if (p->why)
		ipc_refuse(p->turn, r, "%s", p->why);
	else if (r == GONE && !writer_is_broken(j->store->writer))
		ipc_refuse(p->turn, GONE, "TRYCREATE");
	else
		refuse(p->turn, r);
}

/* ---- before it ---- */

/* Asked before the body is written, so that a wrong name costs nothing. */
static enum result prepare(struct ipc_turn *t, const struct login *user, struct message *m,
    struct incoming *in, const char **why_out)
{
	const Sekisho__AppendAsk *ask = t->ask;
	struct store *s = store_of(t);
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	if (!m->facts)
		return BAD;
	struct access x;
	access_find(r.db, user->account, slice_str(ask->mailbox), &t->arena, &x);
	enum result may = access_need(&x, RIGHT_INSERT, why_out);
	if (may != OK || db_result(r.db) != OK)
		return db_result(r.db) == OK ? may : LATER;
	if (quota_room(s, r.db, x.owner, m->body.n, 1) != OK && !ask->replace)
		return FULL;
	in->size = m->body.n;
	in->n_tokens = thread_tokens(s, m->facts, in->tokens, THREAD_TOKENS);
	enum result room = blob_room(s->blob);
	return room == OK ? blob_keep(s->blob, r.db, m->digest, m->body, m->packed, &in->blob) : room;
}

static void refuse_message(struct ipc_turn *t, enum result r, const char *why)
{
	if (why)
		ipc_refuse(t, r, "%s", why);
	else if (r == GONE)
		ipc_refuse(t, GONE, "TRYCREATE");
	else if (r == FULL)
		ipc_refuse(t, FULL, "OVERQUOTA");
	else
		refuse(t, r);
}

/* Takes the message that came with the turn; NULL: the turn is answered. */
static struct incoming *incoming_take(struct ipc_turn *t, const struct login *user)
{
	const Sekisho__AppendAsk *ask = t->ask;
	const char *why = NULL;
	struct incoming *in = calloc(1, sizeof *in);
	if (!in)
		abort();
	in->blobs = store_of(t)->blob;
	in->flags = ask->flags;
	in->internal_ms = ask->internal_ms;
	in->keywords = ask->keywords;
	in->n_keywords = ask->n_keywords;
	arena_init(&in->arena, LIMIT_IPC_PACKET);
	enum result r = BAD;
	if (ask->facts) {
		MESSAGE m;
		r = message_take(store_of(t), t, ask->facts, &m);
		if (r == OK)
			r = prepare(t, user, &m, in, &why);
	}
	if (r == OK)
		return in;
	incoming_free(in);
	refuse_message(t, r, why);
	return NULL;
}

/* ---- staged messages ---- */

static void unstage(struct login *user)
{
	incoming_free(user->staged);
	user->staged = user->staged_last = NULL;
	user->staged_n = 0;
	user->staged_octets = 0;
}

/* Its keywords outlive the turn. */
static bool keep_keywords(struct incoming *in)
{
	char **v = arena_array(&in->arena, in->n_keywords + 1, sizeof *v);
	for (size_t i = 0; v && i < in->n_keywords; i++)
		if (!(v[i] = arena_z(&in->arena, slice_str(in->keywords[i]))))
			return false;
	in->keywords = v;
	return v != NULL;
}

void ask_stage(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	struct incoming *in = user ? incoming_take(t, user) : NULL;
	if (!in)
		return;
	if (user->staged_n + 1 >= LIMIT_IMAP_APPENDS ||
	    user->staged_octets + in->size > LIMIT_IMAP_APPEND_OCTETS * 2 || !keep_keywords(in)) {
		incoming_free(in);
		ipc_refuse(t, FULL, "too many messages for one command");
		return;
	}
	if (user->staged_last)
		user->staged_last->next = in;
	else
		user->staged = in;
	user->staged_last = in;
	user->staged_n++;
	user->staged_octets += in->size;
	user->unstage = unstage;
	ipc_answer(t, NULL, NULL);
}

void ask_unstage(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	if (!user)
		return;
	unstage(user);
	ipc_answer(t, NULL, NULL);
}

/* ---- the ask ---- */

/* What was staged and the last message become the job's. */
static struct incoming *take_staged(struct login *user, struct incoming *last)
{
	struct incoming *all = user->staged ? user->staged : last;
	if (user->staged)
		user->staged_last->next = last;
	user->staged = NULL;
	unstage(user);
	return all;
}

void ask_append(struct ipc_turn *t)
{
	const Sekisho__AppendAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct login *user = ask->replace ? selected_of(t) : session_of(t);
	if (!user)
		return;
	if (ask->replace && user->examined) {
		ipc_refuse(t, DENY, "The mailbox is open for reading only");
		return;
	}
	struct append *p = arena_new(&t->arena, struct append);
	if (!p || ask->staged != user->staged_n) {
		refuse(t, p ? BAD : LATER);
		return;
	}
	*p = (struct append){
	    .job = {.store = s, .apply = apply_append, .done = done_append, .durable = true, .bodies = true},
	    .turn = t,
	    .user = user,
	    .answer = SEKISHO__APPEND_ANSWER__INIT,
	};
	struct incoming *last = incoming_take(t, user);
	if (!last)
		return;
	p->all = take_staged(user, last);
	writer_put(s->writer, &p->job);
}
