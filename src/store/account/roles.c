#include "store/account/roles.h"
#include "mail/address.h"
#include "store/admin/admin.h"
#include "store/mailbox/access.h"

static const struct role roles[] = {
#define ROLE(name, verbs, gives, en, ja) {name, verbs, gives, en, ja},
#include "store/account/roles.def"
};
static const struct {
	const char *one, *other;
} excludes[] = {
#define EXCLUDES(one, other) {one, other},
#include "store/account/roles.def"
};

#define EVERYONE "everyone"
#define SYSTEM "system"

const struct role *role_find(struct slice name)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (slice_eq(name, slice_str(roles[i].name)))
			return &roles[i];
	return NULL;
}

/* "queue.*" or a verb itself. */
static bool matches(struct slice pattern, struct slice verb)
{
	if (slice_eq(pattern, SLICE("*")))
		return true;
	return slice_iends(pattern, SLICE(".*")) ? slice_starts(verb, slice_sub(pattern, 0, pattern.n - 1))
						 : slice_eq(pattern, verb);
}

static bool in_list(const char *list, struct slice what)
{
	struct slice rest = slice_str(list);
	while (rest.n)
		if (matches(slice_split(&rest, ' '), what))
			return true;
	return false;
}

bool role_may(const struct role *role, const char *verb)
{
	return in_list(role->verbs, slice_str(verb));
}

/* ---- powers ---- */

struct powers powers_root(void)
{
	return (struct powers){.root = true};
}

static enum result add(
    struct powers *p, struct db *db, struct slice role, struct slice scope, struct arena *a)
{
	struct grant *g = &p->grants[p->n];
	g->role = role_find(role);
	/* A role of a newer version, a domain that is gone: nothing comes of it. */
	if (g->role && scope_parse(db, scope, a, &g->scope) == OK)
		p->n++;
	return db_result(db) == OK ? OK : LATER;
}

enum result powers_of_role(struct db *db, int64_t account, struct slice role, struct slice scope,
    struct arena *a, struct powers *out)
{
	*out = (struct powers){.account = account, .grants = arena_new(a, struct grant)};
	return out->grants ? add(out, db, role, scope, a) : LATER;
}

enum result powers_of_account(struct db *db, int64_t account, struct arena *a, struct powers *out)
{
	*out = (struct powers){
	    .account = account, .grants = arena_array(a, LIMIT_ROLES + 1, sizeof *out->grants)};
	if (!out->grants)
		return LATER;
	struct slice role[LIMIT_ROLES], scope[LIMIT_ROLES];
	size_t n = 0;
	{
		DB_ROWS q = DB_QUERY(db, ROLES_OF, DI(account));
		while (n < LIMIT_ROLES && db_next(&q)) {
			role[n] = arena_dup(a, db_octets(&q, 0));
			scope[n++] = arena_dup(a, db_octets(&q, 1));
		}
	}
	enum result r = add(out, db, SLICE(EVERYONE), SLICE_NONE, a);
	for (size_t i = 0; i < n && r == OK; i++)
		r = add(out, db, role[i], scope[i], a);
	return r;
}

const char *powers_may(const struct powers *p, const char *verb)
{
	if (p->root)
		return SYSTEM;
	for (size_t i = 0; i < p->n; i++)
		if (role_may(p->grants[i].role, verb))
			return p->grants[i].role->name;
	return NULL;
}

/* ---- giving ---- */

static const char *excluded(const char *role, struct slice by)
{
	for (size_t i = 0; i < COUNT(excludes); i++) {
		if (strcmp(role, excludes[i].one) == 0 && slice_eq(by, slice_str(excludes[i].other)))
			return excludes[i].other;
		if (strcmp(role, excludes[i].other) == 0 && slice_eq(by, slice_str(excludes[i].one)))
			return excludes[i].one;
	}
	return NULL;
}

/* All of `inner` lies within `outer`. */
static bool covers(struct db *db, const struct scope *outer, const struct scope *inner)
{
	if (outer->kind == SCOPE_ALL)
		return true;
	if (outer->kind == SCOPE_DOMAIN)
		return (inner->kind == SCOPE_DOMAIN || inner->kind == SCOPE_GROUP) &&
		       slice_eq(outer->domain, inner->domain);
	if (outer->kind != inner->kind)
		return false;
	return outer->kind == SCOPE_DEPARTMENT
		   ? department_is_below(db, inner->department, outer->department)
		   : slice_eq(outer->domain, inner->domain) && slice_eq(outer->local, inner->local);
}

bool powers_may_give(
    struct db *db, const struct powers *p, const struct role *role, const struct scope *scope)
{
	if (p->root)
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (in_list(p->grants[i].role->gives, slice_str(role->name)) &&
		    covers(db, &p->grants[i].scope, scope))
			return true;
	return false;
}

bool powers_cover(struct db *db, const struct powers *p, const char *verb, const struct scope *scope)
{
	if (p->root)
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (role_may(p->grants[i].role, verb) && covers(db, &p->grants[i].scope, scope))
			return true;
	return false;
}

enum result roles_keep_one(struct admin *a, struct db *db, int64_t account)
{
	if (!DB_NUMBER(db, 0, ROLE_HELD, DZ(SYSTEM), DI(account)) ||
	    DB_NUMBER(db, 0, ROLE_OTHERS, DZ(SYSTEM), DI(account)))
		return OK;
	return admin_refuse(a, DENY, "this is the last system administrator: make another one before");
}

void roles_forget(struct db *db, int64_t account)
{
	DB_RUN(db, ROLES_FORGET, DI(account));
}

enum result powers_not_himself(struct admin *a, struct db *db, const struct who *w)
{
	if (!a->powers || !a->powers->account || !access_is(db, a->powers->account, w))
		return OK;
	return admin_refuse(a, DENY,
	    "nobody opens mail to himself: ask for it by breakglass.ask, or let somebody else do it");
}

/* ---- the verbs ---- */

static json_t *grant_json(struct db *db, struct slice role, struct slice scope)
{
	BUF_LOCAL(text, 2000);
	ARENA_LOCAL(room, 65536);
	struct scope s;
	if (scope_parse(db, scope, &room, &s) == OK)
		scope_put(db, &s, false, &text);
	else
		buf_put(&text, scope);
	return json_pack("{s:o,s:o}", "role", admin_string(role), "scope", admin_string(buf_slice(&text)));
}

json_t *roles_json(struct db *db, int64_t account)
{
	json_t *list = json_array();
	ARENA_LOCAL(room, 262144);
	struct slice role[LIMIT_ROLES], scope[LIMIT_ROLES];
	size_t n = 0;
	{
		DB_ROWS q = DB_QUERY(db, ROLES_OF, DI(account));
		while (n < LIMIT_ROLES && db_next(&q)) {
			role[n] = arena_dup(&room, db_octets(&q, 0));
			scope[n++] = arena_dup(&room, db_octets(&q, 1));
		}
	}
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, grant_json(db, role[i], scope[i]));
	return list;
}

/* The account, the role and the scope that the arguments name; the caller may give and take them. */
static enum result take(struct admin *a, struct db *db, const struct role **role_out, struct buf *kept)
{
	struct slice name = admin_text(a, "role"), text = admin_text(a, "scope");
	struct scope scope;
	enum result r = admin_find_account(a, db, &a->account);
	if (r != OK)
		return r;
	*role_out = role_find(name);
	if (!*role_out || strcmp((*role_out)->name, EVERYONE) == 0)
		return admin_refuse(a, DENY, "no such role: " SLICE_FMT, SLICE_ARG(name));
	if (scope_parse(db, text, a->arena, &scope) != OK)
		return admin_refuse(a, GONE,
		    "no such scope: " SLICE_FMT " (all, domain:NAME, department:NAME or group:ADDRESS)",
		    SLICE_ARG(text));
	scope_put(db, &scope, true, kept);
	if (a->powers->account == a->account)
		return admin_refuse(a, DENY, "nobody changes his own roles");
	if (!powers_may_give(db, a->powers, *role_out, &scope)) {
		a->forbidden = true;
		return admin_refuse(a, DENY, "this role, in this scope, is not yours to give or take");
	}
	return OK;
}

static enum result answer_roles(struct admin *a, struct db *db)
{
	a->answer = json_pack("{s:o,s:o}", "address", admin_string(admin_text(a, "address")), "roles",
	    roles_json(db, a->account));
	return OK;
}

static enum result refuse_excluded(struct admin *a, struct db *db, const struct role *role)
{
	DB_ROWS q = DB_QUERY(db, ROLES_OF, DI(a->account));
	while (db_next(&q)) {
		const char *other = excluded(role->name, db_octets(&q, 0));
		if (other)
			return admin_refuse(
			    a, DENY, "%s and %s are not for the same person", role->name, other);
	}
	return OK;
}

enum result admin_role_give(struct admin *a, struct db *db)
{
	const struct role *role;
	BUF_LOCAL(scope, 2000);
	enum result r = take(a, db, &role, &scope);
	if (r == OK)
		r = refuse_excluded(a, db, role);
	if (r != OK)
		return r;
	if (DB_NUMBER(db, 0, ROLES_COUNT, DI(a->account)) >= LIMIT_ROLES)
		return admin_refuse(a, FULL, "an account has at most %d roles", LIMIT_ROLES);
	DB_RUN(db, ROLE_GIVE, DI(a->account), DZ(role->name), DT(buf_slice(&scope)), DI(clock_utc_ms()));
	return answer_roles(a, db);
}

enum result admin_role_take(struct admin *a, struct db *db)
{
	const struct role *role;
	BUF_LOCAL(scope, 2000);
	enum result r = take(a, db, &role, &scope);
	if (r == OK && strcmp(role->name, SYSTEM) == 0 && !scope.n)
		r = roles_keep_one(a, db, a->account);
	if (r != OK)
		return r;
	DB_RUN(db, ROLE_TAKE, DI(a->account), DZ(role->name), DT(buf_slice(&scope)));
	return db_changed(db) ? answer_roles(a, db)
			      : admin_refuse(a, GONE, "he does not have this role there");
}

enum result admin_role_list(struct admin *a, struct db *db)
{
	int64_t account = 0;
	if (admin_text(a, "address").n) {
		enum result r = admin_find_account(a, db, &account);
		if (r != OK)
			return r;
	}
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, ROLES_ALL, DI(account));
	while (db_next(&q)) {
		json_t *v = grant_json(db, db_octets(&q, 0), db_octets(&q, 1));
		json_object_set_new(
		    v, "address", admin_address_string(a, db_octets(&q, 2), db_octets(&q, 3)));
		json_object_set_new(v, "given_at_ms", json_integer((json_int_t)db_int(&q, 4)));
		json_array_append_new(a->answer, v);
	}
	return OK;
}

static json_t *role_json(const struct role *role, const struct admin_verb_row *verbs, size_t n)
{
	json_t *may = json_array(), *not = json_array();
	for (size_t i = 0; i < n; i++)
		if (role_may(role, verbs[i].name))
			json_array_append_new(may, json_string(verbs[i].name));
	for (size_t i = 0; i < COUNT(excludes); i++) {
		const char *other = excluded(role->name, slice_str(excludes[i].one));
		if (!other)
			other = excluded(role->name, slice_str(excludes[i].other));
		if (other)
			json_array_append_new(not, json_string(other));
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "role", role->name, "en", role->en, "ja", role->ja,
	    "gives", role->gives, "excludes", not, "verbs", may);
}

enum result admin_role_matrix(struct admin *a, struct db *db)
{
	size_t n;
	const struct admin_verb_row *verbs = admin_verb_rows(&n);
	json_t *all = json_array(), *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, json_string(verbs[i].name));
	for (size_t i = 0; i < COUNT(roles); i++)
		json_array_append_new(list, role_json(&roles[i], verbs, n));
	a->answer = json_pack("{s:o,s:o}", "verbs", all, "roles", list);
	return OK;
}
