/*
 * Groups of SCIM. The address of a new one is its name when that is an address of ours; else it is made of the name, in
 * the first domain. It stays when the name changes. Members that are no user and no group (addresses elsewhere, shared
 * accounts) are not shown and not touched.
 */
#include "mail/address.h"
#include "store/account/scim.h"

#define TRIES 20 /* of addresses for a name */

struct shown {
	struct slice local, domain, name, external; /* folded address; in the arena */
	int64_t created, changed;
};

static struct slice text_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	return slice_of(json_string_value(v), json_string_length(v));
}

static void put_address(struct slice local, struct slice domain, struct buf *b)
{
	buf_clear(b);
	mail_addr_put(b, (struct mail_addr){local, domain});
}

/* ---- what is shown ---- */

static void read_row(struct admin *a, const struct db_rows *q, struct shown *out)
{
	*out = (struct shown){.local = arena_dup(a->arena, db_octets(q, 0)),
	    .domain = arena_dup(a->arena, db_octets(q, 1)),
	    .created = db_int(q, 2),
	    .name = arena_dup(a->arena, db_octets(q, 3)),
	    .external = arena_dup(a->arena, db_octets(q, 4)),
	    .changed = db_int(q, 5)};
	if (!out->name.n)
		out->name = out->local;
}

static json_t *members_json(struct db *db, const struct shown *s)
{
	BUF_LOCAL(b, 2000);
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, DIRECTORY_MEMBERS, DT(s->domain), DT(s->local));
	while (db_next(&q)) {
		bool group = db_int(&q, 0) == ADDRESS_GROUP;
		struct slice name = db_octets(&q, group ? 5 : 4);
		put_address(db_octets(&q, 2), db_octets(&q, 3), &b);
		json_t *one = json_pack("{s:o,s:s}", "value",
		    group ? admin_string(buf_slice(&b)) : json_sprintf("%lld", (long long)db_int(&q, 1)),
		    "type", group ? "Group" : "User");
		if (name.n)
			json_object_set_new(one, "display", admin_string(name));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *group_json(struct db *db, const struct shown *s, bool brief)
{
	BUF_LOCAL(b, 2000);
	put_address(s->local, s->domain, &b);
	json_t *group = json_pack("{s:[s],s:o,s:o}", "schemas", scim_urn(SCIM_GROUP), "id",
	    admin_string(buf_slice(&b)), "displayName", admin_string(s->name));
	json_t *members = brief ? NULL : members_json(db, s);
	if (s->external.n)
		json_object_set_new(group, "externalId", admin_string(s->external));
	if (json_array_size(members))
		json_object_set(group, "members", members);
	json_decref(members);
	scim_put_meta(group, "Group", s->created, s->changed);
	return group;
}

static enum result find_group(struct admin *a, struct db *db, struct slice id, struct shown *out)
{
	struct admin_address at;
	if (admin_address(a, id, &at) == OK) {
		DB_ROWS q = DB_QUERY(db, DIRECTORY_GROUPS, DT(at.domain), DT(at.local));
		if (db_next(&q)) {
			read_row(a, &q, out);
			return OK;
		}
	}
	return admin_refuse(a, GONE, "there is no such group");
}

static bool is_brief(const struct admin *a)
{
	return json_is_true(json_object_get(a->args, "brief"));
}

enum result admin_scim_group_show(struct admin *a, struct db *db)
{
	struct shown s;
	enum result r = find_group(a, db, admin_text(a, "id"), &s);
	if (r == OK)
		a->answer = group_json(db, &s, is_brief(a));
	return r;
}

enum result admin_scim_group_list(struct admin *a, struct db *db)
{
	struct scim_list l;
	enum result r = scim_list_begin(&l, a, SCIM_GROUP);
	if (r != OK)
		return r;
	bool brief = is_brief(a) && !(l.filter && scim_filter_names(l.filter, "members"));
	DB_ROWS q = DB_QUERY(db, DIRECTORY_GROUPS, DZ(""), DZ(""));
	while (db_next(&q)) {
		struct shown s;
		if (scim_list_skip(&l))
			continue;
		read_row(a, &q, &s);
		scim_list_add(&l, group_json(db, &s, brief));
	}
	scim_list_end(&l);
	return arena_full(a->arena) ? FULL : OK;
}

/* ---- the address of a new one ---- */

static bool is_reserved(struct slice local)
{
	static const char *const names[] = {"abuse", "admin", "administrator", "dmarc-reports", "hostmaster",
	    "mailer-daemon", "noc", "postmaster", "root", "security", "tls-reports", "webmaster"};
	for (size_t i = 0; i < COUNT(names); i++)
		if (slice_eq(local, slice_str(names[i])))
			return true;
	return false;
}

/* "Sales & Marketing" is sales-marketing; a name without Latin letters or digits is nothing. */
static struct slice latin_of(struct slice name, struct arena *a)
{
	BUF_LOCAL(b, 48);
	for (size_t i = 0; i < name.n && b.n < 40; i++) {
		char c = ascii_lower(name.p[i]);
		if (ascii_alpha(c) || ascii_digit(c))
			buf_putc(&b, c);
		else if (b.n && b.p[b.n - 1] != '-')
			buf_putc(&b, '-');
	}
	while (b.n && b.p[b.n - 1] == '-')
		b.n--;
	return arena_dup(a, buf_slice(&b));
}

static enum result choose_address(struct admin *a, struct db *db, struct slice name, struct slice *out)
{
	struct admin_address at;
	struct slice domain = SLICE_NONE, stem = latin_of(name, a->arena);
	if (slice_find(name, '@') > 0 && admin_address(a, name, &at) == OK &&
	    resolve_is_ours(db, at.domain)) {
		*out = name;
		return DB_NUMBER(db, 0, ADDRESS_FIND, DT(at.domain), DT(at.local))
			   ? admin_refuse(a, DENY, "uniqueness: the address is in use already")
			   : OK;
	}
	{
		DB_ROWS q = DB_QUERY(db, DIRECTORY_FIRST_DOMAIN, DI(ORGANISATION));
		if (db_next(&q))
			domain = arena_dup(a->arena, db_octets(&q, 0));
	}
	if (!domain.n)
		return admin_refuse(a, DENY, "invalidValue: there is no domain yet");
	if (!stem.n)
		stem = SLICE("group");
	for (unsigned i = is_reserved(stem) ? 2 : 1; i <= TRIES; i++) {
		const char *local =
		    arena_printf(a->arena, i > 1 ? SLICE_FMT "-%u" : SLICE_FMT, SLICE_ARG(stem), i);
		if (!DB_NUMBER(db, 0, ADDRESS_FIND, DT(domain), DZ(local))) {
			*out = slice_str(arena_printf(a->arena, "%s@" SLICE_FMT, local, SLICE_ARG(domain)));
			return OK;
		}
	}
	return admin_refuse(a, DENY, "uniqueness: no address is free for this name");
}

/* ---- members ---- */

struct member {
	struct slice local, domain;
};

/* Its address as it stands in lists of members. */
static enum result take_member(
    struct admin *a, struct db *db, const struct shown *s, const json_t *v, struct member *out)
{
	struct slice id = text_of(v, "value"), ref = text_of(v, "$ref");
	struct admin_address at;
	struct shown group;
	if (!id.n && ref.n)
		id = slice_sub(ref, (size_t)(slice_rfind(ref, '/') + 1), ref.n);
	int64_t account = scim_user_account(db, id);
	if (account && admin_address(a, directory_address(db, account, a->arena), &at) == OK) {
		*out = (struct member){at.local, at.domain};
		return OK;
	}
	if (find_group(a, db, id, &group) != OK)
		return admin_refuse(a, DENY, "invalidValue: no user and no group: " SLICE_FMT,
		    SLICE_ARG(slice_sub(id, 0, 100)));
	if (slice_eq(group.local, s->local) && slice_eq(group.domain, s->domain))
		return admin_refuse(a, DENY, "invalidValue: a group is no member of itself");
	*out = (struct member){group.local, group.domain};
	return OK;
}

static json_t *keys_of(const json_t *members)
{
	json_t *keys = json_object();
	size_t i;
	json_t *v;
	json_array_foreach(members, i, v)
	{
		const char *key = json_string_value(json_object_get(v, "value"));
		if (key)
			json_object_set(keys, key, v);
	}
	return keys;
}

/* Those of `some` that are not among `others` come, or go. */
static enum result change_members(struct admin *a, struct db *db, const struct shown *s, const json_t *some,
    const json_t *others, bool come)
{
	json_t *known = keys_of(others), *v;
	size_t i;
	enum result r = OK;
	json_array_foreach(some, i, v)
	{
		struct member m;
		const char *key = json_string_value(json_object_get(v, "value"));
		if (r != OK || (key && json_object_get(known, key)))
			continue;
		r = take_member(a, db, s, v, &m);
		if (r == OK && come)
			DB_RUN(db, MEMBER_ADD, DT(s->domain), DT(s->local), DT(m.domain), DT(m.local));
		else if (r == OK)
			DB_RUN(db, MEMBER_REMOVE, DT(s->domain), DT(s->local), DT(m.domain), DT(m.local),
			    DT(m.local));
	}
	json_decref(known);
	return r;
}

/* ---- writing ---- */

static enum result check_name(struct admin *a, struct db *db, const struct shown *s, struct slice name)
{
	if (!name.n || name.n > LIMIT_PERSON_TEXT)
		return admin_refuse(
		    a, DENY, "invalidValue: displayName has 1 to %d octets", LIMIT_PERSON_TEXT);
	DB_ROWS q = DB_QUERY(db, DIRECTORY_GROUPS, DZ(""), DZ(""));
	while (db_next(&q)) {
		struct slice other = db_octets(&q, 3);
		bool same = slice_eq(db_octets(&q, 0), s->local) && slice_eq(db_octets(&q, 1), s->domain);
		if (!same && slice_ieq(other.n ? other : db_octets(&q, 0), name))
			return admin_refuse(a, DENY, "uniqueness: there is a group of this name");
	}
	return OK;
}

static enum result write_group(
    struct admin *a, struct db *db, struct shown *s, const json_t *wanted, const json_t *now)
{
	const json_t *will = json_object_get(wanted, "members"), *had = json_object_get(now, "members");
	s->name = text_of(wanted, "displayName");
	s->external = text_of(wanted, "externalId");
	enum result r = change_members(a, db, s, will, had, true);
	if (r == OK)
		r = change_members(a, db, s, had, will, false);
	if (r != OK)
		return r;
	s->changed = clock_utc_ms();
	DB_RUN(db, DIRECTORY_GROUP_PUT, DT(s->domain), DT(s->local), DI(DIRECTORY_SCIM), DT(s->name),
	    DT(s->external), DI(s->changed));
	writer_tell(a->store->writer, NODE_NAMES, 0); /* who is in a group decides what he sees */
	a->answer = group_json(db, s, false);
	return arena_full(a->arena) ? FULL : OK;
}

static enum result make_group(struct admin *a, struct db *db, const json_t *wanted)
{
	struct shown s = {0};
	struct slice address, name = text_of(wanted, "displayName");
	enum result r = check_name(a, db, &s, name);
	if (r == OK)
		r = choose_address(a, db, name, &address);
	if (r == OK)
		r = admin_within(
		    a, db, admin_group_add, json_pack("{s:o}", "address", admin_string(address)), NULL);
	if (r == OK)
		r = find_group(a, db, address, &s);
	return r == OK ? write_group(a, db, &s, wanted, NULL) : r;
}

enum result admin_scim_group_add(struct admin *a, struct db *db)
{
	json_t *wanted = scim_wanted(a, SCIM_GROUP, NULL);
	enum result r = wanted ? make_group(a, db, wanted) : DENY;
	json_decref(wanted);
	return r;
}

static enum result change_group(struct admin *a, struct db *db)
{
	struct shown s;
	json_t *wanted = NULL;
	enum result r = find_group(a, db, admin_text(a, "id"), &s);
	if (r != OK)
		return r;
	json_t *now = group_json(db, &s, false);
	r = scim_same_version(a, now);
	if (r == OK && !(wanted = scim_wanted(a, SCIM_GROUP, now)))
		r = DENY;
	if (r == OK)
		r = check_name(a, db, &s, text_of(wanted, "displayName"));
	if (r == OK)
		r = write_group(a, db, &s, wanted, now);
	json_decref(now);
	json_decref(wanted);
	return r;
}

enum result admin_scim_group_put(struct admin *a, struct db *db)
{
	return change_group(a, db);
}

enum result admin_scim_group_patch(struct admin *a, struct db *db)
{
	return change_group(a, db);
}

enum result admin_scim_group_remove(struct admin *a, struct db *db)
{
	struct shown s;
	struct slice id = admin_text(a, "id");
	enum result r = find_group(a, db, id, &s);
	if (r == OK) {
		json_t *now = group_json(db, &s, false);
		r = scim_same_version(a, now);
		json_decref(now);
	}
	return r == OK ? admin_within(
			     a, db, admin_group_remove, json_pack("{s:o}", "address", admin_string(id)), NULL)
		       : r;
}
