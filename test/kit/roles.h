/*
 * roles: store, keys and scan as the tests want them: a real ipc server in this process, with handlers that keep a log
 * of what they were asked and answer as they were told.
 *
 * By default: the domain our.example with the mailboxes anna, bob, "o'hara" and "a b"; everything else at port 25 is
 * refused (unknown user, no relaying), submissions may go anywhere; "user" with the password "pencil" may log in and
 * send as anna@our.example; scan finds nothing remarkable.
 */
#ifndef KIT_ROLES_H
#define KIT_ROLES_H

#include "ipc/ipc.h"

struct roles;
/* Once a process. */
struct roles *roles_start(void);
void roles_reset(struct roles *r);
/* Trunks as the mx front and the user front have them. */
struct ipc_trunk *roles_store(struct roles *r, bool user);
struct ipc_trunk *roles_scan(struct roles *r, bool user);
struct ipc_trunk *roles_keys(struct roles *r);

/*
 * "STORE deliver later 4.2.2 full": the next ask of that kind (sender rcpt deliver login, message, password start finish)
 * has this outcome: ok bad deny later full gone. Several lines: several asks.
 */
bool roles_directive(struct roles *r, struct slice line);
/* What was asked, one line each; the octets of delivered messages behind "| ". Stays until the next ask. */
struct slice roles_log(struct roles *r);
/* The last delivered message, as store got it. */
struct slice roles_message(struct roles *r);
/* Sends a note over the channel of the last login. */
void roles_note(struct roles *r, enum ipc_note note);
/* How often store was asked this. */
unsigned roles_asked(struct roles *r, enum ipc_ask kind);

#endif
