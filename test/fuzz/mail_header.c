/* Header fields and texts: offsets stay inside, decoded text is UTF-8 without control characters. */
#include "mail/mail.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	struct mail_fields f = mail_fields_of(in);
	struct mail_field field;
	const char *last = in.p;
	ARENA_LOCAL(a, (size_t)64 << 20);
	while (mail_fields_next(&f, &field)) {
		assert(field.all.p == last && field.all.n > 0);
		last += field.all.n;
		assert(slice_find(mail_unfold(field.value, &a), '\n') < 0);
		BUF_LOCAL(text, field.value.n * 8 + 64);
		mail_words_decode(field.value, &text);
		assert(!text.over && slice_is_utf8(buf_slice(&text)));
		for (size_t i = 0; i < text.n; i++)
			assert((unsigned char)text.p[i] >= 32);
	}
	assert(f.rest.n <= n && (f.rest.n == 0 || f.rest.p + f.rest.n == in.p + n));
	return 0;
}
