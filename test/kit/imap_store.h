/*
 * imap_store: IMAP sessions over a real store (store_kit.h), one for each person, in lines of text. They are
 * logged in without keys.
 */
#ifndef KIT_IMAP_STORE_H
#define KIT_IMAP_STORE_H

#include "kit/store_kit.h"

struct imap_person; /* a client with its session */
/* Once a process, when the kit is open. */
void imap_store_start(struct store_kit *k);
struct imap_person *imap_person_new(int64_t account, const char *address);
void imap_person_free(struct imap_person *p);
/* Sends lines (CRLF is added to the last) and returns all that was answered, until the next call. */
const char *imap_person_say(struct imap_person *p, const char *fmt, ...) PRINTF(2, 3);
/* What comes by itself: the session is run when its mailbox has woken it. */
const char *imap_person_hear(struct imap_person *p);

#endif
