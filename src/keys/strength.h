/*
 * strength: may this be a password? The same for whoever sets it, and wherever (NIST SP 800-63B-4, 3.1.1.2).
 *
 * Long enough: 15 characters, or 8 where a second factor is asked for too. Not what others use: a list of common and leaked
 * passwords, also with digits and signs around them or said several times over. Not made of what everybody knows of its owner:
 * address, name, organisation, server; nor of runs on a keyboard or in the alphabet. Which kinds of characters it has does not
 * matter. Pure.
 */
#ifndef KEYS_STRENGTH_H
#define KEYS_STRENGTH_H

#include "base/base.h"

#define STRENGTH_LEAST 15
#define STRENGTH_LEAST_WITH_FACTOR 8

struct strength {
	struct slice login; /* as the account spells it */
	struct slice words; /* names, a line each */
	bool factor;        /* there is a second one */
};

/* NULL: it may. Else why not, constant text. `password` is prepared (password.h). */
const char *strength_fault(const struct strength *of, struct slice password);

/* Is this, in lower case, on the list? (common.c) */
bool common_has(struct slice lower);
size_t common_count(void);

#endif
