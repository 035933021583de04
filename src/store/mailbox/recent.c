#include "store/mailbox/recent.h"
#include <stdlib.h>

/*
 * Two tables: the younger is added to; when it is RECENT_MS old it becomes the elder and the elder is forgotten. So an
 * id is known for one to two hours. Open addressing, at most half full.
 */
struct entry {
	char mail[MAIL_ID];
	int64_t content; /* 0: free, -1: was removed */
};

struct table {
	struct entry *v;
	size_t n, cap; /* cap is a power of two, or 0 */
};

struct recent {
	struct table young, old;
	int64_t since_ms;
};

struct recent *recent_new(void)
{
	struct recent *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	return r;
}

void recent_free(struct recent *r)
{
	if (!r)
		return;
	free(r->young.v);
	free(r->old.v);
	free(r);
}

/* Mail ids are random text, but made by others: mixed before use. */
static uint64_t hash(struct slice mail)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < mail.n; i++)
		h = (h ^ (uint8_t)mail.p[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static struct entry *find(const struct table *t, struct slice mail)
{
	if (!t->cap || mail.n != MAIL_ID)
		return NULL;
	for (size_t i = hash(mail) & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
		struct entry *e = &t->v[i];
		if (!e->content)
			return NULL;
		if (e->content > 0 && memcmp(e->mail, mail.p, MAIL_ID) == 0)
			return e;
	}
}

int64_t recent_find(const struct recent *r, struct slice mail)
{
	const struct entry *e = find(&r->young, mail);
	if (!e)
		e = find(&r->old, mail);
	return e ? e->content : 0;
}

void recent_remove(struct recent *r, struct slice mail)
{
	struct entry *e = find(&r->young, mail);
	if (!e)
		e = find(&r->old, mail);
	if (e)
		e->content = -1;
}

static void put(struct table *t, const char mail[MAIL_ID], int64_t content)
{
	size_t i = hash(slice_of(mail, MAIL_ID)) & (t->cap - 1);
	while (t->v[i].content)
		i = (i + 1) & (t->cap - 1);
	memcpy(t->v[i].mail, mail, MAIL_ID);
	t->v[i].content = content;
	t->n++;
}

static void grow(struct table *t)
{
	struct table bigger = {.cap = t->cap ? t->cap * 2 : 1024};
	bigger.v = calloc(bigger.cap, sizeof *bigger.v);
	if (!bigger.v)
		abort();
	for (size_t i = 0; i < t->cap; i++)
		if (t->v[i].content > 0)
			put(&bigger, t->v[i].mail, t->v[i].content);
	free(t->v);
	*t = bigger;
}

void recent_add(struct recent *r, struct slice mail, int64_t content, int64_t now_ms)
{
	if (mail.n != MAIL_ID)
		return;
	if (now_ms - r->since_ms > RECENT_MS) {
		free(r->old.v);
		r->old = r->young;
		r->young = (struct table){0};
		r->since_ms = now_ms;
	}
	if (r->young.n * 2 >= r->young.cap)
		grow(&r->young);
	put(&r->young, mail.p, content ? content : 1);
}
