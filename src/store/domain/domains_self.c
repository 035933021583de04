#include "store/domain/domains.h"
#include "store/domain/signing.h"
#include "trust/dkim.h"
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define KEYS_MOST 2 /* certificates that are announced: the one in use and another for the same name */

bool domains_sts(const struct store *s, struct own_sts *out)
{
	const struct store_dns *c = &s->settings->dns;
	*out = (struct own_sts){c->sts_mode, s->settings->hostname, c->sts_max_age_ms};
	return c->sts_mode && strcmp(c->sts_mode, "none") != 0;
}

static char *text_of(const char *z)
{
	return (char *)(uintptr_t)(z ? z : "");
}

/* ---- certificates: our own, from keys ---- */

static bool covers(const Sekisho__Certificate *c, const char *host)
{
	for (size_t i = 0; i < c->n_names; i++)
		if (strcasecmp(c->names[i], host) == 0)
			return true;
	return false;
}

static struct slice key_digest(const Sekisho__Certificate *c, struct arena *a)
{
	struct slice out = SLICE_NONE;
	BIO *in = BIO_new_mem_buf(c->chain_pem.data, (int)c->chain_pem.len);
	X509 *leaf = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	unsigned char *der = NULL, digest[SHA256_DIGEST_LENGTH];
	int n = leaf ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der) : 0;
	if (n > 0) {
		SHA256(der, (size_t)n, digest);
		out = arena_dup(a, slice_of(digest, sizeof digest));
	}
	OPENSSL_free(der);
	X509_free(leaf);
	BIO_free(in);
	return out;
}

static void add_key(Sekisho__AssistAsk *out, struct slice digest)
{
	for (size_t i = 0; i < out->n_tlsa; i++)
		if (slice_eq(slice_of_octets(out->tlsa[i]), digest))
			return;
	if (digest.n && out->n_tlsa < KEYS_MOST)
		out->tlsa[out->n_tlsa++] = octets_of(digest);
}

static void take_certificates(struct store *s, struct arena *a, Sekisho__AssistAsk *out)
{
	Sekisho__CertificateAsk ask = SEKISHO__CERTIFICATE_ASK__INIT;
	Sekisho__CertificateAnswer *answer;
	struct ipc *c = ipc_thread(s->settings->keys);
	out->tlsa = arena_array(a, KEYS_MOST, sizeof *out->tlsa);
	if (!c || !out->tlsa || ipc_call(c, ASK_KEYS_CERTIFICATES, &ask, NULL, a, &answer, NULL) != OK)
		return;
	for (size_t i = 0; i < answer->n_certificates; i++)
		if (covers(answer->certificates[i], s->settings->hostname))
			add_key(out, key_digest(answer->certificates[i], a));
	if (!out->n_tlsa && answer->n_certificates)
		add_key(out, key_digest(answer->certificates[0], a));
}

/* ---- DKIM keys: those that sign, and those that wait for their record ---- */

static void add_dkim(const struct signing_key *k, struct arena *a, Sekisho__AssistAsk *out)
{
	BUF_LOCAL(record, 4096);
	Sekisho__AssistKey *key = arena_new(a, Sekisho__AssistKey);
	if (!key || (k->state != SIGNING_ACTIVE && k->state != SIGNING_WAITING))
		return;
	sekisho__assist_key__init(key);
	dkim_record_put((enum dkim_algorithm)k->algorithm, k->public_key, &record);
	key->selector = arena_z(a, k->selector);
	key->value = arena_z(a, buf_slice(&record));
	out->dkim[out->n_dkim++] = key;
}

static void take_dkim(struct store *s, struct slice domain, struct arena *a, Sekisho__AssistAsk *out)
{
	struct signing_key *keys;
	READER r = reader_begin(s);
	size_t n = r.db ? signing_keys(r.db, domain, a, &keys) : 0;
	out->dkim = arena_array(a, n + 1, sizeof *out->dkim);
	for (size_t i = 0; out->dkim && i < n; i++)
		add_dkim(&keys[i], a, out);
}

/* ---- the rest ---- */

static void take_services(const struct store_dns *c, struct arena *a, Sekisho__AssistAsk *out)
{
	out->services = arena_array(a, c->n_services + 1, sizeof *out->services);
	for (size_t i = 0; out->services && i < c->n_services; i++) {
		Sekisho__AssistService *s = arena_new(a, Sekisho__AssistService);
		if (!s)
			return;
		sekisho__assist_service__init(s);
		s->name = text_of(c->services[i].name);
		s->port = c->services[i].port;
		out->services[out->n_services++] = s;
	}
}

static bool is_unused(struct store *s, struct slice domain)
{
	READER r = reader_begin(s);
	return r.db && DB_NUMBER(r.db, 1, DOMAIN_USES, DT(domain)) == 0;
}

bool domains_self(struct store *s, struct slice domain, struct arena *a, Sekisho__AssistAsk *out)
{
	const struct store_dns *c = &s->settings->dns;
	struct own_sts sts;
	char id[OWN_STS_ID + 1];
	sekisho__assist_ask__init(out);
	out->domain = arena_z(a, domain);
	out->host = text_of(s->settings->hostname);
	out->addresses = (char **)(uintptr_t)c->addresses;
	out->n_addresses = c->n_addresses;
	out->ca = text_of(c->ca);
	out->unused = is_unused(s, domain);
	out->reports = out->tls_reports = text_of(c->reports_to);
	if (!*out->reports) {
		out->reports = arena_printf(a, "dmarc-reports@" SLICE_FMT, SLICE_ARG(domain));
		out->tls_reports = arena_printf(a, "tls-reports@" SLICE_FMT, SLICE_ARG(domain));
	}
	if (domains_sts(s, &sts)) {
		trust_own_sts_id(&sts, id);
		out->sts_id = arena_z(a, slice_str(id));
		out->sts_testing = strcmp(sts.mode, "testing") == 0;
	}
	take_services(c, a, out);
	take_certificates(s, a, out);
	take_dkim(s, domain, a, out);
	return !arena_full(a);
}
