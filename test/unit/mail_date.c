/* mail/date: Date fields as found, IMAP dates, and back. */
#include "mail/mail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void header_dates(void **state)
{
	static const struct {
		const char *in;
		int64_t s;
		int zone;
	} good[] = {
	    {"Tue, 02 Jan 2024 15:04:05 +0900", 1704175445, 540},
	    {"2 Jan 2024 15:04:05 +0900", 1704175445, 540},
	    {"Tue, 2 Jan 2024 06:04:05 GMT", 1704175445, 0},
	    {"Tue, 2 Jan 2024 15:04:05 JST", 1704175445, 540},
	    {"Tue, 2 Jan 2024 15:04:05 +0900 (JST)", 1704175445, 540},
	    {"Tue, 2 Jan 2024 15:04:05 +09:00", 1704175445, 540},
	    {"Tue, 2 Jan 24 06:04:05 -0000", 1704175445, 0},
	    {"Tue (comment (nested)), 2 Jan 2024 06:04:05 UT", 1704175445, 0},
	    {"Tue Jan  2 06:04:05 2024", 1704175445, 0},
	    {"Tue Jan  2 06:04:05 UTC 2024", 1704175445, 0},
	    {"2024-01-02T15:04:05+09:00", 1704175445, 540},
	    {"2024-01-02 06:04:05 Z", 1704175445, 0},
	    {"2-Jan-2024 06:04:05 +0000", 1704175445, 0},
	    {"Tue, 2 January 2024 6:04:05 AM", 1704175445, 0},
	    {"Wed, 11 Feb 98 11:51 CST", 887219460, -360},
	    {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
	    {"21 Nov 97 09:55:06 GMT", 880106106, 0},
	    {"Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330", -27723480, -210},
	    {"Sat, 31 Dec 2016 23:59:60 +0000", 1483228799, 0},
	    {"Thu, 29 Feb 2024 00:00:00 +0000", 1709164800, 0},
	    {"1 Jan 2024", 1704067200, 0},
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct mail_date d;
		assert_int_equal(mail_date_parse(slice_str(good[i].in), &d), OK);
		assert_true(d.ms == good[i].s * 1000);
		assert_int_equal(d.zone, good[i].zone);
	}
	static const char *const bad[] = {"", "yesterday", "Tue, 32 Jan 2024 00:00:00 +0000",
	    "30 Feb 2024 00:00:00 +0000", "Malformed Date.", "12:00", "2024", "1 Foo 2024 00:00",
	    "1 Jan 2024 25:00:00", "29 Feb 2023 00:00:00 GMT"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct mail_date d;
		assert_int_equal(mail_date_parse(slice_str(bad[i]), &d), BAD);
	}
}

static void written(void **state)
{
	BUF_LOCAL(b, 100);
	mail_date_put(&b, (struct mail_date){.ms = 1704175445000, .zone = 540});
	assert_string_equal(buf_z(&b), "Tue, 02 Jan 2024 15:04:05 +0900");
	buf_clear(&b);
	mail_imap_date_put(&b, (struct mail_date){.ms = 1704175445000, .zone = -210});
	assert_string_equal(buf_z(&b), " 2-Jan-2024 02:34:05 -0330");
	for (int64_t s = -5000000000; s < 20000000000; s += 86399 * 97) {
		struct mail_date in = {.ms = s * 1000, .zone = (int)(s % 841)}, out;
		buf_clear(&b);
		mail_date_put(&b, in);
		assert_int_equal(mail_date_parse(buf_slice(&b), &out), OK);
		assert_true(in.ms == out.ms && in.zone == out.zone);
		buf_clear(&b);
		mail_imap_date_put(&b, in);
		assert_int_equal(mail_imap_date_parse(buf_slice(&b), &out), OK);
		assert_true(in.ms == out.ms && in.zone == out.zone);
	}
}

static void imap_dates_are_strict(void **state)
{
	static const char *const bad[] = {"", "2-Jan-2024 15:04:05 +0900", "02-Jan-2024 15:04:05",
	    "32-Jan-2024 15:04:05 +0900", "02-Foo-2024 15:04:05 +0900", "02-Jan-2024 24:04:05 +0900",
	    "02-Jan-2024 15:04:05 +0960", "02-Jan-24 15:04:05 +0900", "02-Jan-2024 15:04:05 +0900 ",
	    "31-Feb-2024 00:00:00 +0000"};
	struct mail_date d;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(mail_imap_date_parse(slice_str(bad[i]), &d), BAD);
	int64_t ms;
	assert_int_equal(mail_imap_day_parse(SLICE("2-Jan-2024"), &ms), OK);
	assert_true(ms == 1704153600000);
	assert_int_equal(mail_imap_day_parse(SLICE("\"02-jan-2024\""), &ms), OK);
	assert_true(ms == 1704153600000);
	assert_int_equal(mail_imap_day_parse(SLICE("30-Feb-2024"), &ms), BAD);
	assert_int_equal(mail_imap_day_parse(SLICE("2-Jan-2024 "), &ms), BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(header_dates),
	    cmocka_unit_test(written),
	    cmocka_unit_test(imap_dates_are_strict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
