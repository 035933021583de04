#include "trust/arc.h"
#include "trust/signature.h"

#define TEXT_MOST (2 * LIMIT_HEADER_FIELD)

/* ---- what we say of the message ---- */

/* The authserv-id at the start of an Authentication-Results value, and what follows it. */
static bool is_ours(struct slice value, struct slice authserv, struct slice *results_out)
{
	struct slice rest = slice_trim(value);
	struct slice id = slice_trim(slice_split(&rest, ';'));
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] == ' ' || id.p[i] == '\t' || id.p[i] == '\r')
			id = slice_sub(id, 0, i); /* a version follows */
	rest = slice_trim(rest);
	if (rest.n && rest.p[rest.n - 1] == ';')
		rest = slice_trim(slice_sub(rest, 0, rest.n - 1));
	*results_out = rest;
	return slice_ieq(id, authserv);
}

void arc_results_put(const struct trust_message *m, struct slice authserv, struct buf *out)
{
	static const struct slice name = SLICE("Authentication-Results");
	bool any = false;
	buf_put(out, authserv);
	for (size_t i = 0; i < m->n; i++) {
		struct slice results;
		if (!slice_ieq(m->fields[i].field.name, name) ||
		    !is_ours(m->fields[i].field.value, authserv, &results) || results.n == 0)
			continue;
		buf_puts(out, ";\r\n ");
		buf_put(out, results);
		any = true;
	}
	if (!any)
		buf_puts(out, "; none");
}

/* ---- the set ---- */

static unsigned next_instance(const struct arc_chain *chain)
{
	return chain->highest + 1;
}

/* Everything of DKIM's list, and the DKIM signatures that stood there when we got it. */
static void put_names(const struct trust_message *m, struct slice names, struct buf *out)
{
	buf_put(out, names);
	if (names.n)
		return;
	dkim_names_put(m, out);
	for (size_t n = trust_count(m, SLICE("DKIM-Signature")); n; n--)
		buf_puts(out, ":DKIM-Signature");
}

static enum result draft_signature(
    struct trust_message *m, const struct arc_sealer *s, unsigned instance, struct trust_draft *out)
{
	BUF_LOCAL(names, TEXT_MOST);
	BUF_LOCAL(text, 2 * TEXT_MOST);
	struct signature_text t;
	put_names(m, s->names, &names);
	signature_text_start(&t, "ARC-Message-Signature", &text);
	signature_text_tag(&t, "a", slice_str(dkim_algorithm_name(s->algorithm)));
	t.column = SIZE_MAX / 2; /* the signature begins a line and ends one */
	signature_text_tag(&t, "b", SLICE_NONE);
	t.column = SIZE_MAX / 2;
	signature_text_body(&t, m, CANON_RELAXED);
	signature_text_tag(&t, "c", SLICE("relaxed/relaxed"));
	signature_text_tag(&t, "d", s->domain);
	signature_text_tag(&t, "h", buf_slice(&names));
	signature_text_time(&t, "i", instance);
	signature_text_tag(&t, "s", s->selector);
	signature_text_time(&t, "t", s->now_s);
	buf_puts(&text, "\r\n");
	if (buf_result(&names) != OK || buf_result(&text) != OK)
		return BAD;
	return signature_draft(SIGNATURE_AMS, m, buf_slice(&text), SLICE_NONE, out);
}

enum result arc_seal_start(struct trust_message *m, const struct arc_chain *chain, const struct arc_sealer *s,
    struct slice results, struct arc_draft *out)
{
	unsigned instance = next_instance(chain);
	if (chain->closed || instance > LIMIT_ARC_SETS)
		return DENY;
	if (m->unfit || results.n > LIMIT_HEADER_FIELD)
		return BAD;
	const char *field = arena_printf(m->arena, "ARC-Authentication-Results: i=%u; %.*s\r\n", instance,
	    (int)results.n, results.n ? results.p : "");
	out->results = slice_str(field);
	if (arena_full(m->arena))
		return FULL;
	return draft_signature(m, s, instance, &out->signature);
}

static bool read_field(struct slice text, struct mail_field *out)
{
	struct mail_fields fields = mail_fields_of(text);
	return mail_fields_next(&fields, out) && out->name.n && !fields.rest.n;
}

/* RFC 8617 5.1.1: all sets so far and the new one; after a failure the new one only (5.1.2). */
static enum result put_covered(
    const struct arc_chain *chain, struct slice results_field, struct slice signature, struct buf *out)
{
	struct mail_field results, message;
	if (!read_field(results_field, &results) || !read_field(signature, &message))
		return BAD;
	for (size_t i = 0; chain->status == ARC_PASS && i < chain->n; i++) {
		canon_field(CANON_RELAXED, &chain->sets[i].results_field, out);
		canon_field(CANON_RELAXED, &chain->sets[i].signature_field, out);
		canon_field(CANON_RELAXED, &chain->sets[i].seal_field, out);
	}
	canon_field(CANON_RELAXED, &results, out);
	canon_field(CANON_RELAXED, &message, out);
	return OK;
}

enum result arc_seal_end(struct trust_message *m, const struct arc_chain *chain, const struct arc_sealer *s,
    struct slice results_field, struct slice signature, struct trust_draft *out)
{
	BUF_LOCAL(covered, m->all.n + 2 * TEXT_MOST);
	BUF_LOCAL(text, TEXT_MOST);
	struct signature_text t;
	enum result r = put_covered(chain, results_field, signature, &covered);
	if (r != OK)
		return r;
	signature_text_start(&t, "ARC-Seal", &text);
	signature_text_tag(&t, "a", slice_str(dkim_algorithm_name(s->algorithm)));
	t.column = SIZE_MAX / 2;
	signature_text_tag(&t, "b", SLICE_NONE);
	t.column = SIZE_MAX / 2;
	signature_text_tag(&t, "cv", slice_str(arc_status_name(chain->status)));
	signature_text_tag(&t, "d", s->domain);
	signature_text_time(&t, "i", next_instance(chain));
	signature_text_tag(&t, "s", s->selector);
	signature_text_time(&t, "t", s->now_s);
	buf_puts(&text, "\r\n");
	if (buf_result(&text) != OK || buf_result(&covered) != OK)
		return BAD;
	return signature_draft(SIGNATURE_SEAL, m, buf_slice(&text), buf_slice(&covered), out);
}
