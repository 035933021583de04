/*
 * scan_message: facts about a message, and of one that comes from elsewhere who sent it. What claims to be a result of ours
 * in it is taken out, and the real results are put on top: the message goes back as it is to be kept.
 */
#include "mail/mail.h"
#include "role/scan.h"
#include "trust/verify.h"
#include <unistd.h>

#define FACTS_INLINE 65536
#define SLOW_MS 1000
#define SLOW_MOST                                                                                            \
	(SCAN_THREADS * 3 / 4) /* arrivals that may wait for slow name servers: others need threads too */
#define RESULTS_MOST ((size_t)65536)

/* ---- arrivals that wait ---- */

/* Since when each thread has had one in hand (mono); 0: it has none. */
static _Atomic int64_t arrivals[SCAN_THREADS];
static _Atomic unsigned arrivals_slow, threads_seen;
static _Thread_local unsigned thread_number = SCAN_THREADS;

void scan_arrivals_watch(void)
{
	int64_t now = clock_mono_ms();
	unsigned slow = 0;
	for (unsigned i = 0; i < SCAN_THREADS; i++) {
		int64_t since = atomic_load(&arrivals[i]);
		slow += since && now - since > SLOW_MS;
	}
	atomic_store(&arrivals_slow, slow);
}

/* False: too many wait already, this one has to come again. */
static bool arrival_begin(void)
{
	if (thread_number == SCAN_THREADS)
		thread_number = atomic_fetch_add(&threads_seen, 1) % SCAN_THREADS;
	bool fine = atomic_load(&arrivals_slow) < SLOW_MOST;
	atomic_store(&arrivals[thread_number], fine ? clock_mono_ms() : 0);
	return fine;
}

static void arrival_end(void)
{
	atomic_store(&arrivals[thread_number], 0);
}

/* The resolver, asked without a hand. */
struct handless {
	struct dns dns;
	struct dns_trunk trunk;
};

static void ask_handless(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	struct handless *h = (struct handless *)d;
	scan_hand_give();
	dns_ask(&h->trunk.dns, name, type, a, out);
	scan_hand_again();
}

/* ---- the message as it is to be kept ---- */

static enum result write_kept(int fd, const struct verify *v, const struct verify_ask *ask,
    struct slice trace, size_t strip, struct arena *a)
{
	struct verify_piece *pieces;
	size_t n;
	unsigned forged;
	BUF_LOCAL(top, RESULTS_MOST + trace.n);
	enum result r = verify_pieces(ask->message, ask->hostname, a, &pieces, &n, &forged);
	if (r != OK)
		return r;
	if (forged)
		v->trust->flags |= TRUST_RESULTS_FORGED;
	buf_put(&top, slice_sub(trace, 0, strip));
	verify_put_results(v, ask, &top);
	buf_put(&top, slice_sub(trace, strip, trace.n));
	r = buf_result(&top);
	if (r == OK)
		r = fd_write_all(fd, buf_slice(&top));
	for (size_t i = 0; i < n && r == OK; i++)
		r = fd_write_all(fd, slice_sub(ask->message, pieces[i].from, pieces[i].n));
	return r == OK ? fd_seal(fd) : r;
}

static enum result verify(
    struct ipc_turn *t, const struct run *r, struct slice message, struct verify *v, int *kept_out)
{
	const Sekisho__ScanAsk *ask = t->ask;
	size_t added = MIN(ask->added, message.n), strip = MIN(ask->strip, added);
	struct handless dns = {.dns.ask = ask_handless};
	dns_trunk_init(&dns.trunk, r->trunks[ROLE_RESOLVER]);
	dns.trunk.until_ms = clock_mono_ms() + LIMIT_TRUST_MS;
	struct verify_ask about = {.message = slice_sub(message, added, message.n),
	    .ip = ask->client->ip,
	    .helo = ask->client->helo,
	    .local = slice_of(ask->sender->local.data, ask->sender->local.len),
	    .domain = slice_of(ask->sender->domain.data, ask->sender->domain.len),
	    .hostname = r->config->hostname,
	    .dns = &dns.dns,
	    .now_ms = clock_utc_ms()};
	enum result done = verify_message(&about, &t->arena, v);
	if (done != OK)
		return done;
	*kept_out = fd_memory("mail");
	return *kept_out < 0
		   ? LATER
		   : write_kept(*kept_out, v, &about, slice_sub(message, 0, added), strip, &t->arena);
}

/* ---- the answer ---- */

static bool seal_facts(struct ipc_turn *t, const struct run *r, const Sekisho__Facts *facts,
    Sekisho__FactsRef *ref, struct ipc_fds *fds)
{
	BUF_LOCAL(packed, (size_t)64 << 20);
	unsigned char *mac = arena_alloc(&t->arena, 32);
	ipc_pack(facts, &packed);
	if (!mac || buf_result(&packed) != OK)
		return false;
	scan_seal(r, buf_slice(&packed), mac);
	ref->seal = (ProtobufCBinaryData){32, mac};
	if (packed.n <= FACTS_INLINE) {
		struct slice copy = arena_dup(&t->arena, buf_slice(&packed));
		ref->packed = (ProtobufCBinaryData){copy.n, (uint8_t *)(uintptr_t)copy.p};
		return copy.n == packed.n;
	}
	FD_LOCAL fd = fd_memory("facts");
	if (fd < 0 || fd_write_all(fd, buf_slice(&packed)) != OK || fd_seal(fd) != OK)
		return false;
	ref->in_fd = true;
	fds->fd[fds->n++] = fd;
	fd = -1;
	return true;
}

/* What was found out about the sender, bound to the message by its digest. */
static bool seal_trust(struct ipc_turn *t, const struct run *r, Sekisho__Trust *trust,
    const Sekisho__Facts *facts, Sekisho__ScanAnswer *answer)
{
	static const char label[] = "trust";
	BUF_LOCAL(packed, IPC_TRUST_MOST + sizeof label);
	unsigned char *mac = arena_alloc(&t->arena, 32);
	trust->digest = facts->digest;
	buf_puts(&packed, label);
	ipc_pack(trust, &packed);
	if (!mac || buf_result(&packed) != OK)
		return false;
	scan_seal(r, buf_slice(&packed), mac);
	struct slice copy = arena_dup(&t->arena, slice_sub(buf_slice(&packed), sizeof label - 1, packed.n));
	answer->trust = (ProtobufCBinaryData){copy.n, (uint8_t *)(uintptr_t)copy.p};
	answer->trust_seal = (ProtobufCBinaryData){32, mac};
	return copy.n > 0;
}

/* Takes kept, which is -1 when the message stays as it is. */
static void answer_message(
    struct ipc_turn *t, const struct run *r, const Sekisho__Facts *facts, Sekisho__Trust *trust, int *kept)
{
	Sekisho__FactsRef ref = SEKISHO__FACTS_REF__INIT;
	Sekisho__ScanAnswer answer = SEKISHO__SCAN_ANSWER__INIT;
	struct ipc_fds fds = {.n = 0};
	answer.facts = &ref;
	if (!seal_facts(t, r, facts, &ref, &fds) || (trust && !seal_trust(t, r, trust, facts, &answer))) {
		ipc_fds_close(&fds);
		ipc_refuse(t, FULL, "too many facts");
		return;
	}
	if (*kept >= 0) {
		answer.rewritten = true;
		fds.fd[fds.n++] = *kept;
		*kept = -1;
	}
	ipc_answer(t, &answer, &fds);
	ipc_fds_close(&fds);
}

static bool is_arrival(const struct ipc_turn *t)
{
	const Sekisho__ScanAsk *ask = t->ask;
	return ipc_conn_peer(t->conn) == PEER_MX && ask->client && ask->sender;
}

static void work(struct ipc_turn *t, struct slice message)
{
	const struct run *r = ipc_server_context(t);
	struct slice kept = SLICE_NONE;
	struct verify v = {0};
	Sekisho__Facts *facts;
	FD_LOCAL fd = -1;
	enum result done = OK;
	scan_hand_take();
	if (is_arrival(t))
		done = verify(t, r, message, &v, &fd);
	if (done == OK && fd >= 0)
		done = fd_map_sealed(fd, LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED, &kept);
	if (done == OK)
		done = mail_facts_extract(kept.p ? kept : message, &t->arena, &facts);
	scan_hand_give();
	if (done == OK)
		answer_message(t, r, facts, v.trust, &fd);
	else
		ipc_refuse(t, done, "the message cannot be analysed");
	if (kept.p)
		fd_unmap(&kept);
}

void scan_message(struct ipc_turn *t)
{
	struct slice message;
	if (!scan_map_message(t, &message))
		return;
	bool arrival = is_arrival(t);
	if (arrival && !arrival_begin())
		ipc_refuse(t, LATER, "too many messages wait for the DNS");
	else
		work(t, message);
	if (arrival)
		arrival_end();
	fd_unmap(&message);
}
