/* The verbs that are not about a message. */
#include "session.h"
#include "sasl/sasl.h"

/* HELO and EHLO: a new name, and no transaction (RFC 5321 4.1.4). */
static enum smtp_reply meet(struct smtp *s, struct slice args, bool esmtp)
{
	struct slice name;
	enum smtp_reply r = smtp_helo_parse(args, &name);
	if (r != REPLY_NONE)
		return r;
	char *helo = arena_z(&s->memory, name);
	if (!helo)
		return REPLY_LATER;
	smtp_mail_end(s);
	s->client.helo = helo;
	s->esmtp = esmtp;
	s->base.silent = false;
	return REPLY_NONE;
}

enum result smtp_helo(struct smtp *s, struct slice args)
{
	enum smtp_reply r = meet(s, args, false);
	if (r != REPLY_NONE)
		return smtp_answer(s, r);
	smtp_reply_put(s->base.stream, 250, false, "", slice_str(s->service->hostname));
	return OK;
}

static void announce(struct smtp *s, const char *keyword)
{
	smtp_reply_put(s->base.stream, 250, true, "", slice_str(keyword));
}

static void announce_auth(struct smtp *s)
{
	BUF_LOCAL(text, 200);
	buf_printf(&text, "AUTH %s", sasl_unbound(s->service->issuer));
	announce(s, buf_z(&text));
}

enum result smtp_ehlo(struct smtp *s, struct slice args)
{
	enum smtp_reply r = meet(s, args, true);
	if (r != REPLY_NONE)
		return smtp_answer(s, r);
	BUF_LOCAL(text, 200);
	announce(s, s->service->hostname);
	announce(s, "PIPELINING");
	buf_printf(&text, "SIZE %llu", (unsigned long long)s->service->message_size);
	announce(s, buf_z(&text));
	announce(s, "8BITMIME");
	announce(s, "SMTPUTF8");
	announce(s, "CHUNKING");
	announce(s, "BINARYMIME");
	announce(s, "DSN");
	buf_clear(&text);
	buf_printf(&text, "LIMITS MAILMAX=%d RCPTMAX=%u", LIMIT_SMTP_MAILS, s->service->rcpts);
	announce(s, buf_z(&text));
	if (s->service->tls && !s->tls)
		announce(s, "STARTTLS");
	if (s->tls)
		announce(s, "REQUIRETLS");
	if (s->service->submission && s->tls && !s->login.user.n)
		announce_auth(s);
	smtp_reply_put(s->base.stream, 250, false, "", SLICE("ENHANCEDSTATUSCODES"));
	return OK;
}

enum result smtp_tls_accept(struct smtp *s)
{
	struct stream *stream = s->base.stream;
	stream_timeout(stream, s->service->line_ms);
	enum result r = stream_tls_try_accept(stream, s->service->tls);
	if (r == LATER && stream_state(stream) == OK)
		return LATER;
	if (r != OK) {
		s->end_why = "TLS handshake";
		EVENT(
		    TLS_FAILED, KZ("service", s->service->name), KZ("ip", s->ip), KZ("why", result_name(r)));
		return r;
	}
	/* RFC 3207 4.2: what was said in clear counts for nothing. */
	smtp_mail_end(s);
	arena_reset(&s->memory);
	s->client.helo = (char *)(uintptr_t) "";
	s->esmtp = false;
	s->tls = true;
	s->client.tls = arena_z(&s->memory, slice_str(stream_tls_version(stream)));
	s->client.cipher = arena_z(&s->memory, slice_str(stream_tls_cipher(stream)));
	const char *name =
	    stream_ssl(stream) ? SSL_get_servername(stream_ssl(stream), TLSEXT_NAMETYPE_host_name) : NULL;
	EVENT(TLS_START, KZ("service", s->service->name), KZ("version", s->client.tls),
	    KZ("cipher", s->client.cipher), KZ("sni", name));
	return OK;
}

enum result smtp_starttls(struct smtp *s, struct slice args)
{
	if (s->tls)
		return smtp_answer(s, REPLY_ORDER);
	if (!s->service->tls)
		return smtp_answer(s, REPLY_NOT_IMPLEMENTED);
	/* Commands put in by somebody else, to be carried out as if they had come under TLS (RFC 3207 6). */
	if (stream_buffered(s->base.stream))
		return smtp_stop(s, REPLY_PIPELINED_TLS);
	s->phase = PHASE_TLS; /* the session shakes hands before it listens again */
	return smtp_answer(s, REPLY_TLS_GO);
}

enum result smtp_rset(struct smtp *s, struct slice args)
{
	smtp_mail_end(s);
	return smtp_answer(s, REPLY_OK);
}

enum result smtp_noop(struct smtp *s, struct slice args)
{
	return smtp_answer(s, REPLY_OK);
}

enum result smtp_vrfy(struct smtp *s, struct slice args)
{
	return smtp_answer(s, args.n ? REPLY_CANNOT_VERIFY : REPLY_SYNTAX);
}

enum result smtp_help(struct smtp *s, struct slice args)
{
	return smtp_answer(s, REPLY_HELP);
}

enum result smtp_not_implemented(struct smtp *s, struct slice args)
{
	return smtp_answer(s, REPLY_NOT_IMPLEMENTED);
}

enum result smtp_foreign(struct smtp *s, struct slice args)
{
	return smtp_stop(s, REPLY_FOREIGN);
}

enum result smtp_quit(struct smtp *s, struct slice args)
{
	smtp_say(s, REPLY_BYE);
	s->end_why = "quit";
	return STOP;
}
