/*
 * dkim_peer: signs and verifies on request, for comparisons with other programs (test/corpora/dkim_peers.py).
 *
 * usage: dkim_peer ZONE KEYS. ZONE is a DNS fixture, KEYS a folder with SELECTOR.pem. On stdin:
 *
 *     sign SELECTOR HEADER BODY OCTETS      -> OCTETS of the answer, then the field; 0: the message is unfit
 *     verify OCTETS                         -> one line: a result for each signature
 *
 * each followed by that many octets of a message. HEADER and BODY are "simple" or "relaxed".
 */
#include "kit/sign.h"
#include "resolver/fixture.h"
#include "trust/trust.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MOST ((size_t)64 << 20)
#define ARENA_MOST ((size_t)256 << 20)

static EVP_PKEY *key_of(const char *folder, const char *selector)
{
	BUF_LOCAL(path, 4096);
	buf_printf(&path, "%s/%s.pem", folder, selector);
	FILE *f = fopen(buf_z(&path), "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (!key)
		abort();
	fclose(f);
	return key;
}

static enum canon canon_of(const char *word)
{
	return strcmp(word, "simple") == 0 ? CANON_SIMPLE : CANON_RELAXED;
}

static void sign(struct slice message, const char *folder, const char *selector, const char *header,
    const char *body, struct buf *out)
{
	ARENA_LOCAL(a, ARENA_MOST);
	struct trust_message m;
	struct trust_draft d;
	BUF_LOCAL(signature, 1024);
	EVP_PKEY *key = key_of(folder, selector);
	struct dkim_signer s = {.domain = SLICE("peer.example"),
	    .selector = slice_str(selector),
	    .header = canon_of(header),
	    .body = canon_of(body),
	    .now_s = clock_utc_ms() / 1000,
	    .algorithm = EVP_PKEY_is_a(key, "RSA") ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256};
	if (trust_message_read(message, &a, &m) == OK && dkim_draft_make(&m, &s, &d) == OK) {
		kit_sign_digest(key, d.digest, &signature);
		dkim_draft_put(&d, buf_slice(&signature), out);
	}
	EVP_PKEY_free(key);
}

static void verify(struct slice message, struct dns *dns)
{
	ARENA_LOCAL(a, ARENA_MOST);
	struct trust_message m;
	struct dkim_signatures found = {0};
	struct trust_check check = {.dns = dns};
	if (trust_message_read(message, &a, &m) == OK)
		dkim_verify(&m, &check, &found);
	for (size_t i = 0; i < found.n; i++)
		printf("%s%s", i ? " " : "", dkim_result_name(found.list[i].result));
	printf("\n");
}

static void take(struct buf *b, size_t n)
{
	char *p = n <= MESSAGE_MOST ? buf_room(b, n + 1) : NULL;
	if (!p || fread(p, 1, n, stdin) != n)
		exit(1);
	buf_wrote(b, n);
}

static void serve(const char *folder, struct dns *dns, struct slice line)
{
	const char *word[5] = {"", "", "", "", ""};
	uint32_t octets = 0;
	size_t n = 0;
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(message, MESSAGE_MOST + 1);
	BUF_LOCAL(field, 65536);
	while (line.n && n < COUNT(word))
		word[n++] = arena_z(&a, slice_split(&line, ' '));
	if (n < 2 || num_u32(slice_str(word[n - 1]), UINT32_MAX, &octets) != OK)
		exit(1);
	take(&message, octets);
	if (n == 2) {
		verify(buf_slice(&message), dns);
	} else {
		sign(buf_slice(&message), folder, word[1], word[2], word[3], &field);
		printf("%zu\n", field.n);
		fwrite(field.p, 1, field.n, stdout);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	BUF_LOCAL(zone, 1 << 20);
	struct fixture *f;
	char line[1024];
	FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL;
	for (int c; in && (c = fgetc(in)) != EOF;)
		buf_putc(&zone, (char)c);
	if (!in || fixture_parse(buf_slice(&zone), &f, NULL) != OK)
		return 1;
	fclose(in);
	while (fgets(line, sizeof line, stdin))
		serve(argv[2], fixture_dns(f), slice_trim(slice_str(line)));
	fixture_free(f);
	return 0;
}
