/* explain_trust: what is made of a sender, step by step, without a server. */
#include "cli/cli.h"
#include "trust/trust.h"

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
