/* dmarc_record: what a domain publishes, RFC 9989 4.7 and 4.8. */
#include "trust/dmarc.h"

const char *dmarc_result_name(enum dmarc_result r)
{
	static const char *const names[] = {"none", "pass", "fail", "temperror", "permerror"};
	return (unsigned)r < COUNT(names) ? names[r] : "?";
}

const char *dmarc_policy_name(enum dmarc_policy p)
{
	static const char *const names[] = {"none", "quarantine", "reject"};
	return (unsigned)p < COUNT(names) ? names[p] : "?";
}

/* One "tag = value"; false when it is none. */
static bool take_tag(struct slice *rest, struct slice *tag, struct slice *value)
{
	*value = slice_split(rest, ';');
	*tag = slice_trim_blank(slice_split(value, '='));
	*value = slice_trim_blank(*value);
	return tag->n > 0 && value->n > 0;
}

static bool read_policy(struct slice value, enum dmarc_policy *out)
{
	for (unsigned p = DMARC_POLICY_NONE; p <= DMARC_POLICY_REJECT; p++)
		if (slice_ieq(value, slice_str(dmarc_policy_name(p)))) {
			*out = p;
			return true;
		}
	return false;
}

bool dmarc_uri_next(struct slice *rest, struct slice *address_out)
{
	while (rest->n) {
		struct slice uri = slice_trim_blank(slice_split(rest, ','));
		struct slice scheme = slice_split(&uri, ':');
		*address_out = slice_trim_blank(slice_split(&uri, '!'));
		if (slice_ieq(scheme, SLICE("mailto")) && slice_find(*address_out, '@') > 0 &&
		    slice_find(*address_out, '@') + 1 < (ptrdiff_t)address_out->n)
			return true;
	}
	return false;
}

static void take_policy(struct slice value, enum dmarc_policy *to, bool *has, struct dmarc_record *r)
{
	*has = read_policy(value, to);
	r->wrong |= !*has;
}

static void take_value(
    struct slice tag, struct slice value, struct dmarc_record *r, bool *pct_zero, bool *has_t)
{
	if (slice_ieq(tag, SLICE("p"))) {
		take_policy(value, &r->p, &r->has_p, r);
	} else if (slice_ieq(tag, SLICE("sp"))) {
		take_policy(value, &r->sp, &r->has_sp, r);
	} else if (slice_ieq(tag, SLICE("np"))) {
		take_policy(value, &r->np, &r->has_np, r);
	} else if (slice_ieq(tag, SLICE("adkim"))) {
		r->strict_dkim = slice_ieq(value, SLICE("s"));
	} else if (slice_ieq(tag, SLICE("aspf"))) {
		r->strict_spf = slice_ieq(value, SLICE("s"));
	} else if (slice_ieq(tag, SLICE("psd"))) {
		char c = ascii_lower(value.p[0]);
		r->psd = value.n == 1 && (c == 'y' || c == 'n') ? c : 'u';
	} else if (slice_ieq(tag, SLICE("t"))) {
		r->testing = slice_ieq(value, SLICE("y"));
		*has_t = true;
	} else if (slice_ieq(tag, SLICE("pct"))) {
		*pct_zero = slice_eq(value, SLICE("0"));
	} else if (slice_ieq(tag, SLICE("rua"))) {
		r->rua = value;
	} else if (slice_ieq(tag, SLICE("ruf"))) {
		r->ruf = value;
	} else if (slice_ieq(tag, SLICE("fo"))) {
		r->fo = value;
	}
}

enum result dmarc_record_parse(struct slice text, struct dmarc_record *out)
{
	struct slice tag, value, address;
	bool pct_zero = false, has_t = false;
	*out = (struct dmarc_record){.psd = 'u'};
	if (!take_tag(&text, &tag, &value) || !slice_ieq(tag, SLICE("v")) ||
	    !slice_eq(value, SLICE("DMARC1")))
		return GONE;
	while (text.n)
		if (take_tag(&text, &tag, &value))
			take_value(tag, value, out, &pct_zero, &has_t);
	if (!has_t && pct_zero)
		out->testing = true;
	struct slice rest = out->rua;
	out->reports = dmarc_uri_next(&rest, &address);
	if (!out->has_sp)
		out->sp = out->p;
	if (!out->has_np)
		out->np = out->sp;
	return OK;
}
