/* search: SEARCH (RFC 3501 6.4.4; RFC 4731 ESEARCH, 5182 SEARCHRES, 6203 FUZZY, 7162 MODSEQ, 9394 PARTIAL). */
#include "search.h"
#include "verbs.h"

bool imap_search_parsed(struct imap *s, struct imap_args *p, const struct imap_search *q, enum result *r)
{
	if (q->bad_charset)
		*r =
		    imap_no(s, "BADCHARSET (UTF-8 US-ASCII ISO-2022-JP SHIFT_JIS EUC-JP)", "Unknown charset");
	else if (q->wanted & RETURN_RELEVANCY && !q->fuzzy) {
		imap_args_fail(p, IMAP_NEEDS_FUZZY);
		*r = imap_bad(s, p);
	} else if (imap_args_done(p) != OK)
		*r = imap_bad(s, p);
	else
		return true;
	return false;
}

enum result imap_search(struct imap *s, struct imap_args *p)
{
	enum result r;
	struct imap_search *q = arena_new(&s->arena, struct imap_search);
	if (!q)
		return imap_no(s, "LIMIT", "Too much");
	imap_search_parse(s, p, q);
	if (!imap_search_parsed(s, p, q, &r))
		return r;
	if ((s->enabled & IMAP_REV2) && !q->esearch) { /* RFC 9051 6.4.4: as if RETURN () had been said */
		q->esearch = true;
		q->wanted = RETURN_ALL;
	}
	if (q->modseq)
		imap_sync_condstore(s);
	struct imap_hunt h = {.q = q, .now_ms = clock_utc_ms()};
	r = imap_search_hunt(s, &h);
	if (r == OK)
		return imap_search_answer(s, &h);
	if (q->wanted & RETURN_SAVE)
		imap_search_save(s, &(struct runs){0});
	return r == STOP ? STOP : imap_refused(s, r, &s->store, "NONEXISTENT");
}
