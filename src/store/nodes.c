#include "store/nodes.h"
#include "store/inside.h"
#include "store/queue/queue.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MOST 64 /* nodes that are watched */
#define BEATS 6 /* in one lease */

static const char letters[NODE_WORDS] = {[NODE_MAILBOX] = 'm',
    [NODE_END] = 'e',
    [NODE_QUEUED] = 'q',
    [NODE_RETRY] = 'r',
    [NODE_NAMES] = 'n',
    [NODE_METADATA] = 'a'};

struct watched {
	int64_t id, beat;
	int64_t since_ms; /* that it has stood there, on our clock */
};

struct nodes {
	struct store *store;
	struct db *hearing;
	pthread_t thread;
	int wake;
	int64_t beaten_ms; /* the keeper's, as the rest */
	struct watched watched[MOST];
	size_t n;
};

/* ---- who we are ---- */

static enum result read_number(int dir, int64_t *out)
{
	char text[32];
	uint64_t n;
	FD_LOCAL fd = openat(dir, "node", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text) : -1;
	if (got < 0)
		return errno == ENOENT ? GONE : LATER;
	if (num_u64(slice_trim(slice_of(text, (size_t)got)), INT64_MAX, &n) != OK || !n)
		return BAD;
	*out = (int64_t)n;
	return OK;
}

static enum result make_number(int dir, int64_t *out)
{
	BUF_LOCAL(text, 32);
	int64_t n;
	seal_random(&n, sizeof n);
	n = (n & INT64_MAX) | 1;
	buf_printf(&text, "%lld\n", (long long)n);
	FD_LOCAL fd = openat(dir, "node", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, buf_slice(&text)) != OK || fsync(fd) != 0 || fsync(dir) != 0)
		return LATER;
	*out = n;
	return OK;
}

enum result nodes_number(struct store *s, int64_t *out)
{
	*out = 0;
	if (!db_is_shared(s->writing))
		return OK;
	FD_LOCAL dir = open(s->settings->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return LATER;
	enum result r = read_number(dir, out);
	/* One that cannot be read is as good as none: its rows are taken over once its lease has ended. */
	return r == GONE || r == BAD ? make_number(dir, out) : r;
}

/* ---- joining and leaving ---- */

struct joining {
	struct job job;
	int64_t dead, beat; /* whose place is taken; 0: nobody's */
	bool adopted;
};

static enum result adopt(struct joining *j, struct db *db)
{
	DB_RUN(db, RCPTS_ADOPT, DI(j->job.store->node));
	j->adopted = db_changed(db) > 0;
	return OK;
}

static enum result apply_join(struct job *job, struct db *db)
{
	const struct store *s = job->store;
	if (s->node)
		DB_RUN(db, NODE_SET, DI(s->node), DI(s->incarnation));
	else
		DB_RUN0(db, NODES_CLEAR);
	return adopt((struct joining *)job, db);
}

enum result nodes_join(struct store *s)
{
	seal_random(&s->incarnation, sizeof s->incarnation);
	struct joining j = {.job = {.store = s, .apply = apply_join, .durable = true}};
	return writer_wait(s->writer, &j.job);
}

/*
 * Our row is gone: others took us for dead, and what was ours is theirs. Or somebody else has our number, as a copied
 * directory has: two that hold themselves for one node would send everything twice.
 */
static enum result apply_beat(struct job *job, struct db *db)
{
	struct joining *j = (struct joining *)job;
	const struct store *s = job->store;
	DB_RUN(db, NODE_BEAT, DI(s->node), DI(s->incarnation));
	if (db_changed(db) || db_result(db) != OK)
		return OK;
	if (DB_NUMBER(db, 1, NODE_KNOWN, DI(s->node)))
		return db_result(db) == OK ? DENY : LATER;
	DB_RUN(db, NODE_SET, DI(s->node), DI(s->incarnation));
	return adopt(j, db);
}

static enum result apply_take_over(struct job *job, struct db *db)
{
	struct joining *j = (struct joining *)job;
	DB_RUN(db, NODE_REMOVE, DI(j->dead), DI(j->beat));
	return db_changed(db) ? adopt(j, db) : OK;
}

static void load_queue(struct store *s)
{
	READER r = reader_begin(s);
	if (r.db)
		result_ignore(
		    queue_load(s->queue, r.db)); /* logged; what is missing comes at the next start */
}

static enum result run(
    struct nodes *n, enum result (*apply)(struct job *, struct db *), int64_t dead, int64_t beat)
{
	struct joining j = {
	    .job = {.store = n->store, .apply = apply, .durable = true}, .dead = dead, .beat = beat};
	enum result r = writer_wait(n->store->writer, &j.job);
	if (r == OK && j.adopted)
		load_queue(n->store);
	return r;
}

/* ---- watching ---- */

static struct watched *find(struct nodes *n, int64_t id)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->watched[i].id == id)
			return &n->watched[i];
	return NULL;
}

static void look(struct nodes *n, int64_t now)
{
	READER r = reader_begin(n->store);
	struct watched seen[MOST];
	size_t count = 0;
	if (!r.db)
		return;
	DB_ROWS q = DB_QUERY0(r.db, NODES);
	while (count < MOST && db_next(&q)) {
		struct watched w = {db_int(&q, 0), db_int(&q, 1), now};
		const struct watched *old = find(n, w.id);
		if (old && old->beat == w.beat)
			w.since_ms = old->since_ms;
		if (w.id != n->store->node)
			seen[count++] = w;
	}
	if (db_result(r.db) != OK)
		return;
	memcpy(n->watched, seen, count * sizeof *seen);
	n->n = count;
}

static int64_t lease(const struct nodes *n)
{
	int64_t ms = n->store->settings->node_lease_ms;
	return ms ? ms : NODE_LEASE_MS;
}

void nodes_tick(struct nodes *n)
{
	int64_t now = clock_mono_ms();
	if (!n || now - n->beaten_ms < lease(n) / BEATS)
		return;
	n->beaten_ms = now;
	enum result r = run(n, apply_beat, 0, 0);
	if (r == DENY) {
		EVENT(STORE_ERROR, KZ("what", "node"),
		    KZ("why", "another server has this one's number: remove the file `node` from a copied "
			      "directory"));
		store_broken(n->store);
	}
	if (r != OK)
		return;
	look(n, now);
	for (size_t i = 0; i < n->n; i++)
		if (now - n->watched[i].since_ms > lease(n) &&
		    run(n, apply_take_over, n->watched[i].id, n->watched[i].beat) == OK)
			EVENT(NODE_DEAD, KN("node", n->watched[i].id));
}

/* ---- telling ---- */

void nodes_tell_rest(struct db *db, struct buf *text)
{
	if (text->n)
		db_tell(db, buf_slice(text));
	buf_clear(text);
}

void nodes_tell(
    struct store *s, struct db *db, struct buf *text, enum node_word word, int64_t id, int64_t account)
{
	if (text->n + 48 > DB_TOLD)
		nodes_tell_rest(db, text);
	if (!text->n)
		buf_printf(text, "%lld", (long long)s->node);
	buf_printf(text, " %c%lld", letters[word], (long long)id);
	if (account)
		buf_printf(text, ".%lld", (long long)account);
}

/* ---- hearing ---- */

static void act(struct store *s, char letter, int64_t id, int64_t account)
{
	if (letter == letters[NODE_MAILBOX])
		sessions_note_mailbox(s->sessions, id, NULL);
	else if (letter == letters[NODE_NAMES])
		sessions_note_names(s->sessions, id);
	else if (letter == letters[NODE_METADATA])
		sessions_note_metadata(s->sessions, id, account, NULL);
	else if (letter == letters[NODE_END])
		sessions_end_account(s->sessions, id);
	if (letter == letters[NODE_RETRY])
		queue_retry(s->queue);
	if (letter == letters[NODE_RETRY] || letter == letters[NODE_QUEUED])
		queue_refresh(s, id);
}

/* "NODE WORD WORD...", each word a letter and a number, or two with a point between. */
static void take(struct store *s, struct slice text)
{
	uint64_t n;
	struct slice from = slice_split(&text, ' ');
	if (num_u64(from, INT64_MAX, &n) != OK || (int64_t)n == s->node)
		return;
	while (text.n) {
		struct slice account = slice_split(&text, ' '), word = slice_split(&account, '.');
		uint64_t of = 0;
		if (account.n && num_u64(account, INT64_MAX, &of) != OK)
			continue;
		if (word.n && num_u64(slice_sub(word, 1, word.n), INT64_MAX, &n) == OK)
			act(s, word.p[0], (int64_t)n, (int64_t)of);
	}
}

/* What was told while we could not hear is not told again. */
static void missed(struct store *s)
{
	sessions_note_all(s->sessions);
	load_queue(s);
}

static void *listen_thread(void *arg)
{
	struct nodes *n = arg;
	for (;;) {
		BUF_LOCAL(text, DB_TOLD + 1);
		enum result r = db_hear(n->hearing, n->wake, &text);
		if (r == GONE || r == DENY)
			return NULL;
		if (r == OK)
			take(n->store, buf_slice(&text));
		else
			missed(n->store);
	}
}

struct nodes *nodes_new(struct store *s)
{
	if (!s->node)
		return NULL;
	struct nodes *n = calloc(1, sizeof *n);
	if (!n)
		abort();
	n->store = s;
	n->wake = eventfd(0, EFD_CLOEXEC);
	n->beaten_ms = clock_mono_ms();
	if (n->wake < 0 || db_open(&s->place, false, &n->hearing) != OK) {
		fd_close(&n->wake);
		free(n);
		return NULL;
	}
	if (pthread_create(&n->thread, NULL, listen_thread, n) != 0)
		abort();
	pthread_setname_np(n->thread, "listener");
	return n;
}

void nodes_free(struct nodes *n)
{
	if (!n)
		return;
	uint64_t one = 1;
	if (write(n->wake, &one, sizeof one) != sizeof one)
		abort();
	pthread_join(n->thread, NULL);
	db_close(n->hearing);
	fd_close(&n->wake);
	free(n);
}
