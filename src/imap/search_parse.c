/* search_parse: the grammar of SEARCH (RFC 3501 section 9 search; RFC 4731, 5032, 5182, 6203, 7162, 8474). */
#include "mail/charset.h"
#include "mail/facts.h"
#include "search.h"

enum argument { NONE, DATE, NUMBER, TEXT, TWO_KEYS, ONE_KEY, HEADER, SET, WORD, MODSEQ, ID, ABOVE, BELOW };

static const struct {
	const char *word;
	enum imap_key_kind kind;
	enum argument argument;
	uint32_t flag;
	bool negative;
} keys[] = {
    {"ALL", KEY_ALL, NONE},
    {"ANSWERED", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_ANSWERED},
    {"BCC", KEY_BCC, TEXT},
    {"BEFORE", KEY_BEFORE, DATE},
    {"BODY", KEY_BODY, TEXT},
    {"CC", KEY_CC, TEXT},
    {"DELETED", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_DELETED},
    {"DRAFT", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_DRAFT},
    {"EMAILID", KEY_EMAILID, ID},
    {"FLAGGED", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_FLAGGED},
    {"FROM", KEY_FROM, TEXT},
    {"HEADER", KEY_HEADER, HEADER},
    {"KEYWORD", KEY_KEYWORD, WORD},
    {"LARGER", KEY_LARGER, NUMBER},
    {"MODSEQ", KEY_MODSEQ, MODSEQ},
    {"NEW", KEY_RECENT, NONE, SEKISHO__FLAG__FLAG_SEEN},
    {"NOT", KEY_NOT, ONE_KEY},
    {"OLD", KEY_RECENT, NONE, 0, true},
    {"OLDER", KEY_OLDER, NUMBER},
    {"ON", KEY_ON, DATE},
    {"OR", KEY_OR, TWO_KEYS},
    {"RECENT", KEY_RECENT, NONE},
    {"SAVEDATESUPPORTED", KEY_ALL, NONE},
    {"SAVEDBEFORE", KEY_SAVEDBEFORE, DATE},
    {"SAVEDON", KEY_SAVEDON, DATE},
    {"SAVEDSINCE", KEY_SAVEDSINCE, DATE},
    {"SEEN", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_SEEN},
    {"SENTBEFORE", KEY_SENTBEFORE, DATE},
    {"SENTON", KEY_SENTON, DATE},
    {"SENTSINCE", KEY_SENTSINCE, DATE},
    {"SINCE", KEY_SINCE, DATE},
    {"SMALLER", KEY_SMALLER, NUMBER},
    {"SUBJECT", KEY_SUBJECT, TEXT},
    {"TEXT", KEY_TEXT, TEXT},
    {"THREADID", KEY_THREADID, ID},
    {"TO", KEY_TO, TEXT},
    {"UID", KEY_UID, SET},
    {"UIDAFTER", KEY_UID, ABOVE},
    {"UIDBEFORE", KEY_UID, BELOW},
    {"UNANSWERED", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_ANSWERED, true},
    {"UNDELETED", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_DELETED, true},
    {"UNDRAFT", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_DRAFT, true},
    {"UNFLAGGED", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_FLAGGED, true},
    {"UNKEYWORD", KEY_KEYWORD, WORD, 0, true},
    {"UNSEEN", KEY_FLAG, NONE, SEKISHO__FLAG__FLAG_SEEN, true},
    {"YOUNGER", KEY_YOUNGER, NUMBER},
};

struct parse {
	struct imap *s;
	struct imap_args *p;
	struct imap_search *q;
	struct mail_charset charset;
	unsigned depth;
	unsigned fuzzy, negated; /* so many FUZZY, NOT stand above what is parsed */
};

static struct imap_key *new_key(struct parse *x, enum imap_key_kind kind)
{
	struct imap_key *k = arena_new(x->p->arena, struct imap_key);
	if (!k) {
		imap_args_fail(x->p, "Too much");
		return NULL;
	}
	k->kind = kind;
	return k;
}

static struct imap_key *negated(struct parse *x, struct imap_key *k)
{
	struct imap_key *n = new_key(x, KEY_NOT);
	if (n)
		n->child = k;
	return n;
}

static struct imap_key *parse_key(struct parse *x);

/* A string in the command's charset, as UTF-8 and folded. */
static void take_text(struct parse *x, struct imap_key *k)
{
	struct slice raw = imap_args_astring(x->p);
	if (x->p->c.err != OK)
		return;
	BUF_LOCAL(utf8, 4 * LIMIT_IMAP_LITERAL);
	BUF_LOCAL(folded, 16 * LIMIT_IMAP_LITERAL);
	mail_charset_decode(&x->charset, raw, &utf8);
	mail_text_fold(buf_slice(&utf8), &folded);
	k->text = arena_dup(x->p->arena, buf_slice(&utf8));
	k->folded = arena_dup(x->p->arena, buf_slice(&folded));
	if (x->q->needles == COUNT(x->q->needle)) {
		imap_args_fail(x->p, "Too many texts in one search");
		return;
	}
	k->fuzzy = x->fuzzy && k->folded.n;
	k->counts = !x->negated;
	k->needle = x->q->needles;
	x->q->needle[x->q->needles++] = k;
}

static void take_set(struct parse *x, struct imap_key *k)
{
	bool uids = k->kind == KEY_UID;
	x->q->numbers |= !uids;
	const struct uidmap *map = &x->s->box->map;
	if (!uids && x->s->enabled & IMAP_UIDONLY)
		imap_args_fail(x->p, IMAP_UIDREQUIRED);
	imap_args_set(x->p, &k->set);
	if (x->p->c.err != OK)
		return;
	imap_set_resolve(&k->set, uids ? imap_uidmap_last(map) : map->messages);
}

/* "$", RFC 5182. */
static struct imap_key *saved_key(struct parse *x)
{
	struct imap_key *k = new_key(x, KEY_UID);
	x->q->numbers = true;
	for (size_t i = 0; k && i < x->s->box->saved_n; i++)
		if (!imap_runs_add(&k->set, x->p->arena, x->s->box->saved[i].first, x->s->box->saved[i].last))
			imap_args_fail(x->p, "Too much");
	return k;
}

/* ["/flags/\\answered" all] n; RFC 7162 3.1.5. Every message has one modseq for all its metadata. */
static void take_modseq(struct parse *x, struct imap_key *k)
{
	if (imap_args_peek(x->p) == '"') {
		imap_args_string(x->p);
		imap_args_space(x->p);
		struct slice whose = imap_args_word(x->p);
		if (!slice_ieq(whose, SLICE("all")) && !slice_ieq(whose, SLICE("priv")) &&
		    !slice_ieq(whose, SLICE("shared")))
			imap_args_fail(x->p, "Unknown entry type");
		imap_args_space(x->p);
	}
	k->number = imap_args_number64(x->p);
	x->q->modseq = true;
}

/* "M12", as FETCH showed it; what cannot be one of ours finds nothing. */
static void take_id(struct parse *x, struct imap_key *k)
{
	struct slice id = imap_args_astring(x->p);
	char letter = k->kind == KEY_EMAILID ? 'M' : 'T';
	if (x->p->c.err != OK)
		return;
	if (!id.n || id.p[0] != letter || num_u64(slice_sub(id, 1, id.n), INT64_MAX, &k->number) != OK)
		k->number = 0;
}

/* UIDAFTER, UIDBEFORE: RFC 9738 3.3. */
static void take_bound(struct parse *x, struct imap_key *k, bool above)
{
	uint32_t uid = imap_args_number(x->p), largest = imap_uidmap_last(&x->s->box->map);
	uint32_t first = above ? uid + 1 : 1, last = above ? largest : uid - 1;
	if (!uid)
		imap_args_fail(x->p, "A UID was expected");
	else if ((!above || uid < largest) && first <= last &&
		 !imap_runs_add(&k->set, x->p->arena, first, last))
		imap_args_fail(x->p, "Too much");
}

static void take_argument(struct parse *x, struct imap_key *k, enum argument argument)
{
	if (argument == NONE)
		return;
	imap_args_space(x->p);
	switch (argument) {
	case DATE:
		k->day = imap_args_date(x->p);
		return;
	case NUMBER:
		k->number = imap_args_number64(x->p);
		return;
	case HEADER:
		k->field = imap_args_astring(x->p);
		imap_args_space(x->p);
		take_text(x, k);
		return;
	case TEXT:
		take_text(x, k);
		return;
	case WORD:
		k->field = imap_args_atom(x->p);
		return;
	case SET:
		if (imap_args_try(x->p, '$'))
			*k = *saved_key(x);
		else
			take_set(x, k);
		return;
	case ABOVE:
	case BELOW:
		take_bound(x, k, argument == ABOVE);
		return;
	case MODSEQ:
		take_modseq(x, k);
		return;
	case ID:
		take_id(x, k);
		return;
	case ONE_KEY:
		x->negated++;
		k->child = parse_key(x);
		x->negated--;
		return;
	case TWO_KEYS:
		k->child = parse_key(x);
		imap_args_space(x->p);
		if (x->p->c.err == OK)
			k->child->next = parse_key(x);
		return;
	case NONE:
		return;
	}
}

/* Keys one after another: all of them. */
static struct imap_key *parse_keys(struct parse *x)
{
	struct imap_key *all = new_key(x, KEY_AND);
	struct imap_key **end = all ? &all->child : NULL;
	do {
		struct imap_key *k = parse_key(x);
		if (x->p->c.err != OK || !end)
			return all;
		*end = k;
		end = &k->next;
	} while (imap_args_try(x->p, ' '));
	return all;
}

/* RFC 6203: says how the key behind it is looked for, which of our keys only those of texts can be. */
static struct imap_key *fuzzy_key(struct parse *x)
{
	imap_args_space(x->p);
	x->q->fuzzy = true;
	x->fuzzy++;
	struct imap_key *k = parse_key(x);
	x->fuzzy--;
	return k;
}

static struct imap_key *named_key(struct parse *x)
{
	struct slice word = imap_args_word(x->p);
	if (slice_ieq(word, SLICE("FUZZY")))
		return fuzzy_key(x);
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (!slice_ieq(word, slice_str(keys[i].word)))
			continue;
		struct imap_key *k = new_key(x, keys[i].kind);
		if (!k)
			return NULL;
		k->number = keys[i].flag; /* with KEY_RECENT: flags that must not be set */
		take_argument(x, k, keys[i].argument);
		return keys[i].negative ? negated(x, k) : k;
	}
	imap_args_fail(x->p, "Unknown search key");
	return NULL;
}

static struct imap_key *parse_key(struct parse *x)
{
	struct imap_key *k = NULL;
	int c = imap_args_peek(x->p);
	if (++x->depth > LIMIT_IMAP_DEPTH)
		imap_args_fail(x->p, "Too deep");
	if (imap_args_try(x->p, '(')) {
		k = parse_keys(x);
		imap_args_need(x->p, ')');
	} else if (imap_args_try(x->p, '$')) {
		k = saved_key(x);
	} else if (c == '*' || (c > 0 && ascii_digit((char)c))) {
		k = new_key(x, KEY_SEQ);
		if (k)
			take_set(x, k);
	} else {
		k = named_key(x);
	}
	x->depth--;
	return k;
}

static const struct {
	const char *word;
	unsigned bit;
} returns[] = {{"MIN", RETURN_MIN}, {"MAX", RETURN_MAX}, {"ALL", RETURN_ALL}, {"COUNT", RETURN_COUNT},
    {"SAVE", RETURN_SAVE}, {"PARTIAL", RETURN_PARTIAL}, {"RELEVANCY", RETURN_RELEVANCY}};

static void take_return(struct imap_args *p, struct imap_search *q)
{
	struct slice word = imap_args_word(p);
	for (size_t i = 0; i < COUNT(returns); i++) {
		if (!slice_ieq(word, slice_str(returns[i].word)))
			continue;
		if (returns[i].bit == RETURN_PARTIAL) {
			if (q->wanted & RETURN_PARTIAL)
				imap_args_fail(p, "PARTIAL once only");
			imap_args_space(p);
			imap_partial_parse(p, &q->partial);
		}
		q->wanted |= returns[i].bit;
		return;
	}
	imap_args_fail(p, "Unknown RETURN option");
}

void imap_search_parse_return(struct imap_args *p, struct imap_search *q)
{
	if (!cursor_try_word(&p->c, SLICE("RETURN (")))
		return;
	q->esearch = true;
	if (imap_args_try(p, ')')) {
		q->wanted = RETURN_ALL;
	} else {
		do
			take_return(p, q);
		while (imap_args_try(p, ' '));
		imap_args_need(p, ')');
	}
	if (q->wanted & RETURN_PARTIAL && q->wanted & RETURN_ALL)
		imap_args_fail(p, "ALL or PARTIAL, not both");
	imap_args_space(p);
}

static void take_charset(struct parse *x)
{
	struct slice name = imap_args_astring(x->p);
	imap_args_space(x->p);
	x->q->bad_charset = x->p->c.err == OK && !mail_charset_find(name, &x->charset);
}

void imap_search_parse_keys(struct imap *s, struct imap_args *p, struct imap_search *q)
{
	struct parse x = {.s = s, .p = p, .q = q, .charset = {.kind = MAIL_CS_UTF8}};
	q->needles = 0;
	q->fuzzy = false;
	if (cursor_try_word(&p->c, SLICE("CHARSET ")))
		take_charset(&x);
	q->root = parse_keys(&x);
}

void imap_search_parse(struct imap *s, struct imap_args *p, struct imap_search *q)
{
	*q = (struct imap_search){0};
	imap_args_space(p);
	imap_search_parse_return(p, q);
	imap_search_parse_keys(s, p, q);
}

void imap_search_parse_program(struct imap *s, struct imap_args *p, struct imap_search *q)
{
	struct parse x = {.s = s, .p = p, .q = q, .charset = {.kind = MAIL_CS_UTF8}};
	take_charset(&x);
	q->root = parse_keys(&x);
}
