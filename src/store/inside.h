/* inside: what the files of the room share. */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include "store/body/blob.h"
#include "store/db/db.h"
#include "store/keeper.h"
#include "store/body/seal.h"
#include "store/body/segment.h"
#include "store/sessions.h"
#include "store/store.h"
#include "store/db/writer.h"
#include <assert.h>

#define ORGANISATION 1 /* the one there is so far */

struct cards;
struct contain;
struct courier;
struct domains;
struct gate;
struct facts_cache;
struct people;
struct queue;
struct recent;
struct reports;
struct search;
struct signed_lately;
struct signing;
struct signins;
struct tasks;
struct tidying;
struct uid_cache;

struct store {
	const struct store_settings *settings;
	struct db_place place;
	struct seal *seal;
	struct blobs *blob;
	struct db *writing; /* the writer's connection */
	struct db_pool *readers;
	struct writer *writer;
	struct sessions *sessions;
	struct recent *recent; /* the writer's */
	struct queue *queue;
	struct uid_cache *uids;
	struct facts_cache *facts;
	struct cards *cards;
	struct tasks *tasks;
	struct nodes *nodes; /* NULL: nobody else uses the database */
	int64_t node;        /* our number there, 0: nobody else does */
	int64_t incarnation;
	struct courier *courier;
	struct search *search;
	struct signed_lately *lately;
	struct signing *signing; /* NULL: nothing is signed */
	struct domains *watch;
	struct reports *reports;
	_Atomic int64_t dmarc_reported, tls_reported; /* days up to these are done */
	struct signins *signins;
	struct gate *gate;
	struct stats *stats;
	struct contain *contain;
	struct people *people;
	_Atomic(struct keeper *) keeper;
	struct tidying *tidying; /* the keeper's */
	_Atomic(struct ipc_server *) server;
	_Atomic bool broken;
};

void store_broken(struct store *s);

/* A reading connection for the length of a scope; `db` is NULL when there is none. */
struct reader {
	struct store *store;
	struct db *db;
};
struct reader reader_begin(struct store *s);
void reader_end(struct reader *r);
#define READER __attribute__((cleanup(reader_end))) struct reader

static inline struct store *store_of(const struct ipc_turn *t)
{
	return ipc_server_context(t);
}
/* The session of this channel; NULL when it was ended meanwhile (the turn is then answered). */
struct login *session_of(struct ipc_turn *t);

/* Answers that a job or a reading failed, in general words. */
void refuse(struct ipc_turn *t, enum result r);

static inline struct slice slice_of_octets(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}
static inline ProtobufCBinaryData octets_of(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/*
 * Facts that came with a message: unpacks them into the turn's arena once the seal is right and they speak of this
 * body. `packed` lives as long as the turn.
 */
struct message {
	struct slice body; /* in the arena, or mapped: message_unmap */
	bool mapped;
	int fd; /* its sealed file, somebody else's; -1: none */
	struct slice packed;
	const Sekisho__Facts *facts;
	uint8_t digest[32];
};
/* BAD: not what scan sealed, or of another message; FULL: larger than may be; LATER: no memory. */
NODISCARD enum result message_take(
    struct store *s, struct ipc_turn *t, const Sekisho__FactsRef *ref, struct message *m);
/* The same for descriptors that did not come with an ask; facts_fd may be -1. */
NODISCARD enum result message_check(struct store *s, struct arena *a, int body_fd,
    const Sekisho__FactsRef *ref, int facts_fd, struct message *m);
/* Facts by asking scan, as a front would. LATER: scan is not there, or died of it. */
NODISCARD enum result message_scan(struct store *s, struct arena *a, int body_fd, struct message *m);
/* The same for octets that lie somewhere else, and stay there. */
NODISCARD enum result message_view(struct store *s, struct arena *a, struct slice body, struct slice packed,
    struct slice seal, struct message *m);
/*
 * A message that was kept before, in a file of its own, as if a front had handed it in; the caller closes m->fd. Facts
 * from a segment need no seal. LATER: it cannot be read now.
 */
struct blob_place;
NODISCARD enum result message_reopen(
    struct store *s, struct arena *a, const struct blob_place *at, struct message *m);
void message_unmap(struct message *m);
#define MESSAGE __attribute__((cleanup(message_unmap))) struct message

#endif
