/*
 * dsn: delivery status notifications, RFC 3464 (and RFC 6533 where an address is UTF-8).
 *
 * One message: a text for people in Japanese and English that says in plain words what happened and what to do
 * (dsn_text.def), the message/delivery-status for programs, and the original message or its header. It is to be
 * sent with the null sender and carries Auto-Submitted, so that nothing answers it. Whether one may be sent at all
 * (never for a null sender; NOTIFY) is for the caller to know.
 */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "mail/address.h"
#include "mail/date.h"

enum mail_dsn_action {
	MAIL_DSN_FAILED,
	MAIL_DSN_DELAYED,
	MAIL_DSN_DELIVERED,
	MAIL_DSN_RELAYED,
	MAIL_DSN_EXPANDED
};

struct mail_dsn_rcpt {
	struct mail_addr addr;   /* Final-Recipient */
	struct slice orcpt_type; /* "rfc822"; empty when the sender gave no ORCPT */
	struct slice orcpt;      /* decoded */
	enum mail_dsn_action action;
	struct slice status;           /* "5.1.1" */
	struct slice remote_mta;       /* host name; empty when none was spoken to */
	struct slice diagnostic;       /* the remote reply, "550 5.1.1 no such user"; may hold line ends */
	struct mail_date last_attempt; /* ms 0: left out */
	struct mail_date retry_until;  /* for delayed; ms 0: left out */
};

struct mail_dsn {
	struct slice reporting_mta; /* our host name */
	struct slice from_domain;   /* in From: MAILER-DAEMON@from_domain */
	struct mail_addr to;        /* the original sender */
	struct slice message_id;    /* of the notification, without brackets */
	struct slice envid;         /* decoded; empty when none */
	struct slice received_from; /* the client's name; empty: left out */
	struct mail_date arrival;   /* of the original message */
	struct mail_date date;      /* of the notification */
	const struct mail_dsn_rcpt *rcpts;
	size_t rcpt_count;
	struct slice original; /* the whole message, or its header */
	bool full;             /* RET=FULL: return all of it if it can go by DATA, not only the header */
};

/* FULL when b's maximum was reached. */
NODISCARD enum result mail_dsn_put(struct buf *b, const struct mail_dsn *d);

const char *mail_dsn_action_name(enum mail_dsn_action a); /* "failed", ... */
/* What a status means and what its reader can do, in one sentence or two; never empty. */
const char *mail_dsn_text_ja(struct slice status);
const char *mail_dsn_text_en(struct slice status);

#endif
