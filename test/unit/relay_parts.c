/* relay's parts by themselves: replies, capabilities, DATA's form, the set of rows, keys of destinations. */
#include "relay/sms.h"
#include "relay/inner.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static enum result read_text(const char *text, size_t step, struct reply *out)
{
	BUF_LOCAL(said, 16);
	struct stream *s = stream_memory(slice_str(text), step, &said);
	enum result r = reply_read(s, out, NULL, NULL);
	stream_close(s);
	return r;
}

static void replies(void **state)
{
	static const struct {
		const char *text;
		enum result result;
		unsigned code;
		const char *status, *shown;
	} cases[] = {
	    {"250 ok\r\n", OK, 250, "2.0.0", "250 ok"},
	    {"250\r\n", OK, 250, "2.0.0", "250"},
	    {"250 \r\n", OK, 250, "2.0.0", "250"},
	    {"550 5.1.1 no such user\r\n", OK, 550, "5.1.1", "550 5.1.1 no such user"},
	    {"550-5.7.509 a\r\n550 5.7.509 b\r\n", OK, 550, "5.7.509", "550 5.7.509 a 5.7.509 b"},
	    {"550 4.1.1 contradicts itself\r\n", OK, 550, "5.0.0", "550 4.1.1 contradicts itself"},
	    {"450 4.7.1234 too long\r\n", OK, 450, "4.0.0", "450 4.7.1234 too long"},
	    {"450 4.7 too short\r\n", OK, 450, "4.0.0", "450 4.7 too short"},
	    {"354 \xe3\x81\x82\x01\r\n", OK, 354, "3.0.0", "354 ????"},
	    {"250-a\r\n251 b\r\n", BAD, 0, NULL, NULL},
	    {"250_a\r\n", BAD, 0, NULL, NULL},
	    {"25 a\r\n", BAD, 0, NULL, NULL},
	    {"199 a\r\n", BAD, 0, NULL, NULL},
	    {"600 a\r\n", BAD, 0, NULL, NULL},
	    {"+50 a\r\n", BAD, 0, NULL, NULL},
	    {"\r\n", BAD, 0, NULL, NULL},
	    {"250 bare\n", BAD, 0, NULL, NULL},
	    {"250-a\r\n", GONE, 0, NULL, NULL},
	    {"250 a", GONE, 0, NULL, NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 0; step < 3; step++) {
			struct reply r;
			assert_int_equal(read_text(cases[i].text, step, &r), cases[i].result);
			if (cases[i].result != OK)
				continue;
			assert_int_equal(r.code, cases[i].code);
			assert_string_equal(r.status, cases[i].status);
			assert_string_equal(r.text, cases[i].shown);
		}
}

static void capabilities(void **state)
{
	struct caps c = {0};
	static const char *const lines[] = {"Mail.Example.JP greets you", "pipelining", "SIZE 35882577",
	    "8BITMIME", "AUTH PLAIN XOAUTH2 LOGIN", "LIMITS MAILMAX=20 RCPTMAX=100 RCPTDOMAINMAX=1", "DSN",
	    "CHUNKING", "X-EXTRA", "", "SMTPUTF8"};
	for (size_t i = 0; i < COUNT(lines); i++)
		caps_read(&c, slice_str(lines[i]));
	assert_string_equal(c.name, "mail.example.jp");
	assert_true(c.pipelining && c.eightbit && c.dsn && c.chunking && c.smtputf8);
	assert_true(c.auth_plain && c.auth_login);
	assert_false(c.starttls || c.binarymime);
	assert_true(c.size && c.size_most == 35882577);
	assert_int_equal(c.mailmax, 20);
	assert_int_equal(c.rcptmax, 100);
	struct caps odd = {.lines = 1};
	caps_read(&odd, SLICE("SIZE many"));
	assert_true(odd.size && odd.size_most == 0);
}

static enum result stuff(struct slice text, size_t part, struct buf *out, struct stuffing *state)
{
	struct stream *s = stream_memory(SLICE_NONE, 0, out);
	enum result r = OK;
	for (size_t at = 0; at < text.n && r == OK; at += part)
		r = body_stuff(s, state, slice_sub(text, at, part));
	result_ignore(stream_flush(s));
	stream_close(s);
	return r;
}

static void dots_are_doubled(void **state)
{
	static const struct {
		const char *text, *out;
	} cases[] = {
	    {"", ""},
	    {"a\r\n", "a\r\n"},
	    {".", ".."},
	    {".\r\n", "..\r\n"},
	    {"a\r\n.\r\nb", "a\r\n..\r\nb"},
	    {"..a\r\n.b\r\n", "...a\r\n..b\r\n"},
	    {"a.b.\r\n\r\n.\r\n", "a.b.\r\n\r\n..\r\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t part = 1; part < 12; part++) {
			BUF_LOCAL(out, 1000);
			struct stuffing at = {0}, seen = {0};
			assert_int_equal(stuff(slice_str(cases[i].text), part, &out, &at), OK);
			assert_string_equal(buf_z(&out), cases[i].out);
			assert_int_equal(body_check(&seen, slice_str(cases[i].text)), OK);
		}
	static const char *const bad[] = {"a\nb", "a\rb", "\n", "a\r\n\n", "\r\r\n", "a\r\r\n", "x\r\n.\n"};
	for (size_t i = 0; i < COUNT(bad); i++)
		for (size_t part = 1; part < 8; part++) {
			BUF_LOCAL(out, 1000);
			struct stuffing at = {0}, seen = {0};
			assert_int_equal(stuff(slice_str(bad[i]), part, &out, &at), BAD);
			enum result r = OK;
			for (size_t k = 0; k < strlen(bad[i]) && r == OK; k += part)
				r = body_check(&seen, slice_sub(slice_str(bad[i]), k, part));
			assert_int_equal(r, BAD);
		}
	struct stuffing open = {0};
	assert_int_equal(body_check(&open, SLICE("a\r")), OK);
	assert_true(open.cr);
}

/* The set against a plain table, over a long row of random changes. */
static void a_set_of_rows(void **state)
{
	static bool model[5000];
	struct rows rows;
	uint64_t seed = 88172645463325252u;
	rows_init(&rows);
	for (int i = 0; i < 200000; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		uint64_t row = seed % 4999 + 1;
		if (seed >> 40 & 1) {
			assert_int_equal(rows_add(&rows, row), !model[row]);
			model[row] = true;
		} else {
			rows_remove(&rows, row);
			model[row] = false;
		}
	}
	size_t n = 0;
	for (uint64_t row = 1; row < 5000; row++) {
		n += model[row];
		assert_int_equal(rows_add(&rows, row), !model[row]);
	}
	assert_int_equal(rows.n, 4999);
	assert_true(n > 1000);
	rows_free(&rows);
}

static void destinations_have_names(void **state)
{
	struct relay_route list[] = {
	    {.domain = "one.test", .host = "h", .port = 26}, {.host = "smart", .port = 587}};
	struct relay_settings s = {.routes = list, .routes_n = 1};
	BUF_LOCAL(a, 300);
	route_key(&s, SLICE("ONE.test"), &a);
	assert_string_equal(buf_z(&a), "route:h:26");
	buf_clear(&a);
	route_key(&s, SLICE("two.test"), &a);
	assert_string_equal(buf_z(&a), "two.test");
	s.routes_n = 2;
	buf_clear(&a);
	route_key(&s, SLICE("two.test"), &a);
	assert_string_equal(buf_z(&a), "route:smart:587");
}

static void gateways_get_what_they_ask_for(void **state)
{
	const struct sms_words w = {SLICE("+81901"), SLICE("a \"b\"\\\n&\xe3\x81\x82"), SLICE("k\r\nX: y")};
	static const struct {
		const char *template;
		enum sms_escape how;
		const char *wanted;
	} cases[] = {
	    {"{\"t\":\"{text}\",\"n\":\"{to}\"}", SMS_JSON,
		"{\"t\":\"a \\\"b\\\"\\\\\\u000a&\xe3\x81\x82\",\"n\":\"+81901\"}"},
	    {"to={to}&m={text}", SMS_FORM, "to=%2B81901&m=a%20%22b%22%5C%0A%26%E3%81%82"},
	    {"Bearer {secret}", SMS_PLAIN, "Bearer kX: y"},
	    {"{other}{to", SMS_PLAIN, "{other}{to"},
	    {"", SMS_JSON, ""},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(out, 1000);
		sms_fill(slice_str(cases[i].template), cases[i].how, &w, &out);
		assert_string_equal(buf_z(&out), cases[i].wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gateways_get_what_they_ask_for),
	    cmocka_unit_test(replies),
	    cmocka_unit_test(capabilities),
	    cmocka_unit_test(dots_are_doubled),
	    cmocka_unit_test(a_set_of_rows),
	    cmocka_unit_test(destinations_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
