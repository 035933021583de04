/* fetch_parse: the grammar of FETCH (RFC 3501 section 9 fetch-att; RFC 3516, 7162, 8474). */
#include "fetch.h"

static void add_section(struct imap_args *p, struct imap_fetch *q, struct imap_section sec)
{
	if (p->c.err != OK)
		return;
	if (q->n_sections == q->room) {
		unsigned room = q->room ? q->room * 2 : 4;
		struct imap_section *v = arena_array(p->arena, room, sizeof *v);
		if (!v) {
			imap_args_fail(p, "Too much");
			return;
		}
		if (q->n_sections)
			memcpy(v, q->sections, q->n_sections * sizeof *v);
		q->sections = v;
		q->room = room;
	}
	q->sections[q->n_sections++] = sec;
}

/* "(" astring ... ")" */
static void field_names(struct imap_args *p, struct imap_section *sec)
{
	unsigned room = 8;
	sec->fields = arena_array(p->arena, room, sizeof *sec->fields);
	imap_args_space(p);
	imap_args_need(p, '(');
	do {
		if (sec->fields && sec->n_fields == room) {
			struct slice *more = arena_array(p->arena, room * 2, sizeof *more);
			if (more)
				memcpy(more, sec->fields, room * sizeof *more);
			sec->fields = more;
			room *= 2;
		}
		if (!sec->fields) {
			imap_args_fail(p, "Too much");
			return;
		}
		sec->fields[sec->n_fields++] = imap_args_astring(p);
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
}

/* "1.2.3", and the dot behind it when a word follows. */
static void part_path(struct imap_args *p, struct imap_section *sec)
{
	uint32_t path[IMAP_SECTION_LEVELS];
	while (p->c.err == OK && ascii_digit((char)imap_args_peek(p))) {
		if (sec->levels == IMAP_SECTION_LEVELS) {
			imap_args_fail(p, "Too many levels");
			return;
		}
		path[sec->levels] = imap_args_number(p);
		if (path[sec->levels++] == 0)
			imap_args_fail(p, "Parts count from 1");
		if (!imap_args_try(p, '.'))
			break;
		if (imap_args_peek(p) == ']')
			imap_args_fail(p, "Something was expected behind the dot");
	}
	if (sec->levels && !(sec->path = arena_array(p->arena, sec->levels, sizeof *sec->path)))
		imap_args_fail(p, "Too much");
	if (sec->path)
		memcpy(sec->path, path, sec->levels * sizeof *path);
}

static void section_text(struct imap_args *p, struct imap_section *sec)
{
	if (imap_args_peek(p) == ']')
		return;
	if (cursor_try_word(&p->c, SLICE("HEADER.FIELDS.NOT"))) {
		sec->kind = SECTION_FIELDS_NOT;
		field_names(p, sec);
	} else if (cursor_try_word(&p->c, SLICE("HEADER.FIELDS"))) {
		sec->kind = SECTION_FIELDS;
		field_names(p, sec);
	} else if (cursor_try_word(&p->c, SLICE("HEADER"))) {
		sec->kind = SECTION_HEADER;
	} else if (cursor_try_word(&p->c, SLICE("TEXT"))) {
		sec->kind = SECTION_TEXT;
	} else if (sec->levels && cursor_try_word(&p->c, SLICE("MIME"))) {
		sec->kind = SECTION_MIME;
	} else {
		imap_args_fail(p, "Unknown section");
	}
}

void imap_section_parse(struct imap_args *p, struct imap_section *sec)
{
	part_path(p, sec);
	section_text(p, sec);
}

/* Behind the bracket of "BODY[", "BINARY[" and their kin. */
static void body_section(struct imap_args *p, struct imap_fetch *q, enum imap_binary binary)
{
	struct imap_section sec = {.binary = binary};
	if (binary == IMAP_ENCODED)
		imap_section_parse(p, &sec);
	else
		part_path(p, &sec);
	imap_args_need(p, ']');
	if (binary != IMAP_BINARY_SIZE && imap_args_try(p, '<')) {
		sec.partial = true;
		sec.offset = imap_args_number64(p);
		imap_args_need(p, '.');
		sec.length = imap_args_number64(p);
		imap_args_need(p, '>');
		if (sec.length == 0)
			imap_args_fail(p, "A partial of nothing");
	}
	add_section(p, q, sec);
}

static const struct {
	const char *word;
	unsigned items;
} items[] = {
    {"UID", ITEM_UID},
    {"FLAGS", ITEM_FLAGS},
    {"INTERNALDATE", ITEM_INTERNALDATE},
    {"RFC822.SIZE", ITEM_SIZE},
    {"ENVELOPE", ITEM_ENVELOPE},
    {"BODYSTRUCTURE", ITEM_BODYSTRUCTURE},
    {"BODY", ITEM_BODY},
    {"MODSEQ", ITEM_MODSEQ},
    {"EMAILID", ITEM_EMAILID},
    {"THREADID", ITEM_THREADID},
    {"SAVEDATE", ITEM_SAVEDATE},
    {"PREVIEW", ITEM_PREVIEW},
};
static const struct {
	const char *word;
	unsigned items;
} macros[] = {
    {"ALL", ITEM_FLAGS | ITEM_INTERNALDATE | ITEM_SIZE | ITEM_ENVELOPE},
    {"FAST", ITEM_FLAGS | ITEM_INTERNALDATE | ITEM_SIZE},
    {"FULL", ITEM_FLAGS | ITEM_INTERNALDATE | ITEM_SIZE | ITEM_ENVELOPE | ITEM_BODY},
};
static const struct {
	const char *word;
	enum imap_section_kind kind;
	bool peek;
} legacy[] = {
    {"RFC822", SECTION_ALL, false},
    {"RFC822.HEADER", SECTION_HEADER, true},
    {"RFC822.TEXT", SECTION_TEXT, false},
};

static const struct {
	struct slice word;
	enum imap_binary binary;
	bool peek;
} sections[] = {
    {SLICE("BODY"), IMAP_ENCODED, false},
    {SLICE("BODY.PEEK"), IMAP_ENCODED, true},
    {SLICE("BINARY"), IMAP_BINARY, false},
    {SLICE("BINARY.PEEK"), IMAP_BINARY, true},
    {SLICE("BINARY.SIZE"), IMAP_BINARY_SIZE, true},
};

static bool one_section(struct imap_args *p, struct imap_fetch *q, struct slice word)
{
	for (size_t i = 0; i < COUNT(sections); i++)
		if (slice_ieq(word, sections[i].word)) {
			if (!imap_args_try(p, '['))
				return false;
			q->mark_seen |= !sections[i].peek;
			body_section(p, q, sections[i].binary);
			return true;
		}
	return false;
}

static void one_item(struct imap_args *p, struct imap_fetch *q)
{
	struct slice word = imap_args_word(p);
	if (one_section(p, q, word))
		return;
	for (size_t i = 0; i < COUNT(items); i++)
		if (slice_ieq(word, slice_str(items[i].word))) {
			q->items |= items[i].items;
			if (items[i].items == ITEM_PREVIEW) /* RFC 8970 3.2: ours is always at hand */
				cursor_try_word(&p->c, SLICE(" (LAZY)"));
			return;
		}
	for (size_t i = 0; i < COUNT(legacy); i++)
		if (slice_ieq(word, slice_str(legacy[i].word))) {
			q->mark_seen |= !legacy[i].peek;
			add_section(
			    p, q, (struct imap_section){.legacy = legacy[i].word, .kind = legacy[i].kind});
			return;
		}
	imap_args_fail(p, "Unknown FETCH item");
}

static void parse_items(struct imap_args *p, struct imap_fetch *q)
{
	if (imap_args_try(p, '(')) {
		do
			one_item(p, q);
		while (imap_args_try(p, ' '));
		imap_args_need(p, ')');
		return;
	}
	for (size_t i = 0; i < COUNT(macros); i++) {
		struct cursor before = p->c;
		if (cursor_try_word(&p->c, slice_str(macros[i].word)) &&
		    (cursor_end(&p->c) || imap_args_peek(p) == ' ')) {
			q->items |= macros[i].items;
			return;
		}
		p->c = before;
	}
	one_item(p, q);
}

/* " (CHANGEDSINCE n VANISHED)" */
static void parse_modifiers(struct imap_args *p, struct imap_fetch *q)
{
	if (!imap_args_try(p, ' '))
		return;
	imap_args_need(p, '(');
	do {
		if (cursor_try_word(&p->c, SLICE("CHANGEDSINCE "))) {
			q->changed_since = imap_args_number64(p);
			q->since = true;
			q->items |= ITEM_MODSEQ;
		} else if (cursor_try_word(&p->c, SLICE("VANISHED"))) {
			q->vanished = true;
		} else if (!q->paged && cursor_try_word(&p->c, SLICE("PARTIAL "))) {
			q->paged = true;
			imap_partial_parse(p, &q->page);
		} else {
			imap_args_fail(p, "Unknown FETCH modifier");
		}
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	if (q->vanished && !q->since)
		imap_args_fail(p, "VANISHED needs CHANGEDSINCE");
}

void imap_fetch_parse_items(struct imap_args *p, struct imap_fetch *q)
{
	*q = (struct imap_fetch){0};
	parse_items(p, q);
}

void imap_fetch_parse(struct imap_args *p, struct imap_fetch *q)
{
	*q = (struct imap_fetch){0};
	parse_items(p, q);
	parse_modifiers(p, q);
}
