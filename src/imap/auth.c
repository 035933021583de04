/* auth: who is there, and what we can do for them (RFC 3501 6.1, 6.2; RFC 2971, 4959, 4978, 5161, 8437). */
#include "sasl/sasl.h"
#include "notify.h"
#include "verbs.h"
#include <stdlib.h>

#define ID_PAIRS 30 /* RFC 2971 3.3 */

enum announced { ALWAYS, IN };
static const struct {
	const char *word;
	enum announced when;
} words[] = {
#define X(word, when) {word, when},
#include "capability.def"
#undef X
};

static void put_words(struct buf *out, enum announced when)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].when <= when)
			buf_printf(out, "%s%s", i ? " " : "", words[i].word);
}

/* What only the service knows. */
static void put_logins(const struct imap *s, struct buf *out)
{
	if (!s->secure) {
		buf_puts(out, " STARTTLS LOGINDISABLED");
		return;
	}
	struct slice all = slice_str(sasl_mechanisms(s->base.stream, s->service->issuer));
	while (all.n) {
		struct slice one = slice_split(&all, ' ');
		buf_printf(out, " AUTH=" SLICE_FMT, SLICE_ARG(one));
	}
}

void imap_put_capabilities(struct imap *s)
{
	BUF_LOCAL(out, 4096);
	bool in = (s->state & IMAP_IN) != 0;
	put_words(&out, in ? IN : ALWAYS);
	if (in)
		buf_printf(&out, " APPENDLIMIT=%llu MESSAGELIMIT=%u",
		    (unsigned long long)s->service->message_size, s->service->message_limit);
	else
		put_logins(s, &out);
	stream_puts(s->base.stream, buf_z(&out));
}

enum result imap_capability(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	stream_put(s->base.stream, SLICE("* CAPABILITY "));
	imap_put_capabilities(s);
	stream_put(s->base.stream, SLICE("\r\n"));
	return imap_ok(s, "Done");
}

enum result imap_noop(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	return imap_ok(s, "Done");
}

enum result imap_check(struct imap *s, struct imap_args *p)
{
	return imap_noop(s, p); /* everything answered is durable already */
}

enum result imap_logout(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	imap_bye(s, NULL, "Goodbye");
	result_ignore(imap_ok(s, "Done")); /* the end either way */
	return STOP;
}

/* What tells one program from another; versions come and go. */
static bool id_field_matters(struct slice field)
{
	return slice_ieq(field, SLICE("name")) || slice_ieq(field, SLICE("vendor")) ||
	       slice_ieq(field, SLICE("os"));
}

static bool id_list(struct imap_args *p, struct buf *agent)
{
	if (cursor_try_word(&p->c, SLICE("NIL")))
		return true;
	imap_args_need(p, '(');
	if (imap_args_try(p, ')'))
		return true;
	unsigned pairs = 0;
	do {
		struct slice value = SLICE_NONE;
		struct slice field = imap_args_string(p);
		bool matters = id_field_matters(field);
		imap_args_space(p);
		imap_args_nstring(p, &value);
		if (matters && value.n && slice_is_utf8(value))
			buf_printf(agent, "%s" SLICE_FMT, agent->n ? "; " : "", SLICE_ARG(value));
		if (++pairs > ID_PAIRS)
			imap_args_fail(p, "Too many fields");
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	return true;
}

enum result imap_id(struct imap *s, struct imap_args *p)
{
	BUF_LOCAL(agent, LIMIT_SIGNIN_AGENT);
	imap_args_space(p);
	id_list(p, &agent);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	free(s->agent);
	s->agent = strndup(agent.n ? agent.p : "", agent.n);
	if (!s->agent)
		abort();
	stream_put(s->base.stream, SLICE("* ID (\"name\" \"Sekisho\")\r\n"));
	return imap_ok(s, "Done");
}

static const struct {
	const char *word;
	unsigned bits;
} extensions[] = {
    {"CONDSTORE", IMAP_CONDSTORE},
    {"QRESYNC", IMAP_QRESYNC | IMAP_CONDSTORE},
    {"UTF8=ACCEPT", IMAP_UTF8_ACCEPT | IMAP_UTF8},
    {"IMAP4rev2", IMAP_REV2 | IMAP_UTF8},
    {"UIDONLY", IMAP_UIDONLY},
};

enum result imap_enable(struct imap *s, struct imap_args *p)
{
	unsigned bits = 0;
	bool named[COUNT(extensions)] = {0};
	do {
		imap_args_space(p);
		struct slice word = imap_args_atom(p);
		for (size_t i = 0; i < COUNT(extensions); i++)
			if (slice_ieq(word, slice_str(extensions[i].word))) {
				named[i] = (s->enabled & extensions[i].bits) != extensions[i].bits;
				bits |= extensions[i].bits;
			}
	} while (imap_args_peek(p) == ' ');
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	s->enabled |= bits;
	stream_put(s->base.stream, SLICE("* ENABLED"));
	for (size_t i = 0; i < COUNT(extensions); i++)
		if (named[i]) {
			stream_put(s->base.stream, SLICE(" "));
			stream_puts(s->base.stream, extensions[i].word);
		}
	stream_put(s->base.stream, SLICE("\r\n"));
	return imap_ok(s, "Done");
}

/* RFC 4978. Compressed by TLS counts too: what is secret shall not be guessed by its length twice. */
enum result imap_compress(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice how = imap_args_atom(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!slice_ieq(how, SLICE("DEFLATE")))
		return imap_bad(s, &(struct imap_args){.why = "Only DEFLATE is known"});
	if (stream_is_deflated(s->base.stream))
		return imap_no(s, "COMPRESSIONACTIVE", "This connection is compressed already");
	/* What came behind the command was said before the answer: stream_deflate is BAD. */
	if (imap_ok(s, "Compressed from now on") != OK || stream_deflate(s->base.stream) != OK)
		return STOP;
	return OK;
}

/* RFC 8437: as if this were a new connection, but for what TLS and COMPRESS have made of it. */
enum result imap_unauthenticate(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	imap_box_free(s);
	imap_notify_free(s);
	ipc_close(&s->store);
	s->store = (struct ipc){.fd = -1, .why = ""};
	s->base.wake_fd = -1;
	s->base.silent = true;
	s->state = IMAP_NOAUTH;
	s->enabled = 0;
	s->bad = s->denied = 0;
	free(s->user);
	s->user = NULL;
	return imap_ok(s, "Nobody is logged in now");
}

enum result imap_starttls(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (s->secure)
		return imap_bad(s, &(struct imap_args){.why = "TLS is in use already"});
	/* What came behind the command in clear text is not ours to believe (RFC 3501 6.2.1): stream_tls_accept is BAD. */
	if (imap_ok(s, "Begin TLS now") != OK || stream_tls_accept(s->base.stream, s->service->tls) != OK)
		return STOP;
	s->secure = true;
	return OK;
}

/* ---- login ---- */

Sekisho__Client *imap_client(struct imap *s)
{
	Sekisho__Client *c = arena_new(&s->arena, Sekisho__Client);
	if (!c)
		return NULL;
	sekisho__client__init(c);
	c->ip = s->ip;
	c->port = s->port;
	c->service = (char *)s->service->name;
	c->agent = s->agent ? s->agent : c->agent;
	c->tls = arena_printf(&s->arena, "%s", stream_tls_version(s->base.stream));
	c->cipher = arena_printf(&s->arena, "%s", stream_tls_cipher(s->base.stream));
	return c;
}

/* A continuation and the client's line behind it. */
static enum result ask_line(struct sasl *sasl, struct slice challenge, struct slice *response_out)
{
	struct imap *s = sasl->session;
	stream_put(s->base.stream, SLICE("+ "));
	stream_put(s->base.stream, challenge);
	stream_put(s->base.stream, SLICE("\r\n"));
	return stream_line(s->base.stream, LIMIT_SMTP_AUTH_LINE, response_out);
}

static enum result logged_in(struct imap *s, struct ipc *channel, const Sekisho__LoginAnswer *answer)
{
	imap_enter(s, channel, answer->address);
	imap_ok_start(s, "CAPABILITY ");
	imap_put_capabilities(s);
	return imap_ok_end(s, "Logged in");
}

static enum result login_result(struct imap *s, struct sasl *sasl, enum result r)
{
	struct ipc channel = {.fd = -1, .why = ""};
	Sekisho__LoginAnswer *answer = NULL;
	bool judged = r == OK;
	if (judged)
		r = sasl_open(sasl, &channel, &answer);
	if (judged && r == FULL)
		return imap_no(s, "LIMIT", "Too many sessions of this account");
	switch (r) {
	case OK:
		return logged_in(s, &channel, answer);
	case BAD:
		return imap_bad(s, &(struct imap_args){.why = "Authentication ended"});
	case DENY:
		imap_no(s, "AUTHENTICATIONFAILED", "Wrong name or password");
		if (++s->denied < LIMIT_SMTP_AUTH_TRIES)
			return stream_state(s->base.stream);
		imap_bye(s, NULL, "Too many failed logins");
		return STOP;
	case LATER:
		if (stream_state(s->base.stream) == OK)
			return imap_no(s, "UNAVAILABLE", "Login is not possible now, please try again later");
		return STOP;
	default:
		return stream_state(s->base.stream) == OK ? imap_bad(s, NULL) : STOP;
	}
}

static struct sasl sasl_of(struct imap *s)
{
	return (struct sasl){.keys = s->service->keys,
	    .store = s->service->store,
	    .stream = s->base.stream,
	    .client = imap_client(s),
	    .arena = &s->arena,
	    .ask = ask_line,
	    .issuer = s->service->issuer,
	    .session = s};
}

static enum result not_in_clear_text(struct imap *s)
{
	return imap_no(s, "PRIVACYREQUIRED", "Only over TLS: begin with STARTTLS");
}

enum result imap_login(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice login = imap_args_astring(p);
	imap_args_space(p);
	struct slice password = imap_args_astring(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!s->secure)
		return not_in_clear_text(s);
	struct sasl sasl = sasl_of(s);
	return login_result(s, &sasl, sasl_password(&sasl, "LOGIN", login, password));
}

enum result imap_authenticate(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice mechanism = arena_dup(&s->arena, imap_args_atom(p));
	struct slice initial = SLICE_NONE;
	if (imap_args_try(p, ' ')) { /* RFC 4959; "=" stands for an empty one */
		initial = arena_dup(&s->arena, p->c.rest);
		p->c.rest.n = 0;
	}
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!s->secure)
		return not_in_clear_text(s);
	if (!sasl_known(mechanism, s->base.stream, s->service->issuer))
		return imap_no(s, "CANNOT", "No such mechanism");
	struct sasl sasl = sasl_of(s);
	return login_result(s, &sasl, sasl_authenticate(&sasl, mechanism, initial));
}
