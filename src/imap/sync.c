/*
 * sync: what happens in the selected mailbox beside this session, told when the protocol allows it.
 *
 * store sends a note and says no more until STORE_SYNC. Notes are seen when an answer is read and when the session waits
 * for its client (woken); so a NOOP with nothing new asks nobody and reads nothing but itself.
 */
#include "notify.h"
#include <stdlib.h>

/* "* n FETCH (..." with what a change shows. */
void imap_put_change(struct imap *s, const Sekisho__Change *c, bool flags, bool uid, bool modseq)
{
	uint32_t seq = imap_uidmap_seq(&s->box->map, c->uid);
	struct stream *out = s->base.stream;
	if (!seq)
		return;
	imap_put_fetch_start(s, seq, c->uid);
	if (uid && !(s->enabled & IMAP_UIDONLY)) {
		stream_put(out, SLICE("UID "));
		imap_put_number(out, c->uid);
		stream_puts(out, flags || modseq ? " " : "");
	}
	if (flags) {
		stream_put(out, SLICE("FLAGS "));
		imap_put_flags(s, c->uid, c->flags, c->keywords);
		stream_puts(out, modseq ? " " : "");
	}
	if (modseq) {
		stream_put(out, SLICE("MODSEQ ("));
		imap_put_number(out, c->modseq);
		stream_put(out, SLICE(")"));
	}
	stream_put(out, SLICE(")\r\n"));
}

void imap_sync_condstore(struct imap *s)
{
	if (s->box && !(s->enabled & IMAP_CONDSTORE)) {
		stream_put(s->base.stream, SLICE("* OK [HIGHESTMODSEQ "));
		imap_put_number(s->base.stream, s->box->modseq);
		stream_put(s->base.stream, SLICE("] Highest\r\n"));
	}
	s->enabled |= IMAP_CONDSTORE;
}

void imap_sync_own(struct imap_box *box, uint64_t modseq, bool note_pending)
{
	if (modseq <= box->modseq)
		return;
	if (!note_pending) {
		box->modseq = modseq;
		return;
	}
	/* Somebody else changed something too, before or after: when told of it, leave out what this session did. */
	for (unsigned i = 0; i < box->own_n; i++)
		if (box->own[i] == modseq)
			return;
	if (box->own_n < COUNT(box->own))
		box->own[box->own_n++] = modseq;
}

static bool is_own(const struct imap_box *box, uint64_t modseq)
{
	for (unsigned i = 0; i < box->own_n; i++)
		if (box->own[i] == modseq)
			return true;
	return false;
}

/* From the last to the first, so that no number shifts under the next. */
static void put_expunges(struct imap *s, const struct runs *uids)
{
	struct uidmap *map = &s->box->map;
	for (size_t i = uids->n; i-- > 0;)
		for (uint32_t uid = MIN(uids->v[i].last, imap_uidmap_last(map));
		     uid >= uids->v[i].first && uid; uid--) {
			uint32_t seq = imap_uidmap_seq(map, uid);
			if (!seq)
				continue;
			stream_put(s->base.stream, SLICE("* "));
			imap_put_number(s->base.stream, seq);
			stream_put(s->base.stream, SLICE(" EXPUNGE\r\n"));
		}
}

void imap_sync_vanished(struct imap *s, const struct runs *uids)
{
	struct runs known;
	if (!imap_uidmap_known(&s->box->map, uids, &s->arena, &known) || !known.n)
		return;
	if (s->enabled & (IMAP_QRESYNC | IMAP_UIDONLY)) {
		stream_put(s->base.stream, SLICE("* VANISHED "));
		imap_put_runs(s->base.stream, &known);
		stream_put(s->base.stream, SLICE("\r\n"));
	} else {
		put_expunges(s, &known);
	}
	imap_uidmap_remove(&s->box->map, &known);
}

void imap_put_exists(struct imap *s)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* "));
	imap_put_number(out, s->box->map.messages);
	stream_put(out, SLICE(" EXISTS\r\n"));
	if (s->enabled & IMAP_REV2) /* which knows nothing of \Recent */
		return;
	stream_put(out, SLICE("* "));
	imap_put_number(out, imap_box_recent_count(s->box));
	stream_put(out, SLICE(" RECENT\r\n"));
}

/* What one round of STORE_SYNC brought, over all its packets. */
struct news {
	struct runs vanished, added;
	const Sekisho__Change **changes;
	size_t n, room;
	uint32_t uidnext;
	uint64_t modseq;
	bool gone;
};

static bool take_changes(struct imap *s, const Sekisho__SyncAnswer *a, struct news *news)
{
	size_t need = news->n + a->n_changes;
	if (need > news->room) {
		size_t room = MAX(need, news->room * 2);
		const Sekisho__Change **v = arena_array(&s->arena, room, sizeof *v);
		if (!v)
			return false;
		if (news->n)
			memcpy(v, news->changes, news->n * sizeof *v);
		news->changes = v;
		news->room = room;
	}
	for (size_t i = 0; i < a->n_changes; i++)
		news->changes[news->n++] = a->changes[i];
	return true;
}

/* The watermark was handed to this session, whatever it asked for. */
static void take_recent(struct imap_box *box, const Sekisho__SyncAnswer *a)
{
	if (a->recent_from && a->recent_from < a->uidnext)
		imap_box_add_recent(box, a->recent_from, a->uidnext - 1);
}

static bool take_packet(struct imap *s, const Sekisho__SyncAnswer *a, struct news *news)
{
	news->modseq = MAX(news->modseq, a->highestmodseq);
	news->uidnext = MAX(news->uidnext, a->uidnext);
	news->gone |= a->gone;
	take_recent(s->box, a);
	imap_box_keywords(s, a->keywords, a->n_keywords, false);
	return take_changes(s, a, news) &&
	       imap_runs_take(&s->arena, a->vanished, a->n_vanished, &news->vanished) &&
	       imap_runs_take(&s->arena, a->added, a->n_added, &news->added);
}

static enum result ask_news(struct imap *s, uint64_t since, const struct runs *only, struct news *news)
{
	Sekisho__SyncAsk ask = SEKISHO__SYNC_ASK__INIT;
	ask.since = since;
	ask.known_uidnext = s->box->uidnext;
	if (only) {
		ask.only = imap_runs_pack(&s->arena, only);
		ask.n_only = ask.only ? only->n : 0;
	}
	Sekisho__SyncAnswer *answer = NULL;
	enum result r = imap_ask(s, ASK_STORE_SYNC, &ask, &answer);
	while (r == OK) {
		if (!take_packet(s, answer, news))
			return FULL;
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &answer, NULL);
	}
	imap_runs_tidy(&news->vanished);
	imap_runs_tidy(&news->added);
	return r;
}

static enum result tell_added(struct imap *s, const struct news *news)
{
	struct imap_box *box = s->box;
	uint32_t before = box->map.messages;
	for (size_t i = 0; i < news->added.n; i++) {
		struct run r = news->added.v[i];
		if (!imap_uidmap_append(&box->map, r.first, r.last - r.first + 1))
			continue;
		box->uidnext = MAX(box->uidnext, r.last == UINT32_MAX ? r.last : r.last + 1);
	}
	if (box->map.messages == before)
		return OK;
	imap_put_exists(s);
	return imap_notify_added(s, &news->added);
}

static void tell_changes(struct imap *s, const struct news *news, uint32_t known_uidnext)
{
	if (!imap_notify_flags(s))
		return;
	for (size_t i = 0; i < news->n; i++) {
		const Sekisho__Change *c = news->changes[i];
		if (c->uid < known_uidnext && !is_own(s->box, c->modseq))
			imap_put_change(
			    s, c, true, s->enabled & (IMAP_QRESYNC | IMAP_REV2), s->enabled & IMAP_CONDSTORE);
	}
}

static enum result ended(struct imap *s, const char *why)
{
	imap_bye(s, "UNAVAILABLE", why);
	return STOP;
}

enum result imap_sync_gone(struct imap *s)
{
	imap_bye(s, NULL, "The selected mailbox was deleted");
	return STOP;
}

static void hold_vanished(struct imap_box *box, const struct runs *uids)
{
	if (!uids->n)
		return;
	box->held = realloc(box->held, (box->held_n + uids->n) * sizeof *box->held);
	if (!box->held)
		abort();
	memcpy(box->held + box->held_n, uids->v, uids->n * sizeof *uids->v);
	box->held_n += uids->n;
}

static void tell_held(struct imap *s)
{
	struct imap_box *box = s->box;
	struct runs held = {0};
	for (size_t i = 0; i < box->held_n; i++)
		if (!imap_runs_add(&held, &s->arena, box->held[i].first, box->held[i].last))
			return; /* another time */
	imap_runs_tidy(&held);
	imap_sync_vanished(s, &held);
	free(box->held);
	box->held = NULL;
	box->held_n = 0;
}

enum result imap_sync(struct imap *s)
{
	if (s->box->held_n)
		tell_held(s);
	return imap_sync_unasked(s, false);
}

enum result imap_sync_unasked(struct imap *s, bool hold)
{
	struct imap_box *box = s->box;
	struct news news = {0};
	if (!(s->store.notes & NOTE_MAILBOX))
		return OK;
	s->store.notes &= ~(unsigned)NOTE_MAILBOX;
	uint32_t known_uidnext = box->uidnext;
	if (ask_news(s, box->modseq, NULL, &news) != OK) {
		if (s->store.fd < 0 || s->store.more)
			return ended(s, "The mailboxes cannot be reached now");
		s->store.notes |= NOTE_MAILBOX; /* another time */
		return OK;
	}
	if (news.gone)
		return imap_sync_gone(s);
	if (hold)
		hold_vanished(box, &news.vanished);
	else
		imap_sync_vanished(s, &news.vanished);
	if (tell_added(s, &news) != OK)
		return ended(s, "The mailboxes cannot be reached now");
	tell_changes(s, &news, known_uidnext);
	box->modseq = MAX(box->modseq, news.modseq);
	box->uidnext = MAX(box->uidnext, news.uidnext);
	box->own_n = 0;
	return stream_state(s->base.stream);
}

enum result imap_sync_since(struct imap *s, uint64_t since, const struct runs *only, bool flags)
{
	struct imap_box *box = s->box;
	struct news news = {0};
	enum result r = ask_news(s, since, only, &news);
	if (r != OK)
		return r;
	if (news.vanished.n) {
		stream_put(s->base.stream, SLICE("* VANISHED (EARLIER) "));
		imap_put_runs(s->base.stream, &news.vanished);
		stream_put(s->base.stream, SLICE("\r\n"));
	}
	for (size_t i = 0; flags && i < news.n; i++)
		imap_put_change(s, news.changes[i], true, true, true);
	/* Whatever came between is still to be told in its own time. */
	if (news.modseq > box->modseq)
		s->store.notes |= NOTE_MAILBOX;
	return OK;
}

enum result imap_sync_keywords(struct imap *s)
{
	Sekisho__SyncAsk ask = SEKISHO__SYNC_ASK__INIT;
	ask.since = UINT64_MAX; /* nothing has changed since then: only the names come */
	ask.known_uidnext = UINT32_MAX;
	Sekisho__SyncAnswer *answer = NULL;
	enum result r = imap_ask(s, ASK_STORE_SYNC, &ask, &answer);
	while (r == OK) {
		imap_box_keywords(s, answer->keywords, answer->n_keywords, false);
		take_recent(s->box, answer);
		if (!s->store.more)
			return OK;
		r = imap_ask_more(s, NULL, &answer, NULL);
	}
	return r;
}
