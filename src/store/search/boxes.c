/*
 * search_boxes: under which UID a mailbox has an email, kept for mailboxes that were searched lately.
 *
 * An email's UID in a mailbox never changes and is never given again, so an entry only grows; UIDs of messages that are
 * gone stay in it and do no harm to somebody who knows which messages there are.
 */
#include "store/search/search.h"
#include <pthread.h>
#include <stdlib.h>

#define PAIRS_MOST ((size_t)4 << 20) /* 64 MiB in all */

struct pair {
	int64_t email;
	uint32_t uid;
};

struct known {
	int64_t mailbox;
	uint32_t next; /* UIDs from here on are not in it yet */
	struct pair *v;
	size_t n, cap;
	unsigned users;
	struct known *newer, *older;
};

struct search_boxes {
	pthread_mutex_t lock;
	struct known *newest, *oldest;
	size_t pairs;
};

struct search_boxes *search_boxes_new(void)
{
	struct search_boxes *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

static void unlink_known(struct search_boxes *b, struct known *k)
{
	*(k->newer ? &k->newer->older : &b->newest) = k->older;
	*(k->older ? &k->older->newer : &b->oldest) = k->newer;
}

static void link_newest(struct search_boxes *b, struct known *k)
{
	k->newer = NULL;
	k->older = b->newest;
	*(b->newest ? &b->newest->newer : &b->oldest) = k;
	b->newest = k;
}

static void forget(struct search_boxes *b, struct known *k)
{
	unlink_known(b, k);
	b->pairs -= k->n;
	free(k->v);
	free(k);
}

void search_boxes_free(struct search_boxes *b)
{
	if (!b)
		return;
	while (b->oldest)
		forget(b, b->oldest);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static int by_email(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	if (x->email != y->email)
		return x->email > y->email ? 1 : -1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static void read_on(struct known *k, struct db *db)
{
	bool sorted = true;
	DB_ROWS q = DB_QUERY(db, SEARCH_EMAILS, DI(k->mailbox), DI(k->next));
	while (db_next(&q)) {
		if (k->n == k->cap) {
			k->cap = k->cap ? k->cap * 2 : 256;
			k->v = realloc(k->v, k->cap * sizeof *k->v);
			if (!k->v)
				abort();
		}
		k->v[k->n] = (struct pair){db_int(&q, 1), (uint32_t)db_int(&q, 0)};
		sorted &= !k->n || by_email(&k->v[k->n - 1], &k->v[k->n]) < 0;
		k->next = k->v[k->n++].uid + 1;
	}
	if (!sorted)
		qsort(k->v, k->n, sizeof *k->v, by_email);
}

static struct known *find(struct search_boxes *b, int64_t mailbox)
{
	struct known *k = b->newest;
	while (k && k->mailbox != mailbox)
		k = k->older;
	return k;
}

/* One search at a time reads a mailbox on; the lock is held, as it is short once the entry is there. */
static struct known *brought_up(struct search_boxes *b, struct db *db, int64_t mailbox)
{
	struct known *k = find(b, mailbox);
	if (k) {
		unlink_known(b, k);
	} else {
		k = calloc(1, sizeof *k);
		if (!k)
			abort();
		k->mailbox = mailbox;
		k->next = 1;
	}
	size_t before = k->n;
	read_on(k, db);
	b->pairs += k->n - before;
	link_newest(b, k);
	while (b->pairs > PAIRS_MOST && b->oldest != k)
		forget(b, b->oldest);
	return k;
}

void search_boxes_each(struct search_boxes *b, struct db *db, int64_t mailbox,
    const struct search_list *emails, search_boxes_fn *each, void *ctx)
{
	if (!emails->n)
		return;
	pthread_mutex_lock(&b->lock);
	const struct known *k = brought_up(b, db, mailbox);
	for (size_t i = 0, e = 0; i < k->n && e < emails->n;) {
		if (k->v[i].email < emails->v[e]) {
			i++;
		} else if (k->v[i].email > emails->v[e]) {
			e++;
		} else {
			each(ctx, e, k->v[i].uid);
			i++;
		}
	}
	pthread_mutex_unlock(&b->lock);
}

static void add_uid(void *ctx, size_t email, uint32_t uid)
{
	(void)email;
	search_list_add(ctx, uid);
}

void search_boxes_uids(struct search_boxes *b, struct db *db, int64_t mailbox,
    const struct search_list *emails, struct search_list *uids)
{
	search_boxes_each(b, db, mailbox, emails, add_uid, uids);
	search_list_sort(uids);
}
