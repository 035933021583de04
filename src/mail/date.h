/*
 * date: dates in messages (RFC 5322 3.3 with the obsolete forms) and IMAP's date-time (RFC 3501).
 *
 * Times are milliseconds since 1970 in UTC; zones are minutes east of Greenwich.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/base.h"

struct mail_date {
	int64_t ms;
	int zone; /* as written, for showing the sender's clock */
};

/*
 * A Date field: day names, comments, two-digit years, missing seconds, zone names, "1 January 2024", "Jan 1 2024",
 * asctime() and ISO 8601 are understood. BAD when no sense can be made of it.
 */
NODISCARD enum result mail_date_parse(struct slice s, struct mail_date *out);
/* "Tue, 02 Jan 2024 15:04:05 +0900" */
void mail_date_put(struct buf *b, struct mail_date d);

/* IMAP date-time without its quotes: " 2-Jan-2024 15:04:05 +0900". Strict. */
NODISCARD enum result mail_imap_date_parse(struct slice s, struct mail_date *out);
void mail_imap_date_put(struct buf *b, struct mail_date d);
/* IMAP date, quoted or not: "2-Jan-2024"; the start of that day as if in UTC. Strict. */
NODISCARD enum result mail_imap_day_parse(struct slice s, int64_t *ms_out);

/* Days since 1970-01-01 of a date of the Gregorian calendar; month 1-12. */
int64_t mail_days_of(int64_t year, int month, int day);
/* And back. */
void mail_days_split(int64_t days, int64_t *year, int *month, int *day);

#endif
