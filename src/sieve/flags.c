/* flags: setflag, addflag, removeflag, hasflag and :flags, RFC 5232. */
#include "sieve/inside.h"

/* A flag IMAP lets clients set: a keyword or a system flag other than \Recent. */
static bool flag_valid(struct slice s)
{
	static const char *const system[] = {"\\seen", "\\answered", "\\flagged", "\\deleted", "\\draft"};
	if (s.n && s.p[0] == '\\') {
		for (size_t i = 0; i < COUNT(system); i++)
			if (slice_ieq(s, slice_str(system[i])))
				return true;
		return false;
	}
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 32 || (unsigned char)s.p[i] >= 127 ||
		    strchr("(){%*\"\\]", s.p[i]))
			return false;
	return s.n > 0 && s.n <= LIMIT_KEYWORD;
}

static bool flag_in(const struct sieve_flags *set, struct slice flag)
{
	for (size_t i = 0; i < set->count; i++)
		if (slice_ieq(set->list[i], flag))
			return true;
	return false;
}

static bool flag_add(struct sieve_runner *r, struct sieve_flags *set, struct slice flag)
{
	if (!flag_valid(flag) || flag_in(set, flag))
		return true;
	if (set->count == LIMIT_KEYWORDS)
		return false;
	if (!set->list)
		set->list = arena_array(r->a, LIMIT_KEYWORDS, sizeof *set->list);
	if (set->list)
		set->list[set->count++] = flag;
	return set->list != NULL;
}

static void flag_remove(struct sieve_flags *set, struct slice flag)
{
	size_t n = 0;
	for (size_t i = 0; i < set->count; i++)
		if (!slice_ieq(set->list[i], flag))
			set->list[n++] = set->list[i];
	set->count = n;
}

/* Takes the next word of a string of flags divided by blanks. */
static bool next_flag(struct slice *rest, struct slice *out)
{
	*rest = slice_trim(*rest);
	*out = slice_split(rest, ' ');
	return out->n > 0;
}

static bool flags_add(struct sieve_runner *r, struct sieve_flags *set, struct slice words)
{
	struct slice one;
	while (next_flag(&words, &one))
		if (!flag_add(r, set, one))
			return false;
	return true;
}

static bool flags_add_all(struct sieve_runner *r, struct sieve_flags *set, const struct sieve_arg *arg)
{
	for (const struct sieve_text *t = arg->texts; t; t = t->next)
		if (!flags_add(r, set, sieve_value(r, t)))
			return false;
	return true;
}

void sieve_flags_start(struct sieve_runner *r)
{
	r->flags = (struct sieve_flags){0};
	r->flags_given = false;
	for (size_t i = 0; i < r->env->flag_count; i++)
		result_ignore(flag_add(r, &r->flags, r->env->flags[i]) ? OK : FULL);
}

static struct slice joined(struct sieve_runner *r, const struct sieve_flags *set)
{
	BUF_LOCAL(out, LIMIT_SIEVE_VALUE);
	for (size_t i = 0; i < set->count; i++) {
		if (i)
			buf_putc(&out, ' ');
		buf_put(&out, set->list[i]);
	}
	return arena_dup(r->a, buf_slice(&out));
}

/* ---- commands ---- */

bool sieve_check_flags(struct sieve_compiler *c, struct sieve_node *n)
{
	for (const struct sieve_text *t = n->pos[1]->texts; t; t = t->next) {
		struct slice rest = t->text, one;
		while (!t->pieces && next_flag(&rest, &one))
			if (!flag_valid(one))
				sieve_warn(c, t->line, t->column,
				    "'" SLICE_FMT "' is no flag a message can be given",
				    SLICE_ARG(slice_sub(one, 0, 80)));
	}
	if (!n->pos[0])
		return true;
	if (!sieve_has(c->script, SIEVE_CAP_VARIABLES)) {
		sieve_say(
		    c, n->pos[0]->line, n->pos[0]->column, "a variable of flags needs require \"variables\"");
		return false;
	}
	struct sieve_piece *target = arena_new(c->a, struct sieve_piece);
	n->own = target;
	return target && sieve_variable_target(c, n->pos[0]->texts, target);
}

enum sieve_flow sieve_run_flags(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice *variable = n->own ? sieve_variable(r, n->own) : NULL;
	struct sieve_flags own = {0}, *set = variable ? &own : &r->flags;
	bool adds = slice_ieq(n->name, SLICE("addflag")), sets = slice_ieq(n->name, SLICE("setflag"));
	if (variable && !flags_add(r, &own, *variable))
		return sieve_fail(r, n, "there are more than %d flags", LIMIT_KEYWORDS);
	if (sets)
		set->count = 0;
	if ((sets || adds) && !flags_add_all(r, set, n->pos[1]))
		return sieve_fail(r, n, "there are more than %d flags", LIMIT_KEYWORDS);
	for (const struct sieve_text *t = n->pos[1]->texts; t && !sets && !adds; t = t->next) {
		struct slice rest = sieve_value(r, t), one;
		while (next_flag(&rest, &one))
			flag_remove(set, one);
	}
	if (variable)
		*variable = joined(r, set);
	else
		r->flags_given = true;
	return SIEVE_GO;
}

/* :flags, or else what the commands above left. */
bool sieve_act_flags(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x)
{
	const struct sieve_arg *arg = n ? sieve_tag_value(n, SIEVE_TAG_FLAGS) : NULL;
	struct sieve_flags set = {0}; /* of several actions for one mailbox the last one says */
	if (!arg && !r->flags_given)
		return true;
	if (arg ? !flags_add_all(r, &set, arg) : !flags_add(r, &set, joined(r, &r->flags)))
		return false;
	x->flags_set = true;
	x->flags = set.list;
	x->flag_count = set.count;
	return true;
}

/* ---- hasflag ---- */

/* The keys, one flag each. */
static struct sieve_arg *split_keys(struct sieve_runner *r, const struct sieve_arg *keys)
{
	struct sieve_arg *out = arena_new(r->a, struct sieve_arg);
	struct sieve_text **end = out ? &out->texts : NULL;
	for (const struct sieve_text *t = keys->texts; out && t; t = t->next) {
		struct slice rest = sieve_value(r, t), one;
		while (next_flag(&rest, &one)) {
			struct sieve_text *copy = arena_new(r->a, struct sieve_text);
			if (!copy)
				return NULL;
			copy->text = one;
			*end = copy;
			end = &copy->next;
		}
	}
	return out;
}

bool sieve_check_hasflag(struct sieve_compiler *c, struct sieve_node *n)
{
	if (!n->pos[0])
		return true;
	if (!sieve_has(c->script, SIEVE_CAP_VARIABLES)) {
		sieve_say(
		    c, n->pos[0]->line, n->pos[0]->column, "a variable of flags needs require \"variables\"");
		return false;
	}
	struct sieve_piece *targets = arena_array(c->a, n->pos[0]->count, sizeof *targets);
	n->own = targets;
	size_t i = 0;
	for (const struct sieve_text *t = n->pos[0]->texts; targets && t; t = t->next)
		if (!sieve_variable_target(c, t, &targets[i++]))
			return false;
	return targets != NULL;
}

enum sieve_flow sieve_test_hasflag(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	const struct sieve_piece *targets = n->own;
	bool counts = sieve_tagged(n, SIEVE_TAG_COUNT);
	const struct sieve_arg *keys = counts ? n->pos[1] : split_keys(r, n->pos[1]);
	struct sieve_match m;
	if (!keys)
		return SIEVE_FAIL;
	sieve_match_start(&m, r, n, keys);
	for (size_t i = 0; i < (targets ? n->pos[0]->count : 1); i++) {
		struct sieve_flags own = {0}, *set = targets ? &own : &r->flags;
		const struct slice *value = targets ? sieve_variable(r, &targets[i]) : NULL;
		if (value && !flags_add(r, &own, *value))
			return sieve_fail(r, n, "there are more than %d flags", LIMIT_KEYWORDS);
		for (size_t k = 0; k < set->count; k++)
			if (sieve_match_value(&m, set->list[k]))
				return sieve_match_end(&m, yes);
	}
	return sieve_match_end(&m, yes);
}
