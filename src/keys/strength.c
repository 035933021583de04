#include "keys/strength.h"

#define WORD_LEAST 4 /* octets: shorter ones are in too much */
#define RUN_LEAST 3  /* characters */

static const char *const rows[] = {
    "abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv"};
static const char *const everywhere[] = {"password", "passwort", "sekisho", "mail", "welcome",
    "\xe9\x96\xa2\xe6\x89\x80", "\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89"};

static size_t characters(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* ---- how much of it is new ---- */

/* Octets at the start of `s` that are this word; 0: it does not begin so. */
static size_t begins(struct slice s, struct slice word)
{
	return word.n >= WORD_LEAST && slice_istarts(s, word) ? word.n : 0;
}

/* The longest of the words in `text`, which the octets of `cuts` divide, that s begins with. */
static size_t begins_any(struct slice s, struct slice text, const char *cuts)
{
	size_t longest = 0;
	while (text.n) {
		size_t n = 0;
		while (n < text.n && !strchr(cuts, text.p[n]))
			n++;
		longest = MAX(longest, begins(s, slice_sub(text, 0, n)));
		text = slice_sub(text, n + 1, text.n);
	}
	return longest;
}

static int place_in(const char *row, char c)
{
	const char *at = c ? strchr(row, c) : NULL;
	return at ? (int)(at - row) : -1;
}

/* Octets at the start that go along a row, up or down, or stay on one character. */
static size_t run_along(struct slice s, const char *row, int by)
{
	size_t n = 1;
	int at = place_in(row, ascii_lower(s.p[0]));
	while (at >= 0 && n < s.n && (at += by) >= 0 && place_in(row, ascii_lower(s.p[n])) == at)
		n++;
	return n;
}

static size_t run_of(struct slice s)
{
	size_t longest = 1;
	while (longest < s.n && s.p[longest] == s.p[0])
		longest++;
	for (size_t i = 0; i < COUNT(rows); i++)
		longest = MAX(longest, MAX(run_along(s, rows[i], 1), run_along(s, rows[i], -1)));
	return longest >= RUN_LEAST ? longest : 0;
}

/* Octets at the start that were there before. */
static size_t again(struct slice all, size_t at)
{
	size_t longest = 0;
	for (size_t from = 0; from < at; from++) {
		size_t n = 0;
		while (at + n < all.n && from + n < at && all.p[from + n] == all.p[at + n])
			n++;
		longest = MAX(longest, n);
	}
	return longest >= RUN_LEAST ? longest : 0;
}

static size_t known(const struct strength *of, struct slice all, size_t at)
{
	struct slice rest = slice_sub(all, at, all.n);
	size_t n = MAX(run_of(rest), again(all, at));
	n = MAX(n, begins(rest, of->login));
	n = MAX(n, begins_any(rest, of->login, "@.-_+"));
	n = MAX(n, begins_any(rest, of->words, "\n"));
	n = MAX(n, begins_any(rest, of->words, "\n .-_"));
	for (size_t i = 0; i < COUNT(everywhere); i++)
		n = MAX(n, begins(rest, slice_str(everywhere[i])));
	return n;
}

/* Characters, where each known piece counts as one. */
static size_t news(const struct strength *of, struct slice password)
{
	size_t n = 0;
	for (size_t at = 0; at < password.n; n++) {
		size_t skip = known(of, password, at);
		if (!skip)
			for (skip = 1; at + skip < password.n && (password.p[at + skip] & 0xc0) == 0x80;)
				skip++;
		at += skip;
	}
	return n;
}

/* ---- the list ---- */

static bool is_letter(char c)
{
	return ascii_alpha(c) || (unsigned char)c >= 0x80;
}

/* Without the digits and signs around it. */
static struct slice bare(struct slice s)
{
	while (s.n && !is_letter(s.p[0]))
		s = slice_sub(s, 1, s.n);
	while (s.n && !is_letter(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The piece that it says over and over; itself when it does not. */
static struct slice period(struct slice s)
{
	for (size_t n = 1; n <= s.n / 2; n++)
		if (memcmp(s.p, s.p + n, s.n - n) == 0)
			return slice_sub(s, 0, n);
	return s;
}

static bool is_common(struct slice password, size_t least)
{
	BUF_LOCAL(lower, LIMIT_PASSWORD);
	for (size_t i = 0; i < password.n; i++)
		buf_putc(&lower, ascii_lower(password.p[i]));
	struct slice all = buf_slice(&lower), core = bare(all);
	/* Signs in number are as good as letters. */
	bool decorated = core.n >= WORD_LEAST && all.n - core.n < least / 2;
	bool found = common_has(all) || common_has(period(all)) || (decorated && common_has(core)) ||
		     (decorated && common_has(period(core)));
	explicit_bzero(lower.p, lower.n);
	return found;
}

const char *strength_fault(const struct strength *of, struct slice password)
{
	size_t least = of->factor ? STRENGTH_LEAST_WITH_FACTOR : STRENGTH_LEAST;
	if (characters(password) < least)
		return of->factor ? "the password needs at least 8 characters"
				  : "the password needs at least 15 characters (8 with a second factor)";
	if (is_common(password, least))
		return "the password is on a list of common or leaked ones";
	if (news(of, password) < (least + 1) / 2)
		return "the password can be guessed: it is made of names, runs or repetitions";
	return NULL;
}
