/* AUTH (RFC 4954), and the channel that a login opens. */
#include "session.h"
#include "sasl/sasl.h"

/* "334 challenge", then the client's line. */
static enum result ask_client(struct sasl *sasl, struct slice challenge, struct slice *response_out)
{
	struct smtp *s = sasl->session;
	stream_puts(s->base.stream, "334 ");
	stream_put(s->base.stream, challenge);
	stream_puts(s->base.stream, "\r\n");
	return smtp_line(s, response_out);
}

static struct sasl sasl_of(struct smtp *s)
{
	return (struct sasl){.keys = s->service->keys,
	    .store = s->service->store,
	    .stream = s->base.stream,
	    .client = &s->client,
	    .arena = &s->work,
	    .ask = ask_client,
	    .issuer = s->service->issuer,
	    .session = s,
	    .binding_unsaid = true,
	    .mechanism = s->login.mechanism,
	    .user = s->login.user,
	    .grant = s->login.grant};
}

enum result smtp_open_channel(struct smtp *s)
{
	struct sasl sasl = sasl_of(s);
	Sekisho__LoginAnswer *answer;
	enum result r = sasl_open(&sasl, &s->login.channel, &answer);
	s->base.wake_fd = s->login.channel.fd;
	return r == FULL ? LATER : r;
}

static void remember(struct smtp *s, const struct sasl *sasl)
{
	s->login.mechanism = sasl->mechanism;
	s->login.user = arena_dup(&s->memory, sasl->user);
	s->login.grant = arena_dup(&s->memory, sasl->grant);
}

static enum result auth_failed(struct smtp *s, enum result r)
{
	s->login.user = s->login.grant = SLICE_NONE;
	switch (r) {
	case LATER:
		return stream_state(s->base.stream) == OK ? smtp_answer(s, REPLY_AUTH_LATER) : r;
	case DENY:
		smtp_say(s, REPLY_AUTH_BAD);
		break;
	case BAD:
	case FULL:
		smtp_say(s, r == BAD ? REPLY_AUTH_SYNTAX : REPLY_LINE_LONG);
		break;
	default:
		return r;
	}
	if (++s->bad_logins >= LIMIT_SMTP_AUTH_TRIES)
		return smtp_stop(s, REPLY_TOO_MANY_LOGINS);
	return OK;
}

static enum smtp_reply auth_possible(const struct smtp *s)
{
	if (!s->service->submission)
		return REPLY_NOT_IMPLEMENTED;
	if (!s->tls)
		return REPLY_AUTH_TLS;
	if (s->login.user.n)
		return REPLY_AUTH_TWICE;
	return s->mail ? REPLY_ORDER : REPLY_NONE;
}

enum result smtp_auth(struct smtp *s, struct slice args)
{
	struct slice mechanism, initial;
	enum smtp_reply refused = auth_possible(s);
	if (refused == REPLY_NONE)
		refused = smtp_auth_parse(args, &mechanism, &initial);
	if (refused == REPLY_NONE && !sasl_known(mechanism, s->base.stream, s->service->issuer))
		refused = REPLY_MECHANISM;
	if (refused != REPLY_NONE)
		return smtp_answer(s, refused);
	struct sasl sasl = sasl_of(s);
	enum result r = sasl_authenticate(&sasl, mechanism, initial);
	if (r == OK) {
		remember(s, &sasl);
		r = smtp_open_channel(s);
	}
	return r == OK ? smtp_answer(s, REPLY_AUTH_OK) : auth_failed(s, r);
}

static struct ipc *store_channel(struct smtp *s)
{
	if (!s->service->submission)
		return ipc_thread(s->service->store);
	enum result r = s->login.channel.fd < 0 ? smtp_open_channel(s) : OK;
	s->login.lost = r == DENY; /* the grant is too old: only a new login helps */
	return r == OK ? &s->login.channel : NULL;
}

enum result smtp_ask_store(struct smtp *s, enum ipc_ask kind, const void *ask, const struct ipc_fds *fds,
    void *answer_out, struct slice *why_out)
{
	enum result r = GONE;
	*why_out = SLICE_NONE;
	for (int tries = 0; r == GONE && tries < 2; tries++) {
		struct ipc *c = store_channel(s);
		if (!c)
			return LATER;
		r = ipc_call(c, kind, ask, fds, &s->work, answer_out, NULL);
		*why_out = slice_str(c->why);
	}
	if (r != GONE)
		return r;
	*why_out = SLICE_NONE; /* our own words, not the client's business */
	return LATER;
}
