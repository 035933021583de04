/* A mailbox name that decodes encodes to what it was. */
#include "imap/utf7.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	BUF_LOCAL(utf8, 1 << 20);
	BUF_LOCAL(back, 1 << 20);
	struct slice name = slice_of(data, n);
	if (n < 10000 && imap_utf7_decode(name, &utf8) == OK) {
		imap_utf7_encode(buf_slice(&utf8), &back);
		if (!slice_is_utf8(buf_slice(&utf8)) || !slice_eq(buf_slice(&back), name))
			abort();
	}
	buf_clear(&utf8);
	buf_clear(&back);
	if (n < 10000 && slice_is_utf8(name) && !memchr(data, 0, n)) {
		imap_utf7_encode(name, &back);
		if (imap_utf7_decode(buf_slice(&back), &utf8) != OK || !slice_eq(buf_slice(&utf8), name))
			abort();
	}
	return 0;
}
