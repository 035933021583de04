/* smtp: command lines, replies, trace fields, what a submission is given. */
#include "smtp/parse.h"
#include "smtp/submit.h"
#include "smtp/trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static void verbs(void **state)
{
	struct slice args;
	assert_int_equal(smtp_verb_parse(SLICE("EHLO me"), &args), VERB_EHLO);
	assert_true(slice_eq(args, SLICE("me")));
	assert_int_equal(smtp_verb_parse(SLICE("ehlo   me \t"), &args), VERB_EHLO);
	assert_true(slice_eq(args, SLICE("me")));
	assert_int_equal(smtp_verb_parse(SLICE(" DATA"), &args), VERB_DATA);
	assert_int_equal(smtp_verb_parse(SLICE("DATAX"), &args), VERB_UNKNOWN);
	assert_int_equal(smtp_verb_parse(SLICE("DAT"), &args), VERB_UNKNOWN);
	assert_int_equal(smtp_verb_parse(SLICE("?"), &args), VERB_UNKNOWN);
	assert_int_equal(smtp_verb_parse(SLICE(""), &args), VERB_UNKNOWN);
	for (enum smtp_verb v = 0; v < VERB_UNKNOWN; v++)
		assert_int_equal(smtp_verb_parse(slice_str(smtp_verb_name(v)), &args), v);
}

static void bdat(void **state)
{
	uint64_t size;
	bool last;
	assert_int_equal(smtp_bdat_parse(SLICE("0"), &size, &last), REPLY_NONE);
	assert_int_equal(size, 0);
	assert_false(last);
	assert_int_equal(smtp_bdat_parse(SLICE("1000000 last"), &size, &last), REPLY_NONE);
	assert_int_equal(size, 1000000);
	assert_true(last);
	static const char *const bad[] = {"", "LAST", "x", "-1", "+1", "1x", "1 LAS", "1 LAST x",
	    "99999999999999999999", "9223372036854775808", "1 2"};
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(smtp_bdat_parse(slice_str(bad[i]), &size, &last), REPLY_SYNTAX);
}

static void replies_are_well_formed(void **state)
{
	for (enum smtp_reply r = 1; r < REPLY_COUNT; r++) {
		unsigned code = smtp_reply_code(r);
		const char *status = smtp_reply_status(r);
		assert_in_range(code, 200, 599);
		assert_true(!*status || (unsigned)(status[0] - '0') == code / 100); /* RFC 2034 4 */
		assert_true(strlen(smtp_reply_text(r)) > 1 && strlen(smtp_reply_text(r)) < 80);
	}
}

/* A text from elsewhere can not become a second line. */
static void replies_are_one_line(void **state)
{
	BUF_LOCAL(out, 10000);
	struct stream *s = stream_memory(SLICE_NONE, 0, &out);
	smtp_reply_put(s, 550, false, "5.7.1", SLICE("no\r\n250 ok\xc3\xa9\0x"));
	assert_int_equal(stream_flush(s), OK);
	assert_true(slice_eq(buf_slice(&out), SLICE("550 5.7.1 no??250 ok???x\r\n")));
	buf_clear(&out);
	char long_text[5000];
	memset(long_text, 'x', sizeof long_text);
	smtp_reply_put(s, 550, true, "", slice_of(long_text, sizeof long_text));
	assert_int_equal(stream_flush(s), OK);
	assert_true(out.n <= 512 && slice_starts(buf_slice(&out), SLICE("550-xxx")));
	stream_close(s);
}

static void results_become_replies(void **state)
{
	static const struct {
		enum result r;
		const char *why;
		unsigned code;
		const char *status, *text;
	} cases[] = {
	    {DENY, "5.1.1 no such user", 550, "5.1.1", "no such user"},
	    {DENY, "no such user", 550, "5.7.1", "no such user"},
	    {DENY, "4.1.1 wrong class", 550, "5.7.1", "4.1.1 wrong class"},
	    {DENY, "", 550, "5.7.1", "refused"},
	    {LATER, "4.2.2 full", 451, "4.2.2", "full"},
	    {LATER, "5.2.2 full", 451, "4.3.0", "5.2.2 full"},
	    {LATER, "4.2.2", 451, "4.3.0", "4.2.2"},
	    {LATER, "4.2.2222 x", 451, "4.3.0", "4.2.2222 x"},
	    {FULL, "", 452, "4.3.1", "no room for it now, try again later"},
	    {GONE, "", 451, "4.3.0", "cannot do that now, try again later"},
	    {BAD, "", 451, "4.3.0", "cannot do that now, try again later"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned code;
		char status[16];
		struct slice text = smtp_reply_of(cases[i].r, slice_str(cases[i].why), &code, status);
		assert_int_equal(code, cases[i].code);
		assert_string_equal(status, cases[i].status);
		assert_true(slice_eq(text, slice_str(cases[i].text)));
	}
}

static void mail_ids(void **state)
{
	char last[SMTP_MAIL_ID + 1] = "", id[SMTP_MAIL_ID + 1];
	for (int i = 0; i < 1000; i++) {
		smtp_mail_id(id);
		assert_int_equal(strlen(id), 16);
		for (int k = 0; k < 16; k++)
			assert_true(ascii_digit(id[k]) || (id[k] >= 'a' && id[k] <= 'z'));
		assert_true(strcmp(id, last) != 0);
		assert_true(memcmp(id, last, 9) >= 0); /* they sort by time */
		memcpy(last, id, sizeof id);
	}
}

static void trace_keywords(void **state)
{
	assert_string_equal(smtp_trace_with(false, true, false, false), "SMTP");
	assert_string_equal(smtp_trace_with(true, false, false, false), "ESMTP");
	assert_string_equal(smtp_trace_with(true, true, false, false), "ESMTPS");
	assert_string_equal(smtp_trace_with(true, false, true, false), "ESMTPA");
	assert_string_equal(smtp_trace_with(true, true, true, false), "ESMTPSA");
	assert_string_equal(smtp_trace_with(true, false, false, true), "UTF8SMTP");
	assert_string_equal(smtp_trace_with(true, true, true, true), "UTF8SMTPSA");
}

static void hops(void **state)
{
	assert_int_equal(smtp_trace_hops(SLICE("")), 0);
	assert_int_equal(smtp_trace_hops(SLICE("Received: a\r\nreceived: b\r\n")), 2);
	assert_int_equal(smtp_trace_hops(SLICE(
			     "X: Received:\r\n Received: folded\r\nReceived:\r\n\r\nReceived: text\r\n")),
	    1);
	assert_int_equal(smtp_trace_hops(SLICE("Received: cut")), 1);
}

/* What comes out of submission does not depend on how the octets came. */
static void submission_at_every_cut(void **state)
{
	struct slice message =
	    SLICE("Subject: x\r\nBCC: a@b\r\nbcc:\r\n c@d\r\nFrom: A <a@b>, \"c\" <c@d>\r\nDate: now\r\n"
		  "Message-Id: <1@2>\r\n\r\nBcc: text\r\n");
	for (size_t cut = 0; cut <= message.n; cut++) {
		ARENA_LOCAL(a, 1 << 20);
		BUF_LOCAL(out, 10000);
		struct smtp_submit *s = smtp_submit_new(&a);
		struct slice rest = slice_sub(message, cut, message.n), body = SLICE_NONE;
		bool done = smtp_submit_take(s, slice_sub(message, 0, cut), &body);
		if (!done)
			done = smtp_submit_take(s, rest, &body);
		else
			body = slice_of(body.p, body.n + rest.n); /* they are neighbours */
		assert_true(done);
		struct smtp_submit_facts facts = {.hostname = "h", .mail_id = "i"};
		assert_int_equal(smtp_submit_finish(s, &facts, &out), REPLY_NONE);
		buf_put(&out, body);
		assert_true(slice_eq(buf_slice(&out),
		    SLICE("Subject: x\r\nFrom: A <a@b>, \"c\" <c@d>\r\nDate: now\r\nMessage-Id: "
			  "<1@2>\r\n\r\nBcc: text\r\n")));
		assert_int_equal(s->froms, 2);
		assert_true(slice_eq(s->from[1].domain, SLICE("d")));
		smtp_submit_free(&s);
	}
}

static void submission_names_too_many(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	BUF_LOCAL(header, 10000);
	BUF_LOCAL(out, 10000);
	buf_puts(&header, "From: x@y");
	for (int i = 0; i < SUBMIT_FROMS; i++)
		buf_puts(&header, ", x@y");
	buf_puts(&header, "\r\n\r\n");
	struct smtp_submit *s = smtp_submit_new(&a);
	struct slice body;
	assert_true(smtp_submit_take(s, buf_slice(&header), &body));
	struct smtp_submit_facts facts = {.hostname = "h", .mail_id = "i"};
	assert_int_equal(smtp_submit_finish(s, &facts, &out), REPLY_FROM_NOT_YOURS);
	smtp_submit_free(&s);
}

/* RFC 5322 3.6.2: one Sender, and it is who was logged in. */
static void sent_on_behalf(void **state)
{
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(out, 4096);
	struct slice header =
	    SLICE("From: desk@h\r\nSender: boss@h\r\nsender:\r\n other@h\r\nSubject: x\r\n\r\n");
	assert_int_equal(smtp_submit_sender(header, SLICE("bob@h"), &a, &out), REPLY_NONE);
	assert_string_equal(buf_z(&out), "Sender: bob@h\r\nFrom: desk@h\r\nSubject: x\r\n\r\n");
	buf_clear(&out);
	assert_int_equal(smtp_submit_sender(SLICE("From: a@h\r\n"), SLICE("bob@h"), &a, &out), REPLY_NONE);
	assert_string_equal(buf_z(&out), "Sender: bob@h\r\nFrom: a@h\r\n");
	assert_int_equal(smtp_submit_sender(header, SLICE("bob"), &a, &out), REPLY_LATER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verbs),
	    cmocka_unit_test(bdat),
	    cmocka_unit_test(replies_are_well_formed),
	    cmocka_unit_test(replies_are_one_line),
	    cmocka_unit_test(results_become_replies),
	    cmocka_unit_test(mail_ids),
	    cmocka_unit_test(trace_keywords),
	    cmocka_unit_test(hops),
	    cmocka_unit_test(submission_at_every_cut),
	    cmocka_unit_test(submission_names_too_many),
	    cmocka_unit_test(sent_on_behalf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
