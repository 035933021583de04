/* mime: parts of a message: :mime, :anychild, foreverypart, break, extracttext; RFC 5703. */
#include "mail/utf8.h"
#include "sieve/inside.h"

/* ---- the fields of parts ---- */

/* The fields of a part's own header; the root's are those of the message, with its edits. */
static struct sieve_fields *part_fields(struct sieve_runner *r, const Sekisho__Part *p)
{
	if (p == r->message->facts->root)
		return r->fields;
	const struct sieve_message *now = sieve_replaced(r, p);
	const Sekisho__Part *from = now ? now->facts->root : p;
	for (struct sieve_part_fields *f = r->part_fields; f; f = f->next)
		if (f->part == from)
			return &f->fields;
	struct sieve_part_fields *f = arena_new(r->a, struct sieve_part_fields);
	if (!f)
		return NULL;
	f->part = from;
	f->next = r->part_fields;
	r->part_fields = f;
	struct slice header =
	    slice_sub((now ? now : r->message)->octets, from->header_offset, from->header_length);
	struct mail_fields walk = mail_fields_of(header);
	struct mail_field field;
	while (mail_fields_next(&walk, &field))
		f->fields.room++;
	f->fields.list = arena_array(r->a, f->fields.room, sizeof *f->fields.list);
	walk = mail_fields_of(header);
	while (f->fields.list && mail_fields_next(&walk, &field))
		f->fields.list[f->fields.count++] =
		    (struct sieve_field){.name = field.name, .raw = field.value};
	return &f->fields;
}

static bool named(const struct sieve_field *f, struct slice name)
{
	return f->name.n == name.n && slice_ieq(f->name, name);
}

/* Those of the name in one header; with :index only that one. */
static bool each_in(
    const struct sieve_node *n, struct sieve_fields *fields, struct slice name, sieve_field_fn *f, void *ctx)
{
	const struct sieve_arg *index = sieve_tag_value(n, SIEVE_TAG_INDEX);
	uint64_t wanted = index ? index->number : 0, at = 0;
	bool last = sieve_tagged(n, SIEVE_TAG_LAST);
	for (size_t i = 0; i < fields->count; i++) {
		struct sieve_field *one = &fields->list[last ? fields->count - 1 - i : i];
		if (!named(one, name))
			continue;
		at++;
		if ((!index || at == wanted) && f(ctx, one))
			return true;
	}
	return false;
}

static bool each_below(struct sieve_runner *r, const struct sieve_node *n, const Sekisho__Part *p,
    struct slice name, sieve_field_fn *f, void *ctx)
{
	struct sieve_fields *fields = part_fields(r, p);
	if (fields && each_in(n, fields, name, f, ctx))
		return true;
	bool deeper = sieve_tagged(n, SIEVE_TAG_ANYCHILD) && !sieve_replaced(r, p);
	for (size_t i = 0; deeper && i < p->n_parts; i++)
		if (each_below(r, n, p->parts[i], name, f, ctx))
			return true;
	return false;
}

bool sieve_fields_each(
    struct sieve_runner *r, const struct sieve_node *n, struct slice name, sieve_field_fn *f, void *ctx)
{
	if (!sieve_tagged(n, SIEVE_TAG_MIME))
		return each_in(n, r->fields, name, f, ctx);
	return each_below(r, n, r->part ? r->part : r->message->facts->root, name, f, ctx);
}

bool sieve_check_scope(struct sieve_compiler *c, const struct sieve_node *n)
{
	sieve_tagset needs_mime = SIEVE_BIT(ANYCHILD) | SIEVE_PIECES;
	bool mime = sieve_tagged(n, SIEVE_TAG_MIME);
	const struct sieve_arg *index = sieve_tag_value(n, SIEVE_TAG_INDEX);
	if (index && !(n->verb->run == sieve_run_deleteheader) && !sieve_has(c->script, SIEVE_CAP_INDEX)) {
		sieve_say(c, index->line, index->column,
		    "the tag :index of the %s test needs require \"index\"", n->verb->name);
		return false;
	}
	if (mime && !sieve_has(c->script, SIEVE_CAP_MIME)) {
		sieve_say(c, n->line, n->column, "the tag :mime of the %s test needs require \"mime\"",
		    n->verb->name);
		return false;
	}
	if ((n->tags & needs_mime) && !mime) {
		sieve_say(c, n->line, n->column, "the %s command or test has an option of :mime without it",
		    n->verb->name);
		return false;
	}
	if (sieve_tagged(n, SIEVE_TAG_LAST) && !index && (n->verb->tags & SIEVE_BIT(INDEX))) {
		sieve_say(c, n->line, n->column, "the :last tag cannot be specified without the :index tag");
		return false;
	}
	if (index && index->number == 0) {
		sieve_say(c, index->line, index->column, ":index counts from 1");
		return false;
	}
	return true;
}

/* What header :mime compares: the whole value, or a piece of it. */
bool sieve_mime_match(struct sieve_match *m, struct sieve_field *f)
{
	const struct sieve_node *n = m->n;
	const struct sieve_arg *params = sieve_tag_value(n, SIEVE_TAG_PARAM);
	if (!(n->tags & SIEVE_PIECES))
		return sieve_match_value(m, sieve_field_text(m->r, f));
	bool type = slice_ieq(f->name, SLICE("content-type")),
	     disposition = slice_ieq(f->name, SLICE("content-disposition"));
	struct mail_value v = {0};
	if (type || disposition)
		mail_value_parse(f->raw, type, m->r->a, &v);
	if (sieve_tagged(n, SIEVE_TAG_TYPE))
		return sieve_match_value(m, v.type);
	if (sieve_tagged(n, SIEVE_TAG_SUBTYPE))
		return sieve_match_value(m, v.subtype);
	if (sieve_tagged(n, SIEVE_TAG_CONTENTTYPE)) {
		struct slice whole = v.type;
		if (v.subtype.n)
			whole = slice_str(arena_printf(
			    m->r->a, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(v.type), SLICE_ARG(v.subtype)));
		return sieve_match_value(m, whole);
	}
	for (const struct sieve_text *t = params->texts; t; t = t->next) {
		struct slice name = sieve_value(m->r, t);
		for (const struct mail_param *p = v.params; p; p = p->next)
			if (slice_ieq(p->name, name) && sieve_match_value(m, p->text))
				return true;
	}
	return false;
}

/* ---- foreverypart and break ---- */

bool sieve_check_foreverypart(struct sieve_compiler *c, struct sieve_node *n)
{
	size_t depth = 0;
	for (const struct sieve_node *p = n->parent; p; p = p->parent)
		depth += p->verb && p->verb->run == sieve_run_foreverypart;
	if (depth < LIMIT_SIEVE_LOOPS)
		return true;
	sieve_say(c, n->line, n->column, "foreverypart is nested deeper than %d levels", LIMIT_SIEVE_LOOPS);
	return false;
}

static struct slice loop_name(const struct sieve_node *n)
{
	const struct sieve_arg *arg = sieve_tag_value(n, SIEVE_TAG_NAME);
	return arg ? arg->texts->text : SLICE_NONE;
}

bool sieve_check_break(struct sieve_compiler *c, struct sieve_node *n)
{
	bool named_one = sieve_tagged(n, SIEVE_TAG_NAME), loop = false;
	for (struct sieve_node *p = n->parent; p; p = p->parent) {
		if (p->verb->run != sieve_run_foreverypart)
			continue;
		loop = true;
		if (named_one && !(sieve_tagged(p, SIEVE_TAG_NAME) && slice_eq(loop_name(n), loop_name(p))))
			continue;
		n->own = p;
		return true;
	}
	sieve_say(c, n->line, n->column,
	    loop ? "break names no loop around it" : "break stands outside of foreverypart");
	return false;
}

enum sieve_flow sieve_run_break(struct sieve_runner *r, const struct sieve_node *n)
{
	r->leaving = n->own;
	return SIEVE_BREAK;
}

static enum sieve_flow each_part(struct sieve_runner *r, const struct sieve_node *n, const Sekisho__Part *p);

/* Those of a part that has gone are no more, and those of a message that has become another one. */
static enum sieve_flow each_child(struct sieve_runner *r, const struct sieve_node *n,
    const struct sieve_message *message, const Sekisho__Part *p)
{
	enum sieve_flow flow = SIEVE_GO;
	for (size_t i = 0; flow == SIEVE_GO && i < p->n_parts; i++) {
		if (r->message != message || sieve_replaced(r, p))
			break;
		flow = each_part(r, n, p->parts[i]);
	}
	return flow;
}

static enum sieve_flow each_part(struct sieve_runner *r, const struct sieve_node *n, const Sekisho__Part *p)
{
	const struct sieve_message *message = r->message;
	r->part = p;
	enum sieve_flow flow = sieve_step(r, n, 1) ? sieve_block(r, n->block) : SIEVE_FAIL;
	return flow == SIEVE_GO ? each_child(r, n, message, p) : flow;
}

/* All parts in order; inside another loop, those below the part in hand. */
enum sieve_flow sieve_run_foreverypart(struct sieve_runner *r, const struct sieve_node *n)
{
	const struct sieve_message *message = r->message;
	const Sekisho__Part *outer = r->part;
	if (r->loops == LIMIT_SIEVE_LOOPS)
		return sieve_fail(r, n, "foreverypart is nested deeper than %d levels", LIMIT_SIEVE_LOOPS);
	r->loops++;
	enum sieve_flow flow =
	    outer ? each_child(r, n, message, outer) : each_part(r, n, r->message->facts->root);
	r->part = outer && r->message != message ? r->message->facts->root : outer;
	r->loops--;
	if (flow == SIEVE_BREAK && r->leaving == n)
		flow = SIEVE_GO;
	bool over = !outer && flow != SIEVE_FAIL && flow != SIEVE_ASKED;
	return over && !sieve_parts_settle(r, n) ? SIEVE_FAIL : flow;
}

/* ---- extracttext ---- */

bool sieve_check_extracttext(struct sieve_compiler *c, struct sieve_node *n)
{
	bool loop = false;
	for (const struct sieve_node *p = n->parent; p && !loop; p = p->parent)
		loop = p->verb->run == sieve_run_foreverypart;
	if (!loop) {
		sieve_say(c, n->line, n->column, "extracttext stands outside of foreverypart");
		return false;
	}
	if (!sieve_has(c->script, SIEVE_CAP_VARIABLES)) {
		sieve_say(c, n->line, n->column, "extracttext needs require \"variables\"");
		return false;
	}
	return sieve_check_set(c, n);
}

static struct slice cut_characters(struct slice s, uint64_t most)
{
	struct slice rest = s;
	bool ok;
	for (; most && rest.n; most--)
		mail_utf8_take(&rest, &ok);
	return slice_sub(s, 0, s.n - rest.n);
}

enum sieve_flow sieve_run_extracttext(struct sieve_runner *r, const struct sieve_node *n)
{
	const struct sieve_arg *first = sieve_tag_value(n, SIEVE_TAG_FIRST);
	struct slice value = SLICE_NONE;
	if (r->part && (!r->part->n_parts || sieve_replaced(r, r->part)))
		value = sieve_part_text(r, r->part, true);
	if (first)
		value = cut_characters(value, first->number);
	return sieve_assign(r, n, mail_utf8_cut(value, LIMIT_SIEVE_VALUE));
}
