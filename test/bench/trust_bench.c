/*
 * What verifying an arrival costs without the DNS: SPF, DKIM with an RSA and an Ed25519 signature, ARC, DMARC and the results
 * field, on a message of 20 KiB; thread CPU time.
 */
#include "resolver/fixture.h"
#include "trust/verify.h"
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 2000
#define ARENA ((size_t)64 << 20)

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void put_key(struct buf *zone, const char *selector, EVP_PKEY *key)
{
	unsigned char *der = NULL, raw[32];
	size_t n = sizeof raw;
	bool rsa = EVP_PKEY_base_id(key) == EVP_PKEY_RSA;
	BUF_LOCAL(text, 4096);
	if (rsa)
		n = (size_t)i2d_PUBKEY(key, &der);
	else
		must(EVP_PKEY_get_raw_public_key(key, raw, &n) == 1, "raw key");
	buf_base64(&text, slice_of(rsa ? der : raw, n));
	OPENSSL_free(der);
	buf_printf(
	    zone, "%s._domainkey.good.example TXT \"v=DKIM1; k=%s; p=\"", selector, rsa ? "rsa" : "ed25519");
	for (size_t i = 0; i < text.n; i += 200) {
		buf_puts(zone, " \"");
		buf_put(zone, slice_sub(buf_slice(&text), i, 200));
		buf_putc(zone, '"');
	}
	buf_puts(zone, "\n");
}

static void sign(EVP_PKEY *key, const struct trust_draft *draft, struct buf *out)
{
	bool rsa = EVP_PKEY_base_id(key) == EVP_PKEY_RSA;
	unsigned char sig[1024];
	size_t n = sizeof sig;
	if (rsa) {
		EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
		must(EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
			 EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 &&
			 EVP_PKEY_sign(c, sig, &n, draft->digest, TRUST_DIGEST) == 1,
		    "sign");
		EVP_PKEY_CTX_free(c);
	} else {
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		must(EVP_DigestSignInit(c, NULL, NULL, NULL, key) == 1 &&
			 EVP_DigestSign(c, sig, &n, draft->digest, TRUST_DIGEST) == 1,
		    "sign");
		EVP_MD_CTX_free(c);
	}
	dkim_draft_put(draft, slice_of(sig, n), out);
}

static void add_signature(struct slice message, EVP_PKEY *key, const char *selector, struct buf *out)
{
	ARENA_LOCAL(a, ARENA);
	struct trust_message m;
	struct trust_draft draft;
	struct dkim_signer signer = {.domain = SLICE("good.example"),
	    .selector = slice_str(selector),
	    .algorithm = EVP_PKEY_base_id(key) == EVP_PKEY_RSA ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256,
	    .header = CANON_RELAXED,
	    .body = CANON_RELAXED,
	    .now_s = clock_utc_ms() / SECOND_MS};
	must(
	    trust_message_read(message, &a, &m) == OK && dkim_draft_make(&m, &signer, &draft) == OK, "draft");
	sign(key, &draft, out);
}

int main(void)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct fixture *f;
	BUF_LOCAL(zone, 65536);
	BUF_LOCAL(plain, 65536);
	BUF_LOCAL(message, 131072);
	must(rsa && ed, "keys");
	buf_puts(&zone,
	    "good.example TXT v=spf1 include:_spf.good.example -all\n_spf.good.example TXT v=spf1 "
	    "ip4:192.0.2.0/24 ~all\n"
	    "_dmarc.good.example TXT v=DMARC1; p=reject\n1.2.0.192.in-addr.arpa PTR mx.good.example\n"
	    "mx.good.example A 192.0.2.1\n");
	put_key(&zone, "r", rsa);
	put_key(&zone, "e", ed);
	buf_puts(&plain,
	    "From: \"A. Person\" <person@good.example>\r\nTo: me@here.example\r\nSubject: the meeting on "
	    "Monday\r\n"
	    "Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@good.example>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	while (plain.n < 20480)
		buf_puts(&plain, "A line of text in the body of the message, as people write them.\r\n");
	add_signature(buf_slice(&plain), rsa, "r", &message);
	add_signature(buf_slice(&plain), ed, "e", &message);
	buf_put(&message, buf_slice(&plain));
	must(fixture_parse(buf_slice(&zone), &f, NULL) == OK, "zone");
	struct verify_ask ask = {.message = buf_slice(&message),
	    .ip = "192.0.2.1",
	    .helo = "mx.good.example",
	    .local = SLICE("person"),
	    .domain = SLICE("good.example"),
	    .hostname = "mx.here.example",
	    .dns = fixture_dns(f),
	    .now_ms = clock_utc_ms()};
	double start = 0;
	for (int i = -100; i < ROUNDS; i++) {
		ARENA_LOCAL(a, ARENA);
		BUF_LOCAL(results, 65536);
		struct verify v;
		if (i == 0)
			start = cpu_us();
		must(verify_message(&ask, &a, &v) == OK, "verify");
		verify_put_results(&v, &ask, &results);
		must(v.dmarc.result == DMARC_PASS && v.dkim.n == 2 && v.dkim.list[0].result == DKIM_PASS &&
			 v.dkim.list[1].result == DKIM_PASS,
		    "it must pass");
	}
	printf(
	    "%.0f us a message of %zu octets with two signatures\n", (cpu_us() - start) / ROUNDS, message.n);
	return 0;
}
