/*
 * Users of SCIM: accounts of people. What has a place here (name, department, manager, number, language, addresses, whether the
 * directory wants the account to be open) lives there; the rest of what a client said is kept sealed beside it and shown again.
 *
 * The account's address is the preferred or work address of the client when that is in a domain of ours, else userName,
 * which may lack the domain. It stays when the client says another one later: that becomes an alias.
 */
#include "mail/address.h"
#include "store/account/scim.h"

/* ---- what is shown ---- */

struct shown {
	int64_t account, state, created, manager, changed;
	struct slice address, name, department, manager_name, employee, language, user_name, external;
	enum directory_source source;
	enum directory_active active;
};

static void read_row(struct admin *a, const struct db_rows *q, struct shown *out)
{
	BUF_LOCAL(address, 2000);
	mail_addr_put(&address, (struct mail_addr){db_octets(q, 1), db_octets(q, 2)});
	*out = (struct shown){.account = db_int(q, 0),
	    .address = arena_dup(a->arena, buf_slice(&address)),
	    .name = arena_dup(a->arena, db_octets(q, 3)),
	    .state = db_int(q, 4),
	    .created = db_int(q, 5),
	    .department = arena_dup(a->arena, db_octets(q, 6)),
	    .manager = db_int(q, 7),
	    .manager_name = arena_dup(a->arena, db_octets(q, 8)),
	    .employee = arena_dup(a->arena, db_octets(q, 9)),
	    .language = arena_dup(a->arena, db_octets(q, 10)),
	    .source = (enum directory_source)db_int(q, 11),
	    .user_name = arena_dup(a->arena, db_octets(q, 12)),
	    .external = arena_dup(a->arena, db_octets(q, 13)),
	    .active = (enum directory_active)db_int(q, 14),
	    .changed = db_int(q, 15)};
}

static struct slice text_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	return slice_of(json_string_value(v), json_string_length(v));
}

static void put_text(json_t *object, const char *key, struct slice text)
{
	if (text.n)
		json_object_set_new(object, key, admin_string(text));
}

/* The account's name as the parts say it. */
static struct slice name_of(const json_t *doc, struct arena *a)
{
	const json_t *name = json_object_get(doc, "name");
	struct slice text = text_of(doc, "displayName"), given = text_of(name, "givenName"),
		     family = text_of(name, "familyName");
	if (!text.n)
		text = text_of(name, "formatted");
	if (text.n || !given.n || !family.n)
		return text.n ? text : given.n ? given : family;
	bool eastern = !slice_is_ascii(family);
	return slice_str(arena_printf(a, SLICE_FMT " " SLICE_FMT, SLICE_ARG(eastern ? family : given),
	    SLICE_ARG(eastern ? given : family)));
}

static struct slice language_of(const json_t *doc)
{
	struct slice text = slice_sub(text_of(doc, "preferredLanguage"), 0, 2);
	return slice_ieq(text, SLICE("ja"))   ? SLICE("ja")
	       : slice_ieq(text, SLICE("en")) ? SLICE("en")
					      : SLICE_NONE;
}

static void put_email(json_t *list, struct slice value, const char *type, struct slice primary)
{
	json_t *one = json_pack("{s:o,s:s}", "value", admin_string(value), "type", type);
	if (slice_ieq(value, primary))
		json_object_set_new(one, "primary", json_true());
	json_array_append_new(list, one);
}

static void put_emails_and_groups(struct db *db, json_t *user, const struct shown *s, const json_t *kept)
{
	BUF_LOCAL(b, 2000);
	struct slice primary = text_of(kept, "primary");
	json_t *emails = json_array(), *groups = json_array();
	put_email(emails, s->address, "work", primary.n ? primary : s->address);
	DB_ROWS q = DB_QUERY(db, DIRECTORY_IN, DI(s->account));
	while (db_next(&q)) {
		buf_clear(&b);
		mail_addr_put(&b, (struct mail_addr){db_octets(&q, 1), db_octets(&q, 2)});
		struct slice name = db_octets(&q, 3);
		if (db_int(&q, 0) == ADDRESS_ALIAS && db_int(&q, 4) == 1)
			put_email(emails, buf_slice(&b), "other", primary);
		else if (db_int(&q, 0) == ADDRESS_GROUP)
			json_array_append_new(groups,
			    json_pack("{s:o,s:o,s:s}", "value", admin_string(buf_slice(&b)), "display",
				admin_string(name.n ? name : db_octets(&q, 1)), "type", "direct"));
	}
	json_array_extend(emails, json_object_get(kept, "emails"));
	json_object_set_new(user, "emails", emails);
	if (json_array_size(groups))
		json_object_set(user, "groups", groups);
	json_decref(groups);
}

static void put_enterprise(json_t *user, const struct shown *s)
{
	json_t *e = json_object_get(user, SCIM_ENTERPRISE_URN);
	json_t *own = e ? json_incref(e) : json_object();
	put_text(own, "employeeNumber", s->employee);
	put_text(own, "department", s->department);
	if (s->manager) {
		json_t *manager = json_pack("{s:o}", "value", json_sprintf("%lld", (long long)s->manager));
		put_text(manager, "displayName", s->manager_name);
		json_object_set_new(own, "manager", manager);
	}
	if (json_object_size(own))
		json_object_set(user, SCIM_ENTERPRISE_URN, own);
	json_decref(own);
}

/* kept is taken. */
static json_t *user_json(struct admin *a, struct db *db, const struct shown *s, json_t *kept)
{
	json_t *doc = json_object_get(kept, "doc"), *user = doc ? json_incref(doc) : json_object();
	put_text(user, "userName", s->user_name.n ? text_of(kept, "userName") : s->address);
	put_text(user, "externalId", s->external);
	if (!slice_eq(name_of(user, a->arena), s->name)) /* it was changed here */
		put_text(user, "displayName", s->name);
	if (!slice_eq(language_of(user), s->language))
		put_text(user, "preferredLanguage", s->language);
	json_object_set_new(user, "active",
	    json_boolean(s->source ? s->active == DIRECTORY_ACTIVE : s->state == ACCOUNT_ACTIVE));
	put_emails_and_groups(db, user, s, kept);
	put_enterprise(user, s);
	json_object_set_new(user, "id", json_sprintf("%lld", (long long)s->account));
	json_t *schemas = json_pack("[s]", scim_urn(SCIM_USER));
	if (json_object_get(user, SCIM_ENTERPRISE_URN))
		json_array_append_new(schemas, json_string(SCIM_ENTERPRISE_URN));
	json_object_set_new(user, "schemas", schemas);
	scim_put_meta(user, "User", s->created, s->changed);
	json_decref(kept);
	return user;
}

static json_t *show_account(struct admin *a, struct db *db, int64_t account)
{
	struct shown s;
	json_t *kept;
	{
		DB_ROWS q = DB_QUERY(db, DIRECTORY_PEOPLE, DI(ORGANISATION), DI(account));
		if (!account || !db_next(&q))
			return NULL;
		read_row(a, &q, &s);
		kept = directory_open(a->store, s.account, db_octets(&q, 16));
	}
	return user_json(a, db, &s, kept);
}

int64_t scim_user_account(struct db *db, struct slice id)
{
	uint64_t number;
	if (num_u64(id, INT64_MAX, &number) != OK || !number)
		return 0;
	DB_ROWS q = DB_QUERY(db, DIRECTORY_PEOPLE, DI(ORGANISATION), DI(number));
	return db_next(&q) ? (int64_t)number : 0;
}

static enum result find_user(struct admin *a, struct db *db, json_t **now_out)
{
	a->account = scim_user_account(db, admin_text(a, "id"));
	*now_out = show_account(a, db, a->account);
	return *now_out ? OK : admin_refuse(a, GONE, "there is no such user");
}

enum result admin_scim_user_show(struct admin *a, struct db *db)
{
	return find_user(a, db, &a->answer);
}

/* ---- lists ---- */

/* Whom a user name means; 0: nobody. */
static int64_t find_name(struct admin *a, struct db *db, struct slice name)
{
	struct mail_addr m;
	int64_t account = DB_NUMBER(db, 0, DIRECTORY_BY_NAME, DT(directory_fold(name, a->arena)));
	if (account || mail_addr_parse(name, a->arena, &m) != OK)
		return account;
	account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(resolve_domain(m.domain, a->arena)),
	    DT(resolve_local(m.local, a->arena)));
	return account && DB_NUMBER(db, -1, DIRECTORY_GET, DI(account)) < 0 ? account : 0;
}

static int64_t find_external(struct db *db, struct slice external)
{
	DB_ROWS q = DB_QUERY(db, DIRECTORY_BY_EXTERNAL, DT(external));
	int64_t account = db_next(&q) ? db_int(&q, 0) : -1;
	return db_next(&q) ? 0 : account;
}

/* The only account that can fit (-1: none does), or 0: look at all. */
static int64_t only_one(struct admin *a, struct db *db, const struct scim_filter *f)
{
	struct slice name = f ? scim_filter_wants(f, "userName") : SLICE_NONE;
	struct slice id = f ? scim_filter_wants(f, "id") : SLICE_NONE;
	struct slice external = f ? scim_filter_wants(f, "externalId") : SLICE_NONE;
	int64_t one = 0;
	if (id.n)
		one = scim_user_account(db, id);
	else if (name.n)
		one = find_name(a, db, name);
	else if (external.n)
		return find_external(db, external);
	return (id.n || name.n) && !one ? -1 : one;
}

enum result admin_scim_user_list(struct admin *a, struct db *db)
{
	struct scim_list l;
	enum result r = scim_list_begin(&l, a, SCIM_USER);
	if (r != OK)
		return r;
	int64_t one = only_one(a, db, l.filter);
	DB_ROWS q = DB_QUERY(db, DIRECTORY_PEOPLE, DI(ORGANISATION), DI(one));
	while (db_next(&q)) {
		struct shown s;
		if (scim_list_skip(&l))
			continue;
		read_row(a, &q, &s);
		scim_list_add(
		    &l, user_json(a, db, &s, directory_open(a->store, s.account, db_octets(&q, 16))));
	}
	scim_list_end(&l);
	return arena_full(a->arena) ? FULL : OK;
}

/* ---- what is wanted ---- */

struct wish {
	const json_t *user; /* in its form */
	struct directory_row row;
	json_t *here, *elsewhere, *made;
	struct slice work; /* the address that should be the account's */
	struct slice primary;
};

static bool is_here(struct admin *a, struct db *db, struct slice text)
{
	struct mail_addr m;
	if (mail_addr_parse(text, a->arena, &m) != OK)
		return false;
	struct slice domain = resolve_domain(m.domain, a->arena);
	return domain.n && resolve_is_ours(db, domain);
}

static void sort_emails(struct admin *a, struct db *db, struct wish *w)
{
	size_t i;
	json_t *v;
	w->here = json_array();
	w->elsewhere = json_array();
	json_array_foreach(json_object_get(w->user, "emails"), i, v)
	{
		struct slice text = text_of(v, "value");
		bool primary = json_is_true(json_object_get(v, "primary"));
		if (primary)
			w->primary = text;
		if (!text.n)
			continue;
		if (!is_here(a, db, text)) {
			json_array_append(w->elsewhere, v);
			continue;
		}
		json_array_append(w->here, json_object_get(v, "value"));
		if (!w->work.n || primary || slice_ieq(text_of(v, "type"), SLICE("work")))
			w->work = text;
	}
}

/* The address of a new account. */
static enum result choose_address(struct admin *a, struct db *db, struct wish *w)
{
	struct slice name = text_of(w->user, "userName");
	if (w->work.n)
		return OK;
	w->work = name;
	if (slice_find(name, '@') < 0) {
		DB_ROWS q = DB_QUERY(db, DIRECTORY_FIRST_DOMAIN, DI(ORGANISATION));
		if (db_next(&q))
			w->work = slice_str(arena_printf(
			    a->arena, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(name), SLICE_ARG(db_octets(&q, 0))));
	}
	return is_here(a, db, w->work) ? OK
				       : admin_refuse(a, DENY,
					     "invalidValue: neither userName nor an address in emails is in "
					     "a domain of this server");
}

static enum result check_name(struct admin *a, struct db *db, struct wish *w)
{
	struct slice name = text_of(w->user, "userName");
	if (!name.n)
		return admin_refuse(a, DENY, "invalidValue: userName is missing");
	int64_t other = find_name(a, db, name);
	if (other && other != a->account)
		return admin_refuse(a, DENY, "uniqueness: there is a user with this userName");
	w->row.user_name = directory_fold(name, a->arena);
	w->row.external = text_of(w->user, "externalId");
	return OK;
}

static enum result take_manager(struct admin *a, struct db *db, const json_t *enterprise, int64_t *out)
{
	const json_t *manager = json_object_get(enterprise, "manager");
	struct slice id = text_of(manager, "value"), ref = text_of(manager, "$ref");
	*out = 0;
	if (!id.n && ref.n)
		id = slice_sub(ref, (size_t)(slice_rfind(ref, '/') + 1), ref.n);
	if (!id.n)
		return OK;
	*out = scim_user_account(db, id);
	return *out ? OK : admin_refuse(a, DENY, "invalidValue: the manager is no user here");
}

static enum result set_person(struct admin *a, struct db *db, const struct wish *w)
{
	const json_t *enterprise = json_object_get(w->user, SCIM_ENTERPRISE_URN);
	struct directory_person p = {.address = w->work,
	    .name = name_of(w->user, a->arena),
	    .employee = text_of(enterprise, "employeeNumber"),
	    .department = text_of(enterprise, "department"),
	    .language = language_of(w->user)};
	enum result r = take_manager(a, db, enterprise, &p.manager);
	return r == OK ? directory_set(a, db, &p) : r;
}

/* What is shown from somewhere else is not kept twice. */
static json_t *rest_of(const json_t *user)
{
	static const char *const elsewhere[] = {"userName", "externalId", "active", "emails"};
	static const char *const there[] = {"employeeNumber", "department", "manager"};
	json_t *doc = json_deep_copy(user), *enterprise = json_object_get(doc, SCIM_ENTERPRISE_URN);
	for (size_t i = 0; i < COUNT(elsewhere); i++)
		json_object_del(doc, elsewhere[i]);
	for (size_t i = 0; i < COUNT(there); i++)
		json_object_del(enterprise, there[i]);
	if (enterprise && !json_object_size(enterprise))
		json_object_del(doc, SCIM_ENTERPRISE_URN);
	return doc;
}

static enum result save(struct admin *a, struct db *db, struct wish *w)
{
	const json_t *had = json_object_get(w->row.kept, "aliases");
	enum result r = directory_aliases(a, db, w->here, had, &w->made);
	if (r != OK)
		return r;
	struct slice own = directory_address(db, a->account, a->arena);
	json_t *kept = json_pack("{s:o,s:O,s:O,s:O}", "doc", rest_of(w->user), "emails", w->elsewhere,
	    "aliases", w->made, "userName", json_object_get(w->user, "userName"));
	if (w->primary.n && !slice_ieq(w->primary, own))
		put_text(kept, "primary", w->primary);
	json_decref(w->row.kept);
	w->row.kept = kept;
	w->row.account = a->account;
	w->row.source = DIRECTORY_SCIM;
	const json_t *active = json_object_get(w->user, "active");
	r = directory_become(
	    a, db, json_is_false(active) ? DIRECTORY_INACTIVE : DIRECTORY_ACTIVE, &w->row.active);
	return r == OK ? directory_save(a, db, &w->row) : r;
}

static void forget_wish(struct wish *w)
{
	json_decref(w->here);
	json_decref(w->elsewhere);
	json_decref(w->made);
	json_decref(w->row.kept);
}

static enum result write_user(struct admin *a, struct db *db, struct wish *w)
{
	bool new = !a->account;
	enum result r = check_name(a, db, w);
	sort_emails(a, db, w);
	if (r == OK && new)
		r = choose_address(a, db, w);
	if (r == OK)
		r = set_person(a, db, w);
	if (r == OK)
		r = save(a, db, w);
	forget_wish(w);
	if (r == OK && !(a->answer = show_account(a, db, a->account)))
		r = admin_refuse(a, GONE, "there is no such user");
	return r;
}

/* ---- the verbs ---- */

/* An account of this name was removed by the directory, and is meant again: by the id that the client gave it. */
static int64_t find_former(struct admin *a, struct db *db, const json_t *user, struct directory_row *row)
{
	struct slice name = directory_fold(text_of(user, "userName"), a->arena);
	int64_t account = DB_NUMBER(db, 0, DIRECTORY_BY_NAME, DT(name));
	struct slice external = text_of(user, "externalId");
	if (account && directory_load(a->store, db, account, a->arena, row) &&
	    row->active == DIRECTORY_REMOVED && external.n && slice_eq(external, row->external))
		return account;
	json_decref(row->kept);
	*row = (struct directory_row){.active = DIRECTORY_ACTIVE};
	return 0;
}

enum result admin_scim_user_add(struct admin *a, struct db *db)
{
	struct wish w = {.row = {.active = DIRECTORY_ACTIVE}};
	json_t *wanted = scim_wanted(a, SCIM_USER, NULL);
	if (!wanted)
		return DENY;
	w.user = wanted;
	a->account = find_former(a, db, wanted, &w.row);
	enum result r = write_user(a, db, &w);
	json_decref(wanted);
	return r;
}

static enum result change_user(struct admin *a, struct db *db)
{
	json_t *now, *wanted = NULL;
	enum result r = find_user(a, db, &now);
	if (r == OK)
		r = scim_same_version(a, now);
	if (r == OK && !(wanted = scim_wanted(a, SCIM_USER, now)))
		r = DENY;
	json_decref(now);
	if (r != OK)
		return r;
	struct wish w = {.user = wanted};
	(void)directory_load(a->store, db, a->account, a->arena, &w.row);
	r = write_user(a, db, &w);
	json_decref(wanted);
	return r;
}

enum result admin_scim_user_put(struct admin *a, struct db *db)
{
	return change_user(a, db);
}

enum result admin_scim_user_patch(struct admin *a, struct db *db)
{
	return change_user(a, db);
}

enum result admin_scim_user_remove(struct admin *a, struct db *db)
{
	struct directory_row row;
	json_t *now;
	enum result r = find_user(a, db, &now);
	if (r == OK)
		r = scim_same_version(a, now);
	if (r == OK && !directory_load(a->store, db, a->account, a->arena, &row)) {
		row.source = DIRECTORY_SCIM;
		row.user_name = directory_fold(text_of(now, "userName"), a->arena);
	}
	json_decref(now);
	if (r != OK)
		return r;
	r = directory_become(a, db, DIRECTORY_REMOVED, &row.active);
	if (r == OK)
		r = directory_save(a, db, &row);
	json_decref(row.kept);
	return r;
}
