#include "trust/lookalike.h"
#include "mail/address.h"
#include "mail/utf8.h"
#include "trust/dmarc.h"
#include "trust/name.h"

#define LETTERS_MOST 63
#define LABEL_MOST (4 * (LETTERS_MOST + 16))

static const struct {
	const char *word, *en, *ja;
} kinds[] = {
#define KIND(name, word, en, ja) {word, en, ja},
#include "trust/lookalike.def"
};

static const char *const suffixes[] = {
#define SUFFIX(text) text,
#include "trust/lookalike.def"
};

static const char *const words[] = {
#define WORD(text) text,
#include "trust/lookalike.def"
};

static const struct pair {
	const char *one, *other;
} glyphs[] =
    {
#define GLYPH(one, other) {one, other},
#include "trust/lookalike.def"
},
  spellings[] =
      {
#define SPELLING(one, other) {one, other},
#include "trust/lookalike.def"
},
  letters[] = {
#define LETTER(latin, others) {latin, others},
#include "trust/lookalike.def"
};

static const char *const same[] = {
#define SAME(characters) characters,
#include "trust/lookalike.def"
};

static const char *const keyboard[] = {"1234567890-", "qwertyuiop", "asdfghjkl", "zxcvbnm"};

const char *lookalike_word(unsigned kind)
{
	return kind < COUNT(kinds) ? kinds[kind].word : "";
}

const char *lookalike_text(unsigned kind, bool japanese)
{
	return kind >= COUNT(kinds) ? "" : japanese ? kinds[kind].ja : kinds[kind].en;
}

/* ---- one name being varied ---- */

struct varied {
	struct arena *arena;
	struct slice ascii;          /* the registered name, A-labels */
	struct slice label, suffix;  /* its first label for people, and the rest */
	struct slice foreign_suffix; /* for labels that the own one does not take */
	uint32_t letter[LETTERS_MOST];
	size_t n;
	struct lookalike *list;
	size_t count;
};

/* LDH as a registry takes it: also no two hyphens where only A-labels have them. */
static bool label_ok(struct slice label)
{
	if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!ascii_alpha(label.p[i]) && !ascii_digit(label.p[i]) && label.p[i] != '-')
			return false;
	return label.n < 4 || label.p[2] != '-' || label.p[3] != '-' || slice_starts(label, SLICE("xn--"));
}

static bool is_known(const struct varied *v, struct slice name)
{
	for (size_t i = 0; i < v->count; i++)
		if (slice_eq(slice_str(v->list[i].name), name))
			return true;
	return slice_eq(name, v->ascii);
}

static void add_below(struct varied *v, enum lookalike_kind kind, struct slice label, struct slice suffix)
{
	struct slice ascii, first;
	char *shown = arena_printf(v->arena, SLICE_FMT "." SLICE_FMT, SLICE_ARG(label), SLICE_ARG(suffix));
	if (v->count == LIMIT_LOOKALIKES || !shown ||
	    mail_domain_ascii(slice_str(shown), v->arena, &ascii) != OK)
		return;
	struct slice rest = ascii;
	first = slice_split(&rest, '.');
	if (!label_ok(first) || !trust_name_ok(ascii) || is_known(v, ascii))
		return;
	v->list[v->count] = (struct lookalike){arena_z(v->arena, ascii), shown, kind};
	v->count += v->list[v->count].name != NULL;
}

static void add(struct varied *v, enum lookalike_kind kind, const struct buf *label)
{
	add_below(v, kind, buf_slice(label), v->suffix);
}

static void put_letters(const struct varied *v, size_t from, size_t to, struct buf *b)
{
	for (size_t i = from; i < to; i++)
		mail_utf8_put(b, v->letter[i]);
}

/* The label with `len` letters at `at` replaced by a text. */
static void put_replaced(const struct varied *v, size_t at, size_t len, struct slice by, struct buf *b)
{
	buf_clear(b);
	put_letters(v, 0, at, b);
	buf_put(b, by);
	put_letters(v, at + len, v->n, b);
}

/* ---- the kinds ---- */

static void other_suffixes(struct varied *v)
{
	for (size_t i = 0; i < COUNT(suffixes); i++)
		add_below(v, LOOKALIKE_SUFFIX, v->label, slice_str(suffixes[i]));
}

static void put_joined(struct slice text, const char *joint, struct buf *b)
{
	while (text.n) {
		buf_put(b, slice_split(&text, '.'));
		if (text.n)
			buf_puts(b, joint);
	}
}

/* example.co.jp: exampleco.jp, example-co.jp, examplecojp.com; mail.example.jp: mailexample.jp, mail-example.jp. */
static void joined(struct varied *v, struct slice whole)
{
	static const char *const joints[] = {"-", ""};
	struct slice rest = v->suffix, first = slice_split(&rest, '.');
	struct slice before = slice_sub(whole, 0, whole.n > v->ascii.n ? whole.n - v->ascii.n - 1 : 0);
	for (size_t i = 0; i < COUNT(joints); i++) {
		BUF_LOCAL(b, 4 * LIMIT_DNS_NAME + LABEL_MOST);
		buf_printf(&b, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(v->label), joints[i], SLICE_ARG(first));
		if (rest.n)
			add_below(v, LOOKALIKE_JOINED, buf_slice(&b), rest);
		buf_clear(&b);
		buf_printf(&b, SLICE_FMT "%s", SLICE_ARG(v->label), joints[i]);
		put_joined(v->suffix, joints[i], &b);
		add_below(v, LOOKALIKE_JOINED, buf_slice(&b), SLICE("com"));
		buf_clear(&b);
		put_joined(before, joints[i], &b);
		buf_puts(&b, joints[i]);
		buf_put(&b, v->label);
		if (before.n)
			add(v, LOOKALIKE_JOINED, &b);
	}
}

static bool has_at(const struct varied *v, size_t at, struct slice text)
{
	if (text.n > v->n - at)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (v->letter[at + i] != (unsigned char)text.p[i])
			return false;
	return true;
}

static void replace_each(struct varied *v, enum lookalike_kind kind, const char *what, const char *by)
{
	BUF_LOCAL(b, LABEL_MOST);
	struct slice text = slice_str(what);
	for (size_t at = 0; at < v->n; at++)
		if (has_at(v, at, text)) {
			put_replaced(v, at, text.n, slice_str(by), &b);
			add(v, kind, &b);
		}
}

static void pairs(struct varied *v, enum lookalike_kind kind, const struct pair *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		replace_each(v, kind, list[i].one, list[i].other);
		replace_each(v, kind, list[i].other, list[i].one);
	}
}

/* The look-alikes of a Latin letter, as UTF-8; empty: none. */
static struct slice others_of(uint32_t latin)
{
	for (size_t i = 0; i < COUNT(letters); i++)
		if ((unsigned char)letters[i].one[0] == latin)
			return slice_str(letters[i].other);
	return SLICE_NONE;
}

static bool is_cyrillic(uint32_t c)
{
	return c >= 0x400 && c < 0x530;
}

/* All of it in Cyrillic, which programs show as it is: no mixture of scripts gives it away. */
static void whole_script(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	bool ok, any = false;
	for (size_t i = 0; i < v->n; i++) {
		struct slice others = others_of(v->letter[i]);
		uint32_t c = others.n ? mail_utf8_take(&others, &ok) : v->letter[i];
		bool digit = c == '-' || (c >= '0' && c <= '9');
		if (!is_cyrillic(c) && !digit)
			return;
		any = any || !digit;
		mail_utf8_put(&b, c);
	}
	if (any)
		add_below(v, LOOKALIKE_SCRIPT, buf_slice(&b), v->foreign_suffix);
}

static void other_scripts(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	whole_script(v);
	for (size_t at = 0; at < v->n; at++) {
		struct slice others = others_of(v->letter[at]);
		while (others.n) {
			bool ok;
			char one[4];
			size_t size = mail_utf8_write(one, mail_utf8_take(&others, &ok));
			put_replaced(v, at, 1, slice_of(one, size), &b);
			add_below(v, LOOKALIKE_SCRIPT, buf_slice(&b), v->foreign_suffix);
		}
	}
}

static bool holds(struct slice set, uint32_t c)
{
	bool ok;
	while (set.n)
		if (mail_utf8_take(&set, &ok) == c)
			return true;
	return false;
}

static void replace_by_others(struct varied *v, size_t at, struct slice set)
{
	BUF_LOCAL(b, LABEL_MOST);
	bool ok;
	while (set.n) {
		uint32_t c = mail_utf8_take(&set, &ok);
		char one[4];
		if (c == v->letter[at])
			continue;
		put_replaced(v, at, 1, slice_of(one, mail_utf8_write(one, c)), &b);
		add(v, LOOKALIKE_SAME, &b);
	}
}

static void japanese(struct varied *v)
{
	for (size_t at = 0; at < v->n; at++)
		for (size_t i = 0; v->letter[at] > 0x7f && i < COUNT(same); i++)
			if (holds(slice_str(same[i]), v->letter[at]))
				replace_by_others(v, at, slice_str(same[i]));
}

/* The other kana for one; 0: it is none. */
static uint32_t other_kana(uint32_t c)
{
	if (c >= 0x3041 && c <= 0x3096)
		return c + 0x60;
	return c >= 0x30a1 && c <= 0x30f6 ? c - 0x60 : 0;
}

static void all_kana(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	bool any = false;
	for (size_t i = 0; i < v->n; i++) {
		uint32_t other = other_kana(v->letter[i]);
		any = any || other;
		mail_utf8_put(&b, other ? other : v->letter[i]);
	}
	if (any)
		add(v, LOOKALIKE_SPELLING, &b);
}

static void hyphens(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	for (size_t at = 1; at < v->n; at++) {
		put_replaced(v, at, v->letter[at] == '-', v->letter[at] == '-' ? SLICE_NONE : SLICE("-"), &b);
		add(v, LOOKALIKE_HYPHEN, &b);
	}
}

static void with_words(struct varied *v)
{
	static const char *const forms[] = {"-", ""};
	for (size_t i = 0; i < COUNT(words); i++)
		for (size_t f = 0; f < COUNT(forms); f++) {
			BUF_LOCAL(b, LABEL_MOST);
			buf_printf(&b, SLICE_FMT "%s%s", SLICE_ARG(v->label), forms[f], words[i]);
			add(v, LOOKALIKE_WORD, &b);
			buf_clear(&b);
			buf_printf(&b, "%s%s" SLICE_FMT, words[i], forms[f], SLICE_ARG(v->label));
			add(v, LOOKALIKE_WORD, &b);
		}
}

static void omitted(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	for (size_t at = 0; at < v->n; at++) {
		put_replaced(v, at, 1, SLICE_NONE, &b);
		add(v, LOOKALIKE_OMITTED, &b);
	}
}

static void swapped(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	for (size_t at = 0; at + 1 < v->n; at++) {
		buf_clear(&b);
		put_letters(v, 0, at, &b);
		mail_utf8_put(&b, v->letter[at + 1]);
		mail_utf8_put(&b, v->letter[at]);
		put_letters(v, at + 2, v->n, &b);
		add(v, LOOKALIKE_SWAPPED, &b);
	}
}

static void doubled(struct varied *v)
{
	BUF_LOCAL(b, LABEL_MOST);
	for (size_t at = 0; at < v->n; at++) {
		buf_clear(&b);
		put_letters(v, 0, at + 1, &b);
		put_letters(v, at, v->n, &b);
		add(v, LOOKALIKE_DOUBLED, &b);
	}
}

/* The keys left and right of it, above and below. */
static void neighbours_of(struct varied *v, size_t at, size_t row, size_t column)
{
	static const int rows[] = {0, 0, -1, -1, 1, 1}, columns[] = {-1, 1, 0, 1, 0, -1};
	BUF_LOCAL(b, LABEL_MOST);
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t r = row + (size_t)rows[i], c = column + (size_t)columns[i];
		if (r >= COUNT(keyboard) || c >= strlen(keyboard[r]))
			continue;
		put_replaced(v, at, 1, slice_of(keyboard[r] + c, 1), &b);
		add(v, LOOKALIKE_NEIGHBOUR, &b);
	}
}

static void neighbours(struct varied *v)
{
	for (size_t at = 0; at < v->n; at++)
		for (size_t row = 0; row < COUNT(keyboard); row++) {
			const char *key = v->letter[at] > 0x20 && v->letter[at] < 0x7f
					      ? strchr(keyboard[row], (int)v->letter[at])
					      : NULL;
			if (key)
				neighbours_of(v, at, row, (size_t)(key - keyboard[row]));
		}
}

/* ---- all of them ---- */

/* The first label in letters; false: it is not one that can be varied. */
static bool take_letters(struct varied *v)
{
	struct slice rest = v->label;
	bool ok = true;
	while (rest.n && v->n < LETTERS_MOST && ok)
		v->letter[v->n++] = mail_utf8_take(&rest, &ok);
	return ok && v->n && !rest.n;
}

static bool begin(struct varied *v, struct slice domain, struct slice *whole_out)
{
	struct slice shown;
	if (mail_domain_ascii(domain, v->arena, whole_out) != OK || !mail_host_valid(*whole_out))
		return false;
	v->ascii = dmarc_listed_organisation(*whole_out);
	if (!v->ascii.n || mail_domain_unicode(v->ascii, v->arena, &shown) != OK)
		return false;
	v->label = slice_split(&shown, '.');
	v->suffix = shown;
	bool jp = slice_eq(v->suffix, SLICE("jp")) || slice_iends(v->suffix, SLICE(".jp"));
	v->foreign_suffix = jp ? SLICE("com") : v->suffix;
	return v->suffix.n && take_letters(v);
}

size_t trust_lookalikes(struct slice domain, struct arena *a, struct lookalike **out)
{
	struct varied v = {.arena = a, .list = arena_array(a, LIMIT_LOOKALIKES, sizeof *v.list)};
	struct slice whole;
	*out = v.list;
	if (!v.list || !begin(&v, domain, &whole))
		return 0;
	other_suffixes(&v);
	joined(&v, whole);
	pairs(&v, LOOKALIKE_GLYPH, glyphs, COUNT(glyphs));
	other_scripts(&v);
	japanese(&v);
	pairs(&v, LOOKALIKE_SPELLING, spellings, COUNT(spellings));
	all_kana(&v);
	hyphens(&v);
	with_words(&v);
	omitted(&v);
	swapped(&v);
	doubled(&v);
	neighbours(&v);
	if (arena_full(a))
		*out = NULL;
	return *out ? v.count : 0;
}
