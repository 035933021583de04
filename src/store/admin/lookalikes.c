/* Names that look like a domain of ours: what was found, looking now, and what the administrator says of one. */
#include "store/domain/lookalikes.h"
#include "mail/address.h"
#include "store/domain/dns_json.h"
#include "store/domain/domains.h"
#include "trust/lookalike.h"

#define CHECK_MS (40 * SECOND_MS) /* the rest goes on by itself */

static json_t *list(struct admin *a, struct db *db, struct slice domain)
{
	json_t *out = json_array();
	DB_ROWS q = DB_QUERY(db, LOOKALIKE_LIST, DT(domain));
	while (db_next(&q)) {
		Sekisho__LookalikeSeen seen = SEKISHO__LOOKALIKE_SEEN__INIT;
		seen.name = arena_z(a->arena, db_octets(&q, 0));
		seen.shown = arena_z(a->arena, db_octets(&q, 1));
		seen.kind = arena_z(a->arena, db_octets(&q, 2));
		seen.state = (Sekisho__LookalikeState)db_int(&q, 3);
		seen.seen = arena_z(a->arena, db_octets(&q, 4));
		json_t *row = lookalike_json(&seen);
		json_object_set_new(row, "first_ms", json_integer(db_int(&q, 5)));
		json_object_set_new(row, "last_ms", json_integer(db_int(&q, 6)));
		json_object_set_new(row, "mark", json_string(lookalike_mark_name(db_int(&q, 7))));
		json_array_append_new(out, row);
	}
	return out;
}

static void answer_with(struct admin *a, struct db *db, struct slice domain)
{
	json_int_t next = 0, ended = 0, total = 0;
	{
		DB_ROWS q = DB_QUERY(db, LOOKALIKE_ROUND, DT(domain));
		if (db_next(&q)) {
			next = db_int(&q, 0);
			ended = db_int(&q, 2);
			total = db_int(&q, 3);
		}
	}
	a->answer = json_pack("{s:o,s:I,s:I,s:I,s:o}", "domain", admin_string(domain), "checked_at_ms", ended,
	    "candidates", total, "next", next, "names", list(a, db, domain));
}

enum result admin_dns_lookalikes(struct admin *a, struct db *db)
{
	struct slice domain;
	enum result r = admin_dns_domain(a, &domain);
	if (r == OK)
		answer_with(a, db, domain);
	return r;
}

enum result admin_dns_lookalikes_check(struct admin *a, struct db *db)
{
	struct slice domain;
	enum result r = admin_dns_domain(a, &domain);
	if (r != OK)
		return r;
	if (lookalikes_check(a->store, domain, CHECK_MS) != OK)
		return admin_refuse(a, LATER, "the DNS cannot be asked now");
	READER reader = reader_begin(a->store);
	if (!reader.db)
		return LATER;
	answer_with(a, reader.db, domain);
	return OK;
}

static bool read_mark(struct slice text, enum lookalike_mark *out)
{
	if (slice_eq(text, SLICE("none"))) {
		*out = LOOKALIKE_UNMARKED;
		return true;
	}
	for (*out = LOOKALIKE_TO_WATCH; *out <= LOOKALIKE_HARMLESS; ++*out)
		if (slice_eq(text, slice_str(lookalike_mark_name(*out))))
			return true;
	return false;
}

static enum result set_mark(
    struct admin *a, struct db *db, struct slice domain, struct slice name, enum lookalike_mark mark)
{
	struct slice shown;
	if (mark == LOOKALIKE_UNMARKED) {
		DB_RUN(db, LOOKALIKE_UNMARK, DT(domain), DT(name));
		DB_RUN(db, LOOKALIKE_SWEEP, DT(domain));
		return OK;
	}
	if (DB_NUMBER(db, 0, LOOKALIKE_MARKED, DT(domain), DI(mark)) >= LIMIT_LOOKALIKES_WATCHED)
		return admin_refuse(a, FULL, "there are %d such names already", LIMIT_LOOKALIKES_WATCHED);
	if (mail_domain_unicode(name, a->arena, &shown) != OK)
		return FULL;
	DB_RUN(db, LOOKALIKE_MARK, DT(domain), DT(name), DT(shown), DZ(lookalike_word(LOOKALIKE_WATCHED)),
	    DI(mark));
	return OK;
}

enum result admin_dns_lookalikes_mark(struct admin *a, struct db *db)
{
	struct slice domain, name, text = admin_text(a, "name");
	enum lookalike_mark mark;
	enum result r = admin_dns_domain(a, &domain);
	if (r != OK)
		return r;
	if (mail_domain_ascii(text, a->arena, &name) != OK || !mail_host_valid(name))
		return admin_refuse(a, DENY, "not a domain: " SLICE_FMT, SLICE_ARG(text));
	if (!read_mark(admin_text(a, "as"), &mark))
		return admin_refuse(a, DENY, "as: watched, known or none");
	r = set_mark(a, db, domain, name, mark);
	if (r == OK)
		answer_with(a, db, domain);
	return r;
}
