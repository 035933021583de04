/* editheader: addheader and deleteheader, RFC 5293. */
#include "sieve/inside.h"

static bool name_good(struct sieve_compiler *c, const struct sieve_text *t)
{
	if (t->pieces || sieve_field_name_valid(t->text))
		return true;
	sieve_say(c, t->line, t->column, "field name '" SLICE_FMT "' is invalid",
	    SLICE_ARG(slice_sub(t->text, 0, 80)));
	return false;
}

static bool value_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 32 && !strchr("\t\r\n", s.p[i] ? s.p[i] : 1)) || s.p[i] == 127)
			return false;
	return true;
}

bool sieve_check_addheader(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_text *value = n->pos[1]->texts;
	if (!name_good(c, n->pos[0]->texts))
		return false;
	if (!value->pieces && !value_valid(value->text)) {
		sieve_say(c, value->line, value->column, "the value '" SLICE_FMT "' of a field is invalid",
		    SLICE_ARG(slice_sub(value->text, 0, 80)));
		return false;
	}
	if (!value->pieces && c->how->header_most && value->text.n > c->how->header_most) {
		sieve_say(c, value->line, value->column,
		    "the value of the field is too long (more than %zu octets)", c->how->header_most);
		return false;
	}
	return true;
}

bool sieve_check_deleteheader(struct sieve_compiler *c, struct sieve_node *n)
{
	return sieve_check_scope(c, n) && name_good(c, n->pos[0]->texts);
}

static bool is_protected(const struct sieve_env *env, struct slice name, bool add)
{
	if (!add && (slice_ieq(name, SLICE("received")) || slice_ieq(name, SLICE("auto-submitted"))))
		return true;
	if (slice_ieq(name, SLICE("subject")))
		return false;
	for (size_t i = 0; i < env->protected_count; i++)
		if (slice_ieq(name, env->protected[i]))
			return true;
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Line ends become folds; a fold needs a blank behind it, and more than blanks behind that (RFC 5322 3.2.2). */
static struct slice one_field(struct sieve_runner *r, struct slice value)
{
	BUF_LOCAL(out, value.n * 2 + 8);
	value = slice_trim(value);
	for (size_t i = 0; i < value.n;) {
		size_t end = i;
		bool fold = false;
		while (end < value.n && is_space(value.p[end])) {
			fold |= value.p[end] == '\r' || value.p[end] == '\n';
			end++;
		}
		if (fold) {
			bool blank = value.p[end - 1] == ' ' || value.p[end - 1] == '\t';
			buf_puts(&out, "\r\n");
			buf_putc(&out, blank ? value.p[end - 1] : '\t');
		} else {
			buf_put(&out, slice_sub(value, i, end - i));
		}
		if (end < value.n)
			buf_putc(&out, value.p[end]);
		i = end + 1;
	}
	return arena_dup(r->a, buf_slice(&out));
}

static bool insert(struct sieve_runner *r, bool last, struct sieve_field field)
{
	struct sieve_fields *f = r->fields;
	if (f->count == f->room) {
		struct sieve_field *list = arena_array(r->a, f->room * 2, sizeof *list);
		if (!list)
			return false;
		memcpy(list, f->list, f->count * sizeof *list);
		f->list = list;
		f->room *= 2;
	}
	if (!last)
		memmove(f->list + 1, f->list, f->count * sizeof *f->list);
	f->list[last ? f->count : 0] = field;
	f->count++;
	return true;
}

enum sieve_flow sieve_run_addheader(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice name = sieve_arg_value(r, n->pos[0]), value = sieve_arg_value(r, n->pos[1]);
	bool last = sieve_tagged(n, SIEVE_TAG_LAST);
	size_t most = r->env->header_most ? r->env->header_most : LIMIT_SIEVE_VALUE;
	if (!sieve_field_name_valid(name))
		return sieve_fail(
		    r, n, "field name '" SLICE_FMT "' is invalid", SLICE_ARG(slice_sub(name, 0, 80)));
	if (!value_valid(value))
		return sieve_fail(r, n, "the value '" SLICE_FMT "' of a field is invalid",
		    SLICE_ARG(slice_sub(value, 0, 80)));
	if (value.n > most)
		return sieve_fail(r, n, "the value of the field is too long (more than %zu octets)", most);
	if (is_protected(r->env, name, true))
		return SIEVE_GO;
	struct sieve_edit *e = sieve_edit_new(r);
	if (!e)
		return sieve_fail(r, n, "there are more than %d changes of the header", LIMIT_SIEVE_EDITS);
	BUF_LOCAL(encoded, value.n * 8 + 256);
	value = one_field(r, value);
	e->what = last ? SIEVE_EDIT_ADD_LAST : SIEVE_EDIT_ADD_FIRST;
	e->name = name;
	if (slice_is_ascii(value)) {
		e->value = value;
	} else { /* RFC 5293 4: UTF-8 becomes encoded words */
		mail_words_put(&encoded, mail_unfold(value, r->a), name.n + 2);
		e->value = arena_dup(r->a, buf_slice(&encoded));
	}
	return insert(r, last, (struct sieve_field){.name = name, .raw = e->value}) ? SIEVE_GO : SIEVE_FAIL;
}

static bool value_fits(
    struct sieve_runner *r, const struct sieve_node *n, struct sieve_field *f, enum sieve_flow *flow)
{
	struct sieve_match m;
	bool yes = true;
	if (!n->pos[1])
		return true;
	sieve_match_start(&m, r, n, n->pos[1]);
	sieve_match_value(&m, sieve_field_text(r, f));
	*flow = sieve_match_end(&m, &yes);
	return *flow == SIEVE_GO && yes;
}

static bool delete_at(struct sieve_runner *r, size_t at)
{
	struct sieve_edit *e = sieve_edit_new(r);
	if (!e)
		return false;
	e->what = SIEVE_EDIT_DELETE;
	e->field = at;
	r->fields->count--;
	memmove(r->fields->list + at, r->fields->list + at + 1,
	    (r->fields->count - at) * sizeof *r->fields->list);
	return true;
}

enum sieve_flow sieve_run_deleteheader(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice name = sieve_arg_value(r, n->pos[0]);
	const struct sieve_arg *index = sieve_tag_value(n, SIEVE_TAG_INDEX);
	bool last = sieve_tagged(n, SIEVE_TAG_LAST);
	enum sieve_flow flow = SIEVE_GO;
	uint64_t nth = 0;
	if (!sieve_field_name_valid(name))
		return sieve_fail(
		    r, n, "field name '" SLICE_FMT "' is invalid", SLICE_ARG(slice_sub(name, 0, 80)));
	if (is_protected(r->env, name, false))
		return SIEVE_GO;
	/* From the end on, so that what was deleted does not move what comes next; :index counts from its side. */
	size_t total = 0;
	for (size_t i = 0; i < r->fields->count; i++)
		total += slice_ieq(r->fields->list[i].name, name);
	for (size_t i = r->fields->count; i-- > 0 && flow == SIEVE_GO;) {
		struct sieve_field *f = &r->fields->list[i];
		if (!slice_ieq(f->name, name))
			continue;
		nth++;
		if (index && (last ? nth : total + 1 - nth) != index->number)
			continue;
		if (value_fits(r, n, f, &flow) && !delete_at(r, i))
			return sieve_fail(
			    r, n, "there are more than %d changes of the header", LIMIT_SIEVE_EDITS);
	}
	return flow;
}
