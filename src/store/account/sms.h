/*
 * sms: short messages, posted by relay to the gateway of the configuration.
 *
 * Written in the transaction of what asks for it, tried again for SMS_GIVE_UP_MS (a code is good no longer), then
 * given up. Text and number are sealed, and gone once the gateway took it; the row stays a day, since messages
 * cost money and are counted.
 */
#ifndef STORE_ACCOUNT_SMS_H
#define STORE_ACCOUNT_SMS_H

#include "store/inside.h"

#define SMS_GIVE_UP_MS (10 * MINUTE_MS)

/* Waits for the writer. FULL: the organisation has sent settings->sms_per_hour of them. */
NODISCARD enum result sms_send(struct store *s, int64_t account, struct slice to, struct slice text);

#endif
