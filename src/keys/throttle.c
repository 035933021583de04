#include "keys/throttle.h"
#include <arpa/inet.h>
#include <netinet/in.h>

#define HALF_MS (15 * MINUTE_MS)
#define COUNTS 20000
#define KNOWN 50000

enum kind { LOGIN, NETWORK, PAIR, FACTOR };
static const struct rule {
	int64_t free; /* failures without a wait */
	int64_t most_ms;
} rules[] = {
    [LOGIN] = {10, 5 * MINUTE_MS},
    [NETWORK] = {20, 15 * MINUTE_MS}, /* an office behind one address may have several broken phones */
    [PAIR] = {10, 5 * SECOND_MS},
    [FACTOR] = {5, 15 * MINUTE_MS},
};

void throttle_init(struct throttle *t, const struct vault *v)
{
	pthread_mutex_init(&t->lock, NULL);
	t->vault = v;
	lru_init(&t->counts, COUNTS);
	lru_init(&t->known, KNOWN);
}

void throttle_free(struct throttle *t)
{
	lru_free(&t->counts);
	lru_free(&t->known);
	pthread_mutex_destroy(&t->lock);
}

/* The client's network: its IPv4 address, or the /64 of its IPv6 address; other text as it is. */
static void put_network(struct buf *b, const char *ip)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, ip, &v4) == 1)
		buf_put(b, slice_of(&v4, sizeof v4));
	else if (inet_pton(AF_INET6, ip, &v6) == 1 && IN6_IS_ADDR_V4MAPPED(&v6))
		buf_put(b, slice_of(&v6.s6_addr[12], 4));
	else if (inet_pton(AF_INET6, ip, &v6) == 1)
		buf_put(b, slice_of(v6.s6_addr, 8));
	else
		buf_put(b, slice_sub(slice_str(ip), 0, 64));
}

static void name_of(
    const struct throttle *t, enum kind kind, struct slice login, const char *ip, char out[32])
{
	BUF_LOCAL(b, 1024);
	buf_putc(&b, (char)kind);
	if (kind == NETWORK || kind == PAIR)
		put_network(&b, ip);
	buf_putc(&b, '/');
	if (kind != NETWORK)
		buf_put(&b, login);
	vault_mac(t->vault, VAULT_CACHE, buf_slice(&b), out);
}

/* Entry: a is the count at time b. */
static int64_t count_at(const struct lru_entry *e, int64_t now_ms)
{
	int64_t halves = (now_ms - e->b) / HALF_MS;
	return halves > 30 ? 0 : e->a >> MAX(halves, 0);
}

static int64_t wait_of(struct throttle *t, enum kind kind, struct slice login, const char *ip, int64_t now_ms)
{
	char name[32];
	name_of(t, kind, login, ip, name);
	const struct lru_entry *e = lru_get(&t->counts, name);
	if (!e)
		return 0;
	int64_t above = count_at(e, now_ms) - rules[kind].free;
	if (above < 0)
		return 0;
	int64_t wait = MIN(SECOND_MS << MIN(above, 20), rules[kind].most_ms);
	return MAX(e->b + wait - now_ms, 0);
}

static void count_one(struct throttle *t, enum kind kind, struct slice login, const char *ip, int64_t now_ms)
{
	char name[32];
	name_of(t, kind, login, ip, name);
	struct lru_entry *e = lru_put(&t->counts, name);
	e->a = count_at(e, now_ms) + 1;
	e->b = now_ms;
}

static bool is_known(struct throttle *t, struct slice login, const char *ip)
{
	char name[32];
	name_of(t, PAIR, login, ip, name);
	const struct lru_entry *e = lru_get(&t->known, name);
	return e != NULL;
}

int64_t throttle_wait(struct throttle *t, struct slice login, const char *ip, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	int64_t wait = wait_of(t, PAIR, login, ip, now_ms);
	if (!is_known(t, login, ip)) {
		wait = MAX(wait, wait_of(t, LOGIN, login, ip, now_ms));
		wait = MAX(wait, wait_of(t, NETWORK, login, ip, now_ms));
	}
	pthread_mutex_unlock(&t->lock);
	return wait;
}

void throttle_failed(struct throttle *t, struct slice login, const char *ip, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	count_one(t, PAIR, login, ip, now_ms);
	count_one(t, NETWORK, login, ip, now_ms);
	if (!is_known(t, login, ip))
		count_one(t, LOGIN, login, ip, now_ms);
	pthread_mutex_unlock(&t->lock);
}

void throttle_right(struct throttle *t, struct slice login, const char *ip, int64_t now_ms)
{
	char name[32];
	pthread_mutex_lock(&t->lock);
	name_of(t, PAIR, login, ip, name);
	lru_put(&t->known, name)->b = now_ms;
	lru_clear(&t->counts, name);
	pthread_mutex_unlock(&t->lock);
}

static struct slice account_name(const uint64_t *account)
{
	return slice_of(account, sizeof *account);
}

int64_t throttle_factor_wait(struct throttle *t, uint64_t account, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	int64_t wait = wait_of(t, FACTOR, account_name(&account), "", now_ms);
	pthread_mutex_unlock(&t->lock);
	return wait;
}

void throttle_factor_failed(struct throttle *t, uint64_t account, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	count_one(t, FACTOR, account_name(&account), "", now_ms);
	pthread_mutex_unlock(&t->lock);
}
