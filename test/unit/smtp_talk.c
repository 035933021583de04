/* The SMTP server against the conversations in test/talk/smtp. */
#include "kit/roles.h"
#include "kit/talk.h"
#include "smtp/smtp.h"
#include <openssl/ssl.h>
#include <stdio.h>

struct context {
	struct roles *roles;
	struct smtp_service service;
	struct smtp_budget budget;
	SSL_CTX *tls;
};

static void be_service(struct context *c, const char *name, bool submission)
{
	c->service =
	    (struct smtp_service){.name = name, .hostname = "mx.our.example", .submission = submission};
	smtp_service_defaults(&c->service);
	c->service.greeting_ms = 0; /* a memory peer is always early */
	c->service.tls = c->tls;
	c->service.store = roles_store(c->roles, submission);
	c->service.scan = roles_scan(c->roles, submission);
	c->service.keys = roles_keys(c->roles);
	c->service.budget = &c->budget;
	c->budget = (struct smtp_budget){.most = (uint64_t)1 << 30};
}

static void reset(void *context)
{
	struct context *c = context;
	roles_reset(c->roles);
	be_service(c, "smtp", false);
}

static bool set(struct context *c, struct slice name, struct slice value)
{
	uint64_t n;
	if (num_u64(value, UINT64_MAX, &n) != OK)
		return false;
	if (slice_eq(name, SLICE("message_size")))
		c->service.message_size = n;
	else if (slice_eq(name, SLICE("rcpts")))
		c->service.rcpts = (unsigned)n;
	else if (slice_eq(name, SLICE("budget")))
		c->budget.most = n;
	else if (slice_eq(name, SLICE("tls")))
		c->service.tls = n ? c->tls : NULL;
	else if (slice_eq(name, SLICE("tokens")))
		c->service.issuer = n ? "https://mx.our.example" : NULL;
	else if (slice_eq(name, SLICE("show_client")))
		c->service.show_client = n;
	else
		return false;
	return true;
}

/* "SERVICE smtp|submission|submissions", "SET name number", or for the other roles. */
static bool directive(void *context, struct slice line)
{
	struct context *c = context;
	struct slice rest = line, word = slice_split(&rest, ' ');
	if (slice_eq(word, SLICE("SET"))) {
		struct slice name = slice_split(&rest, ' ');
		return set(c, name, rest);
	}
	if (!slice_eq(word, SLICE("SERVICE")))
		return roles_directive(c->roles, line);
	if (slice_eq(rest, SLICE("submission")))
		be_service(c, "submission", true);
	else if (slice_eq(rest, SLICE("submissions"))) {
		be_service(c, "submissions", true);
		c->service.implicit_tls = true;
	}
	return true;
}

static struct session *open_session(void *context, struct stream *stream)
{
	struct context *c = context;
	return smtp_session_new(&c->service, stream, "192.0.2.7", 40000);
}

static struct slice get_log(void *context)
{
	struct context *c = context;
	return roles_log(c->roles);
}

int main(int argc, char **argv)
{
	struct context c = {.roles = roles_start(), .tls = SSL_CTX_new(TLS_server_method())};
	struct talk_service service = {&c, reset, directive, open_session, get_log};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	int count, failed = 0;
	for (int i = 1; i < argc; i++)
		failed += talk_folder(argv[i], &service, &count);
	SSL_CTX_free(c.tls);
	printf("%d talks, %d failed; budget left in use: %llu\n", count, failed,
	    (unsigned long long)c.budget.used);
	return failed || !count || c.budget.used;
}
