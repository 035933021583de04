/* web: HTTP for the monitoring on loopback, HTTPS for everybody; sessions in the lobby. */
#include "http/http.h"
#include "role/front.h"
#include "tls/tls.h"

#define CONSOLE_MOST ((size_t)32 << 20) /* octets of the console's pages */
#define BUDGET ((uint64_t)256 << 20)    /* octets of unfinished request bodies */

static struct session *open_http(const void *service, struct stream *s, const char *ip, unsigned port)
{
	return http_session_new(service, s, ip, port);
}

static void each_certificate(void *tls, void (*each)(void *arg, const char *name, int64_t ends_ms), void *arg)
{
	tls_front_each(tls, each, arg);
}

static void start_monitor(const struct run *r, struct http_monitor *monitor, SSL_CTX *tls)
{
	static const char *names[ROLE_COUNT];
	for (enum role i = 0; i < ROLE_COUNT; i++)
		names[i] = role_name(i);
	http_monitor_init(monitor, r->trunks[ROLE_STORE],
	    &(struct http_metrics){r->counters, ROLE_COUNT, names, each_certificate, tls});
}

static unsigned port_of(const struct config_addresses *a)
{
	return a->n ? a->at[0].port : 0;
}

static bool sign(void *context, struct slice content, struct buf *out)
{
	return tls_front_sign(context, content, out) == OK;
}

static void fill_setup(const struct run *r, SSL_CTX *tls, struct http_setup *s)
{
	const struct config *c = r->config;
	*s = (struct http_setup){
	    .store = r->trunks[ROLE_STORE],
	    .hostname = c->hostname,
	    .imaps = port_of(&c->listen_imaps),
	    .pop3s = port_of(&c->listen_pop3s),
	    .submissions = port_of(&c->listen_submissions),
	    .https = port_of(&c->listen_https),
	    .imap = port_of(&c->listen_imap),
	    .pop3 = port_of(&c->listen_pop3),
	    .submission = port_of(&c->listen_submission),
	    .issuer = run_issuer(r),
	    .sign = sign,
	    .sign_context = tls,
	};
}

/* NULL: there are no pages, or the file is no such file. */
static const struct http_console *read_console(const struct run *r)
{
	static struct buf pages = {.max = CONSOLE_MOST};
	run_file(r, "console", &pages);
	const struct http_console *c = pages.n ? http_console_read(buf_slice(&pages)) : NULL;
	if (pages.n && !c)
		EVENT(
		    CONFIG_BAD, KZ("file", "console"), KN("line", 0), KZ("why", "it is not a file of pages"));
	return c;
}

void run_web(struct run *r)
{
	static struct http_setup setup;
	static struct http_monitor monitor;
	static struct http_budget budget = {.most = BUDGET};
	static struct http_service http, https, acme;
	struct lobby *l = front_start(r, r->config->sessions_per_address);
	SSL_CTX *tls = tls_front_context(r->trunks[ROLE_KEYS]);
	tls_front_answer_acme(tls);
	start_monitor(r, &monitor, tls);
	fill_setup(r, tls, &setup);
	http_service_defaults(&http);
	http.name = "http";
	http.hostname = r->config->hostname;
	http.routes = &http_routes_local;
	http.monitor = &monitor;
	http.setup = &setup;
	http.budget = &budget;
	http.keys = r->trunks[ROLE_KEYS];
	acme = http;
	acme.name = "acme";
	acme.routes = &http_routes_acme;
	https = http;
	https.name = "https";
	https.console = read_console(r);
	https.implicit_tls = true;
	https.tls = tls;
	https.routes = &http_routes_public;
	front_listen(r, l, "http", open_http, &http);
	front_listen(r, l, "https", open_http, &https);
	front_listen(r, l, "acme", open_http, &acme);
	run_ready(r);
	run_control(r);
}
