/* handlers: the asks, each answered in the file that the name tells; store.c puts them into the table. */
#ifndef STORE_HANDLERS_H
#define STORE_HANDLERS_H

#include "store/inside.h"

ipc_handler ask_sender, ask_rcpt, ask_deliver;                                  /* front_asks.c */
ipc_handler ask_login, ask_refused;                                             /* login.c */
ipc_handler ask_mailboxes, ask_status;                                          /* mailbox_list.c */
ipc_handler ask_create, ask_delete, ask_rename, ask_subscribe, ask_unsubscribe; /* mailbox_names.c */
ipc_handler ask_watch, ask_watched;                                             /* mailbox_watch.c */
ipc_handler ask_select, ask_unselect, ask_sync;                                 /* mailbox_select.c */
ipc_handler ask_fetch, ask_body;                                                /* mailbox_fetch.c */
ipc_handler ask_cards;                                                          /* mailbox_cards.c */
ipc_handler ask_flags;                                                          /* mailbox_flags.c */
ipc_handler ask_expunge;                                                        /* mailbox_expunge.c */
ipc_handler ask_copy;                                                           /* mailbox_copy.c */
ipc_handler ask_append, ask_stage, ask_unstage;                                 /* mailbox_append.c */
ipc_handler ask_metadata, ask_set_metadata;                                     /* mailbox_metadata.c */
ipc_handler ask_quota;                                                          /* mailbox_quota.c */
ipc_handler ask_rights, ask_set_rights;                                         /* mailbox_acl.c */
ipc_handler ask_scripts, ask_script_get, ask_script_space, ask_script_put, ask_script_change; /* scripts.c */
ipc_handler ask_enter, ask_import, ask_imported;                                              /* import.c */
ipc_handler ask_claim, ask_outbody;             /* queue_claim.c */
ipc_handler ask_report;                         /* queue_report.c */
ipc_handler ask_signature;                      /* signing.c */
ipc_handler ask_sts_get, ask_sts_put;           /* tls.c */
ipc_handler ask_search;                         /* search_ask.c */
ipc_handler ask_admin;                          /* admin.c */
ipc_handler ask_api;                            /* api.c */
ipc_handler ask_token, ask_oauth;               /* oauth_ask.c */
ipc_handler ask_signin, ask_receipt;            /* signin.c */
ipc_handler ask_audit_take;                     /* audit_send.c */
ipc_handler ask_gauges;                         /* gauges.c */
ipc_handler ask_domains;                        /* served.c */
ipc_handler ask_setup;                          /* domains_setup.c */
ipc_handler ask_report_post, ask_report_posted; /* reports_post.c */
ipc_handler ask_alarm_next, ask_alarm_done;     /* alarm.c */
ipc_handler ask_sms_next, ask_sms_done;         /* sms.c */

void store_gauges(struct store *s, struct db *db, Sekisho__GaugesAnswer *out);
/* The session of a turn that needs a selected mailbox; NULL: the turn is answered. */
struct login *selected_of(struct ipc_turn *t);

#endif
