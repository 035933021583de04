/* spf_macro: macros, RFC 7208 7. The grammar has been checked before (spf_macro_valid). */
#include "trust/name.h"
#include "trust/spf_inside.h"
#include <arpa/inet.h>

#define NAMES_MOST 10 /* RFC 7208 4.6.4 */
#define VALUE_MOST 1024
#define PARTS_MOST 128
#define DOMAIN_MOST 253

/* ---- the client's names ---- */

const struct dns_name_list *spf_names(struct spf_run *run)
{
	if (run->names)
		return run->names;
	static const struct dns_name_list none = {.status = DNS_SERVFAIL};
	struct dns_name_list *list = arena_new(run->arena, struct dns_name_list);
	if (!list)
		return &none;
	dns_ptr(run->dns, &run->ask->ip, run->arena, list);
	list->n = MIN(list->n, (size_t)NAMES_MOST);
	run->names = list;
	return list;
}

bool spf_name_leads_here(struct spf_run *run, const char *name)
{
	const struct dns_ip *ip = &run->ask->ip;
	struct dns_answer answer;
	if (!trust_name_ok(slice_str(name)))
		return false;
	dns_ask(run->dns, slice_str(name), ip->family == AF_INET ? DNS_A : DNS_AAAA, run->arena, &answer);
	struct slice mine = slice_of(ip->octets, ip->family == AF_INET ? 4 : 16);
	for (size_t i = 0; i < answer.n; i++)
		if (slice_eq(answer.rdata[i], mine))
			return true;
	return false;
}

/* The macro p: the current domain, else a name below it, else any; RFC 7208 7.3. */
static struct slice validated_name(struct spf_run *run, struct slice domain)
{
	const struct dns_name_list *names = spf_names(run);
	bool leads[NAMES_MOST] = {false};
	for (size_t i = 0; i < names->n; i++)
		leads[i] = spf_name_leads_here(run, names->name[i]);
	for (int choice = 0; choice < 3; choice++)
		for (size_t i = 0; i < names->n; i++) {
			struct slice name = slice_str(names->name[i]);
			if (!leads[i] || (choice == 0 && !slice_ieq(name, domain)) ||
			    (choice == 1 && !trust_name_within(name, domain)))
				continue;
			return name;
		}
	return SLICE("unknown");
}

/* ---- values ---- */

static void put_ip(struct buf *out, const struct dns_ip *ip)
{
	char text[DNS_IP_TEXT];
	if (ip->family == AF_INET) {
		buf_puts(out, dns_ip_text(ip, text));
		return;
	}
	for (int i = 0; i < 16; i++)
		buf_printf(out, "%s%X.%X", i ? "." : "", ip->octets[i] >> 4u, ip->octets[i] & 15u);
}

static enum result put_value(struct spf_run *run, struct slice domain, char letter, struct buf *out)
{
	const struct spf_ask *ask = run->ask;
	char ip[DNS_IP_TEXT];
	switch (letter) {
	case 's':
	case 'l':
		if (!slice_is_ascii(run->local))
			return GONE;
		buf_put(out, run->local);
		if (letter == 's') {
			buf_putc(out, '@');
			buf_put(out, run->sender_domain);
		}
		break;
	case 'o':
		buf_put(out, run->sender_domain);
		break;
	case 'd':
		buf_put(out, domain);
		break;
	case 'i':
		put_ip(out, &ask->ip);
		break;
	case 'p':
		buf_put(out, validated_name(run, domain));
		break;
	case 'v':
		buf_puts(out, ask->ip.family == AF_INET ? "in-addr" : "ip6");
		break;
	case 'h':
		buf_put(out, ask->helo);
		break;
	case 'c':
		buf_puts(out, dns_ip_text(&ask->ip, ip));
		break;
	case 'r':
		buf_puts(out, ask->receiver ? ask->receiver : "unknown");
		break;
	case 't':
		buf_printf(out, "%lld", (long long)ask->now_s);
		break;
	default:
		break;
	}
	return buf_result(out);
}

/* ---- transformers ---- */

static bool is_in(struct slice set, char c)
{
	return slice_find(set, c) >= 0;
}

static void put_escaped(struct buf *out, struct slice s, bool escape)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain = ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~", c));
		if (!escape || plain)
			buf_putc(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
}

/* The value in parts, the last `keep` of them (0: all), in their order or from behind, with dots between. */
static enum result put_parts(
    struct buf *out, struct slice value, struct slice delimiters, uint32_t keep, bool reverse, bool escape)
{
	struct slice parts[PARTS_MOST];
	size_t n = 0, start = 0;
	for (size_t i = 0; i <= value.n; i++) {
		if (i < value.n && !is_in(delimiters, value.p[i]))
			continue;
		if (n == PARTS_MOST)
			return FULL;
		parts[n++] = slice_sub(value, start, i - start);
		start = i + 1;
	}
	size_t most = keep && keep < n ? keep : n;
	for (size_t i = 0; i < most; i++) {
		size_t at = reverse ? most - 1 - i : n - most + i;
		if (i)
			buf_putc(out, '.');
		put_escaped(out, parts[at], escape);
	}
	return OK;
}

/* "l1r+-" */
static enum result put_macro(struct spf_run *run, struct slice domain, struct slice inside, struct buf *out)
{
	BUF_LOCAL(value, VALUE_MOST);
	struct cursor c = cursor_of(inside);
	char letter = (char)cursor_take(&c);
	enum result r = put_value(run, domain, ascii_lower(letter), &value);
	if (r != OK)
		return r;
	struct slice digits = cursor_while(&c, ascii_digit);
	uint32_t keep = 0;
	if (digits.n && num_u32(digits, PARTS_MOST, &keep) != OK)
		keep = 0; /* more than there can be: all of them */
	bool reverse = cursor_try(&c, 'r') || cursor_try(&c, 'R');
	struct slice delimiters = c.rest.n ? c.rest : SLICE(".");
	bool escape = letter >= 'A' && letter <= 'Z';
	return put_parts(out, buf_slice(&value), delimiters, keep, reverse, escape);
}

/* RFC 7208 7.3: labels go from the left until it fits. */
static enum result cut_to_name(struct buf *b)
{
	while (b->n > DOMAIN_MOST) {
		ptrdiff_t dot = slice_find(buf_slice(b), '.');
		if (dot < 0)
			return FULL;
		b->n -= (size_t)dot + 1;
		memmove(b->p, b->p + dot + 1, b->n);
	}
	return OK;
}

enum result spf_macro_expand(
    struct spf_run *run, struct slice domain, struct slice s, bool explanation, struct buf *out)
{
	enum result r = OK;
	while (s.n && r == OK) {
		char c = s.p[0], next = s.n > 1 ? s.p[1] : '\0';
		size_t used = c == '%' ? 2 : 1;
		if (c != '%') {
			buf_putc(out, c);
		} else if (next == '%') {
			buf_putc(out, '%');
		} else if (next == '_') {
			buf_putc(out, ' ');
		} else if (next == '-') {
			buf_puts(out, "%20");
		} else {
			used = (size_t)slice_find(s, '}') + 1;
			r = put_macro(run, domain, slice_sub(s, 2, used - 3), out);
		}
		s = slice_sub(s, used, s.n);
	}
	if (r == OK && !explanation)
		r = cut_to_name(out);
	return r == OK ? buf_result(out) : r;
}
