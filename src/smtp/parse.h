/*
 * parse: command lines to values (RFC 5321 4.1, and the extensions announced by EHLO). Pure.
 *
 * The parsers of arguments return what to reply when they refuse, REPLY_NONE when all is well. Everything in their
 * results lives in the arena: a line is gone with the next read.
 */
#ifndef SMTP_PARSE_H
#define SMTP_PARSE_H

#include "mail/address.h"
#include "reply.h"

enum smtp_verb {
#define X(name, needs, function) VERB_##name,
#include "verbs.def"
#undef X
	VERB_UNKNOWN
};
const char *smtp_verb_name(enum smtp_verb v);
/* The verb, and what follows it without blanks around. */
enum smtp_verb smtp_verb_parse(struct slice line, struct slice *args_out);

enum smtp_body_type { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum smtp_ret { RET_NONE, RET_FULL, RET_HDRS };

struct smtp_mail_args {
	struct mail_addr from;    /* domain in lower case */
	uint64_t size;            /* SIZE=, RFC 1870; 0: not given */
	enum smtp_body_type body; /* BODY=, RFC 6152, RFC 3030 */
	bool utf8;                /* SMTPUTF8, RFC 6531 */
	enum smtp_ret ret;        /* RET=, RFC 3461 */
	struct slice envid;       /* ENVID=, decoded */
	bool require_tls;         /* REQUIRETLS, RFC 8689 */
};
/* After "MAIL": "FROM:<...> parameters". AUTH= (RFC 4954 5) is checked and forgotten: nobody is trusted to vouch. */
enum smtp_reply smtp_mail_parse(
    struct slice args, bool with_auth, struct arena *a, struct smtp_mail_args *out);

enum smtp_notify { NOTIFY_SUCCESS = 1, NOTIFY_FAILURE = 2, NOTIFY_DELAY = 4, NOTIFY_NEVER = 8 };

struct smtp_rcpt_args {
	struct mail_addr to; /* <postmaster> has no domain */
	unsigned notify;     /* NOTIFY=, RFC 3461; bits of enum smtp_notify, 0: not given */
	struct slice orcpt;  /* ORCPT=, "type;decoded address"; empty: not given */
};
/* After "RCPT": "TO:<...> parameters". */
enum smtp_reply smtp_rcpt_parse(struct slice args, bool utf8, struct arena *a, struct smtp_rcpt_args *out);

/* "size" or "size LAST", RFC 3030 2. */
enum smtp_reply smtp_bdat_parse(struct slice args, uint64_t *size_out, bool *last_out);
/* Who the client says it is: one word without controls, at most LIMIT_DNS_NAME octets. */
enum smtp_reply smtp_helo_parse(struct slice args, struct slice *name_out);
/* "mechanism" or "mechanism initial-response"; initial.p is NULL when there was none. */
enum smtp_reply smtp_auth_parse(struct slice args, struct slice *mechanism_out, struct slice *initial_out);

#endif
