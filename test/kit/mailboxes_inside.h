/* mailboxes_inside: what mailboxes.c and mailboxes_ask.c share. All of it under the lock. */
#ifndef KIT_MAILBOXES_INSIDE_H
#define KIT_MAILBOXES_INSIDE_H

#include "mailboxes.h"
#include <pthread.h>

struct kit_message {
	uint32_t uid, flags;
	uint64_t keywords, modseq, email;
	int64_t ms;
	char *octets, *facts;
	size_t n, facts_n;
};
struct kit_vanished {
	uint32_t uid;
	uint64_t modseq;
};
struct kit_box {
	char *name, *special;
	uint64_t id, modseq;
	uint32_t uidvalidity, uidnext, recent_from;
	bool noselect;
	struct kit_message *messages;
	size_t n;
	struct kit_vanished *vanished;
	size_t vanished_n;
	char *keywords[64];
	unsigned keywords_n;
};
#define KIT_SCRIPTS 20 /* so many may be kept */
struct kit_script {
	char *name, *text;
	size_t n;
	bool active;
};
struct kit_session {
	struct mailboxes *all;
	struct ipc_conn *conn;
	struct kit_box *box;
	bool examine, noted, box_gone;
	struct kit_watch *watches; /* what it is to hear of */
	size_t watches_n;
	bool watch_names, names_changed, watch_noted;
	struct kit_staged *staged; /* messages of an APPEND under way */
	size_t staged_n;
	struct kit_session *next;
};
struct mailboxes {
	pthread_mutex_t lock;
	struct ipc_server *server;
	struct ipc_trunk *store, *keys, *scan;
	struct kit_box **boxes;
	size_t boxes_n;
	char **subscribed;
	size_t subscribed_n;
	struct kit_session *sessions;
	struct kit_script *scripts;
	size_t scripts_n;
	uint64_t ids;
	size_t facts_most;
	unsigned asked[ASK_MAX];
};

void *kit_grow(void *p, size_t n, size_t size);
struct kit_box *kit_box_find(struct mailboxes *m, const char *name);
struct kit_box *kit_box_add(struct mailboxes *m, const char *name, const char *special);
void kit_box_remove(struct mailboxes *m, struct kit_box *b);
void kit_boxes_sort(struct mailboxes *m);
struct kit_message *kit_box_store(
    struct mailboxes *m, struct kit_box *b, struct slice octets, int64_t internal_ms);
uint64_t kit_keyword(struct kit_box *b, const char *word); /* its bit; 0: no room */
struct kit_message *kit_message_find(struct kit_box *b, uint32_t uid);
void kit_message_expunge(struct kit_box *b, size_t i);
void kit_note(struct kit_session *s);
void kit_changed(struct mailboxes *m, const struct kit_box *b, const struct kit_session *by);
void kit_act(struct mailboxes *m, struct kit_session *me, char *verb);
struct mailboxes *kit_enter(struct ipc_turn *t);
void kit_leave(struct mailboxes *m);
void kit_unstage(struct kit_session *s);
void kit_append_handlers(ipc_handler **table); /* mailboxes_append.c */
void kit_watch_handlers(ipc_handler **table);  /* mailboxes_watch.c */
void kit_watch_changed(struct mailboxes *m, const struct kit_box *b, const struct kit_session *by);
void kit_watch_names(struct mailboxes *m);
void kit_watch_annotated(struct mailboxes *m, const struct kit_box *b, struct slice entry);
void kit_watch_end(struct kit_session *s);
Sekisho__Mailbox *kit_mailbox_of(struct mailboxes *m, struct arena *a, const struct kit_box *b);
Sekisho__MailboxStatus *kit_status_of(struct arena *a, const struct kit_box *b);
void kit_on_cards(struct ipc_turn *t); /* mailboxes_cards.c */
void kit_handlers(ipc_handler **table);
void kit_scripts_reset(struct mailboxes *m);
void kit_script_handlers(ipc_handler **table);

#endif
