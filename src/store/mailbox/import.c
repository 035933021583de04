/*
 * STORE_ENTER, STORE_IMPORT, STORE_IMPORTED: the administrator's command brings mail in and takes it out.
 *
 * Messages of an import are looked at by scan like any other. That one was taken is written in the transaction that adds
 * it (the table `imported`), so whatever dies at whatever instant, a repeated import takes each message once.
 */
#include "mail/address.h"
#include "store/audit/audit.h"
#include "store/handlers.h"
#include "store/mailbox/mailbox.h"
#include "store/mailbox/quota.h"
#include "store/queue/resolve.h"

#define SYSTEM_FLAGS 31u
#define ITEM 16 /* octets of a keyed hash */
#define FACTS_ARENA ((size_t)64 << 20)

static enum result find_account(struct ipc_turn *t, struct db *db, const char *address, int64_t *id_out)
{
	struct mail_addr m;
	if (mail_addr_parse(slice_str(address), &t->arena, &m) != OK)
		return GONE;
	struct slice local = resolve_local(m.local, &t->arena), domain = resolve_domain(m.domain, &t->arena);
	*id_out = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(local));
	if (db_result(db) != OK)
		return LATER;
	return *id_out ? OK : GONE;
}

/* ---- a session of the account, without its password ---- */

struct entering {
	struct job job;
	struct audit_actor actor;
	struct slice address;
};

static enum result apply_entering(struct job *j, struct db *db)
{
	const struct entering *e = (const struct entering *)j;
	audit_put(j->store, db,
	    &(struct audit_act){.actor = &e->actor, .act = "account.enter", .object = e->address});
	return OK;
}

/* Nobody's mail is opened without a record of it. */
static enum result record_entering(struct ipc_turn *t, const char *address)
{
	struct entering e = {.job = {.store = store_of(t), .apply = apply_entering, .durable = true},
	    .actor = audit_actor_of(t),
	    .address = slice_str(address)};
	return writer_wait(store_of(t)->writer, &e.job);
}

void ask_enter(struct ipc_turn *t)
{
	const Sekisho__EnterAsk *ask = t->ask;
	struct store *s = store_of(t);
	int64_t account = 0;
	enum result r = t->fds.n == 1 ? OK : BAD;
	{
		READER reader = reader_begin(s);
		if (r == OK)
			r = reader.db ? find_account(t, reader.db, ask->address, &account) : LATER;
	}
	if (r == OK && !s->server)
		r = LATER;
	if (r == OK)
		r = record_entering(t, ask->address);
	if (r == OK) {
		int fd = t->fds.fd[0];
		t->fds.fd[0] = -1;
		r = sessions_add(
		    s->sessions, s->server, fd, PEER_IMAP, account, slice_str(ask->address), 0, NULL);
	}
	EVENT(ADMIN, KZ("verb", "account.enter"), KZ("who", ask->address), KZ("result", result_name(r)));
	if (r == GONE) {
		ipc_refuse(t, GONE, "no such account: %s", ask->address);
	} else if (r != OK) {
		refuse(t, r);
	} else {
		Sekisho__LoginAnswer answer = SEKISHO__LOGIN_ANSWER__INIT;
		answer.account = (uint64_t)account;
		answer.address = ask->address;
		ipc_answer(t, &answer, NULL);
	}
}

/* ---- what was taken ---- */

static void item_of(const struct store *s, int64_t account, ProtobufCBinaryData key, uint8_t out[SEAL_MAC])
{
	char number[8];
	BUF_LOCAL(b, LIMIT_IPC_PACKET + 64);
	memcpy(number, &account, sizeof number);
	buf_puts(&b, "import");
	buf_put(&b, slice_of(number, sizeof number));
	buf_put(&b, slice_of_octets(key));
	seal_mac(s->seal, SEAL_DIGESTS, buf_slice(&b), out);
}

static bool was_taken(const struct store *s, struct db *db, int64_t account, ProtobufCBinaryData key)
{
	uint8_t item[SEAL_MAC];
	item_of(s, account, key, item);
	return DB_NUMBER(db, 0, IMPORTED_FIND, DI(account), DB(slice_of(item, ITEM))) != 0;
}

void ask_imported(struct ipc_turn *t)
{
	const Sekisho__ImportedAsk *ask = t->ask;
	struct store *s = store_of(t);
	Sekisho__ImportedAnswer answer = SEKISHO__IMPORTED_ANSWER__INIT;
	int64_t account;
	enum result r = ask->n_keys <= LIMIT_IMPORT_KEYS ? OK : BAD;
	answer.known = arena_array(&t->arena, ask->n_keys + 1, sizeof *answer.known);
	if (!answer.known)
		r = LATER;
	{
		READER reader = reader_begin(s);
		if (r == OK)
			r = reader.db ? find_account(t, reader.db, ask->address, &account) : LATER;
		for (size_t i = 0; r == OK && i < ask->n_keys; i++)
			answer.known[answer.n_known++] = was_taken(s, reader.db, account, ask->keys[i]);
		if (r == OK)
			r = db_result(reader.db);
	}
	if (r == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, r);
}

/* ---- taking ---- */

struct taking {
	enum result result;
	struct blob blob;
	uint64_t size;
	int64_t tokens[THREAD_TOKENS];
	size_t n_tokens;
};

struct importing {
	struct job job;
	struct ipc_turn *turn;
	int64_t account;
	struct taking *v;
	Sekisho__ImportDone *done;
	Sekisho__ImportDone **list;
	struct box box; /* of the items now being added: saved when another one's turn comes */
};

static void item_refused(struct importing *m, size_t i, enum result r, const char *why)
{
	m->v[i].result = r;
	m->done[i].result = (uint32_t)r;
	m->done[i].why = (char *)(uintptr_t)why;
}

static enum result turn_to_box(struct importing *m, struct db *db, int64_t id)
{
	if (m->box.id == id)
		return OK;
	if (m->box.id) {
		box_save(db, &m->box);
		writer_touch(m->job.store->writer, m->box.id, NULL);
	}
	m->box.id = 0;
	if (!id || !box_load(db, id, &m->box) || m->box.noselect) {
		m->box.id = 0;
		return GONE;
	}
	return OK;
}

/* Keywords one by one: those there is no room for are named, the message comes all the same. */
static uint64_t take_keywords(struct importing *m, struct db *db, size_t i, const Sekisho__ImportItem *item)
{
	uint64_t bits = 0, bit;
	bool added = false;
	for (size_t k = 0; k < item->n_keywords; k++) {
		if (box_keywords(db, m->box.id, item->keywords + k, 1, &bit, &added) == OK)
			bits |= bit;
		else
			m->done[i].why = arena_printf(
			    &m->turn->arena, "the mailbox has no room for the keyword %s", item->keywords[k]);
	}
	return bits;
}

static enum result add_item(struct importing *m, struct db *db, size_t i)
{
	const Sekisho__ImportItem *item = ((const Sekisho__ImportAsk *)m->turn->ask)->items[i];
	struct store *s = m->job.store;
	struct taking *v = &m->v[i];
	uint8_t hash[SEAL_MAC];
	int64_t now = clock_utc_ms();
	item_of(s, m->account, item->key, hash);
	if (DB_NUMBER(db, 0, IMPORTED_FIND, DI(m->account), DB(slice_of(hash, ITEM)))) {
		m->done[i].known = true;
		return OK;
	}
	if (turn_to_box(m, db, box_find(db, m->account, slice_str(item->mailbox))) != OK) {
		item_refused(m, i, GONE, "no such mailbox");
		return OK;
	}
	struct entry e = {
	    .flags = item->flags & SYSTEM_FLAGS,
	    .email = writer_number(s->writer, SEQUENCE_EMAIL),
	    .blob = blob_ref(s->blob, s->writer, db, &v->blob, 1),
	    .internal_ms = item->internal_ms ? item->internal_ms : now,
	    .saved_ms = now,
	    .size = v->size,
	};
	if (!e.blob)
		return LATER;
	/* It counts, and warnings follow; but what an administrator brings in is not refused halfway. */
	enum result room = quota_take(s, db, m->account, v->size, 1, false);
	if (room != OK)
		return room;
	e.keywords = take_keywords(m, db, i, item);
	e.thread = thread_of(db, m->account, e.email, v->tokens, v->n_tokens);
	/* The administrator's doing: it counts, whatever the limit. */
	result_ignore(quota_take(s, db, m->account, v->size, 1, false));
	box_add(s->writer, db, &m->box, &e);
	DB_RUN(db, IMPORTED_ADD, DI(m->account), DB(slice_of(hash, ITEM)));
	if (item->also.len) {
		item_of(s, m->account, item->also, hash);
		DB_RUN(db, IMPORTED_ADD, DI(m->account), DB(slice_of(hash, ITEM)));
	}
	m->done[i].uid = e.uid;
	return db_result(db);
}

static enum result apply_import(struct job *j, struct db *db)
{
	struct importing *m = (struct importing *)j;
	const Sekisho__ImportAsk *ask = m->turn->ask;
	m->box.id = 0;
	for (size_t i = 0; i < ask->n_items; i++) {
		enum result r = m->v[i].result == OK && !m->done[i].known ? add_item(m, db, i) : OK;
		if (r != OK)
			return r;
	}
	if (m->box.id) {
		box_save(db, &m->box);
		writer_touch(j->store->writer, m->box.id, NULL);
	}
	return OK;
}

static void release(struct importing *m)
{
	const Sekisho__ImportAsk *ask = m->turn->ask;
	for (size_t i = 0; i < ask->n_items; i++)
		blob_release(m->job.store->blob, &m->v[i].blob);
}

static void done_import(struct job *j, enum result r)
{
	struct importing *m = (struct importing *)j;
	const Sekisho__ImportAsk *ask = m->turn->ask;
	Sekisho__ImportAnswer answer = SEKISHO__IMPORT_ANSWER__INIT;
	release(m);
	answer.done = m->list;
	answer.n_done = ask->n_items;
	if (r == OK)
		ipc_answer(m->turn, &answer, NULL);
	else
		refuse(m->turn, r);
}

/* scan reads one message by descriptor: a part of the ask's memory gets one of its own. */
static int descriptor_of(struct slice body)
{
	FD_LOCAL fd = fd_memory("import");
	if (fd < 0 || fd_write_all(fd, body) != OK || fd_seal(fd) != OK)
		return -1;
	int done = fd;
	fd = -1;
	return done;
}

/* LATER only for what concerns every message; what is wrong with this one is noted in its answer. */
static enum result prepare(struct importing *m, size_t i, struct slice body)
{
	const Sekisho__ImportAsk *ask = m->turn->ask;
	struct store *s = m->job.store;
	struct taking *v = &m->v[i];
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	if (body.n > s->settings->message_size) {
		item_refused(m, i, FULL, "larger than this server takes");
		return OK;
	}
	if (was_taken(s, r.db, m->account, ask->items[i]->key)) {
		m->done[i].known = true;
		return OK;
	}
	ARENA_LOCAL(a, FACTS_ARENA);
	MESSAGE message = {0};
	FD_LOCAL fd = descriptor_of(body);
	enum result scanned = fd >= 0 ? message_scan(s, &a, fd, &message) : LATER;
	if (scanned != OK) {
		item_refused(m, i, LATER, "the scanner could not read it");
		return OK;
	}
	v->size = body.n;
	v->n_tokens = thread_tokens(s, message.facts, v->tokens, THREAD_TOKENS);
	enum result room = blob_room(s->blob);
	return room == OK ? blob_keep(s->blob, r.db, message.digest, message.body, message.packed, &v->blob)
			  : room;
}

static enum result prepare_all(struct importing *m, struct slice bodies)
{
	const Sekisho__ImportAsk *ask = m->turn->ask;
	for (size_t i = 0; i < ask->n_items; i++) {
		if (ask->items[i]->size > bodies.n)
			return BAD;
		enum result r = prepare(m, i, slice_sub(bodies, 0, ask->items[i]->size));
		if (r != OK)
			return r;
		bodies = slice_sub(bodies, ask->items[i]->size, bodies.n);
	}
	return bodies.n ? BAD : OK;
}

static struct importing *importing_new(struct ipc_turn *t)
{
	const Sekisho__ImportAsk *ask = t->ask;
	size_t n = ask->n_items;
	struct importing *m = arena_new(&t->arena, struct importing);
	if (!m)
		return NULL;
	m->job = (struct job){.store = store_of(t),
	    .apply = apply_import,
	    .done = done_import,
	    .durable = true,
	    .bodies = true};
	m->turn = t;
	m->v = arena_array(&t->arena, n, sizeof *m->v);
	m->done = arena_array(&t->arena, n, sizeof *m->done);
	m->list = arena_array(&t->arena, n, sizeof *m->list);
	if (!m->v || !m->done || !m->list)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		sekisho__import_done__init(&m->done[i]);
		m->list[i] = &m->done[i];
	}
	return m;
}

void ask_import(struct ipc_turn *t)
{
	const Sekisho__ImportAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct slice bodies = SLICE_NONE;
	bool sound = ask->n_items && ask->n_items <= LIMIT_IMPORT_BATCH && t->fds.n == 1;
	struct importing *m = sound ? importing_new(t) : NULL;
	enum result r = sound ? m ? OK : LATER : BAD;
	if (r == OK) {
		READER reader = reader_begin(s);
		r = reader.db ? find_account(t, reader.db, ask->address, &m->account) : LATER;
	}
	if (r == OK)
		r = fd_map_sealed(t->fds.fd[0], (uint64_t)LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED, &bodies);
	if (r == OK) {
		r = prepare_all(m, bodies);
		fd_unmap(&bodies);
		if (r == OK) {
			writer_put(s->writer, &m->job);
			return;
		}
		release(m);
	}
	refuse(t, r);
}
