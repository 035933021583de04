/* Decoys (store/account/decoys.h), as administrators see them. */
#include "store/admin/admin.h"
#include "store/account/epoch.h"

/* An account that somebody may use is not made a decoy by mistake. */
static enum result check_unused(struct admin *a, struct db *db, int64_t id)
{
	DB_ROWS q = DB_QUERY(db, ACCOUNT_SIGNIN, DI(id));
	bool shared = db_next(&q) && db_int(&q, 6), out = !shared && db_int(&q, 0);
	db_end(&q);
	if (!shared && !out)
		return admin_refuse(a, DENY, "this is somebody's account: suspend it first");
	return OK;
}

enum result admin_decoy_add(struct admin *a, struct db *db)
{
	struct admin_address at;
	enum result r = admin_address(a, admin_text(a, "address"), &at);
	if (r != OK)
		return r;
	if (db_number(db, 0, SQL_DECOYS_COUNT, NULL, 0) >= LIMIT_DECOYS)
		return admin_refuse(a, FULL, "there are %d decoys, and no more can be made", LIMIT_DECOYS);
	a->account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(at.domain), DT(at.local));
	if (a->account) {
		r = check_unused(a, db, a->account);
	} else {
		r = admin_shared_add(a, db);
		a->account = json_integer_value(json_object_get(a->answer, "id"));
	}
	if (r != OK)
		return r;
	DB_RUN(db, ACCOUNT_SET_SHARED, DI(a->account), DI(1), DI(0));
	DB_RUN(db, ACCOUNT_SET_SUSPENDED, DI(a->account), DI(ACCOUNT_ACTIVE));
	epoch_end_sessions(a->store->writer, db, a->account, 0);
	DB_RUN(db, DECOY_ADD, DI(a->account), DI(clock_utc_ms()));
	if (!db_changed(db))
		return admin_refuse(a, DENY, "it is a decoy already");
	json_decref(a->answer);
	a->answer = json_pack("{s:o}", "address", admin_address_string(a, at.shown, at.domain));
	return OK;
}

enum result admin_decoy_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, DECOYS);
	while (db_next(&q))
		json_array_append_new(a->answer,
		    json_pack("{s:o,s:I,s:I,s:I,s:I}", "address",
			admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1)), "created_at_ms",
			(json_int_t)db_int(&q, 2), "tried", (json_int_t)db_int(&q, 3), "tried_at_ms",
			(json_int_t)db_int(&q, 4), "messages", (json_int_t)db_int(&q, 5)));
	return OK;
}

enum result admin_decoy_remove(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = admin_find_account(a, db, &id);
	if (r != OK)
		return r;
	DB_RUN(db, DECOY_REMOVE, DI(id));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "this is no decoy");
}
