/* People: in which department, who their manager is, and how they are reached besides. */
#include "mail/address.h"
#include "mail/utf8.h"
#include "store/admin/admin.h"

/* ---- departments ---- */

static bool good_name(struct slice name)
{
	return name.n && name.n <= LIMIT_PERSON_TEXT && name.p[0] != '#' && slice_is_utf8(name) &&
	       slice_find(name, '\n') < 0;
}

/* 0 and OK when nothing is named. */
static enum result find_department(struct admin *a, struct db *db, struct slice name, int64_t *out)
{
	*out = name.n ? DB_NUMBER(db, 0, DEPARTMENT_FIND, DI(ORGANISATION), DT(name)) : 0;
	return *out || !name.n ? OK
			       : admin_refuse(a, GONE, "no such department: " SLICE_FMT, SLICE_ARG(name));
}

static enum result refuse_taken(struct admin *a, struct db *db, struct slice name)
{
	if (!good_name(name))
		return admin_refuse(a, DENY, "not a name for a department");
	if (DB_NUMBER(db, 0, DEPARTMENT_FIND, DI(ORGANISATION), DT(name)))
		return admin_refuse(a, DENY, "there is a department of this name");
	return OK;
}

static unsigned depth_of(struct db *db, int64_t id)
{
	unsigned depth = 0;
	for (; id && depth < LIMIT_DEPARTMENT_DEPTH; depth++) {
		DB_ROWS q = DB_QUERY(db, DEPARTMENT_GET, DI(id));
		id = db_next(&q) ? db_int(&q, 1) : 0;
	}
	return depth;
}

enum result admin_department_add(struct admin *a, struct db *db)
{
	struct slice name = admin_text(a, "name");
	int64_t parent;
	enum result r = refuse_taken(a, db, name);
	if (r == OK)
		r = find_department(a, db, admin_text(a, "parent"), &parent);
	if (r != OK)
		return r;
	if (depth_of(db, parent) + 1 >= LIMIT_DEPARTMENT_DEPTH ||
	    DB_NUMBER(db, 0, DEPARTMENT_COUNT, DI(ORGANISATION)) >= LIMIT_DEPARTMENTS)
		return admin_refuse(a, FULL, "too many departments, or too deep");
	DB_RUN(db, DEPARTMENT_ADD, DI(writer_number(a->store->writer, SEQUENCE_PEOPLE)), DI(ORGANISATION),
	    DT(name), DI(parent));
	a->answer = json_pack(
	    "{s:o,s:o}", "name", admin_string(name), "parent", admin_string(admin_text(a, "parent")));
	return OK;
}

enum result admin_department_change(struct admin *a, struct db *db)
{
	struct slice name = admin_text(a, "name"), other = admin_text(a, "rename");
	int64_t id, parent = 0;
	enum result r = find_department(a, db, name, &id);
	if (r == OK && !id)
		return admin_refuse(a, DENY, "which department?");
	if (r == OK && other.n)
		r = refuse_taken(a, db, other);
	if (r == OK && json_object_get(a->args, "parent")) {
		r = find_department(a, db, admin_text(a, "parent"), &parent);
	} else if (r == OK) {
		DB_ROWS q = DB_QUERY(db, DEPARTMENT_GET, DI(id));
		parent = db_next(&q) ? db_int(&q, 1) : 0;
	}
	if (r != OK)
		return r;
	if (department_is_below(db, parent, id))
		return admin_refuse(a, DENY, "a department is not below itself");
	if (depth_of(db, parent) + 1 >= LIMIT_DEPARTMENT_DEPTH)
		return admin_refuse(a, FULL, "too deep");
	DB_RUN(db, DEPARTMENT_MOVE, DI(id), DT(other.n ? other : name), DI(parent));
	a->answer = json_pack("{s:o}", "name", admin_string(other.n ? other : name));
	return OK;
}

enum result admin_department_remove(struct admin *a, struct db *db)
{
	BUF_LOCAL(scope, 64);
	int64_t id;
	enum result r = find_department(a, db, admin_text(a, "name"), &id);
	if (r != OK)
		return r;
	scope_put(db, &(struct scope){.kind = SCOPE_DEPARTMENT, .department = id}, true, &scope);
	if (!id)
		return admin_refuse(a, DENY, "which department?");
	if (DB_NUMBER(db, 1, DEPARTMENT_USES, DI(id)) ||
	    DB_NUMBER(db, 1, ROLE_SCOPE_USES, DT(buf_slice(&scope))))
		return admin_refuse(
		    a, DENY, "somebody is in it, a department is below it, or a role is given for it");
	DB_RUN(db, DEPARTMENT_REMOVE, DI(id));
	return OK;
}

enum result admin_department_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, DEPARTMENT_LIST, DI(ORGANISATION));
	while (db_next(&q))
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:o,s:I}", "name", admin_string(db_octets(&q, 1)), "parent",
				   admin_string(db_octets(&q, 2)), "people", (json_int_t)db_int(&q, 3)));
	return OK;
}

/* ---- people ---- */

struct person {
	int64_t department, manager;
	struct slice employee, language, second;
};

static void load(struct db *db, int64_t account, struct arena *a, struct person *out)
{
	DB_ROWS q = DB_QUERY(db, PERSON_GET, DI(account));
	*out = (struct person){0};
	if (!db_next(&q))
		return;
	*out = (struct person){.department = db_int(&q, 0),
	    .manager = db_int(&q, 1),
	    .employee = arena_dup(a, db_octets(&q, 2)),
	    .language = arena_dup(a, db_octets(&q, 3)),
	    .second = arena_dup(a, db_octets(&q, 4))};
}

static bool given(const struct admin *a, const char *key, struct slice *out)
{
	*out = admin_text(a, key);
	return json_is_string(json_object_get(a->args, key));
}

/* A department of his own, for whoever sets people of some departments only. */
static enum result set_department(struct admin *a, struct db *db, struct person *p)
{
	struct slice name;
	if (!given(a, "department", &name))
		return OK;
	enum result r = find_department(a, db, name, &p->department);
	struct scope to = {.kind = p->department ? SCOPE_DEPARTMENT : SCOPE_ALL, .department = p->department};
	if (r == OK && !powers_cover(db, a->powers, "department.add", &(struct scope){0}) &&
	    !powers_cover(db, a->powers, "person.set", &to))
		return admin_refuse(a, DENY, "this department is not yours");
	return r;
}

static enum result set_manager(struct admin *a, struct db *db, struct person *p)
{
	struct admin_address at;
	struct slice text;
	if (!given(a, "manager", &text))
		return OK;
	p->manager = 0;
	if (!text.n)
		return OK;
	enum result r = admin_address(a, text, &at);
	if (r != OK)
		return r;
	p->manager = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(at.domain), DT(at.local));
	if (!p->manager)
		return admin_refuse(a, GONE, "no such account: " SLICE_FMT, SLICE_ARG(text));
	int64_t above = p->manager;
	for (unsigned i = 0; above && i < LIMIT_DEPARTMENT_DEPTH; i++) {
		if (above == a->account)
			return admin_refuse(a, DENY, "nobody is his own manager, however far up");
		DB_ROWS q = DB_QUERY(db, PERSON_GET, DI(above));
		above = db_next(&q) ? db_int(&q, 1) : 0;
	}
	return OK;
}

static enum result set_texts(struct admin *a, struct db *db, struct person *p)
{
	static const char *const keys[] = {"name", "employee", "language", "second"};
	struct slice text;
	struct mail_addr m;
	for (size_t i = 0; i < COUNT(keys); i++)
		if (given(a, keys[i], &text) && (text.n > LIMIT_PERSON_TEXT || slice_find(text, '\n') >= 0))
			return admin_refuse(
			    a, DENY, "%s: at most %d octets in one line", keys[i], LIMIT_PERSON_TEXT);
	if (given(a, "employee", &text)) {
		int64_t other = text.n ? DB_NUMBER(db, 0, PERSON_EMPLOYEE, DT(text)) : 0;
		if (other && other != a->account)
			return admin_refuse(a, DENY, "this employee number is somebody else's");
		p->employee = text;
	}
	if (given(a, "language", &text)) {
		if (text.n && !slice_eq(text, SLICE("ja")) && !slice_eq(text, SLICE("en")))
			return admin_refuse(a, DENY, "the language is ja or en");
		p->language = text;
	}
	if (given(a, "second", &text)) {
		if (text.n && mail_addr_parse(text, a->arena, &m) != OK)
			return admin_refuse(a, DENY, "not an address: " SLICE_FMT, SLICE_ARG(text));
		p->second = text;
	}
	return OK;
}

static json_t *person_json(struct admin *a, const struct db_rows *q)
{
	struct slice manager = db_octets(q, 7);
	return json_pack("{s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:o}", "address",
	    admin_address_string(a, db_octets(q, 1), db_octets(q, 2)), "name", admin_string(db_octets(q, 3)),
	    "state", account_state_name(db_int(q, 4)), "department", admin_string(db_octets(q, 5)), "manager",
	    manager.n ? admin_address_string(a, db_octets(q, 6), manager) : json_string(""), "employee",
	    admin_string(db_octets(q, 8)), "language", admin_string(db_octets(q, 9)), "second",
	    admin_string(db_octets(q, 10)));
}

static enum result answer_person(struct admin *a, struct db *db)
{
	{
		DB_ROWS q = DB_QUERY(db, PEOPLE_LIST, DI(ORGANISATION), DI(a->account));
		if (!db_next(&q))
			return admin_refuse(a, GONE, "this is a shared account, nobody's own");
		a->answer = person_json(a, &q);
	}
	json_object_set_new(a->answer, "roles", roles_json(db, a->account));
	return OK;
}

enum result admin_person_set(struct admin *a, struct db *db)
{
	struct person p;
	struct slice name;
	enum result r = admin_find_account(a, db, &a->account);
	if (r != OK)
		return r;
	load(db, a->account, a->arena, &p);
	r = set_department(a, db, &p);
	if (r == OK)
		r = set_manager(a, db, &p);
	if (r == OK)
		r = set_texts(a, db, &p);
	if (r != OK)
		return r;
	DB_RUN(db, PERSON_SET, DI(a->account), DI(p.department), DI(p.manager), DT(p.employee),
	    DT(p.language), DT(p.second));
	if (given(a, "name", &name))
		DB_RUN(db, PERSON_NAME, DI(a->account), DT(name));
	return answer_person(a, db);
}

enum result admin_person_show(struct admin *a, struct db *db)
{
	enum result r = admin_find_account(a, db, &a->account);
	return r == OK ? answer_person(a, db) : r;
}

enum result admin_person_list(struct admin *a, struct db *db)
{
	int64_t department;
	enum result r = find_department(a, db, admin_text(a, "department"), &department);
	if (r != OK)
		return r;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, PEOPLE_LIST, DI(ORGANISATION), DI(0));
	while (db_next(&q))
		if (!department || department_is_below(db, db_int(&q, 11), department))
			json_array_append_new(a->answer, person_json(a, &q));
	return OK;
}
