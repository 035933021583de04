/* Aliases, groups and catch-all addresses: an address and the addresses behind it. */
#include "store/mailbox/access.h"
#include "store/admin/admin.h"

/* Adds the targets in args[key] to an address of this kind, making it when it is new. */
static enum result add_members(
    struct admin *a, struct db *db, const struct admin_address *at, const char *key)
{
	struct slice text;
	for (size_t i = 0; (text = admin_item(a, key, i)).n; i++) {
		struct admin_address to;
		enum result r = admin_address(a, text, &to);
		if (r != OK)
			return r;
		/* Elsewhere the case of a local part may matter. */
		struct slice local = resolve_is_ours(db, to.domain) ? to.local : to.shown;
		DB_RUN(db, MEMBER_ADD, DT(at->domain), DT(at->local), DT(to.domain), DT(local));
	}
	return OK;
}

static json_t *members_json(struct admin *a, struct db *db, struct slice local, struct slice domain)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, MEMBERS, DT(domain), DT(local));
	while (db_next(&q))
		json_array_append_new(list, admin_address_string(a, db_octets(&q, 1), db_octets(&q, 0)));
	return list;
}

/* Who is in a group decides what he sees. */
static void group_changed(const struct admin *a, enum address_kind kind)
{
	if (kind == ADDRESS_GROUP)
		writer_tell(a->store->writer, NODE_NAMES, 0);
}

static enum result add_address(
    struct admin *a, struct db *db, enum address_kind kind, const char *key, bool need)
{
	struct admin_address at;
	enum result r = admin_address(a, admin_text(a, "address"), &at);
	if (r != OK)
		return r;
	if (!resolve_is_ours(db, at.domain))
		return admin_refuse(a, DENY, "not a domain of ours: " SLICE_FMT, SLICE_ARG(at.domain));
	if (need && !admin_item(a, key, 0).n)
		return admin_refuse(a, DENY, "%s is missing", key);
	int64_t is = DB_NUMBER(db, 0, ADDRESS_FIND, DT(at.domain), DT(at.local));
	if (is && is != kind)
		return admin_refuse(a, DENY, "the address is in use already");
	if (!is)
		DB_RUN(db, ADDRESS_ADD, DT(at.domain), DT(at.local), DI(kind), DI(0), DT(at.shown),
		    DI(clock_utc_ms()));
	r = add_members(a, db, &at, key);
	group_changed(a, kind);
	if (r == OK)
		a->answer = json_pack("{s:o,s:o}", "address", admin_address_string(a, at.shown, at.domain),
		    key, members_json(a, db, at.local, at.domain));
	return r;
}

/* Takes members out, or with none named the whole address. */
static enum result remove_address(struct admin *a, struct db *db, enum address_kind kind, const char *key)
{
	struct admin_address at;
	enum result r = admin_address(a, admin_text(a, "address"), &at);
	if (r != OK)
		return r;
	if (DB_NUMBER(db, 0, ADDRESS_FIND, DT(at.domain), DT(at.local)) != kind)
		return admin_refuse(a, GONE, "no such address");
	struct slice text = admin_item(a, key, 0);
	if (!text.n) {
		DB_RUN(db, MEMBERS_REMOVE, DT(at.domain), DT(at.local));
		DB_RUN(db, ACL_FORGET_GROUP, DT(at.domain), DT(at.local));
		DB_RUN(db, DELEGATES_FORGET_GROUP, DT(at.domain), DT(at.local));
		DB_RUN(db, DELEGATES_FORGET_ADDRESS, DT(at.domain), DT(at.local));
		DB_RUN(db, QUOTA_DROP, DI(WHO_GROUP), DI(0), DT(at.domain), DT(at.local));
		DB_RUN(db, DIRECTORY_GROUP_FORGET, DT(at.domain), DT(at.local));
		DB_RUN(db, ADDRESS_REMOVE, DT(at.domain), DT(at.local));
		group_changed(a, kind);
		return OK;
	}
	for (size_t i = 0; (text = admin_item(a, key, i)).n; i++) {
		struct admin_address to;
		r = admin_address(a, text, &to);
		if (r != OK)
			return r;
		DB_RUN(db, MEMBER_REMOVE, DT(at.domain), DT(at.local), DT(to.domain), DT(to.local),
		    DT(to.shown));
		if (!db_changed(db))
			return admin_refuse(a, GONE, "no such member: " SLICE_FMT, SLICE_ARG(text));
	}
	group_changed(a, kind);
	a->answer = json_pack("{s:o,s:o}", "address", admin_address_string(a, at.shown, at.domain), key,
	    members_json(a, db, at.local, at.domain));
	return OK;
}

struct listed {
	struct listed *next;
	struct slice local, domain, shown;
};

static enum result list_addresses(struct admin *a, struct db *db, enum address_kind kind, const char *key)
{
	struct slice domain = admin_text(a, "domain");
	struct listed *first = NULL, **last = &first;
	if (domain.n)
		domain = resolve_domain(domain, a->arena);
	{
		DB_ROWS q = DB_QUERY(db, ADDRESS_LIST, DI(kind), DT(domain));
		while (db_next(&q)) {
			struct listed *l = arena_new(a->arena, struct listed);
			if (!l)
				return FULL;
			l->domain = arena_dup(a->arena, db_octets(&q, 0));
			l->local = arena_dup(a->arena, db_octets(&q, 1));
			l->shown = arena_dup(a->arena, db_octets(&q, 2));
			*last = l;
			last = &l->next;
		}
	}
	a->answer = json_array();
	for (const struct listed *l = first; l; l = l->next)
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:o}", "address", admin_address_string(a, l->shown, l->domain),
				   key, members_json(a, db, l->local, l->domain)));
	return OK;
}

/* ---- catch-all: *@domain ---- */

static bool is_catch_all(const struct admin *a, struct slice *domain_out)
{
	struct slice text = admin_text(a, "address");
	if (!slice_starts(text, SLICE("*@")))
		return false;
	*domain_out = resolve_domain(slice_sub(text, 2, text.n), a->arena);
	return true;
}

static enum result set_catch_all(struct admin *a, struct db *db, struct slice domain, struct slice target)
{
	struct admin_address to;
	if (!resolve_is_ours(db, domain))
		return admin_refuse(a, DENY, "not a domain of ours");
	enum result r = target.n ? admin_address(a, target, &to) : OK;
	if (r != OK)
		return r;
	const char *text = "";
	if (target.n)
		text = arena_printf(
		    a->arena, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(to.local), SLICE_ARG(to.domain));
	DB_RUN(db, DOMAIN_SET_CATCH_ALL, DT(domain), DZ(text));
	a->answer = json_pack("{s:o,s:s}", "domain", admin_string(domain), "catch_all", text);
	return OK;
}

/* ---- verbs ---- */

enum result admin_alias_add(struct admin *a, struct db *db)
{
	struct slice domain;
	if (!is_catch_all(a, &domain))
		return add_address(a, db, ADDRESS_ALIAS, "target", true);
	if (!admin_item(a, "target", 0).n || admin_item(a, "target", 1).n)
		return admin_refuse(a, DENY, "a catch-all has one target");
	return set_catch_all(a, db, domain, admin_item(a, "target", 0));
}

enum result admin_alias_list(struct admin *a, struct db *db)
{
	return list_addresses(a, db, ADDRESS_ALIAS, "target");
}

enum result admin_alias_remove(struct admin *a, struct db *db)
{
	struct slice domain;
	if (is_catch_all(a, &domain))
		return set_catch_all(a, db, domain, SLICE_NONE);
	return remove_address(a, db, ADDRESS_ALIAS, "target");
}

enum result admin_group_add(struct admin *a, struct db *db)
{
	return add_address(a, db, ADDRESS_GROUP, "member", false);
}

enum result admin_group_list(struct admin *a, struct db *db)
{
	return list_addresses(a, db, ADDRESS_GROUP, "member");
}

enum result admin_group_show(struct admin *a, struct db *db)
{
	struct admin_address at;
	enum result r = admin_address(a, admin_text(a, "address"), &at);
	if (r != OK)
		return r;
	if (DB_NUMBER(db, 0, ADDRESS_FIND, DT(at.domain), DT(at.local)) != ADDRESS_GROUP)
		return admin_refuse(a, GONE, "no such group");
	a->answer = json_pack("{s:o,s:o}", "address", admin_address_string(a, at.shown, at.domain), "member",
	    members_json(a, db, at.local, at.domain));
	return OK;
}

enum result admin_group_remove(struct admin *a, struct db *db)
{
	return remove_address(a, db, ADDRESS_GROUP, "member");
}
