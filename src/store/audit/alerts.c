/*
 * Alerts: rows of the audit that somebody should look at. Rules are rows of a table: which acts, by whom, done or
 * refused, outside of working hours, how often in how long. What matches is kept until a person has said that he
 * looked.
 */
#include "store/queue/notice.h"
#include "store/account/people.h"
#include <stdlib.h>

#define SEEN "alerts seen" /* in numbers: one more than the last row of the audit that was looked at */
#define ROW_MOST ((size_t)2 << 20)
#define HITS 50 /* alerts of one batch that are kept one by one */
#define LIST 100
#define LIST_OCTETS ((size_t)8 << 20)

struct rule {
	int64_t id, from, to, zone, times, window;
	struct slice name, act, who, result;
};

struct hit {
	int64_t number;
	struct slice rule, act, who;
};

struct round {
	struct job job;
	int64_t since, upto; /* as SEEN says before and after */
	struct hit hit[HITS];
	size_t n;
};

/* ---- matching ---- */

static bool act_matches(struct slice pattern, struct slice act)
{
	if (slice_iends(pattern, SLICE("*")))
		return slice_starts(act, slice_sub(pattern, 0, pattern.n - 1));
	return slice_eq(pattern, act);
}

/* Monday to Friday from..to in the rule's zone are working hours. */
static bool outside_hours(const struct rule *r, int64_t at_ms)
{
	int64_t local = at_ms + r->zone * MINUTE_MS;
	int64_t day = (local / DAY_MS + 4) % 7,
		hour = local % DAY_MS / HOUR_MS; /* 1970 began on a Thursday; 0: Sunday */
	if (!r->from && !r->to)
		return true;
	return day == 0 || day == 6 || hour < r->from || hour >= r->to;
}

struct seen {
	int64_t number, at;
	struct slice act, who;
	bool refused;
};

static bool read_row(
    const struct store *s, const struct db_rows *q, struct buf *text, struct arena *a, struct seen *out)
{
	struct audit_row row;
	if (audit_read(s, q, text, &row) != OK)
		return false;
	json_t *v = json_loadb(row.text.p, row.text.n, 0, NULL);
	const char *result = json_string_value(json_object_get(v, "result"));
	*out = (struct seen){.number = row.number,
	    .at = row.at_ms,
	    .act = arena_dup(a, slice_str(json_string_value(json_object_get(v, "act")))),
	    .who = arena_dup(a, slice_str(json_string_value(json_object_get(v, "who")))),
	    .refused = result && strcmp(result, "ok") != 0};
	json_decref(v);
	return true;
}

static bool row_matches(const struct rule *r, const struct seen *row)
{
	if (!act_matches(r->act, row->act) || (r->who.n && !slice_eq(r->who, row->who)))
		return false;
	if (slice_eq(r->result, SLICE("ok")) && row->refused)
		return false;
	if (slice_eq(r->result, SLICE("refused")) && !row->refused)
		return false;
	return outside_hours(r, row->at);
}

/* Each `times`-th in the window, by the same. */
static bool often_enough(const struct store *s, struct db *db, const struct rule *r, const struct seen *row)
{
	ARENA_LOCAL(a, (size_t)16 << 20);
	BUF_LOCAL(text, ROW_MOST);
	int64_t n = 0;
	struct seen other;
	DB_ROWS q = DB_QUERY(db, AUDIT_BY_WHO, DI(seal_token(s->seal, "audit who", row->who)),
	    DI(row->number), DI(row->at - r->window), DI(LIMIT_ALERT_LOOK));
	while (db_next(&q))
		n += read_row(s, &q, &text, &a, &other) && row_matches(r, &other);
	return n >= r->times && n % r->times == 0;
}

static bool rule_matches(const struct store *s, struct db *db, const struct rule *r, const struct seen *row)
{
	return row_matches(r, row) && (r->times <= 1 || often_enough(s, db, r, row));
}

static size_t load_rules(struct db *db, struct arena *a, struct rule *rules)
{
	size_t n = 0;
	DB_ROWS q = DB_QUERY0(db, ALERT_RULES);
	while (n < LIMIT_ALERT_RULES && db_next(&q))
		rules[n++] = (struct rule){.id = db_int(&q, 0),
		    .name = arena_dup(a, db_octets(&q, 1)),
		    .act = arena_dup(a, db_octets(&q, 2)),
		    .who = arena_dup(a, db_octets(&q, 3)),
		    .result = arena_dup(a, db_octets(&q, 4)),
		    .from = db_int(&q, 5),
		    .to = db_int(&q, 6),
		    .zone = db_int(&q, 7),
		    .times = db_int(&q, 8),
		    .window = db_int(&q, 9)};
	return n;
}

/* A row that cannot be read matches nothing: `audit.verify` is for that. */
static void look(struct store *s, struct db *db, struct arena *a, struct round *round)
{
	struct rule *rules = arena_array(a, LIMIT_ALERT_RULES, sizeof *rules);
	size_t n = rules ? load_rules(db, a, rules) : 0;
	BUF_LOCAL(text, ROW_MOST);
	DB_ROWS q = DB_QUERY(db, AUDIT_ROWS, DI(round->since - 1), DI(LIMIT_AUDIT_BATCH));
	while (db_next(&q)) {
		struct seen row;
		round->upto = db_int(&q, 0) + 1;
		if (!read_row(s, &q, &text, a, &row))
			continue;
		for (size_t i = 0; i < n && round->n < HITS; i++)
			if (rule_matches(s, db, &rules[i], &row))
				round->hit[round->n++] =
				    (struct hit){row.number, rules[i].name, row.act, row.who};
	}
}

/* ---- keeping and telling ---- */

static enum result apply_round(struct job *j, struct db *db)
{
	const struct round *r = (const struct round *)j;
	if (MAX(DB_NUMBER(db, 0, NUMBER_GET, DZ(SEEN)), (int64_t)1) != r->since)
		return GONE; /* another node was quicker */
	for (size_t i = 0; i < r->n; i++)
		DB_RUN(db, ALERT_ADD, DI(writer_number(j->store->writer, SEQUENCE_PEOPLE)),
		    DT(r->hit[i].rule), DI(r->hit[i].number), DI(clock_utc_ms()));
	DB_RUN(db, NUMBER_SET, DZ(SEEN), DI(r->upto));
	return OK;
}

static bool first_domain(struct store *s, struct buf *out)
{
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, DOMAIN_LIST, DI(ORGANISATION));
	if (db_next(&q))
		buf_put(out, db_octets(&q, 0));
	return out->n > 0;
}

static void tell(struct store *s, const struct round *r)
{
	BUF_LOCAL(text, 65536);
	BUF_LOCAL(domain, 300);
	buf_puts(&text, "監査記録に確認が必要な操作があります。「alert ack」で確認を記録してください。\n"
			"Somebody should look at these acts, and say so by `alert ack`.\n\n");
	for (size_t i = 0; i < r->n; i++) {
		const struct hit *h = &r->hit[i];
		EVENT(AUDIT_ALERT, KV("rule", h->rule), KN("number", h->number), KV("act", h->act),
		    KV("who", h->who));
		buf_printf(&text, "- " SLICE_FMT ": " SLICE_FMT " (" SLICE_FMT ", %lld)\n",
		    SLICE_ARG(h->rule), SLICE_ARG(h->act), SLICE_ARG(h->who), (long long)h->number);
	}
	if (!first_domain(s, &domain))
		return;
	struct notice n = {SLICE("postmaster"), buf_slice(&domain),
	    SLICE("監査記録の警告 / Alert from the audit"), buf_slice(&text), "audit"};
	enum result done = notice_send(s, &n);
	if (done != OK && done != LATER)
		EVENT(INTERNAL, KZ("where", "alert"), KZ("why", result_name(done)));
}

bool audit_alerts_round(struct store *s)
{
	ARENA_LOCAL(a, (size_t)16 << 20);
	struct round *r = arena_new(&a, struct round);
	if (!r)
		return false;
	{
		READER reader = reader_begin(s);
		if (!reader.db)
			return false;
		r->since = r->upto = MAX(DB_NUMBER(reader.db, 0, NUMBER_GET, DZ(SEEN)), (int64_t)1);
		look(s, reader.db, &a, r);
	}
	if (r->upto == r->since)
		return false;
	r->job = (struct job){.store = s, .apply = apply_round};
	if (writer_wait(s->writer, &r->job) != OK)
		return false;
	if (r->n)
		tell(s, r);
	return true;
}

/* ---- the verbs ---- */

/* "8-20" */
static enum result take_hours(struct admin *a, struct rule *r)
{
	struct slice rest = admin_text(a, "outside");
	uint32_t from, to;
	if (!rest.n)
		return OK;
	struct slice first = slice_split(&rest, '-');
	if (num_u32(first, 23, &from) != OK || num_u32(rest, 24, &to) != OK || from >= to)
		return admin_refuse(a, DENY, "working hours are written as 8-20");
	r->from = from;
	r->to = to;
	return OK;
}

static enum result take_rule(struct admin *a, struct rule *r)
{
	*r = (struct rule){.name = admin_text(a, "name"),
	    .act = admin_text(a, "act"),
	    .who = admin_text(a, "who"),
	    .result = admin_text(a, "result"),
	    .zone = admin_number(a, "zone", 540),
	    .times = admin_number(a, "times", 1),
	    .window = admin_number(a, "minutes", 10) * MINUTE_MS};
	if (!r->name.n || r->name.n > LIMIT_PERSON_TEXT || !r->act.n || r->act.n > LIMIT_PERSON_TEXT ||
	    r->who.n > LIMIT_PERSON_TEXT)
		return admin_refuse(a, DENY, "a rule needs a name and an act (role.give, role.*, *)");
	if (r->result.n && !slice_eq(r->result, SLICE("ok")) && !slice_eq(r->result, SLICE("refused")))
		return admin_refuse(a, DENY, "the result is ok or refused");
	if (r->zone < -14 * 60 || r->zone > 14 * 60)
		return admin_refuse(a, DENY, "the zone is in minutes east of UTC");
	if (r->times < 1 || r->times > 1000 || r->window < 0 || r->window > 31 * DAY_MS)
		return admin_refuse(a, DENY, "1 to 1000 times in at most 31 days");
	return take_hours(a, r);
}

static json_t *rule_json(const struct rule *r)
{
	BUF_LOCAL(hours, 16);
	if (r->to)
		buf_printf(&hours, "%lld-%lld", (long long)r->from, (long long)r->to);
	return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I}", "id", (json_int_t)r->id, "name",
	    admin_string(r->name), "act", admin_string(r->act), "who", admin_string(r->who), "result",
	    admin_string(r->result), "outside", admin_string(buf_slice(&hours)), "zone", (json_int_t)r->zone,
	    "times", (json_int_t)r->times, "minutes", (json_int_t)(r->window / MINUTE_MS));
}

enum result admin_alert_add(struct admin *a, struct db *db)
{
	struct rule r;
	enum result done = take_rule(a, &r);
	if (done != OK)
		return done;
	if (db_number(db, 0, SQL_ALERT_RULE_COUNT, NULL, 0) >= LIMIT_ALERT_RULES)
		return admin_refuse(a, FULL, "at most %d rules", LIMIT_ALERT_RULES);
	r.id = writer_number(a->store->writer, SEQUENCE_PEOPLE);
	DB_RUN(db, ALERT_RULE_ADD, DI(r.id), DT(r.name), DT(r.act), DT(r.who), DT(r.result), DI(r.from),
	    DI(r.to), DI(r.zone), DI(r.times), DI(r.window));
	a->answer = rule_json(&r);
	return OK;
}

enum result admin_alert_remove(struct admin *a, struct db *db)
{
	DB_RUN(db, ALERT_RULE_REMOVE, DI(admin_number(a, "id", 0)));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "no such rule");
}

enum result admin_alert_rules(struct admin *a, struct db *db)
{
	struct rule *rules = arena_array(a->arena, LIMIT_ALERT_RULES, sizeof *rules);
	size_t n = rules ? load_rules(db, a->arena, rules) : 0;
	a->answer = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(a->answer, rule_json(&rules[i]));
	return OK;
}

static json_t *alert_json(struct admin *a, const struct db_rows *q, struct buf *text)
{
	struct audit_row row;
	json_t *v =
	    audit_read(a->store, q, text, &row) == OK ? json_loadb(row.text.p, row.text.n, 0, NULL) : NULL;
	return json_pack("{s:I,s:o,s:I,s:I,s:o,s:o,s:o*}", "id", (json_int_t)db_int(q, 7), "rule",
	    admin_string(db_octets(q, 8)), "at_ms", (json_int_t)db_int(q, 9), "acked_at_ms",
	    (json_int_t)db_int(q, 10), "acked_by", admin_string(db_octets(q, 11)), "note",
	    admin_string(db_octets(q, 12)), "row", v);
}

enum result admin_alert_list(struct admin *a, struct db *db)
{
	BUF_LOCAL(text, ROW_MOST);
	size_t octets = 0;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, ALERT_LIST, DI(admin_number(a, "before_id", INT64_MAX)),
	    DI(json_is_true(json_object_get(a->args, "open")) ? 0 : INT64_MAX),
	    DI(MAX(1, MIN(admin_number(a, "limit", LIST), LIMIT_ALERTS))));
	while (octets < LIST_OCTETS && db_next(&q)) {
		json_array_append_new(a->answer, alert_json(a, &q, &text));
		octets += text.n;
	}
	return OK;
}

enum result admin_alert_ack(struct admin *a, struct db *db)
{
	struct slice note = admin_text(a, "note");
	if (note.n > LIMIT_REASON)
		return admin_refuse(a, FULL, "a note of at most %d octets", LIMIT_REASON);
	DB_RUN(db, ALERT_ACK, DI(admin_number(a, "id", 0)), DI(clock_utc_ms()), DZ(a->actor->audit.who),
	    DT(note));
	return db_changed(db) ? OK
			      : admin_refuse(a, GONE, "no such alert, or somebody has looked at it already");
}
