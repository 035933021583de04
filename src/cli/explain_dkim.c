/* explain_dkim: signatures of a message, step by step, without a server. */
#include "cli/cli.h"
#include "mail/date.h"
#include "trust/trust.h"
#include <stdlib.h>

#define ARENA_MOST ((size_t)512 << 20)

struct explaining {
	struct dns *dns;
	int64_t time_s; /* --time; -1: as when the message arrived */
};

/* Octets of strangers: what is not UTF-8 is shown as '?'. */
static json_t *text_json(struct slice s)
{
	BUF_LOCAL(safe, s.n + 1);
	json_t *text = json_stringn(s.n ? s.p : "", s.n);
	for (size_t i = 0; !text && i < s.n; i++)
		buf_putc(&safe, (unsigned char)s.p[i] < 128 ? s.p[i] : '?');
	return text ? text : json_stringn(safe.n ? safe.p : "", safe.n);
}

static json_t *base64_json(const unsigned char digest[TRUST_DIGEST])
{
	BUF_LOCAL(text, 64);
	buf_base64(&text, slice_of(digest, TRUST_DIGEST));
	return text_json(buf_slice(&text));
}

static void set_text(json_t *out, const char *name, struct slice s)
{
	json_object_set_new(out, name, text_json(s));
}

static json_t *list_json(const struct slice *list, size_t n)
{
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, text_json(list[i]));
	return out;
}

/* ---- DKIM ---- */

static void set_body(json_t *out, const struct dkim_signature *s)
{
	set_text(out, "body_hash_expected", s->stated_hash);
	if (!s->header_input.n)
		return;
	json_object_set_new(out, "body_hash_found", base64_json(s->body_hash));
	json_object_set_new(out, "body_octets", json_integer((json_int_t)s->body_total));
	json_object_set_new(out, "body_octets_covered", json_integer((json_int_t)s->body_covered));
	json_object_set_new(out, "body_limited", json_boolean(s->limited));
	set_text(out, "header_input", s->header_input);
}

static json_t *signature_json(const struct dkim_signature *s)
{
	json_t *out = json_object();
	json_object_set_new(out, "result", json_string(dkim_result_name(s->result)));
	json_object_set_new(out, "reason", json_string(s->reason));
	set_text(out, "domain", s->domain);
	set_text(out, "selector", s->selector);
	set_text(out, "identity", s->identity);
	set_text(out, "algorithm", s->algorithm);
	set_text(out, "b", s->b);
	json_object_set_new(
	    out, "canonicalization", json_sprintf("%s/%s", canon_name(s->header), canon_name(s->body)));
	json_object_set_new(out, "covered", list_json(s->covered, s->n_covered));
	json_object_set_new(out, "added", list_json(s->added, s->n_added));
	json_object_set_new(out, "signed_at", json_integer(s->signed_s));
	json_object_set_new(out, "expires_at", json_integer(s->expires_s));
	set_text(out, "key_name", s->key_name);
	set_text(out, "key_record", s->key_record);
	json_object_set_new(out, "key_bits", json_integer(s->key_bits));
	json_object_set_new(out, "key_secure", json_boolean(s->key_secure));
	json_object_set_new(out, "testing", json_boolean(s->testing));
	set_body(out, s);
	set_text(out, "field", s->field);
	return out;
}

/* When it arrived, as far as it says so itself. */
static int64_t arrival_ms(const struct trust_message *m)
{
	struct mail_date date;
	for (size_t i = 0; i < m->n; i++) {
		struct slice value = m->fields[i].field.value;
		ptrdiff_t at = slice_rfind(value, ';');
		if (!slice_ieq(m->fields[i].field.name, SLICE("Received")) || at < 0)
			continue;
		if (mail_date_parse(slice_sub(value, (size_t)at + 1, value.n), &date) == OK)
			return date.ms;
		break;
	}
	const struct trust_field *f = trust_lowest(m, SLICE("Date"));
	return f && mail_date_parse(f->field.value, &date) == OK ? date.ms : clock_utc_ms();
}

/* The best of all: one right signature is what a message needs. */
static enum dkim_result overall(const struct dkim_signatures *found)
{
	static const enum dkim_result order[] = {
	    DKIM_PASS, DKIM_TEMPERROR, DKIM_POLICY, DKIM_FAIL, DKIM_PERMERROR, DKIM_NEUTRAL};
	for (size_t o = 0; o < COUNT(order); o++)
		for (size_t i = 0; i < found->n; i++)
			if (found->list[i].result == order[o])
				return order[o];
	return DKIM_NONE;
}

static enum result put_json(json_t *value, struct buf *out)
{
	char *text = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	if (!text)
		return LATER;
	buf_puts(out, text);
	free(text);
	return buf_result(out);
}

static enum result dkim_json(void *context, struct slice message, struct buf *out)
{
	const struct explaining *e = context;
	ARENA_LOCAL(a, ARENA_MOST);
	struct trust_message m;
	struct dkim_signatures found;
	if (trust_message_read(message, &a, &m) != OK)
		return FULL;
	struct trust_check check = {
	    .dns = e->dns, .explain = true, .now_ms = e->time_s < 0 ? arrival_ms(&m) : e->time_s * SECOND_MS};
	dkim_verify(&m, &check, &found);
	json_t *list = json_array();
	for (size_t i = 0; i < found.n; i++)
		json_array_append_new(list, signature_json(&found.list[i]));
	return put_json(
	    json_pack("{s:s,s:I,s:b,s:o}", "result", dkim_result_name(overall(&found)), "time",
		(json_int_t)(check.now_ms / SECOND_MS), "too_many", found.too_many, "signatures", list),
	    out);
}

/* ---- ARC ---- */

static json_t *set_json(const struct arc_set *s)
{
	json_t *out = json_object();
	json_object_set_new(out, "instance", json_integer(s->instance));
	set_text(out, "domain", s->domain);
	set_text(out, "selector", s->selector);
	set_text(out, "algorithm", s->algorithm);
	json_object_set_new(out, "key_bits", json_integer(s->key_bits));
	set_text(out, "signer", s->signer);
	set_text(out, "cv", s->cv);
	json_object_set_new(out, "seal", json_string(dkim_result_name(s->seal)));
	json_object_set_new(out, "message_signature", json_string(dkim_result_name(s->signature)));
	json_object_set_new(out, "reason", json_string(s->why ? s->why : ""));
	set_text(out, "results", s->results);
	return out;
}

/* cv: what the next seal would say of the chain; empty: it has ended, there is no next seal. */
static enum result arc_json(void *context, struct slice message, struct buf *out)
{
	const struct explaining *e = context;
	ARENA_LOCAL(a, ARENA_MOST);
	struct trust_message m;
	struct arc_chain chain;
	if (trust_message_read(message, &a, &m) != OK)
		return FULL;
	struct trust_check check = {.dns = e->dns, .explain = true};
	arc_verify(&m, &check, &chain);
	json_t *sets = json_array();
	for (size_t i = 0; i < chain.n; i++)
		json_array_append_new(sets, set_json(&chain.sets[i]));
	return put_json(
	    json_pack("{s:s,s:s,s:s,s:i,s:i,s:o}", "result", arc_status_name(chain.status), "cv",
		chain.closed ? "" : arc_status_name(chain.status), "reason", chain.reason, "highest",
		(int)chain.highest, "oldest_pass", (int)chain.oldest_pass, "sets", sets),
	    out);
}

/* ---- the verbs ---- */

static int explain(struct cli *c, cli_explainer *how)
{
	struct explaining e = {.time_s = -1};
	const char *time = cli_arg(c, "time");
	uint64_t seconds;
	if (time && num_u64(slice_str(time), (uint64_t)1 << 40, &seconds) != OK)
		return cli_fail(c, EX_USAGE,
		    CLI_TEXT(c, "--time: not a number of seconds", "--time: 秒数ではありません"));
	if (time)
		e.time_s = (int64_t)seconds;
	int failed = cli_dns(c, &e.dns);
	return failed ? failed : cli_explain(c, how, &e);
}

int verb_explain_dkim(struct cli *c)
{
	return explain(c, dkim_json);
}

int verb_explain_arc(struct cli *c)
{
	return explain(c, arc_json);
}
