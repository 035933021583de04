/* STORE_SCRIPTS, STORE_SCRIPT_*: a user's Sieve scripts. */
#include "store/contain/contain.h"
#include "store/queue/scripts.h"
#include "store/account/signins.h"
#include "store/handlers.h"

#define SEALED_MOST (LIMIT_SCRIPT_SIZE + SEAL_OVERHEAD)

/* ---- sealing ---- */

static struct slice bound_to(int64_t account, char room[32])
{
	memcpy(room, "script ", 7);
	for (unsigned i = 0; i < 8; i++)
		room[7 + i] = (char)(account >> 8 * i);
	return slice_of(room, 15);
}

void script_seal(const struct store *s, int64_t account, struct slice text, struct buf *out)
{
	char room[32];
	seal_put(s->seal, text, bound_to(account, room), out);
}

static enum result open_text(
    struct store *s, int64_t account, struct slice sealed, struct arena *a, struct slice *out)
{
	char room[32];
	BUF_LOCAL(b, LIMIT_SCRIPT_SIZE);
	if (seal_get(s->seal, sealed, bound_to(account, room), &b) != OK)
		return LATER;
	*out = arena_dup(a, buf_slice(&b));
	return arena_full(a) ? LATER : OK;
}

/* ---- reading ---- */

static enum result read_script(struct store *s, struct db_rows *q, int64_t account, struct slice name,
    struct arena *a, struct script *out)
{
	if (!db_next(q))
		return db_result(q->db) == OK ? GONE : LATER;
	*out = (struct script){.name = arena_dup(a, name),
	    .account = account,
	    .version = (uint32_t)db_int(q, 1),
	    .broken = db_int(q, 2) != 0};
	return open_text(s, account, db_octets(q, 0), a, &out->text);
}

enum result script_load(
    struct store *s, struct db *db, int64_t account, struct slice name, struct arena *a, struct script *out)
{
	DB_ROWS q = DB_QUERY(db, SCRIPT_GET, DI(account), DT(name));
	return read_script(s, &q, account, name, a, out);
}

enum result script_load_version(struct store *s, struct db *db, int64_t account, struct slice name,
    int64_t version, struct arena *a, struct script *out)
{
	DB_ROWS q = DB_QUERY(db, SCRIPT_GET_VERSION, DI(account), DT(name), DI(version));
	return read_script(s, &q, account, name, a, out);
}

struct slice script_active(struct db *db, int64_t account, struct arena *a)
{
	DB_ROWS q = DB_QUERY(db, SCRIPT_ACTIVE, DI(account));
	return db_next(&q) ? arena_dup(a, db_octets(&q, 0)) : SLICE_NONE;
}

static Sekisho__Script *script_message(const struct db_rows *q, struct slice active, struct arena *a)
{
	Sekisho__Script *m = arena_new(a, Sekisho__Script);
	if (!m)
		return NULL;
	sekisho__script__init(m);
	m->name = arena_z(a, db_octets(q, 0));
	m->version = (uint32_t)db_int(q, 1);
	m->changed_ms = db_int(q, 2);
	m->size = (uint64_t)db_int(q, 3);
	m->active = slice_eq(db_octets(q, 0), active);
	return m;
}

void ask_scripts(struct ipc_turn *t)
{
	const struct login *user = session_of(t);
	Sekisho__ScriptsAnswer answer = SEKISHO__SCRIPTS_ANSWER__INIT;
	if (!user)
		return;
	answer.scripts = arena_array(&t->arena, LIMIT_SCRIPTS, sizeof *answer.scripts);
	enum result r = LATER;
	{
		READER reader = reader_begin(store_of(t));
		if (reader.db) {
			struct slice active = script_active(reader.db, user->account, &t->arena);
			DB_ROWS q = DB_QUERY(reader.db, SCRIPT_LIST, DI(user->account));
			while (answer.scripts && answer.n_scripts < LIMIT_SCRIPTS && db_next(&q))
				answer.scripts[answer.n_scripts++] = script_message(&q, active, &t->arena);
			r = db_result(reader.db);
		}
	}
	if (r != OK || arena_full(&t->arena))
		refuse(t, LATER);
	else
		ipc_answer(t, &answer, NULL);
}

void ask_script_get(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct script script;
	enum result r = LATER;
	{
		READER reader = reader_begin(store_of(t));
		if (reader.db)
			r = script_load(
			    store_of(t), reader.db, user->account, slice_str(ask->name), &t->arena, &script);
	}
	if (r != OK) {
		refuse(t, r);
		return;
	}
	Sekisho__ScriptTextAnswer answer = SEKISHO__SCRIPT_TEXT_ANSWER__INIT;
	answer.text = octets_of(script.text);
	ipc_answer(t, &answer, NULL);
}

/* ---- limits ---- */

enum result script_space(
    struct db *db, int64_t account, struct slice name, uint64_t size, const char **why_out)
{
	*why_out = "QUOTA/MAXSIZE";
	if (size > LIMIT_SCRIPT_SIZE)
		return FULL;
	*why_out = "QUOTA/MAXSCRIPTS";
	if (DB_NUMBER(db, 0, SCRIPT_VERSION, DI(account), DT(name)))
		return OK;
	return DB_NUMBER(db, 0, SCRIPT_COUNT, DI(account)) < LIMIT_SCRIPTS ? OK : FULL;
}

void ask_script_space(struct ipc_turn *t)
{
	const Sekisho__ScriptSpaceAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	const char *why = "";
	enum result r = LATER;
	{
		READER reader = reader_begin(store_of(t));
		if (reader.db)
			r = script_space(reader.db, user->account, slice_str(ask->name), ask->size, &why);
		if (reader.db && db_result(reader.db) != OK)
			r = LATER;
	}
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else if (r == FULL)
		ipc_refuse(t, r, "%s", why);
	else
		refuse(t, r);
}

/* ---- changing ---- */

enum result script_put(
    struct db *db, int64_t account, struct slice name, struct slice sealed, size_t size, const char **why_out)
{
	enum result r = script_space(db, account, name, size, why_out);
	if (r != OK)
		return r;
	int64_t version = DB_NUMBER(db, 0, SCRIPT_VERSION, DI(account), DT(name)) + 1;
	DB_RUN(db, SCRIPT_ADD, DI(account), DT(name), DI(version), DI(clock_utc_ms()), DI(size), DB(sealed));
	DB_RUN(db, SCRIPT_FORGET, DI(account), DT(name), DI(version - LIMIT_SCRIPT_VERSIONS - 1));
	return OK;
}

enum result script_activate(struct db *db, int64_t account, struct slice name)
{
	if (!name.n) {
		DB_RUN(db, SCRIPT_DEACTIVATE, DI(account));
		return OK;
	}
	if (!DB_NUMBER(db, 0, SCRIPT_VERSION, DI(account), DT(name)))
		return GONE;
	DB_RUN(db, SCRIPT_ACTIVATE, DI(account), DT(name));
	return OK;
}

static bool is_active(struct db *db, int64_t account, struct slice name)
{
	DB_ROWS q = DB_QUERY(db, SCRIPT_ACTIVE, DI(account));
	return db_next(&q) && slice_eq(db_octets(&q, 0), name);
}

enum result script_remove(struct db *db, int64_t account, struct slice name, const char **why_out)
{
	*why_out = "ACTIVE";
	if (is_active(db, account, name))
		return DENY;
	DB_RUN(db, SCRIPT_REMOVE, DI(account), DT(name));
	return db_changed(db) ? OK : GONE;
}

void scripts_remove(struct db *db, int64_t account)
{
	DB_RUN(db, SCRIPT_DEACTIVATE, DI(account));
	DB_RUN(db, SCRIPTS_REMOVE, DI(account));
}

static enum result rename_script(
    struct db *db, int64_t account, struct slice from, struct slice to, const char **why_out)
{
	if (!DB_NUMBER(db, 0, SCRIPT_VERSION, DI(account), DT(from)))
		return GONE;
	*why_out = "ALREADYEXISTS";
	if (DB_NUMBER(db, 0, SCRIPT_VERSION, DI(account), DT(to)))
		return DENY;
	bool active = is_active(db, account, from);
	DB_RUN(db, SCRIPT_RENAME, DI(account), DT(from), DT(to));
	if (active)
		DB_RUN(db, SCRIPT_ACTIVATE, DI(account), DT(to));
	return OK;
}

/* One change that a session asked for. */
struct change {
	struct job job;
	struct ipc_turn *turn;
	int64_t account;
	struct slice sealed;
	bool unfamiliar; /* from where this account was not used before */
	const char *why;
};

/* A filter passes mail on unseen: whoever has just got in from afar does not get one, and that he tried is written down. */
static enum result note_refused(struct change *c, struct db *db)
{
	contain_signal(c->job.store, db, c->account, SIGNAL_NEW_RULE, SLICE_NONE);
	return db_result(db);
}

static enum result apply_change(struct job *j, struct db *db)
{
	struct change *c = (struct change *)j;
	if (c->unfamiliar)
		return note_refused(c, db);
	const Sekisho__NameAsk *named = c->turn->ask;
	const Sekisho__ScriptPutAsk *put = c->turn->ask;
	const Sekisho__RenameAsk *renaming = c->turn->ask;
	switch (c->turn->kind) {
	case ASK_STORE_SCRIPT_PUT:
		return script_put(db, c->account, slice_str(put->name), c->sealed, put->text.len, &c->why);
	case ASK_STORE_SCRIPT_ACTIVATE:
		return script_activate(db, c->account, slice_str(named->name));
	case ASK_STORE_SCRIPT_DELETE:
		return script_remove(db, c->account, slice_str(named->name), &c->why);
	default:
		return rename_script(
		    db, c->account, slice_str(renaming->from), slice_str(renaming->to), &c->why);
	}
}

static void done_change(struct job *j, enum result r)
{
	struct change *c = (struct change *)j;
	if (r == OK && c->unfamiliar)
		ipc_refuse(c->turn, DENY,
		    "Filters are not changed from a place where this account was not used before");
	else if (r == OK)
		ipc_answer(c->turn, NULL, NULL);
	else if (c->why && (r == FULL || r == DENY))
		ipc_refuse(c->turn, r, "%s", c->why);
	else
		refuse(c->turn, r);
}

static void put_change(struct ipc_turn *t, struct slice text)
{
	struct store *s = store_of(t);
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct change *c = arena_new(&t->arena, struct change);
	BUF_LOCAL(sealed, SEALED_MOST);
	if (text.n <= LIMIT_SCRIPT_SIZE)
		script_seal(s, user->account, text, &sealed);
	if (!c || buf_result(&sealed) != OK) {
		refuse(t, LATER);
		return;
	}
	*c = (struct change){
	    .job = {.store = s, .apply = apply_change, .done = done_change, .durable = true},
	    .turn = t,
	    .account = user->account,
	    .unfamiliar = signin_is_strange(&user->context) && t->kind != ASK_STORE_SCRIPT_DELETE,
	    .sealed = arena_dup(&t->arena, buf_slice(&sealed)),
	};
	writer_put(s->writer, &c->job);
}

void ask_script_put(struct ipc_turn *t)
{
	const Sekisho__ScriptPutAsk *ask = t->ask;
	put_change(t, slice_of_octets(ask->text));
}

void ask_script_change(struct ipc_turn *t)
{
	put_change(t, SLICE_NONE);
}
