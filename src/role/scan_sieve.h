/*
 * scan_sieve: one run of a user's filters: what scan_sieve.c (scripts and what they want) and scan_sieve_env.c (what they
 * are told of the delivery) share.
 */
#ifndef ROLE_SCAN_SIEVE_H
#define ROLE_SCAN_SIEVE_H

#include "role/scan.h"
#include "sieve/sieve.h"

struct scan_run {
	struct ipc_turn *turn;
	struct arena *arena;
	const Sekisho__SieveJob *job;
	struct sieve_message base; /* what the script at hand sees */
	uint32_t base_body;        /* its number among the bodies; 0: as it came */
	struct sieve_env env;
	struct buf bulk;
	Sekisho__SieveRunAnswer answer;
	uint64_t steps;         /* of this and former rounds */
	uint32_t forward_of[2]; /* the number of edits + 1 and the body of the last forward */
	const char *skip_forward;
};

static inline struct slice scan_octets(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

/* From the job, and by answers that came with it. */
void scan_sieve_env(struct scan_run *r);
/* "", or why nothing may be passed on: it goes in a circle. */
const char *scan_sieve_no_forward(const struct scan_run *r);

#endif
