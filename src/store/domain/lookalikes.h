/*
 * lookalikes: which names that look like our domains exist (trust/lookalike.h), from day to day. Inside the room
 * only.
 *
 * The thread of domains.c goes through the candidates of each domain once in dns_check_every, a few at a time; scan asks
 * the DNS. When a round is over, administrators get one alarm about those that are new, or that can do more than before;
 * not about our own domains, nor about what they have marked as known.
 */
#ifndef STORE_DOMAIN_LOOKALIKES_H
#define STORE_DOMAIN_LOOKALIKES_H

#include "store/inside.h"

enum lookalike_mark { LOOKALIKE_UNMARKED, LOOKALIKE_TO_WATCH, LOOKALIKE_HARMLESS };
const char *lookalike_mark_name(int64_t mark); /* "", "watched", "known" */

/* The next few candidates of a domain whose time has come. */
void lookalikes_due(struct store *s);
/*
 * A whole round of one domain now, or as much of it as there is time for; the thread goes on with the rest. LATER: the
 * DNS cannot be asked.
 */
NODISCARD enum result lookalikes_check(struct store *s, struct slice domain, int64_t ms);

#endif
