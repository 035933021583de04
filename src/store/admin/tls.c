/* Encryption towards other domains. */
#include "mail/address.h"
#include "store/admin/admin.h"
#include "store/domain/tls.h"
#include "trust/tlsrpt.h"

#define DAYS_SHOWN 7
#define FAILURES_SHOWN 20
#define PLAIN_SHOWN 1000
#define NAMES_MOST 16

static const char *const modes[] = {[SEKISHO__JOB__TLS__DEFAULT] = "default",
    [SEKISHO__JOB__TLS__OPPORTUNISTIC] = "opportunistic",
    [SEKISHO__JOB__TLS__ENCRYPTED] = "encrypted",
    [SEKISHO__JOB__TLS__VERIFIED] = "verified"};

/* The domain in A-labels and lower case, as its rows have it. */
static enum result take_domain(struct admin *a, struct slice *out)
{
	struct slice text = admin_text(a, "domain");
	if (!mail_domain_valid(text) || mail_domain_ascii(text, a->arena, out) != OK || out->p[0] == '[')
		return admin_refuse(a, DENY, "not a domain: " SLICE_FMT, SLICE_ARG(text));
	char *z = arena_z(a->arena, *out);
	if (!z)
		return LATER;
	for (size_t i = 0; i < out->n; i++)
		z[i] = ascii_lower(z[i]);
	out->p = z;
	return OK;
}

static enum result take_mode(struct admin *a, int64_t *out)
{
	struct slice text = admin_text(a, "mode");
	for (size_t i = SEKISHO__JOB__TLS__OPPORTUNISTIC; i < COUNT(modes); i++)
		if (slice_ieq(text, slice_str(modes[i]))) {
			*out = (int64_t)i;
			return OK;
		}
	return admin_refuse(
	    a, DENY, "not a mode: " SLICE_FMT " (opportunistic, encrypted, verified)", SLICE_ARG(text));
}

/* Host names in A-labels, ".name" for all below; divided by blanks. */
static enum result take_names(struct admin *a, struct buf *out)
{
	for (size_t i = 0;; i++) {
		struct slice name = admin_item(a, "name", i), ascii;
		if (!name.n)
			return OK;
		bool below = name.p[0] == '.';
		if (i == NAMES_MOST)
			return admin_refuse(a, DENY, "more than %d names", NAMES_MOST);
		struct slice host = slice_sub(name, below, name.n);
		if (!mail_domain_valid(host) || mail_domain_ascii(host, a->arena, &ascii) != OK)
			return admin_refuse(a, DENY, "not a host name: " SLICE_FMT, SLICE_ARG(name));
		buf_printf(out, "%s%s" SLICE_FMT, out->n ? " " : "", below ? "." : "", SLICE_ARG(ascii));
	}
}

static json_t *names_json(struct slice names)
{
	json_t *list = json_array();
	while (names.n)
		json_array_append_new(list, admin_string(slice_split(&names, ' ')));
	return list;
}

/* columns: mode, names, changed, from `first` on */
static json_t *policy_json(struct slice domain, const struct db_rows *q, int first)
{
	int64_t mode = db_int(q, first);
	return json_pack("{s:o,s:s,s:o,s:I}", "domain", admin_string(domain), "mode",
	    modes[(size_t)mode < COUNT(modes) ? mode : 0], "names", names_json(db_octets(q, first + 1)),
	    "changed_ms", (json_int_t)db_int(q, first + 2));
}

enum result admin_tls_policy_set(struct admin *a, struct db *db)
{
	struct slice domain;
	int64_t mode = 0;
	BUF_LOCAL(names, 8192);
	enum result r = take_domain(a, &domain);
	if (r == OK)
		r = take_mode(a, &mode);
	if (r == OK)
		r = take_names(a, &names);
	if (r == OK && names.n && mode != SEKISHO__JOB__TLS__VERIFIED)
		r = admin_refuse(a, DENY, "names are for the mode verified");
	if (r != OK)
		return r;
	DB_RUN(db, TLS_POLICY_SET, DT(domain), DI(mode), DT(buf_slice(&names)), DI(clock_utc_ms()));
	DB_ROWS q = DB_QUERY(db, TLS_POLICY_GET, DT(domain));
	if (db_next(&q))
		a->answer = policy_json(domain, &q, 0);
	return OK;
}

enum result admin_tls_policy_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, TLS_POLICIES);
	while (db_next(&q))
		json_array_append_new(a->answer, policy_json(db_octets(&q, 0), &q, 1));
	return OK;
}

enum result admin_tls_policy_remove(struct admin *a, struct db *db)
{
	struct slice domain;
	enum result r = take_domain(a, &domain);
	if (r != OK)
		return r;
	DB_RUN(db, TLS_POLICY_DROP, DT(domain));
	return db_changed(db) ? OK
			      : admin_refuse(a, GONE, "there is no policy for " SLICE_FMT, SLICE_ARG(domain));
}

/* ---- what it was ---- */

static json_t *reached_json(struct db *db, struct slice domain)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, TLS_REACHED, DT(domain));
	while (db_next(&q)) {
		const char *name = tls_secured_name((unsigned)db_int(&q, 0));
		json_array_append_new(
		    list, json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:o}", "secured", name, "text",
			      tls_secured_text(name, false), "text_ja", tls_secured_text(name, true),
			      "messages", (json_int_t)db_int(&q, 1), "first_ms", (json_int_t)db_int(&q, 2),
			      "last_ms", (json_int_t)db_int(&q, 3), "host", admin_string(db_octets(&q, 4)),
			      "tls", admin_string(db_octets(&q, 5))));
	}
	return list;
}

static json_t *sts_json(struct db *db, struct slice domain)
{
	DB_ROWS q = DB_QUERY(db, STS_GET, DT(domain));
	if (!db_next(&q))
		return json_null();
	return json_pack("{s:o,s:o,s:I,s:I,s:o}", "id", admin_string(db_octets(&q, 0)), "mode",
	    admin_string(db_octets(&q, 1)), "fetched_ms", (json_int_t)db_int(&q, 3), "expires_ms",
	    (json_int_t)db_int(&q, 4), "policy", admin_string(db_octets(&q, 2)));
}

/* One policy's sessions of a day, its key for the failures. */
struct day {
	int64_t day, kind, policy;
};

static json_t *failures_json(struct db *db, struct slice domain, const struct day *d)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(
	    db, TLS_FAILURES_OF, DT(domain), DI(d->day), DI(d->kind), DI(d->policy), DI(FAILURES_SHOWN));
	while (db_next(&q))
		json_array_append_new(list,
		    json_pack("{s:s,s:o,s:o,s:o,s:I}", "result", tlsrpt_result_name((unsigned)db_int(&q, 0)),
			"host", admin_string(db_octets(&q, 1)), "ip", admin_string(db_octets(&q, 2)),
			"reason", admin_string(db_octets(&q, 3)), "sessions", (json_int_t)db_int(&q, 4)));
	return list;
}

static json_t *days_json(struct db *db, struct slice domain)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, TLS_DAYS_OF, DT(domain), DI(clock_utc_ms() / DAY_MS - DAYS_SHOWN));
	while (db_next(&q)) {
		struct day d = {db_int(&q, 0), db_int(&q, 1), db_int(&q, 5)};
		json_array_append_new(
		    list, json_pack("{s:I,s:s,s:I,s:I,s:o}", "day_ms", (json_int_t)(d.day * DAY_MS), "policy",
			      tlsrpt_policy_name((unsigned)d.kind), "good", (json_int_t)db_int(&q, 2), "bad",
			      (json_int_t)db_int(&q, 3), "failures", failures_json(db, domain, &d)));
	}
	return list;
}

enum result admin_tls_status(struct admin *a, struct db *db)
{
	struct slice domain;
	enum result r = take_domain(a, &domain);
	if (r != OK)
		return r;
	json_t *policy = NULL;
	{
		DB_ROWS q = DB_QUERY(db, TLS_POLICY_GET, DT(domain));
		policy = db_next(&q) ? policy_json(domain, &q, 0) : json_null();
	}
	a->answer =
	    json_pack("{s:o,s:o,s:o,s:o,s:o}", "domain", admin_string(domain), "policy", policy, "mta_sts",
		sts_json(db, domain), "reached", reached_json(db, domain), "sessions", days_json(db, domain));
	return OK;
}

enum result admin_tls_plaintext(struct admin *a, struct db *db)
{
	a->answer = json_array();
	int64_t most = MIN(MAX(admin_number(a, "limit", PLAIN_SHOWN), 1), PLAIN_SHOWN);
	DB_ROWS q = DB_QUERY(db, TLS_PLAIN, DI(most));
	while (db_next(&q))
		json_array_append_new(a->answer,
		    json_pack("{s:o,s:I,s:I,s:I,s:o,s:I}", "domain", admin_string(db_octets(&q, 0)),
			"messages", (json_int_t)db_int(&q, 1), "first_ms", (json_int_t)db_int(&q, 2),
			"last_ms", (json_int_t)db_int(&q, 3), "host", admin_string(db_octets(&q, 4)),
			"encrypted_ms", (json_int_t)db_int(&q, 5)));
	return OK;
}
