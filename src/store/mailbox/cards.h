/*
 * cards: what SORT, THREAD and SEARCH want to know of each message (mail/card.h), beside the message rows.
 *
 * A mailbox's cards lie in blocks of CARDS_A_BLOCK messages in the order of their UIDs, the parts of a card apart, each
 * compressed and sealed as one: a million messages are read in the time of eight thousand rows, and only the parts that
 * are wanted. A thread of its own makes blocks behind deliveries; the tail that has none yet is made from facts when it
 * is asked for, so that an answer is always complete, and blocks that are missing altogether are made again.
 * Cards never change. Those of messages that were expunged stay until most of a mailbox's cards are such.
 */
#ifndef STORE_MAILBOX_CARDS_H
#define STORE_MAILBOX_CARDS_H

#include "mail/card.h"
#include "store/mailbox/mailbox.h"

#define CARDS_A_BLOCK 128u

struct cards;
struct cards *cards_new(struct store *s);
/* Ends the thread; the writer may still say what is due until cards_free. */
void cards_end(struct cards *c);
void cards_free(struct cards *c);
/* At the start, with the writer's connection: forgets the cards of another version. */
NODISCARD enum result cards_check(struct db *db);
/* There may be a block to be made of this mailbox. Any thread. */
void cards_due(struct cards *c, int64_t mailbox);

/* Called in ascending order; packed[part] is empty when it was not wanted or cannot be had. Not OK ends it. */
typedef enum result cards_fn(void *arg, uint32_t uid, const struct slice packed[MAIL_CARD_PARTS]);
/*
 * The cards of these UIDs (normal runs); parts: MAIL_CARD_BITs. A UID without a message may come all the same, or not.
 */
NODISCARD enum result cards_each(struct store *s, struct db *db, int64_t mailbox, const struct runs *uids,
    unsigned parts, cards_fn *each, void *arg);

/* ---- inside ---- */

/* Makes a card of a message from its facts, and hands its parts on. `a` is reset first. */
NODISCARD enum result cards_from_facts(struct store *s, const struct entry *e, const struct blob_place *at,
    unsigned parts, struct arena *a, cards_fn *each, void *arg);
/* Where a sealed block belongs; in `room`. */
struct slice cards_bound(unsigned part, uint32_t first, uint32_t last, char room[64]);

#endif
