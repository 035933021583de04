/* acme and certificate: certificates from an authority, and those in use. */
#include "cli/cli.h"
#include "ipc/ipc.h"
#include "tls/tls.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_MS (10 * MINUTE_MS) /* that an outcome is waited for */
#define VERB(v) SEKISHO__ACME_ADMIN_ASK__VERB__##v
#define ANSWER_MOST ((size_t)32 << 20)

/* ---- asking ---- */

static int ask_keys(
    struct cli *c, const Sekisho__AcmeAdminAsk *ask, struct arena *a, Sekisho__AcmeAdminAnswer **out)
{
	return cli_keys_ask(c, ASK_KEYS_ACME_ADMIN, ask, a, out);
}

/* Until the request has ended; what it waits for is shown to people. */
static int wait_for(struct cli *c, uint64_t request)
{
	char *shown = NULL;
	int code = EX_TEMPFAIL;
	for (int64_t end = clock_mono_ms() + LONGEST_MS; clock_mono_ms() < end; usleep(200000)) {
		ARENA_LOCAL(a, ANSWER_MOST);
		Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
		Sekisho__AcmeAdminAnswer *answer;
		ask.verb = VERB(OUTCOME);
		ask.request = request;
		code = ask_keys(c, &ask, &a, &answer);
		if (code != EX_OK)
			break;
		if (answer->finished) {
			enum result r = (enum result)answer->result;
			code = r == OK ? EX_OK
				       : cli_fail(c, r == DENY ? EX_NOPERM : EX_TEMPFAIL, "%s",
					     *answer->why ? answer->why : result_name(r));
			free(shown);
			return code;
		}
		if (*answer->doing && (!shown || strcmp(shown, answer->doing) != 0)) {
			BUF_LOCAL(line, 2048);
			cli_put_safe(&line, slice_str(answer->doing));
			cli_say(c, "%s\n", buf_z(&line));
			free(shown);
			shown = strdup(answer->doing);
		}
	}
	free(shown);
	return code != EX_OK ? code
			     : cli_fail(c, EX_TEMPFAIL, "%s",
				   CLI_TEXT(c, "it goes on; see sekisho acme status",
				       "続行中です。sekisho acme status で確認できます"));
}

static int act(struct cli *c, Sekisho__AcmeAdminAsk *ask)
{
	ARENA_LOCAL(a, ANSWER_MOST);
	Sekisho__AcmeAdminAnswer *answer;
	int code = ask_keys(c, ask, &a, &answer);
	if (code == EX_OK && answer->request)
		code = wait_for(c, answer->request);
	if (code != EX_OK)
		return code;
	json_t *done = json_pack("{s:s}", "result", "ok");
	code = cli_print(c, done);
	json_decref(done);
	return code;
}

/* The verb's NAMEs, which live in c->args. */
static void put_names(struct cli *c, const char *key, Sekisho__AcmeAdminAsk *ask)
{
	const json_t *v = json_object_get(c->args, key);
	size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
	ask->names = arena_array(&c->arena, MAX(n, 1), sizeof *ask->names);
	for (size_t i = 0; ask->names && i < n; i++) {
		const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
		char *name = arena_z(&c->arena, slice_str(json_string_value(one)));
		for (char *p = name; p && *p; p++)
			*p = ascii_lower(*p);
		ask->names[ask->n_names++] = name;
	}
}

static int act_on_names(struct cli *c, Sekisho__AcmeAdminAsk__Verb verb, const char *key)
{
	Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
	ask.verb = verb;
	put_names(c, key, &ask);
	return act(c, &ask);
}

int verb_acme_issue(struct cli *c)
{
	return act_on_names(c, VERB(ISSUE), "name");
}

int verb_acme_renew(struct cli *c)
{
	return act_on_names(c, VERB(RENEW), "name");
}

int verb_acme_forget(struct cli *c)
{
	return act_on_names(c, VERB(FORGET), "name");
}

int verb_acme_published(struct cli *c)
{
	return act_on_names(c, VERB(PUBLISHED), "");
}

int verb_acme_rollover(struct cli *c)
{
	return act_on_names(c, VERB(ROLLOVER), "");
}

int verb_acme_contact(struct cli *c)
{
	return act_on_names(c, VERB(CONTACT), "");
}

int verb_acme_deactivate(struct cli *c)
{
	return act_on_names(c, VERB(DEACTIVATE), "");
}

int verb_acme_revoke(struct cli *c)
{
	Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
	uint32_t reason = 0;
	const json_t *given = json_object_get(c->args, "reason");
	if (json_is_integer(given))
		reason = (uint32_t)MIN(MAX(json_integer_value(given), 0), 255);
	ask.verb = VERB(REVOKE);
	ask.reason = reason;
	put_names(c, "name", &ask);
	return act(c, &ask);
}

/* ---- accounts ---- */

static int read_binding(struct cli *c, struct buf *b)
{
	int ch;
	while ((ch = getchar()) != EOF && ch != '\n')
		if (ch != '\r' && ch != '=')
			buf_putc(b, (char)ch);
	return b->n && buf_result(b) == OK ? EX_OK
					   : cli_fail(c, EX_DATAERR, "%s",
						 CLI_TEXT(c, "no key on stdin", "標準入力に鍵がありません"));
}

/* The terms must have been seen by somebody before they are accepted. */
static int show_terms(struct cli *c)
{
	ARENA_LOCAL(a, ANSWER_MOST);
	Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
	Sekisho__AcmeAdminAnswer *answer;
	ask.verb = VERB(LOOK);
	int code = ask_keys(c, &ask, &a, &answer);
	if (code == EX_OK)
		code = wait_for(c, answer->request);
	ask.verb = VERB(STATUS);
	if (code == EX_OK)
		code = ask_keys(c, &ask, &a, &answer);
	if (code != EX_OK)
		return code;
	return cli_fail(c, EX_NOPERM,
	    CLI_TEXT(c, "the terms of service are at %s%s; --accept-terms accepts them",
		"利用規約は %s にあります%s。同意するには --accept-terms を付けてください"),
	    *answer->terms ? answer->terms : "-",
	    !answer->binding ? ""
			     : CLI_TEXT(c, ", and the authority asks for --eab-kid",
				   "。この認証局には --eab-kid も必要です"));
}

int verb_acme_register(struct cli *c)
{
	Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
	__attribute__((cleanup(buf_free_secret))) struct buf key = {.max = 2048};
	const char *id = cli_arg(c, "eab_kid");
	if (!cli_flag(c, "accept_terms"))
		return show_terms(c);
	if (id) {
		int code = read_binding(c, &key);
		if (code != EX_OK)
			return code;
		ask.binding_id = (char *)(uintptr_t)id;
		ask.binding_key = (ProtobufCBinaryData){key.n, (uint8_t *)key.p};
	}
	ask.verb = VERB(REGISTER);
	ask.accept_terms = true;
	return act(c, &ask);
}

/* ---- status ---- */

static json_t *set_json(const Sekisho__AcmeSet *s)
{
	static const char *const origins[] = {"configured", "asked", "served"};
	json_t *names = json_array();
	for (size_t i = 0; i < s->n_names; i++)
		json_array_append_new(names, json_string(s->names[i]));
	return json_pack("{s:s,s:o,s:s,s:b,s:I,s:I,s:I,s:s}", "name", s->label, "names", names, "origin",
	    (unsigned)s->origin < COUNT(origins) ? origins[s->origin] : "?", "issued", *s->certificate != 0,
	    "renew_at_ms", (json_int_t)s->renew_ms, "failures", (json_int_t)s->failures, "next_at_ms",
	    (json_int_t)s->next_ms, "why", s->why);
}

static json_t *status_json(const Sekisho__AcmeAdminAnswer *answer)
{
	json_t *sets = json_array(), *records = json_array();
	for (size_t i = 0; i < answer->n_sets; i++)
		json_array_append_new(sets, set_json(answer->sets[i]));
	for (size_t i = 0; i < answer->n_records; i++)
		json_array_append_new(records, json_pack("{s:s,s:s,s:s}", "name", answer->records[i]->name,
						   "type", "TXT", "value", answer->records[i]->value));
	return json_pack("{s:s,s:s,s:b,s:s,s:s,s:s,s:o,s:o}", "directory", answer->directory, "account",
	    answer->account, "terms_accepted", answer->agreed, "terms", answer->terms, "caa", answer->caa,
	    "doing", answer->doing, "records", records, "certificates", sets);
}

int verb_acme_status(struct cli *c)
{
	ARENA_LOCAL(a, ANSWER_MOST);
	Sekisho__AcmeAdminAsk ask = SEKISHO__ACME_ADMIN_ASK__INIT;
	Sekisho__AcmeAdminAnswer *answer;
	int code = ask_keys(c, &ask, &a, &answer);
	if (code != EX_OK)
		return code;
	json_t *all = status_json(answer);
	if (c->json) {
		code = cli_print(c, all);
	} else {
		json_t *sets = json_incref(json_object_get(all, "certificates"));
		json_object_del(all, "certificates");
		code = cli_print(c, all);
		cli_say(c, "\n");
		code = code == EX_OK ? cli_print(c, sets) : code;
		json_decref(sets);
	}
	json_decref(all);
	return code;
}

/* ---- certificates in use ---- */

static json_t *name_json(const X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	if (!b)
		abort();
	X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	long n = BIO_get_mem_data(b, &p);
	json_t *v = json_stringn(p, (size_t)n);
	BIO_free(b);
	return v ? v : json_string("?");
}

static json_t *hex_json(struct slice octets)
{
	BUF_LOCAL(hex, 256);
	buf_hex(&hex, octets);
	return json_string(buf_z(&hex));
}

static json_t *fingerprint_json(const X509 *x)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	X509_digest(x, EVP_sha256(), md, &n);
	return hex_json(slice_of(md, n));
}

static json_t *certificate_json(const Sekisho__Certificate *one, bool first)
{
	BIO *b = BIO_new_mem_buf(one->chain_pem.data, (int)one->chain_pem.len);
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	BIO_free(b);
	if (!x)
		return NULL;
	json_t *names = json_array();
	for (size_t i = 0; i < one->n_names; i++)
		json_array_append_new(names, json_string(one->names[i]));
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	int64_t to = tls_time_ms(X509_get0_notAfter(x));
	const char *kind = EVP_PKEY_get0_type_name(X509_get0_pubkey(x));
	json_t *v = json_pack("{s:s,s:o,s:b,s:s,s:o,s:I,s:I,s:I,s:o,s:o,s:s}", "name",
	    one->n_names ? one->names[0] : "", "names", names, "default", first, "kind", kind ? kind : "?",
	    "issuer", name_json(X509_get_issuer_name(x)), "from_at_ms",
	    (json_int_t)tls_time_ms(X509_get0_notBefore(x)), "expires_at_ms", (json_int_t)to, "days_left",
	    (json_int_t)((to - clock_utc_ms()) / DAY_MS), "serial",
	    hex_json(slice_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial))), "sha256",
	    fingerprint_json(x), "key", one->key);
	X509_free(x);
	return v;
}

static void on_part(void *arg, const void *part)
{
	const Sekisho__CertificateAnswer *answer = part;
	json_t *list = arg;
	for (size_t i = 0; i < answer->n_certificates; i++) {
		json_t *v = certificate_json(answer->certificates[i], json_array_size(list) == 0);
		if (v)
			json_array_append_new(list, v);
	}
}

int cli_certificates(struct cli *c, json_t **out)
{
	Sekisho__CertificateAsk ask = SEKISHO__CERTIFICATE_ASK__INIT;
	json_t *list = json_array();
	int code = cli_keys_ask_parts(c, ASK_KEYS_CERTIFICATES, &ask, on_part, list);
	if (code == EX_OK)
		*out = list;
	else
		json_decref(list);
	return code;
}

static const char *const short_keys[] = {"name", "default", "kind", "expires_at_ms", "days_left", "issuer"};

/* What fits on a line. */
static json_t *short_form(const json_t *list)
{
	json_t *rows = json_array();
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
	{
		json_t *row = json_object();
		for (size_t k = 0; k < COUNT(short_keys); k++)
			json_object_set(row, short_keys[k], json_object_get(one, short_keys[k]));
		json_array_append_new(rows, row);
	}
	return rows;
}

int verb_certificate_list(struct cli *c)
{
	json_t *list = NULL;
	int code = cli_certificates(c, &list);
	if (code != EX_OK)
		return code;
	json_t *shown = c->json ? json_incref(list) : short_form(list);
	code = cli_print(c, shown);
	json_decref(shown);
	json_decref(list);
	return code;
}

static bool has_name(const json_t *certificate, const char *name)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(certificate, "names"), i, one)
	{
		if (strcasecmp(json_string_value(one), name) == 0)
			return true;
	}
	return false;
}

int verb_certificate_show(struct cli *c)
{
	json_t *list = NULL, *one, *found = json_array();
	size_t i;
	int code = cli_certificates(c, &list);
	if (code == EX_OK) {
		json_array_foreach(list, i, one)
		{
			if (has_name(one, cli_arg(c, "name")))
				json_array_append(found, one);
		}
		if (json_array_size(found) == 0)
			code = cli_fail(c, EX_NOINPUT, "%s: %s", cli_arg(c, "name"),
			    CLI_TEXT(c, "no certificate has this name", "この名前の証明書はありません"));
		for (i = 0; !c->json && code == EX_OK && i < json_array_size(found); i++)
			code = cli_print(c, json_array_get(found, i));
		if (c->json && code == EX_OK)
			code = cli_print(c, found);
	}
	json_decref(found);
	json_decref(list);
	return code;
}

/* ---- status of all ---- */

int verb_status(struct cli *c)
{
	json_t *all = NULL, *list = NULL, *one, *soonest = NULL;
	size_t i;
	int code = cli_admin(c, "status", c->args, &all);
	if (code == EX_OK)
		code = cli_certificates(c, &list);
	json_array_foreach(list, i, one)
	{
		const char *key = "expires_at_ms";
		if (!soonest || json_integer_value(json_object_get(one, key)) <
				    json_integer_value(json_object_get(soonest, key)))
			soonest = one;
	}
	if (soonest) {
		json_object_set(all, "certificate", json_object_get(soonest, "name"));
		json_object_set(all, "certificate_expires_at_ms", json_object_get(soonest, "expires_at_ms"));
		json_object_set(all, "certificate_days_left", json_object_get(soonest, "days_left"));
	}
	if (code == EX_OK)
		code = cli_print(c, all);
	json_decref(all);
	json_decref(list);
	return code;
}
