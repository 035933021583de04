#include "ipc/dns.h"
#include <arpa/inet.h>
#include <stdlib.h>

static const struct {
	unsigned type;
	const char *name;
} types[] = {{DNS_A, "A"}, {DNS_NS, "NS"}, {DNS_CNAME, "CNAME"}, {DNS_SOA, "SOA"}, {DNS_PTR, "PTR"},
    {DNS_MX, "MX"}, {DNS_TXT, "TXT"}, {DNS_AAAA, "AAAA"}, {DNS_SRV, "SRV"}, {DNS_TLSA, "TLSA"},
    {DNS_SPF, "SPF"}, {DNS_CAA, "CAA"}};

unsigned dns_type_read(struct slice name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (slice_ieq(name, slice_str(types[i].name)))
			return types[i].type;
	return 0;
}

const char *dns_type_name(unsigned type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "TYPE";
}

const char *dns_status_name(enum dns_status s)
{
	static const char *const names[] = {"found", "nodata", "nxdomain", "servfail", "timeout", "bogus"};
	return (unsigned)s < COUNT(names) ? names[s] : "?";
}

/* ---- over the trunk ---- */

static void failed(struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	*out = (struct dns_answer){.status = DNS_SERVFAIL, .canonical = arena_z(a, name)};
	EVENT(DNS_FAILED, KV("name", name), KZ("type", dns_type_name(type)),
	    KZ("why", "the resolver cannot be asked"));
}

/* One ask and its answer; LATER when that has not come by until_ms, and the channel is closed then. */
static enum result call(struct ipc *c, const Sekisho__DnsAsk *ask, int64_t until_ms, struct arena *a,
    Sekisho__DnsAnswer **answer_out)
{
	struct ipc_fds none = {.n = 0};
	if (!until_ms)
		return ipc_call(c, ASK_DNS, ask, NULL, a, answer_out, NULL);
	enum result r = ipc_put(c, ASK_DNS, ask, NULL);
	if (r == OK)
		r = ipc_wait(c, MAX(until_ms - clock_mono_ms(), (int64_t)0));
	if (r == OK)
		return ipc_more(c, a, answer_out, &none);
	ipc_close(c);
	return r;
}

static void ask_trunk(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	const struct dns_trunk *trunk = (const struct dns_trunk *)d;
	struct ipc *c = ipc_thread(trunk->resolver);
	Sekisho__DnsAsk ask = SEKISHO__DNS_ASK__INIT;
	Sekisho__DnsAnswer *answer;
	ask.name = arena_z(a, name);
	ask.type = type;
	enum result r = c && ask.name ? call(c, &ask, trunk->until_ms, a, &answer) : GONE;
	if (r == LATER && trunk->until_ms) {
		*out = (struct dns_answer){.status = DNS_TIMEOUT, .canonical = ask.name};
		return;
	}
	if (r != OK) {
		failed(name, type, a, out);
		return;
	}
	*out = (struct dns_answer){.status = answer->status <= SEKISHO__DNS_ANSWER__STATUS__BOGUS
						 ? (enum dns_status)answer->status
						 : DNS_SERVFAIL,
	    .secure = answer->secure,
	    .ttl = answer->ttl,
	    .canonical = *answer->canonical ? answer->canonical : ask.name,
	    .rdata = arena_array(a, MAX(answer->n_records, 1), sizeof *out->rdata)};
	for (size_t i = 0; out->rdata && i < answer->n_records; i++)
		out->rdata[out->n++] =
		    slice_of(answer->records[i]->rdata.data, answer->records[i]->rdata.len);
	if (arena_full(a))
		failed(name, type, a, out);
}

void dns_trunk_init(struct dns_trunk *t, struct ipc_trunk *resolver)
{
	*t = (struct dns_trunk){.dns.ask = ask_trunk, .resolver = resolver};
}

/* ---- names and addresses ---- */

static bool is_name_octet(char c)
{
	return c > ' ' && c <= '~' && c != '.' && c != '\\' && c != '"' && c != '@';
}

const char *dns_name_read(struct slice *rest, struct arena *a)
{
	char text[LIMIT_DNS_NAME + 2];
	size_t n = 0;
	for (;;) {
		if (rest->n == 0)
			return NULL;
		size_t label = (unsigned char)rest->p[0];
		*rest = slice_sub(*rest, 1, rest->n);
		if (label == 0)
			break;
		if (label > 63 || label > rest->n || n + label + 1 > LIMIT_DNS_NAME)
			return NULL;
		if (n)
			text[n++] = '.';
		for (size_t i = 0; i < label; i++) {
			if (!is_name_octet(rest->p[i]))
				return NULL;
			text[n++] = ascii_lower(rest->p[i]);
		}
		*rest = slice_sub(*rest, label, rest->n);
	}
	return arena_z(a, slice_of(text, n));
}

enum result dns_name_put(struct slice name, struct buf *out)
{
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n > LIMIT_DNS_NAME - 2)
		return BAD;
	while (name.n) {
		bool more = slice_find(name, '.') >= 0;
		struct slice label = slice_split(&name, '.');
		if (label.n == 0 || label.n > 63 || (more && name.n == 0) || slice_find(label, '\\') >= 0 ||
		    slice_find(label, '\0') >= 0)
			return BAD;
		buf_putc(out, (char)label.n);
		buf_put(out, label);
	}
	buf_putc(out, '\0');
	return buf_result(out);
}

enum result dns_ip_read(struct slice text, struct dns_ip *out)
{
	char z[DNS_IP_TEXT] = "";
	*out = (struct dns_ip){0};
	if (!text.n || text.n >= sizeof z || slice_find(text, '\0') >= 0)
		return BAD;
	memcpy(z, text.p, text.n);
	out->family = slice_find(text, ':') >= 0 ? AF_INET6 : AF_INET;
	return inet_pton(out->family, z, out->octets) == 1 ? OK : BAD;
}

const char *dns_ip_text(const struct dns_ip *ip, char out[DNS_IP_TEXT])
{
	return inet_ntop(ip->family, ip->octets, out, DNS_IP_TEXT) ? out : "";
}

void dns_ip_reverse(const struct dns_ip *ip, struct buf *out)
{
	if (ip->family == AF_INET) {
		for (int i = 3; i >= 0; i--)
			buf_printf(out, "%u.", ip->octets[i]);
		buf_puts(out, "in-addr.arpa");
		return;
	}
	for (int i = 15; i >= 0; i--)
		buf_printf(out, "%x.%x.", ip->octets[i] & 15u, ip->octets[i] >> 4u);
	buf_puts(out, "ip6.arpa");
}

/*
 * ---- typed answers ----
 *
 * An arena that is full must not look like "no such record": that would bounce mail.
 */
#define SERVFAIL_WHEN_FULL(out, a)                                                                           \
	do {                                                                                                 \
		if (arena_full(a))                                                                           \
			(out)->status = DNS_SERVFAIL, (out)->n = 0;                                          \
	} while (0)

static int by_preference(const void *a, const void *b)
{
	const struct dns_mx *x = a, *y = b;
	return (int)x->preference - (int)y->preference;
}

void dns_mx(struct dns *d, struct slice domain, struct arena *a, struct dns_mx_list *out)
{
	struct dns_answer answer;
	dns_ask(d, domain, DNS_MX, a, &answer);
	*out = (struct dns_mx_list){.status = answer.status, .secure = answer.secure};
	out->mx = arena_array(a, MAX(answer.n, 1), sizeof *out->mx);
	for (size_t i = 0; out->mx && i < answer.n; i++) {
		struct slice r = answer.rdata[i];
		if (r.n < 3)
			continue;
		struct slice rest = slice_sub(r, 2, r.n);
		const char *host = dns_name_read(&rest, a);
		if (host)
			out->mx[out->n++] = (struct dns_mx){
			    (uint16_t)((unsigned char)r.p[0] << 8 | (unsigned char)r.p[1]), host};
	}
	if (out->n)
		qsort(out->mx, out->n, sizeof *out->mx, by_preference);
	SERVFAIL_WHEN_FULL(out, a);
}

static void add_ips(const struct dns_answer *answer, int family, struct dns_ip_list *out)
{
	size_t size = family == AF_INET ? 4 : 16;
	for (size_t i = 0; i < answer->n; i++) {
		if (answer->rdata[i].n != size)
			continue;
		struct dns_ip *ip = &out->ip[out->n++];
		ip->family = family;
		memcpy(ip->octets, answer->rdata[i].p, size);
	}
}

void dns_ips(struct dns *d, struct slice host, struct arena *a, struct dns_ip_list *out)
{
	struct dns_answer six, four;
	dns_ask(d, host, DNS_AAAA, a, &six);
	dns_ask(d, host, DNS_A, a, &four);
	*out = (struct dns_ip_list){.secure = six.secure && four.secure,
	    .canonical = four.status == DNS_FOUND ? four.canonical : six.canonical};
	out->ip = arena_array(a, six.n + four.n + 1, sizeof *out->ip);
	if (out->ip) {
		add_ips(&six, AF_INET6, out);
		add_ips(&four, AF_INET, out);
	}
	if (out->n)
		out->status = DNS_FOUND;
	else if (dns_is_temporary(four.status) || four.status == DNS_FOUND)
		out->status = four.status == DNS_FOUND ? DNS_NODATA : four.status;
	else
		out->status = dns_is_temporary(six.status) ? six.status : four.status;
	SERVFAIL_WHEN_FULL(out, a);
}

static struct slice join_strings(struct slice r, struct arena *a)
{
	char *p = arena_alloc(a, MAX(r.n, 1));
	size_t n = 0;
	while (p && r.n) {
		struct slice s = slice_sub(r, 1, (unsigned char)r.p[0]);
		if (s.n)
			memcpy(p + n, s.p, s.n);
		n += s.n;
		r = slice_sub(r, 1 + s.n, r.n);
	}
	return slice_of(p, p ? n : 0);
}

void dns_txt(struct dns *d, struct slice name, struct arena *a, struct dns_text_list *out)
{
	struct dns_answer answer;
	dns_ask(d, name, DNS_TXT, a, &answer);
	*out = (struct dns_text_list){.status = answer.status, .secure = answer.secure};
	out->text = arena_array(a, MAX(answer.n, 1), sizeof *out->text);
	for (size_t i = 0; out->text && i < answer.n; i++)
		out->text[out->n++] = join_strings(answer.rdata[i], a);
	SERVFAIL_WHEN_FULL(out, a);
}

void dns_tlsa(struct dns *d, struct slice name, struct arena *a, struct dns_tlsa_list *out)
{
	struct dns_answer answer;
	dns_ask(d, name, DNS_TLSA, a, &answer);
	*out = (struct dns_tlsa_list){.status = answer.status, .secure = answer.secure};
	out->tlsa = arena_array(a, MAX(answer.n, 1), sizeof *out->tlsa);
	for (size_t i = 0; out->tlsa && i < answer.n; i++) {
		struct slice r = answer.rdata[i];
		if (r.n > 3)
			out->tlsa[out->n++] = (struct dns_tlsa){
			    (uint8_t)r.p[0], (uint8_t)r.p[1], (uint8_t)r.p[2], slice_sub(r, 3, r.n)};
	}
	SERVFAIL_WHEN_FULL(out, a);
}

void dns_ptr(struct dns *d, const struct dns_ip *ip, struct arena *a, struct dns_name_list *out)
{
	struct dns_answer answer;
	BUF_LOCAL(name, 128);
	dns_ip_reverse(ip, &name);
	dns_ask(d, buf_slice(&name), DNS_PTR, a, &answer);
	*out = (struct dns_name_list){.status = answer.status, .secure = answer.secure};
	out->name = arena_array(a, MAX(answer.n, 1), sizeof *out->name);
	for (size_t i = 0; out->name && i < answer.n; i++) {
		struct slice rest = answer.rdata[i];
		const char *host = dns_name_read(&rest, a);
		if (host)
			out->name[out->n++] = host;
	}
	SERVFAIL_WHEN_FULL(out, a);
}
