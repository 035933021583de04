/* STORE_RIGHTS and STORE_SET_RIGHTS: access control lists as sessions see and change them (RFC 4314). */
#include "store/mailbox/access.h"
#include "store/handlers.h"

static Sekisho__AclEntry *new_entry(struct arena *a, const char *sign, struct slice who, struct slice rights)
{
	Sekisho__AclEntry *e = arena_new(a, Sekisho__AclEntry);
	if (!e)
		return NULL;
	sekisho__acl_entry__init(e);
	e->who = arena_printf(a, "%s" SLICE_FMT, sign, SLICE_ARG(who));
	e->rights = arena_z(a, rights);
	return e->who && e->rights ? e : NULL;
}

struct acl_reading {
	struct db *db;
	struct arena *a;
	Sekisho__RightsAnswer answer;
};

static void add_entry(struct acl_reading *r, const char *sign, const struct who *w, unsigned rights)
{
	BUF_LOCAL(who, 2000);
	BUF_LOCAL(text, 32);
	access_put_who(r->db, w, &who);
	access_put_rights(&text, rights);
	Sekisho__AclEntry *e = new_entry(r->a, sign, buf_slice(&who), buf_slice(&text));
	if (e && who.n)
		r->answer.entries[r->answer.n_entries++] = e;
}

/* The owner first, then the list. */
static enum result read_list(struct acl_reading *r, const struct access *x)
{
	r->answer.entries = arena_array(r->a, 2 * LIMIT_ACL + 1, sizeof *r->answer.entries);
	if (!r->answer.entries)
		return LATER;
	add_entry(r, "", &(struct who){.kind = WHO_ACCOUNT, .account = x->owner}, RIGHTS_ALL);
	DB_ROWS q = DB_QUERY(r->db, ACL_OF, DI(x->id));
	while (r->answer.n_entries + 2 <= 2 * LIMIT_ACL + 1 && db_next(&q)) {
		struct who w;
		access_read_who(&q, &w);
		if (db_int(&q, 4))
			add_entry(r, "", &w, (unsigned)db_int(&q, 4));
		if (db_int(&q, 5))
			add_entry(r, "-", &w, (unsigned)db_int(&q, 5));
	}
	return OK;
}

static enum result read_one(struct acl_reading *r, struct slice who, unsigned rights)
{
	BUF_LOCAL(text, 32);
	access_put_rights(&text, rights);
	r->answer.entries = arena_array(r->a, 1, sizeof *r->answer.entries);
	Sekisho__AclEntry *e = new_entry(r->a, "", who, buf_slice(&text));
	if (!r->answer.entries || !e)
		return LATER;
	r->answer.entries[r->answer.n_entries++] = e;
	return OK;
}

/* What somebody could be given: nothing is his for sure but for the owner, who has all of it. */
static enum result read_may(struct acl_reading *r, const struct access *x, struct slice who)
{
	struct who w;
	bool negative = slice_starts(who, SLICE("-"));
	if (access_parse_who(r->db, slice_sub(who, negative, who.n), r->a, &w) != OK)
		return BAD;
	bool owner = w.kind == WHO_ACCOUNT && w.account == x->owner;
	return read_one(r, who, owner && !negative ? RIGHTS_ALL : 0);
}

static enum result read_rights(
    struct acl_reading *r, const struct login *user, const Sekisho__RightsAsk *ask, const char **why_out)
{
	struct access x;
	access_find(r->db, user->account, slice_str(ask->mailbox), r->a, &x);
	/* RFC 4314 section 4: one's own rights may be asked for by whoever has one of some value. */
	static const unsigned any[] = {
	    RIGHT_LOOKUP, RIGHT_READ, RIGHT_INSERT, RIGHT_CREATE, RIGHT_REMOVE, RIGHT_ADMIN};
	enum result may = GONE;
	for (size_t i = 0; i < COUNT(any) && may != OK && !ask->what; i++)
		may = access_need(&x, any[i], why_out);
	if (ask->what)
		may = access_need(&x, RIGHT_ADMIN, why_out);
	if (may != OK)
		return may;
	*why_out = NULL;
	if (ask->what == SEKISHO__RIGHTS_ASK__WHAT__MINE)
		return read_one(r, SLICE(""), x.rights);
	if (ask->what == SEKISHO__RIGHTS_ASK__WHAT__LIST)
		return read_list(r, &x);
	may = read_may(r, &x, slice_str(ask->who));
	if (may == BAD)
		*why_out = "No such person or group";
	return may == BAD ? DENY : may;
}

void ask_rights(struct ipc_turn *t)
{
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct acl_reading r = {.a = &t->arena, .answer = SEKISHO__RIGHTS_ANSWER__INIT};
	const char *why = NULL;
	enum result done = LATER;
	{
		READER reader = reader_begin(store_of(t));
		r.db = reader.db;
		if (r.db) {
			done = read_rights(&r, user, t->ask, &why);
			done = db_result(r.db) == OK ? done : LATER;
		}
	}
	if (done == OK)
		ipc_answer(t, &r.answer, NULL);
	else if (why)
		ipc_refuse(t, done, "%s", why);
	else
		refuse(t, done);
}

/* ---- changes ---- */

struct set_rights {
	struct job job;
	struct ipc_turn *turn;
	const struct login *user;
	const char *why;
};

static enum result refused(struct set_rights *s, enum result r, const char *why)
{
	s->why = why;
	return r;
}

static enum result apply_set(struct job *j, struct db *db)
{
	struct set_rights *s = (struct set_rights *)j;
	const Sekisho__SetRightsAsk *ask = s->turn->ask;
	struct slice who = slice_str(ask->who);
	bool negative = slice_starts(who, SLICE("-"));
	struct access x;
	struct who w;
	unsigned rights;
	access_find(db, s->user->account, slice_str(ask->mailbox), &s->turn->arena, &x);
	enum result r = access_need(&x, RIGHT_ADMIN, &s->why);
	if (r != OK)
		return r;
	if (access_parse_rights(slice_str(ask->rights), &rights) != OK)
		return refused(s, BAD, "No such right");
	if (access_parse_who(db, slice_sub(who, negative, who.n), &s->turn->arena, &w) != OK)
		return refused(s, DENY, "No such person or group");
	if (w.kind == WHO_ACCOUNT && w.account == x.owner)
		return refused(s, DENY, "Its owner has every right");
	r = access_change(db, x.id, &w, negative, (enum access_change)ask->change, rights);
	if (r == FULL)
		return refused(s, FULL, "Too many people and groups");
	/* Whoever has it open may have lost it. */
	writer_touch(j->store->writer, x.id, NULL);
	writer_tell(j->store->writer, NODE_NAMES, w.kind == WHO_ACCOUNT ? w.account : 0);
	return r;
}

static void done_set(struct job *j, enum result r)
{
	struct set_rights *s = (struct set_rights *)j;
	const Sekisho__SetRightsAsk *ask = s->turn->ask;
	if (r == OK)
		EVENT(RIGHTS_CHANGED, KZ("mailbox", ask->mailbox), KZ("by", s->user->address),
		    KZ("who", ask->who), KZ("rights", ask->rights));
	if (r == OK)
		ipc_answer(s->turn, NULL, NULL);
	else if (s->why)
		ipc_refuse(s->turn, r, "%s", s->why);
	else
		refuse(s->turn, r);
}

void ask_set_rights(struct ipc_turn *t)
{
	const Sekisho__SetRightsAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct set_rights *s = arena_new(&t->arena, struct set_rights);
	if (!s || ask->change > SEKISHO__SET_RIGHTS_ASK__CHANGE__TAKE) {
		refuse(t, s ? BAD : LATER);
		return;
	}
	*s = (struct set_rights){
	    .job = {.store = store_of(t), .apply = apply_set, .done = done_set, .durable = true},
	    .turn = t,
	    .user = user,
	};
	writer_put(s->job.store->writer, &s->job);
}
