/* What a domain should have in the DNS: asked of the running server, or with --dns FILE worked out here. */
#include "cli/cli.h"
#include "store/domain/dns_json.h"
#include "trust/assist.h"
#include <stdio.h>

#define CHECK_MS (60 * SECOND_MS)
#define CHECK_ARENA ((size_t)64 << 20)

/* ---- offline ---- */

static char *text_of(const char *z)
{
	return (char *)(uintptr_t)(z ? z : "");
}

/* A list option as an array of texts in the arena. */
static size_t list_of(struct cli *c, const char *key, char ***out)
{
	const json_t *list = json_object_get(c->args, key), *item;
	size_t i;
	*out = arena_array(&c->arena, json_array_size(list) + 1, sizeof **out);
	json_array_foreach(list, i, item)(*out)[i] = text_of(json_string_value(item));
	return json_array_size(list);
}

/* --dkim SELECTOR=VALUE... */
static size_t keys_of(struct cli *c, Sekisho__AssistKey ***out)
{
	char **texts;
	size_t n = list_of(c, "dkim", &texts);
	*out = arena_array(&c->arena, n + 1, sizeof **out);
	for (size_t i = 0; i < n; i++) {
		struct slice value = slice_str(texts[i]), selector = slice_split(&value, '=');
		Sekisho__AssistKey *k = arena_new(&c->arena, Sekisho__AssistKey);
		sekisho__assist_key__init(k);
		k->selector = arena_z(&c->arena, selector);
		k->value = arena_z(&c->arena, value);
		(*out)[i] = k;
	}
	return n;
}

/* --tlsa HEX...: digests of public keys, the one in use first. BAD: not 32 octets in hex. */
static enum result digests_of(struct cli *c, Sekisho__AssistAsk *ask)
{
	char **texts;
	size_t n = list_of(c, "tlsa", &texts);
	ask->tlsa = arena_array(&c->arena, n + 1, sizeof *ask->tlsa);
	for (size_t i = 0; i < n; i++) {
		BUF_LOCAL(b, 32);
		if (hex_decode(slice_str(texts[i]), &b) != OK || b.n != 32)
			return BAD;
		struct slice kept = arena_dup(&c->arena, buf_slice(&b));
		ask->tlsa[ask->n_tlsa++] = (ProtobufCBinaryData){kept.n, (uint8_t *)(uintptr_t)kept.p};
	}
	return OK;
}

static size_t services_of(struct cli *c, Sekisho__AssistService ***out)
{
	static const struct {
		const char *name;
		unsigned port;
	} standard[] = {{"_submissions._tcp", 465}, {"_imaps._tcp", 993}, {"_pop3s._tcp", 995},
	    {"_sieve._tcp", 4190}, {"_autodiscover._tcp", 443}};
	*out = arena_array(&c->arena, COUNT(standard), sizeof **out);
	for (size_t i = 0; i < COUNT(standard); i++) {
		Sekisho__AssistService *s = arena_new(&c->arena, Sekisho__AssistService);
		sekisho__assist_service__init(s);
		s->name = text_of(standard[i].name);
		s->port = standard[i].port;
		(*out)[i] = s;
	}
	return COUNT(standard);
}

static int check_here(struct cli *c, json_t **out)
{
	Sekisho__AssistAsk ask = SEKISHO__ASSIST_ASK__INIT;
	const char *domain = cli_arg(c, "domain"), *host = cli_arg(c, "hostname");
	struct dns *dns;
	ask.domain = text_of(domain);
	ask.host = text_of(host ? host : arena_printf(&c->arena, "mail.%s", domain));
	ask.silent = cli_flag(c, "silent");
	ask.reports = arena_printf(&c->arena, "dmarc-reports@%s", domain);
	ask.tls_reports = arena_printf(&c->arena, "tls-reports@%s", domain);
	ask.ca = text_of(cli_arg(c, "ca"));
	ask.sts_id = text_of(cli_arg(c, "sts_id"));
	ask.n_addresses = list_of(c, "address", &ask.addresses);
	ask.n_dkim = keys_of(c, &ask.dkim);
	ask.n_services = services_of(c, &ask.services);
	if (digests_of(c, &ask) != OK)
		return cli_fail(c, EX_USAGE, "--tlsa: SHA-256, 64 hex digits");
	int code = cli_dns(c, &dns);
	if (code != EX_OK)
		return code;
	ARENA_LOCAL(a, CHECK_ARENA);
	Sekisho__AssistAnswer *answer = trust_assist(&ask, dns, CHECK_MS, &a);
	*out = answer ? dns_report_json(domain, clock_utc_ms(), answer) : NULL;
	return *out ? EX_OK : cli_fail(c, EX_SOFTWARE, "too much to check");
}

static int check(struct cli *c, json_t **out)
{
	return cli_arg(c, "dns") ? check_here(c, out) : cli_admin(c, "dns.check", c->args, out);
}

/* ---- for people ---- */

static const char *text_at(const json_t *v, const char *key)
{
	const char *z = json_string_value(json_object_get(v, key));
	return z ? z : "";
}

static void put_text(struct buf *b, const char *z)
{
	cli_put_safe(b, slice_str(z));
}

static const char *mark(const struct cli *c, const char *state)
{
	static const struct {
		const char *state, *en, *ja;
	} marks[] = {{"ok", "ok", "正常"}, {"hint", "hint", "参考"}, {"unknown", "unknown", "不明"},
	    {"warning", "warning", "注意"}, {"missing", "MISSING", "未設定"}, {"wrong", "WRONG", "誤り"}};
	for (size_t i = 0; i < COUNT(marks); i++)
		if (strcmp(marks[i].state, state) == 0)
			return CLI_TEXT(c, marks[i].en, marks[i].ja);
	return state;
}

/* What a DNS panel has fields for, and the same as a line of a zone file. */
static void put_record(const struct cli *c, struct buf *b, const json_t *r)
{
	const json_t *seen = json_object_get(r, "seen"), *item;
	size_t i;
	buf_printf(b, "\n  [%s] %s", mark(c, text_at(r, "state")), text_at(r, "type"));
	buf_printf(b, "%s\n    %s",
	    json_is_true(json_object_get(r, "optional")) ? CLI_TEXT(c, " (optional)", "(任意)") : "",
	    CLI_TEXT(c, "name:  ", "ホスト名: "));
	put_text(b, text_at(r, "host"));
	buf_puts(b, CLI_TEXT(c, "\n    value: ", "\n    値:       "));
	put_text(b, text_at(r, "value"));
	json_array_foreach(json_object_get(r, "parts"), i, item)
	{
		buf_printf(b, CLI_TEXT(c, "\n    part %zu: ", "\n    分割 %zu:   "), i + 1);
		put_text(b, json_string_value(item));
	}
	buf_puts(b, CLI_TEXT(c, "\n    zone:  ", "\n    ゾーン:   "));
	put_text(b, text_at(r, "line"));
	json_array_foreach(seen, i, item)
	{
		buf_puts(b, CLI_TEXT(c, "\n    now:   ", "\n    現在:     "));
		put_text(b, json_string_value(item));
	}
	buf_putc(b, '\n');
}

static void put_finding(const struct cli *c, struct buf *b, const json_t *f)
{
	buf_printf(b, "  [%s] ", mark(c, text_at(f, "state")));
	put_text(b, text_at(f, CLI_TEXT(c, "en", "ja")));
	buf_puts(b, "\n      -> ");
	put_text(b, text_at(f, CLI_TEXT(c, "en_do", "ja_do")));
	buf_putc(b, '\n');
}

/* The worst first. */
static void put_findings(const struct cli *c, struct buf *b, const json_t *findings)
{
	static const char *const order[] = {"wrong", "missing", "warning", "unknown", "hint"};
	const json_t *f;
	size_t i;
	for (size_t o = 0; o < COUNT(order); o++)
		json_array_foreach(findings, i, f) if (strcmp(text_at(f, "state"), order[o]) == 0)
		    put_finding(c, b, f);
}

static bool is_fine(const json_t *record)
{
	return strcmp(text_at(record, "state"), "ok") == 0;
}

static void put_check(const struct cli *c, struct buf *b, const json_t *report, bool all)
{
	const json_t *item, *findings = json_object_get(report, "findings");
	size_t i, fine = 0;
	buf_printf(b, "%s: [%s]\n\n", text_at(report, "domain"), mark(c, text_at(report, "state")));
	put_findings(c, b, findings);
	if (!json_array_size(findings))
		buf_puts(b,
		    CLI_TEXT(c, "  Everything is as it should be.\n", "  すべて正しく設定されています。\n"));
	buf_puts(b, CLI_TEXT(c, "\nTo publish:\n", "\n公開するレコード:\n"));
	json_array_foreach(json_object_get(report, "records"), i, item)
	{
		fine += is_fine(item);
		if (all || !is_fine(item))
			put_record(c, b, item);
	}
	if (!all && fine)
		buf_printf(b,
		    CLI_TEXT(c, "\n%zu records are right already.\n",
			"\n%zu 個のレコードは既に正しく公開されています。\n"),
		    fine);
}

static int show(const struct cli *c, struct buf *b)
{
	size_t wrote = b->n ? fwrite(b->p, 1, b->n, stdout) : 0;
	return wrote == b->n && !fflush(stdout) ? EX_OK : EX_IOERR;
}

#define SHOWN_MOST ((size_t)4 << 20)

int verb_dns_check(struct cli *c)
{
	json_t *report = NULL;
	int code = check(c, &report);
	if (code == EX_OK && c->json) {
		code = cli_print(c, report);
	} else if (code == EX_OK) {
		BUF_LOCAL(b, SHOWN_MOST);
		put_check(c, &b, report, false);
		code = show(c, &b);
	}
	json_decref(report);
	return code;
}

/* A zone file's snippet; comments say what a line is for. */
int verb_dns_records(struct cli *c)
{
	json_t *report = NULL, *item;
	const char *subject = "";
	size_t i;
	int code = check(c, &report);
	if (code == EX_OK && c->json) {
		code = cli_print(c, json_object_get(report, "records"));
	} else if (code == EX_OK) {
		BUF_LOCAL(b, SHOWN_MOST);
		json_array_foreach(json_object_get(report, "records"), i, item)
		{
			if (strcmp(subject, text_at(item, "subject")) != 0)
				buf_printf(&b, "; %s\n", text_at(item, "subject"));
			subject = text_at(item, "subject");
			put_text(&b, text_at(item, "line"));
			buf_putc(&b, '\n');
		}
		code = show(c, &b);
	}
	json_decref(report);
	return code;
}

/* ---- the self-test, to be printed and filed ---- */

static void put_subjects(const struct cli *c, struct buf *b, const json_t *report)
{
	const char *subject;
	json_t *state;
	json_object_foreach(json_object_get(report, "subjects"), subject, state)
	    buf_printf(b, "  %-10s %s\n", subject, mark(c, json_string_value(state)));
}

static void put_rules(const struct cli *c, struct buf *b, const json_t *report)
{
	const json_t *r;
	size_t i;
	json_array_foreach(json_object_get(report, "requirements"), i, r)
	{
		bool bulk = json_is_true(json_object_get(r, "bulk"));
		bool met = json_is_true(json_object_get(r, "met"));
		buf_printf(b, "  %-12s %s%s: %s\n", text_at(r, "provider"),
		    text_at(r, CLI_TEXT(c, "en", "ja")),
		    bulk ? CLI_TEXT(c, " (bulk senders)", "(大量送信者)") : "",
		    met ? CLI_TEXT(c, "met", "適合") : CLI_TEXT(c, "NOT MET", "不適合"));
	}
}

int verb_dns_report(struct cli *c)
{
	json_t *report = NULL;
	int code = check(c, &report);
	if (code == EX_OK && c->json) {
		code = cli_print(c, report);
	} else if (code == EX_OK) {
		BUF_LOCAL(b, SHOWN_MOST);
		json_int_t at = json_integer_value(json_object_get(report, "checked_at_ms"));
		buf_printf(&b,
		    CLI_TEXT(c, "Self-test of mail for %s\n%s, Sekisho %s\n\nBy subject:\n",
			"%s のメール設定の自己点検\n%s、関所 %s\n\n項目別:\n"),
		    text_at(report, "domain"), cli_time(&c->arena, at), SEKISHO_VERSION);
		put_subjects(c, &b, report);
		buf_puts(&b,
		    CLI_TEXT(c, "\nWhat large providers ask of senders:\n", "\n大手事業者の送信者要件:\n"));
		put_rules(c, &b, report);
		buf_putc(&b, '\n');
		put_check(c, &b, report, true);
		code = show(c, &b);
	}
	json_decref(report);
	return code;
}

/* ---- publishing ---- */

static void put_changes(const struct cli *c, struct buf *b, const json_t *plan)
{
	const json_t *item, *changes = json_object_get(plan, "changes");
	size_t i;
	json_array_foreach(changes, i, item)
	{
		bool remove = strcmp(text_at(item, "act"), "remove") == 0;
		buf_printf(b, "%s %s %s ", remove ? "-" : "+", text_at(item, "name"), text_at(item, "type"));
		put_text(b, text_at(item, "value"));
		buf_putc(b, '\n');
	}
	json_array_foreach(json_object_get(plan, "conflicts"), i, item)
	{
		buf_printf(b, "! %s %s: ", text_at(item, "name"), text_at(item, "type"));
		put_text(b, text_at(item, "in_the_way"));
		buf_puts(b, CLI_TEXT(c, " stands in the way of ", " が妨げになっています。公開したい値: "));
		put_text(b, text_at(item, "value"));
		buf_putc(b, '\n');
	}
	if (!json_array_size(changes))
		buf_puts(b, CLI_TEXT(c, "Nothing to do.\n", "変更はありません。\n"));
	else if (json_is_true(json_object_get(plan, "done")))
		buf_puts(b, CLI_TEXT(c, "Done.\n", "公開しました。\n"));
	else
		buf_puts(b, CLI_TEXT(c, "Nothing was changed; with --yes it is done.\n",
				"まだ何も変更していません。--yes を付けると実行します。\n"));
}

int verb_dns_publish(struct cli *c)
{
	json_t *plan = NULL;
	int code = cli_admin(c, "dns.publish", c->args, &plan);
	if (code == EX_OK && c->json) {
		code = cli_print(c, plan);
	} else if (code == EX_OK) {
		BUF_LOCAL(b, SHOWN_MOST);
		put_changes(c, &b, plan);
		code = show(c, &b);
	}
	json_decref(plan);
	return code;
}

/* ---- DMARC ---- */

int verb_dmarc_advice(struct cli *c)
{
	json_t *advice = NULL;
	int code = cli_admin(c, "dmarc.advice", c->args, &advice);
	if (code == EX_OK && !c->json) {
		const char *text = text_at(advice, CLI_TEXT(c, "en", "ja"));
		cli_say(c, "%s\n\n", text);
		json_object_del(advice, "en");
		json_object_del(advice, "ja");
	}
	if (code == EX_OK)
		code = cli_print(c, advice);
	json_decref(advice);
	return code;
}
