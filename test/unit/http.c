/* http: requests and their answers. */
#include "http_play.h"

/* ---- transcripts ---- */

static void requests_are_answered(void **state)
{
	TALK("GET /users/ann/files/x HTTP/1.1\r\n" H "\r\n", FILE_OK "17\r\n\r\nGET plain a|ann|x");
	TALK("", "");
	TALK("GET /users", "");
}

static void paths_and_queries_are_decoded(void **state)
{
	TALK("GET /users/a%6en%2Fb/files/%e3%81%82 HTTP/1.1\r\n" H "\r\n",
	    FILE_OK "21\r\n\r\nGET plain a|ann/b|\xe3\x81\x82");
	TALK("GET /%75sers/a+b/files/x?q=a+b%26&&e=&=v&f&%0a=%25 HTTP/1.1\r\n" H "\r\n",
	    FILE_OK "37\r\n\r\nGET plain a|a+b|x|q=a b&|e=|=v|f=|\n=%");
	TALK("GET http://b:80/users/1/files/2?x HTTP/1.1\r\n" H "\r\n",
	    FILE_OK "21\r\n\r\nGET plain b:80|1|2|x=");
	TALK("GET /users//files/x HTTP/1.1\r\n" H "\r\nGET /users/a/files/ HTTP/1.1\r\n" H
	     "\r\nGET /users/a/files/x/ HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
	    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
	    "14\r\n\r\n404 Not Found\n"
	    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
	    "14\r\n\r\n404 Not Found\n"
	    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n"
	    "Connection: close\r\n\r\n404 Not Found\n");
}

static void requests_may_be_pipelined(void **state)
{
	TALK("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc\r\n"
	     "HEAD /users/1/files/2 HTTP/1.1\r\n" H "\r\n"
	     "PUT /echo HTTP/1.1\r\n" H
	     "transfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n00002;x=\"y\"\r\nde\r\n0\r\nT: x\r\n\r\n"
	     "GET /users/1/files/2 HTTP/1.1\r\n" H "connection: foo , Close\r\n\r\n"
	     "GET /own HTTP/1.1\r\n" H "\r\n",
	    "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 3\r\n\r\nabc"
	    "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n"
	    "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 5\r\n\r\nabcde" FILE_OK
	    "15\r\nConnection: close\r\n\r\nGET plain a|1|2");
}

static void old_clients_are_served(void **state)
{
	TALK("GET /users/1/files/2 HTTP/1.0\r\n\r\nGET /own HTTP/1.0\r\n\r\n",
	    FILE_OK "14\r\nConnection: close\r\n\r\nGET plain |1|2");
	TALK("GET /parts HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
					    "0123456789ABCDEF!0123456789ABCDEF!0123456789ABCDEF!");
	TALK("GET /users/1/files/2 HTTP/1.7\r\n" H "\r\n", FILE_OK "15\r\n\r\nGET plain a|1|2");
	TALK("POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok",
	    "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 2\r\nConnection: close\r\n\r\nok");
	REFUSED("POST /echo HTTP/1.0\r\n\r\n", LENGTH_REQUIRED);
}

static void methods_are_known_or_not(void **state)
{
	TALK("DELETE /echo HTTP/1.1\r\n" H "\r\nOPTIONS /echo HTTP/1.1\r\n" H "\r\nOPTIONS * HTTP/1.1\r\n" H
	     "\r\nOPTIONS /none HTTP/1.1\r\n" H "\r\n",
	    "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
	    "23\r\n"
	    "Allow: POST, PUT, PATCH, OPTIONS\r\n\r\n405 Method Not Allowed\n"
	    "HTTP/1.1 204 No Content\r\nAllow: POST, PUT, PATCH, OPTIONS\r\n\r\n"
	    "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\r\n"
	    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
	    "14\r\n\r\n404 Not Found\n");
	REFUSED("TRACE / HTTP/1.1\r\n" H "\r\n", NOT_IMPLEMENTED);
	REFUSED("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", NOT_IMPLEMENTED);
	REFUSED("get / HTTP/1.1\r\n" H "\r\n", NOT_IMPLEMENTED);
	REFUSED("PRI * HTTP/2.0\r\n\r\n", VERSION_NOT_SUPPORTED);
	/* The body of a request nobody takes is not read. */
	TALK("POST /own HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET /own HTTP/1.1\r\n" H "\r\n",
	    "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
	    "23\r\n"
	    "Connection: close\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n405 Method Not Allowed\n");
}

static void clients_may_expect_to_be_told(void **state)
{
	TALK("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\nabc",
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 3\r\n\r\nabc");
	TALK("POST /echo HTTP/1.1\r\n" H "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n",
	    "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 0\r\n\r\n");
	REFUSED(
	    "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: tea\r\n\r\nabc", EXPECTATION_FAILED);
	REFUSED("POST /echo HTTP/1.1\r\n" H "Content-Length: 1000001\r\nExpect: 100-continue\r\n\r\n",
	    CONTENT_TOO_LARGE);
}

static void guards_answer_before_the_body(void **state)
{
	TALK("POST /guarded HTTP/1.1\r\n" H "Authorization: yes\r\nContent-Length: 2\r\n\r\nhi"
	     "POST /guarded HTTP/1.1\r\n" H "\r\n"
	     "POST /guarded HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	    "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 2\r\n\r\nhi"
	    "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n"
	    "WWW-Authenticate: Test\r\n\r\nwho are you?\n"
	    "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n"
	    "Connection: close\r\nWWW-Authenticate: Test\r\n\r\nwho are you?\n");
}

static void accept_chooses_json(void **state)
{
	static const struct {
		const char *accept, *want;
	} cases[] = {
	    {"application/json", "json"},
	    {"text/html, application/JSON;q=0.9, */*;q=0.1", "json"},
	    {"*/*", "text"},
	    {"application/json;q=0", "text"},
	    {"application/json;q=0.5, text/plain", "text"},
	    {"application/json;q=0.500 , text/plain; q=0.4", "json"},
	    {"application/json;q=x", "text"},
	    {"application/jsonx", "text"},
	    {";;,,;q=", "text"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(in, 1000);
		BUF_LOCAL(want, 1000);
		buf_printf(&in, "GET /json HTTP/1.1\r\n" H "Accept: %s\r\n\r\n", cases[i].accept);
		buf_printf(&want, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", cases[i].want);
		expect(buf_slice(&in), buf_slice(&want));
	}
}

/* ---- answers ---- */

static void answers_may_come_in_parts(void **state)
{
	TALK("GET /parts HTTP/1.1\r\n" H "\r\nHEAD /parts HTTP/1.1\r\n" H "\r\nGET /json HTTP/1.1\r\n" H
	     "\r\n",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "11\r\n0123456789ABCDEF!\r\n11\r\n0123456789ABCDEF!\r\n11\r\n0123456789ABCDEF!\r\n0\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext");
	/* One that breaks off has no last chunk, and nothing follows. */
	TALK("GET /broken-parts HTTP/1.1\r\n" H "\r\nGET /json HTTP/1.1\r\n" H "\r\n",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
}

static void headers_cannot_be_injected(void **state)
{
	TALK("GET /header/a%20b?x=%e3%81%82 HTTP/1.1\r\n" H "\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Copy: a b\r\nX-Query: \xe3\x81\x82\r\n\r\nsecret");
	REFUSED("GET /header/a?x=%0d%0aSet-Cookie:%20a HTTP/1.1\r\n" H "\r\n", INTERNAL_ERROR);
	REFUSED("GET /header/a?x=%0a HTTP/1.1\r\n" H "\r\n", INTERNAL_ERROR);
	struct http_response p = {0};
	static const char *const names[] = {
	    "", "a b", "a:", "a\r\n", "Content-Length", "date", "transfer-encoding"};
	for (size_t i = 0; i < COUNT(names); i++) {
		buf_init(&p.fields, 1000);
		p.flaw = false;
		http_put_header(&p, names[i], SLICE("x"));
		assert_true(p.flaw);
		assert_int_equal(p.fields.n, 0);
	}
}

static void too_much_is_an_error(void **state)
{
	BUF_LOCAL(said, (size_t)64 << 20);
	ask(SLICE("GET /flood HTTP/1.1\r\n" H "\r\n"), 0, &said);
	assert_true(slice_starts(buf_slice(&said), SLICE("HTTP/1.1 500 ")));
	assert_true(said.n < 1000);
}

static void some_answers_have_no_body(void **state)
{
	TALK("GET /nothing HTTP/1.1\r\n" H "\r\nDELETE /nothing HTTP/1.1\r\n" H "\r\n",
	    "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
}

static struct slice raw_answer(const char *request, struct buf *raw)
{
	static struct slice parts[1];
	parts[0] = slice_str(request);
	play(stream_memory_parts(parts, 1, 0, raw));
	return buf_slice(raw);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool is_date(struct slice s)
{
	static const char shape[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";
	for (size_t i = 0; i < sizeof shape - 1; i++) {
		char c = i < s.n ? s.p[i] : '\0';
		bool fits = shape[i] == '0'    ? ascii_digit(c)
			    : i == 0 || i == 8 ? c >= 'A' && c <= 'Z'
			    : shape[i] == 'a'  ? c >= 'a' && c <= 'z'
					       : c == shape[i];
		if (!fits)
			return false;
	}
	return s.p[sizeof shape - 1] == '\r';
}

static void every_answer_is_guarded_by_fields(void **state)
{
	BUF_LOCAL(raw, 10000);
	struct slice said = raw_answer("GET /json HTTP/1.1\r\n" H "\r\n", &raw);
	for (size_t i = 0; i < COUNT(everywhere); i++)
		assert_true(slice_search(said, slice_str(everywhere[i])) > 0);
	assert_true(is_date(slice_sub(said, (size_t)slice_search(said, SLICE("Date: ")) + 6, SIZE_MAX)));
	assert_true(slice_search(said, SLICE("Strict-Transport")) < 0);
	assert_true(slice_search(said, SLICE("Server")) < 0);

	service.implicit_tls = true;
	buf_clear(&raw);
	said = raw_answer("GET /users/1/files/2 HTTP/1.1\r\n" H "\r\n", &raw);
	assert_true(slice_search(said, SLICE("\r\nStrict-Transport-Security: max-age=31536000\r\n")) > 0);
	assert_true(slice_search(said, SLICE("GET tls a|1|2")) > 0);
	service.implicit_tls = false;

	buf_clear(&raw);
	said = raw_answer("GET /own HTTP/1.1\r\n" H "\r\n", &raw);
	assert_true(slice_search(said, SLICE("\r\ncache-control: max-age=60\r\n")) > 0);
	assert_true(slice_search(said, SLICE("no-store")) < 0);
	assert_true(slice_search(said, SLICE("default-src 'none'")) < 0);
	assert_true(slice_search(said, SLICE("default-src 'self'")) > 0);
}

static void json_strings_are_escaped(void **state)
{
	BUF_LOCAL(b, 1000);
	http_put_json(&b, SLICE("a\"\\\n</x>\xe3\x81\x82\xff\xc3"));
	assert_string_equal(buf_z(&b), "\"a\\\"\\\\\\u000a\\u003c/x>\xe3\x81\x82\\ufffd\\ufffd\"");
}

int main(void)
{
	http_play_begin();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_answered),
	    cmocka_unit_test(paths_and_queries_are_decoded),
	    cmocka_unit_test(requests_may_be_pipelined),
	    cmocka_unit_test(old_clients_are_served),
	    cmocka_unit_test(methods_are_known_or_not),
	    cmocka_unit_test(clients_may_expect_to_be_told),
	    cmocka_unit_test(guards_answer_before_the_body),
	    cmocka_unit_test(accept_chooses_json),
	    cmocka_unit_test(answers_may_come_in_parts),
	    cmocka_unit_test(headers_cannot_be_injected),
	    cmocka_unit_test(too_much_is_an_error),
	    cmocka_unit_test(some_answers_have_no_body),
	    cmocka_unit_test(every_answer_is_guarded_by_fields),
	    cmocka_unit_test(json_strings_are_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
