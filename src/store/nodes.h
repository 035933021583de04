/*
 * nodes: several servers on one database.
 *
 * A node has a number of its own (kept in its directory) and a row in the table `nodes` whose beat it counts up. What it
 * queues is its own to send (recipients.node). A node whose beat stands still for a lease, on the watch of another, is
 * taken for dead: its row goes, and the other takes over what it had queued. Should it wake again, it finds that its
 * rows are no longer its own before it sends them (queue_claim.c).
 *
 * What a transaction changes is told to the other nodes with its commit: mailboxes to be looked at again, sessions to
 * be ended, queue rows that an administrator changed. A node that was out of reach for a while takes everything for
 * changed.
 *
 * Where the database is one node's alone (SQLite) the number is 0 and none of this happens.
 */
#ifndef STORE_NODES_H
#define STORE_NODES_H

#include "store/db/db.h"

struct store;
struct nodes;

#define NODE_LEASE_MS 30000

enum node_word { NODE_MAILBOX, NODE_END, NODE_QUEUED, NODE_RETRY, NODE_NAMES, NODE_METADATA, NODE_WORDS };

/* Reads the number, or makes it; 0 where the database is not shared. */
NODISCARD enum result nodes_number(struct store *s, int64_t *out);
/* Takes this node's place among the others, and what a dead one has left. Before the queue is loaded. */
NODISCARD enum result nodes_join(struct store *s);
/* Begins to listen. NULL where there is nobody else. */
struct nodes *nodes_new(struct store *s);
void nodes_free(struct nodes *n);
/* The keeper's, every second: beats, and watches the others. */
void nodes_tick(struct nodes *n);

/*
 * Adds a word to what the writer tells with a commit; sends what is full. In the transaction. `account` 0: not said, as
 * with every word but NODE_METADATA.
 */
void nodes_tell(
    struct store *s, struct db *db, struct buf *text, enum node_word word, int64_t id, int64_t account);
void nodes_tell_rest(struct db *db, struct buf *text);

#endif
