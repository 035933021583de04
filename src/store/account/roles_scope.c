/* What lies inside a scope. */
#include "store/account/roles.h"
#include "mail/address.h"
#include "store/mailbox/access.h"
#include "store/admin/admin.h"

static const struct confined {
	const char *verb, *args, *member;
} confined[] = {
#define CONFINED(verb, args, member) {verb, args, member},
#include "store/account/roles.def"
};

static const struct confined *find_confined(const char *verb)
{
	for (size_t i = 0; i < COUNT(confined); i++)
		if (strcmp(verb, confined[i].verb) == 0)
			return &confined[i];
	return NULL;
}

/* ---- as text ---- */

static enum result parse_department(struct db *db, struct slice name, struct scope *out)
{
	uint64_t number;
	out->kind = SCOPE_DEPARTMENT;
	out->department = DB_NUMBER(db, 0, DEPARTMENT_FIND, DI(ORGANISATION), DT(name));
	if (!out->department && slice_starts(name, SLICE("#")) &&
	    num_u64(slice_sub(name, 1, name.n), INT64_MAX, &number) == OK)
		out->department = (int64_t)number;
	DB_ROWS q = DB_QUERY(db, DEPARTMENT_GET, DI(out->department));
	return db_next(&q) ? OK : GONE;
}

enum result scope_parse(struct db *db, struct slice text, struct arena *a, struct scope *out)
{
	struct slice rest = text, kind = slice_split(&rest, ':');
	struct who w;
	*out = (struct scope){.kind = SCOPE_ALL};
	if (!text.n || slice_eq(text, SLICE("all")))
		return OK;
	if (slice_eq(kind, SLICE("department")))
		return parse_department(db, rest, out);
	if (slice_eq(kind, SLICE("domain"))) {
		out->kind = SCOPE_DOMAIN;
		out->domain = arena_dup(a, resolve_domain(rest, a));
		return out->domain.n && resolve_is_ours(db, out->domain) ? OK : GONE;
	}
	if (access_parse_who(db, text, a, &w) != OK || w.kind != WHO_GROUP)
		return GONE;
	*out = (struct scope){.kind = SCOPE_GROUP, .domain = w.domain, .local = w.local};
	return OK;
}

static void put_department(struct db *db, int64_t id, struct buf *out)
{
	DB_ROWS q = DB_QUERY(db, DEPARTMENT_GET, DI(id));
	if (db_next(&q))
		buf_put(out, db_octets(&q, 0));
}

void scope_put(struct db *db, const struct scope *s, bool kept, struct buf *out)
{
	switch (s->kind) {
	case SCOPE_ALL:
		buf_puts(out, kept ? "" : "all");
		return;
	case SCOPE_DOMAIN:
		buf_puts(out, "domain:");
		buf_put(out, s->domain);
		return;
	case SCOPE_DEPARTMENT:
		buf_puts(out, "department:");
		if (kept)
			buf_printf(out, "#%lld", (long long)s->department);
		else
			put_department(db, s->department, out);
		return;
	case SCOPE_GROUP:
		buf_puts(out, "group:");
		mail_addr_put(out, (struct mail_addr){s->local, s->domain});
	}
}

/* ---- inside ---- */

bool department_is_below(struct db *db, int64_t id, int64_t above)
{
	for (unsigned i = 0; id && i < LIMIT_DEPARTMENT_DEPTH; i++) {
		if (id == above)
			return true;
		DB_ROWS q = DB_QUERY(db, DEPARTMENT_GET, DI(id));
		id = db_next(&q) ? db_int(&q, 1) : 0;
	}
	return false;
}

static bool department_holds(struct db *db, int64_t department, int64_t account)
{
	int64_t at = 0;
	{
		DB_ROWS q = DB_QUERY(db, PERSON_GET, DI(account));
		if (db_next(&q))
			at = db_int(&q, 0);
	}
	return department_is_below(db, at, department);
}

static bool holds_address(struct db *db, const struct scope *s, struct slice local, struct slice domain)
{
	if (s->kind == SCOPE_DOMAIN)
		return slice_eq(domain, s->domain);
	int64_t account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(local));
	if (s->kind == SCOPE_DEPARTMENT)
		return account && department_holds(db, s->department, account);
	if (slice_eq(domain, s->domain) && slice_eq(local, s->local))
		return true;
	struct who w = {.kind = WHO_GROUP, .domain = s->domain, .local = s->local};
	return account && access_is(db, account, &w);
}

/* A domain, an address, or group:ADDRESS, lies inside. */
static bool holds(struct db *db, const struct scope *s, struct slice text)
{
	ARENA_LOCAL(a, 65536);
	struct mail_addr m;
	if (s->kind == SCOPE_ALL)
		return true;
	if (slice_istarts(text, SLICE("group:")))
		text = slice_sub(text, 6, text.n);
	if (slice_find(text, '@') < 0)
		return s->kind == SCOPE_DOMAIN && slice_eq(resolve_domain(text, &a), s->domain);
	if (mail_addr_parse(text, &a, &m) != OK)
		return false;
	struct slice local = resolve_local(m.local, &a);
	return holds_address(db, s, local, resolve_domain(m.domain, &a));
}

/* Every argument of the list is there, and each of its texts lies inside. */
static bool holds_arguments(struct admin *a, struct db *db, const struct scope *s, const char *list)
{
	struct slice rest = slice_str(list);
	while (rest.n) {
		struct slice name = slice_split(&rest, ' ');
		bool optional = slice_iends(name, SLICE("?"));
		char *key = arena_z(a->arena, slice_sub(name, 0, name.n - optional));
		if (!key || (!optional && !admin_item(a, key, 0).n))
			return false;
		for (size_t i = 0; admin_item(a, key, i).n; i++)
			if (!holds(db, s, admin_item(a, key, i)))
				return false;
	}
	return true;
}

enum result powers_admit(struct admin *a, struct db *db, const char *verb)
{
	const struct powers *p = a->powers;
	const struct confined *c = find_confined(verb);
	if (p->root)
		return OK;
	for (size_t i = 0; i < p->n; i++) {
		const struct grant *g = &p->grants[i];
		if (!role_may(g->role, verb))
			continue;
		a->role = g->role->name;
		if (g->scope.kind == SCOPE_ALL || (c && holds_arguments(a, db, &g->scope, c->args)))
			return OK;
	}
	a->forbidden = true;
	return admin_refuse(a, DENY, "this lies outside of what the role %s is given for", a->role);
}

static bool row_inside(struct db *db, const struct powers *p, const char *verb, struct slice text)
{
	for (size_t i = 0; i < p->n; i++)
		if (role_may(p->grants[i].role, verb) && holds(db, &p->grants[i].scope, text))
			return true;
	return false;
}

void powers_filter(struct admin *a, struct db *db, const char *verb)
{
	const struct powers *p = a->powers;
	const struct confined *c = find_confined(verb);
	for (size_t i = 0; i < p->n; i++)
		if (p->grants[i].scope.kind == SCOPE_ALL && role_may(p->grants[i].role, verb))
			return;
	if (p->root || !c || !*c->member || !json_is_array(a->answer))
		return;
	json_t *kept = json_array();
	size_t i;
	json_t *row;
	json_array_foreach(a->answer, i, row)
	{
		const json_t *v = json_object_get(row, c->member);
		if (row_inside(db, p, verb, slice_of(json_string_value(v), json_string_length(v))))
			json_array_append(kept, row);
	}
	json_decref(a->answer);
	a->answer = kept;
}
