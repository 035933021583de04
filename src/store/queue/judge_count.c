/* judge_count: what DMARC made of messages, by day, for reports to the domains. */
#include "store/queue/judge.h"
#include <stdio.h>

#define COUNT_MOST 16384

static struct slice bound_to(int64_t day, char room[40])
{
	int n = snprintf(room, 40, "trust count %lld", (long long)day);
	return slice_of(room, (size_t)n);
}

static Sekisho__TrustDmarc__Policy disposition(const struct judgement *j)
{
	if (!slice_eq(slice_str(j->rule), SLICE("dmarc")))
		return SEKISHO__TRUST_DMARC__POLICY__ACCEPT;
	return j->action == JUDGE_REFUSE ? SEKISHO__TRUST_DMARC__POLICY__REJECT
	       : j->action == JUDGE_JUNK ? SEKISHO__TRUST_DMARC__POLICY__QUARANTINE
					 : SEKISHO__TRUST_DMARC__POLICY__ACCEPT;
}

static const char *reason(const struct judgement *j, const Sekisho__TrustDmarc *d)
{
	if (slice_eq(slice_str(j->spare), SLICE("arc")))
		return "trusted_forwarder";
	if (*j->spare)
		return "local_policy";
	return d->testing && d->result == SEKISHO__TRUST_DMARC__RESULT__FAIL ? "policy_test_mode" : "";
}

static void fill(const struct judge_ask *ask, const struct judgement *j, Sekisho__DmarcCount *c)
{
	Sekisho__TrustDmarc *d = ask->trust->dmarc;
	sekisho__dmarc_count__init(c);
	c->policy_domain = d->policy_domain;
	c->record = d->record;
	c->header_from = d->author;
	c->disposition = disposition(j);
	c->reason = (char *)(uintptr_t)reason(j, d);
	c->comment = (char *)(uintptr_t)j->spare_why;
	c->spf_aligned = d->spf_aligned;
	c->dkim_aligned = d->dkim_aligned;
	c->spf_helo = ask->domain.n == 0;
	c->n_dkim = ask->trust->n_dkim;
	c->dkim = ask->trust->dkim;
}

void judge_count_make(struct store *s, const struct judge_ask *ask, const struct judgement *j,
    struct arena *a, struct judge_count *out)
{
	Sekisho__DmarcCount c;
	Sekisho__TrustSpf spf = SEKISHO__TRUST_SPF__INIT;
	char room[40];
	BUF_LOCAL(packed, COUNT_MOST);
	BUF_LOCAL(sealed, COUNT_MOST + SEAL_OVERHEAD);
	*out = (struct judge_count){0};
	if (!ask->trust->dmarc || !*ask->trust->dmarc->policy_domain)
		return;
	fill(ask, j, &c);
	c.source_ip = arena_z(a, ask->ip);
	c.envelope_from = arena_z(a, ask->domain);
	if (ask->trust->spf) {
		spf.result = ask->trust->spf->result;
		spf.domain = ask->trust->spf->domain;
		c.spf = &spf;
	}
	if (arena_full(a))
		return;
	ipc_pack(&c, &packed);
	int64_t day = clock_utc_ms() / DAY_MS;
	seal_put(s->seal, buf_slice(&packed), bound_to(day, room), &sealed);
	*out = (struct judge_count){.day = day,
	    .about = seal_token(s->seal, "dmarc report", slice_str(c.policy_domain)),
	    .sealed = arena_dup(a, buf_slice(&sealed))};
	uint8_t mac[SEAL_MAC];
	seal_mac(s->seal, SEAL_TOKENS, buf_slice(&packed), mac);
	memcpy(&out->token, mac, sizeof out->token);
	out->token &= INT64_MAX;
	if (buf_result(&packed) != OK || buf_result(&sealed) != OK || arena_full(a))
		out->day = 0;
}

void judge_count_apply(struct db *db, const struct judge_count *c)
{
	if (c->day)
		DB_RUN(db, TRUST_COUNT, DI(c->day), DI(c->token), DB(c->sealed), DI(c->about));
}

enum result judge_count_open(
    struct store *s, int64_t day, struct slice sealed, struct arena *a, Sekisho__DmarcCount **out)
{
	char room[40];
	BUF_LOCAL(packed, COUNT_MOST);
	enum result r = seal_get(s->seal, sealed, bound_to(day, room), &packed);
	if (r != OK)
		return r;
	struct ipc_allocator al = ipc_allocator(a);
	*out = sekisho__dmarc_count__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	return *out ? OK : BAD;
}

/* ---- forgetting ---- */

static enum result apply_forget(struct job *j, struct db *db)
{
	DB_RUN(db, TRUST_COUNTS_OVER, DI((clock_utc_ms() - j->store->settings->trace_keep_ms) / DAY_MS));
	return OK;
}

void judge_forget(struct store *s)
{
	struct job job = {.store = s, .apply = apply_forget};
	result_ignore(writer_wait(s->writer, &job)); /* the next time is soon enough */
}
