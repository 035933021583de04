/* verbs: the functions of verbs.def. Each parses its arguments, does its work and sends one tagged reply. */
#ifndef IMAP_VERBS_H
#define IMAP_VERBS_H

#include "session.h"

#define X(word, function, where, what) imap_verb_fn function;
#include "verbs.def"
#undef X

/* Behind "APPEND" (or "REPLACE"): whether the mailbox is told, so that the verb reads the literal at the line's end. */
bool imap_append_is_message(struct imap_args *p, bool replace);

#endif
