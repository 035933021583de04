#include "webauthn.h"
#include "cbor.h"

#define HEAD 37   /* octets of authenticator data: hash, flags, counter */
#define AAGUID 16 /* then, of a new credential, the authenticator's model */
#define ATTESTED 0x40
#define OBJECT_MOST 16384
#define ID_MOST 1023

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

void webauthn_base64url(struct buf *out, struct slice s)
{
	size_t from = out->n;
	buf_base64(out, s);
	while (out->n > from && out->p[out->n - 1] == '=')
		out->n--;
	for (size_t i = from; i < out->n; i++)
		out->p[i] = (char)(out->p[i] == '+' ? '-' : out->p[i] == '/' ? '_' : out->p[i]);
}

static enum result read_base64url(struct slice s, struct buf *out)
{
	BUF_LOCAL(text, s.n + 4);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '+' || c == '/' || c == '=')
			return BAD;
		buf_putc(&text, (char)(c == '-' ? '+' : c == '_' ? '/' : c));
	}
	while (text.n % 4)
		buf_putc(&text, '=');
	return s.n ? base64_decode(buf_slice(&text), out) : BAD;
}

/* A member's octets, in the arena. */
static enum result take(const json_t *v, const char *key, struct arena *a, ProtobufCBinaryData *out)
{
	const json_t *member = json_object_get(v, key);
	BUF_LOCAL(b, OBJECT_MOST);
	enum result r = read_base64url(slice_of(json_string_value(member), json_string_length(member)), &b);
	if (r == OK)
		*out = octets(arena_dup(a, buf_slice(&b)));
	return r == OK && !arena_full(a) ? OK : BAD;
}

/* ---- COSE keys, RFC 9053 ---- */

struct cose {
	int64_t type, algorithm, curve; /* labels 1, 3, -1 */
	struct slice first, second;     /* labels -2, -3; of RSA -1, -2 */
	struct slice modulus;
};

static void take_label(struct cursor *c, int64_t label, struct cose *key)
{
	struct cbor_item item;
	struct cursor ahead = *c;
	switch (label) {
	case 1:
		key->type = cbor_integer(c);
		return;
	case 3:
		key->algorithm = cbor_integer(c);
		return;
	case -1:
		if (cbor_next(&ahead, &item) && item.kind == CBOR_BYTES) {
			key->modulus = item.bytes;
			*c = ahead;
		} else {
			key->curve = cbor_integer(c);
		}
		return;
	case -2:
	case -3:
		if (!cbor_next(c, &item) || item.kind != CBOR_BYTES)
			cursor_fail(c);
		else
			*(label == -2 ? &key->first : &key->second) = item.bytes;
		return;
	default:
		cbor_skip(c);
	}
}

static void take_cose(struct cursor *c, struct cose *key)
{
	struct cbor_item map;
	if (!cbor_next(c, &map) || map.kind != CBOR_MAP || map.value > c->rest.n) {
		cursor_fail(c);
		return;
	}
	for (uint64_t i = 0; i < map.value && c->err == OK; i++) {
		int64_t label = cbor_integer(c);
		take_label(c, label, key);
	}
}

/* As keys wants it. */
static enum result put_key(const struct cose *key, struct arena *a, Sekisho__Passkey *out)
{
	BUF_LOCAL(b, 1024);
	if (key->type == 2 && key->algorithm == -7 && key->curve == 1) {
		buf_put(&b, key->first);
		buf_put(&b, key->second);
	} else if (key->type == 1 && key->algorithm == -8 && key->curve == 6) {
		buf_put(&b, key->first);
	} else if (key->type == 3 && key->algorithm == -257 && key->first.n == 3) {
		buf_put(&b, key->modulus);
		buf_put(&b, key->first);
	} else {
		return BAD;
	}
	out->algorithm = (int32_t)key->algorithm;
	out->key = octets(arena_dup(a, buf_slice(&b)));
	return buf_result(&b) == OK && !arena_full(a) ? OK : BAD;
}

static enum result take_attested(struct slice data, struct arena *a, Sekisho__Passkey *out)
{
	struct cursor c = cursor_of(data);
	struct cose key = {0};
	struct slice head = cursor_bytes(&c, HEAD);
	if (!head.n || !(head.p[32] & ATTESTED))
		return BAD;
	(void)cursor_bytes(&c, AAGUID);
	struct slice length = cursor_bytes(&c, 2);
	if (!length.n)
		return BAD;
	struct slice id =
	    cursor_bytes(&c, (size_t)((unsigned char)length.p[0] << 8 | (unsigned char)length.p[1]));
	take_cose(&c, &key);
	if (c.err != OK || !id.n || id.n > ID_MOST)
		return BAD;
	out->id = octets(arena_dup(a, id));
	out->authenticator = octets(arena_dup(a, data));
	return put_key(&key, a, out);
}

enum result webauthn_attested(struct slice object, struct arena *a, Sekisho__Passkey *out)
{
	struct cursor c = cursor_of(object);
	struct cbor_item map, key, value;
	struct slice data = SLICE_NONE;
	if (!cbor_next(&c, &map) || map.kind != CBOR_MAP || map.value > c.rest.n)
		return BAD;
	for (uint64_t i = 0; i < map.value && c.err == OK; i++) {
		if (!cbor_next(&c, &key) || key.kind != CBOR_TEXT)
			return BAD;
		if (!slice_eq(key.bytes, SLICE("authData")))
			cbor_skip(&c);
		else if (!cbor_next(&c, &value) || value.kind != CBOR_BYTES)
			return BAD;
		else
			data = value.bytes;
	}
	return cursor_done(&c) == OK ? take_attested(data, a, out) : BAD;
}

/* ---- as JSON ---- */

enum result webauthn_registration(const json_t *credential, struct arena *a, Sekisho__Passkey *out)
{
	const json_t *response = json_object_get(credential, "response");
	ProtobufCBinaryData object;
	enum result r = take(response, "clientDataJSON", a, &out->client);
	if (r == OK)
		r = take(response, "attestationObject", a, &object);
	return r == OK ? webauthn_attested(slice_of(object.data, object.len), a, out) : r;
}

enum result webauthn_assertion(const json_t *credential, struct arena *a, Sekisho__Passkey *out)
{
	const json_t *response = json_object_get(credential, "response");
	enum result r = take(credential, "id", a, &out->id);
	if (r == OK)
		r = take(response, "clientDataJSON", a, &out->client);
	if (r == OK)
		r = take(response, "authenticatorData", a, &out->authenticator);
	if (r == OK)
		r = take(response, "signature", a, &out->signature);
	return r;
}

enum result webauthn_challenge(const Sekisho__Passkey *p, struct buf *out)
{
	json_t *client =
	    json_loadb((const char *)p->client.data, p->client.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *challenge = json_object_get(client, "challenge");
	enum result r =
	    read_base64url(slice_of(json_string_value(challenge), json_string_length(challenge)), out);
	json_decref(client);
	return r;
}
