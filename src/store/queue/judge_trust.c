/* judge_trust: what scan says about a sender, believed by its seal, and told in the trace. */
#include "store/queue/judge.h"

static const struct {
	uint32_t bit;
	const char *text;
} flags[] = {
#define X(name, bit, word, english, japanese) {1u << (bit), english},
#include "ipc/trust_flags.def"
#undef X
};

enum result judge_take(struct store *s, struct arena *a, ProtobufCBinaryData packed, ProtobufCBinaryData seal,
    struct slice digest, const Sekisho__Trust **out)
{
	uint8_t right[SEAL_MAC];
	BUF_LOCAL(sealed, IPC_TRUST_MOST + 16);
	buf_puts(&sealed, "trust");
	buf_put(&sealed, slice_of_octets(packed));
	if (buf_result(&sealed) != OK)
		return BAD;
	seal_hmac(s->settings->scan_seal, buf_slice(&sealed), right);
	if (!slice_eq_secret(slice_of(right, sizeof right), slice_of_octets(seal)))
		return BAD;
	struct ipc_allocator al = ipc_allocator(a);
	*out = sekisho__trust__unpack(&al.pb, packed.len, packed.data);
	if (!*out)
		return arena_full(a) ? LATER : BAD;
	return slice_eq(slice_of_octets((*out)->digest), digest) ? OK : BAD;
}

/* "pass (x.example)" */
static void put_result(struct buf *b, const char *result, const char *about)
{
	buf_printf(b, "%s%s", b->n ? ", " : "", result);
	if (*about)
		buf_printf(b, " (%s)", about);
}

static void trace_dmarc(struct trace *t, const Sekisho__TrustDmarc *d)
{
	static const char *const policies[] = {"nothing", "quarantine", "reject"};
	static const char *const results[] = {"none", "pass", "fail", "temperror", "permerror"};
	BUF_LOCAL(text, 1000);
	buf_puts(&text, d->result < COUNT(results) ? results[d->result] : "?");
	if (*d->policy_domain && d->policy < COUNT(policies))
		buf_printf(&text, " (%s; %s asks for %s)", d->why, d->policy_domain, policies[d->policy]);
	else
		buf_printf(&text, " (%s)", d->why);
	trace_field(t, TRACE_DMARC, buf_slice(&text));
}

static void trace_found(struct trace *t, const Sekisho__Trust *trust)
{
	BUF_LOCAL(spf, 1000);
	BUF_LOCAL(dkim, 2000);
	BUF_LOCAL(other, 1000);
	trace_step(t, STEP_CHECKED);
	trace_field(t, TRACE_AUTHOR, *trust->author ? slice_str(trust->author) : SLICE("nobody"));
	if (trust->spf)
		put_result(&spf, trust->spf->result, trust->spf->domain);
	for (size_t i = 0; i < trust->n_dkim; i++)
		put_result(&dkim, trust->dkim[i]->result, trust->dkim[i]->domain);
	trace_field(t, TRACE_SPF, buf_slice(&spf));
	trace_field(t, TRACE_DKIM, dkim.n ? buf_slice(&dkim) : SLICE("none"));
	if (trust->dmarc)
		trace_dmarc(t, trust->dmarc);
	if (trust->arc)
		put_result(&other, trust->arc->result,
		    trust->arc->n_sets ? trust->arc->sets[0]->domain : trust->arc->why);
	trace_field(t, TRACE_ARC, buf_slice(&other));
	buf_clear(&other);
	put_result(&other, trust->iprev, trust->client_name);
	trace_field(t, TRACE_IPREV, buf_slice(&other));
	trace_number(t, TRACE_MS, trust->ms);
}

static void trace_odd(struct trace *t, const Sekisho__Trust *trust)
{
	BUF_LOCAL(text, 2000);
	for (size_t i = 0; i < COUNT(flags); i++)
		if (trust->flags & flags[i].bit)
			buf_printf(&text, "%s%s", text.n ? "; " : "", flags[i].text);
	if (text.n && *trust->looks_like)
		buf_printf(&text, " (%s)", trust->looks_like);
	if (text.n == 0)
		return;
	trace_step(t, STEP_ODD);
	trace_field(t, TRACE_FLAGS, buf_slice(&text));
}

void judge_trace(struct trace *t, const Sekisho__Trust *trust, const struct judgement *j)
{
	trace_found(t, trust);
	trace_odd(t, trust);
	if (*j->spare) {
		trace_step(t, STEP_SPARED);
		trace_field(t, TRACE_RULE, slice_str(j->spare));
		trace_field(t, TRACE_WHY, slice_str(j->spare_why));
	}
	if (j->action == JUDGE_REFUSE) {
		trace_step(t, STEP_REFUSED);
		trace_field(t, TRACE_RULE, slice_str(j->rule));
		trace_field(t, TRACE_WHY, slice_str(j->why));
	}
}

void judge_tell(struct slice mail, const Sekisho__Trust *trust, const struct judgement *j)
{
	static const char *const actions[] = {"spared", "junk", "refused"};
	if (*j->rule)
		EVENT(JUDGED, KV("mail", mail), KZ("rule", *j->spare ? j->spare : j->rule),
		    KZ("action", actions[j->action]),
		    KZ("author", trust->n_authors ? trust->authors[0] : ""));
}
