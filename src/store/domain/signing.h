/*
 * signing: DKIM signatures and ARC seals on what leaves for other servers, and the life of their keys.
 *
 * A message is signed when the relay has claimed it and is about to send it (STORE_SIGNATURE): scan reads it and says what is
 * to be signed, keys signs the digests, and the finished fields go before the message; the stored body stays as it is.
 * What was signed a moment ago is remembered, for the message's other destinations.
 *
 * Whose signature: mail that an authenticated account sent, or that was made here, is signed for the domain in its From field
 * when that is ours or below one of ours (the author's), for the service domain (a third party's), or both: as chosen for
 * the domain. Mail from elsewhere that goes on to elsewhere is signed for the domain of ours that it goes on from, and
 * sealed (ARC); but when it says it is from one of ours it is not signed at all: nobody has shown that it is.
 *
 * A key's life, for each domain and each of RSA and Ed25519:
 *
 *     WAITING    made for a rotation; signs once its record is seen in the DNS, and then the one before retires
 *     SIGNING    the first key of a domain starts here: an unknown key is to a receiver as no signature
 *     RETIRED    its private half is gone; its record stays published for what is still on its way
 *     REMOVABLE  the record may be taken out of the DNS; when it is gone the row goes too
 */
#ifndef STORE_DOMAIN_SIGNING_H
#define STORE_DOMAIN_SIGNING_H

#include "store/inside.h"

enum signing_state { SIGNING_WAITING = 1, SIGNING_ACTIVE, SIGNING_RETIRED, SIGNING_REMOVABLE };
const char *signing_state_name(enum signing_state s); /* "waiting" ... */

enum signing_mode { SIGNING_AUTHOR, SIGNING_THIRD_PARTY, SIGNING_BOTH };
const char *signing_mode_name(enum signing_mode m); /* "author", "third-party", "both" */
bool signing_mode_read(struct slice name, enum signing_mode *out);
enum signing_mode signing_mode_of(struct db *db, struct slice domain);

struct signing_key {
	struct slice domain, selector;
	int64_t algorithm; /* Sekisho__DkimAlgorithm */
	enum signing_state state;
	int64_t made_ms, since_ms; /* since: in this state */
	int64_t checked_ms;        /* 0: not yet in this state */
	int64_t dns;               /* Sekisho__DkimSeenAnswer__State */
	struct slice public_key;
	bool usable; /* its private half is there */
};
/* The keys of a domain, oldest first, in the arena; their number. */
size_t signing_keys(struct db *db, struct slice domain, struct arena *a, struct signing_key **out);
#define SIGNING_KEYS 64 /* of one domain */

/* The thread that looks after keys; NULL when nothing is signed. */
struct signing;
struct signing *signing_new(struct store *s);
void signing_free(struct signing *g);
/* A domain has come or gone: look now. */
void signing_wake(struct store *s);
/* One round over all domains: what that thread does every few minutes. For tests. */
void signing_round(struct store *s);
/*
 * Makes the next key of each kind, WAITING; or at once ACTIVE, as becomes one that waits already. DENY: one waits already.
 */
NODISCARD enum result signing_rotate(struct store *s, struct slice domain, bool at_once);

/* What was signed lately, by mail id. */
struct signed_lately;
struct signed_lately *signed_lately_new(void);
void signed_lately_free(struct signed_lately *l);

#endif
