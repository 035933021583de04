/* copy: COPY, MOVE, EXPUNGE (RFC 3501 6.4.7, 6.4.3; RFC 4315, 6851). */
#include "verbs.h"

struct copied {
	uint32_t uidvalidity;
	uint64_t highest;
	struct runs from, to;
};

static enum result ask_copy(
    struct imap *s, const struct runs *uids, struct slice to, bool move, struct copied *done)
{
	Sekisho__CopyAsk ask = SEKISHO__COPY_ASK__INIT;
	Sekisho__CopyAnswer *answer = NULL;
	ask.uids = imap_runs_pack(&s->arena, uids);
	ask.n_uids = uids->n;
	ask.to = arena_z(&s->arena, to);
	ask.move = move;
	if (!ask.uids || !ask.to)
		return FULL;
	enum result r = imap_ask_long(s, ASK_STORE_COPY, &ask, &s->arena, &answer);
	while (r == OK) {
		done->uidvalidity = answer->uidvalidity;
		done->highest = MAX(done->highest, answer->highestmodseq);
		if (!imap_runs_take(&s->arena, answer->from, answer->n_from, &done->from) ||
		    !imap_runs_take(&s->arena, answer->to, answer->n_to, &done->to)) {
			ipc_close(&s->store);
			return GONE;
		}
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &answer, NULL);
	}
	return r;
}

#define WINDOW 4000u /* messages of a MOVE that go together: others get their turn before the next */

/* RFC 6851 3.3: a MOVE may be done in part, each message wholly. What was done is in *done, whatever the result. */
static enum result ask_move(struct imap *s, const struct runs *uids, struct slice to, struct copied *done)
{
	struct uidmap_walk walk = imap_uidmap_walk(&s->box->map, uids);
	for (;;) {
		struct runs some;
		if (!imap_uidmap_next(&walk, WINDOW, &s->arena, &some))
			return FULL;
		if (!some.n)
			return OK;
		enum result r = ask_copy(s, &some, to, true, done);
		if (r != OK)
			return r;
	}
}

static void put_copyuid(struct imap *s, const struct copied *done)
{
	stream_put(s->base.stream, SLICE("COPYUID "));
	imap_put_number(s->base.stream, done->uidvalidity);
	stream_put(s->base.stream, SLICE(" "));
	imap_put_runs(s->base.stream, &done->from);
	stream_put(s->base.stream, SLICE(" "));
	imap_put_runs(s->base.stream, &done->to);
}

/* RFC 6851 4.3: COPYUID comes untagged, before the messages go. */
static bool tell_moved(struct imap *s, const struct copied *done)
{
	struct runs gone = {0};
	for (size_t i = 0; i < done->from.n; i++)
		if (!imap_runs_add(&gone, &s->arena, done->from.v[i].first, done->from.v[i].last))
			return false;
	if (done->uidvalidity) {
		stream_put(s->base.stream, SLICE("* OK ["));
		put_copyuid(s, done);
		stream_put(s->base.stream, SLICE("] Moved\r\n"));
	}
	imap_runs_tidy(&gone);
	imap_sync_vanished(s, &gone);
	imap_sync_own(s->box, done->highest, s->store.notes & NOTE_MAILBOX);
	return true;
}

static enum result copy_or_move(struct imap *s, struct imap_args *p, bool move)
{
	struct runs uids;
	imap_args_space(p);
	imap_box_set(s, p, &uids);
	imap_args_space(p);
	struct slice to = imap_args_mailbox(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (move && s->box->examine)
		return imap_no(s, NULL, "Opened to read only");
	if (!uids.n)
		return imap_ok(s, "No messages");
	if (imap_box_limit(s, &uids) && !move) /* RFC 9738: all or nothing */
		return imap_no(s, arena_printf(&s->arena, "MESSAGELIMIT %u", s->service->message_limit),
		    "Too many messages for one command");
	struct copied done = {0};
	enum result r = move ? ask_move(s, &uids, to, &done) : ask_copy(s, &uids, to, false, &done);
	if (!done.from.n && r == OK)
		return imap_ok(s, "No messages");
	if (done.uidvalidity == s->box->uidvalidity) {
		s->store.notes |= NOTE_MAILBOX; /* into the selected mailbox itself: tell it at once */
		for (size_t i = 0; i < done.to.n; i++)
			imap_box_put(s, done.to.v[i].first, done.to.v[i].last);
	}
	if (move && done.from.n && !tell_moved(s, &done))
		return imap_no(s, "LIMIT", "Too much");
	if (r != OK)
		return imap_refused(s, r, &s->store, "TRYCREATE");
	if (move)
		return imap_ok(s, "Done");
	r = imap_sync(s);
	if (r != OK)
		return r;
	if (!done.uidvalidity) /* RFC 4315 5: it may not be read */
		return imap_ok(s, "Copied");
	imap_ok_start(s, "");
	put_copyuid(s, &done);
	return imap_ok_end(s, "Copied");
}

enum result imap_copy(struct imap *s, struct imap_args *p)
{
	return copy_or_move(s, p, false);
}

enum result imap_move(struct imap *s, struct imap_args *p)
{
	return copy_or_move(s, p, true);
}

enum result imap_expunge(struct imap *s, struct imap_args *p)
{
	struct runs uids = {0}, gone = {0};
	if (s->uid) { /* RFC 4315 2.1 */
		imap_args_space(p);
		imap_box_set(s, p, &uids);
	}
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (s->box->examine)
		return imap_no(s, NULL, "Opened to read only");
	if (s->uid && !uids.n)
		return imap_ok(s, "No messages");
	/* No limit: RFC 9738's is of messages with \Deleted, and a client repeats what was cut until nothing is. */
	Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
	Sekisho__ExpungeAnswer *answer = NULL;
	ask.all = !s->uid;
	ask.uids = imap_runs_pack(&s->arena, &uids);
	ask.n_uids = uids.n;
	uint64_t highest = 0;
	enum result r = imap_ask_long(s, ASK_STORE_EXPUNGE, &ask, &s->arena, &answer);
	while (r == OK) {
		highest = MAX(highest, answer->highestmodseq);
		if (!imap_runs_take(&s->arena, answer->vanished, answer->n_vanished, &gone)) {
			ipc_close(&s->store);
			r = GONE;
		} else if (!s->store.more) {
			break;
		} else {
			r = imap_ask_more(s, NULL, &answer, NULL);
		}
	}
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	imap_runs_tidy(&gone);
	imap_sync_vanished(s, &gone);
	imap_sync_own(s->box, highest, s->store.notes & NOTE_MAILBOX);
	/* RFC 7162 3.2.7: what a QRESYNC client keeps as its new starting point. */
	if (gone.n && (s->enabled & IMAP_QRESYNC) && !(s->store.notes & NOTE_MAILBOX))
		return imap_ok_code(s,
		    arena_printf(&s->arena, "HIGHESTMODSEQ %llu", (unsigned long long)s->box->modseq),
		    "Expunged");
	return imap_ok(s, "Done");
}
