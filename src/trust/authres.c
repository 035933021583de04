#include "trust/authres.h"
#include "trust/name.h"

#define NOTE_MOST 200
#define VALUE_MOST 320

/* ---- writing ---- */

static bool is_token(char c)
{
	return c > ' ' && c <= '~' && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool all_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token(s.p[i]))
			return false;
	return s.n > 0;
}

void authres_begin(struct authres_writer *w, struct buf *out, const char *id)
{
	*w = (struct authres_writer){.out = out};
	buf_printf(out, AUTHRES_FIELD ": %s", id);
}

static void put_note(struct buf *out, const char *note)
{
	struct slice text = slice_sub(slice_str(note), 0, NOTE_MOST);
	buf_puts(out, " (");
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		buf_putc(out, c < ' ' || c > '~' || strchr("()\\", c) ? '?' : c);
	}
	buf_putc(out, ')');
}

void authres_method(struct authres_writer *w, const char *method, const char *result, const char *note)
{
	w->methods++;
	buf_printf(w->out, ";\r\n\t%s=%s", method, result);
	if (note && *note)
		put_note(w->out, note);
}

static void put_quoted(struct buf *out, struct slice value)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, c < ' ' || c > '~' ? '?' : c);
	}
	buf_putc(out, '"');
}

void authres_property(struct authres_writer *w, const char *type, const char *property, struct slice value)
{
	value = slice_sub(value, 0, VALUE_MOST);
	if (value.n == 0)
		return;
	buf_printf(w->out, "%s%s.%s=", value.n > 40 ? "\r\n\t " : " ", type, property);
	if (all_token(value))
		buf_put(w->out, value);
	else
		put_quoted(w->out, value);
}

void authres_address(
    struct authres_writer *w, const char *type, const char *property, struct slice local, struct slice domain)
{
	if (!all_token(local) || !all_token(domain) || local.n + domain.n >= VALUE_MOST) {
		authres_property(w, type, property, domain);
		return;
	}
	buf_printf(w->out, "%s%s.%s=" SLICE_FMT "@" SLICE_FMT, local.n + domain.n > 40 ? "\r\n\t " : " ",
	    type, property, SLICE_ARG(local), SLICE_ARG(domain));
}

void authres_end(struct authres_writer *w)
{
	buf_puts(w->out, w->methods ? "\r\n" : "; none\r\n");
}

/* ---- reading ---- */

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks and comments; a comment that does not end is an error. */
static void skip(struct cursor *c)
{
	for (;;) {
		(void)cursor_while(c, is_white);
		if (!cursor_try(c, '('))
			return;
		for (unsigned depth = 1; depth && c->err == OK;) {
			int ch = cursor_take(c);
			if (ch == '\\')
				(void)cursor_take(c);
			else if (ch == '(')
				depth++;
			else if (ch == ')')
				depth--;
		}
	}
}

static bool is_keyword(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

static bool is_plain(char c)
{
	return c > ' ' && c != ';' && c != '(' && c != '"' && c != 127;
}

/* A quoted string, or everything up to a blank, ";" or comment; "a"@b is one value too. */
static struct slice value_read(struct cursor *c, struct arena *a)
{
	BUF_LOCAL(text, c->rest.n + 1);
	while (c->err == OK) {
		buf_put(&text, cursor_while(c, is_plain));
		if (!cursor_try(c, '"'))
			break;
		while (c->err == OK && !cursor_try(c, '"')) {
			int ch = cursor_take(c);
			if (ch == '\\')
				ch = cursor_take(c);
			if (ch >= 0)
				buf_putc(&text, (char)ch);
		}
	}
	return arena_dup(a, buf_slice(&text));
}

static void reason_or_property(
    struct cursor *c, struct arena *a, struct authres_result *r, struct authres_prop ***end)
{
	struct slice type = cursor_while1(c, is_keyword), property = SLICE_NONE;
	skip(c);
	if (cursor_try(c, '.')) {
		skip(c);
		property = cursor_while1(c, is_keyword);
		skip(c);
	} else if (!slice_ieq(type, SLICE("reason"))) {
		cursor_fail(c);
	}
	cursor_need(c, '=');
	skip(c);
	struct slice value = value_read(c, a);
	skip(c);
	if (c->err != OK)
		return;
	if (property.n == 0) {
		r->reason = value;
		return;
	}
	struct authres_prop *p = arena_new(a, struct authres_prop);
	if (!p)
		return;
	*p = (struct authres_prop){.type = type, .property = property, .value = value};
	**end = p;
	*end = &p->next;
}

/* "method/1=result reason=... type.property=value ..." up to ";" */
static struct authres_result *result_read(struct cursor *c, struct arena *a)
{
	struct authres_result *r = arena_new(a, struct authres_result);
	struct authres_prop **end = r ? &r->props : NULL;
	if (!r)
		return NULL;
	r->method = cursor_while1(c, is_keyword);
	skip(c);
	if (cursor_try(c, '/')) {
		skip(c);
		(void)cursor_while1(c, ascii_digit);
		skip(c);
	}
	cursor_need(c, '=');
	skip(c);
	r->result = cursor_while1(c, is_keyword);
	skip(c);
	while (c->err == OK && !cursor_end(c) && cursor_peek(c) != ';')
		reason_or_property(c, a, r, &end);
	return c->err == OK ? r : NULL;
}

/* The name of the server and, perhaps, a version. */
static struct slice id_read(struct cursor *c, struct arena *a)
{
	skip(c);
	struct slice id = value_read(c, a);
	skip(c);
	(void)cursor_while(c, ascii_digit);
	skip(c);
	if (!cursor_end(c) && cursor_peek(c) != ';')
		cursor_fail(c);
	return id;
}

enum result authres_parse(struct slice value, struct arena *a, struct authres *out)
{
	struct cursor c = cursor_of(value);
	struct authres_result **end = &out->results;
	*out = (struct authres){.id = id_read(&c, a)};
	while (c.err == OK && cursor_try(&c, ';')) {
		skip(&c);
		if (cursor_end(&c) || (out->results == NULL && cursor_try_word(&c, SLICE("none")))) {
			skip(&c);
			continue;
		}
		struct authres_result *r = result_read(&c, a);
		if (!r)
			break;
		*end = r;
		end = &r->next;
	}
	return arena_full(a) ? FULL : cursor_done(&c);
}

struct slice authres_get(const struct authres_result *r, struct slice type, struct slice property)
{
	for (const struct authres_prop *p = r->props; p; p = p->next)
		if (slice_ieq(p->type, type) && slice_ieq(p->property, property))
			return p->value;
	return SLICE_NONE;
}

bool authres_claims(struct slice value, struct slice id)
{
	ARENA_LOCAL(a, LIMIT_HEADER_FIELD * 2);
	struct cursor c = cursor_of(slice_sub(value, 0, LIMIT_HEADER_FIELD));
	skip(&c);
	struct slice named = trust_name_bare(value_read(&c, &a));
	return c.err != OK || named.n == 0 || arena_full(&a) || slice_find(named, '\0') >= 0 ||
	       trust_name_within(named, id);
}
