/*
 * cards: asks store for rows and cards (mail/card.h) of many messages, for SORT, THREAD and SEARCH.
 *
 * What comes is used packet by packet and forgotten: memory does not depend on how many messages are wanted.
 */
#ifndef IMAP_CARDS_H
#define IMAP_CARDS_H

#include "mail/card.h"
#include "session.h"

struct imap_cards_ask {
	const struct runs *uids;
	unsigned parts; /* MAIL_CARD_BITs */
	bool rows;      /* else only row.uid is set, and messages may come that are gone */
};
struct imap_card {
	Sekisho__Row row;
	unsigned parts; /* those that came */
	struct mail_card card;
};

/*
 * Called in ascending order of UIDs, with a card that lives until it returns; it must not ask store. Not OK is the result
 * of imap_cards.
 */
typedef enum result imap_card_fn(struct imap *s, const struct imap_card *card, void *context);

NODISCARD enum result imap_cards(
    struct imap *s, const struct imap_cards_ask *q, imap_card_fn *each, void *context);

#endif
