/* entries: address lists in header fields, RFC 5322 3.4 with the obsolete forms, and what people send instead. */
#include "address.h"
#include "charset.h"
#include "class.h"
#include "header.h"

struct list {
	struct slice s;
	size_t i;
	struct arena *a;
	struct mail_entries *out;
	struct mail_entry **end;
	struct buf words;   /* the phrase or local part being read */
	struct buf comment; /* the last comment */
	bool sjis;          /* raw Shift_JIS: an octet above 127 takes the next one along */
	bool group;
};

static bool at(const struct list *l, char c)
{
	return l->i < l->s.n && l->s.p[l->i] == c;
}

static struct mail_entry *entry_add(struct list *l, enum mail_entry_kind kind)
{
	if (l->out->count == LIMIT_ADDRESSES) {
		l->out->cut = true;
		return NULL;
	}
	struct mail_entry *e = arena_new(l->a, struct mail_entry);
	if (!e) {
		l->out->cut = true;
		return NULL;
	}
	e->kind = kind;
	*l->end = e;
	l->end = &e->next;
	l->out->count++;
	return e;
}

/*
 * Copies text that no delimiter of the grammar may cut: an encoded word, a run of ISO-2022-JP between its escapes,
 * a Shift_JIS pair. Returns false when none begins here.
 */
static bool opaque_copy(struct list *l, struct buf *to)
{
	struct slice rest = slice_sub(l->s, l->i, l->s.n);
	size_t n = 0;
	if (rest.p[0] == '=') {
		n = mail_word_length(rest);
	} else if (slice_starts(rest, SLICE("\033$"))) {
		ptrdiff_t end = slice_search(rest, SLICE("\033("));
		n = end < 0 ? rest.n : MIN((size_t)end + 3, rest.n);
	} else if (l->sjis && (unsigned char)rest.p[0] > 127) {
		n = MIN(rest.n, (size_t)2);
	}
	buf_put(to, slice_sub(rest, 0, n));
	l->i += n;
	return n > 0;
}

static void comment_read(struct list *l)
{
	buf_clear(&l->comment);
	int depth = 1;
	l->i++;
	while (l->i < l->s.n) {
		if (opaque_copy(l, &l->comment))
			continue;
		char c = l->s.p[l->i++];
		if (c == '\\' && l->i < l->s.n)
			c = l->s.p[l->i++];
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			return;
		buf_putc(&l->comment, c);
	}
}

/* Skips blanks and comments; true when there were any. */
static bool blanks_skip(struct list *l)
{
	size_t from = l->i;
	while (l->i < l->s.n) {
		if (mail_is(l->s.p[l->i], MAIL_WHITE))
			l->i++;
		else if (at(l, '('))
			comment_read(l);
		else
			break;
	}
	return l->i > from;
}

static void quoted_read(struct list *l)
{
	l->i++;
	while (l->i < l->s.n) {
		if (opaque_copy(l, &l->words))
			continue;
		char c = l->s.p[l->i++];
		if (c == '"')
			return;
		if (c == '\\' && l->i < l->s.n)
			c = l->s.p[l->i++];
		buf_putc(&l->words, c);
	}
}

/* Words up to a delimiter; blanks between them become one space, or nothing (`tight`: a local part). */
static void words_read(struct list *l, struct slice delimiters, bool tight)
{
	buf_clear(&l->words);
	while (l->i < l->s.n) {
		if (blanks_skip(l)) {
			if (l->words.n && !tight && l->i < l->s.n && slice_find(delimiters, l->s.p[l->i]) < 0)
				buf_putc(&l->words, ' ');
			continue;
		}
		char c = l->s.p[l->i];
		if (slice_find(delimiters, c) >= 0)
			return;
		if (c == '"') {
			quoted_read(l);
		} else if (!opaque_copy(l, &l->words)) {
			buf_putc(&l->words, c);
			l->i++;
		}
	}
}

static struct slice words_dup(struct list *l)
{
	return l->words.n ? arena_dup(l->a, buf_slice(&l->words)) : SLICE_NONE;
}

/* A domain without its comments and blanks, an address literal with its brackets. */
static struct slice domain_read(struct list *l, struct slice delimiters)
{
	buf_clear(&l->words);
	while (l->i < l->s.n) {
		if (blanks_skip(l)) {
			if (l->words.n && l->words.p[l->words.n - 1] != '.' && !at(l, '.'))
				break;
			continue;
		}
		char c = l->s.p[l->i];
		if (slice_find(delimiters, c) >= 0)
			break;
		if (c == '[') {
			while (l->i < l->s.n && !at(l, ']'))
				buf_putc(&l->words, l->s.p[l->i++]);
			if (l->i == l->s.n)
				break;
			c = ']';
		}
		buf_putc(&l->words, c);
		l->i++;
	}
	return words_dup(l);
}

/* "@a,@b:" at the start of an angle address. */
static struct slice route_read(struct list *l)
{
	size_t from = l->i, n = from;
	while (n < l->s.n && l->s.p[n] != ':' && l->s.p[n] != '>')
		n++;
	if (n == l->s.n || l->s.p[n] != ':')
		return SLICE_NONE;
	l->i = n + 1;
	return slice_trim(slice_sub(l->s, from, n - from));
}

/* "<...>" behind a display name. */
static void angle_read(struct list *l, struct mail_entry *e)
{
	l->i++;
	blanks_skip(l);
	if (at(l, '@'))
		e->route = route_read(l);
	words_read(l, SLICE("@>,"), true);
	e->local = words_dup(l);
	if (at(l, '@')) {
		l->i++;
		e->domain = domain_read(l, SLICE("@>,;<"));
	}
	while (at(l, '@')) { /* <a@b@c>: the last one parts them */
		e->broken = true;
		e->local = slice_str(
		    arena_printf(l->a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(e->local), SLICE_ARG(e->domain)));
		l->i++;
		e->domain = domain_read(l, SLICE("@>,;<"));
	}
	blanks_skip(l);
	size_t from = l->i;
	while (l->i < l->s.n && !at(l, '>') && !at(l, ','))
		l->i++;
	e->broken |= l->i > from || !at(l, '>') || e->domain.n == 0;
	if (at(l, '>'))
		l->i++;
}

/* What stands between an address and the next comma: blanks and comments, or junk. */
static void rest_skip(struct list *l, struct mail_entry *e)
{
	blanks_skip(l);
	while (l->i < l->s.n && !at(l, ',') && !at(l, ';')) {
		if (at(l, '<') || at(l, ':'))
			break;
		e->broken = true;
		l->i++;
		blanks_skip(l);
	}
	if (e->name.n == 0 && l->comment.n)
		e->name = arena_dup(l->a, slice_trim(buf_slice(&l->comment)));
}

/* "a@b" whose "@" comes next; when an angle address follows, all of it was a display name. */
static void bare_read(struct list *l, size_t start)
{
	struct mail_entry *e = entry_add(l, MAIL_ENTRY_MAILBOX);
	struct mail_entry ignored = {0};
	if (!e)
		e = &ignored;
	e->local = words_dup(l);
	l->i++;
	e->domain = domain_read(l, SLICE(",;<>:\""));
	e->broken = e->local.n == 0 || e->domain.n == 0;
	blanks_skip(l);
	size_t junk = l->i;
	while (l->i < l->s.n && !at(l, ',') && !at(l, ';') && !at(l, '<'))
		l->i++;
	if (at(l, '<')) {
		e->name = slice_trim(slice_sub(l->s, start, l->i - start));
		e->local = SLICE_NONE;
		e->domain = SLICE_NONE;
		angle_read(l, e);
		e->broken = true;
		rest_skip(l, e);
		return;
	}
	e->broken |= l->i > junk;
	if (e->name.n == 0 && l->comment.n)
		e->name = arena_dup(l->a, slice_trim(buf_slice(&l->comment)));
}

static void named_read(struct list *l)
{
	struct mail_entry *e = entry_add(l, MAIL_ENTRY_MAILBOX);
	struct mail_entry ignored = {0};
	if (!e)
		e = &ignored;
	e->name = words_dup(l);
	angle_read(l, e);
	rest_skip(l, e);
}

/* Words with no address to them; a comment alone is nothing. */
static void lone_read(struct list *l)
{
	if (l->words.n == 0)
		return;
	struct mail_entry *e = entry_add(l, MAIL_ENTRY_MAILBOX);
	if (!e)
		return;
	e->broken = true;
	e->local = words_dup(l);
	if (l->comment.n)
		e->name = arena_dup(l->a, slice_trim(buf_slice(&l->comment)));
}

static void group_start(struct list *l)
{
	struct mail_entry *e = entry_add(l, MAIL_ENTRY_GROUP_START);
	if (e) {
		e->name = words_dup(l);
		e->broken = l->group;
	}
	l->group = true;
	l->i++;
}

static void group_end(struct list *l)
{
	if (l->group)
		entry_add(l, MAIL_ENTRY_GROUP_END);
	l->group = false;
}

static void entry_read(struct list *l)
{
	buf_clear(&l->comment);
	blanks_skip(l);
	size_t start = l->i;
	words_read(l, SLICE("<@:,;>"), false);
	if (at(l, '<'))
		named_read(l);
	else if (at(l, '@'))
		bare_read(l, start);
	else if (at(l, ':'))
		group_start(l);
	else
		lone_read(l);
}

void mail_entries_parse(struct slice value, struct arena *a, struct mail_entries *out)
{
	*out = (struct mail_entries){0};
	struct list l = {.s = mail_unfold(value, a), .a = a, .out = out, .end = &out->first};
	buf_init(&l.words, l.s.n + 1);
	buf_init(&l.comment, l.s.n + 1);
	l.sjis = !slice_is_utf8(l.s) && mail_charset_guess(l.s).kind == MAIL_CS_SJIS;
	while (l.i < l.s.n && !out->cut) {
		if (at(&l, ',') || at(&l, '>') || mail_is(l.s.p[l.i], MAIL_WHITE)) {
			l.i++;
		} else if (at(&l, ';')) {
			group_end(&l);
			l.i++;
		} else {
			entry_read(&l);
		}
	}
	group_end(&l);
	buf_free(&l.words);
	buf_free(&l.comment);
}
