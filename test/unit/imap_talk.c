/* The IMAP server against the conversations in test/talk/imap. */
#include "imap/imap.h"
#include "kit/mailboxes.h"
#include "kit/samples.h"
#include "kit/talk.h"
#include <stdio.h>

struct context {
	struct mailboxes *mailboxes;
	struct imap_service service;
	SSL_CTX *tls;
};

static void reset(void *context)
{
	struct context *c = context;
	mailboxes_reset(c->mailboxes);
	imap_service_defaults(&c->service);
	c->service.name = "imaps";
	c->service.hostname = "mx.our.example";
	c->service.implicit_tls = true;
	c->service.tls = c->tls;
	c->service.store = mailboxes_store(c->mailboxes);
	c->service.keys = mailboxes_keys(c->mailboxes);
	c->service.issuer = "https://mx.our.example";
	c->service.scan = mailboxes_scan(c->mailboxes);
}

/* "MAIL mailbox sample flags day": adds a message that arrived at noon of that day of January 2024. */
static bool add_mail(struct context *c, struct slice rest)
{
	ARENA_LOCAL(a, 65536);
	struct slice mailbox = slice_split(&rest, ' '), sample = slice_split(&rest, ' '),
		     flag = slice_split(&rest, ' ');
	uint32_t flags = 0, day = 1;
	if ((flag.n && num_u32(flag, UINT32_MAX, &flags) != OK) || (rest.n && num_u32(rest, 31, &day) != OK))
		return false;
	struct slice message = sample_find(sample);
	int64_t at = 1704110400000 + DAY_MS * ((int64_t)day - 1);
	return message.p && mailboxes_add(c->mailboxes, arena_z(&a, mailbox), message, flags, at);
}

/* "LETTER mailbox flags day Field: value|Field: value": the same, with these fields and nothing else. */
static bool add_letter(struct context *c, struct slice rest)
{
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(text, 65536);
	struct slice mailbox = slice_split(&rest, ' '), flag = slice_split(&rest, ' '),
		     on = slice_split(&rest, ' ');
	uint32_t flags, day;
	if (num_u32(flag, UINT32_MAX, &flags) != OK || num_u32(on, 31, &day) != OK)
		return false;
	while (rest.n) {
		buf_put(&text, slice_split(&rest, '|'));
		buf_puts(&text, "\r\n");
	}
	buf_puts(&text, "\r\nText\r\n");
	int64_t at = 1704110400000 + DAY_MS * ((int64_t)day - 1);
	return mailboxes_add(c->mailboxes, arena_z(&a, mailbox), buf_slice(&text), flags, at);
}

/* "SERVICE imap|imaps", "SET message_size|message_limit|progress_ms|facts_most number", "MAIL ...", "LETTER ...". */
static bool directive(void *context, struct slice line)
{
	struct context *c = context;
	struct slice rest = line, word = slice_split(&rest, ' ');
	uint64_t n;
	if (slice_eq(word, SLICE("MAIL")))
		return add_mail(c, rest);
	if (slice_eq(word, SLICE("LETTER")))
		return add_letter(c, rest);
	if (slice_eq(word, SLICE("SERVICE"))) {
		c->service.implicit_tls = slice_eq(rest, SLICE("imaps"));
		return true;
	}
	if (!slice_eq(word, SLICE("SET")))
		return false;
	struct slice name = slice_split(&rest, ' ');
	if (num_u64(rest, UINT64_MAX, &n) != OK)
		return false;
	if (slice_eq(name, SLICE("message_size")))
		c->service.message_size = n;
	else if (slice_eq(name, SLICE("message_limit")))
		c->service.message_limit = (uint32_t)n;
	else if (slice_eq(name, SLICE("progress_ms")))
		c->service.progress_ms = (int64_t)n;
	else if (slice_eq(name, SLICE("facts_most")))
		mailboxes_facts_most(c->mailboxes, n);
	else
		return false;
	return true;
}

static struct session *open_session(void *context, struct stream *stream)
{
	struct context *c = context;
	return imap_session_new(&c->service, stream, "192.0.2.7", 40000);
}

static struct slice no_log(void *context)
{
	(void)context;
	return SLICE("");
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
