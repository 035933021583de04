/* What the files about ACME share; nobody outside includes this. */
#ifndef RELAY_ACME_INNER_H
#define RELAY_ACME_INNER_H

#include "relay/acme.h"
#include "relay/acme_read.h"

#define ACME_WHY 400
#define ACME_TASK_ARENA ((size_t)16 << 20)

/* A task in hand. */
struct acme_run {
	const struct acme_settings *settings;
	struct ipc *keys;
	const Sekisho__AcmeTask *task;
	struct arena arena; /* of the task */
	struct acme_directory directory;
	char nonce[LIMIT_ACME_TOKEN + 1]; /* "": none at hand */
	bool has_account;
	char why[ACME_WHY]; /* of the result that was not OK */
	int64_t retry_ms;   /* the authority's wish; 0: none */
};

enum result relay_acme_fail(struct acme_run *r, enum result result, const char *fmt, ...) PRINTF(3, 4);

struct acme_reply {
	struct https_answer head;
	struct buf body;
	struct acme_problem problem; /* of a status that is not 2xx */
};
#define REPLY_LOCAL(name)                                                                                    \
	__attribute__((cleanup(relay_acme_reply_free))) struct acme_reply name = {                           \
	    .body.max = LIMIT_ACME_ANSWER}
void relay_acme_reply_free(struct acme_reply *reply);

/* acme_post.c: any 2xx is OK; the rest says why. A reply may be used again. */
NODISCARD enum result relay_acme_get(struct acme_run *r, const char *url, struct acme_reply *reply);
NODISCARD enum result relay_acme_post(struct acme_run *r, Sekisho__AcmeSignAsk__Step step, const char *url,
    bool replaces, struct acme_reply *reply);
/* The Location of a reply, as an address. */
NODISCARD enum result relay_acme_location(
    struct acme_run *r, const struct acme_reply *reply, const char **out);

/* acme.c */
NODISCARD enum result relay_acme_report(struct acme_run *r, const Sekisho__AcmeReportAsk *report);
void relay_acme_waiting(struct acme_run *r, const char *fmt, ...) PRINTF(2, 3);
NODISCARD enum result relay_acme_account(struct acme_run *r);

/* acme_served.c: asks store for the mail domains and the DNS for who has their names. */
/* LATER: store is away, or there is no mail domain yet. */
NODISCARD enum result relay_acme_served(
    const struct acme_settings *s, struct arena *a, Sekisho__AcmeNextAsk *out);

/* acme_record.c: adds or removes one TXT record. */
NODISCARD enum result relay_acme_record(struct acme_run *r, const char *name, const char *value, bool remove);

/* acme_order.c */
NODISCARD enum result relay_acme_issue(struct acme_run *r);

#endif
