/* STORE_CREATE, STORE_DELETE, STORE_RENAME, STORE_SUBSCRIBE, STORE_UNSUBSCRIBE. */
#include "store/handlers.h"
#include "store/mailbox.h"
#include <stdio.h>

/* One change of names; `why` is set when it is refused. */
struct naming {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	struct slice from, to;
	const char *special_use;
	const char *why;
};

static enum result refused(struct naming *n, enum result r, const char *why)
{
	n->why = why;
	return r;
}

static void done_naming(struct job *j, enum result r)
{
	struct naming *n = (struct naming *)j;
	if (r == OK)
		ipc_answer(n->turn, NULL, NULL);
	else if (n->why)
		ipc_refuse(n->turn, r, "%s", n->why);
	else
		refuse(n->turn, r);
}

/* "inbox" in any case, alone or as the first level, is INBOX; a divider at the end means nothing. */
static struct slice name_of(const char *z, struct arena *a)
{
	struct slice name = slice_str(z), in = SLICE("INBOX");
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	if (slice_istarts(name, in) && (name.n == in.n || name.p[in.n] == '/'))
		return slice_str(
		    arena_printf(a, "INBOX" SLICE_FMT, SLICE_ARG(slice_sub(name, in.n, name.n))));
	return name;
}

static bool is_inbox(struct slice name)
{
	return slice_eq(name, SLICE("INBOX"));
}

static const char *name_refused(struct slice name)
{
	if (!name.n || name.n > LIMIT_MAILBOX_NAME || !slice_is_utf8(name))
		return "Not a name for a mailbox";
	unsigned levels = 0;
	struct slice rest = name;
	while (rest.n) {
		struct slice level = slice_split(&rest, '/');
		if (!level.n || ++levels > LIMIT_MAILBOX_LEVELS)
			return level.n ? "Too many levels" : "A level without a name";
	}
	if (name.p[name.n - 1] == '/')
		return "A level without a name";
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return "A control character in the name";
	return NULL;
}

static void put_naming(struct ipc_turn *t, enum result (*apply)(struct job *, struct db *), const char *from,
    const char *to, const char *special_use)
{
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct naming *n = arena_new(&t->arena, struct naming);
	if (!n) {
		refuse(t, LATER);
		return;
	}
	*n = (struct naming){
	    .job = {.store = store_of(t), .apply = apply, .done = done_naming, .durable = true},
	    .turn = t,
	    .user = user,
	    .from = name_of(from, &t->arena),
	    .to = name_of(to, &t->arena),
	    .special_use = special_use,
	};
	writer_put(n->job.store->writer, &n->job);
}

/* Makes the levels above a name that are missing. */
static enum result make_parents(struct naming *n, struct db *db, struct slice name)
{
	struct writer *w = n->job.store->writer;
	for (size_t i = 1; i < name.n; i++) {
		struct slice parent = slice_sub(name, 0, i);
		if (name.p[i] == '/' && !box_find(db, n->user->account, parent))
			box_create(w, db, n->user->account, parent, "", false);
	}
	int64_t count = DB_NUMBER(db, 0, MAILBOX_COUNT, DI(n->user->account));
	return count < LIMIT_MAILBOXES ? OK : refused(n, FULL, "Too many mailboxes");
}

static enum result apply_create(struct job *j, struct db *db)
{
	struct naming *n = (struct naming *)j;
	struct writer *w = j->store->writer;
	const char *why = name_refused(n->from);
	if (why)
		return refused(n, DENY, why);
	int64_t old = box_find(db, n->user->account, n->from);
	struct box b;
	if (old && box_load(db, old, &b) && !b.noselect)
		return refused(n, DENY, "EXISTS");
	if (*n->special_use && DB_NUMBER(db, 0, SPECIAL_USE_COUNT, DI(n->user->account), DZ(n->special_use)))
		return refused(n, DENY, "Another mailbox has this use");
	if (old)
		box_remove(w, db, old);
	enum result r = make_parents(n, db, n->from);
	if (r == OK)
		box_create(w, db, n->user->account, n->from, n->special_use, false);
	return r;
}

void ask_create(struct ipc_turn *t)
{
	const Sekisho__CreateAsk *ask = t->ask;
	put_naming(t, apply_create, ask->name, "", ask->special_use);
}

/* Names below `name` are those from "name/" to before "name0": '0' follows '/'. */
static void below(struct slice name, struct arena *a, struct slice *from_out, struct slice *to_out)
{
	*from_out = slice_str(arena_printf(a, SLICE_FMT "/", SLICE_ARG(name)));
	*to_out = slice_str(arena_printf(a, SLICE_FMT "0", SLICE_ARG(name)));
}

static enum result apply_delete(struct job *j, struct db *db)
{
	struct naming *n = (struct naming *)j;
	struct writer *w = j->store->writer;
	struct slice from, to;
	int64_t id = box_find(db, n->user->account, n->from);
	struct box b;
	if (!id || !box_load(db, id, &b))
		return GONE;
	if (is_inbox(n->from))
		return refused(n, DENY, "INBOX stays");
	below(n->from, &n->turn->arena, &from, &to);
	bool parent = DB_NUMBER(db, 0, MAILBOX_BELOW, DI(n->user->account), DT(from), DT(to)) != 0;
	if (parent && b.noselect)
		return refused(n, DENY, "There are mailboxes below it");
	box_remove(w, db, id);
	if (parent)
		box_create(w, db, n->user->account, n->from, "", true);
	return OK;
}

void ask_delete(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	put_naming(t, apply_delete, ask->name, "", "");
}

/* ---- rename ---- */

/* RFC 3501 6.3.5: INBOX stays and is empty, its messages are in the new mailbox, with the UIDs they had. */
static enum result rename_inbox(struct naming *n, struct db *db, int64_t inbox)
{
	struct writer *w = n->job.store->writer;
	struct box from, to;
	int64_t id = box_create(w, db, n->user->account, n->to, "", false);
	if (!box_load(db, inbox, &from) || !box_load(db, id, &to))
		return LATER;
	uint64_t modseq = writer_modseq(w, db, n->user->account);
	DB_RUN(db, EXPUNGED_ALL, DI(inbox), DI(modseq));
	DB_RUN(db, MESSAGES_REHOME, DI(inbox), DI(id), DI(modseq));
	DB_RUN(db, KEYWORDS_COPY, DI(inbox), DI(id));
	to = (struct box){.id = id,
	    .account = from.account,
	    .uidnext = from.uidnext,
	    .modseq = modseq,
	    .messages = from.messages,
	    .unseen = from.unseen,
	    .deleted = from.deleted,
	    .recent = from.recent,
	    .size = from.size,
	    .unseen_from = from.unseen_from,
	    .recent_from = from.recent_from};
	from.messages = from.unseen = from.deleted = from.recent = 0;
	from.size = 0;
	from.modseq = modseq;
	box_save(db, &from);
	box_save(db, &to);
	writer_touch(w, inbox, NULL);
	return OK;
}

static void rename_below(struct naming *n, struct db *db)
{
	struct slice from, to;
	below(n->from, &n->turn->arena, &from, &to);
	size_t characters = 0;
	for (size_t i = 0; i < n->from.n; i++)
		characters += (n->from.p[i] & 0xc0) != 0x80;
	DB_RUN(
	    db, MAILBOX_RENAME_BELOW, DI(n->user->account), DT(from), DT(to), DT(n->to), DI(characters + 1));
}

static enum result apply_rename(struct job *j, struct db *db)
{
	struct naming *n = (struct naming *)j;
	int64_t id = box_find(db, n->user->account, n->from);
	const char *why = name_refused(n->to);
	if (why)
		return refused(n, DENY, why);
	if (!id)
		return GONE;
	if (box_find(db, n->user->account, n->to))
		return refused(n, DENY, "EXISTS");
	struct slice from, to;
	below(n->from, &n->turn->arena, &from, &to);
	if (slice_starts(n->to, from) && !is_inbox(n->from))
		return refused(n, DENY, "A mailbox cannot be below itself");
	enum result r = make_parents(n, db, n->to);
	if (r != OK)
		return r;
	if (is_inbox(n->from))
		return rename_inbox(n, db, id);
	DB_RUN(db, MAILBOX_RENAME, DI(id), DT(n->to));
	rename_below(n, db);
	return OK;
}

void ask_rename(struct ipc_turn *t)
{
	const Sekisho__RenameAsk *ask = t->ask;
	put_naming(t, apply_rename, ask->from, ask->to, "");
}

/* ---- subscriptions ---- */

static enum result apply_subscribe(struct job *j, struct db *db)
{
	struct naming *n = (struct naming *)j;
	const char *why = name_refused(n->from);
	if (why)
		return refused(n, DENY, why);
	if (DB_NUMBER(db, 0, SUBSCRIPTION_COUNT, DI(n->user->account)) >= LIMIT_MAILBOXES)
		return refused(n, FULL, "Too many subscriptions");
	DB_RUN(db, SUBSCRIBE, DI(n->user->account), DT(n->from));
	return OK;
}

static enum result apply_unsubscribe(struct job *j, struct db *db)
{
	const struct naming *n = (struct naming *)j;
	DB_RUN(db, UNSUBSCRIBE, DI(n->user->account), DT(n->from));
	return OK;
}

void ask_subscribe(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	put_naming(t, apply_subscribe, ask->name, "", "");
}

void ask_unsubscribe(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	put_naming(t, apply_unsubscribe, ask->name, "", "");
}
