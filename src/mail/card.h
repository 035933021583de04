/*
 * card: what SORT, THREAD and the common keys of SEARCH want to know of a message, made from its facts once.
 *
 * A card is kept in parts, since nobody needs all of them at a time; a part is packed without anything around it. Texts
 * of a card are cut at MAIL_CARD_KEY or MAIL_CARD_TEXT octets. A card's slices live where it was made or read from.
 */
#ifndef MAIL_CARD_H
#define MAIL_CARD_H

#include "ipc/facts.pb-c.h"
#include "base/base.h"

enum mail_card_part {
	MAIL_CARD_HEAD,  /* dates, size, who answers whom */
	MAIL_CARD_KEYS,  /* by what texts are sorted */
	MAIL_CARD_TEXTS, /* where words are looked for */
	MAIL_CARD_PARTS
};
/* Of how cards are made: kept ones of another version are thrown away and made again. */
#define MAIL_CARD_VERSION 1

#define MAIL_CARD_BIT(part) (1u << (part))

#define MAIL_CARD_KEY ((size_t)500)
#define MAIL_CARD_TEXT ((size_t)2000)
#define MAIL_CARD_REFERENCES 100u /* the last ones of a longer list */

/* Sort keys as mail_collate_key makes them. */
enum mail_card_key {
	MAIL_KEY_SUBJECT, /* base subject */
	MAIL_KEY_FROM,    /* addr-mailbox of the first address */
	MAIL_KEY_TO,
	MAIL_KEY_CC,
	MAIL_KEY_SHOW_FROM, /* display name, else the address (RFC 5957) */
	MAIL_KEY_SHOW_TO,
	MAIL_CARD_KEYS_N
};
/* Searched texts, folded (mail_text_fold). */
enum mail_card_text {
	MAIL_TEXT_SUBJECT,
	MAIL_TEXT_FROM,
	MAIL_TEXT_TO,
	MAIL_TEXT_CC,
	MAIL_TEXT_BCC,
	MAIL_CARD_TEXTS_N
};
struct mail_card_words {
	struct slice folded;
	bool there; /* the message has such a field */
	bool whole; /* what is not in here is not in the field */
};

struct mail_card {
	/* MAIL_CARD_HEAD; the first two are not of the message but of its place in a mailbox, and set by the caller */
	int64_t internal_ms;
	uint64_t size;
	bool has_date; /* the Date field makes sense */
	bool reply;    /* the subject is a reply's or a forward's */
	int64_t sent_ms;
	int32_t zone;            /* of the sender's clock, minutes */
	uint64_t id;             /* hash of the Message-ID, 0: none */
	uint64_t subject;        /* hash of the base subject's key, 0: it is empty */
	struct slice references; /* hashes, 8 octets each, the nearest last; see mail_card_reference */
	struct slice key[MAIL_CARD_KEYS_N];
	struct mail_card_words text[MAIL_CARD_TEXTS_N];
};

/* Whether a folded text is in a field. UNSURE: the card holds the field only in part, and it is not in that. */
enum mail_card_says { MAIL_CARD_NO, MAIL_CARD_YES, MAIL_CARD_UNSURE };
enum mail_card_says mail_card_has(const struct mail_card_words *w, struct slice folded);

/* False when the arena is full. */
bool mail_card_make(const Sekisho__Facts *facts, struct arena *a, struct mail_card *out);
void mail_card_put(const struct mail_card *c, enum mail_card_part part, struct buf *out);
/* Reads one part into a card, which points into `packed`. False when it is malformed. */
bool mail_card_get(struct slice packed, enum mail_card_part part, struct mail_card *c);

static inline size_t mail_card_references(const struct mail_card *c)
{
	return c->references.n / 8;
}
static inline uint64_t mail_card_reference(const struct mail_card *c, size_t i)
{
	uint64_t v;
	memcpy(&v, c->references.p + 8 * i, sizeof v);
	return v;
}

/*
 * A list of records, each under an ascending number (a UID): how parts of many cards lie side by side. Writing starts
 * with *last 0. Reading: next is false at the end, or where the list is malformed.
 */
void mail_card_list_put(struct buf *out, uint32_t *last, uint32_t number, struct slice record);
struct mail_card_list {
	struct cursor c;
	uint32_t number;
	struct slice record;
};
struct mail_card_list mail_card_list_of(struct slice packed);
bool mail_card_list_next(struct mail_card_list *l);

/* Numbers in base 128, as protobuf has them; signed ones zigzag. */
void mail_varint_put(struct buf *out, uint64_t v);
/* 0 when there is none, which cursor.err tells. Most are one octet: keys, small lengths. */
static inline uint64_t mail_varint_take(struct cursor *c)
{
	uint64_t v = 0;
	size_t most = MIN(c->rest.n, 10);
	for (size_t i = 0; i < most; i++) {
		unsigned char b = (unsigned char)c->rest.p[i];
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80) {
			c->rest.p += i + 1;
			c->rest.n -= i + 1;
			return v;
		}
	}
	cursor_fail(c);
	return 0;
}
static inline uint64_t mail_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t mail_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* An address list as people write it: "Name <local@domain>, ..."; what SEARCH compares besides the field itself. */
void mail_addresses_text(Sekisho__Address *const *v, size_t n, struct buf *out);
/* Whether the top-level header has such a field. */
bool mail_facts_has_field(const Sekisho__Facts *facts, struct slice name);

#endif
