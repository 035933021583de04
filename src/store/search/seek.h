/*
 * seek: what a person finds in the mail that is open to him, in some mailboxes at once. What is found in a mailbox is what
 * IMAP's SEARCH finds there with the same keys: texts in subject and addresses by cards (mail/card.h), other texts by the
 * index and by reading what is not yet in it (search.h), the rest by rows.
 *
 * Everything found is put in order, by date or by score, and told a page at a time; the next page goes on behind a place
 * in that order, which stays right while mail comes and goes.
 */
#ifndef STORE_SEARCH_SEEK_H
#define STORE_SEARCH_SEEK_H

#include "store/mailbox/access.h"
#include "store/search/search.h"

/* Where a text is looked for; the first five in the order of enum mail_card_text. */
enum seek_where { SEEK_SUBJECT, SEEK_FROM, SEEK_TO, SEEK_CC, SEEK_BCC, SEEK_TEXT, SEEK_BODY, SEEK_FILE };

struct seek_term {
	enum seek_where where;
	struct slice text; /* folded */
};

struct seek_box {
	int64_t id, owner;
	struct slice name; /* as its owner calls it */
	bool found;        /* something in it was */
};

struct seek {
	struct store *store;
	int64_t account; /* who looks */
	struct seek_box *boxes;
	size_t n_boxes;
	struct seek_term terms[LIMIT_SEARCH_NEEDLES]; /* all of them */
	unsigned n;
	bool fuzzy; /* RFC 6203, for all texts */
	bool by_score;
	uint32_t set, clear; /* system flags */
	struct slice keyword;
	int64_t since_ms, before_ms; /* when it came; before_ms 0: no end */
};

struct seek_hit {
	int64_t ms; /* when it came */
	int64_t mailbox;
	uint32_t uid;
	uint32_t score; /* 0 unless by_score */
	uint32_t box;   /* place among the boxes */
};
struct seek_hits {
	struct seek_hit *v;
	size_t n, cap;
};
void seek_hits_free(struct seek_hits *h);
#define SEEK_HITS __attribute__((cleanup(seek_hits_free))) struct seek_hits

/*
 * All that is found, in order. A mailbox that is gone meanwhile, or may be read no more, has nothing. LATER: it cannot be
 * told now.
 */
NODISCARD enum result seek_find(struct seek *s, struct seek_hits *out);
/* Below 0: a stands before b. By score, then the newest first. */
int seek_order(const struct seek_hit *a, const struct seek_hit *b);

/* The mailboxes that an account may read: its own, then those of others. Names in the arena. */
NODISCARD enum result seek_boxes(
    struct db *db, int64_t account, struct arena *a, struct seek_box **boxes_out, size_t *n_out);
/* The same of one, by the name that the account calls it. GONE: there is none that it may read. */
NODISCARD enum result seek_box_named(
    struct db *db, int64_t account, struct slice name, struct arena *a, struct seek_box *out);

#endif
