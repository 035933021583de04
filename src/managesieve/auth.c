/* auth: who is there, and what we can do for them. */
#include "sasl/sasl.h"
#include "session.h"
#include <stdlib.h>

static void put_line(struct stream *out, const char *name, struct slice value)
{
	stream_printf(out, "\"%s\"", name);
	if (value.p) {
		stream_put(out, SLICE(" "));
		managesieve_put_string(out, value);
	}
	stream_put(out, SLICE("\r\n"));
}

void managesieve_put_capability(struct managesieve *s)
{
	struct stream *out = s->base.stream;
	BUF_LOCAL(redirects, 16);
	buf_printf(&redirects, "%u", s->service->redirects);
	put_line(out, "IMPLEMENTATION", SLICE("Sekisho"));
	put_line(out, "SASL", s->secure ? slice_str(sasl_mechanisms(out, s->service->issuer)) : SLICE(""));
	put_line(out, "SIEVE", s->service->extensions);
	put_line(out, "NOTIFY", s->service->notify);
	put_line(out, "MAXREDIRECTS", buf_slice(&redirects));
	if (!s->secure)
		put_line(out, "STARTTLS", SLICE_NONE);
	put_line(out, "UNAUTHENTICATE", SLICE_NONE);
	if (s->owner)
		put_line(out, "OWNER", slice_str(s->owner));
	put_line(out, "VERSION", SLICE("1.0"));
}

enum result managesieve_capability(struct managesieve *s, const struct managesieve_command *c)
{
	(void)c;
	managesieve_put_capability(s);
	return managesieve_ok(s, NULL, "That is all");
}

enum result managesieve_logout(struct managesieve *s, const struct managesieve_command *c)
{
	(void)c;
	managesieve_ok(s, NULL, "Goodbye");
	return STOP;
}

enum result managesieve_noop(struct managesieve *s, const struct managesieve_command *c)
{
	struct stream *out = s->base.stream;
	if (!c->n)
		return managesieve_ok(s, NULL, "Done");
	stream_put(out, SLICE("OK (TAG "));
	managesieve_put_string(out, c->args[0].text);
	stream_put(out, SLICE(") \"Done\"\r\n"));
	return stream_state(out);
}

enum result managesieve_starttls(struct managesieve *s, const struct managesieve_command *c)
{
	(void)c;
	if (s->secure)
		return managesieve_no(s, NULL, "TLS is in use already");
	/* Commands put in by somebody else, to be carried out as if they had come under TLS (RFC 3207 6). */
	if (stream_buffered(s->base.stream))
		return managesieve_bye(s, NULL, "Nothing may follow STARTTLS before TLS");
	if (managesieve_ok(s, NULL, "Begin TLS now") != OK ||
	    stream_tls_accept(s->base.stream, s->service->tls) != OK)
		return STOP;
	s->secure = true;
	managesieve_put_capability(s);
	return managesieve_ok(s, NULL, "TLS it is");
}

/* ---- AUTHENTICATE ---- */

static Sekisho__Client *client_of(struct managesieve *s)
{
	Sekisho__Client *c = arena_new(&s->arena, Sekisho__Client);
	if (!c)
		return NULL;
	sekisho__client__init(c);
	c->ip = s->ip;
	c->port = s->port;
	c->service = (char *)(uintptr_t) "sieve";
	c->tls = arena_printf(&s->arena, "%s", stream_tls_version(s->base.stream));
	c->cipher = arena_printf(&s->arena, "%s", stream_tls_cipher(s->base.stream));
	return c;
}

static enum result ask_client(struct sasl *sasl, struct slice challenge, struct slice *response_out)
{
	struct managesieve *s = sasl->session;
	managesieve_put_string(s->base.stream, challenge);
	stream_put(s->base.stream, SLICE("\r\n"));
	return managesieve_read_string(s, response_out);
}

static enum result logged_in(struct managesieve *s, const Sekisho__LoginAnswer *login)
{
	s->owner = strdup(login->address);
	if (!s->owner)
		abort();
	s->base.wake_fd = s->store.fd;
	s->base.silent = false;
	s->state = MANAGESIEVE_KNOWN;
	return managesieve_ok(s, NULL, "Logged in");
}

static enum result login_result(struct managesieve *s, struct sasl *sasl, enum result r)
{
	Sekisho__LoginAnswer *login = NULL;
	bool judged = r == OK;
	if (judged)
		r = sasl_open(sasl, &s->store, &login);
	if (r == OK)
		return logged_in(s, login);
	if (stream_state(s->base.stream) != OK)
		return STOP;
	if (judged && r == FULL)
		return managesieve_no(s, "TRYLATER", "Too many sessions of this account");
	if (r == LATER)
		return managesieve_no(s, "TRYLATER", "Login is not possible now");
	if (r != DENY) /* broken off or unreadable: no password was tried */
		return managesieve_wrong(s, "Authentication ended");
	if (++s->denied >= LIMIT_SMTP_AUTH_TRIES)
		return managesieve_bye(s, NULL, "Too many failed logins");
	return managesieve_no(s, NULL, "Wrong name or password");
}

enum result managesieve_authenticate(struct managesieve *s, const struct managesieve_command *c)
{
	if (!s->secure)
		return managesieve_no(s, "ENCRYPT-NEEDED", "Only over TLS: begin with STARTTLS");
	if (!sasl_known(c->args[0].text, s->base.stream, s->service->issuer))
		return managesieve_no(s, NULL, "No such mechanism");
	struct sasl sasl = {.keys = s->service->keys,
	    .store = s->service->store,
	    .stream = s->base.stream,
	    .client = client_of(s),
	    .arena = &s->arena,
	    .ask = ask_client,
	    .issuer = s->service->issuer,
	    .session = s};
	struct slice initial = c->n > 1 ? c->args[1].text : SLICE_NONE;
	if (c->n > 1 && !initial.n)
		initial = SLICE("="); /* an empty one, in the form of the other protocols */
	return login_result(s, &sasl, sasl_authenticate(&sasl, c->args[0].text, initial));
}

enum result managesieve_unauthenticate(struct managesieve *s, const struct managesieve_command *c)
{
	(void)c;
	ipc_close(&s->store);
	s->store = (struct ipc){.fd = -1, .why = ""};
	s->base.wake_fd = -1;
	free(s->owner);
	s->owner = NULL;
	s->state = MANAGESIEVE_UNKNOWN;
	return managesieve_ok(s, NULL, "Nobody is logged in");
}
