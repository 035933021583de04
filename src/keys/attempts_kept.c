/* What outlives a restart: written by a thread of its own, some seconds behind, blocks and flags at once. */
#include "keys/attempts_inner.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define KEEP_MS (20 * SECOND_MS)
#define KEPT_MORE 64 /* octets of a sealed network */

void attempts_keep(struct attempts *all, const struct kept *k, const char key[32])
{
	size_t at = all->unkept_n < UNKEPT ? all->unkept_n : UNKEPT - 1;
	all->unkept_n = at + 1;
	all->unkept[at] = *k;
	memmove(all->unkept[at].key, key, sizeof all->unkept[at].key);
	all->urgent |= k->kind == KEPT_SENTENCE || all->unkept_n > UNKEPT / 2;
	if (all->urgent)
		pthread_cond_signal(&all->wake);
}

/* ---- writing ---- */

static void seal_net(const struct attempts *all, const struct kept *k, struct buf *out)
{
	BUF_LOCAL(b, IP_NET_TEXT + 4);
	char z[IP_NET_TEXT];
	buf_printf(&b, "%d %s", (int)k->sentence, ip_net_text(&k->net, z));
	vault_seal(all->vault, VAULT_ROWS, slice_of(k->key, sizeof k->key), buf_slice(&b), out);
}

static void write_kept(struct attempts *all, const struct kept *list, size_t n)
{
	ARENA_LOCAL(a, n * 512 + 4096);
	struct book_attempt *rows = arena_array(&a, n, sizeof *rows);
	for (size_t i = 0; rows && i < n; i++) {
		BUF_LOCAL(sealed, IP_NET_TEXT + VAULT_MORE + KEPT_MORE);
		if (list[i].kind == KEPT_SENTENCE)
			seal_net(all, &list[i], &sealed);
		rows[i] = (struct book_attempt){.kind = list[i].kind,
		    .name = slice_of(list[i].key, sizeof list[i].key),
		    .a = list[i].a,
		    .b = list[i].b,
		    .sealed = arena_dup(&a, buf_slice(&sealed))};
	}
	/* What cannot be written now is in memory still; only a restart would forget it. */
	if (rows)
		result_ignore(book_attempts_put(all->book, rows, n, KEPT_KNOWN, clock_utc_ms() - KNOWN_MS,
		    KEPT_SENTENCE, clock_utc_ms() - SENTENCE_FORGET_MS));
}

/* With the lock, which is let go meanwhile. */
static void keep_now(struct attempts *all)
{
	size_t n = all->unkept_n;
	struct kept *list = calloc(n + 1, sizeof *list);
	if (!list)
		abort();
	memcpy(list, all->unkept, n * sizeof list[0]);
	all->unkept_n = 0;
	all->urgent = false;
	pthread_mutex_unlock(&all->lock);
	if (n)
		write_kept(all, list, n);
	free(list);
	pthread_mutex_lock(&all->lock);
}

static void *keeper(void *arg)
{
	struct attempts *all = arg;
	pthread_mutex_lock(&all->lock);
	while (!all->ending) {
		struct timespec until;
		int waited = 0;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += KEEP_MS / SECOND_MS;
		while (!all->ending && !all->urgent && waited != ETIMEDOUT)
			waited = pthread_cond_timedwait(&all->wake, &all->lock, &until);
		keep_now(all);
	}
	keep_now(all); /* what came while it was writing */
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

/* ---- reading ---- */

static bool read_net(const struct attempts *all, const struct book_attempt *row, struct kept *k)
{
	BUF_LOCAL(text, IP_NET_TEXT + 8);
	if (vault_unseal(all->vault, VAULT_ROWS, row->name, row->sealed, &text) != OK)
		return false;
	struct slice rest = buf_slice(&text), kind = slice_split(&rest, ' ');
	k->sentence = slice_eq(kind, SLICE("1")) ? SENTENCE_PREFIX : SENTENCE_SOURCE;
	return ip_net_read(rest, &k->net) == OK;
}

static enum result take_row(void *context, const struct book_attempt *row)
{
	struct attempts *all = context;
	struct kept k = {.kind = (enum kept_kind)row->kind, .a = row->a, .b = row->b};
	if (row->name.n != sizeof k.key)
		return OK;
	memcpy(k.key, row->name.p, sizeof k.key);
	if (k.kind == KEPT_KNOWN)
		lru_put(&all->known, k.key)->b = k.b;
	else if (k.kind == KEPT_SENTENCE && read_net(all, row, &k))
		spray_restore(all, &k);
	return OK;
}

static void make_tables(struct attempts *all)
{
	lru_init(&all->counts, COUNTS);
	lru_init(&all->known, KNOWN);
	lru_init(&all->tried, TRIED);
	lru_init(&all->guesses, GUESSED);
	lru_init(&all->prefixes, PREFIXES);
	lru_init(&all->passwords, PASSWORDS);
	lru_init(&all->sentences, SENTENCES);
	all->prefix_at = calloc(PREFIXES + 1, sizeof *all->prefix_at);
	all->password_at = calloc(PASSWORDS + 1, sizeof *all->password_at);
	all->sentence_at = calloc(SENTENCES + 1, sizeof *all->sentence_at);
	if (!all->prefix_at || !all->password_at || !all->sentence_at)
		abort();
}

static void free_all(struct attempts *all)
{
	struct lru *tables[] = {&all->counts, &all->known, &all->tried, &all->guesses, &all->prefixes,
	    &all->passwords, &all->sentences};
	for (size_t i = 0; i < COUNT(tables); i++)
		lru_free(tables[i]);
	free(all->prefix_at);
	explicit_bzero(all->password_at, (PASSWORDS + 1) * sizeof *all->password_at);
	free(all->password_at);
	free(all->sentence_at);
	pthread_cond_destroy(&all->wake);
	pthread_mutex_destroy(&all->lock);
	explicit_bzero(all, sizeof *all);
	free(all);
}

enum result attempts_open(
    const struct vault *v, struct book *b, const struct ip_nets *office, struct attempts **out)
{
	struct attempts *all = calloc(1, sizeof *all);
	if (!all)
		abort();
	pthread_condattr_t how;
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&all->wake, &how);
	pthread_condattr_destroy(&how);
	pthread_mutex_init(&all->lock, NULL);
	all->vault = v;
	all->book = b;
	all->office = office;
	all->password_day = -1;
	make_tables(all);
	enum result r = book_attempts(b, take_row, all);
	if (r == OK && pthread_create(&all->keeper, NULL, keeper, all) != 0)
		abort();
	if (r != OK) {
		free_all(all);
		return r;
	}
	*out = all;
	return OK;
}

void attempts_close(struct attempts *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->ending = true;
	pthread_cond_signal(&all->wake);
	pthread_mutex_unlock(&all->lock);
	pthread_join(all->keeper, NULL);
	free_all(all);
}

/* ---- for the administrator ---- */

size_t attempts_sentences(struct attempts *all, int64_t now, struct sentence *out, size_t most)
{
	size_t n = 0;
	pthread_mutex_lock(&all->lock);
	for (size_t i = 1; i <= all->sentences.used; i++) {
		const struct sentence *s = &all->sentence_at[i];
		if (s->until_ms <= now)
			continue;
		size_t at = n < most ? n++ : most;
		while (at && out[at - 1].until_ms < s->until_ms) {
			if (at < most)
				out[at] = out[at - 1];
			at--;
		}
		if (at < most)
			out[at] = *s;
	}
	pthread_mutex_unlock(&all->lock);
	return n;
}
