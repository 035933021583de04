/* STORE_CREATE, STORE_DELETE, STORE_RENAME, STORE_SUBSCRIBE, STORE_UNSUBSCRIBE. */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/quota.h"
#include <stdio.h>

/* One change of names; `why` is set when it is refused. */
struct naming {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	struct slice from, to; /* as the session calls them */
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

/* A divider at the end means nothing. */
static struct slice name_of(const char *z)
{
	struct slice name = slice_str(z);
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
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
	    .from = name_of(from),
	    .to = name_of(to),
	    .special_use = special_use,
	};
	writer_put(n->job.store->writer, &n->job);
}

static void look(const struct naming *n, struct db *db, struct slice name, struct access *out)
{
	access_find(db, n->user->account, name, &n->turn->arena, out);
}

/* A mailbox that comes to be below another has the list of that one. */
static int64_t make(struct naming *n, struct db *db, const struct access *x, struct slice name,
    const char *use, bool noselect)
{
	int64_t id = box_create(n->job.store->writer, db, x->owner, name, use, noselect);
	if (x->above)
		DB_RUN(db, ACL_INHERIT, DI(x->above), DI(id));
	return id;
}

/* Makes the levels above a name that are missing. */
static enum result make_parents(struct naming *n, struct db *db, const struct access *x)
{
	for (size_t i = 1; i < x->name.n; i++) {
		struct slice parent = slice_sub(x->name, 0, i);
		if (x->name.p[i] == '/' && !box_find(db, x->owner, parent))
			make(n, db, x, parent, "", false);
	}
	int64_t count = DB_NUMBER(db, 0, MAILBOX_COUNT, DI(x->owner));
	return count < LIMIT_MAILBOXES ? OK : refused(n, FULL, "Too many mailboxes");
}

/* As make() does, for a delivery: the account's own mailboxes only, each level with the list of the one above. */
enum result box_make(struct writer *w, struct db *db, int64_t account, struct slice name)
{
	int64_t above = 0;
	if (name_refused(name) || access_is_reserved(name))
		return DENY;
	for (size_t i = 1; i <= name.n; i++) {
		if (i < name.n && name.p[i] != '/')
			continue;
		int64_t id = box_find(db, account, slice_sub(name, 0, i));
		if (!id) {
			if (DB_NUMBER(db, 0, MAILBOX_COUNT, DI(account)) >= LIMIT_MAILBOXES)
				return FULL;
			id = box_create(w, db, account, slice_sub(name, 0, i), "", false);
			if (above)
				DB_RUN(db, ACL_INHERIT, DI(above), DI(id));
		}
		above = id;
	}
	return OK;
}

/* Whether this session may make a mailbox of that name. */
static enum result may_make(struct naming *n, const struct access *x)
{
	if (x->own && access_is_reserved(x->name))
		return refused(n, DENY, "Names like this are for mailboxes that are shared");
	if (!x->owner || (!x->own && !x->id && !(x->rights & RIGHT_CREATE)))
		return refused(n, DENY, "NOPERM");
	return OK;
}

static enum result apply_create(struct job *j, struct db *db)
{
	struct naming *n = (struct naming *)j;
	struct writer *w = j->store->writer;
	struct access x;
	struct box b;
	const char *why = name_refused(n->from);
	if (why)
		return refused(n, DENY, why);
	look(n, db, n->from, &x);
	enum result r = may_make(n, &x);
	if (r != OK)
		return r;
	if (x.id && box_load(db, x.id, &b) && !b.noselect)
		return refused(n, DENY, x.rights & RIGHT_LOOKUP ? "EXISTS" : "NOPERM");
	if (x.id && !(x.rights & RIGHT_CREATE))
		return refused(n, DENY, "NOPERM");
	/* A use is its owner's: with two \Sent in a list, clients would file one's mail in somebody else's. */
	if (*n->special_use &&
	    (!x.own || DB_NUMBER(db, 0, SPECIAL_USE_COUNT, DI(x.owner), DZ(n->special_use))))
		return refused(n, DENY, x.own ? "Another mailbox has this use" : "USEATTR");
	if (x.id) {
		/* Its list stays: messages come where there were only mailboxes. */
		int64_t id = box_create(w, db, x.owner, SLICE("\x01"), n->special_use, false);
		DB_RUN(db, ACL_INHERIT, DI(x.id), DI(id));
		box_remove(w, db, x.id);
		DB_RUN(db, MAILBOX_RENAME, DI(id), DT(x.name));
		return OK;
	}
	r = make_parents(n, db, &x);
	if (r == OK)
		make(n, db, &x, x.name, n->special_use, false);
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
	struct access x;
	struct box b;
	look(n, db, n->from, &x);
	enum result r = access_need(&x, RIGHT_REMOVE, &n->why);
	if (r != OK)
		return r;
	if (!box_load(db, x.id, &b))
		return GONE;
	if (is_inbox(x.name))
		return refused(n, DENY, "INBOX stays");
	below(x.name, &n->turn->arena, &from, &to);
	bool parent = DB_NUMBER(db, 0, MAILBOX_BELOW, DI(x.owner), DT(from), DT(to)) != 0;
	if (parent && b.noselect)
		return refused(n, DENY, "There are mailboxes below it");
	int64_t id = parent ? box_create(w, db, x.owner, SLICE("\x01"), "", true) : 0;
	if (parent)
		DB_RUN(db, ACL_INHERIT, DI(x.id), DI(id));
	box_remove(w, db, x.id);
	if (parent)
		DB_RUN(db, MAILBOX_RENAME, DI(id), DT(x.name));
	quota_settle(j->store, db, x.owner);
	return OK;
}

void ask_delete(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	put_naming(t, apply_delete, ask->name, "", "");
}

/* ---- rename ---- */

/* RFC 3501 6.3.5: INBOX stays and is empty, its messages are in the new mailbox, with the UIDs they had. */
static enum result rename_inbox(struct naming *n, struct db *db, int64_t inbox, const struct access *target)
{
	struct writer *w = n->job.store->writer;
	struct box from, to;
	int64_t id = make(n, db, target, target->name, "", false);
	if (!box_load(db, inbox, &from) || !box_load(db, id, &to))
		return LATER;
	uint64_t modseq = writer_modseq(w, db, target->owner);
	DB_RUN(db, EXPUNGED_ALL, DI(inbox), DI(modseq));
	DB_RUN(db, MESSAGES_REHOME, DI(inbox), DI(id), DI(modseq));
	DB_RUN(db, CARDS_REHOME, DI(inbox), DI(id));
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

static void rename_below(struct naming *n, struct db *db, const struct access *old, const struct access *new)
{
	struct slice from, to;
	below(old->name, &n->turn->arena, &from, &to);
	size_t characters = 0;
	for (size_t i = 0; i < old->name.n; i++)
		characters += (old->name.p[i] & 0xc0) != 0x80;
	DB_RUN(db, MAILBOX_RENAME_BELOW, DI(old->owner), DT(from), DT(to), DT(new->name), DI(characters + 1));
}

/* Whether `old` may become `new`; every right is needed on both sides (RFC 4314 section 4). */
static enum result may_rename(struct naming *n, const struct access *old, const struct access *new)
{
	enum result r = access_need(old, RIGHT_REMOVE, &n->why);
	if (r == OK)
		r = may_make(n, new);
	if (r != OK)
		return r;
	if (new->id)
		return refused(n, DENY, new->rights &RIGHT_LOOKUP ? "EXISTS" : "NOPERM");
	if (old->owner != new->owner)
		return refused(n, DENY, "A mailbox stays with whom it belongs to: copy its messages");
	return OK;
}

static enum result apply_rename(struct job *j, struct db *db)
{
	struct naming *n = (struct naming *)j;
	struct access old, new;
	const char *why = name_refused(n->to);
	if (why)
		return refused(n, DENY, why);
	look(n, db, n->from, &old);
	look(n, db, n->to, &new);
	enum result r = may_rename(n, &old, &new);
	if (r != OK)
		return r;
	struct slice from, to;
	below(old.name, &n->turn->arena, &from, &to);
	if (slice_starts(new.name, from) && !is_inbox(old.name))
		return refused(n, DENY, "A mailbox cannot be below itself");
	r = make_parents(n, db, &new);
	if (r != OK)
		return r;
	if (is_inbox(old.name))
		return rename_inbox(n, db, old.id, &new);
	DB_RUN(db, MAILBOX_RENAME, DI(old.id), DT(new.name));
	rename_below(n, db, &old, &new);
	writer_names(j->store->writer, old.owner);
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
	struct access x;
	const char *why = name_refused(n->from);
	if (why)
		return refused(n, DENY, why);
	look(n, db, n->from, &x);
	if (DB_NUMBER(db, 0, SUBSCRIPTION_COUNT, DI(n->user->account)) >= LIMIT_MAILBOXES)
		return refused(n, FULL, "Too many subscriptions");
	DB_RUN(db, SUBSCRIBE, DI(n->user->account), DT(x.own ? x.name : n->from));
	writer_tell(j->store->writer, NODE_NAMES, n->user->account);
	return OK;
}

static enum result apply_unsubscribe(struct job *j, struct db *db)
{
	const struct naming *n = (struct naming *)j;
	struct access x;
	look(n, db, n->from, &x);
	DB_RUN(db, UNSUBSCRIBE, DI(n->user->account), DT(x.own ? x.name : n->from));
	writer_tell(j->store->writer, NODE_NAMES, n->user->account);
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
