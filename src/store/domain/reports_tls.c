/* The TLS sessions of a day towards one domain, as the JSON of RFC 8460. */
#include "store/domain/reports.h"
#include "trust/tlsrpt.h"
#include <jansson.h>
#include <stdlib.h>

#define POLICIES_MOST 50
#define FAILURES_MOST 500 /* of one policy */
#define LATE_DAYS 2

static void put_failures(struct report_out *o, struct db *db, int64_t kind, int64_t policy, json_t *out)
{
	DB_ROWS q = DB_QUERY(
	    db, TLS_FAILURES_ABOUT, DT(o->domain), DI(o->day), DI(kind), DI(policy), DI(FAILURES_MOST));
	while (db_next(&q)) {
		struct report_tls_failure f = {
		    .result = tlsrpt_result_name((enum tlsrpt_result)db_int(&q, 0)),
		    .mx = db_octets(&q, 1),
		    .ip = db_octets(&q, 2),
		    .helo = db_octets(&q, 3),
		    .reason = db_octets(&q, 4),
		    .sessions = (uint64_t)db_int(&q, 5)};
		report_tls_failure(out, &f);
	}
}

static json_t *make_json(struct report_out *o, struct db *db)
{
	json_t *report = report_tls_begin(&o->about);
	DB_ROWS q = DB_QUERY(db, TLS_POLICIES_OF, DI(o->day), DT(o->domain), DI(POLICIES_MOST));
	while (db_next(&q)) {
		struct report_tls_policy p = {.type = tlsrpt_policy_name((enum tlsrpt_policy)db_int(&q, 0)),
		    .text = db_octets(&q, 2),
		    .domain = o->domain,
		    .good = (uint64_t)db_int(&q, 3),
		    .bad = (uint64_t)db_int(&q, 4)};
		json_t *policy = report_tls_policy(report, &p);
		if (p.bad)
			put_failures(o, db, db_int(&q, 0), db_int(&q, 1), policy);
	}
	return report;
}

enum result reports_tls_make(struct report_out *o, struct db *db)
{
	enum result r = reports_targets(o, "", o->day < clock_utc_ms() / DAY_MS - LATE_DAYS);
	if (r != OK || !o->to->n_targets)
		return r == OK ? GONE : r;
	json_t *report = make_json(o, db);
	char *text = json_dumps(report, JSON_INDENT(1));
	json_decref(report);
	if (!text)
		return LATER;
	struct report_gzip *g = report_gzip_new(&o->packed);
	report_gzip_put(g, slice_str(text));
	free(text);
	r = report_gzip_end(g);
	return r == OK ? db_result(db) : r;
}
