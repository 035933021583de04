/* unicode: the folding of i;unicode-casemap, RFC 5051 2. */
#include "mail/utf8.h"
#include "sieve/inside.h"
#include <unicode/uchar.h>
#include <unicode/unorm2.h>

static void put(UChar32 c, struct buf *out)
{
	mail_utf8_put(out, (uint32_t)c);
}

static void decompose(const UNormalizer2 *nfkd, UChar32 c, struct buf *out)
{
	UChar units[64];
	UErrorCode err = U_ZERO_ERROR;
	int32_t n = unorm2_getDecomposition(nfkd, c, units, COUNT(units), &err);
	if (n < 0 || U_FAILURE(err)) {
		put(c, out);
		return;
	}
	for (int32_t i = 0; i < n;) {
		UChar32 one;
		U16_NEXT(units, i, n, one);
		put(one, out);
	}
}

void sieve_unicode_fold(struct slice s, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfkd = unorm2_getNFKDInstance(&err);
	while (s.n) {
		size_t ascii = mail_ascii_run(s);
		for (size_t i = 0; i < ascii; i++)
			buf_putc(out, ascii_upper(s.p[i]));
		s = slice_sub(s, ascii, s.n);
		if (!s.n)
			break;
		bool ok;
		struct slice rest = s;
		uint32_t c = mail_utf8_take(&rest, &ok);
		if (ok)
			decompose(nfkd, u_totitle((UChar32)c), out);
		else /* what is not UTF-8 equals itself only */
			buf_put(out, slice_sub(s, 0, s.n - rest.n));
		s = rest;
	}
}
