/* mailboxes_ask: the asks of a session's own channel. */
#include "mailboxes_inside.h"
#include "inspect/inspect.h"
#include "inspect/terms.h"
#include <stdio.h>
#include <stdlib.h>

static struct kit_session *session_of(struct ipc_turn *t)
{
	return ipc_conn_data(t->conn);
}

static bool has(Sekisho__Run *const *v, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (uid >= v[i]->first && uid - v[i]->first < v[i]->count)
			return true;
	return false;
}

/* A growing list of Run. */
struct runs_out {
	struct arena *a;
	Sekisho__Run **v;
	size_t n;
};

static void out_add(struct runs_out *o, uint32_t uid)
{
	if (o->n && o->v[o->n - 1]->first + o->v[o->n - 1]->count == uid) {
		o->v[o->n - 1]->count++;
		return;
	}
	Sekisho__Run **v = arena_array(o->a, o->n + 1, sizeof *v);
	if (o->n)
		memcpy(v, o->v, o->n * sizeof *v);
	v[o->n] = arena_new(o->a, Sekisho__Run);
	sekisho__run__init(v[o->n]);
	v[o->n]->first = uid;
	v[o->n]->count = 1;
	o->v = v;
	o->n++;
}

static char **names_of(struct arena *a, const struct kit_box *b)
{
	char **v = arena_array(a, b->keywords_n + 1, sizeof *v);
	for (unsigned i = 0; i < b->keywords_n; i++)
		v[i] = arena_z(a, slice_str(b->keywords[i]));
	return v;
}

static bool is_subscribed(const struct mailboxes *m, const char *name)
{
	for (size_t i = 0; i < m->subscribed_n; i++)
		if (strcmp(m->subscribed[i], name) == 0)
			return true;
	return false;
}

Sekisho__Mailbox *kit_mailbox_of(struct mailboxes *m, struct arena *a, const struct kit_box *b)
{
	Sekisho__Mailbox *x = arena_new(a, Sekisho__Mailbox);
	sekisho__mailbox__init(x);
	x->id = b->id;
	x->name = arena_z(a, slice_str(b->name));
	x->uidvalidity = b->uidvalidity;
	x->special_use = arena_z(a, slice_str(b->special));
	x->rights = (char *)"lrswipkxteacd";
	x->subscribed = is_subscribed(m, b->name);
	x->noselect = b->noselect;
	return x;
}

Sekisho__MailboxStatus *kit_status_of(struct arena *a, const struct kit_box *b)
{
	Sekisho__MailboxStatus *s = arena_new(a, Sekisho__MailboxStatus);
	sekisho__mailbox_status__init(s);
	s->uidnext = b->uidnext;
	s->highestmodseq = b->modseq;
	for (size_t i = 0; i < b->n; i++) {
		const struct kit_message *x = &b->messages[i];
		s->messages++;
		s->size += x->n;
		s->deleted += (x->flags & SEKISHO__FLAG__FLAG_DELETED) != 0;
		s->recent += x->uid >= b->recent_from;
		if (!(x->flags & SEKISHO__FLAG__FLAG_SEEN) && !s->unseen++)
			s->first_unseen = x->uid;
	}
	return s;
}

/* ---- about mailboxes ---- */

static void on_mailboxes(struct ipc_turn *t)
{
	const Sekisho__MailboxesAsk *ask = t->ask;
	Sekisho__MailboxesAnswer answer = SEKISHO__MAILBOXES_ANSWER__INIT;
	struct mailboxes *m = kit_enter(t);
	answer.mailboxes = arena_array(&t->arena, m->boxes_n, sizeof *answer.mailboxes);
	answer.status = arena_array(&t->arena, m->boxes_n, sizeof *answer.status);
	answer.subscribed_missing =
	    arena_array(&t->arena, m->subscribed_n + 1, sizeof *answer.subscribed_missing);
	answer.n_mailboxes = m->boxes_n;
	answer.n_status = ask->with_status ? m->boxes_n : 0;
	for (size_t i = 0; i < m->boxes_n; i++) {
		answer.mailboxes[i] = kit_mailbox_of(m, &t->arena, m->boxes[i]);
		answer.status[i] = kit_status_of(&t->arena, m->boxes[i]);
	}
	for (size_t i = 0; i < m->subscribed_n; i++)
		if (!kit_box_find(m, m->subscribed[i]))
			answer.subscribed_missing[answer.n_subscribed_missing++] =
			    arena_z(&t->arena, slice_str(m->subscribed[i]));
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}

static void on_status(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	Sekisho__StatusAnswer answer = SEKISHO__STATUS_ANSWER__INIT;
	struct mailboxes *m = kit_enter(t);
	if (ask->name[0] == '!')
		kit_act(m, session_of(t), ask->name);
	const struct kit_box *b = kit_box_find(m, ask->name);
	if (b) {
		answer.mailbox = kit_mailbox_of(m, &t->arena, b);
		answer.status = kit_status_of(&t->arena, b);
	}
	kit_leave(m);
	if (b)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "no such mailbox");
}

static void on_create(struct ipc_turn *t)
{
	const Sekisho__CreateAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	struct kit_box *b = kit_box_find(m, ask->name);
	enum result r = b && !b->noselect ? DENY : OK;
	for (size_t i = 0; r == OK && ask->name[i]; i++) {
		char *above = arena_z(&t->arena, slice_of(ask->name, i));
		if (ask->name[i] == '/' && !kit_box_find(m, above))
			kit_box_add(m, above, "");
	}
	if (b)
		b->noselect = false;
	else if (r == OK)
		kit_box_add(m, ask->name, ask->special_use);
	kit_watch_names(m);
	kit_leave(m);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, DENY, "EXISTS");
}

static bool has_below(struct mailboxes *m, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < m->boxes_n; i++)
		if (strncmp(m->boxes[i]->name, name, n) == 0 && m->boxes[i]->name[n] == '/')
			return true;
	return false;
}

static void on_delete(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	struct kit_box *b = kit_box_find(m, ask->name);
	enum result r = !b                                                                        ? GONE
			: strcmp(b->name, "INBOX") == 0 || (b->noselect && has_below(m, b->name)) ? DENY
												  : OK;
	if (r == OK) {
		bool parent = has_below(m, b->name);
		kit_box_remove(m, b);
		if (parent)
			kit_box_add(m, ask->name, "")->noselect = true;
	}
	kit_watch_names(m);
	kit_leave(m);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, r, r == DENY ? "It cannot be deleted" : "no such mailbox");
}

static void on_rename(struct ipc_turn *t)
{
	const Sekisho__RenameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	struct kit_box *b = kit_box_find(m, ask->from);
	enum result r = !b ? GONE : kit_box_find(m, ask->to) ? DENY : OK;
	if (r == OK) {
		free(b->name);
		b->name = strdup(ask->to);
		kit_boxes_sort(m);
	}
	kit_watch_names(m);
	kit_leave(m);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, r, r == DENY ? "EXISTS" : "no such mailbox");
}

static void on_subscribe(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	if (!is_subscribed(m, ask->name)) {
		m->subscribed = kit_grow(m->subscribed, m->subscribed_n + 1, sizeof *m->subscribed);
		m->subscribed[m->subscribed_n++] = strdup(ask->name);
	}
	kit_watch_names(m);
	kit_leave(m);
	ipc_answer(t, NULL, NULL);
}

static void on_unsubscribe(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	for (size_t i = 0; i < m->subscribed_n; i++)
		if (strcmp(m->subscribed[i], ask->name) == 0) {
			free(m->subscribed[i]);
			m->subscribed[i--] = m->subscribed[--m->subscribed_n];
		}
	kit_watch_names(m);
	kit_leave(m);
	ipc_answer(t, NULL, NULL);
}

/* ---- the selected mailbox ---- */

static uint32_t take_recent(struct kit_session *s)
{
	uint32_t from = s->box->recent_from;
	if (!s->examine)
		s->box->recent_from = s->box->uidnext;
	return from;
}

static void on_select(struct ipc_turn *t)
{
	const Sekisho__SelectAsk *ask = t->ask;
	Sekisho__SelectAnswer answer = SEKISHO__SELECT_ANSWER__INIT;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	struct kit_box *b = kit_box_find(m, ask->name);
	s->box = b && !b->noselect ? b : NULL;
	s->examine = ask->examine;
	s->noted = s->box_gone = false;
	if (s->box) {
		struct runs_out uids = {.a = &t->arena};
		answer.mailbox = kit_mailbox_of(m, &t->arena, b);
		answer.status = kit_status_of(&t->arena, b);
		answer.keywords = names_of(&t->arena, b);
		answer.n_keywords = b->keywords_n;
		answer.recent_from = take_recent(s);
		for (size_t i = 0; i < b->n; i++)
			out_add(&uids, b->messages[i].uid);
		answer.uids = uids.v;
		answer.n_uids = uids.n;
	}
	kit_leave(m);
	if (answer.mailbox)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "no such mailbox");
}

static void on_unselect(struct ipc_turn *t)
{
	struct mailboxes *m = kit_enter(t);
	session_of(t)->box = NULL;
	kit_leave(m);
	ipc_answer(t, NULL, NULL);
}

static Sekisho__Change *change_of(struct arena *a, const struct kit_message *x)
{
	Sekisho__Change *c = arena_new(a, Sekisho__Change);
	sekisho__change__init(c);
	c->uid = x->uid;
	c->flags = x->flags;
	c->keywords = x->keywords;
	c->modseq = x->modseq;
	return c;
}

static int by_uid(const void *a, const void *b)
{
	const struct kit_vanished *x = a, *y = b;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static void fill_sync(struct ipc_turn *t, struct kit_session *s, Sekisho__SyncAnswer *answer)
{
	const Sekisho__SyncAsk *ask = t->ask;
	struct kit_box *b = s->box;
	struct runs_out added = {.a = &t->arena}, vanished = {.a = &t->arena};
	answer->highestmodseq = b->modseq;
	answer->uidnext = b->uidnext;
	answer->keywords = names_of(&t->arena, b);
	answer->n_keywords = b->keywords_n;
	answer->changes = arena_array(&t->arena, b->n + 1, sizeof *answer->changes);
	if (b->vanished_n)
		qsort(b->vanished, b->vanished_n, sizeof *b->vanished, by_uid);
	for (size_t i = 0; i < b->n; i++) {
		const struct kit_message *x = &b->messages[i];
		if (x->uid >= ask->known_uidnext)
			out_add(&added, x->uid);
		if (x->modseq > ask->since && (!ask->n_only || has(ask->only, ask->n_only, x->uid)))
			answer->changes[answer->n_changes++] = change_of(&t->arena, x);
	}
	for (size_t i = 0; i < b->vanished_n; i++)
		if (b->vanished[i].modseq > ask->since &&
		    (!ask->n_only || has(ask->only, ask->n_only, b->vanished[i].uid)))
			out_add(&vanished, b->vanished[i].uid);
	answer->added = added.v;
	answer->n_added = added.n;
	answer->vanished = vanished.v;
	answer->n_vanished = vanished.n;
	if (added.n)
		answer->recent_from = take_recent(s);
}

static void on_sync(struct ipc_turn *t)
{
	Sekisho__SyncAnswer answer = SEKISHO__SYNC_ANSWER__INIT;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	s->noted = false;
	if (s->box)
		fill_sync(t, s, &answer);
	answer.gone = s->box_gone;
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}

static Sekisho__Row *row_of(
    struct mailboxes *m, struct ipc_turn *t, const struct kit_message *x, struct ipc_fds *fds)
{
	const Sekisho__FetchAsk *ask = t->ask;
	Sekisho__Row *r = arena_new(&t->arena, Sekisho__Row);
	sekisho__row__init(r);
	r->uid = x->uid;
	r->flags = x->flags;
	r->keywords = x->keywords;
	r->modseq = x->modseq;
	r->internal_ms = r->saved_ms = x->ms;
	r->size = x->n;
	r->email = r->thread = x->email;
	if (ask->want & SEKISHO__WANT__WANT_FACTS) {
		r->facts = arena_new(&t->arena, Sekisho__FactsRef);
		sekisho__facts_ref__init(r->facts);
		if (x->facts_n >= m->facts_most && fds->n < LIMIT_IPC_FDS) {
			int fd = fd_memory("facts");
			if (fd_write_all(fd, slice_of(x->facts, x->facts_n)) != OK || fd_seal(fd) != OK)
				abort();
			r->facts->in_fd = true;
			fds->fd[fds->n++] = fd;
		} else {
			struct slice copy = arena_dup(&t->arena, slice_of(x->facts, x->facts_n));
			r->facts->packed =
			    (ProtobufCBinaryData){.len = copy.n, .data = (uint8_t *)(uintptr_t)copy.p};
		}
	}
	if ((ask->want & SEKISHO__WANT__WANT_BODY) && x->n <= ask->body_max) {
		struct slice copy = arena_dup(&t->arena, slice_of(x->octets, x->n));
		r->body = (ProtobufCBinaryData){.len = copy.n, .data = (uint8_t *)(uintptr_t)copy.p};
		r->has_body = true;
	}
	return r;
}

/* The selected mailbox, or another by its name. */
static struct kit_box *named_box(struct kit_session *s, const char *name, uint32_t uidvalidity)
{
	struct kit_box *b = name[0] ? kit_box_find(s->all, name) : s->box;
	return b && uidvalidity && b->uidvalidity != uidvalidity ? NULL : b;
}

/* One row a packet, so that answers in parts are the rule here. */
static void on_fetch(struct ipc_turn *t)
{
	const Sekisho__FetchAsk *ask = t->ask;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	Sekisho__FetchAnswer answer = SEKISHO__FETCH_ANSWER__INIT;
	Sekisho__Row *row = NULL;
	struct ipc_fds fds = {0};
	answer.rows = &row;
	struct kit_box *b = named_box(s, ask->mailbox, ask->uidvalidity);
	for (size_t i = 0; b && i < b->n; i++) {
		struct kit_message *x = &b->messages[i];
		if (!has(ask->uids, ask->n_uids, x->uid) ||
		    (ask->changed_since && x->modseq <= ask->changed_since))
			continue;
		if (row) {
			answer.n_rows = 1;
			ipc_answer_part(t, &answer, &fds);
			ipc_fds_close(&fds);
		}
		bool set =
		    ask->mark_seen && b == s->box && !s->examine && !(x->flags & SEKISHO__FLAG__FLAG_SEEN);
		if (set) {
			x->flags |= SEKISHO__FLAG__FLAG_SEEN;
			x->modseq = ++s->box->modseq;
			kit_changed(m, s->box, s);
		}
		row = row_of(m, t, x, &fds);
		row->seen_set = set;
	}
	kit_leave(m);
	answer.n_rows = row ? 1 : 0;
	ipc_answer(t, &answer, &fds);
	ipc_fds_close(&fds);
}

static void on_search(struct ipc_turn *t)
{
	const Sekisho__SearchAsk *ask = t->ask;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	for (size_t i = 0; i < ask->n_needles; i++) {
		const Sekisho__SearchNeedle *n = ask->needles[i];
		struct inspect_needle needle = {
		    (enum inspect_where)n->where, slice_str(n->field), slice_str(n->text)};
		Sekisho__SearchAnswer answer = SEKISHO__SEARCH_ANSWER__INIT;
		answer.needle = (uint32_t)i;
		struct inspect_fuzzy plan;
		inspect_fuzzy_make(&needle, &plan);
		answer.uids = arena_array(&t->arena, s->box->n + 1, sizeof *answer.uids);
		answer.scores = arena_array(&t->arena, s->box->n + 1, sizeof *answer.scores);
		for (size_t k = 0; k < s->box->n; k++) {
			const struct kit_message *x = &s->box->messages[k];
			struct slice octets = slice_of(x->octets, x->n);
			Sekisho__Facts *facts;
			unsigned notes;
			BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
			if (mail_facts_extract(octets, &t->arena, &facts) != OK)
				abort();
			inspect_doc_make(octets, facts, ~0u, &text, &notes);
			uint8_t worth[INSPECT_PARTS];
			uint32_t score = 0;
			inspect_fuzzy_read(buf_slice(&text), &needle, &plan, worth);
			for (unsigned p = 0; p < plan.n; p++)
				score += worth[p];
			if (n->fuzzy ? !inspect_fuzzy_whole(&plan, worth)
				     : !inspect_doc_match(buf_slice(&text), &needle))
				continue;
			if (n->fuzzy)
				answer.scores[answer.n_scores++] = score;
			Sekisho__Run *run = arena_new(&t->arena, Sekisho__Run);
			sekisho__run__init(run);
			run->first = x->uid;
			run->count = 1;
			answer.uids[answer.n_uids++] = run;
		}
		if (i + 1 == ask->n_needles) { /* the last answer frees the ask */
			kit_leave(m);
			ipc_answer(t, &answer, NULL);
			return;
		}
		ipc_answer_part(t, &answer, NULL);
	}
}

static void on_body(struct ipc_turn *t)
{
	const Sekisho__BodyAsk *ask = t->ask;
	Sekisho__BodyAnswer answer = SEKISHO__BODY_ANSWER__INIT;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	struct kit_box *b = named_box(s, ask->mailbox, 0);
	const struct kit_message *x = b ? kit_message_find(b, ask->uid) : NULL;
	if (x) {
		struct slice part = slice_sub(slice_of(x->octets, x->n), (size_t)ask->offset, ask->length);
		part = arena_dup(&t->arena, part);
		answer.data = (ProtobufCBinaryData){.len = part.n, .data = (uint8_t *)(uintptr_t)part.p};
	}
	kit_leave(m);
	if (x)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "no such message");
}

static void set_flags(struct kit_box *b, struct kit_message *x, const Sekisho__FlagsAsk *ask)
{
	uint64_t keywords = 0;
	for (size_t i = 0; i < ask->n_keywords; i++)
		keywords |= kit_keyword(b, ask->keywords[i]);
	switch (ask->mode) {
	case SEKISHO__FLAGS_ASK__MODE__REMOVE:
		x->flags &= ~ask->flags;
		x->keywords &= ~keywords;
		break;
	case SEKISHO__FLAGS_ASK__MODE__REPLACE:
		x->flags = ask->flags;
		x->keywords = keywords;
		break;
	default:
		x->flags |= ask->flags;
		x->keywords |= keywords;
	}
	x->modseq = b->modseq;
}

static void on_flags(struct ipc_turn *t)
{
	const Sekisho__FlagsAsk *ask = t->ask;
	Sekisho__FlagsAnswer answer = SEKISHO__FLAGS_ANSWER__INIT;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	struct runs_out modified = {.a = &t->arena};
	struct kit_box *b = s->box;
	if (b) {
		b->modseq++;
		answer.changes = arena_array(&t->arena, b->n + 1, sizeof *answer.changes);
		for (size_t i = 0; i < b->n; i++) {
			struct kit_message *x = &b->messages[i];
			if (!has(ask->uids, ask->n_uids, x->uid))
				continue;
			if (ask->has_unchanged_since && x->modseq > ask->unchanged_since) {
				out_add(&modified, x->uid);
				continue;
			}
			set_flags(b, x, ask);
			answer.changes[answer.n_changes++] = change_of(&t->arena, x);
		}
		answer.keywords = names_of(&t->arena, b);
		answer.n_keywords = b->keywords_n;
		answer.highestmodseq = b->modseq;
		kit_changed(m, b, s);
	}
	answer.modified = modified.v;
	answer.n_modified = modified.n;
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}

static void on_expunge(struct ipc_turn *t)
{
	const Sekisho__ExpungeAsk *ask = t->ask;
	Sekisho__ExpungeAnswer answer = SEKISHO__EXPUNGE_ANSWER__INIT;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	struct runs_out gone = {.a = &t->arena};
	for (size_t i = 0; s->box && i < s->box->n;) {
		const struct kit_message *x = &s->box->messages[i];
		bool named = ask->all || has(ask->uids, ask->n_uids, x->uid);
		if (named && (ask->any_flag || x->flags & SEKISHO__FLAG__FLAG_DELETED)) {
			out_add(&gone, x->uid);
			kit_message_expunge(s->box, i);
		} else {
			i++;
		}
	}
	if (s->box) {
		answer.highestmodseq = s->box->modseq;
		kit_changed(m, s->box, s);
	}
	answer.vanished = gone.v;
	answer.n_vanished = gone.n;
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}

static void copy_all(struct mailboxes *m, struct ipc_turn *t, struct kit_box *from, struct kit_box *to,
    struct runs_out *old, struct runs_out *new)
{
	const Sekisho__CopyAsk *ask = t->ask;
	for (size_t i = 0, end = from->n; i < end;) {
		struct kit_message x = from->messages[i];
		if (!has(ask->uids, ask->n_uids, x.uid)) {
			i++;
			continue;
		}
		struct kit_message *y = kit_box_store(m, to, slice_of(x.octets, x.n), x.ms);
		y->flags = x.flags;
		y->email = x.email;
		for (unsigned k = 0; k < from->keywords_n; k++)
			if (x.keywords >> k & 1)
				y->keywords |= kit_keyword(to, from->keywords[k]);
		out_add(old, x.uid);
		out_add(new, y->uid);
		if (ask->move) {
			kit_message_expunge(from, i);
			end--;
		} else {
			i++;
		}
	}
}

static void on_copy(struct ipc_turn *t)
{
	const Sekisho__CopyAsk *ask = t->ask;
	Sekisho__CopyAnswer answer = SEKISHO__COPY_ANSWER__INIT;
	struct kit_session *s = session_of(t);
	struct mailboxes *m = kit_enter(t);
	struct runs_out old = {.a = &t->arena}, new = {.a = &t->arena};
	struct kit_box *to = kit_box_find(m, ask->to);
	if (to && s->box) {
		copy_all(m, t, s->box, to, &old, &new);
		answer.uidvalidity = to->uidvalidity;
		answer.highestmodseq = s->box->modseq;
		kit_changed(m, to, s);
		kit_changed(m, s->box, s);
	}
	answer.from = old.v;
	answer.n_from = old.n;
	answer.to = new.v;
	answer.n_to = new.n;
	kit_leave(m);
	if (to)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "TRYCREATE");
}

void kit_handlers(ipc_handler **table)
{
	table[ASK_STORE_MAILBOXES] = on_mailboxes;
	table[ASK_STORE_STATUS] = on_status;
	table[ASK_STORE_CREATE] = on_create;
	table[ASK_STORE_DELETE] = on_delete;
	table[ASK_STORE_RENAME] = on_rename;
	table[ASK_STORE_SUBSCRIBE] = on_subscribe;
	table[ASK_STORE_UNSUBSCRIBE] = on_unsubscribe;
	table[ASK_STORE_SELECT] = on_select;
	table[ASK_STORE_UNSELECT] = on_unselect;
	table[ASK_STORE_SYNC] = on_sync;
	table[ASK_STORE_FETCH] = on_fetch;
	table[ASK_STORE_BODY] = on_body;
	table[ASK_STORE_SEARCH] = on_search;
	table[ASK_STORE_CARDS] = kit_on_cards;
	table[ASK_STORE_FLAGS] = on_flags;
	table[ASK_STORE_EXPUNGE] = on_expunge;
	table[ASK_STORE_COPY] = on_copy;
	kit_append_handlers(table);
	kit_watch_handlers(table);
}
