/* The verbs me.* about somebody's own sessions. */
#include "store/admin/admin.h"
#include "store/account/factors.h"
#include "store/account/passwords.h"
#include "store/account/websession.h"

static const char *const state_names[] = {
    [SESSION_IN] = "in", [SESSION_FACTOR] = "factor", [SESSION_ENROL] = "enrol", [SESSION_CHANGE] = "change"};

enum result admin_me_session(struct admin *a, struct db *db)
{
	const struct actor *me = a->actor;
	int64_t due = me->factor ? 0 : factors_due(a->store, db, me->account);
	a->answer = json_pack("{s:o,s:o,s:o,s:o,s:s,s:s,s:I,s:b}", "address", admin_string(me->address),
	    "name", admin_string(me->name), "roles", roles_json(db, me->account), "verbs", admin_may_list(a),
	    "csrf", me->csrf, "state", state_names[me->state], "expires_ms", (json_int_t)me->ends_ms,
	    "factor", me->factor);
	int64_t now = clock_utc_ms(), ends = password_state(db, me->account, me->password_ms, now).ends_ms;
	if (ends && ends - now <= PASSWORD_NOTICE_MS)
		json_object_set_new(a->answer, "password_ends_ms", json_integer((json_int_t)ends));
	if (due)
		json_object_set_new(a->answer, "enrol_by_ms", json_integer((json_int_t)due));
	return OK;
}

enum result admin_me_signout(struct admin *a, struct db *db)
{
	DB_RUN(db, WEB_END, DI(a->actor->session), DI(a->actor->account));
	return OK;
}

enum result admin_me_sessions(struct admin *a, struct db *db)
{
	int64_t now = clock_utc_ms();
	BUF_LOCAL(place, 500);
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, WEB_OF_ACCOUNT, DI(a->actor->account), DI(now),
	    DI(now - a->store->settings->session_idle_ms));
	while (db_next(&q)) {
		websession_place_read(a->store, &q, 0, 6, &place);
		struct slice agent = buf_slice(&place), ip = slice_split(&agent, '\n');
		json_array_append_new(a->answer,
		    json_pack("{s:I,s:b,s:b,s:I,s:I,s:I,s:o,s:o}", "id", (json_int_t)db_int(&q, 0), "this",
			db_int(&q, 0) == a->actor->session, "factor", (int)db_int(&q, 2), "created_at_ms",
			(json_int_t)db_int(&q, 3), "used_at_ms", (json_int_t)db_int(&q, 4), "expires_at_ms",
			(json_int_t)db_int(&q, 5), "ip", admin_string(ip), "agent", admin_string(agent)));
	}
	return OK;
}

enum result admin_me_session_end(struct admin *a, struct db *db)
{
	DB_RUN(db, WEB_END, DI(admin_number(a, "id", 0)), DI(a->actor->account));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "no such session");
}
