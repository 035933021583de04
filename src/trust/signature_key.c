/* Public keys: records of the DNS, and checking with them. */
#include "trust/signature.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define ED25519_KEY 32
#define EXPONENT_MOST 8 /* octets: a larger one only makes checking slow */

/* One element of DER with this tag; its content. */
static struct slice der_take(struct cursor *c, int tag)
{
	if (cursor_take(c) != tag)
		cursor_fail(c);
	int first = cursor_take(c);
	size_t n = first < 0 ? 0 : (size_t)first;
	if (first >= 0x80) {
		int octets = first - 0x80;
		if (octets == 0 || octets > 2)
			cursor_fail(c);
		for (n = 0; octets > 0 && c->err == OK; octets--)
			n = n << 8 | (size_t)(cursor_take(c) & 0xff);
	}
	return cursor_bytes(c, n);
}

enum { DER_INTEGER = 2, DER_BITS = 3, DER_SEQUENCE = 0x30 };

/* The key from its two numbers: a tenth of what OpenSSL's general decoder takes. */
static EVP_PKEY *rsa_of(struct slice modulus, struct slice exponent)
{
	EVP_PKEY *key = NULL;
	BIGNUM *n = BN_bin2bn((const unsigned char *)modulus.p, (int)modulus.n, NULL);
	BIGNUM *e = BN_bin2bn((const unsigned char *)exponent.p, (int)exponent.n, NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	if (!n || !e || !build || !x)
		abort();
	if (OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1 &&
	    (params = OSSL_PARAM_BLD_to_param(build)) && EVP_PKEY_fromdata_init(x) == 1 &&
	    EVP_PKEY_fromdata(x, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(x);
	BN_free(n);
	BN_free(e);
	ERR_clear_error();
	return key;
}

/* SubjectPublicKeyInfo, as everybody publishes it, or the RSAPublicKey inside it, as RFC 6376 3.6.1 has it. */
static EVP_PKEY *read_rsa(struct slice octets)
{
	static const char rsa[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"; /* rsaEncryption */
	struct cursor all = cursor_of(octets);
	struct cursor in = cursor_of(der_take(&all, DER_SEQUENCE));
	if (cursor_peek(&in) == DER_SEQUENCE) {
		if (!slice_starts(der_take(&in, DER_SEQUENCE), slice_of(rsa, sizeof rsa - 1)))
			cursor_fail(&in);
		struct cursor bits = cursor_of(der_take(&in, DER_BITS));
		if (in.err != OK || !cursor_end(&in) || cursor_take(&bits) != 0)
			return NULL;
		in = cursor_of(der_take(&bits, DER_SEQUENCE));
		if (cursor_done(&bits) != OK)
			return NULL;
	}
	struct slice modulus = der_take(&in, DER_INTEGER), exponent = der_take(&in, DER_INTEGER);
	if (cursor_done(&in) != OK || cursor_done(&all) != OK || !modulus.n || !exponent.n ||
	    exponent.n > EXPONENT_MOST || (modulus.p[0] & 0x80) || (exponent.p[0] & 0x80))
		return NULL;
	return rsa_of(modulus, exponent);
}

EVP_PKEY *signature_key_read(bool ed25519, struct slice octets)
{
	if (!ed25519)
		return read_rsa(octets);
	if (octets.n != ED25519_KEY)
		return NULL;
	EVP_PKEY *key =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)octets.p, octets.n);
	ERR_clear_error();
	return key;
}

static const char *read_octets(const struct tags *t, struct signature_key *out)
{
	const struct tag *p = tags_find(t, "p");
	BUF_LOCAL(octets, LIMIT_SIGNATURE_OCTETS);
	if (!p)
		return "the key record has no p=";
	if (p->value.n == 0)
		return "the key is revoked";
	if (tag_base64(p->value, &octets) != OK || buf_result(&octets) != OK)
		return "p= of the key record is not base64";
	out->key = signature_key_read(out->ed25519, buf_slice(&octets));
	if (!out->key)
		return "p= of the key record is no such key";
	out->bits = (unsigned)EVP_PKEY_get_bits(out->key);
	return out->bits > LIMIT_SIGNATURE_KEY_BITS ? "the key is too long" : NULL;
}

const char *signature_key_parse(struct slice record, struct signature_key *out)
{
	struct tags t;
	*out = (struct signature_key){0};
	if (tags_parse(record, &t) != OK)
		return "the key record is no tag list";
	const struct tag *v = tags_find(&t, "v"), *k = tags_find(&t, "k"), *h = tags_find(&t, "h"),
			 *s = tags_find(&t, "s");
	if (v && (v != &t.tag[0] || !slice_eq(v->value, SLICE("DKIM1"))))
		return "the key record is of another version";
	out->ed25519 = k && slice_ieq(k->value, SLICE("ed25519"));
	if (k && !out->ed25519 && !slice_ieq(k->value, SLICE("rsa")))
		return "the key record is of an unknown kind";
	if (h && !tag_list_has(h->value, SLICE("sha256")))
		return "the key record does not allow SHA-256";
	if (s && !tag_list_has(s->value, SLICE("*")) && !tag_list_has(s->value, SLICE("email")))
		return "the key is not for mail";
	out->testing = tag_list_has(tags_value(&t, "t"), SLICE("y"));
	out->strict = tag_list_has(tags_value(&t, "t"), SLICE("s"));
	return read_octets(&t, out);
}

void signature_key_free(struct signature_key *k)
{
	EVP_PKEY_free(k->key);
	k->key = NULL;
}

/* ---- records of our own ---- */

void dkim_record_put(enum dkim_algorithm a, struct slice octets, struct buf *out)
{
	buf_puts(out, a == DKIM_ED25519_SHA256 ? "v=DKIM1; k=ed25519; p=" : "v=DKIM1; k=rsa; p=");
	buf_base64(out, octets);
}

static bool is_same_key(struct slice record, enum dkim_algorithm a, EVP_PKEY *ours)
{
	struct signature_key k;
	bool same = !signature_key_parse(record, &k) && k.ed25519 == (a == DKIM_ED25519_SHA256) &&
		    EVP_PKEY_eq(k.key, ours) == 1;
	signature_key_free(&k);
	return same;
}

enum dkim_seen dkim_key_seen(struct dns *dns, struct slice domain, struct slice selector,
    enum dkim_algorithm a, struct slice octets, struct arena *arena)
{
	struct dns_text_list texts = {.status = DNS_SERVFAIL};
	struct slice name = slice_str(
	    arena_printf(arena, SLICE_FMT "._domainkey." SLICE_FMT, SLICE_ARG(selector), SLICE_ARG(domain)));
	EVP_PKEY *ours = signature_key_read(a == DKIM_ED25519_SHA256, octets);
	if (ours && !arena_full(arena))
		dns_txt(dns, name, arena, &texts);
	enum dkim_seen seen = dns_is_temporary(texts.status) ? DKIM_UNKNOWN
			      : texts.n                      ? DKIM_OTHER
							     : DKIM_ABSENT;
	/* With several records it depends on who looks: only one, and that ours, will do. */
	if (texts.n == 1 && is_same_key(texts.text[0], a, ours))
		seen = DKIM_SEEN;
	EVP_PKEY_free(ours);
	return seen;
}

/* ---- checking ---- */

static bool is_right_rsa(EVP_PKEY *key, struct slice signature, const unsigned char digest[TRUST_DIGEST])
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	bool right =
	    x && EVP_PKEY_verify_init(x) == 1 && EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()) == 1 &&
	    EVP_PKEY_verify(x, (const unsigned char *)signature.p, signature.n, digest, TRUST_DIGEST) == 1;
	EVP_PKEY_CTX_free(x);
	return right;
}

/* RFC 8463 3: the hash is what Ed25519 signs. */
static bool is_right_ed25519(EVP_PKEY *key, struct slice signature, const unsigned char digest[TRUST_DIGEST])
{
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	bool right =
	    x && EVP_DigestVerifyInit(x, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(x, (const unsigned char *)signature.p, signature.n, digest, TRUST_DIGEST) == 1;
	EVP_MD_CTX_free(x);
	return right;
}

static bool is_right(
    const struct signature_key *k, struct slice signature, const unsigned char digest[TRUST_DIGEST])
{
	bool right = k->ed25519 ? is_right_ed25519(k->key, signature, digest)
				: is_right_rsa(k->key, signature, digest);
	ERR_clear_error();
	return right;
}

/* "i=" of another domain than d=, which t=s forbids. */
static bool breaks_strict(const struct signature *s, const struct signature_key *k)
{
	ptrdiff_t at = slice_rfind(s->identity, '@');
	return k->strict && at >= 0 &&
	       !slice_ieq(slice_sub(s->identity, (size_t)at + 1, s->identity.n), s->domain);
}

static void try_record(const struct signature *s, const unsigned char digest[TRUST_DIGEST],
    struct slice record, struct signature_check *out)
{
	struct signature_key k;
	const char *why = signature_key_parse(record, &k);
	if (!why && k.ed25519 != s->ed25519)
		why = "the key is of another kind than the signature";
	if (!why && breaks_strict(s, &k))
		why = "the key is for addresses of exactly d= (t=s)";
	out->key_record = record;
	out->key_bits = k.bits;
	out->testing = k.testing;
	out->outcome = SIGNATURE_NO_KEY;
	if (!why) {
		out->outcome = is_right(&k, s->signature, digest) ? SIGNATURE_RIGHT : SIGNATURE_WRONG;
		if (out->outcome == SIGNATURE_WRONG)
			why = "the signature does not fit the header";
	}
	out->why = why;
	signature_key_free(&k);
}

void signature_check(const struct signature *s, const unsigned char digest[TRUST_DIGEST],
    const struct trust_check *check, struct arena *a, struct signature_check *out)
{
	struct dns_text_list texts = {.status = DNS_SERVFAIL};
	*out = (struct signature_check){.outcome = SIGNATURE_LATER, .why = "the key could not be asked for"};
	out->key_name = slice_str(arena_printf(
	    a, SLICE_FMT "._domainkey." SLICE_FMT, SLICE_ARG(s->selector), SLICE_ARG(s->domain)));
	if (!arena_full(a) && (!check->deadline_ms || clock_mono_ms() < check->deadline_ms))
		dns_txt(check->dns, out->key_name, a, &texts);
	if (dns_is_temporary(texts.status))
		return;
	out->secure = texts.secure;
	out->outcome = SIGNATURE_NO_KEY;
	out->why = "there is no key";
	/* RFC 6376 3.6.2.2 leaves several records open: any that fits will do. */
	struct signature_check first = *out;
	for (size_t i = 0; i < texts.n && i < LIMIT_SIGNATURE_KEYS && out->outcome != SIGNATURE_RIGHT; i++) {
		try_record(s, digest, texts.text[i], out);
		if (i == 0)
			first = *out;
	}
	if (out->outcome != SIGNATURE_RIGHT)
		*out = first;
}
