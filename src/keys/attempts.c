#include "ipc/grant.h"
#include "keys/attempts_inner.h"
#include <stdlib.h>

#define HALF_MS (15 * MINUTE_MS)
#define GUESSES 10 /* different wrong passwords in a day after which a right one looks guessed */

static const struct rule {
	int64_t free; /* failures without a wait */
	int64_t most_ms;
} rules[] = {
    [COUNT_LOGIN] = {10, 5 * MINUTE_MS},
    [COUNT_SOURCE] = {20, 15 * MINUTE_MS}, /* an office behind one address may have several broken phones */
    [COUNT_PREFIX] = {60, 15 * MINUTE_MS},
    [COUNT_PAIR] = {10, 5 * SECOND_MS},
    [COUNT_FACTOR] = {5, 15 * MINUTE_MS},
};

/* ---- names ---- */

static void put_net(struct buf *b, const struct ip_net *net)
{
	buf_putc(b, net->ip.v4 ? '4' : '6');
	buf_putc(b, (char)net->bits);
	buf_put(b, slice_of(net->ip.octets, sizeof net->ip.octets));
}

void attempts_name(
    const struct attempts *all, char kind, const struct ip_net *net, struct slice login, char out[32])
{
	BUF_LOCAL(b, 1024);
	buf_putc(&b, kind);
	if (net)
		put_net(&b, net);
	buf_putc(&b, '/');
	buf_put(&b, login);
	vault_mac(all->vault, VAULT_ATTEMPTS, buf_slice(&b), out);
}

/* What is not an address (a test, a broken front) stands for itself: 0.0.0.0/0 is nobody's source. */
void attempts_who(const struct attempts *all, const struct attempt *a, struct who *out)
{
	struct ip ip;
	*out = (struct who){.attempt = a};
	if (ip_read(slice_str(a->ip), &ip) == OK) {
		out->source = ip_source(&ip);
		out->prefix = ip_prefix(&ip);
		out->office = ip_nets_have(all->office, &ip);
		out->times = out->office ? OFFICE_TIMES : 1;
	} else {
		out->times = 1;
	}
	attempts_name(all, 'k', &out->source, a->login, out->pair);
	char login[32];
	attempts_name(all, 'l', NULL, a->login, login);
	memcpy(&out->login_hash, login, sizeof out->login_hash);
}

static void count_name(const struct attempts *all, enum count kind, const struct who *w, char out[32])
{
	bool somewhere = kind != COUNT_LOGIN && kind != COUNT_FACTOR;
	const struct ip_net *net = !somewhere ? NULL : kind == COUNT_PREFIX ? &w->prefix : &w->source;
	bool login = kind != COUNT_SOURCE && kind != COUNT_PREFIX;
	attempts_name(all, (char)('0' + kind), net, login ? w->attempt->login : SLICE_NONE, out);
}

/* ---- counts ---- */

/* Entry: a is the count at time b. */
static int64_t count_at(const struct lru_entry *e, int64_t now)
{
	int64_t halves = (now - e->b) / HALF_MS;
	return halves > 30 ? 0 : e->a >> MAX(halves, 0);
}

static int64_t wait_of(struct attempts *all, enum count kind, const struct who *w, int64_t now)
{
	char name[32];
	count_name(all, kind, w, name);
	const struct lru_entry *e = lru_get(&all->counts, name);
	if (!e)
		return 0;
	int64_t above = count_at(e, now) -
			rules[kind].free * (kind == COUNT_SOURCE || kind == COUNT_PREFIX ? w->times : 1);
	if (above < 0)
		return 0;
	int64_t wait = MIN(SECOND_MS << MIN(above, 20), rules[kind].most_ms);
	return MIN(MAX(e->b + wait - now, 0), rules[kind].most_ms);
}

static void count_one(struct attempts *all, enum count kind, const struct who *w, int64_t now)
{
	char name[32];
	count_name(all, kind, w, name);
	struct lru_entry *e = lru_put(&all->counts, name);
	e->a = count_at(e, now) + 1;
	e->b = now;
}

/* Entry: a is how many different ones since b. */
static int64_t guesses_of(struct attempts *all, char kind, const struct who *w, int64_t now, int64_t add)
{
	char name[32];
	attempts_name(
	    all, kind, kind == 'G' ? NULL : &w->source, kind == 'g' ? SLICE_NONE : w->attempt->login, name);
	struct lru_entry *e = add ? lru_put(&all->guesses, name) : lru_get(&all->guesses, name);
	if (!e)
		return 0;
	if (now < e->b || now - e->b >= DAY_MS) {
		e->a = 0;
		e->b = now;
	}
	e->a += add;
	return e->a;
}

/* The source, the login, and the two together. */
static void guesses_add(struct attempts *all, const struct who *w, int64_t now)
{
	(void)guesses_of(all, 'g', w, now, 1);
	(void)guesses_of(all, 'G', w, now, 1);
	(void)guesses_of(all, 'p', w, now, 1);
}

/* Strangers' guesses say nothing of the owner at a known place. */
static bool looks_guessed(struct attempts *all, const struct who *w, bool known, int64_t now)
{
	if (guesses_of(all, 'p', w, now, 0) >= GUESSES)
		return true;
	return !known && (guesses_of(all, 'g', w, now, 0) >= GUESSES * w->times ||
			     guesses_of(all, 'G', w, now, 0) >= GUESSES);
}

/* ---- known pairs ---- */

static bool is_known(struct attempts *all, const struct who *w, int64_t now)
{
	const struct lru_entry *e = lru_get(&all->known, w->pair);
	return e && now - e->b < KNOWN_MS;
}

static void make_known(struct attempts *all, const struct who *w, int64_t now)
{
	struct lru_entry *e = lru_put(&all->known, w->pair);
	bool keep = !e->b || now - e->b >= KNOWN_AGAIN_MS || now < e->b;
	if (!keep)
		return;
	e->b = now;
	attempts_keep(all, &(struct kept){.kind = KEPT_KNOWN, .b = now}, w->pair);
}

/* True the first time in a day. */
static bool is_new_guess(struct attempts *all, const struct who *w, int64_t now)
{
	if (!w->attempt->password.n)
		return true;
	SECRET_LOCAL(b, 2048);
	char name[32];
	buf_put(&b, slice_of(w->pair, sizeof w->pair));
	buf_put(&b, w->attempt->password);
	vault_mac(all->vault, VAULT_CACHE, buf_slice(&b), name);
	struct lru_entry *e = lru_put(&all->tried, name);
	bool first = !e->b || now - e->b >= DAY_MS || now < e->b;
	if (first)
		e->b = now;
	return first;
}

/* ---- the door ---- */

void attempts_look(struct attempts *all, const struct attempt *a, int64_t now, struct attempt_view *out)
{
	struct who w;
	attempts_who(all, a, &w);
	*out = (struct attempt_view){0};
	pthread_mutex_lock(&all->lock);
	bool known = is_known(all, &w, now);
	out->wait_ms = wait_of(all, COUNT_PAIR, &w, now);
	if (!known) {
		for (enum count c = COUNT_LOGIN; c <= COUNT_PREFIX; c++)
			out->wait_ms = MAX(out->wait_ms, wait_of(all, c, &w, now));
		out->blocked = spray_is_sentenced(all, &w, now);
	}
	out->flags = (known ? GRANT_KNOWN : 0) | (out->blocked ? GRANT_FLAGGED : 0);
	pthread_mutex_unlock(&all->lock);
}

void attempts_failed(struct attempts *all, const struct attempt *a, int64_t now, struct attempt_view *out)
{
	struct who w;
	attempts_who(all, a, &w);
	*out = (struct attempt_view){0};
	pthread_mutex_lock(&all->lock);
	bool known = is_known(all, &w, now);
	if (is_new_guess(all, &w, now)) {
		count_one(all, COUNT_PAIR, &w, now);
		count_one(all, COUNT_SOURCE, &w, now);
		count_one(all, COUNT_PREFIX, &w, now);
		if (!known)
			count_one(all, COUNT_LOGIN, &w, now);
		guesses_add(all, &w, now);
	}
	if (!known && w.source.bits)
		spray_failed(all, &w, now, out);
	out->flags |= known ? GRANT_KNOWN : 0;
	pthread_mutex_unlock(&all->lock);
}

void attempts_right(struct attempts *all, const struct attempt *a, int64_t now, struct attempt_view *out)
{
	struct who w;
	char name[32];
	attempts_who(all, a, &w);
	*out = (struct attempt_view){0};
	pthread_mutex_lock(&all->lock);
	bool known = is_known(all, &w, now);
	if (looks_guessed(all, &w, known, now))
		out->flags |= GRANT_GUESSED;
	if (!known && w.source.bits)
		spray_right(all, &w, now, out);
	out->flags |= known ? GRANT_KNOWN : 0;
	make_known(all, &w, now);
	count_name(all, COUNT_PAIR, &w, name);
	lru_clear(&all->counts, name);
	pthread_mutex_unlock(&all->lock);
}

bool attempts_condemn(struct attempts *all, const char *ip, int64_t now)
{
	struct who w;
	attempts_who(all, &(struct attempt){.ip = ip}, &w);
	if (!w.source.bits)
		return false;
	pthread_mutex_lock(&all->lock);
	spray_condemn(all, &w, now);
	pthread_mutex_unlock(&all->lock);
	return true;
}

bool attempts_pardon(struct attempts *all, const struct ip_net *net, struct slice login)
{
	char name[32];
	bool found = false;
	struct who w = {.attempt = &(struct attempt){.login = login}};
	pthread_mutex_lock(&all->lock);
	if (net) {
		struct ip_net source = ip_source(&net->ip);
		w.source = source;
		w.prefix = ip_prefix(&net->ip);
		found = spray_pardon(all, &w);
	}
	for (enum count c = net ? COUNT_SOURCE : COUNT_LOGIN; c <= (net ? COUNT_PREFIX : COUNT_LOGIN); c++) {
		count_name(all, c, &w, name);
		const struct lru_entry *e = lru_get(&all->counts, name);
		found |= e && e->a;
		lru_clear(&all->counts, name);
	}
	pthread_mutex_unlock(&all->lock);
	return found;
}

/* ---- second factors ---- */

static struct who factor_of(const uint64_t *account, struct attempt *a)
{
	*a = (struct attempt){.login = slice_of(account, sizeof *account)};
	return (struct who){.attempt = a, .times = 1};
}

int64_t attempts_factor_wait(struct attempts *all, uint64_t account, int64_t now)
{
	struct attempt a;
	struct who w = factor_of(&account, &a);
	pthread_mutex_lock(&all->lock);
	int64_t wait = wait_of(all, COUNT_FACTOR, &w, now);
	pthread_mutex_unlock(&all->lock);
	return wait;
}

void attempts_factor_failed(struct attempts *all, uint64_t account, int64_t now)
{
	struct attempt a;
	struct who w = factor_of(&account, &a);
	pthread_mutex_lock(&all->lock);
	count_one(all, COUNT_FACTOR, &w, now);
	pthread_mutex_unlock(&all->lock);
}
