/* dkim_bench: CPU time of verifying and of preparing signatures: a 20 KiB message with RSA-2048 and Ed25519, keys at hand. */
#include "kit/sign.h"
#include "resolver/fixture.h"
#include "trust/trust.h"
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 2000

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put_record(const char *selector, EVP_PKEY *k, struct buf *zone)
{
	unsigned char raw[64], *der = NULL;
	size_t n = sizeof raw;
	bool rsa = EVP_PKEY_is_a(k, "RSA");
	int length = rsa ? i2d_PUBKEY(k, &der) : 0;
	if (!rsa && EVP_PKEY_get_raw_public_key(k, raw, &n) != 1)
		abort();
	buf_printf(zone, "%s._domainkey.example.jp TXT ", selector);
	dkim_record_put(rsa ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256,
	    rsa ? slice_of(der, (size_t)length) : slice_of(raw, n), zone);
	buf_putc(zone, '\n');
	OPENSSL_free(der);
}

static void draft(struct slice message, const char *selector, EVP_PKEY *k, struct buf *out)
{
	ARENA_LOCAL(a, 1 << 22);
	struct trust_message m;
	struct trust_draft d;
	struct dkim_signer s = {.domain = SLICE("example.jp"),
	    .selector = slice_str(selector),
	    .header = CANON_RELAXED,
	    .body = CANON_RELAXED,
	    .now_s = 1,
	    .algorithm = EVP_PKEY_is_a(k, "RSA") ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256};
	BUF_LOCAL(signature, 1024);
	if (trust_message_read(message, &a, &m) != OK || dkim_draft_make(&m, &s, &d) != OK)
		abort();
	if (!out)
		return;
	kit_sign_digest(k, d.digest, &signature);
	dkim_draft_put(&d, buf_slice(&signature), out);
}

static void verify(struct slice message, struct dns *dns)
{
	ARENA_LOCAL(a, 1 << 22);
	struct trust_message m;
	struct dkim_signatures found;
	struct trust_check check = {.dns = dns};
	if (trust_message_read(message, &a, &m) != OK)
		abort();
	dkim_verify(&m, &check, &found);
	if (found.n != 2 || found.list[0].result != DKIM_PASS || found.list[1].result != DKIM_PASS)
		abort();
}

static void make_message(struct buf *out)
{
	for (int i = 0; i < 6; i++)
		buf_puts(out,
		    "Received: from a.example by b.example with ESMTPS; Mon, 1 Jan 2024 00:00:00 +0000\r\n");
	buf_puts(out,
	    "From: A <a@example.jp>\r\nTo: b@example.net\r\nSubject: A message\r\nMessage-ID: <x@y>\r\n"
	    "Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n");
	while (out->n < 20480)
		buf_puts(out, "Some words that stand in a line of a message,  with  gaps and\tothers.\r\n");
}

int main(void)
{
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
		 *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BUF_LOCAL(plain, 65536);
	BUF_LOCAL(message, 65536);
	BUF_LOCAL(zone, 65536);
	struct fixture *f;
	put_record("r", rsa, &zone);
	put_record("e", ed, &zone);
	if (fixture_parse(buf_slice(&zone), &f, NULL) != OK)
		abort();
	make_message(&plain);
	draft(buf_slice(&plain), "r", rsa, &message);
	draft(buf_slice(&plain), "e", ed, &message);
	buf_put(&message, buf_slice(&plain));
	double start = cpu_us();
	for (int i = 0; i < ROUNDS; i++)
		verify(buf_slice(&message), fixture_dns(f));
	printf("verify, two signatures  %7.1f us\n", (cpu_us() - start) / ROUNDS);
	start = cpu_us();
	for (int i = 0; i < ROUNDS; i++)
		draft(buf_slice(&plain), "r", rsa, NULL);
	printf("what is to be signed    %7.1f us\n", (cpu_us() - start) / ROUNDS);
	EVP_PKEY *keys[] = {rsa, ed};
	for (size_t k = 0; k < COUNT(keys); k++) {
		start = cpu_us();
		for (int i = 0; i < ROUNDS; i++) {
			static const unsigned char digest[TRUST_DIGEST];
			BUF_LOCAL(signature, 1024);
			kit_sign_digest(keys[k], digest, &signature);
		}
		printf("the signature, %-8s %7.1f us\n", EVP_PKEY_get0_type_name(keys[k]),
		    (cpu_us() - start) / ROUNDS);
	}
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
	fixture_free(f);
	return 0;
}
