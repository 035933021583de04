/* Notifications of hostile replies and originals: three parts, clean structure, nothing forged. */
#include "mail/mail.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	struct slice rest = slice_of(data + 1, n - 1);
	struct slice reply = slice_split(&rest, '\n'), envid = slice_split(&rest, '\n'),
		     orcpt = slice_split(&rest, '\n');
	struct mail_dsn_rcpt r = {.addr = {SLICE("a"), SLICE("example.jp")},
	    .orcpt_type = SLICE("rfc822"),
	    .orcpt = orcpt,
	    .action = data[0] % 5,
	    .status = SLICE("5.1.1"),
	    .remote_mta = SLICE("mx.example.jp"),
	    .diagnostic = reply};
	struct mail_dsn d = {.reporting_mta = SLICE("mx.example.com"),
	    .from_domain = SLICE("example.com"),
	    .to = {SLICE("b"), SLICE("example.com")},
	    .message_id = SLICE("1@example.com"),
	    .envid = envid,
	    .rcpts = &r,
	    .rcpt_count = 1,
	    .original = rest,
	    .full = data[0] & 128};
	BUF_LOCAL(b, n * 4 + 100000);
	assert(mail_dsn_put(&b, &d) == OK);
	ARENA_LOCAL(a, (size_t)64 << 20);
	Sekisho__Facts *f;
	assert(mail_facts_extract(buf_slice(&b), &a, &f) == OK);
	assert(f->root->n_parts == 3 && f->auto_submitted && f->root->n_fields >= 7);
	BUF_LOCAL(status, b.n);
	mail_facts_octets(buf_slice(&b), f->root->parts[1], &status);
	ptrdiff_t second = slice_search(buf_slice(&status), SLICE("\r\n\r\n"));
	assert(second > 0);
	assert(
	    slice_search(slice_sub(buf_slice(&status), (size_t)second + 4, status.n), SLICE("\r\n\r\n")) < 0);
	return 0;
}
