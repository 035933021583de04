/* relay: outbound SMTP; see relay/relay.h. */
#include "relay/acme.h"
#include "relay/post.h"
#include "relay/relay.h"
#include "relay/syslog.h"
#include "role/run.h"
#include "trust/trust.h"
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

/* The first line of the password file, for the life of the process. */
static const char *smart_host_password(const struct run *r)
{
	static struct buf text = {.max = 4096};
	return run_secret_line(r, "relay_password", &text);
}

/* Likewise of the gateway for short messages; "": there is none. */
static const char *sms_secret(const struct run *r)
{
	static struct buf text = {.max = 4096};
	const char *line = run_secret_line(r, "sms_secret", &text);
	return line ? line : "";
}

static enum relay_tls tls_of(const struct config *c)
{
	switch ((enum config_relay_tls)c->relay_tls) {
	case CONFIG_VERIFIED:
		return RELAY_TLS_VERIFIED;
	case CONFIG_REQUIRED:
		return RELAY_TLS_MUST;
	default:
		return RELAY_TLS_MAY;
	}
}

/* The configured routes and, behind them, the smart host. */
static size_t make_routes(const struct run *r, struct relay_route **out)
{
	const struct config *c = r->config;
	struct relay_route *routes = calloc(c->route.n + 1, sizeof *routes);
	size_t n = 0;
	if (!routes)
		abort();
	for (; n < c->route.n; n++) {
		const struct config_route *from = &c->route.at[n];
		routes[n] = (struct relay_route){
		    .domain = from->domain, .host = from->to.host, .port = from->to.port, .tls = tls_of(c)};
	}
	if (*c->relay_host.host) {
		const char *user = *c->relay_user ? c->relay_user : NULL;
		uint16_t port = c->relay_host.port ? c->relay_host.port : 587;
		routes[n++] = (struct relay_route){
		    .host = c->relay_host.host,
		    .port = port,
		    .implicit_tls = port == 465,
		    .tls = user ? RELAY_TLS_VERIFIED : tls_of(c),
		    .user = user,
		    .password = user ? smart_host_password(r) : NULL,
		};
	}
	*out = routes;
	return n;
}

/* What is on its way is finished and reported, so that it is not sent again after the next start. */
static void stop_relay(void *relay)
{
	(void)relay_stop(relay, STOP_FIRST_MS - 1000);
}

/* Before the jail: the authorities that are trusted are read here. */
static struct https *make_https(const struct run *r, SSL_CTX *verified, struct https_settings *s)
{
	BUF_LOCAL(ca, 4 << 20);
	run_file(r, "acme_ca", &ca);
	if (ca.n)
		s->trust = https_trust(buf_slice(&ca));
	else if (verified)
		s->trust = SSL_CTX_get_cert_store(verified);
	if (ca.n && !s->trust)
		EVENT(CONFIG_BAD, KZ("file", r->config->acme_ca_file), KN("line", 0),
		    KZ("why", "there is no certificate in it"));
	s->user_agent = "sekisho";
	s->inside = ca.n > 0;
	s->keep = 1;
	return https_new(s);
}

/* For policies of MTA-STS: other domains' servers, whose addresses are judged as those of their mail servers are. */
static struct https *make_policy_https(const struct config *c, SSL_CTX *verified, struct https_settings *s)
{
	s->trust = verified ? SSL_CTX_get_cert_store(verified) : NULL;
	s->inside = c->demo || c->relay_private_addresses;
	return s->trust ? https_new(s) : NULL;
}

/* For alarms and short messages: what the administrator named, wherever it is. NULL: he named none. */
static struct https *make_hook_https(const struct run *r, const char *url, const char *ca_name,
    const char *ca_file, SSL_CTX *verified, struct https_settings *s)
{
	BUF_LOCAL(ca, 4 << 20);
	if (!*url)
		return NULL;
	run_file(r, ca_name, &ca);
	if (ca.n)
		s->trust = https_trust(buf_slice(&ca));
	else if (verified)
		s->trust = SSL_CTX_get_cert_store(verified);
	if (!s->trust)
		EVENT(CONFIG_BAD, KZ("file", ca_file), KN("line", 0),
		    KZ("why", "there is no certificate in it"));
	s->user_agent = "sekisho";
	s->inside = true;
	return s->trust ? https_new(s) : NULL;
}

static void start_syslog(const struct run *r, struct syslog_settings *s, struct dns *dns)
{
	const struct config *c = r->config;
	if (!s->verified) {
		if (*c->audit_syslog.host)
			EVENT(CONFIG_BAD, KZ("file", c->audit_syslog_ca_file), KN("line", 0),
			    KZ("why", "there is no certificate in it"));
		return;
	}
	s->store = r->trunks[ROLE_STORE];
	s->dns = dns;
	s->hostname = c->hostname;
	s->host = c->audit_syslog.host;
	s->port = c->audit_syslog.port ? c->audit_syslog.port : SYSLOG_PORT;
	relay_syslog_start(s);
}

void run_relay(struct run *r)
{
	static struct relay_settings s;
	static struct https_settings https, policies, hooks, gateway;
	static struct post_settings post;
	static struct acme_settings acme;
	static struct syslog_settings syslog;
	const struct config *c = r->config;
	struct relay_route *routes;
	s.store = r->trunks[ROLE_STORE];
	s.hostname = c->hostname;
	s.routes_n = make_routes(r, &routes);
	s.routes = routes;
	s.tls = tls_of(c);
	const char *authorities = *c->relay_ca_file ? c->relay_ca_file : NULL;
	s.unverified = tls_client_context(TLS_UNVERIFIED, authorities);
	s.verified = tls_client_context(TLS_VERIFIED, authorities);
	s.dane = tls_client_context(TLS_BY_CALLER, NULL);
	dane_prepare(s.dane);
	s.connections = (unsigned)c->relay_connections;
	s.per_destination = (unsigned)c->relay_per_destination;
	s.loopback = c->demo;
	s.private = c->relay_private_addresses;
	acme.https = make_https(r, s.verified, &https);
	s.https = make_policy_https(c, s.verified, &policies);
	post = (struct post_settings){.store = s.store,
	    .reports = s.https,
	    .alarms = make_hook_https(r, c->alarm_webhook, "alarm_ca", c->alarm_ca_file, s.verified, &hooks),
	    .webhook = c->alarm_webhook,
	    .sms = make_hook_https(r, c->sms_url, "sms_ca", c->sms_ca_file, s.verified, &gateway),
	    .sms_url = c->sms_url,
	    .sms_body = *c->sms_body ? c->sms_body : "{\"to\":\"{to}\",\"text\":\"{text}\"}",
	    .sms_type = c->sms_type,
	    .sms_authorization = c->sms_authorization,
	    .sms_secret = sms_secret(r)};
	syslog.verified =
	    *c->audit_syslog.host
		? tls_client_context(TLS_VERIFIED, *c->audit_syslog_ca_file ? c->audit_syslog_ca_file : NULL)
		: NULL;
	run_jail(r, c->relay_connections * 4 + 1024, 0);
	static struct dns_trunk dns;
	dns_trunk_init(&dns, r->trunks[ROLE_RESOLVER]);
	s.dns = https.dns = policies.dns = hooks.dns = gateway.dns = acme.dns = &dns.dns;
	acme.keys = r->trunks[ROLE_KEYS];
	acme.store = r->trunks[ROLE_STORE];
	acme.hostname = c->hostname;
	acme.domains = *c->acme_directory && c->acme_domains;
	acme.resolver = r->trunks[ROLE_RESOLVER];
	acme.update_key = c->acme_dns_update && *c->dns_update_key ? c->dns_update_key : NULL;
	acme.update_wait_ms = c->acme_dns_wait;
	if (https.trust)
		relay_acme_start(&acme);
	relay_post_start(&post);
	start_syslog(r, &syslog, &dns.dns);
	r->stop_context = relay_start(&s);
	if (!r->stop_context)
		_exit(EX_OSERR);
	r->stop = stop_relay;
	run_ready(r);
	run_control(r);
}
