/* trace: the fields that every message is given on top, RFC 5321 4.4. Pure. */
#ifndef SMTP_TRACE_H
#define SMTP_TRACE_H

#include "ipc/ipc.h"
#include "mail/address.h"

#define SMTP_MAIL_ID 16 /* characters [0-9a-z] */

struct smtp_trace {
	struct mail_addr sender;
	const Sekisho__Client *client;
	const char *hostname;
	const char *mail_id;
	const struct mail_addr *rcpt; /* the only recipient, NULL when there are more: no Bcc is given away */
	bool esmtp, authenticated, utf8;
	bool hide_client; /* neither address nor name of the client */
	int64_t now_ms;
};

/* Return-Path and Received; returns the length of the first, which only local copies keep. */
size_t smtp_trace_put(struct buf *out, const struct smtp_trace *t);
/* "ESMTPSA" and its like, RFC 3848, RFC 6531 4.3. */
const char *smtp_trace_with(bool esmtp, bool tls, bool authenticated, bool utf8);
/* Received fields in a header; it ends at an empty line or with the slice. */
unsigned smtp_trace_hops(struct slice header);
/* A new id: they sort by time, and half of it cannot be guessed. */
void smtp_mail_id(char out[SMTP_MAIL_ID + 1]);

#endif
