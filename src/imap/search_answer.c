/* search_answer: what SEARCH says (RFC 3501 7.2.5; RFC 4731 ESEARCH, 5182 SEARCHRES, 6203 RELEVANCY, 9394 PARTIAL). */
#include "search.h"
#include <stdlib.h>

/* Found UIDs as the client asked for them. */
bool imap_search_numbers(struct imap *s, const struct runs *uids, struct runs *out)
{
	*out = (struct runs){0};
	for (size_t i = 0; i < uids->n; i++) {
		if (s->uid) {
			if (!imap_runs_add(out, &s->arena, uids->v[i].first, uids->v[i].last))
				return false;
			continue;
		}
		/* Runs were made of messages that are there one by one: what lies between two of them is there too. */
		uint32_t seq = imap_uidmap_seq(&s->box->map, uids->v[i].first);
		if (!imap_runs_add(out, &s->arena, seq, seq + (uids->v[i].last - uids->v[i].first)))
			return false;
	}
	return true;
}

void imap_put_return(struct imap *s, const char *word, uint64_t n)
{
	stream_puts(s->base.stream, word);
	imap_put_number(s->base.stream, n);
}

void imap_put_plain_end(struct imap *s, const struct imap_hunt *h, bool found)
{
	if (h->q->modseq && found) {
		imap_put_return(s, " (MODSEQ ", h->highest);
		stream_put(s->base.stream, SLICE(")"));
	}
	stream_put(s->base.stream, SLICE("\r\n"));
}

static void answer_plain(struct imap *s, const struct imap_hunt *h, const struct runs *numbers)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* SEARCH"));
	for (size_t i = 0; i < numbers->n; i++)
		for (uint64_t n = numbers->v[i].first; n <= numbers->v[i].last; n++) {
			stream_put(out, SLICE(" "));
			imap_put_number(out, n);
		}
	imap_put_plain_end(s, h, numbers->n);
}

/* RFC 4731 3.2: with MIN and MAX alone, that of the messages shown. */
static uint64_t shown_modseq(const struct imap_hunt *h)
{
	switch (h->q->wanted & (RETURN_MIN | RETURN_MAX | RETURN_ALL | RETURN_COUNT)) {
	case RETURN_MIN:
		return h->first.modseq;
	case RETURN_MAX:
		return h->last.modseq;
	case RETURN_MIN | RETURN_MAX:
		return MAX(h->first.modseq, h->last.modseq);
	default:
		return h->highest;
	}
}

void imap_put_esearch(struct imap *s, const struct imap_search *q)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* ESEARCH (TAG "));
	imap_put_string(out, s->tag);
	if (q->mailbox) {
		stream_put(out, SLICE(" MAILBOX "));
		imap_put_mailbox(out, slice_str(q->mailbox), s->enabled & IMAP_UTF8);
		stream_put(out, SLICE(" UIDVALIDITY "));
		imap_put_number(out, s->box->uidvalidity);
	}
	stream_puts(out, s->uid ? ") UID" : ")");
}

static void answer_partial(struct imap *s, const struct imap_hunt *h, const struct runs *numbers)
{
	struct stream *out = s->base.stream;
	struct runs part;
	if (!imap_partial_runs(&h->q->partial, numbers, &s->arena, &part))
		part.n = 0;
	imap_put_partial(out, &h->q->partial);
	if (part.n)
		imap_put_runs(out, &part);
	else
		stream_put(out, SLICE("NIL"));
	stream_put(out, SLICE(")"));
}

/* RFC 6203 section 4: of the messages shown, in their order. */
static void answer_relevancy(struct imap *s, const struct imap_search *q, const struct imap_relevancy *v)
{
	struct stream *out = s->base.stream;
	size_t from = 0, n = v->n;
	if (q->wanted & RETURN_PARTIAL)
		imap_partial_cut(&q->partial, v->n, &from, &n);
	stream_put(out, SLICE(" RELEVANCY ("));
	for (size_t i = 0; i < n; i++) {
		stream_puts(out, i ? " " : "");
		imap_put_number(out, v->v[from + i].score);
	}
	stream_put(out, SLICE(")"));
}

static void answer_esearch(struct imap *s, const struct imap_hunt *h, const struct runs *numbers,
    const struct imap_relevancy *relevancy)
{
	struct stream *out = s->base.stream;
	unsigned wanted = h->q->wanted;
	imap_put_esearch(s, h->q);
	if (numbers->n) {
		if (wanted & RETURN_MIN)
			imap_put_return(s, " MIN ", numbers->v[0].first);
		if (wanted & RETURN_MAX)
			imap_put_return(s, " MAX ", numbers->v[numbers->n - 1].last);
		if (wanted & RETURN_ALL) {
			stream_put(out, SLICE(" ALL "));
			imap_put_runs(out, numbers);
		}
	}
	if (wanted & RETURN_COUNT)
		imap_put_return(s, " COUNT ", imap_runs_count(numbers));
	if (wanted & RETURN_PARTIAL)
		answer_partial(s, h, numbers);
	if (wanted & RETURN_RELEVANCY && numbers->n)
		answer_relevancy(s, h->q, relevancy);
	if (h->q->modseq && numbers->n)
		imap_put_return(s, " MODSEQ ", shown_modseq(h));
	stream_put(out, SLICE("\r\n"));
}

void imap_search_save(struct imap *s, const struct runs *uids)
{
	struct imap_box *box = s->box;
	free(box->saved);
	box->saved = NULL;
	box->saved_n = uids->n;
	if (!uids->n)
		return;
	box->saved = calloc(uids->n, sizeof *box->saved);
	if (!box->saved)
		abort();
	memcpy(box->saved, uids->v, uids->n * sizeof *box->saved);
}

/* RFC 5182 2.1 and RFC 9394 3.2: with MIN, MAX or PARTIAL alone only what these show. */
static bool save(struct imap *s, const struct imap_search *q, const struct runs *uids)
{
	const unsigned some = RETURN_MIN | RETURN_MAX | RETURN_PARTIAL;
	struct runs kept = {0};
	if (!uids->n || !(q->wanted & some) || (q->wanted & (RETURN_ALL | RETURN_COUNT))) {
		imap_search_save(s, uids);
		return true;
	}
	uint32_t min = uids->v[0].first, max = uids->v[uids->n - 1].last;
	if (q->wanted & RETURN_PARTIAL && !imap_partial_runs(&q->partial, uids, &s->arena, &kept))
		return false;
	if ((q->wanted & RETURN_MIN && !imap_runs_add(&kept, &s->arena, min, min)) ||
	    (q->wanted & RETURN_MAX && !imap_runs_add(&kept, &s->arena, max, max)))
		return false;
	imap_runs_tidy(&kept);
	imap_search_save(s, &kept);
	return true;
}

enum result imap_search_tell(struct imap *s, struct imap_hunt *h)
{
	struct runs numbers;
	struct imap_relevancy relevancy = {0};
	if (!imap_search_numbers(s, &h->found, &numbers))
		return FULL;
	if (h->q->wanted & RETURN_RELEVANCY && !imap_relevancy_of(s, h->q, &h->found, &relevancy))
		return FULL;
	if (h->q->wanted & RETURN_SAVE && !save(s, h->q, &h->found))
		return FULL;
	if (!h->q->esearch)
		answer_plain(s, h, &numbers);
	else if (h->q->wanted != RETURN_SAVE)
		answer_esearch(s, h, &numbers, &relevancy);
	return OK;
}

enum result imap_search_answer(struct imap *s, struct imap_hunt *h)
{
	return imap_search_tell(s, h) == OK ? imap_ok(s, "Done") : imap_no(s, "LIMIT", "Too much");
}
