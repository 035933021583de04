/* targets: where the reports about a domain are to go, as it says in the DNS. */
#include "report/inner.h"
#include "trust/dmarc.h"
#include "trust/name.h"
#include "trust/tlsrpt.h"

#define UNIT_SHIFT 10 /* k, m, g, t: RFC 9990 takes them for powers of 2 */

struct finding {
	struct dns *dns;
	struct arena *arena;
	Sekisho__ReportTargetsAnswer *out;
};

static void add(struct finding *f, struct slice uri, bool https, uint64_t most)
{
	Sekisho__ReportTarget *t = arena_new(f->arena, Sekisho__ReportTarget);
	if (!t || f->out->n_targets == LIMIT_REPORT_TARGETS)
		return;
	for (size_t i = 0; i < f->out->n_targets; i++)
		if (slice_ieq(slice_str(f->out->targets[i]->uri), uri))
			return;
	sekisho__report_target__init(t);
	t->uri = arena_z(f->arena, uri);
	t->https = https;
	t->most = most;
	f->out->targets[f->out->n_targets++] = t;
}

static bool hex_value(char c, unsigned *out)
{
	if (ascii_digit(c))
		*out = (unsigned)(c - '0');
	else if (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f')
		*out = (unsigned)(ascii_lower(c) - 'a') + 10;
	else
		return false;
	return true;
}

/* %XX undone, a query (?subject=) cut off. False: no address that mail could go to. */
static bool read_address(struct finding *f, struct slice text, struct mail_addr *out)
{
	BUF_LOCAL(plain, LIMIT_ADDRESS);
	unsigned high, low;
	text = slice_split(&text, '?');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '%') {
			buf_putc(&plain, text.p[i]);
			continue;
		}
		if (i + 2 >= text.n || !hex_value(text.p[i + 1], &high) || !hex_value(text.p[i + 2], &low))
			return false;
		buf_putc(&plain, (char)(high << 4 | low));
		i += 2;
	}
	struct slice copy = arena_dup(f->arena, buf_slice(&plain));
	return buf_result(&plain) == OK && mail_addr_parse(copy, f->arena, out) == OK && out->domain.n &&
	       mail_host_valid(out->domain);
}

static struct slice address_text(struct finding *f, struct mail_addr to)
{
	BUF_LOCAL(text, LIMIT_ADDRESS * 2);
	mail_addr_put(&text, to);
	return arena_dup(f->arena, buf_slice(&text));
}

/* ---- DMARC ---- */

/* The organisation of a name; a public suffix is its own. */
static struct slice organisation_of(struct slice domain)
{
	struct slice org = dmarc_listed_organisation(domain);
	return org.n ? org : domain;
}

/* RFC 9990 4: another organisation must say that it takes reports about this domain. */
static bool is_welcome(struct finding *f, struct slice domain, struct slice at)
{
	struct dns_text_list texts;
	struct dmarc_record r;
	if (slice_ieq(organisation_of(domain), organisation_of(at)))
		return true;
	const char *name =
	    arena_printf(f->arena, SLICE_FMT "._report._dmarc." SLICE_FMT, SLICE_ARG(domain), SLICE_ARG(at));
	if (!name || !trust_name_ok(slice_str(name)))
		return false;
	dns_txt(f->dns, slice_str(name), f->arena, &texts);
	f->out->unsure |= dns_is_temporary(texts.status);
	for (size_t i = 0; i < texts.n; i++)
		if (dmarc_record_parse(slice_trim(texts.text[i]), &r) == OK ||
		    slice_ieq(slice_trim(texts.text[i]), SLICE("v=DMARC1")))
			return true;
	return false;
}

/* "10m": 10 MiB; 0: no limit, or none that can be read. */
static uint64_t read_size(struct slice text)
{
	static const char units[] = "kmgt";
	uint64_t n, out;
	unsigned shift = 0;
	const char *unit = text.n ? strchr(units, ascii_lower(text.p[text.n - 1])) : NULL;
	if (unit && *unit) {
		shift = (unsigned)(unit - units + 1) * UNIT_SHIFT;
		text.n--;
	}
	return num_u64(text, UINT32_MAX, &n) == OK && mul_ok(n, (uint64_t)1 << shift, &out) ? out : 0;
}

static void find_dmarc(struct finding *f, const Sekisho__ReportTargetsAsk *ask)
{
	struct dmarc_record r;
	struct mail_addr to;
	struct slice at;
	if (dmarc_record_parse(slice_str(ask->record), &r) != OK)
		return;
	Sekisho__ReportTargetsAnswer *out = f->out;
	out->p = (char *)(uintptr_t)dmarc_policy_name(r.p);
	out->sp = (char *)(uintptr_t)(r.has_sp ? dmarc_policy_name(r.sp) : "");
	out->np = (char *)(uintptr_t)(r.has_np ? dmarc_policy_name(r.np) : "");
	out->fo = report_text(r.fo, f->arena);
	out->strict_dkim = r.strict_dkim;
	out->strict_spf = r.strict_spf;
	out->testing = r.testing;
	for (unsigned seen = 0; r.rua.n && seen < LIMIT_REPORT_TARGETS; seen++) {
		struct slice uri = slice_trim_blank(slice_split(&r.rua, ',')), size = uri;
		uri = slice_trim_blank(slice_split(&size, '!'));
		struct slice address = slice_sub(uri, 7, uri.n);
		if (slice_istarts(uri, SLICE("mailto:")) && read_address(f, address, &to) &&
		    mail_domain_ascii(to.domain, f->arena, &at) == OK &&
		    is_welcome(f, slice_str(ask->domain), at))
			add(f, address_text(f, to), false, read_size(slice_trim_blank(size)));
	}
}

/* ---- TLS ---- */

static void find_tls(struct finding *f, const Sekisho__ReportTargetsAsk *ask)
{
	struct dns_text_list texts;
	struct tlsrpt_record r;
	struct mail_addr to;
	const char *name = arena_printf(f->arena, "_smtp._tls.%s", ask->domain);
	if (!name || !trust_name_ok(slice_str(name)))
		return;
	dns_txt(f->dns, slice_str(name), f->arena, &texts);
	f->out->unsure = dns_is_temporary(texts.status);
	if (tlsrpt_record_find(&texts, &r) != OK)
		return;
	for (size_t i = 0; i < r.n; i++) {
		if (slice_istarts(r.uri[i], SLICE("https:")))
			add(f, r.uri[i], true, 0);
		else if (read_address(f, slice_sub(r.uri[i], 7, r.uri[i].n), &to))
			add(f, address_text(f, to), false, 0);
	}
}

bool report_targets(
    const Sekisho__ReportTargetsAsk *ask, struct dns *dns, struct arena *a, Sekisho__ReportTargetsAnswer *out)
{
	struct finding f = {dns, a, out};
	sekisho__report_targets_answer__init(out);
	out->targets = arena_array(a, LIMIT_REPORT_TARGETS + 1, sizeof *out->targets);
	if (out->targets && *ask->record)
		find_dmarc(&f, ask);
	else if (out->targets)
		find_tls(&f, ask);
	return !arena_full(a);
}
