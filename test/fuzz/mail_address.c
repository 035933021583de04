/* SMTP paths round trip; header lists never fail; domains and xtext. */
#include "mail/mail.h"
#include <assert.h>

static void path(struct slice in)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	struct cursor c = cursor_of(in);
	struct mail_addr m, again;
	if (mail_path_parse(&c, &a, &m) != OK)
		return;
	assert(slice_is_utf8(m.local) && slice_is_utf8(m.domain));
	BUF_LOCAL(b, in.n * 3 + 10);
	mail_path_put(&b, m);
	struct cursor d = cursor_of(buf_slice(&b));
	assert(mail_path_parse(&d, &a, &again) == OK && cursor_end(&d));
	assert(mail_addr_eq(m, again));
	if (m.domain.n)
		assert(mail_addr_canon(m, &a, &again) == OK && slice_is_ascii(again.domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	path(in);
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct mail_entries l;
	mail_entries_parse(in, &a, &l);
	size_t count = 0;
	for (const struct mail_entry *e = l.first; e; e = e->next)
		count++;
	assert(count == l.count && count <= LIMIT_ADDRESSES);
	BUF_LOCAL(x, n * 2 + 1);
	if (mail_xtext_decode(in, &x) == OK) {
		BUF_LOCAL(y, n * 3 + 1);
		mail_xtext_put(&y, buf_slice(&x));
		BUF_LOCAL(z, n * 2 + 1);
		assert(mail_xtext_decode(buf_slice(&y), &z) == OK && slice_eq(buf_slice(&x), buf_slice(&z)));
	}
	BUF_LOCAL(u, n * 2 + 1);
	if (mail_utf8_xtext_decode(in, &u) == OK && slice_is_utf8(buf_slice(&u))) {
		BUF_LOCAL(v, u.n * 12 + 1);
		mail_utf8_xtext_put(&v, buf_slice(&u));
		assert(slice_is_ascii(buf_slice(&v)));
	}
	return 0;
}
