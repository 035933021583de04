/* metadata: GETMETADATA and SETMETADATA (RFC 5464). Names are checked here; store has the values and decides. */
#include "metadata.h"
#include "verbs.h"

#define SET_OCTETS 98304 /* of one command's values: they travel in one packet */

/* ---- names of entries ---- */

static bool entry_valid(struct slice entry, bool root)
{
	static const struct slice roots[] = {{"/private", 8}, {"/shared", 7}};
	bool found = false;
	for (size_t i = 0; i < COUNT(roots); i++) {
		bool below = entry.n > roots[i].n + 1 && entry.p[roots[i].n] == '/';
		found |= slice_istarts(entry, roots[i]) && (below || (root && entry.n == roots[i].n));
	}
	for (size_t i = 0; i < entry.n; i++) {
		unsigned char c = (unsigned char)entry.p[i];
		if (c < 0x20 || c > 0x7e || c == '*' || c == '%' ||
		    (c == '/' && (i + 1 == entry.n || entry.p[i + 1] == '/')))
			return false;
	}
	return found && entry.n <= LIMIT_MAILBOX_NAME;
}

/* `root`: "/private" and "/shared" may stand for all below them. */
static char *entry_arg(struct imap_args *p, bool root)
{
	struct slice entry = imap_args_astring(p);
	if (p->c.err == OK && !entry_valid(entry, root))
		imap_args_fail(p, "Not the name of an entry");
	char *z = p->c.err == OK ? arena_z(p->arena, entry) : NULL;
	return z ? z : (char *)"";
}

static void add_entry(struct imap_args *p, struct imap_entries *out)
{
	char *entry = entry_arg(p, true);
	if (out->n == METADATA_ASKED)
		imap_args_fail(p, "Too many entries");
	else
		out->v[out->n++] = entry;
}

void imap_metadata_entries(struct imap_args *p, struct imap_entries *out)
{
	*out = (struct imap_entries){0};
	if (!imap_args_try(p, '(')) {
		add_entry(p, out);
		return;
	}
	do
		add_entry(p, out);
	while (p->c.err == OK && imap_args_try(p, ' '));
	imap_args_need(p, ')');
}

/* ---- GETMETADATA ---- */

struct get {
	struct slice mailbox;
	struct imap_entries entries;
	uint32_t depth; /* 2: infinity */
	bool has_maxsize;
	uint64_t maxsize;
};

static void parse_option(struct imap_args *p, struct get *g)
{
	if (cursor_try_word(&p->c, SLICE("MAXSIZE "))) {
		g->maxsize = imap_args_number(p);
		g->has_maxsize = true;
	} else if (cursor_try_word(&p->c, SLICE("DEPTH "))) {
		struct slice word = imap_args_word(p);
		if (slice_ieq(word, SLICE("infinity")))
			g->depth = 2;
		else if (slice_eq(word, SLICE("1")) || slice_eq(word, SLICE("0")))
			g->depth = word.p[0] == '1';
		else
			imap_args_fail(p, "Not a depth");
	} else {
		imap_args_fail(p, "Unknown GETMETADATA option");
	}
}

/* Options stand before the mailbox or, as in the RFC's examples, behind it. */
static void parse_options(struct imap_args *p, struct get *g)
{
	char next = p->c.rest.n > 1 ? ascii_upper(p->c.rest.p[1]) : 0;
	if (imap_args_peek(p) != '(' || (next != 'M' && next != 'D'))
		return;
	imap_args_need(p, '(');
	do
		parse_option(p, g);
	while (p->c.err == OK && imap_args_try(p, ' '));
	imap_args_need(p, ')');
	imap_args_space(p);
}

static void put_value(struct imap *s, bool *first, const char *name, struct slice value, bool present)
{
	struct stream *out = s->base.stream;
	stream_puts(out, *first ? "" : " ");
	*first = false;
	imap_put_astring(out, slice_str(name));
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, value, present);
}

static void put_start(struct imap *s, struct slice mailbox)
{
	stream_put(s->base.stream, SLICE("* METADATA "));
	if (mailbox.n)
		imap_put_mailbox(s->base.stream, mailbox, s->enabled & IMAP_UTF8);
	else
		stream_put(s->base.stream, SLICE("\"\""));
}

void imap_metadata_put_names(struct imap *s, struct slice mailbox, char *const *entries, size_t n)
{
	put_start(s, mailbox);
	for (size_t i = 0; i < n; i++) {
		stream_put(s->base.stream, SLICE(" "));
		imap_put_astring(s->base.stream, slice_str(entries[i]));
	}
	stream_put(s->base.stream, SLICE("\r\n"));
}

static void put_values_start(struct imap *s, struct slice mailbox)
{
	put_start(s, mailbox);
	stream_put(s->base.stream, SLICE(" ("));
}

static Sekisho__MetadataAsk ask_of(struct imap *s, struct slice mailbox, const struct imap_entries *entries)
{
	Sekisho__MetadataAsk ask = SEKISHO__METADATA_ASK__INIT;
	char *name = arena_z(&s->arena, mailbox);
	ask.mailbox = name ? name : (char *)"\x01";
	ask.entries = (char **)(uintptr_t)entries->v;
	ask.n_entries = entries->n;
	return ask;
}

enum result imap_getmetadata(struct imap *s, struct imap_args *p)
{
	struct get g = {0};
	imap_args_space(p);
	parse_options(p, &g);
	g.mailbox = imap_args_mailbox(p);
	imap_args_space(p);
	parse_options(p, &g);
	imap_metadata_entries(p, &g.entries);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__MetadataAsk ask = ask_of(s, g.mailbox, &g.entries);
	Sekisho__MetadataAnswer *answer = NULL;
	ask.depth = g.depth;
	ask.has_maxsize = g.has_maxsize;
	ask.maxsize = g.maxsize;
	uint64_t longest = 0;
	bool first = true;
	enum result r = imap_ask(s, ASK_STORE_METADATA, &ask, &answer);
	while (r == OK) {
		longest = MAX(longest, answer->longest);
		if (first && answer->n_entries)
			put_values_start(s, g.mailbox);
		for (size_t i = 0; i < answer->n_entries; i++)
			put_value(s, &first, answer->entries[i]->name,
			    slice_of(answer->entries[i]->value.data, answer->entries[i]->value.len), true);
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &answer, NULL);
	}
	if (!first)
		stream_put(s->base.stream, SLICE(")\r\n"));
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	if (!longest)
		return imap_ok(s, "Done");
	return imap_ok_code(
	    s, arena_printf(&s->arena, "METADATA LONGENTRIES %llu", (unsigned long long)longest), "Done");
}

/* An answer's place among what was asked for: entries compare without case. */
static bool is_asked(const char *asked, const char *got)
{
	return slice_ieq(slice_str(asked), slice_str(got));
}

enum result imap_metadata_put(struct imap *s, struct slice mailbox, const struct imap_entries *entries)
{
	Sekisho__MetadataAsk ask = ask_of(s, mailbox, entries);
	Sekisho__MetadataAnswer *answer = NULL;
	struct slice values[METADATA_ASKED] = {0};
	bool present[METADATA_ASKED] = {0}, first = true;
	ARENA_LOCAL(a, (size_t)16 << 20); /* of this one mailbox */
	enum result r = imap_ask_into(s, ASK_STORE_METADATA, &ask, &a, &answer, NULL);
	while (r == OK) {
		for (size_t i = 0; i < answer->n_entries; i++)
			for (size_t k = 0; k < entries->n; k++)
				if (is_asked(entries->v[k], answer->entries[i]->name)) {
					values[k] = slice_of(
					    answer->entries[i]->value.data, answer->entries[i]->value.len);
					present[k] = true;
				}
		if (!s->store.more)
			break;
		r = imap_ask_more(s, &a, &answer, NULL);
	}
	if (r != OK) /* not for this session to see, or gone meanwhile */
		return s->store.fd < 0 ? GONE : OK;
	put_values_start(s, mailbox);
	for (size_t k = 0; k < entries->n; k++)
		put_value(s, &first, entries->v[k], values[k], present[k]);
	stream_put(s->base.stream, SLICE(")\r\n"));
	return OK;
}

/* ---- SETMETADATA ---- */

static Sekisho__MetadataEntry *value_arg(struct imap *s, struct imap_args *p)
{
	Sekisho__MetadataEntry *e = arena_new(&s->arena, Sekisho__MetadataEntry);
	struct slice value;
	if (!e) {
		imap_args_fail(p, "Too much");
		return NULL;
	}
	sekisho__metadata_entry__init(e);
	e->name = entry_arg(p, false);
	imap_args_space(p);
	imap_args_try(p, '~'); /* a literal8: its octets are taken like those of any other */
	e->has_value = imap_args_nstring(p, &value);
	e->value = (ProtobufCBinaryData){value.n, (uint8_t *)(uintptr_t)value.p};
	return e;
}

static enum result metadata_refused(struct imap *s, enum result r)
{
	struct slice why = slice_str(s->store.why);
	if (r == FULL && slice_starts(why, SLICE("TOOMANY")))
		return imap_no(s, "METADATA TOOMANY", "Too many entries");
	if (r == FULL && slice_starts(why, SLICE("MAXSIZE")))
		return imap_no(s, arena_printf(&s->arena, "METADATA MAXSIZE %d", (int)LIMIT_METADATA_VALUE),
		    "Too large");
	return imap_refused(s, r, &s->store, "NONEXISTENT");
}

enum result imap_setmetadata(struct imap *s, struct imap_args *p)
{
	Sekisho__SetMetadataAsk ask = SEKISHO__SET_METADATA_ASK__INIT;
	size_t octets = 0;
	ask.entries = arena_array(&s->arena, METADATA_ASKED, sizeof *ask.entries);
	imap_args_space(p);
	ask.mailbox = arena_z(&s->arena, imap_args_mailbox(p));
	imap_args_space(p);
	imap_args_need(p, '(');
	if (!ask.entries || !ask.mailbox)
		imap_args_fail(p, "Too much");
	do {
		Sekisho__MetadataEntry *e = p->c.err == OK ? value_arg(s, p) : NULL;
		if (e && ask.n_entries == METADATA_ASKED)
			imap_args_fail(p, "Too many entries");
		if (p->c.err != OK)
			break;
		ask.entries[ask.n_entries++] = e;
		octets += e->value.len + strlen(e->name) + 16;
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (octets > SET_OCTETS)
		return imap_no(s, "LIMIT", "Too much for one command");
	enum result r = imap_ask(s, ASK_STORE_SET_METADATA, &ask, NULL);
	return r == OK ? imap_ok(s, "Done") : metadata_refused(s, r);
}
