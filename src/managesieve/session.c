/* session: one connection, from the greeting to its end. */
#include "session.h"
#include <stdio.h>
#include <stdlib.h>

#define COMMAND_ARENA ((size_t)8 << 20)
#define WITHIN_COMMAND_MS (1 * MINUTE_MS)

static enum result answer(struct managesieve *s, const char *status, const char *code, const char *text)
{
	struct stream *out = s->base.stream;
	stream_puts(out, status);
	if (code) {
		stream_put(out, SLICE(" ("));
		stream_puts(out, code);
		stream_put(out, SLICE(")"));
	}
	stream_put(out, SLICE(" "));
	managesieve_put_string(out, slice_str(text));
	stream_put(out, SLICE("\r\n"));
	return stream_state(out);
}

enum result managesieve_ok(struct managesieve *s, const char *code, const char *text)
{
	return answer(s, "OK", code, text);
}

enum result managesieve_no(struct managesieve *s, const char *code, const char *text)
{
	return answer(s, "NO", code, text);
}

enum result managesieve_bye(struct managesieve *s, const char *code, const char *text)
{
	answer(s, "BYE", code, text);
	return STOP;
}

static const struct verb {
	struct slice word;
	managesieve_verb_fn *run;
	unsigned states;
	const char *args;
} verbs[] = {
#define X(word, function, states, args) {SLICE(#word), function, states, args},
#include "verbs.def"
#undef X
};

static const struct verb *find_verb(struct slice word)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (slice_ieq(word, verbs[i].word))
			return &verbs[i];
	return NULL;
}

static bool args_fit(const struct managesieve_command *c, const char *want)
{
	bool optional = false;
	unsigned n = 0;
	for (; *want; want++) {
		if (*want == '?') {
			optional = true;
			continue;
		}
		if (n == c->n)
			return optional;
		if (c->args[n++].number != (*want == 'n'))
			return false;
	}
	return n == c->n;
}

enum result managesieve_wrong(struct managesieve *s, const char *why)
{
	if (++s->bad >= LIMIT_IMAP_BAD_COMMANDS)
		return managesieve_bye(s, NULL, "Too many errors");
	return managesieve_no(s, NULL, why);
}

static enum result run_command(struct managesieve *s, const struct managesieve_command *c)
{
	const struct verb *v = find_verb(c->verb);
	if (!v)
		return managesieve_wrong(s, "No such command");
	if (!(v->states & s->state))
		return managesieve_wrong(
		    s, s->state == MANAGESIEVE_KNOWN ? "Not after login" : "Not before login");
	if (c->too_large)
		return managesieve_no(s, "QUOTA/MAXSIZE", "The script is too large");
	if (!args_fit(c, v->args))
		return managesieve_wrong(s, "These are not the arguments of this command");
	return v->run(s, c);
}

static enum result one_command(struct session *base)
{
	struct managesieve *s = (struct managesieve *)base;
	struct managesieve_command c;
	arena_reset(&s->arena);
	stream_timeout(s->base.stream, WITHIN_COMMAND_MS);
	stream_rate(s->base.stream, s->service->rate);
	enum result r = managesieve_read(s, &c);
	if (r == FULL)
		return managesieve_bye(s, NULL, "Too long");
	if (r == BAD)
		return managesieve_wrong(s, "Not a command");
	if (r != OK)
		return r;
	r = run_command(s, &c);
	if (r == OK && s->store.notes & NOTE_END)
		return managesieve_bye(s, NULL, "The sessions of this account were ended");
	return r;
}

/* The channel only ever says that it is over. */
static enum result woken(struct session *base)
{
	struct managesieve *s = (struct managesieve *)base;
	if (ipc_poll(&s->store) == OK && !(s->store.notes & NOTE_END))
		return OK;
	return managesieve_bye(s, "TRYLATER", "The session cannot go on");
}

static void greet(struct managesieve *s)
{
	s->state = MANAGESIEVE_UNKNOWN;
	managesieve_put_capability(s);
	BUF_LOCAL(text, 1000);
	buf_printf(&text, "%s ready", s->service->hostname);
	managesieve_ok(s, NULL, buf_z(&text));
}

static enum session_next rest(struct managesieve *s)
{
	arena_free(&s->arena);
	return session_rest(
	    &s->base, s->state == MANAGESIEVE_KNOWN ? s->service->idle_ms : s->service->login_ms);
}

static enum session_next managesieve_run(struct session *base)
{
	struct managesieve *s = (struct managesieve *)base;
	if (s->state == MANAGESIEVE_START)
		greet(s);
	return session_converse(base, one_command, woken) == LATER ? rest(s) : SESSION_END;
}

static enum session_next managesieve_expired(struct session *base)
{
	managesieve_bye((struct managesieve *)base, NULL, "Silent for too long");
	stream_timeout(base->stream, 0);
	result_ignore(stream_flush(base->stream)); /* a farewell that nobody may be there to hear */
	return SESSION_END;
}

static void managesieve_end(struct session *base)
{
	struct managesieve *s = (struct managesieve *)base;
	ipc_close(&s->store);
	stream_close(base->stream);
	arena_free(&s->arena);
	free(s->owner);
	free(s);
}

void managesieve_service_defaults(struct managesieve_service *s)
{
	*s = (struct managesieve_service){.hostname = "localhost",
	    .redirects = LIMIT_SIEVE_REDIRECTS,
	    .rate = 128,
	    .login_ms = 2 * MINUTE_MS,
	    .idle_ms = 31 * MINUTE_MS};
}

struct session *managesieve_session_new(
    const struct managesieve_service *service, struct stream *stream, const char *client_ip, unsigned port)
{
	static const struct session_ops ops = {
	    "sieve", managesieve_run, managesieve_expired, managesieve_end};
	struct managesieve *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->base = (struct session){.ops = &ops, .stream = stream, .wake_fd = -1, .silent = true};
	s->base.sleep_ms = service->login_ms;
	s->service = service;
	s->store = (struct ipc){.fd = -1, .why = ""};
	s->port = (uint16_t)port;
	snprintf(s->ip, sizeof s->ip, "%s", client_ip);
	arena_init(&s->arena, COMMAND_ARENA);
	return &s->base;
}
