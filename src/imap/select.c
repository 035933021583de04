/* select: SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 6.3.1, 6.4.2; RFC 3691; RFC 7162 3.1, 3.2.5). */
#include "verbs.h"
#include <stdlib.h>

/* "(QRESYNC (uidvalidity modseq [known-uids [(seqs uids)]]))" */
struct resync {
	bool asked, has_known;
	uint32_t uidvalidity;
	uint64_t modseq;
	struct runs known;
};

static void parse_qresync(struct imap *s, struct imap_args *p, struct resync *q)
{
	struct runs ignored;
	q->asked = true;
	imap_args_space(p);
	imap_args_need(p, '(');
	q->uidvalidity = imap_args_number(p);
	imap_args_space(p);
	q->modseq = imap_args_number64(p);
	if (imap_args_try(p, ' ')) {
		if (imap_args_peek(p) != '(') {
			imap_args_set(p, &q->known);
			q->has_known = true;
		}
		/* What the client has at some sequence numbers: only a hint, for servers that forget what they expunged. */
		if ((!q->has_known && imap_args_peek(p) == '(') || imap_args_try(p, ' ')) {
			imap_args_need(p, '(');
			if (s->enabled & IMAP_UIDONLY)
				imap_args_fail(p, IMAP_UIDREQUIRED);
			imap_args_set(p, &ignored);
			imap_args_space(p);
			imap_args_set(p, &ignored);
			imap_args_need(p, ')');
		}
	}
	imap_args_need(p, ')');
	if (!(s->enabled & IMAP_QRESYNC))
		imap_args_fail(p, "QRESYNC was not enabled");
}

static unsigned parse_select(struct imap *s, struct imap_args *p, struct slice *name, struct resync *q)
{
	unsigned enable = 0;
	imap_args_space(p);
	*name = imap_args_mailbox(p);
	if (!imap_args_try(p, ' '))
		return 0;
	imap_args_need(p, '(');
	do {
		if (cursor_try_word(&p->c, SLICE("CONDSTORE")))
			enable |= IMAP_CONDSTORE;
		else if (cursor_try_word(&p->c, SLICE("QRESYNC")))
			parse_qresync(s, p, q);
		else
			imap_args_fail(p, "Unknown SELECT parameter");
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	return enable;
}

static bool take_uids(struct imap_box *box, Sekisho__Run *const *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!imap_uidmap_append(&box->map, runs[i]->first, runs[i]->count))
			return false;
	return true;
}

/* Makes s->box from store's answer; `first_out` is its first packet. */
static enum result open_box(
    struct imap *s, struct slice name, bool examine, Sekisho__SelectAnswer **first_out)
{
	Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *answer = NULL;
	ask.name = arena_z(&s->arena, name);
	ask.examine = examine;
	if (!ask.name)
		return FULL;
	s->store.notes &= ~(unsigned)NOTE_MAILBOX; /* it was the other mailbox's */
	enum result r = imap_ask(s, ASK_STORE_SELECT, &ask, first_out);
	if (r != OK)
		return r;
	s->box = calloc(1, sizeof *s->box);
	if (!s->box)
		abort();
	s->box->examine = examine;
	answer = *first_out;
	for (;;) {
		if (!take_uids(s->box, answer->uids, answer->n_uids) || !(*first_out)->mailbox ||
		    !(*first_out)->status) {
			ipc_close(&s->store);
			s->store.why = "malformed answer";
			return GONE;
		}
		if (!s->store.more)
			return OK;
		if (imap_ask_more(s, NULL, &answer, NULL) != OK)
			return GONE;
	}
}

enum result imap_box_peek(struct imap *s, struct slice name)
{
	Sekisho__SelectAnswer *answer;
	enum result r = open_box(s, name, true, &answer);
	if (r != OK)
		return r;
	s->box->quiet = true;
	s->box->id = answer->mailbox->id;
	s->box->uidvalidity = answer->mailbox->uidvalidity;
	s->box->modseq = answer->status->highestmodseq;
	s->box->uidnext = MAX(answer->status->uidnext, imap_uidmap_last(&s->box->map) + 1);
	imap_box_keywords(s, answer->keywords, answer->n_keywords, false);
	return OK;
}

enum result imap_box_again(struct imap *s, struct slice name)
{
	struct imap_box *own = s->box;
	Sekisho__SelectAnswer *answer;
	s->box = NULL;
	enum result r = open_box(s, name, own->examine, &answer);
	if (r == OK && answer->mailbox->id != own->id)
		r = GONE;
	imap_box_free(s);
	s->box = own;
	if (r != OK)
		return r;
	if (answer->recent_from && answer->recent_from < answer->status->uidnext)
		imap_box_add_recent(own, answer->recent_from, answer->status->uidnext - 1);
	s->store.notes |= NOTE_MAILBOX; /* what happened meanwhile was noted to nobody */
	return OK;
}

static void put_number_code(struct imap *s, const char *code, uint64_t n, const char *text)
{
	stream_put(s->base.stream, SLICE("* OK ["));
	stream_puts(s->base.stream, code);
	imap_put_number(s->base.stream, n);
	stream_puts(s->base.stream, text);
	stream_put(s->base.stream, SLICE("\r\n"));
}

/* RFC 4314 section 4: READ-ONLY to whoever may change nothing; PERMANENTFLAGS shows what may be. */
static void take_rights(struct imap_box *box, const char *rights)
{
	for (size_t i = 0; i < strlen(rights) && i + 1 < sizeof box->rights; i++)
		box->rights[i] = rights[i];
	box->examine |= !strpbrk(rights, "iestw");
}

/* RFC 9051 6.3.2: the name as it is known here. */
static void tell_name(struct imap *s, const Sekisho__Mailbox *m)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* LIST ("));
	stream_puts(out, m->subscribed ? "\\Subscribed" : "");
	stream_puts(out, m->subscribed && m->special_use[0] ? " " : "");
	stream_puts(out, m->special_use);
	stream_put(out, SLICE(") \"/\" "));
	imap_put_mailbox(out, slice_str(m->name), s->enabled & IMAP_UTF8);
	stream_put(out, SLICE("\r\n"));
}

static void tell_box(struct imap *s, const Sekisho__SelectAnswer *a)
{
	struct imap_box *box = s->box;
	box->id = a->mailbox->id;
	take_rights(box, a->mailbox->rights);
	box->uidvalidity = a->mailbox->uidvalidity;
	box->modseq = a->status->highestmodseq;
	box->uidnext = MAX(a->status->uidnext, imap_uidmap_last(&box->map) + 1);
	if (a->recent_from && a->recent_from < box->uidnext)
		imap_box_add_recent(box, a->recent_from, box->uidnext - 1);
	imap_box_keywords(s, a->keywords, a->n_keywords, true);
	imap_put_exists(s);
	uint32_t unseen = a->status->first_unseen ? imap_uidmap_seq(&box->map, a->status->first_unseen) : 0;
	if (s->enabled & IMAP_REV2)
		tell_name(s, a->mailbox);
	else if (unseen && !(s->enabled & IMAP_UIDONLY))
		put_number_code(s, "UNSEEN ", unseen, "] First unseen");
	put_number_code(s, "UIDVALIDITY ", box->uidvalidity, "] UIDs are valid");
	put_number_code(s, "UIDNEXT ", box->uidnext, "] Predicted next UID");
	put_number_code(s, "HIGHESTMODSEQ ", box->modseq, "] Highest");
	put_number_code(s, "MAILBOXID (F", box->id, ")] Its object identifier");
}

/* RFC 7162 3.2.5.1: what changed and vanished since the client was last here. */
static enum result resync(struct imap *s, const struct resync *q)
{
	struct imap_box *box = s->box;
	if (!q->asked || q->uidvalidity != box->uidvalidity || q->modseq >= box->modseq)
		return OK;
	struct runs known = {0};
	for (size_t i = 0; i < q->known.n; i++)
		if (!imap_runs_add(&known, &s->arena, q->known.v[i].first, q->known.v[i].last))
			return FULL;
	if (q->has_known)
		imap_set_resolve(&known, box->uidnext - 1);
	return imap_sync_since(s, q->modseq, q->has_known ? &known : NULL, true);
}

static enum result leave(struct imap *s)
{
	if (!s->box)
		return OK;
	imap_box_free(s);
	s->state = IMAP_AUTH;
	if (s->enabled & (IMAP_QRESYNC | IMAP_REV2))
		stream_put(s->base.stream, SLICE("* OK [CLOSED] The mailbox before is closed\r\n"));
	return OK;
}

static enum result select_failed(struct imap *s, enum result r, bool was_selected)
{
	const char *why = s->store.why;
	struct ipc shown = s->store;
	imap_box_free(s);
	s->state = IMAP_AUTH;
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	if (was_selected && s->store.fd >= 0)
		result_ignore(imap_ask(
		    s, ASK_STORE_UNSELECT, &ask, NULL)); /* none is selected then, says RFC 3501 6.3.1 */
	shown.why = why;
	return imap_refused(s, r, &shown, "NONEXISTENT");
}

static enum result select_or_examine(struct imap *s, struct imap_args *p, bool examine)
{
	struct slice name;
	struct resync q = {0};
	unsigned enable = parse_select(s, p, &name, &q);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	bool was_selected = s->box != NULL;
	enum result r = leave(s);
	Sekisho__SelectAnswer *answer = NULL;
	if (r == OK)
		r = open_box(s, name, examine, &answer);
	if (r != OK)
		return select_failed(s, r, was_selected);
	s->enabled |= enable;
	s->state = IMAP_SELECTED;
	tell_box(s, answer);
	r = resync(s, &q);
	if (r != OK)
		return select_failed(s, r, true);
	examine = s->box->examine;
	return imap_ok_code(s, examine ? "READ-ONLY" : "READ-WRITE", examine ? "Opened to read" : "Opened");
}

enum result imap_select(struct imap *s, struct imap_args *p)
{
	return select_or_examine(s, p, false);
}

enum result imap_examine(struct imap *s, struct imap_args *p)
{
	return select_or_examine(s, p, true);
}

static enum result unselect(struct imap *s, const char *done)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	enum result r = imap_ask(s, ASK_STORE_UNSELECT, &ask, NULL);
	imap_box_free(s);
	s->state = IMAP_AUTH;
	s->store.notes &= ~(unsigned)NOTE_MAILBOX;
	return r == OK ? imap_ok(s, done) : imap_refused(s, r, &s->store, "NONEXISTENT");
}

enum result imap_unselect(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	return unselect(s, "Left");
}

enum result imap_close(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	/* Without the right to expunge CLOSE only leaves (RFC 4314 section 4). */
	if (!s->box->examine && strchr(s->box->rights, 'e')) {
		Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
		ask.all = true;
		enum result r = imap_ask(s, ASK_STORE_EXPUNGE, &ask, NULL);
		while (r == OK && s->store.more)
			r = imap_ask_more(s, NULL, NULL, NULL);
		if (r != OK && r != DENY)
			return imap_refused(s, r, &s->store, "NONEXISTENT");
	}
	return unselect(s, "Closed");
}
