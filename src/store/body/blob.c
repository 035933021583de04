#include "store/body/blob.h"
#include "store/body/segment.h"
#include "store/store.h"
#include "store/db/writer.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

/*
 * A record, all numbers little-endian:
 *
 *     0  "SKB1"            4  facts length       8  key id (16)     24  digest (16)
 *     40 body size (u64)  48  chunks (u32)      52  zero (12)       64  chunk lengths (u32 each), facts, chunks
 *
 * Facts and chunks are sealed pieces; inside, the first octet says whether zstd was used, four more give the plain
 * length. The pieces' counters are 0 for the facts and 1 + n for chunk n; each is bound to the body's size.
 */
#define MAGIC "SKB1"
#define HEADER 64
#define PIECE_HEAD 5
#define PIECE_MORE (PIECE_HEAD + SEAL_TAG)
#define LEVEL 1
#define SMALLEST 128 /* octets that are worth a try at compressing */
#define FACTS_MAX ((size_t)64 << 20)

struct blobs {
	struct segments *segments;
	const struct seal *seal;
	uint64_t reserve;
};

/* What a thread keeps for compressing. */
struct workspace {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	struct buf plain;
};
static pthread_key_t workspace_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void workspace_free(void *p)
{
	struct workspace *w = p;
	ZSTD_freeCCtx(w->pack);
	ZSTD_freeDCtx(w->unpack);
	buf_free(&w->plain);
	free(w);
}

static void start(void)
{
	if (pthread_key_create(&workspace_key, workspace_free) != 0)
		abort();
}

static struct workspace *workspace(void)
{
	pthread_once(&once, start);
	struct workspace *w = pthread_getspecific(workspace_key);
	if (w)
		return w;
	w = calloc(1, sizeof *w);
	if (!w || !(w->pack = ZSTD_createCCtx()) || !(w->unpack = ZSTD_createDCtx()))
		abort();
	buf_init(&w->plain, FACTS_MAX + PIECE_MORE + ZSTD_COMPRESSBOUND(FACTS_MAX));
	pthread_setspecific(workspace_key, w);
	return w;
}

enum result blob_open(const struct store_settings *settings, const struct seal *seal, struct blobs **out)
{
	struct blobs *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	b->seal = seal;
	b->reserve = settings->disk_reserve;
	enum result r = segments_open(settings->dir, settings->objects.endpoint ? &settings->objects : NULL,
	    settings->bodies_in_objects, settings->object_rest_ms, &b->segments);
	if (r != OK) {
		free(b);
		return r;
	}
	*out = b;
	return OK;
}

void blob_close(struct blobs *b)
{
	if (!b)
		return;
	segments_close(b->segments);
	free(b);
}

struct segments *blob_segments(struct blobs *b)
{
	return b->segments;
}

uint64_t blob_disk_free(struct blobs *b)
{
	return segments_disk_free(b->segments);
}

enum result blob_room(struct blobs *b)
{
	uint64_t left = segments_disk_free(b->segments);
	if (left >= b->reserve)
		return segments_up(b->segments) ? OK : LATER;
	EVENT(STORE_FULL, KN("free", left));
	return FULL;
}

/* ---- records ---- */

static uint32_t chunks_of(uint64_t size)
{
	return (uint32_t)((size + BLOB_CHUNK - 1) / BLOB_CHUNK);
}

static uint64_t head_of(uint64_t size)
{
	return HEADER + (uint64_t)chunks_of(size) * 4;
}

static struct slice bound_to(const uint8_t id[SEAL_ID], uint64_t size, char room[SEAL_ID + 8])
{
	memcpy(room, id, SEAL_ID);
	memcpy(room + SEAL_ID, &size, sizeof size);
	return slice_of(room, SEAL_ID + 8);
}

/* Adds one sealed piece to out: compressed when that saves a sixteenth. */
static void put_piece(
    const uint8_t key[SEAL_KEY], uint32_t counter, struct slice bound, struct slice plain, struct buf *out)
{
	struct workspace *w = workspace();
	buf_clear(&w->plain);
	size_t room = ZSTD_compressBound(plain.n);
	char *p = buf_room(&w->plain, PIECE_HEAD + MAX(room, plain.n));
	assert(p);
	size_t n = plain.n < SMALLEST
		       ? plain.n
		       : ZSTD_compressCCtx(w->pack, p + PIECE_HEAD, room, plain.p, plain.n, LEVEL);
	bool packed = !ZSTD_isError(n) && n < plain.n - plain.n / 16;
	if (!packed) {
		n = plain.n;
		if (n)
			memcpy(p + PIECE_HEAD, plain.p, n);
	}
	uint32_t length = (uint32_t)plain.n;
	p[0] = packed;
	memcpy(p + 1, &length, sizeof length);
	char *to = buf_room(out, PIECE_HEAD + n + SEAL_TAG);
	assert(to);
	seal_piece(key, counter, bound, slice_of(p, PIECE_HEAD + n), to);
	buf_wrote(out, PIECE_HEAD + n + SEAL_TAG);
}

/* Adds the plain octets of a sealed piece to out. */
static enum result get_piece(
    const uint8_t key[SEAL_KEY], uint32_t counter, struct slice bound, struct slice sealed, struct buf *out)
{
	struct workspace *w = workspace();
	buf_clear(&w->plain);
	char *p = sealed.n >= PIECE_MORE ? buf_room(&w->plain, sealed.n) : NULL;
	if (!p || seal_open_piece(key, counter, bound, sealed, p) != OK)
		return BAD;
	size_t n = sealed.n - PIECE_MORE;
	uint32_t length;
	memcpy(&length, p + 1, sizeof length);
	char *to = buf_room(out, length);
	if (!to)
		return FULL;
	size_t got = n;
	if (p[0])
		got = ZSTD_decompressDCtx(w->unpack, to, length, p + PIECE_HEAD, n);
	else if (n == length && n)
		memcpy(to, p + PIECE_HEAD, n);
	if (got != length)
		return BAD;
	buf_wrote(out, length);
	return OK;
}

static void put_header(char *p, const struct blob_place *at, const uint8_t digest[BLOB_DIGEST])
{
	uint32_t chunks = chunks_of(at->size);
	memset(p, 0, HEADER);
	memcpy(p, MAGIC, 4);
	memcpy(p + 4, &at->facts, 4);
	memcpy(p + 8, at->key_id, SEAL_ID);
	memcpy(p + 24, digest, BLOB_DIGEST);
	memcpy(p + 40, &at->size, 8);
	memcpy(p + 48, &chunks, 4);
}

/* A record being built: `head` is written last when the body is written piece by piece. */
struct record {
	struct blob_place *at;
	uint8_t key[SEAL_KEY];
	char bound_room[SEAL_ID + 8];
	struct slice bound;
	struct buf head, rest;
};

static void record_start(struct record *r, const struct seal *seal, const uint8_t digest[BLOB_DIGEST],
    struct slice body, struct slice facts, struct blob_place *at)
{
	*at = (struct blob_place){.size = body.n};
	seal_random(at->key_id, SEAL_ID);
	seal_blob_key(seal, at->key_id, r->key);
	r->at = at;
	r->bound = bound_to(at->key_id, at->size, r->bound_room);
	buf_init(&r->head, head_of(body.n));
	buf_init(&r->rest, facts.n + BLOB_CHUNK + 4 * PIECE_MORE + 64);
	if (facts.n)
		put_piece(r->key, 0, r->bound, facts, &r->rest);
	at->facts = (uint32_t)r->rest.n;
	char *p = buf_room(&r->head, head_of(body.n));
	put_header(p, at, digest);
	buf_wrote(&r->head, head_of(body.n));
}

static void record_chunk(struct record *r, uint32_t n, struct slice body)
{
	size_t before = r->rest.n;
	put_piece(r->key, n + 1, r->bound, slice_sub(body, (size_t)n * BLOB_CHUNK, BLOB_CHUNK), &r->rest);
	uint32_t length = (uint32_t)(r->rest.n - before);
	memcpy(r->head.p + HEADER + (size_t)n * 4, &length, 4);
}

/* All of it in one write. */
static enum result write_small(struct blobs *b, struct record *r, struct slice body)
{
	if (body.n)
		record_chunk(r, 0, body);
	BUF_LOCAL(all, r->head.n + r->rest.n);
	buf_put(&all, buf_slice(&r->head));
	buf_put(&all, buf_slice(&r->rest));
	r->at->taken = all.n;
	enum result done = segments_reserve(b->segments, all.n, &r->at->segment, &r->at->place);
	if (done != OK)
		return done;
	done = segments_write(b->segments, r->at->segment, r->at->place, buf_slice(&all));
	segments_wrote(b->segments, r->at->segment, r->at->place, all.n, all.n);
	return done;
}

/* The longest it can get is reserved; what compressing leaves over stays a hole in the file. */
static enum result write_large(struct blobs *b, struct record *r, struct slice body)
{
	uint32_t chunks = chunks_of(body.n);
	uint64_t most = r->head.n + r->rest.n + body.n + (uint64_t)chunks * PIECE_MORE;
	struct blob_place *at = r->at;
	enum result done = segments_reserve(b->segments, most, &at->segment, &at->place);
	if (done != OK)
		return done;
	at->taken = r->head.n;
	for (uint32_t n = 0; n < chunks && done == OK; n++) {
		record_chunk(r, n, body);
		done = segments_write(b->segments, at->segment, at->place + at->taken, buf_slice(&r->rest));
		at->taken += r->rest.n;
		buf_clear(&r->rest);
	}
	if (done == OK)
		done = segments_write(b->segments, at->segment, at->place, buf_slice(&r->head));
	segments_wrote(b->segments, at->segment, at->place, most, at->taken);
	return done;
}

static enum result write_record(struct blobs *b, const uint8_t digest[BLOB_DIGEST], struct slice body,
    struct slice facts, struct blob_place *out)
{
	struct record r;
	record_start(&r, b->seal, digest, body, facts, out);
	enum result done = body.n <= BLOB_CHUNK ? write_small(b, &r, body) : write_large(b, &r, body);
	buf_free(&r.head);
	buf_free(&r.rest);
	if (done != OK && out->segment)
		segments_release(b->segments, out->segment);
	return done;
}

void blob_digest(const struct blobs *b, const uint8_t sha256[32], bool has_facts, uint8_t out[BLOB_DIGEST])
{
	uint8_t mac[SEAL_MAC], named[33];
	memcpy(named, sha256, 32);
	named[32] = has_facts;
	seal_mac(b->seal, SEAL_DIGESTS, slice_of(named, sizeof named), mac);
	memcpy(out, mac, BLOB_DIGEST);
}

enum result blob_keep(struct blobs *b, struct db *reader, const uint8_t sha256[32], struct slice body,
    struct slice facts, struct blob *out)
{
	blob_digest(b, sha256, facts.n > 0, out->digest);
	struct slice digest = slice_of(out->digest, BLOB_DIGEST);
	out->written = false;
	if (DB_NUMBER(reader, 0, BLOB_BY_DIGEST, DI(1), DB(digest)))
		return OK;
	enum result r = write_record(b, out->digest, body, facts, &out->at);
	out->written = r == OK;
	return r;
}

void blob_release(struct blobs *b, struct blob *blob)
{
	if (blob->written)
		segments_release(b->segments, blob->at.segment);
	blob->written = false;
}

enum result blob_flush(struct blobs *b)
{
	return segments_flush(b->segments);
}

/* ---- rows ---- */

int64_t blob_ref(struct blobs *b, struct writer *w, struct db *db, const struct blob *blob, unsigned refs)
{
	struct slice digest = slice_of(blob->digest, BLOB_DIGEST);
	int64_t id = DB_NUMBER(db, 0, BLOB_BY_DIGEST, DI(1), DB(digest));
	if (id) {
		DB_RUN(db, BLOB_REF, DI(id), DI(refs));
		return id;
	}
	const struct blob_place *at = &blob->at;
	if (!blob->written || !segments_good(b->segments, at->segment))
		return 0;
	id = writer_number(w, SEQUENCE_BLOB);
	DB_RUN(db, BLOB_ADD, DI(id), DI(1), DB(digest), DB(slice_of(at->key_id, SEAL_ID)), DI(at->segment),
	    DI(at->place), DI(at->taken), DI(at->size), DI(at->facts), DI(refs));
	return id;
}

void blob_unref(struct db *db, int64_t id, unsigned refs)
{
	DB_RUN(db, BLOB_REF, DI(id), DI(-(int64_t)refs));
}

struct blob_place blob_place_of(const struct db_rows *rows, int from)
{
	struct blob_place at = {
	    .segment = db_int(rows, from),
	    .place = (uint64_t)db_int(rows, from + 1),
	    .taken = (uint64_t)db_int(rows, from + 2),
	    .size = (uint64_t)db_int(rows, from + 3),
	    .facts = (uint32_t)db_int(rows, from + 4),
	};
	struct slice id = db_octets(rows, from + 5);
	if (id.n == SEAL_ID)
		memcpy(at.key_id, id.p, SEAL_ID);
	return at;
}

bool blob_find(struct db *db, int64_t id, struct blob_place *out)
{
	DB_ROWS q = DB_QUERY(db, BLOB_PLACE, DI(id));
	if (!db_next(&q))
		return false;
	*out = blob_place_of(&q, 0);
	return true;
}

/* ---- reading ---- */

static enum result read_piece(
    struct blobs *b, const struct blob_place *at, uint64_t place, size_t n, uint32_t counter, struct buf *out)
{
	uint8_t key[SEAL_KEY];
	char room[SEAL_ID + 8], small[8192];
	char *sealed = n <= sizeof small ? small : malloc(n);
	if (!sealed)
		abort();
	enum result r = segments_read(b->segments, at->segment, place, sealed, n);
	if (r == OK) {
		seal_blob_key(b->seal, at->key_id, key);
		r = get_piece(key, counter, bound_to(at->key_id, at->size, room), slice_of(sealed, n), out);
		if (r == BAD)
			EVENT(STORE_ERROR, KZ("what", "body"), KZ("why", "does not open"),
			    KN("segment", at->segment), KN("place", at->place));
	}
	if (sealed != small)
		free(sealed);
	return r;
}

enum result blob_read_facts(struct blobs *b, const struct blob_place *at, struct buf *out)
{
	if (!at->facts)
		return OK;
	enum result r = read_piece(b, at, at->place + head_of(at->size), at->facts, 0, out);
	return r == BAD ? LATER : r;
}

/* Where chunk n lies and how long it is. A single chunk ends with the record; otherwise the table tells. */
static enum result find_chunk(
    struct blobs *b, const struct blob_place *at, uint32_t n, uint64_t *place_out, size_t *length_out)
{
	uint64_t from = at->place + head_of(at->size) + at->facts;
	uint64_t end = at->place + at->taken;
	uint32_t chunks = chunks_of(at->size);
	uint32_t lengths[BLOB_CHUNK / 24]; /* LIMIT_MESSAGE_SIZE may be raised to 256 MiB: 2,731 chunks */
	if (chunks > COUNT(lengths) || n >= chunks)
		return BAD;
	if (chunks == 1) {
		lengths[0] = (uint32_t)(end - from);
	} else {
		enum result r = segments_read(
		    b->segments, at->segment, at->place + HEADER, lengths, ((size_t)n + 1) * sizeof *lengths);
		if (r != OK)
			return r;
	}
	for (uint32_t i = 0; i < n; i++)
		from += lengths[i];
	if (from + lengths[n] > end || lengths[n] > BLOB_CHUNK + PIECE_MORE)
		return BAD;
	*place_out = from;
	*length_out = lengths[n];
	return OK;
}

static enum result read_chunk(struct blobs *b, const struct blob_place *at, uint32_t n, struct buf *out)
{
	uint64_t place;
	size_t length;
	enum result r = find_chunk(b, at, n, &place, &length);
	return r == OK ? read_piece(b, at, place, length, n + 1, out) : r;
}

enum result blob_read(
    struct blobs *b, const struct blob_place *at, uint64_t offset, uint64_t length, struct buf *out)
{
	enum result r = blob_read_sure(b, at, offset, length, out);
	return r == BAD ? LATER : r;
}

enum result blob_read_sure(
    struct blobs *b, const struct blob_place *at, uint64_t offset, uint64_t length, struct buf *out)
{
	if (offset >= at->size)
		return OK;
	uint64_t end = offset + MIN(length, at->size - offset);
	while (offset < end) {
		uint32_t n = (uint32_t)(offset / BLOB_CHUNK);
		uint64_t start = (uint64_t)n * BLOB_CHUNK;
		uint64_t stop = MIN(end, start + BLOB_CHUNK);
		if (offset == start && stop == MIN(start + BLOB_CHUNK, at->size)) {
			enum result r = read_chunk(b, at, n, out);
			if (r != OK)
				return r;
		} else {
			BUF_LOCAL(chunk, BLOB_CHUNK);
			enum result r = read_chunk(b, at, n, &chunk);
			if (r != OK)
				return r;
			buf_put(out,
			    slice_sub(buf_slice(&chunk), (size_t)(offset - start), (size_t)(stop - offset)));
		}
		offset = stop;
	}
	return buf_result(out);
}
