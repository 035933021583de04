/* index.status, index.rebuild, index.verify */
#include "store/admin/admin.h"
#include "store/search/search.h"
#include "store/search/verify.h"

/* Runs for the account named by "address", or for all. */
typedef enum result each_account(struct admin *a, struct db *db, int64_t account, json_t *address);

static enum result for_accounts(struct admin *a, struct db *db, each_account *each)
{
	SEARCH_LIST(accounts);
	if (admin_text(a, "address").n) {
		int64_t id;
		enum result r = admin_find_account(a, db, &id);
		if (r != OK)
			return r;
		search_list_add(&accounts, id);
	} else {
		DB_ROWS q = DB_QUERY(db, SEARCH_ACCOUNTS, DI(ORGANISATION));
		while (db_next(&q))
			search_list_add(&accounts, db_int(&q, 0));
	}
	enum result r = db_result(db);
	a->answer = json_array();
	for (size_t i = 0; r == OK && i < accounts.n; i++) {
		json_t *address = NULL;
		{
			DB_ROWS q = DB_QUERY(db, ACCOUNT_LOGIN, DI(accounts.v[i]));
			if (db_next(&q))
				address = admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1));
		}
		if (address)
			r = each(a, db, accounts.v[i], address);
	}
	return r;
}

/* ---- status ---- */

static uint64_t messages_of(struct db *db, int64_t account)
{
	uint64_t n = 0;
	DB_ROWS q = DB_QUERY(db, SEARCH_BOXES, DI(account), DI(0));
	while (db_next(&q))
		n += (uint64_t)db_int(&q, 3);
	return n;
}

static enum result status_of(struct admin *a, struct db *db, int64_t account, json_t *address)
{
	int64_t index = DB_NUMBER(db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_SERVING));
	int64_t building = DB_NUMBER(db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_BUILDING));
	__attribute__((cleanup(search_parts_free))) struct search_parts parts;
	struct search_part sum = {0};
	search_parts_of(db, index, &parts);
	for (size_t i = 0; i < parts.n; i++) {
		sum.docs += parts.v[i].docs;
		sum.text += parts.v[i].text;
		sum.octets += parts.v[i].octets;
		sum.cut += parts.v[i].cut;
		sum.unreadable += parts.v[i].unreadable;
		sum.reduced += parts.v[i].reduced;
	}
	json_t *v = json_pack("{s:o,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "address", address,
	    "rebuilding", building != 0, "messages", (json_int_t)messages_of(db, account), "indexed",
	    (json_int_t)sum.docs, "waiting", (json_int_t)search_due_count(db, account, index), "segments",
	    (json_int_t)parts.n, "text_octets", (json_int_t)sum.text, "index_octets", (json_int_t)sum.octets,
	    "cut", (json_int_t)sum.cut, "unreadable", (json_int_t)sum.unreadable, "reduced",
	    (json_int_t)sum.reduced);
	if (building)
		json_object_set_new(
		    v, "rebuild_waiting", json_integer((json_int_t)search_due_count(db, account, building)));
	struct search_failure failure;
	if (search_failure_of(a->store->search, account, &failure)) {
		json_object_set_new(v, "error", json_string(failure.why));
		json_object_set_new(v, "error_at_ms", json_integer((json_int_t)failure.at_ms));
	}
	json_array_append_new(a->answer, v);
	return db_result(db);
}

enum result admin_index_status(struct admin *a, struct db *db)
{
	return for_accounts(a, db, status_of);
}

/* ---- rebuild ---- */

static enum result rebuild(struct admin *a, struct db *db, int64_t account, json_t *address)
{
	if (!DB_NUMBER(db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_BUILDING)))
		DB_RUN(db, SEARCH_INDEX_ADD, DI(writer_number(a->store->writer, SEQUENCE_SEARCH)),
		    DI(account), DI(SEARCH_BUILDING), DI(clock_utc_ms()));
	json_array_append_new(a->answer, json_pack("{s:o,s:b}", "address", address, "rebuilding", 1));
	return OK;
}

/* Once it is committed. */
static void look(struct admin *a)
{
	search_look_around(a->store->search);
}

enum result admin_index_rebuild(struct admin *a, struct db *db)
{
	a->after = look;
	return for_accounts(a, db, rebuild);
}

/* ---- verify ---- */

static enum result verify(struct admin *a, struct db *db, int64_t account, json_t *address)
{
	struct search_verdict v = {0};
	bool deep = json_is_true(json_object_get(a->args, "deep"));
	enum result r = search_verify(a->store, db, account, deep, &v);
	json_t *missing = json_array(), *differ = json_array();
	for (size_t i = 0; i < v.missing.n && i < SEARCH_VERIFY_SHOWN; i++)
		json_array_append_new(missing, json_sprintf("M%lld", (long long)v.missing.v[i]));
	for (size_t i = 0; i < v.differ.n && i < SEARCH_VERIFY_SHOWN; i++)
		json_array_append_new(differ, json_sprintf("M%lld", (long long)v.differ.v[i]));
	bool good = r == OK && !v.missing.n && !v.differ.n && !v.damaged;
	json_array_append_new(
	    a->answer, json_pack("{s:o,s:b,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "address", address, "ok", good,
			   "checked", (json_int_t)v.checked, "waiting", (json_int_t)v.waiting, "segments",
			   (json_int_t)v.segments, "damaged", (json_int_t)v.damaged, "missing_count",
			   (json_int_t)v.missing.n, "missing", missing, "different", differ));
	search_list_free(&v.missing);
	search_list_free(&v.differ);
	return r;
}

enum result admin_index_verify(struct admin *a, struct db *db)
{
	return for_accounts(a, db, verify);
}
