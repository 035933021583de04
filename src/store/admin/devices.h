/*
 * devices: everything that opens an account, as one list; each has a name of its kind and number.
 *
 *     session:12    a session of the web
 *     browser:7     a browser that is known again (store/account/browsers.h)
 *     app:31        an application's password, which keys holds
 *     token:4       a token of the API that its owner made
 *     program:a1..  a mail program, by its fingerprint in the sign-in log (signins.h)
 */
#ifndef STORE_ADMIN_DEVICES_H
#define STORE_ADMIN_DEVICES_H

#include "store/admin/admin.h"

enum device_kind { DEVICE_SESSION, DEVICE_BROWSER, DEVICE_APP, DEVICE_TOKEN, DEVICE_PROGRAM, DEVICE_KINDS };
/* BAD: no such name. */
NODISCARD enum result device_parse(struct slice text, enum device_kind *kind_out, int64_t *id_out);
void device_put(enum device_kind kind, int64_t id, struct buf *b);

#endif
