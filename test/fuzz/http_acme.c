/* Tokens and hosts that strangers send to port 80: what is taken can stand in a path and in a URL. */
#include "http/acme.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n), host;
	if (http_acme_is_token(in))
		for (size_t i = 0; i < n; i++)
			assert(in.p[i] != '/' && in.p[i] != '.' && in.p[i] != '%' && in.p[i] > ' ' &&
			       in.p[i] < 127);
	if (http_acme_host(in, &host)) {
		assert(host.n > 0 && host.n <= n);
		for (size_t i = 0; i < host.n; i++)
			assert(host.p[i] > ' ' && host.p[i] < 127 && !strchr("/@?#\\%\"", host.p[i]));
	}
	return 0;
}
