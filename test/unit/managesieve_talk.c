/* The ManageSieve server against the conversations in test/talk/managesieve. */
#include "kit/mailboxes.h"
#include "kit/talk.h"
#include "managesieve/managesieve.h"
#include <stdio.h>

struct context {
	struct mailboxes *mailboxes;
	struct managesieve_service service;
	SSL_CTX *tls;
};

static void reset(void *context)
{
	struct context *c = context;
	mailboxes_reset(c->mailboxes);
	managesieve_service_defaults(&c->service);
	c->service.hostname = "mx.our.example";
	c->service.tls = c->tls;
	c->service.extensions = SLICE("fileinto envelope");
	c->service.notify = SLICE("mailto");
	c->service.store = mailboxes_store(c->mailboxes);
	c->service.keys = mailboxes_keys(c->mailboxes);
	c->service.issuer = "https://mx.our.example";
	c->service.scan = mailboxes_scan(c->mailboxes);
}

static bool directive(void *context, struct slice line)
{
	(void)context;
	(void)line;
	return false;
}

static struct session *open_session(void *context, struct stream *stream)
{
	struct context *c = context;
	return managesieve_session_new(&c->service, stream, "192.0.2.7", 40000);
}

static struct slice no_log(void *context)
{
	(void)context;
	return SLICE_NONE;
}

int main(int argc, char **argv)
{
	struct context c = {.mailboxes = mailboxes_start(), .tls = SSL_CTX_new(TLS_server_method())};
	struct talk_service service = {&c, reset, directive, open_session, no_log};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	int count = 0, failed = 0;
	for (int i = 1; i < argc; i++)
		failed += talk_folder(argv[i], &service, &count);
	SSL_CTX_free(c.tls);
	printf("%d talks, %d failed\n", count, failed);
	return failed || !count;
}
