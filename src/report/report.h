/*
 * report: reports about mail, read and written. The one door of the room.
 *
 * DMARC aggregate reports (RFC 9990, and RFC 7489 C as most still write it), failure reports (RFC 9991, read only), TLS
 * reports (RFC 8460).
 *
 *   read.c          finds the report in a message           unpack.c      gzip and zip, in pieces and within limits
 *   dmarc_read.c    XML, by events (libexpat)               dmarc_write.c XML
 *   mend.c          what XML could not bear             json.c        reports for people and tests
 *   tls_read.c      JSON (jansson)                          tls_write.c   JSON
 *   failure_read.c  message/feedback-report                 mail.c        the message that carries a report
 *   targets.c       where reports about a domain go (asks a `dns`)
 *
 * Reading happens in scan. What comes may be anything: archives are unpacked in pieces, never whole, and no further than
 * LIMIT_REPORT_*; XML with a DTD is refused, so there are no entities; nothing is fetched. A report of 100,000 rows costs
 * the memory of its LIMIT_REPORT_SOURCES sources. Readers take what real reporters write: octets that are no UTF-8, lone
 * ampersands, a body behind the end of the document, wrong content types, missing parts.
 */
#ifndef REPORT_H
#define REPORT_H

#include "ipc/facts.pb-c.h"
#include "ipc/report.pb-c.h"
#include "ipc/dns.h"

/*
 * The first report in a message. OK: *out lives in the arena; its kind may be NONE. FULL: the arena's cap was reached; a few
 * MiB are enough.
 */
NODISCARD enum result report_read(
    struct slice message, const Sekisho__Facts *facts, struct arena *a, Sekisho__Report **out);
/* The same of a file: XML, JSON, gzip or zip. */
NODISCARD enum result report_read_file(struct slice octets, struct arena *a, Sekisho__Report **out);

/* The report as JSON, for people and tests: a new object of jansson's. */
struct json_t;
struct json_t *report_json(const Sekisho__Report *r);

/* ---- where to ---- */

/*
 * DMARC (record not empty): the mailto addresses of rua=; those of other organisations only when they say that they take such
 * reports (RFC 9990 4). TLS: mailto and https of the _smtp._tls record. False: the arena is full.
 */
bool report_targets(const Sekisho__ReportTargetsAsk *ask, struct dns *dns, struct arena *a,
    Sekisho__ReportTargetsAnswer *out);

/* ---- writing ---- */

/* gzip in pieces: what is put comes out in `to`, whose maximum counts. */
struct report_gzip;
struct report_gzip *report_gzip_new(struct buf *to);
void report_gzip_put(struct report_gzip *g, struct slice piece);
/* Ends it and frees it. FULL: `to` could not hold it. */
NODISCARD enum result report_gzip_end(struct report_gzip *g);

struct report_about {
	struct slice org, email; /* who reports */
	struct slice submitter;  /* our domain */
	struct slice domain;     /* whom it is about */
	struct slice id;         /* letters, digits, "." and "-" */
	int64_t begin_s, end_s;
};
/* The XML before the records; one record; the end. */
void report_dmarc_begin(
    const struct report_about *about, const Sekisho__ReportTargetsAnswer *policy, struct buf *out);
void report_dmarc_record(const Sekisho__DmarcCount *c, uint64_t times, struct buf *out);
void report_dmarc_end(struct buf *out);

/* The JSON of RFC 8460 4.4: begin, then each policy with its failures, then the end. */
struct report_tls_policy {
	const char *type;    /* tlsrpt_policy_name() */
	struct slice text;   /* its lines, or one TLSA record a line; may be empty */
	struct slice domain; /* whose policy */
	uint64_t good, bad;
};
struct report_tls_failure {
	const char *result; /* tlsrpt_result_name() */
	struct slice mx, helo, ip, reason;
	uint64_t sessions;
};
struct json_t *report_tls_begin(const struct report_about *about);
struct json_t *report_tls_policy(struct json_t *report, const struct report_tls_policy *p);
void report_tls_failure(struct json_t *policy, const struct report_tls_failure *f);

/* A message with the packed report attached, in CRLF. `to`: addresses. */
struct report_mail {
	const struct report_about *about;
	bool tls;
	struct slice host; /* ours, for the Message-ID */
	const struct slice *to;
	size_t n_to;
	struct slice packed;
	int64_t now_ms;
};
void report_mail_put(const struct report_mail *m, struct buf *out);
/* "submitter!domain!begin!end!id.xml.gz" */
void report_file_name(const struct report_about *about, bool tls, struct buf *out);

#endif
