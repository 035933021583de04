/*
 * trust_arc: chains verified and sealed. The set arc-valimail says what must come of each chain, and what each signature
 * must be to the octet; what it does not have is made here.
 */
#include "kit/corpora.h"
#include "resolver/fixture.h"
#include "trust/trust.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

/* As mail has it: lines end in CRLF. */
static void put_crlf(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			buf_putc(out, '\r');
		buf_putc(out, s.p[i]);
	}
}

static struct slice text_of(const json_t *object, const char *name)
{
	const json_t *j = json_object_get(object, name);
	return json_is_string(j) ? slice_of(json_string_value(j), json_string_length(j)) : SLICE_NONE;
}

static struct fixture *zone_of(json_t *records)
{
	const char *name;
	json_t *value;
	struct fixture *f;
	BUF_LOCAL(zone, 1 << 20);
	BUF_LOCAL(why, 1000);
	json_object_foreach(records, name, value)
	{
		buf_printf(&zone, "%s TXT ", name);
		for (const char *p = json_string_value(value); *p; p++)
			if (*p != '\n')
				buf_putc(&zone, *p);
		buf_putc(&zone, '\n');
	}
	if (fixture_parse(buf_slice(&zone), &f, &why) != OK)
		fail_msg("%s", buf_z(&why));
	return f;
}

static json_t *load_set(const char *name)
{
	BUF_LOCAL(file, (size_t)16 << 20);
	if (!corpora_read(name, &file))
		return NULL;
	json_t *top = json_loadb(file.p, file.n, JSON_ALLOW_NUL, NULL);
	assert_non_null(top);
	return top;
}

/* ---- verifying ---- */

/*
 * The set's words: Pass, Fail, None; nothing for a chain that a seal has ended with cv=fail, which is a failed chain too (RFC
 * 8617 5.2 step 2) but gets no further seal.
 */
static const char *word_of(const struct arc_chain *chain)
{
	return chain->closed ? "" : arc_status_name(chain->status);
}

static bool check_case(const char *name, json_t *test, struct fixture *zone)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	BUF_LOCAL(message, 1 << 20);
	struct trust_message m;
	struct arc_chain chain;
	struct trust_check check = {.dns = fixture_dns(zone), .explain = true};
	struct slice want = text_of(test, "cv");
	put_crlf(text_of(test, "message"), &message);
	assert_int_equal(trust_message_read(buf_slice(&message), &a, &m), OK);
	arc_verify(&m, &check, &chain);
	bool right = slice_ieq(slice_str(word_of(&chain)), want);
	if (chain.closed)
		assert_int_equal(chain.status, ARC_FAIL);
	if (!right)
		print_error(
		    "%s: %s (%s), not " SLICE_FMT "\n", name, word_of(&chain), chain.reason, SLICE_ARG(want));
	return right;
}

static void test_validation(void **state)
{
	size_t at, n = 0, right = 0;
	const char *name;
	json_t *top = load_set("arc-valimail/arc-validation.part.json"), *scenario, *test;
	if (!top) {
		skip();
		return;
	}
	json_array_foreach(top, at, scenario)
	{
		struct fixture *zone = zone_of(json_object_get(scenario, "txt-records"));
		json_object_foreach(json_object_get(scenario, "tests"), name, test)
		{
			right += check_case(name, test, zone);
			n++;
		}
		fixture_free(zone);
	}
	print_message("arc-valimail: %zu of %zu chains\n", right, n);
	assert_int_equal(right, n);
	json_decref(top);
}

/* ---- sealing ---- */

static EVP_PKEY *read_key(struct slice pem)
{
	BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	assert_non_null(k);
	return k;
}

static void finish(EVP_PKEY *k, const struct trust_draft *d, struct buf *out)
{
	unsigned char octets[1024];
	size_t n = sizeof octets;
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(k, NULL);
	assert_int_equal(EVP_PKEY_sign_init(x), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_sign(x, octets, &n, d->digest, TRUST_DIGEST), 1);
	EVP_PKEY_CTX_free(x);
	dkim_draft_put(d, slice_of(octets, n), out);
}

/* The set of this message in three fields; false: no seal is to be added. */
static bool seal(struct slice message, struct dns *dns, const struct arc_sealer *s, struct slice authserv,
    EVP_PKEY *k, struct buf *results_out, struct buf *signature_out, struct buf *seal_out)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct trust_message m;
	struct arc_chain chain;
	struct arc_draft draft;
	struct trust_draft last;
	struct trust_check check = {.dns = dns};
	BUF_LOCAL(results, 100000);
	assert_int_equal(trust_message_read(message, &a, &m), OK);
	arc_verify(&m, &check, &chain);
	arc_results_put(&m, authserv, &results);
	enum result r = arc_seal_start(&m, &chain, s, buf_slice(&results), &draft);
	if (r == DENY)
		return false;
	assert_int_equal(r, OK);
	buf_put(results_out, draft.results);
	finish(k, &draft.signature, signature_out);
	assert_int_equal(arc_seal_end(&m, &chain, s, draft.results, buf_slice(signature_out), &last), OK);
	finish(k, &last, seal_out);
	return true;
}

/* The same tags with the same values, white space aside. */
static bool same_tags(struct slice value, struct slice want)
{
	ARENA_LOCAL(a, 1 << 20);
	struct tags t, w;
	if (tags_parse(value, &t) != OK || tags_parse(want, &w) != OK || t.n != w.n)
		return false;
	for (size_t i = 0; i < w.n; i++) {
		char *name = arena_z(&a, w.tag[i].name);
		if (!slice_eq(tag_squeezed(tags_value(&t, name), 100000, &a),
			tag_squeezed(w.tag[i].value, 100000, &a)))
			return false;
	}
	return true;
}

static bool same_text(struct slice value, struct slice want)
{
	ARENA_LOCAL(a, 1 << 20);
	return slice_eq(tag_squeezed(value, 100000, &a), tag_squeezed(want, 100000, &a));
}

static struct slice value_of(const struct buf *field)
{
	struct mail_fields fields = mail_fields_of(buf_slice(field));
	struct mail_field f = {0};
	return mail_fields_next(&fields, &f) ? f.value : SLICE_NONE;
}

static bool check_seal(const char *name, json_t *scenario, json_t *test, struct fixture *zone)
{
	BUF_LOCAL(message, 1 << 20);
	BUF_LOCAL(results, 100000);
	BUF_LOCAL(signature, 100000);
	BUF_LOCAL(last, 100000);
	struct arc_sealer s = {.domain = text_of(scenario, "domain"),
	    .selector = text_of(scenario, "sel"),
	    .algorithm = DKIM_RSA_SHA256,
	    .now_s = json_integer_value(json_object_get(test, "t")),
	    .names = text_of(test, "sig-headers")};
	EVP_PKEY *k = read_key(text_of(scenario, "privatekey"));
	put_crlf(text_of(test, "message"), &message);
	bool sealed = seal(buf_slice(&message), fixture_dns(zone), &s, text_of(test, "srv-id"), k, &results,
	    &signature, &last);
	bool right = sealed == (text_of(test, "AS").n > 0);
	if (sealed && right)
		right = same_tags(value_of(&last), text_of(test, "AS")) &&
			same_tags(value_of(&signature), text_of(test, "AMS")) &&
			same_text(value_of(&results), text_of(test, "AAR"));
	if (!right)
		print_error("%s:\n%s%s%s", name, buf_z(&last), buf_z(&signature), buf_z(&results));
	EVP_PKEY_free(k);
	return right;
}

static void test_sealing(void **state)
{
	size_t at, n = 0, right = 0;
	const char *name;
	json_t *top = load_set("arc-valimail/arc-sign.part.json"), *scenario, *test;
	if (!top) {
		skip();
		return;
	}
	json_array_foreach(top, at, scenario)
	{
		struct fixture *zone = zone_of(json_object_get(scenario, "txt-records"));
		json_object_foreach(json_object_get(scenario, "tests"), name, test)
		{
			right += check_seal(name, scenario, test, zone);
			n++;
		}
		fixture_free(zone);
	}
	print_message("arc-valimail: %zu of %zu seals\n", right, n);
	assert_int_equal(right, n);
	json_decref(top);
}

/* ---- chains of our own ---- */

static const char letter[] =
    "Authentication-Results: mx.example.jp; spf=pass smtp.mailfrom=a@example.net;\r\n"
    "Authentication-Results: other.example; dkim=pass\r\n"
    "From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n";

static void put_key(EVP_PKEY *k, struct buf *zone)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(k, &der);
	buf_puts(zone, "s._domainkey.example.jp TXT v=DKIM1; p=");
	buf_base64(zone, slice_of(der, (size_t)n));
	buf_putc(zone, '\n');
	OPENSSL_free(der);
}

static void verify_chain(struct slice message, struct fixture *zone, struct arena *a, struct arc_chain *out)
{
	struct trust_message m;
	struct trust_check check = {.dns = fixture_dns(zone), .explain = true};
	assert_int_equal(trust_message_read(message, a, &m), OK);
	arc_verify(&m, &check, out);
}

/* Up to the most sets there may be; each of them is right, the next one is not made. */
static void test_longest_chain(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	BUF_LOCAL(zone_text, 10000);
	put_key(k, &zone_text);
	struct fixture *zone;
	assert_int_equal(fixture_parse(buf_slice(&zone_text), &zone, NULL), OK);
	struct arc_sealer s = {
	    .domain = SLICE("example.jp"), .selector = SLICE("s"), .algorithm = DKIM_RSA_SHA256, .now_s = 7};
	BUF_LOCAL(message, 1 << 20);
	buf_puts(&message, letter);
	for (unsigned i = 1; i <= LIMIT_ARC_SETS + 1; i++) {
		ARENA_LOCAL(a, (size_t)64 << 20);
		struct arc_chain chain;
		BUF_LOCAL(results, 100000);
		BUF_LOCAL(signature, 100000);
		BUF_LOCAL(next, 1 << 20);
		bool sealed = seal(buf_slice(&message), fixture_dns(zone), &s, SLICE("mx.example.jp"), k,
		    &results, &signature, &next);
		assert_int_equal(sealed, i <= LIMIT_ARC_SETS);
		if (!sealed)
			break;
		buf_put(&next, buf_slice(&signature));
		buf_put(&next, buf_slice(&results));
		buf_put(&next, buf_slice(&message));
		buf_clear(&message);
		buf_put(&message, buf_slice(&next));
		verify_chain(buf_slice(&message), zone, &a, &chain);
		if (chain.status != ARC_PASS)
			fail_msg("set %u: %s", i, chain.reason);
		assert_int_equal(chain.n, i);
		assert_int_equal(chain.oldest_pass, 1);
		assert_true(slice_eq(
		    chain.sets[0].results, SLICE("mx.example.jp;\r\n spf=pass smtp.mailfrom=a@example.net")));
		assert_true(slice_eq(chain.sets[i - 1].domain, SLICE("example.jp")));
	}
	/* A changed body is seen, and so is a changed set far below. */
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct arc_chain chain;
	message.p[message.n - 3] ^= 1;
	verify_chain(buf_slice(&message), zone, &a, &chain);
	assert_int_equal(chain.status, ARC_FAIL);
	assert_string_equal(chain.reason, "the body was changed");
	message.p[message.n - 3] ^= 1;
	message.p[slice_search(buf_slice(&message), SLICE("i=9; mx")) + 5] ^= 1;
	verify_chain(buf_slice(&message), zone, &a, &chain);
	assert_int_equal(chain.status, ARC_FAIL);
	assert_string_equal(chain.reason, "the signature does not fit the header");
	fixture_free(zone);
	EVP_PKEY_free(k);
}

static void test_temporary(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	struct fixture *zone;
	assert_int_equal(fixture_parse(SLICE("s._domainkey.example.jp TIMEOUT\n"), &zone, NULL), OK);
	struct arc_sealer s = {
	    .domain = SLICE("example.jp"), .selector = SLICE("s"), .algorithm = DKIM_RSA_SHA256, .now_s = 7};
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct arc_chain chain;
	BUF_LOCAL(results, 100000);
	BUF_LOCAL(signature, 100000);
	BUF_LOCAL(message, 1 << 20);
	assert_true(seal(
	    slice_str(letter), fixture_dns(zone), &s, SLICE("nobody"), k, &results, &signature, &message));
	buf_put(&message, buf_slice(&signature));
	buf_put(&message, buf_slice(&results));
	buf_puts(&message, letter);
	verify_chain(buf_slice(&message), zone, &a, &chain);
	assert_int_equal(chain.status, ARC_FAIL);
	assert_true(chain.temporary);
	assert_true(slice_eq(chain.sets[0].results, SLICE("nobody; none")));
	fixture_free(zone);
	EVP_PKEY_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_validation),
	    cmocka_unit_test(test_sealing),
	    cmocka_unit_test(test_longest_chain),
	    cmocka_unit_test(test_temporary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
