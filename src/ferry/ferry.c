#include "ferry/inner.h"
#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>

#define BATCH_OCTETS ((size_t)8 << 20)
#define BATCH_WORDS 60000 /* octets of names and keywords: a packet has LIMIT_IPC_PACKET */
#define TELL_MS 500
#define TRIES 8 /* of one batch: the server may be restarting */

struct ferry_batch {
	struct arena arena;
	struct buf bodies;
	Sekisho__ImportItem item[LIMIT_IMPORT_BATCH];
	Sekisho__ImportItem *list[LIMIT_IMPORT_BATCH];
	const char *where[LIMIT_IMPORT_BATCH];
	size_t n, words;
};

/* The thread that hands batches over: one on its way while the next is filled. */
struct ferry_sender {
	struct ferry *ferry;
	struct ipc ipc;
	pthread_t thread;
	pthread_mutex_t lock; /* also of the counts and the watch */
	pthread_cond_t changed;
	struct ferry_batch *sending; /* NULL: idle */
	struct ferry_batch *spare;
	enum result result; /* the first that was not OK; sticks */
	bool ending;
};

enum result ferry_fail(struct ferry *f, enum result r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_clear(&f->why);
	buf_vprintf(&f->why, fmt, ap);
	va_end(ap);
	return r;
}

const char *ferry_why(struct ferry *f)
{
	return buf_z(&f->why);
}

const struct ferry_counts *ferry_counts(const struct ferry *f)
{
	return &f->n;
}

/* ---- what is told ---- */

static void tell_locked(struct ferry *f, bool now)
{
	int64_t ms = clock_mono_ms();
	if (!now && ms - f->told_ms < TELL_MS)
		return;
	f->told_ms = ms;
	if (f->watch.progress)
		f->watch.progress(f->watch.arg, &f->n);
}

void ferry_tell(struct ferry *f, bool now)
{
	pthread_mutex_lock(&f->sender->lock);
	tell_locked(f, now);
	pthread_mutex_unlock(&f->sender->lock);
}

void ferry_count_known(struct ferry *f, uint64_t n)
{
	pthread_mutex_lock(&f->sender->lock);
	f->n.known += n;
	tell_locked(f, false);
	pthread_mutex_unlock(&f->sender->lock);
}

void ferry_count_taken(struct ferry *f, uint64_t octets)
{
	pthread_mutex_lock(&f->sender->lock);
	f->n.taken++;
	f->n.octets += octets;
	tell_locked(f, false);
	pthread_mutex_unlock(&f->sender->lock);
}

static void problem(struct ferry *f, const char *where, bool failed, const char *fmt, va_list ap)
{
	BUF_LOCAL(text, 4096);
	buf_vprintf(&text, fmt, ap);
	pthread_mutex_lock(&f->sender->lock);
	f->n.failed += failed;
	if (f->watch.problem)
		f->watch.problem(f->watch.arg, where, buf_z(&text));
	pthread_mutex_unlock(&f->sender->lock);
}

void ferry_problem(struct ferry *f, const char *where, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	problem(f, where, false, fmt, ap);
	va_end(ap);
}

void ferry_refused(struct ferry *f, const char *where, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	problem(f, where, true, fmt, ap);
	va_end(ap);
}

/* ---- handing over ---- */

static int memory_of(const struct ferry_batch *b)
{
	FD_LOCAL fd = fd_memory("import");
	if (fd < 0 || fd_write_all(fd, buf_slice(&b->bodies)) != OK || fd_seal(fd) != OK)
		return -1;
	int done = fd;
	fd = -1;
	return done;
}

static enum result ask_once(struct ferry_sender *s, const struct ferry_batch *b, int fd, struct arena *a,
    Sekisho__ImportAnswer **answer_out)
{
	Sekisho__ImportAsk ask = SEKISHO__IMPORT_ASK__INIT;
	struct ipc_fds send = {.fd = {fd}, .n = 1};
	ask.address = (char *)(uintptr_t)s->ferry->address;
	ask.items = (Sekisho__ImportItem **)(uintptr_t)b->list;
	ask.n_items = b->n;
	if (s->ipc.fd < 0 && ipc_connect(s->ferry->socket, &s->ipc) != OK)
		return LATER;
	enum result r = ipc_call(&s->ipc, ASK_STORE_IMPORT, &ask, &send, a, answer_out, NULL);
	return r == GONE && s->ipc.fd < 0 ? LATER : r;
}

static void count_item(
    struct ferry *f, const struct ferry_batch *b, size_t i, const Sekisho__ImportDone *done)
{
	if (done->known) {
		f->n.known++;
	} else if (done->result == OK) {
		f->n.taken++;
		f->n.octets += b->item[i].size;
	} else {
		f->n.failed++;
	}
	if (done->why[0] && f->watch.problem)
		f->watch.problem(f->watch.arg, b->where[i], done->why);
}

/* A batch that was taken although its answer was lost is known the next time. */
static enum result hand_over(struct ferry_sender *s, const struct ferry_batch *b)
{
	struct ferry *f = s->ferry;
	ARENA_LOCAL(a, (size_t)4 << 20);
	Sekisho__ImportAnswer *answer = NULL;
	FD_LOCAL fd = memory_of(b);
	enum result r = LATER;
	for (unsigned i = 0; fd >= 0 && r == LATER && i < TRIES; i++) {
		if (i)
			poll(NULL, 0, 250 << MIN(i, 6u));
		r = ask_once(s, b, fd, &a, &answer);
	}
	pthread_mutex_lock(&s->lock);
	if (r == OK && answer->n_done != b->n)
		r = BAD;
	for (size_t i = 0; r == OK && i < b->n; i++)
		count_item(f, b, i, answer->done[i]);
	if (r != OK)
		r = ferry_fail(f, r, "the server could not take them: %s",
		    s->ipc.why && s->ipc.why[0] ? s->ipc.why : result_name(r));
	tell_locked(f, false);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void batch_clear(struct ferry_batch *b)
{
	arena_reset(&b->arena);
	buf_clear(&b->bodies);
	b->n = b->words = 0;
}

static void *work(void *arg)
{
	struct ferry_sender *s = arg;
	pthread_mutex_lock(&s->lock);
	while (!s->ending) {
		struct ferry_batch *b = s->sending;
		if (!b) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		enum result r = hand_over(s, b);
		batch_clear(b);
		pthread_mutex_lock(&s->lock);
		s->sending = NULL;
		s->spare = b;
		if (s->result == OK)
			s->result = r;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Waits until the sender is idle; then gives it what was filled. */
static enum result pass_on(struct ferry *f, bool wait)
{
	struct ferry_sender *s = f->sender;
	pthread_mutex_lock(&s->lock);
	while (s->sending)
		pthread_cond_wait(&s->changed, &s->lock);
	if (f->filling->n && s->result == OK) {
		s->sending = f->filling;
		f->filling = s->spare;
		s->spare = NULL;
		pthread_cond_broadcast(&s->changed);
	}
	while (wait && s->sending)
		pthread_cond_wait(&s->changed, &s->lock);
	enum result r = s->result;
	pthread_mutex_unlock(&s->lock);
	return r;
}

enum result ferry_settle(struct ferry *f)
{
	return pass_on(f, true);
}

static ProtobufCBinaryData key_in(struct arena *a, const uint8_t key[FERRY_KEY])
{
	struct slice s = arena_dup(a, slice_of(key, FERRY_KEY));
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static void add_item(struct ferry_batch *b, const struct ferry_message *m)
{
	Sekisho__ImportItem *item = &b->item[b->n];
	struct arena *a = &b->arena;
	sekisho__import_item__init(item);
	item->mailbox = arena_z(a, slice_str(m->mailbox));
	item->key = key_in(a, m->key);
	if (m->has_also)
		item->also = key_in(a, m->also);
	item->flags = m->flags;
	item->keywords = arena_array(a, m->n_keywords + 1, sizeof *item->keywords);
	for (size_t i = 0; i < m->n_keywords; i++)
		item->keywords[item->n_keywords++] = arena_z(a, slice_str(m->keywords[i]));
	item->internal_ms = m->internal_ms;
	item->size = m->body.n;
	b->where[b->n] = arena_z(a, slice_str(m->where));
	b->list[b->n++] = item;
	buf_put(&b->bodies, m->body);
}

enum result ferry_put(struct ferry *f, const struct ferry_message *m)
{
	size_t words = strlen(m->mailbox) + 2 * FERRY_KEY + 64;
	for (size_t i = 0; i < m->n_keywords; i++)
		words += strlen(m->keywords[i]) + 4;
	if (m->body.n > FERRY_MESSAGE) {
		ferry_refused(f, m->where, "larger than any message this server takes");
		return OK;
	}
	const struct ferry_batch *b = f->filling;
	enum result r = OK;
	if (b->n && (b->n == LIMIT_IMPORT_BATCH || b->bodies.n + m->body.n > BATCH_OCTETS ||
			b->words + words > BATCH_WORDS))
		r = pass_on(f, false);
	if (r != OK)
		return r;
	f->filling->words += words;
	add_item(f->filling, m);
	return arena_full(&f->filling->arena) ? FULL : OK;
}

/* ---- asking ---- */

void ferry_key(uint8_t out[FERRY_KEY], const struct slice *parts, size_t n)
{
	BUF_LOCAL(b, 65536);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&b, "%zu:", parts[i].n);
		buf_put(&b, parts[i]);
	}
	SHA256((const uint8_t *)b.p, b.n, out);
}

enum result ferry_known(struct ferry *f, const uint8_t (*keys)[FERRY_KEY], size_t n, bool *known_out)
{
	Sekisho__ImportedAsk ask = SEKISHO__IMPORTED_ASK__INIT;
	Sekisho__ImportedAnswer *answer = NULL;
	ARENA_LOCAL(a, (size_t)1 << 20);
	ask.address = (char *)(uintptr_t)f->address;
	ask.keys = arena_array(&a, n + 1, sizeof *ask.keys);
	for (size_t i = 0; ask.keys && i < n; i++)
		ask.keys[ask.n_keys++] = key_in(&a, keys[i]);
	enum result r = LATER;
	for (unsigned i = 0; r == LATER && i < TRIES; i++) {
		if (i)
			poll(NULL, 0, 250 << MIN(i, 6u));
		if (f->asking.fd < 0 && ipc_connect(f->socket, &f->asking) != OK)
			continue;
		r = ipc_call(&f->asking, ASK_STORE_IMPORTED, &ask, NULL, &a, &answer, NULL);
		if (r == GONE && f->asking.fd < 0)
			r = LATER;
	}
	if (r != OK || answer->n_known != n)
		return ferry_fail(f, r == OK ? BAD : r, "the server does not answer what it has");
	for (size_t i = 0; i < n; i++)
		known_out[i] = answer->known[i] != 0;
	return OK;
}

/* The account's own session, as after a login. */
static enum result enter(struct ferry *f)
{
	int ends[2];
	Sekisho__EnterAsk ask = SEKISHO__ENTER_ASK__INIT;
	ARENA_LOCAL(a, LIMIT_IPC_PACKET);
	if (ipc_connect(f->socket, &f->asking) != OK)
		return ferry_fail(f, GONE, "the server does not answer on %s", f->socket);
	if (ipc_pair(ends) != OK)
		return ferry_fail(f, LATER, "no more descriptors");
	struct ipc_fds send = {.fd = {ends[1]}, .n = 1};
	ask.address = (char *)(uintptr_t)f->address;
	enum result r = ipc_call(&f->asking, ASK_STORE_ENTER, &ask, &send, &a, NULL, NULL);
	fd_close(&ends[1]);
	if (r != OK) {
		fd_close(&ends[0]);
		return ferry_fail(f, r, "%s", f->asking.why);
	}
	f->session.fd = ends[0];
	return OK;
}

enum result ferry_mailbox(struct ferry *f, const char *name)
{
	if (f->made && strcmp(f->made, name) == 0)
		return OK;
	ARENA_LOCAL(a, LIMIT_IPC_PACKET);
	Sekisho__CreateAsk create = SEKISHO__CREATE_ASK__INIT;
	Sekisho__NameAsk subscribe = SEKISHO__NAME_ASK__INIT;
	create.name = subscribe.name = (char *)(uintptr_t)name;
	enum result r = ipc_call(&f->session, ASK_STORE_CREATE, &create, NULL, &a, NULL, NULL);
	if (r == DENY && strcmp(f->session.why, "EXISTS") == 0)
		r = OK;
	if (r == GONE && f->session.fd < 0) {
		r = enter(f);
		return r == OK ? ferry_mailbox(f, name) : r;
	}
	if (r != OK)
		return ferry_fail(f, r, "%s: %s", name, f->session.why);
	r = ipc_call(&f->session, ASK_STORE_SUBSCRIBE, &subscribe, NULL, &a, NULL, NULL);
	if (r != OK)
		return ferry_fail(f, r, "%s: %s", name, f->session.why);
	free(f->made);
	f->made = strdup(name);
	return OK;
}

/* ---- opening ---- */

static struct ferry_batch *batch_new(void)
{
	struct ferry_batch *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	arena_init(&b->arena, (size_t)4 << 20);
	buf_init(&b->bodies, FERRY_MESSAGE + BATCH_OCTETS);
	return b;
}

static void batch_free(struct ferry_batch *b)
{
	if (!b)
		return;
	arena_free(&b->arena);
	buf_free(&b->bodies);
	free(b);
}

static struct ferry_sender *sender_new(struct ferry *f)
{
	struct ferry_sender *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->ferry = f;
	s->ipc = (struct ipc){.fd = -1, .why = ""};
	s->spare = batch_new();
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	if (pthread_create(&s->thread, NULL, work, s) != 0)
		abort();
	return s;
}

static void sender_free(struct ferry_sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	if (s->ipc.fd >= 0)
		ipc_close(&s->ipc);
	batch_free(s->spare);
	batch_free(s->sending);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

enum result ferry_open(const char *socket, const char *address, const struct ferry_watch *watch,
    struct buf *why, struct ferry **out)
{
	struct ferry *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	f->socket = socket;
	f->address = address;
	f->watch = *watch;
	f->asking = f->session = (struct ipc){.fd = -1, .why = ""};
	f->n.started_ms = clock_mono_ms();
	arena_init(&f->arena, (size_t)64 << 20);
	buf_init(&f->why, 4096);
	buf_init(&f->text, FERRY_MESSAGE * 2);
	buf_init(&f->other, FERRY_MESSAGE * 2);
	f->filling = batch_new();
	f->sender = sender_new(f);
	enum result r = enter(f);
	if (r != OK) {
		buf_puts(why, ferry_why(f));
		ferry_close(f);
		return r;
	}
	*out = f;
	return OK;
}

void ferry_close(struct ferry *f)
{
	if (!f)
		return;
	sender_free(f->sender);
	batch_free(f->filling);
	if (f->asking.fd >= 0)
		ipc_close(&f->asking);
	if (f->session.fd >= 0)
		ipc_close(&f->session);
	arena_free(&f->arena);
	buf_free(&f->why);
	buf_free(&f->text);
	buf_free(&f->other);
	free(f->made);
	free(f);
}
