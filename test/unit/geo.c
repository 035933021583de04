/* Addresses, networks, and where they are. */
#include "geo/geo.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct ip ip(const char *text)
{
	struct ip at;
	assert_int_equal(ip_read(slice_str(text), &at), OK);
	return at;
}

static void networks_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *written;
	} good[] = {{"192.0.2.77/24", "192.0.2.0/24"}, {"192.0.2.7", "192.0.2.7"}, {"0.0.0.0/0", "0.0.0.0/0"},
	    {"2001:db8:1:2::7/48", "2001:db8:1::/48"}, {"::ffff:192.0.2.7", "192.0.2.7"}, {"::1/128", "::1"},
	    {"10.255.255.255/9", "10.128.0.0/9"}};
	static const char *const bad[] = {"", "/", "192.0.2.0/33", "192.0.2.0/", "192.0.2", "2001:db8::/129",
	    "192.0.2.0/-1", "example", "192.0.2.0/24/2", "192.0.2.0/+4"};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct ip_net net;
		char z[IP_NET_TEXT];
		assert_int_equal(ip_net_read(slice_str(good[i].text), &net), OK);
		assert_string_equal(ip_net_text(&net, z), good[i].written);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct ip_net net;
		assert_int_equal(ip_net_read(slice_str(bad[i]), &net), BAD);
	}
}

static void networks_hold_what_is_in_them(void **state)
{
	struct ip_nets nets;
	struct slice wrong;
	assert_int_equal(
	    ip_nets_read(SLICE("192.0.2.0/25, 2001:db8::/32\t198.51.100.7,"), 3, &nets, &wrong), OK);
	assert_int_equal(nets.n, 3);
	struct ip in[] = {
	    ip("192.0.2.127"), ip("2001:db8:ffff::1"), ip("198.51.100.7"), ip("::ffff:192.0.2.1")};
	struct ip out[] = {ip("192.0.2.128"), ip("2001:db9::1"), ip("198.51.100.8"), ip("::c000:0201")};
	for (size_t i = 0; i < 4; i++) {
		assert_true(ip_nets_have(&nets, &in[i]));
		assert_false(ip_nets_have(&nets, &out[i]));
	}
	free(nets.at);
	assert_int_equal(ip_nets_read(SLICE("192.0.2.0/25 x 1.2.3.4"), 3, &nets, &wrong), BAD);
	assert_true(slice_eq(wrong, SLICE("x")));
	assert_int_equal(ip_nets_read(SLICE("1.1.1.1 2.2.2.2"), 1, &nets, &wrong), FULL);
	char z[IP_NET_TEXT];
	struct ip_net prefix = ip_prefix(&in[0]), six = ip_prefix(&in[1]), source = ip_source(&in[1]);
	assert_string_equal(ip_net_text(&prefix, z), "192.0.2.0/24");
	assert_string_equal(ip_net_text(&six, z), "2001:db8:ffff::/48");
	assert_string_equal(ip_net_text(&source, z), "2001:db8:ffff::/64");
}

static void the_longest_network_counts(void **state)
{
	struct geo_text *t;
	unsigned line;
	struct slice text =
	    SLICE("# a site\n192.0.2.0/24 JP 64500\n192.0.2.64/26 - AS64501 hosting vpn # rented\n"
		  "\n0.0.0.0/0 US -\r\n192.0.2.64/28 DE 64502 mobile\n2001:db8::/32 FR 64503 tor\n");
	static const struct {
		const char *ip, *country;
		uint32_t asn;
		unsigned kind;
	} cases[] = {{"192.0.2.1", "JP", 64500, 0}, {"192.0.2.100", "", 64501, GEO_HOSTING | GEO_VPN},
	    {"192.0.2.65", "DE", 64502, GEO_MOBILE}, {"192.0.2.200", "JP", 64500, 0},
	    {"198.51.100.1", "US", 0, 0}, {"255.255.255.255", "US", 0, 0},
	    {"2001:db8:9::1", "FR", 64503, GEO_TOR}};
	assert_int_equal(geo_text_read(text, &t, &line), OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct geo_place p;
		struct ip at = ip(cases[i].ip);
		assert_true(geo_text_find(t, &at, &p));
		assert_string_equal(p.country, cases[i].country);
		assert_int_equal(p.asn, cases[i].asn);
		assert_int_equal(p.kind, cases[i].kind);
	}
	struct geo_place p;
	struct ip nowhere = ip("2001:db9::1");
	assert_false(geo_text_find(t, &nowhere, &p));
	geo_text_free(t);
}

static void wrong_lines_are_named(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} bad[] = {{"192.0.2.0/24 JP 1\n192.0.2.0/24 jp 1\n", 2}, {"x", 1}, {"\n\n192.0.2.0/24 JP\n", 3},
	    {"192.0.2.0/24 JP 1 fast\n", 1}, {"192.0.2.0/24 JP 4294967296\n", 1}};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct geo_text *t;
		unsigned line;
		assert_int_equal(geo_text_read(slice_str(bad[i].text), &t, &line), BAD);
		assert_int_equal(line, bad[i].line);
	}
}

static long next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (long)(*seed >> 33);
}

/* As a naive model says: of all lines that hold the address the one with the longest mask. */
static void a_thousand_networks_and_a_naive_model(void **state)
{
	static struct ip_net nets[1000];
	BUF_LOCAL(text, 1 << 20);
	struct geo_text *t;
	unsigned line;
	uint64_t seed = 7;
	for (size_t i = 0; i < COUNT(nets); i++) {
		struct ip at = {.v4 = true};
		char z[IP_NET_TEXT];
		long r = next(&seed);
		at.octets[0] = (unsigned char)(r & 3);
		at.octets[1] = (unsigned char)(r >> 2 & 7);
		at.octets[2] = (unsigned char)(r >> 8);
		nets[i] = ip_net_of(&at, (unsigned)(r >> 16) % 33);
		buf_printf(&text, "%s/%u JP %zu\n", ip_text(&nets[i].ip, z), nets[i].bits, i + 1);
	}
	assert_int_equal(geo_text_read(buf_slice(&text), &t, &line), OK);
	for (size_t n = 0; n < 3000; n++) {
		long r = next(&seed);
		struct ip at = {.v4 = true};
		at.octets[0] = (unsigned char)(r & 3);
		at.octets[1] = (unsigned char)(r >> 2 & 7);
		at.octets[2] = (unsigned char)(r >> 8);
		at.octets[3] = (unsigned char)(r >> 16);
		struct geo_place p = {0};
		int best = -1;
		for (size_t i = 0; i < COUNT(nets); i++)
			if (ip_net_has(&nets[i], &at) && (best < 0 || nets[i].bits >= nets[best].bits))
				best = (int)i;
		assert_int_equal(geo_text_find(t, &at, &p), best >= 0);
		if (best >= 0)
			assert_int_equal(nets[p.asn - 1].bits, nets[best].bits);
	}
	geo_text_free(t);
}

/* ---- a MaxMind DB, written here by the description of the format ---- */

static void put_text(struct buf *b, const char *z)
{
	size_t n = strlen(z);
	buf_putc(b, (char)(2 << 5 | (n < 29 ? n : 29)));
	if (n >= 29)
		buf_putc(b, (char)(n - 29));
	buf_puts(b, z);
}

static void put_map(struct buf *b, unsigned n)
{
	buf_putc(b, (char)(7 << 5 | n));
}

static void put_number(struct buf *b, const char *key, uint32_t n)
{
	put_text(b, key);
	buf_putc(b, (char)(6 << 5 | 4));
	for (int i = 24; i >= 0; i -= 8)
		buf_putc(b, (char)(n >> i));
}

static void put_short(struct buf *b, const char *key, unsigned n)
{
	put_text(b, key);
	buf_putc(b, (char)(5 << 5 | 2));
	buf_putc(b, (char)(n >> 8));
	buf_putc(b, (char)n);
}

/* One node: 0.0.0.0/1 leads to a place in Japan, the rest nowhere. */
static void put_mmdb(struct buf *b)
{
	buf_put(b, slice_of("\0\0\x11\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22));
	put_map(b, 3);
	put_text(b, "country");
	put_map(b, 1);
	put_text(b, "iso_code");
	put_text(b, "JP");
	put_number(b, "autonomous_system_number", 64500);
	put_text(b, "is_hosting_provider");
	buf_put(b, SLICE("\x01\x07")); /* a boolean of size 1: true */
	buf_put(b, SLICE("\xab\xcd\xefMaxMind.com"));
	put_map(b, 9);
	put_number(b, "node_count", 1);
	put_short(b, "record_size", 24);
	put_short(b, "ip_version", 4);
	put_text(b, "database_type");
	put_text(b, "Test");
	put_text(b, "languages");
	buf_put(b, slice_of("\0\x04", 2)); /* an empty array */
	put_short(b, "binary_format_major_version", 2);
	put_short(b, "binary_format_minor_version", 0);
	put_text(b, "build_epoch");
	buf_put(b, slice_of("\x04\x02\x60\0\0\0", 6)); /* 64 bits, in four octets */
	put_text(b, "description");
	put_map(b, 0);
}

static void make_file(char path[], struct slice content)
{
	FD_LOCAL fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, content), OK);
}

static void a_maxmind_file_and_a_text_tell_together(void **state)
{
	char mmdb[] = "/tmp/geo-test-XXXXXX", text[] = "/tmp/geo-test-XXXXXX", files[100];
	struct buf b = {.max = 4096};
	struct geo *g;
	struct geo_place p;
	const char *why = "";
	put_mmdb(&b);
	make_file(mmdb, buf_slice(&b));
	make_file(text, SLICE("10.0.0.0/8 DE 1 mobile\n200.0.0.0/8 FR 2\n"));
	snprintf(files, sizeof files, "%s, %s", mmdb, text);
	enum result r = geo_open(files, &g, &why);
	if (r != OK)
		print_error("%s\n", why);
	assert_int_equal(r, OK);
	struct ip japan = ip("10.1.2.3"), france = ip("200.1.2.3"), six = ip("2001:db8::1");
	geo_find(g, &japan, &p);
	assert_string_equal(p.country, "JP");
	assert_int_equal(p.asn, 64500);
	assert_int_equal(p.kind, GEO_HOSTING | GEO_MOBILE);
	geo_find(g, &france, &p);
	assert_string_equal(p.country, "FR");
	geo_find(g, &six, &p);
	assert_string_equal(p.country, "");
	geo_close(g);
	buf_free(&b);
	unlink(mmdb);
	unlink(text);
}

static void a_file_that_is_neither_is_refused(void **state)
{
	char path[] = "/tmp/geo-test-XXXXXX";
	struct geo *g;
	const char *why;
	make_file(path, SLICE("\xab\xcd\xefMaxMind.com and nothing else"));
	assert_int_equal(geo_open(path, &g, &why), BAD);
	assert_non_null(strstr(why, path));
	assert_int_equal(geo_open("/nowhere/at/all", &g, &why), BAD);
	assert_int_equal(geo_open("", &g, &why), OK);
	assert_null(g);
	struct geo_place p;
	struct ip at = ip("192.0.2.1");
	geo_find(g, &at, &p);
	assert_string_equal(p.country, "");
	unlink(path);
}

static void countries_are_apart(void **state)
{
	assert_int_equal(geo_distance("JP", "KR"), 0);
	assert_int_equal(geo_distance("US", "CA"), 0);
	assert_in_range(geo_distance("JP", "CN"), 100, 700);
	assert_in_range(geo_distance("JP", "BR"), 13000, 17000);
	assert_in_range(geo_distance("JP", "NG"), 10000, 13000);
	assert_int_equal(geo_distance("BR", "JP"), geo_distance("JP", "BR"));
	assert_int_equal(geo_distance("JP", "JP"), 0);
	assert_int_equal(geo_distance("JP", "XX"), -1);
	assert_int_equal(geo_distance("", "JP"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(networks_are_read_and_written),
	    cmocka_unit_test(networks_hold_what_is_in_them),
	    cmocka_unit_test(the_longest_network_counts),
	    cmocka_unit_test(wrong_lines_are_named),
	    cmocka_unit_test(a_thousand_networks_and_a_naive_model),
	    cmocka_unit_test(a_maxmind_file_and_a_text_tell_together),
	    cmocka_unit_test(a_file_that_is_neither_is_refused),
	    cmocka_unit_test(countries_are_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
