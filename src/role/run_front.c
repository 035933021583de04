/* The fronts mx and user: services on their sockets, sessions in the lobby. */
#include "imap/imap.h"
#include "managesieve/managesieve.h"
#include "pop3/pop3.h"
#include "role/front.h"
#include "sieve/sieve.h"
#include "smtp/smtp.h"
#include "tls/tls.h"
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define BUDGET ((uint64_t)1 << 30) /* octets of unfinished messages in one front */
#define GREETING_MS 300            /* mx: who cannot wait this long is no mail server */

struct lobby *front_start(struct run *r, uint64_t per_address)
{
	const struct config *c = r->config;
	/* Each session has its socket, after login a channel, and for a while a message. */
	run_jail(r, c->sessions * 3 + 1024, 0);
	struct ip_nets proxies;
	struct slice wrong;
	if (ip_nets_read(slice_str(c->proxy_networks), LIMIT_NETWORKS, &proxies, &wrong) != OK) {
		EVENT(CONFIG_BAD, KZ("file", "proxy_networks"), KN("line", 0),
		    KZ("why", "not a list of networks"));
		_exit(EX_CONFIG);
	}
	struct lobby_settings settings = {
	    .proxies = proxies,
	    .threads = (unsigned)c->threads,
	    .sessions = (unsigned)c->sessions,
	    .sessions_per_address = (unsigned)MIN(per_address, c->sessions),
	};
	return lobby_new(&settings);
}

void front_listen(struct run *r, struct lobby *l, const char *service, lobby_open *open, const void *context)
{
	for (size_t i = 0; i < r->listen_n; i++)
		if (strcmp(r->listens[i].name, service) == 0)
			lobby_listen(l, r->listens[i].fd, service, open, context);
}

static struct session *open_smtp(const void *service, struct stream *s, const char *ip, unsigned port)
{
	return smtp_session_new(service, s, ip, port);
}

static struct session *open_imap(const void *service, struct stream *s, const char *ip, unsigned port)
{
	return imap_session_new(service, s, ip, port);
}

static struct session *open_pop3(const void *service, struct stream *s, const char *ip, unsigned port)
{
	return pop3_session_new(service, s, ip, port);
}

static struct session *open_sieve(const void *service, struct stream *s, const char *ip, unsigned port)
{
	return managesieve_session_new(service, s, ip, port);
}

static struct smtp_budget budget = {.most = BUDGET};

static void fill_smtp(const struct run *r, struct smtp_service *s, const char *name, SSL_CTX *tls)
{
	smtp_service_defaults(s);
	s->name = name;
	s->hostname = r->config->hostname;
	s->tls = tls;
	s->store = r->trunks[ROLE_STORE];
	s->keys = r->trunks[ROLE_KEYS];
	s->scan = r->trunks[ROLE_SCAN];
	s->budget = &budget;
	s->message_size = r->config->message_size;
	s->idle_ms = r->config->smtp_idle;
}

void run_mx(struct run *r)
{
	static struct smtp_service smtp;
	struct lobby *l = front_start(r, r->config->smtp_sessions_per_address);
	SSL_CTX *tls = tls_front_context(r->trunks[ROLE_KEYS]);
	fill_smtp(r, &smtp, "smtp", tls);
	smtp.greeting_ms = GREETING_MS;
	front_listen(r, l, "smtp", open_smtp, &smtp);
	run_ready(r);
	run_control(r);
}

static void serve_submission(struct run *r, struct lobby *l, SSL_CTX *tls)
{
	static struct smtp_service submission, submissions;
	fill_smtp(r, &submission, "submission", tls);
	submission.submission = true;
	submission.issuer = run_issuer(r);
	submissions = submission;
	submissions.name = "submissions";
	submissions.implicit_tls = true;
	front_listen(r, l, "submission", open_smtp, &submission);
	front_listen(r, l, "submissions", open_smtp, &submissions);
}

static void serve_imap(struct run *r, struct lobby *l, SSL_CTX *tls)
{
	static struct imap_service imap, imaps;
	imap_service_defaults(&imap);
	imap.name = "imap";
	imap.hostname = r->config->hostname;
	imap.tls = tls;
	imap.store = r->trunks[ROLE_STORE];
	imap.keys = r->trunks[ROLE_KEYS];
	imap.scan = r->trunks[ROLE_SCAN];
	imap.issuer = run_issuer(r);
	imap.message_size = r->config->message_size;
	imap.idle_ms = r->config->imap_idle;
	imaps = imap;
	imaps.name = "imaps";
	imaps.implicit_tls = true;
	front_listen(r, l, "imap", open_imap, &imap);
	front_listen(r, l, "imaps", open_imap, &imaps);
}

static void serve_pop3(struct run *r, struct lobby *l, SSL_CTX *tls)
{
	static struct pop3_service pop3, pop3s;
	pop3_service_defaults(&pop3);
	pop3.name = "pop3";
	pop3.hostname = r->config->hostname;
	pop3.tls = tls;
	pop3.store = r->trunks[ROLE_STORE];
	pop3.keys = r->trunks[ROLE_KEYS];
	pop3.issuer = run_issuer(r);
	pop3.idle_ms = r->config->pop3_idle;
	pop3s = pop3;
	pop3s.name = "pop3s";
	pop3s.implicit_tls = true;
	front_listen(r, l, "pop3", open_pop3, &pop3);
	front_listen(r, l, "pop3s", open_pop3, &pop3s);
}

static void serve_sieve(struct run *r, struct lobby *l, SSL_CTX *tls)
{
	static struct managesieve_service sieve;
	managesieve_service_defaults(&sieve);
	sieve.hostname = r->config->hostname;
	sieve.tls = tls;
	sieve.store = r->trunks[ROLE_STORE];
	sieve.keys = r->trunks[ROLE_KEYS];
	sieve.scan = r->trunks[ROLE_SCAN];
	sieve.issuer = run_issuer(r);
	sieve.extensions = sieve_capabilities();
	sieve.notify = sieve_notify_methods();
	sieve.redirects = (unsigned)r->config->sieve_redirects;
	sieve.idle_ms = r->config->sieve_idle;
	front_listen(r, l, "sieve", open_sieve, &sieve);
}

void run_user(struct run *r)
{
	struct lobby *l = front_start(r, r->config->sessions_per_address);
	SSL_CTX *tls = tls_front_context(r->trunks[ROLE_KEYS]);
	serve_submission(r, l, tls);
	serve_imap(r, l, tls);
	serve_pop3(r, l, tls);
	serve_sieve(r, l, tls);
	run_ready(r);
	run_control(r);
}
