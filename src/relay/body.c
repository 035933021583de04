#include "relay/inner.h"

#define PART 98304 /* octets asked of store at a time */

uint64_t delivery_size(const struct delivery *d)
{
	return d->seven ? d->converted_signature.n + d->converted.n : d->signature.n + d->job->msg->size;
}

/* Once for each delivery. DENY: it cannot be. */
static enum result convert(struct delivery *d)
{
	struct ipc *c = ipc_thread(d->settings->store);
	Sekisho__SignatureAsk ask = SEKISHO__SIGNATURE_ASK__INIT;
	Sekisho__SignatureAnswer *answer;
	struct ipc_fds fds = {.n = 0};
	if (d->converted.p)
		return OK;
	ask.mail_id = d->job->msg->mail_id;
	ask.seven = true;
	enum result r = c ? ipc_call(c, ASK_STORE_SIGNATURE, &ask, NULL, &d->arena, &answer, &fds) : GONE;
	if (r == OK)
		r = fds.n == 1 ? fd_map_sealed(fds.fd[0], LIMIT_MESSAGE_MOST * (uint64_t)2, &d->converted)
			       : GONE;
	ipc_fds_close(&fds);
	if (r == OK)
		d->converted_signature = slice_of(answer->fields.data, answer->fields.len);
	return r;
}

bool delivery_suit(struct delivery *d, const struct link *l, struct why *why)
{
	const struct caps *c = &l->caps;
	bool binary = d->job->msg->body == 2;
	d->seven = false;
	if (binary ? c->chunking && c->binarymime : d->job->msg->body != 1 || c->eightbit)
		return true;
	enum result r = convert(d);
	d->seven = r == OK;
	if (r == DENY)
		why_set(why, true, "5.6.3", "%s takes no %s, and this message cannot be put without it",
		    l->host, binary ? "binary MIME" : "8-bit messages (8BITMIME)");
	else if (r != OK)
		why_set(why, false, "4.3.0", "the message cannot be put for %s now", l->host);
	return r == OK;
}

void delivery_unconvert(struct delivery *d)
{
	if (d->converted.p)
		fd_unmap(&d->converted);
	d->converted = SLICE_NONE;
	d->seven = false;
}

void body_open(struct body *b, struct delivery *d)
{
	*b = (struct body){.delivery = d, .size = d->job->msg->size};
	if (d->job->msg->has_data)
		b->size = d->job->msg->data.len;
	if (d->seven)
		b->size = d->converted.n;
	arena_init(&b->arena, 4 * PART);
}

void body_close(struct body *b)
{
	arena_free(&b->arena);
}

static enum result ask_part(struct body *b, struct slice *part_out)
{
	struct ipc *c = ipc_thread(b->delivery->settings->store);
	Sekisho__OutBodyAsk ask = SEKISHO__OUT_BODY_ASK__INIT;
	Sekisho__BodyAnswer *answer;
	ask.mail_id = b->delivery->job->msg->mail_id;
	ask.offset = b->offset;
	ask.length = PART;
	arena_reset(&b->arena);
	if (!c || ipc_call(c, ASK_STORE_OUTBODY, &ask, NULL, &b->arena, &answer, NULL) != OK)
		return GONE;
	if (answer->data.len == 0 || answer->data.len > b->size - b->offset)
		return BAD;
	*part_out = slice_of(answer->data.data, answer->data.len);
	return OK;
}

enum result body_next(struct body *b, struct slice *part_out)
{
	const Sekisho__Job *m = b->delivery->job->msg;
	const struct delivery *d = b->delivery;
	struct slice signature = d->seven ? d->converted_signature : d->signature;
	enum result r = OK;
	*part_out = SLICE_NONE;
	if (!b->begun && signature.n) {
		b->begun = true;
		*part_out = signature;
		return OK;
	}
	if (b->offset == b->size)
		return OK;
	if (d->seven)
		*part_out = d->converted;
	else if (m->has_data)
		*part_out = slice_of(m->data.data, m->data.len);
	else
		r = ask_part(b, part_out);
	b->offset += part_out->n;
	return r;
}

/* One octet: false when it makes a CR or an LF a bare one. */
static inline bool step(struct stuffing *state, char c)
{
	if (state->cr != (c == '\n'))
		return false;
	state->cr = c == '\r';
	state->in_line = c != '\n';
	return true;
}

/* The octets up to the next CR or LF need no look at each. */
static const char *line_part_end(const char *p, const char *end)
{
	const char *cr = memchr(p, '\r', (size_t)(end - p));
	const char *stop = cr ? cr : end;
	const char *lf = memchr(p, '\n', (size_t)(stop - p));
	return lf ? lf : stop;
}

enum result body_stuff(struct stream *s, struct stuffing *state, struct slice part)
{
	const char *p = part.p, *end = part.p + part.n, *from = part.p;
	while (p < end) {
		if (!state->in_line && !state->cr && *p == '.') {
			stream_put(s, slice_of(from, (size_t)(p - from)));
			stream_put(s, SLICE("."));
			from = p;
		}
		const char *stop = line_part_end(p, end);
		if (stop > p) {
			if (state->cr)
				return BAD;
			state->in_line = true;
			p = stop;
			continue;
		}
		if (!step(state, *p++))
			return BAD;
	}
	stream_put(s, slice_of(from, (size_t)(end - from)));
	return OK;
}

enum result body_check(struct stuffing *state, struct slice part)
{
	const char *p = part.p, *end = part.p + part.n;
	while (p < end) {
		const char *stop = line_part_end(p, end);
		if (stop > p) {
			if (state->cr)
				return BAD;
			state->in_line = true;
			p = stop;
		} else if (!step(state, *p++)) {
			return BAD;
		}
	}
	return OK;
}
