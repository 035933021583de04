/* Sieve scripts of an account, or (address "*") of the organisation. The command has checked what it puts. */
#include "store/admin/admin.h"
#include "store/queue/filter.h"

static bool is_organisation(const struct admin *a)
{
	return slice_eq(admin_text(a, "address"), SLICE("*"));
}

/* The account, 0 for the organisation, and the script's name; the organisation's have fixed ones. */
static enum result find(struct admin *a, struct db *db, bool named, struct slice *name_out)
{
	*name_out = admin_text(a, "name");
	if (named && (!name_out->n || name_out->n > LIMIT_SCRIPT_NAME || !slice_is_utf8(*name_out)))
		return admin_refuse(a, DENY, "not a name for a script");
	if (!is_organisation(a))
		return admin_find_account(a, db, &a->account);
	a->account = 0;
	if (named && !slice_eq(*name_out, SLICE(SCRIPT_BEFORE)) && !slice_eq(*name_out, SLICE(SCRIPT_AFTER)))
		return admin_refuse(a, DENY, "the scripts of the organisation are \"before\" and \"after\"");
	return OK;
}

static enum result gone(struct admin *a, enum result r)
{
	return r == GONE ? admin_refuse(a, GONE, "no such script") : r;
}

enum result admin_sieve_list(struct admin *a, struct db *db)
{
	struct slice name;
	enum result r = find(a, db, false, &name);
	if (r != OK)
		return r;
	struct slice active = script_active(db, a->account, a->arena);
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, SCRIPT_LIST, DI(a->account));
	while (db_next(&q)) {
		bool runs = a->account ? slice_eq(db_octets(&q, 0), active) : true;
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:b,s:I,s:I,s:I,s:b}", "name", admin_string(db_octets(&q, 0)),
				   "active", runs, "version", (json_int_t)db_int(&q, 1), "changed_at_ms",
				   (json_int_t)db_int(&q, 2), "size", (json_int_t)db_int(&q, 3), "stopped",
				   db_int(&q, 4) != 0));
	}
	return OK;
}

enum result admin_sieve_show(struct admin *a, struct db *db)
{
	struct slice name;
	struct script script;
	int64_t version = admin_number(a, "version", 0);
	enum result r = find(a, db, true, &name);
	if (r == OK)
		r = gone(a,
		    version ? script_load_version(a->store, db, a->account, name, version, a->arena, &script)
			    : script_load(a->store, db, a->account, name, a->arena, &script));
	if (r != OK)
		return r;
	json_t *versions = json_array();
	DB_ROWS q = DB_QUERY(db, SCRIPT_VERSIONS, DI(a->account), DT(name));
	while (db_next(&q))
		json_array_append_new(versions,
		    json_pack("{s:I,s:I,s:I}", "version", (json_int_t)db_int(&q, 0), "changed_at_ms",
			(json_int_t)db_int(&q, 1), "size", (json_int_t)db_int(&q, 2)));
	a->answer = json_pack("{s:o,s:I,s:o,s:o}", "name", admin_string(name), "version",
	    (json_int_t)script.version, "versions", versions, "text", admin_string(script.text));
	return OK;
}

enum result admin_sieve_put(struct admin *a, struct db *db)
{
	struct slice name, text = admin_text(a, "text");
	const char *why;
	BUF_LOCAL(sealed, LIMIT_SCRIPT_SIZE + SEAL_OVERHEAD);
	enum result r = find(a, db, true, &name);
	if (r != OK)
		return r;
	if (text.n <= LIMIT_SCRIPT_SIZE)
		script_seal(a->store, a->account, text, &sealed);
	r = script_put(db, a->account, name, buf_slice(&sealed), text.n, &why);
	if (r == FULL)
		return admin_refuse(a, FULL, "%s",
		    strcmp(why, "QUOTA/MAXSIZE") == 0 ? "the script is too large" : "too many scripts");
	return r;
}

enum result admin_sieve_activate(struct admin *a, struct db *db)
{
	struct slice name;
	enum result r = find(a, db, false, &name);
	if (r == OK && !a->account)
		return admin_refuse(a, DENY, "the scripts of the organisation are always active");
	return r == OK ? gone(a, script_activate(db, a->account, name)) : r;
}

enum result admin_sieve_remove(struct admin *a, struct db *db)
{
	struct slice name;
	const char *why;
	enum result r = find(a, db, true, &name);
	if (r != OK)
		return r;
	r = script_remove(db, a->account, name, &why);
	return r == DENY ? admin_refuse(a, DENY, "it is active: activate another one, or none, before")
			 : gone(a, r);
}
