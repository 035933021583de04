/* notify_news: what happens in mailboxes that are not selected. */
#include "mailbox.h"
#include "metadata.h"
#include "notify.h"
#include <stdlib.h>

int imap_watched_order(const void *a, const void *b)
{
	const struct imap_watched *x = a, *y = b;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->id ? 0 : strcmp(x->name, y->name);
}

void imap_watched_free(struct imap_watched_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].name);
	free(list->v);
	*list = (struct imap_watched_list){0};
}

/* Of all groups that mean it (RFC 5465 section 6), up to one that wants NONE. */
unsigned imap_notify_events(const struct imap_notify *n, const Sekisho__Mailbox *m)
{
	unsigned events = 0;
	for (const struct imap_event_group *g = n->groups; g; g = g->next) {
		if (!imap_filter_means(g->filter, m))
			continue;
		if (!g->events)
			break;
		events |= g->events;
	}
	return events;
}

/* ---- what there is ---- */

static void take_status(struct imap_watched *w, const Sekisho__MailboxStatus *st)
{
	w->uidnext = st->uidnext;
	w->messages = st->messages;
	w->unseen = st->unseen;
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

static void take_mailbox(struct imap_notify *n, const struct imap_name *e, struct imap_watched_list *into)
{
	const Sekisho__Mailbox *m = e->mailbox;
	unsigned events = m->id ? imap_notify_events(n, m) : 0;
	if (!events)
		return;
	struct imap_watched *w = list_add(into, m->name);
	w->id = m->id;
	w->events = events;
	w->subscribed = e->subscribed;
	w->noselect = m->noselect;
	w->no_access = m->no_status;
	w->uidvalidity = m->uidvalidity;
	if (e->status)
		take_status(w, e->status);
}

static bool take_missing(struct imap *s, const struct imap_name *e, struct imap_watched_list *into)
{
	Sekisho__Mailbox m = SEKISHO__MAILBOX__INIT;
	m.name = arena_z(&s->arena, e->name);
	m.subscribed = true;
	if (!m.name)
		return false;
	if (!(imap_notify_events(s->notify, &m) & IMAP_EVENT_SUBSCRIPTION))
		return true;
	struct imap_watched *w = list_add(into, m.name);
	w->events = IMAP_EVENT_SUBSCRIPTION;
	w->subscribed = true;
	return true;
}

static enum result ask_all(struct imap *s, struct imap_names *names, struct imap_watched_list *out)
{
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	ask.with_status = true;
	*out = (struct imap_watched_list){0};
	enum result r = imap_names_ask(s, &ask, names);
	for (size_t i = 0; i < names->n && r == OK; i++) {
		const struct imap_name *e = &names->v[i];
		if (e->mailbox)
			take_mailbox(s->notify, e, out);
		else if (e->subscribed && !take_missing(s, e, out))
			r = FULL;
	}
	if (r != OK) {
		imap_watched_free(out);
		return r;
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, imap_watched_order);
	return OK;
}

/* What store has to watch for it. */
static unsigned watch_of(const struct imap_watched *w)
{
	if (!w->id || w->noselect || w->no_access)
		return 0;
	return w->events & (IMAP_EVENTS_OF_MESSAGES | IMAP_EVENT_METADATA);
}

/* Whether all of these are watched already. */
static bool are_watched(const struct imap_watched_list *known, const struct imap_watched_list *all)
{
	size_t k = 0;
	for (size_t i = 0; i < all->n; i++) {
		while (k < known->n && known->v[k].id < all->v[i].id)
			k++;
		unsigned has = k < known->n && known->v[k].id == all->v[i].id ? watch_of(&known->v[k]) : 0;
		if (watch_of(&all->v[i]) & ~has)
			return false;
	}
	return true;
}

/* Whether a group can mean mailboxes of others, and so has to hear when those change that anybody may see. */
static bool means_others(const struct imap_notify *n)
{
	for (const struct imap_event_group *g = n->groups; g; g = g->next)
		if (imap_filter_may_mean_others(g->filter))
			return true;
	return false;
}

static enum result watch(struct imap *s, const struct imap_watched_list *all)
{
	Sekisho__WatchAsk ask = SEKISHO__WATCH_ASK__INIT;
	if (all->n > LIMIT_WATCHED)
		return FULL;
	ask.names = true;
	ask.others = means_others(s->notify);
	ask.server = s->notify->server;
	ask.mailboxes = arena_array(&s->arena, all->n + 1, sizeof *ask.mailboxes);
	ask.metadata = arena_array(&s->arena, all->n + 1, sizeof *ask.metadata);
	if (!ask.mailboxes || !ask.metadata)
		return FULL;
	for (size_t i = 0; i < all->n; i++) {
		unsigned events = watch_of(&all->v[i]);
		if (events & IMAP_EVENTS_OF_MESSAGES)
			ask.mailboxes[ask.n_mailboxes++] = all->v[i].id;
		if (events & IMAP_EVENT_METADATA)
			ask.metadata[ask.n_metadata++] = all->v[i].id;
	}
	if (ask.n_mailboxes + ask.n_metadata > LIMIT_WATCHED)
		return FULL;
	return imap_ask(s, ASK_STORE_WATCH, &ask, NULL);
}

/* Everything as it is, watched from before it was looked at. */
static enum result look(struct imap *s, bool watched, struct imap_names *names, struct imap_watched_list *out)
{
	enum result r = ask_all(s, names, out);
	if (r != OK || (watched && are_watched(&s->notify->known, out)))
		return r;
	r = watch(s, out);
	imap_watched_free(out);
	return r == OK ? ask_all(s, names, out) : r;
}

/* ---- what is told ---- */

static void put_status(struct imap *s, const struct imap_watched *w, unsigned items)
{
	Sekisho__Mailbox m = SEKISHO__MAILBOX__INIT;
	Sekisho__MailboxStatus st = SEKISHO__MAILBOX_STATUS__INIT;
	m.id = w->id;
	m.name = w->name;
	m.uidvalidity = w->uidvalidity;
	st.messages = w->messages;
	st.unseen = w->unseen;
	st.uidnext = w->uidnext;
	st.highestmodseq = w->modseq;
	imap_put_status_news(s, &m, &st, items);
}

static bool has_status(const struct imap *s, const struct imap_watched *w)
{
	return w->id && !w->noselect && !w->no_access && (w->events & IMAP_EVENTS_OF_MESSAGES) &&
	       !(s->box && s->box->id == w->id);
}

/* RFC 5465 5.1 to 5.3. Both are of one mailbox. */
static void tell_status(struct imap *s, const struct imap_watched *old, const struct imap_watched *new)
{
	unsigned items = 0;
	if (!has_status(s, new))
		return;
	uint32_t more = new->uidnext - old->uidnext;
	if (more && (new->events &IMAP_EVENT_NEW))
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
	if (new->messages - old->messages != more && (new->events &IMAP_EVENT_EXPUNGE))
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
	if (new->modseq != old->modseq && (new->events &IMAP_EVENT_FLAGS))
		items |= IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_MODSEQ |
			 (new->unseen != old->unseen ? IMAP_STATUS_UNSEEN : 0);
	if (new->uidvalidity != old->uidvalidity && items)
		items |= IMAP_STATUS_UIDVALIDITY;
	if (items && (s->enabled & IMAP_CONDSTORE))
		items |= IMAP_STATUS_MODSEQ;
	if (items)
		put_status(s, new, items);
}

/* Mail that came with, or before, the mailbox or the right to read it. */
static void tell_first_status(struct imap *s, const struct imap_watched *new)
{
	tell_status(
	    s, &(struct imap_watched){.uidnext = 1, .modseq = new->modseq, .unseen = new->unseen}, new);
}

static void tell_difference(
    struct imap *s, const struct imap_watched_list *old, const struct imap_watched_list *new)
{
	for (size_t i = 0, k = 0; k < new->n; k++) {
		while (i < old->n && imap_watched_order(&old->v[i], &new->v[k]) < 0)
			i++;
		const struct imap_watched *w = i < old->n ? &old->v[i] : NULL;
		if (w && imap_watched_order(w, &new->v[k]) == 0 && !w->no_access && !w->noselect)
			tell_status(s, w, &new->v[k]);
		else
			tell_first_status(s, &new->v[k]);
	}
}

/* RFC 5464 4.4.2: names only, for the client to ask what they are now. */
static void tell_metadata(struct imap *s, const Sekisho__ChangedEntries *c)
{
	const struct imap_watched_list *known = &s->notify->known;
	struct imap_watched key = {.id = c->mailbox};
	const struct imap_watched *w = NULL;
	if (known->n && c->mailbox)
		w = bsearch(&key, known->v, known->n, sizeof *known->v, imap_watched_order);
	if (!c->n_entries || (c->mailbox ? !w || !(w->events & IMAP_EVENT_METADATA) : !s->notify->server))
		return;
	imap_metadata_put_names(s, w ? slice_str(w->name) : SLICE(""), c->entries, c->n_entries);
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
	struct imap_names names;
	enum result r = look(s, false, &names, &n->known);
	if (r != OK)
		return r;
	for (size_t i = 0; i < n->known.n; i++) {
		const struct imap_watched *w = &n->known.v[i];
		if (w->no_access && (w->events & (IMAP_EVENTS_OF_MESSAGES | IMAP_EVENT_METADATA)))
			imap_notify_put_name(s, &names, slice_str(w->name), NULL);
		else if (n->status && has_status(s, w))
			put_status(s, w, first_items(w->events));
	}
	return OK;
}

static enum result tell_all(struct imap *s, bool watched)
{
	struct imap_watched_list all, *known = &s->notify->known;
	struct imap_names names;
	enum result r = look(s, watched, &names, &all);
	if (r == OK)
		r = imap_notify_names(s, &names, known, &all);
	if (r != OK) {
		imap_watched_free(&all);
		return r;
	}
	tell_difference(s, known, &all);
	imap_watched_free(known);
	*known = all;
	return OK;
}

enum result imap_notify_again(struct imap *s)
{
	return tell_all(s, false);
}

static void tell_one(struct imap *s, const Sekisho__Mailbox *m, const Sekisho__MailboxStatus *st)
{
	struct imap_watched_list *known = &s->notify->known;
	struct imap_watched key = {.id = m->id}, *w = NULL;
	if (known->n && m->id)
		w = bsearch(&key, known->v, known->n, sizeof *known->v, imap_watched_order);
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
		for (size_t i = 0; i < a->n_metadata; i++)
			tell_metadata(s, a->metadata[i]);
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
	imap_watched_free(&n->known);
	n->groups = NULL;
	n->server = n->shows = false;
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
		r = tell_all(s, true);
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

void imap_notify_left(struct imap *s)
{
	const struct imap_box *box = s->box;
	struct imap_watched_list *known = s->notify ? &s->notify->known : NULL;
	struct imap_watched key = {.id = box->id}, *w = NULL;
	if (known && known->n && box->id && !box->quiet)
		w = bsearch(&key, known->v, known->n, sizeof *known->v, imap_watched_order);
	if (!w)
		return;
	w->uidnext = box->uidnext;
	w->messages = box->map.messages;
	w->modseq = box->modseq;
}
