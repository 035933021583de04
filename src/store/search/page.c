#include "store/search/page.h"
#include "store/search/segment.h"
#include <stdlib.h>
#include <zstd.h>

#define LEVEL 3

void search_page_pack(struct slice plain, struct buf *out)
{
	size_t most = ZSTD_compressBound(plain.n);
	char *p = buf_room(out, most);
	size_t n = p ? ZSTD_compress(p, most, plain.p, plain.n, LEVEL) : 0;
	if (!p || ZSTD_isError(n))
		abort();
	buf_wrote(out, n);
}

enum result search_page_unpack(struct slice packed, struct buf *out)
{
	unsigned long long n = ZSTD_getFrameContentSize(packed.p, packed.n);
	char *p = n <= SEARCH_PAGE_MOST ? buf_room(out, n) : NULL;
	if (!p || ZSTD_decompress(p, n, packed.p, packed.n) != n)
		return BAD;
	buf_wrote(out, n);
	return OK;
}
