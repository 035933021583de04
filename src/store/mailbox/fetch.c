/* STORE_FETCH and STORE_BODY: rows, facts and bodies of the selected mailbox. */
#include "store/contain/reading.h"
#include "store/mailbox/access.h"
#include "store/mailbox/facts_cache.h"
#include "store/handlers.h"

#define PACKET_ROOM ((size_t)LIMIT_IPC_PACKET - 4096)
#define ROW_OCTETS 100 /* what a row needs beside facts and body, packed */
#define FACTS_INLINE 65536
#define BODY_INLINE 98304
#define MOVED_TRIES 3 /* a segment may be tidied away between looking a body up and reading it */

/* An answer being made, packet by packet. */
struct fetching {
	struct ipc_turn *turn;
	struct store *store;
	struct db *db;
	const Sekisho__FetchAsk *ask;
	struct runs seen_set; /* rows that got \Seen by this very ask */
	Sekisho__FetchAnswer answer;
	Sekisho__Row *rows[1024];
	size_t octets;
	struct arena arena; /* of one packet */
	struct ipc_fds fds; /* facts that do not fit inline */
	struct buf facts, body;
	uint64_t bodies, body_octets; /* that are told */
	enum result result;
};

static void packet_reset(struct fetching *f)
{
	arena_reset(&f->arena);
	ipc_fds_close(&f->fds);
	sekisho__fetch_answer__init(&f->answer);
	f->answer.rows = f->rows;
	f->octets = 0;
}

static void packet_send(struct fetching *f)
{
	ipc_answer_part(f->turn, &f->answer, &f->fds);
	packet_reset(f);
}

/* Facts too large for a packet travel as a sealed file. */
static bool facts_to_fd(struct fetching *f, struct slice facts)
{
	FD_LOCAL fd = fd_memory("facts");
	if (fd < 0 || fd_write_all(fd, facts) != OK || fd_seal(fd) != OK)
		return false;
	f->fds.fd[f->fds.n++] = fd;
	fd = -1;
	return true;
}

static bool add_facts(struct fetching *f, Sekisho__Row *row, struct slice facts)
{
	Sekisho__FactsRef *ref = arena_new(&f->arena, Sekisho__FactsRef);
	if (!ref)
		return false;
	sekisho__facts_ref__init(ref);
	row->facts = ref;
	if (facts.n <= FACTS_INLINE) {
		ref->packed = octets_of(facts);
		return true;
	}
	ref->in_fd = true;
	return facts_to_fd(f, facts);
}

static Sekisho__Row *new_row(struct fetching *f, const struct entry *e)
{
	Sekisho__Row *row = arena_new(&f->arena, Sekisho__Row);
	if (!row)
		return NULL;
	sekisho__row__init(row);
	row->uid = e->uid;
	row->flags = e->flags;
	row->keywords = e->keywords;
	row->modseq = e->modseq;
	row->internal_ms = e->internal_ms;
	row->saved_ms = e->saved_ms;
	row->size = e->size;
	row->email = (uint64_t)e->email;
	row->thread = (uint64_t)e->thread;
	row->seen_set = runs_have(&f->seen_set, e->uid);
	return row;
}

/* Reads facts or body at a place, looking it up again when its segment was tidied away. */
static enum result read_at(
    struct fetching *f, int64_t blob, struct blob_place *at, bool facts, struct buf *out)
{
	for (unsigned i = 0;; i++) {
		enum result r = facts ? facts_get(f->store, blob, at, out)
				      : blob_read(f->store->blob, at, 0, at->size, out);
		if (r != GONE || i == MOVED_TRIES)
			return r;
		READER fresh = reader_begin(f->store);
		if (!fresh.db || !blob_find(fresh.db, blob, at))
			return LATER;
	}
}

/* False: the answer cannot go on. */
static bool add_row(struct fetching *f, const struct entry *e, struct blob_place *at)
{
	struct buf *facts = &f->facts, *body = &f->body;
	bool want_facts = f->ask->want & SEKISHO__WANT__WANT_FACTS && at->facts;
	bool want_body = f->ask->want & SEKISHO__WANT__WANT_BODY &&
			 e->size <= MIN(f->ask->body_max, (uint32_t)BODY_INLINE);
	buf_clear(facts);
	buf_clear(body);
	if (want_facts && (f->result = read_at(f, e->blob, at, true, facts)) != OK)
		return false;
	size_t inline_facts = facts->n <= FACTS_INLINE ? facts->n : 0;
	/* A body that does not fit beside its facts is asked for by STORE_BODY. */
	want_body &= inline_facts + e->size + ROW_OCTETS <= PACKET_ROOM;
	size_t need = ROW_OCTETS + inline_facts + (want_body ? e->size : 0);
	if (f->octets + need > PACKET_ROOM || f->answer.n_rows == COUNT(f->rows) ||
	    (facts->n > FACTS_INLINE && f->fds.n == LIMIT_IPC_FDS))
		packet_send(f);
	if (want_body && (f->result = read_at(f, e->blob, at, false, body)) != OK)
		return false;
	Sekisho__Row *row = new_row(f, e);
	if (!row || (want_facts && !add_facts(f, row, arena_dup(&f->arena, buf_slice(facts))))) {
		f->result = LATER;
		return false;
	}
	if (want_body) {
		row->body = octets_of(arena_dup(&f->arena, buf_slice(body)));
		row->has_body = true;
		f->bodies++;
		f->body_octets += body->n;
	}
	f->octets += need;
	f->rows[f->answer.n_rows++] = row;
	return true;
}

static bool fetch_run(struct fetching *f, int64_t mailbox, struct run run)
{
	bool bodies = f->ask->want != 0;
	const struct db_value values[] = {
	    DI(mailbox), DI(run.first), DI(run_end(run)), DI(f->ask->changed_since)};
	DB_ROWS q = db_query(f->db, bodies ? SQL_FETCH_PLACES : SQL_FETCH_ROWS, values, COUNT(values));
	struct blob_place at = {0};
	while (db_next(&q)) {
		struct entry e;
		entry_read(&q, &e);
		if (bodies)
			at = blob_place_of(&q, 10);
		if (!add_row(f, &e, &at))
			return false;
	}
	f->result = db_result(f->db);
	return f->result == OK;
}

static void fetch_all(struct fetching *f, int64_t mailbox, const struct runs *uids)
{
	READER r = reader_begin(f->store);
	f->db = r.db;
	f->result = r.db ? OK : LATER;
	for (size_t i = 0; i < uids->n && f->result == OK; i++)
		if (!fetch_run(f, mailbox, uids->v[i]))
			break;
}

/* ---- \Seen ---- */

struct mark_seen {
	struct job job;
	const struct login *user;
	const struct runs *uids;
	struct runs *set;
};

static bool any_unseen(struct store *s, int64_t mailbox, const struct runs *uids)
{
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	for (size_t i = 0; i < uids->n; i++)
		if (DB_NUMBER(r.db, 0, UNSEEN_IN, DI(mailbox), DI(uids->v[i].first), DI(run_end(uids->v[i]))))
			return true;
	return false;
}

static enum result apply_seen(struct job *j, struct db *db)
{
	struct mark_seen *m = (struct mark_seen *)j;
	struct box b;
	if (!box_load(db, m->user->selected, &b) || access_selected(db, m->user, RIGHT_SEEN, NULL) != OK)
		return GONE;
	for (size_t i = 0; i < m->uids->n; i++) {
		DB_ROWS q =
		    DB_QUERY(db, UNSEEN_UIDS, DI(b.id), DI(m->uids->v[i].first), DI(run_end(m->uids->v[i])));
		while (db_next(&q))
			runs_add(m->set, (uint32_t)db_int(&q, 0));
	}
	if (!m->set->n)
		return OK;
	uint64_t modseq = writer_modseq(j->store->writer, db, b.account);
	for (size_t i = 0; i < m->set->n; i++)
		DB_RUN(
		    db, MARK_SEEN, DI(b.id), DI(m->set->v[i].first), DI(run_end(m->set->v[i])), DI(modseq));
	b.unseen -= (uint32_t)runs_count(m->set);
	b.modseq = modseq;
	box_advance(db, &b);
	box_save(db, &b);
	writer_touch(j->store->writer, b.id, m->user);
	return OK;
}

static enum result mark_seen(
    struct store *s, const struct login *user, const struct runs *uids, struct runs *set)
{
	if (user->examined || !any_unseen(s, user->selected, uids))
		return OK;
	struct mark_seen m = {
	    .job = {.store = s, .apply = apply_seen}, .user = user, .uids = uids, .set = set};
	return writer_wait(s->writer, &m.job);
}

/* The session of a turn that needs a selected mailbox; NULL: answered. */
struct login *selected_of(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	if (user && !user->selected) {
		ipc_refuse(t, BAD, "no mailbox is selected");
		return NULL;
	}
	return user;
}

/* A mailbox that this session may read, by its name; 0: the turn is answered. */
static int64_t named_mailbox(
    struct ipc_turn *t, const struct login *user, const char *name, uint32_t uidvalidity)
{
	struct access x;
	struct box b;
	const char *why = NULL;
	READER r = reader_begin(store_of(t));
	if (r.db)
		access_find(r.db, user->account, slice_str(name), &t->arena, &x);
	if (r.db && access_need(&x, RIGHT_READ, &why) == OK && box_load(r.db, x.id, &b) && !b.noselect &&
	    (!uidvalidity || b.uidvalidity == uidvalidity))
		return x.id;
	if (r.db && db_result(r.db) == OK)
		ipc_refuse(t, GONE, "no such message");
	else
		refuse(t, LATER);
	return 0;
}

/* The mailbox that an ask is about: the selected one, or another by its name. 0: the turn is answered. */
static int64_t mailbox_of(struct ipc_turn *t, const char *name, uint32_t uidvalidity,
    const struct login **user_out, unsigned *rights_out)
{
	const struct login *user = name[0] ? session_of(t) : selected_of(t);
	*user_out = user;
	if (rights_out)
		*rights_out = RIGHT_READ;
	if (!user)
		return 0;
	if (name[0])
		return named_mailbox(t, user, name, uidvalidity);
	return access_check_selected(t, user, RIGHT_READ, rights_out) ? user->selected : 0;
}

void ask_fetch(struct ipc_turn *t)
{
	const Sekisho__FetchAsk *ask = t->ask;
	const struct login *user;
	unsigned rights;
	int64_t mailbox = mailbox_of(t, ask->mailbox, ask->uidvalidity, &user, &rights);
	if (!mailbox)
		return;
	struct fetching *f = arena_new(&t->arena, struct fetching);
	if (!f) {
		refuse(t, LATER);
		return;
	}
	RUNS_LOCAL(uids);
	RUNS_LOCAL(set);
	*f = (struct fetching){.turn = t, .store = store_of(t), .ask = ask};
	buf_init(&f->facts, (size_t)64 << 20);
	buf_init(&f->body, BODY_INLINE);
	arena_init(&f->arena, (size_t)1 << 20);
	packet_reset(f);
	runs_take(&uids, ask->uids, ask->n_uids);
	f->result = ask->mark_seen && rights & RIGHT_SEEN ? mark_seen(f->store, user, &uids, &set) : OK;
	f->seen_set = set;
	if (f->result == OK)
		fetch_all(f, mailbox, &uids);
	reading_note(f->store, user, f->bodies, f->body_octets);
	buf_free(&f->facts);
	buf_free(&f->body);
	struct arena packet = f->arena;
	struct ipc_fds fds = f->fds;
	if (f->result == OK)
		ipc_answer(t, &f->answer, &fds);
	else
		refuse(t, f->result);
	arena_free(&packet);
	ipc_fds_close(&fds);
}

/* ---- parts of a body ---- */

static enum result read_body(struct store *s, int64_t mailbox, const Sekisho__BodyAsk *ask, struct buf *out)
{
	for (unsigned i = 0;; i++) {
		READER r = reader_begin(s);
		if (!r.db)
			return LATER;
		DB_ROWS q = DB_QUERY(r.db, BODY_PLACE, DI(mailbox), DI(ask->uid));
		if (!db_next(&q))
			return db_result(r.db) == OK ? GONE : LATER;
		struct blob_place at = blob_place_of(&q, 0);
		enum result done =
		    blob_read(s->blob, &at, ask->offset, MIN(ask->length, (uint32_t)BODY_INLINE), out);
		if (done != GONE || i == MOVED_TRIES)
			return done == GONE ? LATER : done;
		buf_clear(out);
	}
}

void ask_body(struct ipc_turn *t)
{
	const Sekisho__BodyAsk *ask = t->ask;
	const struct login *user;
	int64_t mailbox = mailbox_of(t, ask->mailbox, 0, &user, NULL);
	if (!mailbox)
		return;
	BUF_LOCAL(body, BODY_INLINE);
	enum result r = read_body(store_of(t), mailbox, ask, &body);
	if (r != OK) {
		refuse(t, r);
		return;
	}
	Sekisho__BodyAnswer answer = SEKISHO__BODY_ANSWER__INIT;
	reading_note(store_of(t), user, ask->offset == 0, body.n);
	answer.data = octets_of(buf_slice(&body));
	ipc_answer(t, &answer, NULL);
}
