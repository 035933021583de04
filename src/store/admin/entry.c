/* Access rules: listing, changing without locking oneself out, and explaining. */
#include "store/admin/admin.h"
#include "store/audit/audit.h"
#include "store/account/entry.h"

#define RULES_ARENA ((size_t)4 << 20)
#define ADMIN_IPS 20

static json_t *rule_json(const struct access_rule *r)
{
	BUF_LOCAL(doors, 200);
	BUF_LOCAL(who, 1000);
	doors_put(r->doors, &doors);
	access_who_put(r->who, r->name, &who);
	return json_pack("{s:I,s:s,s:o,s:o,s:o}", "id", (json_int_t)r->id, "action",
	    access_action_name(r->action), "services", admin_string(buf_slice(&doors)), "who",
	    admin_string(buf_slice(&who)), "from", admin_string(r->place));
}

static int64_t pending_until(struct db *db)
{
	DB_ROWS q = DB_QUERY0(db, ACCESS_PENDING);
	return db_next(&q) ? db_int(&q, 0) : 0;
}

static json_t *preset_json(const struct store *s)
{
	bool on = *s->settings->home_country && s->settings->geo;
	return json_pack("{s:b,s:s,s:s}", "in_force", on, "services", door_name(DOOR_SMTP_AUTH), "only_from",
	    s->settings->home_country);
}

enum result admin_access_list(struct admin *a, struct db *db)
{
	json_t *list = json_array();
	a->answer = json_pack("{s:o,s:o}", "rules", list, "preset", preset_json(a->store));
	DB_ROWS q = DB_QUERY0(db, ACCESS_RULES);
	while (db_next(&q)) {
		BUF_LOCAL(doors, 200);
		doors_put((unsigned)db_int(&q, 2), &doors);
		json_array_append_new(
		    list, json_pack("{s:I,s:s,s:o,s:o,s:o,s:o,s:I}", "id", (json_int_t)db_int(&q, 0),
			      "action", access_action_name((enum access_action)db_int(&q, 1)), "services",
			      admin_string(buf_slice(&doors)), "who", admin_string(db_octets(&q, 3)), "from",
			      admin_string(db_octets(&q, 4)), "note", admin_string(db_octets(&q, 5)),
			      "created_ms", (json_int_t)db_int(&q, 6)));
	}
	int64_t until = pending_until(db);
	if (until)
		json_object_set_new(a->answer, "confirm_by_ms", json_integer(until));
	return OK;
}

/* ---- changing ---- */

/* The rules as they are kept, to be put back. The caller frees it. */
static json_t *rules_kept(struct db *db)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY0(db, ACCESS_RULES);
	while (db_next(&q))
		json_array_append_new(
		    list, json_pack("{s:I,s:I,s:I,s:o,s:o,s:o,s:I,s:I}", "id", (json_int_t)db_int(&q, 0),
			      "action", (json_int_t)db_int(&q, 1), "doors", (json_int_t)db_int(&q, 2), "who",
			      admin_string(db_octets(&q, 3)), "place", admin_string(db_octets(&q, 4)), "note",
			      admin_string(db_octets(&q, 5)), "created", (json_int_t)db_int(&q, 6),
			      "position", (json_int_t)db_int(&q, 7)));
	return list;
}

struct change {
	json_t *before; /* rules_kept */
	bool changed;
};

static enum result change_begin(struct admin *a, struct db *db, struct change *c)
{
	if (pending_until(db))
		return admin_refuse(a, DENY, "a change waits to be confirmed (access confirm)");
	c->before = rules_kept(db);
	return OK;
}

static bool admits(struct admin *a, struct db *db, const struct access_rules *rules, int64_t account,
    const struct ip *ip, enum door door)
{
	struct access_verdict v;
	entry_judge_in(a->store, db, rules, account, door, ip, &v);
	return v.allowed;
}

static int64_t actor_account(const struct admin *a)
{
	return a->actor->account ? a->actor->account : a->powers->account;
}

/* The command on this machine is always there; others come by a door. */
static bool shuts_out_actor(struct admin *a, struct db *db, const struct access_rules *rules)
{
	struct ip ip;
	if (ip_read(slice_str(a->actor->audit.from), &ip) != OK)
		return false;
	bool token = slice_starts(slice_str(a->actor->audit.who), SLICE("token "));
	return !admits(a, db, rules, actor_account(a), &ip, token ? DOOR_API : DOOR_WEB) ||
	       !admits(a, db, rules, actor_account(a), &ip, DOOR_ADMIN);
}

/* No administrator could come in from any network that he was seen in lately, by the console. */
static bool shuts_out_all(struct admin *a, struct db *db, const struct access_rules *rules)
{
	bool seen = false;
	DB_ROWS q = DB_QUERY(db, ACCESS_ADMIN_IPS, DI(clock_utc_ms() - 30 * DAY_MS), DI(ADMIN_IPS * 10));
	while (db_next(&q)) {
		struct ip ip;
		if (ip_read(db_octets(&q, 1), &ip) != OK)
			continue;
		seen = true;
		if (admits(a, db, rules, db_int(&q, 0), &ip, DOOR_WEB) &&
		    admits(a, db, rules, db_int(&q, 0), &ip, DOOR_ADMIN))
			return false;
	}
	return seen;
}

static void reload(struct admin *a)
{
	result_ignore(entry_load(a->store)); /* the keeper tries again within a second */
}

/* Decides whether the change has to be confirmed, and answers. */
static enum result change_end(struct admin *a, struct db *db, struct change *c, int64_t id)
{
	ARENA_LOCAL(arena, RULES_ARENA);
	struct access_rules rules;
	entry_changed(db);
	enum result r = entry_rules_read(a->store, db, &arena, &rules);
	if (r != OK) {
		entry_rules_free(&rules);
		return r;
	}
	bool you = shuts_out_actor(a, db, &rules), all = shuts_out_all(a, db, &rules);
	entry_rules_free(&rules);
	a->answer = json_pack("{s:I}", "id", (json_int_t)id);
	a->after = reload;
	if (!you && !all)
		return db_result(db);
	int64_t until = clock_utc_ms() + a->store->settings->access_confirm_ms;
	char *text = json_dumps(c->before, JSON_COMPACT);
	if (text)
		DB_RUN(db, ACCESS_PENDING_ADD, DI(until), DZ(text));
	free(text);
	json_object_set_new(a->answer, "confirm_by_ms", json_integer(until));
	json_object_set_new(a->answer, "shuts_out", json_string(all ? "every administrator" : "you"));
	return text ? db_result(db) : LATER;
}

static enum result change_done(struct change *c, enum result r)
{
	json_decref(c->before);
	c->before = NULL;
	return r;
}

static enum result read_rule(struct admin *a, struct db *db, struct access_rule *rule, unsigned *doors)
{
	struct slice action = admin_text(a, "action"), wrong, who = admin_text(a, "who"),
		     from = admin_text(a, "from");
	if (!slice_eq(action, SLICE("allow")) && !slice_eq(action, SLICE("deny")))
		return admin_refuse(a, DENY, "a rule says allow or deny");
	rule->action = slice_eq(action, SLICE("allow")) ? ACCESS_ALLOW : ACCESS_DENY;
	if (doors_read(admin_text(a, "services"), doors) != OK)
		return admin_refuse(a, DENY,
		    "services are smtp-auth, imap, pop3, sieve, web, api, admin or all, with commas between");
	if (access_who_read(who.n ? who : SLICE("everybody"), &rule->who, &rule->name) != OK)
		return admin_refuse(
		    a, DENY, "whom: everybody, account:ADDRESS, group:ADDRESS, role:NAME or domain:NAME");
	if (access_place_read(from.n ? from : SLICE("any"), rule, &wrong) != OK)
		return admin_refuse(a, DENY, "neither a network nor a country: " SLICE_FMT, SLICE_ARG(wrong));
	return OK;
}

/* In front of that rule, else behind all. Positions are made anew: there are few rules. */
static int64_t place_of(struct admin *a, struct db *db, int64_t before)
{
	int64_t at = before ? DB_NUMBER(db, 0, ACCESS_POSITION, DI(before)) : 0;
	if (!at) {
		DB_ROWS q = DB_QUERY0(db, ACCESS_LAST);
		return db_next(&q) ? db_int(&q, 0) + 1 : 1;
	}
	DB_RUN(db, ACCESS_PUSH, DI(at));
	return at;
}

static enum result add_rule(struct admin *a, struct db *db, int64_t *id_out)
{
	struct access_rule rule = {0};
	unsigned doors = 0;
	BUF_LOCAL(who, 1000);
	struct slice from = admin_text(a, "from");
	enum result r = read_rule(a, db, &rule, &doors);
	access_rule_free(&rule);
	if (r != OK)
		return r;
	if (DB_NUMBER(db, 0, ACCESS_COUNT, DI(0)) >= LIMIT_ACCESS_RULES)
		return admin_refuse(a, FULL, "there are too many rules");
	access_who_put(rule.who, rule.name, &who);
	*id_out = writer_number(a->store->writer, SEQUENCE_SIGNIN);
	DB_RUN(db, ACCESS_RULE_ADD, DI(*id_out), DI(place_of(a, db, admin_number(a, "before", 0))),
	    DI(rule.action), DI(doors), DT(buf_slice(&who)), DT(from.n ? from : SLICE("any")),
	    DT(admin_text(a, "note")), DI(clock_utc_ms()));
	return db_result(db);
}

enum result admin_access_add(struct admin *a, struct db *db)
{
	struct change c = {0};
	int64_t id = 0;
	enum result r = change_begin(a, db, &c);
	if (r == OK)
		r = add_rule(a, db, &id);
	if (r == OK)
		r = change_end(a, db, &c, id);
	return change_done(&c, r);
}

enum result admin_access_remove(struct admin *a, struct db *db)
{
	struct change c = {0};
	int64_t id = admin_number(a, "id", 0);
	enum result r = change_begin(a, db, &c);
	if (r == OK) {
		DB_RUN(db, ACCESS_RULE_REMOVE, DI(id));
		r = db_changed(db) ? change_end(a, db, &c, id) : admin_refuse(a, GONE, "no such rule");
	}
	return change_done(&c, r);
}

enum result admin_access_move(struct admin *a, struct db *db)
{
	struct change c = {0};
	int64_t id = admin_number(a, "id", 0), before = admin_number(a, "before", 0);
	enum result r = change_begin(a, db, &c);
	if (r == OK && (!DB_NUMBER(db, 0, ACCESS_POSITION, DI(id)) ||
			   (before && !DB_NUMBER(db, 0, ACCESS_POSITION, DI(before)))))
		r = admin_refuse(a, GONE, "no such rule");
	if (r == OK && id != before) {
		DB_RUN(db, ACCESS_RULE_MOVE, DI(id), DI(place_of(a, db, before)));
		r = change_end(a, db, &c, id);
	}
	return change_done(&c, r);
}

enum result admin_access_confirm(struct admin *a, struct db *db)
{
	if (!pending_until(db))
		return admin_refuse(a, GONE, "no change waits to be confirmed");
	DB_RUN0(db, ACCESS_PENDING_DROP);
	return db_result(db);
}

/* ---- explaining ---- */

static void add_step(json_t *steps, const struct access_rule *rule, enum access_step step)
{
	json_t *v = rule_json(rule);
	json_object_set_new(v, "outcome", json_string(access_step_name(step)));
	json_array_append_new(steps, v);
}

static void explain(struct admin *a, const struct access_rules *rules, const struct access_ask *ask)
{
	struct access_verdict v;
	json_t *steps = json_array();
	access_judge(rules, ask, &v);
	for (size_t i = 0; i < rules->n; i++) {
		add_step(steps, &rules->at[i], access_try(&rules->at[i], ask));
		if (&rules->at[i] == v.rule)
			break;
	}
	a->answer =
	    json_pack("{s:s,s:s,s:s,s:b,s:o,s:o}", "verdict", v.allowed ? "allowed" : "refused", "decided_by",
		v.rule     ? "rule"
		: v.preset ? "preset"
			   : "no rule",
		"country", ask->country, "own_network", ask->home, "steps", steps, "preset",
		preset_json(a->store));
	if (v.rule)
		json_object_set_new(a->answer, "rule", json_integer(v.rule->id));
}

enum result admin_access_explain(struct admin *a, struct db *db)
{
	ARENA_LOCAL(arena, RULES_ARENA);
	struct access_rules rules;
	struct access_ask ask;
	struct entry_who who = {.db = db};
	struct ip ip;
	enum door door;
	char country[3];
	if (ip_read(admin_text(a, "ip"), &ip) != OK)
		return admin_refuse(a, DENY, "not an address: " SLICE_FMT, SLICE_ARG(admin_text(a, "ip")));
	if (door_read(admin_text(a, "service"), &door) != OK)
		return admin_refuse(
		    a, BAD, "no such service: " SLICE_FMT, SLICE_ARG(admin_text(a, "service")));
	enum result r = admin_text(a, "address").n ? admin_find_account(a, db, &who.account) : OK;
	if (r != OK)
		return r;
	r = entry_rules_read(a->store, db, &arena, &rules);
	if (r == OK) {
		entry_ask(a->store, &who, door, &ip, country, &ask);
		explain(a, &rules, &ask);
	}
	entry_rules_free(&rules);
	return r;
}
