/*
 * What is done with secrets: a verb of the store answers with a warrant, which goes to keys together with the secret; the
 * receipt goes back to the store (ipc/grant.h). The secret passes through here and nowhere else.
 */
#include "api.h"
#include "qr.h"
#include "signin.h"
#include "webauthn.h"

struct secret {
	struct http_request *q;
	struct http_response *p;
	const json_t *args;
	struct arena *arena;
	json_t *told; /* what the store said with the warrant */
	Sekisho__WarrantedAnswer *answer;
};

static struct slice text_of(const json_t *v, const char *key)
{
	const json_t *member = json_object_get(v, key);
	return slice_of(json_string_value(member), json_string_length(member));
}

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/* The warrant of a verb with these arguments; NULL: refused. */
static bool get_warrant(struct secret *s, const char *verb, const json_t *args, struct buf *warrant)
{
	BUF_LOCAL(json, LIMIT_HTTP_RESPONSE);
	const char *text = api_ask(s->q, s->p, verb, args, s->arena, &json);
	if (!text)
		return false;
	s->told = json_loads(text, 0, NULL);
	if (base64_decode(text_of(s->told, "warrant"), warrant) == OK && warrant->n)
		return true;
	api_refuse(s->p, HTTP_STATUS_INTERNAL_ERROR, "the store gave no warrant");
	return false;
}

/* A warrant and what goes with it to keys. */
static bool use_warrant(struct secret *s, struct slice warrant, Sekisho__WarrantedAsk *ask)
{
	Sekisho__Client client = api_client(s->q);
	const char *why;
	ask->warrant = octets(warrant);
	ask->client = &client;
	enum result r =
	    api_ask_role(s->q->service->keys, ASK_KEYS_WARRANTED, ask, s->arena, &s->answer, &why);
	if (r == OK)
		return true;
	if (r == LATER)
		api_refuse(s->p, HTTP_STATUS_TOO_MANY_REQUESTS, why);
	else
		api_refuse(s->p, api_status(r == GONE ? LATER : r), *why ? why : "nobody can do this now");
	return false;
}

static bool give_receipt(struct secret *s)
{
	Sekisho__ReceiptAsk ask = SEKISHO__RECEIPT_ASK__INIT;
	const char *why;
	ask.receipt = s->answer->receipt;
	if (api_ask_role(s->q->service->monitor->store, ASK_STORE_RECEIPT, &ask, s->arena, NULL, &why) == OK)
		return true;
	api_refuse(s->p, HTTP_STATUS_UNAVAILABLE, "it was done, but the store does not know of it yet");
	return false;
}

/* All of it for a verb and its arguments. */
static bool run(struct secret *s, const char *verb, const json_t *args, Sekisho__WarrantedAsk *ask)
{
	BUF_LOCAL(warrant, 4096);
	return get_warrant(s, verb, args, &warrant) && use_warrant(s, buf_slice(&warrant), ask) &&
	       give_receipt(s);
}

/* ---- passwords ---- */

static void put_done(struct secret *s)
{
	api_put(s->p, json_object());
}

static void own_password(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	ask.old = octets(text_of(s->args, "old"));
	ask.secret = octets(text_of(s->args, "new"));
	json_t *none = json_object();
	if (run(s, "me.password", none, &ask))
		put_done(s);
	json_decref(none);
}

static void others_password(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	ask.secret = octets(text_of(s->args, "password"));
	json_t *args = json_pack("{s:O?,s:O*}", "address", json_object_get(s->args, "address"), "change",
	    json_object_get(s->args, "change"));
	if (run(s, "account.password", args, &ask))
		put_done(s);
	json_decref(args);
}

/* ---- codes ---- */

static json_t *codes_json(const Sekisho__WarrantedAnswer *answer)
{
	json_t *list = json_array();
	for (size_t i = 0; i < answer->n_codes; i++)
		json_array_append_new(list, json_string(answer->codes[i]));
	return list;
}

/* RFC 4648 base32 without padding, as authenticators want their key. */
static void put_base32(struct buf *b, struct slice key)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t held = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < key.n; i++) {
		held = held << 8 | (unsigned char)key.p[i];
		for (bits += 8; bits >= 5; bits -= 5)
			buf_putc(b, letters[held >> (bits - 5) & 31]);
	}
	if (bits)
		buf_putc(b, letters[held << (5 - bits) & 31]);
}

/* RFC 3986: what is not unreserved is written as its octets. */
void api_put_escaped(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (ascii_alpha(c) || ascii_digit(c) || strchr("-._~@", c))
			buf_putc(b, c);
		else
			buf_printf(b, "%%%02X", (unsigned char)c);
	}
}

/* otpauth://totp/ISSUER:ADDRESS?secret=..., for a QR code. */
static void put_uri(struct buf *b, struct slice issuer, struct slice address, struct slice secret)
{
	buf_puts(b, "otpauth://totp/");
	api_put_escaped(b, issuer);
	buf_putc(b, ':');
	api_put_escaped(b, address);
	buf_puts(b, "?secret=");
	buf_put(b, secret);
	buf_puts(b, "&issuer=");
	api_put_escaped(b, issuer);
	buf_puts(b, "&algorithm=SHA1&digits=6&period=30");
}

static void totp_begin(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	BUF_LOCAL(secret, 64);
	BUF_LOCAL(uri, 2048);
	BUF_LOCAL(svg, 65536);
	json_t *none = json_object();
	if (run(s, "me.totp", none, &ask)) {
		put_base32(&secret, slice_of(s->answer->secret.data, s->answer->secret.len));
		put_uri(
		    &uri, text_of(s->told, "organisation"), text_of(s->told, "address"), buf_slice(&secret));
		qr_put(&svg, buf_slice(&uri));
		api_put(s->p, json_pack("{s:s,s:s,s:s}", "secret", buf_z(&secret), "uri", buf_z(&uri),
				  "qr_svg", buf_z(&svg)));
	}
	json_decref(none);
	explicit_bzero(secret.p, secret.n);
}

static void totp_confirm(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	ask.secret = octets(text_of(s->args, "code"));
	json_t *none = json_object();
	if (run(s, "me.totp.confirm", none, &ask))
		api_put(s->p, json_pack("{s:o}", "codes", codes_json(s->answer)));
	json_decref(none);
}

/* The first code that was sent to a new address. */
static void code_confirm(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	ask.secret = octets(text_of(s->args, "code"));
	json_t *args = json_pack("{s:O}", "kind", json_object_get(s->args, "kind"));
	if (run(s, "me.code.confirm", args, &ask))
		api_put(s->p, json_pack("{s:o}", "codes", codes_json(s->answer)));
	json_decref(args);
}

static void recovery(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	json_t *none = json_object();
	if (run(s, "me.recovery", none, &ask))
		api_put(s->p, json_pack("{s:o}", "codes", codes_json(s->answer)));
	json_decref(none);
}

/* ---- applications ---- */

static void app_add(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	if (run(s, "me.app.add", s->args, &ask))
		api_put(s->p, json_pack("{s:I,s:s%}", "id", (json_int_t)s->answer->credential, "password",
				  (const char *)s->answer->secret.data, s->answer->secret.len));
}

/* ---- passkeys ---- */

#define CEREMONY_MS 300000

static json_t *base64url_json(struct slice octets_in)
{
	BUF_LOCAL(b, 8192);
	webauthn_base64url(&b, octets_in);
	return json_stringn(b.p ? b.p : "", b.n);
}

/* The handles of the passkeys there are, as keys told them. */
static json_t *descriptors(const Sekisho__WarrantedAnswer *answer)
{
	json_t *list = json_array();
	for (size_t i = 0; i < answer->n_codes; i++)
		json_array_append_new(
		    list, json_pack("{s:s,s:s}", "type", "public-key", "id", answer->codes[i]));
	return list;
}

static json_t *creation_options(const struct secret *s, struct slice challenge)
{
	json_int_t account = json_integer_value(json_object_get(s->told, "account"));
	struct slice id = slice_of(&account, sizeof account), address = text_of(s->told, "address");
	return json_pack(
	    "{s:o,s:{s:s,s:O},s:{s:o,s:s%,s:s%},s:[{s:s,s:i},{s:s,s:i},{s:s,s:i}],s:i,s:s,s:o,s:{s:s,s:s}}",
	    "challenge", base64url_json(challenge), "rp", "id", s->q->service->hostname, "name",
	    json_object_get(s->told, "organisation"), "user", "id", base64url_json(id), "name", address.p,
	    address.n, "displayName", address.p, address.n, "pubKeyCredParams", "type", "public-key", "alg",
	    -8, "type", "public-key", "alg", -7, "type", "public-key", "alg", -257, "timeout", CEREMONY_MS,
	    "attestation", "none", "excludeCredentials", descriptors(s->answer), "authenticatorSelection",
	    "residentKey", "preferred", "userVerification", "preferred");
}

static void passkey_begin(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	BUF_LOCAL(warrant, 4096);
	json_t *none = json_object();
	if (get_warrant(s, "me.passkey", none, &warrant) && use_warrant(s, buf_slice(&warrant), &ask))
		api_put(s->p, json_pack("{s:o}", "options", creation_options(s, buf_slice(&warrant))));
	json_decref(none);
}

static void passkey_add(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__Passkey passkey = SEKISHO__PASSKEY__INIT;
	BUF_LOCAL(challenge, 4096);
	if (webauthn_registration(json_object_get(s->args, "credential"), s->arena, &passkey) != OK ||
	    webauthn_challenge(&passkey, &challenge) != OK) {
		api_refuse(
		    s->p, HTTP_STATUS_UNPROCESSABLE_CONTENT, "this is no passkey that can be used here");
		return;
	}
	ask.passkey = &passkey;
	ask.secret = octets(buf_slice(&challenge));
	json_t *args = json_pack("{s:O}", "name", json_object_get(s->args, "name"));
	if (run(s, "me.passkey.add", args, &ask))
		api_put(s->p, json_pack("{s:I,s:o}", "id", (json_int_t)s->answer->credential, "codes",
				  codes_json(s->answer)));
	json_decref(args);
}

json_t *api_passkey_options(
    struct http_request *q, struct http_response *p, struct slice cookie, struct arena *a)
{
	struct secret s = {.q = q, .p = p, .arena = a};
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	BUF_LOCAL(json, LIMIT_HTTP_RESPONSE);
	BUF_LOCAL(warrant, 4096);
	json_t *none = json_object(), *options = NULL;
	const char *text = api_ask_with(q, p, cookie, "me.factor", none, a, &json);
	json_decref(none);
	s.told = text ? json_loads(text, 0, NULL) : NULL;
	if (base64_decode(text_of(s.told, "warrant"), &warrant) == OK && warrant.n &&
	    use_warrant(&s, buf_slice(&warrant), &ask))
		options = json_pack("{s:o,s:s,s:i,s:s,s:o}", "challenge", base64url_json(buf_slice(&warrant)),
		    "rpId", q->service->hostname, "timeout", CEREMONY_MS, "userVerification", "preferred",
		    "allowCredentials", descriptors(s.answer));
	json_decref(s.told);
	return options;
}

/* ---- signing in ---- */

static void open_with(struct secret *s)
{
	api_open_session(
	    s->q, s->p, slice_of(s->answer->grant.data, s->answer->grant.len), text_of(s->told, "address"));
}

/* The challenge is the warrant that was given out with it. */
static void factor_passkey(struct secret *s)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__Passkey passkey = SEKISHO__PASSKEY__INIT;
	BUF_LOCAL(challenge, 4096);
	BUF_LOCAL(warrant, 4096);
	json_t *none = json_object();
	ask.kind = FACTOR_PASSKEY;
	ask.passkey = &passkey;
	if (webauthn_assertion(json_object_get(s->args, "assertion"), s->arena, &passkey) != OK ||
	    webauthn_challenge(&passkey, &challenge) != OK)
		api_refuse(s->p, HTTP_STATUS_UNPROCESSABLE_CONTENT, "this is no answer of a passkey");
	/* The session and its csrf value are checked with a warrant of its own, which is not used. */
	else if (get_warrant(s, "me.factor", none, &warrant) && use_warrant(s, buf_slice(&challenge), &ask))
		open_with(s);
	json_decref(none);
}

static void factor(struct secret *s)
{
	static const struct {
		const char *name;
		unsigned kind;
	} kinds[] = {
	    {"totp", FACTOR_TOTP}, {"recovery", FACTOR_RECOVERY}, {"mail", FACTOR_MAIL}, {"sms", FACTOR_SMS}};
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	BUF_LOCAL(warrant, 4096);
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (slice_eq(text_of(s->args, "kind"), slice_str(kinds[i].name)))
			ask.kind = kinds[i].kind;
	if (slice_eq(text_of(s->args, "kind"), SLICE("passkey"))) {
		factor_passkey(s);
		return;
	}
	if (!ask.kind) {
		api_refuse(s->p, HTTP_STATUS_UNPROCESSABLE_CONTENT,
		    "no such kind of factor: totp, recovery, passkey, mail, sms");
		return;
	}
	ask.secret = octets(text_of(s->args, "code"));
	json_t *none = json_object();
	if (get_warrant(s, "me.factor", none, &warrant) && use_warrant(s, buf_slice(&warrant), &ask))
		open_with(s);
	json_decref(none);
}

static void with_secret(
    struct http_request *q, struct http_response *p, const json_t *args, void (*what)(struct secret *s))
{
	ARENA_LOCAL(a, API_ARENA);
	struct secret s = {.q = q, .p = p, .args = args, .arena = &a};
	what(&s);
	json_decref(s.told);
}

#define SPECIAL(name, what)                                                                                  \
	void name(                                                                                           \
	    struct http_request *q, struct http_response *p, const struct api_row *row, const json_t *args)  \
	{                                                                                                    \
		with_secret(q, p, args, what);                                                               \
	}
SPECIAL(api_own_password, own_password)
SPECIAL(api_others_password, others_password)
SPECIAL(api_totp_begin, totp_begin)
SPECIAL(api_totp_confirm, totp_confirm)
SPECIAL(api_recovery, recovery)
SPECIAL(api_app_add, app_add)
SPECIAL(api_factor, factor)
SPECIAL(api_passkey_begin, passkey_begin)
SPECIAL(api_passkey_add, passkey_add)
SPECIAL(api_code_confirm, code_confirm)
