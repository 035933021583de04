#include "session.h"
#include "chars.h"
#include "notify.h"
#include "verbs.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMAND_ARENA ((size_t)64 << 20)
#define COMMAND_MOST ((size_t)2 << 20) /* octets of a command with its literals, APPEND's message apart */
#define WITHIN_COMMAND_MS (1 * MINUTE_MS)

/* ---- replies ---- */

/* Text for people: one line, whatever a role or client put into it. */
static void put_text(struct stream *out, const char *text)
{
	struct slice s = slice_str(text);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
			stream_put(out, slice_sub(s, 0, i));
			return;
		}
	stream_put(out, s.n ? s : SLICE("-"));
}

static void put_tagged(struct imap *s, const char *word)
{
	stream_put(s->base.stream, s->tag);
	stream_put(s->base.stream, SLICE(" "));
	stream_puts(s->base.stream, word);
	stream_put(s->base.stream, SLICE(" "));
}

static enum result end_line(struct imap *s, const char *text)
{
	put_text(s->base.stream, text);
	stream_put(s->base.stream, SLICE("\r\n"));
	return stream_state(s->base.stream);
}

static void put_code(struct imap *s, const char *code)
{
	if (!code)
		return;
	stream_put(s->base.stream, SLICE("["));
	stream_puts(s->base.stream, code);
	stream_put(s->base.stream, SLICE("] "));
}

/* Before the tagged reply: what else happened. Not OK when that ended the session. */
static enum result tell_news(struct imap *s)
{
	if (s->verb->after != IMAP_AFTER_SYNC)
		return OK;
	if (s->box && imap_sync(s) != OK)
		return STOP;
	return imap_notify_tell(s);
}

enum result imap_ok_code(struct imap *s, const char *code, const char *text)
{
	if (tell_news(s) != OK)
		return STOP;
	put_tagged(s, "OK");
	put_code(s, code);
	return end_line(s, text);
}

enum result imap_ok(struct imap *s, const char *text)
{
	if (!s->limited_from)
		return imap_ok_code(s, NULL, text);
	char *code =
	    arena_printf(&s->arena, "MESSAGELIMIT %u %u", s->service->message_limit, s->limited_from);
	return imap_ok_code(s, code, "As far as one command goes");
}

void imap_ok_start(struct imap *s, const char *code)
{
	put_tagged(s, "OK");
	stream_put(s->base.stream, SLICE("["));
	stream_puts(s->base.stream, code);
}

enum result imap_ok_end(struct imap *s, const char *text)
{
	stream_put(s->base.stream, SLICE("] "));
	return end_line(s, text);
}

enum result imap_no(struct imap *s, const char *code, const char *text)
{
	put_tagged(s, "NO");
	put_code(s, code);
	return end_line(s, text);
}

void imap_bye(struct imap *s, const char *code, const char *text)
{
	stream_put(s->base.stream, SLICE("* BYE "));
	put_code(s, code);
	put_text(s->base.stream, text);
	stream_put(s->base.stream, SLICE("\r\n"));
}

static enum result too_many_errors(struct imap *s)
{
	if (s->state != IMAP_NOAUTH || ++s->bad < LIMIT_IMAP_BAD_COMMANDS)
		return stream_state(s->base.stream);
	imap_bye(s, NULL, "Too many errors");
	return STOP;
}

enum result imap_bad(struct imap *s, const struct imap_args *p)
{
	put_tagged(s, "BAD");
	end_line(s, p && p->why ? p->why : "Error in the command's arguments");
	return too_many_errors(s);
}

/* The channel to store broke: nothing can be done for this client any more but a new connection. */
static enum result store_is_gone(struct imap *s)
{
	imap_no(s, "UNAVAILABLE", "The mailboxes cannot be reached now");
	imap_bye(s, "UNAVAILABLE", "Please connect again");
	return STOP;
}

enum result imap_refused(struct imap *s, enum result r, const struct ipc *c, const char *missing)
{
	const char *why = c->why && c->why[0] ? c->why : "Refused";
	switch (r) {
	case BAD:
		put_tagged(s, "BAD");
		return end_line(s, why);
	case DENY:
		if (slice_starts(slice_str(why), SLICE("EXISTS")))
			return imap_no(s, "ALREADYEXISTS", "There is such a mailbox already");
		if (slice_starts(slice_str(why), SLICE("NOPERM")))
			return imap_no(s, "NOPERM", "You have no right to do that here");
		if (slice_starts(slice_str(why), SLICE("USEATTR")))
			return imap_no(s, "USEATTR", "A use can be given to one's own mailboxes only");
		return imap_no(s, "CANNOT", why);
	case FULL:
		if (slice_starts(slice_str(why), SLICE("OVERQUOTA")))
			return imap_no(s, "OVERQUOTA", "There is no room left");
		return imap_no(s, "LIMIT", why);
	case GONE:
		if (c->fd >= 0)
			return imap_no(s, missing, "No such mailbox");
		return store_is_gone(s);
	default:
		return imap_no(s, "UNAVAILABLE", "Please try again later");
	}
}

/* ---- reading a command ---- */

static const struct imap_verb verbs[] = {
#define X(word, function, where, what) {SLICE(#word), where, what, function},
#include "verbs.def"
#undef X
};
static const struct imap_verb uid_verbs[] = {
#define X(word, function, where, what)
#define Y(word, function, where, what) {SLICE(#word), where, what, function},
#include "verbs.def"
#undef X
#undef Y
};

static const struct imap_verb *find(const struct imap_verb *table, size_t n, struct slice word)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(table[i].name, word))
			return &table[i];
	return NULL;
}

/* The tag and the command's words; what follows is left in the cursor. False when it is no command. */
static bool take_verb(struct imap *s, struct imap_args *p)
{
	s->tag = imap_args_tag(p);
	if (p->c.err != OK) {
		s->tag = SLICE("*");
		return false;
	}
	imap_args_space(p);
	struct slice word = cursor_while1(&p->c, ascii_alpha);
	s->uid = slice_ieq(word, SLICE("UID"));
	if (s->uid) {
		imap_args_space(p);
		word = cursor_while1(&p->c, ascii_alpha);
		s->verb = find(uid_verbs, COUNT(uid_verbs), word);
	} else {
		s->verb = find(verbs, COUNT(verbs), word);
	}
	return p->c.err == OK && s->verb;
}

static struct imap_args args_of(struct imap *s)
{
	return (struct imap_args){
	    .c = cursor_of(buf_slice(&s->input)), .arena = &s->arena, .utf8 = s->enabled & IMAP_UTF8};
}

/* Whether the literal just announced belongs to the message of an APPEND or REPLACE, which the verb reads. */
static bool is_message(struct imap *s)
{
	struct imap_args p = args_of(s);
	if (!take_verb(s, &p) || !(s->verb->states & s->state))
		return false;
	bool replace = s->verb->run == imap_replace;
	return (replace || s->verb->run == imap_append) && imap_append_is_message(&p, replace);
}

/* Octets a client sends whether we want them or not. */
static enum result drain(struct imap *s, uint64_t n)
{
	while (n) {
		struct slice some;
		enum result r = stream_some(s->base.stream, (size_t)MIN(n, 65536), &some);
		if (r != OK)
			return r;
		n -= some.n;
	}
	return OK;
}

/* What was announced and refused before it was asked for, but is coming all the same; and what that line announces. */
static enum result drain_messages(struct imap *s)
{
	for (unsigned i = 0; s->message_waits && s->message.nonsync; i++) {
		struct slice line;
		if (s->message.n > 2 * LIMIT_MESSAGE_SIZE || i == LIMIT_IMAP_LITERALS)
			return STOP;
		enum result r = drain(s, s->message.n);
		if (r == OK)
			r = stream_line(s->base.stream, LIMIT_IMAP_LINE, &line);
		s->message_waits = r == OK && imap_literal_at_end(line, &s->message);
		if (r != OK && r != BAD && r != FULL)
			return r;
	}
	return OK;
}

/* A literal that will not be taken: NO for a synchronising one; another comes anyway, so that it and its line go by. */
static enum result refuse_literal(struct imap *s, const struct imap_literal *lit)
{
	struct imap_args p = args_of(s);
	struct slice line;
	take_verb(s, &p);
	if (lit->nonsync) {
		if (lit->n > LIMIT_MESSAGE_SIZE || drain(s, lit->n) != OK) {
			imap_bye(s, "TOOBIG", "Literal too large");
			return STOP;
		}
		result_ignore(stream_line(s->base.stream, LIMIT_IMAP_LINE, &line));
	}
	imap_no(s, "TOOBIG", "Literal too large");
	return LATER;
}

static enum result read_literal(struct imap *s, const struct imap_literal *lit)
{
	if (lit->n > LIMIT_IMAP_LITERAL || s->input.n + lit->n > COMMAND_MOST)
		return refuse_literal(s, lit);
	if (!lit->nonsync)
		stream_put(s->base.stream, SLICE("+ OK\r\n"));
	char *room = buf_room(&s->input, (size_t)lit->n);
	if (!room)
		return refuse_literal(s, lit);
	enum result r = stream_exact(s->base.stream, room, (size_t)lit->n);
	if (r == OK)
		buf_wrote(&s->input, (size_t)lit->n);
	return r;
}

static enum result broken_line(struct imap *s, enum result r)
{
	if (r == FULL) {
		imap_bye(s, "TOOBIG", "Line too long");
		return STOP;
	}
	s->tag = SLICE("*");
	imap_bad(s, &(struct imap_args){.why = "A bare CR or LF"});
	return LATER;
}

/* One command into s->input. LATER: it was answered already. */
static enum result read_command(struct imap *s)
{
	unsigned literals = 0;
	buf_clear(&s->input);
	for (;;) {
		struct slice line;
		struct imap_literal lit;
		enum result r = stream_line(s->base.stream, LIMIT_IMAP_LINE, &line);
		if (r == BAD || r == FULL)
			return broken_line(s, r);
		if (r != OK)
			return GONE;
		buf_put(&s->input, line);
		if (!imap_literal_at_end(line, &lit))
			return buf_result(&s->input) == OK ? OK : broken_line(s, FULL);
		if (is_message(s)) {
			s->message = lit;
			s->message_waits = true;
			return OK;
		}
		if (++literals > LIMIT_IMAP_LITERALS)
			return broken_line(s, FULL);
		buf_put(&s->input, SLICE("\r\n"));
		r = read_literal(s, &lit);
		if (r != OK)
			return r == LATER && stream_state(s->base.stream) == OK ? LATER : GONE;
	}
}

static enum result not_now(struct imap *s)
{
	if (s->state == IMAP_NOAUTH && !s->secure && (s->verb->states & IMAP_NOAUTH) == 0)
		return imap_bad(s, &(struct imap_args){.why = "Begin with STARTTLS, then log in"});
	if (s->state == IMAP_NOAUTH)
		return imap_bad(s, &(struct imap_args){.why = "Not before login"});
	if (s->verb->states & IMAP_NOAUTH)
		return imap_bad(s, &(struct imap_args){.why = "You are logged in already"});
	return imap_bad(s, &(struct imap_args){.why = "No mailbox is selected"});
}

/* RFC 9586 3.1: a command that would name or answer sequence numbers. */
static bool needs_uid(const struct imap *s)
{
	return !s->uid && s->verb->run != imap_expunge &&
	       find(uid_verbs, COUNT(uid_verbs), s->verb->name) != NULL;
}

static enum result run_verb(struct imap *s)
{
	struct imap_args p = args_of(s);
	if (!take_verb(s, &p))
		return imap_bad(s, &(struct imap_args){.why = "No such command"});
	if (!(s->verb->states & s->state))
		return not_now(s);
	if ((s->enabled & IMAP_UIDONLY) && needs_uid(s))
		return imap_bad(s, &(struct imap_args){.why = IMAP_UIDREQUIRED});
	return s->verb->run(s, &p);
}

static enum result one_command(struct imap *s)
{
	arena_reset(&s->arena);
	s->message_waits = false;
	stream_timeout(s->base.stream, WITHIN_COMMAND_MS);
	stream_rate(s->base.stream, s->service->rate);
	enum result r = read_command(s);
	if (r == LATER)
		return OK;
	if (r != OK)
		return r;
	s->talks = false;
	s->put = (struct runs){0};
	s->limited_from = 0;
	s->progress_ms = clock_mono_ms();
	r = run_verb(s);
	if (r == OK)
		r = drain_messages(s);
	if (r == OK)
		r = imap_notify_push(s); /* what was noted meanwhile wakes nobody any more */
	if (r == OK && s->store.notes & NOTE_END) {
		imap_bye(s, NULL, "This account's sessions were ended");
		return STOP;
	}
	return r;
}

/* ---- IDLE, RFC 2177 ---- */

enum result imap_idle(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	s->idle_tag = strndup(s->tag.p, s->tag.n);
	if (!s->idle_tag)
		abort();
	stream_put(s->base.stream, SLICE("+ idling\r\n"));
	if (s->box && imap_sync(s) != OK)
		return STOP;
	return imap_notify_tell(s);
}

static enum result end_idle(struct imap *s)
{
	struct slice line;
	enum result r = stream_line(s->base.stream, LIMIT_IMAP_LINE, &line);
	if (r != OK && r != BAD && r != FULL)
		return r;
	arena_reset(&s->arena);
	s->put = (struct runs){0};
	s->verb = find(verbs, COUNT(verbs), SLICE("IDLE"));
	s->tag = arena_dup(&s->arena, slice_str(s->idle_tag));
	free(s->idle_tag);
	s->idle_tag = NULL;
	if (r != OK || !slice_ieq(line, SLICE("DONE")))
		return imap_bad(s, &(struct imap_args){.why = "DONE was expected"});
	return imap_ok(s, "IDLE ended");
}

/* Something came over the session's own channel. */
static enum result woken(struct session *base)
{
	struct imap *s = (struct imap *)base;
	arena_reset(&s->arena);
	s->put = (struct runs){0};
	if (ipc_poll(&s->store) != OK) {
		imap_bye(s, "UNAVAILABLE", "The mailboxes cannot be reached now");
		return STOP;
	}
	if (s->store.notes & NOTE_END) {
		imap_bye(s, NULL, "This account's sessions were ended");
		return STOP;
	}
	if (s->notify)
		return imap_notify_push(s);
	return s->idle_tag && s->box ? imap_sync(s) : OK;
}

/* ---- the session ---- */

/*
 * The handshake of the implicit-TLS ports as far as it goes now, then the greeting. LATER: more has to come first, and is
 * waited for without a thread; until the client has said something there is no TLS state either.
 */
static enum result greet(struct imap *s)
{
	if (s->service->implicit_tls) {
		enum result r = stream_is_tls(s->base.stream) ? OK : stream_wait(s->base.stream, 0);
		if (r == OK)
			r = stream_tls_try_accept(s->base.stream, s->service->tls);
		if (r != OK)
			return r == LATER && stream_state(s->base.stream) != OK ? GONE : r;
		s->secure = true;
	}
	s->state = IMAP_NOAUTH;
	stream_put(s->base.stream, SLICE("* OK [CAPABILITY "));
	imap_put_capabilities(s);
	stream_put(s->base.stream, SLICE("] "));
	stream_puts(s->base.stream, s->service->hostname);
	stream_put(s->base.stream, SLICE(" ready\r\n"));
	return stream_flush(s->base.stream);
}

void imap_enter(struct imap *s, struct ipc *channel, const char *user)
{
	s->store = *channel;
	s->base.wake_fd = channel->fd;
	s->base.silent = false;
	s->state = IMAP_AUTH;
	s->user = strdup(user);
	if (!s->user)
		abort();
}

static enum result next_command(struct session *base)
{
	struct imap *s = (struct imap *)base;
	return s->idle_tag ? end_idle(s) : one_command(s);
}

static enum session_next rest(struct imap *s)
{
	arena_free(&s->arena);
	buf_free(&s->input);
	return session_rest(&s->base, s->state == IMAP_NOAUTH ? s->service->login_ms : s->service->idle_ms);
}

/* The whole handshake has the time that a login has: who sends it octet by octet gains none. */
static enum session_next rest_ungreeted(struct imap *s)
{
	s->base.sleep_ms = s->since_ms + s->service->login_ms - clock_mono_ms();
	return s->base.sleep_ms > 0 ? SESSION_SLEEP : SESSION_END;
}

static enum session_next imap_run(struct session *base)
{
	struct imap *s = (struct imap *)base;
	stream_timeout(base->stream, WITHIN_COMMAND_MS);
	if (s->state == IMAP_START) {
		enum result r = greet(s);
		if (r != OK)
			return r == LATER ? rest_ungreeted(s) : SESSION_END;
	}
	return session_converse(base, next_command, woken) == LATER ? rest(s) : SESSION_END;
}

static enum session_next imap_expired(struct session *base)
{
	struct imap *s = (struct imap *)base;
	if (s->state == IMAP_START)
		return SESSION_END;
	stream_timeout(base->stream, 0);
	imap_bye(s, NULL, s->state == IMAP_NOAUTH ? "No login" : "Idle for too long");
	result_ignore(stream_flush(base->stream));
	return SESSION_END;
}

static void imap_end(struct session *base)
{
	struct imap *s = (struct imap *)base;
	imap_box_free(s);
	imap_notify_free(s);
	ipc_close(&s->store);
	stream_close(base->stream);
	arena_free(&s->arena);
	buf_free(&s->input);
	free(s->idle_tag);
	free(s->user);
	free(s->agent);
	free(s);
}

void imap_service_defaults(struct imap_service *s)
{
	*s = (struct imap_service){.name = "imap",
	    .hostname = "localhost",
	    .message_size = LIMIT_MESSAGE_SIZE,
	    .message_limit = LIMIT_IMAP_MESSAGES,
	    .progress_ms = 10 * SECOND_MS,
	    .rate = 128,
	    .login_ms = 2 * MINUTE_MS,
	    .idle_ms = 31 * MINUTE_MS}; /* clients in IDLE come back after 29 (RFC 2177) */
}

struct session *imap_session_new(
    const struct imap_service *service, struct stream *stream, const char *client_ip, unsigned port)
{
	static const struct session_ops ops = {"imap", imap_run, imap_expired, imap_end};
	struct imap *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->base = (struct session){.ops = &ops, .stream = stream, .wake_fd = -1, .silent = true};
	s->base.sleep_ms = service->login_ms;
	s->service = service;
	s->store = (struct ipc){.fd = -1, .why = ""};
	s->state = IMAP_START;
	s->since_ms = clock_mono_ms();
	s->port = (uint16_t)port;
	snprintf(s->ip, sizeof s->ip, "%s", client_ip);
	arena_init(&s->arena, COMMAND_ARENA);
	buf_init(&s->input, COMMAND_MOST + LIMIT_IMAP_LINE);
	return &s->base;
}
