/* list: the matching of LIST patterns, RFC 3501 6.3.8. */
#ifndef IMAP_LIST_H
#define IMAP_LIST_H

#include "base/base.h"

/* "*" stands for anything, "%" for anything without '/'. The levels INBOX match in any case. Time: the product of n. */
bool imap_list_matches(struct slice pattern, struct slice name);

#endif
