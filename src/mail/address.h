/*
 * address: mailboxes as SMTP writes them (RFC 5321 4.1.2, RFC 6531) and address lists as headers write them.
 *
 * SMTP is read strictly, with one exception: dots may stand anywhere in a local part, because addresses such as
 * "a..b@docomo.ne.jp" and "a.@ezweb.ne.jp" exist in great number; written out, they are quoted. Headers are read
 * as people's programs write them: nothing is refused, what makes no sense becomes a mailbox without a domain.
 *
 * All results are slices of the input, or of the arena where quoting had to be undone.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/base.h"

struct mail_addr {
	struct slice local; /* unquoted; empty only in the null path */
	struct slice
	    domain; /* as written; "[192.0.2.1]" with its brackets; empty in the null path and <postmaster> */
};

/* "local@domain" and nothing else. BAD when it is not a mailbox, FULL above LIMIT_ADDRESS or the arena's cap. */
NODISCARD enum result mail_addr_parse(struct slice s, struct arena *a, struct mail_addr *out);
/*
 * "<...>" from the cursor on: a mailbox, a mailbox behind a source route (dropped, RFC 5321 appendix C), the null
 * path "<>" or "<postmaster>". The cursor stands behind the ">" afterwards and has failed when it is no path.
 */
NODISCARD enum result mail_path_parse(struct cursor *c, struct arena *a, struct mail_addr *out);

static inline bool mail_addr_null(struct mail_addr m)
{
	return m.local.n == 0 && m.domain.n == 0;
}
/* Some octet above 127: needs SMTPUTF8. */
static inline bool mail_addr_utf8(struct mail_addr m)
{
	return !slice_is_ascii(m.local) || !slice_is_ascii(m.domain);
}
/* Same local part to the octet, same domain without regard to ASCII case. */
bool mail_addr_eq(struct mail_addr a, struct mail_addr b);

/* Writes local@domain, the local part quoted where RFC 5321 needs it; nothing for the null path. */
void mail_addr_put(struct buf *b, struct mail_addr m);
/* The same in angle brackets: what follows MAIL FROM: and RCPT TO:. */
void mail_path_put(struct buf *b, struct mail_addr m);

/* A host name (letters, digits, hyphens, underscores; UTF-8 that IDNA 2008 accepts) or an address literal. */
bool mail_domain_valid(struct slice domain);
/* A host name only. */
bool mail_host_valid(struct slice host);
/* The domain for comparing and for DNS: A-labels, lower case, no final dot. BAD when IDNA refuses it. */
NODISCARD enum result mail_domain_ascii(struct slice domain, struct arena *a, struct slice *out);
/* The domain for people: U-labels where they can be had, lower case. */
NODISCARD enum result mail_domain_unicode(struct slice domain, struct arena *a, struct slice *out);
/* The mailbox with mail_domain_ascii() applied; the local part untouched. */
NODISCARD enum result mail_addr_canon(struct mail_addr m, struct arena *a, struct mail_addr *out);

/* xtext, RFC 3461 4: "+3D" is "=". Decoding gives BAD on anything that is not xtext. */
NODISCARD enum result mail_xtext_decode(struct slice s, struct buf *out);
void mail_xtext_put(struct buf *b, struct slice s);
/* utf-8-addr-xtext and utf-8-addr-unitext, RFC 6533 3: "\x{2B}" beside xtext and plain UTF-8. */
NODISCARD enum result mail_utf8_xtext_decode(struct slice s, struct buf *out);
/* utf-8-addr-xtext: all in ASCII. */
void mail_utf8_xtext_put(struct buf *b, struct slice s);

enum mail_entry_kind { MAIL_ENTRY_MAILBOX, MAIL_ENTRY_GROUP_START, MAIL_ENTRY_GROUP_END };

/* One entry of a header's address list, RFC 5322 3.4. */
struct mail_entry {
	struct mail_entry *next;
	enum mail_entry_kind kind;
	struct slice
	    name; /* display name or group name; RFC 2047 undecoded. A lone comment counts as the name */
	struct slice route;  /* obsolete source route */
	struct slice local;  /* unquoted */
	struct slice domain; /* empty when there was none */
	bool broken;         /* did not follow the grammar, obsolete forms included */
};

struct mail_entries {
	struct mail_entry *first;
	size_t count;
	bool cut; /* more than LIMIT_ADDRESSES, or the arena was full */
};

/* The value of an address field, folded or not. Linear time; never fails. */
void mail_entries_parse(struct slice value, struct arena *a, struct mail_entries *out);

#endif
