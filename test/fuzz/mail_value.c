/* Content-Type and Content-Disposition: any octets; and a parameter written is a parameter read. */
#include "mail/mail.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	for (int slash = 0; slash < 2; slash++) {
		ARENA_LOCAL(a, (size_t)64 << 20);
		struct mail_value v;
		mail_value_parse(in, slash, &a, &v);
		size_t count = 0;
		for (const struct mail_param *p = v.params; p; p = p->next) {
			assert(slice_is_utf8(p->text) && mail_param_get(&v, p->name));
			count++;
		}
		assert(count <= LIMIT_MIME_PARAMS);
	}
	if (!slice_is_utf8(in) || n > 2000)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (data[i] < 32 || data[i] == 127)
			return 0;
	if (slice_search(in, SLICE("=?")) >= 0)
		return 0;
	BUF_LOCAL(b, n * 20 + 200);
	buf_puts(&b, "attachment");
	mail_put_param(&b, SLICE("filename"), in);
	ARENA_LOCAL(a, (size_t)1 << 20);
	struct mail_value v;
	mail_value_parse(buf_slice(&b), false, &a, &v);
	const struct mail_param *p = mail_param_get(&v, SLICE("filename"));
	assert(p && slice_eq(p->text, in));
	return 0;
}
