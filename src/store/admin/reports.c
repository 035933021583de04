/* Reports about mail: who sends in our name, what came, what went. */
#include "store/admin/admin.h"
#include "store/domain/domains.h"
#include "store/mailbox/fields.h"
#include "store/domain/reports.h"

#define DAYS 28
#define SOURCES_MOST 500
#define LIST_MOST 1000
#define LIST_USUAL 100

/* ---- who sends as us ---- */

enum why { WHY_PASSES, WHY_OTHER_BOTH, WHY_OTHER_SPF, WHY_OTHER_DKIM, WHY_NOTHING };
static const struct {
	const char *code, *en, *ja;
} whys[] = {
    [WHY_PASSES] = {"passes", "It passes.", "認証に通っています。"},
    [WHY_OTHER_BOTH] = {"aligned-neither", "SPF and DKIM pass, but for other domains than the author's.",
	"SPF と DKIM は通っていますが、差出人とは別のドメインです。"},
    [WHY_OTHER_SPF] = {"spf-elsewhere",
	"SPF passes for another domain than the author's; no DKIM signature passes.",
	"SPF は差出人とは別のドメインで通り、DKIM 署名は通っていません。"},
    [WHY_OTHER_DKIM] = {"dkim-elsewhere",
	"A DKIM signature of another domain than the author's passes; SPF does not.",
	"差出人とは別のドメインの DKIM 署名が通り、SPF は通っていません。"},
    [WHY_NOTHING] = {"nothing", "Neither SPF nor DKIM passes.", "SPF も DKIM も通っていません。"},
};

static enum why why_of(const Sekisho__DmarcSource *s, int64_t failed)
{
	if (!failed)
		return WHY_PASSES;
	bool spf = s && strcasecmp(s->spf_result, "pass") == 0,
	     dkim = s && strcasecmp(s->dkim_result, "pass") == 0;
	return spf && dkim ? WHY_OTHER_BOTH : spf ? WHY_OTHER_SPF : dkim ? WHY_OTHER_DKIM : WHY_NOTHING;
}

static json_t *host_json(const Sekisho__DmarcSource *s)
{
	return json_pack("{s:s,s:s,s:s,s:{s:s,s:s},s:{s:s,s:s,s:s}}", "host", s->host, "organisation",
	    s->organisation, "header_from", s->header_from, "spf", "domain", s->spf_domain, "result",
	    s->spf_result, "dkim", "domain", s->dkim_domain, "selector", s->dkim_selector, "result",
	    s->dkim_result);
}

static Sekisho__DmarcSource *find_host(
    struct admin *a, struct db *db, struct slice domain, struct slice source)
{
	DB_ROWS q = DB_QUERY(db, DMARC_HOST, DT(domain), DT(source));
	return db_next(&q) ? reports_open_host(a->store, domain, source, db_octets(&q, 0), a->arena) : NULL;
}

static json_t *source_json(struct admin *a, struct db *db, struct slice domain, const struct db_rows *q)
{
	static const char *const numbers[] = {
	    "aligned", "failed", "spf", "dkim", "quarantined", "rejected", "first_ms", "last_ms"};
	struct slice source = arena_dup(a->arena, db_octets(q, 0));
	const Sekisho__DmarcSource *host = find_host(a, db, domain, source);
	enum why why = why_of(host, db_int(q, 2));
	json_t *out = host ? host_json(host) : json_object();
	json_object_set_new(out, "source", admin_string(source));
	for (size_t i = 0; i < COUNT(numbers); i++)
		json_object_set_new(out, numbers[i], json_integer((json_int_t)db_int(q, (int)i + 1)));
	json_object_set_new(out, "why", json_string(whys[why].code));
	json_object_set_new(out, "en", json_string(whys[why].en));
	json_object_set_new(out, "ja", json_string(whys[why].ja));
	return out;
}

enum result admin_dmarc_sources(struct admin *a, struct db *db)
{
	struct slice domain;
	int64_t days = MIN(MAX(admin_number(a, "days", DAYS), 1), 400);
	enum result r = admin_dns_domain(a, &domain);
	if (r != OK)
		return r;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, DMARC_WHO, DT(domain), DI(clock_utc_ms() / DAY_MS - days), DI(SOURCES_MOST));
	while (db_next(&q))
		json_array_append_new(a->answer, source_json(a, db, domain, &q));
	return OK;
}

/* ---- what came ---- */

static const char *org_of(const Sekisho__Report *r)
{
	return !r           ? ""
	       : r->dmarc   ? r->dmarc->org
	       : r->tls     ? r->tls->org
	       : r->failure ? r->failure->agent
			    : "";
}

static const char *domain_of(const Sekisho__Report *r)
{
	if (r && r->tls && r->tls->n_policies)
		return r->tls->policies[0]->domain;
	return !r ? "" : r->dmarc ? r->dmarc->domain : r->failure ? r->failure->domain : "";
}

/* Of a row of REPORT_LIST; *report_out lives in the arena. */
static json_t *received_json(struct admin *a, const struct db_rows *q, Sekisho__Report **report_out)
{
	static const char *const kinds[] = {"refused", "dmarc", "tls", "failure"};
	struct slice author = SLICE_NONE, mail = SLICE_NONE;
	int64_t kind = db_int(q, 1);
	Sekisho__Report *r = reports_open(a->store, db_int(q, 0), db_octets(q, 9), a->arena, &author, &mail);
	*report_out = r;
	json_t *out = json_pack("{s:I,s:s,s:I,s:I,s:I,s:s,s:I,s:I,s:o,s:o}", "id", (json_int_t)db_int(q, 0),
	    "kind", kinds[kind >= 0 && (size_t)kind < COUNT(kinds) ? kind : 0], "received_ms",
	    (json_int_t)db_int(q, 3), "begin_ms", (json_int_t)(db_int(q, 4) * SECOND_MS), "end_ms",
	    (json_int_t)(db_int(q, 5) * SECOND_MS), "state", report_state_name(db_int(q, 6)), "good",
	    (json_int_t)db_int(q, 7), "bad", (json_int_t)db_int(q, 8), "reporter", admin_string(author),
	    "mail", admin_string(mail));
	json_object_set_new(out, "org", admin_string(slice_str(org_of(r))));
	json_object_set_new(out, "domain", admin_string(slice_str(domain_of(r))));
	if (r && !r->kind)
		json_object_set_new(out, "why", admin_string(slice_str(r->why)));
	return out;
}

static enum result list_received(struct admin *a, struct db *db, int64_t kind)
{
	struct slice domain = admin_text(a, "domain");
	int64_t limit = MIN(MAX(admin_number(a, "limit", LIST_USUAL), 1), LIST_MOST);
	int64_t before = admin_number(a, "before", INT64_MAX);
	if (domain.n)
		domain = resolve_domain(domain, a->arena);
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, REPORT_LIST, DI(kind), DT(domain), DI(before), DI(limit));
	while (db_next(&q)) {
		/* What is listed can be large: each is let go of before the next. */
		ARENA_LOCAL(own, (size_t)64 << 20);
		struct admin one = *a;
		Sekisho__Report *ignored;
		one.arena = &own;
		json_array_append_new(a->answer, received_json(&one, &q, &ignored));
	}
	return OK;
}

enum result admin_report_show(struct admin *a, struct db *db)
{
	Sekisho__Report *r;
	int64_t id = admin_number(a, "id", 0);
	DB_ROWS q = DB_QUERY(db, REPORT_GET, DI(id));
	if (!db_next(&q))
		return admin_refuse(a, GONE, "there is no report %lld", (long long)id);
	a->answer = received_json(a, &q, &r);
	if (r)
		json_object_set_new(a->answer, "report", report_json(r));
	return OK;
}

enum result admin_dmarc_received(struct admin *a, struct db *db)
{
	return list_received(a, db, REPORT_DMARC);
}

enum result admin_tls_received(struct admin *a, struct db *db)
{
	return list_received(a, db, REPORT_TLS);
}

/* ---- what went ---- */

static json_t *sent_json(struct admin *a, const struct db_rows *q)
{
	static const char *const states[] = {"not-wanted", "queued", "too-large"};
	int64_t state = db_int(q, 4);
	BUF_LOCAL(plain, 16384);
	const char *bound = arena_printf(a->arena, "report sent %d %lld %lld", (int)db_int(q, 0),
	    (long long)db_int(q, 1), (long long)db_int(q, 2));
	if (seal_get(a->store->seal, db_octets(q, 5), slice_str(bound), &plain) != OK)
		buf_clear(&plain);
	struct slice fields = buf_slice(&plain);
	return json_pack("{s:I,s:I,s:s,s:o,s:o,s:o,s:o}", "day_ms", (json_int_t)(db_int(q, 1) * DAY_MS),
	    "made_ms", (json_int_t)db_int(q, 3), "state",
	    states[state >= 0 && (size_t)state < COUNT(states) ? state : 0], "domain",
	    admin_string(fields_find(fields, SENT_DOMAIN)), "to", admin_string(fields_find(fields, SENT_TO)),
	    "mail", admin_string(fields_find(fields, SENT_MAIL)), "report_id",
	    admin_string(fields_find(fields, SENT_ID)));
}

static enum result list_sent(struct admin *a, struct db *db, int64_t kind)
{
	int64_t days = MIN(MAX(admin_number(a, "days", DAYS), 1), 90);
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, SENT_LIST, DI(kind), DI(clock_utc_ms() / DAY_MS - days), DI(LIST_MOST));
	while (db_next(&q))
		json_array_append_new(a->answer, sent_json(a, &q));
	return OK;
}

enum result admin_dmarc_sent(struct admin *a, struct db *db)
{
	return list_sent(a, db, REPORT_DMARC);
}

enum result admin_tls_sent(struct admin *a, struct db *db)
{
	return list_sent(a, db, REPORT_TLS);
}
