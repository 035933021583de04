#include "inspect/inspect.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void html(void **state)
{
	static const char *const cases[][2] = {
	    {"<p>Hello<br>there &amp; &eacute;&hearts;&#x6771;&#20140;</p><script>var "
	     "x</script><style>p{}</style>",
		"hello there & é♥東京 "},
	    {"<table><tr><td>東</td><td>京</td></tr></table>", " 東 京 "},
	    {"<p>東</p><p>京</p>", " 東 京 "},
	    {"<p>東\n京<b>都</b></p><img alt='絵' src=x>", " 東京都 絵"},
	    {"no markup at all", " no markup at all "},
	    {"<meta charset=shift_jis><p>日本", " 日本 "},
	    {"<!-- never --><p title='x'>shown <unknown>tag</unknown></p>", " shown tag "},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct inspect_budget b;
		BUF_LOCAL(text, 1000);
		BUF_LOCAL(folded, 1000);
		inspect_budget_start(&b);
		inspect_html_text(&b, slice_str(cases[i][0]), &text);
		mail_text_fold(buf_slice(&text), &folded);
		struct slice got = slice_trim(buf_slice(&folded)), want = slice_trim(slice_str(cases[i][1]));
		if (!slice_eq(got, want))
			fail_msg("%s\n is '%.*s'", cases[i][0], SLICE_ARG(got));
	}
}

static struct slice doc_of(const char *message, unsigned want, struct buf *out)
{
	ARENA_LOCAL(a, (size_t)16 << 20);
	Sekisho__Facts *facts;
	unsigned notes;
	assert_int_equal(mail_facts_extract(slice_str(message), &a, &facts), OK);
	inspect_doc_make(slice_str(message), facts, want, out, &notes);
	assert_int_equal(notes, 0);
	return buf_slice(out);
}

static const char sample[] =
    "From: =?ISO-2022-JP?B?GyRCNFg9ajRYPWobKEI=?= <a@example.jp>\r\n"
    "Received: from hidden.example by us\r\n"
    "Subject: =?UTF-8?B?6KaL56mN5pu444Gu5Lu2?=\r\nMessage-ID: <1.2@mx>\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n本文の一行目\r\n二行目 サーバー\r\n"
    "--b\r\nContent-Type: text/csv; name=\"data.csv\"; charset=shift_jis\r\nContent-Transfer-Encoding: "
    "base64\r\n\r\n"
    "k4yLniyRjQ0K\r\n" /* 東京,総 */
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner thing\r\nReceived: no\r\n\r\nembedded\r\n"
    "--b--\r\n";

static void docs(void **state)
{
	static const struct {
		struct inspect_needle n;
		bool found;
	} cases[] = {
	    {{INSPECT_IN_HEADER, SLICE("subject"), SLICE("見積書")}, true},
	    {{INSPECT_IN_HEADER, SLICE("subject"), SLICE("subject")}, false},
	    {{INSPECT_IN_HEADER, SLICE("from"), SLICE("関所関")}, true},
	    {{INSPECT_IN_HEADER, SLICE("from"), SLICE("<a@example.jp>")}, true},
	    {{INSPECT_IN_HEADER, SLICE("to"), SLICE_NONE}, false},
	    {{INSPECT_IN_HEADER, SLICE("message-id"), SLICE("1.2")}, true},
	    {{INSPECT_IN_HEADER, SLICE("message-id"), SLICE_NONE}, true},
	    {{INSPECT_IN_HEADER, SLICE("received"), SLICE("hidden")}, true},
	    {{INSPECT_IN_TEXT, SLICE_NONE, SLICE("hidden")}, false},
	    {{INSPECT_IN_TEXT, SLICE_NONE, SLICE("example.jp")}, true},
	    {{INSPECT_IN_TEXT, SLICE_NONE, SLICE("from: ")}, true},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE("example.jp")}, false},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE("inner thing")}, true},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE("一行目二行目 さーば")}, true},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE("東京")}, true},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE("data.csv")}, true},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE("embedded")}, true},
	    {{INSPECT_IN_BODY, SLICE_NONE, SLICE_NONE}, true},
	};
	BUF_LOCAL(doc, 100000);
	doc_of(sample, ~0u, &doc);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (inspect_doc_match(buf_slice(&doc), &cases[i].n) != cases[i].found)
			fail_msg(
			    "%zu: %.*s %.*s", i, SLICE_ARG(cases[i].n.field), SLICE_ARG(cases[i].n.text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(html), cmocka_unit_test(docs)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
