/* An mbox file of strangers: every message is cut off once, and what is made of it is bounded by what was there. */
#include "ferry/inner.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(struct slice text)
{
	BUF_LOCAL(lf, text.n + 1);
	BUF_LOCAL(wire, text.n * 2 + 2);
	if (!ferry_to_lf(text, &lf))
		return;
	ferry_to_wire(buf_slice(&lf), &wire);
	assert(slice_eq(buf_slice(&wire), text));
}

/* Quoted and read again it is the same. */
static void quote(struct slice text)
{
	BUF_LOCAL(b, text.n * 2 + 200);
	BUF_LOCAL(back, text.n * 2 + 200);
	struct mbox_message m;
	struct mbox_fields fields;
	buf_printf(&b,
	    "From x Tue Jan  2 03:04:05 2024\nX-Sekisho-Export: 1 %zu\nStatus: O\nX-Status: \nX-Keywords:\n",
	    text.n);
	mbox_put_quoted(&b, text);
	buf_puts(&b, text.n && text.p[text.n - 1] == '\n' ? "\n" : "\n\n");
	struct slice rest = buf_slice(&b);
	assert(mbox_next(&rest, &m));
	if (m.measured)
		return; /* it says a length of its own, and that is right */
	assert(!rest.n);
	mbox_message_text(&m, &back, &fields);
	assert(fields.exact && fields.octets == text.n && back.n >= text.n && back.n - text.n <= 2);
	assert(memcmp(back.p, text.p, text.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice_of(data, size), rest = all;
	struct mbox_message m;
	struct mbox_fields fields;
	BUF_LOCAL(text, size + 1);
	BUF_LOCAL(plain, (size_t)1 << 20);
	size_t total = 0;
	while (mbox_next(&rest, &m)) {
		total += m.text.n;
		buf_clear(&text);
		mbox_message_text(&m, &text, &fields);
		assert(buf_result(&text) == OK && total <= size);
		mbox_date(m.from);
	}
	read_back(all);
	if (size)
		quote(all);
	result_ignore(ferry_unpack(all, &plain));
	BUF_LOCAL(name, size * 2 + 4096);
	ferry_utf7(all, &name);
	buf_clear(&name);
	ferry_name(&name, NULL, &all, 1);
	assert(name.n && name.n <= LIMIT_MAILBOX_NAME && slice_is_utf8(buf_slice(&name)));
	return 0;
}
