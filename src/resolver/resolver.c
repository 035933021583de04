/*
 * Questions under way stand in a list in the order in which they came. Two threads of ours beside the handlers': one takes
 * libunbound's results and ends what took too long, the other finds out at the start whether validation is possible.
 */
#include "resolver/resolver.h"
#include "resolver/cache.h"
#include "resolver/fixture.h"
#include "resolver/send.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

#define ANSWER_MS (20 * SECOND_MS)
#define CACHE_PLACES 16384
#define WAITING 10000        /* questions under way; above it SERVFAIL */
#define ANSWER_OCTETS 100000 /* records beyond it are dropped: an answer fits a packet */
#define FAILED_MS (5 * SECOND_MS)
#define NEGATIVE_S 30 /* when a negative answer names no time */
#define PROBE_MS (10 * SECOND_MS)
#define FILE_OCTETS 65536

struct question {
	struct resolver *resolver;
	struct ipc_turn *turn;
	struct slice name;
	unsigned type;
	int id;             /* libunbound's */
	struct ub_ctx *ctx; /* the one that was asked */
	int64_t until_ms;
	struct question *next, *before;
};

struct resolver {
	struct fixture *fixture; /* NULL: the network */
	struct cache *cache;
	struct ub_ctx *validating, *plain; /* plain: without an anchor, NULL where it is not needed */
	_Atomic bool insecure;             /* plain is asked */
	pthread_mutex_t lock;              /* guards the list */
	struct question *first, *last;
	unsigned waiting;
	struct sender sender;
	int wake[2]; /* a pipe: the first question's deadline has to be minded */
};

/* ---- answers ---- */

/* The message of an answer; its parts live in the arena or are d's. False: the arena is full. */
static bool answer_fill(const struct dns_answer *d, struct arena *a, Sekisho__DnsAnswer *out)
{
	*out = (Sekisho__DnsAnswer)SEKISHO__DNS_ANSWER__INIT;
	Sekisho__DnsRecord *records = arena_array(a, d->n + 1, sizeof *records);
	out->records = arena_array(a, d->n + 1, sizeof(Sekisho__DnsRecord *));
	if (!records || !out->records)
		return false;
	for (size_t i = 0; i < d->n; i++) {
		records[i] = (Sekisho__DnsRecord)SEKISHO__DNS_RECORD__INIT;
		records[i].rdata = (ProtobufCBinaryData){d->rdata[i].n, (uint8_t *)(uintptr_t)d->rdata[i].p};
		out->records[out->n_records++] = &records[i];
	}
	out->status = (Sekisho__DnsAnswer__Status)d->status;
	out->secure = d->secure;
	out->ttl = d->ttl;
	out->canonical = (char *)(uintptr_t)(d->canonical ? d->canonical : "");
	return true;
}

static void send_answer(struct ipc_turn *t, const struct dns_answer *d)
{
	Sekisho__DnsAnswer answer;
	if (answer_fill(d, &t->arena, &answer))
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, FULL, "the answer is too long");
}

static void send_status(struct ipc_turn *t, enum dns_status status)
{
	struct dns_answer d = {.status = status};
	send_answer(t, &d);
}

static enum dns_status status_of(const struct ub_result *r)
{
	if (r->bogus)
		return DNS_BOGUS;
	if (r->nxdomain)
		return DNS_NXDOMAIN;
	if (r->rcode != 0)
		return DNS_SERVFAIL;
	return r->havedata ? DNS_FOUND : DNS_NODATA;
}

/* In lower case, without a final dot. */
static const char *read_canonical(const char *name, struct arena *a)
{
	struct slice s = slice_str(name);
	char *z = arena_z(a, slice_sub(s, 0, s.n && s.p[s.n - 1] == '.' ? s.n - 1 : s.n));
	for (char *p = z; p && *p; p++)
		*p = ascii_lower(*p);
	return z;
}

/* The records are views into r. */
static void read_result(const struct ub_result *r, struct arena *a, struct dns_answer *out)
{
	size_t n = 0, octets = 0;
	while (r->data && r->data[n] && n < LIMIT_DNS_ANSWERS)
		n++;
	*out = (struct dns_answer){.status = status_of(r),
	    .secure = r->secure,
	    .ttl = (uint32_t)MAX(r->ttl, 0),
	    .canonical = read_canonical(r->canonname, a),
	    .rdata = arena_array(a, n + 1, sizeof *out->rdata)};
	if (!out->rdata)
		out->status = DNS_SERVFAIL;
	for (size_t i = 0; out->status == DNS_FOUND && i < n; i++) {
		octets += (size_t)r->len[i] + 8;
		if (octets > ANSWER_OCTETS)
			break;
		out->rdata[out->n++] = slice_of(r->data[i], (size_t)r->len[i]);
	}
	if (!out->ttl && out->status != DNS_FOUND)
		out->ttl = NEGATIVE_S;
}

static void keep(struct resolver *r, const struct question *q, const struct dns_answer *d)
{
	Sekisho__DnsAnswer answer;
	BUF_LOCAL(packed, LIMIT_IPC_PACKET);
	if (!answer_fill(d, &q->turn->arena, &answer))
		return;
	ipc_pack(&answer, &packed);
	int64_t ms = dns_is_temporary(d->status) ? FAILED_MS : (int64_t)d->ttl * SECOND_MS;
	if (buf_result(&packed) == OK)
		cache_put(r->cache, q->name, q->type, clock_mono_ms(), ms, buf_slice(&packed));
}

/* True when the cache answered. */
static bool answer_from_cache(struct resolver *r, struct ipc_turn *t, struct slice name, unsigned type)
{
	BUF_LOCAL(packed, LIMIT_IPC_PACKET);
	int64_t age;
	if (cache_get(r->cache, name, type, clock_mono_ms(), &packed, &age) != OK)
		return false;
	struct ipc_allocator al = ipc_allocator(&t->arena);
	Sekisho__DnsAnswer *answer = sekisho__dns_answer__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	if (!answer)
		return false;
	answer->ttl -= (uint32_t)MIN(age / SECOND_MS, (int64_t)answer->ttl);
	ipc_answer(t, answer, NULL);
	return true;
}

/* ---- questions under way; the lock is held ---- */

static void list_add(struct resolver *r, struct question *q)
{
	q->before = r->last;
	*(r->last ? &r->last->next : &r->first) = q;
	r->last = q;
	r->waiting++;
}

static void list_remove(struct resolver *r, struct question *q)
{
	*(q->before ? &q->before->next : &r->first) = q->next;
	*(q->next ? &q->next->before : &r->last) = q->before;
	r->waiting--;
}

/* ---- libunbound ---- */

static void on_result(void *context, int err, struct ub_result *result)
{
	struct question *q = context;
	struct resolver *r = q->resolver;
	pthread_mutex_lock(&r->lock);
	list_remove(r, q);
	pthread_mutex_unlock(&r->lock);
	struct dns_answer d = {.status = DNS_SERVFAIL};
	if (err == 0 && result)
		read_result(result, &q->turn->arena, &d);
	if (dns_is_temporary(d.status))
		EVENT(DNS_FAILED, KV("name", q->name), KZ("type", dns_type_name(q->type)),
		    KZ("why", d.status == DNS_BOGUS && result->why_bogus ? result->why_bogus
									 : dns_status_name(d.status)));
	keep(r, q, &d);
	send_answer(q->turn, &d);
	ub_resolve_free(result);
}

/* Ends what took too long; the milliseconds until the next one does, -1: none waits. */
static int64_t end_late(struct resolver *r)
{
	for (;;) {
		int64_t now = clock_mono_ms();
		pthread_mutex_lock(&r->lock);
		struct question *q = r->first;
		int64_t left = q ? q->until_ms - now : -1;
		if (!q || left > 0) {
			pthread_mutex_unlock(&r->lock);
			return left;
		}
		/* Results are taken by this thread only, so after the cancellation none comes. */
		list_remove(r, q);
		pthread_mutex_unlock(&r->lock);
		(void)ub_cancel(q->ctx, q->id); /* a result that lies in the pipe already is dropped */
		EVENT(DNS_FAILED, KV("name", q->name), KZ("type", dns_type_name(q->type)),
		    KZ("why", "timeout"));
		struct dns_answer d = {.status = DNS_TIMEOUT};
		keep(r, q, &d);
		send_answer(q->turn, &d);
	}
}

static void *take_results(void *arg)
{
	struct resolver *r = arg;
	for (;;) {
		int64_t left = end_late(r);
		struct pollfd p[3] = {{.fd = r->wake[0], .events = POLLIN},
		    {.fd = ub_fd(r->validating), .events = POLLIN},
		    {.fd = r->plain ? ub_fd(r->plain) : -1, .events = POLLIN}};
		if (poll(p, COUNT(p), left < 0 ? -1 : (int)MIN(left + 1, INT32_MAX)) <= 0)
			continue;
		char drained[64];
		if (p[0].revents && read(r->wake[0], drained, sizeof drained) < 0)
			continue;
		if (p[1].revents)
			ub_process(r->validating);
		if (p[2].revents)
			ub_process(r->plain);
	}
	return NULL;
}

static enum result ask_network(struct resolver *r, struct question *q)
{
	const char *name = arena_z(&q->turn->arena, q->name);
	if (!name)
		return FULL;
	q->ctx = atomic_load(&r->insecure) ? r->plain : r->validating;
	q->until_ms = clock_mono_ms() + ANSWER_MS;
	pthread_mutex_lock(&r->lock);
	bool room = r->waiting < WAITING;
	/* Added before the lock is given back: a result that is there already waits for the lock. */
	int err = room ? ub_resolve_async(q->ctx, name, (int)q->type, 1, q, on_result, &q->id) : 1;
	bool first = err == 0 && !r->first;
	if (err == 0)
		list_add(r, q);
	pthread_mutex_unlock(&r->lock);
	if (first && write(r->wake[1], "", 1) < 0)
		return OK; /* the pipe is full of wakes: one is enough */
	return err == 0 ? OK : LATER;
}

static void on_dns(struct ipc_turn *t)
{
	struct resolver *r = ipc_server_context(t);
	const Sekisho__DnsAsk *ask = t->ask;
	BUF_LOCAL(wire, LIMIT_DNS_NAME + 1);
	struct slice name = slice_str(ask->name);
	if (dns_name_put(name, &wire) != OK || ask->type == 0 || ask->type > 65535) {
		ipc_refuse(t, BAD, "not a name, or not a type");
		return;
	}
	if (r->fixture) {
		struct dns_answer d;
		dns_ask(fixture_dns(r->fixture), name, ask->type, &t->arena, &d);
		send_answer(t, &d);
		return;
	}
	if (answer_from_cache(r, t, name, ask->type))
		return;
	struct question *q = arena_new(&t->arena, struct question);
	if (!q) {
		send_status(t, DNS_SERVFAIL);
		return;
	}
	*q = (struct question){.resolver = r, .turn = t, .name = name, .type = ask->type};
	if (ask_network(r, q) != OK)
		send_status(t, DNS_SERVFAIL);
}

static void on_send(struct ipc_turn *t)
{
	struct resolver *r = ipc_server_context(t);
	sender_ask(&r->sender, t);
}

ipc_handler *const resolver_handlers[ASK_MAX] = {[ASK_DNS] = on_dns, [ASK_DNS_SEND] = on_send};

/* ---- opening ---- */

/* Adds the name servers of a resolv.conf(5). */
static void add_resolv_conf(struct ub_ctx *ctx, struct slice text, bool *any_out)
{
	while (text.n) {
		struct cursor c = cursor_of(slice_trim(slice_split(&text, '\n')));
		if (!cursor_try_word(&c, SLICE("nameserver")))
			continue;
		struct dns_ip ip;
		char server[DNS_IP_TEXT];
		if (dns_ip_read(slice_trim_blank(c.rest), &ip) == OK &&
		    ub_ctx_set_fwd(ctx, dns_ip_text(&ip, server)) == 0)
			*any_out = true;
	}
}

static enum result add_anchor(struct ub_ctx *ctx, struct slice text, struct buf *why)
{
	while (text.n) {
		struct slice line = slice_trim(slice_split(&text, '\n'));
		if (!line.n || line.p[0] == ';')
			continue;
		BUF_LOCAL(record, FILE_OCTETS);
		buf_put(&record, line);
		if (ub_ctx_add_ta(ctx, buf_z(&record)) != 0) {
			buf_printf(why, "not a trust anchor: " SLICE_FMT, SLICE_ARG(slice_sub(line, 0, 60)));
			return BAD;
		}
	}
	return OK;
}

static enum result add_servers(
    struct ub_ctx *ctx, const struct resolver_settings *s, bool *any_out, struct buf *why)
{
	for (size_t i = 0; i < s->servers_n; i++) {
		if (ub_ctx_set_fwd(ctx, s->servers[i]) != 0) {
			buf_printf(why, "not a DNS server's address: %s", s->servers[i]);
			return BAD;
		}
		*any_out = true;
	}
	if (!*any_out)
		add_resolv_conf(ctx, s->resolv_conf, any_out);
	/* A forwarder may know the names of private addresses; the root does not. */
	if (*any_out && (ub_ctx_set_option(ctx, "unblock-lan-zones:", "yes") != 0 ||
			    ub_ctx_set_option(ctx, "insecure-lan-zones:", "yes") != 0))
		return LATER;
	return OK;
}

static bool set_options(struct ub_ctx *ctx, bool loopback)
{
	return ub_ctx_async(ctx, 1) == 0 && ub_ctx_set_option(ctx, "edns-buffer-size:", "1232") == 0 &&
	       ub_ctx_set_option(ctx, "cache-max-ttl:", "86400") == 0 &&
	       ub_ctx_set_option(ctx, "prefetch:", "yes") == 0 &&
	       (!loopback || ub_ctx_set_option(ctx, "do-not-query-localhost:", "no") == 0);
}

static void no_result(void *context, int err, struct ub_result *result)
{
	ub_resolve_free(result);
}

/* A context with its thread started, by a question that needs no network. */
static enum result context_new(const struct resolver_settings *s, struct slice anchor, struct ub_ctx **out,
    bool *forwards_out, struct buf *why)
{
	struct ub_ctx *ctx = ub_ctx_create();
	*out = ctx; /* the caller's also when it cannot be used */
	*forwards_out = false;
	if (!ctx || !set_options(ctx, s->loopback))
		return LATER;
	enum result r = add_anchor(ctx, anchor, why);
	if (r == OK)
		r = add_servers(ctx, s, forwards_out, why);
	if (r != OK)
		return r;
	if (ub_resolve_async(ctx, "localhost", DNS_A, 1, NULL, no_result, NULL) != 0 || ub_wait(ctx) != 0)
		return LATER;
	return OK;
}

/* Asks the forwarders for something that is signed, until one of them has answered. */
static void *find_out(void *arg)
{
	struct resolver *r = arg;
	for (;;) {
		struct ub_result *result = NULL;
		bool answered = ub_resolve(r->validating, ".", DNS_NS, 1, &result) == 0 && result;
		bool secure = answered && result->secure;
		bool useless = answered && !secure && (result->bogus || result->havedata);
		ub_resolve_free(result);
		if (secure)
			return NULL;
		if (useless) {
			EVENT(DNS_INSECURE, KZ("why", "the configured DNS servers do not pass on DNSSEC"));
			atomic_store(&r->insecure, true);
			return NULL;
		}
		nanosleep(&(struct timespec){.tv_sec = PROBE_MS / SECOND_MS}, NULL);
	}
}

static void thread_start(void *(*run)(void *), struct resolver *r)
{
	pthread_t t;
	if (pthread_create(&t, NULL, run, r) != 0)
		abort();
	pthread_detach(t);
}

/* Before any thread uses it. */
static void resolver_free(struct resolver *r)
{
	if (r->validating)
		ub_ctx_delete(r->validating);
	if (r->plain)
		ub_ctx_delete(r->plain);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static enum result open_network(const struct resolver_settings *settings, struct resolver *r, struct buf *why)
{
	bool forwards, unused;
	enum result done = context_new(settings, settings->anchor, &r->validating, &forwards, why);
	if (done == OK && forwards && settings->anchor.n)
		done = context_new(settings, SLICE_NONE, &r->plain, &unused, why);
	if (done == OK && pipe2(r->wake, O_NONBLOCK | O_CLOEXEC) != 0)
		done = LATER;
	return done;
}

enum result resolver_open(const struct resolver_settings *settings, struct resolver **out, struct buf *why)
{
	struct resolver *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	pthread_mutex_init(&r->lock, NULL);
	bool offline = settings->fixture.p != NULL;
	const char *update = settings->update_address ? settings->update_address : "";
	if (sender_init(&r->sender, update, settings->update_port) != OK) {
		buf_printf(why, "dns_update_server is no address: %s", update);
		resolver_free(r);
		return BAD;
	}
	enum result done =
	    offline ? fixture_parse(settings->fixture, &r->fixture, why) : open_network(settings, r, why);
	if (done != OK) {
		resolver_free(r);
		return done;
	}
	*out = r;
	if (offline)
		return OK;
	r->cache = cache_new(CACHE_PLACES);
	thread_start(take_results, r);
	if (r->plain)
		thread_start(find_out, r);
	return OK;
}
