/* Tokens of the API. */
#include "mail/utf8.h"
#include "store/admin/admin.h"
#include "store/account/tokens.h"

#define DAYS 365
#define DAYS_MOST 3650

enum result admin_token_add(struct admin *a, struct db *db)
{
	BUF_LOCAL(text, 200);
	BUF_LOCAL(kept, 2000);
	struct scope scope;
	uint8_t mac[SEAL_MAC];
	struct slice name = admin_text(a, "name"), role = admin_text(a, "role");
	int64_t days = admin_number(a, "days", DAYS), now = clock_utc_ms();
	if (!name.n || name.n > TOKEN_NAME)
		return admin_refuse(a, DENY, "a token needs a name of at most %d octets", TOKEN_NAME);
	if (!role.n)
		role = SLICE("system");
	if (!role_find(role))
		return admin_refuse(a, DENY, "no such role: " SLICE_FMT, SLICE_ARG(role));
	if (scope_parse(db, admin_text(a, "scope"), a->arena, &scope) != OK)
		return admin_refuse(a, GONE, "no such scope: " SLICE_FMT, SLICE_ARG(admin_text(a, "scope")));
	if (!powers_may_give(db, a->powers, role_find(role), &scope))
		return admin_refuse(a, DENY, "this role, in this scope, is not yours to give");
	scope_put(db, &scope, true, &kept);
	if (days < 1 || days > DAYS_MOST)
		return admin_refuse(a, DENY, "a token is good for 1 to %d days", DAYS_MOST);
	int64_t id = writer_number(a->store->writer, SEQUENCE_TOKEN), expires = now + days * DAY_MS;
	token_make(a->store, &text, mac);
	DB_RUN(db, TOKEN_ADD, DI(id), DT(name), DT(role), DB(slice_of(mac, SEAL_MAC)), DI(now), DI(expires),
	    DI(a->powers->account), DT(buf_slice(&kept)));
	a->answer = json_pack("{s:I,s:o,s:o,s:I,s:o}", "id", (json_int_t)id, "name", admin_string(name),
	    "role", admin_string(role), "expires_at_ms", (json_int_t)expires, "token",
	    admin_string(buf_slice(&text)));
	return OK;
}

enum result admin_token_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, TOKENS);
	while (db_next(&q))
		json_array_append_new(
		    a->answer, json_pack("{s:I,s:o,s:o,s:I,s:I,s:I,s:o}", "id", (json_int_t)db_int(&q, 0),
				   "name", admin_string(db_octets(&q, 1)), "role",
				   admin_string(db_octets(&q, 2)), "created_at_ms", (json_int_t)db_int(&q, 3),
				   "expires_at_ms", (json_int_t)db_int(&q, 4), "used_at_ms",
				   (json_int_t)db_int(&q, 5), "scope", admin_string(db_octets(&q, 6))));
	return OK;
}

enum result admin_token_remove(struct admin *a, struct db *db)
{
	DB_RUN(db, TOKEN_REMOVE, DI(admin_number(a, "id", 0)));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "no such token");
}
