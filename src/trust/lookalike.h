/*
 * lookalike: names that somebody may register to be taken for a domain of ours, and which of them there are.
 *
 * Made from lookalike.def: other top-level domains, typing errors, letters, kana and kanji that look alike, spellings, added
 * words; of the name that is registered, whatever stands before it. The likeliest first, at most LIMIT_LOOKALIKES. A name is
 * made only where it can exist: labels by IDNA, and below .jp no letters but Latin and Japanese.
 */
#ifndef TRUST_LOOKALIKE_H
#define TRUST_LOOKALIKE_H

#include "ipc/assist.pb-c.h"
#include "ipc/dns.h"

enum lookalike_kind {
#define KIND(name, word, en, ja) LOOKALIKE_##name,
#include "trust/lookalike.def"
	LOOKALIKE_KINDS
};
const char *lookalike_word(unsigned kind); /* "suffix"; for machines */
const char *lookalike_text(unsigned kind, bool japanese);

struct lookalike {
	const char *name;  /* A-labels, lower case */
	const char *shown; /* as a mail program may show it */
	enum lookalike_kind kind;
};

/*
 * In the arena; *out is NULL when it is full. The domain in A-labels or U-labels; none of a name that cannot be
 * registered.
 */
size_t trust_lookalikes(struct slice domain, struct arena *a, struct lookalike **out);

/*
 * Asks the DNS for the next candidates from ask->from on, LIMIT_LOOKALIKES_AT_ONCE at most and for ms at most, then for
 * the names that are watched. NULL when the arena is full.
 */
Sekisho__LookalikeAnswer *trust_lookalikes_look(
    const Sekisho__LookalikeAsk *ask, struct dns *dns, int64_t ms, struct arena *a);

#endif
