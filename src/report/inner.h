/* inner: what the files of the room share. */
#ifndef REPORT_INNER_H
#define REPORT_INNER_H

#include "base/base.h"
#include "mail/address.h"
#include "report/report.h"

/* ---- unpacking ---- */

/*
 * What takes the octets of a document, in order. take: OK, or anything else when it wants no more. Both set *why (static words)
 * when they refuse.
 */
struct report_sink {
	enum result (*take)(struct report_sink *s, struct slice piece);
	const char *why;
};
/* gzip and zip are unpacked, also in each other up to LIMIT_REPORT_NESTING; everything else goes to the sink as it is. */
struct unpack;
struct unpack *unpack_new(struct report_sink *to);
void unpack_free(struct unpack *u);
NODISCARD enum result unpack_put(struct unpack *u, struct slice piece);
/* No more comes. */
NODISCARD enum result unpack_end(struct unpack *u);
const char *unpack_why(const struct unpack *u); /* NULL: nothing was refused */
uint64_t unpack_octets(const struct unpack *u);

/* ---- reading ---- */

#define ESCAPE_MOST 10 /* octets of an entity or a character reference; longer ones are text */
/* What takes mended octets, and what waits between pieces. */
struct mend {
	enum result (*give)(void *context, struct slice piece);
	void *context;
	char held[ESCAPE_MOST + 4]; /* the end of a piece that may go on in the next one */
	size_t n;
};
/* Anything but OK is what give() said. */
NODISCARD enum result mend_put(struct mend *m, struct slice piece, bool last);

/* new (NULL: the arena is full); put pieces; end. Strings live in the arena. STOP: the document has come to its end. */
struct dmarc_reader;
struct dmarc_reader *dmarc_reader_new(struct arena *a, bool utf16);
void dmarc_reader_free(struct dmarc_reader *r);
NODISCARD enum result dmarc_reader_put(struct dmarc_reader *r, struct slice piece, const char **why);
/* OK: *out is whole. BAD: *why. */
NODISCARD enum result dmarc_reader_end(struct dmarc_reader *r, Sekisho__DmarcReport **out, const char **why);

NODISCARD enum result tls_report_read(
    struct slice json, struct arena *a, Sekisho__TlsReport **out, const char **why);
NODISCARD enum result failure_report_read(
    struct slice fields, struct arena *a, Sekisho__FailureReport **out, const char **why);

/* A domain as reports are filed under: A-labels, lower case, no final dot; empty when it is none. */
char *report_domain(struct slice text, struct arena *a);
/* Text from outside: printable UTF-8, at most LIMIT_REPORT_TEXT octets; never NULL but when the arena is full. */
char *report_text(struct slice text, struct arena *a);

#endif
