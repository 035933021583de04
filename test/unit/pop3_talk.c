/* The POP3 server against the conversations in test/talk/pop3. */
#include "kit/mailboxes.h"
#include "kit/samples.h"
#include "kit/talk.h"
#include "pop3/pop3.h"
#include <stdio.h>

struct context {
	struct mailboxes *mailboxes;
	struct pop3_service service;
	SSL_CTX *tls;
	struct buf log;
};

static void reset(void *context)
{
	struct context *c = context;
	mailboxes_reset(c->mailboxes);
	pop3_service_defaults(&c->service);
	c->service.name = "pop3s";
	c->service.hostname = "mx.our.example";
	c->service.implicit_tls = true;
	c->service.tls = c->tls;
	c->service.store = mailboxes_store(c->mailboxes);
	c->service.keys = mailboxes_keys(c->mailboxes);
	c->service.issuer = "https://mx.our.example";
}

/* "MAIL mailbox sample flags": adds a message. */
static bool add_mail(struct context *c, struct slice rest)
{
	ARENA_LOCAL(a, 65536);
	struct slice mailbox = slice_split(&rest, ' '), message = sample_find(slice_split(&rest, ' '));
	return message.p && mailboxes_add(c->mailboxes, arena_z(&a, mailbox), message, 0, 1704110400000);
}

/* "SERVICE pop3|pop3s", "MAIL ...". */
static bool directive(void *context, struct slice line)
{
	struct context *c = context;
	struct slice rest = line, word = slice_split(&rest, ' ');
	if (slice_eq(word, SLICE("MAIL")))
		return add_mail(c, rest);
	if (!slice_eq(word, SLICE("SERVICE")))
		return false;
	c->service.implicit_tls = slice_eq(rest, SLICE("pop3s"));
	return true;
}

static struct session *open_session(void *context, struct stream *stream)
{
	struct context *c = context;
	return pop3_session_new(&c->service, stream, "192.0.2.7", 40000);
}

/* What is left in INBOX in the end. */
static struct slice left(void *context)
{
	struct context *c = context;
	buf_clear(&c->log);
	buf_printf(&c->log, "INBOX %zu\n", mailboxes_count(c->mailboxes, "INBOX"));
	return buf_slice(&c->log);
}

int main(int argc, char **argv)
{
	struct context c = {.mailboxes = mailboxes_start(), .tls = SSL_CTX_new(TLS_server_method())};
	buf_init(&c.log, 1000);
	struct talk_service service = {&c, reset, directive, open_session, left};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	int count = 0, failed = 0;
	for (int i = 1; i < argc; i++)
		failed += talk_folder(argv[i], &service, &count);
	SSL_CTX_free(c.tls);
	buf_free(&c.log);
	printf("%d talks, %d failed\n", count, failed);
	return failed || !count;
}
