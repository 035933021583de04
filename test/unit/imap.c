/* imap: names, sets, maps, patterns, strings, arguments; each clever thing beside a naive one. */
#include "imap/args.h"
#include "imap/facts.h"
#include "imap/list.h"
#include "imap/put.h"
#include "imap/uidmap.h"
#include "imap/utf7.h"
#include "ipc/ipc.h"
#include "mail/date.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static uint32_t seed = 1;
static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* ---- utf7 ---- */

static void names_have_one_spelling(void **state)
{
	static const char *const good[][2] = {
	    {"INBOX", "INBOX"},
	    {"&AOQ-", "ä"},
	    {"p&AOQA5A-", "pää"},
	    {"&ZeVnLIqe-", "日本語"},
	    {"a&-b", "a&b"},
	    {"&2D3eAA-", "😀"},
	    {"&-&AOQ-", "&ä"},
	};
	static const char *const bad[] = {"&", "&AOQ", "&AGE-", "&AOQA5-", "&AOQ-&AOQ-", "&2D0-", "&3gA-",
	    "&AO-", "&AOR-", "ä", "\x7f", "&A!-", "&AAA-", "&AOQA5AA-"};
	for (size_t i = 0; i < COUNT(good); i++) {
		BUF_LOCAL(utf8, 100);
		BUF_LOCAL(back, 100);
		assert_int_equal(imap_utf7_decode(slice_str(good[i][0]), &utf8), OK);
		assert_string_equal(buf_z(&utf8), good[i][1]);
		imap_utf7_encode(buf_slice(&utf8), &back);
		assert_string_equal(buf_z(&back), good[i][0]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		BUF_LOCAL(utf8, 100);
		assert_int_equal(imap_utf7_decode(slice_str(bad[i]), &utf8), BAD);
	}
}

/* ---- runs ---- */

static void sets_are_tidied(void **state)
{
	static const struct {
		const char *set;
		uint32_t largest;
		const char *tidy;
	} sets[] = {
	    {"1", 9, "1"},
	    {"3,1,2", 9, "1:3"},
	    {"5:2", 9, "2:5"},
	    {"*", 9, "9"},
	    {"*:7", 9, "7:9"},
	    {"12:*", 9, "9:12"},
	    {"1:3,2:8,10", 9, "1:8,10"},
	    {"1,4294967295", 9, "1,4294967295"},
	    {"4294967294:4294967295,1", 9, "1,4294967294:4294967295"},
	    {"*", 0, ""},
	    {"1:*", 0, ""},
	};
	for (size_t i = 0; i < COUNT(sets); i++) {
		ARENA_LOCAL(a, 65536);
		BUF_LOCAL(b, 1000);
		struct runs set;
		struct cursor c = cursor_of(slice_str(sets[i].set));
		imap_set_parse(&c, &a, &set);
		assert_int_equal(cursor_done(&c), OK);
		imap_set_resolve(&set, sets[i].largest);
		imap_runs_put(&set, &b);
		assert_string_equal(buf_z(&b), sets[i].tidy);
	}
	static const char *const bad[] = {
	    "", "0", "1:", ":1", "1,,2", "1:2:3", "4294967296", "a", "1 ", "-1", "1,", "**"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		ARENA_LOCAL(a, 65536);
		struct runs set;
		struct cursor c = cursor_of(slice_str(bad[i]));
		imap_set_parse(&c, &a, &set);
		assert_int_equal(cursor_done(&c), BAD);
	}
}

static void random_sets_equal_a_naive_one(void **state)
{
	for (int round = 0; round < 300; round++) {
		ARENA_LOCAL(a, 1 << 20);
		bool naive[130] = {0};
		struct runs r = {0};
		uint64_t n = 0;
		for (uint32_t k = dice(30); k; k--) {
			uint32_t from = 1 + dice(100), to = from + dice(20);
			assert_true(imap_runs_add(&r, &a, from, to));
			memset(naive + from, true, to - from + 1);
		}
		imap_runs_tidy(&r);
		for (uint32_t i = 0; i < COUNT(naive); i++) {
			assert_int_equal(imap_runs_has(&r, i), naive[i]);
			n += naive[i];
		}
		assert_int_equal(imap_runs_count(&r), n);
		for (size_t i = 1; i < r.n; i++)
			assert_true(r.v[i].first > r.v[i - 1].last + 1);
	}
}

/* ---- uidmap ---- */

static void same_map(const struct uidmap *m, const uint32_t *naive, uint32_t n)
{
	assert_int_equal(m->messages, n);
	assert_int_equal(imap_uidmap_last(m), n ? naive[n - 1] : 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(imap_uidmap_uid(m, i + 1), naive[i]);
		assert_int_equal(imap_uidmap_seq(m, naive[i]), i + 1);
		if (i && naive[i] > naive[i - 1] + 1)
			assert_int_equal(imap_uidmap_seq(m, naive[i] - 1), 0);
	}
	assert_int_equal(imap_uidmap_uid(m, n + 1), 0);
	assert_int_equal(imap_uidmap_uid(m, 0), 0);
	assert_int_equal(imap_uidmap_seq(m, 0), 0);
}

static void maps_equal_a_naive_one(void **state)
{
	for (int round = 0; round < 200; round++) {
		struct uidmap m = {0};
		uint32_t naive[600], n = 0, next = 1;
		for (int step = 0; step < 20; step++) {
			ARENA_LOCAL(a, 1 << 20);
			struct runs gone = {0};
			uint32_t count = 1 + dice(10);
			next += dice(3);
			assert_true(imap_uidmap_append(&m, next, count));
			for (uint32_t i = 0; i < count; i++)
				naive[n++] = next++;
			for (uint32_t k = dice(4); k; k--) {
				uint32_t from = 1 + dice(next + 3);
				assert_true(imap_runs_add(&gone, &a, from, from + dice(6)));
			}
			imap_runs_tidy(&gone);
			imap_uidmap_remove(&m, &gone);
			uint32_t kept = 0;
			for (uint32_t i = 0; i < n; i++)
				if (!imap_runs_has(&gone, naive[i]))
					naive[kept++] = naive[i];
			n = kept;
			same_map(&m, naive, n);
		}
		imap_uidmap_free(&m);
	}
}

/* Windows over a set: every message of it once, in order, no window with more than it may have, few of them. */
static void walks_find_every_message_once(void **state)
{
	for (int round = 0; round < 300; round++) {
		ARENA_LOCAL(a, 1 << 20);
		struct uidmap m = {0};
		uint32_t next = 1 + dice(50);
		for (uint32_t k = dice(20); k; k--) {
			uint32_t count = 1 + dice(10);
			assert_true(imap_uidmap_append(&m, next, count));
			next += count + dice(1000000);
		}
		struct runs set = {0}, uids;
		for (uint32_t k = dice(6); k; k--) {
			uint32_t from = 1 + dice(next), to = from + dice(next);
			assert_true(imap_runs_add(&set, &a, from, to));
		}
		imap_runs_tidy(&set);
		uint32_t most = 1 + dice(12), wanted = 0, found = 0, last = 0, windows = 0;
		for (uint32_t seq = 1; seq <= m.messages; seq++)
			wanted += imap_runs_has(&set, imap_uidmap_uid(&m, seq));
		struct uidmap_walk w = imap_uidmap_walk(&m, &set);
		for (;; windows++) {
			assert_true(imap_uidmap_next(&w, most, &a, &uids));
			if (!uids.n)
				break;
			uint32_t here = 0;
			for (uint32_t seq = 1; seq <= m.messages; seq++) {
				uint32_t uid = imap_uidmap_uid(&m, seq);
				if (!imap_runs_has(&uids, uid))
					continue;
				assert_true(uid > last && imap_runs_has(&set, uid));
				last = uid;
				here++;
			}
			assert_true(here > 0 && here <= most);
			found += here;
		}
		assert_int_equal(found, wanted);
		assert_true(windows <= wanted);
		imap_uidmap_free(&m);
	}
}

static void maps_refuse_what_is_not_above(void **state)
{
	struct uidmap m = {0};
	assert_true(imap_uidmap_append(&m, 5, 3));
	assert_false(imap_uidmap_append(&m, 7, 1));
	assert_false(imap_uidmap_append(&m, 0, 1));
	assert_false(imap_uidmap_append(&m, 9, 0));
	assert_false(imap_uidmap_append(&m, 4294967295u, 2));
	assert_true(imap_uidmap_append(&m, 4294967295u, 1));
	assert_int_equal(imap_uidmap_seq(&m, 4294967295u), 4);
	imap_uidmap_free(&m);
}

static void a_large_mailbox_is_one_run(void **state)
{
	struct uidmap m = {0};
	assert_true(imap_uidmap_append(&m, 1, 1000000));
	for (uint32_t i = 0; i < 100; i++)
		assert_true(imap_uidmap_append(&m, 1000001 + i, 1));
	assert_int_equal(m.n, 1);
	imap_uidmap_free(&m);
}

/* ---- patterns ---- */

static bool naive_match(struct slice p, struct slice n)
{
	if (!p.n)
		return !n.n;
	if (p.p[0] == '*' || p.p[0] == '%') {
		for (size_t i = 0; i <= n.n; i++) {
			if (naive_match(slice_sub(p, 1, p.n), slice_sub(n, i, n.n)))
				return true;
			if (i < n.n && p.p[0] == '%' && n.p[i] == '/')
				return false;
		}
		return false;
	}
	return n.n && p.p[0] == n.p[0] && naive_match(slice_sub(p, 1, p.n), slice_sub(n, 1, n.n));
}

static struct slice random_text(char *out, const char *letters)
{
	size_t n = dice(8);
	for (size_t i = 0; i < n; i++)
		out[i] = letters[dice((uint32_t)strlen(letters))];
	return slice_of(out, n);
}

static void patterns_match(void **state)
{
	assert_true(imap_list_matches(SLICE("inbox"), SLICE("INBOX")));
	assert_true(imap_list_matches(SLICE("InB%"), SLICE("INBOX")));
	assert_true(imap_list_matches(SLICE("inbox/a"), SLICE("INBOX/a")));
	assert_false(imap_list_matches(SLICE("inbox/a"), SLICE("INBOX/A")));
	assert_false(imap_list_matches(SLICE("sent"), SLICE("Sent")));
	for (int i = 0; i < 50000; i++) {
		char a[8], b[8];
		struct slice pattern = random_text(a, "ab/%*"), name = random_text(b, "ab/");
		assert_int_equal(imap_list_matches(pattern, name), naive_match(pattern, name));
	}
}

/* ---- answers ---- */

static const char *put_with(void (*put)(struct stream *, struct slice), struct slice s, struct buf *out)
{
	struct stream *stream = stream_memory(SLICE_NONE, 0, out);
	buf_clear(out);
	put(stream, s);
	result_ignore(stream_flush(stream));
	stream_close(stream);
	return buf_z(out);
}

static void strings_leave_in_the_form_they_need(void **state)
{
	BUF_LOCAL(b, 65536);
	char wide[600];
	memset(wide, 'x', sizeof wide);
	assert_string_equal(put_with(imap_put_string, SLICE(""), &b), "\"\"");
	assert_string_equal(put_with(imap_put_string, SLICE("a \"b\" \\"), &b), "\"a \\\"b\\\" \\\\\"");
	assert_string_equal(put_with(imap_put_string, SLICE("a\r\nb"), &b), "{4}\r\na\r\nb");
	assert_string_equal(put_with(imap_put_string, SLICE("ä"), &b), "{2}\r\nä");
	assert_string_equal(put_with(imap_put_string, SLICE("a\0b"), &b), "{3}\r\na\x80"
									  "b");
	assert_true(
	    strncmp(put_with(imap_put_string, slice_of(wide, sizeof wide), &b), "{600}\r\nxx", 9) == 0);
	assert_string_equal(put_with(imap_put_astring, SLICE("INBOX"), &b), "INBOX");
	assert_string_equal(put_with(imap_put_astring, SLICE("a]b"), &b), "a]b");
	assert_string_equal(put_with(imap_put_astring, SLICE("nil"), &b), "\"nil\"");
	assert_string_equal(put_with(imap_put_astring, SLICE("a b"), &b), "\"a b\"");
	assert_string_equal(put_with(imap_put_astring, SLICE("a%"), &b), "\"a%\"");
	assert_string_equal(put_with(imap_put_astring, SLICE(""), &b), "\"\"");
}

static void dates_are_those_of_mail(void **state)
{
	int64_t times[500] = {0, -1000, 951782400000, 1709164800000, 253402300799000, -62135596800000};
	for (size_t i = 6; i < COUNT(times); i++)
		times[i] = ((int64_t)dice(1 << 20) * (1 << 20) - ((int64_t)1 << 38)) * 100 / 1000 * 1000;
	for (size_t i = 0; i < COUNT(times); i++) {
		BUF_LOCAL(b, 100);
		BUF_LOCAL(want, 100);
		struct stream *stream = stream_memory(SLICE_NONE, 0, &b);
		imap_put_date_time(stream, times[i]);
		assert_int_equal(stream_flush(stream), OK);
		stream_close(stream);
		buf_putc(&want, '"');
		mail_imap_date_put(&want, (struct mail_date){.ms = times[i]});
		buf_putc(&want, '"');
		assert_string_equal(buf_z(&b), buf_z(&want));
	}
}

/* ---- arguments ---- */

static void literals_are_seen_at_the_end(void **state)
{
	static const struct {
		const char *line;
		bool is;
		uint64_t n;
		bool nonsync, binary;
		size_t width;
	} lines[] = {
	    {"a {3}", true, 3, false, false, 3},
	    {"a {3+}", true, 3, true, false, 4},
	    {"a ~{3}", true, 3, false, true, 4},
	    {"a {}", false},
	    {"a {+}", false},
	    {"a {3-}", false},
	    {"a {-3}", false},
	    {"a {3} ", false},
	    {"a 3}", false},
	    {"}", false},
	    {"{0}", true, 0, false, false, 3},
	    {"{99999999999999999999}", true, UINT64_MAX, false, false, 22},
	};
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct imap_literal lit;
		assert_int_equal(imap_literal_at_end(slice_str(lines[i].line), &lit), lines[i].is);
		if (!lines[i].is)
			continue;
		assert_true(lit.n == lines[i].n);
		assert_int_equal(lit.nonsync, lines[i].nonsync);
		assert_int_equal(lit.binary, lines[i].binary);
		assert_int_equal(lit.width, lines[i].width);
	}
}

static struct imap_args args_of(struct arena *a, const char *text, bool utf8)
{
	return (struct imap_args){.c = cursor_of(slice_str(text)), .arena = a, .utf8 = utf8};
}

static void mailboxes_are_read(void **state)
{
	static const struct {
		const char *text, *name; /* NULL: refused */
		bool utf8;
	} names[] = {
	    {"inbox", "INBOX"},
	    {"\"Inbox/a\"", "INBOX/a"},
	    {"inboxes", "inboxes"},
	    {"\"a b\"", "a b"},
	    {"{3}\r\na\"b", "a\"b"},
	    {"\"\\\"\\\\\"", "\"\\"},
	    {"&ZeVnLIqe-", "日本語"},
	    {"\"日本語\"", NULL},
	    {"&AGE-", "\x01"},
	    {"\"日本語\"", "日本語", true},
	    {"&ZeVnLIqe-", "&ZeVnLIqe-", true},
	    {"\"a\xff\"", NULL, true},
	    {"a\x01", NULL},
	    {"{3}\r\na\tb", "\x01"},
	    {"{4}\r\nab", NULL},
	    {"{3+}\r\nabc", "abc"},
	    {"(", NULL},
	    {"", NULL},
	    {"\"abc", NULL},
	    {"\"a\\b\"", NULL},
	};
	for (size_t i = 0; i < COUNT(names); i++) {
		ARENA_LOCAL(a, 1 << 20);
		struct imap_args p = args_of(&a, names[i].text, names[i].utf8);
		struct slice name = imap_args_mailbox(&p);
		assert_int_equal(imap_args_done(&p), names[i].name ? OK : BAD);
		if (names[i].name)
			assert_true(slice_eq(name, slice_str(names[i].name)));
	}
}

static void flags_are_read(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct imap_flags f;
	struct imap_args p = args_of(&a, "(\\Seen \\dELETED $Mine NIL $mine)", false);
	imap_args_flag_list(&p, &f);
	assert_int_equal(imap_args_done(&p), OK);
	assert_int_equal(f.system, SEKISHO__FLAG__FLAG_SEEN | SEKISHO__FLAG__FLAG_DELETED);
	assert_int_equal(f.n, 2);
	static const char *const bad[] = {
	    "(\\Recent)", "(\\Nothing)", "(a", "(a  b)", "( )", "(\"a\")", "a", "(a) "};
	for (size_t i = 0; i < COUNT(bad); i++) {
		p = args_of(&a, bad[i], false);
		imap_args_flag_list(&p, &f);
		assert_int_equal(imap_args_done(&p), BAD);
	}
}

static void facts_are_read_where_they_lie(void **state)
{
	Sekisho__Facts facts = SEKISHO__FACTS__INIT;
	Sekisho__Part root = SEKISHO__PART__INIT;
	Sekisho__Field one = SEKISHO__FIELD__INIT, two = SEKISHO__FIELD__INIT, *fields[] = {&one, &two};
	uint8_t packed[500];
	one.name = (char *)"Subject";
	one.length = 12;
	two.name = (char *)"To";
	two.offset = 12;
	two.length = 300;
	root.fields = fields;
	root.n_fields = 2;
	root.header_length = 314;
	root.body_offset = 314;
	facts.root = &root;
	facts.header.data = (uint8_t *)"Subject: x\r\n";
	facts.header.len = 12;
	size_t n = sekisho__facts__pack(&facts, packed);
	struct imap_facts_top top = imap_facts_top(slice_of(packed, n));
	assert_true(slice_eq(top.header, SLICE("Subject: x\r\n")));
	struct imap_header_place h = imap_facts_header_place(top.root);
	assert_int_equal(h.length, 314);
	assert_int_equal(h.body_offset, 314);
	struct cursor c = cursor_of(top.root);
	struct imap_field f;
	assert_true(imap_facts_next_field(&c, &f));
	assert_true(slice_eq(f.name, SLICE("Subject")));
	assert_int_equal(f.length, 12);
	assert_true(imap_facts_next_field(&c, &f));
	assert_int_equal(f.offset, 12);
	assert_int_equal(f.length, 300);
	assert_false(imap_facts_next_field(&c, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_have_one_spelling),
	    cmocka_unit_test(sets_are_tidied),
	    cmocka_unit_test(random_sets_equal_a_naive_one),
	    cmocka_unit_test(maps_equal_a_naive_one),
	    cmocka_unit_test(walks_find_every_message_once),
	    cmocka_unit_test(maps_refuse_what_is_not_above),
	    cmocka_unit_test(a_large_mailbox_is_one_run),
	    cmocka_unit_test(patterns_match),
	    cmocka_unit_test(strings_leave_in_the_form_they_need),
	    cmocka_unit_test(dates_are_those_of_mail),
	    cmocka_unit_test(literals_are_seen_at_the_end),
	    cmocka_unit_test(mailboxes_are_read),
	    cmocka_unit_test(flags_are_read),
	    cmocka_unit_test(facts_are_read_where_they_lie),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
