#include "imapc/parse.h"
#include "ipc/ipc.h"
#include "mail/date.h"

bool imapc_literal(struct slice line, uint64_t *n_out)
{
	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	ptrdiff_t at = slice_rfind(line, '{');
	if (at < 0)
		return false;
	struct slice digits = slice_sub(line, (size_t)at + 1, line.n - (size_t)at - 2);
	if (digits.n && digits.p[digits.n - 1] == '+')
		digits.n--;
	return num_u64(digits, UINT32_MAX, n_out) == OK;
}

static bool is_word(struct slice w)
{
	static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
	for (size_t i = 0; i < COUNT(words); i++)
		if (slice_ieq(w, slice_str(words[i])))
			return true;
	return false;
}

bool imapc_is_status(struct slice first_line)
{
	if (slice_starts(first_line, SLICE("+")))
		return true;
	slice_split(&first_line, ' ');
	return is_word(slice_split(&first_line, ' '));
}

enum result imapc_reply_parse(struct slice text, struct imapc_reply *out)
{
	*out = (struct imapc_reply){0};
	if (slice_iends(text, SLICE("\r\n")))
		text.n -= 2;
	if (slice_starts(text, SLICE("+"))) {
		out->kind = IMAPC_CONTINUE;
		out->rest = slice_sub(text, text.n > 1 && text.p[1] == ' ' ? 2 : 1, text.n);
		return OK;
	}
	out->tag = slice_split(&text, ' ');
	out->kind = slice_eq(out->tag, SLICE("*")) ? IMAPC_UNTAGGED : IMAPC_TAGGED;
	out->word = slice_split(&text, ' ');
	if (out->kind == IMAPC_UNTAGGED && num_u32(out->word, UINT32_MAX, &out->number) == OK) {
		out->numbered = true;
		out->word = slice_split(&text, ' ');
	}
	out->rest = text;
	return out->tag.n && out->word.n ? OK : BAD;
}

bool imapc_code(struct slice rest, struct slice *code_out, struct slice *argument_out)
{
	if (!slice_starts(rest, SLICE("[")))
		return false;
	ptrdiff_t end = slice_find(rest, ']');
	if (end < 0)
		return false;
	*argument_out = slice_sub(rest, 1, (size_t)end - 1);
	*code_out = slice_split(argument_out, ' ');
	return true;
}

/* ---- values ---- */

enum value_kind { VALUE_NIL, VALUE_ATOM, VALUE_STRING };
struct value {
	enum value_kind kind;
	struct slice text;
};

/* ATOM-CHAR, and what stands in section names and flags as servers send them. */
static bool is_atom(char c)
{
	return (unsigned char)c > ' ' && c != '(' && c != ')' && c != '"' && c != '{' && c != 0x7f;
}

static struct slice take_quoted(struct cursor *c, struct arena *a)
{
	cursor_need(c, '"');
	char *p = arena_alloc(a, c->rest.n + 1);
	size_t n = 0;
	while (p) {
		int ch = cursor_take(c);
		if (ch == '"')
			return slice_of(p, n);
		if (ch == '\\')
			ch = cursor_take(c);
		if (ch < 0)
			break;
		p[n++] = (char)ch;
	}
	cursor_fail(c);
	return SLICE_NONE;
}

static struct slice take_literal(struct cursor *c)
{
	cursor_need(c, '{');
	uint64_t n = cursor_u64(c, UINT32_MAX);
	cursor_try(c, '+');
	cursor_need(c, '}');
	cursor_need(c, '\r');
	cursor_need(c, '\n');
	return cursor_bytes(c, n);
}

/* A string in a message of 50 MB is a literal; quoted ones are short lines, copied without their escapes. */
static struct value take_value(struct cursor *c, struct arena *a)
{
	int next = cursor_peek(c);
	if (next == '~') {
		cursor_take(c);
		next = cursor_peek(c);
	}
	if (next == '"')
		return (struct value){VALUE_STRING, take_quoted(c, a)};
	if (next == '{')
		return (struct value){VALUE_STRING, take_literal(c)};
	struct slice atom = cursor_while1(c, is_atom);
	return (struct value){slice_ieq(atom, SLICE("NIL")) ? VALUE_NIL : VALUE_ATOM, atom};
}

/* Whatever stands there: a value or a list of any depth up to the limit. */
static void skip_value(struct cursor *c, struct arena *a)
{
	unsigned depth = 0;
	do {
		cursor_blanks(c);
		if (cursor_try(c, '(')) {
			if (++depth > LIMIT_IMAP_DEPTH)
				cursor_fail(c);
		} else if (depth && cursor_try(c, ')')) {
			depth--;
		} else {
			take_value(c, a);
		}
	} while (depth && c->err == OK);
}

/* ---- LIST ---- */

static unsigned attribute_of(struct slice name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {{"\\Noselect", IMAPC_NOSELECT}, {"\\NonExistent", IMAPC_NOSELECT},
	    {"\\Sent", IMAPC_SENT}, {"\\Drafts", IMAPC_DRAFTS}, {"\\Junk", IMAPC_JUNK},
	    {"\\Spam", IMAPC_JUNK}, {"\\Trash", IMAPC_TRASH}, {"\\Archive", IMAPC_ARCHIVE},
	    {"\\All", IMAPC_ALL}, {"\\AllMail", IMAPC_ALL}, {"\\Flagged", IMAPC_FLAGGED},
	    {"\\Starred", IMAPC_FLAGGED}, {"\\Important", IMAPC_FLAGGED}, {"\\Subscribed", IMAPC_SUBSCRIBED}};
	for (size_t i = 0; i < COUNT(known); i++)
		if (slice_ieq(name, slice_str(known[i].name)))
			return known[i].bit;
	return 0;
}

enum result imapc_list_parse(struct slice rest, struct arena *a, struct imapc_folder *out)
{
	struct cursor c = cursor_of(rest);
	*out = (struct imapc_folder){0};
	cursor_need(&c, '(');
	while (c.err == OK && !cursor_try(&c, ')')) {
		out->attributes |= attribute_of(cursor_while1(&c, is_atom));
		cursor_blanks(&c);
	}
	cursor_need(&c, ' ');
	struct value divider = take_value(&c, a);
	if (divider.kind != VALUE_NIL && divider.text.n == 1)
		out->divider = divider.text.p[0];
	cursor_need(&c, ' ');
	out->name = take_value(&c, a).text;
	return c.err == OK && out->name.n && !arena_full(a) ? OK : BAD;
}

enum result imapc_namespace_parse(struct slice rest, struct arena *a, struct slice *prefix_out)
{
	struct cursor c = cursor_of(rest);
	*prefix_out = SLICE_NONE;
	if (cursor_try_word(&c, SLICE("NIL")))
		return OK;
	cursor_need(&c, '(');
	cursor_need(&c, '(');
	struct value v = take_value(&c, a);
	if (c.err == OK && v.kind == VALUE_STRING)
		*prefix_out = v.text;
	return c.err;
}

/* ---- FETCH ---- */

static void put_flag(struct imapc_message *m, struct slice name)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {{"\\Seen", SEKISHO__FLAG__FLAG_SEEN}, {"\\Answered", SEKISHO__FLAG__FLAG_ANSWERED},
	    {"\\Flagged", SEKISHO__FLAG__FLAG_FLAGGED}, {"\\Deleted", SEKISHO__FLAG__FLAG_DELETED},
	    {"\\Draft", SEKISHO__FLAG__FLAG_DRAFT}};
	for (size_t i = 0; i < COUNT(known); i++)
		if (slice_ieq(name, slice_str(known[i].name))) {
			m->flags |= known[i].bit;
			return;
		}
	if (name.n && name.p[0] != '\\' && m->n_keywords < IMAPC_KEYWORDS)
		m->keywords[m->n_keywords++] = name;
}

static void take_flags(struct cursor *c, struct imapc_message *m)
{
	cursor_need(c, '(');
	while (c->err == OK && !cursor_try(c, ')')) {
		put_flag(m, cursor_while1(c, is_atom));
		cursor_blanks(c);
	}
	m->has_flags = c->err == OK;
}

static void take_item(struct cursor *c, struct arena *a, struct slice name, struct imapc_message *m)
{
	struct mail_date date;
	if (slice_ieq(name, SLICE("UID"))) {
		m->uid = (uint32_t)cursor_u64(c, UINT32_MAX);
		m->has_uid = c->err == OK && m->uid;
	} else if (slice_ieq(name, SLICE("FLAGS"))) {
		take_flags(c, m);
	} else if (slice_ieq(name, SLICE("RFC822.SIZE"))) {
		m->size = cursor_u64(c, INT64_MAX);
	} else if (slice_ieq(name, SLICE("INTERNALDATE"))) {
		if (mail_imap_date_parse(take_value(c, a).text, &date) == OK)
			m->internal_ms = date.ms;
	} else if (slice_ieq(name, SLICE("BODY[]"))) {
		struct value v = take_value(c, a);
		m->has_body = v.kind == VALUE_STRING;
		m->body = v.text;
	} else {
		skip_value(c, a);
	}
}

enum result imapc_fetch_parse(struct slice rest, struct arena *a, struct imapc_message *out)
{
	struct cursor c = cursor_of(rest);
	uint32_t seq = out->seq;
	*out = (struct imapc_message){.seq = seq};
	cursor_need(&c, '(');
	cursor_blanks(&c);
	while (c.err == OK && !cursor_try(&c, ')')) {
		struct slice name = cursor_while1(&c, is_atom);
		cursor_blanks(&c);
		take_item(&c, a, name, out);
		cursor_blanks(&c);
	}
	return arena_full(a) ? FULL : cursor_done(&c);
}
