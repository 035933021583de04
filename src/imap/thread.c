/* thread: THREAD (RFC 5256): its grammar, and what it asks for. */
#include "thread.h"
#include "search.h"
#include "verbs.h"
#include <stdlib.h>

#define REFERENCES_MOST ((size_t)8 << 20) /* of all messages; behind it only the nearest of each is kept */

static const struct {
	const char *word;
	enum imap_thread_how how;
} algorithms[] = {{"ORDEREDSUBJECT", IMAP_THREAD_SUBJECTS}, {"REFERENCES", IMAP_THREAD_REFERENCES},
    {"REFS", IMAP_THREAD_REFS}};

static enum imap_thread_how parse_thread(struct imap *s, struct imap_args *p, struct imap_search *q)
{
	*q = (struct imap_search){0};
	imap_args_space(p);
	struct slice word = imap_args_word(p);
	size_t i = 0;
	while (i < COUNT(algorithms) && !slice_ieq(word, slice_str(algorithms[i].word)))
		i++;
	if (i == COUNT(algorithms)) {
		imap_args_fail(p, "Unknown threading algorithm");
		return IMAP_THREAD_REFS;
	}
	imap_args_space(p);
	imap_search_parse_program(s, p, q);
	return algorithms[i].how;
}

static void keep_references(
    struct imap_threads *t, struct imap_thread_message *m, const struct mail_card *card)
{
	size_t n = mail_card_references(card);
	size_t skip = n && t->references_n + n > REFERENCES_MOST ? n - 1 : 0;
	m->references = t->references_n;
	m->refs = n - skip;
	if (t->references_n + m->refs > t->references_room) {
		t->references_room = MAX(t->references_n + m->refs, t->references_room * 2);
		t->references = realloc(t->references, t->references_room * sizeof *t->references);
		if (!t->references)
			abort();
	}
	for (size_t i = skip; i < n; i++)
		t->references[t->references_n++] = mail_card_reference(card, i);
}

static enum result take_message(struct imap *s, const struct imap_card *card, void *context)
{
	struct imap_threads *t = context;
	const struct mail_card *c = &card->card;
	uint32_t seq = imap_uidmap_seq(&s->box->map, card->row.uid);
	if (t->n == t->room || !seq)
		return OK;
	struct imap_thread_message *m = &t->messages[t->n++];
	*m = (struct imap_thread_message){.number = s->uid ? card->row.uid : seq,
	    .reply = c->reply,
	    .sent_ms = c->has_date ? c->sent_ms : c->internal_ms,
	    .arrived_ms = c->internal_ms,
	    .id = c->id,
	    .subject = c->subject};
	keep_references(t, m, c);
	return OK;
}

static enum result thread_found(
    struct imap *s, const struct runs *found, enum imap_thread_how how, struct imap_threads *t)
{
	size_t n = imap_runs_count(found);
	t->room = (uint32_t)MIN(n, s->box->map.messages);
	t->messages = calloc((size_t)t->room + 1, sizeof *t->messages);
	if (!t->messages)
		return FULL;
	struct imap_cards_ask ask = {.uids = found, .parts = MAIL_CARD_BIT(MAIL_CARD_HEAD)};
	enum result r = n ? imap_cards(s, &ask, take_message, t) : OK;
	return r == OK ? imap_threads_build(t, how) : r;
}

enum result imap_thread(struct imap *s, struct imap_args *p)
{
	enum result r;
	__attribute__((cleanup(imap_threads_free))) struct imap_threads t = {0};
	struct imap_search *q = arena_new(&s->arena, struct imap_search);
	if (!q)
		return imap_no(s, "LIMIT", "Too much");
	enum imap_thread_how how = parse_thread(s, p, q);
	if (!imap_search_parsed(s, p, q, &r))
		return r;
	if (q->modseq)
		imap_sync_condstore(s);
	struct imap_hunt h = {.q = q, .now_ms = clock_utc_ms()};
	r = imap_search_hunt(s, &h);
	if (r == OK)
		r = thread_found(s, &h.found, how, &t);
	if (r != OK)
		return r == STOP ? STOP : imap_refused(s, r, &s->store, "NONEXISTENT");
	stream_put(s->base.stream, SLICE("* THREAD"));
	if (t.n)
		stream_put(s->base.stream, SLICE(" "));
	imap_threads_put(&t, s->base.stream);
	stream_put(s->base.stream, SLICE("\r\n"));
	return imap_ok(s, "Done");
}
