/* notify: the command, and when what is told. */
#include "notify.h"
#include "verbs.h"
#include <stdlib.h>

static void forget_own(struct imap_notify *n)
{
	for (size_t i = 0; i < COUNT(n->own); i++) {
		free(n->own[i]);
		n->own[i] = NULL;
	}
}

static void notify_free(struct imap_notify *n)
{
	if (!n)
		return;
	forget_own(n);
	imap_watched_free(&n->known);
	arena_free(&n->arena);
	free(n);
}

void imap_notify_free(struct imap *s)
{
	notify_free(s->notify);
	s->notify = NULL;
}

/* ---- the grammar, RFC 5465 section 8 ---- */

static const struct {
	const char *word;
	unsigned bit;
} events[] = {
    {"MessageNew", IMAP_EVENT_NEW},
    {"MessageExpunge", IMAP_EVENT_EXPUNGE},
    {"FlagChange", IMAP_EVENT_FLAGS},
    {"MailboxName", IMAP_EVENT_NAME},
    {"SubscriptionChange", IMAP_EVENT_SUBSCRIPTION},
    {"MailboxMetadataChange", IMAP_EVENT_METADATA},
    {"ServerMetadataChange", IMAP_EVENT_SERVER},
};

/* A parse in hand. */
struct parse {
	struct imap_notify *n;
	size_t names; /* of all groups */
	bool unknown; /* an event that is not ours */
	bool shows;   /* the group in hand has items to fetch */
};

static unsigned one_event(struct imap_args *p, struct parse *q, bool selected)
{
	struct slice word = imap_args_word(p);
	size_t i = 0;
	while (i < COUNT(events) && !slice_ieq(word, slice_str(events[i].word)))
		i++;
	if (i == COUNT(events)) {
		q->unknown |= word.n > 0;
		return 0;
	}
	if (events[i].bit != IMAP_EVENT_NEW)
		return events[i].bit;
	struct cursor before = p->c;
	if (imap_args_try(p, ' ') && imap_args_peek(p) == '(') {
		if (!selected)
			imap_args_fail(p, "Messages can be shown of the selected mailbox only");
		imap_fetch_parse_items(p, &q->n->fetch);
		q->shows = true;
	} else {
		p->c = before;
	}
	return IMAP_EVENT_NEW;
}

static unsigned event_list(struct imap_args *p, struct parse *q, bool selected)
{
	unsigned bits = 0;
	if (cursor_try_word(&p->c, SLICE("NONE")))
		return 0;
	imap_args_need(p, '(');
	do
		bits |= one_event(p, q, selected);
	while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	return bits;
}

static void selected_group(struct imap_args *p, struct parse *q, bool delayed)
{
	const unsigned both = IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE;
	struct imap_notify *n = q->n;
	if (n->selected)
		imap_args_fail(p, "The selected mailbox twice");
	imap_args_space(p);
	n->selected = delayed ? IMAP_SELECTED_DELAYED : IMAP_SELECTED_AT_ONCE;
	n->selected_events = event_list(p, q, true);
	n->shows = q->shows;
	if (n->selected_events & ~(unsigned)IMAP_EVENTS_OF_MESSAGES)
		imap_args_fail(p, "The selected mailbox has events of messages only");
	if (!q->unknown && n->selected_events && (n->selected_events & both) != both)
		imap_args_fail(p, "MessageNew and MessageExpunge need each other, FlagChange both");
}

static struct imap_event_group *other_group(struct imap_args *p, struct parse *q)
{
	struct imap_event_group *g = arena_new(p->arena, struct imap_event_group);
	struct imap_filter *f = imap_filter_parse(p);
	if (!g || !f || f->kind == IMAP_FILTER_SUBTREE_ONE) {
		imap_args_fail(p, "Unknown kind of mailboxes");
		return NULL;
	}
	q->names += f->n;
	if (q->names > LIMIT_FILTER_NAMES)
		imap_args_fail(p, "Too many mailboxes");
	g->filter = f;
	imap_args_space(p);
	g->events = event_list(p, q, false);
	q->n->server |= (g->events & IMAP_EVENT_SERVER) != 0;
	return g;
}

static void one_group(struct imap_args *p, struct parse *q, struct imap_event_group ***end)
{
	imap_args_need(p, '(');
	q->shows = false;
	if (cursor_try_word(&p->c, SLICE("SELECTED-DELAYED"))) {
		selected_group(p, q, true);
	} else if (cursor_try_word(&p->c, SLICE("SELECTED"))) {
		selected_group(p, q, false);
	} else if ((**end = other_group(p, q))) {
		*end = &(**end)->next;
	}
	imap_args_need(p, ')');
}

/* Behind "SET". */
static void parse_set(struct imap_args *p, struct parse *q)
{
	struct imap_event_group **end = &q->n->groups;
	unsigned groups = 0;
	imap_args_space(p);
	q->n->status = cursor_try_word(&p->c, SLICE("STATUS"));
	if (q->n->status)
		imap_args_space(p);
	do {
		if (++groups > LIMIT_NOTIFY_GROUPS)
			imap_args_fail(p, "Too many groups of events");
		one_group(p, q, &end);
	} while (p->c.err == OK && imap_args_try(p, ' '));
}

enum result imap_notify_parse(struct imap_args *p, struct imap_notify *n, bool *unknown_out)
{
	struct parse q = {.n = n};
	imap_args_space(p);
	if (cursor_try_word(&p->c, SLICE("SET")))
		parse_set(p, &q);
	else if (!cursor_try_word(&p->c, SLICE("NONE")))
		imap_args_fail(p, "SET or NONE was expected");
	*unknown_out = q.unknown;
	return imap_args_done(p);
}

/* ---- the command ---- */

static struct imap_notify *notify_new(void)
{
	struct imap_notify *n = calloc(1, sizeof *n);
	if (!n)
		abort();
	arena_init(&n->arena, (size_t)1 << 20);
	return n;
}

static enum result unknown_event(struct imap *s)
{
	struct stream *out = s->base.stream;
	stream_put(out, s->tag);
	stream_put(out, SLICE(" NO [BADEVENT ("));
	for (size_t i = 0; i < COUNT(events); i++) {
		stream_puts(out, i ? " " : "");
		stream_puts(out, events[i].word);
	}
	stream_put(out, SLICE(")] There are no other events here\r\n"));
	return stream_state(out);
}

/* Store watches nothing for this session any more. */
static enum result stop_watching(struct imap *s)
{
	Sekisho__WatchAsk ask = SEKISHO__WATCH_ASK__INIT;
	return imap_ask(s, ASK_STORE_WATCH, &ask, NULL);
}

/* What failed changes nothing: what was in force stays. */
static enum result refused(struct imap *s, enum result r, struct imap_notify *before)
{
	const char *why = s->store.why;
	imap_notify_free(s);
	s->notify = before;
	if (s->store.fd >= 0) {
		enum result again = before && before->groups ? imap_notify_again(s) : stop_watching(s);
		if (again != OK && s->store.fd >= 0) {
			imap_bye(s, "UNAVAILABLE", "The mailboxes cannot be reached now");
			return STOP;
		}
	}
	if (r == FULL)
		return imap_no(s, "NOTIFICATIONOVERFLOW", "Too many mailboxes to watch");
	struct ipc shown = s->store;
	shown.why = why;
	return imap_refused(s, r, &shown, "NONEXISTENT");
}

static enum result begin(struct imap *s, struct imap_notify *n)
{
	struct imap_notify *before = s->notify;
	s->notify = NULL;
	/* RFC 5465 3.1: what has accumulated is told at once, and as if there were no NOTIFY. */
	if (s->box && imap_sync(s) != OK) {
		notify_free(before);
		notify_free(n);
		return STOP;
	}
	s->store.notes &= ~(unsigned)NOTE_WATCH;
	s->notify = n;
	enum result r = n->groups ? imap_notify_begin(s) : stop_watching(s);
	if (r != OK)
		return refused(s, r, before);
	notify_free(before);
	return imap_ok(s, "Done");
}

enum result imap_notify(struct imap *s, struct imap_args *p)
{
	struct imap_notify *n = notify_new();
	/* What it says lasts longer than the command. */
	struct imap_args own = {
	    .c = cursor_of(arena_dup(&n->arena, p->c.rest)), .arena = &n->arena, .utf8 = p->utf8};
	bool unknown;
	enum result r = imap_notify_parse(&own, n, &unknown);
	if (r == OK && !unknown)
		return begin(s, n);
	r = r == OK ? unknown_event(s) : imap_bad(s, &own);
	notify_free(n);
	return r;
}

/* ---- the selected mailbox ---- */

bool imap_notify_flags(const struct imap *s)
{
	const struct imap_notify *n = s->notify;
	return !n || !n->selected || (n->selected_events & IMAP_EVENT_FLAGS);
}

/* Those of `uids` that the command in hand did not put there itself (RFC 5465 5.2). */
static bool of_others(struct imap *s, const struct runs *uids, struct runs *out)
{
	*out = (struct runs){0};
	imap_runs_tidy(&s->put);
	for (size_t i = 0, k = 0; i < uids->n; i++) {
		uint32_t first = uids->v[i].first, last = uids->v[i].last;
		for (; k < s->put.n && s->put.v[k].first <= last; k++) {
			const struct run *own = &s->put.v[k];
			if (own->last < first)
				continue;
			if (own->first > first && !imap_runs_add(out, &s->arena, first, own->first - 1))
				return false;
			first = own->last + 1; /* 0 above the highest there is: nothing is left */
			if (!first || first > last)
				break;
		}
		if (first && first <= last && !imap_runs_add(out, &s->arena, first, last))
			return false;
	}
	return true;
}

enum result imap_notify_added(struct imap *s, const struct runs *uids)
{
	struct imap_notify *n = s->notify;
	struct runs others, known;
	if (!n || !n->shows || s->box->quiet || !of_others(s, uids, &others) ||
	    !imap_uidmap_known(&s->box->map, &others, &s->arena, &known) || !known.n)
		return OK;
	return imap_fetch_show(s, &n->fetch, &known);
}

/* IDLE allows what any command of RFC 3501 7.4.1 does. */
static enum result push_selected(struct imap *s)
{
	const struct imap_notify *n = s->notify;
	if (!s->box || !n->selected_events)
		return OK;
	if (s->idle_tag)
		return imap_sync(s);
	return imap_sync_unasked(s, n->selected == IMAP_SELECTED_DELAYED);
}

enum result imap_notify_push(struct imap *s)
{
	if (!s->notify)
		return OK;
	enum result r = push_selected(s);
	if (r == OK)
		r = imap_notify_tell(s);
	if (s->notify)
		forget_own(s->notify);
	return r;
}

void imap_notify_own(struct imap *s, struct slice from, struct slice to)
{
	struct imap_notify *n = s->notify;
	if (!n)
		return;
	forget_own(n);
	n->own[0] = strndup(from.p, from.n);
	n->own[1] = strndup(to.p, to.n);
	if (!n->own[0] || !n->own[1])
		abort();
}
