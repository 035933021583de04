#include "inspect/pdf.h"
#include <stdlib.h>
#include <zlib.h>

#define OBJECTS_MOST 500000
#define STREAM_MOST ((size_t)64 << 20)

static bool is_white(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0;
}

static bool is_delimiter(char c)
{
	return c == '(' || c == ')' || c == '<' || c == '>' || c == '[' || c == ']' || c == '{' || c == '}' ||
	       c == '/' || c == '%';
}

/* ---- values ---- */

static void skip_white(struct slice *s)
{
	while (s->n) {
		if (s->p[0] == '%')
			while (s->n && s->p[0] != '\n' && s->p[0] != '\r')
				*s = slice_sub(*s, 1, s->n);
		else if (!is_white(s->p[0]))
			return;
		else
			*s = slice_sub(*s, 1, s->n);
	}
}

static size_t literal_length(struct slice s)
{
	size_t depth = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.n;
}

static size_t word_length(struct slice s)
{
	size_t n = 1;
	while (n < s.n && !is_white(s.p[n]) && !is_delimiter(s.p[n]))
		n++;
	return n;
}

/* One token; brackets stand for themselves. */
static size_t token_length(struct slice s)
{
	if (s.p[0] == '(')
		return literal_length(s);
	if (slice_starts(s, SLICE("<<")) || slice_starts(s, SLICE(">>")))
		return 2;
	if (s.p[0] == '<') {
		ptrdiff_t end = slice_find(s, '>');
		return end < 0 ? s.n : (size_t)end + 1;
	}
	if (s.p[0] != '/' && is_delimiter(s.p[0]))
		return 1;
	return word_length(s);
}

/* What "<<" or "[" opens, up to what closes it, whatever stands between. */
static size_t nest_length(struct slice s)
{
	size_t depth = 0, at = 0;
	do {
		struct slice rest = slice_sub(s, at, s.n);
		skip_white(&rest);
		if (!rest.n)
			return s.n;
		size_t n = token_length(rest);
		bool open = slice_starts(rest, SLICE("<<")) || rest.p[0] == '[';
		bool close = slice_starts(rest, SLICE(">>")) || rest.p[0] == ']';
		at = s.n - rest.n + n;
		depth += open;
		depth -= close && depth;
	} while (depth);
	return at;
}

static bool is_number_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_digit(s.p[i]))
			return false;
	return s.n > 0;
}

/* "12 0 R": the length of it, or 0. */
static size_t reference_length(struct slice s)
{
	struct slice rest = s;
	for (unsigned i = 0; i < 2; i++) {
		size_t n = rest.n ? word_length(rest) : 0;
		if (!n || n > 10 || !is_number_word(slice_sub(rest, 0, n)))
			return 0;
		rest = slice_sub(rest, n, rest.n);
		skip_white(&rest);
	}
	return rest.n && rest.p[0] == 'R' && word_length(rest) == 1 ? s.n - rest.n + 1 : 0;
}

struct slice pdf_next(struct slice *rest)
{
	skip_white(rest);
	if (!rest->n)
		return SLICE_NONE;
	bool nest = slice_starts(*rest, SLICE("<<")) || rest->p[0] == '[';
	size_t n = ascii_digit(rest->p[0]) ? reference_length(*rest) : 0;
	if (!n)
		n = nest ? nest_length(*rest) : token_length(*rest);
	struct slice value = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, n, rest->n);
	return value;
}

int64_t pdf_number(struct slice value)
{
	uint64_t n;
	bool minus = value.n && value.p[0] == '-';
	ptrdiff_t dot = slice_find(value, '.');
	struct slice digits = slice_sub(value, minus, (dot < 0 ? value.n : (size_t)dot) - minus);
	if (!value.n || num_u64(digits, INT32_MAX, &n) != OK)
		return 0;
	return minus ? -(int64_t)n : (int64_t)n;
}

static void literal(struct slice s, struct buf *out)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\\' || i + 1 == s.n) {
			buf_putc(out, s.p[i]);
			continue;
		}
		char c = s.p[++i];
		const char *escape = c ? strchr(from, c) : NULL;
		if (escape) {
			buf_putc(out, to[escape - from]);
		} else if (c >= '0' && c <= '7') {
			unsigned v = 0;
			size_t end = MIN(i + 3, s.n);
			for (; i < end && s.p[i] >= '0' && s.p[i] <= '7'; i++)
				v = v * 8 + (unsigned)(s.p[i] - '0');
			i--;
			buf_putc(out, (char)v);
		} else if (c == '\r') {
			i += i + 1 < s.n && s.p[i + 1] == '\n';
		} else if (c != '\n') {
			buf_putc(out, c);
		}
	}
}

static int hex_value(char c)
{
	return ascii_digit(c)                                   ? c - '0'
	       : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
								: -1;
}

static void hexadecimal(struct slice s, struct buf *out)
{
	int high = -1;
	for (size_t i = 0; i < s.n; i++) {
		int v = hex_value(s.p[i]);
		if (v < 0)
			continue;
		if (high >= 0)
			buf_putc(out, (char)(high << 4 | v));
		high = high >= 0 ? -1 : v;
	}
	if (high >= 0)
		buf_putc(out, (char)(high << 4));
}

void pdf_string(struct slice value, struct buf *out)
{
	if (value.n < 2)
		return;
	if (value.p[0] == '(')
		literal(slice_sub(value, 1, value.n - 2), out);
	else if (value.p[0] == '<' && value.p[1] != '<')
		hexadecimal(slice_sub(value, 1, value.n - 2), out);
}

/* ---- objects ---- */

static void add_object(struct pdf *p, uint32_t number, struct slice body)
{
	if (p->n == OBJECTS_MOST) {
		p->budget->notes |= INSPECT_CUT;
		return;
	}
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 256;
		p->objects = realloc(p->objects, p->cap * sizeof *p->objects);
		if (!p->objects)
			abort();
	}
	p->objects[p->n] = (struct pdf_object){number, (uint32_t)p->n, body};
	p->n++;
}

/* "12 0 " before "obj"; false when it is not that. */
static bool number_before(struct slice s, size_t at, uint32_t *out)
{
	size_t i = at;
	for (unsigned k = 0; k < 2; k++) {
		while (i && is_white(s.p[i - 1]))
			i--;
		size_t end = i;
		while (i && end - i < 10 && ascii_digit(s.p[i - 1]))
			i--;
		if (i == end || num_u32(slice_sub(s, i, end - i), UINT32_MAX, out) != OK)
			return false;
	}
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct pdf_object *x = a, *y = b;
	if (x->number != y->number)
		return x->number > y->number ? 1 : -1;
	return (x->order > y->order) - (x->order < y->order);
}

static const struct pdf_object *find(const struct pdf *p, uint32_t number)
{
	size_t low = 0, high = p->n;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (p->objects[mid].number <= number)
			low = mid + 1;
		else
			high = mid;
	}
	return low && p->objects[low - 1].number == number ? &p->objects[low - 1] : NULL;
}

/* Objects packed together: pairs of number and offset, then the objects. */
static void add_packed(struct pdf *p, struct slice object)
{
	BUF_LOCAL(unpacked, STREAM_MOST);
	if (!pdf_stream(p, object, &unpacked))
		return;
	struct slice all = arena_dup(p->arena, buf_slice(&unpacked)), rest = all;
	struct slice dict = object, head = pdf_next(&dict);
	int64_t count = pdf_number(pdf_get(p, head, "N")), first = pdf_number(pdf_get(p, head, "First"));
	for (int64_t i = 0; i < count && rest.n; i++) {
		int64_t number = pdf_number(pdf_next(&rest)), at = pdf_number(pdf_next(&rest));
		if (number > 0 && at >= 0 && (uint64_t)(first + at) < all.n)
			add_object(p, (uint32_t)number, slice_sub(all, (size_t)(first + at), all.n));
	}
}

void pdf_find_objects(struct pdf *p)
{
	uint32_t number;
	for (size_t at = 0; at < p->octets.n && inspect_budget_take(p->budget, 0);) {
		ptrdiff_t found = slice_search(slice_sub(p->octets, at, p->octets.n), SLICE("obj"));
		if (found < 0)
			break;
		at += (size_t)found;
		if (number_before(p->octets, at, &number))
			add_object(p, number, slice_sub(p->octets, at + 3, p->octets.n));
		at += 3;
	}
	if (p->n)
		qsort(p->objects, p->n, sizeof *p->objects, by_number);
	size_t plain = p->n;
	for (size_t i = 0; i < plain && inspect_budget_take(p->budget, 0); i++) {
		struct slice body = p->objects[i].body, rest = body, head = pdf_next(&rest);
		if (slice_starts(head, SLICE("<<")) &&
		    slice_eq(pdf_get_plain(head, "Type"), SLICE("/ObjStm")))
			add_packed(p, body);
	}
	if (p->n)
		qsort(p->objects, p->n, sizeof *p->objects, by_number);
}

void pdf_free(struct pdf *p)
{
	free(p->objects);
	p->objects = NULL;
}

struct slice pdf_follow(const struct pdf *p, struct slice value, uint32_t *number_out)
{
	if (number_out)
		*number_out = 0;
	/* An object that nothing closes goes on to the end of the file. */
	if (!inspect_budget_take(p->budget, 0))
		return SLICE_NONE;
	for (unsigned i = 0;
	     i < 8 && value.n && ascii_digit(value.p[0]) && reference_length(value) == value.n; i++) {
		uint32_t number;
		const struct pdf_object *o =
		    num_u32(slice_sub(value, 0, word_length(value)), UINT32_MAX, &number) == OK
			? find(p, number)
			: NULL;
		if (!o)
			return SLICE_NONE;
		if (number_out)
			*number_out = number;
		/* A stream's dictionary keeps what follows it. */
		struct slice rest = o->body;
		skip_white(&rest);
		struct slice whole = rest;
		value = pdf_next(&rest);
		if (slice_starts(value, SLICE("<<")))
			return whole;
	}
	return value;
}

struct slice pdf_get_plain(struct slice dict, const char *key)
{
	if (!slice_starts(dict, SLICE("<<")))
		return SLICE_NONE;
	struct slice rest = slice_sub(dict, 2, dict.n);
	for (;;) {
		struct slice name = pdf_next(&rest);
		if (!name.n || name.p[0] != '/')
			return SLICE_NONE;
		struct slice value = pdf_next(&rest);
		if (slice_eq(slice_sub(name, 1, name.n), slice_str(key)))
			return value;
	}
}

struct slice pdf_get(const struct pdf *p, struct slice dict, const char *key)
{
	return pdf_follow(p, pdf_get_plain(dict, key), NULL);
}

/* ---- streams ---- */

static bool inflate_all(const struct pdf *p, struct slice in, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)MIN(in.n, (size_t)UINT32_MAX)};
	if (inflateInit(&z) != Z_OK)
		abort();
	int r = Z_OK;
	while (r == Z_OK) {
		char *room = buf_room(out, 32768);
		if (!room || !inspect_budget_take(p->budget, 32768)) {
			p->budget->notes |= INSPECT_CUT;
			break;
		}
		z.next_out = (Bytef *)room;
		z.avail_out = 32768;
		r = inflate(&z, Z_NO_FLUSH);
		buf_wrote(out, 32768 - z.avail_out);
		if (z.avail_out == 32768 && r == Z_OK)
			break;
	}
	inflateEnd(&z);
	return out->n > 0;
}

static void ascii85(struct slice in, struct buf *out)
{
	uint64_t v = 0;
	unsigned n = 0;
	for (size_t i = 0; i < in.n && in.p[i] != '~'; i++) {
		char c = in.p[i];
		if (c == 'z' && !n) {
			buf_put(out, slice_of("\0\0\0\0", 4));
		} else if (c >= '!' && c <= 'u') {
			v = v * 85 + (uint64_t)(c - '!');
			if (++n == 5) {
				for (int k = 24; k >= 0; k -= 8)
					buf_putc(out, (char)(v >> k));
				v = n = 0;
			}
		}
	}
	for (unsigned k = n; k && k < 5; k++)
		v = v * 85 + 84;
	for (unsigned k = 0; n && k < n - 1; k++)
		buf_putc(out, (char)(v >> (24 - 8 * k)));
}

static bool unfilter(const struct pdf *p, struct slice filter, struct slice in, struct buf *out)
{
	if (slice_eq(filter, SLICE("/FlateDecode")) || slice_eq(filter, SLICE("/Fl")))
		return inflate_all(p, in, out);
	if (slice_eq(filter, SLICE("/ASCII85Decode")) || slice_eq(filter, SLICE("/A85")))
		ascii85(in, out);
	else if (slice_eq(filter, SLICE("/ASCIIHexDecode")) || slice_eq(filter, SLICE("/AHx")))
		hexadecimal(in, out);
	else
		return false;
	return true;
}

/* The octets between "stream" and "endstream". */
static bool raw_stream(const struct pdf *p, struct slice object, struct slice *out)
{
	struct slice rest = object, dict = pdf_next(&rest);
	skip_white(&rest);
	if (!slice_starts(dict, SLICE("<<")) || !slice_starts(rest, SLICE("stream")))
		return false;
	rest = slice_sub(rest, 6, rest.n);
	rest = slice_sub(rest, slice_starts(rest, SLICE("\r\n")) ? 2 : 1, rest.n);
	int64_t n = pdf_number(pdf_get(p, dict, "Length"));
	struct slice after = slice_sub(rest, n > 0 ? (size_t)n : 0, rest.n);
	skip_white(&after);
	ptrdiff_t end = n;
	if (n <= 0 || !slice_starts(after, SLICE("endstream")))
		end = slice_search(rest, SLICE("endstream"));
	*out = slice_sub(rest, 0, end < 0 ? rest.n : (size_t)end);
	return true;
}

bool pdf_stream(const struct pdf *p, struct slice object, struct buf *out)
{
	struct slice raw, filter;
	if (!raw_stream(p, object, &raw))
		return false;
	BUF_LOCAL(from, STREAM_MOST);
	struct slice dict = object, list = pdf_get(p, pdf_next(&dict), "Filter");
	list = list.n && list.p[0] == '[' ? slice_sub(list, 1, list.n - 1) : list;
	buf_put(&from, raw);
	for (unsigned i = 0; i < 4 && (filter = pdf_next(&list)).n && filter.p[0] == '/'; i++) {
		BUF_LOCAL(to, STREAM_MOST);
		if (!unfilter(p, filter, buf_slice(&from), &to))
			return false;
		struct buf swap = from;
		from = to;
		to = swap;
	}
	buf_put(out, buf_slice(&from));
	return !from.over && buf_result(out) == OK;
}
