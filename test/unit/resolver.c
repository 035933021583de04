/*
 * resolver: the fixture, what answers mean, and the network: libunbound asks a small server on loopback that answers from
 * a fixture (and is silent, or lies, where the fixture says so).
 */
#include "resolver/cache.h"
#include "resolver/fixture.h"
#include "resolver/resolver.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <unistd.h>

static const char zone[] = "# a zone\n"
			   "; and another comment\r\n"
			   "\n"
			   "Example.JP. MX 20 Backup.example.jp.\n"
			   "example.jp\tMX\t10 mx.example.jp\r\n"
			   "example.jp TXT v=spf1 mx; -all\n"
			   "example.jp TXT \"a b\" \"c\\\"d\\065\"\n"
			   "mx.example.jp A 192.0.2.1\n"
			   "mx.example.jp A 192.0.2.2\n"
			   "mx.example.jp AAAA 2001:db8::1\n"
			   "backup.example.jp A 192.0.2.9\n"
			   "null.example MX 0 .\n"
			   "www.example CNAME web.example\n"
			   "web.example CNAME mx.example.jp\n"
			   "loop.example CNAME loop2.example\n"
			   "loop2.example CNAME loop.example\n"
			   "slow.example TIMEOUT\n"
			   "broken.example SERVFAIL\n"
			   "gone.example NXDOMAIN\n"
			   "half.example A 192.0.2.3\n"
			   "half.example AAAA SERVFAIL\n"
			   "worse.example AAAA TIMEOUT\n"
			   "safe.example A 192.0.2.4\n"
			   "safe.example SECURE\n"
			   "tosafe.example CNAME safe.example\n"
			   "_25._tcp.mx.example.jp TLSA 3 1 1 0123456789abcdef\n"
			   "_imaps._tcp.example.jp SRV 0 1 993 mx.example.jp\n"
			   "1.1.168.203.in-addr.arpa PTR mx.example.jp\n"
			   "example.jp SOA ns.example.jp root.example.jp 1 3600 600 86400 300\n"
			   "example.jp NS ns.example.jp\n";

static struct fixture *load(const char *text)
{
	struct fixture *f;
	BUF_LOCAL(why, 1000);
	if (fixture_parse(slice_str(text), &f, &why) != OK)
		fail_msg("%s", buf_z(&why));
	return f;
}

/* Everything that is the same over a fixture and over the network. */
static void check_answers(struct dns *d)
{
	ARENA_LOCAL(a, 1 << 20);
	struct dns_mx_list mx;
	dns_mx(d, SLICE("EXAMPLE.jp"), &a, &mx);
	assert_int_equal(mx.status, DNS_FOUND);
	assert_int_equal(mx.n, 2);
	assert_string_equal(mx.mx[0].host, "mx.example.jp");
	assert_int_equal(mx.mx[1].preference, 20);
	assert_string_equal(mx.mx[1].host, "backup.example.jp");
	dns_mx(d, SLICE("null.example"), &a, &mx);
	assert_int_equal(mx.n, 1);
	assert_string_equal(mx.mx[0].host, "");
	dns_mx(d, SLICE("mx.example.jp"), &a, &mx);
	assert_int_equal(mx.status, DNS_NODATA);
	dns_mx(d, SLICE("nothing.example"), &a, &mx);
	assert_int_equal(mx.status, DNS_NXDOMAIN);
	struct dns_ip_list ip;
	char text[DNS_IP_TEXT];
	dns_ips(d, SLICE("mx.example.jp"), &a, &ip);
	assert_int_equal(ip.n, 3);
	assert_string_equal(dns_ip_text(&ip.ip[0], text), "2001:db8::1");
	assert_int_equal(ip.ip[1].family, AF_INET);
	dns_ips(d, SLICE("www.example"), &a, &ip);
	assert_int_equal(ip.n, 3);
	dns_ips(d, SLICE("example.jp"), &a, &ip);
	assert_int_equal(ip.status, DNS_NODATA);
	struct dns_text_list txt;
	dns_txt(d, SLICE("example.jp"), &a, &txt);
	assert_int_equal(txt.n, 2);
	bool first = slice_eq(txt.text[0], SLICE("v=spf1 mx; -all"));
	assert_true(first || slice_eq(txt.text[1], SLICE("v=spf1 mx; -all")));
	assert_true(slice_eq(txt.text[first], SLICE("a bc\"dA")));
	struct dns_tlsa_list tlsa;
	dns_tlsa(d, SLICE("_25._tcp.mx.example.jp"), &a, &tlsa);
	assert_int_equal(tlsa.n, 1);
	assert_int_equal(tlsa.tlsa[0].usage, 3);
	assert_true(slice_eq(tlsa.tlsa[0].data, SLICE("\x01\x23\x45\x67\x89\xab\xcd\xef")));
	struct dns_name_list ptr;
	struct dns_ip client;
	assert_int_equal(dns_ip_read(SLICE("203.168.1.1"), &client), OK);
	dns_ptr(d, &client, &a, &ptr);
	assert_int_equal(ptr.n, 1);
	assert_string_equal(ptr.name[0], "mx.example.jp");
	struct dns_answer answer;
	dns_ask(d, SLICE("www.example"), DNS_A, &a, &answer);
	assert_int_equal(answer.status, DNS_FOUND);
	assert_int_equal(answer.n, 2);
	assert_string_equal(answer.canonical, "mx.example.jp");
	dns_ask(d, SLICE("_imaps._tcp.example.jp"), DNS_SRV, &a, &answer);
	assert_int_equal(answer.n, 1);
	assert_true(slice_starts(answer.rdata[0], SLICE("\0\0\0\1\x03\xe1\2mx")));
	dns_ask(d, SLICE("broken.example"), DNS_A, &a, &answer);
	assert_int_equal(answer.status, DNS_SERVFAIL);
	dns_ask(d, SLICE("gone.example"), DNS_A, &a, &answer);
	assert_int_equal(answer.status, DNS_NXDOMAIN);
}

static void a_fixture_answers(void **state)
{
	struct fixture *f = load(zone);
	struct dns *d = fixture_dns(f);
	check_answers(d);
	ARENA_LOCAL(a, 1 << 20);
	struct dns_answer answer;
	dns_ask(d, SLICE("slow.example"), DNS_MX, &a, &answer);
	assert_int_equal(answer.status, DNS_TIMEOUT);
	dns_ask(d, SLICE("loop.example"), DNS_MX, &a, &answer);
	assert_int_equal(answer.status, DNS_SERVFAIL);
	dns_ask(d, SLICE("safe.example"), DNS_A, &a, &answer);
	assert_true(answer.secure);
	dns_ask(d, SLICE("tosafe.example"), DNS_A, &a, &answer);
	assert_int_equal(answer.status, DNS_FOUND);
	assert_false(answer.secure);
	struct dns_ip_list ip;
	dns_ips(d, SLICE("half.example"), &a, &ip);
	assert_int_equal(ip.status, DNS_FOUND);
	dns_ips(d, SLICE("worse.example"), &a, &ip);
	assert_int_equal(ip.status, DNS_TIMEOUT);
	fixture_free(f);
}

static void wrong_lines_are_named(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"a.example A 192.0.2.1\nb.example\n", "line 2: a line is NAME TYPE RDATA: b.example"},
	    {"a.example AX 1", "line 1: neither a type"},
	    {"a.example A 192.0.2.256", "line 1: the record's data"},
	    {"a.example A 2001:db8::1", "line 1: the record's data"},
	    {"a.example A", "line 1: a record needs data"},
	    {"a.example MX mx.example", "line 1: the record's data"},
	    {"a.example MX 70000 mx.example", "line 1: the record's data"},
	    {"a.example MX 10 mx.example more", "line 1: the record's data"},
	    {"a..example A 192.0.2.1", "line 1: not a name"},
	    {"a.example TXT \"open", "line 1: the record's data"},
	    {"a.example TLSA 3 1 1 0xyz", "line 1: the record's data"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture *f;
		BUF_LOCAL(why, 1000);
		assert_int_equal(fixture_parse(slice_str(cases[i].text), &f, &why), BAD);
		assert_true(slice_starts(buf_slice(&why), slice_str(cases[i].why)));
	}
}

static void names_and_addresses(void **state)
{
	ARENA_LOCAL(a, 65536);
	static const char *const bad[] = {"a..b", ".a", "a\\b",
	    "0123456789012345678901234567890123456789012345678901234567890123.example", "a.b..", ".."};
	for (size_t i = 0; i < COUNT(bad); i++) {
		BUF_LOCAL(wire, 300);
		assert_int_equal(dns_name_put(slice_str(bad[i]), &wire), BAD);
	}
	BUF_LOCAL(wire, 300);
	assert_int_equal(dns_name_put(SLICE("Mail.Example.jp."), &wire), OK);
	struct slice rest = buf_slice(&wire);
	assert_string_equal(dns_name_read(&rest, &a), "mail.example.jp");
	assert_int_equal(rest.n, 0);
	for (size_t n = 0; n < wire.n; n++) {
		rest = slice_of(wire.p, n);
		assert_null(dns_name_read(&rest, &a));
	}
	rest = SLICE("\3a.b\0");
	assert_null(dns_name_read(&rest, &a));
	rest = SLICE("\xc0\x0c");
	assert_null(dns_name_read(&rest, &a));
	struct dns_ip ip;
	BUF_LOCAL(reverse, 100);
	assert_int_equal(dns_ip_read(SLICE("2001:db8::567:89ab"), &ip), OK);
	dns_ip_reverse(&ip, &reverse);
	assert_string_equal(
	    buf_z(&reverse), "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
	assert_int_equal(dns_ip_read(SLICE("192.0.2"), &ip), BAD);
	assert_int_equal(dns_type_read(SLICE("tlsa")), DNS_TLSA);
	assert_int_equal(dns_type_read(SLICE("ANY")), 0);
}

static void the_cache_forgets(void **state)
{
	struct cache *c = cache_new(100);
	BUF_LOCAL(out, 1000);
	int64_t age;
	cache_put(c, SLICE("a.example"), DNS_A, 1000, 5000, SLICE("one"));
	assert_int_equal(cache_get(c, SLICE("A.example"), DNS_A, 3000, &out, &age), OK);
	assert_true(slice_eq(buf_slice(&out), SLICE("one")));
	assert_int_equal(age, 2000);
	assert_int_equal(cache_get(c, SLICE("a.example"), DNS_MX, 3000, &out, &age), GONE);
	assert_int_equal(cache_get(c, SLICE("a.example"), DNS_A, 6000, &out, &age), GONE);
	cache_put(c, SLICE("b.example"), DNS_A, 0, DAY_MS, SLICE("two"));
	assert_int_equal(cache_get(c, SLICE("b.example"), DNS_A, 5 * MINUTE_MS - 1, &out, &age), OK);
	assert_int_equal(cache_get(c, SLICE("b.example"), DNS_A, 5 * MINUTE_MS, &out, &age), GONE);
	cache_free(c);
}

/* ---- a DNS server on loopback ---- */

struct server {
	int fd;
	struct fixture *fixture;
	_Atomic unsigned asked;
};

static void put16(struct buf *b, unsigned v)
{
	buf_putc(b, (char)(v >> 8));
	buf_putc(b, (char)v);
}

static void put_records(struct buf *b, struct slice owner, unsigned type, const struct dns_answer *d)
{
	for (size_t i = 0; i < d->n; i++) {
		buf_put(b, owner);
		put16(b, type);
		put16(b, 1);
		put16(b, 0);
		put16(b, 60);
		put16(b, (unsigned)d->rdata[i].n);
		buf_put(b, d->rdata[i]);
	}
}

/* The answer to a query, or nothing for a name that times out. */
static void answer_query(struct server *s, struct slice query, struct buf *out)
{
	ARENA_LOCAL(a, 1 << 20);
	struct slice rest = slice_sub(query, 12, query.n), question = rest;
	const char *name = dns_name_read(&rest, &a);
	if (!name || rest.n < 4)
		return;
	unsigned type = (unsigned)(unsigned char)rest.p[0] << 8 | (unsigned char)rest.p[1];
	question.n = question.n - rest.n + 4;
	struct dns_answer d, alias;
	dns_ask(fixture_dns(s->fixture), slice_str(name), type, &a, &d);
	dns_ask(fixture_dns(s->fixture), slice_str(name), DNS_CNAME, &a, &alias);
	if (d.status == DNS_TIMEOUT)
		return;
	bool aliased = type != DNS_CNAME && alias.status == DNS_FOUND;
	BUF_LOCAL(canonical, 300);
	result_ignore(dns_name_put(slice_str(d.canonical), &canonical));
	buf_put(out, slice_sub(query, 0, 2));
	put16(out, 0x8180 | (d.status == DNS_SERVFAIL ? 2u : d.status == DNS_NXDOMAIN ? 3u : 0u));
	put16(out, 1);
	put16(out, (unsigned)d.n + aliased);
	put16(out, 0);
	put16(out, 0);
	buf_put(out, question);
	if (aliased) {
		/* The chain in between is left out: one alias straight to the end. */
		alias.rdata[0] = buf_slice(&canonical);
		alias.n = 1;
		put_records(out, slice_of("\xc0\x0c", 2), DNS_CNAME, &alias);
	}
	put_records(out, aliased ? buf_slice(&canonical) : slice_of("\xc0\x0c", 2), type, &d);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	for (;;) {
		char query[2048];
		struct sockaddr_in from;
		socklen_t from_n = sizeof from;
		ssize_t n = recvfrom(s->fd, query, sizeof query, 0, (struct sockaddr *)&from, &from_n);
		if (n < 12)
			continue;
		atomic_fetch_add(&s->asked, 1);
		BUF_LOCAL(out, 4096);
		answer_query(s, slice_of(query, (size_t)n), &out);
		if (out.n)
			(void)!sendto(s->fd, out.p, out.n, 0, (struct sockaddr *)&from, from_n);
	}
	return NULL;
}

static struct server *server_start(const char *text, char address[32])
{
	static struct server servers[8];
	static size_t servers_n;
	struct server *s = &servers[servers_n++];
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	s->fixture = load(text);
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&sa, &n), 0);
	snprintf(address, 32, "127.0.0.1@%u", ntohs(sa.sin_port));
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, serve, s), 0);
	pthread_detach(t);
	return s;
}

/* Lives as long as the process, like the role. */
static struct dns_trunk *role_start(const struct resolver_settings *settings)
{
	struct resolver *r;
	BUF_LOCAL(why, 1000);
	int fds[2];
	assert_int_equal(resolver_open(settings, &r, &why), OK);
	struct ipc_server *server = ipc_server_new(resolver_handlers, 2, r);
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(server, fds[1], PEER_RELAY, NULL, NULL, NULL);
	struct ipc_trunk *trunk = ipc_trunk_new("resolver");
	ipc_trunk_set(trunk, fds[0]);
	static struct dns_trunk roles[8];
	static size_t n;
	dns_trunk_init(&roles[n], trunk);
	return &roles[n++];
}

static void the_role_answers_from_a_fixture(void **state)
{
	struct resolver_settings s = {.fixture = slice_str(zone)};
	struct dns_trunk *d = role_start(&s);
	check_answers(&d->dns);
	ARENA_LOCAL(a, 65536);
	struct dns_answer answer;
	dns_ask(&d->dns, SLICE("a..b"), DNS_A, &a, &answer);
	assert_int_equal(answer.status, DNS_SERVFAIL);
	struct resolver *r;
	BUF_LOCAL(why, 1000);
	s.fixture = SLICE("a b c");
	assert_int_equal(resolver_open(&s, &r, &why), BAD);
	assert_true(why.n > 10);
}

static void the_role_asks_the_network(void **state)
{
	char address[32];
	const char *servers[] = {address};
	struct server *server = server_start(zone, address);
	struct resolver_settings s = {.servers = servers, .servers_n = 1, .loopback = true};
	struct dns_trunk *d = role_start(&s);
	check_answers(&d->dns);
	unsigned asked = atomic_load(&server->asked);
	assert_true(asked > 0);
	ARENA_LOCAL(a, 1 << 20);
	struct dns_mx_list mx;
	for (int i = 0; i < 100; i++)
		dns_mx(&d->dns, SLICE("example.jp"), &a, &mx);
	assert_int_equal(mx.status, DNS_FOUND);
	assert_int_equal(atomic_load(&server->asked), asked);
	struct dns_answer answer;
	dns_ask(&d->dns, SLICE("mx.example.jp"), DNS_A, &a, &answer);
	assert_false(answer.secure);
	BUF_LOCAL(why, 1000);
	struct resolver *r;
	const char *wrong[] = {"not an address"};
	s.servers = wrong;
	assert_int_equal(resolver_open(&s, &r, &why), BAD);
}

/* With an anchor and a forwarder that strips DNSSEC, answers still come, without a claim to be secure. */
static void a_forwarder_without_dnssec(void **state)
{
	char address[32];
	const char *servers[] = {address};
	FD_LOCAL file = open(RESOLVER_ANCHOR, O_RDONLY);
	char anchor[8192];
	ssize_t length = file < 0 ? -1 : read(file, anchor, sizeof anchor);
	if (length <= 0)
		skip();
	server_start("mx.example.jp A 192.0.2.1\n. NS ns.example\n", address);
	struct resolver_settings s = {
	    .servers = servers, .servers_n = 1, .loopback = true, .anchor = slice_of(anchor, (size_t)length)};
	struct dns_trunk *d = role_start(&s);
	ARENA_LOCAL(a, 1 << 20);
	struct dns_answer answer = {.status = DNS_BOGUS};
	for (int i = 0; i < 150 && answer.status != DNS_FOUND; i++) {
		usleep(100000);
		dns_ask(&d->dns, SLICE("mx.example.jp"), DNS_A, &a, &answer);
	}
	assert_int_equal(answer.status, DNS_FOUND);
	assert_false(answer.secure);
}

static void a_resolver_that_is_down_is_servfail(void **state)
{
	struct dns_trunk d;
	ARENA_LOCAL(a, 65536);
	struct dns_answer answer;
	dns_trunk_init(&d, ipc_trunk_new("resolver"));
	dns_ask(&d.dns, SLICE("example.jp"), DNS_A, &a, &answer);
	assert_int_equal(answer.status, DNS_SERVFAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_fixture_answers),
	    cmocka_unit_test(wrong_lines_are_named),
	    cmocka_unit_test(names_and_addresses),
	    cmocka_unit_test(the_cache_forgets),
	    cmocka_unit_test(the_role_answers_from_a_fixture),
	    cmocka_unit_test(the_role_asks_the_network),
	    cmocka_unit_test(a_forwarder_without_dnssec),
	    cmocka_unit_test(a_resolver_that_is_down_is_servfail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
