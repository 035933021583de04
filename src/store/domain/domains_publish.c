/*
 * Publishing by dynamic update. What is added and taken back is remembered: only records that we have published are ever
 * removed. Where somebody else's record stands in the way of ours, nothing is done and it is said.
 */
#include "store/domain/domains.h"
#include "trust/dns_update.h"

struct plan {
	struct admin *admin;
	struct slice domain;
	const Sekisho__AssistAnswer *answer;
	struct published *ours;
	struct dns_change *changes;
	struct slice *values; /* of the changes, as text */
	size_t n;
	json_t *shown, *conflicts;
};

struct published {
	struct published *next;
	struct slice name, type, value;
};

/* ---- what is there ---- */

static bool load_ours(struct plan *p)
{
	READER r = reader_begin(p->admin->store);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, PUBLISHED, DT(p->domain));
	while (db_next(&q)) {
		struct published *o = arena_new(p->admin->arena, struct published);
		if (!o)
			return false;
		*o = (struct published){p->ours, arena_dup(p->admin->arena, db_octets(&q, 0)),
		    arena_dup(p->admin->arena, db_octets(&q, 1)),
		    arena_dup(p->admin->arena, db_octets(&q, 2))};
		p->ours = o;
	}
	return db_result(r.db) == OK;
}

static bool is_ours(const struct plan *p, const Sekisho__AssistRecord *r, const char *value)
{
	for (const struct published *o = p->ours; o; o = o->next)
		if (slice_ieq(o->name, slice_str(r->name)) && slice_eq(o->type, slice_str(r->type)) &&
		    slice_ieq(o->value, slice_str(value)))
			return true;
	return false;
}

static bool is_wanted(const struct plan *p, const Sekisho__AssistRecord *like, const char *value)
{
	for (size_t i = 0; i < p->answer->n_records; i++) {
		const Sekisho__AssistRecord *r = p->answer->records[i];
		if (strcmp(r->name, like->name) == 0 && strcmp(r->type, like->type) == 0 &&
		    strcasecmp(r->value, value) == 0)
			return true;
	}
	return false;
}

/* "v=spf1", "v=DMARC1": texts that begin alike take each other's place. */
static struct slice version_of(const char *text)
{
	struct slice s = slice_str(text);
	size_t n = 0;
	while (n < s.n && s.p[n] != ' ' && s.p[n] != ';')
		n++;
	return slice_sub(s, 0, n);
}

/* Cannot both be published. */
static bool excludes(const Sekisho__AssistRecord *r, const char *seen)
{
	if (strcmp(r->type, "TLSA") == 0 || strcmp(r->type, "CAA") == 0)
		return false;
	return strcmp(r->type, "TXT") != 0 || slice_ieq(version_of(r->value), version_of(seen));
}

/* ---- planning ---- */

static bool below(const char *name, const char *zone)
{
	struct slice n = slice_str(name), z = slice_str(zone);
	return slice_ieq(n, z) || (n.n > z.n + 1 && slice_iends(n, z) && n.p[n.n - z.n - 1] == '.');
}

static void add_change(struct plan *p, const Sekisho__AssistRecord *r, const char *value, bool remove)
{
	struct dns_change *c = &p->changes[p->n];
	unsigned type = dns_type_read(slice_str(r->type));
	if (p->n == LIMIT_DNS_CHANGES || trust_dns_change(r->name, type, value, p->admin->arena, c) != OK)
		return;
	c->remove = remove;
	p->values[p->n++] = slice_str(value);
	json_array_append_new(p->shown, json_pack("{s:s,s:s,s:s,s:s}", "act", remove ? "remove" : "add",
					    "name", r->name, "type", r->type, "value", value));
}

static void add_conflict(struct plan *p, const Sekisho__AssistRecord *r, const char *seen)
{
	json_array_append_new(p->conflicts, json_pack("{s:s,s:s,s:s,s:s}", "name", r->name, "type", r->type,
						"value", r->value, "in_the_way", seen));
}

static bool concerns_us(const struct plan *p, const Sekisho__AssistRecord *r)
{
	bool useless = strcmp(r->type, "TLSA") == 0 && !p->answer->dnssec;
	return r->state != SEKISHO__ASSIST_STATE__FINE && r->state != SEKISHO__ASSIST_STATE__UNKNOWN &&
	       !useless && below(r->name, p->answer->zone);
}

static void plan_record(struct plan *p, const Sekisho__AssistRecord *r)
{
	if (!concerns_us(p, r))
		return;
	for (size_t i = 0; i < r->n_seen; i++)
		if (strcasecmp(r->seen[i], r->value) == 0)
			return;
	for (size_t i = 0; i < r->n_seen; i++)
		if (excludes(r, r->seen[i]) && !is_ours(p, r, r->seen[i])) {
			add_conflict(p, r, r->seen[i]);
			return;
		}
	for (size_t i = 0; i < r->n_seen; i++)
		if (is_ours(p, r, r->seen[i]) && !is_wanted(p, r, r->seen[i]))
			add_change(p, r, r->seen[i], true);
	add_change(p, r, r->value, false);
}

static enum result make_plan(struct plan *p)
{
	struct arena *a = p->admin->arena;
	p->changes = arena_array(a, LIMIT_DNS_CHANGES + 1, sizeof *p->changes);
	p->values = arena_array(a, LIMIT_DNS_CHANGES + 1, sizeof *p->values);
	if (!p->changes || !p->values || !load_ours(p))
		return LATER;
	for (size_t i = 0; i < p->answer->n_records; i++)
		plan_record(p, p->answer->records[i]);
	return OK;
}

/* ---- doing ---- */

static enum result make_mac(void *context, struct slice input, uint8_t out[DNS_MAC])
{
	struct plan *p = context;
	Sekisho__TsigAsk ask = SEKISHO__TSIG_ASK__INIT;
	Sekisho__TsigAnswer *answer;
	struct ipc *c = ipc_thread(p->admin->store->settings->keys);
	ask.input = octets_of(input);
	enum result r = c ? ipc_call(c, ASK_KEYS_TSIG, &ask, NULL, p->admin->arena, &answer, NULL) : LATER;
	if (r != OK || answer->mac.len != DNS_MAC)
		return r != OK ? r : LATER;
	memcpy(out, answer->mac.data, DNS_MAC);
	return OK;
}

static enum result send_message(void *context, struct slice message, uint16_t id, struct slice mac,
    struct arena *a, struct dns_update_answer *out)
{
	struct plan *p = context;
	Sekisho__DnsUpdateAsk ask = SEKISHO__DNS_UPDATE_ASK__INIT;
	Sekisho__DnsUpdateAnswer *answer;
	struct ipc *c = ipc_thread(p->admin->store->settings->scan);
	ask.message = octets_of(message);
	ask.id = id;
	ask.key = (char *)(uintptr_t)p->admin->store->settings->dns.update_key;
	ask.mac = octets_of(mac);
	enum result r = c ? ipc_call(c, ASK_SCAN_DNS_UPDATE, &ask, NULL, a, &answer, NULL) : LATER;
	if (r != OK)
		return r;
	*out = (struct dns_update_answer){answer->rcode, answer->tsig_error, slice_of_octets(answer->mac),
	    slice_of_octets(answer->input), answer->signed_s};
	return OK;
}

struct remembering {
	struct job job;
	const struct plan *plan;
};

static enum result apply_remember(struct job *j, struct db *db)
{
	const struct plan *p = ((struct remembering *)j)->plan;
	for (size_t i = 0; i < p->n; i++) {
		const struct dns_change *c = &p->changes[i];
		if (c->remove)
			DB_RUN(db, PUBLISHED_REMOVE, DT(p->domain), DZ(c->name), DZ(dns_type_name(c->type)),
			    DT(p->values[i]));
		else
			DB_RUN(db, PUBLISHED_ADD, DT(p->domain), DZ(c->name), DZ(dns_type_name(c->type)),
			    DT(p->values[i]));
	}
	return OK;
}

static enum result carry_out(struct plan *p)
{
	struct store *s = p->admin->store;
	struct dns_update_door door = {s->settings->dns.update_key, make_mac, send_message, p};
	const char *why = "";
	if (!p->n)
		return OK;
	enum result r = trust_dns_update(&door, p->answer->zone, p->changes, p->n, p->admin->arena, &why);
	if (r != OK) {
		EVENT(DNS_UPDATE_FAILED, KZ("zone", p->answer->zone), KZ("why", why));
		return admin_refuse(p->admin, r, "the name server did not take the records: %s", why);
	}
	EVENT(DNS_UPDATED, KZ("zone", p->answer->zone), KN("changes", p->n));
	struct remembering m = {.job = {.store = s, .apply = apply_remember, .durable = true}, .plan = p};
	return writer_wait(s->writer, &m.job);
}

enum result admin_dns_publish(struct admin *a, struct db *db)
{
	struct plan p = {.admin = a};
	Sekisho__AssistAnswer *answer;
	bool yes = json_is_true(json_object_get(a->args, "yes"));
	enum result r = admin_dns_domain(a, &p.domain);
	if (r == OK && !slice_str(a->store->settings->dns.update_key).n)
		return admin_refuse(
		    a, DENY, "dns_update_server, dns_update_key and dns_update_key_file are not set");
	if (r == OK)
		r = admin_dns_ask(a, p.domain, false, &answer);
	if (r != OK)
		return r;
	if (!*answer->zone)
		return admin_refuse(a, DENY, "the zone of this domain is not known");
	p.answer = answer;
	p.shown = json_array();
	p.conflicts = json_array();
	a->answer = json_pack("{s:s,s:b,s:o,s:o}", "zone", answer->zone, "done", yes, "changes", p.shown,
	    "conflicts", p.conflicts);
	r = make_plan(&p);
	return r == OK && yes ? carry_out(&p) : r;
}
