#include "thread.h"
#include "put.h"
#include <stdlib.h>

#define NONE IMAP_THREAD_NONE

void imap_threads_free(struct imap_threads *t)
{
	free(t->messages);
	free(t->references);
	free(t->nodes);
	*t = (struct imap_threads){0};
}

static void *checked(void *p)
{
	if (!p)
		abort();
	return p;
}

/* ---- nodes ---- */

static uint32_t node_new(struct imap_threads *t, uint32_t message)
{
	if (t->nodes_n == t->nodes_room) {
		t->nodes_room = MAX(t->n + 16, t->nodes_room + t->nodes_room / 2);
		t->nodes = checked(realloc(t->nodes, t->nodes_room * sizeof *t->nodes));
	}
	t->nodes[t->nodes_n] = (struct imap_thread_node){NONE, NONE, NONE, message, 0};
	return t->nodes_n++;
}

static bool is_dummy(const struct imap_threads *t, uint32_t v)
{
	return t->nodes[v].message == NONE;
}

/* A message's own; a dummy's is its first child's. */
static const struct imap_thread_message *message_of(const struct imap_threads *t, uint32_t v)
{
	while (is_dummy(t, v))
		v = t->nodes[v].child;
	return &t->messages[t->nodes[v].message];
}

/* Every node below the root, parents before their children. */
static uint32_t *preorder(const struct imap_threads *t, uint32_t *n_out)
{
	uint32_t *order = checked(calloc(t->nodes_n, sizeof *order));
	uint32_t n = 0, v = t->nodes[0].child;
	while (v != NONE) {
		order[n++] = v;
		if (t->nodes[v].child != NONE) {
			v = t->nodes[v].child;
			continue;
		}
		while (v != NONE && v != 0 && t->nodes[v].next == NONE)
			v = t->nodes[v].parent;
		v = v == NONE || v == 0 ? NONE : t->nodes[v].next;
	}
	*n_out = n;
	return order;
}

/* ---- siblings in order ---- */

static int by_time(const void *x, const void *y, void *context)
{
	const struct imap_threads *t = context;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	if (t->nodes[a].when != t->nodes[b].when)
		return t->nodes[a].when < t->nodes[b].when ? -1 : 1;
	uint32_t m = message_of(t, a)->number, n = message_of(t, b)->number;
	return (m > n) - (m < n);
}

static void sort_children(struct imap_threads *t, uint32_t v, uint32_t *room)
{
	uint32_t n = 0;
	for (uint32_t c = t->nodes[v].child; c != NONE; c = t->nodes[c].next)
		room[n++] = c;
	if (n < 2)
		return;
	qsort_r(room, n, sizeof *room, by_time, t);
	t->nodes[v].child = room[0];
	for (uint32_t i = 0; i < n; i++)
		t->nodes[room[i]].next = i + 1 < n ? room[i + 1] : NONE;
}

/* RFC 5256 REFERENCES (6): from the leaves up. `newest`: a thread's time is that of its latest message (REFS). */
static void sort_tree(struct imap_threads *t, bool newest)
{
	uint32_t n, *order = preorder(t, &n), *room = checked(calloc(t->nodes_n, sizeof *room));
	for (uint32_t i = n; i-- > 0;) {
		struct imap_thread_node *v = &t->nodes[order[i]];
		sort_children(t, order[i], room);
		v->when = message_of(t, order[i])->sent_ms;
		if (newest)
			v->when = message_of(t, order[i])->arrived_ms;
	}
	/* Below the roots a message's own time counts, at the roots that of the latest. */
	for (uint32_t i = n; newest && i-- > 0;) {
		struct imap_thread_node *v = &t->nodes[order[i]];
		if (v->parent != 0)
			t->nodes[v->parent].when = MAX(t->nodes[v->parent].when, v->when);
	}
	sort_children(t, 0, room);
	free(room);
	free(order);
}

/* ---- ids ---- */

struct ids {
	uint64_t *id;
	uint32_t *node;
	size_t mask;
};

static void ids_init(struct ids *m, size_t n)
{
	m->mask = 1;
	while (m->mask < 2 * n + 2)
		m->mask *= 2;
	m->id = checked(calloc(m->mask, sizeof *m->id));
	m->node = checked(calloc(m->mask, sizeof *m->node));
	m->mask--;
}

static void ids_free(struct ids *m)
{
	free(m->id);
	free(m->node);
}

/* The place of an id (not 0): where it is, or where it would be. */
static size_t ids_at(const struct ids *m, uint64_t id)
{
	size_t i = (size_t)(id * 0x9e3779b97f4a7c15u >> 17) & m->mask;
	while (m->id[i] && m->id[i] != id)
		i = (i + 1) & m->mask;
	return i;
}

static uint32_t ids_node(struct imap_threads *t, struct ids *m, uint64_t id)
{
	size_t i = ids_at(m, id);
	if (!m->id[i]) {
		m->id[i] = id;
		m->node[i] = node_new(t, NONE);
	}
	return m->node[i];
}

/* ---- REFERENCES (1): who is whose child ---- */

/* The topmost ancestor; `up` is shortened on the way. */
static uint32_t top_of(uint32_t *up, uint32_t v)
{
	while (up[v] != v) {
		up[v] = up[up[v]];
		v = up[v];
	}
	return v;
}

/* Only what has no parent gets one, so that links are never cut, and no loop is closed. */
static void link_under(struct imap_threads *t, uint32_t *up, uint32_t parent, uint32_t child)
{
	if (t->nodes[child].parent != NONE || top_of(up, parent) == child)
		return;
	t->nodes[child].parent = parent;
	up[child] = parent;
}

/*
 * A message's own last reference goes before what other messages say of it: that is (1)(B), which may take back what (1)(A)
 * of an earlier one has done. With all of (B) done first, nothing is taken back. Where (B) would close a loop the message
 * keeps no parent that an earlier one gave it, but may get one from a later.
 */
static void link_all(struct imap_threads *t, const uint32_t *nodes)
{
	uint32_t *up = checked(calloc(t->nodes_n, sizeof *up));
	uint32_t *from = checked(calloc(t->nodes_n, sizeof *from)); /* the first message that may say so */
	for (uint32_t i = 0; i < t->nodes_n; i++)
		up[i] = i;
	for (uint32_t i = 0; i < t->n; i++) {
		const struct imap_thread_message *m = &t->messages[i];
		if (m->refs)
			link_under(t, up, nodes[m->references + m->refs - 1], i + 1);
		if (m->refs && t->nodes[i + 1].parent == NONE)
			from[i + 1] = i + 1;
	}
	for (uint32_t i = 0; i < t->n; i++)
		for (size_t k = 1; k < t->messages[i].refs; k++) {
			const uint32_t *pair = &nodes[t->messages[i].references + k - 1];
			if (i >= from[pair[1]])
				link_under(t, up, pair[0], pair[1]);
		}
	free(up);
	free(from);
}

/* Node i + 1 is message i; a second message with the same id keeps none (RFC 5256 section 3). */
static void link_by_references(struct imap_threads *t)
{
	struct ids ids;
	ids_init(&ids, (size_t)t->n + t->references_n);
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t v = node_new(t, i);
		size_t at = t->messages[i].id ? ids_at(&ids, t->messages[i].id) : 0;
		if (t->messages[i].id && !ids.id[at]) {
			ids.id[at] = t->messages[i].id;
			ids.node[at] = v;
		}
	}
	uint32_t *nodes = checked(calloc(t->references_n + 1, sizeof *nodes));
	for (size_t i = 0; i < t->references_n; i++)
		nodes[i] = ids_node(t, &ids, t->references[i]);
	ids_free(&ids);
	link_all(t, nodes);
	free(nodes);
}

/* (2): children lists from parents; what has none is the root's. */
static void list_children(struct imap_threads *t)
{
	for (uint32_t v = t->nodes_n; v-- > 1;) {
		struct imap_thread_node *node = &t->nodes[v];
		node->parent = node->parent == NONE ? 0 : node->parent;
		node->next = t->nodes[node->parent].child;
		t->nodes[node->parent].child = v;
	}
}

/* ---- (3) ---- */

/* Takes dummies out of v's children, their own children in their place; lists are joined end to end. */
static void prune_node(struct imap_threads *t, uint32_t v, uint32_t *last)
{
	uint32_t c = t->nodes[v].child, *end = &t->nodes[v].child;
	last[v] = NONE;
	while (c != NONE) {
		uint32_t next = t->nodes[c].next, inner = t->nodes[c].child;
		bool dummy = is_dummy(t, c);
		bool stays = !dummy || (v == 0 && inner != NONE && t->nodes[inner].next != NONE);
		uint32_t from = stays ? c : inner, to = stays ? c : last[c];
		if (from != NONE) {
			*end = from;
			end = &t->nodes[to].next;
			last[v] = to;
		}
		c = next;
	}
	*end = NONE;
}

static void prune(struct imap_threads *t)
{
	uint32_t n, *order = preorder(t, &n), *last = checked(calloc(t->nodes_n, sizeof *last));
	for (uint32_t i = n; i-- > 0;)
		prune_node(t, order[i], last);
	prune_node(t, 0, last);
	free(last);
	/* Parents follow from the lists, as far as they are reached: a dummy taken out still has its own. */
	n = 0;
	for (uint32_t v = 0, at = 0;; v = order[at++]) {
		for (uint32_t c = t->nodes[v].child; c != NONE; c = t->nodes[c].next) {
			t->nodes[c].parent = v;
			order[n++] = c;
		}
		if (at == n)
			break;
	}
	free(order);
}

/* ---- (5) ---- */

static void sort_roots(struct imap_threads *t)
{
	uint32_t *room = checked(calloc(t->nodes_n, sizeof *room));
	for (uint32_t v = t->nodes[0].child; v != NONE; v = t->nodes[v].next) {
		for (uint32_t c = t->nodes[v].child; is_dummy(t, v) && c != NONE; c = t->nodes[c].next)
			t->nodes[c].when = message_of(t, c)->sent_ms;
		if (is_dummy(t, v))
			sort_children(t, v, room);
		t->nodes[v].when = message_of(t, v)->sent_ms;
	}
	sort_children(t, 0, room);
	free(room);
}

static bool is_reply(const struct imap_threads *t, uint32_t v)
{
	return !is_dummy(t, v) && message_of(t, v)->reply;
}

/* (5)(B): the message that stands for its subject. */
static void note_subject(const struct imap_threads *t, struct ids *subjects, uint32_t v)
{
	uint64_t subject = message_of(t, v)->subject;
	if (!subject)
		return;
	size_t at = ids_at(subjects, subject);
	uint32_t other = subjects->node[at];
	if (!subjects->id[at] || (!is_dummy(t, other) && is_dummy(t, v)) ||
	    (is_reply(t, other) && !is_reply(t, v))) {
		subjects->id[at] = subject;
		subjects->node[at] = v;
	}
}

static void add_child(struct imap_threads *t, uint32_t parent, uint32_t child)
{
	t->nodes[child].parent = parent;
	t->nodes[child].next = t->nodes[parent].child;
	t->nodes[parent].child = child;
}

/* (5)(C) for a root v; `instead` says what takes a root's place: itself, a new dummy, or nothing. */
static void merge_subject(struct imap_threads *t, struct ids *subjects, uint32_t v, uint32_t *instead)
{
	uint64_t subject = message_of(t, v)->subject;
	if (!subject)
		return;
	size_t at = ids_at(subjects, subject);
	uint32_t other = subjects->node[at];
	if (other == v || instead[v] != v)
		return;
	instead[v] = NONE;
	if (is_dummy(t, other) && is_dummy(t, v)) {
		for (uint32_t c = t->nodes[v].child, next; c != NONE; c = next) {
			next = t->nodes[c].next;
			add_child(t, other, c);
		}
	} else if (is_dummy(t, other) || (is_reply(t, v) && !is_reply(t, other))) {
		add_child(t, other, v);
	} else {
		uint32_t both = node_new(t, NONE);
		instead[other] = both;
		subjects->node[at] = both;
		add_child(t, both, v);
		add_child(t, both, other);
	}
}

static void merge_subjects(struct imap_threads *t)
{
	struct ids subjects;
	uint32_t n = 0;
	for (uint32_t v = t->nodes[0].child; v != NONE; v = t->nodes[v].next)
		n++;
	uint32_t *roots = checked(calloc((size_t)n + 1, sizeof *roots));
	uint32_t *instead = checked(calloc((size_t)t->nodes_n + n, sizeof *instead));
	ids_init(&subjects, n);
	n = 0;
	for (uint32_t v = t->nodes[0].child; v != NONE; v = t->nodes[v].next) {
		roots[n++] = v;
		note_subject(t, &subjects, v);
	}
	for (uint32_t v = 0; v < t->nodes_n; v++)
		instead[v] = v;
	for (uint32_t i = 0; i < n; i++)
		merge_subject(t, &subjects, roots[i], instead);
	t->nodes[0].child = NONE;
	for (uint32_t i = n; i-- > 0;)
		if (instead[roots[i]] != NONE)
			add_child(t, 0, instead[roots[i]]);
	ids_free(&subjects);
	free(roots);
	free(instead);
}

/* ---- ORDEREDSUBJECT ---- */

static int by_subject(const void *x, const void *y, void *context)
{
	const struct imap_threads *t = context;
	uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const struct imap_thread_message *a = &t->messages[i], *b = &t->messages[k];
	if (a->subject != b->subject)
		return a->subject < b->subject ? -1 : 1;
	if (a->sent_ms != b->sent_ms)
		return a->sent_ms < b->sent_ms ? -1 : 1;
	return (i > k) - (i < k);
}

/* The first of a subject, and the others as its children. */
static void group_by_subject(struct imap_threads *t)
{
	uint32_t *order = checked(calloc((size_t)t->n + 1, sizeof *order));
	for (uint32_t i = 0; i < t->n; i++) {
		node_new(t, i);
		order[i] = i;
	}
	qsort_r(order, t->n, sizeof *order, by_subject, t);
	uint32_t first = 0;
	for (uint32_t i = 0; i < t->n; i++) {
		if (i && t->messages[order[i]].subject != t->messages[order[first]].subject)
			first = i;
		t->nodes[order[i] + 1].parent = i == first ? NONE : order[first] + 1;
	}
	free(order);
	list_children(t);
}

/* ---- all of it ---- */

enum result imap_threads_build(struct imap_threads *t, enum imap_thread_how how)
{
	if ((uint64_t)t->n * 3 + t->references_n > (uint64_t)1 << 30)
		return FULL;
	node_new(t, NONE);
	if (how == IMAP_THREAD_SUBJECTS) {
		group_by_subject(t);
	} else {
		link_by_references(t);
		list_children(t);
		prune(t);
	}
	if (how == IMAP_THREAD_REFERENCES) {
		sort_roots(t);
		merge_subjects(t);
	}
	sort_tree(t, how == IMAP_THREAD_REFS);
	return OK;
}

/* ---- "(2)(3 6 (4 23)(44 7 96))": who is an only child follows its parent, others stand in parentheses ---- */

static bool has_siblings(const struct imap_threads *t, uint32_t v)
{
	uint32_t parent = t->nodes[v].parent;
	return parent == 0 || t->nodes[parent].child != v || t->nodes[v].next != NONE;
}

void imap_threads_put(const struct imap_threads *t, struct stream *out)
{
	bool blank = false;
	for (uint32_t v = t->nodes_n ? t->nodes[0].child : NONE; v != NONE;) {
		bool open = has_siblings(t, v);
		if (blank && (!open || t->nodes[t->nodes[v].parent].child == v))
			stream_put(out, SLICE(" "));
		stream_puts(out, open ? "(" : "");
		blank = !is_dummy(t, v);
		if (blank)
			imap_put_number(out, t->messages[t->nodes[v].message].number);
		if (t->nodes[v].child != NONE) {
			v = t->nodes[v].child;
			continue;
		}
		/* Up to the first who has a sibling left; each in parentheses closes them. */
		while (v != 0) {
			if (has_siblings(t, v))
				stream_put(out, SLICE(")"));
			if (t->nodes[v].next != NONE)
				break;
			v = t->nodes[v].parent;
		}
		blank = false;
		v = v == 0 ? NONE : t->nodes[v].next;
	}
}
