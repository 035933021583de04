/* mail/header: fields, encoded words, parameters. */
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

static bool has(mail_defects d, enum mail_defect k)
{
	return d & MAIL_DEFECT_BIT(k);
}

static void fields(void **state)
{
	static const char text[] =
	    "A: one\r\nB : two\r\n\tmore\r\nC:three\nnot a field\r\nD:\r\n\r\nbody\r\n";
	struct mail_fields f = mail_fields_of(slice_str(text));
	struct mail_field field;
	static const char *const want[][2] = {
	    {"A", " one"}, {"B", " two\r\n\tmore"}, {"C", "three"}, {"", "not a field"}, {"D", ""}};
	size_t offset = 0;
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_true(mail_fields_next(&f, &field));
		assert_slice(field.name, want[i][0]);
		assert_slice(field.value, want[i][1]);
		assert_ptr_equal(field.all.p, text + offset);
		offset += field.all.n;
	}
	assert_false(mail_fields_next(&f, &field));
	assert_slice(f.rest, "body\r\n");
	assert_true(has(f.defects, MAIL_DEFECT_header_space_colon));
	assert_true(has(f.defects, MAIL_DEFECT_header_junk_line));
	ARENA_LOCAL(a, 1000);
	assert_true(mail_header_get(slice_str(text), SLICE("b"), &field));
	assert_slice(mail_unfold(field.value, &a), "two\tmore");
	assert_false(mail_header_get(slice_str(text), SLICE("body"), &field));
	assert_slice(mail_body_of(slice_str(text)), "body\r\n");
}

static void where_headers_end(void **state)
{
	static const struct {
		const char *in, *body;
		enum mail_defect defect;
	} cases[] = {
	    {"A: b\r\n", "", MAIL_DEFECT_header_no_end},
	    {"Just a text.\r\nOf two lines.\r\n", "Just a text.\r\nOf two lines.\r\n",
		MAIL_DEFECT_header_no_end},
	    {"A: b\r\nA text at once.\r\nMore.\r\n", "A text at once.\r\nMore.\r\n",
		MAIL_DEFECT_header_no_end},
	    {"From a@b Mon Jan 1\r\nA: b\r\n\r\nx", "x", MAIL_DEFECT_mbox_from},
	    {" \r\nA: b\r\n\r\nx", "x", MAIL_DEFECT_header_starts_folded},
	    {"A: b\r\n \r\n c\r\n\r\nx", "x", MAIL_DEFECT_header_blank_fold},
	    {"junk\r\nA: b\r\n\r\nx", "x", MAIL_DEFECT_header_junk_line},
	    {"\r\nx", "x", MAIL_DEFECTS},
	    {"", "", MAIL_DEFECT_header_no_end},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mail_fields f = mail_fields_of(slice_str(cases[i].in));
		struct mail_field field;
		while (mail_fields_next(&f, &field))
			;
		assert_slice(f.rest, cases[i].body);
		if (cases[i].defect < MAIL_DEFECTS)
			assert_true(has(f.defects, cases[i].defect));
		else
			assert_true(f.defects == 0);
	}
}

static void words(void **state)
{
	static const char *const pairs[][2] = {
	    {"plain text", "plain text"},
	    {"=?US-ASCII?Q?Keith_Moore?= <a@b>", "Keith Moore <a@b>"},
	    {"=?ISO-8859-1?Q?a?= b", "a b"},
	    {"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
	    {"=?ISO-8859-1?Q?a?=\r\n =?ISO-8859-1?Q?b?=", "ab"},
	    {"=?ISO-8859-1?Q?a_b?=", "a b"},
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
	    {"=?utf-8?B?6Zai5omA?=", "関所"},
	    {"=?utf-8?b?6Zai5omA?=x", "関所x"},
	    {"=?UTF-8*ja?B?6Zai5omA?=", "関所"},
	    {"=?iso-2022-jp?B?GyRCNFg9ahsoQg==?=", "関所"},
	    {"=?iso-2022-jp?B?GyRCNFg9ag==?=", "関所"},                        /* no way back to ASCII */
	    {"=?iso-2022-jp?B?GyRCNFg=?= =?iso-2022-jp?B?PWobKEI=?=", "関所"}, /* torn within JIS */
	    {"=?utf-8?B?6Zai5g==?= =?utf-8?B?iYA=?=", "関所"},                 /* torn within a character */
	    {"=?utf-8?B?6Zai5?= =?utf-8?B?omA?=", "関所"},                     /* torn within a group */
	    {"=?utf-8?Q?=E9=96=A2=E6?= =?utf-8?Q?=89=80?=", "関所"},
	    {"=?shift_jis?B?itaPig==?=", "関所"},
	    {"=?euc-jp?Q?=B4=D8=BD=EA?=", "関所"},
	    {"\"=?utf-8?B?6Zai5omA?=\" <a@b>", "\"関所\" <a@b>"}, /* inside quotes */
	    {"=?utf-8?Q?two words here?=", "two words here"},     /* raw blanks */
	    {"=?utf-8?B?6Zai5omA", "関所"},                       /* no end */
	    {"=?utf-8?Q?what?=20now?=", "what? now"},             /* raw question mark */
	    {"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
	    {"=?utf-8?Q?"
	     "?=",
		""},
	    {"=?nobody?Q?=41bc?=", "Abc"},
	    {"=?utf-8?B?!!6Zai5omA?=", "関所"},
	    {"\xe9\x96\xa2\xe6\x89\x80", "関所"},             /* raw UTF-8 */
	    {"\x8a\xd6\x8f\x8a\x82\xc5\x82\xb7", "関所です"}, /* raw Shift_JIS */
	    {"\xb4\xd8\xbd\xea\xa4\xc7\xa4\xb9", "関所です"}, /* raw EUC-JP */
	    {"\033$B4X=j$G$9\033(B", "関所です"},             /* raw ISO-2022-JP */
	    {"caf\xe9", "café"},
	    {"a\r\n\tb", "a b"},
	    {"= ? =? ?=", "= ? =? ?="},
	};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		BUF_LOCAL(b, 1000);
		mail_words_decode(slice_str(pairs[i][0]), &b);
		assert_slice(buf_slice(&b), pairs[i][1]);
	}
}

static void parameters(void **state)
{
	static const struct {
		const char *in, *name, *text;
		enum mail_defect defect;
	} cases[] = {
	    {"text/plain; charset=us-ascii", "charset", "us-ascii", MAIL_DEFECTS},
	    {"text/plain; charset=\"us-ascii\"", "charset", "us-ascii", MAIL_DEFECTS},
	    {"text/plain ; charset=utf-8;", "charset", "utf-8", MAIL_DEFECTS},
	    {"text/plain;;charset=utf-8", "charset", "utf-8", MAIL_DEFECTS},
	    {"text/plain; CHARSET=utf-8", "charset", "utf-8", MAIL_DEFECTS},
	    {"text/plain; charset=us-ascii (Plain text)", "charset", "us-ascii", MAIL_DEFECT_param_comment},
	    {"text/plain; name=\"a\\\"b.txt\"", "name", "a\"b.txt", MAIL_DEFECTS},
	    {"text/plain; name=\"a.txt", "name", "a.txt", MAIL_DEFECT_param_quoting},
	    {"text/plain; name=\"a\".txt", "name", "a.txt", MAIL_DEFECT_param_quoting},
	    {"text/plain; name='a.txt'", "name", "'a.txt'", MAIL_DEFECT_param_quoting},
	    {"text/plain; name=my file.txt", "name", "my file.txt", MAIL_DEFECT_param_malformed},
	    {"text/plain; name=my file (1).txt", "name", "my file (1).txt", MAIL_DEFECT_param_malformed},
	    {"text/plain; charset=utf-8 name=x", "name", "x", MAIL_DEFECTS},
	    {"text/plain charset=utf-8", "charset", "utf-8", MAIL_DEFECT_param_malformed},
	    {"text/plain; name =a.txt", "name", "a.txt", MAIL_DEFECT_param_space},
	    {"text/plain; name=\r\n a.txt", "name", "a.txt", MAIL_DEFECT_param_space},
	    {"text/plain; name=a.txt; name=b.txt", "name", "a.txt", MAIL_DEFECT_param_duplicate},
	    {"text/plain; name*=utf-8'ja'%E9%96%A2%E6%89%80.txt", "name", "関所.txt", MAIL_DEFECTS},
	    {"text/plain; name*=shift_jis''%8A%D6%8F%8A", "name", "関所", MAIL_DEFECTS},
	    {"text/plain; name*0=a; name*1=b; name*2=\"c d\"", "name", "abc d", MAIL_DEFECTS},
	    {"text/plain; name*0*=utf-8''%E9%96; name*1*=%A2; name*2=\".txt\"", "name", "関.txt",
		MAIL_DEFECTS},
	    {"text/plain; name*1=b; name*0=a", "name", "ab", MAIL_DEFECT_param_pieces},
	    {"text/plain; name*0=a; name*2=b", "name", "a", MAIL_DEFECT_param_pieces},
	    {"text/plain; name=x.txt; name*=utf-8''%E9%96%A2.txt", "name", "関.txt",
		MAIL_DEFECT_param_two_forms},
	    {"text/plain; name=x.png; name*=utf-8''x.zip", "name", "x.zip", MAIL_DEFECT_param_forms_differ},
	    {"text/plain; name=\"=?utf-8?B?6Zai5omA?=.txt\"", "name", "関所.txt", MAIL_DEFECT_param_word},
	    {"text/plain; name=\"=?iso-2022-jp?B?GyRCNFg=?=\r\n =?iso-2022-jp?B?PWobKEI=?=\"", "name", "関所",
		MAIL_DEFECT_param_word},
	    {"text/plain; name=\"\x8a\xd6\x8f\x8a\x82\xcc.txt\"", "name", "関所の.txt", MAIL_DEFECTS},
	    {"text/plain; name*=nonsense", "name", "nonsense", MAIL_DEFECT_param_malformed},
	    {"text/plain; foo; name=x", "name", "x", MAIL_DEFECT_param_malformed},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		ARENA_LOCAL(a, 65536);
		struct mail_value v;
		mail_value_parse(slice_str(cases[i].in), true, &a, &v);
		assert_slice(v.type, "text");
		assert_slice(v.subtype, "plain");
		const struct mail_param *p = mail_param_get(&v, slice_str(cases[i].name));
		assert_non_null(p);
		assert_slice(p->text, cases[i].text);
		if (cases[i].defect < MAIL_DEFECTS)
			assert_true(has(v.defects, cases[i].defect));
	}
}

static void defects_have_names(void **state)
{
	for (unsigned d = 0; d < MAIL_DEFECTS; d++) {
		assert_int_equal(mail_defect_find(slice_str(mail_defect_name(d))), d);
		assert_true(strlen(mail_defect_text(d)) > 10);
	}
	assert_int_equal(mail_defect_find(SLICE("no_such_thing")), MAIL_DEFECTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields),
	    cmocka_unit_test(where_headers_end),
	    cmocka_unit_test(words),
	    cmocka_unit_test(parameters),
	    cmocka_unit_test(defects_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
