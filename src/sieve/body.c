/* body: the body test, RFC 5173. Match variables are not set by it (section 6). */
#include "sieve/inside.h"

/* The decoded text of a leaf; of a message inside, its header. */
static struct slice content(struct sieve_runner *r, struct slice all, const Sekisho__Part *p)
{
	if (p->n_parts) {
		struct slice header = slice_sub(all, p->parts[0]->header_offset, p->parts[0]->header_length);
		return slice_iends(header, SLICE("\r\n\r\n")) ? slice_sub(header, 0, header.n - 2) : header;
	}
	BUF_LOCAL(out, LIMIT_MESSAGE_MOST);
	BUF_LOCAL(octets, LIMIT_MESSAGE_MOST);
	mail_facts_octets(all, p, &octets);
	if (!slice_eq(slice_str(p->type), SLICE("text")))
		return arena_dup(r->a, buf_slice(&octets));
	mail_text_decode(slice_str(p->charset), buf_slice(&octets), &out);
	return arena_dup(r->a, buf_slice(&out));
}

static bool is_multipart(const Sekisho__Part *p)
{
	return p->n_parts && slice_eq(slice_str(p->type), SLICE("multipart"));
}

/* What stands before the first boundary line of a multipart, and behind the last one: RFC 5173 5.2. */
static bool match_around(struct sieve_match *m, const Sekisho__Part *p)
{
	struct slice all = m->r->message->octets;
	const Sekisho__Part *first = p->parts[0], *last = p->parts[p->n_parts - 1];
	struct slice before = slice_sub(all, p->body_offset, first->header_offset - p->body_offset);
	size_t end = last->body_offset + last->body_length, stop = p->body_offset + p->body_length;
	struct slice behind = slice_sub(all, end, stop > end ? stop - end : 0);
	ptrdiff_t cut = before.n > 2 ? slice_rfind(slice_sub(before, 0, before.n - 2), '\n') : -1;
	before = slice_sub(before, 0, (size_t)(cut + 1));
	ptrdiff_t boundary = slice_search(behind, SLICE("--"));
	struct slice rest = slice_sub(behind, boundary < 0 ? behind.n : (size_t)boundary, behind.n);
	slice_split(&rest, '\n');
	return sieve_match_value(m, before) || sieve_match_value(m, rest);
}

static bool is_xhtml(const Sekisho__Part *p)
{
	return slice_eq(slice_str(p->type), SLICE("application")) &&
	       slice_eq(slice_str(p->subtype), SLICE("xhtml+xml"));
}

/* The text people read. */
static struct slice readable(struct sieve_runner *r, struct slice all, const Sekisho__Part *p)
{
	BUF_LOCAL(out, LIMIT_MESSAGE_MOST);
	if (is_xhtml(p))
		mail_html_text(content(r, all, p), &out);
	else
		mail_facts_text(all, p, &out);
	return arena_dup(r->a, buf_slice(&out));
}

/* Decoded once a run. */
struct slice sieve_part_text(struct sieve_runner *r, const Sekisho__Part *p, bool as_read)
{
	const struct sieve_message *now = sieve_replaced(r, p);
	struct slice all = (now ? now : r->message)->octets;
	p = now ? now->facts->root : p;
	for (struct sieve_part_texts *t = r->texts; t; t = t->next)
		if (t->part == p && t->as_read == as_read)
			return t->text;
	struct sieve_part_texts *t = arena_new(r->a, struct sieve_part_texts);
	if (!t)
		return SLICE_NONE;
	*t = (struct sieve_part_texts){.next = r->texts, .part = p, .as_read = as_read};
	t->text = as_read ? readable(r, all, p) : content(r, all, p);
	r->texts = t;
	return t->text;
}

/* "", "text" or "text/html", RFC 5173 5.2; anything else fits nothing. */
static bool type_fits(const Sekisho__Part *p, struct slice wanted)
{
	struct slice rest = wanted, type = slice_split(&rest, '/');
	if (wanted.n == 0)
		return true;
	bool whole = slice_find(wanted, '/') >= 0;
	if (!type.n || (whole && (!rest.n || slice_find(rest, '/') >= 0)))
		return false;
	return slice_ieq(type, slice_str(p->type)) && (!whole || slice_ieq(rest, slice_str(p->subtype)));
}

/* Without an encoding nobody knows, RFC 2045 6.4, and without a type that is none. */
static bool legible(const Sekisho__Part *p)
{
	static const char *const known[] = {
	    "", "7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode", "uuencode", "x-uue"};
	for (size_t i = 0; i < COUNT(known); i++)
		if (slice_eq(slice_str(p->encoding), slice_str(known[i])))
			return slice_find(slice_str(p->subtype), '/') < 0;
	return false;
}

static bool part_wanted(struct sieve_runner *r, const struct sieve_node *n, const Sekisho__Part *p)
{
	const struct sieve_arg *types = sieve_tag_value(n, SIEVE_TAG_CONTENT);
	if (!types)
		return !p->n_parts && legible(p) &&
		       (slice_eq(slice_str(p->type), SLICE("text")) || is_xhtml(p));
	for (const struct sieve_text *t = types->texts; t; t = t->next)
		if (type_fits(p, sieve_value(r, t)))
			return true;
	return false;
}

static bool match_parts(struct sieve_match *m, const Sekisho__Part *p)
{
	bool as_read = !sieve_tagged(m->n, SIEVE_TAG_CONTENT);
	const struct sieve_message *now = sieve_replaced(m->r, p);
	if (now)
		return part_wanted(m->r, m->n, now->facts->root) &&
		       sieve_match_value(m, sieve_part_text(m->r, p, as_read));
	if (part_wanted(m->r, m->n, p) &&
	    (is_multipart(p) ? match_around(m, p) : sieve_match_value(m, sieve_part_text(m->r, p, as_read))))
		return true;
	for (size_t i = 0; i < p->n_parts; i++)
		if (match_parts(m, p->parts[i]))
			return true;
	return false;
}

/* A header without the empty line behind it has no body, not even an empty one: RFC 5173 4. */
static bool has_body(const struct sieve_message *m, const Sekisho__Part *root)
{
	struct slice header = slice_sub(m->octets, root->header_offset, root->header_length);
	return root->body_length || slice_iends(header, SLICE("\n\r\n")) || slice_eq(header, SLICE("\r\n"));
}

enum sieve_flow sieve_test_body(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	const Sekisho__Part *root = r->message->facts->root;
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[0]);
	m.quiet = true;
	if (!has_body(r->message, root))
		return sieve_match_end(&m, yes);
	if (sieve_tagged(n, SIEVE_TAG_RAW))
		sieve_match_value(&m, slice_sub(r->message->octets, root->body_offset, root->body_length));
	else
		match_parts(&m, root);
	return sieve_match_end(&m, yes);
}
