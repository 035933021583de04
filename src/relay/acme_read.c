#include "relay/acme_read.h"
#include "https/https.h"
#include "mail/date.h"
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define CHAIN_MOST 10
#define TEXT_MOST 300
#define PROBLEM SLICE("urn:ietf:params:acme:error:")

static void json_close(json_t **j)
{
	json_decref(*j);
}
#define JSON_LOCAL __attribute__((cleanup(json_close))) json_t

static json_t *load(struct slice body)
{
	json_t *j = body.n && body.n <= LIMIT_ACME_ANSWER
			? json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL)
			: NULL;
	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

static struct slice text_of(const json_t *v)
{
	return slice_of(json_string_value(v), json_string_length(v));
}

/* An address, or "" where it may be missing. NULL: not one. */
static const char *url_of(const json_t *v, bool needed, struct arena *a)
{
	struct https_url u;
	if (!v && !needed)
		return "";
	if (!json_is_string(v) || https_url_parse(text_of(v), &u) != OK)
		return NULL;
	return arena_z(a, text_of(v));
}

/* Words of strangers, for people to read. */
static const char *words_of(struct slice s, struct arena *a)
{
	BUF_LOCAL(b, TEXT_MOST);
	for (size_t i = 0; i < s.n && b.n < TEXT_MOST - 1; i++)
		buf_putc(
		    &b, s.p[i] >= ' ' && s.p[i] <= '~' && s.p[i] != '"' && s.p[i] != '\\' ? s.p[i] : '?');
	const char *z = arena_z(a, buf_slice(&b));
	return z ? z : "";
}

static void read_problem(const json_t *j, struct arena *a, struct acme_problem *out)
{
	struct slice type = text_of(json_object_get(j, "type")),
		     detail = text_of(json_object_get(j, "detail"));
	const json_t *first = json_array_get(json_object_get(j, "subproblems"), 0);
	*out = (struct acme_problem){.type = "", .text = ""};
	if (slice_starts(type, PROBLEM))
		out->type = words_of(slice_sub(type, PROBLEM.n, TEXT_MOST), a);
	if (json_is_object(first))
		detail = text_of(json_object_get(first, "detail"));
	const char *text = words_of(detail, a);
	const char *whole = *out->type ? arena_printf(a, "%s: %s", out->type, text) : text;
	out->text = whole ? whole : "";
}

void relay_acme_read_problem(struct slice body, struct arena *a, struct acme_problem *out)
{
	JSON_LOCAL *j = load(body);
	read_problem(j, a, out);
}

static const char *caa_of(const json_t *list, struct arena *a)
{
	BUF_LOCAL(b, TEXT_MOST);
	for (size_t i = 0; i < json_array_size(list) && i < 10; i++) {
		const json_t *v = json_array_get(list, i);
		if (!json_is_string(v))
			continue;
		buf_puts(&b, b.n ? ", " : "");
		buf_put(&b, text_of(v));
	}
	return words_of(buf_slice(&b), a);
}

enum result relay_acme_read_directory(struct slice body, struct arena *a, struct acme_directory *out)
{
	JSON_LOCAL *j = load(body);
	const json_t *meta = json_object_get(j, "meta");
	if (!j)
		return BAD;
	*out = (struct acme_directory){
	    .new_nonce = url_of(json_object_get(j, "newNonce"), true, a),
	    .new_account = url_of(json_object_get(j, "newAccount"), true, a),
	    .new_order = url_of(json_object_get(j, "newOrder"), true, a),
	    .revoke = url_of(json_object_get(j, "revokeCert"), true, a),
	    .key_change = url_of(json_object_get(j, "keyChange"), false, a),
	    .renewal_info = url_of(json_object_get(j, "renewalInfo"), false, a),
	    .terms = words_of(text_of(json_object_get(meta, "termsOfService")), a),
	    .caa = caa_of(json_object_get(meta, "caaIdentities"), a),
	    .binding = json_is_true(json_object_get(meta, "externalAccountRequired")),
	};
	if (!out->new_nonce || !out->new_account || !out->new_order || !out->revoke || !out->key_change ||
	    !out->renewal_info)
		return BAD;
	return arena_full(a) ? FULL : OK;
}

static enum acme_state state_of(const json_t *v)
{
	static const struct {
		struct slice name;
		enum acme_state state;
	} states[] = {{SLICE("pending"), ACME_PENDING}, {SLICE("ready"), ACME_READY},
	    {SLICE("processing"), ACME_PROCESSING}, {SLICE("valid"), ACME_VALID},
	    {SLICE("invalid"), ACME_INVALID}};
	for (size_t i = 0; i < COUNT(states); i++)
		if (slice_eq(text_of(v), states[i].name))
			return states[i].state;
	return ACME_OTHER;
}

enum result relay_acme_read_order(struct slice body, struct arena *a, struct acme_order *out)
{
	JSON_LOCAL *j = load(body);
	const json_t *list = json_object_get(j, "authorizations");
	*out = (struct acme_order){.state = state_of(json_object_get(j, "status"))};
	if (!j || out->state == ACME_OTHER || !json_is_array(list))
		return BAD;
	if (json_array_size(list) > LIMIT_ACME_URLS)
		return FULL;
	out->finalize = url_of(json_object_get(j, "finalize"), true, a);
	out->certificate = url_of(json_object_get(j, "certificate"), out->state == ACME_VALID, a);
	if (!out->finalize || !out->certificate)
		return BAD;
	out->authorizations = arena_array(a, MAX(json_array_size(list), 1), sizeof *out->authorizations);
	for (size_t i = 0; out->authorizations && i < json_array_size(list); i++)
		if (!(out->authorizations[out->authorizations_n++] =
			    url_of(json_array_get(list, i), true, a)))
			return BAD;
	read_problem(json_object_get(j, "error"), a, &out->problem);
	return arena_full(a) ? FULL : OK;
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n && s.n <= LIMIT_ACME_TOKEN;
}

static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return s.n && s.n < LIMIT_DNS_NAME;
}

static enum result read_challenge(const json_t *c, struct arena *a, struct acme_authorization *out)
{
	struct slice token = text_of(json_object_get(c, "token"));
	if (!is_token(token) || !(out->challenge.url = url_of(json_object_get(c, "url"), true, a)))
		return BAD;
	out->challenge.token = arena_z(a, token);
	out->offered = true;
	return OK;
}

enum result relay_acme_read_authorization(
    struct slice body, const char *type, struct arena *a, struct acme_authorization *out)
{
	JSON_LOCAL *j = load(body);
	const json_t *who = json_object_get(j, "identifier"), *list = json_object_get(j, "challenges");
	struct slice name = text_of(json_object_get(who, "value"));
	*out = (struct acme_authorization){
	    .state = state_of(json_object_get(j, "status")), .problem = {.type = "", .text = ""}};
	if (!j || !slice_eq(text_of(json_object_get(who, "type")), SLICE("dns")) || !is_name(name) ||
	    !json_is_array(list))
		return BAD;
	if (json_array_size(list) > LIMIT_ACME_URLS)
		return FULL;
	char *z = arena_z(a, name);
	for (char *p = z; p && *p; p++)
		*p = ascii_lower(*p);
	out->name = z;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i), *error = json_object_get(c, "error");
		if (error)
			read_problem(error, a, &out->problem);
		if (!out->offered && slice_eq(text_of(json_object_get(c, "type")), slice_str(type)) &&
		    read_challenge(c, a, out) != OK)
			return BAD;
	}
	return arena_full(a) ? FULL : OK;
}

static enum result read_time(const json_t *v, int64_t *out)
{
	struct mail_date d;
	struct slice s = text_of(v);
	if (s.n < 20 || s.n > 40 || mail_date_parse(s, &d) != OK)
		return BAD;
	*out = d.ms;
	return OK;
}

enum result relay_acme_read_window(struct slice body, struct acme_window *out)
{
	JSON_LOCAL *j = load(body);
	const json_t *w = json_object_get(j, "suggestedWindow");
	*out = (struct acme_window){0};
	if (!j || read_time(json_object_get(w, "start"), &out->from_ms) != OK ||
	    read_time(json_object_get(w, "end"), &out->to_ms) != OK)
		return BAD;
	return out->from_ms > 0 && out->to_ms > out->from_ms ? OK : BAD;
}

enum result relay_acme_read_chain(struct slice body, struct buf *out)
{
	BIO *in = BIO_new_mem_buf(body.n ? body.p : "", (int)MIN(body.n, (size_t)INT32_MAX));
	X509 *x;
	size_t n = 0;
	while (in && n <= CHAIN_MOST && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		BIO *one = BIO_new(BIO_s_mem());
		char *p;
		if (!one || PEM_write_bio_X509(one, x) != 1)
			n = CHAIN_MOST;
		long length = one ? BIO_get_mem_data(one, &p) : 0;
		if (length > 0)
			buf_put(out, slice_of(p, (size_t)length));
		BIO_free(one);
		X509_free(x);
		n++;
	}
	BIO_free(in);
	ERR_clear_error();
	return n && n <= CHAIN_MOST ? buf_result(out) : BAD;
}
