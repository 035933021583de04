/*
 * store_kit: a store as the store role runs it, behind a real ipc server in this process, with keys and scan played by
 * real servers too (scan by the real extractor). Used by the unit tests, the fault tests and the bench of the store.
 */
#ifndef KIT_STORE_KIT_H
#define KIT_STORE_KIT_H

#include "ipc/ipc.h"
#include "kit/test_database.h"
#include "store/store.h"
#include <jansson.h>

struct store_kit {
	struct store_settings settings;
	struct store *store;
	struct ipc_server *server;
	char dir[64];
	struct test_database database;
	uint64_t epoch;      /* of the grants that logins bring */
	uint32_t flags;      /* of those, too (enum grant_flag) */
	const char *ip;      /* where they come from; NULL: an office of ours */
	_Atomic bool broken; /* the store said that its disk cannot be trusted */
};

/* A new directory under /tmp with a new database, settings as by default but for a small reserve. */
void store_kit_make(struct store_kit *k);
/* The same in a directory that another process has made. */
void store_kit_at(struct store_kit *k, const char *dir);
enum result store_kit_open(struct store_kit *k, unsigned threads);
/* Opens it with four threads, and the domain here.example is there. */
enum result store_kit_begin(struct store_kit *k);
/* Ends the store; the directory stays. All channels must have been closed. */
void store_kit_close(struct store_kit *k);
void store_kit_remove(struct store_kit *k);

/* How long scan takes for the text of a message, from now on. */
void store_kit_slow_text(unsigned ms);

/* What the DNS has of every DKIM key from now on: a Sekisho__DkimSeenAnswer__State. */
void store_kit_dkim_seen(int state);

/* Where every domain wants its reports from now on; url may be NULL, and address: nowhere. */
void store_kit_report_to(const char *address, const char *url);

/* Seals packed facts as scan does. */
void store_kit_seal(struct slice packed, unsigned char out[32]);

struct ipc store_kit_channel(struct store_kit *k, enum ipc_peer peer);
/* Over a front's own channel, which stays open. */
struct ipc store_kit_login_on(struct store_kit *k, struct ipc *front, uint64_t account, const char *service);
/* A logged-in channel; fd is -1 when the login was refused (c.why says why). */
struct ipc store_kit_login(struct store_kit *k, uint64_t account, const char *service);

/* Runs a verb; the answer, or NULL with *r_out. The caller frees it. */
json_t *store_kit_admin(struct store_kit *k, const char *verb, const char *args, enum result *r_out);
/* The same, must succeed. The account's id for account.add, else 0. */
int64_t store_kit_must(struct store_kit *k, const char *verb, const char *args);
/* A new account, its id. */
int64_t store_kit_account(struct store_kit *k, const char *address);

/* What a front has when scan has looked at a message. */
struct kit_mail {
	int fd;       /* sealed */
	int facts_fd; /* -1: the facts are inline */
	char *packed;
	size_t n;
	uint8_t seal[32], digest[32];
};
struct kit_mail kit_mail_make(struct store_kit *k, struct slice message);
void kit_mail_free(struct kit_mail *m);
/* The FactsRef for an ask, and the descriptors to send with it. */
void kit_mail_ref(const struct kit_mail *m, Sekisho__FactsRef *ref, struct ipc_fds *fds);

#define KIT_RCPTS 64
struct kit_envelope {
	const char *mail_id;       /* NULL: a new one */
	const char *from;          /* "local@domain", "" */
	const char *to[KIT_RCPTS]; /* up to NULL */
	uint32_t notify, ret, strip;
	const char *envid, *orcpt;
	bool scan_failed;
	Sekisho__Trust
	    *trust;    /* what scan found about the sender; its digest is set here. NULL: an empty finding */
	bool unsealed; /* nothing about the sender comes with it */
};
/* Delivers; *why_out (may be NULL) is copied into a static buffer. */
enum result kit_deliver(struct store_kit *k, struct ipc *c, const struct kit_envelope *e,
    const struct kit_mail *m, const char **why_out);
enum result kit_deliver_text(
    struct store_kit *k, struct ipc *c, const struct kit_envelope *e, const char *message);
void kit_mail_id(char out[17]);
/* A well-formed message with this subject and a body of about n octets. */
char *kit_message(const char *subject, size_t n);

#endif
