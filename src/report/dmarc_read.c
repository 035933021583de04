/* dmarc_read: aggregate reports by libexpat's events. Rows that agree become one source, so memory does not grow with rows. */
#include "report/inner.h"
#include "mail/utf8.h"
#include <expat.h>
#include <stdlib.h>

#define SLOTS (LIMIT_REPORT_SOURCES * 2u)
#define COUNT_MOST ((uint64_t)1 << 40)

enum element {
	UNKNOWN,
	ROOT,
#define X(name, text, parent) name,
#include "report/dmarc_elements.def"
#undef X
};
static const struct {
	const char *text;
	enum element parent, element;
} elements[] = {
#define X(name, text, parent) {text, parent, name},
#include "report/dmarc_elements.def"
#undef X
};

struct text {
	char p[LIMIT_REPORT_TEXT];
	size_t n;
};

struct row {
	struct dns_ip ip;
	bool has_ip;
	uint64_t messages;
	bool has_messages, dkim_aligned, spf_aligned;
	Sekisho__TrustDmarc__Policy disposition;
	struct text header_from, envelope_from, reason;
	struct text spf_domain, spf_result, dkim_domain, dkim_selector, dkim_result;
	struct text one_domain, one_selector, one_result; /* the signature or SPF result being read */
};

struct slot {
	struct dns_ip ip;
	uint32_t outcome;
	Sekisho__DmarcSource *source; /* NULL: free */
};

struct dmarc_reader {
	XML_Parser parser;
	struct arena *arena;
	Sekisho__DmarcReport *report;
	enum element path[LIMIT_REPORT_DEPTH];
	unsigned depth;
	bool ended, has_dtd, too_deep, foreign, raw;
	struct text text;
	struct row row;
	struct slot *slots;
	Sekisho__DmarcSource *rest; /* of more sources than there are slots */
	struct mend mend;
};

char *report_text(struct slice text, struct arena *a)
{
	char out[LIMIT_REPORT_TEXT + 8];
	size_t n = 0;
	bool ok;
	text = slice_trim(text);
	while (text.n && n < LIMIT_REPORT_TEXT - 4) {
		uint32_t v = mail_utf8_take(&text, &ok);
		n += mail_utf8_write(out + n, v < ' ' || v == 0x7f || (v >= 0x80 && v < 0xa0) ? ' ' : v);
	}
	return arena_z(a, slice_of(out, n));
}

char *report_domain(struct slice text, struct arena *a)
{
	struct slice ascii;
	text = slice_trim(text);
	if (text.n && text.p[text.n - 1] == '.')
		text.n--;
	if (!mail_host_valid(text) || mail_domain_ascii(text, a, &ascii) != OK)
		return arena_z(a, SLICE_NONE);
	return arena_z(a, ascii);
}

/* ---- values ---- */

static struct slice slice_of_text(const struct text *t)
{
	return slice_trim(slice_of(t->p, t->n));
}

static bool says(const struct text *t, const char *word)
{
	return slice_ieq(slice_of_text(t), slice_str(word));
}

/* A number, however it goes on behind its digits. */
static bool read_number(const struct text *t, uint64_t most, uint64_t *out)
{
	struct slice s = slice_of_text(t);
	size_t n = 0;
	while (n < s.n && ascii_digit(s.p[n]))
		n++;
	return n && num_u64(slice_sub(s, 0, n), most, out) == OK;
}

static int64_t read_time(const struct text *t)
{
	uint64_t n;
	return read_number(t, INT64_MAX / 1000, &n) ? (int64_t)n : 0;
}

static Sekisho__TrustDmarc__Policy read_disposition(const struct text *t)
{
	return says(t, "reject")       ? SEKISHO__TRUST_DMARC__POLICY__REJECT
	       : says(t, "quarantine") ? SEKISHO__TRUST_DMARC__POLICY__QUARANTINE
				       : SEKISHO__TRUST_DMARC__POLICY__ACCEPT;
}

static void end_of_metadata(struct dmarc_reader *r, enum element e)
{
	Sekisho__DmarcReport *d = r->report;
	char **to = e == ORG         ? &d->org
		    : e == EMAIL     ? &d->email
		    : e == CONTACT   ? &d->contact
		    : e == ID        ? &d->id
		    : e == GENERATOR ? &d->generator
				     : &d->error;
	if (!**to)
		*to = report_text(slice_of_text(&r->text), r->arena);
}

static void end_of_policy(struct dmarc_reader *r, enum element e)
{
	Sekisho__DmarcReport *d = r->report;
	char **to = e == P         ? &d->p
		    : e == SP      ? &d->sp
		    : e == NP      ? &d->np
		    : e == ADKIM   ? &d->adkim
		    : e == ASPF    ? &d->aspf
		    : e == FO      ? &d->fo
		    : e == TESTING ? &d->testing
				   : &d->discovery;
	*to = report_text(slice_of_text(&r->text), r->arena);
}

/* ---- rows ---- */

/* The one that passed says most; else the first. */
static void keep_result(struct row *row, bool dkim)
{
	struct text *result = dkim ? &row->dkim_result : &row->spf_result;
	if (!result->n || (says(&row->one_result, "pass") && !says(result, "pass"))) {
		*result = row->one_result;
		if (dkim) {
			row->dkim_domain = row->one_domain;
			row->dkim_selector = row->one_selector;
		} else {
			row->spf_domain = row->one_domain;
		}
	}
	row->one_domain.n = row->one_selector.n = row->one_result.n = 0;
}

static void start_row(struct dmarc_reader *r)
{
	struct row *w = &r->row;
	w->has_ip = w->has_messages = w->dkim_aligned = w->spf_aligned = false;
	w->messages = 0;
	w->disposition = SEKISHO__TRUST_DMARC__POLICY__ACCEPT;
	w->header_from.n = w->envelope_from.n = w->reason.n = 0;
	w->spf_domain.n = w->spf_result.n = w->dkim_domain.n = w->dkim_selector.n = w->dkim_result.n = 0;
	w->one_domain.n = w->one_selector.n = w->one_result.n = 0;
}

static uint32_t hash_of(struct slice s, uint32_t h)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)ascii_lower(s.p[i])) * 0x01000193u;
	return h;
}

/* What must agree for rows to be one source, beside the address. */
static uint32_t outcome_of(const struct row *w)
{
	uint32_t h = hash_of(slice_of_text(&w->header_from), 0x811c9dc5u);
	return (h << 4) | (uint32_t)w->spf_aligned | (uint32_t)w->dkim_aligned << 1 |
	       (uint32_t)w->disposition << 2;
}

static struct slot *find_slot(struct dmarc_reader *r, uint32_t outcome)
{
	const struct dns_ip *ip = &r->row.ip;
	uint32_t h = hash_of(slice_of(ip->octets, sizeof ip->octets), outcome ^ 0x9e3779b9u);
	size_t i = (h ^ h >> 15) % SLOTS;
	while (r->slots[i].source && (r->slots[i].outcome != outcome || r->slots[i].ip.family != ip->family ||
					 memcmp(r->slots[i].ip.octets, ip->octets, sizeof ip->octets) != 0))
		i = (i + 1) % SLOTS;
	return &r->slots[i];
}

static Sekisho__DmarcSource *add_source(struct dmarc_reader *r)
{
	Sekisho__DmarcReport *d = r->report;
	Sekisho__DmarcSource *s = arena_new(r->arena, Sekisho__DmarcSource);
	if (!s)
		return NULL;
	sekisho__dmarc_source__init(s);
	d->sources[d->n_sources++] = s;
	return s;
}

static void fill_source(struct dmarc_reader *r, Sekisho__DmarcSource *s)
{
	const struct row *w = &r->row;
	struct arena *a = r->arena;
	char ip[DNS_IP_TEXT];
	s->ip = arena_z(a, slice_str(dns_ip_text(&w->ip, ip)));
	s->header_from = report_domain(slice_of_text(&w->header_from), a);
	s->envelope_from = report_text(slice_of_text(&w->envelope_from), a);
	s->spf_aligned = w->spf_aligned;
	s->dkim_aligned = w->dkim_aligned;
	s->disposition = w->disposition;
	s->reason = report_text(slice_of_text(&w->reason), a);
	s->spf_domain = report_text(slice_of_text(&w->spf_domain), a);
	s->spf_result = report_text(slice_of_text(&w->spf_result), a);
	s->dkim_domain = report_text(slice_of_text(&w->dkim_domain), a);
	s->dkim_selector = report_text(slice_of_text(&w->dkim_selector), a);
	s->dkim_result = report_text(slice_of_text(&w->dkim_result), a);
}

/* The last place is for all that come when the others are taken: one for what is aligned, one for what is not. */
static Sekisho__DmarcSource *source_of_rest(struct dmarc_reader *r)
{
	bool aligned = r->row.dkim_aligned || r->row.spf_aligned;
	for (size_t i = LIMIT_REPORT_SOURCES; i < r->report->n_sources; i++)
		if (aligned == (r->report->sources[i]->dkim_aligned || r->report->sources[i]->spf_aligned))
			return r->report->sources[i];
	Sekisho__DmarcSource *s = add_source(r);
	if (s) {
		s->dkim_aligned = r->row.dkim_aligned;
		s->spf_aligned = r->row.spf_aligned;
	}
	r->report->cut = true;
	return s;
}

static void end_row(struct dmarc_reader *r)
{
	struct row *w = &r->row;
	Sekisho__DmarcReport *d = r->report;
	d->rows++;
	if (!w->has_ip || !w->has_messages) {
		d->bad_rows++;
		return;
	}
	uint32_t outcome = outcome_of(w);
	struct slot *slot = find_slot(r, outcome);
	Sekisho__DmarcSource *s = slot->source;
	if (!s && d->n_sources >= LIMIT_REPORT_SOURCES) {
		s = source_of_rest(r);
	} else if (!s) {
		s = add_source(r);
		*slot = (struct slot){w->ip, outcome, s};
		if (s)
			fill_source(r, s);
	}
	if (!s)
		return;
	s->messages += w->messages;
	d->messages += w->messages;
	d->aligned += w->dkim_aligned || w->spf_aligned ? w->messages : 0;
}

static void end_of_row_value(struct dmarc_reader *r, enum element e)
{
	struct row *w = &r->row;
	switch (e) {
	case IP:
		w->ip = (struct dns_ip){0};
		w->has_ip = dns_ip_read(slice_of_text(&r->text), &w->ip) == OK;
		break;
	case MESSAGES:
		w->has_messages = read_number(&r->text, COUNT_MOST, &w->messages);
		break;
	case DISPOSITION:
		w->disposition = read_disposition(&r->text);
		break;
	case EVALUATED_DKIM:
		w->dkim_aligned = says(&r->text, "pass");
		break;
	case EVALUATED_SPF:
		w->spf_aligned = says(&r->text, "pass");
		break;
	case REASON_TYPE:
		if (!w->reason.n)
			w->reason = r->text;
		break;
	case HEADER_FROM:
	case HEADER_FROM_TOO:
		w->header_from = r->text;
		break;
	case ENVELOPE_FROM:
	case ENVELOPE_FROM_TOO:
		w->envelope_from = r->text;
		break;
	case DKIM_DOMAIN:
	case SPF_DOMAIN:
		w->one_domain = r->text;
		break;
	case DKIM_SELECTOR:
		w->one_selector = r->text;
		break;
	case DKIM_RESULT:
	case SPF_RESULT:
		w->one_result = r->text;
		break;
	case DKIM:
	case SPF:
		keep_result(w, e == DKIM);
		break;
	default:
		break;
	}
}

/* ---- events ---- */

static const char *bare_name(const char *name)
{
	const char *colon = strchr(name, ':');
	return colon ? colon + 1 : name;
}

static enum element find_element(enum element parent, const char *name)
{
	for (size_t i = 0; i < COUNT(elements); i++)
		if (elements[i].parent == parent && strcasecmp(elements[i].text, name) == 0)
			return elements[i].element;
	return UNKNOWN;
}

static void on_start(void *context, const char *name, const char **attributes)
{
	struct dmarc_reader *r = context;
	if (r->depth == LIMIT_REPORT_DEPTH) {
		r->too_deep = true;
		XML_StopParser(r->parser, XML_FALSE);
		return;
	}
	enum element parent = r->depth ? r->path[r->depth - 1] : ROOT;
	enum element e = parent == UNKNOWN ? UNKNOWN : find_element(parent, bare_name(name));
	if (!r->depth && e == UNKNOWN)
		e = ROOT; /* one that wraps the report, as some do */
	else if (parent == ROOT && e != FEEDBACK)
		r->foreign = true;
	r->path[r->depth++] = e;
	r->text.n = 0;
	if (e == RECORD)
		start_row(r);
	if (r->foreign)
		XML_StopParser(r->parser, XML_FALSE);
}

static void on_end(void *context, const char *name)
{
	struct dmarc_reader *r = context;
	enum element e = r->path[--r->depth];
	if (e == BEGIN)
		r->report->begin_s = read_time(&r->text);
	else if (e == END)
		r->report->end_s = read_time(&r->text);
	else if (e == DOMAIN)
		r->report->domain = report_domain(slice_of_text(&r->text), r->arena);
	else if (e == RECORD)
		end_row(r);
	else if (e >= ORG && e <= GENERATOR && e != RANGE)
		end_of_metadata(r, e);
	else if (e >= P && e <= DISCOVERY)
		end_of_policy(r, e);
	else
		end_of_row_value(r, e);
	r->text.n = 0;
	if (e == FEEDBACK || !r->depth) {
		r->ended = e == FEEDBACK;
		r->foreign = e != FEEDBACK;
		XML_StopParser(r->parser, XML_FALSE);
	}
}

static void on_text(void *context, const char *p, int n)
{
	struct text *t = &((struct dmarc_reader *)context)->text;
	size_t take = MIN((size_t)n, sizeof t->p - t->n);
	memcpy(t->p + t->n, p, take);
	t->n += take;
}

static void on_dtd(void *context, const char *name, const char *system, const char *public_id, int internal)
{
	struct dmarc_reader *r = context;
	r->has_dtd = true;
	XML_StopParser(r->parser, XML_FALSE);
}

/* ---- octets ---- */

static enum result feed(void *context, struct slice s)
{
	struct dmarc_reader *r = context;
	if (!s.n)
		return OK;
	if (XML_Parse(r->parser, s.p, (int)s.n, 0) == XML_STATUS_OK)
		return OK;
	return r->ended ? STOP : BAD;
}

static const char *why_not(const struct dmarc_reader *r)
{
	if (r->has_dtd)
		return "the XML has a DTD";
	if (r->too_deep)
		return "the XML is nested too deeply (LIMIT_REPORT_DEPTH)";
	return r->foreign ? "the XML is no aggregate report" : "the XML is malformed";
}

enum result dmarc_reader_put(struct dmarc_reader *r, struct slice piece, const char **why)
{
	if (r->ended)
		return STOP;
	enum result done = r->raw ? feed(r, piece) : mend_put(&r->mend, piece, false);
	if (done == BAD)
		*why = why_not(r);
	return done;
}

enum result dmarc_reader_end(struct dmarc_reader *r, Sekisho__DmarcReport **out, const char **why)
{
	Sekisho__DmarcReport *d = r->report;
	if (!r->ended && !r->raw && mend_put(&r->mend, SLICE_NONE, true) == BAD)
		*why = why_not(r);
	else if (!r->ended)
		*why = "the XML was cut short";
	else if (!*d->domain)
		*why = "the report does not say whose policy it is about";
	else if (d->begin_s <= 0 || d->end_s < d->begin_s)
		*why = "the report does not say of which time it is";
	else if (d->rows && d->rows == d->bad_rows)
		*why = "no row of the report can be understood";
	else if (arena_full(r->arena))
		return FULL;
	else {
		*out = d;
		return OK;
	}
	return BAD;
}

void dmarc_reader_free(struct dmarc_reader *r)
{
	if (!r)
		return;
	XML_ParserFree(r->parser);
	free(r->slots);
	free(r);
}

struct dmarc_reader *dmarc_reader_new(struct arena *a, bool utf16)
{
	struct dmarc_reader *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	r->arena = a;
	r->raw = utf16;
	r->mend = (struct mend){.give = feed, .context = r};
	r->parser = XML_ParserCreate(utf16 ? "UTF-16" : "UTF-8");
	r->slots = calloc(SLOTS, sizeof *r->slots);
	if (!r->parser || !r->slots)
		abort();
	r->report = arena_new(a, Sekisho__DmarcReport);
	Sekisho__DmarcSource **sources = arena_array(a, LIMIT_REPORT_SOURCES + 2, sizeof *sources);
	if (!r->report || !sources) {
		dmarc_reader_free(r);
		return NULL;
	}
	sekisho__dmarc_report__init(r->report);
	r->report->sources = sources;
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_dtd);
	return r;
}
