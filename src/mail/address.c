#include "address.h"
#include "class.h"
#include "utf8.h"
#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>

static bool is_dot_atext(char c)
{
	return c == '.' || mail_is(c, MAIL_ATEXT);
}

/* The inside of a quoted string, RFC 5321 qcontentSMTP; the opening quote is taken already. */
static struct slice quoted_take(struct cursor *c, struct arena *a)
{
	struct slice start = c->rest;
	size_t n = 0, escapes = 0;
	while (n < start.n && start.p[n] != '"') {
		if (start.p[n] == '\\') {
			escapes++;
			n++;
		}
		if (n >= start.n || (unsigned char)start.p[n] < 32 || start.p[n] == 127)
			break;
		n++;
	}
	if (n >= start.n || start.p[n] != '"') {
		cursor_fail(c);
		return SLICE_NONE;
	}
	c->rest = slice_sub(start, n + 1, start.n);
	if (escapes == 0)
		return slice_sub(start, 0, n);
	char *p = arena_alloc(a, n);
	if (!p) {
		cursor_fail(c);
		c->err = FULL;
		return SLICE_NONE;
	}
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (start.p[i] == '\\')
			i++;
		p[k++] = start.p[i];
	}
	return slice_of(p, k);
}

static struct slice local_take(struct cursor *c, struct arena *a)
{
	struct slice local = cursor_try(c, '"') ? quoted_take(c, a) : cursor_while1(c, is_dot_atext);
	if (local.n == 0 || !slice_is_utf8(local))
		cursor_fail(c);
	return local;
}

static bool is_domain_octet(char c)
{
	return c == '.' || c == '-' || c == '_' || ascii_alpha(c) || ascii_digit(c) || (unsigned char)c > 127;
}

static struct slice domain_take(struct cursor *c)
{
	struct slice start = c->rest;
	if (cursor_try(c, '[')) {
		cursor_until(c, ']');
		cursor_need(c, ']');
	} else {
		cursor_while1(c, is_domain_octet);
	}
	struct slice domain = c->err == OK ? slice_sub(start, 0, start.n - c->rest.n) : SLICE_NONE;
	if (!mail_domain_valid(domain))
		cursor_fail(c);
	return domain;
}

/* "@a,@b:" before the mailbox; accepted and forgotten. */
static void route_skip(struct cursor *c)
{
	if (cursor_peek(c) != '@')
		return;
	do {
		cursor_need(c, '@');
		domain_take(c);
	} while (c->err == OK && cursor_try(c, ','));
	cursor_need(c, ':');
}

static struct mail_addr mailbox_take(struct cursor *c, struct arena *a)
{
	struct slice start = c->rest;
	struct mail_addr m = {.local = local_take(c, a)};
	cursor_need(c, '@');
	m.domain = domain_take(c);
	if (c->err == OK && start.n - c->rest.n > LIMIT_ADDRESS) {
		cursor_fail(c);
		c->err = FULL;
	}
	return m;
}

enum result mail_addr_parse(struct slice s, struct arena *a, struct mail_addr *out)
{
	struct cursor c = cursor_of(s);
	struct mail_addr m = mailbox_take(&c, a);
	enum result r = cursor_done(&c);
	if (r == OK)
		*out = m;
	return r;
}

enum result mail_path_parse(struct cursor *c, struct arena *a, struct mail_addr *out)
{
	struct mail_addr m = {SLICE_NONE, SLICE_NONE};
	cursor_need(c, '<');
	if (c->err != OK)
		return c->err;
	if (slice_istarts(c->rest, SLICE("postmaster>"))) {
		m.local = cursor_bytes(c, SLICE("postmaster").n);
	} else if (cursor_peek(c) != '>') {
		route_skip(c);
		m = mailbox_take(c, a);
	}
	cursor_need(c, '>');
	if (c->err == OK)
		*out = m;
	return c->err;
}

bool mail_addr_eq(struct mail_addr a, struct mail_addr b)
{
	return slice_eq(a.local, b.local) && slice_ieq(a.domain, b.domain);
}

/* Dot-string of RFC 5321: atoms parted by single dots. */
static bool is_dot_string(struct slice s)
{
	bool atom = false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && !atom)
			return false;
		if (s.p[i] != '.' && !mail_is(s.p[i], MAIL_ATEXT))
			return false;
		atom = s.p[i] != '.';
	}
	return atom;
}

void mail_addr_put(struct buf *b, struct mail_addr m)
{
	if (mail_addr_null(m))
		return;
	if (is_dot_string(m.local)) {
		buf_put(b, m.local);
	} else {
		buf_putc(b, '"');
		for (size_t i = 0; i < m.local.n; i++) {
			if (m.local.p[i] == '"' || m.local.p[i] == '\\')
				buf_putc(b, '\\');
			buf_putc(b, m.local.p[i]);
		}
		buf_putc(b, '"');
	}
	if (m.domain.n) {
		buf_putc(b, '@');
		buf_put(b, m.domain);
	}
}

void mail_path_put(struct buf *b, struct mail_addr m)
{
	buf_putc(b, '<');
	mail_addr_put(b, m);
	buf_putc(b, '>');
}

static bool literal_valid(struct slice s)
{
	if (s.n < 3 || s.p[s.n - 1] != ']')
		return false;
	struct slice in = slice_sub(s, 1, s.n - 2);
	bool six = slice_istarts(in, SLICE("IPv6:"));
	if (six)
		in = slice_sub(in, 5, in.n);
	char z[INET6_ADDRSTRLEN];
	if (in.n == 0 || in.n >= sizeof z || slice_find(in, 0) >= 0)
		return false;
	memcpy(z, in.p, in.n);
	z[in.n] = 0;
	struct in6_addr any;
	return inet_pton(six ? AF_INET6 : AF_INET, z, &any) == 1;
}

static bool label_valid(struct slice label)
{
	if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_domain_octet(label.p[i]) || label.p[i] == '.' || (unsigned char)label.p[i] > 127)
			return false;
	return true;
}

/* Letters, digits and hyphens in labels; a last label of digits only would be an address, not a name. */
static bool ascii_host_valid(struct slice host)
{
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n == 0 || host.n > 253)
		return false;
	struct slice label = SLICE_NONE;
	for (struct slice rest = host;;) {
		bool last = slice_find(rest, '.') < 0;
		label = slice_split(&rest, '.');
		if (!label_valid(label))
			return false;
		if (last)
			break;
	}
	for (size_t i = 0; i < label.n; i++)
		if (!ascii_digit(label.p[i]))
			return true;
	return false;
}

bool mail_host_valid(struct slice host)
{
	if (slice_is_ascii(host))
		return ascii_host_valid(host);
	if (host.n > LIMIT_DNS_NAME || !slice_is_utf8(host))
		return false;
	ARENA_LOCAL(a, 4096);
	struct slice ascii;
	return mail_domain_ascii(host, &a, &ascii) == OK && ascii_host_valid(ascii);
}

bool mail_domain_valid(struct slice domain)
{
	if (domain.n && domain.p[0] == '[')
		return literal_valid(domain);
	return mail_host_valid(domain);
}

static enum result lower_dup(struct slice s, struct arena *a, struct slice *out)
{
	char *p = arena_alloc(a, s.n + 1);
	if (!p)
		return FULL;
	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	*out = slice_of(p, s.n);
	return OK;
}

/* Runs one of libidn2's converters; its answer is a malloc'd string. */
static enum result idn_convert(struct slice domain, struct arena *a,
    int (*convert)(const char *, char **, int), int flags, struct slice *out)
{
	if (domain.n > LIMIT_DNS_NAME * 4 || slice_find(domain, 0) >= 0)
		return BAD;
	char *z = arena_z(a, domain);
	if (!z)
		return FULL;
	char *converted = NULL;
	if (convert(z, &converted, flags) != IDN2_OK)
		return BAD;
	*out = arena_dup(a, slice_str(converted));
	bool full = out->p == NULL;
	idn2_free(converted);
	return full ? FULL : OK;
}

enum result mail_domain_ascii(struct slice domain, struct arena *a, struct slice *out)
{
	if (domain.n && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0)
		return BAD;
	if (slice_is_ascii(domain))
		return lower_dup(domain, a, out);
	struct slice ascii = SLICE_NONE;
	enum result r =
	    idn_convert(domain, a, idn2_to_ascii_8z, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT, &ascii);
	return r == OK ? lower_dup(ascii, a, out) : r;
}

enum result mail_domain_unicode(struct slice domain, struct arena *a, struct slice *out)
{
	struct slice ascii = SLICE_NONE;
	enum result r = mail_domain_ascii(domain, a, &ascii);
	if (r != OK)
		return r;
	r = idn_convert(ascii, a, idn2_to_unicode_8z8z, 0, out);
	if (r == BAD)
		*out = ascii;
	return r == BAD ? OK : r;
}

enum result mail_addr_canon(struct mail_addr m, struct arena *a, struct mail_addr *out)
{
	struct mail_addr canon = m;
	enum result r = m.domain.n ? mail_domain_ascii(m.domain, a, &canon.domain) : OK;
	if (r == OK)
		*out = canon;
	return r;
}

/* Takes "+HH"; fails on anything but upper-case hexadecimal digits, as RFC 3461 asks. */
static char hexchar_take(struct cursor *c)
{
	int v = 0;
	for (int i = 0; i < 2; i++) {
		int ch = cursor_take(c);
		int d = ch >= 'a' ? -1 : mail_hex_value((char)ch);
		if (d < 0)
			cursor_fail(c);
		v = v * 16 + MAX(d, 0);
	}
	return (char)v;
}

/* "\x{HEX}" behind the backslash: one code point, RFC 6533 3. */
static void unicode_take(struct cursor *c, struct buf *out)
{
	cursor_need(c, 'x');
	cursor_need(c, '{');
	uint32_t v = 0;
	int digits = 0;
	for (int d; (d = mail_hex_value((char)cursor_peek(c))) >= 0 && digits < 6; digits++) {
		v = v * 16 + (uint32_t)d;
		cursor_take(c);
	}
	cursor_need(c, '}');
	if (digits < 2 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) || v < 0x20 || v == 0x7f)
		cursor_fail(c);
	if (c->err != OK)
		return;
	mail_utf8_put(out, v);
}

static enum result xtext_decode(struct slice s, bool utf8, struct buf *out)
{
	struct cursor c = cursor_of(s);
	while (!cursor_end(&c) && c.err == OK) {
		unsigned char ch = (unsigned char)cursor_take(&c);
		if (ch == '+')
			buf_putc(out, hexchar_take(&c));
		else if (ch == '\\' && utf8)
			unicode_take(&c, out);
		else if (ch > 32 && ch != 127 && (utf8 || (ch < 127 && ch != '=')))
			buf_putc(out, (char)ch);
		else
			cursor_fail(&c);
	}
	enum result r = cursor_done(&c);
	return r == OK ? buf_result(out) : r;
}

enum result mail_xtext_decode(struct slice s, struct buf *out)
{
	return xtext_decode(s, false, out);
}

enum result mail_utf8_xtext_decode(struct slice s, struct buf *out)
{
	return slice_is_utf8(s) ? xtext_decode(s, true, out) : BAD;
}

void mail_xtext_put(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c > 32 && c < 127 && c != '+' && c != '=')
			buf_putc(b, (char)c);
		else
			buf_printf(b, "+%02X", c);
	}
}

void mail_utf8_xtext_put(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x80) {
			i++;
			if (c > 32 && c < 127 && c != '+' && c != '=' && c != '\\')
				buf_putc(b, (char)c);
			else
				buf_printf(b, "\\x{%02X}", c);
			continue;
		}
		struct slice rest = slice_sub(s, i, s.n);
		bool ok;
		uint32_t v = mail_utf8_take(&rest, &ok);
		i = s.n - rest.n;
		buf_printf(b, "\\x{%X}", v);
	}
}
