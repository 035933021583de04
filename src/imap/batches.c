/* batches: UIDBATCHES (RFC 10022): ranges of UIDs with so many messages each, from the newest down. */
#include "verbs.h"

#define LEAST 500 /* messages a batch, RFC 10022 */

struct batches {
	uint32_t size, first, last; /* the first and last batch asked for */
};

static void put_batches(struct imap *s, const struct batches *q)
{
	const struct uidmap *map = &s->box->map;
	struct stream *out = s->base.stream;
	uint32_t high = imap_uidmap_last(map);
	stream_put(out, SLICE("* UIDBATCHES (TAG "));
	imap_put_string(out, s->tag);
	stream_put(out, SLICE(")"));
	const char *before = " ";
	for (uint64_t i = 1, above = 0; i <= q->last && above < map->messages; i++) {
		above += q->size; /* messages in this batch and those over it */
		uint32_t low =
		    above < map->messages ? imap_uidmap_uid(map, (uint32_t)(map->messages - above + 1)) : 1;
		if (i >= q->first) {
			stream_puts(out, before);
			imap_put_number(out, high);
			stream_put(out, SLICE(":"));
			imap_put_number(out, low);
			before = ",";
		}
		high = low - 1;
	}
	stream_put(out, SLICE("\r\n"));
}

enum result imap_uidbatches(struct imap *s, struct imap_args *p)
{
	struct batches q = {.first = 1, .last = UINT32_MAX};
	imap_args_space(p);
	q.size = imap_args_number(p);
	if (imap_args_try(p, ' ')) {
		q.first = imap_args_number(p);
		imap_args_need(p, ':');
		q.last = imap_args_number(p);
	}
	if (imap_args_done(p) != OK || !q.size || !q.first || !q.last)
		return imap_bad(s, p);
	if (q.first > q.last)
		return imap_bad(s, &(struct imap_args){.why = "[CLIENTBUG] The smaller number stands first"});
	if (q.size < LEAST)
		return imap_no(s, "TOOFEW", "A batch has 500 messages at least");
	q.size = MIN(q.size, MAX(s->service->message_limit, LEAST));
	put_batches(s, &q);
	return imap_ok(s, "Done");
}
