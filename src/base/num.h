/*
 * num: numbers from text, and sums that cannot wrap.
 *
 * The parsers take the whole slice or nothing, refuse signs, blanks and leading "+", and require the largest value
 * the caller can use.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "result.h"
#include "slice.h"

NODISCARD enum result num_u64(struct slice s, uint64_t max, uint64_t *out);
NODISCARD enum result num_u32(struct slice s, uint32_t max, uint32_t *out);

#define add_ok(a, b, out) (!__builtin_add_overflow((a), (b), (out)))
#define mul_ok(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
