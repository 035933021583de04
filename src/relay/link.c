/* Connecting to a mail server: TCP, greeting, EHLO, STARTTLS, AUTH. */
#include "relay/inner.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OR(ms, otherwise) ((ms) ? (ms) : (otherwise))

void why_set(struct why *w, bool permanent, const char *status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof w->text, fmt, ap);
	va_end(ap);
	w->permanent = permanent;
	w->code = 0;
	snprintf(w->status, sizeof w->status, "%s", status);
}

void why_reply(struct why *w, const struct reply *r)
{
	w->permanent = !reply_temporary(r) && !reply_good(r);
	w->code = r->code;
	memcpy(w->status, r->status, sizeof w->status);
	memcpy(w->text, r->text, sizeof w->text);
}

void link_close(struct link *l)
{
	if (!l->broken && stream_state(l->stream) == OK) {
		stream_timeout(l->stream, 1000);
		stream_puts(l->stream, "QUIT\r\n");
		result_ignore(stream_flush(l->stream)); /* nobody waits for the answer */
	}
	stream_close(l->stream);
	free(l);
}

/* ---- TCP ---- */

static socklen_t fill_address(const struct dns_ip *ip, uint16_t port, struct sockaddr_storage *ss)
{
	*ss = (struct sockaddr_storage){.ss_family = (sa_family_t)ip->family};
	if (ip->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->octets, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ip->octets, 16);
	return sizeof *in6;
}

/* Waits for a connect under way; its errno, 0: connected. */
static int wait_connected(int fd, int64_t ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0;
	socklen_t n = sizeof err;
	int64_t end = clock_mono_ms() + ms;
	for (;;) {
		int64_t left = end - clock_mono_ms();
		int ready = poll(&p, 1, left > 0 ? (int)MIN(left, INT32_MAX) : 0);
		if (ready == 0)
			return ETIMEDOUT;
		if (ready > 0)
			return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 ? err : errno;
		if (errno != EINTR)
			return errno;
	}
}

int link_connect(const struct dns_ip *ip, uint16_t port, int64_t ms, int *err_out)
{
	struct sockaddr_storage ss;
	socklen_t n = fill_address(ip, port, &ss);
	int on = 1;
	FD_LOCAL fd = socket(ip->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*err_out = errno;
		return -1;
	}
	setsockopt(
	    fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* the stream collects what belongs together */
	*err_out = connect(fd, (struct sockaddr *)&ss, n) == 0 ? 0 : errno;
	if (*err_out == EINPROGRESS)
		*err_out = wait_connected(fd, ms);
	if (*err_out)
		return -1;
	int done = fd;
	fd = -1;
	return done;
}

/* ---- the conversation ---- */

struct opening {
	const struct relay_settings *s;
	const struct target *t;
	const struct guard *g;
	struct tls_sessions *sessions;
	struct link *l;
	struct trial *trial;
	struct why *why;
};

static enum result lost(struct opening *o, enum result r, const char *when)
{
	o->l->broken = true;
	why_set(o->why, false, r == BAD ? "4.5.0" : "4.4.2", "%s[%s]: %s %s", o->l->host, o->l->ip,
	    r == LATER ? "no answer in time"
	    : r == BAD ? "not an SMTP reply"
		       : "the connection was lost",
	    when);
	return LATER;
}

static enum result refused(struct opening *o, const struct reply *r)
{
	why_reply(o->why, r);
	return o->why->permanent ? DENY : LATER;
}

/* The end of the conversation is no verdict on the message: another host may be better (RFC 5321 3.1, 3.8). */
static enum result ask(struct opening *o, struct reply *r, const char *when)
{
	enum result got = reply_read(o->l->stream, r, NULL, NULL);
	return got == OK ? OK : lost(o, got, when);
}

static enum result say_hello(struct opening *o)
{
	struct link *l = o->l;
	struct reply r;
	l->caps = (struct caps){0};
	stream_printf(l->stream, "EHLO %s\r\n", o->s->hostname);
	enum result got = reply_read(l->stream, &r, caps_read, &l->caps);
	if (got != OK)
		return lost(o, got, "after EHLO");
	l->caps.ehlo = reply_good(&r);
	if (!l->caps.ehlo && r.code != 421) {
		l->caps = (struct caps){0};
		stream_printf(l->stream, "HELO %s\r\n", o->s->hostname);
		got = reply_read(l->stream, &r, NULL, NULL);
		if (got != OK)
			return lost(o, got, "after HELO");
	}
	if (!reply_good(&r))
		return refused(o, &r);
	/* Ourselves under another name: nothing would ever end this but the hop count. */
	if (!o->t->routed && l->caps.name[0] && strcasecmp(l->caps.name, o->s->hostname) == 0) {
		why_set(o->why, true, "5.4.6", "%s[%s] is this server itself: a loop", l->host, l->ip);
		return DENY;
	}
	return OK;
}

/* ---- TLS ---- */

static enum result tls_failed(struct opening *o, enum tlsrpt_result result, const char *reason)
{
	o->trial->failed = true;
	o->trial->result = result;
	snprintf(o->trial->reason, sizeof o->trial->reason, "%s", reason);
	return LATER;
}

/* What a certificate that was refused is in the words of RFC 8460. */
static enum tlsrpt_result certificate_result(long verdict)
{
	switch (verdict) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLSRPT_CERTIFICATE_HOST_MISMATCH;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLSRPT_CERTIFICATE_EXPIRED;
	default:
		return TLSRPT_CERTIFICATE_NOT_TRUSTED;
	}
}

static bool prepare(SSL *ssl, void *context)
{
	struct opening *o = context;
	const struct guard *g = o->g;
	BUF_LOCAL(key, 2 * LINK_KEY);
	buf_printf(&key, "%s:%u%s", o->t->host, o->t->port, g->key);
	tls_sessions_use(o->sessions, ssl, buf_z(&key));
	if (g->tls == RELAY_TLS_DANE)
		return dane_demand(ssl, g->name, g->names, g->names_n, g->tlsa, g->tlsa_n);
	return g->tls != RELAY_TLS_VERIFIED || tls_peer_must_be(ssl, g->names, g->names_n);
}

static enum result handshake_failed(struct opening *o, enum result r)
{
	const SSL *ssl = stream_ssl(o->l->stream);
	long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	unsigned long error = ERR_peek_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	o->trial->without = true;
	if (o->g->tls >= RELAY_TLS_VERIFIED && verdict != X509_V_OK) {
		const char *text = X509_verify_cert_error_string(verdict);
		o->l->broken = true;
		why_set(o->why, false, "4.7.5", "%s[%s]: its certificate does not do for %s: %s", o->l->host,
		    o->l->ip, o->g->who, text);
		(void)tls_failed(o, certificate_result(verdict), text);
	} else {
		(void)lost(o, GONE, "in the TLS handshake");
		(void)tls_failed(o, TLSRPT_VALIDATION_FAILURE,
		    r == BAD ? "octets before the handshake"
		    : reason ? reason
			     : "the handshake failed");
	}
	ERR_clear_error();
	return LATER;
}

static void describe_tls(struct opening *o)
{
	struct link *l = o->l;
	const char *how = "";
	if (o->g->tls == RELAY_TLS_DANE) {
		l->secured = SEKISHO__ATTEMPT__SECURED__DANE;
		how = " verified by DANE";
	} else if (o->g->tls == RELAY_TLS_VERIFIED) {
		bool sts = o->g->policy == TLSRPT_STS;
		l->secured = sts ? SEKISHO__ATTEMPT__SECURED__STS : SEKISHO__ATTEMPT__SECURED__NAMED;
		how = sts ? " verified by MTA-STS" : " verified";
	} else {
		l->secured = SEKISHO__ATTEMPT__SECURED__TLS;
	}
	snprintf(l->tls, sizeof l->tls, "%s %s%s", stream_tls_version(l->stream),
	    stream_tls_cipher(l->stream), how);
}

static enum result shake_hands(struct opening *o)
{
	SSL_CTX *ctx = o->g->tls == RELAY_TLS_DANE       ? o->s->dane
		       : o->g->tls == RELAY_TLS_VERIFIED ? o->s->verified
							 : o->s->unverified;
	struct dns_ip ip;
	const char *sni = dns_ip_read(slice_str(o->g->name), &ip) == OK ? NULL : o->g->name;
	o->trial->tried = true;
	enum result r = ctx ? stream_tls_connect_as(o->l->stream, ctx, sni, prepare, o) : GONE;
	if (r != OK)
		return handshake_failed(o, r);
	describe_tls(o);
	if (o->g->test && !tls_peer_is(stream_ssl(o->l->stream), o->t->host)) {
		long verdict = SSL_get_verify_result(stream_ssl(o->l->stream));
		(void)tls_failed(o,
		    verdict == X509_V_OK ? TLSRPT_CERTIFICATE_HOST_MISMATCH : certificate_result(verdict),
		    verdict == X509_V_OK ? "hostname mismatch" : X509_verify_cert_error_string(verdict));
	}
	return OK;
}

/* TLS is not to be had. */
static enum result no_tls(struct opening *o)
{
	bool must = o->g->tls >= RELAY_TLS_MUST;
	(void)tls_failed(o, TLSRPT_STARTTLS_NOT_SUPPORTED, o->l->caps.starttls ? "STARTTLS was refused" : "");
	if (!must)
		return OK;
	why_set(o->why, false, "4.7.10", "%s[%s] does not offer encryption (STARTTLS), which %s requires",
	    o->l->host, o->l->ip, o->g->who);
	return LATER;
}

static enum result start_tls(struct opening *o, bool plain)
{
	struct link *l = o->l;
	if (o->g->tls == RELAY_TLS_NEVER || stream_is_tls(l->stream) || plain)
		return OK;
	struct reply r = {0};
	o->trial->tried = true;
	for (size_t i = 0; l->caps.name[i]; i++)
		o->trial->helo[i] = l->caps.name[i] > ' ' && l->caps.name[i] <= '~' ? l->caps.name[i] : '?';
	if (l->caps.starttls) {
		stream_puts(l->stream, "STARTTLS\r\n");
		enum result got = ask(o, &r, "after STARTTLS");
		if (got != OK) {
			o->trial->without = true;
			return tls_failed(o, TLSRPT_VALIDATION_FAILURE, "no reply to STARTTLS");
		}
	}
	if (r.code != 220)
		return no_tls(o);
	enum result done = shake_hands(o);
	return done == OK ? say_hello(o) : done;
}

/* RFC 8689 4.2.1 */
static enum result check_require(struct opening *o)
{
	if (!o->g->require || (stream_is_tls(o->l->stream) && o->l->caps.requiretls))
		return OK;
	why_set(o->why, true, "5.7.30", "%s[%s] does not know REQUIRETLS, which the sender asked for",
	    o->l->host, o->l->ip);
	o->trial->failed = true; /* it was reached, though */
	return DENY;
}

/* One line of a SASL exchange, base64. */
static enum result say_secret(struct opening *o, const char *verb, struct slice secret, unsigned want)
{
	__attribute__((cleanup(buf_free_secret))) struct buf line = {.max = 4096};
	struct reply r;
	buf_puts(&line, verb);
	buf_base64(&line, secret);
	buf_puts(&line, "\r\n");
	stream_put(o->l->stream, buf_slice(&line));
	enum result got = ask(o, &r, "after AUTH");
	if (got != OK)
		return got;
	if (r.code == want)
		return OK;
	/* A wrong password of ours must not bounce everybody's mail. */
	why_reply(o->why, &r);
	o->why->permanent = false;
	snprintf(o->why->status, sizeof o->why->status, "4.7.8");
	return LATER;
}

static enum result log_in(struct opening *o)
{
	const struct target *t = o->t;
	struct link *l = o->l;
	if (!t->user)
		return OK;
	struct slice user = slice_str(t->user), password = slice_str(t->password);
	if (!stream_is_tls(l->stream) || !(l->caps.auth_plain || l->caps.auth_login)) {
		why_set(o->why, false, "4.7.0", "%s offers no login over TLS", l->host);
		return LATER;
	}
	if (l->caps.auth_plain) {
		__attribute__((cleanup(buf_free_secret))) struct buf b = {.max = 2048};
		buf_putc(&b, '\0');
		buf_put(&b, user);
		buf_putc(&b, '\0');
		buf_put(&b, password);
		return say_secret(o, "AUTH PLAIN ", buf_slice(&b), 235);
	}
	struct reply r;
	stream_puts(l->stream, "AUTH LOGIN\r\n");
	enum result got = ask(o, &r, "after AUTH");
	if (got != OK || r.code != 334)
		return got != OK ? got : refused(o, &r);
	got = say_secret(o, "", user, 334);
	return got == OK ? say_secret(o, "", password, 235) : got;
}

static enum result converse(struct opening *o, bool plain)
{
	struct reply r;
	enum result got = OK;
	if (o->t->implicit_tls)
		got = shake_hands(o);
	if (got == OK)
		got = ask(o, &r, "before its greeting");
	if (got == OK && !reply_good(&r))
		got = refused(o, &r);
	if (got == OK)
		got = say_hello(o);
	if (got == OK && !o->t->implicit_tls)
		got = start_tls(o, plain);
	if (got == OK)
		got = check_require(o);
	return got == OK ? log_in(o) : got;
}

static struct link *link_new(const struct target *t, const struct dns_ip *ip, int fd)
{
	struct link *l = calloc(1, sizeof *l);
	if (!l)
		abort();
	l->stream = stream_socket(fd);
	snprintf(l->host, sizeof l->host, "%s", t->host);
	(void)dns_ip_text(ip, l->ip);
	return l;
}

enum result link_open(const struct delivery *d, const struct target *t, const struct dns_ip *ip,
    const struct guard *g, bool plain, struct link **out, struct trial *trial, struct why *why)
{
	const struct relay_settings *s = d->settings;
	char text[DNS_IP_TEXT], reason[128];
	int err;
	int fd = link_connect(ip, t->port, OR(s->times.connect, 30 * SECOND_MS), &err);
	*trial = (struct trial){0};
	if (fd < 0) {
		why_set(why, false, "4.4.1", "%s[%s]:%u: %s", t->host, dns_ip_text(ip, text), t->port,
		    strerror_r(err, reason, sizeof reason));
		return LATER;
	}
	struct opening o = {.s = s,
	    .t = t,
	    .g = g,
	    .sessions = d->relay->sessions,
	    .l = link_new(t, ip, fd),
	    .trial = trial,
	    .why = why};
	o.l->need = guard_need(d);
	stream_timeout(o.l->stream, OR(s->times.greeting, 5 * MINUTE_MS));
	enum result r = converse(&o, plain);
	EVENT(RELAY_CONNECT, KZ("host", o.l->host), KZ("ip", o.l->ip), KZ("tls", o.l->tls));
	if (r == OK) {
		*out = o.l;
		return OK;
	}
	link_close(o.l);
	return r;
}
