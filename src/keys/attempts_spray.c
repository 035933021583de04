/* Spraying: few passwords on many accounts, from one network or from many. */
#include "ipc/grant.h"
#include "keys/attempts_inner.h"

static uint64_t hash_of(const char key[32])
{
	uint64_t h;
	memcpy(&h, key, sizeof h);
	return h;
}

/* ---- sentences ---- */

static void sentence_name(
    const struct attempts *all, enum sentence_kind kind, const struct ip_net *net, char out[32])
{
	attempts_name(all, kind == SENTENCE_PREFIX ? 'B' : 'F', net, SLICE_NONE, out);
}

static struct lru_entry *sentence_of(struct attempts *all, enum sentence_kind kind, const struct ip_net *net)
{
	char name[32];
	sentence_name(all, kind, net, name);
	return lru_get(&all->sentences, name);
}

static bool in_force(const struct lru_entry *e, int64_t now)
{
	/* A clock that was set back: no longer than it could have been made. */
	return e && now < e->b && e->b - now <= SENTENCE_MS << SENTENCE_MOST;
}

bool spray_is_sentenced(struct attempts *all, const struct who *w, int64_t now)
{
	return w->source.bits && (in_force(sentence_of(all, SENTENCE_PREFIX, &w->prefix), now) ||
				     in_force(sentence_of(all, SENTENCE_SOURCE, &w->source), now));
}

static void sentence_put(struct attempts *all, const struct sentence *s, struct kept *k)
{
	char name[32];
	sentence_name(all, s->kind, &s->net, name);
	struct lru_entry *e = lru_put(&all->sentences, name);
	e->a = s->times;
	e->b = s->until_ms;
	all->sentence_at[e - all->sentences.entries] = *s;
	*k = (struct kept){
	    .kind = KEPT_SENTENCE, .a = s->times, .b = s->until_ms, .net = s->net, .sentence = s->kind};
	memcpy(k->key, name, sizeof name);
}

static void sentence_pass(
    struct attempts *all, enum sentence_kind kind, const struct ip_net *net, int64_t now)
{
	const struct lru_entry *e = sentence_of(all, kind, net);
	struct kept k;
	if (in_force(e, now))
		return;
	int64_t times = e && now - e->b < SENTENCE_FORGET_MS ? e->a : 0;
	struct sentence s = {
	    kind, *net, now + (SENTENCE_MS << MIN(times, (int64_t)SENTENCE_MOST)), times + 1};
	char z[IP_NET_TEXT];
	sentence_put(all, &s, &k);
	attempts_keep(all, &k, k.key);
	EVENT(SPRAYING, KZ("network", ip_net_text(net, z)),
	    KZ("kind", kind == SENTENCE_PREFIX ? "prefix" : "source"),
	    KN("hours", (s.until_ms - now) / HOUR_MS));
}

void spray_condemn(struct attempts *all, const struct who *w, int64_t now)
{
	sentence_pass(all, SENTENCE_SOURCE, &w->source, now);
}

void spray_restore(struct attempts *all, const struct kept *k)
{
	struct kept again;
	sentence_put(all, &(struct sentence){k->sentence, k->net, k->b, k->a}, &again);
}

static bool pardon_one(struct attempts *all, enum sentence_kind kind, const struct ip_net *net)
{
	struct lru_entry *e = sentence_of(all, kind, net);
	struct kept k;
	if (!e || !e->b)
		return false;
	sentence_put(all, &(struct sentence){kind, *net, 0, 0}, &k);
	attempts_keep(all, &k, k.key);
	return true;
}

bool spray_pardon(struct attempts *all, const struct who *w)
{
	bool prefix = pardon_one(all, SENTENCE_PREFIX, &w->prefix);
	return pardon_one(all, SENTENCE_SOURCE, &w->source) || prefix;
}

/* ---- a prefix that tries many logins ---- */

static struct spray_prefix *prefix_of(struct attempts *all, const struct who *w)
{
	char name[32];
	attempts_name(all, 'P', &w->prefix, SLICE_NONE, name);
	const struct lru_entry *e = lru_put(&all->prefixes, name);
	struct spray_prefix *p = &all->prefix_at[e - all->prefixes.entries];
	if (memcmp(p->key, name, sizeof name) != 0) {
		*p = (struct spray_prefix){0};
		memcpy(p->key, name, sizeof name);
	}
	return p;
}

/* The oldest makes room. */
static void see_login(struct spray_prefix *p, uint64_t hash, int64_t now)
{
	struct seen_login *at = NULL;
	for (unsigned i = 0; i < p->n; i++)
		if (p->logins[i].hash == hash || !at || (at->hash != hash && p->logins[i].at < at->at))
			at = &p->logins[i];
	if (at && at->hash == hash) {
		at->at = now;
		return;
	}
	if (p->n < SPRAY_LOGINS)
		at = &p->logins[p->n++];
	*at = (struct seen_login){hash, now};
}

static int logins_within(const struct spray_prefix *p, int64_t now, int64_t ms)
{
	int n = 0;
	for (unsigned i = 0; i < p->n; i++)
		n += now - p->logins[i].at < ms;
	return n;
}

static void prefix_failed(struct attempts *all, const struct who *w, int64_t now)
{
	struct spray_prefix *p = prefix_of(all, w);
	see_login(p, w->login_hash, now);
	if (logins_within(p, now, SPRAY_FAST_MS) >= SPRAY_FAST * w->times ||
	    logins_within(p, now, DAY_MS) >= SPRAY_SLOW * w->times)
		sentence_pass(all, SENTENCE_PREFIX, &w->prefix, now);
}

/* ---- one password for many logins ---- */

/* NULL: not known, or (make false) never seen to be wrong today. */
static struct spray_password *password_of(struct attempts *all, const struct who *w, int64_t now, bool make)
{
	char name[32];
	if (!w->attempt->password.n)
		return NULL;
	if (now / DAY_MS != all->password_day) {
		all->password_day = now / DAY_MS;
		vault_random(all->password_key, sizeof all->password_key);
	}
	SECRET_LOCAL(b, 2048);
	buf_put(&b, slice_of(all->password_key, sizeof all->password_key));
	buf_put(&b, w->attempt->password);
	vault_mac(all->vault, VAULT_CACHE, buf_slice(&b), name);
	const struct lru_entry *e = make ? lru_put(&all->passwords, name) : lru_get(&all->passwords, name);
	if (!e)
		return NULL;
	struct spray_password *p = &all->password_at[e - all->passwords.entries];
	if (memcmp(p->key, name, sizeof name) != 0) {
		*p = (struct spray_password){0};
		memcpy(p->key, name, sizeof name);
	}
	return p;
}

static void see_source(struct spray_password *p, const struct ip_net *source)
{
	for (unsigned i = 0; i < p->sources_n; i++)
		if (ip_net_has(&p->sources[i], &source->ip))
			return;
	if (p->sources_n < SPRAY_SOURCES)
		p->sources[p->sources_n++] = *source;
}

static void see_victim(struct spray_password *p, uint64_t login)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->logins[i] == login)
			return;
	if (p->n < COUNT(p->logins))
		p->logins[p->n++] = login;
}

static void password_failed(struct attempts *all, const struct who *w, int64_t now, struct attempt_view *out)
{
	struct spray_password *p = password_of(all, w, now, true);
	if (!p)
		return;
	see_victim(p, w->login_hash);
	see_source(p, &w->source);
	if (p->n < (unsigned)(SPRAY_SAME * w->times))
		return;
	p->fired = true;
	for (unsigned i = 0; i < p->sources_n; i++)
		sentence_pass(all, SENTENCE_SOURCE, &p->sources[i], now);
	sentence_pass(all, SENTENCE_SOURCE, &w->source, now);
	if (p->hits_n)
		out->suspect = p->hits[--p->hits_n];
}

/* ---- many of everything ---- */

/* How many of the recent failures differ in what `of` picks. */
static unsigned differ(const struct failure *list, unsigned n, bool source)
{
	uint64_t seen[RECENT];
	unsigned many = 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t v = source ? list[i].source : list[i].login;
		unsigned j = 0;
		while (j < many && seen[j] != v)
			j++;
		if (j == many)
			seen[many++] = v;
	}
	return many;
}

static bool is_siege(const struct attempts *all, int64_t now)
{
	struct failure list[RECENT];
	unsigned n = 0;
	for (unsigned i = 0; i < RECENT; i++)
		if (all->recent[i].at && now - all->recent[i].at < SIEGE_MS && now >= all->recent[i].at)
			list[n++] = all->recent[i];
	return n >= SIEGE_FAILURES && differ(list, n, true) >= SIEGE_SOURCES &&
	       differ(list, n, false) >= SIEGE_LOGINS;
}

static void whole_failed(struct attempts *all, const struct who *w, int64_t now)
{
	char source[32];
	attempts_name(all, 's', &w->source, SLICE_NONE, source);
	if (!w->office)
		all->recent[all->recent_at++ % RECENT] =
		    (struct failure){w->login_hash, hash_of(source), now};
	bool lasting = now < all->siege_until && all->siege_until - now <= SIEGE_LASTS_MS;
	if (is_siege(all, now)) {
		if (!lasting)
			EVENT(SIEGE, KN("minutes", SIEGE_LASTS_MS / MINUTE_MS));
		all->siege_until = now + SIEGE_LASTS_MS;
		lasting = true;
	}
	if (lasting && !w->office)
		sentence_pass(all, SENTENCE_SOURCE, &w->source, now);
}

/* ---- the door ---- */

void spray_failed(struct attempts *all, const struct who *w, int64_t now, struct attempt_view *out)
{
	bool before = spray_is_sentenced(all, w, now);
	prefix_failed(all, w, now);
	password_failed(all, w, now, out);
	whole_failed(all, w, now);
	if (!spray_is_sentenced(all, w, now))
		return;
	out->flags |= GRANT_FLAGGED | (before ? 0 : GRANT_SPRAYING);
}

/* A password that was wrong for others today: somebody is trying it on all. Or will be: then this account is told of. */
void spray_right(struct attempts *all, const struct who *w, int64_t now, struct attempt_view *out)
{
	struct spray_password *p = password_of(all, w, now, true);
	if (!p)
		return;
	if (p->n >= 2)
		out->flags |= GRANT_FLAGGED;
	else if (p->hits_n < SPRAY_HITS)
		p->hits[p->hits_n++] = w->attempt->account;
}
