/* Whom the administrator believes without proof. */
#include "store/admin/admin.h"
#include "store/queue/judge.h"
#include "store/queue/resolve.h"

static const char *kind_name(int64_t kind)
{
	return kind == OVERRIDE_DOMAIN ? "domain" : kind == OVERRIDE_ADDRESS ? "address" : "network";
}

/* A network, an address or a domain, in the form in which it is kept. */
static enum result take_what(struct admin *a, enum override_kind *kind, struct slice *name)
{
	struct slice text = slice_trim(admin_text(a, "what"));
	struct admin_address at;
	*kind = OVERRIDE_NETWORK;
	*name = judge_network(text, a->arena);
	if (name->n)
		return OK;
	if (slice_find(text, '@') >= 0) {
		enum result r = admin_address(a, text, &at);
		if (r != OK)
			return r;
		*kind = OVERRIDE_ADDRESS;
		char *z = arena_printf(
		    a->arena, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(at.shown), SLICE_ARG(at.domain));
		for (char *p = z; p && *p; p++)
			*p = ascii_lower(*p);
		*name = slice_str(z);
		return z ? OK : LATER;
	}
	*kind = OVERRIDE_DOMAIN;
	*name = resolve_domain(text, a->arena);
	if (!name->n)
		return admin_refuse(
		    a, BAD, "neither a domain, an address nor a network: " SLICE_FMT, SLICE_ARG(text));
	return OK;
}

enum result admin_override_add(struct admin *a, struct db *db)
{
	enum override_kind kind;
	struct slice name;
	enum result r = take_what(a, &kind, &name);
	if (r != OK)
		return r;
	DB_RUN(db, OVERRIDE_SET, DI(kind), DT(name), DI(clock_utc_ms()));
	a->answer = json_pack("{s:s,s:o}", "kind", kind_name(kind), "what", admin_string(name));
	return OK;
}

enum result admin_override_remove(struct admin *a, struct db *db)
{
	enum override_kind kind;
	struct slice name;
	enum result r = take_what(a, &kind, &name);
	if (r != OK)
		return r;
	DB_RUN(db, OVERRIDE_DROP, DI(kind), DT(name));
	if (!db_changed(db))
		return admin_refuse(a, GONE, "not in the list: " SLICE_FMT, SLICE_ARG(name));
	return OK;
}

enum result admin_override_list(struct admin *a, struct db *db)
{
	DB_ROWS q = DB_QUERY0(db, OVERRIDE_LIST);
	a->answer = json_array();
	while (db_next(&q))
		json_array_append_new(
		    a->answer, json_pack("{s:s,s:o,s:I}", "kind", kind_name(db_int(&q, 0)), "what",
				   admin_string(db_octets(&q, 1)), "created_ms", (json_int_t)db_int(&q, 2)));
	return OK;
}
