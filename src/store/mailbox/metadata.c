/*
 * STORE_METADATA and STORE_SET_METADATA: annotations of the server and of mailboxes (RFC 5464), values sealed.
 *
 * Names are kept in lower case. What begins with /private/ belongs to the account that set it, what begins with /shared/
 * to all who can read the mailbox. The server's shared ones are made here: there is one, /shared/admin.
 */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/metadata.h"
#include <stdio.h>

#define PACKET_OCTETS 60000

/* RFC 5464 section 4: of a mailbox that one sees and can do something with. */
static const unsigned any_right[] = {
    RIGHT_READ, RIGHT_SEEN, RIGHT_WRITE, RIGHT_INSERT, RIGHT_POST, RIGHT_TRASH, RIGHT_EXPUNGE};

static enum result find_mailbox(struct db *db, const struct login *user, const char *name, struct arena *a,
    struct access *x, const char **why_out)
{
	*x = (struct access){.owner = user->account, .rights = RIGHTS_ALL, .own = true};
	if (!*name)
		return OK;
	access_find(db, user->account, slice_str(name), a, x);
	enum result r = GONE;
	for (size_t i = 0; i < COUNT(any_right) && r != OK; i++)
		r = access_need(x, RIGHT_LOOKUP | any_right[i], why_out);
	if (r == OK)
		*why_out = NULL;
	return db_result(db) == OK ? r : LATER;
}

/* Where a value belongs, for its seal. */
static struct slice bound(int64_t mailbox, int64_t account, struct slice entry, struct arena *a)
{
	return slice_str(arena_printf(
	    a, "metadata %lld %lld " SLICE_FMT, (long long)mailbox, (long long)account, SLICE_ARG(entry)));
}

static bool is_private(struct slice entry)
{
	return slice_eq(entry, SLICE("/private")) || slice_starts(entry, SLICE("/private/"));
}

static struct slice lower(struct slice text, struct arena *a)
{
	struct slice s = arena_dup(a, text);
	for (size_t i = 0; i < s.n; i++)
		((char *)(uintptr_t)s.p)[i] = ascii_lower(s.p[i]);
	return s;
}

/* ---- reading ---- */

struct getting {
	struct ipc_turn *turn;
	struct db *db;
	int64_t mailbox, account;
	Sekisho__MetadataAnswer answer;
	Sekisho__MetadataEntry *entries[LIMIT_METADATA_ENTRIES * 2 + 2];
	size_t octets;
	uint64_t longest;
};

static void add_entry(struct getting *g, struct slice name, struct slice value)
{
	struct arena *a = &g->turn->arena;
	if (g->answer.n_entries == COUNT(g->entries) ||
	    (g->octets && g->octets + name.n + value.n > PACKET_OCTETS)) {
		ipc_answer_part(g->turn, &g->answer, NULL);
		g->answer.n_entries = 0;
		g->octets = 0;
	}
	Sekisho__MetadataEntry *e = arena_new(a, Sekisho__MetadataEntry);
	if (!e)
		return;
	sekisho__metadata_entry__init(e);
	e->name = arena_z(a, name);
	e->value = octets_of(arena_dup(a, value));
	e->has_value = true;
	if (!e->name)
		return;
	g->entries[g->answer.n_entries++] = e;
	g->octets += name.n + value.n + 16;
}

/* The entry itself, and by depth what is one level below it, or anywhere below. */
static bool is_wanted(struct slice wanted, struct slice entry, uint32_t depth)
{
	if (slice_eq(wanted, entry))
		return true;
	if (!depth || !slice_starts(entry, wanted) || entry.n <= wanted.n || entry.p[wanted.n] != '/')
		return false;
	return depth > 1 || slice_find(slice_sub(entry, wanted.n + 1, entry.n), '/') < 0;
}

static enum result get_value(struct store *s, struct db *db, int64_t mailbox, int64_t account,
    struct slice entry, struct arena *a, struct buf *value_out)
{
	DB_ROWS q = DB_QUERY(db, METADATA_VALUE, DI(mailbox), DI(account), DT(entry));
	if (!db_next(&q))
		return db_result(db) == OK ? GONE : LATER;
	bool opened = seal_get(s->seal, db_octets(&q, 0), bound(mailbox, account, entry, a), value_out) == OK;
	return opened ? OK : LATER;
}

/* RFC 5464 6.2.1 */
static void put_admin(const struct store *s, struct buf *out)
{
	const struct store_settings *c = s->settings;
	if (*c->postmaster)
		buf_printf(out, "mailto:%s", c->postmaster);
	else
		buf_printf(out, "mailto:postmaster@%s", c->hostname);
}

enum result metadata_get(struct store *s, struct db *db, int64_t mailbox, int64_t account, struct slice entry,
    struct arena *a, struct buf *value_out)
{
	entry = lower(entry, a);
	if (!mailbox && slice_eq(entry, SLICE("/shared/admin"))) {
		put_admin(s, value_out);
		return OK;
	}
	return get_value(s, db, mailbox, is_private(entry) ? account : 0, entry, a, value_out);
}

static enum result add_stored(struct getting *g, int64_t account, struct slice entry, uint64_t size)
{
	const Sekisho__MetadataAsk *ask = g->turn->ask;
	struct arena *a = &g->turn->arena;
	if (ask->has_maxsize && size > ask->maxsize) {
		g->longest = MAX(g->longest, size);
		return OK;
	}
	BUF_LOCAL(value, LIMIT_METADATA_VALUE + SEAL_OVERHEAD);
	enum result r = get_value(store_of(g->turn), g->db, g->mailbox, account, entry, a, &value);
	if (r != OK)
		return r == GONE ? OK : r;
	add_entry(g, entry, buf_slice(&value));
	return OK;
}

struct named {
	struct named *next;
	struct slice entry;
	uint64_t size;
};

static enum result get_one(struct getting *g, struct slice wanted)
{
	const Sekisho__MetadataAsk *ask = g->turn->ask;
	struct arena *a = &g->turn->arena;
	int64_t account = is_private(wanted) ? g->account : 0;
	struct named *first = NULL, **last = &first;
	{
		DB_ROWS q = DB_QUERY(g->db, METADATA_NAMES, DI(g->mailbox), DI(account));
		while (db_next(&q)) {
			if (!is_wanted(wanted, db_octets(&q, 0), ask->depth))
				continue;
			struct named *n = arena_new(a, struct named);
			if (!n)
				return FULL;
			*n = (struct named){NULL, arena_dup(a, db_octets(&q, 0)), (uint64_t)db_int(&q, 1)};
			*last = n;
			last = &n->next;
		}
	}
	if (!g->mailbox && is_wanted(wanted, SLICE("/shared/admin"), ask->depth)) {
		BUF_LOCAL(uri, LIMIT_METADATA_VALUE);
		put_admin(store_of(g->turn), &uri);
		if (ask->has_maxsize && uri.n > ask->maxsize)
			g->longest = MAX(g->longest, (uint64_t)uri.n);
		else
			add_entry(g, SLICE("/shared/admin"), buf_slice(&uri));
	}
	enum result r = OK;
	for (const struct named *n = first; n && r == OK; n = n->next)
		r = add_stored(g, account, n->entry, n->size);
	return r;
}

void ask_metadata(struct ipc_turn *t)
{
	const Sekisho__MetadataAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct getting *g = arena_new(&t->arena, struct getting);
	if (!g) {
		refuse(t, LATER);
		return;
	}
	g->turn = t;
	g->account = user->account;
	sekisho__metadata_answer__init(&g->answer);
	g->answer.entries = g->entries;
	const char *why = NULL;
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		struct access x;
		g->db = r.db;
		if (r.db)
			done = find_mailbox(r.db, user, ask->mailbox, &t->arena, &x, &why);
		if (done == OK)
			g->mailbox = x.id;
		for (size_t i = 0; i < ask->n_entries && done == OK; i++)
			done = get_one(g, lower(slice_str(ask->entries[i]), &t->arena));
	}
	g->answer.longest = g->longest;
	if (done == OK)
		ipc_answer(t, &g->answer, NULL);
	else if (why)
		ipc_refuse(t, done, "%s", why);
	else
		refuse(t, done);
}

/* ---- setting ---- */

struct setting {
	struct job job;
	struct ipc_turn *turn;
	struct login *user;
	const char *why;
	uint64_t modseq; /* of its changes, of the owner's account */
	int64_t mailbox;
};

static enum result refused(struct setting *s, enum result r, const char *why)
{
	s->why = why;
	return r;
}

static enum result set_one(
    struct setting *s, struct db *db, const struct access *x, const Sekisho__MetadataEntry *e)
{
	struct arena *a = &s->turn->arena;
	struct slice entry = lower(slice_str(e->name), a), value = slice_of_octets(e->value);
	bool private = is_private(entry);
	int64_t account = private ? s->user->account : 0;
	/* What all see is changed by those who may change what all see; the server's by nobody here. */
	if (!private && (!x->id || !(x->rights & RIGHT_WRITE)))
		return refused(s, DENY, "NOPERM");
	if (!e->has_value) {
		DB_RUN(db, METADATA_DROP, DI(x->id), DI(account), DT(entry), DB(SLICE("")), DI(s->modseq));
		if (!db_changed(db))
			return db_result(db);
		/* So many are remembered as removed, for sessions that have not heard of it yet. */
		DB_RUN(db, METADATA_TIDY, DI(x->id), DI(account), DI(LIMIT_METADATA_ENTRIES));
		writer_metadata(s->job.store->writer, x->id, account, s->user);
		return OK;
	}
	if (value.n > LIMIT_METADATA_VALUE)
		return refused(s, FULL, "MAXSIZE");
	BUF_LOCAL(sealed, LIMIT_METADATA_VALUE + 256);
	seal_put(s->job.store->seal, value, bound(x->id, account, entry, a), &sealed);
	if (buf_result(&sealed) != OK || arena_full(a))
		return LATER;
	DB_RUN(db, METADATA_SET, DI(x->id), DI(account), DT(entry), DI(value.n), DB(buf_slice(&sealed)),
	    DI(s->modseq));
	writer_metadata(s->job.store->writer, x->id, account, s->user);
	if (DB_NUMBER(db, 0, METADATA_COUNT, DI(x->id), DI(account)) > LIMIT_METADATA_ENTRIES)
		return refused(s, FULL, "TOOMANY");
	return OK;
}

/* All of it or nothing (RFC 5464 section 4.3). */
static enum result apply_set(struct job *j, struct db *db)
{
	struct setting *s = (struct setting *)j;
	const Sekisho__SetMetadataAsk *ask = s->turn->ask;
	struct access x;
	enum result r = find_mailbox(db, s->user, ask->mailbox, &s->turn->arena, &x, &s->why);
	if (r != OK)
		return r;
	s->mailbox = x.id;
	s->modseq = writer_modseq(j->store->writer, db, x.owner);
	DB_RUN(db, ACCOUNT_SET_MODSEQ, DI(x.owner), DI(s->modseq));
	for (size_t i = 0; i < ask->n_entries && r == OK; i++)
		r = set_one(s, db, &x, ask->entries[i]);
	return r;
}

static void done_set(struct job *j, enum result r)
{
	struct setting *s = (struct setting *)j;
	if (r == OK)
		sessions_set_metadata(s->user, s->mailbox, s->modseq);
	if (r == OK)
		ipc_answer(s->turn, NULL, NULL);
	else if (s->why)
		ipc_refuse(s->turn, r, "%s", s->why);
	else
		refuse(s->turn, r);
}

void ask_set_metadata(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	if (!user)
		return;
	struct setting *s = arena_new(&t->arena, struct setting);
	if (!s) {
		refuse(t, LATER);
		return;
	}
	*s = (struct setting){
	    .job = {.store = store_of(t), .apply = apply_set, .done = done_set, .durable = true},
	    .turn = t,
	    .user = user,
	};
	writer_put(s->job.store->writer, &s->job);
}
