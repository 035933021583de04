#include "oauth.h"
#include "console.h"
#include "signin.h"

#define URI_MOST ((size_t)8 * LIMIT_OAUTH_TEXT)

static const char *issuer_of(const struct http_request *q)
{
	return q->service->setup ? q->service->setup->issuer : NULL;
}

/* False: there is no such thing here, and p says so. */
static bool is_on(const struct http_request *q, struct http_response *p)
{
	if (issuer_of(q))
		return true;
	http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
	return false;
}

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/* A parameter as the ask has it: never NULL. */
static char *text(struct slice s)
{
	return (char *)(uintptr_t)(s.p ? s.p : "");
}

/* NULL: store does not answer. */
static const Sekisho__OauthAnswer *ask_store(const struct http_request *q, Sekisho__OauthAsk *ask)
{
	Sekisho__Client client = api_client(q);
	Sekisho__OauthAnswer *answer = NULL;
	const char *why;
	ask->client = &client;
	return api_ask_role(q->service->monitor->store, ASK_STORE_OAUTH, ask, q->arena, &answer, &why) == OK
		   ? answer
		   : NULL;
}

/* ---- what there is ---- */

static json_t *words(const char *list)
{
	json_t *v = json_array();
	for (struct slice rest = slice_str(list); rest.n;) {
		struct slice word = slice_split(&rest, ' ');
		json_array_append_new(v, json_stringn(word.p, word.n));
	}
	return v;
}

static void put_place(json_t *v, const char *name, const char *issuer, const char *path)
{
	json_object_set_new(v, name, json_sprintf("%s%s", issuer, path));
}

void http_oauth_get_metadata(struct http_request *q, struct http_response *p)
{
	const char *issuer = issuer_of(q);
	if (!is_on(q, p))
		return;
	json_t *v =
	    json_pack("{s:s,s:b,s:b,s:b}", "issuer", issuer, "authorization_response_iss_parameter_supported",
		1, "request_parameter_supported", 0, "request_uri_parameter_supported", 0);
	put_place(v, "authorization_endpoint", issuer, "/oauth/authorize");
	put_place(v, "token_endpoint", issuer, "/oauth/token");
	put_place(v, "revocation_endpoint", issuer, "/oauth/revoke");
	put_place(v, "userinfo_endpoint", issuer, "/oauth/userinfo");
	put_place(v, "jwks_uri", issuer, "/oauth/jwks");
	json_object_set_new(
	    v, "scopes_supported", words("openid email profile offline_access imap pop smtp sieve"));
	json_object_set_new(v, "response_types_supported", words("code"));
	json_object_set_new(v, "response_modes_supported", words("query"));
	json_object_set_new(v, "grant_types_supported", words("authorization_code refresh_token"));
	json_object_set_new(v, "code_challenge_methods_supported", words("S256"));
	json_object_set_new(
	    v, "token_endpoint_auth_methods_supported", words("none client_secret_basic client_secret_post"));
	json_object_set_new(v, "revocation_endpoint_auth_methods_supported",
	    words("none client_secret_basic client_secret_post"));
	json_object_set_new(v, "subject_types_supported", words("public"));
	json_object_set_new(v, "id_token_signing_alg_values_supported", words("ES256"));
	json_object_set_new(v, "prompt_values_supported", words("none login consent"));
	json_object_set_new(v, "claims_supported",
	    words("iss sub aud exp iat auth_time nonce email email_verified name preferred_username"));
	api_put(p, v);
	http_put_header(p, "Cache-Control", SLICE("public, max-age=3600"));
}

void http_oauth_jwks(struct http_request *q, struct http_response *p)
{
	Sekisho__OauthKeysAsk ask = SEKISHO__OAUTH_KEYS_ASK__INIT;
	Sekisho__OauthKeysAnswer *answer = NULL;
	const char *why;
	if (!is_on(q, p))
		return;
	if (api_ask_role(q->service->keys, ASK_KEYS_OAUTH_KEYS, &ask, q->arena, &answer, &why) != OK) {
		http_refuse(p, HTTP_STATUS_UNAVAILABLE, NULL);
		return;
	}
	p->type = "application/json";
	buf_puts(&p->body, answer->jwks);
	http_put_header(p, "Cache-Control", SLICE("public, max-age=3600"));
}

/* ---- /oauth/authorize ---- */

/* The program hears of it: its address is known to be its own. */
static void answer_error(const struct http_request *q, struct http_response *p, const struct http_oauth *in,
    const char *error, const char *why)
{
	BUF_LOCAL(uri, URI_MOST);
	buf_put(&uri, in->redirect_uri);
	http_oauth_put_param(&uri, "error", slice_str(error));
	if (why)
		http_oauth_put_param(&uri, "error_description", slice_str(why));
	if (in->state.p)
		http_oauth_put_param(&uri, "state", in->state);
	http_oauth_put_param(&uri, "iss", slice_str(issuer_of(q)));
	p->status = HTTP_STATUS_FOUND;
	http_put_header(p, "Location", buf_slice(&uri));
}

/* Nobody knows whose request it is: the person hears of it, and nothing is sent anywhere. */
static void refuse_person(struct http_response *p, const char *en, const char *ja)
{
	p->status = HTTP_STATUS_BAD_REQUEST;
	p->type = "text/plain; charset=utf-8";
	buf_printf(&p->body, "%s\n\n%s\n", en, ja);
}

/* "login_required" and the like, of a page that was told so; NULL: none of them. */
static const char *refusal_of(struct slice refuse)
{
	static const char *const all[] = {
	    "access_denied", "login_required", "consent_required", "interaction_required"};
	for (size_t i = 0; i < COUNT(all); i++)
		if (slice_eq(refuse, slice_str(all[i])))
			return all[i];
	return NULL;
}

static bool prompts_alone(struct slice prompt)
{
	return slice_search(prompt, SLICE("none")) < 0 || slice_eq(prompt, SLICE("none"));
}

/* NULL: nothing; else the error (RFC 6749 4.1.2.1), and why. */
static const char *flaw_of(const struct http_oauth *in, const char **why_out)
{
	*why_out = NULL;
	if (in->request.p)
		return "request_not_supported";
	if (in->request_uri.p)
		return "request_uri_not_supported";
	if (!slice_eq(in->response_type, SLICE("code")))
		return in->response_type.n ? "unsupported_response_type" : "invalid_request";
	*why_out = "PKCE is needed: code_challenge with code_challenge_method=S256";
	if (!http_oauth_challenge_ok(in->code_challenge) ||
	    !slice_eq(in->code_challenge_method, SLICE("S256")))
		return "invalid_request";
	*why_out = "response_mode is query, and prompt=none stands alone";
	if ((in->response_mode.n && !slice_eq(in->response_mode, SLICE("query"))) ||
	    !prompts_alone(in->prompt))
		return "invalid_request";
	*why_out = NULL;
	return refusal_of(in->refuse);
}

/* As OpenID Connect Core 3.1.2.1 asks: the same by POST; the page wants it in its address. */
static void authorize_again(struct http_request *q, struct http_response *p)
{
	BUF_LOCAL(uri, LIMIT_OAUTH_REQUEST + 32);
	struct http_query it = {q->body, q->arena};
	struct slice name, value;
	buf_puts(&uri, "/oauth/authorize");
	while (http_query_next(&it, &name, &value)) {
		const char *word = arena_z(q->arena, name);
		if (word && *word)
			http_oauth_put_param(&uri, word, value);
	}
	p->status = HTTP_STATUS_FOUND;
	http_put_header(p, "Location", buf_slice(&uri));
}

void http_oauth_authorize(struct http_request *q, struct http_response *p)
{
	Sekisho__OauthAsk ask = SEKISHO__OAUTH_ASK__INIT;
	struct http_oauth in;
	const char *why;
	if (!is_on(q, p))
		return;
	if (q->method == HTTP_POST) {
		authorize_again(q, p);
		return;
	}
	if (http_oauth_read(q->query, q->arena, &in) != OK || !in.client_id.n || !in.redirect_uri.n) {
		refuse_person(
		    p, "This request for access is not complete.", "アクセスの要求が正しくありません。");
		return;
	}
	ask.what = SEKISHO__OAUTH_ASK__WHAT__CHECK;
	ask.client_id = text(in.client_id);
	ask.redirect_uri = text(in.redirect_uri);
	ask.scope = text(in.scope);
	const Sekisho__OauthAnswer *answer = ask_store(q, &ask);
	if (!answer) {
		http_refuse(p, HTTP_STATUS_UNAVAILABLE, NULL);
		return;
	}
	if (strcmp(answer->error, "invalid_client") == 0 ||
	    strcmp(answer->error, "invalid_redirect_uri") == 0) {
		refuse_person(p,
		    "The program that asks for access is not registered here, or not with this address.",
		    "アクセスを求めているプログラムは、このサーバーに登録されていないか、返信先が登録と異なり"
		    "ます。");
		return;
	}
	const char *error = flaw_of(&in, &why);
	if (!error && *answer->error) {
		error = answer->error;
		why = answer->why;
	}
	if (error)
		answer_error(q, p, &in, error, why);
	else
		http_console_page(q, p);
}

/* What the page sends once somebody has signed in: "allow" is his consent. */
void api_oauth_authorize(
    struct http_request *q, struct http_response *p, const struct api_row *row, const json_t *args)
{
	ARENA_LOCAL(a, API_ARENA);
	BUF_LOCAL(json, LIMIT_HTTP_RESPONSE);
	BUF_LOCAL(uri, URI_MOST);
	json_t *asked = json_deep_copy(args);
	const json_t *state = json_object_get(args, "state"), *code;
	json_object_del(asked, "state");
	const char *found = issuer_of(q) ? api_ask(q, p, "me.oauth.authorize", asked, &a, &json) : NULL;
	json_decref(asked);
	json_t *said = found ? json_loads(found, 0, NULL) : NULL;
	if (!issuer_of(q))
		api_refuse(p, HTTP_STATUS_NOT_FOUND, "no tokens are given out here");
	if (!said)
		return;
	code = json_object_get(said, "code");
	if (!code) {
		api_put(p, said);
		return;
	}
	buf_puts(&uri, json_string_value(json_object_get(args, "redirect_uri")));
	http_oauth_put_param(&uri, "code", slice_str(json_string_value(code)));
	if (state)
		http_oauth_put_param(
		    &uri, "state", slice_of(json_string_value(state), json_string_length(state)));
	http_oauth_put_param(&uri, "iss", slice_str(issuer_of(q)));
	api_put(p, json_pack("{s:s}", "redirect", buf_z(&uri)));
	json_decref(said);
}

/* ---- /oauth/token, /oauth/revoke ---- */

static void put_error(struct http_response *p, enum http_status status, const char *error, const char *why)
{
	p->status = status;
	api_put(p, json_pack("{s:s,s:s*}", "error", error, "error_description", why));
	http_put_header(p, "Pragma", SLICE("no-cache"));
}

static void refuse_client(const struct http_request *q, struct http_response *p, const char *why)
{
	put_error(p, HTTP_STATUS_UNAUTHORIZED, "invalid_client", why);
	if (http_header(q, SLICE("Authorization")).n)
		http_put_header(p, "WWW-Authenticate", SLICE("Basic realm=\"oauth\""));
}

static bool is_form(const struct http_request *q)
{
	struct slice type = http_header(q, SLICE("Content-Type"));
	return slice_ieq(
	    slice_trim_blank(slice_split(&type, ';')), SLICE("application/x-www-form-urlencoded"));
}

/* The form, and whose program sends it. False: p is the refusal. */
static bool take_form(struct http_request *q, struct http_response *p, struct http_oauth *in)
{
	struct slice authorization = http_header(q, SLICE("Authorization")), id, secret;
	if (!is_form(q) || http_oauth_read(q->body, q->arena, in) != OK) {
		put_error(p, HTTP_STATUS_BAD_REQUEST, "invalid_request",
		    "a form is wanted, with each parameter once");
		return false;
	}
	if (authorization.n) {
		if (http_oauth_basic(authorization, q->arena, &id, &secret) != OK || in->client_secret.p ||
		    (in->client_id.p && !slice_eq(in->client_id, id))) {
			refuse_client(q, p, "the client is named twice, or not at all");
			return false;
		}
		in->client_id = id;
		in->client_secret = secret;
	}
	if (!in->client_id.n)
		refuse_client(q, p, "client_id is missing");
	return in->client_id.n != 0;
}

/* True when it was refused. */
static bool refused(const struct http_request *q, struct http_response *p, const Sekisho__OauthAnswer *answer)
{
	if (!answer) {
		put_error(p, HTTP_STATUS_UNAVAILABLE, "temporarily_unavailable", NULL);
		http_put_header(p, "Retry-After", SLICE("5"));
	} else if (strcmp(answer->error, "invalid_client") == 0) {
		refuse_client(q, p, answer->why);
	} else if (*answer->error) {
		put_error(p, HTTP_STATUS_BAD_REQUEST, answer->error, answer->why);
	}
	return !answer || *answer->error;
}

/* NULL: keys do not answer. */
static json_t *sign_claims(const struct http_request *q, const Sekisho__OauthAnswer *answer)
{
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *done = NULL;
	const char *why;
	ask.warrant = answer->warrant;
	ask.secret = octets(slice_str(answer->claims));
	if (api_ask_role(q->service->keys, ASK_KEYS_WARRANTED, &ask, q->arena, &done, &why) != OK)
		return NULL;
	return json_stringn((const char *)done->secret.data, done->secret.len);
}

static void put_tokens(struct http_request *q, struct http_response *p, const Sekisho__OauthAnswer *answer)
{
	json_t *id = answer->warrant.len ? sign_claims(q, answer) : NULL;
	if (answer->warrant.len && !id) {
		put_error(p, HTTP_STATUS_UNAVAILABLE, "temporarily_unavailable", NULL);
		return;
	}
	json_t *v = json_pack("{s:s%,s:s,s:I,s:s}", "access_token", (const char *)answer->access.data,
	    answer->access.len, "token_type", "Bearer", "expires_in", (json_int_t)answer->seconds, "scope",
	    answer->scope);
	if (answer->refresh.len)
		json_object_set_new(v, "refresh_token",
		    json_stringn((const char *)answer->refresh.data, answer->refresh.len));
	if (id)
		json_object_set_new(v, "id_token", id);
	api_put(p, v);
	http_put_header(p, "Pragma", SLICE("no-cache"));
}

/* False: p is the refusal. */
static bool take_grant(
    struct http_response *p, const struct http_oauth *in, struct buf *challenge, Sekisho__OauthAsk *ask)
{
	ask->client_id = text(in->client_id);
	ask->secret = octets(in->client_secret);
	if (slice_eq(in->grant_type, SLICE("authorization_code"))) {
		ask->what = SEKISHO__OAUTH_ASK__WHAT__CODE;
		ask->token = octets(in->code);
		ask->redirect_uri = text(in->redirect_uri);
		if (in->code.n && in->redirect_uri.n &&
		    http_oauth_challenge(in->code_verifier, challenge) == OK) {
			ask->challenge = (char *)(uintptr_t)buf_z(challenge);
			return true;
		}
	} else if (slice_eq(in->grant_type, SLICE("refresh_token"))) {
		ask->what = SEKISHO__OAUTH_ASK__WHAT__REFRESH;
		ask->token = octets(in->refresh_token);
		if (in->refresh_token.n)
			return true;
	} else if (in->grant_type.n) {
		put_error(p, HTTP_STATUS_BAD_REQUEST, "unsupported_grant_type", NULL);
		return false;
	}
	put_error(p, HTTP_STATUS_BAD_REQUEST, "invalid_request",
	    "code with redirect_uri and code_verifier, or refresh_token is wanted");
	return false;
}

void http_oauth_token(struct http_request *q, struct http_response *p)
{
	Sekisho__OauthAsk ask = SEKISHO__OAUTH_ASK__INIT;
	struct http_oauth in;
	BUF_LOCAL(challenge, 64);
	if (!is_on(q, p) || !take_form(q, p, &in) || !take_grant(p, &in, &challenge, &ask))
		return;
	const Sekisho__OauthAnswer *answer = ask_store(q, &ask);
	if (!refused(q, p, answer))
		put_tokens(q, p, answer);
}

/* RFC 7009. */
void http_oauth_revoke(struct http_request *q, struct http_response *p)
{
	Sekisho__OauthAsk ask = SEKISHO__OAUTH_ASK__INIT;
	struct http_oauth in;
	if (!is_on(q, p) || !take_form(q, p, &in))
		return;
	if (!in.token.n) {
		put_error(p, HTTP_STATUS_BAD_REQUEST, "invalid_request", "token is missing");
		return;
	}
	ask.what = SEKISHO__OAUTH_ASK__WHAT__REVOKE;
	ask.client_id = text(in.client_id);
	ask.secret = octets(in.client_secret);
	ask.token = octets(in.token);
	if (!refused(q, p, ask_store(q, &ask)))
		api_put(p, json_object());
}

/* ---- /oauth/userinfo ---- */

void http_oauth_userinfo(struct http_request *q, struct http_response *p)
{
	Sekisho__OauthAsk ask = SEKISHO__OAUTH_ASK__INIT;
	struct slice token = api_bearer(q);
	if (!is_on(q, p))
		return;
	ask.what = SEKISHO__OAUTH_ASK__WHAT__WHO;
	ask.token = octets(token);
	const Sekisho__OauthAnswer *answer = token.n ? ask_store(q, &ask) : NULL;
	if (answer && !*answer->error) {
		p->type = "application/json";
		buf_puts(&p->body, answer->claims);
		return;
	}
	if (token.n && !answer) {
		put_error(p, HTTP_STATUS_UNAVAILABLE, "temporarily_unavailable", NULL);
		return;
	}
	bool narrow = answer && strcmp(answer->error, "insufficient_scope") == 0;
	put_error(p, narrow ? HTTP_STATUS_FORBIDDEN : HTTP_STATUS_UNAUTHORIZED,
	    answer ? answer->error : "invalid_token", answer ? answer->why : "a token is wanted");
	http_put_header(p, "WWW-Authenticate",
	    !answer  ? SLICE("Bearer")
	    : narrow ? SLICE("Bearer error=\"insufficient_scope\"")
		     : SLICE("Bearer error=\"invalid_token\""));
}
