#include "sasl.h"
#include "bearer.h"
#include "binding.h"
#include "scram.h"

#define BASE64_MOST ((size_t)16384) /* longer than any line a protocol lets through */

/* ---- asking the other roles ---- */

/* Asks over this thread's channel; a channel that proves dead is replaced once, since nothing asked here leaves a trace. */
static enum result ask_role(struct sasl *s, struct ipc_trunk *role, enum ipc_ask kind, const void *ask,
    const struct ipc_fds *fds, void *answer_out)
{
	enum result r = GONE;
	for (int tries = 0; r == GONE && tries < 2; tries++) {
		struct ipc *c = ipc_thread(role);
		if (!c)
			return LATER;
		r = ipc_call(c, kind, ask, fds, s->arena, answer_out, NULL);
	}
	return r == OK || r == DENY || r == BAD || r == FULL ? r : LATER;
}

static enum result failed(struct sasl *s, enum result r, const char *why)
{
	EVENT(AUTH_FAILED, KZ("service", s->client->service), KZ("ip", s->client->ip), KV("user", s->user),
	    KZ("mechanism", s->mechanism), KZ("why", why));
	return r;
}

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

/* Store keeps the log of sign-ins; when it is down, the event has to do. */
static void report(struct sasl *s, Sekisho__RefusedAsk__Why why, ProtobufCBinaryData grant)
{
	Sekisho__RefusedAsk ask = SEKISHO__REFUSED_ASK__INIT;
	Sekisho__Client client = *s->client;
	client.mechanism = (char *)(uintptr_t)s->mechanism;
	ask.why = why;
	ask.grant = grant;
	ask.login = slice_is_utf8(s->user) ? arena_z(s->arena, s->user) : NULL;
	ask.client = &client;
	if (!ask.login)
		ask.login = (char *)(uintptr_t) "";
	result_ignore(ask_role(s, s->store, ASK_STORE_REFUSED, &ask, NULL, NULL));
}

/* What keys was not asked about. */
static enum result malformed(struct sasl *s, Sekisho__RefusedAsk__Why kind, const char *why)
{
	report(s, kind, octets(SLICE_NONE));
	return failed(s, DENY, why);
}

static enum result judged(struct sasl *s, enum result r, const Sekisho__GrantAnswer *answer)
{
	if (r == OK && answer->result != OK) {
		report(s, SEKISHO__REFUSED_ASK__WHY__GRANT, answer->grant);
		r = (enum result)answer->result;
		return failed(s, r == LATER ? LATER : DENY, answer->why);
	}
	if (r != OK)
		return failed(
		    s, r == LATER ? LATER : DENY, r == LATER ? "keys is down" : "wrong login or password");
	s->user = slice_str(answer->login);
	s->grant = slice_of(answer->grant.data, answer->grant.len);
	return OK;
}

static bool login_ok(struct slice login)
{
	for (size_t i = 0; i < login.n; i++)
		if ((unsigned char)login.p[i] < ' ' || login.p[i] == 0x7f)
			return false;
	return login.n && login.n <= LIMIT_LOGIN_NAME && slice_is_utf8(login);
}

enum result sasl_password(struct sasl *s, const char *mechanism, struct slice login, struct slice password)
{
	s->mechanism = mechanism;
	s->user = arena_dup(s->arena, login);
	if (!login_ok(login) || password.n == 0 || password.n > LIMIT_PASSWORD)
		return malformed(s, SEKISHO__REFUSED_ASK__WHY__MALFORMED, "no possible login or password");
	Sekisho__PasswordAsk ask = SEKISHO__PASSWORD_ASK__INIT;
	ask.login = arena_z(s->arena, login);
	ask.password = octets(password);
	ask.client = (Sekisho__Client *)(uintptr_t)s->client;
	if (!ask.login)
		return LATER;
	Sekisho__GrantAnswer *answer = NULL;
	enum result r = ask_role(s, s->keys, ASK_KEYS_PASSWORD, &ask, NULL, &answer);
	return judged(s, r, answer);
}

enum result sasl_open(struct sasl *s, struct ipc *channel_out, Sekisho__LoginAnswer **answer_out)
{
	*channel_out = (struct ipc){.fd = -1, .why = ""};
	int ends[2];
	if (ipc_pair(ends) != OK)
		return LATER;
	struct ipc_fds fds = {.fd = {ends[1]}, .n = 1};
	Sekisho__LoginAsk ask = SEKISHO__LOGIN_ASK__INIT;
	Sekisho__Client client = *s->client;
	client.mechanism = (char *)(uintptr_t)s->mechanism;
	ask.grant = octets(s->grant);
	ask.client = &client;
	enum result r = ask_role(s, s->store, ASK_STORE_LOGIN, &ask, &fds, answer_out);
	ipc_fds_close(&fds);
	if (r != OK) {
		fd_close(&ends[0]);
		return failed(s, r == LATER || r == FULL ? r : DENY,
		    r == LATER  ? "store is down"
		    : r == FULL ? "too many sessions of this account"
				: "the account may not log in");
	}
	channel_out->fd = ends[0];
	EVENT(AUTH_OK, KZ("service", s->client->service), KZ("ip", s->client->ip), KV("user", s->user),
	    KZ("mechanism", s->mechanism));
	return OK;
}

/* ---- the exchange ---- */

static enum result decode_response(struct slice line, struct buf *out)
{
	buf_clear(out);
	if (slice_eq(line, SLICE("*")))
		return BAD;
	return base64_decode(line, out);
}

/* Says `challenge` and decodes what the client answers. */
static enum result converse(struct sasl *s, struct slice challenge, struct buf *out)
{
	BUF_LOCAL(text, BASE64_MOST);
	buf_base64(&text, challenge);
	struct slice line;
	enum result r = s->ask(s, buf_slice(&text), &line);
	return r == OK ? decode_response(line, out) : r;
}

/* The client's first message: the initial response, or the answer to `challenge`. */
static enum result first_message(
    struct sasl *s, struct slice initial, struct slice challenge, struct buf *out)
{
	if (!initial.p)
		return converse(s, challenge, out);
	return slice_eq(initial, SLICE("=")) ? OK : decode_response(initial, out);
}

/* message = [authzid] NUL authcid NUL passwd */
static enum result plain_judge(struct sasl *s, struct slice message)
{
	struct slice rest = message;
	struct slice authzid = slice_split(&rest, '\0');
	struct slice login = slice_split(&rest, '\0');
	if (authzid.n + login.n + rest.n + 2 != message.n || slice_find(rest, '\0') >= 0)
		return BAD;
	if (authzid.n && !slice_ieq(authzid, login)) {
		s->user = arena_dup(s->arena, login);
		return malformed(s, SEKISHO__REFUSED_ASK__WHY__MALFORMED, "would act as another");
	}
	return sasl_password(s, "PLAIN", login, rest);
}

static enum result run_plain(struct sasl *s, struct slice initial)
{
	struct buf message = {.max = BASE64_MOST};
	enum result r = first_message(s, initial, SLICE_NONE, &message);
	if (r == OK)
		r = plain_judge(s, buf_slice(&message));
	buf_free_secret(&message);
	return r;
}

static enum result run_login(struct sasl *s, struct slice initial)
{
	BUF_LOCAL(login, BASE64_MOST);
	struct buf password = {.max = BASE64_MOST};
	enum result r = first_message(s, initial, SLICE("Username:"), &login);
	if (r == OK)
		r = converse(s, SLICE("Password:"), &password);
	if (r == OK)
		r = sasl_password(s, "LOGIN", buf_slice(&login), buf_slice(&password));
	buf_free_secret(&password);
	return r;
}

/* RFC 5802 section 6: a client that could bind but believes that we can't has been lied to. */
static enum result scram_flag_check(struct sasl *s, const struct scram_first *first, bool plus)
{
	if (plus != (first->flag == 'p'))
		return BAD;
	if (first->flag == 'y' && !s->binding_unsaid && sasl_can_bind(s->stream))
		return malformed(
		    s, SEKISHO__REFUSED_ASK__WHY__BINDING, "channel binding was hidden from the client");
	if (first->authzid.n && !slice_ieq(first->authzid, first->user))
		return malformed(s, SEKISHO__REFUSED_ASK__WHY__MALFORMED, "would act as another");
	return login_ok(first->user)
		   ? OK
		   : malformed(s, SEKISHO__REFUSED_ASK__WHY__MALFORMED, "no possible login");
}

/* The client repeats its gs2 header and says what it is bound to; both must be as seen from here. */
static enum result scram_binding_check(
    struct sasl *s, const struct scram_first *first, const struct scram_final *final)
{
	BUF_LOCAL(claimed, BASE64_MOST);
	BUF_LOCAL(ours, BASE64_MOST);
	if (base64_decode(final->binding, &claimed) != OK)
		return BAD;
	buf_put(&ours, first->gs2);
	if (first->flag == 'p' && sasl_binding(s->stream, first->binding, &ours) != OK)
		return malformed(s, SEKISHO__REFUSED_ASK__WHY__BINDING, "no such channel binding");
	if (buf_result(&ours) != OK || !slice_eq_secret(buf_slice(&claimed), buf_slice(&ours)))
		return malformed(s, SEKISHO__REFUSED_ASK__WHY__BINDING, "bound to another channel");
	return OK;
}

static enum result scram_finish(
    struct sasl *s, const struct scram_first *first, struct slice message, ProtobufCBinaryData state)
{
	struct scram_final final;
	BUF_LOCAL(proof, 256);
	if (scram_final_parse(message, &final) != OK || base64_decode(final.proof, &proof) != OK)
		return BAD;
	enum result r = scram_binding_check(s, first, &final);
	if (r != OK)
		return r;
	Sekisho__ScramFinishAsk ask = SEKISHO__SCRAM_FINISH_ASK__INIT;
	ask.state = state;
	ask.client_final_without_proof = octets(final.without_proof);
	ask.proof = octets(buf_slice(&proof));
	ask.client = (Sekisho__Client *)(uintptr_t)s->client;
	Sekisho__GrantAnswer *answer = NULL;
	r = ask_role(s, s->keys, ASK_KEYS_SCRAM_FINISH, &ask, NULL, &answer);
	r = judged(s, r, answer);
	if (r != OK)
		return r;
	/* server-final-message; the client has nothing left to say, but "*" when it does not believe us. */
	BUF_LOCAL(empty, BASE64_MOST);
	r = converse(s, slice_of(answer->server_final.data, answer->server_final.len), &empty);
	return r == OK && empty.n ? BAD : r;
}

static enum result scram_start(struct sasl *s, struct slice message, bool plus)
{
	struct scram_first first;
	if (scram_first_parse(message, s->arena, &first) != OK)
		return BAD;
	s->user = first.user;
	enum result r = scram_flag_check(s, &first, plus);
	if (r != OK)
		return r;
	Sekisho__ScramStartAsk ask = SEKISHO__SCRAM_START_ASK__INIT;
	ask.login = arena_z(s->arena, first.user);
	ask.client_first_bare = octets(first.bare);
	ask.client = (Sekisho__Client *)(uintptr_t)s->client;
	if (!ask.login)
		return LATER;
	Sekisho__ScramStartAnswer *answer = NULL;
	r = ask_role(s, s->keys, ASK_KEYS_SCRAM_START, &ask, NULL, &answer);
	if (r != OK)
		return failed(
		    s, r == LATER ? LATER : DENY, r == LATER ? "keys is down" : "no SCRAM for this login");
	if (answer->refusal)
		return judged(s, OK, answer->refusal);
	BUF_LOCAL(final, BASE64_MOST);
	r = converse(s, slice_of(answer->server_first.data, answer->server_first.len), &final);
	return r == OK ? scram_finish(s, &first, buf_slice(&final), answer->state) : r;
}

static enum result run_scram(struct sasl *s, struct slice initial, bool plus)
{
	BUF_LOCAL(message, BASE64_MOST);
	enum result r = first_message(s, initial, SLICE_NONE, &message);
	return r == OK ? scram_start(s, buf_slice(&message), plus) : r;
}

static enum result run_scram_plain(struct sasl *s, struct slice initial)
{
	return run_scram(s, initial, false);
}

static enum result run_scram_plus(struct sasl *s, struct slice initial)
{
	return run_scram(s, initial, true);
}

/* ---- tokens ---- */

/* A token that opens nothing counts as a wrong password does. */
static enum result bearer_wrong(struct sasl *s, Sekisho__BearerAsk *ask, struct slice token)
{
	Sekisho__GrantAnswer *answer = NULL;
	ask->wrong = octets(token);
	enum result r = ask_role(s, s->keys, ASK_KEYS_BEARER, ask, NULL, &answer);
	return judged(s, r, answer);
}

/* *status_out: why not, as RFC 6750 names it. */
static enum result bearer_judge(struct sasl *s, const struct bearer *b, const char **status_out)
{
	Sekisho__BearerAsk held = SEKISHO__BEARER_ASK__INIT;
	Sekisho__TokenAsk ask = SEKISHO__TOKEN_ASK__INIT;
	Sekisho__GrantAnswer *may = NULL;
	Sekisho__TokenAnswer *answer = NULL;
	Sekisho__Client client = *s->client;
	*status_out = "invalid_token";
	s->user = b->login;
	if ((b->login.n && !login_ok(b->login)) || b->token.n > LIMIT_PASSWORD)
		return malformed(s, SEKISHO__REFUSED_ASK__WHY__MALFORMED, "no possible login or token");
	client.mechanism = (char *)(uintptr_t)s->mechanism;
	held.login = ask.login = arena_z(s->arena, b->login);
	held.client = ask.client = &client;
	ask.token = octets(b->token);
	enum result r = ask_role(s, s->keys, ASK_KEYS_BEARER, &held, NULL, &may);
	if (r != OK || may->result != OK)
		return judged(s, r, may);
	r = ask_role(s, s->store, ASK_STORE_TOKEN, &ask, NULL, &answer);
	if (r != OK)
		return failed(s, LATER, "store is down");
	*status_out = answer->status;
	if (answer->result != OK)
		return answer->noted ? failed(s, DENY, answer->status) : bearer_wrong(s, &held, b->token);
	s->user = slice_str(answer->login);
	s->grant = slice_of(answer->grant.data, answer->grant.len);
	return OK;
}

static const char *scope_of(const char *service)
{
	return strncmp(service, "imap", 4) == 0   ? "imap"
	       : strncmp(service, "pop3", 4) == 0 ? "pop"
	       : strcmp(service, "sieve") == 0    ? "sieve"
						  : "smtp";
}

/* The refusal is a challenge; the client answers it with nothing that matters, and is then told (RFC 7628 3.2.2, 3.2.3). */
static enum result bearer_refuse(struct sasl *s, bool google, const char *status)
{
	BUF_LOCAL(json, 1024);
	BUF_LOCAL(nothing, BASE64_MOST);
	const char *scope = scope_of(s->client->service);
	if (google)
		buf_printf(&json, "{\"status\":\"%s\",\"schemes\":\"bearer\",\"scope\":\"%s\"}",
		    strcmp(status, "insufficient_scope") == 0 ? "403" : "401", scope);
	else
		buf_printf(&json,
		    "{\"status\":\"%s\",\"scope\":\"%s\",\"openid-configuration\":"
		    "\"%s/.well-known/openid-configuration\"}",
		    status, scope, s->issuer);
	enum result r = converse(s, buf_slice(&json), &nothing);
	return r == OK || r == BAD ? DENY : r;
}

static enum result run_token(struct sasl *s, struct slice initial, bool google)
{
	struct buf message = {.max = BASE64_MOST};
	struct bearer b;
	const char *status = "";
	enum result r = first_message(s, initial, SLICE_NONE, &message);
	if (r == OK)
		r = google ? bearer_parse_xoauth2(buf_slice(&message), s->arena, &b)
			   : bearer_parse(buf_slice(&message), s->arena, &b);
	if (r == OK) {
		r = bearer_judge(s, &b, &status);
		if (r == DENY)
			r = bearer_refuse(s, google, status);
	}
	buf_free_secret(&message);
	return r;
}

static enum result run_oauthbearer(struct sasl *s, struct slice initial)
{
	return run_token(s, initial, false);
}

static enum result run_xoauth2(struct sasl *s, struct slice initial)
{
	return run_token(s, initial, true);
}

/* ---- mechanisms ---- */

static const struct mechanism {
	const char *name;
	bool bound, token;
	enum result (*run)(struct sasl *s, struct slice initial);
} mechanisms[] = {
    {"PLAIN", false, false, run_plain},
    {"LOGIN", false, false, run_login},
    {"SCRAM-SHA-256", false, false, run_scram_plain},
    {"SCRAM-SHA-256-PLUS", true, false, run_scram_plus},
    {"OAUTHBEARER", false, true, run_oauthbearer},
    {"XOAUTH2", false, true, run_xoauth2},
};

static const struct mechanism *mechanism_find(
    struct slice name, const struct stream *stream, const char *issuer)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		const struct mechanism *m = &mechanisms[i];
		if (slice_ieq(name, slice_str(m->name)))
			return (m->bound && !sasl_can_bind(stream)) || (m->token && !issuer) ? NULL : m;
	}
	return NULL;
}

const char *sasl_mechanisms(const struct stream *stream, const char *issuer)
{
	if (sasl_can_bind(stream))
		return issuer ? "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER XOAUTH2"
			      : "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
	return sasl_unbound(issuer);
}

const char *sasl_unbound(const char *issuer)
{
	return issuer ? "PLAIN LOGIN SCRAM-SHA-256 OAUTHBEARER XOAUTH2" : "PLAIN LOGIN SCRAM-SHA-256";
}

bool sasl_known(struct slice mechanism, const struct stream *stream, const char *issuer)
{
	return mechanism_find(mechanism, stream, issuer) != NULL;
}

enum result sasl_authenticate(struct sasl *s, struct slice mechanism, struct slice initial)
{
	const struct mechanism *m = mechanism_find(mechanism, s->stream, s->issuer);
	s->user = s->grant = SLICE_NONE;
	if (!m)
		return BAD;
	s->mechanism = m->name;
	return m->run(s, initial);
}
