/* Reading the record of who did what (audit.h). */
#include "store/admin/admin.h"
#include "store/audit/audit.h"

#define LIST 100
#define LIST_MOST 1000
#define LIST_OCTETS                                                                                          \
	((size_t)8 << 20) /* of all texts of one list; what is older is asked for with before_number */
#define PAGE 500
#define TEXT_MOST ((size_t)2 << 20)

static json_t *hex_json(const uint8_t link[AUDIT_LINK])
{
	BUF_LOCAL(hex, AUDIT_LINK * 2 + 1);
	for (size_t i = 0; i < AUDIT_LINK; i++)
		buf_printf(&hex, "%02x", link[i]);
	return json_string(buf_z(&hex));
}

/* A row that cannot be read is shown as such: `audit verify` says what is wrong with it. */
static json_t *row_json(struct admin *a, const struct db_rows *q, struct buf *text)
{
	struct audit_row row;
	json_t *v =
	    audit_read(a->store, q, text, &row) == OK ? json_loadb(row.text.p, row.text.n, 0, NULL) : NULL;
	return v ? v : json_pack("{s:I,s:s}", "number", (json_int_t)row.number, "act", "(cannot be read)");
}

enum result admin_audit_list(struct admin *a, struct db *db)
{
	BUF_LOCAL(text, TEXT_MOST);
	struct slice who = admin_text(a, "who"), object = admin_text(a, "object");
	const struct seal *seal = a->store->seal;
	int64_t limit = admin_number(a, "limit", LIST);
	size_t octets = 0;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, AUDIT_FIND, DI(admin_number(a, "before_number", INT64_MAX)),
	    DI(admin_number(a, "since_ms", 0)), DI(who.n ? seal_token(seal, "audit who", who) : 0),
	    DI(object.n ? seal_token(seal, "audit object", object) : 0), DT(admin_text(a, "act")),
	    DI(MAX(1, MIN(limit, LIST_MOST))));
	while (octets < LIST_OCTETS && db_next(&q)) {
		json_array_append_new(a->answer, row_json(a, &q, &text));
		octets += text.n;
	}
	return OK;
}

/* The texts as they were written, octet by octet, with their links: who has them can follow the chain himself. */
enum result admin_audit_export(struct admin *a, struct db *db)
{
	BUF_LOCAL(text, TEXT_MOST);
	json_t *rows = json_array();
	size_t octets = 0;
	DB_ROWS q = DB_QUERY(db, AUDIT_ROWS, DI(admin_number(a, "after_number", 0)), DI(PAGE));
	a->answer = json_pack("{s:o}", "rows", rows);
	while (octets < LIST_OCTETS && db_next(&q)) {
		struct audit_row row;
		if (audit_read(a->store, &q, &text, &row) != OK)
			return admin_refuse(a, BAD, "row %lld cannot be read", (long long)row.number);
		json_array_append_new(rows, json_pack("{s:I,s:o,s:o}", "number", (json_int_t)row.number,
						"text", admin_string(row.text), "link", hex_json(row.link)));
		octets += row.text.n;
	}
	json_object_set_new(
	    a->answer, "more", json_boolean(json_array_size(rows) == PAGE || octets >= LIST_OCTETS));
	return OK;
}

enum result admin_audit_verify(struct admin *a, struct db *db)
{
	struct audit_verdict v;
	enum result r = audit_verify(a->store, db, &v);
	if (r != OK)
		return r;
	int64_t digests = 0;
	BUF_LOCAL(wrong, 32);
	if (v.whole)
		r = audit_digests_verify(a->store, db, &digests, &wrong);
	if (r != OK)
		return r;
	a->answer = json_pack("{s:b,s:I,s:o,s:I}", "whole", v.whole && !wrong.n, "rows", (json_int_t)v.rows,
	    "link", hex_json(v.link), "signed_days", (json_int_t)digests);
	if (wrong.n)
		json_object_set_new(a->answer, "why",
		    json_string(
			arena_printf(a->arena, "the signature of %s does not fit the rows", buf_z(&wrong))));
	if (!v.whole) {
		json_object_set_new(a->answer, "wrong", json_integer((json_int_t)v.wrong));
		json_object_set_new(a->answer, "why", json_string(v.why));
	}
	return OK;
}
