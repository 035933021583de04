/*
 * queue: what waits to leave for other servers.
 *
 * Rows are in the tables `queued` (a message) and `recipients` (one address each); when they fall due is also kept in
 * memory, by destination domain, so that claiming is fair: domains take turns, each with at most so many jobs out. A
 * claim is in memory only. When the relay's channel ends, or this role does, claimed rows simply wait again.
 *
 * Recipients whose sender is to be told something (state other than RCPT_WAITING, or a delay notice due) are handed to
 * the courier (dsn.c).
 */
#ifndef STORE_QUEUE_QUEUE_H
#define STORE_QUEUE_QUEUE_H

#include "store/queue/deliver.h"

struct queue;
struct queue *queue_new(struct store *s);
void queue_end(struct queue *q);
/* Adds this node's rows of the tables that are not known yet: when the store opens, and after another node's end. */
NODISCARD enum result queue_load(struct queue *q, struct db *db);
/*
 * Takes up what another node has changed in one message (0: in any). What was removed or held there is noticed when it
 * is claimed.
 */
void queue_refresh(struct store *s, int64_t queued);

/* A row was committed, or waits again. Any thread. */
void queue_add(
    struct queue *q, int64_t row, int64_t queued, struct slice domain, enum rcpt_state state, int64_t due_ms);
/* All rows of one message at once: the relay finds those of one domain together, for one transaction. */
void queue_add_all(
    struct queue *q, int64_t queued, const struct deliver_remote *rows, size_t n, int64_t due_ms);
/* A row is gone, or must not be sent. */
void queue_drop(struct queue *q, int64_t row);
/* When a waiting row is due; 0 when it does not wait. */
bool queue_is_claimed(struct queue *q, int64_t row);

struct queue_numbers {
	uint64_t waiting;
	int64_t next_ms;  /* when the next unclaimed row falls due, 0: none */
	uint64_t retries; /* how often an administrator asked for a retry */
};
struct queue_numbers queue_numbers(struct queue *q);
/* An administrator asks for a retry: what the relay knows of dead hosts shall not count for the rows added next. */
void queue_retry(struct queue *q);
/* Sends the relay a note when something is due now. The keeper's, every second or when queue_numbers says. */
void queue_ring(struct queue *q);

/* Takes a row out, and the whole message when it was the last; in apply(). */
void queue_remove_row(struct db *db, int64_t row, int64_t queued);
void queue_remove_if_done(struct db *db, int64_t queued);

/* Whether a row of this message is out to be sent. */
bool queue_mail_is_claimed(struct store *s, struct db *db, int64_t queued);

/* Relay channels that have claimed and not ended. */
unsigned queue_claimants(struct queue *q);

/*
 * The sealed columns, in the arena. originator: the account whose filter sends it, 0: none.
 */
struct slice queue_seal_mail(struct store *s, struct slice mail, struct slice from_local,
    struct slice from_domain, struct slice envid, int64_t originator, enum mail_origin origin,
    struct arena *a);
struct slice queue_seal_rcpt(struct store *s, struct slice mail, struct slice local, struct slice domain,
    struct slice orcpt, struct arena *a);
enum queue_field {
	QUEUE_LOCAL = 1,
	QUEUE_DOMAIN,
	QUEUE_ORCPT,
	QUEUE_ENVID,
	QUEUE_HOST,
	QUEUE_CODE,
	QUEUE_STATUS,
	QUEUE_TEXT,
	QUEUE_WHEN,
	QUEUE_ORIGINATOR,
	QUEUE_AUTHORED, /* 1: ORIGIN_OURS */
	QUEUE_ORIGIN,   /* others, but for ORIGIN_UNKNOWN */
};
enum mail_origin queue_origin(struct slice fields);
/* What became of a recipient whom no server was asked about. */
struct slice queue_seal_outcome(
    struct store *s, struct slice mail, const char *status, struct slice text, struct arena *a);
/* Opens any of them; empty when it does not open. Fields as above. */
struct slice queue_open_sealed(struct store *s, struct slice mail, struct slice sealed, struct arena *a);

#endif
