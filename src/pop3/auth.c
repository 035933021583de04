/* auth: who is there, and what we can do for them. */
#include "sasl/sasl.h"
#include "session.h"
#include <stdlib.h>

enum result pop3_capa(struct pop3 *s, struct slice args)
{
	struct stream *out = s->base.stream;
	if (args.n)
		return pop3_err(s, NULL, "CAPA has no arguments");
	pop3_ok(s, "What this server can do");
	stream_puts(out, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
			 "UTF8 USER\r\nIMPLEMENTATION Sekisho\r\n");
	if (!s->secure)
		stream_puts(out, "STLS\r\n");
	if (s->secure) {
		stream_puts(out, "USER\r\nSASL ");
		stream_puts(out, sasl_mechanisms(s->base.stream, s->service->issuer));
		stream_puts(out, "\r\n");
	}
	return pop3_end_of_list(s);
}

enum result pop3_stls(struct pop3 *s, struct slice args)
{
	if (args.n)
		return pop3_err(s, NULL, "STLS has no arguments");
	if (s->secure)
		return pop3_err(s, NULL, "TLS is in use already");
	free(s->user); /* what was said before is forgotten (RFC 2595 section 4) */
	s->user = NULL;
	if (pop3_ok(s, "Begin TLS now") != OK || stream_tls_accept(s->base.stream, s->service->tls) != OK)
		return STOP;
	s->secure = true;
	return OK;
}

enum result pop3_utf8(struct pop3 *s, struct slice args)
{
	if (args.n)
		return pop3_err(s, NULL, "UTF8 has no arguments");
	return pop3_ok(s, "UTF-8 it is"); /* messages leave as they came in any case */
}

static enum result not_in_clear_text(struct pop3 *s)
{
	return pop3_err(s, "AUTH", "Only over TLS: begin with STLS");
}

static Sekisho__Client *client_of(struct pop3 *s)
{
	Sekisho__Client *c = arena_new(&s->arena, Sekisho__Client);
	if (!c)
		return NULL;
	sekisho__client__init(c);
	c->ip = s->ip;
	c->port = s->port;
	c->service = (char *)s->service->name;
	c->tls = arena_printf(&s->arena, "%s", stream_tls_version(s->base.stream));
	c->cipher = arena_printf(&s->arena, "%s", stream_tls_cipher(s->base.stream));
	return c;
}

static enum result ask_line(struct sasl *sasl, struct slice challenge, struct slice *response_out)
{
	struct pop3 *s = sasl->session;
	stream_put(s->base.stream, SLICE("+ "));
	stream_put(s->base.stream, challenge);
	stream_put(s->base.stream, SLICE("\r\n"));
	return stream_line(s->base.stream, LIMIT_SMTP_AUTH_LINE, response_out);
}

static enum result logged_in(struct pop3 *s)
{
	if (pop3_drop_open(s) != OK) {
		ipc_close(&s->store);
		return pop3_err(s, "SYS/TEMP", "The mailbox cannot be opened now");
	}
	s->base.wake_fd = s->store.fd;
	s->base.silent = false;
	s->state = POP3_TRANSACTION;
	return pop3_ok(s, "Logged in");
}

static enum result login_result(struct pop3 *s, struct sasl *sasl, enum result r)
{
	Sekisho__LoginAnswer *login = NULL;
	bool judged = r == OK;
	if (judged)
		r = sasl_open(sasl, &s->store, &login);
	if (r == OK)
		return logged_in(s);
	if (stream_state(s->base.stream) != OK)
		return STOP;
	if (judged && r == FULL)
		return pop3_err(s, "SYS/TEMP", "Too many sessions of this account");
	if (r == LATER)
		return pop3_err(s, "SYS/TEMP", "Login is not possible now, please try again later");
	if (r == DENY)
		pop3_err(s, "AUTH", "Wrong name or password");
	else
		pop3_err(s, NULL, "Authentication ended");
	if (++s->denied < LIMIT_SMTP_AUTH_TRIES)
		return stream_state(s->base.stream);
	return STOP;
}

static struct sasl sasl_of(struct pop3 *s)
{
	return (struct sasl){.keys = s->service->keys,
	    .store = s->service->store,
	    .stream = s->base.stream,
	    .client = client_of(s),
	    .arena = &s->arena,
	    .ask = ask_line,
	    .issuer = s->service->issuer,
	    .session = s};
}

enum result pop3_user(struct pop3 *s, struct slice args)
{
	if (!s->secure)
		return not_in_clear_text(s);
	if (!args.n || args.n > LIMIT_LOGIN_NAME)
		return pop3_err(s, NULL, "A name was expected");
	free(s->user);
	s->user = strndup(args.p, args.n);
	if (!s->user)
		abort();
	return pop3_ok(s, "And the password?");
}

enum result pop3_pass(struct pop3 *s, struct slice args)
{
	if (!s->secure)
		return not_in_clear_text(s);
	if (!s->user)
		return pop3_err(s, NULL, "USER comes first");
	struct sasl sasl = sasl_of(s);
	/* RFC 1939 section 7: everything behind the space belongs to the password, blanks too. */
	enum result r = sasl_password(&sasl, "USER", arena_dup(&s->arena, slice_str(s->user)), args);
	free(s->user);
	s->user = NULL;
	return login_result(s, &sasl, r);
}

enum result pop3_auth(struct pop3 *s, struct slice args)
{
	if (!s->secure)
		return not_in_clear_text(s);
	struct slice initial = args;
	struct slice mechanism = slice_split(&initial, ' ');
	if (mechanism.n == args.n)
		initial = SLICE_NONE;
	if (!sasl_known(mechanism, s->base.stream, s->service->issuer))
		return pop3_err(s, NULL, "No such mechanism");
	struct sasl sasl = sasl_of(s);
	return login_result(s, &sasl, sasl_authenticate(&sasl, mechanism, initial));
}
