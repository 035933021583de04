/*
 * recent: mail ids of the last hour, so that a front which repeats a delivery after its channel broke does not make a
 * second message. The writer's alone; filled from the trace when the store opens.
 */
#ifndef STORE_MAILBOX_RECENT_H
#define STORE_MAILBOX_RECENT_H

#include "base/base.h"

#define RECENT_MS HOUR_MS
#define MAIL_ID 16 /* octets of a mail id */

struct recent;
struct recent *recent_new(void);
void recent_free(struct recent *r);
/* The content that was delivered under this id, 0: none. */
int64_t recent_find(const struct recent *r, struct slice mail);
void recent_add(struct recent *r, struct slice mail, int64_t content, int64_t now_ms);
void recent_remove(struct recent *r, struct slice mail);

#endif
