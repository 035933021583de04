#include "store/account/directory.h"
#include "mail/address.h"
#include "store/account/people.h"
#include <stdlib.h>

static struct slice bound_to(int64_t account, char room[32])
{
	int n = snprintf(room, 32, "directory:%lld", (long long)account);
	return slice_of(room, n > 0 ? (size_t)n : 0);
}

json_t *directory_open(struct store *s, int64_t account, struct slice sealed)
{
	char room[32];
	BUF_LOCAL(text, LIMIT_SCIM_KEPT + SEAL_OVERHEAD);
	if (!sealed.n || seal_get(s->seal, sealed, bound_to(account, room), &text) != OK)
		return NULL;
	return json_loadb(text.p, text.n, 0, NULL);
}

bool directory_load(
    struct store *s, struct db *db, int64_t account, struct arena *a, struct directory_row *out)
{
	DB_ROWS q = DB_QUERY(db, DIRECTORY_GET, DI(account));
	*out = (struct directory_row){.account = account, .active = DIRECTORY_ACTIVE};
	if (!db_next(&q))
		return false;
	out->source = (enum directory_source)db_int(&q, 0);
	out->user_name = arena_dup(a, db_octets(&q, 1));
	out->external = arena_dup(a, db_octets(&q, 2));
	out->active = (enum directory_active)db_int(&q, 3);
	out->kept = directory_open(s, account, db_octets(&q, 5));
	return true;
}

enum result directory_save(struct admin *a, struct db *db, const struct directory_row *row)
{
	char room[32];
	BUF_LOCAL(sealed, LIMIT_SCIM_KEPT + SEAL_OVERHEAD);
	char *text = row->kept ? json_dumps(row->kept, JSON_COMPACT) : NULL;
	struct slice plain = slice_str(text);
	bool fits = plain.n <= LIMIT_SCIM_KEPT;
	if (fits)
		seal_put(a->store->seal, plain, bound_to(row->account, room), &sealed);
	free(text);
	if (!fits)
		return admin_refuse(a, FULL, "tooMany: more than %d octets to be kept", LIMIT_SCIM_KEPT);
	DB_RUN(db, DIRECTORY_PUT, DI(row->account), DI(row->source), DT(row->user_name), DT(row->external),
	    DI(row->active), DI(clock_utc_ms()), DB(buf_slice(&sealed)));
	return OK;
}

struct slice directory_fold(struct slice user_name, struct arena *a)
{
	char *p = arena_z(a, user_name);
	for (size_t i = 0; p && i < user_name.n; i++)
		p[i] = ascii_lower(p[i]);
	return p ? slice_of(p, user_name.n) : SLICE_NONE;
}

struct slice directory_address(struct db *db, int64_t account, struct arena *a)
{
	BUF_LOCAL(b, 2000);
	DB_ROWS q = DB_QUERY(db, ACCOUNT_SHOWN, DI(account));
	if (db_next(&q))
		mail_addr_put(&b, (struct mail_addr){db_octets(&q, 0), db_octets(&q, 1)});
	return arena_dup(a, buf_slice(&b));
}

/* ---- the person ---- */

static enum result make_department(struct admin *a, struct db *db, struct slice name)
{
	if (!name.n || DB_NUMBER(db, 0, DEPARTMENT_FIND, DI(ORGANISATION), DT(name)))
		return OK;
	return admin_within(
	    a, db, admin_department_add, json_pack("{s:o}", "name", admin_string(name)), NULL);
}

enum result directory_set(struct admin *a, struct db *db, const struct directory_person *p)
{
	enum result r = OK;
	if (!a->account) {
		json_t *made = NULL;
		r = admin_within(a, db, admin_account_add,
		    json_pack(
			"{s:o,s:o}", "address", admin_string(p->address), "name", admin_string(p->name)),
		    &made);
		a->account = json_integer_value(json_object_get(made, "id"));
		json_decref(made);
	}
	if (r == OK)
		r = make_department(a, db, p->department);
	if (r != OK)
		return r;
	struct slice manager = p->manager ? directory_address(db, p->manager, a->arena) : SLICE_NONE;
	return admin_within(a, db, admin_person_set,
	    json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "address",
		admin_string(directory_address(db, a->account, a->arena)), "name", admin_string(p->name),
		"department", admin_string(p->department), "manager", admin_string(manager), "employee",
		admin_string(p->employee), "language", admin_string(p->language)),
	    NULL);
}

/* ---- aliases ---- */

static bool lists(const json_t *list, struct slice text)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		if (slice_ieq(slice_of(json_string_value(v), json_string_length(v)), text))
			return true;
	}
	return false;
}

/* Leads to this account and to nobody else. */
static bool is_his_alias(struct admin *a, struct db *db, const struct admin_address *at)
{
	int64_t account = 0;
	unsigned n = 0;
	ARENA_LOCAL(room, 65536);
	struct slice domain = SLICE_NONE, local = SLICE_NONE;
	{
		DB_ROWS q = DB_QUERY(db, MEMBERS, DT(at->domain), DT(at->local));
		for (; n < 2 && db_next(&q); n++) {
			domain = arena_dup(&room, db_octets(&q, 0));
			local = arena_dup(&room, db_octets(&q, 1));
		}
	}
	if (n == 1)
		account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(local));
	return account == a->account;
}

static enum result want_alias(
    struct admin *a, struct db *db, struct slice text, struct slice own, bool *new_out)
{
	struct admin_address at;
	enum result r = admin_address(a, text, &at);
	*new_out = false;
	if (r != OK)
		return r;
	int64_t kind = DB_NUMBER(db, 0, ADDRESS_FIND, DT(at.domain), DT(at.local));
	if (kind == ADDRESS_ALIAS && is_his_alias(a, db, &at))
		return OK;
	if (kind)
		return admin_refuse(
		    a, DENY, "uniqueness: the address " SLICE_FMT " is in use already", SLICE_ARG(text));
	*new_out = true;
	return admin_within(a, db, admin_alias_add,
	    json_pack("{s:o,s:[o]}", "address", admin_string(text), "target", admin_string(own)), NULL);
}

static enum result drop_alias(struct admin *a, struct db *db, struct slice text)
{
	struct admin_address at;
	if (admin_address(a, text, &at) != OK ||
	    DB_NUMBER(db, 0, ADDRESS_FIND, DT(at.domain), DT(at.local)) != ADDRESS_ALIAS ||
	    !is_his_alias(a, db, &at))
		return OK; /* somebody has made something else of it */
	return admin_within(
	    a, db, admin_alias_remove, json_pack("{s:o}", "address", admin_string(text)), NULL);
}

enum result directory_aliases(
    struct admin *a, struct db *db, const json_t *wanted, const json_t *made, json_t **made_out)
{
	struct slice own = directory_address(db, a->account, a->arena);
	enum result r = OK;
	size_t i;
	json_t *v;
	*made_out = json_array();
	json_array_foreach(wanted, i, v)
	{
		bool new = false;
		struct slice text = slice_of(json_string_value(v), json_string_length(v));
		if (r == OK && !slice_ieq(text, own))
			r = want_alias(a, db, text, own, &new);
		if (new || lists(made, text))
			json_array_append(*made_out, v);
	}
	json_array_foreach(made, i, v)
	{
		struct slice text = slice_of(json_string_value(v), json_string_length(v));
		if (r == OK && !lists(wanted, text))
			r = drop_alias(a, db, text);
	}
	return r;
}

/* ---- coming and going ---- */

static int64_t state_of(struct db *db, int64_t account)
{
	return DB_NUMBER(db, ACCOUNT_ACTIVE, ACCOUNT_TARGET, DI(account));
}

static enum result leave(struct admin *a, struct db *db, struct slice address)
{
	const struct store_directory *how = &a->store->settings->directory;
	int64_t manager = 0;
	if (state_of(db, a->account) == ACCOUNT_LEFT)
		return OK;
	if (how->handover) {
		DB_ROWS q = DB_QUERY(db, PERSON_GET, DI(a->account));
		manager = db_next(&q) ? db_int(&q, 1) : 0;
	}
	offboard_forget(db, a->account); /* what was planned for later */
	json_t *args =
	    json_pack("{s:o,s:I}", "address", admin_string(address), "keep_days", (json_int_t)how->keep_days);
	if (manager && state_of(db, manager) == ACCOUNT_ACTIVE)
		json_object_set_new(args, "to", admin_string(directory_address(db, manager, a->arena)));
	return admin_within(a, db, admin_offboard_add, args, NULL);
}

/* What the directory did it may undo; what an administrator or an incident did it may not. */
static enum result come_back(struct admin *a, struct db *db, struct slice address, enum directory_active from)
{
	int64_t state = state_of(db, a->account);
	bool leaves = a->store->settings->directory.inactive_leaves;
	bool ours = (from == DIRECTORY_INACTIVE && state == (leaves ? ACCOUNT_LEFT : ACCOUNT_SUSPENDED)) ||
		    (from == DIRECTORY_REMOVED && state == ACCOUNT_LEFT);
	return ours ? admin_within(a, db, admin_account_resume,
			  json_pack("{s:o}", "address", admin_string(address)), NULL)
		    : OK;
}

enum result directory_become(
    struct admin *a, struct db *db, enum directory_active to, enum directory_active *now)
{
	struct slice address = directory_address(db, a->account, a->arena);
	enum directory_active from = *now;
	if (from == to || (from == DIRECTORY_FOUND_CLOSED && to == DIRECTORY_INACTIVE))
		return OK;
	*now = to;
	if (to == DIRECTORY_ACTIVE)
		return come_back(a, db, address, from);
	if (to == DIRECTORY_REMOVED || a->store->settings->directory.inactive_leaves)
		return leave(a, db, address);
	if (state_of(db, a->account) != ACCOUNT_ACTIVE) {
		*now = DIRECTORY_FOUND_CLOSED;
		return OK;
	}
	return admin_within(
	    a, db, admin_account_suspend, json_pack("{s:o}", "address", admin_string(address)), NULL);
}
