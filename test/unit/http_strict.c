/* http: what two readers could understand in two ways, and what is too much. */
#include "http_play.h"

/* ---- smuggling ---- */

#define POST_ECHO "POST /echo HTTP/1.1\r\n" H
#define CHUNKED POST_ECHO "Transfer-Encoding: chunked\r\n\r\n"

static void bodies_have_one_end(void **state)
{
	/* CL.TE, TE.CL, TE.TE, two lengths, lists of lengths, lengths that are not digits */
	REFUSED(POST_ECHO "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NOT_IMPLEMENTED);
	REFUSED(POST_ECHO "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding:\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding: \x0b"
			  "chunked\r\n\r\n0\r\n\r\n",
	    BAD_REQUEST);
	REFUSED(POST_ECHO "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: 3, 3\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: +3\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: -1\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: 0x3\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: 3 3\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length:\r\n\r\nabc", BAD_REQUEST);
	REFUSED(POST_ECHO "Content-Length: 18446744073709551617\r\n\r\nabc", BAD_REQUEST);
	REFUSED("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD_REQUEST);
}

static void chunks_are_strict(void **state)
{
	REFUSED(CHUNKED "3\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "3\r\nabc\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "3\r\nabcd\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "3\r\nabc0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED " 3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "3 \r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "-3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "F4241\r\nabc\r\n0\r\n\r\n", CONTENT_TOO_LARGE);
	REFUSED(CHUNKED "3\r\nabc\r\nF423E\r\n", CONTENT_TOO_LARGE);
	REFUSED(CHUNKED "0\r\nnot a field\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "0\r\nA : b\r\n\r\n", BAD_REQUEST);
	REFUSED(CHUNKED "0\r\nA: b\n\r\n", BAD_REQUEST);
	/* A trailer never becomes a field. */
	TALK(CHUNKED "0\r\nContent-Length: 30\r\nHost: evil\r\n\r\nGET /users/1/files/2 HTTP/1.1\r\n" H
		     "\r\n",
	    "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: 0\r\n\r\n" FILE_OK "15\r\n\r\nGET plain a|1|2");
}

static void lines_end_in_crlf_only(void **state)
{
	REFUSED("GET /own HTTP/1.1\nHost: a\n\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\n\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\r\n\r\n", BAD_REQUEST);
	REFUSED("\nGET /own HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST);
	REFUSED("\r\n\r\nGET /own HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST);
	REFUSED("\x16\x03\x01\x02", BAD_REQUEST);
	TALK("\r\nGET /users/1/files/2 HTTP/1.1\r\n" H "\r\n", FILE_OK "15\r\n\r\nGET plain a|1|2");
}

static void fields_are_clean(void **state)
{
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\n Host: a\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost : a\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX\xc3\xa4: z\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", BAD_REQUEST);
	TALK("GET /users/1/files/2 HTTP/1.1\r\nX: \xc3\xa4\t:b \t\r\nhOST:\t a \r\n\r\n",
	    FILE_OK "15\r\n\r\nGET plain a|1|2");
}

static void hosts_are_named_once(void **state)
{
	REFUSED("GET /own HTTP/1.1\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost:\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a, b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: u@a\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a:65536\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: a:b\r\n\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1\r\nHost: [::1\r\n\r\n", BAD_REQUEST);
	REFUSED("GET http:///own HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST);
	REFUSED("GET http://u@b/own HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST);
	REFUSED("GET http://b/own HTTP/1.1\r\n\r\n", BAD_REQUEST);
	TALK("GET /users/1/files/2 HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
	    FILE_OK "24\r\n\r\nGET plain [::1]:8080|1|2");
}

static void targets_are_clean(void **state)
{
	REFUSED("GET  /own HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /own  HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.1 \r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET\t/own\tHTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /own\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /own http/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /own HTTP/1.\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET own HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET * HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET ftp://a/ HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /a#b HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /a\0b HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /a\x80 HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /%00 HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /%0d%0a HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /%4 HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /?%zz HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /?%00 HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /a/../own HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /a/%2E%2e/own HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /./own HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
	REFUSED("GET /..\\own HTTP/1.1\r\n" H "\r\n", BAD_REQUEST);
}

/* ---- limits ---- */

static void repeat(struct buf *b, const char *what, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_puts(b, what);
}

static void heads_have_limits(void **state)
{
	BUF_LOCAL(in, (size_t)4 << 20);
	buf_puts(&in, "GET /");
	repeat(&in, "x", 10000);
	refused(buf_slice(&in), HTTP_STATUS_URI_TOO_LONG); /* before its end came */
	buf_puts(&in, " HTTP/1.1\n");
	refused(buf_slice(&in), HTTP_STATUS_URI_TOO_LONG);
	buf_clear(&in);
	buf_puts(&in, "GET /own HTTP/1.1\r\n" H);
	repeat(&in, "X: y\r\n", 10000);
	refused(buf_slice(&in), HTTP_STATUS_FIELDS_TOO_LARGE);
	buf_clear(&in);
	buf_puts(&in, "GET /own HTTP/1.1\r\n" H "X: ");
	repeat(&in, "y", LIMIT_HTTP_HEADER);
	refused(buf_slice(&in), HTTP_STATUS_FIELDS_TOO_LARGE);
}

static void heads_at_the_limit_pass(void **state)
{
	BUF_LOCAL(in, 100000);
	BUF_LOCAL(want, 100000);
	size_t path = LIMIT_HTTP_REQUEST_LINE - strlen("GET /users/1/files/ HTTP/1.1");
	buf_puts(&in, "GET /users/1/files/");
	repeat(&in, "x", path);
	buf_puts(&in, " HTTP/1.1\r\n" H);
	repeat(&in, "X: y\r\n", LIMIT_HTTP_FIELDS - 2);
	size_t fields = strlen(H) + 6 * (LIMIT_HTTP_FIELDS - 2);
	buf_puts(&in, "Y: ");
	repeat(&in, "z", LIMIT_HTTP_HEADER - fields - 5);
	buf_puts(&in, "\r\n\r\n");
	buf_printf(&want, FILE_OK "%zu\r\n\r\nGET plain a|1|", path + 14);
	repeat(&want, "x", path);
	expect(buf_slice(&in), buf_slice(&want));
}

static void put_large(struct buf *in, struct buf *want, size_t n)
{
	buf_printf(in, "PUT /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", n);
	buf_printf(want, "HTTP/1.1 200 OK\r\n" OCTETS "Content-Length: %zu\r\n\r\n", n);
	repeat(in, "0123456789", n / 10);
	repeat(want, "0123456789", n / 10);
}

static void large_bodies_go_to_a_memfd(void **state)
{
	BUF_LOCAL(in, (size_t)8 << 20);
	BUF_LOCAL(want, (size_t)8 << 20);
	put_large(&in, &want, 65530);
	put_large(&in, &want, 65540);
	put_large(&in, &want, 1000000);
	BUF_LOCAL(said, (size_t)8 << 20);
	for (size_t step = 0; step < 5000; step = step * 7 + 999) {
		buf_clear(&said);
		ask(buf_slice(&in), step, &said);
		assert_true(slice_eq(buf_slice(&said), buf_slice(&want)));
	}
	REFUSED("PUT /echo HTTP/1.1\r\n" H "Content-Length: 1000001\r\n\r\n", CONTENT_TOO_LARGE);
	REFUSED("PATCH /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde", CONTENT_TOO_LARGE);
	REFUSED("GET /own HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", CONTENT_TOO_LARGE);
}

static void chunk_noise_has_a_limit(void **state)
{
	BUF_LOCAL(in, (size_t)1 << 20);
	buf_puts(&in, CHUNKED);
	for (int i = 0; i < 100; i++) {
		buf_puts(&in, "1;");
		repeat(&in, "e", 200);
		buf_puts(&in, "\r\nx\r\n");
	}
	refused(buf_slice(&in), HTTP_STATUS_BAD_REQUEST);
	buf_clear(&in);
	buf_puts(&in, CHUNKED "1;");
	repeat(&in, "e", 255);
	buf_puts(&in, "\r\nx\r\n0\r\n\r\n");
	refused(buf_slice(&in), HTTP_STATUS_BAD_REQUEST);
	buf_clear(&in);
	buf_puts(&in, CHUNKED "0\r\n");
	repeat(&in, "T: u\r\n", 5000);
	refused(buf_slice(&in), HTTP_STATUS_BAD_REQUEST);
}

static void bodies_share_a_budget(void **state)
{
	BUF_LOCAL(in, (size_t)8 << 20);
	BUF_LOCAL(want, (size_t)8 << 20);
	BUF_LOCAL(said, (size_t)8 << 20);
	put_large(&in, &want, 500000);
	budget.most = 499999;
	service.budget = &budget;
	ask(buf_slice(&in), 0, &said);
	assert_true(slice_starts(buf_slice(&said), SLICE("HTTP/1.1 503 Service Unavailable\r\n")));
	assert_true(slice_search(buf_slice(&said), SLICE("\r\nRetry-After: 10\r\n")) > 0);
	budget.most = 500000;
	buf_clear(&said);
	ask(buf_slice(&in), 0, &said);
	assert_true(slice_eq(buf_slice(&said), buf_slice(&want)));
}

static void connections_end_after_many_requests(void **state)
{
	BUF_LOCAL(in, (size_t)1 << 20);
	BUF_LOCAL(said, (size_t)8 << 20);
	repeat(&in, "DELETE /nothing HTTP/1.1\r\n" H "\r\n", LIMIT_HTTP_REQUESTS + 5);
	ask(buf_slice(&in), 0, &said);
	size_t n = 0;
	for (struct slice rest = buf_slice(&said); slice_search(rest, SLICE("HTTP/1.1 204")) >= 0; n++)
		rest = slice_sub(rest, (size_t)slice_search(rest, SLICE("HTTP/1.1 204")) + 1, SIZE_MAX);
	assert_int_equal(n, LIMIT_HTTP_REQUESTS);
	assert_true(
	    slice_search(buf_slice(&said), SLICE("Connection: close\r\n\r\n")) == (ptrdiff_t)(said.n - 21));
}

int main(void)
{
	http_play_begin();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies_have_one_end),
	    cmocka_unit_test(chunks_are_strict),
	    cmocka_unit_test(lines_end_in_crlf_only),
	    cmocka_unit_test(fields_are_clean),
	    cmocka_unit_test(hosts_are_named_once),
	    cmocka_unit_test(targets_are_clean),
	    cmocka_unit_test(heads_have_limits),
	    cmocka_unit_test(heads_at_the_limit_pass),
	    cmocka_unit_test(large_bodies_go_to_a_memfd),
	    cmocka_unit_test(chunk_noise_has_a_limit),
	    cmocka_unit_test(bodies_share_a_budget),
	    cmocka_unit_test(connections_end_after_many_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
