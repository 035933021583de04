/* The BIMI record of a domain, made of where its logo lies, and what is wrong with the logo. */
#include "cli/cli.h"
#include "inspect/logo.h"
#include "mail/address.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static void add(json_t *findings, const char *code, const char *state, const char *en, const char *ja)
{
	json_array_append_new(
	    findings, json_pack("{s:s,s:s,s:s,s:s}", "code", code, "state", state, "en", en, "ja", ja));
}

/* https with a host and a path that ends so; nothing that would end the record's value. */
static bool is_url(struct slice url, struct slice ending)
{
	if (!slice_istarts(url, SLICE("https://")) || url.n > 1000 || !slice_is_ascii(url))
		return false;
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] == '"' || url.p[i] == ';' || url.p[i] == ',' ||
		    url.p[i] == '\\')
			return false;
	struct slice path = slice_sub(url, 8, url.n), host = slice_split(&path, '/');
	path = slice_split(&path, '?');
	host = slice_split(&host, ':');
	return mail_host_valid(host) && slice_iends(path, ending);
}

static int read_svg(struct cli *c, const char *path, struct buf *out)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	char *p = fd >= 0 && fd_size(fd, &size) == OK ? buf_room(out, size) : NULL;
	if (!p || (size && fd_pread_all(fd, p, size, 0) != OK))
		return cli_fail(
		    c, EX_NOINPUT, "%s: %s", path, size > LIMIT_LOGO ? "too large" : strerrordesc_np(errno));
	buf_wrote(out, size);
	return EX_OK;
}

static int check_svg(struct cli *c, json_t *findings)
{
	BUF_LOCAL(svg, LIMIT_LOGO);
	const char *path = cli_arg(c, "svg");
	int code = path ? read_svg(c, path, &svg) : EX_OK;
	unsigned faults = path && code == EX_OK ? inspect_logo(buf_slice(&svg)) : 0;
	for (enum logo_fault f = 0; f < LOGO_FAULTS; f++)
		if (faults & 1u << f) {
			const struct logo_text *t = inspect_logo_text(f);
			add(findings, t->word, t->wrong ? "wrong" : "warning", t->en, t->ja);
		}
	return code;
}

static void check_rest(struct cli *c, json_t *findings)
{
	if (!cli_arg(c, "certificate"))
		add(findings, "no_certificate", "hint",
		    "There is no mark certificate (VMC, or CMC): Gmail and Apple show logos only with one. A "
		    "VMC asks for a registered "
		    "trademark; give its PEM file's place with --certificate.",
		    "マーク証明書(VMC または CMC)がありません。Gmail と Apple "
		    "は証明書のあるロゴだけを表示します。VMC には登録商標が必要です。"
		    "PEM ファイルの URL を --certificate で指定してください。");
	add(findings, "dmarc", "hint",
	    "Logos are shown only where DMARC is p=quarantine or p=reject for all mail, below the domain "
	    "too: see `sekisho dns check`.",
	    "ロゴは DMARC が全メール(サブドメインを含む)に対して p=quarantine か p=reject "
	    "のときだけ表示されます。`sekisho dns check` で確認してください。");
}

static int make(struct cli *c, json_t **out)
{
	struct slice logo = slice_str(cli_arg(c, "logo")), mark = slice_str(cli_arg(c, "certificate")),
		     domain;
	if (mail_domain_ascii(slice_str(cli_arg(c, "domain")), &c->arena, &domain) != OK ||
	    !mail_host_valid(domain))
		return cli_fail(c, EX_DATAERR, "not a domain: %s", cli_arg(c, "domain"));
	if (!is_url(logo, SLICE(".svg")))
		return cli_fail(c, EX_DATAERR, "LOGO: https://HOST/....svg is wanted");
	if (mark.n && !is_url(mark, SLICE(".pem")))
		return cli_fail(c, EX_DATAERR, "--certificate: https://HOST/....pem is wanted");
	json_t *findings = json_array();
	int code = check_svg(c, findings);
	check_rest(c, findings);
	char *name = arena_printf(&c->arena, "default._bimi." SLICE_FMT, SLICE_ARG(domain));
	char *value = arena_printf(
	    &c->arena, "v=BIMI1; l=" SLICE_FMT "; a=" SLICE_FMT, SLICE_ARG(logo), SLICE_ARG(mark));
	*out = json_pack("{s:s,s:s,s:s,s:s,s:o}", "name", name, "type", "TXT", "value", value, "line",
	    arena_printf(&c->arena, "%s. 3600 IN TXT \"%s\"", name, value), "findings", findings);
	return code;
}

static void show(const struct cli *c, const json_t *made)
{
	const json_t *f;
	size_t i;
	printf("%s\n", json_string_value(json_object_get(made, "line")));
	json_array_foreach(json_object_get(made, "findings"), i, f)
	    printf("  [%s] %s\n", json_string_value(json_object_get(f, "state")),
		json_string_value(json_object_get(f, CLI_TEXT(c, "en", "ja"))));
}

int verb_dns_bimi(struct cli *c)
{
	json_t *made = NULL;
	int code = make(c, &made);
	if (code == EX_OK && c->json)
		code = cli_print(c, made);
	else if (code == EX_OK)
		show(c, made);
	json_decref(made);
	return code;
}
