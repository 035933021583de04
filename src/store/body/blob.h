/*
 * blob: message bodies, in append-only segment files beside the database or in objects of an S3-compatible store.
 *
 * A record is a header, the table of its chunks' lengths, the facts, and the body in chunks of BLOB_CHUNK octets, each
 * compressed when that pays and sealed (seal.h). A record is found by its row in the table `blobs`; octets of a segment
 * that no row points to are garbage, such as the tail that a crash tore. Nothing is ever overwritten.
 *
 * A body is written by any thread (blob_write), made durable by the writer for a whole group (blob_flush), and then
 * belongs to the row that the writer commits (blob_ref). The same content is kept once in an organisation; a row whose
 * count fell to zero stays for a while, so that blob_find's answer holds until it is used, and is then taken away
 * (blob_tidy.c), which also copies what is left of a segment full of garbage and removes the file.
 */
#ifndef STORE_BODY_BLOB_H
#define STORE_BODY_BLOB_H

#include "store/db/db.h"
#include "store/body/seal.h"
#include <sys/types.h>

#define BLOB_CHUNK 98304
#define BLOB_SEGMENT ((uint64_t)256 << 20) /* a segment this long gets no further record */
#define BLOB_DIGEST 16

struct blobs;

struct blob_place {
	int64_t segment;
	uint64_t place; /* offset of the record */
	uint64_t taken; /* octets of the record */
	uint64_t size;  /* octets of the body */
	uint32_t facts; /* octets of the sealed facts, 0: none */
	uint8_t key_id[SEAL_ID];
};

/* A body on its way into the database; one that was written holds its segment until blob_release. */
struct blob {
	struct blob_place at;
	uint8_t digest[BLOB_DIGEST];
	bool written; /* false: found, `at` is not set */
};

/* The calls that reach the disk; tests put failing ones here. */
struct blob_io {
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t offset);
	int (*fdatasync)(int fd);
};
extern struct blob_io blob_io;

/* Opens the segments: dir/bodies, and the object store when there is one. */
struct store_settings;
NODISCARD enum result blob_open(
    const struct store_settings *settings, const struct seal *seal, struct blobs **out);
void blob_close(struct blobs *b);

/* FULL when new mail would eat into the reserve of the disk; LATER while the object store is away. */
NODISCARD enum result blob_room(struct blobs *b);
uint64_t blob_disk_free(struct blobs *b);

/*
 * Finds the content of this digest (SHA-256 of the message) or writes it; what has no facts is shared only with its
 * like. FULL: the disk is; LATER: it failed.
 */
NODISCARD enum result blob_keep(struct blobs *b, struct db *reader, const uint8_t sha256[32],
    struct slice body, struct slice facts, struct blob *out);
/* What stands in a row for a content: a keyed hash. */
void blob_digest(const struct blobs *b, const uint8_t sha256[32], bool has_facts, uint8_t out[BLOB_DIGEST]);
/* Once the row is durable, or will never be. */
void blob_release(struct blobs *b, struct blob *blob);
struct segments;
struct segments *blob_segments(struct blobs *b);
/* Makes everything written before this call durable. The writer's. */
NODISCARD enum result blob_flush(struct blobs *b);

/* ---- in a transaction of the writer ---- */

struct store;
struct writer;
/* Adds `refs` to the content's count, adding its row when it is new; 0 when that cannot be: the job fails. */
int64_t blob_ref(struct blobs *b, struct writer *w, struct db *db, const struct blob *blob, unsigned refs);
void blob_unref(struct db *db, int64_t id, unsigned refs);

/*
 * One round of tidying: takes away rows without references that were already so in the round before, and empties one
 * segment that is mostly garbage. The keeper's, every few minutes.
 */
void blob_tidy(struct store *s);

/* ---- reading ---- */

/* The place in columns `from` and following of a row: segment, place, taken, size, facts, key_id. */
struct blob_place blob_place_of(const struct db_rows *rows, int from);
/* Looks up where a body lies; false when there is no such. */
bool blob_find(struct db *db, int64_t id, struct blob_place *out);
/* Adds octets [offset, offset + length) of the body to out, fewer at its end. GONE: the segment was
 * moved meanwhile; LATER: it cannot be read, or what is read was changed (logged). */
NODISCARD enum result blob_read(
    struct blobs *b, const struct blob_place *at, uint64_t offset, uint64_t length, struct buf *out);
/* The same, but BAD: what is read was changed, and will be so the next time. */
NODISCARD enum result blob_read_sure(
    struct blobs *b, const struct blob_place *at, uint64_t offset, uint64_t length, struct buf *out);
NODISCARD enum result blob_read_facts(struct blobs *b, const struct blob_place *at, struct buf *out);

#endif
