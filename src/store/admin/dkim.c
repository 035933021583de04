/* Keys of DKIM, as the administrator sees them. */
#include "store/admin/admin.h"
#include "store/domain/signing.h"
#include "trust/dkim.h"

static const char *const dns_names[] = {"unknown", "published", "absent", "different"};

static json_t *key_json(struct admin *a, const struct signing_key *k)
{
	BUF_LOCAL(record, 4096);
	json_t *out = json_object();
	if (k->state < SIGNING_REMOVABLE)
		dkim_record_put((enum dkim_algorithm)k->algorithm, k->public_key, &record);
	json_object_set_new(out, "domain", admin_string(k->domain));
	json_object_set_new(out, "selector", admin_string(k->selector));
	json_object_set_new(
	    out, "algorithm", json_string(dkim_algorithm_name((enum dkim_algorithm)k->algorithm)));
	json_object_set_new(out, "state", json_string(signing_state_name(k->state)));
	json_object_set_new(out, "dns", json_string(dns_names[k->dns >= 0 && k->dns < 4 ? k->dns : 0]));
	json_object_set_new(out, "name",
	    json_string(arena_printf(
		a->arena, SLICE_FMT "._domainkey." SLICE_FMT, SLICE_ARG(k->selector), SLICE_ARG(k->domain))));
	json_object_set_new(out, "type", json_string("TXT"));
	json_object_set_new(out, "record", admin_string(buf_slice(&record)));
	json_object_set_new(out, "made_at_ms", json_integer(k->made_ms));
	json_object_set_new(out, "since_ms", json_integer(k->since_ms));
	json_object_set_new(out, "checked_at_ms", json_integer(k->checked_ms));
	return out;
}

static void add_keys(struct admin *a, struct db *db, struct slice domain, json_t *list)
{
	struct signing_key *keys;
	size_t n = signing_keys(db, domain, a->arena, &keys);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, key_json(a, &keys[i]));
}

/* A domain that has keys: one of ours, or the service domain. */
static enum result take_domain(struct admin *a, struct db *db, struct slice *out)
{
	struct slice text = admin_text(a, "domain");
	*out = resolve_domain(text, a->arena);
	if (!out->n ||
	    (!resolve_is_ours(db, *out) && !slice_eq(*out, slice_str(a->store->settings->dkim_service))))
		return admin_refuse(a, GONE, "not a domain of ours: " SLICE_FMT, SLICE_ARG(text));
	return OK;
}

enum result admin_dkim_keys(struct admin *a, struct db *db)
{
	struct slice domain;
	a->answer = json_array();
	if (admin_text(a, "domain").n) {
		enum result r = take_domain(a, db, &domain);
		if (r == OK)
			add_keys(a, db, domain, a->answer);
		return r;
	}
	DB_ROWS q = DB_QUERY(db, DKIM_DOMAINS, DI(ORGANISATION));
	while (db_next(&q))
		add_keys(a, db, arena_dup(a->arena, db_octets(&q, 0)), a->answer);
	if (*a->store->settings->dkim_service &&
	    !resolve_is_ours(db, slice_str(a->store->settings->dkim_service)))
		add_keys(a, db, slice_str(a->store->settings->dkim_service), a->answer);
	return OK;
}

static const char unaligned[] = "only the service domain signs: receivers see no signature of the author's "
				"domain, so DMARC passes by SPF alone";

static enum result show(struct admin *a, struct db *db, struct slice domain)
{
	json_t *keys = json_array();
	enum signing_mode mode = signing_mode_of(db, domain);
	add_keys(a, db, domain, keys);
	a->answer = json_pack("{s:o,s:s,s:s,s:b,s:o}", "domain", admin_string(domain), "mode",
	    signing_mode_name(mode), "service_domain", a->store->settings->dkim_service, "signing",
	    a->store->settings->dkim_sign, "keys", keys);
	if (mode == SIGNING_THIRD_PARTY)
		json_object_set_new(a->answer, "warning", json_string(unaligned));
	return OK;
}

enum result admin_dkim_show(struct admin *a, struct db *db)
{
	struct slice domain;
	enum result r = take_domain(a, db, &domain);
	return r == OK ? show(a, db, domain) : r;
}

enum result admin_dkim_rotate(struct admin *a, struct db *db)
{
	struct slice domain;
	enum result r = take_domain(a, db, &domain);
	if (r != OK)
		return r;
	if (!a->store->settings->dkim_sign)
		return admin_refuse(a, DENY, "nothing is signed here (dkim_sign = no)");
	r = signing_rotate(a->store, domain, json_is_true(json_object_get(a->args, "now")));
	if (r == DENY)
		return admin_refuse(a, DENY, "there is a key already that waits to be published");
	if (r != OK)
		return admin_refuse(a, r, "the keys cannot be made now");
	signing_wake(a->store);
	return show(a, db, domain);
}

enum result admin_dkim_mode(struct admin *a, struct db *db)
{
	struct slice domain;
	enum signing_mode mode;
	enum result r = take_domain(a, db, &domain);
	if (r != OK)
		return r;
	if (!signing_mode_read(admin_text(a, "mode"), &mode))
		return admin_refuse(a, DENY, "the mode is one of author, third-party and both");
	if (mode != SIGNING_AUTHOR && !*a->store->settings->dkim_service)
		return admin_refuse(a, DENY, "there is no service domain (dkim_service_domain)");
	DB_RUN(db, DKIM_MODE_SET, DT(domain), DI(mode));
	return show(a, db, domain);
}
