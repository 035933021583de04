/* fixture: any text parses or is refused with a line; what parsed can be asked, and its names can be read back. */
#include "resolver/fixture.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fixture *f;
	BUF_LOCAL(why, 1000);
	struct slice text = slice_of(data, n);
	if (fixture_parse(text, &f, &why) != OK) {
		assert(slice_starts(buf_slice(&why), SLICE("line ")));
		return 0;
	}
	ARENA_LOCAL(a, 1 << 20);
	struct slice name = slice_split(&text, ' ');
	struct dns_mx_list mx;
	struct dns_ip_list ip;
	struct dns_text_list txt;
	struct dns_tlsa_list tlsa;
	dns_mx(fixture_dns(f), name, &a, &mx);
	dns_ips(fixture_dns(f), name, &a, &ip);
	dns_txt(fixture_dns(f), name, &a, &txt);
	dns_tlsa(fixture_dns(f), name, &a, &tlsa);
	for (size_t i = 0; i < mx.n; i++) {
		BUF_LOCAL(wire, LIMIT_DNS_NAME + 1);
		assert(dns_name_put(slice_str(mx.mx[i].host), &wire) == OK);
	}
	fixture_free(f);
	return 0;
}
