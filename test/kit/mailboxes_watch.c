/* mailboxes_watch: STORE_WATCH and STORE_WATCHED. */
#include "mailboxes_inside.h"
#include <stdlib.h>

struct kit_watch {
	uint64_t id; /* mailbox */
	bool metadata, changed;
	char *entries[8]; /* that were annotated */
	size_t n;
};

void kit_watch_end(struct kit_session *s)
{
	for (size_t i = 0; i < s->watches_n; i++)
		for (size_t k = 0; k < s->watches[i].n; k++)
			free(s->watches[i].entries[k]);
	free(s->watches);
	s->watches = NULL;
	s->watches_n = 0;
}

static void note(struct kit_session *s)
{
	if (!s->watch_noted)
		s->watch_noted = ipc_note(s->conn, NOTE_WATCH);
}

void kit_watch_names(struct mailboxes *m)
{
	for (struct kit_session *s = m->sessions; s; s = s->next)
		if (s->watch_names) {
			s->names_changed = true;
			note(s);
		}
}

static struct kit_watch *find(struct kit_session *s, uint64_t id, bool metadata)
{
	for (size_t i = 0; i < s->watches_n; i++)
		if (s->watches[i].id == id && s->watches[i].metadata == metadata)
			return &s->watches[i];
	return NULL;
}

void kit_watch_changed(struct mailboxes *m, const struct kit_box *b, const struct kit_session *by)
{
	for (struct kit_session *s = m->sessions; s; s = s->next) {
		struct kit_watch *w = s != by && s->box != b ? find(s, b->id, false) : NULL;
		if (w) {
			w->changed = true;
			note(s);
		}
	}
}

void kit_watch_annotated(struct mailboxes *m, const struct kit_box *b, struct slice entry)
{
	for (struct kit_session *s = m->sessions; s; s = s->next) {
		struct kit_watch *w = find(s, b->id, true);
		if (w && w->n < COUNT(w->entries)) {
			w->entries[w->n++] = strndup(entry.p, entry.n);
			note(s);
		}
	}
}

static void add(struct kit_session *s, uint64_t id, bool metadata)
{
	s->watches = kit_grow(s->watches, s->watches_n + 1, sizeof *s->watches);
	s->watches[s->watches_n++] = (struct kit_watch){.id = id, .metadata = metadata};
}

static void on_watch(struct ipc_turn *t)
{
	const Sekisho__WatchAsk *ask = t->ask;
	struct kit_session *s = ipc_conn_data(t->conn);
	struct mailboxes *m = kit_enter(t);
	kit_watch_end(s);
	s->watch_names = ask->names;
	s->names_changed = s->watch_noted = false;
	for (size_t i = 0; i < ask->n_mailboxes; i++)
		add(s, ask->mailboxes[i], false);
	for (size_t i = 0; i < ask->n_metadata; i++)
		add(s, ask->metadata[i], true);
	kit_leave(m);
	ipc_answer(t, NULL, NULL);
}

static Sekisho__ChangedEntries *entries_of(struct arena *a, struct kit_watch *w)
{
	Sekisho__ChangedEntries *e = arena_new(a, Sekisho__ChangedEntries);
	sekisho__changed_entries__init(e);
	e->mailbox = w->id;
	e->entries = arena_array(a, w->n, sizeof *e->entries);
	for (; e->n_entries < w->n; e->n_entries++) {
		e->entries[e->n_entries] = arena_z(a, slice_str(w->entries[e->n_entries]));
		free(w->entries[e->n_entries]);
	}
	w->n = 0;
	return e;
}

static void on_watched(struct ipc_turn *t)
{
	Sekisho__WatchedAnswer answer = SEKISHO__WATCHED_ANSWER__INIT;
	struct kit_session *s = ipc_conn_data(t->conn);
	struct mailboxes *m = kit_enter(t);
	answer.names = s->names_changed;
	s->names_changed = s->watch_noted = false;
	answer.mailboxes = arena_array(&t->arena, s->watches_n + 1, sizeof *answer.mailboxes);
	answer.status = arena_array(&t->arena, s->watches_n + 1, sizeof *answer.status);
	answer.metadata = arena_array(&t->arena, s->watches_n + 1, sizeof *answer.metadata);
	for (size_t i = 0; i < s->watches_n; i++) {
		struct kit_watch *w = &s->watches[i];
		struct kit_box *b = NULL;
		for (size_t k = 0; k < m->boxes_n && w->changed; k++)
			b = m->boxes[k]->id == w->id ? m->boxes[k] : b;
		if (b) {
			answer.mailboxes[answer.n_mailboxes++] = kit_mailbox_of(m, &t->arena, b);
			answer.status[answer.n_status++] = kit_status_of(&t->arena, b);
		}
		w->changed = false;
		if (w->n)
			answer.metadata[answer.n_metadata++] = entries_of(&t->arena, w);
	}
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}

void kit_watch_handlers(ipc_handler **table)
{
	table[ASK_STORE_WATCH] = on_watch;
	table[ASK_STORE_WATCHED] = on_watched;
}
