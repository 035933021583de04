/*
 * submit: what a message still needs when it comes from its author's program (RFC 6409 8). Pure.
 *
 * The header is kept back until it is complete. Bcc and Return-Path fields are taken out; Date, Message-ID and From are
 * put on top where missing. Everything else stays as it is, to the octet. Who the message says it is from is noted, so
 * that it can be checked that it is the account's to say.
 */
#ifndef SMTP_SUBMIT_H
#define SMTP_SUBMIT_H

#include "mail/address.h"
#include "reply.h"

#define SUBMIT_FROMS 20 /* addresses in From; more are refused */

struct smtp_submit {
	struct buf header; /* as received */
	bool done;
	struct arena *arena;
	struct mail_addr from[SUBMIT_FROMS];
	size_t froms;
};

struct smtp_submit_facts {
	struct mail_addr sender; /* for a missing From; null path: none is added */
	const char *hostname, *mail_id;
	int64_t now_ms;
};

struct smtp_submit *smtp_submit_new(struct arena *a); /* NULL at the arena's cap */
/* Frees and sets NULL; *s may be NULL. */
void smtp_submit_free(struct smtp_submit **s);
/*
 * Takes a run of the message. False while the header goes on; true once it is complete: *rest_out then is what of the
 * run belongs to the body. Not called again after that.
 */
bool smtp_submit_take(struct smtp_submit *s, struct slice run, struct slice *rest_out);
/* The header is complete, or the message has ended: the header as it shall be, with its empty line if there was one. */
enum smtp_reply smtp_submit_finish(
    struct smtp_submit *s, const struct smtp_submit_facts *facts, struct buf *out);

/*
 * The header again, for a message on somebody's behalf (RFC 5322 3.6.2): Sender says who sends it, and what a Sender field
 * said before is taken out. `user` is an address.
 */
enum smtp_reply smtp_submit_sender(struct slice header, struct slice user, struct arena *a, struct buf *out);

#endif
