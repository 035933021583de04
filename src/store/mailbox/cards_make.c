/* Making blocks of cards behind deliveries. */
#include "store/mailbox/cards.h"
#include "store/rounds.h"
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#define LEVEL 1
#define PLAIN_MOST ((size_t)8 << 20)
#define BLOCKS_A_JOB 16u
#define DUE_MOST                                                                                             \
	4096u /* mailboxes; one that does not fit is due again with its next messages, or when it is read */

struct cards {
	struct store *store;
	struct rounds rounds;
	pthread_mutex_t lock; /* of the rest */
	int64_t due[DUE_MOST];
	size_t n;
};

void cards_due(struct cards *c, int64_t mailbox)
{
	pthread_mutex_lock(&c->lock);
	size_t i = 0;
	while (i < c->n && c->due[i] != mailbox)
		i++;
	if (i == c->n && c->n < DUE_MOST) {
		c->due[c->n++] = mailbox;
		rounds_wake(&c->rounds);
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- blocks ---- */

struct block {
	uint32_t first, last;
	struct slice sealed[MAIL_CARD_PARTS]; /* in the batch's arena */
};
struct batch {
	struct job job;
	int64_t mailbox;
	uint32_t after; /* the last UID that had a card when this batch was begun */
	struct block blocks[BLOCKS_A_JOB];
	size_t n;
	bool taken;
	struct arena arena;
	/* the block being filled */
	struct buf plain[MAIL_CARD_PARTS];
	uint32_t number[MAIL_CARD_PARTS];
	uint32_t first, last;
	unsigned count;
};

static void batch_init(struct batch *b, struct store *s, int64_t mailbox)
{
	*b = (struct batch){.job = {.store = s}, .mailbox = mailbox};
	arena_init(&b->arena, (size_t)256 << 20);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		buf_init(&b->plain[i], PLAIN_MOST);
}

static void batch_free(struct batch *b)
{
	arena_free(&b->arena);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		buf_free(&b->plain[i]);
}

static void block_begin(struct batch *b, uint32_t first)
{
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		buf_clear(&b->plain[i]);
		b->number[i] = 0;
	}
	b->first = first;
	b->count = 0;
}

static enum result add_card(void *arg, uint32_t uid, const struct slice packed[MAIL_CARD_PARTS])
{
	struct batch *b = arg;
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++)
		mail_card_list_put(&b->plain[i], &b->number[i], uid, packed[i]);
	b->last = uid;
	b->count++;
	return OK;
}

static enum result block_end(struct batch *b)
{
	struct block *block = &b->blocks[b->n];
	*block = (struct block){.first = b->first, .last = b->last};
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		char room[64];
		size_t bound = ZSTD_compressBound(b->plain[i].n);
		BUF_LOCAL(packed, bound);
		BUF_LOCAL(sealed, bound + SEAL_OVERHEAD);
		char *to = buf_room(&packed, bound);
		if (!to || buf_result(&b->plain[i]) != OK)
			return FULL;
		size_t n = ZSTD_compress(to, bound, b->plain[i].p, b->plain[i].n, LEVEL);
		if (ZSTD_isError(n))
			return LATER;
		buf_wrote(&packed, n);
		seal_put(
		    b->job.store->seal, buf_slice(&packed), cards_bound(i, b->first, b->last, room), &sealed);
		block->sealed[i] = arena_dup(&b->arena, buf_slice(&sealed));
	}
	b->n++;
	return arena_full(&b->arena) ? LATER : OK;
}

/* Full blocks of what follows b->after, as many as one job takes. */
static enum result batch_fill(struct batch *b)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct store *s = b->job.store;
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	b->after = (uint32_t)DB_NUMBER(r.db, 0, CARDS_LAST, DI(b->mailbox));
	block_begin(b, b->after + 1);
	DB_ROWS q = DB_QUERY(r.db, FETCH_PLACES, DI(b->mailbox), DI((uint64_t)b->after + 1),
	    DI((uint64_t)UINT32_MAX + 1), DI(0));
	while (b->n < BLOCKS_A_JOB && db_next(&q)) {
		struct entry e;
		entry_read(&q, &e);
		struct blob_place at = blob_place_of(&q, 10);
		enum result done =
		    cards_from_facts(s, &e, &at, MAIL_CARD_BIT(MAIL_CARD_PARTS) - 1, &a, add_card, b);
		if (done == OK && b->count == CARDS_A_BLOCK) {
			done = block_end(b);
			block_begin(b, b->last + 1);
		}
		if (done != OK)
			return done;
	}
	return db_result(r.db);
}

/* Another node, or a mailbox that moved meanwhile, may have made what was read here worthless. */
static enum result apply_batch(struct job *j, struct db *db)
{
	struct batch *b = (struct batch *)j;
	struct box box;
	if (!box_load(db, b->mailbox, &box) ||
	    DB_NUMBER(db, 0, CARDS_LAST, DI(b->mailbox)) != (int64_t)b->after)
		return OK;
	for (size_t i = 0; i < b->n; i++)
		for (unsigned part = 0; part < MAIL_CARD_PARTS; part++)
			DB_RUN(db, CARDS_ADD, DI(b->mailbox), DI(part), DI(b->blocks[i].last),
			    DI(b->blocks[i].first), DB(b->blocks[i].sealed[part]));
	b->taken = true;
	return OK;
}

/* True when there may be more to make. */
static bool make_some(struct store *s, int64_t mailbox)
{
	struct batch b;
	batch_init(&b, s, mailbox);
	b.job.apply = apply_batch;
	enum result r = batch_fill(&b);
	if (r == OK && b.n)
		r = writer_wait(s->writer, &b.job);
	bool more = r == OK && b.taken && b.n == BLOCKS_A_JOB;
	batch_free(&b);
	return more;
}

/* ---- throwing away ---- */

struct drop {
	struct job job;
	int64_t mailbox;
};

static enum result apply_drop(struct job *j, struct db *db)
{
	DB_RUN(db, CARDS_REMOVE, DI(((struct drop *)j)->mailbox));
	return OK;
}

/*
 * Mostly cards of expunged messages: what is left is made anew. It takes three expunges a message to come here, so that
 * each of them pays a part of it.
 */
static void drop_stale(struct store *s, int64_t mailbox)
{
	struct box box;
	int64_t blocks;
	{
		READER r = reader_begin(s);
		if (!r.db || !box_load(r.db, mailbox, &box))
			return;
		blocks = DB_NUMBER(r.db, 0, CARDS_COUNT, DI(mailbox));
	}
	if (blocks * (int64_t)CARDS_A_BLOCK < 4 * (int64_t)box.messages + 32 * (int64_t)CARDS_A_BLOCK)
		return;
	struct drop d = {.job = {.store = s, .apply = apply_drop}, .mailbox = mailbox};
	result_ignore(writer_wait(s->writer, &d.job)); /* another time */
}

/* 0: none. */
static int64_t take_due(struct cards *c)
{
	pthread_mutex_lock(&c->lock);
	int64_t mailbox = c->n ? c->due[0] : 0;
	if (mailbox)
		memmove(c->due, c->due + 1, --c->n * sizeof *c->due);
	pthread_mutex_unlock(&c->lock);
	return mailbox;
}

static int64_t work(void *arg)
{
	struct cards *c = arg;
	for (int64_t mailbox; !rounds_ending(&c->rounds) && (mailbox = take_due(c));) {
		drop_stale(c->store, mailbox);
		while (!rounds_ending(&c->rounds) && make_some(c->store, mailbox))
			;
	}
	return ROUNDS_UNTIL_WOKEN;
}

enum result cards_check(struct db *db)
{
	db_begin(db);
	if (DB_NUMBER(db, 0, NUMBER_GET, DZ("cards")) != MAIL_CARD_VERSION) {
		DB_RUN0(db, CARDS_FORGET);
		DB_RUN(db, NUMBER_SET, DZ("cards"), DI(MAIL_CARD_VERSION));
	}
	return db_commit(db);
}

struct cards *cards_new(struct store *s)
{
	struct cards *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->store = s;
	pthread_mutex_init(&c->lock, NULL);
	rounds_start(&c->rounds, "cards", ROUNDS_UNTIL_WOKEN, work, c);
	return c;
}

void cards_end(struct cards *c)
{
	if (c)
		rounds_stop(&c->rounds);
}

void cards_free(struct cards *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}
