/* Encoded words: what is written as words reads back as it was. */
#include "mail/mail.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	BUF_LOCAL(text, n * 8 + 64);
	mail_words_decode(in, &text);
	assert(slice_is_utf8(buf_slice(&text)));
	struct slice want = slice_trim(buf_slice(&text));
	BUF_LOCAL(words, n * 200 + 1000);
	mail_words_put(&words, want, 9);
	assert(slice_is_ascii(buf_slice(&words)));
	BUF_LOCAL(back, n * 8 + 64);
	mail_words_decode(buf_slice(&words), &back);
	assert(slice_eq(buf_slice(&back), want));
	return 0;
}
