/*
 * access: who may do what with a mailbox (RFC 4314), and what a mailbox is called by those it does not belong to.
 *
 * Every mailbox belongs to an account, whose owner has every right on it, always. Others have the rights that its access
 * control list grants to them, to a group they are in or to anyone, without those that it denies to any of these. Names:
 *
 *     Project                                   one's own
 *     Other Users/alice@here.example/Project    that of another person
 *     Shared/info@here.example/INBOX            that of a shared account, which nobody logs in to
 *
 * Whoever may not look a mailbox up is told that there is none. Every ask on a session's channel comes through here:
 * access_find for those that name a mailbox, access_selected for those about the selected one. For the account's own
 * mailboxes neither reads more than it would without lists.
 */
#ifndef STORE_MAILBOX_ACCESS_H
#define STORE_MAILBOX_ACCESS_H

#include "store/mailbox/mailbox.h"

enum right {
#define X(name, letter, bit, en, ja) RIGHT_##name = (bit),
#include "store/mailbox/rights.def"
#undef X
	RIGHTS_ALL = 2047
};

/* Whoever a list names; column `kind`. */
enum who_kind { WHO_ACCOUNT = 1, WHO_GROUP = 2, WHO_ANYONE = 3 };
struct who {
	enum who_kind kind;
	int64_t account;            /* WHO_ACCOUNT */
	struct slice domain, local; /* WHO_GROUP */
};

#define ACCESS_OTHERS SLICE("Other Users/")
#define ACCESS_SHARED SLICE("Shared/")

/* A mailbox as one account sees it. */
struct access {
	int64_t owner;     /* account */
	struct slice name; /* as its owner calls it */
	int64_t id;        /* 0: there is none of this name */
	unsigned rights;   /* on it, or where it would be made: on the level above */
	int64_t above;     /* id of the mailbox that one of this name would inherit from, 0: none */
	bool own;
};

/* By the name that `account` calls it. Strings in the arena. */
void access_find(struct db *db, int64_t account, struct slice name, struct arena *a, struct access *out);
/*
 * Whether it is there and all these rights are: GONE when it is not, or must seem so; DENY, and *why_out says NOPERM. `why_out`
 * is not changed otherwise.
 */
NODISCARD enum result access_need(const struct access *x, unsigned rights, const char **why_out);
/* The rights of an account on a mailbox that belongs to `owner`. */
unsigned access_rights(struct db *db, int64_t account, int64_t owner, int64_t mailbox);
/* The same about the selected mailbox of a session, as access_need. *rights_out may be NULL. */
NODISCARD enum result access_selected(
    struct db *db, const struct login *user, unsigned rights, unsigned *rights_out);
/* For those who ask before they put a job: with a reading connection of its own, and the turn answered when not OK. */
bool access_check_selected(
    struct ipc_turn *t, const struct login *user, unsigned rights, unsigned *rights_out);

/* The system flags that these rights let one set and clear; keywords need RIGHT_WRITE. */
uint32_t access_flags(unsigned rights);

/* What `account` calls a mailbox of `owner`. */
struct slice access_name(struct db *db, int64_t account, int64_t owner, struct slice name, struct arena *a);
/* A name that lies in, or is, one of the name spaces above: nobody's own mailbox is called so. */
bool access_is_reserved(struct slice name);

/* Those mailboxes of others that an account may look up. */
struct access_list {
	int64_t *ids;
	size_t n, cap;
};
void access_visible(struct db *db, int64_t account, struct arena *a, struct access_list *out);

/* Calls back with each group that an account is in, through aliases and other groups. */
void access_groups(struct db *db, int64_t account,
    void (*each)(void *arg, struct slice domain, struct slice local), void *arg);

/* ---- lists ---- */

/* "lrs..."; with "c" and "d", which stand for k and for e, t, x (RFC 4314 2.1.1). */
void access_put_rights(struct buf *b, unsigned rights);
NODISCARD enum result access_parse_rights(struct slice text, unsigned *out);
/* "alice@here.example", "group:sales@here.example", "anyone"; GONE: there is no such person or group. */
NODISCARD enum result access_parse_who(struct db *db, struct slice text, struct arena *a, struct who *out);
void access_put_who(struct db *db, const struct who *w, struct buf *b);
enum access_change { ACCESS_REPLACE, ACCESS_ADD, ACCESS_TAKE };
/* Changes what a list says of somebody, in apply(). FULL: LIMIT_ACL. */
NODISCARD enum result access_change(struct db *db, int64_t mailbox, const struct who *w, bool negative,
    enum access_change how, unsigned rights);
/* Column by column from rows of ACL_OF. */
void access_read_who(const struct db_rows *rows, struct who *out);
/* An account is, or is in, whom a list names. Groups are followed through aliases and groups. */
bool access_is(struct db *db, int64_t account, const struct who *w);

#endif
