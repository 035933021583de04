/*
 * setup: an Autodiscover request gives an address or none; whatever the address is, the documents for it are well-formed
 * (every "<" in them is ours, and what is in the text cannot begin an element or an entity).
 */
#include "http/setup.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t count(struct slice s, char c)
{
	size_t found = 0;
	for (size_t i = 0; i < s.n; i++)
		found += s.p[i] == c;
	return found;
}

static void check(void (*put)(struct buf *, const struct setup_for *), struct slice address)
{
	static const struct http_setup setup = {
	    .hostname = "mail.example.jp", .imaps = 993, .pop3s = 995, .submissions = 465, .https = 443};
	BUF_LOCAL(plain, 1 << 20);
	BUF_LOCAL(text, 1 << 20);
	struct setup_for f = {&setup, "example.jp", SLICE("a@example.jp")};
	put(&plain, &f);
	f.address = address;
	put(&text, &f);
	assert(buf_result(&text) == OK && slice_is_utf8(buf_slice(&text)));
	assert(count(buf_slice(&text), '<') == count(buf_slice(&plain), '<'));
	assert(count(buf_slice(&text), '>') == count(buf_slice(&plain), '>'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct slice address, body = slice_of(data, n);
	struct slice domain = setup_domain_at(body, "autoconfig.");
	assert(slice_find(domain, ':') < 0);
	if (setup_read_autodiscover(body, &a, &address) == OK) {
		assert(address.n <= LIMIT_ADDRESS && setup_domain_of(address).n);
		check(setup_put_autodiscover, address);
	}
	check(setup_put_autoconfig, slice_sub(body, 0, 4096));
	check(setup_put_autodiscover, slice_sub(body, 0, 4096));
	check(setup_put_mobileconfig, slice_sub(body, 0, 4096));
	return 0;
}
