/* What domains publish in the DNS. The verbs that ask the DNS run on a thread that may wait. */
#include "store/domain/dns_json.h"
#include "store/domain/domains.h"

enum result admin_dns_domain(struct admin *a, struct slice *out)
{
	struct slice text = admin_text(a, "domain");
	*out = text.n ? resolve_domain(text, a->arena) : SLICE_NONE;
	if (!out->n || out->p[0] == '[')
		return admin_refuse(a, DENY, "not a domain: " SLICE_FMT, SLICE_ARG(text));
	READER r = reader_begin(a->store);
	if (!r.db)
		return LATER;
	return resolve_is_ours(r.db, *out)
		   ? OK
		   : admin_refuse(a, GONE, "not a domain of ours: " SLICE_FMT, SLICE_ARG(*out));
}

enum result admin_dns_ask(struct admin *a, struct slice domain, bool silent, Sekisho__AssistAnswer **answer)
{
	enum result r = domains_ask(a->store, domain, silent, a->arena, answer);
	if (r == FULL)
		return admin_refuse(a, r, "the domain publishes more than can be looked at");
	return r == OK ? OK : admin_refuse(a, LATER, "the DNS cannot be asked now");
}

enum result admin_dns_check(struct admin *a, struct db *db)
{
	struct slice domain;
	Sekisho__AssistAnswer *answer;
	bool silent = json_is_true(json_object_get(a->args, "silent"));
	enum result r = admin_dns_domain(a, &domain);
	if (r == OK)
		r = admin_dns_ask(a, domain, silent, &answer);
	if (r != OK)
		return r;
	if (!silent)
		domains_keep(a->store, domain, answer);
	a->answer = dns_report_json(arena_z(a->arena, domain), clock_utc_ms(), answer);
	return OK;
}

enum result admin_dns_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, CHECK_LIST);
	while (db_next(&q))
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:s,s:I}", "domain", admin_string(db_octets(&q, 0)), "state",
				   dns_state_name((Sekisho__AssistState)db_int(&q, 2)), "checked_at_ms",
				   (json_int_t)db_int(&q, 1)));
	return OK;
}

enum result domains_last(
    struct admin *a, struct db *db, struct slice domain, int64_t *at_out, Sekisho__AssistAnswer **out)
{
	DB_ROWS q = DB_QUERY(db, CHECK_GET, DT(domain));
	if (!db_next(&q) || !db_octets(&q, 3).n)
		return admin_refuse(a, GONE, "this domain was not checked yet: dns check");
	struct slice packed = arena_dup(a->arena, db_octets(&q, 3));
	struct ipc_allocator al = ipc_allocator(a->arena);
	*at_out = db_int(&q, 0);
	*out = sekisho__assist_answer__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	return *out ? OK : LATER;
}

enum result admin_dns_last(struct admin *a, struct db *db)
{
	struct slice domain;
	int64_t at;
	Sekisho__AssistAnswer *answer;
	enum result r = admin_dns_domain(a, &domain);
	if (r == OK)
		r = domains_last(a, db, domain, &at, &answer);
	if (r == OK)
		a->answer = dns_report_json(arena_z(a->arena, domain), at, answer);
	return r;
}
