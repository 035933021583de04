/* A submitted message, cut at a place that the first octet names: the same result as whole, and no Bcc in it. */
#include "mail/header.h"
#include "smtp/submit.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum smtp_reply complete(struct slice message, size_t cut, struct buf *out)
{
	ARENA_LOCAL(a, 16 << 20);
	struct smtp_submit_facts facts = {.hostname = "h", .mail_id = "i", .now_ms = 1};
	struct smtp_submit *s = smtp_submit_new(&a);
	struct slice body = SLICE_NONE, second = slice_sub(message, cut, message.n);
	bool done = smtp_submit_take(s, slice_sub(message, 0, cut), &body);
	if (!done && smtp_submit_take(s, second, &body))
		second = SLICE_NONE;
	else if (!done)
		second = body = SLICE_NONE;
	enum smtp_reply r = smtp_submit_finish(s, &facts, out);
	buf_put(out, body);
	buf_put(out, second);
	smtp_submit_free(&s);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 100000)
		return 0;
	struct slice message = slice_of(data + 1, n - 1);
	BUF_LOCAL(whole, 1 << 24);
	BUF_LOCAL(parts, 1 << 24);
	enum smtp_reply r = complete(message, message.n, &whole);
	if (complete(message, data[0] * message.n / 255, &parts) != r)
		abort();
	if (r != REPLY_NONE)
		return 0;
	if (!slice_eq(buf_slice(&whole), buf_slice(&parts)))
		abort();
	struct mail_field f;
	if (mail_header_get(buf_slice(&whole), SLICE("Bcc"), &f))
		abort();
	if (!mail_header_get(buf_slice(&whole), SLICE("Date"), &f) ||
	    !mail_header_get(buf_slice(&whole), SLICE("Message-ID"), &f))
		abort();
	return 0;
}
