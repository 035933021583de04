/* lex: octets to tokens, RFC 5228 8.1. Lines may end in CRLF or LF; a script need not end its last one. */
#include "sieve/inside.h"

static int peek(const struct sieve_lexer *l, size_t ahead)
{
	return l->at + ahead < l->text.n ? (unsigned char)l->text.p[l->at + ahead] : -1;
}

static void step(struct sieve_lexer *l)
{
	if (l->text.p[l->at++] == '\n') {
		l->line++;
		l->line_start = l->at;
	}
}

static uint32_t column(const struct sieve_lexer *l)
{
	return (uint32_t)(l->at - l->line_start) + 1;
}

#define SAY(l, ...) sieve_say((l)->c, (l)->token_line, (l)->token_column, __VA_ARGS__)

/* Blanks and comments; false when a comment does not end. */
static bool skip(struct sieve_lexer *l)
{
	for (int c; (c = peek(l, 0)) >= 0;) {
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			step(l);
		} else if (c == '#') {
			while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
				step(l);
		} else if (c == '/' && peek(l, 1) == '*') {
			l->token_line = l->line;
			l->token_column = column(l);
			step(l);
			step(l);
			while (peek(l, 0) >= 0 && !(peek(l, 0) == '*' && peek(l, 1) == '/'))
				step(l);
			if (peek(l, 0) < 0) {
				SAY(l, "this comment does not end");
				return false;
			}
			step(l);
			step(l);
		} else {
			return true;
		}
	}
	return true;
}

static bool name_char(int c)
{
	return c >= 0 && (ascii_alpha((char)c) || ascii_digit((char)c) || c == '_');
}

/* An identifier, cut when it is too long so that the parser can go on. */
static struct slice take_name(struct sieve_lexer *l)
{
	size_t from = l->at;
	while (name_char(peek(l, 0)))
		step(l);
	struct slice name = slice_sub(l->text, from, l->at - from);
	if (name.n <= LIMIT_SIEVE_IDENTIFIER)
		return name;
	SAY(l, "this identifier is longer than %d characters", LIMIT_SIEVE_IDENTIFIER);
	return slice_sub(name, 0, LIMIT_SIEVE_IDENTIFIER);
}

static void number(struct sieve_lexer *l)
{
	bool fits = true;
	l->token = SIEVE_T_NUMBER;
	l->number = 0;
	while (ascii_digit((char)peek(l, 0))) {
		fits = fits && mul_ok(l->number, (uint64_t)10, &l->number) &&
		       add_ok(l->number, (uint64_t)(peek(l, 0) - '0'), &l->number);
		step(l);
	}
	uint64_t unit = 1;
	int c = peek(l, 0) >= 0 ? ascii_upper((char)peek(l, 0)) : -1;
	if (c == 'K' || c == 'M' || c == 'G') {
		unit = c == 'K' ? 1024 : c == 'M' ? 1048576 : 1073741824;
		step(l);
	}
	fits = fits && mul_ok(l->number, unit, &l->number);
	if (!fits) {
		SAY(l, "this number is too large");
		l->number = 0;
	}
}

/* "..." with \" and \\; another backslash stands for what follows it. */
static void quoted(struct sieve_lexer *l)
{
	step(l);
	size_t from = l->at;
	bool escapes = false;
	size_t bare = 0; /* line ends that lack their CR */
	while (peek(l, 0) >= 0 && peek(l, 0) != '"') {
		bare += peek(l, 0) == '\n';
		if (peek(l, 0) == '\\' && peek(l, 1) >= 0) {
			escapes = true;
			step(l);
		}
		step(l);
	}
	l->token = SIEVE_T_STRING;
	l->string = slice_sub(l->text, from, l->at - from);
	if (peek(l, 0) < 0) {
		SAY(l, "this string does not end");
		l->token = SIEVE_T_BAD;
		return;
	}
	step(l);
	if (!escapes && !bare)
		return;
	char *p = arena_alloc(l->c->a, l->string.n + bare);
	size_t n = 0;
	for (size_t i = 0; p && i < l->string.n; i++) {
		if (l->string.p[i] == '\\' && i + 1 < l->string.n)
			i++;
		else if (l->string.p[i] == '\n' && (i == 0 || l->string.p[i - 1] != '\r'))
			p[n++] = '\r';
		p[n++] = l->string.p[i];
	}
	l->string = slice_of(p, n);
}

/* text: ... up to a line with one dot; "text:" was taken. Line ends become CRLF. */
static void multiline(struct sieve_lexer *l)
{
	l->token = SIEVE_T_BAD;
	while (peek(l, 0) == ' ' || peek(l, 0) == '\t')
		step(l);
	if (peek(l, 0) == '#')
		while (peek(l, 0) >= 0 && peek(l, 0) != '\n')
			step(l);
	if (peek(l, 0) == '\r')
		step(l);
	if (peek(l, 0) != '\n') {
		SAY(l, "after text: only a comment may stand on the line");
		return;
	}
	step(l);
	struct slice rest = slice_sub(l->text, l->at, l->text.n), whole = rest;
	size_t lines = 0, n = 0;
	for (; whole.n; lines++) {
		struct slice line = slice_split(&whole, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (slice_eq(line, SLICE(".")))
			break;
		n += line.n + 2;
	}
	char *p = arena_alloc(l->c->a, n + 1);
	if (!p)
		return;
	size_t at = 0;
	while (rest.n) {
		struct slice line = slice_split(&rest, '\n');
		size_t took = line.n + 1;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		for (size_t i = 0; i < took && l->at < l->text.n; i++)
			step(l);
		if (slice_eq(line, SLICE("."))) {
			l->token = SIEVE_T_STRING;
			l->string = slice_of(p, at);
			return;
		}
		if (slice_starts(line, SLICE("..")))
			line = slice_sub(line, 1, line.n);
		if (line.n)
			memcpy(p + at, line.p, line.n);
		at += line.n;
		p[at++] = '\r';
		p[at++] = '\n';
	}
	SAY(l, "this text does not end with a line that is one dot");
}

static void garbage(struct sieve_lexer *l)
{
	int c = peek(l, 0);
	if (c > 32 && c < 127)
		SAY(l, "unexpected character '%c'", c);
	else
		SAY(l, "unexpected octet 0x%02x", (unsigned)c);
	l->token = SIEVE_T_BAD;
	while (peek(l, 0) == c)
		step(l);
}

void sieve_lex_next(struct sieve_lexer *l)
{
	bool whole = skip(l);
	int c = peek(l, 0);
	if (whole || c >= 0) {
		l->token_line = l->line;
		l->token_column = column(l);
	}
	if (c < 0) {
		l->token = SIEVE_T_END;
	} else if (c == ':' && name_char(peek(l, 1))) {
		step(l);
		l->token = SIEVE_T_TAG;
		l->string = take_name(l);
	} else if (ascii_digit((char)c)) {
		number(l);
	} else if (name_char(c)) {
		l->token = SIEVE_T_NAME;
		l->string = take_name(l);
		if (peek(l, 0) == ':' && slice_ieq(l->string, SLICE("text"))) {
			step(l);
			multiline(l);
		}
	} else if (c == '"') {
		quoted(l);
	} else if (strchr("()[]{},;", c)) {
		step(l);
		l->token = SIEVE_T_MARK;
		l->mark = (char)c;
	} else {
		garbage(l);
	}
}
