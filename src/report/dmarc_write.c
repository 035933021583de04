/* dmarc_write: the XML of an aggregate report, RFC 9990 3 and its schema. */
#include "report/inner.h"
#include "mail/utf8.h"
#include <stdlib.h>
#include <zlib.h>

#define PIECE 65536
#define GZIP_HEADER (15 + 16)

/* ---- XML ---- */

static void put_text(struct buf *b, struct slice s)
{
	bool ok;
	while (s.n) {
		uint32_t v = mail_utf8_take(&s, &ok);
		switch (v) {
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		default:
			mail_utf8_put(b, v < ' ' || v == 0xfffe || v == 0xffff ? '?' : v);
		}
	}
}

/* <name>text</name>; nothing when there is no text. */
static void put(struct buf *b, const char *name, struct slice text)
{
	if (!text.n)
		return;
	buf_printf(b, "<%s>", name);
	put_text(b, text);
	buf_printf(b, "</%s>\n", name);
}

static void put_z(struct buf *b, const char *name, const char *text)
{
	put(b, name, slice_str(text));
}

static void put_number(struct buf *b, const char *name, int64_t n)
{
	buf_printf(b, "<%s>%lld</%s>\n", name, (long long)n, name);
}

/* ---- the report ---- */

void report_dmarc_begin(
    const struct report_about *about, const Sekisho__ReportTargetsAnswer *policy, struct buf *b)
{
	buf_puts(b,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<feedback "
	    "xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n<version>1.0</version>\n<report_metadata>\n");
	put(b, "org_name", about->org);
	put(b, "email", about->email);
	put(b, "report_id", about->id);
	buf_puts(b, "<date_range>\n");
	put_number(b, "begin", about->begin_s);
	put_number(b, "end", about->end_s);
	buf_puts(
	    b, "</date_range>\n<generator>Sekisho</generator>\n</report_metadata>\n<policy_published>\n");
	put(b, "domain", about->domain);
	put_z(b, "p", policy->p);
	put_z(b, "sp", policy->sp);
	put_z(b, "np", policy->np);
	put_z(b, "adkim", policy->strict_dkim ? "s" : "r");
	put_z(b, "aspf", policy->strict_spf ? "s" : "r");
	put_z(b, "fo", policy->fo);
	put_z(b, "testing", policy->testing ? "y" : "n");
	put_z(b, "discovery_method", "treewalk");
	buf_puts(b, "</policy_published>\n");
}

static const char *disposition(const Sekisho__DmarcCount *c)
{
	if (c->disposition == SEKISHO__TRUST_DMARC__POLICY__REJECT)
		return "reject";
	if (c->disposition == SEKISHO__TRUST_DMARC__POLICY__QUARANTINE)
		return "quarantine";
	return c->spf_aligned || c->dkim_aligned ? "pass" : "none";
}

static void put_row(const Sekisho__DmarcCount *c, uint64_t times, struct buf *b)
{
	buf_puts(b, "<row>\n");
	put_z(b, "source_ip", c->source_ip);
	put_number(b, "count", (int64_t)times);
	buf_puts(b, "<policy_evaluated>\n");
	put_z(b, "disposition", disposition(c));
	put_z(b, "dkim", c->dkim_aligned ? "pass" : "fail");
	put_z(b, "spf", c->spf_aligned ? "pass" : "fail");
	if (*c->reason) {
		buf_puts(b, "<reason>\n");
		put_z(b, "type", c->reason);
		put_z(b, "comment", c->comment);
		buf_puts(b, "</reason>\n");
	}
	buf_puts(b, "</policy_evaluated>\n</row>\n");
}

static void put_results(const Sekisho__DmarcCount *c, struct buf *b)
{
	buf_puts(b, "<auth_results>\n");
	for (size_t i = 0; i < c->n_dkim; i++) {
		const Sekisho__TrustDkim *d = c->dkim[i];
		if (!*d->domain)
			continue;
		buf_puts(b, "<dkim>\n");
		put_z(b, "domain", d->domain);
		put_z(b, "selector", *d->selector ? d->selector : "?");
		put_z(b, "result", d->result);
		put_z(b, "human_result", d->why);
		buf_puts(b, "</dkim>\n");
	}
	if (c->spf && *c->spf->domain) {
		buf_puts(b, "<spf>\n");
		put_z(b, "domain", c->spf->domain);
		put_z(b, "scope", c->spf_helo ? "helo" : "mfrom");
		put_z(b, "result", c->spf->result);
		buf_puts(b, "</spf>\n");
	}
	buf_puts(b, "</auth_results>\n");
}

void report_dmarc_record(const Sekisho__DmarcCount *c, uint64_t times, struct buf *b)
{
	buf_puts(b, "<record>\n");
	put_row(c, times, b);
	buf_puts(b, "<identifiers>\n");
	put_z(b, "header_from", c->header_from);
	put_z(b, "envelope_from", c->envelope_from);
	buf_puts(b, "</identifiers>\n");
	put_results(c, b);
	buf_puts(b, "</record>\n");
}

void report_dmarc_end(struct buf *b)
{
	buf_puts(b, "</feedback>\n");
}

/* ---- gzip ---- */

struct report_gzip {
	z_stream stream;
	struct buf *to;
};

struct report_gzip *report_gzip_new(struct buf *to)
{
	struct report_gzip *g = calloc(1, sizeof *g);
	if (!g || deflateInit2(
		      &g->stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_HEADER, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	g->to = to;
	return g;
}

static void run(struct report_gzip *g, int how)
{
	unsigned char out[PIECE];
	do {
		g->stream.next_out = out;
		g->stream.avail_out = sizeof out;
		deflate(&g->stream, how);
		buf_put(g->to, slice_of(out, sizeof out - g->stream.avail_out));
	} while (!g->stream.avail_out);
}

void report_gzip_put(struct report_gzip *g, struct slice piece)
{
	g->stream.next_in = (unsigned char *)(uintptr_t)piece.p;
	g->stream.avail_in = (unsigned)piece.n;
	if (piece.n)
		run(g, Z_NO_FLUSH);
}

enum result report_gzip_end(struct report_gzip *g)
{
	enum result r;
	g->stream.next_in = NULL;
	g->stream.avail_in = 0;
	run(g, Z_FINISH);
	r = buf_result(g->to);
	deflateEnd(&g->stream);
	free(g);
	return r;
}
