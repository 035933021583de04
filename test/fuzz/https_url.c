/* What https_url_parse accepts means the same to us and, written anew, to itself. */
#include "https/https.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct https_url u, again;
	BUF_LOCAL(text, 8192);
	if (https_url_parse(slice_of(data, size), &u) != OK)
		return 0;
	bool six = slice_find(u.host, ':') >= 0;
	buf_printf(&text, "%s://%s" SLICE_FMT "%s:%u" SLICE_FMT, u.tls ? "https" : "http", six ? "[" : "",
	    SLICE_ARG(u.host), six ? "]" : "", u.port, SLICE_ARG(u.path));
	if (https_url_parse(buf_slice(&text), &again) != OK || !https_url_same_origin(&u, &again) ||
	    !slice_eq(u.path, again.path))
		abort();
	for (size_t i = 0; i < u.path.n; i++)
		if (u.path.p[i] <= ' ' || u.path.p[i] > '~')
			abort();
	return 0;
}
