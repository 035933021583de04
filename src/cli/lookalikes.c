/* Names that look like a domain: what the running server found, or with --dns FILE what is to be found there. */
#include "cli/cli.h"
#include "store/domain/dns_json.h"
#include "trust/lookalike.h"
#include <stdio.h>

#define LOOK_MS (60 * SECOND_MS)
#define LOOK_ARENA ((size_t)8 << 20)
#define SHOWN_MOST ((size_t)1 << 20)

/* All that would be looked at; nobody is asked. */
static int candidates(struct cli *c, json_t **out)
{
	ARENA_LOCAL(a, LOOK_ARENA);
	struct lookalike *list;
	size_t n = trust_lookalikes(slice_str(cli_arg(c, "domain")), &a, &list);
	if (!n)
		return cli_fail(c, EX_DATAERR, "not a name that is registered: %s", cli_arg(c, "domain"));
	json_t *names = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(names, json_pack("{s:s,s:s,s:s}", "name", list[i].name, "shown",
						 list[i].shown, "kind", lookalike_word(list[i].kind)));
	*out = json_pack(
	    "{s:s,s:I,s:o}", "domain", cli_arg(c, "domain"), "candidates", (json_int_t)n, "names", names);
	return EX_OK;
}

static int look_here(struct cli *c, json_t **out)
{
	Sekisho__LookalikeAsk ask = SEKISHO__LOOKALIKE_ASK__INIT;
	struct dns *dns;
	json_t *names = json_array();
	json_int_t total = 0;
	int code = cli_dns(c, &dns);
	ask.domain = (char *)(uintptr_t)cli_arg(c, "domain");
	do {
		ARENA_LOCAL(a, LOOK_ARENA);
		Sekisho__LookalikeAnswer *answer =
		    code == EX_OK ? trust_lookalikes_look(&ask, dns, LOOK_MS, &a) : NULL;
		if (!answer)
			break;
		for (size_t i = 0; i < answer->n_seen; i++)
			if (answer->seen[i]->state >= SEKISHO__LOOKALIKE_STATE__REGISTERED)
				json_array_append_new(names, lookalike_json(answer->seen[i]));
		ask.from = answer->next;
		total = answer->total;
	} while (ask.from);
	*out = json_pack("{s:s,s:I,s:o}", "domain", ask.domain, "candidates", total, "names", names);
	return code;
}

/* ---- for people ---- */

static const char *text_at(const json_t *v, const char *key)
{
	const char *z = json_string_value(json_object_get(v, key));
	return z ? z : "";
}

static const char *state_text(const struct cli *c, const char *state)
{
	static const struct {
		const char *state, *en, *ja;
	} texts[] = {{"mail", "can send and take mail", "メール可"},
	    {"address", "has a server", "サーバーあり"}, {"registered", "registered", "登録のみ"},
	    {"none", "not there", "なし"}};
	for (size_t i = 0; i < COUNT(texts); i++)
		if (strcmp(texts[i].state, state) == 0)
			return CLI_TEXT(c, texts[i].en, texts[i].ja);
	return state;
}

static const char *kind_text(const struct cli *c, const char *word)
{
	for (unsigned k = 0; k < LOOKALIKE_KINDS; k++)
		if (strcmp(lookalike_word(k), word) == 0)
			return lookalike_text(k, c->lang == CLI_JAPANESE);
	return word;
}

static void put_name(const struct cli *c, struct buf *b, const json_t *n)
{
	const char *state = text_at(n, "state"), *mark = text_at(n, "mark");
	buf_puts(b, "  ");
	cli_put_safe(b, slice_str(text_at(n, "shown")));
	if (strcmp(text_at(n, "shown"), text_at(n, "name")) != 0)
		buf_printf(b, " (%s)", text_at(n, "name"));
	buf_printf(b, ": %s", kind_text(c, text_at(n, "kind")));
	if (*state)
		buf_printf(b, "; %s", state_text(c, state));
	if (*text_at(n, "seen"))
		buf_printf(b, "; %s", text_at(n, "seen"));
	if (*mark)
		buf_printf(b, " [%s]", mark);
	buf_putc(b, '\n');
}

static int show(struct cli *c, const json_t *report)
{
	BUF_LOCAL(b, SHOWN_MOST);
	const json_t *names = json_object_get(report, "names"), *item;
	size_t i;
	json_int_t at = json_integer_value(json_object_get(report, "checked_at_ms"));
	buf_printf(&b,
	    CLI_TEXT(c, "%s: %lld names looked at, %zu to be seen below", "%s: 候補 %lld 件、該当 %zu 件"),
	    text_at(report, "domain"), (long long)json_integer_value(json_object_get(report, "candidates")),
	    json_array_size(names));
	if (at)
		buf_printf(
		    &b, CLI_TEXT(c, " (last whole round: %s)", "(前回の点検: %s)"), cli_time(&c->arena, at));
	buf_putc(&b, '\n');
	json_array_foreach(names, i, item) put_name(c, &b, item);
	return fwrite(b.p, 1, b.n, stdout) == b.n && !fflush(stdout) ? EX_OK : EX_IOERR;
}

static int ask(struct cli *c, json_t **out)
{
	if (cli_flag(c, "candidates"))
		return candidates(c, out);
	if (cli_arg(c, "dns"))
		return look_here(c, out);
	return cli_admin(c, cli_flag(c, "check") ? "dns.lookalikes.check" : "dns.lookalikes", c->args, out);
}

int verb_dns_lookalikes(struct cli *c)
{
	json_t *report = NULL;
	int code = ask(c, &report);
	if (code == EX_OK)
		code = c->json ? cli_print(c, report) : show(c, report);
	json_decref(report);
	return code;
}
