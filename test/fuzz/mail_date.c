/* Dates: whatever is understood is written and understood the same. */
#include "mail/mail.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);
	struct mail_date d, again;
	BUF_LOCAL(b, 100);
	if (mail_date_parse(in, &d) == OK) {
		mail_date_put(&b, d);
		assert(mail_date_parse(buf_slice(&b), &again) == OK);
		assert(again.ms == d.ms && again.zone == d.zone);
	}
	buf_clear(&b);
	if (mail_imap_date_parse(in, &d) == OK) {
		mail_imap_date_put(&b, d);
		assert(mail_imap_date_parse(buf_slice(&b), &again) == OK);
		assert(again.ms == d.ms && again.zone == d.zone);
	}
	int64_t ms;
	result_ignore(mail_imap_day_parse(in, &ms));
	return 0;
}
