/* First line: the label; the rest: text in it. Out comes UTF-8. */
#include "mail/mail.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice rest = slice_of(data, n);
	struct slice label = slice_split(&rest, '\n');
	BUF_LOCAL(out, n * 16 + 64);
	mail_text_decode(label, rest, &out);
	assert(!out.over && slice_is_utf8(buf_slice(&out)));
	size_t (*const decoders[])(struct slice, struct buf *) = {
	    mail_utf8_decode, mail_sjis_decode, mail_eucjp_decode, mail_jis_decode};
	for (size_t i = 0; i < COUNT(decoders); i++) {
		buf_clear(&out);
		decoders[i](rest, &out);
		assert(!out.over && slice_is_utf8(buf_slice(&out)));
	}
	BUF_LOCAL(folded, n * 400 + 1000);
	mail_text_fold(rest, &folded);
	assert(!folded.over);
	return 0;
}
