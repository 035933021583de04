#include "trust/tags.h"

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_';
}

/* VALCHAR and white space inside; UTF-8 by RFC 8616. */
static bool is_value(char c)
{
	return (unsigned char)c > ' ' ? c != 0x7f : is_white(c);
}

static bool all_value(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_value(s.p[i]))
			return false;
	return true;
}

static enum result add(struct tags *t, struct slice spec)
{
	struct tag tag;
	ptrdiff_t equals = slice_find(spec, '=');
	if (equals < 0)
		return BAD;
	tag.name = slice_trim(slice_sub(spec, 0, (size_t)equals));
	tag.raw = slice_sub(spec, (size_t)equals + 1, spec.n);
	tag.value = slice_trim(tag.raw);
	if (tag.name.n == 0 || !ascii_alpha(tag.name.p[0]) || !all_value(tag.value))
		return BAD;
	for (size_t i = 1; i < tag.name.n; i++)
		if (!is_name(tag.name.p[i]))
			return BAD;
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq(t->tag[i].name, tag.name))
			return BAD;
	if (t->n == LIMIT_TAGS)
		return FULL;
	t->tag[t->n++] = tag;
	return OK;
}

enum result tags_parse(struct slice text, struct tags *out)
{
	bool last = false;
	out->n = 0;
	while (!last) {
		last = slice_find(text, ';') < 0;
		struct slice spec = slice_split(&text, ';');
		if (last && out->n && slice_trim(spec).n == 0)
			break; /* behind a last semicolon */
		enum result r = add(out, spec);
		if (r != OK)
			return r;
	}
	return OK;
}

const struct tag *tags_find(const struct tags *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq(t->tag[i].name, slice_str(name)))
			return &t->tag[i];
	return NULL;
}

struct slice tags_value(const struct tags *t, const char *name)
{
	const struct tag *tag = tags_find(t, name);
	return tag ? tag->value : SLICE_NONE;
}

bool tag_list_next(struct tag_list *l, struct slice *out)
{
	if (l->ended)
		return false;
	l->ended = slice_find(l->rest, ':') < 0;
	*out = slice_trim(slice_split(&l->rest, ':'));
	return true;
}

bool tag_list_has(struct slice list, struct slice element)
{
	struct tag_list l = {.rest = list};
	struct slice one;
	while (tag_list_next(&l, &one))
		if (slice_ieq(one, element))
			return true;
	return false;
}

enum result tag_base64(struct slice value, struct buf *out)
{
	BUF_LOCAL(squeezed, value.n + 1);
	for (size_t i = 0; i < value.n; i++)
		if (!is_white(value.p[i]))
			buf_putc(&squeezed, value.p[i]);
	return squeezed.n ? base64_decode(buf_slice(&squeezed), out) : BAD;
}

struct slice tag_squeezed(struct slice value, size_t most, struct arena *a)
{
	size_t n = 0;
	char *p = arena_alloc(a, MIN(value.n, most) + 1);
	for (size_t i = 0; p && i < value.n && n < most; i++)
		if (!is_white(value.p[i]))
			p[n++] = value.p[i];
	return slice_of(p, n);
}
