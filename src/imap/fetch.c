/* fetch: FETCH (RFC 3501 6.4.5, 7.4.2; RFC 3516, 7162, 8474). */
#include "fetch.h"
#include "facts.h"
#include "rows.h"
#include "verbs.h"

const Sekisho__Part *imap_message_root(struct imap_message *m)
{
	static const Sekisho__Part plain = SEKISHO__PART__INIT;
	if (m->root)
		return m->root;
	struct ipc_allocator al = ipc_allocator(m->arena);
	m->facts =
	    m->packed.n ? sekisho__facts__unpack(&al.pb, m->packed.n, (const uint8_t *)m->packed.p) : NULL;
	m->root = m->facts ? m->facts->root : NULL;
	if (!m->root) { /* a message that scan could not read: one opaque text */
		Sekisho__Part *part = arena_new(m->arena, Sekisho__Part);
		if (!part)
			return &plain;
		*part = plain;
		part->type = (char *)"text";
		part->subtype = (char *)"plain";
		part->encoding = (char *)"7bit";
		part->body_length = m->row->size;
		m->root = part;
	}
	return m->root;
}

/* ---- one row ---- */

#define OF_FACTS ((unsigned)(ITEM_ENVELOPE | ITEM_BODY | ITEM_BODYSTRUCTURE | ITEM_PREVIEW))

struct put {
	struct stream *out;
	bool some;
};

static void name(struct put *p, const char *word)
{
	if (p->some)
		stream_put(p->out, SLICE(" "));
	p->some = true;
	stream_puts(p->out, word);
}

static void put_id(struct put *p, const char *word, uint64_t id)
{
	name(p, word);
	imap_put_number(p->out, id);
	stream_put(p->out, SLICE(")"));
}

static void put_small_items(struct imap *s, struct put *p, const Sekisho__Row *row, unsigned items)
{
	if (items & ITEM_UID) {
		name(p, "UID ");
		imap_put_number(p->out, row->uid);
	}
	if (items & ITEM_FLAGS) {
		name(p, "FLAGS ");
		imap_put_flags(s, row->uid, row->flags, row->keywords);
	}
	if (items & ITEM_INTERNALDATE) {
		name(p, "INTERNALDATE ");
		imap_put_date_time(p->out, row->internal_ms);
	}
	if (items & ITEM_SAVEDATE) {
		name(p, "SAVEDATE ");
		imap_put_date_time(p->out, row->saved_ms);
	}
	if (items & ITEM_SIZE) {
		name(p, "RFC822.SIZE ");
		imap_put_number(p->out, row->size);
	}
	if (items & ITEM_MODSEQ)
		put_id(p, "MODSEQ (", row->modseq);
	if (items & ITEM_EMAILID)
		put_id(p, "EMAILID (M", row->email);
	if (items & ITEM_THREADID) {
		if (row->thread)
			put_id(p, "THREADID (T", row->thread);
		else
			name(p, "THREADID NIL");
	}
}

static void put_structure(struct imap_message *m, struct put *p, unsigned items)
{
	if (!(items & OF_FACTS))
		return;
	const Sekisho__Part *root = imap_message_root(m);
	enum imap_form form = m->s->enabled & IMAP_REV2 ? IMAP_GLOBAL : IMAP_BASIC;
	if (items & ITEM_ENVELOPE) {
		name(p, "ENVELOPE ");
		imap_put_envelope(p->out, root->envelope);
	}
	if (items & ITEM_BODY) {
		name(p, "BODY ");
		imap_put_bodystructure(p->out, root, form);
	}
	if (items & ITEM_BODYSTRUCTURE) {
		name(p, "BODYSTRUCTURE ");
		imap_put_bodystructure(p->out, root, form | IMAP_EXTENDED);
	}
	if (items & ITEM_PREVIEW) {
		name(p, "PREVIEW ");
		imap_put_nstring(p->out, slice_str(m->facts ? m->facts->preview : ""), m->facts != NULL);
	}
}

/* RFC 3516 4.3: what cannot be decoded is not shown at all. */
static bool all_known(struct imap_message *m, const struct imap_fetch *q)
{
	for (unsigned i = 0; i < q->n_sections; i++)
		if (q->sections[i].binary != IMAP_ENCODED && !imap_binary_known(m, &q->sections[i]))
			return false;
	return true;
}

static enum result put_row(struct imap *s, struct arena *a, const struct imap_row *row, void *context)
{
	struct imap_fetch *q = context;
	struct put p = {.out = s->base.stream};
	struct imap_message m = {.s = s, .arena = a, .row = row->row, .packed = row->facts};
	uint32_t seq = imap_uidmap_seq(&s->box->map, row->row->uid);
	if (!seq)
		return OK; /* not yet told to this client */
	unsigned items = q->items, sections = q->n_sections;
	if (!all_known(&m, q)) {
		q->unknown_encoding = true;
		sections = 0;
		if (!items && !row->row->seen_set)
			return OK;
	}
	if (row->row->seen_set) {
		items |= ITEM_FLAGS | (s->enabled & IMAP_CONDSTORE ? ITEM_MODSEQ : 0);
		imap_sync_own(s->box, row->row->modseq, s->store.notes & NOTE_MAILBOX);
	}
	imap_put_fetch_start(s, seq, row->row->uid);
	put_small_items(s, &p, row->row, items);
	put_structure(&m, &p, items);
	for (unsigned i = 0; i < sections; i++) {
		name(&p, "");
		if (imap_put_section(&m, &q->sections[i]) != OK)
			return STOP;
	}
	stream_put(p.out, SLICE(")\r\n"));
	return stream_state(p.out);
}

/* ---- the command ---- */

static uint32_t wanted(const struct imap_fetch *q)
{
	uint32_t want = 0;
	if (q->items & OF_FACTS)
		want |= SEKISHO__WANT__WANT_FACTS;
	for (unsigned i = 0; i < q->n_sections; i++) {
		const struct imap_section *sec = &q->sections[i];
		bool header = sec->kind == SECTION_HEADER || sec->kind == SECTION_FIELDS ||
			      sec->kind == SECTION_FIELDS_NOT;
		if (!(sec->kind == SECTION_ALL && !sec->levels) || sec->binary != IMAP_ENCODED)
			want |= SEKISHO__WANT__WANT_FACTS;
		if (!header || sec->levels)
			want |= SEKISHO__WANT__WANT_BODY;
	}
	return want;
}

/* VANISHED (EARLIER): of the UIDs as they were named, for those that vanished stand for nothing here any more. */
static enum result tell_vanished(struct imap *s, const struct imap_fetch *q, const struct runs *set)
{
	struct runs named = {0};
	for (size_t i = 0; i < set->n; i++)
		if (!imap_runs_add(&named, &s->arena, set->v[i].first, set->v[i].last))
			return FULL;
	imap_set_resolve(&named, s->box->uidnext - 1);
	return imap_sync_since(s, q->changed_since, &named, false);
}

/* RFC 9394 3.3: the page is cut first, CHANGEDSINCE looks at what is in it. */
static bool cut_page(struct imap *s, const struct imap_fetch *q, struct runs *uids)
{
	struct runs known;
	return !q->paged || (imap_uidmap_known(&s->box->map, uids, &s->arena, &known) &&
				imap_partial_runs(&q->page, &known, &s->arena, uids));
}

enum result imap_fetch_show(struct imap *s, struct imap_fetch *q, const struct runs *uids)
{
	struct imap_rows_ask ask = {.uids = uids, .want = wanted(q)};
	if (!(s->enabled & IMAP_UIDONLY))
		q->items |= ITEM_UID;
	return imap_rows(s, &ask, put_row, q);
}

enum result imap_fetch(struct imap *s, struct imap_args *p)
{
	struct runs set = {0}, uids = {0};
	struct imap_fetch q = {0};
	imap_args_space(p);
	bool saved = imap_args_peek(p) == '$';
	if (saved)
		imap_box_set(s, p, &uids);
	else
		imap_args_set(p, &set);
	imap_args_space(p);
	imap_fetch_parse(p, &q);
	if (!saved && p->c.err == OK && !imap_box_resolve(s, &set, s->uid, &uids))
		imap_args_fail(p, "No such message");
	if (q.paged && !s->uid)
		imap_args_fail(p, "PARTIAL needs UID FETCH");
	if (q.vanished && !(s->uid && (s->enabled & IMAP_QRESYNC)))
		imap_args_fail(p, "VANISHED needs UID FETCH and QRESYNC");
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (s->uid && !(s->enabled & IMAP_UIDONLY))
		q.items |= ITEM_UID;
	if (q.items & ITEM_MODSEQ)
		imap_sync_condstore(s);
	s->talks = true;
	imap_box_limit(s, &uids);
	struct imap_rows_ask ask = {.uids = &uids,
	    .want = wanted(&q),
	    .changed_since = q.changed_since,
	    .mark_seen = q.mark_seen && !s->box->examine};
	enum result r = q.vanished ? tell_vanished(s, &q, saved ? &uids : &set) : OK;
	if (r == OK && !cut_page(s, &q, &uids))
		r = FULL;
	if (r == OK)
		r = imap_rows(s, &ask, put_row, &q);
	if (r == STOP || stream_state(s->base.stream) != OK)
		return STOP;
	if (r == OK && q.unknown_encoding)
		return imap_no(s, "UNKNOWN-CTE", "A part is in a transfer encoding that nobody knows");
	return r == OK ? imap_ok(s, "Done") : imap_refused(s, r, &s->store, "NONEXISTENT");
}
