/* mail/address: SMTP paths, domains, xtext, and address lists of headers. */
#include "mail/mail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_slice(struct slice got, const char *want)
{
	BUF_LOCAL(z, got.n + 1);
	buf_put(&z, got);
	assert_string_equal(buf_z(&z), want);
}

static void paths(void **state)
{
	static const struct {
		const char *in, *local, *domain, *rest;
	} good[] = {
	    {"<a@example.com>", "a", "example.com", ""},
	    {"<a@example.com> SIZE=1", "a", "example.com", " SIZE=1"},
	    {"<>", "", "", ""},
	    {"<> RET=HDRS", "", "", " RET=HDRS"},
	    {"<Postmaster>", "Postmaster", "", ""},
	    {"<\"a b\"@example.com>", "a b", "example.com", ""},
	    {"<\"a\\\"\\\\b>\"@example.com>", "a\"\\b>", "example.com", ""},
	    {"<@one.example,@two.example:a@example.com>", "a", "example.com", ""},
	    {"<a@[192.0.2.1]>", "a", "[192.0.2.1]", ""},
	    {"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", ""},
	    {"<a..b.@docomo.example>", "a..b.", "docomo.example", ""},
	    {"<a+b=c%d!e@example.com>", "a+b=c%d!e", "example.com", ""},
	    {"<用户@例え.jp>", "用户", "例え.jp", ""},
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		ARENA_LOCAL(a, 65536);
		struct cursor c = cursor_of(slice_str(good[i].in));
		struct mail_addr m;
		assert_int_equal(mail_path_parse(&c, &a, &m), OK);
		assert_slice(m.local, good[i].local);
		assert_slice(m.domain, good[i].domain);
		assert_slice(c.rest, good[i].rest);
	}
}

static void no_paths(void **state)
{
	static const char *const bad[] = {"", "a@example.com", "<a@example.com", "<a>", "<@example.com>",
	    "<a@>", "<a b@example.com>", "<a@exa mple.com>", "<a@-x.com>", "<a@x-.com>", "<a@x..com>",
	    "<a@1.2.3.4>", "<a@[1.2.3]>", "<a@[1.2.3.4>", "<a@[x]>", "<\"a@example.com>",
	    "<a\r\n@example.com>", "<a@b@c.com>", "<\xff@example.com>", "<a@\xe3\x81>", "<@a.example:>",
	    "<@a.example b@c.example>", "< a@example.com>", "<a@example.com >", "<a(x)@example.com>",
	    "<\"\x01\"@x.com>", "<\"\"@x.com>"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		ARENA_LOCAL(a, 65536);
		struct cursor c = cursor_of(slice_str(bad[i]));
		struct mail_addr m = {0};
		assert_int_not_equal(mail_path_parse(&c, &a, &m), OK);
		assert_int_equal(m.local.n, 0);
	}
	BUF_LOCAL(longer, 1000);
	buf_putc(&longer, '<');
	for (int i = 0; i < 400; i++)
		buf_putc(&longer, 'a');
	buf_puts(&longer, "@example.com>");
	ARENA_LOCAL(a, 65536);
	struct cursor c = cursor_of(buf_slice(&longer));
	struct mail_addr m;
	assert_int_equal(mail_path_parse(&c, &a, &m), FULL);
}

static void writing(void **state)
{
	static const char *const pairs[][2] = {{"a@example.com", "a@example.com"},
	    {"\"a b\"@x.com", "\"a b\"@x.com"}, {"\"ab\"@x.com", "ab@x.com"},
	    {"a..b@x.com", "\"a..b\"@x.com"}, {".a@x.com", "\".a\"@x.com"}, {"a.@x.com", "\"a.\"@x.com"},
	    {"\"\\\"\"@x.com", "\"\\\"\"@x.com"}, {"ü@x.com", "ü@x.com"}};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		ARENA_LOCAL(a, 65536);
		struct mail_addr m, again;
		assert_int_equal(mail_addr_parse(slice_str(pairs[i][0]), &a, &m), OK);
		BUF_LOCAL(b, 1000);
		mail_addr_put(&b, m);
		assert_slice(buf_slice(&b), pairs[i][1]);
		assert_int_equal(mail_addr_parse(buf_slice(&b), &a, &again), OK);
		assert_true(mail_addr_eq(m, again));
	}
	BUF_LOCAL(b, 10);
	mail_path_put(&b, (struct mail_addr){0});
	assert_slice(buf_slice(&b), "<>");
}

static void domains(void **state)
{
	ARENA_LOCAL(a, 65536);
	struct slice out;
	assert_int_equal(mail_domain_ascii(SLICE("ExAmple.COM."), &a, &out), OK);
	assert_slice(out, "example.com");
	assert_int_equal(mail_domain_ascii(SLICE("日本語.JP"), &a, &out), OK);
	assert_slice(out, "xn--wgv71a119e.jp");
	assert_int_equal(mail_domain_unicode(SLICE("XN--wgv71a119e.jp"), &a, &out), OK);
	assert_slice(out, "日本語.jp");
	assert_int_equal(mail_domain_ascii(SLICE("\xff.jp"), &a, &out), BAD);
	assert_true(mail_domain_valid(SLICE("a_b.example")));
	assert_true(mail_domain_valid(SLICE("localhost")));
	assert_true(mail_domain_valid(SLICE("例え.テスト")));
	assert_false(mail_domain_valid(SLICE("")));
	assert_false(mail_domain_valid(SLICE("a b")));
	assert_false(mail_host_valid(SLICE("[192.0.2.1]")));
	struct mail_addr m = {SLICE("Us"), SLICE("例え.JP")};
	assert_int_equal(mail_addr_canon(m, &a, &m), OK);
	assert_slice(m.local, "Us");
	assert_slice(m.domain, "xn--r8jz45g.jp");
}

static void xtext(void **state)
{
	BUF_LOCAL(b, 100);
	assert_int_equal(mail_xtext_decode(SLICE("a+2Bb+3Dc@x"), &b), OK);
	assert_slice(buf_slice(&b), "a+b=c@x");
	BUF_LOCAL(e, 100);
	mail_xtext_put(&e, buf_slice(&b));
	assert_slice(buf_slice(&e), "a+2Bb+3Dc@x");
	static const char *const bad[] = {"a+2", "a+2b", "a=b", "a b", "+", "+GG", "\xc3\xbc"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		BUF_LOCAL(x, 100);
		assert_int_equal(mail_xtext_decode(slice_str(bad[i]), &x), BAD);
	}
	BUF_LOCAL(u, 100);
	assert_int_equal(mail_utf8_xtext_decode(SLICE("\\x{65E5}本+2B@x"), &u), OK);
	assert_slice(buf_slice(&u), "日本+@x");
	BUF_LOCAL(v, 100);
	mail_utf8_xtext_put(&v, SLICE("日+@x"));
	assert_slice(buf_slice(&v), "\\x{65E5}\\x{2B}@x");
}

/* Written as "name|local|domain", groups as "name{" and "}", broken ones with "!" in front. */
static void entries_show(const struct mail_entries *l, struct buf *b)
{
	for (const struct mail_entry *e = l->first; e; e = e->next) {
		if (b->n)
			buf_puts(b, ", ");
		buf_puts(b, e->broken ? "!" : "");
		buf_put(b, e->name);
		if (e->kind == MAIL_ENTRY_GROUP_START)
			buf_puts(b, "{");
		if (e->kind == MAIL_ENTRY_GROUP_END)
			buf_puts(b, "}");
		if (e->kind != MAIL_ENTRY_MAILBOX)
			continue;
		buf_putc(b, '|');
		buf_put(b, e->local);
		buf_putc(b, '|');
		buf_put(b, e->domain);
	}
}

static void lists(void **state)
{
	static const char *const pairs[][2] = {
	    {"a@b.c", "|a|b.c"},
	    {"a@b.c, d@e.f", "|a|b.c, |d|e.f"},
	    {"Pete <pete@silly.test>", "Pete|pete|silly.test"},
	    {"\"Joe Q. Public\" <john.q@example.com>", "Joe Q. Public|john.q|example.com"},
	    {"Joe Q. Public <john.q@example.com>", "Joe Q. Public|john.q|example.com"},
	    {"\"Giant; \\\"Big\\\" Box\" <s@e.net>", "Giant; \"Big\" Box|s|e.net"},
	    {"A Group:Ed Jones <joe@where.test>,joe@where.test;",
		"A Group{, Ed Jones|joe|where.test, |joe|where.test, }"},
	    {"Undisclosed recipients:;", "Undisclosed recipients{, }"},
	    {"pete(his account)@silly.test(his host)", "his host|pete|silly.test"},
	    {"john @ example . com", "|john|example.com"},
	    {"<@node.test,@two.test:mary@example.net>", "|mary|example.net"},
	    {"user@example.com (Full Name)", "Full Name|user|example.com"},
	    {"a@b.c,, ,d@e.f", "|a|b.c, |d|e.f"},
	    {"\r\n a@b.c,\r\n\td@e.f", "|a|b.c, |d|e.f"},
	    {"=?utf-8?Q?a,b?= <x@y.z>", "=?utf-8?Q?a,b?=|x|y.z"},
	    {"me@x.y <me@x.y>", "!me@x.y|me|x.y"},
	    {"Foo <a@b@c.d>", "!Foo|a@b|c.d"},
	    {"Foo <foo>", "!Foo|foo|"},
	    {"foo", "!|foo|"},
	    {"Foo <a@b.c", "!Foo|a|b.c"},
	    {"\"\" <a@b.c>", "|a|b.c"},
	    {"<a@b.c>", "|a|b.c"},
	    {"<>", "!||"},
	    {"\"a b\"@x.y", "|a b|x.y"},
	    {"a@[192.0.2.1]", "|a|[192.0.2.1]"},
	    {"", ""},
	    {"(only a comment)", ""},
	    {"関所 <k@例え.jp>", "関所|k|例え.jp"},
	    {"\033$B4X=j\033(B <k@x.jp>", "\033$B4X=j\033(B|k|x.jp"},
	};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		ARENA_LOCAL(a, 65536);
		struct mail_entries l;
		mail_entries_parse(slice_str(pairs[i][0]), &a, &l);
		BUF_LOCAL(b, 1000);
		entries_show(&l, &b);
		assert_slice(buf_slice(&b), pairs[i][1]);
	}
}

static void lists_have_limits(void **state)
{
	BUF_LOCAL(many, 1000000);
	for (int i = 0; i < LIMIT_ADDRESSES + 5; i++)
		buf_puts(&many, "a@b.c,");
	ARENA_LOCAL(a, 100000000);
	struct mail_entries l;
	mail_entries_parse(buf_slice(&many), &a, &l);
	assert_int_equal(l.count, LIMIT_ADDRESSES);
	assert_true(l.cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths),
	    cmocka_unit_test(no_paths),
	    cmocka_unit_test(writing),
	    cmocka_unit_test(domains),
	    cmocka_unit_test(xtext),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(lists_have_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
