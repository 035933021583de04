/*
 * trust_canon: tag lists, key records, and bodies in their canonical forms: cut anywhere they come out as whole, what comes
 * out stays as it is when it goes through again, and a plain model of RFC 6376 3.4 says the same.
 */
#include "trust/signature.h"
#include <stdlib.h>

#define MOST 65536

static void collect(void *context, struct slice piece)
{
	buf_put(context, piece);
}

static void body(enum canon how, struct slice whole, size_t step, struct buf *out)
{
	struct canon_body c = {.how = how, .sink = collect, .context = out};
	for (size_t at = 0; at < whole.n; at += step)
		canon_body_add(&c, slice_sub(whole, at, step));
	canon_body_end(&c);
	if (c.total != out->n)
		abort();
}

/* Line by line, as the RFC's text has it. */
static void model(enum canon how, struct slice whole, struct buf *out)
{
	BUF_LOCAL(lines, 2 * MOST);
	size_t kept = 0; /* up to the end of the last line that is not empty */
	for (size_t i = 0; i < whole.n;) {
		size_t from = lines.n, end = i;
		while (
		    end < whole.n && !(whole.p[end] == '\r' && end + 1 < whole.n && whole.p[end + 1] == '\n'))
			end++;
		for (size_t k = i; k < end; k++) {
			bool blank = how == CANON_RELAXED && (whole.p[k] == ' ' || whole.p[k] == '\t');
			if (!blank)
				buf_putc(&lines, whole.p[k]);
			else if (lines.n == from || lines.p[lines.n - 1] != ' ')
				buf_putc(&lines, ' ');
		}
		while (how == CANON_RELAXED && lines.n > from && lines.p[lines.n - 1] == ' ')
			lines.n--;
		if (lines.n > from)
			kept = lines.n;
		buf_puts(&lines, "\r\n");
		i = end + 2;
	}
	buf_put(out, slice_sub(buf_slice(&lines), 0, kept));
	if (kept || how == CANON_SIMPLE)
		buf_puts(out, "\r\n");
}

static void check_body(enum canon how, struct slice whole, size_t step)
{
	BUF_LOCAL(one, 2 * MOST);
	BUF_LOCAL(two, 2 * MOST);
	BUF_LOCAL(three, 2 * MOST);
	BUF_LOCAL(again, 2 * MOST);
	body(how, whole, whole.n + 1, &one);
	body(how, whole, step, &two);
	model(how, whole, &three);
	body(how, buf_slice(&one), buf_slice(&one).n + 1, &again);
	if (!slice_eq(buf_slice(&one), buf_slice(&two)) || !slice_eq(buf_slice(&one), buf_slice(&three)) ||
	    !slice_eq(buf_slice(&one), buf_slice(&again)))
		abort();
}

static void check_tags(struct slice text)
{
	struct tags t;
	struct signature_key k;
	BUF_LOCAL(octets, MOST);
	if (tags_parse(text, &t) == OK)
		for (size_t i = 0; i < t.n; i++)
			if (t.tag[i].raw.p < text.p || t.tag[i].raw.p + t.tag[i].raw.n > text.p + text.n)
				abort();
	result_ignore(tag_base64(text, &octets));
	bool usable = !signature_key_parse(text, &k);
	if (usable != (k.key && k.bits <= LIMIT_SIGNATURE_KEY_BITS))
		abort();
	signature_key_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > MOST)
		return 0;
	struct slice text = slice_of(data + 1, size - 1);
	check_body(CANON_SIMPLE, text, 1 + data[0] % 7);
	check_body(CANON_RELAXED, text, 1 + data[0] % 7);
	check_tags(text);
	return 0;
}
