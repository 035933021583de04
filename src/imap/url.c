#include "url.h"

/* %XX resolved. Empty, and the cursor fails, when it is malformed or holds a NUL. */
static struct slice decoded(struct cursor *c, struct slice s, struct arena *a)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; p && i < s.n; i++) {
		if (s.p[i] != '%') {
			p[n++] = s.p[i];
			continue;
		}
		BUF_LOCAL(octet, 1);
		if (hex_decode(slice_sub(s, i + 1, 2), &octet) != OK || octet.n != 1 || !octet.p[0]) {
			cursor_fail(c);
			return SLICE_NONE;
		}
		p[n++] = octet.p[0];
		i += 2;
	}
	if (!p)
		cursor_fail(c);
	return slice_of(p, p ? n : 0);
}

/* "user;AUTH=x@host:port" must be ours. */
static void authority(struct cursor *c, struct slice host, struct slice user, struct arena *a)
{
	struct slice all = cursor_until(c, '/');
	ptrdiff_t at = slice_rfind(all, '@');
	if (at >= 0) {
		struct slice name = slice_sub(all, 0, (size_t)at);
		name = decoded(c, slice_split(&name, ';'), a);
		if (name.n && !slice_ieq(name, user))
			cursor_fail(c);
		all = slice_sub(all, (size_t)at + 1, all.n);
	}
	if (!slice_ieq(slice_split(&all, ':'), host))
		cursor_fail(c);
}

static struct slice without_end(struct slice s, char end)
{
	if (s.n && s.p[s.n - 1] == end)
		s.n--;
	return s;
}

/* "/name;UIDVALIDITY=n/", "/name/", or nothing: the selected mailbox. */
static void path(struct cursor *c, struct imap_args *args, struct imap_url *out)
{
	bool relative = cursor_peek(c) == ';' || cursor_try_word(c, SLICE("/;"));
	if (relative) {
		cursor_try(c, ';');
	} else {
		cursor_need(c, '/');
		struct slice name = cursor_until(c, ';');
		cursor_need(c, ';');
		out->mailbox = imap_args_name(args, decoded(c, without_end(name, '/'), args->arena));
		if (!out->mailbox.n)
			cursor_fail(c);
	}
	if (!relative && cursor_try_word(c, SLICE("UIDVALIDITY="))) {
		out->uidvalidity = (uint32_t)cursor_u64(c, UINT32_MAX);
		cursor_need(c, '/');
		cursor_need(c, ';');
		if (!out->uidvalidity)
			cursor_fail(c);
	}
}

/* The grammar of FETCH's sections, which ends with a bracket. */
static void section(struct cursor *c, struct arena *a, struct imap_section *out)
{
	struct slice text = decoded(c, without_end(cursor_until(c, ';'), '/'), a);
	char *z = arena_printf(a, SLICE_FMT "]", SLICE_ARG(text));
	if (c->err != OK || !z) {
		cursor_fail(c);
		return;
	}
	struct imap_args args = {.c = cursor_of(slice_str(z)), .arena = a};
	imap_section_parse(&args, out);
	imap_args_need(&args, ']');
	if (!text.n || imap_args_done(&args) != OK)
		cursor_fail(c);
}

static void partial(struct cursor *c, struct imap_section *out)
{
	out->partial = true;
	out->offset = cursor_u64(c, INT64_MAX);
	out->length = cursor_try(c, '.') ? cursor_u64(c, INT64_MAX) : (uint64_t)INT64_MAX;
	if (!out->length)
		cursor_fail(c);
}

enum result imap_url_parse(
    struct slice text, struct slice host, struct slice user, struct arena *a, struct imap_url *out)
{
	struct cursor c = cursor_of(text);
	struct imap_args args = {.arena = a};
	*out = (struct imap_url){0};
	if (cursor_try_word(&c, SLICE("imap://")))
		authority(&c, host, user, a);
	path(&c, &args, out);
	if (!cursor_try_word(&c, SLICE("UID=")))
		cursor_fail(&c);
	out->uid = (uint32_t)cursor_u64(&c, UINT32_MAX);
	cursor_try(&c, '/');
	if (cursor_try_word(&c, SLICE(";SECTION=")))
		section(&c, a, &out->section);
	if (cursor_try_word(&c, SLICE(";PARTIAL=")))
		partial(&c, &out->section);
	return out->uid ? cursor_done(&c) : BAD;
}
