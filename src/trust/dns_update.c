#include "trust/dns_update.h"
#include "ipc/dns_rdata.h"
#include "trust/name.h"
#include <openssl/rand.h>
#include <stdlib.h>

#define CLASS_IN 1
#define CLASS_NONE 254
#define CLASS_ANY 255
#define TYPE_TSIG 250
#define OPCODE_UPDATE 0x2800
#define ANSWER_BIT 0x8000
#define FUDGE 300 /* seconds between the clocks; RFC 8945 10 */
#define HEADER 12
#define ALGORITHM "hmac-sha256"

const char *trust_dns_rcode(unsigned rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
	    "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};
	return rcode < COUNT(names) ? names[rcode]
	       : rcode == 16        ? "BADSIG"
	       : rcode == 17        ? "BADKEY"
	       : rcode == 18        ? "BADTIME"
				    : "?";
}

/* ---- writing ---- */

static void put_u16(struct buf *b, unsigned v)
{
	buf_putc(b, (char)(v >> 8));
	buf_putc(b, (char)v);
}

static void put_u32(struct buf *b, uint32_t v)
{
	put_u16(b, v >> 16);
	put_u16(b, v & 0xffff);
}

static void put_time(struct buf *b, uint64_t s)
{
	put_u16(b, (unsigned)(s >> 32) & 0xffff);
	put_u32(b, (uint32_t)s);
}

static enum result put_name(struct buf *b, const char *name)
{
	return dns_name_put(slice_str(name), b);
}

static enum result put_change(struct buf *b, const struct dns_change *c)
{
	enum result r = put_name(b, c->name);
	put_u16(b, c->type);
	put_u16(b, c->remove ? CLASS_NONE : CLASS_IN);
	put_u32(b, c->remove ? 0 : c->ttl);
	put_u16(b, (unsigned)c->rdata.n);
	buf_put(b, c->rdata);
	return c->rdata.n > UINT16_MAX ? BAD : r;
}

static enum result put_message(
    struct buf *b, uint16_t id, const char *zone, const struct dns_change *changes, size_t n)
{
	put_u16(b, id);
	put_u16(b, OPCODE_UPDATE);
	put_u16(b, 1); /* zone */
	put_u16(b, 0); /* prerequisites */
	put_u16(b, (unsigned)n);
	put_u16(b, 0); /* additional */
	enum result r = put_name(b, zone);
	put_u16(b, DNS_SOA);
	put_u16(b, CLASS_IN);
	for (size_t i = 0; i < n && r == OK; i++)
		r = put_change(b, &changes[i]);
	return r == OK ? buf_result(b) : BAD;
}

/* RFC 8945 4.3.3: what is signed of the record itself. */
static enum result put_variables(
    struct buf *b, const char *key, uint64_t s, unsigned fudge, unsigned error, struct slice other)
{
	BUF_LOCAL(lower, LIMIT_DNS_NAME + 1);
	for (const char *p = key; *p; p++)
		buf_putc(&lower, ascii_lower(*p));
	if (dns_name_put(buf_slice(&lower), b) != OK || buf_result(&lower) != OK)
		return BAD;
	put_u16(b, CLASS_ANY);
	put_u32(b, 0);
	if (put_name(b, ALGORITHM) != OK)
		return BAD;
	put_time(b, s);
	put_u16(b, fudge);
	put_u16(b, error);
	put_u16(b, (unsigned)other.n);
	buf_put(b, other);
	return buf_result(b);
}

/* Adds the TSIG record to the message. */
static enum result put_signature(
    struct buf *b, uint16_t id, const char *key, uint64_t s, const uint8_t mac[DNS_MAC])
{
	BUF_LOCAL(data, 512);
	if (put_name(&data, ALGORITHM) != OK || put_name(b, key) != OK)
		return BAD;
	put_time(&data, s);
	put_u16(&data, FUDGE);
	put_u16(&data, DNS_MAC);
	buf_put(&data, slice_of(mac, DNS_MAC));
	put_u16(&data, id);
	put_u16(&data, 0);
	put_u16(&data, 0);
	put_u16(b, TYPE_TSIG);
	put_u16(b, CLASS_ANY);
	put_u32(b, 0);
	put_u16(b, (unsigned)data.n);
	buf_put(b, buf_slice(&data));
	if (buf_result(b) != OK)
		return BAD;
	b->p[11] = 1; /* one additional record */
	return OK;
}

/* ---- reading ---- */

static unsigned take_u16(struct cursor *c)
{
	struct slice s = cursor_bytes(c, 2);
	return s.n == 2 ? (unsigned)(unsigned char)s.p[0] << 8 | (unsigned char)s.p[1] : 0;
}

/* Passes over a name, which may end in a pointer (RFC 1035 4.1.4). */
static void skip_name(struct cursor *c)
{
	for (;;) {
		int n = cursor_take(c);
		if (n <= 0)
			return;
		if (n >= 0xc0) {
			cursor_take(c);
			return;
		}
		if (n > 63)
			cursor_fail(c);
		cursor_bytes(c, (size_t)n);
	}
}

static void skip_record(struct cursor *c)
{
	skip_name(c);
	cursor_bytes(c, 8);
	cursor_bytes(c, take_u16(c));
}

/* An uncompressed name: RFC 8945 4.2 asks for it, and the key's name is ours. */
static bool take_name(struct cursor *c, const char *want, struct arena *a)
{
	const char *name = dns_name_read(&c->rest, a);
	if (!name)
		cursor_fail(c);
	return name && slice_ieq(slice_str(name), trust_name_bare(slice_str(want)));
}

struct signature {
	uint64_t s;
	unsigned fudge, id, error;
	struct slice mac, other;
};

static bool take_signature(struct cursor *c, const char *key, struct arena *a, struct signature *out)
{
	bool ours = take_name(c, key, a);
	unsigned type = take_u16(c), class = take_u16(c);
	cursor_bytes(c, 4);
	struct cursor data = cursor_of(cursor_bytes(c, take_u16(c)));
	ours = take_name(&data, ALGORITHM, a) && ours;
	out->s = (uint64_t)take_u16(&data) << 32;
	out->s |= (uint64_t)take_u16(&data) << 16;
	out->s |= take_u16(&data);
	out->fudge = take_u16(&data);
	out->mac = cursor_bytes(&data, take_u16(&data));
	out->id = take_u16(&data);
	out->error = take_u16(&data);
	out->other = cursor_bytes(&data, take_u16(&data));
	return cursor_done(c) == OK && cursor_done(&data) == OK && ours && type == TYPE_TSIG &&
	       class == CLASS_ANY;
}

/* What the server has signed: RFC 8945 5.3. */
static enum result put_input(struct buf *b, struct slice answer, size_t end, struct slice mac,
    const char *key, const struct signature *s)
{
	put_u16(b, (unsigned)mac.n);
	buf_put(b, mac);
	put_u16(b, s->id);
	buf_put(b, slice_sub(answer, 2, 8));
	put_u16(b, 0); /* additional records, without this one */
	buf_put(b, slice_sub(answer, HEADER, end - HEADER));
	return put_variables(b, key, s->s, s->fudge, s->error, s->other);
}

enum result trust_dns_update_read(struct slice answer, uint16_t id, const char *key, struct slice mac,
    struct arena *a, struct dns_update_answer *out)
{
	struct cursor c = cursor_of(answer);
	unsigned counts[4], got = take_u16(&c), flags = take_u16(&c);
	*out = (struct dns_update_answer){.rcode = flags & 15};
	for (int i = 0; i < 4; i++)
		counts[i] = take_u16(&c);
	if (c.err != OK || got != id || !(flags & ANSWER_BIT) || counts[0] > 1 || counts[3] > 1)
		return BAD;
	if (counts[0]) {
		skip_name(&c);
		cursor_bytes(&c, 4);
	}
	for (unsigned i = 0; i < counts[1] + counts[2] && c.err == OK; i++)
		skip_record(&c);
	size_t end = answer.n - c.rest.n;
	struct signature s;
	BUF_LOCAL(input, LIMIT_DNS_MESSAGE + 1024);
	if (c.err != OK)
		return BAD;
	if (!counts[3])
		return OK;
	if (!take_signature(&c, key, a, &s) || put_input(&input, answer, end, mac, key, &s) != OK)
		return BAD;
	out->tsig_error = s.error;
	out->signed_s = s.s;
	out->mac = arena_dup(a, s.mac);
	out->input = arena_dup(a, buf_slice(&input));
	return arena_full(a) ? BAD : OK;
}

/* ---- the whole act ---- */

static enum result refused(struct arena *a, enum result r, const char **why_out, const char *why)
{
	*why_out = arena_z(a, slice_str(why));
	return r;
}

/* The answer's signature is the key's, and fresh. */
static enum result believe(const struct dns_update_door *door, const struct dns_update_answer *answer,
    struct arena *a, const char **why_out)
{
	uint8_t mac[DNS_MAC];
	uint64_t now = (uint64_t)(clock_utc_ms() / SECOND_MS);
	if (answer->tsig_error)
		return refused(a, DENY, why_out, trust_dns_rcode(answer->tsig_error));
	if (!answer->mac.n)
		return refused(a, LATER, why_out,
		    answer->rcode ? trust_dns_rcode(answer->rcode) : "the answer is not signed");
	enum result r = door->mac(door->context, answer->input, mac);
	if (r != OK)
		return refused(a, r, why_out, "the key cannot be used");
	if (!slice_eq_secret(slice_of(mac, sizeof mac), answer->mac))
		return refused(a, LATER, why_out, "the answer's signature is wrong");
	if (now > answer->signed_s + FUDGE || answer->signed_s > now + FUDGE)
		return refused(a, LATER, why_out, "the answer was signed at another time");
	return answer->rcode ? refused(a, DENY, why_out, trust_dns_rcode(answer->rcode)) : OK;
}

enum result trust_dns_update(const struct dns_update_door *door, const char *zone,
    const struct dns_change *changes, size_t n, struct arena *a, const char **why_out)
{
	BUF_LOCAL(message, LIMIT_DNS_MESSAGE);
	BUF_LOCAL(input, LIMIT_DNS_MESSAGE + 1024);
	struct dns_update_answer answer;
	uint64_t now = (uint64_t)(clock_utc_ms() / SECOND_MS);
	uint8_t mac[DNS_MAC];
	uint16_t id;
	if (RAND_bytes((unsigned char *)&id, sizeof id) != 1)
		abort();
	if (n > LIMIT_DNS_CHANGES || put_message(&message, id, zone, changes, n) != OK)
		return refused(a, BAD, why_out, "too many records, or one is none");
	buf_put(&input, buf_slice(&message));
	if (put_variables(&input, door->key, now, FUDGE, 0, SLICE_NONE) != OK)
		return refused(a, BAD, why_out, "the key's name is no name");
	enum result r = door->mac(door->context, buf_slice(&input), mac);
	if (r != OK)
		return refused(a, r, why_out, "the key cannot be used");
	if (put_signature(&message, id, door->key, now, mac) != OK)
		return refused(a, BAD, why_out, "too long");
	r = door->send(door->context, buf_slice(&message), id, slice_of(mac, sizeof mac), a, &answer);
	if (r != OK)
		return refused(a, r, why_out, "the name server does not answer");
	return believe(door, &answer, a, why_out);
}

const char *trust_dns_zone(struct dns *dns, struct slice name, struct arena *a, bool *secure_out)
{
	struct dns_answer answer;
	for (struct slice at = name; slice_find(at, '.') >= 0; slice_split(&at, '.')) {
		dns_ask(dns, at, DNS_SOA, a, &answer);
		if (answer.status != DNS_FOUND || !answer.canonical ||
		    !slice_ieq(trust_name_bare(slice_str(answer.canonical)), trust_name_bare(at)))
			continue;
		if (secure_out)
			*secure_out = answer.secure;
		return arena_z(a, at);
	}
	return NULL;
}

/* ---- changes ---- */

static void put_text(struct buf *b, struct slice text)
{
	do {
		struct slice part = slice_sub(text, 0, 255);
		buf_putc(b, (char)part.n);
		buf_put(b, part);
		text = slice_sub(text, part.n, text.n);
	} while (text.n);
}

enum result trust_dns_change(
    const char *name, unsigned type, const char *value, struct arena *a, struct dns_change *out)
{
	BUF_LOCAL(rdata, LIMIT_DNS_MESSAGE);
	const char *why;
	if (type == DNS_TXT)
		put_text(&rdata, slice_str(value));
	else if (dns_rdata_put(type, slice_str(value), &rdata, &why) != OK)
		return BAD;
	*out = (struct dns_change){
	    .name = name, .type = type, .ttl = 3600, .rdata = arena_dup(a, buf_slice(&rdata))};
	return buf_result(&rdata) == OK && !arena_full(a) ? OK : BAD;
}

enum result trust_dns_update_txt(const struct dns_update_door *door, const char *zone, const char *name,
    struct slice text, bool remove, struct arena *a, const char **why_out)
{
	BUF_LOCAL(rdata, LIMIT_DNS_MESSAGE);
	put_text(&rdata, text);
	struct dns_change c = {
	    .remove = remove, .name = name, .type = DNS_TXT, .ttl = 60, .rdata = buf_slice(&rdata)};
	return trust_dns_update(door, zone, &c, 1, a, why_out);
}
