/*
 * multisearch: ESEARCH, SEARCH in several mailboxes at once (RFC 7377).
 *
 * Other mailboxes than the selected one are opened to read, one after another, on the session's own channel; the
 * selected one is selected again at the end, and what happened in it meanwhile is told like anything else.
 */
#include "filter.h"
#include "search.h"
#include "verbs.h"
#include <stdlib.h>

struct multisearch {
	struct imap_filter *filters;
	struct cursor program; /* where the search program begins */
	struct imap_search q;
	struct imap_box *own; /* the selected mailbox, NULL: none */
	char *own_name;
	bool others; /* asks about mailboxes that may not be the selected one */
};

/* IN (sources [(scope)]) */
static void parse_sources(struct imap_args *p, struct multisearch *m)
{
	struct imap_filter **end = &m->filters;
	size_t names = 0; /* a source without names counts too */
	if (!cursor_try_word(&p->c, SLICE("IN ("))) {
		*end = arena_new(p->arena, struct imap_filter); /* the selected one */
		return;
	}
	do {
		if (imap_args_try(p, '(')) { /* scope options: none is defined */
			imap_args_need(p, ')');
			break;
		}
		*end = imap_filter_parse(p);
		if (p->c.err != OK)
			return;
		m->others |= (*end)->kind != IMAP_FILTER_SELECTED;
		names += (*end)->n + 1;
		if (names > LIMIT_FILTER_NAMES)
			imap_args_fail(p, "Too many mailboxes");
		end = &(*end)->next;
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	imap_args_space(p);
}

static void parse(struct imap *s, struct imap_args *p, struct multisearch *m)
{
	struct imap_box none = {0}, *box = s->box;
	imap_args_space(p);
	parse_sources(p, m);
	if (p->c.err == OK)
		imap_search_parse_return(p, &m->q);
	if (!m->q.esearch)
		m->q.wanted = RETURN_ALL;
	m->q.esearch = true;
	m->program = p->c;
	s->box = box ? box : &none;
	if (p->c.err == OK)
		imap_search_parse_keys(s, p, &m->q);
	s->box = box;
	bool selected = !m->filters || imap_filter_has(m->filters, IMAP_FILTER_SELECTED);
	if (selected && !box)
		imap_args_fail(p, "No mailbox is selected");
	if (m->others && m->q.numbers)
		imap_args_fail(p, "Numbers and \"$\" mean the selected mailbox only");
	if (m->others && m->q.wanted & RETURN_SAVE)
		imap_args_fail(p, "SAVE is for the selected mailbox only");
}

/* ---- one mailbox ---- */

static enum result search_box(struct imap *s, struct multisearch *m, const char *name)
{
	struct imap_args p = {.c = m->program, .arena = &s->arena, .utf8 = s->enabled & IMAP_UTF8};
	struct imap_search *q = arena_new(&s->arena, struct imap_search);
	if (!q)
		return FULL;
	*q = m->q;
	imap_search_parse_keys(s, &p, q); /* sets of UIDs depend on the mailbox */
	q->mailbox = name;
	struct imap_hunt h = {.q = q, .now_ms = clock_utc_ms()};
	enum result r = imap_search_hunt(s, &h);
	if (r == OK && (h.found.n || !m->others))
		r = imap_search_tell(s, &h);
	return r;
}

/* Each mailbox has an arena of its own: there may be thousands. */
static enum result search_other(struct imap *s, struct multisearch *m, const char *name)
{
	struct arena command = s->arena;
	arena_init(&s->arena, command.cap);
	enum result r = imap_box_peek(s, slice_str(name));
	if (r == OK)
		r = search_box(s, m, name);
	else if (r != LATER && r != STOP && s->store.fd >= 0)
		r = OK; /* gone meanwhile, or not to be read */
	imap_box_free(s);
	arena_free(&s->arena);
	s->arena = command;
	s->store.why = "";
	return r;
}

/* ---- all of them ---- */

struct listed {
	const Sekisho__Mailbox **v;
	size_t n, room;
};

static bool take_listed(struct imap *s, const Sekisho__MailboxesAnswer *answer, struct listed *l)
{
	for (size_t i = 0; i < answer->n_mailboxes; i++) {
		if (l->n == l->room) {
			size_t room = l->room ? 2 * l->room : 64;
			const Sekisho__Mailbox **v = arena_array(&s->arena, room, sizeof *v);
			if (!v)
				return false;
			if (l->n)
				memcpy(v, l->v, l->n * sizeof *v);
			l->v = v;
			l->room = room;
		}
		l->v[l->n++] = answer->mailboxes[i];
	}
	return true;
}

static enum result list_all(struct imap *s, struct listed *l)
{
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	Sekisho__MailboxesAnswer *answer = NULL;
	enum result r = imap_ask(s, ASK_STORE_MAILBOXES, &ask, &answer);
	while (r == OK) {
		if (!take_listed(s, answer, l)) {
			ipc_close(&s->store);
			return GONE;
		}
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &answer, NULL);
	}
	return r;
}

/* Back to the mailbox that was selected. Not OK: the session must end. */
static enum result come_back(struct imap *s, struct multisearch *m)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	s->box = m->own;
	if (s->store.fd < 0)
		return GONE;
	if (!m->own)
		return imap_ask(s, ASK_STORE_UNSELECT, &ask, NULL);
	return imap_box_again(s, slice_str(m->own_name)) == OK ? OK : imap_sync_gone(s);
}

static enum result search_others(struct imap *s, struct multisearch *m, const struct listed *l)
{
	enum result r = OK;
	bool left = false;
	m->own = s->box;
	s->box = NULL;
	for (size_t i = 0; i < l->n && r == OK; i++) {
		if (l->v[i]->noselect || (m->own && l->v[i]->id == m->own->id) ||
		    !imap_filter_means(m->filters, l->v[i]))
			continue;
		left = true;
		r = search_other(s, m, l->v[i]->name);
	}
	if (!left) {
		s->box = m->own;
		return r;
	}
	enum result back = come_back(s, m);
	return back == STOP || r == OK ? back : r;
}

static enum result search_all(struct imap *s, struct multisearch *m)
{
	struct listed l = {0};
	enum result r = list_all(s, &l);
	bool own = imap_filter_has(m->filters, IMAP_FILTER_SELECTED);
	for (size_t i = 0; i < l.n && s->box; i++)
		if (l.v[i]->id == s->box->id && !l.v[i]->no_status) { /* else it may not be read any more */
			m->own_name = l.v[i]->name;
			own |= imap_filter_means(m->filters, l.v[i]);
		}
	if (r == OK && s->box && !m->own_name)
		return imap_sync_gone(s);
	if (r == OK && own)
		r = search_box(s, m, m->own_name);
	return r == OK && m->others ? search_others(s, m, &l) : r;
}

enum result imap_esearch(struct imap *s, struct imap_args *p)
{
	enum result r;
	struct multisearch *m = arena_new(&s->arena, struct multisearch);
	if (!m)
		return imap_no(s, "LIMIT", "Too much");
	parse(s, p, m);
	if (!imap_search_parsed(s, p, &m->q, &r))
		return r;
	s->uid = true;
	if (m->q.modseq)
		imap_sync_condstore(s);
	r = search_all(s, m);
	if (r == OK)
		return imap_ok(s, "Done");
	return r == STOP ? STOP : imap_refused(s, r, &s->store, "NONEXISTENT");
}
