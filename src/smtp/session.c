/* The loop: one command after the other, sleep between them. */
#include "session.h"
#include "patient.h"
#include <stdio.h>
#include <stdlib.h>

#define SESSION_MEMORY ((size_t)256 * 1024)
#define MAIL_MEMORY ((size_t)1024 * 1024)
#define WORK_MEMORY ((size_t)4 * 1024 * 1024)

enum {
	SMTP_NO_ARGS = 1,
	SMTP_AFTER_HELO = 2,
};

static const struct verb {
	unsigned needs;
	enum result (*run)(struct smtp *s, struct slice args);
} verbs[VERB_UNKNOWN] = {
#define X(name, needs, function) [VERB_##name] = {needs, function},
#include "verbs.def"
#undef X
};

void smtp_service_defaults(struct smtp_service *service)
{
	service->message_size = LIMIT_MESSAGE_SIZE;
	service->rcpts = LIMIT_SMTP_RCPTS;
	service->greeting_ms = service->submission ? 0 : 200;
	service->idle_ms = 5 * MINUTE_MS;
	service->line_ms = MINUTE_MS;
	service->data_ms = 3 * MINUTE_MS;
	service->rate = 100;
}

/* ---- saying ---- */

static void log_refusal(const struct smtp *s, unsigned code, struct slice text)
{
	if (code < 400)
		return;
	BUF_LOCAL(from, 1024);
	BUF_LOCAL(rcpt, 1024);
	if (s->mail)
		mail_addr_put(&from, s->mail->args.from);
	if (s->about)
		mail_addr_put(&rcpt, s->about->args.to);
	EVENT(SMTP_REFUSED, KZ("verb", smtp_verb_name(s->verb)), KV("from", buf_slice(&from)),
	    KV("rcpt", buf_slice(&rcpt)), KN("code", code), KV("why", text));
}

void smtp_say_text(struct smtp *s, unsigned code, const char *status, struct slice text)
{
	smtp_reply_put(s->base.stream, code, false, status, text);
	log_refusal(s, code, text);
}

void smtp_say(struct smtp *s, enum smtp_reply r)
{
	unsigned code = smtp_reply_code(r);
	if ((code >= 500 && code <= 504) || code == 555)
		s->bad_commands++;
	smtp_say_text(s, code, smtp_reply_status(r), slice_str(smtp_reply_text(r)));
}

enum result smtp_answer(struct smtp *s, enum smtp_reply r)
{
	smtp_say(s, r);
	return OK;
}

enum result smtp_stop(struct smtp *s, enum smtp_reply r)
{
	smtp_say(s, r);
	s->end_why = smtp_reply_text(r);
	return STOP;
}

/* ---- listening ---- */

static bool take_ahead(struct smtp *s, enum result *r_out, struct slice *line_out)
{
	bool ahead = s->ahead;
	s->ahead = false;
	*r_out = s->ahead_result;
	*line_out = s->ahead_line;
	return ahead;
}

/* An AUTH command may carry its whole initial response (RFC 4954 4). */
static size_t line_most(const struct smtp *s)
{
	return s->service->submission ? LIMIT_SMTP_AUTH_LINE : LIMIT_SMTP_LINE;
}

static enum result without_nul(enum result r, struct slice line)
{
	return r == OK && slice_find(line, '\0') >= 0 ? BAD : r;
}

enum result smtp_line(struct smtp *s, struct slice *line_out)
{
	enum result r;
	if (take_ahead(s, &r, line_out))
		return r;
	stream_timeout(s->base.stream, s->service->line_ms);
	stream_rate(s->base.stream, s->service->rate);
	r = stream_line(s->base.stream, line_most(s), line_out);
	stream_rate(s->base.stream, 0);
	return without_nul(r, *line_out);
}

enum result smtp_try_line(struct smtp *s, struct slice *line_out)
{
	enum result r;
	if (take_ahead(s, &r, line_out))
		return r;
	stream_timeout(s->base.stream, s->service->line_ms);
	r = stream_try_line(s->base.stream, line_most(s), line_out);
	return without_nul(r, *line_out);
}

void smtp_line_back(struct smtp *s, enum result r, struct slice line)
{
	s->ahead = true;
	s->ahead_result = r;
	s->ahead_line = line;
}

static enum result run_verb(struct smtp *s, struct slice line)
{
	struct slice args;
	s->verb = smtp_verb_parse(line, &args);
	if (line.n > LIMIT_SMTP_LINE && s->verb != VERB_AUTH)
		return smtp_answer(s, REPLY_LINE_LONG);
	if (s->verb == VERB_UNKNOWN)
		return smtp_answer(s, REPLY_UNKNOWN);
	const struct verb *v = &verbs[s->verb];
	if (v->needs & SMTP_NO_ARGS && args.n)
		return smtp_answer(s, REPLY_NO_ARGS);
	if (v->needs & SMTP_AFTER_HELO && !s->client.helo[0])
		return smtp_answer(s, REPLY_HELO_FIRST);
	if (s->verb != VERB_RCPT && s->verb != VERB_BDAT)
		s->idle_commands++;
	return v->run(s, args);
}

/* What came: a line, or that none can come. */
static enum result one_command(struct smtp *s, enum result r, struct slice line)
{
	s->verb = VERB_UNKNOWN;
	if (r == OK && s->early) {
		EVENT(EARLY_TALKER, KZ("ip", s->ip));
		s->early = false;
		if (s->service->refuse_early)
			return smtp_stop(s, REPLY_EARLY);
	}
	if (r == OK)
		r = run_verb(s, line);
	else if (r == BAD || r == FULL) {
		smtp_say(s, r == BAD ? REPLY_LINE_BROKEN : REPLY_LINE_LONG);
		r = OK;
	} else {
		s->end_why = r == LATER ? "stopped in the middle of a command" : "hung up";
	}
	arena_reset(&s->work);
	if (r == OK && s->login.lost)
		r = smtp_stop(s, REPLY_LOST_LOGIN);
	if (r == OK && s->bad_commands >= LIMIT_SMTP_BAD_COMMANDS)
		r = smtp_stop(s, REPLY_TOO_MANY_ERRORS);
	if (r == OK && s->idle_commands >= LIMIT_SMTP_COMMANDS_IDLE)
		r = smtp_stop(s, REPLY_TOO_MANY_COMMANDS);
	return r;
}

/* ---- sleeping and waking ---- */

enum result smtp_listen(struct smtp *s)
{
	if (s->login.channel.fd < 0)
		return OK;
	if (ipc_poll(&s->login.channel) != OK)
		s->base.wake_fd = -1; /* store was restarted; the grant may still open another channel */
	if (s->login.channel.notes & NOTE_END)
		return smtp_stop(s, REPLY_ENDED);
	s->login.channel.notes = 0;
	return OK;
}

static enum session_next sleep_for(struct smtp *s, int64_t ms)
{
	arena_free(&s->work);
	return session_rest(&s->base, ms);
}

static enum session_next end_now(struct smtp *s)
{
	result_ignore(stream_flush(s->base.stream)); /* the session ends either way */
	return SESSION_END;
}

/*
 * Half a line, or half a handshake, waits for the rest without a thread, but not for ever: clients that feed us octet
 * by octet have line_ms for the whole of it.
 */
static enum session_next sleep_half(struct smtp *s)
{
	int64_t now = clock_mono_ms();
	if (!s->half_since_ms)
		s->half_since_ms = now;
	int64_t left = s->service->line_ms - (now - s->half_since_ms);
	if (left > 0)
		return sleep_for(s, left);
	s->end_why = "half a line or handshake";
	if (s->phase == PHASE_COMMANDS)
		smtp_say(s, REPLY_TIMEOUT);
	return end_now(s);
}

static void greet(struct smtp *s)
{
	stream_printf(s->base.stream, "220 %s ESMTP Sekisho\r\n", s->service->hostname);
	s->greeted = true;
	s->phase = PHASE_COMMANDS;
}

static enum session_next shake(struct smtp *s);

static enum session_next converse(struct smtp *s)
{
	for (;;) {
		bool woken = false;
		struct slice line = SLICE_NONE;
		enum result r = s->ahead ? OK : session_wait(&s->base, &woken);
		if (r == LATER)
			return sleep_for(s, s->service->idle_ms);
		if (r == OK && woken) {
			r = smtp_listen(s);
		} else if (r == OK) {
			r = smtp_try_line(s, &line);
			if (r == LATER && stream_state(s->base.stream) == OK)
				return sleep_half(s);
			s->half_since_ms = 0;
			r = one_command(s, r, line);
		}
		if (r != OK)
			return end_now(s);
		if (s->phase == PHASE_TLS)
			return shake(s);
	}
}

/* The handshake, as far as it goes now; the client's greeting comes behind it at 465. */
static enum session_next shake(struct smtp *s)
{
	enum result r = smtp_tls_accept(s);
	if (r == LATER && stream_state(s->base.stream) == OK)
		return sleep_half(s);
	s->half_since_ms = 0;
	if (r != OK)
		return SESSION_END;
	s->phase = PHASE_COMMANDS;
	if (!s->greeted)
		greet(s);
	return converse(s);
}

/* Input before the greeting: a robot, or a client that hung up. */
static bool talks_already(struct smtp *s)
{
	return stream_wait(s->base.stream, 0) == OK;
}

static enum session_next begin(struct smtp *s)
{
	EVENT(CONNECT, KZ("service", s->service->name), KZ("ip", s->ip), KN("port", s->client.port));
	if (s->service->implicit_tls) {
		s->phase = PHASE_TLS;
		/* Who says nothing costs no TLS state. */
		return talks_already(s) ? shake(s) : sleep_for(s, s->service->line_ms);
	}
	if (s->service->greeting_ms && !smtp_patient_is(s->ip)) {
		s->early = talks_already(s);
		s->phase = PHASE_SILENCE;
		if (!s->early)
			return sleep_for(s, s->service->greeting_ms);
	}
	greet(s);
	return converse(s);
}

static enum session_next wake(struct smtp *s)
{
	switch (s->phase) {
	case PHASE_CONNECTED:
		return begin(s);
	case PHASE_TLS:
		return shake(s);
	case PHASE_SILENCE:
		s->early = true;
		greet(s);
		break;
	case PHASE_COMMANDS:
		if (smtp_listen(s) != OK)
			return end_now(s);
	}
	return converse(s);
}

static enum session_next smtp_run(struct session *base)
{
	struct smtp *s = (struct smtp *)base;
	event_session(s->id);
	enum session_next next = wake(s);
	event_session(NULL);
	return next;
}

static enum session_next smtp_expired(struct session *base)
{
	struct smtp *s = (struct smtp *)base;
	if (s->phase == PHASE_SILENCE) {
		smtp_patient_note(s->ip);
		greet(s);
		return sleep_for(s, s->service->idle_ms);
	}
	s->end_why = "idle";
	if (s->phase == PHASE_COMMANDS) {
		stream_timeout(base->stream, 0);
		smtp_reply_put(s->base.stream, smtp_reply_code(REPLY_TIMEOUT), false,
		    smtp_reply_status(REPLY_TIMEOUT), slice_str(smtp_reply_text(REPLY_TIMEOUT)));
		result_ignore(stream_flush(s->base.stream));
	}
	return SESSION_END;
}

static void smtp_end(struct session *base)
{
	struct smtp *s = (struct smtp *)base;
	event_session(s->id);
	smtp_mail_end(s);
	EVENT(DISCONNECT, KZ("service", s->service->name), KZ("ip", s->ip), KZ("why", s->end_why),
	    KN("in", stream_octets_in(base->stream)), KN("out", stream_octets_out(base->stream)),
	    KN("ms", clock_mono_ms() - s->began_ms));
	event_session(NULL);
	ipc_close(&s->login.channel);
	stream_close(base->stream);
	arena_free(&s->work);
	arena_free(&s->mail_memory);
	arena_free(&s->memory);
	free(s);
}

static const struct session_ops ops = {"smtp", smtp_run, smtp_expired, smtp_end};

struct session *smtp_session_new(
    const struct smtp_service *service, struct stream *stream, const char *ip, unsigned port)
{
	struct smtp *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->base = (struct session){.ops = &ops, .stream = stream, .wake_fd = -1, .silent = true};
	s->service = service;
	s->began_ms = clock_mono_ms();
	s->end_why = "hung up";
	snprintf(s->ip, sizeof s->ip, "%s", ip);
	smtp_mail_id(s->id);
	arena_init(&s->memory, SESSION_MEMORY);
	arena_init(&s->mail_memory, MAIL_MEMORY);
	arena_init(&s->work, WORK_MEMORY);
	s->login.channel = (struct ipc){.fd = -1, .why = ""};
	s->client = (Sekisho__Client)SEKISHO__CLIENT__INIT;
	s->client.ip = s->ip;
	s->client.port = port;
	s->client.service = (char *)(uintptr_t)service->name;
	return &s->base;
}
