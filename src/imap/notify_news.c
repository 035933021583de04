/* notify_news: what happens in mailboxes that are not selected. */
#include "mailbox.h"
#include "notify.h"
#include <stdlib.h>

static int by_id(const void *a, const void *b)
{
	const struct imap_watched *x = a, *y = b;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->id ? 0 : strcmp(x->name, y->name);
}

static void list_free(struct imap_watched_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].name);
	free(list->v);
	*list = (struct imap_watched_list){0};
}

static const struct imap_event_group *group_of(const struct imap_notify *n, const Sekisho__Mailbox *m)
{
	const struct imap_event_group *g = n->groups;
	while (g && !imap_filter_means(g->filter, m))
		g = g->next;
	return g;
}

/* ---- what there is ---- */

static void take_status(struct imap_watched *w, const Sekisho__MailboxStatus *st)
{
	w->uidnext = st->uidnext;
	w->messages = st->messages;
	w->modseq = st->highestmodseq;
}

static struct imap_watched *list_add(struct imap_watched_list *list, const char *name)
{
	if (list->n == list->room) {
		list->room = list->room ? list->room * 2 : 16;
		list->v = realloc(list->v, list->room * sizeof *list->v);
		if (!list->v)
			abort();
	}
	struct imap_watched *w = &list->v[list->n++];
	*w = (struct imap_watched){.name = strdup(name)};
	if (!w->name)
		abort();
	return w;
}

static void take_mailbox(struct imap_notify *n, const Sekisho__Mailbox *m, const Sekisho__MailboxStatus *st,
    struct imap_watched_list *into)
{
	const struct imap_event_group *g = m->id ? group_of(n, m) : NULL;
	if (!g || !g->events)
		return;
	struct imap_watched *w = list_add(into, m->name);
	w->id = m->id;
	w->events = g->events;
	w->subscribed = m->subscribed;
	w->noselect = m->noselect;
	w->no_access = m->no_status;
	w->uidvalidity = m->uidvalidity;
	take_status(w, st);
}

static void take_missing(struct imap_notify *n, char *name, struct imap_watched_list *into)
{
	Sekisho__Mailbox m = SEKISHO__MAILBOX__INIT;
	m.name = name;
	m.subscribed = true;
	const struct imap_event_group *g = group_of(n, &m);
	if (!g || !(g->events & IMAP_EVENT_SUBSCRIPTION))
		return;
	struct imap_watched *w = list_add(into, name);
	w->events = IMAP_EVENT_SUBSCRIPTION;
	w->subscribed = true;
}

static enum result ask_all(struct imap *s, struct imap_watched_list *out)
{
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	Sekisho__MailboxesAnswer *a = NULL;
	ask.with_status = true;
	*out = (struct imap_watched_list){0};
	enum result r = imap_ask(s, ASK_STORE_MAILBOXES, &ask, &a);
	while (r == OK) {
		for (size_t i = 0; i < a->n_mailboxes && i < a->n_status; i++)
			take_mailbox(s->notify, a->mailboxes[i], a->status[i], out);
		for (size_t i = 0; i < a->n_subscribed_missing; i++)
			take_missing(s->notify, a->subscribed_missing[i], out);
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &a, NULL);
	}
	if (r != OK) {
		list_free(out);
		return r;
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_id);
	return OK;
}

/* Whether all of these are watched already. */
static bool are_watched(const struct imap_watched_list *known, const struct imap_watched_list *all)
{
	size_t k = 0;
	for (size_t i = 0; i < all->n; i++) {
		while (k < known->n && known->v[k].id < all->v[i].id)
			k++;
		if (all->v[i].id && (k == known->n || known->v[k].id != all->v[i].id))
			return false;
	}
	return true;
}

static enum result watch(struct imap *s, const struct imap_watched_list *all)
{
	Sekisho__WatchAsk ask = SEKISHO__WATCH_ASK__INIT;
	if (all->n > LIMIT_WATCHED)
		return FULL;
	ask.names = true;
	ask.mailboxes = arena_array(&s->arena, all->n + 1, sizeof *ask.mailboxes);
	if (!ask.mailboxes)
		return FULL;
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].id)
			ask.mailboxes[ask.n_mailboxes++] = all->v[i].id;
	return imap_ask(s, ASK_STORE_WATCH, &ask, NULL);
}

/* Everything as it is, watched from before it was looked at. */
static enum result look(struct imap *s, bool watched, struct imap_watched_list *out)
{
	enum result r = ask_all(s, out);
	if (r != OK || (watched && are_watched(&s->notify->known, out)))
		return r;
	r = watch(s, out);
	list_free(out);
	return r == OK ? ask_all(s, out) : r;
}

/* ---- what is told ---- */

static void put_name(struct imap *s, const struct imap_watched *w, const char *attributes, const char *old)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* LIST ("));
	stream_puts(out, attributes);
	stream_put(out, SLICE(") \"/\" "));
	imap_put_mailbox(out, slice_str(w->name), s->enabled & IMAP_UTF8);
	if (old) {
		stream_put(out, SLICE(" (\"OLDNAME\" ("));
		imap_put_mailbox(out, slice_str(old), s->enabled & IMAP_UTF8);
		stream_put(out, SLICE("))"));
	}
	stream_put(out, SLICE("\r\n"));
}

/* As it is now. */
static void put_there(struct imap *s, const struct imap_watched *w, const char *old)
{
	BUF_LOCAL(b, 64);
	buf_puts(&b, w->subscribed ? " \\Subscribed" : "");
	buf_puts(&b, !w->id ? " \\NonExistent" : w->noselect ? " \\Noselect" : "");
	buf_puts(&b, w->no_access ? " \\NoAccess" : "");
	buf_put(&b, slice_of("", 1));
	const char *z = buf_slice(&b).p;
	put_name(s, w, *z ? z + 1 : z, old);
}

static void put_status(struct imap *s, const struct imap_watched *w, unsigned items)
{
	Sekisho__Mailbox m = SEKISHO__MAILBOX__INIT;
	Sekisho__MailboxStatus st = SEKISHO__MAILBOX_STATUS__INIT;
	m.id = w->id;
	m.name = w->name;
	m.uidvalidity = w->uidvalidity;
	st.messages = w->messages;
	st.uidnext = w->uidnext;
	st.highestmodseq = w->modseq;
	imap_put_status_news(s, &m, &st, items);
}

static bool has_status(const struct imap *s, const struct imap_watched *w)
{
	return w->id && !w->noselect && !w->no_access && (w->events & IMAP_EVENTS_OF_MESSAGES) &&
	       !(s->box && s->box->id == w->id);
}

/* RFC 5465 5.2 to 5.4. Both are of one mailbox. */
static void tell_status(struct imap *s, const struct imap_watched *old, const struct imap_watched *new)
{
	unsigned items = 0;
	if (!has_status(s, new) || old->no_access || old->noselect)
		return;
	uint32_t more = new->uidnext - old->uidnext;
	if (more && (new->events &IMAP_EVENT_NEW))
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
	if (new->messages - old->messages != more && (new->events &IMAP_EVENT_EXPUNGE))
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
	if (new->modseq != old->modseq && (new->events &IMAP_EVENT_FLAGS))
		items |= IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_MODSEQ;
	if (items && (s->enabled & IMAP_CONDSTORE))
		items |= IMAP_STATUS_MODSEQ;
	if (items)
		put_status(s, new, items);
}

/* What this session did to names itself is no news to its client: the names, and what is above and below them. */
static bool is_own(const struct imap_notify *n, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < COUNT(n->own); i++) {
		if (!n->own[i])
			continue;
		size_t own = strlen(n->own[i]), least = MIN(own, length);
		const char *longer = own > length ? n->own[i] : name;
		if (strncmp(n->own[i], name, least) == 0 && (longer[least] == '/' || !longer[least]))
			return true;
	}
	return false;
}

static void tell_both(struct imap *s, const struct imap_watched *old, const struct imap_watched *new)
{
	bool renamed = strcmp(old->name, new->name) != 0;
	bool name = renamed && (new->events &IMAP_EVENT_NAME);
	bool access =
	    old->no_access != new->no_access && (new->events &(IMAP_EVENT_NAME | IMAP_EVENTS_OF_MESSAGES));
	bool subscription = old->subscribed != new->subscribed && (new->events &IMAP_EVENT_SUBSCRIPTION);
	if (access || ((name || subscription) && !is_own(s->notify, new->name)))
		put_there(s, new, name ? old->name : NULL);
	tell_status(s, old, new);
}

static void tell_gone(struct imap *s, const struct imap_watched *old)
{
	unsigned event = old->id ? IMAP_EVENT_NAME : IMAP_EVENT_SUBSCRIPTION;
	if ((old->events & event) && !is_own(s->notify, old->name))
		put_name(s, old, "\\NonExistent", NULL);
}

static void tell_come(struct imap *s, const struct imap_watched *new)
{
	unsigned event = new->id ? IMAP_EVENT_NAME : IMAP_EVENT_SUBSCRIPTION;
	if ((new->events &event) && !is_own(s->notify, new->name))
		put_there(s, new, NULL);
}

/* What left first, so that a name that was taken again is there in the end. */
static void tell_difference(
    struct imap *s, const struct imap_watched_list *old, const struct imap_watched_list *new)
{
	for (int come = 0; come < 2; come++)
		for (size_t i = 0, k = 0; i < old->n || k < new->n;) {
			int order = i == old->n ? 1 : k == new->n ? -1 : by_id(&old->v[i], &new->v[k]);
			if (!come && order < 0)
				tell_gone(s, &old->v[i]);
			else if (come && order > 0)
				tell_come(s, &new->v[k]);
			else if (come && order == 0)
				tell_both(s, &old->v[i], &new->v[k]);
			i += order <= 0;
			k += order >= 0;
		}
}

/* ---- rounds ---- */

static unsigned first_items(unsigned events)
{
	unsigned items = 0;
	if (events & IMAP_EVENT_NEW)
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
	if (events & IMAP_EVENT_EXPUNGE)
		items |= IMAP_STATUS_MESSAGES;
	if (events & IMAP_EVENT_FLAGS)
		items |= IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_MODSEQ;
	return items;
}

enum result imap_notify_begin(struct imap *s)
{
	struct imap_notify *n = s->notify;
	enum result r = look(s, false, &n->known);
	if (r != OK)
		return r;
	for (size_t i = 0; i < n->known.n; i++) {
		const struct imap_watched *w = &n->known.v[i];
		if (w->no_access && (w->events & IMAP_EVENTS_OF_MESSAGES))
			put_there(s, w, NULL);
		else if (n->status && has_status(s, w))
			put_status(s, w, first_items(w->events));
	}
	return OK;
}

static enum result tell_names(struct imap *s)
{
	struct imap_watched_list all;
	enum result r = look(s, true, &all);
	if (r != OK)
		return r;
	tell_difference(s, &s->notify->known, &all);
	list_free(&s->notify->known);
	s->notify->known = all;
	return OK;
}

static void tell_one(struct imap *s, const Sekisho__Mailbox *m, const Sekisho__MailboxStatus *st)
{
	struct imap_watched_list *known = &s->notify->known;
	struct imap_watched key = {.id = m->id}, *w = NULL;
	if (known->n && m->id)
		w = bsearch(&key, known->v, known->n, sizeof *known->v, by_id);
	if (!w)
		return;
	struct imap_watched old = *w;
	take_status(w, st);
	tell_status(s, &old, w);
}

static enum result ask_watched(struct imap *s, bool *names_out)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__WatchedAnswer *a = NULL;
	*names_out = false;
	enum result r = imap_ask(s, ASK_STORE_WATCHED, &ask, &a);
	while (r == OK) {
		for (size_t i = 0; i < a->n_mailboxes && i < a->n_status; i++)
			tell_one(s, a->mailboxes[i], a->status[i]);
		*names_out |= a->names;
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &a, NULL);
	}
	return r;
}

/* As if NOTIFY NONE had been said (RFC 5465 section 5.8). */
static enum result overflow(struct imap *s)
{
	Sekisho__WatchAsk ask = SEKISHO__WATCH_ASK__INIT;
	stream_put(s->base.stream, SLICE("* OK [NOTIFICATIONOVERFLOW] Too many mailboxes to watch\r\n"));
	struct imap_notify *n = s->notify;
	list_free(&n->known);
	n->groups = NULL;
	n->selected = IMAP_SELECTED_NOT;
	n->selected_events = 0;
	return imap_ask(s, ASK_STORE_WATCH, &ask, NULL);
}

enum result imap_notify_tell(struct imap *s)
{
	bool names;
	if (!s->notify || !s->notify->groups || !(s->store.notes & NOTE_WATCH))
		return OK;
	s->store.notes &= ~(unsigned)NOTE_WATCH;
	enum result r = ask_watched(s, &names);
	if (r == OK && names)
		r = tell_names(s);
	if (r == FULL)
		r = overflow(s);
	if (r == OK)
		return stream_state(s->base.stream);
	if (s->store.fd < 0 || s->store.more) {
		imap_bye(s, "UNAVAILABLE", "The mailboxes cannot be reached now");
		return STOP;
	}
	s->store.notes |= NOTE_WATCH; /* another time */
	return OK;
}
