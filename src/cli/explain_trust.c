/* explain_trust: what is made of a sender, step by step, without a server. */
#include "cli/cli.h"
#include "mail/header.h"
#include "trust/verify.h"
#include <unistd.h>

#define ARENA_MOST ((size_t)256 << 20)

/* Text of strangers: what is not UTF-8 is shown as '?'. */
static json_t *text_json(struct slice s)
{
	BUF_LOCAL(safe, s.n);
	json_t *text = json_stringn(s.n ? s.p : "", s.n);
	for (size_t i = 0; !text && i < s.n; i++)
		buf_putc(&safe, (unsigned char)s.p[i] < 128 ? s.p[i] : '?');
	return text ? text : json_stringn(safe.n ? safe.p : "", safe.n);
}

/* "local@domain", "<local@domain>", "domain"; nothing: the null sender. */
static void read_sender(const char *text, struct slice *local, struct slice *domain)
{
	struct slice s = slice_str(text);
	if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = slice_sub(s, 1, s.n - 2);
	ptrdiff_t at = slice_rfind(s, '@');
	*local = at > 0 ? slice_sub(s, 0, (size_t)at) : SLICE_NONE;
	*domain = at < 0 ? s : slice_sub(s, (size_t)at + 1, s.n);
}

static json_t *spf_json(const struct spf *spf)
{
	json_t *out = json_object(), *steps = json_array();
	for (const struct spf_step *s = spf->steps; s; s = s->next) {
		json_t *step = json_object();
		json_object_set_new(step, "depth", json_integer(s->depth));
		json_object_set_new(step, "domain", text_json(s->domain));
		json_object_set_new(step, "term", text_json(s->term));
		json_object_set_new(step, "outcome", json_string(s->outcome));
		json_array_append_new(steps, step);
	}
	json_object_set_new(out, "result", json_string(spf_result_name(spf->result)));
	json_object_set_new(out, "explanation", json_string(spf->explanation ? spf->explanation : ""));
	json_object_set_new(out, "lookups", json_integer(spf->lookups));
	json_object_set_new(out, "void_lookups", json_integer(spf->voids));
	json_object_set_new(out, "domain", text_json(spf->domain));
	json_object_set_new(out, "mechanism", text_json(spf->mechanism));
	json_object_set_new(out, "why", text_json(slice_str(spf->why)));
	json_object_set_new(out, "steps", steps);
	return out;
}

int verb_explain_spf(struct cli *c)
{
	const char *ip = cli_arg(c, "ip"), *helo = cli_arg(c, "helo"), *from = cli_arg(c, "from");
	struct spf_ask ask = {
	    .helo = slice_str(helo), .receiver = "localhost", .explain = true, .steps = true};
	struct dns *dns;
	struct spf spf;
	ARENA_LOCAL(a, ARENA_MOST);
	if (!ip || dns_ip_read(slice_str(ip), &ask.ip) != OK)
		return cli_fail(
		    c, EX_USAGE, CLI_TEXT(c, "--ip: not an address", "--ip: アドレスではありません"));
	int failed = cli_dns(c, &dns);
	if (failed)
		return failed;
	read_sender(from, &ask.local, &ask.domain);
	if (ask.domain.n == 0)
		ask.domain = ask.helo;
	ask.now_s = clock_utc_ms() / SECOND_MS;
	spf_check(&ask, dns, &a, &spf);
	json_t *out = spf_json(&spf);
	int code = cli_print(c, out);
	json_decref(out);
	return code;
}

/* ---- a message ---- */

static json_t *dkim_json(const struct dkim_signatures *list)
{
	json_t *out = json_array();
	for (size_t i = 0; i < list->n; i++) {
		const struct dkim_signature *s = &list->list[i];
		json_array_append_new(
		    out, json_pack("{s:s,s:s,s:o,s:o,s:o}", "result", dkim_result_name(s->result), "why",
			     s->reason, "domain", text_json(s->domain), "selector", text_json(s->selector),
			     "algorithm", text_json(s->algorithm)));
	}
	return out;
}

static json_t *arc_json(const struct arc_chain *chain)
{
	json_t *sets = json_array();
	for (size_t i = 0; i < chain->n; i++)
		json_array_append_new(sets, text_json(chain->sets[i].domain));
	return json_pack(
	    "{s:s,s:s,s:o}", "result", arc_status_name(chain->status), "why", chain->reason, "sealers", sets);
}

static json_t *dmarc_json(const struct dmarc *d)
{
	json_t *steps = json_array();
	for (const struct dmarc_step *s = d->steps; s; s = s->next)
		json_array_append_new(steps, text_json(slice_str(s->text)));
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:b,s:b,s:s,s:o}", "result",
	    dmarc_result_name(d->result), "policy", d->policy_domain.n ? dmarc_policy_name(d->policy) : "",
	    "published", d->policy_domain.n ? dmarc_policy_name(d->published) : "", "tag", d->tag,
	    "author_domain", text_json(d->author), "policy_domain", text_json(d->policy_domain),
	    "organisation", text_json(d->organisation), "organisation_by_list",
	    text_json(dmarc_listed_organisation(d->author)), "record", text_json(d->record_text),
	    "spf_aligned", d->spf_aligned, "dkim_aligned", d->dkim_aligned, "why", d->why, "steps", steps);
}

static json_t *flags_json(uint32_t flags)
{
	json_t *out = json_array();
	for (uint32_t bit = 1; bit; bit <<= 1)
		if ((flags & bit) && trust_flag_name(bit))
			json_array_append_new(out, json_string(trust_flag_name(bit)));
	return out;
}

/* The outcome of DMARC first: it is what was asked for. */
static json_t *verify_json(const struct verify *v, const struct verify_ask *ask)
{
	BUF_LOCAL(results, 65536);
	json_t *out = json_object(), *authors = json_array();
	for (size_t i = 0; i < v->authors.n; i++)
		json_array_append_new(authors, text_json(v->authors.domain[i]));
	verify_put_results(v, ask, &results);
	json_object_set_new(out, "result", json_string(dmarc_result_name(v->dmarc.result)));
	json_object_set_new(
	    out, "policy", json_string(v->dmarc.policy_domain.n ? dmarc_policy_name(v->dmarc.policy) : ""));
	json_object_set_new(out, "explanation", json_string(v->dmarc.why));
	json_object_set_new(out, "authors", authors);
	json_object_set_new(out, "proven", json_boolean(v->trust->proven));
	json_object_set_new(out, "flags", flags_json(v->trust->flags));
	json_object_set_new(out, "looks_like", text_json(v->authors.looks_like));
	json_object_set_new(out, "spf", spf_json(&v->spf));
	json_object_set_new(out, "helo", spf_json(&v->helo));
	json_object_set_new(out, "dkim", dkim_json(&v->dkim));
	json_object_set_new(out, "arc", arc_json(&v->arc));
	json_object_set_new(out, "iprev", json_string(iprev_result_name(v->iprev)));
	json_object_set_new(out, "dmarc", dmarc_json(&v->dmarc));
	json_object_set_new(out, "questions", json_integer(v->trust->questions));
	json_object_set_new(out, "header", text_json(buf_slice(&results)));
	return out;
}

/* The sender as Return-Path has it, when none is given. */
static const char *return_path(struct cli *c, struct slice message)
{
	struct mail_field field;
	const char *from = cli_arg(c, "from");
	if (from || !mail_header_get(message, SLICE("Return-Path"), &field))
		return from;
	return arena_z(&c->arena, slice_trim(field.value));
}

int verb_explain_dmarc(struct cli *c)
{
	BUF_LOCAL(message, ARENA_MOST);
	ARENA_LOCAL(a, 2 * ARENA_MOST);
	struct verify_ask ask = {
	    .ip = cli_arg(c, "ip"), .helo = cli_arg(c, "helo"), .hostname = "localhost", .steps = true};
	struct verify v;
	int failed = cli_dns(c, &ask.dns);
	if (!failed)
		failed = cli_read_message(c, STDIN_FILENO, NULL, &message);
	if (failed)
		return failed;
	ask.message = buf_slice(&message);
	ask.ip = ask.ip ? ask.ip : "";
	ask.helo = ask.helo ? ask.helo : "";
	ask.now_ms = clock_utc_ms();
	read_sender(return_path(c, ask.message), &ask.local, &ask.domain);
	if (verify_message(&ask, &a, &v) != OK)
		return cli_fail(
		    c, EX_DATAERR, CLI_TEXT(c, "too large to be explained", "大きすぎて説明できません"));
	json_t *out = verify_json(&v, &ask);
	int code = cli_print(c, out);
	json_decref(out);
	return code;
}
