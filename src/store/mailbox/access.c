#include "store/mailbox/access.h"
#include "store/queue/resolve.h"
#include <stdlib.h>

/* ---- who ---- */

void access_read_who(const struct db_rows *rows, struct who *out)
{
	*out = (struct who){
	    .kind = (enum who_kind)db_int(rows, 0),
	    .account = db_int(rows, 1),
	    .domain = db_octets(rows, 2),
	    .local = db_octets(rows, 3),
	};
}

/* An address on the way up from a member to the groups it is in. */
struct step {
	struct step *next;
	struct slice domain, local;
	unsigned depth;
	bool group;
};

struct climb {
	struct db *db;
	struct arena *a;
	struct step *first, **last;
	unsigned n;
};

static void climb_to(struct climb *c, struct slice domain, struct slice local, unsigned depth, bool group)
{
	if (depth > LIMIT_ALIAS_DEPTH || c->n >= LIMIT_ALIAS_TARGETS)
		return;
	for (const struct step *s = c->first; s; s = s->next)
		if (slice_eq(s->domain, domain) && slice_eq(s->local, local))
			return;
	struct step *s = arena_new(c->a, struct step);
	if (!s)
		return;
	*s = (struct step){NULL, arena_dup(c->a, domain), arena_dup(c->a, local), depth, group};
	*c->last = s;
	c->last = &s->next;
	c->n++;
}

/* Every address that leads to the account: its own, and the aliases and groups that it is in. */
static struct step *climb(struct db *db, int64_t account, struct arena *a)
{
	struct climb c = {.db = db, .a = a};
	c.last = &c.first;
	{
		DB_ROWS q = DB_QUERY(db, ACCOUNT_ADDRESSES, DI(account));
		while (db_next(&q))
			climb_to(&c, db_octets(&q, 0), db_octets(&q, 1), 0, false);
	}
	for (const struct step *s = c.first; s; s = s->next) {
		DB_ROWS q = DB_QUERY(db, MEMBER_OF, DT(s->domain), DT(s->local));
		while (db_next(&q))
			climb_to(&c, db_octets(&q, 0), db_octets(&q, 1), s->depth + 1,
			    db_int(&q, 2) == ADDRESS_GROUP);
	}
	return c.first;
}

static bool in_groups(const struct step *groups, const struct who *w)
{
	for (const struct step *s = groups; s; s = s->next)
		if (s->group && slice_eq(s->domain, w->domain) && slice_eq(s->local, w->local))
			return true;
	return false;
}

/* Whom an account counts as; its groups are looked for once, when a list names one. */
struct identity {
	struct db *db;
	int64_t account;
	struct arena arena;
	struct step *groups;
	bool looked;
};
#define IDENTITY(name, database, number)                                                                     \
	__attribute__((cleanup(identity_free))) struct identity name = {                                     \
	    .db = (database), .account = (number), .arena = {.cap = (size_t)16 << 20}}

static void identity_free(struct identity *i)
{
	arena_free(&i->arena);
}

static const struct step *groups_of(struct identity *i)
{
	if (!i->looked)
		i->groups = climb(i->db, i->account, &i->arena);
	i->looked = true;
	return i->groups;
}

static bool is(struct identity *i, const struct who *w)
{
	switch (w->kind) {
	case WHO_ACCOUNT:
		return w->account == i->account;
	case WHO_GROUP:
		return in_groups(groups_of(i), w);
	case WHO_ANYONE:
		return true;
	}
	return false;
}

bool access_is(struct db *db, int64_t account, const struct who *w)
{
	IDENTITY(i, db, account);
	return is(&i, w);
}

void access_groups(struct db *db, int64_t account,
    void (*each)(void *arg, struct slice domain, struct slice local), void *arg)
{
	IDENTITY(i, db, account);
	for (const struct step *s = groups_of(&i); s; s = s->next)
		if (s->group)
			each(arg, s->domain, s->local);
}

/* ---- rights ---- */

static unsigned rights_of(struct identity *i, int64_t mailbox)
{
	unsigned granted = 0, denied = 0;
	DB_ROWS q = DB_QUERY(i->db, ACL_OF, DI(mailbox));
	while (db_next(&q)) {
		struct who w;
		access_read_who(&q, &w);
		if (!is(i, &w))
			continue;
		granted |= (unsigned)db_int(&q, 4);
		denied |= (unsigned)db_int(&q, 5);
	}
	return db_result(i->db) == OK ? granted & ~denied & RIGHTS_ALL : 0;
}

unsigned access_rights(struct db *db, int64_t account, int64_t owner, int64_t mailbox)
{
	if (owner == account)
		return RIGHTS_ALL;
	IDENTITY(i, db, account);
	return rights_of(&i, mailbox);
}

enum result access_need(const struct access *x, unsigned rights, const char **why_out)
{
	if (x->id && (x->rights & rights) == rights)
		return OK;
	if (!x->id || !(x->rights & RIGHT_LOOKUP))
		return GONE;
	*why_out = "NOPERM";
	return DENY;
}

enum result access_selected(struct db *db, const struct login *user, unsigned rights, unsigned *rights_out)
{
	unsigned have = access_rights(db, user->account, user->selected_owner, user->selected);
	if (rights_out)
		*rights_out = have;
	if (db_result(db) != OK)
		return LATER;
	return (have & rights) == rights ? OK : DENY;
}

bool access_check_selected(
    struct ipc_turn *t, const struct login *user, unsigned rights, unsigned *rights_out)
{
	enum result r = OK;
	if (rights_out)
		*rights_out = RIGHTS_ALL;
	if (user->selected_owner != user->account) {
		READER reader = reader_begin(store_of(t));
		r = reader.db ? access_selected(reader.db, user, rights, rights_out) : LATER;
	}
	if (r == DENY)
		ipc_refuse(t, DENY, "NOPERM");
	else if (r != OK)
		refuse(t, r);
	return r == OK;
}

uint32_t access_flags(unsigned rights)
{
	uint32_t flags = 0;
	if (rights & RIGHT_SEEN)
		flags |= SEKISHO__FLAG__FLAG_SEEN;
	if (rights & RIGHT_TRASH)
		flags |= SEKISHO__FLAG__FLAG_DELETED;
	if (rights & RIGHT_WRITE)
		flags |=
		    SEKISHO__FLAG__FLAG_ANSWERED | SEKISHO__FLAG__FLAG_FLAGGED | SEKISHO__FLAG__FLAG_DRAFT;
	return flags;
}

/* ---- names ---- */

bool access_is_reserved(struct slice name)
{
	static const struct slice spaces[] = {
	    {"Other Users/", sizeof "Other Users/" - 1}, {"Shared/", sizeof "Shared/" - 1}};
	for (size_t i = 0; i < COUNT(spaces); i++) {
		struct slice level = slice_sub(spaces[i], 0, spaces[i].n - 1);
		if (slice_istarts(name, spaces[i]) || slice_ieq(name, level))
			return true;
	}
	return false;
}

/* A local part may hold a '/', which would divide levels: it is written "=2F", and "=" as "=3D". */
static void put_level(struct buf *b, struct slice local)
{
	for (size_t i = 0; i < local.n; i++)
		if (local.p[i] == '/' || local.p[i] == '=')
			buf_printf(b, "=%02X", (unsigned char)local.p[i]);
		else
			buf_putc(b, local.p[i]);
}

static struct slice take_level(struct slice text, struct arena *a)
{
	struct slice out = arena_dup(a, text);
	char *to = (char *)(uintptr_t)out.p;
	size_t n = 0;
	for (size_t i = 0; i < out.n; i++) {
		struct slice code = slice_sub(text, i, 3);
		bool escaped = slice_eq(code, SLICE("=2F")) || slice_eq(code, SLICE("=3D"));
		to[n++] = !escaped ? text.p[i] : code.p[1] == '2' ? '/' : '=';
		i += escaped ? 2 : 0;
	}
	return slice_of(out.p, n);
}

struct slice access_name(struct db *db, int64_t account, int64_t owner, struct slice name, struct arena *a)
{
	if (owner == account)
		return name;
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(owner));
	if (!db_next(&q))
		return SLICE_NONE;
	BUF_LOCAL(b, 4096);
	buf_put(&b, db_int(&q, 2) ? ACCESS_SHARED : ACCESS_OTHERS);
	put_level(&b, resolve_local(db_octets(&q, 0), a));
	buf_putc(&b, '@');
	buf_put(&b, db_octets(&q, 1));
	buf_putc(&b, '/');
	buf_put(&b, name);
	return buf_result(&b) == OK ? arena_dup(a, buf_slice(&b)) : SLICE_NONE;
}

/* The account behind "alice@here.example" in one of the name spaces; 0: none. */
static int64_t find_owner(struct db *db, struct slice level, bool shared, struct arena *a)
{
	struct slice address = take_level(level, a);
	ptrdiff_t at = slice_rfind(address, '@');
	if (at <= 0)
		return 0;
	struct slice local = resolve_local(slice_sub(address, 0, (size_t)at), a);
	struct slice domain = resolve_domain(slice_sub(address, (size_t)at + 1, address.n), a);
	int64_t owner = domain.n ? DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(local)) : 0;
	if (!owner)
		return 0;
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(owner));
	return db_next(&q) && (db_int(&q, 2) != 0) == shared ? owner : 0;
}

/*
 * The mailbox that one of this name would be made below. In a shared account all hangs from its INBOX, so that whoever
 * may make mailboxes below that makes them at the top too.
 */
static int64_t find_above(struct db *db, int64_t owner, bool shared, struct slice name)
{
	for (size_t i = name.n; i-- > 1;) {
		int64_t id = name.p[i] == '/' ? box_find(db, owner, slice_sub(name, 0, i)) : 0;
		if (id)
			return id;
	}
	return shared ? box_find(db, owner, SLICE("INBOX")) : 0;
}

static void find_own(struct db *db, struct access *x)
{
	x->own = true;
	x->rights = RIGHTS_ALL;
	x->id = access_is_reserved(x->name) ? 0 : box_find(db, x->owner, x->name);
	if (!x->id)
		x->above = find_above(db, x->owner, false, x->name);
}

/* "inbox" in any case, alone or as the first level, is INBOX. */
static struct slice fold_inbox(struct slice name, struct arena *a)
{
	struct slice in = SLICE("INBOX");
	if (!slice_istarts(name, in) || (name.n > in.n && name.p[in.n] != '/'))
		return name;
	return slice_str(arena_printf(a, "INBOX" SLICE_FMT, SLICE_ARG(slice_sub(name, in.n, name.n))));
}

void access_find(struct db *db, int64_t account, struct slice name, struct arena *a, struct access *out)
{
	bool shared = slice_starts(name, ACCESS_SHARED);
	*out = (struct access){.owner = account, .name = fold_inbox(name, a)};
	if (!shared && !slice_starts(name, ACCESS_OTHERS)) {
		find_own(db, out);
		return;
	}
	struct slice rest = slice_sub(name, shared ? ACCESS_SHARED.n : ACCESS_OTHERS.n, name.n);
	struct slice level = slice_split(&rest, '/');
	out->owner = find_owner(db, level, shared, a);
	out->name = fold_inbox(rest, a);
	if (!out->owner || out->owner == account || !rest.n) {
		out->owner = 0;
		return;
	}
	out->id = box_find(db, out->owner, out->name);
	if (!out->id)
		out->above = find_above(db, out->owner, shared, out->name);
	if (out->id || out->above)
		out->rights = access_rights(db, account, out->owner, out->id ? out->id : out->above);
}

/* ---- what is shared with somebody ---- */

static void add_id(struct access_list *list, struct arena *a, int64_t id)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 32;
		int64_t *ids = arena_array(a, cap, sizeof *ids);
		if (!ids)
			return;
		if (list->n)
			memcpy(ids, list->ids, list->n * sizeof *ids);
		list->ids = ids;
		list->cap = cap;
	}
	list->ids[list->n++] = id;
}

static int by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Mailboxes of others whose lists name somebody. */
static void add_named(struct identity *i, const struct who *w, struct access_list *all, struct arena *a)
{
	DB_ROWS q = DB_QUERY(
	    i->db, ACL_MAILBOXES, DI(w->kind), DI(w->account), DT(w->domain), DT(w->local), DI(i->account));
	while (db_next(&q))
		add_id(all, a, db_int(&q, 0));
}

void access_visible(struct db *db, int64_t account, struct arena *a, struct access_list *out)
{
	IDENTITY(i, db, account);
	struct access_list all = {0};
	add_named(&i, &(struct who){.kind = WHO_ACCOUNT, .account = account}, &all, &i.arena);
	add_named(&i, &(struct who){.kind = WHO_ANYONE}, &all, &i.arena);
	for (const struct step *s = groups_of(&i); s; s = s->next)
		if (s->group)
			add_named(&i,
			    &(struct who){.kind = WHO_GROUP, .domain = s->domain, .local = s->local}, &all,
			    &i.arena);
	*out = (struct access_list){0};
	if (all.n)
		qsort(all.ids, all.n, sizeof *all.ids, by_number);
	for (size_t k = 0; k < all.n; k++)
		if ((!k || all.ids[k] != all.ids[k - 1]) && rights_of(&i, all.ids[k]) & RIGHT_LOOKUP)
			add_id(out, a, all.ids[k]);
}
