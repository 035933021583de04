/* body: the body test, RFC 5173. Match variables are not set by it (section 6). */
#include "sieve/inside.h"

/* The decoded text of a part: of messages inside, the header; of multiparts, what stands around the parts. */
static struct slice content(struct sieve_runner *r, const Sekisho__Part *p)
{
	struct slice all = r->message->octets;
	BUF_LOCAL(out, LIMIT_MESSAGE_MOST);
	if (p->n_parts && slice_eq(slice_str(p->type), SLICE("multipart"))) {
		size_t end = p->body_offset;
		for (size_t i = 0; i < p->n_parts; i++) {
			if (i == 0)
				buf_put(&out, slice_sub(all, end, p->parts[i]->header_offset - end));
			end = p->parts[i]->body_offset + p->parts[i]->body_length;
		}
		buf_put(&out, slice_sub(all, end, p->body_offset + p->body_length - MIN(end, p->body_offset + p->body_length)));
	} else if (p->n_parts) {
		return slice_sub(all, p->parts[0]->header_offset, p->parts[0]->header_length);
	} else {
		BUF_LOCAL(octets, LIMIT_MESSAGE_MOST);
		mail_facts_octets(all, p, &octets);
		if (slice_eq(slice_str(p->type), SLICE("text")))
			mail_text_decode(slice_str(p->charset), buf_slice(&octets), &out);
		else
			buf_put(&out, buf_slice(&octets));
	}
	return arena_dup(r->a, buf_slice(&out));
}

/* The text people read. */
static struct slice readable(struct sieve_runner *r, const Sekisho__Part *p)
{
	BUF_LOCAL(out, LIMIT_MESSAGE_MOST);
	mail_facts_text(r->message->octets, p, &out);
	return arena_dup(r->a, buf_slice(&out));
}

/* Decoded once a run. */
struct slice sieve_part_text(struct sieve_runner *r, const Sekisho__Part *p, bool as_read)
{
	for (struct sieve_part_texts *t = r->texts; t; t = t->next)
		if (t->part == p && t->as_read == as_read)
			return t->text;
	struct sieve_part_texts *t = arena_new(r->a, struct sieve_part_texts);
	if (!t)
		return SLICE_NONE;
	*t = (struct sieve_part_texts){.next = r->texts, .part = p, .as_read = as_read};
	t->text = as_read ? readable(r, p) : content(r, p);
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

static bool part_wanted(struct sieve_runner *r, const struct sieve_node *n, const Sekisho__Part *p)
{
	const struct sieve_arg *types = sieve_tag_value(n, SIEVE_TAG_CONTENT);
	if (!types)
		return !p->n_parts && slice_eq(slice_str(p->type), SLICE("text"));
	for (const struct sieve_text *t = types->texts; t; t = t->next)
		if (type_fits(p, sieve_value(r, t)))
			return true;
	return false;
}

static bool match_parts(struct sieve_match *m, const Sekisho__Part *p)
{
	bool as_read = !sieve_tagged(m->n, SIEVE_TAG_CONTENT);
	if (part_wanted(m->r, m->n, p) && sieve_match_value(m, sieve_part_text(m->r, p, as_read)))
		return true;
	for (size_t i = 0; i < p->n_parts; i++)
		if (match_parts(m, p->parts[i]))
			return true;
	return false;
}

enum sieve_flow sieve_test_body(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	const Sekisho__Part *root = r->message->facts->root;
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[0]);
	m.quiet = true;
	if (sieve_tagged(n, SIEVE_TAG_RAW))
		sieve_match_value(&m, slice_sub(r->message->octets, root->body_offset, root->body_length));
	else
		match_parts(&m, root);
	return sieve_match_end(&m, yes);
}
