#include "mime.h"
#include "class.h"

#define BIT(name) MAIL_DEFECT_BIT(MAIL_DEFECT_##name)
#define NO_LEVEL (-1)

/* A line that ends what is being read: the boundary of an open multipart, or the end of the octets. */
struct delimiter {
	size_t at;    /* where the line begins */
	size_t after; /* where the next one begins */
	int level;    /* index into `open`, NO_LEVEL at the end of the octets */
	bool closing;
};

struct parser {
	struct slice s;
	size_t i;       /* always at the start of a line */
	uint64_t lines; /* line ends before i */
	struct arena *a;
	struct mail_mime *out;
	struct mail_mime_options how;
	struct {
		struct slice boundary;
		struct mail_part *part;
	} open[LIMIT_MIME_DEPTH];
	int depth;                 /* multiparts open */
	int nesting;               /* parts within parts, messages included */
	size_t decoded;            /* octets of decoded messages so far */
	bool parts_spent;          /* LIMIT_MIME_PARTS reached: boundaries no longer count */
	mail_defects line_defects; /* of the body lines since last asked */
};

static struct delimiter part_read(struct parser *p, struct mail_part *part);

/* Whether the line (without its end) is the boundary; true also for junk behind, told by *junk_out. */
static bool boundary_match(struct slice line, struct slice boundary, bool *closing_out, bool *junk_out)
{
	struct slice rest = slice_sub(line, 2, line.n);
	if (!slice_starts(rest, boundary))
		return false;
	rest = slice_sub(rest, boundary.n, rest.n);
	*closing_out = slice_starts(rest, SLICE("--"));
	*junk_out = slice_trim(slice_sub(rest, *closing_out ? 2 : 0, rest.n)).n > 0;
	return true;
}

/*
 * The delimiter that the line (which begins with "--") is; level NO_LEVEL when none. When no boundary fits the whole
 * line, the longest one it begins with is taken, as IMAP servers do, and noted.
 */
static struct delimiter delimiter_find(struct parser *p, struct slice line)
{
	struct delimiter junk = {.level = NO_LEVEL};
	for (int k = p->depth - 1; k >= 0 && !p->parts_spent; k--) {
		bool closing, has_junk;
		if (!boundary_match(line, p->open[k].boundary, &closing, &has_junk))
			continue;
		if (!has_junk)
			return (struct delimiter){.level = k, .closing = closing};
		p->open[k].part->defects |= BIT(boundary_line_junk);
		if (junk.level == NO_LEVEL || p->open[k].boundary.n > p->open[junk.level].boundary.n)
			junk = (struct delimiter){.level = k, .closing = closing};
	}
	return junk;
}

/* The delimiter at the present line, if it is one; the line is taken then. */
static bool delimiter_here(struct parser *p, struct delimiter *out)
{
	struct slice rest = slice_sub(p->s, p->i, p->s.n);
	if (p->depth == 0 || !slice_starts(rest, SLICE("--")))
		return false;
	struct slice line = slice_split(&rest, '\n');
	*out = delimiter_find(p, line);
	if (out->level == NO_LEVEL)
		return false;
	out->at = p->i;
	out->after = MIN(p->i + line.n + 1, p->s.n);
	p->lines += p->i + line.n < p->s.n;
	p->i = out->after;
	return true;
}

/* A file hidden in a text by older means than MIME. */
static mail_defects line_look(struct slice rest)
{
	if (rest.p[0] == 'b' && slice_starts(rest, SLICE("begin ")) && rest.n > 9 && ascii_digit(rest.p[6]) &&
	    ascii_digit(rest.p[7]) && ascii_digit(rest.p[8]))
		return BIT(file_inside);
	if (rest.p[0] == '=' && slice_starts(rest, SLICE("=ybegin ")))
		return BIT(file_inside);
	if (rest.p[0] == '(' && slice_starts(rest, SLICE("(This file must be converted with BinHex")))
		return BIT(file_inside);
	return 0;
}

/* Goes from line to line up to the next delimiter or the end. */
static struct delimiter delimiter_next(struct parser *p)
{
	struct delimiter d;
	while (p->i < p->s.n) {
		char c = p->s.p[p->i];
		if (c == '-' && delimiter_here(p, &d))
			return d;
		if (c == 'b' || c == '=' || c == '(')
			p->line_defects |= line_look(slice_sub(p->s, p->i, p->s.n));
		const char *end = memchr(p->s.p + p->i, '\n', p->s.n - p->i);
		size_t next = end ? (size_t)(end - p->s.p) + 1 : p->s.n;
		if (next - p->i > 1000)
			p->line_defects |= BIT(line_too_long);
		p->lines += end != NULL;
		p->i = next;
	}
	return (struct delimiter){.at = p->s.n, .after = p->s.n, .level = NO_LEVEL};
}

/* Where a body ends that is followed by the delimiter: before the line end in front of it. */
static size_t body_end(const struct parser *p, size_t from, struct delimiter d)
{
	size_t end = d.at;
	if (d.level == NO_LEVEL || end <= from)
		return MAX(end, from);
	if (p->s.p[end - 1] == '\n')
		end--;
	if (end > from && p->s.p[end - 1] == '\r')
		end--;
	return end;
}

static struct slice lower_dup(struct parser *p, struct slice s)
{
	char *z = arena_alloc(p->a, s.n + 1);
	if (!z)
		return SLICE_NONE;
	for (size_t i = 0; i < s.n; i++)
		z[i] = ascii_lower(s.p[i]);
	return slice_of(z, s.n);
}

/* Sets *slot to the first value that is not empty; a second one is a defect. */
static bool first_value(
    struct parser *p, struct mail_part *part, struct slice *slot, const struct mail_field *f)
{
	if (slot->p)
		part->defects |= BIT(mime_field_duplicate);
	if (slot->n)
		return false;
	*slot = mail_unfold(slice_sub(f->value, 0, LIMIT_HEADER_FIELD), p->a);
	if (!slot->p)
		*slot = SLICE("");
	return true;
}

/* A field of the MIME family. */
static void mime_field(struct parser *p, struct mail_part *part, const struct mail_field *f,
    struct slice *type, struct slice *disposition)
{
	static const struct slice names[] = {SLICE("type"), SLICE("transfer-encoding"), SLICE("disposition"),
	    SLICE("id"), SLICE("description"), SLICE("md5"), SLICE("location"), SLICE("language")};
	struct slice *slots[] = {type, &part->encoding_raw, disposition, &part->id, &part->description,
	    &part->md5, &part->location, &part->language};
	struct slice name = slice_sub(f->name, 8, f->name.n);
	for (size_t k = 0; k < COUNT(names); k++) {
		if (!slice_ieq(name, names[k]))
			continue;
		if (first_value(p, part, slots[k], f) && k == 1)
			part->encoding = mail_encoding_parse(part->encoding_raw, &part->defects);
		return;
	}
}

/* Fields are gathered here until their number is known. */
struct gathered {
	struct mail_field *v;
	size_t n, cap;
};

static void gather(struct parser *p, struct gathered *g, const struct mail_field *f)
{
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 32;
		struct mail_field *v = arena_array(p->a, cap, sizeof *v);
		if (!v)
			return;
		if (g->n)
			memcpy(v, g->v, g->n * sizeof *v);
		g->v = v;
		g->cap = cap;
	}
	g->v[g->n++] = *f;
}

static bool control_in(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 32 && s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r' &&
		    s.p[i] != 0x1b)
			return true;
	return false;
}

static size_t count_lines(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* Reads the header at p->i; true when a boundary line cut it off. */
static bool header_read(struct parser *p, struct mail_part *part, struct slice *type,
    struct slice *disposition, struct delimiter *d)
{
	struct gathered g = {0};
	struct mail_fields fields = mail_fields_of(slice_sub(p->s, p->i, p->s.n));
	struct mail_field f;
	size_t start = p->i;
	bool cut = false;
	part->header_offset = start;
	while (!(cut = delimiter_here(p, d)) && mail_fields_next(&fields, &f)) {
		size_t now = p->s.n - fields.rest.n;
		p->lines += count_lines(f.all);
		p->i = now;
		if (f.all.n > LIMIT_HEADER_FIELD)
			part->defects |= BIT(field_too_long);
		if (control_in(f.all))
			part->defects |= BIT(header_control);
		if (slice_istarts(f.name, SLICE("content-")))
			mime_field(p, part, &f, type, disposition);
		if (part->root && fields.count <= LIMIT_HEADER_FIELDS)
			gather(p, &g, &f);
	}
	if (!cut) {
		size_t now = p->s.n - fields.rest.n;
		p->lines += count_lines(slice_sub(p->s, p->i, now - p->i));
		p->i = now;
	}
	part->defects |= fields.defects;
	if (fields.count > LIMIT_HEADER_FIELDS)
		part->defects |= BIT(header_too_big);
	part->header_length = (cut ? d->at : p->i) - start;
	part->fields = g.v;
	part->field_count = g.n;
	return cut;
}

static bool name_odd(struct slice name)
{
	static const struct slice turns[] = {SLICE("\u202a"), SLICE("\u202b"), SLICE("\u202d"),
	    SLICE("\u202e"), SLICE("\u2066"), SLICE("\u2067"), SLICE("\u2068"), SLICE("\u200f")};
	for (size_t k = 0; k < COUNT(turns); k++)
		if (slice_search(name, turns[k]) >= 0)
			return true;
	return false;
}

static void file_name_find(struct mail_part *part)
{
	const struct mail_param *a = mail_param_get(&part->disposition, SLICE("filename"));
	const struct mail_param *b = mail_param_get(&part->content, SLICE("name"));
	if (a && b && a->text.n && b->text.n && !slice_ieq(a->text, b->text))
		part->defects |= BIT(name_differs);
	part->file_name = a && a->text.n ? a->text : b ? b->text : SLICE_NONE;
	if (name_odd(part->file_name))
		part->defects |= BIT(name_odd);
}

/* Type, disposition and what follows from them. */
static void types_read(struct parser *p, struct mail_part *part, struct slice type, struct slice disposition)
{
	if (type.p)
		mail_value_parse(type, true, p->a, &part->content);
	if (disposition.p)
		mail_value_parse(disposition, false, p->a, &part->disposition);
	part->defects |= part->content.defects | part->disposition.defects;
	bool digest =
	    part->parent && part->parent->multipart && slice_eq(part->parent->subtype, SLICE("digest"));
	bool broken = part->content.type.n == 0 || part->content.subtype.n == 0;
	part->type = !broken ? part->content.type : digest && !type.p ? SLICE("message") : SLICE("text");
	part->subtype = !broken             ? part->content.subtype
			: digest && !type.p ? SLICE("rfc822")
					    : SLICE("plain");
	if (broken && slice_eq(part->content.type, SLICE("multipart"))) {
		part->type = part->content.type;
		part->subtype = SLICE("mixed");
	}
	const struct mail_param *charset = mail_param_get(&part->content, SLICE("charset"));
	if (charset && slice_eq(part->type, SLICE("text")))
		part->charset = lower_dup(p, slice_trim(charset->text));
	file_name_find(part);
}

static bool boundary_odd(struct slice b)
{
	bool odd = b.n == 0 || b.n > 70 || b.p[b.n - 1] == ' ';
	for (size_t i = 0; i < b.n; i++)
		odd |= !(ascii_alpha(b.p[i]) || ascii_digit(b.p[i]) ||
			 (b.p[i] && strchr("'()+_,-./:=? ", b.p[i])));
	return odd;
}

/* The boundary to split by; empty when there is none that could be used. */
static struct slice boundary_of(struct parser *p, struct mail_part *part)
{
	const struct mail_param *param = mail_param_get(&part->content, SLICE("boundary"));
	if (!param) {
		part->defects |= BIT(boundary_missing);
		return SLICE_NONE;
	}
	struct slice b = param->extended ? param->text : param->raw;
	if (boundary_odd(b) || param->extended)
		part->defects |= BIT(boundary_odd);
	if (slice_trim(b).n == 0)
		return SLICE_NONE;
	for (int k = 0; k < p->depth && b.n; k++)
		if (slice_starts(p->open[k].boundary, b) || slice_starts(b, p->open[k].boundary))
			part->defects |= BIT(boundary_reused);
	return b;
}

static struct mail_part *child_new(struct parser *p, struct mail_part *parent)
{
	if (p->out->parts >= LIMIT_MIME_PARTS) {
		p->parts_spent = true;
		parent->defects |= BIT(mime_too_many_parts);
		return NULL;
	}
	struct mail_part *child = arena_new(p->a, struct mail_part);
	if (!child) {
		p->out->full = true;
		p->parts_spent = true;
		return NULL;
	}
	p->out->parts++;
	child->parent = parent;
	child->octets = p->s;
	if (parent) {
		if (parent->last)
			parent->last->next = child;
		else
			parent->first = child;
		parent->last = child;
		parent->children++;
	}
	return child;
}

/* The parts between the boundary lines; returns what ended the multipart: never its own boundary. */
static struct delimiter multipart_read(struct parser *p, struct mail_part *part, struct slice boundary)
{
	int level = p->depth++;
	p->open[level].boundary = boundary;
	p->open[level].part = part;
	struct delimiter d = delimiter_next(p);
	part->preamble_length = body_end(p, part->body_offset, d) - part->body_offset;
	if (d.level != level)
		part->defects |= BIT(boundary_unseen);
	while (d.level == level && !d.closing) {
		struct mail_part *child = child_new(p, part);
		d = child ? part_read(p, child) : delimiter_next(p);
	}
	p->depth = level;
	if (part->children == 0)
		part->defects |= BIT(multipart_empty);
	if (d.level == level) /* closed: what follows up to an outer boundary is epilogue */
		return delimiter_next(p);
	part->defects |= d.level == NO_LEVEL ? BIT(boundary_unclosed) : BIT(boundary_outer_first);
	return d;
}

static bool multipart_known(struct slice subtype)
{
	static const struct slice known[] = {SLICE("mixed"), SLICE("alternative"), SLICE("related"),
	    SLICE("digest"), SLICE("parallel"), SLICE("report"), SLICE("signed"), SLICE("encrypted"),
	    SLICE("form-data"), SLICE("appledouble"), SLICE("header-set"), SLICE("voice-message"),
	    SLICE("byteranges"), SLICE("multilingual"), SLICE("x-mixed-replace")};
	for (size_t k = 0; k < COUNT(known); k++)
		if (slice_eq(subtype, known[k]))
			return true;
	return false;
}

/* What a leaf must not have, and what its octets say. */
static void leaf_check(struct parser *p, struct mail_part *part)
{
	struct slice body = mail_part_body(part);
	if (mail_param_get(&part->content, SLICE("boundary")) && !slice_eq(part->type, SLICE("multipart")))
		part->defects |= BIT(boundary_on_leaf);
	if (slice_eq(part->type, SLICE("message")) &&
	    (slice_eq(part->subtype, SLICE("partial")) || slice_eq(part->subtype, SLICE("external-body"))))
		part->defects |= BIT(message_partial);
	if (part->header_length <= 2 && part->parent && slice_istarts(body, SLICE("content-")))
		part->defects |= BIT(header_in_body);
	part->defects |= mail_transfer_check(part->encoding, body);
	if (part->encoding == MAIL_ENC_BASE64)
		p->line_defects &= ~BIT(file_inside);
	if (part->encoding == MAIL_ENC_UU)
		p->line_defects &= ~BIT(file_inside);
}

static bool is_message(const struct mail_part *part)
{
	return slice_eq(part->type, SLICE("message")) &&
	       (slice_eq(part->subtype, SLICE("rfc822")) || slice_eq(part->subtype, SLICE("global")));
}

/* A message inside a transfer encoding, which RFC 2046 forbids and some clients open. */
static void decoded_message(struct parser *p, struct mail_part *part)
{
	if (!p->how.decode_messages || p->nesting >= LIMIT_MIME_DEPTH)
		return;
	struct slice body = mail_part_body(part);
	p->decoded += body.n;
	if (p->decoded > LIMIT_MESSAGE_SIZE)
		return;
	BUF_LOCAL(octets, body.n);
	part->defects |= mail_transfer_put(part->encoding, body, &octets);
	struct parser *inner = arena_new(p->a, struct parser);
	struct slice s = arena_dup(p->a, buf_slice(&octets));
	if (!inner || !s.p)
		return;
	*inner = (struct parser){.s = s,
	    .a = p->a,
	    .out = p->out,
	    .how = p->how,
	    .nesting = p->nesting + 1,
	    .decoded = p->decoded};
	struct mail_part *child = child_new(inner, part);
	if (child) {
		part->message = true;
		child->root = true;
		part_read(inner, child);
	}
	p->decoded = inner->decoded;
}

/* Reads the body of a part, whatever it is; returns the delimiter behind it. */
static struct delimiter body_read(struct parser *p, struct mail_part *part)
{
	bool multipart = slice_eq(part->type, SLICE("multipart"));
	bool message = is_message(part);
	struct slice boundary = multipart ? boundary_of(p, part) : SLICE_NONE;
	if (multipart && !multipart_known(part->subtype))
		part->defects |= BIT(multipart_type_odd);
	if ((multipart || message) && part->encoding != MAIL_ENC_NONE)
		part->defects |= BIT(multipart_encoded);
	if ((boundary.n || message) && (p->nesting >= LIMIT_MIME_DEPTH || p->depth >= LIMIT_MIME_DEPTH)) {
		part->defects |= BIT(mime_too_deep);
		return delimiter_next(p);
	}
	if (boundary.n) {
		part->multipart = true;
		return multipart_read(p, part, boundary);
	}
	struct mail_part *child = message && (part->encoding == MAIL_ENC_NONE || !p->how.decode_messages)
				      ? child_new(p, part)
				      : NULL;
	if (!child)
		return delimiter_next(p);
	part->message = true;
	child->root = true;
	return part_read(p, child);
}

static struct delimiter part_read(struct parser *p, struct mail_part *part)
{
	struct slice type = SLICE_NONE, disposition = SLICE_NONE;
	struct delimiter d;
	bool cut = header_read(p, part, &type, &disposition, &d);
	part->body_offset = cut ? part->header_offset + part->header_length : p->i;
	types_read(p, part, type, disposition);
	uint64_t lines = p->lines;
	if (cut) {
		part->defects |= part->header_length ? BIT(boundary_in_header) : 0;
		p->out->defects |= part->defects;
		return d;
	}
	p->line_defects = 0;
	p->nesting++;
	d = body_read(p, part);
	p->nesting--;
	size_t end = body_end(p, part->body_offset, d);
	if (part->last &&
	    part->last->octets.p == p->s.p) /* a header cut off by the boundary keeps its line end */
		end = MAX(end, part->last->body_offset + part->last->body_length);
	part->body_length = end - part->body_offset;
	part->lines = p->lines - lines - count_lines(slice_sub(p->s, end, p->i - end));
	if (!part->first) {
		leaf_check(p, part);
		part->defects |= p->line_defects;
		if (part->encoding != MAIL_ENC_NONE && is_message(part))
			decoded_message(p, part);
	}
	p->out->defects |= part->defects;
	return d;
}

/* What kinds of octets there are. The loops are written so that the compiler can use vectors. */
struct octets {
	bool high, nul, bare_cr, bare_lf;
};

static struct octets octets_look(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char high = 0, nul = 0;
	size_t cr = 0, lf = 0, pairs = 0;
	for (size_t i = 0; i < s.n;) {
		size_t end = MIN(i + 128, s.n); /* so that counts fit an octet */
		unsigned char block_cr = 0, block_lf = 0, block_pairs = 0;
		for (size_t k = i; k < end; k++) {
			high |= p[k];
			nul |= p[k] == 0;
			block_cr = (unsigned char)(block_cr + (p[k] == '\r'));
			block_lf = (unsigned char)(block_lf + (p[k] == '\n'));
		}
		for (size_t k = MAX(i, (size_t)1); k < end; k++)
			block_pairs = (unsigned char)(block_pairs + ((p[k] == '\n') & (p[k - 1] == '\r')));
		cr += block_cr;
		lf += block_lf;
		pairs += block_pairs;
		i = end;
	}
	return (struct octets){
	    .high = high > 127, .nul = nul != 0, .bare_cr = cr > pairs, .bare_lf = lf > pairs};
}

static void octets_note(struct mail_mime *out, struct slice message)
{
	struct octets header = octets_look(slice_sub(message, 0, out->root->body_offset));
	struct octets body = octets_look(slice_sub(message, out->root->body_offset, message.n));
	out->header_8bit = header.high;
	out->body_8bit = body.high;
	out->defects |= header.nul || body.nul ? BIT(body_nul) : 0;
	out->defects |= header.bare_cr ? BIT(header_bare_cr) : 0;
	out->defects |= body.bare_cr ? BIT(body_bare_cr) : 0;
	out->defects |= header.bare_lf || body.bare_lf ? BIT(bare_lf) : 0;
}

void mail_mime_parse(
    struct slice message, struct mail_mime_options how, struct arena *a, struct mail_mime *out)
{
	*out = (struct mail_mime){0};
	struct parser *p = arena_new(a, struct parser);
	if (!p) {
		out->full = true;
		return;
	}
	p->s = message;
	p->a = a;
	p->out = out;
	p->how = how;
	out->root = child_new(p, NULL);
	if (!out->root)
		return;
	out->root->root = true;
	part_read(p, out->root);
	octets_note(out, message);
	out->full |= arena_full(a);
}

struct mail_part *mail_part_after(const struct mail_part *p)
{
	if (p->first)
		return p->first;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

bool mail_part_is_attachment(const struct mail_part *p)
{
	if (p->multipart)
		return false;
	if (slice_eq(p->disposition.type, SLICE("attachment")))
		return true;
	bool text = slice_eq(p->type, SLICE("text")) &&
		    (slice_eq(p->subtype, SLICE("plain")) || slice_eq(p->subtype, SLICE("html")));
	if (text)
		return p->file_name.n > 0 && p->disposition.type.n == 0;
	bool in_related = p->parent && slice_eq(p->parent->subtype, SLICE("related")) && p->id.n;
	bool report = slice_eq(p->type, SLICE("text")) || (slice_eq(p->type, SLICE("message")) && p->parent &&
							      slice_eq(p->parent->subtype, SLICE("report")));
	bool signature = p->parent && slice_eq(p->parent->subtype, SLICE("signed")) && p->parent->first != p;
	return !in_related && !(report && p->file_name.n == 0) && !signature && p->type.n > 0;
}
