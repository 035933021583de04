#include "trace.h"
#include "mail/build.h"
#include <stdlib.h>
#include <sys/random.h>

const char *smtp_trace_with(bool esmtp, bool tls, bool authenticated, bool utf8)
{
	static const char *const words[] = {
	    "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
	return esmtp ? words[4 * utf8 + 2 * tls + authenticated] : "SMTP";
}

size_t smtp_trace_put(struct buf *out, const struct smtp_trace *t)
{
	size_t from = out->n;
	const Sekisho__Client *client = t->client;
	buf_puts(out, "Return-Path: ");
	mail_path_put(out, t->sender);
	buf_puts(out, "\r\n");
	size_t strip = out->n - from;
	BUF_LOCAL(tls, 200);
	if (client->tls[0])
		buf_printf(&tls, "%s %s", client->tls, client->cipher);
	struct mail_received received = {.by = slice_str(t->hostname),
	    .with = slice_str(smtp_trace_with(t->esmtp, client->tls[0], t->authenticated, t->utf8)),
	    .tls = buf_slice(&tls),
	    .id = slice_str(t->mail_id),
	    .date = {.ms = t->now_ms}};
	if (!t->hide_client) {
		/* RFC 6531 3.7.3: UTF-8 in trace fields only of messages that may have it */
		received.helo = t->utf8 || slice_is_ascii(slice_str(client->helo)) ? slice_str(client->helo)
										   : SLICE("unknown");
		received.ip = slice_str(client->ip);
	}
	if (t->rcpt)
		received.rcpt = *t->rcpt;
	mail_put_received(out, &received);
	return strip;
}

unsigned smtp_trace_hops(struct slice header)
{
	unsigned hops = 0;
	while (header.n && header.p[0] != '\r') {
		hops += slice_istarts(header, SLICE("Received:"));
		slice_split(&header, '\n');
	}
	return hops;
}

void smtp_mail_id(char out[SMTP_MAIL_ID + 1])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint64_t time = (uint64_t)clock_utc_ms(), chance;
	if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
		abort();
	for (int i = 8; i >= 0; i--, time /= 36)
		out[i] = digits[time % 36];
	for (int i = 9; i < SMTP_MAIL_ID; i++, chance /= 36)
		out[i] = digits[chance % 36];
	out[SMTP_MAIL_ID] = '\0';
}
