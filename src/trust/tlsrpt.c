#include "trust/tlsrpt.h"
#include "base/base.h"

const char *tlsrpt_result_name(enum tlsrpt_result r)
{
	static const char *const names[] = {
#define X(name, number, text) [number] = text,
#include "trust/tlsrpt.def"
#undef X
	};
	return (unsigned)r < COUNT(names) ? names[r] : "";
}

const char *tlsrpt_policy_name(enum tlsrpt_policy p)
{
	static const char *const names[] = {"no-policy-found", "sts", "tlsa"};
	return (unsigned)p < COUNT(names) ? names[p] : names[0];
}

/* RFC 3986 characters; "!", "," and ";" are written as %XX (3). */
static bool is_uri(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("!,;\"<>\\^`{|}", s.p[i]))
			return false;
	return true;
}

static enum result take_uris(struct slice value, struct tlsrpt_record *out)
{
	while (value.n) {
		struct slice uri = slice_trim_blank(slice_split(&value, ','));
		if (!uri.n || !is_uri(uri))
			return BAD;
		bool known = (slice_istarts(uri, SLICE("mailto:")) && uri.n > 7) ||
			     (slice_istarts(uri, SLICE("https://")) && uri.n > 8);
		if (known && out->n < LIMIT_TLSRPT_URIS)
			out->uri[out->n++] = uri;
	}
	return OK;
}

static enum result record_parse(struct slice fields, struct tlsrpt_record *out)
{
	bool seen = false;
	*out = (struct tlsrpt_record){0};
	while (fields.n) {
		struct slice value = slice_trim_blank(slice_split(&fields, ';'));
		bool last = !fields.n;
		struct slice name = slice_split(&value, '=');
		if (!name.n && last)
			break;
		if (!name.n || !value.n)
			return BAD;
		if (!slice_eq(name, SLICE("rua")))
			continue;
		if (seen || take_uris(value, out) != OK)
			return BAD;
		seen = true;
	}
	return out->n ? OK : GONE;
}

enum result tlsrpt_record_find(const struct dns_text_list *texts, struct tlsrpt_record *out)
{
	static const struct slice version = {"v=TLSRPTv1", 10};
	struct slice fields = SLICE_NONE;
	size_t n = 0;
	*out = (struct tlsrpt_record){0};
	for (size_t i = 0; i < texts->n; i++) {
		struct slice after = slice_trim_blank(slice_sub(texts->text[i], version.n, texts->text[i].n));
		if (!slice_starts(texts->text[i], version) || !slice_starts(after, SLICE(";")))
			continue;
		n++;
		fields = slice_sub(after, 1, after.n);
	}
	return n == 1 && record_parse(fields, out) == OK ? OK : GONE;
}
