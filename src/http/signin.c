/* Signing in and out, cookies (RFC 6265), and whose page a request comes from. */
#include "signin.h"

#define COOKIE_NAME "__Host-sekisho"
#define DEVICE_NAME "__Host-sekisho-device" /* by which a browser is known again; opens nothing */
#define DEVICE_S "34560000"                 /* seconds: 400 days, the most that browsers keep one */
#define CLEAR COOKIE_NAME "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"

static const char *const states[] = {"in", "factor", "enrol", "change"}; /* as enum session_state */

/* ---- who asks ---- */

struct slice api_bearer(const struct http_request *q)
{
	struct slice value = http_header(q, SLICE("Authorization"));
	struct slice scheme = slice_split(&value, ' ');
	return slice_ieq(scheme, SLICE("Bearer")) ? slice_trim_blank(value) : SLICE_NONE;
}

/* Two of one name: somebody slipped one in, and nobody can tell which is ours. */
static struct slice find_cookie(const struct http_request *q, struct slice name)
{
	struct slice found = SLICE_NONE;
	unsigned n = 0;
	for (size_t i = 0; i < q->field_n; i++) {
		struct slice rest = q->fields[i].value;
		if (!slice_ieq(q->fields[i].name, SLICE("Cookie")))
			continue;
		while (rest.n) {
			struct slice value = slice_trim_blank(slice_split(&rest, ';'));
			if (!slice_eq(slice_split(&value, '='), name))
				continue;
			found = value;
			n++;
		}
	}
	return n == 1 ? found : SLICE_NONE;
}

struct slice api_cookie(const struct http_request *q)
{
	return find_cookie(q, SLICE(COOKIE_NAME));
}

static bool is_our_origin(const struct http_request *q, struct slice origin)
{
	BUF_LOCAL(ours, 1024);
	buf_puts(&ours, "https://");
	buf_put(&ours, q->host);
	return slice_ieq(origin, buf_slice(&ours));
}

bool api_is_ours(const struct http_request *q, struct http_response *p)
{
	struct slice site = http_header(q, SLICE("Sec-Fetch-Site")), origin = http_header(q, SLICE("Origin"));
	bool known = site.n || origin.n;
	if ((!site.n || slice_eq(site, SLICE("same-origin"))) && (!origin.n || is_our_origin(q, origin)) &&
	    (known || !api_cookie(q).n))
		return true;
	api_refuse(p, HTTP_STATUS_FORBIDDEN, "this comes from a page that is not of this server");
	return false;
}

/* ---- signing in ---- */

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static struct slice text_of(const json_t *args, const char *key)
{
	const json_t *v = json_object_get(args, key);
	return slice_of(json_string_value(v), json_string_length(v));
}

Sekisho__Client api_client(const struct http_request *q)
{
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	client.ip = (char *)(uintptr_t)q->ip;
	client.port = q->port;
	client.service = (char *)(uintptr_t) "web";
	return client;
}

static void failed(
    const struct http_request *q, struct http_response *p, struct slice who, enum result r, const char *why)
{
	EVENT(AUTH_FAILED, KZ("service", "web"), KZ("ip", q->ip),
	    KV("user", slice_sub(who, 0, LIMIT_LOGIN_NAME)), KZ("mechanism", "password"), KZ("why", why));
	if (r == LATER)
		api_refuse(p, HTTP_STATUS_TOO_MANY_REQUESTS, why);
	else if (r == DENY || r == BAD)
		api_refuse(p, HTTP_STATUS_UNAUTHORIZED, "the address or the password is wrong");
	else
		api_refuse(p, HTTP_STATUS_UNAVAILABLE, "nobody can sign in now");
}

/* Asks over this thread's channel, once more when it proves dead. */
enum result api_ask_role(struct ipc_trunk *role, enum ipc_ask kind, const void *ask, struct arena *a,
    void *answer_out, const char **why_out)
{
	enum result r = GONE;
	*why_out = "";
	for (int tries = 0; r == GONE && tries < 2; tries++) {
		struct ipc *c = ipc_thread(role);
		if (!c)
			return GONE;
		r = ipc_call(c, kind, ask, NULL, a, answer_out, NULL);
		*why_out = r == OK ? "" : c->why;
	}
	return r;
}

/* `more` follows the attributes that all cookies have. */
static void put_cookie(struct http_response *p, const char *name, struct slice cookie, const char *more)
{
	BUF_LOCAL(b, 256);
	buf_printf(&b, "%s=", name);
	buf_put(&b, cookie);
	buf_printf(&b, "; Path=/; Secure; HttpOnly; SameSite=Strict%s", more);
	http_put_header(p, "Set-Cookie", buf_slice(&b));
}

static json_t *factor_names(uint32_t factors)
{
	static const struct {
		unsigned bit;
		const char *name;
	} all[] = {{FACTOR_TOTP, "totp"}, {FACTOR_PASSKEY, "passkey"}, {FACTOR_RECOVERY, "recovery"},
	    {FACTOR_MAIL, "mail"}, {FACTOR_SMS, "sms"}};
	json_t *list = json_array();
	for (size_t i = 0; i < COUNT(all); i++)
		if (factors & all[i].bit)
			json_array_append_new(list, json_string(all[i].name));
	return list;
}

/* A grant at the store: the session, and its cookie. */
void api_open_session(struct http_request *q, struct http_response *p, struct slice grant, struct slice login)
{
	Sekisho__Client client = api_client(q);
	Sekisho__SigninAsk ask = SEKISHO__SIGNIN_ASK__INIT;
	Sekisho__SigninAnswer *answer = NULL;
	const char *why;
	ask.grant = octets(grant);
	ask.cookie = octets(api_cookie(q));
	ask.device = octets(find_cookie(q, SLICE(DEVICE_NAME)));
	ask.client = &client;
	ask.agent = arena_z(q->arena, slice_sub(http_header(q, SLICE("User-Agent")), 0, 400));
	if (!slice_is_utf8(slice_str(ask.agent)))
		ask.agent = (char *)(uintptr_t) "";
	enum result r =
	    api_ask_role(q->service->monitor->store, ASK_STORE_SIGNIN, &ask, q->arena, &answer, &why);
	if (r != OK) {
		failed(q, p, login, r == LATER ? GONE : r, why);
		return;
	}
	put_cookie(p, COOKIE_NAME, slice_of(answer->cookie.data, answer->cookie.len), "");
	if (answer->device.len)
		put_cookie(
		    p, DEVICE_NAME, slice_of(answer->device.data, answer->device.len), "; Max-Age=" DEVICE_S);
	json_t *v = json_pack("{s:s,s:I}", "state", states[answer->state % COUNT(states)], "expires_ms",
	    (json_int_t)answer->ends_ms);
	if (answer->state == 1)
		json_object_set_new(v, "factors", factor_names(answer->factors));
	if (answer->state == 1 && (answer->factors & FACTOR_PASSKEY)) {
		ARENA_LOCAL(a, API_ARENA);
		json_t *options =
		    api_passkey_options(q, p, slice_of(answer->cookie.data, answer->cookie.len), &a);
		if (!options) {
			json_decref(v);
			return;
		}
		json_object_set_new(v, "passkey", options);
	}
	if (answer->enrol_by_ms)
		json_object_set_new(v, "enrol_by_ms", json_integer(answer->enrol_by_ms));
	api_put(p, v);
	if (answer->state == 0)
		EVENT(AUTH_OK, KZ("service", "web"), KZ("ip", q->ip), KV("user", login),
		    KZ("mechanism", "password"));
}

/* For the sign-in log. When the store is down, the event has to do. */
static void report(struct http_request *q, const Sekisho__Client *client, struct slice login,
    Sekisho__RefusedAsk__Why kind, const Sekisho__GrantAnswer *grant)
{
	Sekisho__RefusedAsk ask = SEKISHO__REFUSED_ASK__INIT;
	Sekisho__Client said = *client;
	const char *why;
	struct slice agent = slice_sub(http_header(q, SLICE("User-Agent")), 0, LIMIT_SIGNIN_AGENT);
	said.agent = slice_is_utf8(agent) ? arena_z(q->arena, agent) : said.agent;
	ask.why = kind;
	ask.client = &said;
	if (grant)
		ask.grant = grant->grant;
	if (login.n <= LIMIT_LOGIN_NAME && slice_is_utf8(login) && slice_find(login, '\0') < 0)
		ask.login = arena_z(q->arena, login);
	if (!ask.login)
		ask.login = (char *)(uintptr_t) "";
	result_ignore(
	    api_ask_role(q->service->monitor->store, ASK_STORE_REFUSED, &ask, q->arena, NULL, &why));
}

static void session_open(
    struct http_request *q, struct http_response *p, const struct api_row *row, const json_t *args)
{
	struct slice login = text_of(args, "address"), password = text_of(args, "password");
	Sekisho__Client client = api_client(q);
	Sekisho__PasswordAsk ask = SEKISHO__PASSWORD_ASK__INIT;
	Sekisho__GrantAnswer *grant = NULL;
	const char *why = "no possible login or password";
	bool possible = login.n && login.n <= LIMIT_LOGIN_NAME && strlen(login.p) == login.n && password.n &&
			password.n <= LIMIT_PASSWORD;
	ask.login = (char *)(uintptr_t)login.p;
	ask.password = octets(password);
	ask.client = &client;
	enum result r =
	    possible ? api_ask_role(q->service->keys, ASK_KEYS_PASSWORD, &ask, q->arena, &grant, &why) : DENY;
	if (!possible)
		report(q, &client, login, SEKISHO__REFUSED_ASK__WHY__MALFORMED, NULL);
	if (r == OK && grant->result != OK) {
		report(q, &client, login, SEKISHO__REFUSED_ASK__WHY__GRANT, grant);
		r = (enum result)grant->result;
		why = grant->why;
	}
	if (r != OK)
		failed(q, p, login, r, why);
	else
		api_open_session(
		    q, p, slice_of(grant->grant.data, grant->grant.len), slice_str(grant->login));
}

static void session_close(
    struct http_request *q, struct http_response *p, const struct api_row *row, const json_t *args)
{
	ARENA_LOCAL(a, API_ARENA);
	if (!api_ask(q, p, row->verb, args, &a, &p->body))
		return;
	p->type = "application/json";
	http_put_header(p, "Set-Cookie", SLICE(CLEAR));
}

api_special *api_special_of(const char *verb)
{
	static const struct {
		const char *verb;
		api_special *run;
	} all[] = {{"session.open", session_open}, {"me.signout", session_close},
	    {"session.factor", api_factor}, {"session.password", api_own_password},
	    {"session.others.password", api_others_password}, {"session.totp", api_totp_begin},
	    {"session.totp.confirm", api_totp_confirm}, {"session.recovery", api_recovery},
	    {"session.app.add", api_app_add}, {"session.oauth", api_oauth_authorize},
	    {"session.passkey", api_passkey_begin}, {"session.passkey.add", api_passkey_add},
	    {"session.code.confirm", api_code_confirm}};
	for (size_t i = 0; i < COUNT(all); i++)
		if (strcmp(all[i].verb, verb) == 0)
			return all[i].run;
	return NULL;
}
