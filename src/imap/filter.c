#include "filter.h"

static const struct {
	const char *word;
	enum imap_filter_kind kind;
	bool names;
} kinds[] = {
    {"SELECTED", IMAP_FILTER_SELECTED, false},
    {"INBOXES", IMAP_FILTER_INBOXES, false},
    {"PERSONAL", IMAP_FILTER_PERSONAL, false},
    {"SUBSCRIBED", IMAP_FILTER_SUBSCRIBED, false},
    {"SUBTREE", IMAP_FILTER_SUBTREE, true},
    {"SUBTREE-ONE", IMAP_FILTER_SUBTREE_ONE, true},
    {"MAILBOXES", IMAP_FILTER_MAILBOXES, true},
};

/* A mailbox, or several in parentheses. */
static void take_names(struct imap_args *p, struct imap_filter *f)
{
	imap_args_space(p);
	bool many = imap_args_try(p, '(');
	f->names = arena_array(p->arena, many ? LIMIT_FILTER_NAMES : 1, sizeof *f->names);
	do {
		if (!f->names || f->n == LIMIT_FILTER_NAMES) {
			imap_args_fail(p, "Too many mailboxes");
			return;
		}
		f->names[f->n++] = imap_args_mailbox(p);
	} while (many && imap_args_try(p, ' '));
	if (many)
		imap_args_need(p, ')');
}

struct imap_filter *imap_filter_parse(struct imap_args *p)
{
	struct imap_filter *f = arena_new(p->arena, struct imap_filter);
	struct slice word = imap_args_word(p);
	size_t i = 0;
	while (i < COUNT(kinds) && !slice_ieq(word, slice_str(kinds[i].word)))
		i++;
	if (!f || i == COUNT(kinds)) {
		imap_args_fail(p, f ? "Unknown kind of mailboxes" : "Too much");
		return NULL;
	}
	f->kind = kinds[i].kind;
	if (kinds[i].names)
		take_names(p, f);
	return f;
}

/* How many levels a name lies below another: 0 the same, -1 not at all. */
static int levels_below(struct slice name, struct slice above)
{
	int levels = 0;
	if (!slice_starts(name, above))
		return -1;
	struct slice rest = slice_sub(name, above.n, name.n);
	if (rest.n && rest.p[0] != '/')
		return -1;
	for (size_t i = 0; i < rest.n; i++)
		levels += rest.p[i] == '/';
	return levels;
}

static bool names_it(const struct imap_filter *f, struct slice name)
{
	int most = f->kind == IMAP_FILTER_MAILBOXES     ? 0
		   : f->kind == IMAP_FILTER_SUBTREE_ONE ? 1
							: LIMIT_MAILBOX_LEVELS + 2;
	for (size_t i = 0; i < f->n; i++) {
		int levels = levels_below(name, f->names[i]);
		if (levels >= 0 && levels <= most)
			return true;
	}
	return false;
}

static bool means(const struct imap_filter *f, const Sekisho__Mailbox *m, struct slice name)
{
	switch (f->kind) {
	case IMAP_FILTER_SELECTED:
		return false;
	case IMAP_FILTER_INBOXES:
		return slice_eq(name, SLICE("INBOX"));
	case IMAP_FILTER_PERSONAL:
		return !slice_starts(name, SLICE("Other Users/")) && !slice_starts(name, SLICE("Shared/"));
	case IMAP_FILTER_SUBSCRIBED:
		return m->subscribed;
	default:
		return names_it(f, name);
	}
}

bool imap_filter_means(const struct imap_filter *list, const Sekisho__Mailbox *m)
{
	for (; list; list = list->next)
		if (means(list, m, slice_str(m->name)))
			return true;
	return false;
}

static bool is_others(struct slice name)
{
	return slice_starts(name, SLICE("Other Users")) || slice_starts(name, SLICE("Shared"));
}

bool imap_filter_may_mean_others(const struct imap_filter *list)
{
	for (; list; list = list->next) {
		if (list->kind == IMAP_FILTER_SUBSCRIBED)
			return true;
		for (size_t i = 0; i < list->n; i++)
			if (is_others(list->names[i]))
				return true;
	}
	return false;
}

bool imap_filter_has(const struct imap_filter *list, enum imap_filter_kind kind)
{
	for (; list; list = list->next)
		if (list->kind == kind)
			return true;
	return false;
}
