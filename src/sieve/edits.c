/* edits: the message as the edits of a run have left it. */
#include "sieve/inside.h"

struct sieve_edit *sieve_edit_new(struct sieve_runner *r)
{
	struct sieve_edit *e =
	    r->out->edit_count < LIMIT_SIEVE_EDITS ? arena_new(r->a, struct sieve_edit) : NULL;
	struct sieve_edit **end = &r->out->edits;
	if (!e)
		return NULL;
	while (*end)
		end = &(*end)->next;
	*end = e;
	r->out->edit_count++;
	return e;
}

const struct sieve_message *sieve_edits_base(
    const struct sieve_message *m, const struct sieve_edit **edits, size_t *n)
{
	size_t all = *n, i = 0;
	for (const struct sieve_edit *e = *edits; e && i++ < all; e = e->next) {
		if (e->what != SIEVE_EDIT_MESSAGE)
			continue;
		m = e->message;
		*edits = e->next;
		*n = all - i;
	}
	return m;
}

static const struct sieve_message *find_replaced(const struct sieve_edit *e, size_t n, const Sekisho__Part *p)
{
	const struct sieve_message *found = NULL;
	for (; e && n; e = e->next, n--)
		if (e->what == SIEVE_EDIT_REPLACE && e->part == p)
			found = e->message;
	return found;
}

const struct sieve_message *sieve_replaced(const struct sieve_runner *r, const Sekisho__Part *p)
{
	const struct sieve_edit *e = r->out->edits;
	size_t n = r->out->edit_count;
	if (!r->replaced)
		return NULL;
	sieve_edits_base(r->message, &e, &n);
	return find_replaced(e, n, p);
}

/* ---- writing ---- */

struct line {
	struct slice name, value, all; /* all: as it stood in the message */
};

static size_t apply(struct line *lines, size_t n, const struct sieve_edit *e)
{
	bool first = e->what == SIEVE_EDIT_ADD_FIRST;
	if (e->what == SIEVE_EDIT_DELETE) {
		n--;
		memmove(lines + e->field, lines + e->field + 1, (n - e->field) * sizeof *lines);
	} else if (first || e->what == SIEVE_EDIT_ADD_LAST) {
		if (first)
			memmove(lines + 1, lines, n * sizeof *lines);
		lines[first ? 0 : n] = (struct line){.name = e->name, .value = e->value};
		n++;
	}
	return n;
}

void sieve_header_put(
    const struct sieve_message *m, const struct sieve_edit *edits, size_t edit_count, struct buf *out)
{
	const Sekisho__Part *root = m->facts->root;
	ARENA_LOCAL(a, (size_t)64 << 20);
	size_t n = root->n_fields;
	struct line *lines = arena_array(&a, n + edit_count + 1, sizeof *lines);
	if (!lines)
		return;
	for (size_t i = 0; i < n; i++)
		lines[i].all = slice_sub(m->octets, root->fields[i]->offset, root->fields[i]->length);
	for (const struct sieve_edit *e = edits; e && edit_count; e = e->next, edit_count--)
		n = apply(lines, n, e);
	for (size_t i = 0; i < n; i++) {
		if (lines[i].all.n)
			buf_put(out, lines[i].all);
		else if (slice_is_ascii(lines[i].value) && slice_find(lines[i].value, '\r') < 0)
			mail_put_raw(out, lines[i].name, lines[i].value);
		else
			buf_printf(out, SLICE_FMT ": " SLICE_FMT "\r\n", SLICE_ARG(lines[i].name),
			    SLICE_ARG(lines[i].value));
	}
	buf_puts(out, "\r\n");
}

struct writing {
	const struct sieve_message *m;
	const struct sieve_edit *edits;
	size_t n, at; /* octets before `at` are written */
	struct buf *out;
};

static void copy_until(struct writing *w, size_t end)
{
	if (end <= w->at)
		return;
	buf_put(w->out, slice_sub(w->m->octets, w->at, end - w->at));
	w->at = end;
}

/* The parts below p, with those that were replaced. */
static void parts_put(struct writing *w, const Sekisho__Part *p)
{
	for (size_t i = 0; i < p->n_parts; i++) {
		const Sekisho__Part *part = p->parts[i];
		const struct sieve_message *now = find_replaced(w->edits, w->n, part);
		if (!now) {
			parts_put(w, part);
			continue;
		}
		copy_until(w, part->header_offset);
		buf_put(w->out, now->octets);
		w->at = MAX(w->at, part->body_offset + part->body_length);
	}
}

void sieve_message_put(
    const struct sieve_message *m, const struct sieve_edit *edits, size_t n, struct buf *out)
{
	m = sieve_edits_base(m, &edits, &n);
	const Sekisho__Part *root = m->facts->root;
	if (!n || !root) {
		buf_put(out, m->octets);
		return;
	}
	struct writing w = {.m = m, .edits = edits, .n = n, .at = root->body_offset, .out = out};
	sieve_header_put(m, edits, n, out);
	parts_put(&w, root);
	copy_until(&w, m->octets.n);
}

size_t sieve_message_size(const struct sieve_runner *r)
{
	const struct sieve_message *m = r->message;
	const struct sieve_edit *edits = r->out->edits;
	size_t n = r->out->edit_count;
	sieve_edits_base(m, &edits, &n);
	if (!n || !m->facts->root)
		return m->octets.n;
	BUF_LOCAL(header, (size_t)LIMIT_HEADER_BYTES * 4);
	sieve_header_put(m, edits, n, &header);
	size_t size = header.n + (m->octets.n - m->facts->root->body_offset);
	for (; edits && r->replaced; edits = edits->next)
		if (edits->what == SIEVE_EDIT_REPLACE)
			size +=
			    edits->message->octets.n - edits->part->header_length - edits->part->body_length;
	return size;
}
