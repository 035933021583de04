/* Base subjects, collation keys, cards. */
#include "mail/mail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void base_is(const char *subject, const char *want, bool reply)
{
	BUF_LOCAL(out, 4096);
	bool got = mail_subject_base(slice_str(subject), &out);
	if (!slice_eq(buf_slice(&out), slice_str(want)) || got != reply)
		fail_msg("%s: <%s> %d", subject, buf_z(&out), got);
}

/* RFC 5256 section 2.1. */
static void subjects_have_a_base(void **state)
{
	base_is("", "", false);
	base_is("plain", "plain", false);
	base_is("  two   words\t here ", "two words here", false);
	base_is("Re: plain", "plain", true);
	base_is("RE:plain", "plain", true);
	base_is("Re : plain", "plain", true);
	base_is("re[2]: plain", "plain", true);
	base_is("Re [x] : plain", "plain", true);
	base_is("Fw: fwd: FW: plain", "plain", true);
	base_is("[list] Re: [list] plain", "plain", true);
	base_is("[list] plain", "plain", false);
	base_is("[list] [other] plain", "plain", false);
	base_is("[only]", "[only]", false);
	base_is("[a] [b]", "[b]", false);
	base_is("plain (fwd)", "plain", true);
	base_is("plain (fwd) (FWD)  ", "plain", true);
	base_is("[Fwd: plain]", "plain", true);
	base_is("[fwd: Re: [list] plain (fwd)]", "plain", true);
	base_is("Re: [Fwd: [fwd: plain]]", "plain", true);
	base_is("[fwd: not closed", "[fwd: not closed", false);
	base_is("Re", "Re", false);
	base_is("Regards: x", "Regards: x", false);
	base_is("Re:", "", true);
	base_is("[", "[", false);
	base_is("[nested [x] y", "[nested [x] y", false);
	base_is("(fwd)", "", true);
	base_is("Re: 会議 (fwd)", "会議", true);
}

static void key_is(const char *text, const char *want)
{
	BUF_LOCAL(out, 4096);
	mail_collate_key(slice_str(text), 4096, &out);
	if (!slice_eq(buf_slice(&out), slice_str(want)))
		fail_msg("%s: <%s>", text, buf_z(&out));
}

/* RFC 5051 section 2: title case, then decomposed. */
static void texts_have_a_key(void **state)
{
	key_is("abc_Z", "ABC_Z");
	key_is("\xc3\xa9", "E\xcc\x81");                    /* e acute */
	key_is("\xc3\x9f", "\xc3\x9f");                     /* sharp s has no simple title case */
	key_is("\xc7\x86", "Dz\xcc\x8c");                   /* dz with caron: its title case, decomposed */
	key_is("\xef\xbd\x81", "A");                        /* full width a */
	key_is("\xe3\x81\x8c", "\xe3\x81\x8b\xe3\x82\x99"); /* ga */
	key_is("a\xff", "A\xef\xbf\xbd");
	BUF_LOCAL(out, 4096);
	mail_collate_key(SLICE("aa\xc3\xa9zz"), 4, &out);
	assert_string_equal(buf_z(&out), "AA"); /* the third would not fit whole */
}

static const char letter[] = "From: =?utf-8?q?Andr=C3=A9?= <andre@a.example>\r\n"
			     "To: \"Doe, John\" <john@b.example>, x@y.example\r\n"
			     "In-Reply-To: <late@x>\r\n"
			     "References: <\"first\"@x> <second@x>\r\n <second@x> <third@x>\r\n"
			     "Subject: Re: [team] Gru\xc3\x9f\r\n"
			     "Message-ID: <me@x>\r\n"
			     "Date: Mon, 01 Jan 2024 23:30:00 -0500\r\n\r\ntext\r\n";

static bool card_of(struct slice message, struct arena *a, struct mail_card *card)
{
	Sekisho__Facts *f;
	return mail_facts_extract(message, a, &f) == OK && mail_card_make(f, a, card);
}

static void words_are(const struct mail_card_words *w, const char *has)
{
	assert_true(w->there);
	assert_true(w->whole);
	if (slice_search(w->folded, slice_str(has)) < 0)
		fail_msg("no %s in %.*s", has, SLICE_ARG(w->folded));
}

static void a_card_says_it_all(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct mail_card made, read = {0};
	BUF_LOCAL(packed, 65536);
	assert_true(card_of(slice_str(letter), &a, &made));
	made.internal_ms = -5;
	made.size = 1234567;
	size_t at[MAIL_CARD_PARTS + 1] = {0};
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		mail_card_put(&made, i, &packed);
		at[i + 1] = packed.n;
	}
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		struct slice part = slice_sub(buf_slice(&packed), at[i], at[i + 1] - at[i]);
		assert_true(mail_card_get(part, i, &read));
		assert_false(i && mail_card_get(slice_sub(part, 0, part.n - 1), i, &(struct mail_card){0}));
	}
	assert_int_equal(read.internal_ms, -5);
	assert_int_equal(read.size, 1234567);
	assert_true(read.has_date && read.reply);
	assert_int_equal(read.sent_ms, 1704169800000);
	assert_int_equal(read.zone, -300);
	assert_int_equal(mail_card_references(&read), 3); /* the same twice, and In-Reply-To does not count */
	assert_string_equal(arena_z(&a, read.key[MAIL_KEY_SUBJECT]), "GRU\xc3\x9f");
	assert_string_equal(arena_z(&a, read.key[MAIL_KEY_FROM]), "ANDRE");
	assert_string_equal(arena_z(&a, read.key[MAIL_KEY_SHOW_FROM]), "ANDRE\xcc\x81");
	assert_string_equal(arena_z(&a, read.key[MAIL_KEY_SHOW_TO]), "DOE, JOHN");
	assert_int_equal(read.key[MAIL_KEY_CC].n, 0);
	words_are(&read.text[MAIL_TEXT_SUBJECT], "[team] gruss");
	words_are(&read.text[MAIL_TEXT_FROM], "andr\xc3\xa9 <andre@a.example>");
	words_are(&read.text[MAIL_TEXT_TO], "\"doe, john\" <john@b.example>, x@y.example");
	words_are(&read.text[MAIL_TEXT_TO], "doe, john <john@b.example>");
	assert_false(read.text[MAIL_TEXT_BCC].there);
}

static void who_answers_whom(void **state)
{
	ARENA_LOCAL(a, 1 << 20);
	struct mail_card first, second, third;
	assert_true(card_of(SLICE("Message-ID: <\"fi\\rst\"@x>\r\n\r\n"), &a, &first));
	assert_true(
	    card_of(SLICE("Message-ID: <me@x>\r\nIn-Reply-To: <first@x> <b@x>\r\n\r\n"), &a, &second));
	assert_true(card_of(slice_str(letter), &a, &third));
	assert_int_equal(mail_card_references(&second), 1);
	assert_true(mail_card_reference(&second, 0) == first.id);
	assert_true(mail_card_reference(&third, 0) == first.id);
	assert_true(second.id == third.id);
	assert_true(mail_card_reference(&third, 1) != mail_card_reference(&third, 2));
}

/* What does not fit is known not to be all, so that nobody takes its absence for a no. */
static void long_texts_are_cut(void **state)
{
	ARENA_LOCAL(a, 1 << 22);
	BUF_LOCAL(text, 1 << 20);
	struct mail_card card;
	buf_puts(&text, "To: ");
	for (int i = 0; i < 300; i++)
		buf_printf(&text, "someone%d@example.com,\r\n ", i);
	buf_puts(&text, "last@example.com\r\nFrom: a@b.example\r\nReferences:");
	for (unsigned i = 0; i < MAIL_CARD_REFERENCES + 50; i++)
		buf_printf(&text, " <%u@x>\r\n", i);
	buf_puts(&text, "Subject: ");
	for (int i = 0; i < 600; i++)
		buf_puts(&text, "\xe4\xbc\x9a\xe8\xad\xb0");
	buf_puts(&text, "\r\n\r\n");
	assert_true(card_of(buf_slice(&text), &a, &card));
	assert_true(card.text[MAIL_TEXT_TO].there);
	assert_false(card.text[MAIL_TEXT_TO].whole);
	assert_false(
	    card.text[MAIL_TEXT_FROM].whole); /* the header is not in the facts: comments are unknown */
	assert_false(card.text[MAIL_TEXT_SUBJECT].whole);
	assert_int_equal(card.text[MAIL_TEXT_SUBJECT].folded.n, 1998);
	assert_int_equal(card.key[MAIL_KEY_SUBJECT].n, 498);
	assert_int_equal(mail_card_references(&card), MAIL_CARD_REFERENCES);
}

static void lists_are_read_back(void **state)
{
	BUF_LOCAL(out, 4096);
	uint32_t last = 0;
	mail_card_list_put(&out, &last, 7, SLICE("seven"));
	mail_card_list_put(&out, &last, 8, SLICE(""));
	mail_card_list_put(&out, &last, UINT32_MAX, SLICE("last"));
	struct mail_card_list l = mail_card_list_of(buf_slice(&out));
	assert_true(mail_card_list_next(&l) && l.number == 7 && slice_eq(l.record, SLICE("seven")));
	assert_true(mail_card_list_next(&l) && l.number == 8 && l.record.n == 0);
	assert_true(mail_card_list_next(&l) && l.number == UINT32_MAX);
	assert_false(mail_card_list_next(&l));
	assert_int_equal(cursor_done(&l.c), OK);
	l = mail_card_list_of(slice_sub(buf_slice(&out), 0, out.n - 1));
	while (mail_card_list_next(&l))
		;
	assert_int_equal(cursor_done(&l.c), BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(subjects_have_a_base),
	    cmocka_unit_test(texts_have_a_key),
	    cmocka_unit_test(a_card_says_it_all),
	    cmocka_unit_test(who_answers_whom),
	    cmocka_unit_test(long_texts_are_cut),
	    cmocka_unit_test(lists_are_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
