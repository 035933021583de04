/* queue_inside: the queue in memory, as queue.c, queue_claim.c and queue_report.c share it. All under its lock. */
#ifndef STORE_QUEUE_INSIDE_H
#define STORE_QUEUE_INSIDE_H

#include "store/queue/queue.h"
#include <pthread.h>

#define QUEUE_DOMAINS 4096 /* buckets */

/* A relay channel that has claimed. */
struct claimant {
	struct store *store;
};

/* Rows that were claimed together and count as one of their domain's jobs until all are reported. */
struct claim_job {
	struct queue_domain *domain;
	unsigned rows;
	int64_t account; /* whose mail it is, when only one of theirs may be out at a time; 0: any number */
	struct claim_job *next_alone, **prev_alone;
};

/* In exactly one place: waiting (heap), due (its domain's list), or claimed. */
struct queue_row {
	int64_t row, queued;
	int64_t due_ms;
	struct queue_domain *domain;
	size_t heap; /* index + 1, 0: not there */
	bool due;
	struct queue_row *next_due, **prev_due;
	struct claimant *claimant;
	struct claim_job *job;
	struct queue_row *next_bucket;
};

struct queue_domain {
	char *name;
	unsigned rows; /* all of them */
	unsigned out;  /* jobs that are claimed */
	bool in_turn;
	struct queue_row *first, **last; /* due, in the order they fell due */
	struct queue_domain *next_turn, *next_bucket;
};

struct queue {
	struct store *store;
	pthread_mutex_t lock;
	struct queue_row **buckets;
	size_t n_buckets, n_rows;
	struct queue_domain *domains[QUEUE_DOMAINS];
	struct queue_domain *first_turn, **last_turn; /* domains that may have due rows, the next first */
	struct queue_row **heap;
	size_t n_heap, cap_heap;
	unsigned claimants;
	struct claim_job *alone; /* those with an account */
	bool rung;               /* the relay was told and has not claimed since */
	uint64_t retries;
};

struct queue_row *queue_find(struct queue *q, int64_t row);
/* Moves rows whose time has come from the heap to their domains. */
void queue_take_due(struct queue *q, int64_t now);
void queue_wait(struct queue *q, struct queue_row *r, int64_t due_ms);
void queue_claim_row(struct queue_row *r, struct claimant *by);
/* Domains take turns: the next one leaves the line, and joins its end again while it has rows to give. */
struct queue_domain *queue_next_turn(struct queue *q);
void queue_join_turn(struct queue *q, struct queue_domain *d);
void queue_job_end(struct queue *q, struct claim_job *j);
/* The job of this row is its account's only one out. False when another is (takes the lock). */
bool queue_claim_alone(struct queue *q, int64_t row, int64_t account);
/* Claimed rows wait again, until a time. */
void queue_put_off(struct queue *q, const int64_t *rows, size_t n, int64_t due_ms);

/* Claimed rows wait again: these, or all of a channel that has ended (both take the lock). */
void queue_claimant_new(struct queue *q);
void queue_unclaim(struct queue *q, const int64_t *rows, size_t n);
void queue_release(struct queue *q, const struct claimant *by);

struct slice queue_seal_fields(struct store *s, struct slice mail, const struct buf *fields, struct arena *a);

#endif
