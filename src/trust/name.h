/* name: domain names as the records and rules of mail authentication compare them. Pure. */
#ifndef TRUST_NAME_H
#define TRUST_NAME_H

#include "base/base.h"

/* A name that can be asked for: labels of 1 to 63 octets, 253 in all, no final dot, printable ASCII without the backslash. */
bool trust_name_ok(struct slice name);
/* name is `above`, or below it; ASCII case does not matter. */
bool trust_name_within(struct slice name, struct slice above);
size_t trust_name_labels(struct slice name);
/* The last n labels of it, n > 0; all of it when there are not more. */
struct slice trust_name_last(struct slice name, size_t n);
/* Without a final dot. */
struct slice trust_name_bare(struct slice name);

#endif
