#include "csv.h"

struct csv csv_read(struct slice text)
{
	if (slice_starts(text, SLICE("\xef\xbb\xbf")))
		text = slice_sub(text, 3, text.n);
	return (struct csv){.rest = text, .next = 1};
}

static char look(const struct csv *c)
{
	return c->rest.n ? c->rest.p[0] : '\n';
}

static void skip(struct csv *c, size_t n)
{
	for (size_t i = 0; i < n && i < c->rest.n; i++)
		c->next += c->rest.p[i] == '\n';
	c->rest = slice_sub(c->rest, n, c->rest.n);
}

static bool at_end_of_line(const struct csv *c)
{
	return look(c) == '\n' || slice_starts(c->rest, SLICE("\r\n"));
}

static void skip_line_end(struct csv *c)
{
	skip(c, slice_starts(c->rest, SLICE("\r\n")) ? 2 : 1);
}

/* Up to the comma or the end of the line, as it stands. */
static enum result bare_field(struct csv *c, struct arena *a, struct slice *out)
{
	size_t n = 0;
	while (n < c->rest.n && c->rest.p[n] != ',' && c->rest.p[n] != '\n') {
		if (c->rest.p[n] == '"')
			return BAD;
		n++;
	}
	struct slice text = slice_sub(c->rest, 0, n);
	skip(c, n);
	if (look(c) == '\n' && text.n && text.p[text.n - 1] == '\r')
		text.n--;
	*out = arena_dup(a, text);
	return out->n == text.n ? OK : FULL;
}

static enum result quoted_field(struct csv *c, struct arena *a, struct slice *out)
{
	size_t n = 1;
	while (n < c->rest.n && (c->rest.p[n] != '"' || (n + 1 < c->rest.n && c->rest.p[n + 1] == '"')))
		n += c->rest.p[n] == '"' ? 2 : 1;
	if (n >= c->rest.n)
		return BAD;
	char *to = arena_alloc(a, n);
	if (!to)
		return FULL;
	size_t k = 0;
	for (size_t i = 1; i < n; i += c->rest.p[i] == '"' ? 2 : 1)
		to[k++] = c->rest.p[i];
	*out = slice_of(to, k);
	skip(c, n + 1);
	return look(c) == ',' || at_end_of_line(c) ? OK : BAD;
}

enum result csv_next(struct csv *c, struct arena *a, struct slice fields[LIMIT_CSV_FIELDS], size_t *n_out)
{
	*n_out = 0;
	while (c->rest.n && at_end_of_line(c))
		skip_line_end(c);
	if (!c->rest.n)
		return GONE;
	c->line = c->next;
	for (;;) {
		if (*n_out == LIMIT_CSV_FIELDS)
			return FULL;
		struct slice *field = &fields[*n_out];
		enum result r = look(c) == '"' ? quoted_field(c, a, field) : bare_field(c, a, field);
		if (r != OK)
			return r;
		*n_out += 1;
		if (look(c) != ',')
			break;
		skip(c, 1);
	}
	skip_line_end(c);
	return OK;
}
