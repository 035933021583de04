/* list: LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 5258, 5819, 6154). */
#include "list.h"
#include "mailbox.h"
#include "metadata.h"
#include "verbs.h"
#include <stdlib.h>

#define PATTERNS 64 /* of one LIST */

enum choice {
	SUBSCRIBED = 1,
	REMOTE = 2,
	RECURSIVEMATCH = 4,
	SPECIAL_USE = 8,
	CHILDREN = 16,
	STATUS = 32,
	MYRIGHTS = 64,
	METADATA = 128
};

struct request {
	unsigned select, wanted; /* bits of enum choice */
	unsigned status;         /* items */
	struct imap_entries entries;
	struct slice patterns[PATTERNS];
	unsigned n;
	bool extended;
	bool lsub;
};

/* ---- matching ---- */

/* The set of places in the pattern that can be reached after each octet of the name: no pattern is slow. */
bool imap_list_matches(struct slice pattern, struct slice name)
{
	bool now[LIMIT_MAILBOX_NAME + 1] = {true}, next[LIMIT_MAILBOX_NAME + 1];
	bool inbox = slice_eq(name, SLICE("INBOX")) || slice_starts(name, SLICE("INBOX/"));
	if (pattern.n > LIMIT_MAILBOX_NAME)
		return false;
	for (size_t i = 0;; i++) {
		for (size_t k = 0; k < pattern.n; k++) /* a wildcard may stand for nothing */
			if (now[k] && (pattern.p[k] == '*' || pattern.p[k] == '%'))
				now[k + 1] = true;
		if (i == name.n)
			return now[pattern.n];
		bool any = false;
		memset(next, 0, pattern.n + 1);
		for (size_t k = 0; k < pattern.n; k++) {
			char c = pattern.p[k];
			if (!now[k])
				continue;
			if (c == '*' || (c == '%' && name.p[i] != '/'))
				any = next[k] = true;
			else if (c == name.p[i] || (inbox && i < 5 && ascii_upper(c) == name.p[i]))
				any = next[k + 1] = true;
		}
		if (!any)
			return false;
		memcpy(now, next, pattern.n + 1);
	}
}

static bool any_matches(const struct request *q, struct slice name)
{
	for (unsigned i = 0; i < q->n; i++)
		if (imap_list_matches(q->patterns[i], name))
			return true;
	return false;
}

/* ---- the names of an account ---- */

/* '/' before everything, so that what lies below a name follows it at once. */
static int by_level(const void *a, const void *b)
{
	struct slice na = ((const struct imap_name *)a)->name, nb = ((const struct imap_name *)b)->name;
	for (size_t i = 0; i < MIN(na.n, nb.n); i++) {
		unsigned char x = (unsigned char)na.p[i], y = (unsigned char)nb.p[i];
		if (x != y)
			return (x == '/' ? -1 : (int)x) - (y == '/' ? -1 : (int)y);
	}
	return (na.n > nb.n) - (na.n < nb.n);
}

/* Of one name, what exists first. */
static int by_level_existing(const void *a, const void *b)
{
	const struct imap_name *x = a, *y = b;
	int order = by_level(a, b);
	return order ? order : (x->mailbox == NULL) - (y->mailbox == NULL);
}

static bool is_below(struct slice name, struct slice parent)
{
	return name.n > parent.n && name.p[parent.n] == '/' && slice_starts(name, parent);
}

static bool add(struct imap *s, struct imap_names *all, struct imap_name e)
{
	if (all->n == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct imap_name *v = arena_array(&s->arena, room, sizeof *v);
		if (!v)
			return false;
		if (all->n)
			memcpy(v, all->v, all->n * sizeof *v);
		all->v = v;
		all->room = room;
	}
	all->v[all->n++] = e;
	return true;
}

/* A name that is subscribed to but gone, and the levels above it, which may be gone too. */
static bool add_missing(struct imap *s, struct imap_names *all, struct slice name)
{
	if (!add(s, all, (struct imap_name){.name = name, .subscribed = true}))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (name.p[i] == '/' && !add(s, all, (struct imap_name){.name = slice_sub(name, 0, i)}))
			return false;
	return true;
}

static void sort_names(struct imap_names *all)
{
	size_t kept = 0;
	if (all->n)
		qsort(all->v, all->n, sizeof *all->v, by_level_existing);
	for (size_t i = 0; i < all->n; i++) {
		if (kept && slice_eq(all->v[kept - 1].name, all->v[i].name))
			all->v[kept - 1].subscribed |= all->v[i].subscribed;
		else
			all->v[kept++] = all->v[i];
	}
	all->n = kept;
}

static bool take_names(struct imap *s, const Sekisho__MailboxesAnswer *answer, struct imap_names *all)
{
	for (size_t i = 0; i < answer->n_mailboxes; i++) {
		const Sekisho__Mailbox *m = answer->mailboxes[i];
		struct imap_name e = {.name = slice_str(m->name), .mailbox = m, .subscribed = m->subscribed};
		e.status = i < answer->n_status ? answer->status[i] : NULL;
		if (!add(s, all, e))
			return false;
	}
	for (size_t i = 0; i < answer->n_subscribed_missing; i++)
		if (!add_missing(s, all, slice_str(answer->subscribed_missing[i])))
			return false;
	return true;
}

enum result imap_names_ask(struct imap *s, const Sekisho__MailboxesAsk *ask, struct imap_names *all)
{
	Sekisho__MailboxesAnswer *answer = NULL;
	*all = (struct imap_names){0};
	enum result r = imap_ask(s, ASK_STORE_MAILBOXES, ask, &answer);
	while (r == OK) {
		if (!take_names(s, answer, all)) {
			ipc_close(&s->store); /* more than anybody may have */
			return GONE;
		}
		if (!s->store.more)
			break;
		r = imap_ask_more(s, NULL, &answer, NULL);
	}
	sort_names(all);
	return r;
}

const struct imap_name *imap_names_find(const struct imap_names *all, struct slice name)
{
	struct imap_name key = {.name = name};
	return all->n ? bsearch(&key, all->v, all->n, sizeof *all->v, by_level) : NULL;
}

/* ---- answers ---- */

static bool has_children(const struct imap_names *all, size_t i)
{
	for (size_t k = i + 1; k < all->n && is_below(all->v[k].name, all->v[i].name); k++)
		if (all->v[k].mailbox)
			return true;
	return false;
}

/* Something below is subscribed to and not listed itself. */
static bool has_subscribed_below(const struct imap_names *all, size_t i)
{
	for (size_t k = i + 1; k < all->n && is_below(all->v[k].name, all->v[i].name); k++)
		if (all->v[k].subscribed && !all->v[k].matches)
			return true;
	return false;
}

static void put_attribute(struct imap *s, bool *first, const char *text)
{
	if (!*first)
		stream_put(s->base.stream, SLICE(" "));
	*first = false;
	stream_puts(s->base.stream, text);
}

void imap_names_put(struct imap *s, const struct imap_names *all, const struct imap_name *e, unsigned show)
{
	bool first = true;
	stream_put(s->base.stream, SLICE("* LIST ("));
	if (!e->mailbox)
		put_attribute(s, &first, "\\NonExistent");
	else if (e->mailbox->noselect)
		put_attribute(s, &first, "\\Noselect");
	else if (e->mailbox->no_status && (show & IMAP_SHOW_NO_ACCESS))
		put_attribute(s, &first, "\\NoAccess");
	put_attribute(
	    s, &first, has_children(all, (size_t)(e - all->v)) ? "\\HasChildren" : "\\HasNoChildren");
	if (e->subscribed && (show & IMAP_SHOW_SUBSCRIBED))
		put_attribute(s, &first, "\\Subscribed");
	if (e->mailbox && e->mailbox->special_use[0])
		put_attribute(s, &first, e->mailbox->special_use);
	stream_put(s->base.stream, SLICE(") \"/\" "));
	imap_put_mailbox(s->base.stream, e->name, s->enabled & IMAP_UTF8);
}

/* Not OK: store is gone. */
static enum result put_entry(
    struct imap *s, const struct request *q, const struct imap_names *all, size_t i, bool child_info)
{
	const struct imap_name *e = &all->v[i];
	struct stream *out = s->base.stream;
	if (q->lsub) {
		stream_puts(out, e->subscribed ? "* LSUB (" : "* LSUB (\\Noselect");
		stream_put(out, SLICE(") \"/\" "));
		imap_put_mailbox(out, e->name, s->enabled & IMAP_UTF8);
	} else {
		imap_names_put(s, all, e, (q->select | q->wanted) & SUBSCRIBED ? IMAP_SHOW_SUBSCRIBED : 0);
	}
	stream_puts(out, child_info ? " (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n" : "\r\n");
	if ((q->wanted & STATUS) && e->mailbox && e->status && !e->mailbox->noselect &&
	    !e->mailbox->no_status)
		imap_put_status(s, e->mailbox, e->status, q->status);
	/* RFC 8440 section 3: for what can be selected */
	if ((q->wanted & MYRIGHTS) && e->mailbox && !e->mailbox->noselect)
		imap_put_myrights(s, e->name, e->mailbox->rights);
	if ((q->wanted & METADATA) && e->mailbox && !e->mailbox->noselect)
		return imap_metadata_put(s, e->name, &q->entries);
	return OK;
}

/* LSUB: what is subscribed to; and for "%" a level that only leads to such (RFC 3501 6.3.9). */
static bool is_subscribed_or_leads(const struct imap_names *all, size_t i)
{
	return all->v[i].subscribed || has_subscribed_below(all, i);
}

static enum result answer_one(struct imap *s, const struct request *q, const struct imap_names *all, size_t i)
{
	const struct imap_name *e = &all->v[i];
	if (!e->matches)
		return OK;
	if (q->lsub)
		return is_subscribed_or_leads(all, i) ? put_entry(s, q, all, i, false) : OK;
	bool child_info = (q->select & RECURSIVEMATCH) && has_subscribed_below(all, i);
	if ((q->select & SUBSCRIBED) && !e->subscribed && !child_info)
		return OK;
	if (!(q->select & SUBSCRIBED) && !e->mailbox)
		return OK;
	if ((q->select & SPECIAL_USE) && !(e->mailbox && e->mailbox->special_use[0]))
		return OK;
	return put_entry(s, q, all, i, child_info);
}

static enum result run_list(struct imap *s, const struct request *q)
{
	struct imap_names all;
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	ask.with_status = q->wanted & STATUS;
	ask.with_rights = q->wanted & MYRIGHTS;
	ask.with_deleted_size = ask.with_status && imap_status_wants_deleted_size(q->status);
	enum result r = imap_names_ask(s, &ask, &all);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	for (size_t i = 0; i < all.n; i++)
		all.v[i].matches = any_matches(q, all.v[i].name);
	for (size_t i = 0; i < all.n && r == OK; i++)
		r = answer_one(s, q, &all, i);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	return imap_ok(s, "Done");
}

/* ---- the grammar ---- */

static const struct {
	const char *word;
	unsigned bit;
	bool select, wanted;
} options[] = {
    {"SUBSCRIBED", SUBSCRIBED, true, true},
    {"REMOTE", REMOTE, true, false},
    {"RECURSIVEMATCH", RECURSIVEMATCH, true, false},
    {"SPECIAL-USE", SPECIAL_USE, true, true},
    {"CHILDREN", CHILDREN, false, true},
    {"STATUS", STATUS, false, true},
    {"MYRIGHTS", MYRIGHTS, false, true},
    {"METADATA", METADATA, false, true},
};

/* Behind "(": options up to and with ")". */
static unsigned option_list(struct imap_args *p, bool select, struct request *q)
{
	unsigned bits = 0;
	if (imap_args_try(p, ')'))
		return 0;
	do {
		struct slice word = imap_args_word(p);
		size_t i = 0;
		while (i < COUNT(options) && !(slice_ieq(word, slice_str(options[i].word)) &&
						 (select ? options[i].select : options[i].wanted)))
			i++;
		if (i == COUNT(options)) {
			imap_args_fail(p, "Unknown LIST option");
			return 0;
		}
		bits |= options[i].bit;
		if (options[i].bit == STATUS) {
			imap_args_space(p);
			q->status = imap_status_items(p);
		} else if (options[i].bit == METADATA) {
			imap_args_space(p);
			imap_metadata_entries(p, &q->entries);
		}
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	/* RFC 5258 section 3: it must stand beside one that selects. */
	if (select && (bits & RECURSIVEMATCH) && !(bits & SUBSCRIBED))
		imap_args_fail(p, "RECURSIVEMATCH needs SUBSCRIBED");
	return bits;
}

static void add_pattern(struct imap *s, struct imap_args *p, struct slice reference, struct request *q)
{
	struct slice pattern = imap_args_pattern(p);
	if (p->c.err != OK)
		return;
	if (q->n == PATTERNS) {
		imap_args_fail(p, "Too many patterns");
		return;
	}
	if (reference.n) {
		char *joined =
		    arena_printf(&s->arena, SLICE_FMT SLICE_FMT, SLICE_ARG(reference), SLICE_ARG(pattern));
		pattern = slice_str(joined);
	}
	q->patterns[q->n++] = pattern;
}

static void parse_list(struct imap *s, struct imap_args *p, struct request *q)
{
	imap_args_space(p);
	if (!q->lsub && imap_args_try(p, '(')) {
		q->extended = true;
		q->select = option_list(p, true, q);
		imap_args_space(p);
	}
	struct slice reference = imap_args_mailbox(p);
	imap_args_space(p);
	if (!q->lsub && imap_args_try(p, '(')) {
		q->extended = true;
		do
			add_pattern(s, p, reference, q);
		while (imap_args_try(p, ' '));
		imap_args_need(p, ')');
	} else {
		add_pattern(s, p, reference, q);
	}
	if (!q->lsub && imap_args_try(p, ' ')) {
		q->extended = true;
		if (!cursor_try_word(&p->c, SLICE("RETURN (")))
			imap_args_fail(p, "RETURN was expected");
		q->wanted = option_list(p, false, q);
	}
}

static enum result list(struct imap *s, struct imap_args *p, bool lsub)
{
	struct request *q = arena_new(&s->arena, struct request);
	if (!q)
		return imap_no(s, "LIMIT", "Too much");
	q->lsub = lsub;
	parse_list(s, p, q);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!q->extended && q->n == 1 &&
	    q->patterns[0].n == 0) { /* what divides levels, and the root's name */
		stream_puts(s->base.stream, lsub ? "* LSUB" : "* LIST");
		stream_put(s->base.stream, SLICE(" (\\Noselect) \"/\" \"\"\r\n"));
		return imap_ok(s, "Done");
	}
	return run_list(s, q);
}

enum result imap_list(struct imap *s, struct imap_args *p)
{
	return list(s, p, false);
}

enum result imap_lsub(struct imap *s, struct imap_args *p)
{
	return list(s, p, true);
}
