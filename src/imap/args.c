#include "args.h"
#include "chars.h"
#include "ipc/store.pb-c.h"
#include "mail/date.h"
#include "utf7.h"

void imap_args_fail(struct imap_args *p, const char *why)
{
	if (p->c.err == OK)
		p->why = why;
	cursor_fail(&p->c);
}

enum result imap_args_done(const struct imap_args *p)
{
	return cursor_done(&p->c);
}

struct slice imap_args_atom(struct imap_args *p)
{
	return cursor_while1(&p->c, imap_is_atom);
}

struct slice imap_args_tag(struct imap_args *p)
{
	return cursor_while1(&p->c, imap_is_tag);
}

static bool is_word(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-' || c == '=';
}

struct slice imap_args_word(struct imap_args *p)
{
	return cursor_while1(&p->c, is_word);
}

uint32_t imap_args_number(struct imap_args *p)
{
	return (uint32_t)cursor_u64(&p->c, UINT32_MAX);
}

uint64_t imap_args_number64(struct imap_args *p)
{
	return cursor_u64(&p->c, INT64_MAX);
}

void imap_args_set(struct imap_args *p, struct runs *out)
{
	imap_set_parse(&p->c, p->arena, out);
}

/* The octets of a quoted string behind its escapes. */
static struct slice unescape(struct imap_args *p, struct slice raw)
{
	char *out = arena_alloc(p->arena, raw.n);
	if (!out) {
		imap_args_fail(p, "Too much");
		return SLICE_NONE;
	}
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\')
			i++;
		out[n++] = raw.p[i];
	}
	return slice_of(out, n);
}

static struct slice quoted(struct imap_args *p)
{
	bool escaped = false, eight = false;
	struct slice rest = p->c.rest;
	for (size_t i = 0; i < rest.n; i++) {
		unsigned char c = (unsigned char)rest.p[i];
		if (c == '"') {
			struct slice raw = slice_sub(rest, 0, i);
			p->c.rest = slice_sub(rest, i + 1, rest.n);
			if (eight && !(p->utf8 && slice_is_utf8(raw))) {
				imap_args_fail(p, "Eight-bit octets in a quoted string");
				return SLICE_NONE;
			}
			return escaped ? unescape(p, raw) : raw;
		}
		if (c == '\\') {
			escaped = true;
			if (++i >= rest.n || (rest.p[i] != '"' && rest.p[i] != '\\'))
				break;
		} else if (c == 0 || c == '\r' || c == '\n') {
			break;
		}
		eight |= c > 0x7f;
	}
	imap_args_fail(p, "Broken quoted string");
	return SLICE_NONE;
}

/* After "{": the announcement was checked when it was read, but a broken command may hold one that was not. */
static struct slice literal(struct imap_args *p)
{
	uint64_t n = cursor_u64(&p->c, LIMIT_IMAP_LITERAL);
	cursor_try(&p->c, '+');
	cursor_need(&p->c, '}');
	cursor_need(&p->c, '\r');
	cursor_need(&p->c, '\n');
	struct slice s = cursor_bytes(&p->c, n);
	if (p->c.err == OK && s.n && memchr(s.p, 0, s.n)) {
		imap_args_fail(p, "A NUL in a literal");
		return SLICE_NONE;
	}
	return s;
}

struct slice imap_args_string(struct imap_args *p)
{
	if (cursor_try(&p->c, '"'))
		return quoted(p);
	if (cursor_try(&p->c, '{'))
		return literal(p);
	imap_args_fail(p, "A string was expected");
	return SLICE_NONE;
}

struct slice imap_args_astring(struct imap_args *p)
{
	int c = imap_args_peek(p);
	if (c == '"' || c == '{')
		return imap_args_string(p);
	return cursor_while1(&p->c, imap_is_astring);
}

bool imap_args_nstring(struct imap_args *p, struct slice *out)
{
	int c = imap_args_peek(p);
	*out = SLICE_NONE;
	if (c == '"' || c == '{') {
		*out = imap_args_string(p);
		return true;
	}
	if (!cursor_try_word(&p->c, SLICE("NIL")))
		imap_args_fail(p, "A string or NIL was expected");
	return false;
}

/* What no mailbox can be called is good grammar all the same: NO, not BAD. */
static struct slice checked_name(struct imap_args *p, struct slice name)
{
	if (!slice_is_utf8(name) || name.n > LIMIT_MAILBOX_NAME)
		return IMAP_NO_NAME;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return IMAP_NO_NAME;
	if (slice_ieq(name, SLICE("INBOX")))
		return SLICE("INBOX");
	if (!slice_istarts(name, SLICE("INBOX/")))
		return name;
	char *copy = arena_z(p->arena, name);
	if (!copy) {
		imap_args_fail(p, "Too much");
		return SLICE_NONE;
	}
	memcpy(copy, "INBOX", 5);
	return slice_of(copy, name.n);
}

struct slice imap_args_name(struct imap_args *p, struct slice utf8)
{
	return checked_name(p, utf8);
}

static struct slice decoded_name(struct imap_args *p, struct slice raw)
{
	if (p->c.err != OK)
		return SLICE_NONE;
	if (p->utf8 || slice_find(raw, '&') < 0) {
		if (!p->utf8 && !slice_is_ascii(raw)) {
			imap_args_fail(p, "Eight-bit octets in a mailbox name");
			return SLICE_NONE;
		}
		return checked_name(p, raw);
	}
	BUF_LOCAL(b, LIMIT_IMAP_LITERAL * 2);
	if (imap_utf7_decode(raw, &b) != OK)
		return IMAP_NO_NAME;
	return checked_name(p, arena_dup(p->arena, buf_slice(&b)));
}

struct slice imap_args_mailbox(struct imap_args *p)
{
	return decoded_name(p, imap_args_astring(p));
}

struct slice imap_args_pattern(struct imap_args *p)
{
	int c = imap_args_peek(p);
	if (c == '"' || c == '{')
		return decoded_name(p, imap_args_string(p));
	return decoded_name(p, cursor_while1(&p->c, imap_is_list));
}

static const struct {
	const char *name;
	uint32_t bit;
} system_flags[] = {
    {"Seen", SEKISHO__FLAG__FLAG_SEEN},
    {"Answered", SEKISHO__FLAG__FLAG_ANSWERED},
    {"Flagged", SEKISHO__FLAG__FLAG_FLAGGED},
    {"Deleted", SEKISHO__FLAG__FLAG_DELETED},
    {"Draft", SEKISHO__FLAG__FLAG_DRAFT},
};

static void add_keyword(struct imap_args *p, struct slice word, struct imap_flags *out)
{
	if (out->n == LIMIT_KEYWORDS) {
		imap_args_fail(p, "Too many keywords");
		return;
	}
	if (!out->keywords &&
	    !(out->keywords = arena_array(p->arena, LIMIT_KEYWORDS, sizeof *out->keywords))) {
		imap_args_fail(p, "Too much");
		return;
	}
	for (size_t i = 0; i < out->n; i++)
		if (slice_ieq(out->keywords[i], word))
			return;
	out->keywords[out->n++] = word;
}

static void one_flag(struct imap_args *p, struct imap_flags *out)
{
	if (!imap_args_try(p, '\\')) {
		struct slice word = imap_args_atom(p);
		if (word.n > LIMIT_KEYWORD)
			imap_args_fail(p, "A keyword too long");
		else if (p->c.err == OK)
			add_keyword(p, word, out);
		return;
	}
	struct slice word = imap_args_atom(p);
	for (size_t i = 0; i < COUNT(system_flags); i++)
		if (slice_ieq(word, slice_str(system_flags[i].name))) {
			out->system |= system_flags[i].bit;
			return;
		}
	imap_args_fail(p, "No such system flag");
}

void imap_args_flag_list(struct imap_args *p, struct imap_flags *out)
{
	*out = (struct imap_flags){0};
	imap_args_need(p, '(');
	if (imap_args_try(p, ')'))
		return;
	do
		one_flag(p, out);
	while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
}

void imap_args_store_flags(struct imap_args *p, struct imap_flags *out)
{
	if (imap_args_peek(p) == '(') {
		imap_args_flag_list(p, out);
		return;
	}
	*out = (struct imap_flags){0};
	do
		one_flag(p, out);
	while (imap_args_try(p, ' '));
}

/* ---- dates ---- */

static bool is_date(char c)
{
	return ascii_digit(c) || ascii_alpha(c) || c == '-';
}

int32_t imap_args_date(struct imap_args *p)
{
	bool in_quotes = imap_args_try(p, '"');
	struct slice text = cursor_while1(&p->c, is_date);
	int64_t ms = 0;
	if (in_quotes)
		imap_args_need(p, '"');
	if (p->c.err == OK && mail_imap_day_parse(text, &ms) != OK)
		imap_args_fail(p, "No such day");
	return (int32_t)(ms / DAY_MS);
}

int64_t imap_args_date_time(struct imap_args *p)
{
	struct mail_date date = {0};
	imap_args_need(p, '"');
	struct slice text = cursor_until(&p->c, '"');
	imap_args_need(p, '"');
	if (p->c.err == OK && mail_imap_date_parse(text, &date) != OK)
		imap_args_fail(p, "No such time");
	return date.ms;
}

bool imap_literal_at_end(struct slice line, struct imap_literal *out)
{
	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	ptrdiff_t open = slice_rfind(line, '{');
	if (open < 0)
		return false;
	struct slice digits = slice_sub(line, (size_t)open + 1, line.n - (size_t)open - 2);
	*out = (struct imap_literal){.width = line.n - (size_t)open};
	if (digits.n && digits.p[digits.n - 1] == '+') {
		out->nonsync = true;
		digits.n--;
	}
	if (open > 0 && line.p[open - 1] == '~') {
		out->binary = true;
		out->width++;
	}
	enum result r = num_u64(digits, INT64_MAX, &out->n);
	if (r == FULL) /* larger than anything: refused by its size, never taken for text */
		out->n = UINT64_MAX;
	return r != BAD;
}
