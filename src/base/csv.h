/*
 * csv: tables as text (RFC 4180): records of fields divided by commas, a record a line (CRLF or LF), fields with
 * commas, line breaks or quotes in quotes. A byte order mark before the first record is no part of it; empty lines
 * are no records.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "arena.h"
#include "limits.h"
#include "result.h"
#include "slice.h"

struct csv {
	struct slice rest;
	unsigned line; /* on which the last record began, from 1 */
	unsigned next;
};

struct csv csv_read(struct slice text);
/*
 * The next record's fields, in the arena. GONE: there is none; BAD: quotes that do not fit; FULL: LIMIT_CSV_FIELDS, or the
 * arena.
 */
NODISCARD enum result csv_next(
    struct csv *c, struct arena *a, struct slice fields[LIMIT_CSV_FIELDS], size_t *n_out);

#endif
