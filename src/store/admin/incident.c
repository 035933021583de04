/* Incidents and alarms, for whoever looks after them. */
#include "store/admin/admin.h"
#include "store/account/epoch.h"
#include "store/account/signins.h"
#include "store/contain/alarm.h"
#include "store/audit/audit.h"
#include "store/contain/contain.h"
#include "store/queue/queue.h"
#include "store/queue/scripts.h"
#include <stdlib.h>

#define LIST_MOST 200
#define EVIDENCE_MAILS 20000
#define HELD_MOST 2000

static const char *const outcomes[] = {"open", "restored", "false-alarm", "over"};
static const struct {
	enum contain_step step;
	const char *name;
} steps[] = {{CONTAIN_OPEN, "opened"}, {CONTAIN_HELD, "held"}, {CONTAIN_SUSPENDED, "suspended"},
    {CONTAIN_FROZEN, "frozen"}, {CONTAIN_TOLD, "told"}};

static const char *step_name(int64_t step)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		if (steps[i].step == step)
			return steps[i].name;
	return "";
}

static json_t *incident_json(struct admin *a, const struct db_rows *q)
{
	return json_pack("{s:I,s:o,s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "id", (json_int_t)db_int(q, 0), "account",
	    admin_address_string(a, db_octets(q, 10), db_octets(q, 11)), "level",
	    points_level_name((enum points_level)db_int(q, 2)), "step", step_name(db_int(q, 3)), "outcome",
	    outcomes[MIN((size_t)db_int(q, 8), COUNT(outcomes) - 1)], "opened_at_ms",
	    (json_int_t)db_int(q, 4), "bad_since_ms", (json_int_t)db_int(q, 5), "suspended_at_ms",
	    (json_int_t)db_int(q, 6), "closed_at_ms", (json_int_t)db_int(q, 7));
}

enum result admin_incident_list(struct admin *a, struct db *db)
{
	int64_t account = 0, most = MIN(MAX(admin_number(a, "limit", LIST_MOST), 1), 10000);
	if (admin_text(a, "address").n) {
		enum result r = admin_find_account(a, db, &account);
		if (r != OK)
			return r;
	}
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(
	    db, INCIDENT_LIST, DI(account), DI(json_is_true(json_object_get(a->args, "open"))), DI(most));
	while (db_next(&q))
		json_array_append_new(a->answer, incident_json(a, &q));
	return OK;
}

struct incident {
	int64_t id, account, bad_since, suspended, closed;
	struct slice address, frozen;
};

static enum result find(struct admin *a, struct db *db, struct incident *out, json_t **json_out)
{
	DB_ROWS q = DB_QUERY(db, INCIDENT_GET, DI(admin_number(a, "id", 0)));
	if (!db_next(&q))
		return admin_refuse(a, GONE, "no such incident");
	*out = (struct incident){.id = db_int(&q, 0),
	    .account = db_int(&q, 1),
	    .bad_since = db_int(&q, 5),
	    .suspended = db_int(&q, 6),
	    .closed = db_int(&q, 7),
	    .address = slice_str(arena_printf(a->arena, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(&q, 10)),
		SLICE_ARG(db_octets(&q, 11)))),
	    .frozen = contain_frozen(a->store, db_octets(&q, 9), a->arena)};
	if (json_out)
		*json_out = incident_json(a, &q);
	return OK;
}

static json_t *signals_json(struct db *db, int64_t account)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, SIGNALS_OF, DI(account));
	while (db_next(&q)) {
		const struct points_text *text = points_text((enum points_signal)db_int(&q, 0));
		if (text)
			json_array_append_new(
			    list, json_pack("{s:s,s:s,s:s,s:i,s:I,s:I,s:I}", "signal", text->name, "text",
				      text->en, "text_ja", text->ja, "points", (int)text->points,
				      "first_at_ms", (json_int_t)db_int(&q, 1), "last_at_ms",
				      (json_int_t)db_int(&q, 2), "times", (json_int_t)db_int(&q, 3)));
	}
	return list;
}

static json_t *scripts_json(struct db *db, const struct incident *i)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, SCRIPTS_CHANGED, DI(i->account), DI(i->bad_since));
	while (db_next(&q))
		json_array_append_new(list, admin_string(db_octets(&q, 0)));
	return list;
}

enum result admin_incident_show(struct admin *a, struct db *db)
{
	struct incident i;
	struct spend_state s;
	enum result r = find(a, db, &i, &a->answer);
	if (r != OK)
		return r;
	spend_look(a->store, db, i.account, &s);
	json_object_set_new(a->answer, "signals", signals_json(db, i.account));
	json_object_set_new(a->answer, "held", json_integer((json_int_t)s.held));
	json_object_set_new(a->answer, "recipients_left_for",
	    json_integer(DB_NUMBER(db, 0, SPENT_WENT, DI(i.account), DI(i.bad_since / BUDGET_SLOT_MS))));
	json_object_set_new(a->answer, "filters_changed", scripts_json(db, &i));
	json_object_set_new(a->answer, "filter_stopped", i.frozen.n ? admin_string(i.frozen) : json_null());
	return OK;
}

/* ---- evidence ---- */

static void put(json_t *o, const char *key, const json_t *from, const char *name)
{
	json_t *v = json_object_get(from, name);
	json_object_set(o, key, json_is_string(v) ? v : json_null());
}

/* What became of each recipient of one message: its steps in their order, the last word holds. */
static void add_recipients(json_t *list, const json_t *mail)
{
	static const struct {
		const char *step, *state;
	} states[] = {{"addressed", "held"}, {"queued", "waiting"}, {"delivered", "delivered"},
	    {"filtered", "delivered"}, {"junked", "delivered"}, {"sent", "delivered"},
	    {"deferred", "waiting"}, {"failed", "bounced"}};
	json_t *to = json_object(), *received = NULL, *step, *one;
	bool removed = false;
	const char *key;
	size_t n;
	json_array_foreach(json_object_get(mail, "steps"), n, step)
	{
		const char *name = json_string_value(json_object_get(step, "step"));
		if (strcmp(name, "received") == 0 && !received)
			received = step;
		removed |= strcmp(name, "removed") == 0;
		const char *address = json_string_value(json_object_get(step, "to"));
		for (size_t i = 0; address && i < COUNT(states); i++) {
			if (strcmp(name, states[i].step) != 0)
				continue;
			one = json_pack("{s:O,s:O,s:O,s:s}", "at_ms", json_object_get(step, "at_ms"), "mail",
			    json_object_get(mail, "mail"), "to", json_object_get(step, "to"), "state",
			    states[i].state);
			put(one, "host", step, "host");
			put(one, "reply", step, "reply");
			json_object_set_new(to, address, one);
		}
	}
	json_object_foreach(to, key, one)
	{
		put(one, "ip", received, "ip");
		put(one, "subject", received, "subject");
		if (removed && strcmp(json_string_value(json_object_get(one, "state")), "held") == 0)
			json_object_set_new(one, "state", json_string("removed"));
		json_array_append(list, one);
	}
	json_decref(to);
}

/* Of everything else that is answered, compact and its keys in order: whoever gets a copy can tell that it is whole. */
static void put_digest(json_t *answer)
{
	uint8_t digest[32];
	BUF_LOCAL(hex, 2 * sizeof digest);
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
	seal_sha256(slice_str(text ? text : ""), digest);
	free(text);
	buf_hex(&hex, slice_of(digest, sizeof digest));
	json_object_set_new(answer, "digest", admin_string(buf_slice(&hex)));
}

enum result admin_incident_evidence(struct admin *a, struct db *db)
{
	struct incident i;
	enum result r = admin_incident_show(a, db);
	if (r == OK)
		r = find(a, db, &i, NULL);
	if (r != OK)
		return r;
	int64_t token = seal_token(a->store->seal, "account", i.address);
	json_t *mails = admin_trace_since(a, db, token, i.bad_since, EVIDENCE_MAILS);
	json_t *list = json_array(), *mail;
	size_t n;
	json_array_foreach(mails, n, mail) add_recipients(list, mail);
	json_decref(mails);
	json_object_set_new(a->answer, "recipients", list);
	put_digest(a->answer);
	return OK;
}

/* ---- ending it ---- */

static enum result find_open(struct admin *a, struct db *db, struct incident *i)
{
	enum result r = find(a, db, i, NULL);
	if (r != OK)
		return r;
	if (i->closed)
		return admin_refuse(a, DENY, "this incident is over");
	/* Whoever sits at a stolen account would say that all is well. */
	if (a->powers->account == i->account)
		return admin_refuse(a, DENY, "somebody else must do this");
	return OK;
}

enum letting { LET_KNOWN, LET_ALL, LET_NONE };

/* What is held goes, is taken away, or stays to be picked. */
static enum result settle_held(struct admin *a, struct db *db, const struct incident *i, enum letting what)
{
	struct slice *go = arena_array(a->arena, HELD_MOST, sizeof *go);
	struct slice *rest = arena_array(a->arena, HELD_MOST, sizeof *rest);
	size_t n_go = 0, n_rest = 0;
	if (!go || !rest)
		return LATER;
	{
		DB_ROWS q = DB_QUERY(db, HELD_MAILS, DI(i->account), DI(HELD_MOST));
		while (db_next(&q) && n_go + n_rest < HELD_MOST) {
			bool harmless = db_int(&q, 1) == 0 && db_int(&q, 2) == CONTEXT_FAMILIAR;
			struct slice mail = arena_dup(a->arena, db_octets(&q, 0));
			if (what == LET_ALL || harmless)
				go[n_go++] = mail;
			else
				rest[n_rest++] = mail;
		}
	}
	for (size_t k = 0; what == LET_ALL && k < n_go; k++)
		admin_hold_learn(a, db, go[k]);
	enum result r = admin_queue_settle(a, db, go, n_go, rest, what == LET_NONE ? n_rest : 0);
	if (r == OK)
		a->answer = json_pack("{s:I,s:o,s:i,s:i,s:i}", "id", (json_int_t)i->id, "account",
		    admin_string(i->address), "released", (int)n_go, "removed",
		    what == LET_NONE ? (int)n_rest : 0, "held", what == LET_NONE ? 0 : (int)n_rest);
	return r;
}

/* A word of a few. */
static enum result take_choice(
    struct admin *a, const char *key, const char *const *words, size_t n, unsigned *out)
{
	struct slice word = admin_text(a, key);
	*out = 0; /* the first, when nothing is said */
	for (unsigned i = 0; i < n; i++)
		if (slice_eq(word, slice_str(words[i]))) {
			*out = i;
			return OK;
		}
	if (!word.n)
		return OK;
	return admin_refuse(a, DENY, "%s is %s, %s or %s", key, words[0], words[1], words[2]);
}

enum filter_choice { FILTER_OFF, FILTER_FORMER, FILTER_ON };
static const char *const filter_words[] = {"off", "former", "on"};
static const char *const held_words[] = {[LET_KNOWN] = "known", [LET_ALL] = "all", [LET_NONE] = "none"};

/* The filter that was stopped, or was changed since it began while nothing was stopped yet. */
static struct slice suspect_filter(struct admin *a, struct db *db, const struct incident *i)
{
	DB_ROWS q = DB_QUERY(db, SCRIPT_ACTIVE_CHANGED, DI(i->account), DI(i->bad_since));
	return !i->frozen.n && db_next(&q) ? arena_dup(a->arena, db_octets(&q, 0)) : i->frozen;
}

/* It is off, or runs as it was before it was changed, or as it is. */
static enum result settle_filter(
    struct admin *a, struct db *db, const struct incident *i, enum filter_choice what)
{
	struct slice name = suspect_filter(a, db, i);
	if (!name.n || (what == FILTER_OFF && i->frozen.n))
		return OK;
	if (what == FILTER_FORMER)
		DB_RUN(db, SCRIPT_CHANGED_REMOVE, DI(i->account), DT(name), DI(i->bad_since));
	if (script_activate(db, i->account, what == FILTER_OFF ? SLICE_NONE : name) != OK)
		return admin_refuse(a, GONE, "there is no such filter from before it began: filter off");
	return OK;
}

/*
 * Whoever says this says that the password is known to somebody else: it is good for nothing from now on, even where it came to
 * no suspension.
 */
static void end_credentials(struct admin *a, struct db *db, const struct incident *i)
{
	if (i->suspended)
		return;
	epoch_bump(a->store->writer, db, i->account);
	signins_forget(db, i->account, i->bad_since);
}

enum result admin_incident_restore(struct admin *a, struct db *db)
{
	struct incident i;
	unsigned held, filter;
	enum result r = take_choice(a, "held", held_words, COUNT(held_words), &held);
	if (r == OK)
		r = take_choice(a, "filter", filter_words, COUNT(filter_words), &filter);
	if (r == OK)
		r = find_open(a, db, &i);
	if (r == OK)
		r = settle_filter(a, db, &i, (enum filter_choice)filter);
	if (r != OK)
		return r;
	/* What was learned from the other one is no knowledge. */
	DB_RUN(db, KNOWN_UNLEARN, DI(i.account), DI(i.bad_since));
	DB_RUN(db, SPENT_UNLEARN, DI(i.account), DI(i.bad_since / BUDGET_SLOT_MS));
	end_credentials(a, db, &i);
	DB_RUN(db, ACCOUNT_UNCONTAIN, DI(i.account));
	r = settle_held(a, db, &i, (enum letting)held);
	contain_close(db, i.account, i.id, CONTAIN_RESTORED);
	return r;
}

enum result admin_incident_false_alarm(struct admin *a, struct db *db)
{
	struct incident i;
	enum result r = find_open(a, db, &i);
	if (r != OK)
		return r;
	DB_RUN(db, ACCOUNT_UNCONTAIN, DI(i.account));
	if (i.frozen.n && !DB_NUMBER(db, 0, SCRIPT_ACTIVE_ANY, DI(i.account)))
		DB_RUN(db, SCRIPT_ACTIVATE, DI(i.account), DT(i.frozen));
	r = settle_held(a, db, &i, LET_ALL);
	contain_close(db, i.account, i.id, CONTAIN_FALSE_ALARM);
	return r;
}

/* ---- alarms ---- */

enum result admin_alarm_list(struct admin *a, struct db *db)
{
	alarm_list(a->store, db, admin_number(a, "since_ms", 0),
	    MIN(MAX(admin_number(a, "limit", LIST_MOST), 1), 10000), a->arena, &a->answer);
	return OK;
}

enum result admin_alarm_test(struct admin *a, struct db *db)
{
	alarm_put(a->store, db,
	    &(struct alarm){.kind = "test",
		.severity = ALARM_INFO,
		.en = SLICE("A test of the alarms\n\nNothing has happened. This is how alarms reach you."),
		.ja = SLICE("警報の試験\n\n何も起きていません。警報はこのように届きます。")});
	return OK;
}
