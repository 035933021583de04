/*
 * trust_dkim: tag lists, canonical forms, DKIM verifying and signing. Keys are made here; messages whose signatures others
 * made come from the public sets (dkim-dkimpy, dkim-mail-auth, dkim-mail-dkim).
 */
#include "kit/corpora.h"
#include "resolver/fixture.h"
#include "trust/signature.h"
#include "trust/trust.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- keys and a zone of our own ---- */

static EVP_PKEY *key_of(bool ed25519, unsigned bits)
{
	EVP_PKEY *k = ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
			      : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	assert_non_null(k);
	return k;
}

static void put_public(EVP_PKEY *k, struct buf *out)
{
	unsigned char raw[64], *der = NULL;
	size_t n = sizeof raw;
	if (EVP_PKEY_is_a(k, "RSA")) {
		int length = i2d_PUBKEY(k, &der);
		buf_base64(out, slice_of(der, (size_t)length));
		OPENSSL_free(der);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(k, raw, &n), 1);
		buf_base64(out, slice_of(raw, n));
	}
}

static void put_record(struct buf *zone, const char *name, EVP_PKEY *k, const char *more)
{
	buf_printf(
	    zone, "%s TXT v=DKIM1; k=%s; %sp=", name, EVP_PKEY_is_a(k, "RSA") ? "rsa" : "ed25519", more);
	put_public(k, zone);
	buf_putc(zone, '\n');
}

static void sign_digest(EVP_PKEY *k, const unsigned char digest[TRUST_DIGEST], struct buf *out)
{
	unsigned char octets[1024];
	size_t n = sizeof octets;
	if (EVP_PKEY_is_a(k, "RSA")) {
		EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(k, NULL);
		assert_int_equal(EVP_PKEY_sign_init(x), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()), 1);
		assert_int_equal(EVP_PKEY_sign(x, octets, &n, digest, TRUST_DIGEST), 1);
		EVP_PKEY_CTX_free(x);
	} else {
		EVP_MD_CTX *x = EVP_MD_CTX_new();
		assert_int_equal(EVP_DigestSignInit(x, NULL, NULL, NULL, k), 1);
		assert_int_equal(EVP_DigestSign(x, octets, &n, digest, TRUST_DIGEST), 1);
		EVP_MD_CTX_free(x);
	}
	buf_put(out, slice_of(octets, n));
}

/* ---- verifying ---- */

struct world {
	struct arena arena;
	struct fixture *zone;
	struct trust_message message;
	struct dkim_signatures found;
};

static void verify_at(struct world *w, struct slice zone, struct slice message, int64_t now_s)
{
	BUF_LOCAL(why, 1000);
	arena_init(&w->arena, (size_t)64 << 20);
	if (fixture_parse(zone, &w->zone, &why) != OK)
		fail_msg("%s", buf_z(&why));
	struct trust_check check = {
	    .dns = fixture_dns(w->zone), .now_ms = now_s * SECOND_MS, .explain = true};
	assert_int_equal(trust_message_read(message, &w->arena, &w->message), OK);
	dkim_verify(&w->message, &check, &w->found);
}

static void world_end(struct world *w)
{
	fixture_free(w->zone);
	arena_free(&w->arena);
}

static void check_one(
    const char *label, struct slice zone, struct slice message, const char *result, const char *reason)
{
	struct world w;
	verify_at(&w, zone, message, 1000000);
	if (w.found.n != 1)
		fail_msg("%s: %zu signatures", label, w.found.n);
	const struct dkim_signature *s = &w.found.list[0];
	if (strcmp(dkim_result_name(s->result), result) != 0 || strcmp(s->reason, reason) != 0)
		fail_msg("%s: %s (%s), not %s (%s)", label, dkim_result_name(s->result), s->reason, result,
		    reason);
	world_end(&w);
}

static void sign_as(struct slice message, const struct dkim_signer *how, EVP_PKEY *k, struct buf *out)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct trust_message m;
	struct trust_draft d;
	BUF_LOCAL(signature, 1024);
	assert_int_equal(trust_message_read(message, &a, &m), OK);
	assert_int_equal(dkim_draft_make(&m, how, &d), OK);
	sign_digest(k, d.digest, &signature);
	dkim_draft_put(&d, buf_slice(&signature), out);
	buf_put(out, message);
}

static const char letter[] = "Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
			     "From: =?utf-8?Q?J=C3=B6?=\r\n <jo@example.jp>\r\n"
			     "To:  you@example.com \r\n"
			     "Subject:\tHi   there\r\n"
			     "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
			     "\r\n"
			     "One  line \t \r\n"
			     " and another\r\n"
			     "\r\n"
			     "\r\n";

/* ---- tag lists ---- */

static enum result tags_of(const char *text, struct tags *t)
{
	return tags_parse(slice_str(text), t);
}

static void test_tags(void **state)
{
	struct tags t;
	assert_int_equal(tags_of("a=b", &t), OK);
	assert_int_equal(tags_of(" v = 1 ; a_1=b c\r\n d; e= ;", &t), OK);
	assert_int_equal(t.n, 3);
	assert_true(slice_eq(tags_value(&t, "a_1"), SLICE("b c\r\n d")));
	assert_int_equal(tags_value(&t, "e").n, 0);
	assert_non_null(tags_find(&t, "e"));
	assert_null(tags_find(&t, "V"));
	static const char *const bad[] = {
	    "", ";", "a", "a=b;;", ";a=b", "a=b; ;c=d", "a=b;a=c", "=b", "1=b", "a b=c", "a=b\x01", "a=b;c"};
	for (size_t i = 0; i < COUNT(bad); i++)
		if (tags_of(bad[i], &t) != BAD)
			fail_msg("accepted: %s", bad[i]);
	BUF_LOCAL(many, 10000);
	for (int i = 0; i <= LIMIT_TAGS; i++)
		buf_printf(&many, "t%d=x;", i);
	assert_int_equal(tags_parse(buf_slice(&many), &t), FULL);
}

static void test_tag_lists(void **state)
{
	struct tag_list l = {.rest = SLICE(" from : to\r\n :: x")};
	struct slice one;
	const char *const want[] = {"from", "to", "", "x"};
	for (size_t i = 0; i < COUNT(want); i++) {
		assert_true(tag_list_next(&l, &one));
		assert_true(slice_eq(one, slice_str(want[i])));
	}
	assert_false(tag_list_next(&l, &one));
	assert_true(tag_list_has(SLICE("y:S"), SLICE("s")));
	assert_false(tag_list_has(SLICE_NONE, SLICE("s")));
	BUF_LOCAL(octets, 100);
	assert_int_equal(tag_base64(SLICE("YW\r\n Jj"), &octets), OK);
	assert_true(slice_eq(buf_slice(&octets), SLICE("abc")));
	assert_int_equal(tag_base64(SLICE("YW?j"), &octets), BAD);
	assert_int_equal(tag_base64(SLICE_NONE, &octets), BAD);
}

/* ---- canonical forms ---- */

static void collect(void *context, struct slice piece)
{
	buf_put(context, piece);
}

/* The form itself, and the same however the body is cut. */
static void check_body(enum canon how, const char *body, const char *want)
{
	struct slice all = slice_str(body);
	for (size_t cut = 0; cut <= all.n; cut++) {
		BUF_LOCAL(out, 1 << 20);
		struct canon_body c = {.how = how, .sink = collect, .context = &out};
		canon_body_add(&c, slice_sub(all, 0, cut));
		canon_body_add(&c, slice_sub(all, cut, all.n));
		canon_body_end(&c);
		if (!slice_eq(buf_slice(&out), slice_str(want)) || c.total != out.n)
			fail_msg("%s of \"%s\" cut at %zu: \"%s\"", canon_name(how), body, cut, buf_z(&out));
	}
}

static void test_bodies(void **state)
{
	check_body(CANON_SIMPLE, "", "\r\n");
	check_body(CANON_SIMPLE, "\r\n\r\n", "\r\n");
	check_body(CANON_SIMPLE, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n"); /* RFC 6376 3.4.5 */
	check_body(CANON_SIMPLE, "a", "a\r\n");
	check_body(CANON_SIMPLE, "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n");
	check_body(CANON_SIMPLE, "a\r", "a\r\r\n");
	check_body(CANON_SIMPLE, "a\n\n", "a\n\n\r\n");
	check_body(CANON_SIMPLE, "a\r\r\n\n\r\n", "a\r\r\n\n\r\n");
	check_body(CANON_RELAXED, "", "");
	check_body(CANON_RELAXED, "\r\n \r\n\t\r\n", "");
	check_body(CANON_RELAXED, "   ", "");
	check_body(CANON_RELAXED, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"); /* RFC 6376 3.4.5 */
	check_body(CANON_RELAXED, "a \t", "a\r\n");
	check_body(CANON_RELAXED, "a\r\n \r\n\r\n b  c", "a\r\n\r\n\r\n b c\r\n");
	check_body(CANON_RELAXED, "a \r b", "a \r b\r\n");
	check_body(CANON_RELAXED, "a b\nc \n", "a b\nc \n\r\n");
}

static void check_field(enum canon how, const char *field, const char *want)
{
	struct mail_fields fields = mail_fields_of(slice_str(field));
	struct mail_field f;
	BUF_LOCAL(out, 1000);
	assert_true(mail_fields_next(&fields, &f));
	canon_field(how, &f, &out);
	assert_string_equal(buf_z(&out), want);
}

static void test_fields(void **state)
{
	check_field(CANON_RELAXED, "A: X\r\n", "a:X\r\n"); /* RFC 6376 3.4.5 */
	check_field(CANON_RELAXED, "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n");
	check_field(CANON_RELAXED, "C:\r\n", "c:\r\n");
	check_field(CANON_RELAXED, "C:a\rb \r c\r\n", "c:a\rb \r c\r\n");
	check_field(CANON_SIMPLE, "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n");
	check_field(CANON_SIMPLE, "B: Y", "B: Y\r\n");
}

/* ---- there and back ---- */

static void check_pair(enum canon header, enum canon body, EVP_PKEY *k, const char *result)
{
	bool ed25519 = EVP_PKEY_is_a(k, "ED25519");
	struct dkim_signer how = {.domain = SLICE("example.jp"),
	    .selector = SLICE("a.b"),
	    .header = header,
	    .body = body,
	    .algorithm = ed25519 ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256,
	    .now_s = 999};
	BUF_LOCAL(zone, 10000);
	BUF_LOCAL(message, 10000);
	put_record(&zone, "a.b._domainkey.example.jp", k, "");
	sign_as(slice_str(letter), &how, k, &message);
	const char *why = strcmp(result, "pass") == 0 ? "" : "the key has less than 1024 bits (RFC 8301)";
	check_one("as signed", buf_slice(&zone), buf_slice(&message), result, why);
	ptrdiff_t body_at = slice_search(buf_slice(&message), SLICE("One"));
	message.p[body_at] ^= 1;
	check_one("body", buf_slice(&zone), buf_slice(&message), "fail", "the body was changed");
	message.p[body_at] ^= 1;
	message.p[slice_search(buf_slice(&message), SLICE("there"))] ^= 1;
	check_one(
	    "header", buf_slice(&zone), buf_slice(&message), "fail", "the signature does not fit the header");
}

static void test_pairs(void **state)
{
	const struct {
		bool ed25519;
		unsigned bits;
		const char *result;
	} kinds[] = {{false, 512, "policy"}, {false, 1024, "pass"}, {false, 2048, "pass"},
	    {false, 4096, "pass"}, {true, 0, "pass"}};
	for (size_t i = 0; i < COUNT(kinds); i++) {
		EVP_PKEY *k = key_of(kinds[i].ed25519, kinds[i].bits);
		for (unsigned forms = 0; forms < 4; forms++)
			check_pair(forms & 1, forms >> 1, k, kinds[i].result);
		EVP_PKEY_free(k);
	}
}

/* What our own field covers: nothing can be added. */
static void test_oversigned(void **state)
{
	static const char *const added[] = {"From: evil@example.net\r\n", "Subject: other\r\n",
	    "To: a@b.c\r\n", "Cc: a@b.c\r\n", "Reply-To: evil@example.net\r\n", "Message-ID: <x@y>\r\n",
	    "MIME-Version: 1.0\r\n", "Content-Type: text/html\r\n", "In-Reply-To: <x@y>\r\n",
	    "References: <x@y>\r\n", "Date: x\r\n", "Content-Transfer-Encoding: base64\r\n"};
	EVP_PKEY *k = key_of(true, 0);
	struct dkim_signer how = {.domain = SLICE("example.jp"),
	    .selector = SLICE("s"),
	    .header = CANON_RELAXED,
	    .body = CANON_RELAXED,
	    .algorithm = DKIM_ED25519_SHA256,
	    .now_s = 999};
	BUF_LOCAL(zone, 10000);
	BUF_LOCAL(message, 10000);
	put_record(&zone, "s._domainkey.example.jp", k, "");
	sign_as(slice_str(letter), &how, k, &message);
	for (size_t i = 0; i < COUNT(added); i++) {
		BUF_LOCAL(changed, 20000);
		buf_puts(&changed, added[i]);
		buf_put(&changed, buf_slice(&message));
		check_one(added[i], buf_slice(&zone), buf_slice(&changed), "fail",
		    "the signature does not fit the header");
	}
	BUF_LOCAL(listed, 20000); /* a list that says who it is does no harm */
	buf_puts(&listed, "List-Id: <l.example.net>\r\nSender: l@example.net\r\nBcc: x@example.net\r\n");
	buf_put(&listed, buf_slice(&message));
	check_one("a list", buf_slice(&zone), buf_slice(&listed), "pass", "");
	EVP_PKEY_free(k);
}

/* ---- what never passes ---- */

/* Signs `letter` under a field of the case's own, `%s` being the body hash. */
static void sign_template(
    EVP_PKEY *k, const char *before, const char *field, struct slice message, struct buf *out)
{
	ARENA_LOCAL(a, 1 << 20);
	struct trust_message m;
	struct trust_draft d;
	BUF_LOCAL(hash, 100);
	BUF_LOCAL(text, 10000);
	BUF_LOCAL(signature, 1024);
	assert_int_equal(trust_message_read(message, &a, &m), OK);
	buf_base64(&hash,
	    slice_of(trust_body_hash(&m, CANON_SIMPLE, strstr(field, "l=8") ? 8 : UINT64_MAX)->digest, 32));
	for (const char *p = field; *p; p++)
		if (*p == '%')
			buf_put(&text, buf_slice(&hash));
		else
			buf_putc(&text, *p);
	buf_puts(&text, "\r\n");
	if (dkim_draft_of(&m, buf_slice(&text), &d) == OK) {
		sign_digest(k, d.digest, &signature);
		dkim_draft_put(&d, buf_slice(&signature), out);
	} else { /* what we would not make ourselves: any signature */
		buf_put(out, slice_sub(buf_slice(&text), 0, text.n - 2));
		buf_puts(out, "YWJj\r\n");
	}
	buf_puts(out, before);
	buf_put(out, message);
}

struct odd {
	const char *label, *record, *field, *before, *result, *reason;
};

#define TAGS "DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=s; "
static const struct odd odds[] = {
    {"plain", "", TAGS "h=from; bh=%; b=", "", "pass", ""},
    {"sha1", "", "DKIM-Signature: v=1; a=rsa-sha1; d=example.jp; s=s; h=from; bh=%; b=", "", "permerror",
	"rsa-sha1 proves nothing any more (RFC 8301)"},
    {"no from", "", TAGS "h=to; bh=%; b=", "", "permerror", "From is not signed"},
    {"no version", "", "DKIM-Signature: a=ed25519-sha256; d=example.jp; s=s; h=from; bh=%; b=", "",
	"permerror", "v= is not 1"},
    {"tag twice", "", TAGS "d=example.net; h=from; bh=%; b=", "", "permerror", "it is no tag list"},
    {"part of the body", "", TAGS "h=from; l=8; bh=%; b=", "", "policy",
	"l= leaves a part of the body uncovered"},
    {"more than the body", "", TAGS "h=from; l=9999; bh=%; b=", "", "permerror", "l= is more than there is"},
    {"expired", "", TAGS "h=from; x=5; bh=%; b=", "", "policy", "the signature has expired"},
    {"not expired", "", TAGS "h=from; x=1000000; bh=%; b=", "", "pass", ""},
    {"expires before", "", TAGS "t=7; x=6; h=from; bh=%; b=", "", "permerror", "x= is before t="},
    {"i= of another", "", TAGS "i=@example.net; h=from; bh=%; b=", "", "permerror", "i= is not of d="},
    {"i= looks alike", "", TAGS "i=@badexample.jp; h=from; bh=%; b=", "", "permerror", "i= is not of d="},
    {"i= below", "", TAGS "i=jo@a.Example.JP; h=from; bh=%; b=", "", "pass", ""},
    {"i= below, strict", "t=s; ", TAGS "i=jo@a.example.jp; h=from; bh=%; b=", "", "permerror",
	"the key is for addresses of exactly d= (t=s)"},
    {"strict", "t=y:s; ", TAGS "i=jo@example.jp; h=from; bh=%; b=", "", "pass", ""},
    {"q=", "", TAGS "q=http/html; h=from; bh=%; b=", "", "permerror", "q= asks for what is unknown"},
    {"c=", "", TAGS "c=nowsp; h=from; bh=%; b=", "", "permerror", "the canonicalisation is unknown"},
    {"h= empty", "", TAGS "h=; bh=%; b=", "", "permerror", "h= names no field"},
    {"h= of nothing", "", TAGS "h=from:; bh=%; b=", "", "permerror", "h= names no field"},
    {"another key kind", "", "DKIM-Signature: v=1; a=rsa-sha256; d=example.jp; s=s; h=from; bh=%; b=", "",
	"permerror", "the key is of another kind than the signature"},
    {"key for sha1", "h=sha1; ", TAGS "h=from; bh=%; b=", "", "permerror",
	"the key record does not allow SHA-256"},
    {"key for sha256", "h=sha1:sha256; ", TAGS "h=from; bh=%; b=", "", "pass", ""},
    {"key for reports", "s=tlsrpt; ", TAGS "h=from; bh=%; b=", "", "permerror", "the key is not for mail"},
    {"key for all", "s=web:*; g=nobody; ", TAGS "h=from; bh=%; b=", "", "pass", ""},
    {"second From", "", TAGS "h=from; bh=%; b=", "From: evil@example.net\r\n", "policy",
	"a From field is not covered"},
    {"second Subject", "", TAGS "h=from:subject; bh=%; b=", "Subject: other\r\n", "pass", ""},
    {"selector of nothing", "",
	"DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=a..b; h=from; bh=%; b=", "", "permerror",
	"s= is no selector"},
    {"no domain", "", "DKIM-Signature: v=1; a=ed25519-sha256; d=[192.0.2.1]; s=s; h=from; bh=%; b=", "",
	"permerror", "d= is no domain"},
    {"no key", "", "DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=other; h=from; bh=%; b=", "",
	"permerror", "there is no key"},
    {"later", "", "DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=slow; h=from; bh=%; b=", "",
	"temperror", "the key could not be asked for"},
    {"forged", "", "DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=bogus; h=from; bh=%; b=", "",
	"temperror", "the key could not be asked for"},
    {"revoked", "", "DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=revoked; h=from; bh=%; b=", "",
	"permerror", "the key is revoked"},
    {"record of no tags", "", "DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=junk; h=from; bh=%; b=",
	"", "permerror", "the key record is no tag list"},
    {"several records", "",
	"DKIM-Signature: v=1; a=ed25519-sha256; d=example.jp; s=several; h=from; bh=%; b=", "", "pass", ""},
};

static void put_odd_zone(EVP_PKEY *k, const char *more, struct buf *zone)
{
	buf_puts(zone, "slow._domainkey.example.jp TIMEOUT\nbogus._domainkey.example.jp BOGUS\n"
		       "revoked._domainkey.example.jp TXT v=DKIM1; k=ed25519; p=\n"
		       "junk._domainkey.example.jp TXT hello\n"
		       "several._domainkey.example.jp TXT hello\n");
	put_record(zone, "several._domainkey.example.jp", k, "");
	put_record(zone, "s._domainkey.example.jp", k, more);
}

static void test_odds(void **state)
{
	EVP_PKEY *k = key_of(true, 0);
	for (size_t i = 0; i < COUNT(odds); i++) {
		BUF_LOCAL(zone, 10000);
		BUF_LOCAL(message, 20000);
		put_odd_zone(k, odds[i].record, &zone);
		sign_template(k, odds[i].before, odds[i].field, slice_str(letter), &message);
		check_one(
		    odds[i].label, buf_slice(&zone), buf_slice(&message), odds[i].result, odds[i].reason);
	}
	EVP_PKEY_free(k);
}

static void test_bare(void **state)
{
	static const char *const bodies[] = {"a\nb\r\n", "a\rb\r\n", "a\r\n\r"};
	EVP_PKEY *k = key_of(true, 0);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		BUF_LOCAL(zone, 10000);
		BUF_LOCAL(plain, 20000);
		BUF_LOCAL(message, 20000);
		put_odd_zone(k, "", &zone);
		buf_printf(&plain, "From: a@example.jp\r\n\r\n%s", bodies[i]);
		sign_template(k, "", TAGS "h=from; bh=%; b=", buf_slice(&plain), &message);
		check_one(bodies[i], buf_slice(&zone), buf_slice(&message), "policy",
		    "bare CR or LF in the message");
	}
	EVP_PKEY_free(k);
}

static void test_too_many(void **state)
{
	EVP_PKEY *k = key_of(true, 0);
	BUF_LOCAL(zone, 10000);
	BUF_LOCAL(message, 100000);
	put_odd_zone(k, "", &zone);
	for (int i = 1; i <= LIMIT_DKIM_SIGNATURES + 1; i++) {
		BUF_LOCAL(more, 100000);
		struct world w;
		sign_template(
		    k, "", TAGS "h=from; bh=%; b=", i == 1 ? slice_str(letter) : buf_slice(&message), &more);
		buf_clear(&message);
		buf_put(&message, buf_slice(&more));
		verify_at(&w, buf_slice(&zone), buf_slice(&message), 0);
		assert_int_equal(w.found.n, MIN(i, LIMIT_DKIM_SIGNATURES));
		assert_int_equal(w.found.too_many, i > LIMIT_DKIM_SIGNATURES);
		for (size_t j = 0; j < w.found.n; j++)
			assert_int_equal(
			    w.found.list[j].result, i > LIMIT_DKIM_SIGNATURES ? DKIM_NEUTRAL : DKIM_PASS);
		world_end(&w);
	}
	EVP_PKEY_free(k);
}

/* What is told besides the result. */
static void test_told(void **state)
{
	struct world w;
	EVP_PKEY *k = key_of(true, 0);
	BUF_LOCAL(zone, 10000);
	BUF_LOCAL(message, 20000);
	put_odd_zone(k, "t=y; ", &zone);
	buf_puts(&zone, "s._domainkey.example.jp SECURE\n");
	sign_template(
	    k, "Subject: more\r\n", TAGS "t=9; h=From:subject:X; l=8; bh=%; b=", slice_str(letter), &message);
	verify_at(&w, buf_slice(&zone), buf_slice(&message), 0);
	const struct dkim_signature *s = &w.found.list[0];
	assert_int_equal(w.found.n, 1);
	assert_true(slice_eq(s->domain, SLICE("example.jp")) && slice_eq(s->selector, SLICE("s")));
	assert_true(
	    slice_eq(s->identity, SLICE("@example.jp")) && slice_eq(s->algorithm, SLICE("ed25519-sha256")));
	assert_int_equal(s->key_bits, 256);
	assert_true(s->testing && s->key_secure && s->limited);
	assert_int_equal(s->b.n, 8);
	assert_int_equal(s->signed_s, 9);
	assert_int_equal(s->body_covered, 8);
	assert_int_equal(s->body_total, sizeof letter - 1 - (size_t)(strstr(letter, "One") - letter) - 4);
	assert_int_equal(s->n_covered, 3);
	assert_true(slice_eq(s->covered[0], SLICE("From")) && slice_eq(s->covered[2], SLICE("X")));
	assert_int_equal(s->n_added, 1);
	assert_true(slice_eq(s->added[0], SLICE("Subject")));
	assert_true(slice_starts(s->key_record, SLICE("v=DKIM1")));
	assert_true(slice_starts(s->header_input, SLICE("From: =?utf-8")));
	world_end(&w);
	EVP_PKEY_free(k);
}

/* Thousands of fields and names take no time worth speaking of. */
static void test_huge_headers(void **state)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct trust_message m;
	struct dkim_signer how = {
	    .domain = SLICE("example.jp"), .selector = SLICE("s"), .algorithm = DKIM_RSA_SHA256};
	struct trust_draft d;
	BUF_LOCAL(message, (size_t)8 << 20);
	buf_puts(&message, "From: a@example.jp\r\n");
	for (int i = 0; i < LIMIT_HEADER_FIELDS - 1; i++)
		buf_printf(&message, "X-%d: x\r\n", i);
	assert_int_equal(trust_message_read(buf_slice(&message), &a, &m), OK);
	assert_null(m.unfit);
	assert_int_equal(dkim_draft_make(&m, &how, &d), OK);
	buf_puts(&message, "Subject: one too many\r\n");
	assert_int_equal(trust_message_read(buf_slice(&message), &a, &m), OK);
	assert_non_null(m.unfit);
	assert_int_equal(dkim_draft_make(&m, &how, &d), BAD);
	buf_clear(&message);
	buf_puts(&message, "From: a@example.jp\r\n");
	for (int i = 0; i < LIMIT_SIGNATURE_NAMES; i++)
		buf_puts(&message, "Subject: x\r\n");
	assert_int_equal(trust_message_read(buf_slice(&message), &a, &m), OK);
	assert_int_equal(dkim_draft_make(&m, &how, &d), BAD);
	assert_int_equal(trust_message_read(SLICE("Subject: nobody's\r\n\r\n"), &a, &m), OK);
	assert_int_equal(dkim_draft_make(&m, &how, &d), BAD);
}

/* ---- the public sets ---- */

static bool read_set(const char *name, struct buf *out)
{
	BUF_LOCAL(raw, 1 << 20);
	if (!corpora_read(name, &raw))
		return false;
	bool has = slice_search(buf_slice(&raw), SLICE("\r\n")) >= 0;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\n' && !has)
			buf_putc(out, '\r');
		buf_putc(out, raw.p[i]);
	}
	return true;
}

#define RFC_KEYS                                                                                             \
	"brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; p=%s\n"                            \
	"test._domainkey.football.example.com TXT v=DKIM1; k=rsa; "                                          \
	"p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiG"                                             \
	"s5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"                     \
	"8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5"                                                                 \
	"QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"

static void check_all_pass(const char *name, struct slice zone, struct slice message, size_t n)
{
	struct world w;
	verify_at(&w, zone, message, 0);
	if (w.found.n != n)
		fail_msg("%s: %zu signatures", name, w.found.n);
	for (size_t i = 0; i < w.found.n; i++)
		if (w.found.list[i].result != DKIM_PASS)
			fail_msg("%s: signature %zu: %s %s", name, i,
			    dkim_result_name(w.found.list[i].result), w.found.list[i].reason);
	world_end(&w);
}

static void test_set_dkimpy(void **state)
{
	BUF_LOCAL(message, 1 << 20);
	BUF_LOCAL(zone, 10000);
	if (!read_set("dkim-dkimpy/rfc6376.signed.msg", &message)) {
		skip();
		return;
	}
	buf_printf(&zone, RFC_KEYS, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
	check_all_pass("rfc6376.signed.msg", buf_slice(&zone), buf_slice(&message), 2);
}

/* "name text" lines, an empty line, the message. */
static void split_set(struct slice all, struct buf *zone, struct slice *message_out)
{
	for (struct slice line = slice_split(&all, '\n'); (line = slice_trim(line)).n;
	     line = slice_split(&all, '\n')) {
		struct slice name = slice_split(&line, ' ');
		buf_put(zone, name);
		buf_puts(zone, " TXT ");
		buf_put(zone, line);
		buf_putc(zone, '\n');
	}
	*message_out = all;
}

static void test_set_mail_auth(void **state)
{
	static const struct {
		const char *name;
		size_t n;
	} files[] = {{"001", 2}, {"005", 1}, {"006", 1}};
	for (size_t i = 0; i < COUNT(files); i++) {
		BUF_LOCAL(all, 1 << 20);
		BUF_LOCAL(zone, 100000);
		struct slice message;
		char name[100];
		snprintf(name, sizeof name, "dkim-mail-auth/%s.txt", files[i].name);
		if (!read_set(name, &all)) {
			skip();
			return;
		}
		split_set(buf_slice(&all), &zone, &message);
		check_all_pass(name, buf_slice(&zone), message, files[i].n);
	}
}

/* RFC 8463 appendix A: Ed25519 has one signature only, so ours is theirs to the octet. */
static void test_rfc8463(void **state)
{
	static const char field[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
				    " d=football.example.com; i=@football.example.com;\r\n"
				    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
				    " subject : date : message-id : from : subject : date;\r\n"
				    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=\r\n";
	static const char mail[] = "From: Joe SixPack <joe@football.example.com>\r\n"
				   "To: Suzie Q <suzie@shopping.example.net>\r\n"
				   "Subject: Is dinner ready?\r\n"
				   "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
				   "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
				   "\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
	ARENA_LOCAL(a, 1 << 20);
	struct trust_message m;
	struct trust_draft d;
	BUF_LOCAL(seed, 100);
	BUF_LOCAL(signature, 100);
	BUF_LOCAL(text, 200);
	assert_int_equal(base64_decode(SLICE("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="), &seed), OK);
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (unsigned char *)seed.p, seed.n);
	assert_int_equal(trust_message_read(slice_str(mail), &a, &m), OK);
	assert_int_equal(dkim_draft_of(&m, slice_str(field), &d), OK);
	sign_digest(k, d.digest, &signature);
	buf_base64(&text, buf_slice(&signature));
	assert_string_equal(buf_z(&text),
	    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
	EVP_PKEY_free(k);
}

static void put_fake_dns(struct slice all, struct buf *zone)
{
	while (all.n) {
		struct slice line = slice_trim(slice_split(&all, '\n'));
		if (line.n == 0 || line.p[0] == '#')
			continue;
		struct slice name = slice_split(&line, ' ');
		line = slice_trim(line);
		struct slice status =
		    slice_eq(line, SLICE("~~Query timed out~~")) ? SLICE("TIMEOUT") : SLICE_NONE;
		buf_put(zone, name);
		buf_puts(zone, " ");
		if (status.n || !line.n) {
			buf_put(zone, status.n ? status : SLICE("NXDOMAIN"));
		} else {
			buf_puts(zone, "TXT ");
			buf_put(zone, line);
		}
		buf_putc(zone, '\n');
	}
}

/* The set is older than RFC 8301: what it lets pass with rsa-sha1 must not. */
static bool is_too_weak(struct slice message)
{
	return slice_search(message, SLICE("a=rsa-sha1;")) >= 0;
}

static void test_set_mail_dkim(void **state)
{
	BUF_LOCAL(list, 100000);
	BUF_LOCAL(dns, 1 << 20);
	BUF_LOCAL(zone, 1 << 20);
	size_t n = 0;
	if (!corpora_read("dkim-mail-dkim/consensus.tsv", &list) ||
	    !corpora_read("dkim-mail-dkim/FAKE_DNS.dat", &dns)) {
		skip();
		return;
	}
	put_fake_dns(buf_slice(&dns), &zone);
	for (struct slice rest = buf_slice(&list); rest.n; n++) {
		struct slice want = slice_trim(slice_split(&rest, '\n'));
		struct slice name = slice_split(&want, '\t');
		char path[300];
		struct world w;
		bool pass = false;
		BUF_LOCAL(message, 1 << 20);
		snprintf(path, sizeof path, "dkim-mail-dkim/" SLICE_FMT, SLICE_ARG(name));
		assert_true(read_set(path, &message));
		verify_at(&w, buf_slice(&zone), buf_slice(&message), 0);
		for (size_t i = 0; i < w.found.n; i++)
			pass |= w.found.list[i].result == DKIM_PASS;
		if (is_too_weak(buf_slice(&message)))
			assert_int_equal(w.found.list[0].result, DKIM_PERMERROR);
		if (pass != (slice_eq(want, SLICE("pass")) && !is_too_weak(buf_slice(&message))))
			fail_msg("%s: %s %s", path,
			    w.found.n ? dkim_result_name(w.found.list[0].result) : "none",
			    w.found.n ? w.found.list[0].reason : "");
		world_end(&w);
	}
	print_message("dkim-mail-dkim: %zu of %zu cases\n", n, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_tag_lists),
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_oversigned),
	    cmocka_unit_test(test_odds),
	    cmocka_unit_test(test_bare),
	    cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_told),
	    cmocka_unit_test(test_huge_headers),
	    cmocka_unit_test(test_rfc8463),
	    cmocka_unit_test(test_set_dkimpy),
	    cmocka_unit_test(test_set_mail_auth),
	    cmocka_unit_test(test_set_mail_dkim),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
