/* search_eval: whether a message is meant (RFC 3501 6.4.4). */
#include "mail/date.h"
#include "mail/facts.h"
#include "search.h"

static enum imap_truth truth(bool b)
{
	return b ? IMAP_YES : IMAP_NO;
}

static int64_t day_of(int64_t ms)
{
	return ms >= 0 ? ms / DAY_MS : -((-ms + DAY_MS - 1) / DAY_MS);
}

static enum imap_truth compare_day(enum imap_key_kind kind, int64_t day, int64_t wanted)
{
	switch (kind) {
	case KEY_BEFORE:
	case KEY_SAVEDBEFORE:
	case KEY_SENTBEFORE:
		return truth(day < wanted);
	case KEY_ON:
	case KEY_SAVEDON:
	case KEY_SENTON:
		return truth(day == wanted);
	default:
		return truth(day >= wanted);
	}
}

/* The day on the sender's calendar; a message that does not say was sent on none. */
static enum imap_truth sent_day(const struct imap_key *k, const struct imap_candidate *c)
{
	if (c->parts & MAIL_CARD_BIT(MAIL_CARD_HEAD))
		return c->card->has_date ? compare_day(k->kind,
					       day_of(c->card->sent_ms + c->card->zone * MINUTE_MS), k->day)
					 : IMAP_NO;
	if (!c->facts)
		return IMAP_OPEN;
	const Sekisho__Envelope *e = c->facts->root ? c->facts->root->envelope : NULL;
	struct mail_date date;
	if (!e || !e->has_date || mail_date_parse(slice_of(e->date.data, e->date.len), &date) != OK)
		return IMAP_NO;
	return compare_day(k->kind, day_of(date.ms + date.zone * MINUTE_MS), k->day);
}

static enum imap_truth has_keyword(
    const struct imap *s, const struct imap_key *k, const struct imap_candidate *c)
{
	for (unsigned i = 0; i < s->box->keywords_n; i++)
		if (slice_ieq(slice_str(s->box->keywords[i]), k->field))
			return truth(c->row->keywords >> i & 1);
	return IMAP_NO;
}

/* ---- by facts ---- */

static bool contains(const struct imap_key *k, struct slice text)
{
	BUF_LOCAL(folded, 4 * LIMIT_HEADER_BYTES);
	if (!k->folded.n)
		return true;
	mail_text_fold(text, &folded);
	return slice_search(buf_slice(&folded), k->folded) >= 0;
}

/* What cannot be told from an address list's parts (comments, odd syntax) is left to scan. */
static enum imap_truth in_addresses(const struct imap_key *k, const Sekisho__Facts *facts, const char *field,
    Sekisho__Address *const *v, size_t n)
{
	BUF_LOCAL(text, LIMIT_HEADER_BYTES);
	if (!mail_facts_has_field(facts, slice_str(field)))
		return IMAP_NO;
	mail_addresses_text(v, n, &text);
	return contains(k, buf_slice(&text)) ? IMAP_YES : IMAP_OPEN;
}

static enum imap_truth in_envelope(const struct imap_key *k, const Sekisho__Facts *facts)
{
	const Sekisho__Envelope *e = facts->root ? facts->root->envelope : NULL;
	if (!e)
		return IMAP_OPEN;
	switch (k->kind) {
	case KEY_SUBJECT:
		if (!e->has_subject)
			return IMAP_NO;
		return truth(contains(k, slice_str(facts->subject)));
	case KEY_FROM:
		return in_addresses(k, facts, "From", e->from, e->n_from);
	case KEY_TO:
		return in_addresses(k, facts, "To", e->to, e->n_to);
	case KEY_CC:
		return in_addresses(k, facts, "Cc", e->cc, e->n_cc);
	default:
		return in_addresses(k, facts, "Bcc", e->bcc, e->n_bcc);
	}
}

static enum imap_truth in_card(const struct imap_key *k, const struct mail_card *card)
{
	enum mail_card_says says = mail_card_has(&card->text[k->kind - KEY_SUBJECT], k->folded);
	return says == MAIL_CARD_UNSURE ? IMAP_OPEN : truth(says == MAIL_CARD_YES);
}

static enum imap_truth in_text(const struct imap_key *k, const struct imap_candidate *c)
{
	if (k->known)
		return truth(imap_runs_has(&k->set, c->row->uid));
	if (c->found)
		return truth(c->found[k->needle]);
	if (k->kind >= KEY_SUBJECT && k->kind <= KEY_BCC && c->parts & MAIL_CARD_BIT(MAIL_CARD_TEXTS))
		return in_card(k, c->card);
	if (!c->facts)
		return IMAP_OPEN;
	switch (k->kind) {
	case KEY_BODY:
	case KEY_TEXT:
		return k->folded.n ? IMAP_OPEN : IMAP_YES;
	case KEY_HEADER:
		if (!mail_facts_has_field(c->facts, k->field))
			return IMAP_NO;
		return k->text.n ? IMAP_OPEN : IMAP_YES;
	default:
		return in_envelope(k, c->facts);
	}
}

/* ---- the tree ---- */

static enum imap_truth all_of(struct imap *s, const struct imap_key *first, const struct imap_candidate *c)
{
	enum imap_truth all = IMAP_YES;
	for (const struct imap_key *k = first; k; k = k->next) {
		enum imap_truth t = imap_search_eval(s, k, c);
		if (t == IMAP_NO)
			return IMAP_NO;
		if (t == IMAP_OPEN)
			all = IMAP_OPEN;
	}
	return all;
}

static enum imap_truth any_of(struct imap *s, const struct imap_key *first, const struct imap_candidate *c)
{
	enum imap_truth any = IMAP_NO;
	for (const struct imap_key *k = first; k; k = k->next) {
		enum imap_truth t = imap_search_eval(s, k, c);
		if (t == IMAP_YES)
			return IMAP_YES;
		if (t == IMAP_OPEN)
			any = IMAP_OPEN;
	}
	return any;
}

enum imap_truth imap_search_eval(struct imap *s, const struct imap_key *k, const struct imap_candidate *c)
{
	const Sekisho__Row *row = c->row;
	enum imap_truth t;
	switch (k->kind) {
	case KEY_AND:
		return all_of(s, k->child, c);
	case KEY_OR:
		return any_of(s, k->child, c);
	case KEY_NOT:
		t = imap_search_eval(s, k->child, c);
		return t == IMAP_OPEN ? t : truth(t == IMAP_NO);
	case KEY_ALL:
		return IMAP_YES;
	case KEY_SEQ:
		return truth(imap_runs_has(&k->set, c->seq));
	case KEY_UID:
		return truth(imap_runs_has(&k->set, row->uid));
	case KEY_FLAG:
		return truth((row->flags & k->number) == k->number);
	case KEY_KEYWORD:
		return has_keyword(s, k, c);
	case KEY_RECENT:
		return truth(imap_box_recent(s->box, row->uid) && !(row->flags & k->number));
	case KEY_BEFORE:
	case KEY_ON:
	case KEY_SINCE:
		return compare_day(k->kind, day_of(row->internal_ms), k->day);
	case KEY_SAVEDBEFORE:
	case KEY_SAVEDON:
	case KEY_SAVEDSINCE:
		return compare_day(k->kind, day_of(row->saved_ms), k->day);
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		return sent_day(k, c);
	case KEY_LARGER:
		return truth(row->size > k->number);
	case KEY_SMALLER:
		return truth(row->size < k->number);
	case KEY_OLDER:
		return truth(row->internal_ms <= c->now_ms - (int64_t)MIN(k->number, INT32_MAX) * SECOND_MS);
	case KEY_YOUNGER:
		return truth(row->internal_ms >= c->now_ms - (int64_t)MIN(k->number, INT32_MAX) * SECOND_MS);
	case KEY_MODSEQ:
		return truth(row->modseq >= k->number);
	case KEY_EMAILID:
		return truth(k->number && row->email == k->number);
	case KEY_THREADID:
		return truth(k->number && row->thread == k->number);
	default:
		return in_text(k, c);
	}
}
