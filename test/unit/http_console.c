/* http: the console's pages: what is served from a file of pages in which form, and which files are refused. */
#include "http/console.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE "<style nonce=\"SEKISHO-NONCE\"></style><meta content=\"SEKISHO-NONCE\">"
#define PAGES                                                                                                \
	"sekisho-console 1\n"                                                                                \
	"/ text/html 0123456789abcdef 0+67 - -\n"                                                            \
	"/assets/a-1.js text/javascript;_charset=utf-8 00112233445566778899 67+5 72+2 74+1\n"                \
	"/robots.txt text/plain 0123456789abcdee 67+5 - -\n"                                                 \
	"\n" PAGE "plainGZB"

static struct http_service service = {.name = "https", .hostname = "mail.example.org", .implicit_tls = false};

/* The head and the body of what is said to one request. */
static struct slice get(const char *request, const char *fields, struct buf *said, struct slice *head)
{
	BUF_LOCAL(in, 2000);
	buf_printf(&in, "%s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n", request, fields);
	buf_clear(said);
	struct session *session =
	    http_session_new(&service, stream_memory(buf_slice(&in), 0, said), "192.0.2.1", 4711);
	assert_int_equal(session->ops->run(session), SESSION_END);
	session->ops->end(session);
	ptrdiff_t end = slice_search(buf_slice(said), SLICE("\r\n\r\n"));
	assert_true(end > 0);
	*head = slice_sub(buf_slice(said), 0, (size_t)end + 2);
	return slice_sub(buf_slice(said), (size_t)end + 4, SIZE_MAX);
}

static void has(struct slice head, const char *line)
{
	BUF_LOCAL(whole, 2000);
	buf_printf(&whole, "\r\n%s\r\n", line);
	if (slice_search(head, buf_slice(&whole)) < 0)
		fail_msg("no %s in " SLICE_FMT, line, SLICE_ARG(head));
}

static void serves(const char *fields, const char *body, const char *coding, const char *tag)
{
	BUF_LOCAL(said, 10000);
	struct slice head, got = get("GET /assets/a-1.js", fields, &said, &head);
	assert_true(slice_eq(got, slice_str(body)));
	has(head, tag);
	has(head, "Cache-Control: public, max-age=31536000, immutable");
	has(head, "Content-Type: text/javascript; charset=utf-8");
	has(head, "Vary: Accept-Encoding");
	has(head, "X-Content-Type-Options: nosniff");
	if (coding)
		has(head, coding);
	else
		assert_true(slice_search(head, SLICE("Content-Encoding")) < 0);
}

static void files_come_in_the_form_the_client_takes(void **state)
{
	serves("", "plain", NULL, "ETag: \"00112233445566778899\"");
	serves("Accept-Encoding: gzip, deflate\r\n", "GZ", "Content-Encoding: gzip",
	    "ETag: \"00112233445566778899-gzip\"");
	serves("Accept-Encoding: gzip, deflate, br\r\n", "B", "Content-Encoding: br",
	    "ETag: \"00112233445566778899-br\"");
	serves("Accept-Encoding: br;q=0, gzip;q=0\r\n", "plain", NULL, "ETag: \"00112233445566778899\"");
}

static void a_known_form_is_not_sent_again(void **state)
{
	BUF_LOCAL(said, 10000);
	struct slice head;
	struct slice got = get("GET /assets/a-1.js",
	    "Accept-Encoding: br\r\nIf-None-Match: \"x\", \"00112233445566778899-br\"\r\n", &said, &head);
	assert_true(slice_starts(head, SLICE("HTTP/1.1 304 ")) && !got.n);
	has(head, "ETag: \"00112233445566778899-br\"");
	get("GET /assets/a-1.js", "If-None-Match: \"00112233445566778899-br\"\r\n", &said, &head);
	assert_true(slice_starts(head, SLICE("HTTP/1.1 200 ")));
}

static void a_head_has_the_length(void **state)
{
	BUF_LOCAL(said, 10000);
	struct slice head, got = get("HEAD /assets/a-1.js", "", &said, &head);
	assert_int_equal(got.n, 0);
	has(head, "Content-Length: 5");
}

/* The fresh number is the same in the page and in the policy, and another one each time. */
static void the_page_carries_a_fresh_number(void **state)
{
	BUF_LOCAL(said, 10000);
	struct slice head, got = get("GET /", "", &said, &head), first = slice_sub(got, 14, 32);
	char number[33] = "", line[600];
	memcpy(number, first.p, 32);
	assert_true(slice_search(got, SLICE("SEKISHO-NONCE")) < 0);
	assert_true(slice_eq(slice_sub(got, 71, 32), first));
	snprintf(line, sizeof line,
	    "Content-Security-Policy: default-src 'none'; script-src 'self'; connect-src 'self'; img-src "
	    "'self'; "
	    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'self' "
	    "'nonce-%s'",
	    number);
	has(head, line);
	has(head, "Cache-Control: no-store");
	got = get("GET /", "", &said, &head);
	assert_true(slice_search(got, slice_str(number)) < 0);
}

static void what_is_not_there_is_not_found(void **state)
{
	static const char *const paths[] = {"GET /assets/b.js", "GET /index.html", "GET /assets/a-1.js/x"};
	BUF_LOCAL(said, 10000);
	struct slice head;
	for (size_t i = 0; i < COUNT(paths); i++) {
		get(paths[i], "", &said, &head);
		assert_true(slice_starts(head, SLICE("HTTP/1.1 404 ")));
	}
	get("GET /.well-known/change-password", "", &said, &head);
	assert_true(slice_starts(head, SLICE("HTTP/1.1 302 ")));
	has(head, "Location: /#/me");
}

static void without_pages_the_server_says_so(void **state)
{
	const struct http_console *kept = service.console;
	BUF_LOCAL(said, 10000);
	struct slice head;
	service.console = NULL;
	struct slice got = get("GET /", "", &said, &head);
	assert_true(slice_search(got, SLICE("The console is not here")) > 0);
	has(head, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'");
	get("GET /assets/a-1.js", "", &said, &head);
	assert_true(slice_starts(head, SLICE("HTTP/1.1 404 ")));
	service.console = kept;
}

static void a_bad_file_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "sekisho-console 1",
	    "sekisho-console 2\n/ text/html 0123456789abcdef 0+1 - -\n\nx",
	    "sekisho-console 1\n/ text/html 0123456789abcdef 0+1 - -\nx",
	    "sekisho-console 1\n/ text/html 0123456789abcdef 0+2 - -\n\nx",
	    "sekisho-console 1\n/ text/html 0123456789abcdef 2+0 - -\n\nx",
	    "sekisho-console 1\n/ text/html 0123456789abcdef 1+18446744073709551615 - -\n\nx",
	    "sekisho-console 1\n/ text/html 0123456789abcde\" 0+1 - -\n\nx",
	    "sekisho-console 1\n/ text/html short 0+1 - -\n\nx",
	    "sekisho-console 1\n/ text/html 0123456789abcdef - 0+1 -\n\nx",
	    "sekisho-console 1\n/ text\r/html 0123456789abcdef 0+1 - -\n\nx",
	    "sekisho-console 1\n/a text/html 0123456789abcdef 0+1 - -\n\nx",
	    "sekisho-console 1\na text/html 0123456789abcdef 0+1 - -\n\nx",
	};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (http_console_read(slice_str(bad[i])))
			fail_msg("taken: %s", bad[i]);
	BUF_LOCAL(many, 100000);
	buf_puts(&many, "sekisho-console 1\n");
	for (int i = 0; i <= CONSOLE_FILES; i++)
		buf_puts(&many, "/ text/html 0123456789abcdef 0+1 - -\n");
	buf_puts(&many, "\nx");
	assert_null(http_console_read(buf_slice(&many)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_come_in_the_form_the_client_takes),
	    cmocka_unit_test(a_known_form_is_not_sent_again),
	    cmocka_unit_test(a_head_has_the_length),
	    cmocka_unit_test(the_page_carries_a_fresh_number),
	    cmocka_unit_test(what_is_not_there_is_not_found),
	    cmocka_unit_test(without_pages_the_server_says_so),
	    cmocka_unit_test(a_bad_file_is_refused),
	};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	http_service_defaults(&service);
	service.routes = &http_routes_public;
	struct http_console *console = http_console_read(SLICE(PAGES));
	assert_non_null(console);
	service.console = console;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(console);
	return failed;
}
