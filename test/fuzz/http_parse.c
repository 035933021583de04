/*
 * http: a head and the body behind it give the same values whether they come at once or in pieces (the first octet says
 * how large); what is let through is clean.
 */
#include "http/body.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MOST 100000

struct outcome {
	enum http_status head, body;
	size_t used; /* octets of the input that belong to this request */
	struct buf content;
};

static void check_request(const struct http_request *q)
{
	struct slice name, value;
	assert(q->method < HTTP_METHODS && q->minor <= 1 && q->path.n > 0);
	assert(q->path.p[0] == '/' || slice_eq(q->path, SLICE("*")));
	assert(slice_search(q->path, SLICE("/../")) < 0);
	assert(q->field_n <= LIMIT_HTTP_FIELDS);
	for (size_t i = 0; i < q->field_n; i++) {
		assert(http_is_token(q->fields[i].name) && http_is_field_value(q->fields[i].value));
		assert(slice_find(q->fields[i].value, '\n') < 0 && slice_find(q->fields[i].value, '\0') < 0);
	}
	for (struct http_query it = http_query_of(q); http_query_next(&it, &name, &value);)
		assert(slice_find(name, '\0') < 0 && slice_find(value, '\0') < 0);
	http_wants_json(q);
}

static size_t take_all(struct slice in, size_t step, struct http_head *h, enum http_status *status_out)
{
	size_t used = 0, n;
	*status_out = HTTP_STATUS_NONE;
	while (used < in.n && !h->done && !*status_out) {
		*status_out = http_head_take(h, slice_sub(in, used, step), &n);
		used += n;
	}
	return used;
}

static void take_body(struct slice in, size_t step, struct http_body *b, struct outcome *out)
{
	struct slice content;
	size_t used = 0;
	while (used < in.n && !http_body_done(b))
		used += http_body_take(b, slice_sub(in, used, step));
	out->used += used;
	out->body = b->status;
	if (b->at == BODY_DONE && !b->status && http_body_finish(b, &content) == OK)
		buf_put(&out->content, content);
}

static void read_one(struct slice in, size_t step, struct outcome *out)
{
	ARENA_LOCAL(a, 1 << 20);
	struct http_head h;
	struct http_body b = {.fd = -1};
	enum http_framing framing;
	uint64_t length;
	struct http_request q = {.arena = &a, .body_fd = -1};
	http_head_init(&h);
	out->used = take_all(in, step, &h, &out->head);
	if (h.done)
		out->head = http_head_parse(buf_slice(&h.octets), &q, &framing, &length);
	if (h.done && !out->head) {
		check_request(&q);
		http_body_init(&b, framing, length, MOST, NULL);
		take_body(slice_sub(in, out->used, SIZE_MAX), step, &b, out);
	}
	if (out->head || out->body)
		out->used = 0; /* the connection ends: how much was read before does not matter */
	http_body_free(&b);
	buf_free(&h.octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 150000)
		return 0;
	struct slice in = slice_of(data + 1, n - 1);
	struct outcome whole = {.content = {.max = MOST}}, pieces = {.content = {.max = MOST}};
	read_one(in, SIZE_MAX, &whole);
	read_one(in, data[0] % 32 + 1, &pieces);
	assert(whole.head == pieces.head && whole.body == pieces.body && whole.used == pieces.used);
	assert(slice_eq(buf_slice(&whole.content), buf_slice(&pieces.content)));
	assert(whole.content.n <= whole.used);
	buf_free(&whole.content);
	buf_free(&pieces.content);
	return 0;
}
