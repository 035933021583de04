/* notify_names: names that came, went or changed, as LIST (RFC 5465 5.4, 5.5, 5.9). */
#include "notify.h"
#include <stdlib.h>

struct affected {
	struct slice name;
	const char *old; /* what it was called before; NULL: so, or it is not that which has changed */
};
struct affected_list {
	struct affected *v; /* in the command's arena */
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	const struct affected *x = a, *y = b;
	int order = slice_cmp(x->name, y->name);
	return order ? order : (x->old == NULL) - (y->old == NULL);
}

/* What this session did to names itself is no news to its client: the names, and what is above and below them. */
static bool is_own(const struct imap_notify *n, struct slice name)
{
	for (size_t i = 0; i < COUNT(n->own); i++) {
		if (!n->own[i])
			continue;
		struct slice own = slice_str(n->own[i]);
		struct slice longer = own.n > name.n ? own : name;
		size_t least = MIN(own.n, name.n);
		if (memcmp(own.p, name.p, least) == 0 && (longer.n == least || longer.p[least] == '/'))
			return true;
	}
	return false;
}

static void add(struct imap *s, struct affected_list *list, const char *name, const char *old)
{
	if (!is_own(s->notify, slice_str(name)))
		list->v[list->n++] = (struct affected){slice_str(name), old};
}

/* The level above is affected too, whether there is a mailbox or not. */
static void add_parent(
    struct imap *s, const struct imap_names *names, struct affected_list *list, const char *name)
{
	const char *end = strrchr(name, '/');
	struct slice parent = end ? slice_of(name, (size_t)(end - name)) : slice_of("", 0);
	const struct imap_name *e = imap_names_find(names, parent);
	Sekisho__Mailbox m = SEKISHO__MAILBOX__INIT;
	m.name = parent.n ? arena_z(&s->arena, parent) : NULL;
	m.subscribed = e && e->subscribed;
	if (m.name && (imap_notify_events(s->notify, &m) & IMAP_EVENT_NAME))
		add(s, list, m.name, NULL);
}

static void add_one(
    struct imap *s, const struct imap_names *names, struct affected_list *list, const struct imap_watched *w)
{
	if (!(w->events & (w->id ? IMAP_EVENT_NAME : IMAP_EVENT_SUBSCRIPTION)))
		return;
	add(s, list, w->name, NULL);
	if (w->id)
		add_parent(s, names, list, w->name);
}

/* Both are of one mailbox. */
static void add_both(struct imap *s, struct affected_list *list, const struct imap_watched *old,
    const struct imap_watched *new)
{
	const unsigned about_access = IMAP_EVENT_NAME | IMAP_EVENTS_OF_MESSAGES | IMAP_EVENT_METADATA;
	bool name = strcmp(old->name, new->name) != 0 && (new->events &IMAP_EVENT_NAME);
	bool access = old->no_access != new->no_access && (new->events &about_access);
	bool subscription = old->subscribed != new->subscribed && (new->events &IMAP_EVENT_SUBSCRIPTION);
	if (name || access || subscription)
		add(s, list, new->name, name ? old->name : NULL);
}

static void collect(struct imap *s, const struct imap_names *names, const struct imap_watched_list *old,
    const struct imap_watched_list *new, struct affected_list *list)
{
	for (size_t i = 0, k = 0; i < old->n || k < new->n;) {
		int order = i == old->n ? 1 : k == new->n ? -1 : imap_watched_order(&old->v[i], &new->v[k]);
		if (order < 0)
			add_one(s, names, list, &old->v[i]);
		else if (order > 0)
			add_one(s, names, list, &new->v[k]);
		else
			add_both(s, list, &old->v[i], &new->v[k]);
		i += order <= 0;
		k += order >= 0;
	}
}

/* A mailbox that was renamed with the one above it. */
static bool went_along(const struct affected_list *list, const struct affected *a)
{
	struct slice new = a->name, old = a->old ? slice_str(a->old) : slice_of("", 0);
	size_t n = 0; /* of the last level, with its '/' */
	while (n < new.n && n < old.n &&new.p[new.n - n - 1] == old.p[old.n - n - 1])
		if (new.p[new.n - ++n] == '/')
			break;
	if (!n || new.p[new.n - n] != '/')
		return false;
	struct slice was = slice_sub(old, 0, old.n - n);
	struct affected key = {.name = slice_sub(new, 0, new.n - n), .old = ""};
	const struct affected *above = bsearch(&key, list->v, list->n, sizeof *list->v, by_name);
	return above && above->old && slice_eq(slice_str(above->old), was);
}

void imap_notify_put_name(struct imap *s, const struct imap_names *names, struct slice name, const char *old)
{
	struct stream *out = s->base.stream;
	const struct imap_name *e = imap_names_find(names, name);
	struct imap_name gone = {.name = name};
	const struct imap_names alone = {.v = &gone, .n = 1};
	imap_names_put(s, e ? names : &alone, e ? e : &gone, IMAP_SHOW_SUBSCRIBED | IMAP_SHOW_NO_ACCESS);
	if (old) {
		stream_put(out, SLICE(" (\"OLDNAME\" ("));
		imap_put_mailbox(out, slice_str(old), s->enabled & IMAP_UTF8);
		stream_put(out, SLICE("))"));
	}
	stream_put(out, SLICE("\r\n"));
}

enum result imap_notify_names(struct imap *s, const struct imap_names *names,
    const struct imap_watched_list *old, const struct imap_watched_list *new)
{
	struct affected_list list = {.v = arena_array(&s->arena, 2 * (old->n + new->n) + 1, sizeof *list.v)};
	if (!list.v)
		return FULL;
	collect(s, names, old, new, &list);
	qsort(list.v, list.n, sizeof *list.v, by_name);
	size_t kept = 0;
	for (size_t i = 0; i < list.n; i++) /* of one name, what knows an old one is first */
		if (!kept || !slice_eq(list.v[kept - 1].name, list.v[i].name))
			list.v[kept++] = list.v[i];
	list.n = kept;
	for (size_t i = 0; i < list.n; i++)
		if (!went_along(&list, &list.v[i]))
			imap_notify_put_name(s, names, list.v[i].name, list.v[i].old);
	return OK;
}
