/*
 * reports: about mail in our name, which others send us, and about mail in theirs, which we send (src/report). Inside the room
 * only.
 *
 * In: every domain of ours has the addresses dmarc-reports and tls-reports (and reports_to, where it is one of ours). Mail for
 * them leaves a row of report_mail that refers to its body, in the transaction that takes it in; an account or alias of that
 * name gets it too. The thread of this module has scan read it, and what it says is kept in the transaction that takes the row
 * away: `reports`, and when the reporter is proven and it was not there before, dmarc_days and dmarc_hosts. What is no report
 * goes to postmaster. Sources nobody has seen before that do not pass are told to postmaster once.
 *
 * Out: some time after a UTC day has ended, its counts (trust_counts, tls_days) become a report for each domain that asks for
 * it. The mark that it went (reports_sent) is made in the transaction that queues it: it goes once, whatever dies when, and
 * whichever of several nodes is first.
 *
 *   reports.c         the thread                        reports_in.c     mail that waits to be read
 *   reports_keep.c    what a report says, into tables   reports_alert.c  new sources
 *   reports_out.c     what is due, who asks for it      reports_send.c   the message, the mark
 *   reports_dmarc.c   XML of a day                      reports_tls.c    JSON of a day
 *   reports_post.c    reports that go by https          admin_reports.c  the verbs
 */
#ifndef STORE_DOMAIN_REPORTS_H
#define STORE_DOMAIN_REPORTS_H

#include "report/report.h"
#include "store/queue/deliver.h"
#include "store/queue/notice.h"

struct reports;
struct reports *reports_new(struct store *s);
void reports_free(struct reports *r);
/* Mail with a report was committed. Any thread. */
void reports_wake(struct store *s);
/* What the thread does each time, once, with everything due. For tests. */
void reports_round(struct store *s);
/* Forgets what is too old. The keeper's. */
void reports_forget(struct store *s);

/* ---- in ---- */

/* local and domain are folded, and the domain is ours. */
bool reports_is_address(const struct store *s, struct slice local, struct slice domain);
/* The sealed column of report_mail, in the arena; `domain` is the address's. */
struct slice reports_seal_mail(
    struct store *s, const struct envelope *e, struct slice domain, struct arena *a);

enum report_state {
	REPORT_COUNTED = 1,
	REPORT_UNPROVEN, /* who sent it is not proven: it counts for nothing */
	REPORT_FOREIGN,  /* about a domain that is not ours */
	REPORT_ODD,      /* about a time long ago or to come */
	REPORT_REFUSED   /* cannot be read */
};
const char *report_state_name(int64_t state);

/* A waiting message. */
struct report_mail_row {
	int64_t id, due, attempts, blob;
	struct slice mail, author, rcpt_domain; /* author: the proven domain; empty: nobody */
	struct slice from_local, from_domain;
	struct blob_place body;
};
/* Reads the next that is due and keeps what it says. False: none. */
bool reports_read_one(struct store *s);
/* Changes for one report that was read; in the transaction. */
void reports_keep(
    struct store *s, struct db *db, const struct report_mail_row *row, const Sekisho__Report *report);
/* Opens the sealed column of `reports`: the packed report; NULL: it does not open. `author` as above. */
Sekisho__Report *reports_open(struct store *s, int64_t id, struct slice sealed, struct arena *a,
    struct slice *author_out, struct slice *mail_out);
/* ... and of dmarc_hosts. */
Sekisho__DmarcSource *reports_open_host(
    struct store *s, struct slice domain, struct slice source, struct slice sealed, struct arena *a);

/* Tells postmaster of new sources. */
void reports_alert(struct store *s);

/* ---- out ---- */

enum report_kind { REPORT_DMARC = 1, REPORT_TLS = 2, REPORT_FAILURE = 3 }; /* as Report.Kind */
enum sent_state { SENT_NOT_WANTED, SENT_QUEUED, SENT_TOO_LARGE };

/* A report about one domain on its way. */
struct report_out {
	struct store *s;
	struct arena *arena;
	enum report_kind kind;
	int64_t day, token; /* of the domain, as it stands in the mark */
	struct slice domain;
	struct report_about about;
	const Sekisho__ReportTargetsAnswer *to;
	struct buf packed;
};
void reports_send_due(struct store *s);
/* Who reports. False: the database cannot say. */
bool reports_submitter(struct store *s, struct db *db, struct report_out *o);
/* The domain of the row, and its record; the targets by asking scan. LATER: it cannot be asked now. */
NODISCARD enum result reports_targets(struct report_out *o, const char *record, bool last_try);
/* Fills `packed`. FULL: it is too large; GONE: there is nothing to report. */
NODISCARD enum result reports_dmarc_make(struct report_out *o, struct db *db);
NODISCARD enum result reports_tls_make(struct report_out *o, struct db *db);
/* Queues it with its mark, or makes the mark alone. */
NODISCARD enum result reports_send(struct report_out *o, struct db *db);
NODISCARD enum result reports_mark(struct report_out *o, enum sent_state state);
/* The sealed column of reports_sent: texts with these tags. */
enum sent_field { SENT_DOMAIN = 1, SENT_TO, SENT_MAIL, SENT_ID };
struct slice reports_seal_sent(
    const struct report_out *o, enum sent_state state, struct slice mail, struct slice to);
/* Adds a row for the relay to post; in the transaction. */
void reports_post_add(struct store *s, struct db *db, const char *url, struct slice packed);

#endif
