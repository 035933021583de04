#include "store/admin/posture.h"
#include "store/admin/admin.h"
#include "store/contain/alarm.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define ROUND_MS HOUR_MS
#define TOLD "posture told"   /* in numbers: when it was looked at last */
#define WRONG "posture wrong" /* in numbers: bits of what was wrong then */
#define DETAILS_MOST 20
#define SOON_MS (21 * DAY_MS)
#define IDLE_MS (90 * DAY_MS)
#define ARENA_MOST ((size_t)64 << 20)

enum state { FINE, UNKNOWN, WEAK, OPEN };
static const char *const state_names[] = {"ok", "unknown", "warning", "wrong"};

struct posture {
	struct store *store;
	struct arena *arena;
	struct db *db;
	int64_t now;
};

/* What a check found: each detail is a word for people, such as an address. */
struct finding {
	enum state state;
	json_t *details;
};

static void found(struct finding *f, enum state state, json_t *detail)
{
	f->state = MAX(f->state, state);
	if (json_array_size(f->details) < DETAILS_MOST)
		json_array_append_new(f->details, detail);
	else
		json_decref(detail);
}

/* What another verb answers; NULL when it cannot. The caller's. */
static json_t *ask(const struct posture *p, admin_verb *verb, json_t *args)
{
	struct admin a = {.store = p->store, .arena = p->arena, .args = args};
	enum result r = verb(&a, p->db);
	json_decref(args);
	if (r == OK && a.answer)
		return a.answer;
	json_decref(a.answer);
	return NULL;
}

static const char *text_of(const json_t *row, const char *member)
{
	const char *z = json_string_value(json_object_get(row, member));
	return z ? z : "";
}

static int64_t number_of(const json_t *row, const char *member)
{
	return json_integer_value(json_object_get(row, member));
}

/* Adds `member` of each row of a list. */
static void each_row(const struct posture *p, struct finding *f, admin_verb *verb, json_t *args,
    enum state state, const char *member)
{
	json_t *list = ask(p, verb, args), *row;
	size_t i;
	if (!list)
		f->state = UNKNOWN;
	json_array_foreach(list, i, row) found(f, state, json_incref(json_object_get(row, member)));
	json_decref(list);
}

/* ---- the checks ---- */

static void check_FACTORS(const struct posture *p, struct finding *f)
{
	json_t *report = ask(p, admin_factors_report, NULL), *row;
	size_t i;
	if (!report)
		f->state = UNKNOWN;
	json_array_foreach(json_object_get(report, "accounts"), i, row)
	{
		if (!json_is_true(json_object_get(row, "required")) ||
		    json_is_true(json_object_get(row, "enrolled")))
			continue;
		found(f, number_of(row, "enrol_by_ms") <= p->now ? OPEN : WEAK,
		    json_incref(json_object_get(row, "address")));
	}
	json_decref(report);
}

static void check_SECOND(const struct posture *p, struct finding *f)
{
	json_t *list = ask(p, admin_role_list, NULL), *row;
	size_t i, n = 0;
	json_array_foreach(list, i, row) n +=
	    strcmp(text_of(row, "role"), "system") == 0 && !*text_of(row, "scope");
	if (n < 2)
		f->state = list ? WEAK : UNKNOWN;
	json_decref(list);
}

static void check_certificate(const struct posture *p, struct finding *f, const Sekisho__Certificate *c)
{
	BIO *in = BIO_new_mem_buf(c->chain_pem.data, (int)c->chain_pem.len);
	X509 *leaf = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	int days = 0, seconds = 0;
	const char *name = c->n_names ? c->names[0] : "";
	if (!leaf || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf))) {
		f->state = UNKNOWN;
	} else {
		int64_t left = days * DAY_MS + seconds * SECOND_MS;
		if (left < SOON_MS)
			found(f, left < 0 ? OPEN : WEAK, json_sprintf("%s: %d d", name, days));
		if (X509_check_issued(leaf, leaf) == X509_V_OK)
			found(f, WEAK, json_sprintf("%s: self-signed", name));
	}
	X509_free(leaf);
	BIO_free(in);
}

static void check_CERTIFICATE(const struct posture *p, struct finding *f)
{
	ARENA_LOCAL(a, ARENA_MOST);
	Sekisho__CertificateAsk q = SEKISHO__CERTIFICATE_ASK__INIT;
	Sekisho__CertificateAnswer *answer;
	struct ipc *c = ipc_thread(p->store->settings->keys);
	if (!c || ipc_call(c, ASK_KEYS_CERTIFICATES, &q, NULL, &a, &answer, NULL) != OK) {
		f->state = UNKNOWN;
		return;
	}
	for (size_t i = 0; i < answer->n_certificates; i++)
		check_certificate(p, f, answer->certificates[i]);
}

static void check_DNS(const struct posture *p, struct finding *f)
{
	json_t *checked = ask(p, admin_dns_list, NULL), *domains = ask(p, admin_domain_list, NULL), *row,
	       *last;
	size_t i, k;
	json_array_foreach(domains, i, row)
	{
		const char *name = text_of(row, "domain"), *state = "unknown";
		json_array_foreach(checked, k, last) if (strcmp(text_of(last, "domain"), name) == 0) state =
		    text_of(last, "state");
		if (strcmp(state, "ok") != 0 && strcmp(state, "hint") != 0)
			found(f,
			    strcmp(state, "unknown") == 0   ? UNKNOWN
			    : strcmp(state, "warning") == 0 ? WEAK
							    : OPEN,
			    json_string(name));
	}
	json_decref(checked);
	json_decref(domains);
}

static void check_SIGNING(const struct posture *p, struct finding *f)
{
	f->state = p->store->settings->dkim_sign ? FINE : OPEN;
}

static void check_DORMANT(const struct posture *p, struct finding *f)
{
	each_row(p, f, admin_people_dormant, NULL, WEAK, "address");
}

static void check_UNLISTED(const struct posture *p, struct finding *f)
{
	each_row(p, f, admin_people_unlisted, NULL, WEAK, "address");
}

static void check_TOKENS(const struct posture *p, struct finding *f)
{
	json_t *list = ask(p, admin_token_list, NULL), *row;
	size_t i;
	json_array_foreach(list, i, row)
	{
		bool strong = strcmp(text_of(row, "role"), "system") == 0 && !number_of(row, "expires_at_ms");
		int64_t used = MAX(number_of(row, "used_at_ms"), number_of(row, "created_at_ms"));
		if (strong || used < p->now - IDLE_MS)
			found(f, WEAK, json_incref(json_object_get(row, "name")));
	}
	json_decref(list);
}

static void check_INCIDENTS(const struct posture *p, struct finding *f)
{
	each_row(p, f, admin_incident_list, json_pack("{s:b}", "open", 1), OPEN, "account");
}

static void check_ALERTS(const struct posture *p, struct finding *f)
{
	each_row(p, f, admin_alert_list, json_pack("{s:b}", "open", 1), WEAK, "rule");
}

static void check_BREAKGLASS(const struct posture *p, struct finding *f)
{
	json_t *list = ask(p, admin_breakglass_list, NULL), *row;
	size_t i;
	json_array_foreach(list, i, row) if (strcmp(text_of(row, "state"), "open") == 0)
	    found(f, WEAK, json_incref(json_object_get(row, "address")));
	json_decref(list);
}

static void check_ALARMS(const struct posture *p, struct finding *f)
{
	const struct store_settings *s = p->store->settings;
	f->state = (s->alarm_mail && *s->alarm_mail) || s->alarm_webhook ? FINE : WEAK;
}

static void check_DISK(const struct posture *p, struct finding *f)
{
	Sekisho__GaugesAnswer g = SEKISHO__GAUGES_ANSWER__INIT;
	uint64_t reserve = p->store->settings->disk_reserve;
	store_gauges(p->store, p->db, &g);
	if (g.disk_free < 3 * reserve)
		f->state = g.disk_free < reserve ? OPEN : WEAK;
}

/* By the way it is built: there is nothing that could be set otherwise. */
static void check_RELAY(const struct posture *p, struct finding *f)
{
}

static void check_TLS(const struct posture *p, struct finding *f)
{
}

static const struct check {
	void (*run)(const struct posture *p, struct finding *f);
	const char *code;
	unsigned number;
	const char *page, *en, *ja, *en_do, *ja_do;
} checks[] = {
#define X(name, number, page, en, ja, en_do, ja_do) {check_##name, #name, number, page, en, ja, en_do, ja_do},
#include "store/admin/posture.def"
#undef X
};

/* ---- all of them ---- */

static json_t *check_json(const struct check *c, const struct finding *f)
{
	BUF_LOCAL(code, 40);
	for (const char *z = c->code; *z; z++)
		buf_putc(&code, ascii_lower(*z));
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:O}", "code", buf_z(&code), "state",
	    state_names[f->state], "en", c->en, "ja", c->ja, "do_en", c->en_do, "do_ja", c->ja_do, "page",
	    c->page, "details", f->details);
}

/* Everything as a list; *wrong_out: bits of what is wrong. */
static json_t *look(struct store *s, struct arena *a, struct db *db, uint64_t *wrong_out)
{
	struct posture p = {.store = s, .arena = a, .db = db, .now = clock_utc_ms()};
	json_t *list = json_array();
	*wrong_out = 0;
	for (size_t i = 0; i < COUNT(checks); i++) {
		struct finding f = {.details = json_array()};
		checks[i].run(&p, &f);
		json_array_append_new(list, check_json(&checks[i], &f));
		json_decref(f.details);
		if (f.state == OPEN || f.state == WEAK)
			*wrong_out |= (uint64_t)1 << checks[i].number;
	}
	return list;
}

enum result admin_posture(struct admin *a, struct db *db)
{
	(void)db;
	READER r = reader_begin(a->store);
	uint64_t wrong;
	if (!r.db)
		return LATER;
	json_t *list = look(a->store, a->arena, r.db, &wrong);
	a->answer = json_pack("{s:I,s:i,s:o}", "at_ms", (json_int_t)clock_utc_ms(), "open",
	    __builtin_popcountll(wrong), "checks", list);
	return db_result(r.db);
}

/* ---- the alarm ---- */

struct remember {
	struct job job;
	int64_t now;
	uint64_t wrong, before;
	bool first;
};

/* Of several nodes one tells it. */
static enum result apply_remember(struct job *j, struct db *db)
{
	struct remember *m = (struct remember *)j;
	int64_t told = DB_NUMBER(db, 0, NUMBER_GET, DZ(TOLD));
	if (told > m->now - ROUND_MS)
		return GONE;
	m->first = !told;
	m->before = (uint64_t)DB_NUMBER(db, 0, NUMBER_GET, DZ(WRONG));
	DB_RUN(db, NUMBER_SET, DZ(TOLD), DI(m->now));
	DB_RUN(db, NUMBER_SET, DZ(WRONG), DI(m->wrong));
	return db_result(db);
}

static void tell(struct store *s, uint64_t worse)
{
	BUF_LOCAL(en, 8000);
	BUF_LOCAL(ja, 8000);
	buf_puts(&en, "The server's posture got worse\n");
	buf_puts(&ja, "サーバーの安全状態が悪くなりました\n");
	for (size_t i = 0; i < COUNT(checks); i++)
		if (worse >> checks[i].number & 1) {
			buf_printf(&en, "\nNo longer so: %s.\n%s\n", checks[i].en, checks[i].en_do);
			buf_printf(&ja, "\n満たされなくなった項目: %s\n%s\n", checks[i].ja, checks[i].ja_do);
		}
	struct alarm alarm = {
	    .kind = "posture.worse", .severity = ALARM_WARNING, .en = buf_slice(&en), .ja = buf_slice(&ja)};
	enum result r = alarm_raise(s, &alarm);
	if (r != OK)
		EVENT(INTERNAL, KZ("where", "posture"), KZ("why", result_name(r)));
}

void posture_round(struct store *s)
{
	ARENA_LOCAL(a, ARENA_MOST);
	struct remember m = {
	    .job = {.store = s, .apply = apply_remember, .durable = true}, .now = clock_utc_ms()};
	{
		READER r = reader_begin(s);
		if (!r.db || DB_NUMBER(r.db, 0, NUMBER_GET, DZ(TOLD)) > m.now - ROUND_MS)
			return;
		json_decref(look(s, &a, r.db, &m.wrong));
	}
	/* The first look is what one begins with. */
	if (writer_wait(s->writer, &m.job) == OK && !m.first && m.wrong & ~m.before)
		tell(s, m.wrong & ~m.before);
}
