/*
 * Policies of MTA-STS (RFC 8461). A domain's record is looked up again after CHECK_MS; a policy is fetched when the record's
 * id is new, and once a day. What cannot be fetched or read changes nothing: a policy that is kept holds until it ends, and
 * goes only for one of mode "none" (3.3, 5.1). One thread at a time asks about a domain; the others wait for it.
 */
#include "https/https.h"
#include "relay/inner.h"
#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 1024
#define CHECK_MS (5 * MINUTE_MS)
#define REFRESH_MS DAY_MS
#define PAUSE_MOST_MS (4 * HOUR_MS) /* between attempts that fail */
#define FETCH_MS (20 * SECOND_MS)
#define STS_ARENA 1048576
#define TEXTS_MOST ((size_t)32 << 20) /* octets of all policies that are remembered */

struct entry {
	struct entry *next;
	char *domain;
	bool busy, loaded; /* loaded: store was asked */
	int64_t check_ms;  /* mono: when the domain is asked again */
	int64_t used_ms;   /* mono */
	unsigned failures; /* in a row */
	int64_t retry_ms;  /* mono: not fetched before */
	/* the policy; text.p == NULL: none */
	struct buf text;
	char id[STS_ID + 1];
	int64_t fetched_ms, expires_ms; /* UTC */
	enum tlsrpt_result problem;
	char reason[120];
};

struct sts_cache {
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct entry *buckets[BUCKETS];
	size_t n, octets;
};

struct sts_cache *sts_cache_new(void)
{
	struct sts_cache *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->done, NULL);
	return c;
}

static void entry_free(struct entry *e)
{
	buf_free(&e->text);
	free(e->domain);
	free(e);
}

void sts_cache_free(struct sts_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e; (e = c->buckets[i]);) {
			c->buckets[i] = e->next;
			entry_free(e);
		}
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void sts_cache_doubt(struct sts_cache *c)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *e = c->buckets[i]; e; e = e->next)
			e->check_ms = e->retry_ms = 0;
	pthread_mutex_unlock(&c->lock);
}

/* ---- entries; the lock is held ---- */

static struct entry **bucket_of(struct sts_cache *c, const char *domain)
{
	uint32_t h = 2166136261u;
	for (const char *p = domain; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return &c->buckets[h % BUCKETS];
}

/* Makes room in this bucket: a domain that nobody asks about now, used longest ago. */
static void drop_one(struct sts_cache *c, struct entry **bucket)
{
	struct entry **oldest = NULL;
	for (struct entry **at = bucket; *at; at = &(*at)->next)
		if (!(*at)->busy && (!oldest || (*at)->used_ms < (*oldest)->used_ms))
			oldest = at;
	if (!oldest)
		return;
	struct entry *e = *oldest;
	*oldest = e->next;
	c->octets -= e->text.cap;
	c->n--;
	entry_free(e);
}

static struct entry *entry_of(struct sts_cache *c, const char *domain)
{
	struct entry **bucket = bucket_of(c, domain);
	for (struct entry *e = *bucket; e; e = e->next)
		if (strcmp(e->domain, domain) == 0)
			return e;
	if (c->n >= LIMIT_STS_DOMAINS || c->octets >= TEXTS_MOST)
		drop_one(c, bucket);
	struct entry *e = calloc(1, sizeof *e);
	if (!e || !(e->domain = strdup(domain)))
		abort();
	buf_init(&e->text, LIMIT_STS_POLICY);
	e->next = *bucket;
	*bucket = e;
	c->n++;
	return e;
}

/* ---- store's copy; the entry is busy and ours ---- */

static void load(const struct delivery *d, struct entry *e)
{
	ARENA_LOCAL(a, LIMIT_IPC_PACKET * 2);
	Sekisho__StsAsk ask = SEKISHO__STS_ASK__INIT;
	Sekisho__StsPolicy *kept;
	struct ipc *c = ipc_thread(d->settings->store);
	ask.domain = e->domain;
	enum result r = c ? ipc_call(c, ASK_STORE_STS_GET, &ask, NULL, &a, &kept, NULL) : LATER;
	e->loaded = r == OK || r == GONE;
	if (r != OK || strlen(kept->id) > STS_ID)
		return;
	buf_puts(&e->text, kept->text);
	snprintf(e->id, sizeof e->id, "%s", kept->id);
	e->fetched_ms = kept->fetched_ms;
	e->expires_ms = kept->expires_ms;
}

static void save(const struct delivery *d, struct entry *e, const struct sts_policy *p)
{
	ARENA_LOCAL(a, 65536);
	Sekisho__StsPolicy put = SEKISHO__STS_POLICY__INIT;
	struct ipc *c = ipc_thread(d->settings->store);
	put.domain = e->domain;
	put.id = e->id;
	put.mode = (char *)(uintptr_t)sts_mode_name(p->mode);
	put.text = (char *)(uintptr_t)buf_z(&e->text);
	put.fetched_ms = e->fetched_ms;
	put.expires_ms = e->expires_ms;
	/* If store is away now, it gets the next one: a day later at most. */
	if (c)
		result_ignore(ipc_call(c, ASK_STORE_STS_PUT, &put, NULL, &a, NULL, NULL));
}

/* ---- fetching ---- */

static void failed(struct entry *e, enum tlsrpt_result problem, const char *reason)
{
	int64_t pause = CHECK_MS;
	for (unsigned i = 0; i < e->failures && pause < PAUSE_MOST_MS; i++)
		pause *= 2;
	e->failures++;
	e->retry_ms = clock_mono_ms() + MIN(pause, PAUSE_MOST_MS);
	e->problem = problem;
	snprintf(e->reason, sizeof e->reason, "%s", reason);
	EVENT(STS_FAILED, KZ("domain", e->domain), KZ("result", tlsrpt_result_name(problem)),
	    KZ("why", reason));
}

/* RFC 8461 3.3: 200 and nothing else, never a redirect, and a text. */
static enum result get(const struct delivery *d, struct entry *e, struct arena *a, struct buf *body)
{
	BUF_LOCAL(url, LIMIT_DNS_NAME + 64);
	struct https_answer answer;
	buf_printf(&url, "https://mta-sts.%s/.well-known/mta-sts.txt", e->domain);
	struct https_request q = {
	    .method = "GET", .url = buf_slice(&url), .deadline_ms = FETCH_MS, .connect_ms = FETCH_MS / 2};
	if (https_ask(d->settings->https, &q, a, body, &answer) != OK) {
		bool certificate = answer.failure == HTTPS_PEER || answer.failure == HTTPS_TLS;
		failed(
		    e, certificate ? TLSRPT_STS_WEBPKI_INVALID : TLSRPT_STS_POLICY_FETCH_ERROR, answer.why);
		return LATER;
	}
	struct slice type = https_field(&answer, SLICE("Content-Type"));
	type = slice_trim_blank(slice_split(&type, ';'));
	if (answer.status != 200 || !slice_ieq(type, SLICE("text/plain"))) {
		snprintf(e->reason, sizeof e->reason, "status %u, type " SLICE_FMT, answer.status,
		    SLICE_ARG(slice_sub(type, 0, 60)));
		failed(e, TLSRPT_STS_POLICY_FETCH_ERROR, arena_printf(a, "%s", e->reason));
		return LATER;
	}
	return OK;
}

static void fetch(const struct delivery *d, struct entry *e, const char *id)
{
	ARENA_LOCAL(a, STS_ARENA);
	BUF_LOCAL(body, LIMIT_STS_POLICY);
	struct sts_policy p;
	const char *why;
	if (!d->settings->https || get(d, e, &a, &body) != OK)
		return;
	if (sts_policy_parse(buf_slice(&body), &a, &p, &why) != OK) {
		failed(e, TLSRPT_STS_POLICY_INVALID, why);
		return;
	}
	buf_clear(&e->text);
	buf_put(&e->text, buf_slice(&body));
	snprintf(e->id, sizeof e->id, "%s", id);
	e->fetched_ms = clock_utc_ms();
	e->expires_ms = e->fetched_ms + (int64_t)p.max_age * SECOND_MS;
	e->problem = TLSRPT_OK;
	e->failures = 0;
	EVENT(STS_FETCHED, KZ("domain", e->domain), KZ("mode", sts_mode_name(p.mode)), KZ("id", id),
	    KN("max_age", p.max_age));
	save(d, e, &p);
}

/* The entry is busy and ours. */
static void refresh(struct delivery *d, struct entry *e)
{
	char id[STS_ID + 1];
	struct dns_text_list texts;
	BUF_LOCAL(name, LIMIT_DNS_NAME + 16);
	int64_t now = clock_utc_ms();
	if (!e->loaded)
		load(d, e);
	if (e->text.n && now >= e->expires_ms)
		buf_clear(&e->text);
	buf_printf(&name, "_mta-sts.%s", e->domain);
	dns_txt(d->settings->dns, buf_slice(&name), &d->arena, &texts);
	e->check_ms = clock_mono_ms() + CHECK_MS;
	if (texts.status != DNS_FOUND || sts_record_find(&texts, id) != OK) {
		e->problem = TLSRPT_OK; /* without a record none is published, and none is missed */
		return;
	}
	bool known = e->text.n && strcmp(id, e->id) == 0 && now - e->fetched_ms < REFRESH_MS;
	if (known)
		e->problem = TLSRPT_OK;
	else if (clock_mono_ms() >= e->retry_ms)
		fetch(d, e, id);
}

/* ---- the door ---- */

static void copy(struct delivery *d, const struct entry *e, struct sts *out)
{
	const char *why;
	*out = (struct sts){.problem = e->problem, .reason = arena_z(&d->arena, slice_str(e->reason))};
	if (!out->reason)
		out->reason = "";
	if (!e->text.n || clock_utc_ms() >= e->expires_ms)
		return;
	out->text = arena_dup(&d->arena, buf_slice(&e->text));
	out->found = sts_policy_parse(out->text, &d->arena, &out->policy, &why) == OK;
}

void sts_find(struct delivery *d, const char *domain, struct sts *out)
{
	struct sts_cache *c = d->relay->sts;
	pthread_mutex_lock(&c->lock);
	struct entry *e = entry_of(c, domain);
	while (e->busy) {
		pthread_cond_wait(&c->done, &c->lock);
		e = entry_of(c, domain);
	}
	if (e->check_ms <= clock_mono_ms()) {
		size_t octets = e->text.cap;
		e->busy = true;
		pthread_mutex_unlock(&c->lock);
		refresh(d, e);
		pthread_mutex_lock(&c->lock);
		c->octets += e->text.cap - octets;
		e->busy = false;
		pthread_cond_broadcast(&c->done);
	}
	e->used_ms = clock_mono_ms();
	copy(d, e, out);
	pthread_mutex_unlock(&c->lock);
}
