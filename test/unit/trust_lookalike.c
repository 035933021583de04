/* Names that look like a domain: which are made, and which are found in a DNS of the test's own. */
#include "resolver/fixture.h"
#include "trust/lookalike.h"
#include "trust/name.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct lookalike *made;
static size_t n_made;

static void make(const char *domain, struct arena *a)
{
	n_made = trust_lookalikes(slice_str(domain), a, &made);
	assert_non_null(made);
}

static const struct lookalike *find(const char *shown)
{
	for (size_t i = 0; i < n_made; i++)
		if (strcmp(made[i].shown, shown) == 0)
			return &made[i];
	return NULL;
}

static void has(const char *shown, enum lookalike_kind kind)
{
	const struct lookalike *l = find(shown);
	if (!l)
		fail_msg("%s is not made", shown);
	assert_int_equal(l->kind, kind);
}

static void typing_errors_and_look_alikes(void **state)
{
	ARENA_LOCAL(a, 8 << 20);
	make("kaminari.co.jp", &a);
	has("kaminari.com", LOOKALIKE_SUFFIX);
	has("kaminari.jp", LOOKALIKE_SUFFIX);
	has("kaminari-co.jp", LOOKALIKE_JOINED);
	has("kaminarico.jp", LOOKALIKE_JOINED);
	has("kaminari-co-jp.com", LOOKALIKE_JOINED);
	has("karninari.co.jp", LOOKALIKE_GLYPH);
	has("kam1nari.co.jp", LOOKALIKE_GLYPH);
	has("kamlnari.co.jp", LOOKALIKE_GLYPH);
	has("kaminar.co.jp", LOOKALIKE_OMITTED);
	has("kamniari.co.jp", LOOKALIKE_SWAPPED);
	has("kaaminari.co.jp", LOOKALIKE_DOUBLED);
	has("kamonari.co.jp", LOOKALIKE_NEIGHBOUR);
	has("kami-nari.co.jp", LOOKALIKE_HYPHEN);
	has("kaminari-login.co.jp", LOOKALIKE_WORD);
	has("secure-kaminari.co.jp", LOOKALIKE_WORD);
	assert_null(find("kaminari.co.jp"));
	make("kaminari-denki.jp", &a);
	has("kaminaridenki.jp", LOOKALIKE_HYPHEN);
	make("shimbun.jp", &a);
	has("simbun.jp", LOOKALIKE_SPELLING);
	has("shinbun.jp", LOOKALIKE_GLYPH);
	make("rnail.com", &a);
	has("mail.com", LOOKALIKE_GLYPH);
}

static void other_scripts(void **state)
{
	ARENA_LOCAL(a, 8 << 20);
	make("apple.com", &a);
	has("аррӏе.com", LOOKALIKE_SCRIPT); /* Cyrillic throughout: shown as it is */
	assert_string_equal(find("аррӏе.com")->name, "xn--80ak6aa92e.com");
	has("аpple.com", LOOKALIKE_SCRIPT);
	/* The registry of .jp takes no Cyrillic: elsewhere it can be had. */
	make("apple.co.jp", &a);
	assert_null(find("аррӏе.co.jp"));
	has("аррӏе.com", LOOKALIKE_SCRIPT);
}

static void kana_and_kanji(void **state)
{
	ARENA_LOCAL(a, 8 << 20);
	make("ロータス.jp", &a);
	has("口ータス.jp", LOOKALIKE_SAME);
	has("ロ一タス.jp", LOOKALIKE_SAME);
	has("ロー夕ス.jp", LOOKALIKE_SAME);
	has("ロータス.com", LOOKALIKE_SUFFIX);
	make("さくら.jp", &a);
	has("サクラ.jp", LOOKALIKE_SPELLING);
	make("xn--fiqs8s.jp", &a); /* 中国 */
	has("中國.jp", LOOKALIKE_SAME);
	make("高崎.jp", &a);
	has("髙崎.jp", LOOKALIKE_SAME);
}

static void a_name_below_the_registered_one(void **state)
{
	ARENA_LOCAL(a, 8 << 20);
	make("mail.example.jp", &a);
	has("example.com", LOOKALIKE_SUFFIX);
	has("mail-example.jp", LOOKALIKE_JOINED);
	has("mailexample.jp", LOOKALIKE_JOINED);
}

static void only_names_that_can_exist(void **state)
{
	static const char *const domains[] = {"a.jp", "x-y.com", "thequickbrownfoxjumpsoverthelazydog.com",
	    "a23456789012345678901234567890123456789012345678901234567890123.com", "xn--fiqs8s.jp"};
	for (size_t d = 0; d < COUNT(domains); d++) {
		ARENA_LOCAL(a, 8 << 20);
		make(domains[d], &a);
		assert_in_range(n_made, 20, LIMIT_LOOKALIKES);
		for (size_t i = 0; i < n_made; i++) {
			assert_true(trust_name_ok(slice_str(made[i].name)));
			assert_string_not_equal(made[i].name, domains[d]);
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal(made[i].name, made[j].name);
		}
	}
	static const char *const none[] = {"", "jp", "co.jp", "a b.jp", "..", "\xff\xfe.jp", "[192.0.2.1]"};
	for (size_t d = 0; d < COUNT(none); d++) {
		ARENA_LOCAL(a, 8 << 20);
		make(none[d], &a);
		assert_int_equal(n_made, 0);
	}
	ARENA_LOCAL(small, 100);
	assert_int_equal(trust_lookalikes(SLICE("example.jp"), &small, &made), 0);
	assert_null(made);
}

/* ---- looking ---- */

static struct fixture *zone(const char *text)
{
	struct fixture *f;
	assert_int_equal(fixture_parse(slice_str(text), &f, NULL), OK);
	return f;
}

static unsigned questions;
static struct dns *inner;
static void count(struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	questions++;
	dns_ask(inner, name, type, a, out);
}

static Sekisho__LookalikeSeen seen_of(struct dns *dns, const char *name)
{
	Sekisho__LookalikeAsk ask = SEKISHO__LOOKALIKE_ASK__INIT;
	Sekisho__LookalikeSeen out = SEKISHO__LOOKALIKE_SEEN__INIT;
	static struct arena a = {.cap = 64 << 20};
	ask.domain = "example.co.jp";
	do {
		Sekisho__LookalikeAnswer *answer = trust_lookalikes_look(&ask, dns, 10000, &a);
		assert_non_null(answer);
		assert_in_range(answer->n_seen, 1, LIMIT_LOOKALIKES_AT_ONCE);
		for (size_t i = 0; i < answer->n_seen; i++)
			if (strcmp(answer->seen[i]->name, name) == 0)
				out = *answer->seen[i];
		ask.from = answer->next;
	} while (ask.from);
	return out;
}

static void which_of_them_there_are(void **state)
{
	struct fixture *f =
	    zone("example.com MX 10 mx.bad.example\nexamp1e.co.jp A 192.0.2.7\nexample.net TXT \"x\"\n"
		 "example.org MX 0 .\nexample.jp TIMEOUT\n");
	struct dns d = {.ask = count};
	inner = fixture_dns(f);
	questions = 0;
	Sekisho__LookalikeSeen s = seen_of(&d, "example.com");
	assert_int_equal(s.state, SEKISHO__LOOKALIKE_STATE__TAKES_MAIL);
	assert_string_equal(s.seen, "MX 10 mx.bad.example.");
	assert_in_range(questions, 100, 2 * LIMIT_LOOKALIKES);
	assert_int_equal(seen_of(&d, "examp1e.co.jp").state, SEKISHO__LOOKALIKE_STATE__HAS_ADDRESS);
	assert_int_equal(seen_of(&d, "example.net").state, SEKISHO__LOOKALIKE_STATE__REGISTERED);
	assert_int_equal(seen_of(&d, "example.org").state, SEKISHO__LOOKALIKE_STATE__REGISTERED);
	assert_int_equal(seen_of(&d, "example.jp").state, SEKISHO__LOOKALIKE_STATE__NOT_KNOWN);
	assert_int_equal(seen_of(&d, "example.info").state, SEKISHO__LOOKALIKE_STATE__NOT_THERE);
	fixture_free(f);
}

static void what_is_watched_is_looked_at_too(void **state)
{
	struct fixture *f = zone("bad.example MX 10 mx.bad.example\n");
	ARENA_LOCAL(a, 16 << 20);
	Sekisho__LookalikeAsk ask = SEKISHO__LOOKALIKE_ASK__INIT;
	char *watched[] = {"bad.example", "no name"};
	ask.domain = "example.jp";
	ask.watched = watched;
	ask.n_watched = 2;
	ask.from = 100000;
	Sekisho__LookalikeAnswer *answer = trust_lookalikes_look(&ask, fixture_dns(f), 10000, &a);
	assert_int_equal(answer->n_seen, 1);
	assert_string_equal(answer->seen[0]->kind, "watched");
	assert_int_equal(answer->seen[0]->state, SEKISHO__LOOKALIKE_STATE__TAKES_MAIL);
	assert_int_equal(answer->next, 0);
	fixture_free(f);
}

static void ask_nobody(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	questions++;
	*out = (struct dns_answer){.status = DNS_TIMEOUT, .canonical = ""};
}

static void a_dns_that_does_not_answer_is_not_asked_on(void **state)
{
	struct dns d = {.ask = ask_nobody};
	ARENA_LOCAL(a, 16 << 20);
	Sekisho__LookalikeAsk ask = SEKISHO__LOOKALIKE_ASK__INIT;
	ask.domain = "example.jp";
	questions = 0;
	Sekisho__LookalikeAnswer *answer = trust_lookalikes_look(&ask, &d, 10000, &a);
	assert_int_equal(questions, 3);
	for (size_t i = 0; i < answer->n_seen; i++)
		assert_int_equal(answer->seen[i]->state, SEKISHO__LOOKALIKE_STATE__NOT_KNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(typing_errors_and_look_alikes),
	    cmocka_unit_test(other_scripts),
	    cmocka_unit_test(kana_and_kanji),
	    cmocka_unit_test(a_name_below_the_registered_one),
	    cmocka_unit_test(only_names_that_can_exist),
	    cmocka_unit_test(which_of_them_there_are),
	    cmocka_unit_test(what_is_watched_is_looked_at_too),
	    cmocka_unit_test(a_dns_that_does_not_answer_is_not_asked_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
