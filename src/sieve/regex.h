/* regex: see regex.c. Compiled expressions live in the arena they were made in and may be used by several threads. */
#ifndef SIEVE_REGEX_H
#define SIEVE_REGEX_H

#include "base/base.h"

/* By octet without folding (i;octet), or by character with ASCII or all letters folded. */
enum sieve_fold { SIEVE_FOLD_NONE, SIEVE_FOLD_ASCII, SIEVE_FOLD_UNICODE };
enum sieve_regex_result { SIEVE_REGEX_NO, SIEVE_REGEX_YES, SIEVE_REGEX_TOO_MUCH };

struct sieve_regex;
/* NULL, or why it is no regular expression. */
const char *sieve_regex_compile(
    struct slice s, enum sieve_fold how, struct arena *a, struct sieve_regex **out);
/*
 * Searches text. *count: room in groups, then how many there are (with the whole match); slices of text. *budget is
 * lessened by the work; TOO_MUCH when it does not last.
 */
enum sieve_regex_result sieve_regex_match(
    const struct sieve_regex *re, struct slice text, struct slice *groups, size_t *count, uint64_t *budget);

/* The character at the start of s, which is not empty, and its octets; what is not UTF-8 becomes 0x110000 + octet. */
size_t sieve_character(bool octets, struct slice s, uint32_t *out);

#endif
