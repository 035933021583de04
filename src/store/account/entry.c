#include "store/account/entry.h"
#include "store/mailbox/access.h"
#include "store/audit/audit.h"
#include <pthread.h>
#include <stdlib.h>

#define RULES_ARENA ((size_t)4 << 20)
#define GENERATION "access rules"

struct gate {
	pthread_rwlock_t lock;
	struct arena arena;
	struct access_rules rules;
	int64_t generation; /* of the database, when they were read */
	bool loaded;
};

struct gate *entry_new(void)
{
	struct gate *e = calloc(1, sizeof *e);
	if (!e)
		abort();
	pthread_rwlock_init(&e->lock, NULL);
	arena_init(&e->arena, RULES_ARENA);
	return e;
}

void entry_rules_free(struct access_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		access_rule_free(&rules->at[i]);
	rules->n = 0;
}

void entry_free(struct gate *e)
{
	if (!e)
		return;
	entry_rules_free(&e->rules);
	arena_free(&e->arena);
	pthread_rwlock_destroy(&e->lock);
	free(e);
}

/* ---- reading ---- */

static enum result read_rule(const struct db_rows *q, struct arena *a, struct access_rule *out)
{
	struct slice wrong, who = arena_dup(a, db_octets(q, 3)), place = arena_dup(a, db_octets(q, 4));
	*out = (struct access_rule){
	    .id = db_int(q, 0), .action = (enum access_action)db_int(q, 1), .doors = (unsigned)db_int(q, 2)};
	if (access_who_read(who, &out->who, &out->name) != OK)
		return BAD;
	return access_place_read(place, out, &wrong);
}

enum result entry_rules_read(struct store *s, struct db *db, struct arena *a, struct access_rules *out)
{
	*out = (struct access_rules){.home_country = s->settings->home_country,
	    .geo = s->settings->geo != NULL,
	    .at = arena_array(a, LIMIT_ACCESS_RULES, sizeof *out->at)};
	if (!out->at)
		return LATER;
	DB_ROWS q = DB_QUERY0(db, ACCESS_RULES);
	while (out->n < LIMIT_ACCESS_RULES && db_next(&q))
		/* A rule of a newer version that cannot be read is left out rather than shutting everybody out. */
		if (read_rule(&q, a, &out->at[out->n]) == OK)
			out->n++;
		else
			EVENT(STORE_ERROR, KZ("what", "access rule"), KZ("why", "it cannot be read"));
	return db_result(db) == OK ? OK : LATER;
}

static int64_t generation_of(struct db *db)
{
	return DB_NUMBER(db, 0, NUMBER_GET, DZ(GENERATION));
}

void entry_changed(struct db *db)
{
	DB_RUN(db, NUMBER_SET, DZ(GENERATION), DI(generation_of(db) + 1));
}

enum result entry_load(struct store *s)
{
	struct gate *e = s->gate;
	struct arena fresh = {.cap = RULES_ARENA};
	struct access_rules rules;
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	int64_t generation = generation_of(r.db);
	pthread_rwlock_rdlock(&e->lock);
	bool current = e->loaded && generation == e->generation;
	pthread_rwlock_unlock(&e->lock);
	if (current)
		return OK;
	enum result read = entry_rules_read(s, r.db, &fresh, &rules);
	if (read != OK) {
		entry_rules_free(&rules);
		arena_free(&fresh);
		return read;
	}
	pthread_rwlock_wrlock(&e->lock);
	struct access_rules old = e->rules;
	struct arena old_arena = e->arena;
	e->rules = rules;
	e->arena = fresh;
	e->generation = generation;
	e->loaded = true;
	pthread_rwlock_unlock(&e->lock);
	entry_rules_free(&old);
	arena_free(&old_arena);
	return OK;
}

/* ---- judging ---- */

bool ip_is_local(const struct ip *ip)
{
	static const struct ip six = {.octets = {[15] = 1}};
	return ip->v4 ? ip->octets[0] == 127 : memcmp(ip->octets, six.octets, sizeof six.octets) == 0;
}

static bool has_role(struct db *db, int64_t account, struct slice role)
{
	DB_ROWS q = DB_QUERY(db, ROLES_OF, DI(account));
	while (db_next(&q))
		if (slice_eq(db_octets(&q, 0), role))
			return true;
	return false;
}

static bool in_domain(struct db *db, int64_t account, struct slice domain)
{
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(account));
	return db_next(&q) && slice_ieq(db_octets(&q, 1), domain);
}

static bool is_named(struct db *db, int64_t account, enum access_who kind, struct slice name)
{
	ARENA_LOCAL(a, 65536);
	struct who w;
	char *text = arena_printf(&a, "%s" SLICE_FMT, kind == ACCESS_GROUP ? "group:" : "", SLICE_ARG(name));
	return text && access_parse_who(db, slice_str(text), &a, &w) == OK && access_is(db, account, &w);
}

static bool is(void *context, enum access_who kind, struct slice name)
{
	const struct entry_who *w = context;
	if (!w->account || !w->db)
		return false;
	switch (kind) {
	case ACCESS_EVERYBODY:
		return true;
	case ACCESS_ROLE:
		return has_role(w->db, w->account, name);
	case ACCESS_DOMAIN:
		return in_domain(w->db, w->account, name);
	default:
		return is_named(w->db, w->account, kind, name);
	}
}

void entry_ask(struct store *s, struct entry_who *who, enum door door, const struct ip *ip, char country[3],
    struct access_ask *out)
{
	struct geo_place place;
	geo_find(s->settings->geo, ip, &place);
	memcpy(country, place.country, 3);
	*out = (struct access_ask){.door = door,
	    .ip = *ip,
	    .country = country,
	    .home = ip_is_local(ip) || ip_nets_have(&s->settings->office, ip),
	    .is = is,
	    .context = who};
}

void entry_judge_in(struct store *s, struct db *db, const struct access_rules *rules, int64_t account,
    enum door door, const struct ip *ip, struct access_verdict *out)
{
	struct entry_who who = {db, account};
	struct access_ask ask;
	char country[3];
	entry_ask(s, &who, door, ip, country, &ask);
	access_judge(rules, &ask, out);
}

static bool asks_who(const struct access_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->at[i].who != ACCESS_EVERYBODY)
			return true;
	return false;
}

enum result entry_judge(
    struct store *s, int64_t account, enum door door, const struct ip *ip, struct entry_verdict *out)
{
	struct gate *e = s->gate;
	struct access_verdict v;
	enum result r = OK;
	pthread_rwlock_rdlock(&e->lock);
	/* Most have no rules, or none that names anybody: nothing is looked up then. */
	READER reader = asks_who(&e->rules) ? reader_begin(s) : (struct reader){.store = s};
	if (asks_who(&e->rules) && !reader.db)
		r = LATER;
	else
		entry_judge_in(s, reader.db, &e->rules, account, door, ip, &v);
	if (r == OK && reader.db && db_result(reader.db) != OK)
		r = LATER;
	if (r == OK)
		*out = (struct entry_verdict){v.allowed, v.preset, v.rule ? v.rule->id : 0};
	pthread_rwlock_unlock(&e->lock);
	return r;
}

/* ---- a change that nobody confirmed ---- */

static void restore_rule(struct db *db, const json_t *row)
{
	DB_RUN(db, ACCESS_RULE_ADD, DI(json_integer_value(json_object_get(row, "id"))),
	    DI(json_integer_value(json_object_get(row, "position"))),
	    DI(json_integer_value(json_object_get(row, "action"))),
	    DI(json_integer_value(json_object_get(row, "doors"))),
	    DZ(json_string_value(json_object_get(row, "who"))),
	    DZ(json_string_value(json_object_get(row, "place"))),
	    DZ(json_string_value(json_object_get(row, "note"))),
	    DI(json_integer_value(json_object_get(row, "created"))));
}

static enum result apply_restore(struct job *j, struct db *db)
{
	struct slice text = SLICE_NONE;
	ARENA_LOCAL(a, RULES_ARENA);
	{
		DB_ROWS q = DB_QUERY(db, ACCESS_PENDING_DUE, DI(clock_utc_ms()));
		if (!db_next(&q))
			return db_result(db);
		text = arena_dup(&a, db_octets(&q, 0));
	}
	json_t *rules = json_loadb(text.p, text.n, 0, NULL), *row;
	size_t i;
	if (!json_is_array(rules)) {
		json_decref(rules);
		return LATER;
	}
	DB_RUN0(db, ACCESS_RULES_DROP);
	json_array_foreach(rules, i, row) restore_rule(db, row);
	DB_RUN0(db, ACCESS_PENDING_DROP);
	entry_changed(db);
	audit_put(j->store, db,
	    &(struct audit_act){.actor = &(struct audit_actor){"server", "system", "access rules"},
		.act = "access.rollback",
		.after = rules,
		.result = OK,
		.reason = "nobody confirmed the change in time"});
	json_decref(rules);
	EVENT(ACCESS_ROLLBACK, KZ("why", "nobody confirmed the change in time"));
	return db_result(db);
}

static bool is_due(struct store *s)
{
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, ACCESS_PENDING_DUE, DI(clock_utc_ms()));
	return db_next(&q);
}

void entry_tick(struct store *s)
{
	if (is_due(s)) {
		struct job j = {.store = s, .apply = apply_restore, .durable = true};
		result_ignore(writer_wait(s->writer, &j)); /* the next second comes */
	}
	result_ignore(entry_load(s)); /* likewise */
}
