#include "session.h"
#include <stdio.h>
#include <stdlib.h>

#define COMMAND_ARENA ((size_t)64 << 20)
#define WITHIN_COMMAND_MS (1 * MINUTE_MS)

static enum result answer(struct pop3 *s, const char *status, const char *code, const char *text)
{
	struct stream *out = s->base.stream;
	stream_puts(out, status);
	if (code) {
		stream_put(out, SLICE(" ["));
		stream_puts(out, code);
		stream_put(out, SLICE("]"));
	}
	stream_put(out, SLICE(" "));
	stream_puts(out, text);
	stream_put(out, SLICE("\r\n"));
	return stream_state(out);
}

enum result pop3_ok(struct pop3 *s, const char *text)
{
	return answer(s, "+OK", NULL, text);
}

enum result pop3_err(struct pop3 *s, const char *code, const char *text)
{
	return answer(s, "-ERR", code, text);
}

enum result pop3_end_of_list(struct pop3 *s)
{
	stream_put(s->base.stream, SLICE(".\r\n"));
	return stream_state(s->base.stream);
}

enum result pop3_refused(struct pop3 *s, enum result r)
{
	if (s->store.fd < 0) {
		pop3_err(s, "SYS/TEMP", "The mailbox cannot be reached now");
		return STOP;
	}
	if (r == DENY || r == BAD)
		return pop3_err(s, "SYS/PERM", "Refused");
	return pop3_err(s, "SYS/TEMP", "Please try again later");
}

static const struct {
	struct slice word;
	pop3_verb_fn *run;
	unsigned states;
} verbs[] = {
#define X(word, function, states) {SLICE(#word), function, states},
#include "verbs.def"
#undef X
};

static enum result wrong(struct pop3 *s, const char *why)
{
	pop3_err(s, NULL, why);
	if (++s->bad < LIMIT_IMAP_BAD_COMMANDS)
		return stream_state(s->base.stream);
	return STOP;
}

static enum result run_line(struct pop3 *s, struct slice line)
{
	struct slice args = line;
	struct slice word = slice_split(&args, ' ');
	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (!slice_ieq(word, verbs[i].word))
			continue;
		if (!(verbs[i].states & s->state))
			return wrong(
			    s, s->state == POP3_TRANSACTION ? "Not after login" : "Not before login");
		return verbs[i].run(s, args);
	}
	return wrong(s, "No such command");
}

static enum result one_command(struct session *base)
{
	struct pop3 *s = (struct pop3 *)base;
	struct slice line;
	arena_reset(&s->arena);
	stream_timeout(s->base.stream, WITHIN_COMMAND_MS);
	stream_rate(s->base.stream, s->service->rate);
	enum result r = stream_line(s->base.stream, LIMIT_POP3_LINE, &line);
	if (r == FULL) {
		pop3_err(s, NULL, "Line too long");
		return STOP;
	}
	if (r == BAD)
		return wrong(s, "A bare CR or LF");
	if (r != OK)
		return r;
	line = arena_dup(&s->arena, line);
	r = run_line(s, line);
	if (r == OK && s->store.notes & NOTE_END) {
		pop3_err(s, "SYS/TEMP", "This account's sessions were ended");
		return STOP;
	}
	return r;
}

/* The channel only ever says that it is over; what arrives in the mailbox is for the next session. */
static enum result woken(struct session *base)
{
	struct pop3 *s = (struct pop3 *)base;
	if (ipc_poll(&s->store) == OK && !(s->store.notes & NOTE_END))
		return OK;
	return STOP;
}

/*
 * The handshake of the implicit-TLS ports as far as it goes now, then the greeting. LATER: more has to come first, and is
 * waited for without a thread; until the client has said something there is no TLS state either.
 */
static enum result greet(struct pop3 *s)
{
	if (s->service->implicit_tls) {
		enum result r = stream_is_tls(s->base.stream) ? OK : stream_wait(s->base.stream, 0);
		if (r == OK)
			r = stream_tls_try_accept(s->base.stream, s->service->tls);
		if (r != OK)
			return r == LATER && stream_state(s->base.stream) != OK ? GONE : r;
		s->secure = true;
	}
	s->state = POP3_AUTHORIZATION;
	stream_put(s->base.stream, SLICE("+OK "));
	stream_puts(s->base.stream, s->service->hostname);
	stream_put(s->base.stream, SLICE(" ready\r\n"));
	return stream_flush(s->base.stream);
}

static enum session_next rest(struct pop3 *s)
{
	arena_free(&s->arena);
	return session_rest(
	    &s->base, s->state == POP3_TRANSACTION ? s->service->idle_ms : s->service->login_ms);
}

/* The whole handshake has the time that a login has: who sends it octet by octet gains none. */
static enum session_next rest_ungreeted(struct pop3 *s)
{
	s->base.sleep_ms = s->since_ms + s->service->login_ms - clock_mono_ms();
	return s->base.sleep_ms > 0 ? SESSION_SLEEP : SESSION_END;
}

static enum session_next pop3_run(struct session *base)
{
	struct pop3 *s = (struct pop3 *)base;
	stream_timeout(base->stream, WITHIN_COMMAND_MS);
	if (s->state == POP3_START) {
		enum result r = greet(s);
		if (r != OK)
			return r == LATER ? rest_ungreeted(s) : SESSION_END;
	}
	return session_converse(base, one_command, woken) == LATER ? rest(s) : SESSION_END;
}

/* RFC 1939 section 3: without entering UPDATE, so nothing is deleted, and nothing is said. */
static enum session_next pop3_expired(struct session *base)
{
	(void)base;
	return SESSION_END;
}

static void pop3_end(struct session *base)
{
	struct pop3 *s = (struct pop3 *)base;
	ipc_close(&s->store);
	stream_close(base->stream);
	arena_free(&s->arena);
	free(s->messages);
	free(s->user);
	free(s);
}

void pop3_service_defaults(struct pop3_service *s)
{
	*s = (struct pop3_service){.name = "pop3",
	    .hostname = "localhost",
	    .rate = 128,
	    .login_ms = 2 * MINUTE_MS,
	    .idle_ms = 10 * MINUTE_MS};
}

struct session *pop3_session_new(
    const struct pop3_service *service, struct stream *stream, const char *client_ip, unsigned port)
{
	static const struct session_ops ops = {"pop3", pop3_run, pop3_expired, pop3_end};
	struct pop3 *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->base = (struct session){.ops = &ops, .stream = stream, .wake_fd = -1, .silent = true};
	s->base.sleep_ms = service->login_ms;
	s->service = service;
	s->since_ms = clock_mono_ms();
	s->store = (struct ipc){.fd = -1, .why = ""};
	s->port = (uint16_t)port;
	snprintf(s->ip, sizeof s->ip, "%s", client_ip);
	arena_init(&s->arena, COMMAND_ARENA);
	return &s->base;
}
