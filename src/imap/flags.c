/* flags: STORE (RFC 3501 6.4.6; RFC 7162 3.1.3). */
#include "verbs.h"

struct change {
	struct runs uids;
	Sekisho__FlagsAsk__Mode mode;
	struct imap_flags flags;
	bool silent, conditional;
	uint64_t unchanged_since;
};

static void parse_modifiers(struct imap *s, struct imap_args *p, struct change *c)
{
	if (!imap_args_try(p, '('))
		return;
	if (!cursor_try_word(&p->c, SLICE("UNCHANGEDSINCE ")))
		imap_args_fail(p, "Unknown STORE modifier");
	c->unchanged_since = imap_args_number64(p);
	c->conditional = true;
	imap_args_need(p, ')');
	imap_args_space(p);
	if (p->c.err == OK)
		imap_sync_condstore(s);
}

static void parse_store(struct imap *s, struct imap_args *p, struct change *c)
{
	imap_args_space(p);
	imap_box_set(s, p, &c->uids);
	imap_args_space(p);
	parse_modifiers(s, p, c);
	c->mode = imap_args_try(p, '+')   ? SEKISHO__FLAGS_ASK__MODE__ADD
		  : imap_args_try(p, '-') ? SEKISHO__FLAGS_ASK__MODE__REMOVE
					  : SEKISHO__FLAGS_ASK__MODE__REPLACE;
	if (!cursor_try_word(&p->c, SLICE("FLAGS")))
		imap_args_fail(p, "FLAGS was expected");
	c->silent = cursor_try_word(&p->c, SLICE(".SILENT"));
	imap_args_space(p);
	imap_args_store_flags(p, &c->flags);
}

struct stored {
	struct runs modified;
	uint64_t highest;
};

static bool take_answer(
    struct imap *s, const struct change *c, const Sekisho__FlagsAnswer *a, struct stored *done)
{
	imap_box_keywords(s, a->keywords, a->n_keywords, false);
	bool uid = s->uid || (s->enabled & IMAP_QRESYNC);
	/* RFC 7162 3.1.3: the new modseq is told even when silent. */
	bool modseq = s->enabled & IMAP_CONDSTORE;
	for (size_t i = 0; i < a->n_changes && (!c->silent || modseq); i++)
		imap_put_change(s, a->changes[i], !c->silent, uid, modseq);
	done->highest = MAX(done->highest, a->highestmodseq);
	return imap_runs_take(&s->arena, a->modified, a->n_modified, &done->modified);
}

static enum result store_window(
    struct imap *s, const struct change *c, const struct runs *uids, struct arena *a, struct stored *done)
{
	Sekisho__FlagsAsk ask = SEKISHO__FLAGS_ASK__INIT;
	Sekisho__FlagsAnswer *answer = NULL;
	ask.uids = imap_runs_pack(a, uids);
	ask.n_uids = uids->n;
	ask.mode = c->mode;
	ask.flags = c->flags.system;
	ask.keywords = imap_keywords_pack(a, &c->flags);
	ask.n_keywords = c->flags.n;
	ask.unchanged_since = c->unchanged_since;
	ask.has_unchanged_since = c->conditional;
	if (!ask.uids || !ask.keywords)
		return FULL;
	enum result r = imap_ask_into(s, ASK_STORE_FLAGS, &ask, a, &answer, NULL);
	while (r == OK) {
		if (!take_answer(s, c, answer, done)) {
			ipc_close(&s->store);
			return GONE;
		}
		if (!s->store.more)
			break;
		r = imap_ask_more(s, a, &answer, NULL);
	}
	return r;
}

#define WINDOW 10000u /* messages whose change one ask names: what bounds the memory for its answer */

static enum result ask_store(struct imap *s, const struct change *c, struct stored *done)
{
	struct uidmap_walk walk = imap_uidmap_walk(&s->box->map, &c->uids);
	enum result r = OK;
	while (r == OK) {
		ARENA_LOCAL(a, (size_t)64 << 20);
		struct runs uids;
		if (!imap_uidmap_next(&walk, WINDOW, &a, &uids))
			return FULL;
		if (!uids.n)
			break;
		r = store_window(s, c, &uids, &a, done);
	}
	imap_sync_own(s->box, done->highest, s->store.notes & NOTE_MAILBOX);
	return r;
}

/* "[MODIFIED 7,9]" shows sequence numbers, or UIDs after UID STORE. */
static enum result answer_modified(struct imap *s, struct runs *uids)
{
	struct runs shown = {0};
	imap_runs_tidy(uids);
	for (size_t i = 0; i < uids->n; i++)
		for (uint32_t uid = uids->v[i].first; uid <= uids->v[i].last && uid; uid++) {
			uint32_t n = s->uid ? uid : imap_uidmap_seq(&s->box->map, uid);
			if (n && !imap_runs_add(&shown, &s->arena, n, n))
				return imap_no(s, "LIMIT", "Too much");
		}
	imap_ok_start(s, "MODIFIED ");
	imap_put_runs(s->base.stream, &shown);
	return imap_ok_end(s, "Some were changed since");
}

enum result imap_store(struct imap *s, struct imap_args *p)
{
	struct change c = {0};
	parse_store(s, p, &c);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (s->box->examine)
		return imap_no(s, NULL, "Opened to read only");
	if (!c.uids.n)
		return imap_ok(s, "No messages");
	imap_box_limit(s, &c.uids);
	struct stored done = {0};
	enum result r = ask_store(s, &c, &done);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	return done.modified.n ? answer_modified(s, &done.modified) : imap_ok(s, "Done");
}
