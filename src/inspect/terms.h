/*
 * terms: the words of a doc and their places, and what must be asked of an index of them for a needle.
 *
 * A doc is runs of words (letters and digits), of characters of a dense script (Han, kana) or of symbols, and of gaps, which
 * is all else. A word is a term as it is; one longer than INSPECT_TERM octets is many, overlapping by INSPECT_WINDOW octets
 * or more, so that any part of it of that length stands whole in one of them. A dense run is all its pairs, and its last
 * character alone: so every word of two characters is a term, and every single character begins one. A gap is a term as a
 * word is, but for the single space, which is none.
 *
 * A term has INSPECT_WIDTH places, a single space one, and so many are left free between pieces. So a distance that is not
 * filled by terms is one space when it is 1, and something else when it is more: the terms of a needle at their distances
 * are the needle, letter by letter.
 *
 * A plan names what every doc that holds the needle must have; when it is `decided`, having it is also enough.
 */
#ifndef INSPECT_TERMS_H
#define INSPECT_TERMS_H

#include "inspect/doc.h"

#define INSPECT_TERM 64
#define INSPECT_WINDOW 32
#define INSPECT_PARTS 16
#define INSPECT_STEPS 32
#define INSPECT_WIDTH 2

enum inspect_zone {
	INSPECT_ZONE_SUBJECT = 1,
	INSPECT_ZONE_FROM,
	INSPECT_ZONE_TO,
	INSPECT_ZONE_CC,
	INSPECT_ZONE_BCC,
	INSPECT_ZONE_HEADER, /* values of the other fields, and the names of all */
	INSPECT_ZONE_BODY,
	INSPECT_ZONE_FILE, /* of the body too */
	INSPECT_ZONE_LAST = INSPECT_ZONE_FILE
};

/* Each term as often as it occurs, with its place, ascending. The number of places comes back. */
typedef void inspect_term(void *ctx, enum inspect_zone zone, struct slice term, uint32_t at);
uint32_t inspect_terms_each(struct slice doc, inspect_term *f, void *ctx);

struct inspect_part {
	enum { INSPECT_EXACT, INSPECT_PREFIX, INSPECT_SUFFIX, INSPECT_CONTAINS } how;
	struct slice term; /* points into the needle */
	uint32_t at;       /* in a plan: its place beside those of the others; what CONTAINS has none */
};
struct inspect_plan {
	unsigned zones; /* 1 << enum inspect_zone: where each part may be */
	struct inspect_part parts[INSPECT_STEPS];
	unsigned n;
	bool decided;
};
void inspect_plan_make(const struct inspect_needle *n, struct inspect_plan *out);
/* No term from `low` to `high`, in the order of octets, is of the kind that can have this word or gap in it. */
bool inspect_part_cannot_be(const struct inspect_part *p, struct slice low, struct slice high);

/*
 * Fuzzy: a doc is meant when each word of the needle begins a word of the doc, in any order, and each pair of characters
 * of one script stands in it. Kana alone between Han are particles and endings: they are asked for only when there is
 * nothing else. More words than INSPECT_PARTS are not looked at.
 */
struct inspect_fuzzy {
	unsigned zones; /* as in a plan */
	bool of_field;  /* the zone is shared with other fields: only reading decides */
	struct inspect_part parts[INSPECT_PARTS];
	unsigned n; /* 0: no word to look for */
};
void inspect_fuzzy_make(const struct inspect_needle *n, struct inspect_fuzzy *out);
/* What it is worth that a part stands in a zone: more in the subject than in addresses, the body, other fields. Never 0. */
uint8_t inspect_fuzzy_worth(enum inspect_zone zone, bool exact);
/* How well a doc has each part: the best worth[f->n], 0: not at all. */
void inspect_fuzzy_read(struct slice doc, const struct inspect_needle *n, const struct inspect_fuzzy *f,
    uint8_t worth[INSPECT_PARTS]);
/* All of them. */
bool inspect_fuzzy_whole(const struct inspect_fuzzy *f, const uint8_t worth[INSPECT_PARTS]);

#endif
