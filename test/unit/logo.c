/* What keeps a file from being a domain's logo. */
#include "inspect/logo.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HEAD "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\""
#define TINY " version=\"1.2\" baseProfile=\"tiny-ps\""
#define SQUARE " viewBox=\"0 0 64 64\">"
#define TITLE "<title>Kaminari Denki</title>"
#define GOOD(inside) HEAD TINY SQUARE TITLE inside "</svg>"
#define ONLY(name) (1u << LOGO_##name)

static void faults_are_named(void **state)
{
	static const struct {
		const char *svg;
		unsigned faults;
	} cases[] = {
	    {GOOD("<rect width=\"64\" height=\"64\" fill=\"#123456\"/>"), 0},
	    {"<?xml version=\"1.0\"?>" GOOD("<g id=\"a\"/><use xlink:href=\"#a\" fill=\"url(#a)\"/>"), 0},
	    {HEAD TINY " viewBox=\"0,0 1.5e1,15\">" TITLE "</svg>", 0},
	    {"", ONLY(UNREADABLE)},
	    {"\x89PNG", ONLY(UNREADABLE)},
	    {HEAD TINY SQUARE TITLE, ONLY(UNREADABLE)},
	    {"<!DOCTYPE svg [<!ENTITY x \"y\">]>" GOOD("&x;"), ONLY(UNREADABLE)},
	    {"<html/>", ONLY(NOT_SVG) | ONLY(VERSION) | ONLY(PROFILE) | ONLY(NO_TITLE) | ONLY(NOT_SQUARE)},
	    {HEAD " baseProfile=\"tiny-ps\"" SQUARE TITLE "</svg>", ONLY(VERSION)},
	    {HEAD " version=\"1.2\" baseProfile=\"tiny\"" SQUARE TITLE "</svg>", ONLY(PROFILE)},
	    {HEAD TINY " x=\"0\"" SQUARE TITLE "</svg>", ONLY(PLACED)},
	    {HEAD TINY SQUARE "<title> </title></svg>", ONLY(NO_TITLE)},
	    {HEAD TINY SQUARE "<g><title>deep</title></g></svg>", ONLY(NO_TITLE)},
	    {HEAD TINY " viewBox=\"0 0 64 32\">" TITLE "</svg>", ONLY(NOT_SQUARE)},
	    {HEAD TINY " viewBox=\"0 0 many\">" TITLE "</svg>", ONLY(NOT_SQUARE)},
	    {GOOD("<script>1</script>"), ONLY(ACTIVE)},
	    {GOOD("<g onclick=\"x()\"/>"), ONLY(ACTIVE)},
	    {GOOD("<image xlink:href=\"https://x.example/a.png\"/>"), ONLY(ACTIVE) | ONLY(OUTSIDE)},
	    {GOOD("<use xlink:href=\"other.svg#a\"/>"), ONLY(OUTSIDE)},
	    {GOOD("<rect fill=\"url( 'https://x.example/a#b')\"/>"), ONLY(OUTSIDE)},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		if (inspect_logo(slice_str(cases[i].svg)) != cases[i].faults)
			fail_msg("%s: %x", cases[i].svg, inspect_logo(slice_str(cases[i].svg)));
}

static void a_large_one_is_said_to_be(void **state)
{
	BUF_LOCAL(b, 4 * LIMIT_LOGO);
	buf_puts(&b, HEAD TINY SQUARE TITLE);
	while (b.n < 40000)
		buf_puts(&b, "<g/>");
	buf_puts(&b, "</svg>");
	assert_int_equal(inspect_logo(buf_slice(&b)), ONLY(LARGE));
	while (b.n <= LIMIT_LOGO)
		buf_puts(&b, "<!-- -->");
	assert_int_equal(inspect_logo(buf_slice(&b)), ONLY(UNREADABLE));
}

static void each_has_its_words(void **state)
{
	for (enum logo_fault f = 0; f < LOGO_FAULTS; f++) {
		const struct logo_text *t = inspect_logo_text(f);
		assert_true(*t->word && *t->en && slice_is_utf8(slice_str(t->ja)) &&
			    !slice_is_ascii(slice_str(t->ja)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(faults_are_named),
	    cmocka_unit_test(a_large_one_is_said_to_be),
	    cmocka_unit_test(each_has_its_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
