/* Connections that have delivered a message and wait a moment for the next one to the same host. */
#include "relay/inner.h"

void pool_init(struct pool *p)
{
	pthread_mutex_init(&p->lock, NULL);
	p->first = NULL;
	p->n = 0;
}

/* Takes out the first that `fits`; NULL: none. */
static struct link *take(struct pool *p, const char *key, int64_t before)
{
	pthread_mutex_lock(&p->lock);
	struct link **at = &p->first, *l;
	while ((l = *at) && !(key ? strcmp(l->key, key) == 0 : l->idle_from <= before))
		at = &l->next;
	if (l) {
		*at = l->next;
		l->next = NULL;
		p->n--;
	}
	pthread_mutex_unlock(&p->lock);
	return l;
}

struct link *pool_take(struct pool *p, const char *key)
{
	struct link *l;
	while ((l = take(p, key, 0))) {
		/* Input on an idle connection is its end, or the announcement of it. */
		if (stream_wait(l->stream, 0) == LATER)
			return l;
		l->broken = true;
		link_close(l);
	}
	return NULL;
}

void pool_give(struct pool *p, struct link *l, unsigned most)
{
	l->idle_from = clock_mono_ms();
	pthread_mutex_lock(&p->lock);
	bool room = p->n < most;
	if (room) {
		l->next = p->first;
		p->first = l;
		p->n++;
	}
	pthread_mutex_unlock(&p->lock);
	if (!room)
		link_close(l);
}

void pool_sweep(struct pool *p, int64_t idle_ms)
{
	int64_t before = idle_ms ? clock_mono_ms() - idle_ms : INT64_MAX;
	struct link *l;
	while ((l = take(p, NULL, before)))
		link_close(l);
}

void pool_free(struct pool *p)
{
	pool_sweep(p, 0);
	pthread_mutex_destroy(&p->lock);
}
