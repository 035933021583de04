/* scan: what the files of this role share. */
#ifndef ROLE_SCAN_H
#define ROLE_SCAN_H

#include "role/run.h"

#define SCAN_THREADS 64 /* most of them wait for the DNS when they are busy at all */

/*
 * This thread has a message in hand: from now on its CPU time counts, and too much of it ends the role. Few compute at the
 * same time; whoever waits for something else gives its hand back meanwhile.
 */
void scan_hand_take(void);
void scan_hand_give(void);
void scan_hand_again(void); /* with the same message as before */
/* The watchdog's: how many arrivals have been waiting for the DNS for long. */
void scan_arrivals_watch(void);
/* The message in descriptor 0, to be unmapped; or the turn was answered. */
bool scan_map_message(struct ipc_turn *t, struct slice *message);
/* The seal by which store knows facts of ours. */
void scan_seal(const struct run *r, struct slice packed, unsigned char out[32]);

ipc_handler scan_message, scan_sieve_check, scan_sieve_run;
ipc_handler scan_assist, scan_lookalikes, scan_dns_update; /* scan_assist.c */
ipc_handler scan_report, scan_report_targets;              /* scan_report.c */

/* scan_sign.c: what is to be signed of mail that leaves */
ipc_handler scan_draft, scan_dkim_seen;
void scan_sign_start(const struct run *r);

#endif
