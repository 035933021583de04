/* mail/build and mail/dsn: what is written is read back the same. */
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

/* No line above `most`, CRLF only, every line but the first begins with a blank. */
static void assert_field(struct slice field, size_t most)
{
	bool first = true;
	while (field.n) {
		struct slice line = slice_split(&field, '\n');
		assert_true(line.n > 1 && line.p[line.n - 1] == '\r');
		assert_true(line.n - 1 <= most);
		assert_true(first || line.p[0] == ' ');
		first = false;
	}
}

static void texts_return(void **state)
{
	static const char *const texts[] = {"hello", "関所", "a 関所 b",
	    "とても長い件名です。とても長い件名です。とても長い件名です。とても長い件名です。とても長い件名で"
	    "す。",
	    "Grüße aus dem schönen Königsberg, wo die Kühe so gemütlich über die Wiesen trödeln, naïve "
	    "façade",
	    "a plain ASCII subject that is rather long and must be folded somewhere before it reaches its "
	    "end, see?",
	    "=?looks like a word?=", "𠮷野家 😀", "x", "tab\there\r\nand: a forged field"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		BUF_LOCAL(b, 10000);
		mail_put_text(&b, SLICE("Subject"), slice_str(texts[i]));
		assert_field(buf_slice(&b), 78);
		assert_true(slice_is_ascii(buf_slice(&b)));
		struct mail_field f;
		assert_true(mail_header_get(buf_slice(&b), SLICE("subject"), &f));
		assert_int_equal(f.all.n, b.n);
		BUF_LOCAL(back, 10000);
		mail_words_decode(f.value, &back);
		BUF_LOCAL(want, 10000);
		for (const char *p = texts[i]; *p; p++)
			buf_putc(&want, (unsigned char)*p < 32 ? ' ' : *p);
		assert_slice(buf_slice(&back), buf_z(&want));
	}
}

static void address_fields(void **state)
{
	struct mail_named list[] = {
	    {SLICE("Joe Public"), {SLICE("joe"), SLICE("example.com")}},
	    {SLICE("Public, Joe"), {SLICE("joe"), SLICE("example.com")}},
	    {SLICE("関所 太郎"), {SLICE("taro"), SLICE("example.jp")}},
	    {SLICE_NONE, {SLICE("a b"), SLICE("example.com")}},
	};
	BUF_LOCAL(b, 10000);
	mail_put_addresses(&b, SLICE("To"), list, COUNT(list));
	assert_field(buf_slice(&b), 90);
	ARENA_LOCAL(a, 65536);
	struct mail_entries l;
	mail_entries_parse(slice_sub(buf_slice(&b), 3, b.n), &a, &l);
	assert_int_equal(l.count, COUNT(list));
	const struct mail_entry *e = l.first;
	for (size_t i = 0; i < COUNT(list); i++, e = e->next) {
		BUF_LOCAL(name, 1000);
		mail_words_decode(e->name, &name);
		assert_true(slice_eq(buf_slice(&name), list[i].name));
		assert_true(slice_eq(e->local, list[i].addr.local));
		assert_true(slice_eq(e->domain, list[i].addr.domain));
		assert_false(e->broken);
	}
	buf_clear(&b);
	mail_put_addresses(&b, SLICE("To"), NULL, 0);
	assert_slice(buf_slice(&b), "To: undisclosed-recipients:;\r\n");
}

static void received(void **state)
{
	struct mail_received r = {.helo = SLICE("mail.example.org"),
	    .ip = SLICE("2001:db8::1"),
	    .rdns = SLICE("host.example.org"),
	    .by = SLICE("mx.example.jp"),
	    .with = SLICE("ESMTPS"),
	    .tls = SLICE("TLSv1.3 TLS_AES_256_GCM_SHA384"),
	    .id = SLICE("4711"),
	    .rcpt = {SLICE("a"), SLICE("example.jp")},
	    .date = {.ms = 1704175445000, .zone = 540}};
	BUF_LOCAL(b, 2000);
	mail_put_received(&b, &r);
	assert_slice(buf_slice(&b),
	    "Received: from mail.example.org (host.example.org [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.jp with ESMTPS\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
	    "\tid 4711\r\n\tfor <a@example.jp>;\r\n\tTue, 02 Jan 2024 15:04:05 +0900\r\n");
	r.helo = SLICE("evil)\r\nX: y (");
	buf_clear(&b);
	mail_put_received(&b, &r);
	struct mail_field f;
	assert_false(mail_header_get(buf_slice(&b), SLICE("X"), &f));
	assert_true(slice_starts(buf_slice(&b), SLICE("Received: from evil???X:?y??")));
}

static void parameters_return(void **state)
{
	static const char *const values[] = {"a.txt", "my file.txt", "a\"b\\c.txt", "関所.pdf",
	    "とても長い名前のとても長い名前のとても長い名前のとても長い名前のとても長い名前の添付ファイル."
	    "xlsx",
	    "a-very-long-ascii-name-a-very-long-ascii-name-a-very-long-ascii-name-a-very-long-ascii-name.txt",
	    "100%.txt"};
	for (size_t i = 0; i < COUNT(values); i++) {
		BUF_LOCAL(b, 10000);
		buf_puts(&b, "Content-Disposition: attachment");
		mail_put_param(&b, SLICE("filename"), slice_str(values[i]));
		buf_puts(&b, "\r\n");
		assert_field(buf_slice(&b), 78);
		ARENA_LOCAL(a, 65536);
		struct mail_field f;
		struct mail_value v;
		assert_true(mail_header_get(buf_slice(&b), SLICE("content-disposition"), &f));
		mail_value_parse(f.value, false, &a, &v);
		const struct mail_param *p = mail_param_get(&v, SLICE("filename"));
		assert_non_null(p);
		assert_slice(p->text, values[i]);
		assert_true(v.defects == 0);
	}
}

static void bodies_return(void **state)
{
	static const char *const texts[] = {"hello\nworld\n", "関所です。\n",
	    "a = b\nGrüße, alles wird hier gut sein\n", "line ending in blank \n\ttab\t\n.\n..\n",
	    "a very long line a very long line a very long line a very long line a very long line ü very "
	    "long line\n"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		BUF_LOCAL(b, 10000);
		mail_put_text_part(&b, SLICE("plain"), slice_str(texts[i]));
		ARENA_LOCAL(a, 1000000);
		Sekisho__Facts *facts;
		assert_int_equal(mail_facts_extract(buf_slice(&b), &a, &facts), OK);
		BUF_LOCAL(text, 10000);
		mail_facts_text(buf_slice(&b), facts->root, &text);
		assert_slice(buf_slice(&text), texts[i]);
		assert_false(facts->has_8bit || facts->has_binary);
	}
}

static struct mail_dsn dsn_sample(struct mail_dsn_rcpt *r, struct slice original)
{
	r[0] = (struct mail_dsn_rcpt){.addr = {SLICE("nobody"), SLICE("example.org")},
	    .orcpt_type = SLICE("rfc822"),
	    .orcpt = SLICE("no body@example.org"),
	    .action = MAIL_DSN_FAILED,
	    .status = SLICE("5.1.1"),
	    .remote_mta = SLICE("mx.example.org"),
	    .diagnostic = SLICE("550-5.1.1 no\r\n550 5.1.1 such user"),
	    .last_attempt = {.ms = 1704175445000, .zone = 540}};
	r[1] = (struct mail_dsn_rcpt){.addr = {SLICE("slow"), SLICE("example.net")},
	    .action = MAIL_DSN_DELAYED,
	    .status = SLICE("4.4.1"),
	    .retry_until = {.ms = 1704575445000, .zone = 540}};
	return (struct mail_dsn){.reporting_mta = SLICE("mail.example.jp"),
	    .from_domain = SLICE("example.jp"),
	    .to = {SLICE("taro"), SLICE("example.jp")},
	    .message_id = SLICE("dsn-1@example.jp"),
	    .envid = SLICE("QQ 1+1"),
	    .arrival = {.ms = 1704175000000, .zone = 540},
	    .date = {.ms = 1704175445000, .zone = 540},
	    .rcpts = r,
	    .rcpt_count = 2,
	    .original = original};
}

static void dsn_returns(void **state)
{
	static const char original[] = "From: taro@example.jp\r\nSubject: =?utf-8?B?6Zai5omA?=\r\n"
				       "Message-ID: <1@example.jp>\r\n\r\nbody\r\n";
	struct mail_dsn_rcpt r[2];
	struct mail_dsn d = dsn_sample(r, slice_str(original));
	for (int full = 0; full < 2; full++) {
		BUF_LOCAL(b, 100000);
		d.full = full;
		assert_int_equal(mail_dsn_put(&b, &d), OK);
		assert_true(slice_is_ascii(buf_slice(&b)));
		ARENA_LOCAL(a, 1000000);
		Sekisho__Facts *f;
		assert_int_equal(mail_facts_extract(buf_slice(&b), &a, &f), OK);
		assert_int_equal(f->n_defects, 0);
		assert_true(f->auto_submitted);
		assert_string_equal(f->subject, "メールを配送できませんでした / Undelivered mail");
		assert_string_equal(f->root->subtype, "report");
		assert_int_equal(f->root->n_parts, 3);
		assert_string_equal(f->root->parts[1]->subtype, "delivery-status");
		assert_string_equal(f->root->parts[2]->subtype, full ? "rfc822" : "rfc822-headers");
		assert_string_equal(f->references[0], "1@example.jp");
		BUF_LOCAL(text, 100000);
		mail_facts_text(buf_slice(&b), f->root->parts[0], &text);
		assert_true(slice_search(buf_slice(&text), SLICE("件名 / Subject: 関所")) >= 0);
		assert_true(slice_search(buf_slice(&text), SLICE("存在しません")) > 0);
		assert_true(slice_search(buf_slice(&text), SLICE("does not exist")) > 0);
		BUF_LOCAL(status, 100000);
		mail_facts_octets(buf_slice(&b), f->root->parts[1], &status);
		assert_slice(buf_slice(&status),
		    "Original-Envelope-Id: QQ 1+1\r\nReporting-MTA: dns; mail.example.jp\r\n"
		    "Arrival-Date: Tue, 02 Jan 2024 14:56:40 +0900\r\n\r\n"
		    "Original-Recipient: rfc822; no body@example.org\r\nFinal-Recipient: rfc822; "
		    "nobody@example.org\r\n"
		    "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.org\r\n"
		    "Diagnostic-Code: smtp; 550-5.1.1 no 550 5.1.1 such user\r\n"
		    "Last-Attempt-Date: Tue, 02 Jan 2024 15:04:05 +0900\r\n\r\n"
		    "Final-Recipient: rfc822; slow@example.net\r\nAction: delayed\r\nStatus: 4.4.1\r\n"
		    "Will-Retry-Until: Sun, 07 Jan 2024 06:10:45 +0900\r\n");
		BUF_LOCAL(back, 100000);
		mail_facts_octets(buf_slice(&b), f->root->parts[2], &back);
		assert_true(slice_starts(buf_slice(&back), SLICE("From: taro@example.jp\r\n")));
		assert_int_equal(slice_search(buf_slice(&back), SLICE("body")) >= 0, full);
	}
}

static void dsn_of_binary(void **state)
{
	static const char original[] = "Subject: x\r\n\r\na\0b\r\n";
	struct mail_dsn_rcpt r[2];
	struct mail_dsn d = dsn_sample(r, slice_of(original, sizeof original - 1));
	d.full = true;
	BUF_LOCAL(b, 100000);
	assert_int_equal(mail_dsn_put(&b, &d), OK);
	assert_true(slice_find(buf_slice(&b), 0) < 0);
	assert_true(slice_search(buf_slice(&b), SLICE("text/rfc822-headers")) > 0);
}

static void dsn_international(void **state)
{
	static const char original[] = "From: 太郎 <太郎@例え.jp>\r\nSubject: 関所\r\n\r\nbody\r\n";
	struct mail_dsn_rcpt r[2];
	struct mail_dsn d = dsn_sample(r, slice_str(original));
	r[0].addr = (struct mail_addr){SLICE("太郎"), SLICE("例え.jp")};
	r[0].orcpt_type = SLICE("utf-8");
	r[0].orcpt = SLICE("太郎@例え.jp");
	BUF_LOCAL(b, 100000);
	assert_int_equal(mail_dsn_put(&b, &d), OK);
	ARENA_LOCAL(a, 1000000);
	Sekisho__Facts *f;
	assert_int_equal(mail_facts_extract(buf_slice(&b), &a, &f), OK);
	assert_string_equal(f->root->parts[1]->subtype, "global-delivery-status");
	assert_string_equal(f->root->parts[2]->subtype, "global-headers");
	BUF_LOCAL(status, 100000);
	mail_facts_octets(buf_slice(&b), f->root->parts[1], &status);
	assert_true(slice_search(buf_slice(&status), SLICE("Final-Recipient: utf-8; 太郎@例え.jp\r\n")) > 0);
	assert_true(
	    slice_search(buf_slice(&status), SLICE("Original-Recipient: utf-8; \\x{592A}\\x{90CE}@")) > 0);
}

static void dsn_texts(void **state)
{
	assert_string_equal(mail_dsn_text_en(SLICE("5.1.1")),
	    "This mailbox does not exist. Check the spelling of the address and send again.");
	assert_string_not_equal(mail_dsn_text_en(SLICE("5.1.10")), mail_dsn_text_en(SLICE("5.1.1")));
	assert_string_equal(mail_dsn_text_en(SLICE("5.1.99")), mail_dsn_text_en(SLICE("5.1")));
	assert_string_equal(mail_dsn_text_ja(SLICE("4.9.9")), mail_dsn_text_ja(SLICE("4")));
	assert_non_null(mail_dsn_text_ja(SLICE("nonsense")));
}

static void ids(void **state)
{
	BUF_LOCAL(a, 200);
	BUF_LOCAL(b, 200);
	mail_id_make(&a, SLICE("example.jp"));
	mail_id_make(&b, SLICE("example.jp"));
	assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
	assert_true(slice_iends(buf_slice(&a), SLICE("@example.jp")));
	assert_true(a.n < 80);
	char boundary[MAIL_BOUNDARY + 1];
	mail_boundary_make(boundary);
	assert_int_equal(strlen(boundary), MAIL_BOUNDARY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_return),
	    cmocka_unit_test(address_fields),
	    cmocka_unit_test(received),
	    cmocka_unit_test(parameters_return),
	    cmocka_unit_test(bodies_return),
	    cmocka_unit_test(dsn_returns),
	    cmocka_unit_test(dsn_international),
	    cmocka_unit_test(dsn_of_binary),
	    cmocka_unit_test(dsn_texts),
	    cmocka_unit_test(ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
