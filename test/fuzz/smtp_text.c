/* The octets of a message: cut or not, the same text, the same flaw, the same end. The first octet chooses mode and cut. */
#include "smtp/text.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void collect(void *to, struct slice run)
{
	buf_put(to, run);
}

static size_t feed(struct smtp_text *t, struct slice in, size_t step)
{
	size_t taken = 0;
	while (taken < in.n && !smtp_text_ended(t)) {
		size_t n = smtp_text_take(t, slice_sub(in, taken, step));
		if (n == 0)
			abort();
		taken += n;
	}
	if (!smtp_text_ended(t) && t->mode != TEXT_DATA)
		smtp_text_finish(t);
	return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1)
		return 0;
	struct slice in = slice_of(data + 1, n - 1);
	BUF_LOCAL(whole, 1 << 24);
	BUF_LOCAL(parts, 1 << 24);
	enum smtp_text_mode mode = data[0] % 3;
	struct smtp_text a = {.mode = mode, .put = collect, .to = &whole};
	struct smtp_text b = {.mode = mode, .put = collect, .to = &parts};
	size_t taken = feed(&a, in, in.n);
	if (feed(&b, in, 1 + data[0] / 3) != taken || a.flaw != b.flaw ||
	    smtp_text_ended(&a) != smtp_text_ended(&b))
		abort();
	if (a.flaw != REPLY_NONE)
		return 0;
	if (!slice_eq(buf_slice(&whole), buf_slice(&parts)))
		abort();
	/* What goes on to other servers has no bare CR or LF, so no false end of data. */
	struct slice text = buf_slice(&whole);
	for (size_t i = 0; mode != TEXT_BINARY && smtp_text_ended(&a) && i < text.n; i++)
		if ((text.p[i] == '\n' && (!i || text.p[i - 1] != '\r')) ||
		    (text.p[i] == '\r' && (i + 1 == text.n || text.p[i + 1] != '\n')) || text.p[i] == '\0')
			abort();
	return 0;
}
