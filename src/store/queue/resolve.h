/*
 * resolve: who is behind a recipient address.
 *
 * Domains compare without case and by their A-labels, local parts without ASCII case. In order: the address itself
 * (account, alias, group), the same without its detail ("+tag"), postmaster and abuse (which work in every domain, as do the
 * addresses of reports, whoever else is behind them), the
 * domain's catch-all. A sender that was rewritten here (srs.h) leads back to the original one. Aliases and groups are
 * followed up to LIMIT_ALIAS_DEPTH levels and LIMIT_ALIAS_TARGETS targets, circles are harmless, and each person gets one
 * copy of a message however many ways lead to them.
 *
 * Nothing in a local part is ever taken for a route: "user%remote", "remote!user" and "user@remote" are plain names of
 * local users, who do not exist.
 */
#ifndef STORE_QUEUE_RESOLVE_H
#define STORE_QUEUE_RESOLVE_H

#include "store/inside.h"

struct target {
	struct target *next;
	unsigned rcpt;   /* the recipient of the envelope it comes from */
	bool spread;     /* one of several behind that recipient */
	bool report;     /* nobody: it is read as a report about mail (reports.h) */
	int64_t account; /* 0: elsewhere */
	int64_t inbox;
	struct slice local; /* of the account's own address, or of the one elsewhere */
	struct slice domain;
};

struct verdict {
	enum result result;
	unsigned code;
	const char *status, *why;
};

/* One message's recipients; everything lives in the arena. */
struct resolving {
	struct store *store;
	struct db *db;
	struct arena *arena;
	bool may_relay; /* the session is a user's */
	struct target *first, **last;
	unsigned n;

	struct seen *seen; /* people, addresses and aliases met so far, open addressing */
	size_t n_seen, cap_seen;
	unsigned met; /* targets come across, also those that were in the list before */
};

void resolve_start(struct resolving *r, struct store *s, struct db *db, struct arena *a, bool may_relay);
/* Adds the targets of one recipient. Not OK: no mail can go there, and no targets were added. */
struct verdict resolve(struct resolving *r, struct slice local, struct slice domain, unsigned rcpt);

/* The domain as it is kept: A-labels, lower case; empty when it is none. */
struct slice resolve_domain(struct slice domain, struct arena *a);
/* The local part as it is looked up. */
struct slice resolve_local(struct slice local, struct arena *a);
bool resolve_is_ours(struct db *db, struct slice domain);
/* The address is the account's own, or an alias (not a group) that leads to it. */
bool resolve_may_send_as(struct store *s, struct db *db, int64_t account, struct slice local,
    struct slice domain, struct arena *a);
/* "user" of "user+detail", as this server divides them; the whole when it has no detail. */
struct slice resolve_without_detail(const struct store *s, struct slice local);
/* What the address is (enum address_kind), or what it is without its detail; 0: there is no such address here. */
int64_t resolve_kind(
    const struct store *s, struct db *db, struct slice local, struct slice domain, struct arena *a);

/* How an account may log in, as bits; what an address is. */
enum protocol { PROTOCOL_IMAP = 1, PROTOCOL_POP3 = 2, PROTOCOL_SUBMISSION = 4, PROTOCOL_ALL = 7 };
enum address_kind { ADDRESS_ACCOUNT = 1, ADDRESS_ALIAS = 2, ADDRESS_GROUP = 3 };

/* Column `suspended` of accounts. LEFT, CONTAINED (contain.h): nobody signs in, mail for it is taken. */
enum account_state { ACCOUNT_ACTIVE, ACCOUNT_SUSPENDED, ACCOUNT_LEFT, ACCOUNT_CONTAINED };

#endif
