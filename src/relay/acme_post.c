/* Requests to the authority: nonces (RFC 8555 6.5), signatures from keys, problems. */
#include "relay/acme_inner.h"
#include <stdarg.h>
#include <stdio.h>

#define NONCE_TRIES 24 /* an authority under load may throw away many */
#define ASK_ARENA ((size_t)1 << 20)

enum result relay_acme_fail(struct acme_run *r, enum result result, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof r->why, fmt, ap);
	va_end(ap);
	return result;
}

void relay_acme_reply_free(struct acme_reply *reply)
{
	buf_free(&reply->body);
}

/* Only what RFC 8555 6.5.1 allows is kept. */
static void take_nonce(struct acme_run *r, const struct https_answer *answer)
{
	struct slice nonce = https_field(answer, SLICE("Replay-Nonce"));
	r->nonce[0] = '\0';
	if (nonce.n == 0 || nonce.n > LIMIT_ACME_TOKEN)
		return;
	for (size_t i = 0; i < nonce.n; i++)
		if (!ascii_alpha(nonce.p[i]) && !ascii_digit(nonce.p[i]) && nonce.p[i] != '-' &&
		    nonce.p[i] != '_')
			return;
	memcpy(r->nonce, nonce.p, nonce.n);
	r->nonce[nonce.n] = '\0';
}

static enum result ask(
    struct acme_run *r, const char *method, const char *url, struct slice body, struct acme_reply *reply)
{
	static const struct https_field jose[] = {{SLICE("Content-Type"), SLICE("application/jose+json")}};
	const struct https_request q = {.method = method,
	    .url = slice_str(url),
	    .fields = jose,
	    .fields_n = body.n ? 1 : 0,
	    .body = body};
	buf_clear(&reply->body);
	reply->problem = (struct acme_problem){.type = "", .text = ""};
	enum result done = https_ask(r->settings->https, &q, &r->arena, &reply->body, &reply->head);
	if (done != OK)
		return relay_acme_fail(
		    r, LATER, "%s: %s", https_failure_name(reply->head.failure), reply->head.why);
	return OK;
}

/* What a status beyond 2xx means. */
static enum result judge(struct acme_run *r, struct acme_reply *reply)
{
	if (reply->head.status / 100 == 2)
		return OK;
	relay_acme_read_problem(buf_slice(&reply->body), &r->arena, &reply->problem);
	r->retry_ms = https_retry_after(&reply->head, 0, DAY_MS);
	if (strcmp(reply->problem.type, "caa") == 0)
		return relay_acme_fail(r, LATER, "%s (a CAA record forbids it; it would have to name %s)",
		    reply->problem.text, *r->directory.caa ? r->directory.caa : "this authority");
	if (*reply->problem.text)
		return relay_acme_fail(r, LATER, "%s", reply->problem.text);
	return relay_acme_fail(r, LATER, "the authority answers with status %u", reply->head.status);
}

enum result relay_acme_get(struct acme_run *r, const char *url, struct acme_reply *reply)
{
	enum result done = ask(r, "GET", url, SLICE_NONE, reply);
	return done == OK ? judge(r, reply) : done;
}

static enum result need_nonce(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	if (*r->nonce)
		return OK;
	enum result done = ask(r, "HEAD", r->directory.new_nonce, SLICE_NONE, &reply);
	if (done != OK)
		return done;
	take_nonce(r, &reply.head);
	return *r->nonce ? OK : relay_acme_fail(r, LATER, "the authority gives no nonce");
}

static enum result need_body(struct acme_run *r, Sekisho__AcmeSignAsk__Step step, const char *url,
    bool replaces, struct arena *a, struct slice *out)
{
	Sekisho__AcmeSignAsk sign = SEKISHO__ACME_SIGN_ASK__INIT;
	Sekisho__AcmeSignAnswer *answer;
	sign.task = r->task->id;
	sign.step = step;
	sign.url = (char *)(uintptr_t)url;
	sign.nonce = r->nonce;
	sign.replaces = replaces;
	enum result done = ipc_call(r->keys, ASK_KEYS_ACME_SIGN, &sign, NULL, a, &answer, NULL);
	if (done != OK)
		return relay_acme_fail(r, LATER, "keys does not sign: %s", r->keys->why);
	*out = slice_of(answer->body.data, answer->body.len);
	return OK;
}

static enum result post_once(struct acme_run *r, Sekisho__AcmeSignAsk__Step step, const char *url,
    bool replaces, struct acme_reply *reply)
{
	ARENA_LOCAL(a, ASK_ARENA);
	struct slice body = SLICE_NONE;
	enum result done = need_nonce(r);
	if (done == OK)
		done = need_body(r, step, url, replaces, &a, &body);
	if (done != OK)
		return done;
	r->nonce[0] = '\0'; /* used, whatever comes */
	done = ask(r, "POST", url, body, reply);
	if (done != OK)
		return done;
	take_nonce(r, &reply->head);
	return judge(r, reply);
}

enum result relay_acme_post(struct acme_run *r, Sekisho__AcmeSignAsk__Step step, const char *url,
    bool replaces, struct acme_reply *reply)
{
	enum result done = LATER;
	for (unsigned i = 0; i < NONCE_TRIES; i++) {
		done = post_once(r, step, url, replaces, reply);
		if (done == OK || strcmp(reply->problem.type, "badNonce") != 0)
			return done;
	}
	return done;
}

enum result relay_acme_location(struct acme_run *r, const struct acme_reply *reply, const char **out)
{
	struct https_url u;
	struct slice text = https_field(&reply->head, SLICE("Location"));
	*out = arena_z(&r->arena, text);
	if (https_url_parse(text, &u) != OK || !*out)
		return relay_acme_fail(r, LATER, "the authority does not say where it is");
	return OK;
}
