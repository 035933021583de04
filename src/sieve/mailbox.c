/* mailbox: mailboxes and their properties: RFC 5490, 8579 and 9042. */
#include "sieve/inside.h"

static bool askable(const struct sieve_question *q);

/* YES only when it is so for all of the names. */
static enum sieve_flow all_exist(
    struct sieve_runner *r, const struct sieve_arg *names, struct sieve_question q, bool b, bool *yes)
{
	*yes = true;
	for (const struct sieve_text *t = names->texts; t && *yes; t = t->next) {
		*(b ? &q.b : &q.a) = sieve_value(r, t);
		bool metadata = q.what == SIEVE_ASK_METADATA || q.what == SIEVE_ASK_SERVER_METADATA;
		*yes = !metadata || askable(&q);
		enum sieve_flow flow = *yes ? sieve_ask_world(r, &q, yes, NULL) : SIEVE_GO;
		if (flow != SIEVE_GO)
			return flow;
	}
	return SIEVE_GO;
}

/* A mailbox with an impossible name does not exist. */
static void warn_mailboxes(struct sieve_compiler *c, const struct sieve_arg *arg)
{
	for (const struct sieve_text *t = arg ? arg->texts : NULL; t; t = t->next)
		if (!t->pieces && !sieve_mailbox_valid(t->text))
			sieve_warn(c, t->line, t->column, "invalid mailbox name");
}

bool sieve_check_mailboxes(struct sieve_compiler *c, struct sieve_node *n)
{
	warn_mailboxes(c, n->pos[0]);
	return true;
}

enum sieve_flow sieve_test_mailboxexists(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next)
		if (!sieve_mailbox_valid(sieve_value(r, t)))
			return SIEVE_GO;
	return all_exist(r, n->pos[0], (struct sieve_question){.what = SIEVE_ASK_MAILBOX}, false, yes);
}

enum sieve_flow sieve_test_mailboxidexists(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return all_exist(r, n->pos[0], (struct sieve_question){.what = SIEVE_ASK_MAILBOX_ID}, false, yes);
}

/* ---- annotations ---- */

/* RFC 5464 3: a path that begins with /private or /shared. */
static bool annotation_valid(struct slice name)
{
	if (name.n < 2 || name.p[0] != '/' || name.p[name.n - 1] == '/' ||
	    slice_search(name, SLICE("//")) >= 0)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 32 || (unsigned char)name.p[i] > 126 || name.p[i] == '*' ||
		    name.p[i] == '%')
			return false;
	return slice_istarts(name, SLICE("/private/")) || slice_istarts(name, SLICE("/shared/"));
}

static const struct sieve_arg *annotations(const struct sieve_node *n)
{
	bool server = slice_istarts(n->name, SLICE("servermetadata"));
	return n->pos[server ? 0 : 1];
}

bool sieve_check_metadata(struct sieve_compiler *c, struct sieve_node *n)
{
	if (n->verb->cap == SIEVE_CAP_MBOXMETADATA)
		warn_mailboxes(c, n->pos[0]);
	for (const struct sieve_text *t = annotations(n)->texts; t; t = t->next)
		if (!t->pieces && !annotation_valid(t->text))
			sieve_warn(c, t->line, t->column, "'" SLICE_FMT "' is no name of an annotation",
			    SLICE_ARG(slice_sub(t->text, 0, 80)));
	return true;
}

/* Whether the question makes sense; what cannot be there is not asked for. */
static bool askable(const struct sieve_question *q)
{
	bool mailbox = q->what == SIEVE_ASK_METADATA;
	return annotation_valid(mailbox ? q->b : q->a) && (!mailbox || sieve_mailbox_valid(q->a));
}

static enum sieve_flow match_annotation(struct sieve_runner *r, const struct sieve_node *n,
    struct sieve_question q, const struct sieve_arg *keys, bool *yes)
{
	struct slice value = SLICE_NONE;
	struct sieve_match m;
	bool known = false;
	enum sieve_flow flow = askable(&q) ? sieve_ask_world(r, &q, &known, &value) : SIEVE_GO;
	if (flow != SIEVE_GO)
		return flow;
	sieve_match_start(&m, r, n, keys);
	if (known)
		sieve_match_value(&m, value);
	return sieve_match_end(&m, yes);
}

enum sieve_flow sieve_test_metadata(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return match_annotation(r, n,
	    (struct sieve_question){.what = SIEVE_ASK_METADATA,
		.a = sieve_arg_value(r, n->pos[0]),
		.b = sieve_arg_value(r, n->pos[1])},
	    n->pos[2], yes);
}

enum sieve_flow sieve_test_servermetadata(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return match_annotation(r, n,
	    (struct sieve_question){.what = SIEVE_ASK_SERVER_METADATA, .a = sieve_arg_value(r, n->pos[0])},
	    n->pos[1], yes);
}

enum sieve_flow sieve_test_metadataexists(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_question q = {.what = SIEVE_ASK_METADATA, .a = sieve_arg_value(r, n->pos[0])};
	return all_exist(r, n->pos[1], q, true, yes);
}

enum sieve_flow sieve_test_servermetadataexists(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return all_exist(
	    r, n->pos[0], (struct sieve_question){.what = SIEVE_ASK_SERVER_METADATA}, false, yes);
}

/* ---- special use ---- */

static bool use_valid(struct slice s)
{
	if (s.n < 2 || s.n > LIMIT_KEYWORD || s.p[0] != '\\')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 32 || (unsigned char)s.p[i] >= 127 ||
		    strchr("(){%*\"\\]", s.p[i]))
			return false;
	return true;
}

static bool check_uses(struct sieve_compiler *c, const struct sieve_arg *arg)
{
	for (const struct sieve_text *t = arg->texts; t; t = t->next) {
		if (t->pieces || use_valid(t->text))
			continue;
		sieve_say(c, t->line, t->column, "'" SLICE_FMT "' is no special-use flag",
		    SLICE_ARG(slice_sub(t->text, 0, 80)));
		return false;
	}
	return true;
}

bool sieve_check_specialuse(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_arg *uses = n->pos[1] ? n->pos[1] : sieve_tag_value(n, SIEVE_TAG_SPECIALUSE);
	warn_mailboxes(c, n->pos[0]);
	return !uses || check_uses(c, uses);
}

enum sieve_flow sieve_test_specialuse_exists(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = true;
	for (const struct sieve_text *t = n->pos[1]->texts; t && *yes; t = t->next) {
		struct sieve_question q = {.what = SIEVE_ASK_SPECIAL_USE, .a = sieve_value(r, t)};
		struct slice found = SLICE_NONE;
		if (!use_valid(q.a))
			return sieve_fail(r, n, "invalid special-use flag");
		if (n->pos[0])
			q.b = sieve_arg_value(r, n->pos[0]);
		if (n->pos[0] && !sieve_mailbox_valid(q.b)) {
			*yes = false;
			return SIEVE_GO;
		}
		enum sieve_flow flow = sieve_ask_world(r, &q, yes, &found);
		if (flow != SIEVE_GO)
			return flow;
	}
	return SIEVE_GO;
}

/*
 * Where fileinto puts it: into the mailbox with that id or that use, and when there is none, into the one it names.
 */
enum sieve_flow sieve_act_mailbox(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x)
{
	const struct sieve_arg *id = sieve_tag_value(n, SIEVE_TAG_MAILBOXID),
			       *use = sieve_tag_value(n, SIEVE_TAG_SPECIALUSE);
	struct slice found = SLICE_NONE;
	bool yes = false;
	enum sieve_flow flow = SIEVE_GO;
	if (id) {
		x->mailbox_id = sieve_arg_value(r, id);
		flow = sieve_ask_world(r,
		    &(struct sieve_question){.what = SIEVE_ASK_MAILBOX_ID, .a = x->mailbox_id}, &yes, &found);
		if (flow != SIEVE_GO)
			return flow;
		if (!yes)
			x->mailbox_id = SLICE_NONE;
	}
	if (use && !yes) {
		x->special_use = sieve_arg_value(r, use);
		if (!use_valid(x->special_use))
			return sieve_fail(r, n, "invalid special-use flag '" SLICE_FMT "'",
			    SLICE_ARG(slice_sub(x->special_use, 0, 80)));
		flow = sieve_ask_world(r,
		    &(struct sieve_question){.what = SIEVE_ASK_SPECIAL_USE, .a = x->special_use}, &yes,
		    &found);
	}
	if (flow == SIEVE_GO && yes && found.n)
		x->mailbox = found;
	x->create = sieve_tagged(n, SIEVE_TAG_CREATE);
	return flow;
}

/* ---- copies of what is sent, RFC 8580 ---- */

bool sieve_check_fcc(struct sieve_compiler *c, const struct sieve_node *n)
{
	const struct sieve_arg *fcc = sieve_tag_value(n, SIEVE_TAG_FCC),
			       *use = sieve_tag_value(n, SIEVE_TAG_SPECIALUSE);
	if (!fcc && (n->tags & SIEVE_COPY_FILED)) {
		sieve_say(
		    c, n->line, n->column, "the %s command has an option of :fcc without it", n->verb->name);
		return false;
	}
	if (fcc && !fcc->texts->pieces && !sieve_mailbox_valid(fcc->texts->text)) {
		sieve_say(c, fcc->line, fcc->column, "invalid folder name");
		return false;
	}
	return !use || check_uses(c, use);
}

/* Flags are those that :flags gives: what the script does to the message's own is not meant for its answer. */
enum sieve_flow sieve_act_fcc(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x)
{
	const struct sieve_arg *fcc = sieve_tag_value(n, SIEVE_TAG_FCC);
	if (!fcc)
		return SIEVE_GO;
	x->mailbox = sieve_arg_value(r, fcc);
	if (!sieve_mailbox_valid(x->mailbox))
		return sieve_fail(
		    r, n, "invalid folder name '" SLICE_FMT "'", SLICE_ARG(slice_sub(x->mailbox, 0, 80)));
	if (sieve_tagged(n, SIEVE_TAG_FLAGS) && !sieve_act_flags(r, n, x))
		return SIEVE_FAIL;
	return sieve_act_mailbox(r, n, x);
}
