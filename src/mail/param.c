/* param: "type/subtype; name=value" with RFC 2231, read the way lenient clients read it, every oddity noted. */
#include "charset.h"
#include "class.h"
#include "header.h"
#include "utf8.h"

#define NOTE(v, name) ((v)->defects |= MAIL_DEFECT_BIT(MAIL_DEFECT_##name))

/* One "name*N*=value" as written. */
struct piece {
	struct slice base;  /* lower case */
	struct slice value; /* quotes resolved */
	int index;          /* N, -1 when there is none */
	bool extended;      /* with a final "*" */
	bool used;
};

struct reader {
	struct slice s;
	size_t i;
	struct arena *a;
	struct mail_value *v;
	size_t text_until; /* parentheses before this offset are text */
	size_t count;
	struct piece pieces[LIMIT_MIME_PARAMS];
};

static bool at(const struct reader *r, char c)
{
	return r->i < r->s.n && r->s.p[r->i] == c;
}

/* Skips a comment, nested or not, that begins here. */
static void comment_skip(struct reader *r)
{
	int depth = 0;
	do {
		char c = r->s.p[r->i++];
		if (c == '\\' && r->i < r->s.n)
			r->i++;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
	} while (depth && r->i < r->s.n);
	NOTE(r->v, param_comment);
}

/* Skips blanks and comments; true when there were any. */
static bool blanks_skip(struct reader *r)
{
	size_t from = r->i;
	while (r->i < r->s.n) {
		if (mail_is(r->s.p[r->i], MAIL_WHITE))
			r->i++;
		else if (at(r, '('))
			comment_skip(r);
		else
			break;
	}
	return r->i > from;
}

static struct slice lower(struct reader *r, struct slice s)
{
	char *p = arena_alloc(r->a, s.n + 1);
	if (!p)
		return SLICE_NONE;
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return slice_of(p, s.n);
}

/* The inside of a quoted string, its opening quote taken. */
static void quoted_read(struct reader *r, struct buf *out)
{
	while (r->i < r->s.n) {
		char c = r->s.p[r->i++];
		if (c == '"')
			return;
		if (c == '\\' && r->i < r->s.n) {
			c = r->s.p[r->i++];
			if (c != '"' && c != '\\')
				NOTE(r->v, param_quoting);
		}
		buf_putc(out, c);
	}
	NOTE(r->v, param_quoting);
}

/* A blank ends an unquoted value only when another parameter follows it; "filename=my file.txt" is one value. */
static bool value_ends_at_blank(const struct reader *r)
{
	size_t i = r->i;
	while (i < r->s.n && mail_is(r->s.p[i], MAIL_WHITE))
		i++;
	if (i == r->s.n || r->s.p[i] == ';')
		return true;
	size_t from = i;
	while (i < r->s.n && mail_is(r->s.p[i], MAIL_TOKEN))
		i++;
	return i > from && i < r->s.n && r->s.p[i] == '=';
}

/* A parenthesis in an unquoted value; true when it is to be kept as text. */
static bool value_parenthesis(struct reader *r, const struct buf *out)
{
	if (r->i < r->text_until)
		return true;
	bool after_blank = out->n && mail_is(out->p[out->n - 1], MAIL_BLANK);
	size_t from = r->i;
	comment_skip(r);
	size_t i = r->i;
	while (i < r->s.n && mail_is(r->s.p[i], MAIL_WHITE))
		i++;
	if (!after_blank || i == r->s.n || r->s.p[i] == ';')
		return false;
	r->text_until = r->i;
	r->i = from;
	return true;
}

static void bare_read(struct reader *r, struct buf *out)
{
	while (r->i < r->s.n && !at(r, ';')) {
		char c = r->s.p[r->i];
		if (mail_is(c, MAIL_WHITE)) {
			if (value_ends_at_blank(r))
				break;
			NOTE(r->v, param_malformed);
		} else if (c == '(') {
			if (!value_parenthesis(r, out))
				continue;
		} else if (c == '"' || c == '\\') {
			NOTE(r->v, param_quoting);
			if (c == '"') {
				r->i++;
				quoted_read(r, out);
				continue;
			}
			if (r->i + 1 < r->s.n)
				c = r->s.p[++r->i];
		} else if (!mail_is(c, MAIL_TOKEN) && (unsigned char)c < 128 && c != '/' && c != '=' &&
			   c != '?' && c != ':' && c != '@' && c != '[' && c != ']') {
			NOTE(r->v, param_malformed);
		}
		buf_putc(out, c);
		r->i++;
	}
	while (out->n && mail_is(out->p[out->n - 1], MAIL_WHITE))
		out->n--;
}

/* The value behind "="; text beside a quoted string is joined to it, as most do. */
static struct slice value_read(struct reader *r)
{
	BUF_LOCAL(out, r->s.n);
	if (blanks_skip(r))
		NOTE(r->v, param_space);
	if (at(r, '\''))
		NOTE(r->v, param_quoting);
	if (at(r, '"')) {
		r->i++;
		quoted_read(r, &out);
		blanks_skip(r);
		if (r->i < r->s.n && !at(r, ';')) {
			NOTE(r->v, param_quoting);
			if (!value_ends_at_blank(r))
				bare_read(r, &out);
		}
	} else {
		bare_read(r, &out);
		blanks_skip(r);
	}
	return arena_dup(r->a, buf_slice(&out));
}

/* Cuts "*N" and "*" off the parameter's name. */
static void piece_name(struct reader *r, struct piece *p, struct slice name)
{
	p->index = -1;
	if (name.n && name.p[name.n - 1] == '*') {
		p->extended = true;
		name.n--;
	}
	ptrdiff_t star = slice_rfind(name, '*');
	uint32_t n = 0;
	if (star > 0) {
		struct slice digits = slice_sub(name, (size_t)star + 1, name.n);
		if (num_u32(digits, LIMIT_MIME_PARAMS, &n) == OK && (digits.n == 1 || digits.p[0] != '0'))
			p->index = (int)n;
		else
			NOTE(r->v, param_pieces);
		name.n = (size_t)star;
	}
	p->base = name;
}

/* Something that is no "name=": passed over up to the next semicolon, quoted text included. */
static void junk_skip(struct reader *r)
{
	NOTE(r->v, param_malformed);
	while (r->i < r->s.n && !at(r, ';')) {
		if (at(r, '"')) {
			BUF_LOCAL(ignored, r->s.n);
			r->i++;
			quoted_read(r, &ignored);
		} else {
			r->i++;
		}
	}
}

static void param_read(struct reader *r)
{
	size_t from = r->i;
	while (r->i < r->s.n && mail_is(r->s.p[r->i], MAIL_TOKEN))
		r->i++;
	struct slice name = slice_sub(r->s, from, r->i - from);
	if (blanks_skip(r))
		NOTE(r->v, param_space);
	if (name.n == 0 || !at(r, '=')) {
		junk_skip(r);
		return;
	}
	r->i++;
	struct piece p = {0};
	piece_name(r, &p, lower(r, name));
	p.value = value_read(r);
	if (r->count == LIMIT_MIME_PARAMS)
		NOTE(r->v, param_too_many);
	else
		r->pieces[r->count++] = p;
}

/* The type: "multipart/mixed", or the one token of a disposition. */
static void type_read(struct reader *r, bool slash)
{
	blanks_skip(r);
	if (at(r, '"')) {
		NOTE(r->v, type_malformed);
		r->i++;
	}
	size_t from = r->i;
	while (r->i < r->s.n && mail_is(r->s.p[r->i], MAIL_TOKEN))
		r->i++;
	size_t n = r->i - from;
	r->v->type = lower(r, slice_sub(r->s, from, n));
	bool blank = blanks_skip(r);
	bool has_slash = slash && at(r, '/');
	if (has_slash) {
		r->i++;
		blank |= blanks_skip(r);
		from = r->i;
		while (r->i < r->s.n && (mail_is(r->s.p[r->i], MAIL_TOKEN) || at(r, '/')))
			r->i++;
		r->v->subtype = lower(r, slice_sub(r->s, from, r->i - from));
		if (blank)
			NOTE(r->v, type_malformed);
	}
	if (n == 0 || has_slash != slash || (slash && r->v->subtype.n == 0))
		NOTE(r->v, type_malformed);
	if (at(r, '"'))
		r->i++;
	blanks_skip(r);
	if (r->i < r->s.n && !at(r, ';'))
		NOTE(r->v, param_malformed);
}

/* Undoes "%XX" of an extended value. */
static void percent_decode(struct slice s, struct buf *out, mail_defects *d)
{
	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == '%' && i + 2 < s.n ? mail_hex_value(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? mail_hex_value(s.p[i + 2]) : -1;
		if (s.p[i] == '%' && lo < 0)
			*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_param_malformed);
		buf_putc(out, lo >= 0 ? (char)(hi << 4 | lo) : s.p[i]);
		i += lo >= 0 ? 2 : 0;
	}
}

/* charset'language'rest: cuts the first two off. */
static struct slice charset_split(struct slice *s, mail_defects *d)
{
	ptrdiff_t a = slice_find(*s, '\'');
	ptrdiff_t b = a < 0 ? -1 : slice_find(slice_sub(*s, (size_t)a + 1, s->n), '\'');
	if (b < 0) {
		*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_param_malformed);
		return SLICE_NONE;
	}
	struct slice charset = slice_sub(*s, 0, (size_t)a);
	*s = slice_sub(*s, (size_t)(a + 1 + b + 1), s->n);
	return charset;
}

static void text_decode(struct slice charset, struct slice octets, struct buf *out, mail_defects *d)
{
	size_t start = out->n;
	if (mail_text_decode(charset, octets, out))
		*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_charset_malformed);
	for (size_t i = start; i < out->n; i++) {
		if ((unsigned char)out->p[i] >= 32 && out->p[i] != 127)
			continue;
		*d |= MAIL_DEFECT_BIT(MAIL_DEFECT_name_odd);
		out->p[i] = ' ';
	}
}

/* The first piece of this name and index; marks all of them used. */
static struct piece *piece_find(struct reader *r, struct slice base, int index)
{
	struct piece *found = NULL;
	for (size_t k = 0; k < r->count; k++) {
		struct piece *p = &r->pieces[k];
		if (p->index != index || !slice_eq(p->base, base))
			continue;
		if (found)
			NOTE(r->v, param_duplicate);
		else
			found = p;
		p->used = true;
	}
	return found;
}

/* Joins name*0, name*1, ... ; false when there is no piece 0. */
static bool pieces_join(struct reader *r, struct slice base, struct mail_param *out)
{
	BUF_LOCAL(raw, r->s.n * 2);
	BUF_LOCAL(octets, r->s.n * 2);
	struct slice charset = SLICE_NONE;
	int n = 0;
	for (struct piece *p; (p = piece_find(r, base, n)); n++) {
		struct slice value = p->value;
		if (n && p < piece_find(r, base, n - 1))
			NOTE(r->v, param_pieces);
		buf_put(&raw, value);
		if (p->extended && n == 0)
			charset = charset_split(&value, &r->v->defects);
		out->extended |= p->extended;
		if (p->extended)
			percent_decode(value, &octets, &r->v->defects);
		else
			buf_put(&octets, value);
		if (p->extended && n && !out->extended)
			NOTE(r->v, param_pieces);
	}
	for (size_t k = 0; k < r->count; k++) {
		struct piece *p = &r->pieces[k];
		if (p->index >= n && slice_eq(p->base, base)) {
			NOTE(r->v, param_pieces);
			p->used = true;
		}
	}
	if (n == 0)
		return false;
	BUF_LOCAL(text, octets.n * 4 + 4);
	if (out->extended)
		text_decode(charset, buf_slice(&octets), &text, &r->v->defects);
	else
		r->v->defects |= mail_words_decode(buf_slice(&octets), &text);
	out->raw = arena_dup(r->a, buf_slice(&raw));
	out->text = arena_dup(r->a, buf_slice(&text));
	return true;
}

static void extended_decode(struct reader *r, const struct piece *p, struct mail_param *out)
{
	struct slice value = p->value;
	struct slice charset = charset_split(&value, &r->v->defects);
	BUF_LOCAL(octets, value.n);
	percent_decode(value, &octets, &r->v->defects);
	BUF_LOCAL(text, octets.n * 4 + 4);
	text_decode(charset, buf_slice(&octets), &text, &r->v->defects);
	*out = (struct mail_param){.name = p->base, .raw = p->value, .extended = true};
	out->text = arena_dup(r->a, buf_slice(&text));
}

/* Nothing in it to decode. */
static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 32 || s.p[i] == 127 || (s.p[i] == '=' && i + 1 < s.n && s.p[i + 1] == '?'))
			return false;
	return true;
}

static void plain_decode(struct reader *r, const struct piece *p, struct mail_param *out)
{
	*out = (struct mail_param){.name = p->base, .raw = p->value, .text = p->value};
	if (printable(p->value))
		return;
	BUF_LOCAL(text, p->value.n * 4 + 4);
	if (slice_search(p->value, SLICE("=?")) >= 0) {
		NOTE(r->v, param_word);
		r->v->defects |= mail_words_decode(p->value, &text);
	} else {
		text_decode(SLICE_NONE, p->value, &text, &r->v->defects);
	}
	out->text = arena_dup(r->a, buf_slice(&text));
}

static struct slice extension(struct slice name)
{
	ptrdiff_t dot = slice_rfind(name, '.');
	return dot < 0 ? SLICE_NONE : slice_sub(name, (size_t)dot, name.n);
}

/* Two forms of one parameter: names may lose letters in the plain form, but not their extension. */
static void forms_compare(struct reader *r, const struct mail_param *a, const struct mail_param *b)
{
	bool file = slice_eq(a->name, SLICE("filename")) || slice_eq(a->name, SLICE("name"));
	if (a->starred == b->starred) {
		NOTE(r->v, param_duplicate);
		return;
	}
	NOTE(r->v, param_two_forms);
	if (file ? !slice_ieq(extension(a->text), extension(b->text)) : !slice_eq(a->text, b->text))
		NOTE(r->v, param_forms_differ);
}

/* Appends a parameter to the list; *end is where the next one goes. */
static struct mail_param *param_add(
    struct reader *r, struct mail_param ***end, const struct mail_param *param)
{
	struct mail_param *p = arena_new(r->a, struct mail_param);
	if (!p)
		return NULL;
	*p = *param;
	p->next = NULL;
	for (const struct mail_param *other = r->v->params; other; other = other->next)
		if (slice_eq(other->name, p->name))
			forms_compare(r, other, p);
	**end = p;
	*end = &p->next;
	return p;
}

/* Plain parameters as they stand, then those in the forms of RFC 2231, each joined to one. */
static void params_build(struct reader *r)
{
	struct mail_param **end = &r->v->params;
	for (size_t k = 0; k < r->count; k++) {
		struct piece *p = &r->pieces[k];
		struct mail_param param = {0};
		if (p->index >= 0 || p->extended)
			continue;
		plain_decode(r, p, &param);
		p->used = true;
		if (!param_add(r, &end, &param))
			return;
	}
	for (size_t k = 0; k < r->count; k++) {
		struct piece *p = &r->pieces[k];
		struct mail_param param = {.name = p->base};
		if (p->used)
			continue;
		if (p->index < 0)
			extended_decode(r, p, &param);
		else if (!pieces_join(r, p->base, &param))
			param.raw = param.text = SLICE("");
		param.starred = true;
		p->used = true;
		if (!param_add(r, &end, &param))
			return;
	}
}

void mail_value_parse(struct slice value, bool slash, struct arena *a, struct mail_value *out)
{
	*out = (struct mail_value){0};
	struct reader reader, *r = &reader;
	r->s = mail_unfold(value, a);
	r->i = 0;
	r->a = a;
	r->v = out;
	r->text_until = 0;
	r->count = 0;
	type_read(r, slash);
	while (r->i < r->s.n) {
		if (at(r, ';') || mail_is(r->s.p[r->i], MAIL_WHITE))
			r->i++;
		else if (at(r, '('))
			comment_skip(r);
		else
			param_read(r);
	}
	params_build(r);
}

const struct mail_param *mail_param_get(const struct mail_value *v, struct slice name)
{
	const struct mail_param *found = NULL;
	for (const struct mail_param *p = v->params; p; p = p->next)
		if (slice_eq(p->name, name) && (!found || p->starred > found->starred))
			found = p;
	return found;
}
