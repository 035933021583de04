#include "header.h"
#include "class.h"

/* clang-format off */
static const struct {
	const char *name, *text;
	enum mail_defect_weight weight;
} defects[] = {
#define X(name, weight, text) {#name, text, MAIL_##weight},
#include "defects.def"
#undef X
};
/* clang-format on */
_Static_assert(MAIL_DEFECTS <= 64, "a set of defects is a uint64_t");

const char *mail_defect_name(enum mail_defect d)
{
	return d < MAIL_DEFECTS ? defects[d].name : "?";
}

const char *mail_defect_text(enum mail_defect d)
{
	return d < MAIL_DEFECTS ? defects[d].text : "?";
}

enum mail_defect_weight mail_defect_weigh(enum mail_defect d)
{
	return d < MAIL_DEFECTS ? defects[d].weight : MAIL_HARMLESS;
}

enum mail_defect mail_defect_find(struct slice name)
{
	for (unsigned d = 0; d < MAIL_DEFECTS; d++)
		if (slice_eq(name, slice_str(mail_defect_name(d))))
			return d;
	return MAIL_DEFECTS;
}

/* The line at the start of s with its LF, or all of s. */
static size_t line_length(struct slice s)
{
	ptrdiff_t at = slice_find(s, '\n');
	return at < 0 ? s.n : (size_t)at + 1;
}

/* Without its LF or CRLF. */
static struct slice line_bare(struct slice line)
{
	if (line.n && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* Octets of the field name at the start of s, 0 when it does not start a field; *colon_out: where the colon is. */
static size_t name_length(struct slice s, size_t *colon_out)
{
	size_t n = 0;
	while (n < s.n && mail_is(s.p[n], MAIL_FNAME))
		n++;
	size_t colon = n;
	while (colon < s.n && mail_is(s.p[colon], MAIL_BLANK))
		colon++;
	*colon_out = colon;
	return colon < s.n && s.p[colon] == ':' ? n : 0;
}

static bool starts_field(struct slice s)
{
	size_t colon;
	return name_length(s, &colon) > 0;
}

/* The octets of the field at the start of s: its first line and all that begin with a blank. */
static size_t field_length(struct slice s, mail_defects *d)
{
	size_t n = line_length(s);
	while (n < s.n && mail_is(s.p[n], MAIL_BLANK)) {
		struct slice more = slice_sub(s, n, s.n);
		size_t len = line_length(more);
		if (slice_trim(slice_sub(more, 0, len)).n == 0)
			*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_header_blank_fold);
		n += len;
	}
	return n;
}

struct mail_fields mail_fields_of(struct slice message)
{
	return (struct mail_fields){.rest = message, .left = LIMIT_HEADER_BYTES};
}

static void take(struct mail_fields *f, size_t n)
{
	f->rest = slice_sub(f->rest, n, f->rest.n);
	f->left -= MIN(n, f->left);
}

/* Ends the header here, for the reason given; the rest is body. */
static bool end_here(struct mail_fields *f, mail_defects why)
{
	f->ended = true;
	f->defects |= why;
	return false;
}

/* Whether the header may still end properly; asked once a header. */
static bool empty_line_follows(struct mail_fields *f)
{
	if (!f->empty_seen)
		f->empty_seen =
		    slice_search(f->rest, SLICE("\n\r\n")) >= 0 || slice_search(f->rest, SLICE("\n\n")) >= 0;
	return f->empty_seen;
}

/*
 * A line that is no field. It is passed over, as most readers do, unless the body seems to begin with it: when it is
 * the first line and no field follows, or when no empty line follows that would end the header. Returns false when
 * the header has ended.
 */
static bool junk_line(struct mail_fields *f, struct mail_field *out)
{
	size_t n = line_length(f->rest);
	struct slice line = line_bare(slice_sub(f->rest, 0, n)), next = slice_sub(f->rest, n, f->rest.n);
	bool first = f->count == 0;
	if (first && (slice_starts(line, SLICE("From ")) || slice_starts(line, SLICE(">From "))))
		f->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_mbox_from);
	else if (!starts_field(next) && (first || !empty_line_follows(f)))
		return end_here(f, MAIL_DEFECT_BIT(MAIL_DEFECT_header_no_end));
	else
		f->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_header_junk_line);
	*out = (struct mail_field){.name = SLICE_NONE, .value = line, .all = slice_sub(f->rest, 0, n)};
	f->count++;
	take(f, n);
	return true;
}

/* A blank line or a continuation with nothing before it to continue. */
static bool folded_start(struct mail_fields *f, struct mail_field *out)
{
	f->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_header_starts_folded);
	size_t n = line_length(f->rest);
	struct slice line = line_bare(slice_sub(f->rest, 0, n));
	struct slice inner = slice_trim_blank(line);
	size_t colon;
	size_t name = name_length(inner, &colon);
	*out = (struct mail_field){.value = line, .all = slice_sub(f->rest, 0, n)};
	if (name) { /* a field somebody indented: read it as one */
		n = field_length(f->rest, &f->defects);
		out->all = slice_sub(f->rest, 0, n);
		out->name = slice_sub(inner, 0, name);
		size_t from = (size_t)(inner.p - f->rest.p) + colon + 1;
		out->value = line_bare(slice_sub(out->all, from, n));
	}
	f->count++;
	take(f, n);
	return true;
}

bool mail_fields_next(struct mail_fields *f, struct mail_field *out)
{
	if (f->ended)
		return false;
	if (f->rest.n == 0)
		return end_here(f, MAIL_DEFECT_BIT(MAIL_DEFECT_header_no_end));
	if (f->rest.p[0] == '\n' || slice_starts(f->rest, SLICE("\r\n"))) {
		take(f, f->rest.p[0] == '\n' ? 1 : 2);
		return end_here(f, 0);
	}
	if (f->left == 0)
		return end_here(f, MAIL_DEFECT_BIT(MAIL_DEFECT_header_too_big));
	if (mail_is(f->rest.p[0], MAIL_BLANK))
		return folded_start(f, out);
	size_t colon;
	size_t name = name_length(slice_sub(f->rest, 0, LIMIT_HEADER_FIELD), &colon);
	if (name == 0)
		return junk_line(f, out);
	if (colon > name)
		f->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_header_space_colon);
	size_t n = field_length(f->rest, &f->defects);
	if (n > f->left)
		return end_here(f, MAIL_DEFECT_BIT(MAIL_DEFECT_header_too_big));
	out->all = slice_sub(f->rest, 0, n);
	out->name = slice_sub(f->rest, 0, name);
	out->value = line_bare(slice_sub(out->all, colon + 1, n));
	f->count++;
	take(f, n);
	return true;
}

bool mail_header_get(struct slice message, struct slice name, struct mail_field *out)
{
	struct mail_fields f = mail_fields_of(message);
	while (mail_fields_next(&f, out))
		if (slice_ieq(out->name, name))
			return true;
	return false;
}

struct slice mail_body_of(struct slice message)
{
	struct mail_fields f = mail_fields_of(message);
	struct mail_field field;
	while (mail_fields_next(&f, &field))
		;
	return f.rest;
}

static struct slice lines_join(struct slice value, struct arena *a)
{
	if (slice_find(value, '\n') < 0)
		return value;
	char *p = arena_alloc(a, value.n);
	if (!p)
		return SLICE_NONE;
	size_t n = 0;
	for (size_t i = 0; i < value.n; i++) {
		bool line_end =
		    value.p[i] == '\n' || (value.p[i] == '\r' && i + 1 < value.n && value.p[i + 1] == '\n');
		if (!line_end)
			p[n++] = value.p[i];
	}
	return slice_of(p, n);
}

struct slice mail_unfold(struct slice value, struct arena *a)
{
	return lines_join(slice_trim(value), a);
}

struct slice mail_unfold_raw(struct slice value, struct arena *a)
{
	while (value.n && mail_is(value.p[0], MAIL_BLANK))
		value = slice_sub(value, 1, value.n);
	return lines_join(value, a);
}
