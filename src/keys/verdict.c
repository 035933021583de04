#include "keys/verdict.h"

void verdicts_init(struct verdicts *v)
{
	pthread_mutex_init(&v->lock, NULL);
	lru_init(&v->lru, VERDICT_ENTRIES);
}

void verdicts_free(struct verdicts *v)
{
	lru_free(&v->lru);
	pthread_mutex_destroy(&v->lock);
}

void verdict_name(
    const struct vault *v, struct slice login, struct slice password, uint64_t version, char out[32])
{
	SECRET_LOCAL(b, 1024);
	uint64_t head[2] = {version, login.n};
	buf_put(&b, slice_of(head, sizeof head));
	buf_put(&b, login);
	buf_put(&b, password);
	vault_mac(v, VAULT_CACHE, buf_slice(&b), out);
}

enum verdict verdict_get(struct verdicts *v, const char name[32], int64_t now_ms)
{
	pthread_mutex_lock(&v->lock);
	struct lru_entry *e = lru_get(&v->lru, name);
	enum verdict verdict = e && now_ms < e->b ? (enum verdict)e->a : VERDICT_NONE;
	pthread_mutex_unlock(&v->lock);
	return verdict;
}

void verdict_put(struct verdicts *v, const char name[32], enum verdict verdict, int64_t now_ms)
{
	pthread_mutex_lock(&v->lock);
	struct lru_entry *e = lru_put(&v->lru, name);
	e->a = verdict;
	e->b = now_ms + VERDICT_MS;
	pthread_mutex_unlock(&v->lock);
}
