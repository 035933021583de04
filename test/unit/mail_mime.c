/* mail/mime, transfer and facts: structure, decoding, defects, text, search, limits. */
#include "mail/mail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/sha.h>

static void assert_slice(struct slice got, const char *want)
{
	BUF_LOCAL(z, got.n + 1);
	buf_put(&z, got);
	assert_string_equal(buf_z(&z), want);
}

static void transfer(void **state)
{
	static const struct {
		enum mail_encoding e;
		const char *in, *out;
		bool clean;
	} cases[] = {
	    {MAIL_ENC_BASE64, "Zm9vYmFy", "foobar", true},
	    {MAIL_ENC_BASE64, "Zm9v\r\nYmE=\r\n", "fooba", true},
	    {MAIL_ENC_BASE64, "Zg==", "f", true},
	    {MAIL_ENC_BASE64, "Zg", "f", false},
	    {MAIL_ENC_BASE64, "Zg=", "f", false},
	    {MAIL_ENC_BASE64, "Zg==Zm9v", "ffoo", false},
	    {MAIL_ENC_BASE64, "Z!m9*v", "foo", false},
	    {MAIL_ENC_BASE64, "=", "", false},
	    {MAIL_ENC_BASE64, "Z", "", false},
	    {MAIL_ENC_BASE64, "", "", true},
	    {MAIL_ENC_QP, "a=3Db", "a=b", true},
	    {MAIL_ENC_QP, "a=\r\nb", "ab", true},
	    {MAIL_ENC_QP, "a= \r\nb \t\r\nc  ", "ab\r\nc", true},
	    {MAIL_ENC_QP, "a=3", "a=3", false},
	    {MAIL_ENC_QP, "a=zz=", "a=zz", false},
	    {MAIL_ENC_QP, "=e9", "\xe9", false},
	    {MAIL_ENC_QP, "a\nb\n", "a\nb\n", true},
	    {MAIL_ENC_UU, "begin 644 x\r\n#0V%T\r\n`\r\nend\r\n", "Cat", true},
	    {MAIL_ENC_UU, "#0V%T\n", "Cat", true},
	    {MAIL_ENC_NONE, "as\0it is", "as", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(out, 100);
		mail_defects d = mail_transfer_put(cases[i].e, slice_str(cases[i].in), &out);
		assert_slice(buf_slice(&out), cases[i].out);
		assert_int_equal(d == 0, cases[i].clean);
		if (cases[i].e == MAIL_ENC_QP || d)
			assert_true((mail_transfer_check(cases[i].e, slice_str(cases[i].in)) & d) == d);
	}
}

/* Base64 of every length, with lines, is decoded to what went in; the quick check finds it clean. */
static void base64_lengths(void **state)
{
	char data[40000];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 7 + i / 256);
	for (size_t n = 0; n < 300; n++) {
		size_t len = n < 200 ? n : n * 133;
		BUF_LOCAL(coded, 80000);
		mail_put_base64(&coded, slice_of(data, len));
		BUF_LOCAL(out, 80000);
		assert_true(mail_transfer_put(MAIL_ENC_BASE64, buf_slice(&coded), &out) == 0);
		assert_true(slice_eq(buf_slice(&out), slice_of(data, len)));
		assert_true(mail_transfer_check(MAIL_ENC_BASE64, buf_slice(&coded)) == 0);
		if (coded.n < 200)
			continue;
		coded.p[len % coded.n & ~(size_t)1] = '#';
		assert_true(mail_transfer_check(MAIL_ENC_BASE64, buf_slice(&coded)) != 0);
	}
}

/* "type/subtype(children)" of a part. */
static void tree_show(const struct mail_part *p, struct buf *b)
{
	buf_put(b, p->type);
	buf_putc(b, '/');
	buf_put(b, p->subtype);
	if (!p->first)
		return;
	buf_putc(b, '(');
	for (const struct mail_part *c = p->first; c; c = c->next) {
		tree_show(c, b);
		buf_puts(b, c->next ? " " : ")");
	}
}

static void structure(void **state)
{
	static const struct {
		const char *in, *tree;
		enum mail_defect defect;
	} cases[] = {
	    {"\r\nx", "text/plain", MAIL_DEFECTS},
	    {"Content-Type: text/html\r\n\r\nx", "text/html", MAIL_DEFECTS},
	    {"Content-Type: nonsense\r\n\r\nx", "text/plain", MAIL_DEFECT_type_malformed},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\npre\r\n--a\r\n\r\none\r\n--a\r\nContent-Type: "
	     "text/html\r\n\r\n"
	     "two\r\n--a--\r\nepilogue\r\n",
		"multipart/mixed(text/plain text/html)", MAIL_DEFECTS},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\none\r\n",
		"multipart/mixed(text/plain)", MAIL_DEFECT_boundary_unclosed},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\nnothing\r\n", "multipart/mixed",
		MAIL_DEFECT_boundary_unseen},
	    {"Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\none\r\n", "multipart/mixed",
		MAIL_DEFECT_boundary_missing},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; "
	     "boundary=b\r\n\r\n"
	     "--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--\r\n",
		"multipart/mixed(multipart/mixed(text/plain) text/plain)", MAIL_DEFECT_boundary_outer_first},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; "
	     "boundary=ab\r\n\r\n"
	     "--ab\r\n\r\nx\r\n--ab--\r\n--a--\r\n",
		"multipart/mixed(multipart/mixed(text/plain))", MAIL_DEFECT_boundary_reused},
	    {"Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: x\r\n\r\ny\r\n--a--\r\n",
		"multipart/digest(message/rfc822(text/plain))", MAIL_DEFECTS},
	    {"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny\r\n", "message/rfc822(text/plain)",
		MAIL_DEFECTS},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a \r\n\r\nx\r\n--a--\t\r\n",
		"multipart/mixed(text/plain)", MAIL_DEFECTS},
	    {"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nSubject: x\r\n--a--\r\n",
		"multipart/mixed(text/plain)", MAIL_DEFECT_boundary_in_header},
	    {"Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n", "multipart/mixed(text/plain)",
		MAIL_DEFECT_bare_lf},
	    {"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx", "text/plain",
		MAIL_DEFECT_mime_field_duplicate},
	    {"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n", "text/plain", MAIL_DEFECT_base64_junk},
	    {"\r\nbegin 644 x.exe\r\n#0V%T\r\n`\r\nend\r\n", "text/plain", MAIL_DEFECT_file_inside},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, 1000000);
		struct mail_mime m;
		mail_mime_parse(slice_str(cases[i].in), (struct mail_mime_options){0}, &a, &m);
		BUF_LOCAL(b, 1000);
		tree_show(m.root, &b);
		assert_slice(buf_slice(&b), cases[i].tree);
		if (cases[i].defect < MAIL_DEFECTS)
			assert_true(m.defects & MAIL_DEFECT_BIT(cases[i].defect));
	}
}

static const char sample[] =
    "Received: from a\r\nReceived: from b\r\nFrom: =?utf-8?B?6Zai5omA?= <a@example.jp>\r\nTo: x@example.com, "
    "y@example.com\r\n"
    "Subject: =?utf-8?B?6Zai5omA?=\r\n =?utf-8?B?6Zai5omA?=\r\nDate: Tue, 02 Jan 2024 15:04:05 +0900\r\n"
    "Message-ID: <1@example.jp>\r\nReferences: <r1@x> <r2@x>\r\nIn-Reply-To: <r2@x>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\npreamble\r\n--b\r\n"
    "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\033$B4X=j\033(B  Caf\r\ntwo\r\n\r\n--b\r\n"
    "Content-Type: text/html\r\n\r\n<style>p {}</style><p>Hello &amp; <b>welcome</b></p>\r\n--b\r\n"
    "Content-Type: application/pdf; name*=utf-8''%E9%96%A2.pdf\r\nContent-Disposition: attachment\r\n"
    "Content-Transfer-Encoding: BASE64\r\nContent-ID: <id@x>\r\nContent-Language: ja, "
    "en\r\n\r\nZm9v\r\n--b--\r\n";

static void facts(void **state)
{
	ARENA_LOCAL(a, 1000000);
	Sekisho__Facts *f;
	assert_int_equal(mail_facts_extract(slice_str(sample), &a, &f), OK);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)sample, sizeof sample - 1, digest);
	assert_memory_equal(f->digest.data, digest, sizeof digest);
	assert_int_equal(f->size, sizeof sample - 1);
	assert_string_equal(f->subject, "関所関所");
	assert_string_equal(f->message_id, "1@example.jp");
	assert_true(f->date_ms == 1704175445000);
	assert_int_equal(f->hops, 2);
	assert_int_equal(f->n_references, 2);
	assert_string_equal(f->references[1], "r2@x");
	assert_string_equal(f->preview, "関所 Caf two");
	assert_false(f->has_8bit || f->has_8bit_header || f->has_binary);
	assert_int_equal(f->n_defects, 0);
	const Sekisho__Part *root = f->root;
	assert_string_equal(root->type, "multipart");
	assert_int_equal(root->n_parts, 3);
	assert_int_equal(root->n_fields, 11);
	assert_string_equal(root->fields[2]->name, "From");
	assert_memory_equal(sample + root->fields[2]->offset, "From: =?", 8);
	const Sekisho__Envelope *e = root->envelope;
	assert_int_equal(e->n_to, 2);
	assert_string_equal(e->from[0]->name_text, "関所");
	assert_true(
	    slice_eq(slice_of(e->from[0]->name.data, e->from[0]->name.len), SLICE("=?utf-8?B?6Zai5omA?=")));
	assert_true(e->has_subject && e->has_in_reply_to);
	assert_true(slice_eq(
	    slice_of(e->subject.data, e->subject.len), SLICE("=?utf-8?B?6Zai5omA?= =?utf-8?B?6Zai5omA?=")));
	const Sekisho__Part *text = root->parts[0], *pdf = root->parts[2];
	assert_memory_equal(sample + text->header_offset, "Content-Type: text/plain", 24);
	assert_memory_equal(sample + text->body_offset, "\033$B4X", 5);
	assert_int_equal(text->lines, 2);
	assert_int_equal(text->body_length, strlen("\033$B4X=j\033(B  Caf\r\ntwo\r\n"));
	assert_string_equal(text->charset, "iso-2022-jp");
	assert_false(text->attachment);
	assert_string_equal(pdf->encoding, "base64");
	assert_string_equal(pdf->file_name, "関.pdf");
	assert_true(pdf->attachment && pdf->has_id);
	assert_true(pdf->params[0]->extended);
	assert_int_equal(pdf->n_language, 2);
	BUF_LOCAL(packed, 100000);
	char *room = buf_room(&packed, sekisho__facts__get_packed_size(f));
	buf_wrote(&packed, sekisho__facts__pack(f, (uint8_t *)room));
	Sekisho__Facts *again = sekisho__facts__unpack(NULL, packed.n, (const uint8_t *)packed.p);
	assert_non_null(again);
	assert_string_equal(again->root->parts[2]->file_name, "関.pdf");
	sekisho__facts__free_unpacked(again, NULL);
}

static void texts(void **state)
{
	ARENA_LOCAL(a, 1000000);
	Sekisho__Facts *f;
	assert_int_equal(mail_facts_extract(slice_str(sample), &a, &f), OK);
	BUF_LOCAL(t, 1000);
	mail_facts_text(slice_str(sample), f->root->parts[0], &t);
	assert_slice(buf_slice(&t), "関所  Caf\ntwo\n");
	buf_clear(&t);
	mail_facts_text(slice_str(sample), f->root->parts[1], &t);
	assert_slice(buf_slice(&t), "Hello & welcome");
	buf_clear(&t);
	mail_facts_text(slice_str(sample), f->root->parts[2], &t);
	assert_slice(buf_slice(&t), "");
	mail_facts_octets(slice_str(sample), f->root->parts[2], &t);
	assert_slice(buf_slice(&t), "foo");
	static const char *const html[][2] = {
	    {"<p>a</p><p>b</p>", "a\nb"},
	    {"a<br>b", "a\nb"},
	    {"a  \n b", "a b"},
	    {"x &lt;y&gt; &#x95a2;&#25152; &foo;", "x <y> 関所 &foo;"},
	    {"<script>if (a < b) x = '</p>';</script>ok", "ok"},
	    {"<!-- <b>no</b> -->yes", "yes"},
	    {"1 < 2", "1 < 2"},
	    {"<a href=\"x>y\">z</a>", "z"},
	    {"<td>a</td><td>b</td>", "a\nb"},
	    {"<STYLE>x</STYLE>y", "y"},
	    {"<p", ""},
	    {"&#0;&#xd800;", "\xef\xbf\xbd\xef\xbf\xbd"},
	    {"<!DOCTYPE html><html>a", "a"},
	    {"<style>never closed", ""},
	};
	for (size_t i = 0; i < COUNT(html); i++) {
		BUF_LOCAL(b, 1000);
		mail_html_text(slice_str(html[i][0]), &b);
		assert_slice(buf_slice(&b), html[i][1]);
	}
}

static void search_folds(void **state)
{
	static const char *const same[][2] = {{"Straße", "STRASSE"}, {"ガ", "ｶﾞ"}, {"Ａ", "a"}, {"①", "1"},
	    {"e\xcc\x81", "É"}, {"İ", "i̇"}, {"㍻", "平成"}, {"サーバー", "サーバ"}, {"ｻｰﾊﾞｰ の", "さーば の"},
	    {"キャッシュ", "きやつしゆ"}, {"ラーーメン", "らーめん"}, {"サーバーの", "サーバの"},
	    {"髙橋﨑", "高橋崎"}, {"関\r\n所", "関所"}, {"a \t\r\n b", "a b"}, {"関　所", "関 所"},
	    {"渡邊", "渡辺"}, {"“x”—’", "\"x\"-'"}, {"a\x01\x02z", "A Z"}};
	for (size_t i = 0; i < COUNT(same); i++) {
		BUF_LOCAL(x, 100);
		BUF_LOCAL(y, 100);
		mail_text_fold(slice_str(same[i][0]), &x);
		mail_text_fold(slice_str(same[i][1]), &y);
		assert_true(slice_eq(buf_slice(&x), buf_slice(&y)));
	}
}

/* Deeper than the limit: an opaque leaf, and time stays linear. */
static void limits(void **state)
{
	BUF_LOCAL(deep, 10000000);
	for (int i = 0; i < 500; i++)
		buf_printf(&deep, "Content-Type: multipart/mixed; boundary=b%dx\r\n\r\n--b%dx\r\n", i, i);
	ARENA_LOCAL(a, 100000000);
	struct mail_mime m;
	mail_mime_parse(buf_slice(&deep), (struct mail_mime_options){0}, &a, &m);
	assert_true(m.defects & MAIL_DEFECT_BIT(MAIL_DEFECT_mime_too_deep));
	assert_true(m.parts <= LIMIT_MIME_DEPTH + 1);
	BUF_LOCAL(wide, 10000000);
	buf_puts(&wide, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < LIMIT_MIME_PARTS + 100; i++)
		buf_puts(&wide, "--b\r\n\r\nx\r\n");
	mail_mime_parse(buf_slice(&wide), (struct mail_mime_options){0}, &a, &m);
	assert_int_equal(m.parts, LIMIT_MIME_PARTS);
	assert_true(m.defects & MAIL_DEFECT_BIT(MAIL_DEFECT_mime_too_many_parts));
	BUF_LOCAL(messages, 10000000);
	for (int i = 0; i < 1000; i++)
		buf_puts(&messages, "Content-Type: message/rfc822\r\n\r\n");
	mail_mime_parse(buf_slice(&messages), (struct mail_mime_options){0}, &a, &m);
	assert_true(m.defects & MAIL_DEFECT_BIT(MAIL_DEFECT_mime_too_deep));
}

/* Ten megabytes of whatever could make a parser quadratic: each within seconds even under sanitizers. */
static void hostile_input_is_linear(void **state)
{
	static const char *const pieces[] = {"Content-Type: text/plain; name=((((((((", "(", "=?a?q?",
	    "=?utf-8?q?x?= ", "\\\"", " ( ( (a", "--b\r\n", "a;", "<a@", "\033$B", "a b c ", ";a*0=x", "&amp",
	    "<", "<!--", "x: y\r\n", "\r\n ", "=", "%e3'", "a@b,",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"};
	for (size_t k = 0; k < COUNT(pieces); k++) {
		for (int where = 0; where < 4; where++) {
			static const char *const starts[] = {
			    "Subject: ", "Content-Type: multipart/mixed; boundary=b; x=", "To: ",
			    "Content-Type: text/html\r\n\r\n"};
			BUF_LOCAL(m, 2000000);
			buf_puts(&m, starts[where]);
			while (m.n < 1000000)
				buf_puts(&m, pieces[k]);
			ARENA_LOCAL(a, 400000000);
			Sekisho__Facts *f;
			int64_t start = clock_mono_ms();
			assert_int_equal(mail_facts_extract(buf_slice(&m), &a, &f), OK);
			int64_t took = clock_mono_ms() - start;
			if (took > 2000)
				fail_msg(
				    "%s behind %s took %lld ms", pieces[k], starts[where], (long long)took);
		}
	}
}

/* A message as literal8 brings it, and how it is kept. */
static void binary_parts_are_encoded(void **state)
{
#define IN(text)                                                                                             \
	{                                                                                                    \
		text, sizeof text - 1                                                                        \
	}
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
	    {IN("A: b\n\n\0x\r\ny\r"), "A: b\r\n\r\n\x80x\r\ny\r"},
	    {IN("A: b\r\ncontent-transfer-encoding: BINARY\r\n\r\n\0\n"),
		"A: b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAo="},
	    {IN("Content-Transfer-Encoding:\n binary\nContent-Transfer-Encoding: binary\n\n"),
		"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: base64\r\n\r\n"},
	    {IN("Content-Type: multipart/x; boundary=b\nContent-Transfer-Encoding: binary\n\n--b\n\nt\n--b\n"
		"Content-Transfer-Encoding: binary\n\n\1\2\3\n--b--\nend\n"),
		"Content-Type: multipart/x; boundary=b\r\nContent-Transfer-Encoding: "
		"8bit\r\n\r\n--b\r\n\r\nt\r\n--b\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nAQID\r\n--b--\r\nend\r\n"},
	    {IN("Content-Type: message/rfc822\nContent-Transfer-Encoding: "
		"binary\n\nContent-Transfer-Encoding: binary\n\n"
		"xyz"),
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\neHl6"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, 1 << 20);
		BUF_LOCAL(out, 4096);
		BUF_LOCAL(small, 10);
		Sekisho__Facts *f;
		assert_int_equal(mail_facts_extract(cases[i].in, &a, &f), OK);
		assert_int_equal(mail_unbinary(cases[i].in, f->root, &out), OK);
		assert_slice(buf_slice(&out), cases[i].out);
		assert_int_equal(mail_unbinary(cases[i].in, f->root, &small), FULL);
	}
	BUF_LOCAL(long_in, 4096);
	BUF_LOCAL(out, 4096);
	buf_puts(&long_in, "Content-Transfer-Encoding: binary\n\n");
	for (unsigned i = 0; i < 115; i++)
		buf_putc(&long_in, 'x');
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__Facts *f;
	assert_int_equal(mail_facts_extract(buf_slice(&long_in), &a, &f), OK);
	assert_int_equal(mail_unbinary(buf_slice(&long_in), f->root, &out), OK);
	assert_int_equal(out.n, 35 + 2 + 76 + 2 + 76 + 2 + 4);
}

static void eight_bit_parts_are_encoded(void **state)
{
	static const struct {
		struct slice in;
		const char *out; /* NULL: it cannot be */
	} cases[] = {
	    {IN("Subject: x\r\n\r\nplain\r\n"), "Subject: x\r\n\r\nplain\r\n"},
	    {IN("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		"8bit\r\n\r\nA caf\303\251 = good \r\nmore\r\n"),
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		"quoted-printable\r\n\r\nA caf=C3=A9 =3D good=20\r\nmore\r\n"},
	    {IN("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		"8bit\r\n\r\n\346\227\245\346\234\254"),
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		"base64\r\n\r\n5pel5pys"},
	    /* no word of MIME */
	    {IN("Subject: x\r\n\r\na line with one \351\r\n"),
		"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\na line with one =E9\r\n"},
	    /* each part for itself; what is ASCII stays; the multipart says so too */
	    {IN("Content-Type: multipart/x; boundary=b\r\nContent-Transfer-Encoding: "
		"8bit\r\n\r\n--b\r\n\r\nt\r\n--b\r\n"
		"Content-Type: image/x\r\n\r\n\001\377\r\n--b\r\nContent-Transfer-Encoding: "
		"binary\r\n\r\nx\r\n--b--\r\n"),
		"Content-Type: multipart/x; boundary=b\r\nContent-Transfer-Encoding: "
		"7bit\r\n\r\n--b\r\n\r\nt\r\n--b\r\n"
		"Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nAf8=\r\n--b\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--\r\n"},
	    {IN("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: "
		"in\r\n\r\nseven of these are plain \351"),
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: in\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nseven of these are plain =E9"},
	    /* a header is nobody's to encode, and what is signed octet by octet stays */
	    {IN("Subject: \346\227\245\r\n\r\nx\r\n"), NULL},
	    {IN("Content-Type: multipart/signed; "
		"boundary=b\r\n\r\n--b\r\n\r\n\351\r\n--b\r\n\r\ns\r\n--b--\r\n"),
		NULL},
	    {IN("Content-Type: multipart/x; boundary=b\r\n\r\n\351\r\n--b\r\n\r\nx\r\n--b--\r\n"), NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, 1 << 20);
		BUF_LOCAL(out, 4096);
		BUF_LOCAL(small, 10);
		Sekisho__Facts *f;
		assert_int_equal(mail_facts_extract(cases[i].in, &a, &f), OK);
		assert_int_equal(mail_seven(cases[i].in, f->root, &out), cases[i].out ? OK : DENY);
		if (cases[i].out)
			assert_slice(buf_slice(&out), cases[i].out);
		assert_int_equal(mail_seven(cases[i].in, f->root, &small), FULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(binary_parts_are_encoded),
	    cmocka_unit_test(eight_bit_parts_are_encoded),
	    cmocka_unit_test(transfer),
	    cmocka_unit_test(base64_lengths),
	    cmocka_unit_test(structure),
	    cmocka_unit_test(facts),
	    cmocka_unit_test(texts),
	    cmocka_unit_test(search_folds),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(hostile_input_is_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
