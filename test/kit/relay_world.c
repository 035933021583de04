#include "kit/relay_world.h"
#include "trust/trust.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint16_t port;
static struct world *_Atomic current; /* the store's handlers have no other way to it */

/* ---- the store ---- */

static void on_claim(struct ipc_turn *t)
{
	struct world *w = current;
	Sekisho__ClaimAnswer answer = SEKISHO__CLAIM_ANSWER__INIT;
	const Sekisho__ClaimAsk *ask = t->ask;
	pthread_mutex_lock(&w->lock);
	answer.jobs = w->jobs;
	answer.n_jobs = MIN(w->jobs_n, MIN((size_t)ask->most, (size_t)20)); /* what fits a packet */
	struct buf packed = {.max = 1 << 20};
	ipc_pack(&answer, &packed);
	/* Jobs are handed out once. */
	memmove(w->jobs, w->jobs + answer.n_jobs, (w->jobs_n - answer.n_jobs) * sizeof w->jobs[0]);
	w->jobs_n -= answer.n_jobs;
	w->claims++;
	pthread_mutex_unlock(&w->lock);
	struct ipc_allocator al = ipc_allocator(&t->arena);
	Sekisho__ClaimAnswer *copy =
	    sekisho__claim_answer__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	ipc_answer(t, copy, NULL);
	buf_free(&packed);
}

static void keep_trial(struct world *w, const Sekisho__TlsSession *s)
{
	struct trial_report *r = &w->trials[w->trials_n];
	if (w->trials_n == COUNT(w->trials))
		return;
	w->trials_n++;
	*r = (struct trial_report){.policy = s->policy, .result = s->result, .count = s->count};
	snprintf(r->domain, sizeof r->domain, "%s", s->domain);
	snprintf(r->text, sizeof r->text, "%s", s->policy_text);
	snprintf(r->mx, sizeof r->mx, "%s", s->mx);
	snprintf(r->reason, sizeof r->reason, "%s", s->reason);
}

static void on_report(struct ipc_turn *t)
{
	struct world *w = current;
	const Sekisho__ReportAsk *ask = t->ask;
	pthread_mutex_lock(&w->lock);
	bool refused = w->report_failures > 0;
	w->report_failures -= refused;
	for (size_t i = 0; !refused && i < ask->n_attempts && w->reports_n < REPORTS; i++) {
		const Sekisho__Attempt *a = ask->attempts[i];
		struct report *r = &w->reports[w->reports_n++];
		*r = (struct report){.row = a->row,
		    .outcome = a->outcome,
		    .code = a->code,
		    .ms = a->ms,
		    .remote_dsn = a->remote_dsn,
		    .secured = a->secured};
		snprintf(r->status, sizeof r->status, "%s", a->status);
		snprintf(r->text, sizeof r->text, "%s", a->text);
		snprintf(r->host, sizeof r->host, "%s", a->host);
		snprintf(r->ip, sizeof r->ip, "%s", a->ip);
		snprintf(r->tls, sizeof r->tls, "%s", a->tls);
	}
	for (size_t i = 0; !refused && i < ask->n_sessions; i++)
		keep_trial(w, ask->sessions[i]);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (refused)
		ipc_refuse(t, LATER, "not now");
	else
		ipc_answer(t, NULL, NULL);
}

static void on_sts_get(struct ipc_turn *t)
{
	struct world *w = current;
	Sekisho__StsPolicy answer = SEKISHO__STS_POLICY__INIT;
	char id[] = "1";
	answer.id = id;
	answer.text = (char *)(uintptr_t)w->sts;
	answer.fetched_ms = clock_utc_ms();
	answer.expires_ms = clock_utc_ms() + DAY_MS;
	if (w->sts)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "none");
}

static void on_outbody(struct ipc_turn *t)
{
	const Sekisho__OutBodyAsk *ask = t->ask;
	Sekisho__BodyAnswer answer = SEKISHO__BODY_ANSWER__INIT;
	struct slice part = slice_sub(((struct world *)current)->body, ask->offset, ask->length);
	answer.data = (ProtobufCBinaryData){part.n, (uint8_t *)(uintptr_t)part.p};
	ipc_answer(t, &answer, NULL);
}

/* The message for a server without 8BITMIME, as it would be had from store: `seven` or, where there is none, a refusal. */
static void on_signature(struct ipc_turn *t)
{
	struct world *w = current;
	const Sekisho__SignatureAsk *ask = t->ask;
	Sekisho__SignatureAnswer answer = SEKISHO__SIGNATURE_ANSWER__INIT;
	FD_LOCAL fd = fd_memory("seven");
	struct ipc_fds fds = {.fd = {fd}, .n = 1};
	if (!ask->seven || !w->seven) {
		ipc_refuse(t, DENY, "it cannot be put without 8-bit octets");
		return;
	}
	if (fd < 0 || fd_write_all(fd, slice_str(w->seven)) != OK || fd_seal(fd) != OK)
		abort();
	answer.fields = (ProtobufCBinaryData){11, (uint8_t *)"Signed: x\r\n"};
	ipc_answer(t, &answer, &fds);
}

static ipc_handler *const store_handlers[ASK_MAX] = {[ASK_STORE_CLAIM] = on_claim,
    [ASK_STORE_REPORT] = on_report,
    [ASK_STORE_OUTBODY] = on_outbody,
    [ASK_STORE_SIGNATURE] = on_signature,
    [ASK_STORE_STS_GET] = on_sts_get};

/* ---- mail servers ---- */

struct talker {
	struct world *w;
	struct stream *s;
	const char *script;
	bool octets; /* one at a time */
};

static void hear(struct world *w, struct slice s)
{
	pthread_mutex_lock(&w->lock);
	buf_put(&w->heard, s);
	buf_puts(&w->heard, "\n");
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void fault(struct talker *t, struct slice step, struct slice heard)
{
	pthread_mutex_lock(&t->w->lock);
	if (!t->w->fault[0])
		snprintf(t->w->fault, sizeof t->w->fault, "at " SLICE_FMT ": " SLICE_FMT, SLICE_ARG(step),
		    SLICE_ARG(heard));
	pthread_mutex_unlock(&t->w->lock);
}

static void say(struct talker *t, struct slice text)
{
	for (size_t i = 0; t->octets && i < text.n; i++) {
		stream_put(t->s, slice_sub(text, i, 1));
		result_ignore(stream_flush(t->s));
		nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	if (!t->octets)
		stream_put(t->s, text);
	result_ignore(stream_flush(t->s));
}

static bool hear_line(struct talker *t, struct slice step, struct slice want)
{
	struct slice line;
	enum result r = stream_line(t->s, 100000, &line);
	if (r != OK) {
		fault(t, step, slice_str(result_name(r)));
		return false;
	}
	hear(t->w, line);
	if (!slice_starts(line, want))
		fault(t, step, line);
	return true;
}

static bool hear_message(struct talker *t, struct slice step)
{
	struct slice line;
	do {
		enum result r = stream_line(t->s, 1000000, &line);
		if (r != OK) {
			fault(t, step, slice_str(result_name(r)));
			return false;
		}
		hear(t->w, line);
	} while (!slice_eq(line, SLICE(".")));
	return true;
}

static bool hear_octets(struct talker *t, struct slice step, size_t n)
{
	char *p = malloc(n + 1);
	enum result r = stream_exact(t->s, p, n);
	if (r == OK)
		hear(t->w, slice_of(p, n));
	else
		fault(t, step, slice_str(result_name(r)));
	free(p);
	return r == OK;
}

static bool tls(struct talker *t, bool garbage)
{
	if (garbage) {
		say(t, SLICE("this is not TLS, whatever it may look like to you\r\n"));
		return true;
	}
	return stream_tls_accept(t->s, t->w->tls) == OK;
}

/* False: the connection is over. */
static bool step(struct talker *t, struct slice line)
{
	struct slice rest = slice_sub(line, 2, line.n);
	uint64_t n = 0;
	switch (line.p[0]) {
	case '>': {
		BUF_LOCAL(reply, 100000);
		buf_printf(&reply, SLICE_FMT "\r\n", SLICE_ARG(rest));
		say(t, buf_slice(&reply));
		return true;
	}
	case '&':
		stream_put(t->s, rest);
		stream_puts(t->s, "\r\n");
		return true;
	case '#':
		say(t, rest);
		return true;
	case '<':
		return hear_line(t, line, rest);
	case '.':
		return hear_message(t, line);
	case '=':
		return num_u64(rest, 1 << 24, &n) == OK && hear_octets(t, line, n);
	case 't':
		return tls(t, line.n > 1);
	case 'w':
		result_ignore(num_u64(rest, 100000, &n));
		nanosleep(&(struct timespec){(time_t)(n / 1000), (long)(n % 1000) * 1000000L}, NULL);
		return true;
	case 'b':
		return t->octets = true;
	case 'i':
		while (stream_some(t->s, 1000, &rest) == OK)
			hear(t->w, slice_trim(rest));
		return false;
	default:
		fault(t, line, SLICE("no such step"));
		return false;
	}
}

static void *talk(void *arg)
{
	struct talker *t = arg;
	struct slice script = slice_str(t->script);
	while (script.n) {
		struct slice line = slice_split(&script, '\n');
		if (line.n && !step(t, line))
			break;
	}
	stream_close(t->s);
	free(t);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct play *p = arg;
	struct world *w = p->world;
	for (;;) {
		int fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		pthread_mutex_lock(&w->lock);
		w->connections++;
		const char *script = p->next < p->n ? p->scripts[p->next++] : "";
		buf_puts(&w->heard, "| ");
		pthread_mutex_unlock(&w->lock);
		struct talker *t = calloc(1, sizeof *t);
		*t = (struct talker){.w = w, .s = stream_socket(fd), .script = script};
		stream_timeout(t->s, 5000);
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, talk, t), 0);
		pthread_detach(thread);
	}
}

/* -1: somebody has this port on that host. */
static int take_port(unsigned host)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
	socklen_t n = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	port = ntohs(sa.sin_port);
	return fd;
}

static bool take_hosts(struct world *w)
{
	unsigned host = 1;
	port = 0;
	while (host < HOSTS && (w->hosts[host].listener = take_port(host)) >= 0)
		host++;
	if (host == HOSTS)
		return true;
	while (--host)
		close(w->hosts[host].listener);
	return false;
}

/* One port on all hosts, taken at once: other tests' connections from 127.0.0.1 have ports too. */
static void take_world(struct world *w)
{
	unsigned tries = 0;
	while (!take_hosts(w))
		assert_true(++tries < 100);
	w->settings.port = w->settings.port ? w->settings.port : port;
}

void world_host(struct world *w, unsigned host, ...)
{
	struct play *p = &w->hosts[host];
	va_list ap;
	if (!port)
		take_world(w);
	va_start(ap, host);
	for (const char *s; (s = va_arg(ap, const char *)) && p->n < SCRIPTS;)
		p->scripts[p->n++] = s;
	va_end(ap);
	if (p->world)
		return;
	p->world = w;
	assert_int_equal(listen(p->listener, 100), 0);
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, accept_all, p), 0);
	pthread_detach(t);
}

uint16_t world_port(void)
{
	return port;
}

/* ---- the world ---- */

static SSL_CTX *server_tls(void)
{
	BUF_LOCAL(cert, 65536);
	BUF_LOCAL(key, 65536);
	struct slice names[] = {SLICE("mx1.test"), SLICE("smart.test"), SLICE("mx1.one.test")};
	assert_int_equal(tls_make_self_signed(names, 3, 10, &cert, &key), OK);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *b = BIO_new_mem_buf(cert.p, (int)cert.n);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	BIO_free(b);
	b = BIO_new_mem_buf(key.p, (int)key.n);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	assert_int_equal(SSL_CTX_use_cert_and_key(ctx, x, k, NULL, 1), 1);
	X509_free(x);
	EVP_PKEY_free(k);
	return ctx;
}

struct world *world_new(const char *zone)
{
	static struct ipc_trunk *trunk; /* a process has few */
	static struct ipc_server *server;
	static struct world *kept[1000]; /* worlds are not freed: a script's thread may still look at one */
	static size_t kept_n;
	struct world *w = calloc(1, sizeof *w);
	int fds[2];
	assert_non_null(w);
	kept[kept_n++ % COUNT(kept)] = w;
	BUF_LOCAL(why, 1000);
	if (fixture_parse(slice_str(zone), &w->fixture, &why) != OK)
		fail_msg("%s", buf_z(&why));
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	buf_init(&w->heard, 1 << 24);
	arena_init(&w->arena, 1 << 24);
	if (!trunk) {
		trunk = ipc_trunk_new("store");
		server = ipc_server_new(store_handlers, 2, NULL);
	}
	current = w;
	port = 0;
	assert_int_equal(ipc_pair(fds), OK);
	w->store = server;
	w->trunk = trunk;
	ipc_server_add(server, fds[1], PEER_RELAY, NULL, NULL, NULL);
	ipc_trunk_set(trunk, fds[0]);
	w->tls = server_tls();
	w->settings = (struct relay_settings){.store = trunk,
	    .dns = fixture_dns(w->fixture),
	    .hostname = "relay.test",
	    .unverified = tls_client_context(TLS_UNVERIFIED, NULL),
	    .dane = tls_client_context(TLS_BY_CALLER, NULL),
	    .loopback = true,
	    .times = {
		.connect = 2000, .greeting = 2000, .data = 2000, .end = 2000, .idle = 2000, .dead = 300}};
	return w;
}

void world_zone(struct world *w, const char *zone)
{
	BUF_LOCAL(why, 1000);
	fixture_free(w->fixture);
	if (fixture_parse(slice_str(zone), &w->fixture, &why) != OK)
		fail_msg("%s", buf_z(&why));
	w->settings.dns = fixture_dns(w->fixture);
}

SSL_CTX *world_trusts_itself(struct world *w)
{
	SSL_CTX *ctx = tls_client_context(TLS_BY_CALLER, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), SSL_CTX_get0_certificate(w->tls));
	return ctx;
}

void world_tlsa(struct world *w, unsigned usage, unsigned selector, unsigned matching, struct buf *out)
{
	unsigned char *der = NULL, digest[64];
	X509 *x = SSL_CTX_get0_certificate(w->tls);
	int n = selector ? i2d_PUBKEY(X509_get0_pubkey(x), &der) : i2d_X509(x, &der);
	unsigned digest_n = 0;
	assert_true(n > 0);
	buf_printf(out, "%u %u %u ", usage, selector, matching);
	if (matching) {
		EVP_Digest(
		    der, (size_t)n, digest, &digest_n, matching == 1 ? EVP_sha256() : EVP_sha512(), NULL);
		buf_hex(out, slice_of(digest, digest_n));
	} else {
		buf_hex(out, slice_of(der, (size_t)n));
	}
	OPENSSL_free(der);
}

void world_start(struct world *w)
{
	dane_prepare(w->settings.dane);
	w->relay = relay_start(&w->settings);
}

void world_end(struct world *w)
{
	assert_true(relay_stop(w->relay, 10000));
	for (size_t i = 1; i < HOSTS && port; i++)
		shutdown(w->hosts[i].listener, SHUT_RDWR), close(w->hosts[i].listener);
	nanosleep(&(struct timespec){.tv_nsec = 20000000},
	    NULL); /* scripts that see the end of their connections */
	if (w->fault[0] && !w->careless)
		fail_msg("%s\n%s", w->fault, buf_z(&w->heard));
	port = 0;
	SSL_CTX_free(w->settings.unverified);
	SSL_CTX_free(w->settings.dane);
	SSL_CTX_free(w->settings.verified);
	fixture_free(w->fixture);
}

static Sekisho__Addr *addr(struct world *w, const char *local, const char *domain)
{
	Sekisho__Addr *a = arena_new(&w->arena, Sekisho__Addr);
	*a = (Sekisho__Addr)SEKISHO__ADDR__INIT;
	a->local = (ProtobufCBinaryData){strlen(local), (uint8_t *)arena_z(&w->arena, slice_str(local))};
	a->domain = (ProtobufCBinaryData){strlen(domain), (uint8_t *)arena_z(&w->arena, slice_str(domain))};
	return a;
}

Sekisho__Job *world_job(struct world *w, const char *domain, uint64_t first, size_t n, const char *data)
{
	Sekisho__Job *j = arena_new(&w->arena, Sekisho__Job);
	*j = (Sekisho__Job)SEKISHO__JOB__INIT;
	j->mail_id = arena_printf(&w->arena, "mail%llu", (unsigned long long)first);
	j->sender = addr(w, "sender", "example.jp");
	j->domain = arena_z(&w->arena, slice_str(domain));
	j->rcpts = arena_array(&w->arena, n, sizeof *j->rcpts);
	for (size_t i = 0; i < n; i++) {
		Sekisho__JobRcpt *r = arena_new(&w->arena, Sekisho__JobRcpt);
		*r = (Sekisho__JobRcpt)SEKISHO__JOB_RCPT__INIT;
		r->row = first + i;
		r->addr = addr(w, arena_printf(&w->arena, "r%llu", (unsigned long long)r->row), domain);
		j->rcpts[j->n_rcpts++] = r;
	}
	j->size = strlen(data);
	j->has_data = true;
	j->data = (ProtobufCBinaryData){strlen(data), (uint8_t *)arena_z(&w->arena, slice_str(data))};
	return j;
}

void world_give(struct world *w, Sekisho__Job *job)
{
	pthread_mutex_lock(&w->lock);
	w->jobs[w->jobs_n++] = job;
	pthread_mutex_unlock(&w->lock);
	ipc_server_note(w->store, 1u << PEER_RELAY, NOTE_QUEUE);
}

const struct report *world_report(struct world *w, uint64_t row)
{
	struct timespec end;
	const struct report *found = NULL;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	int timed_out = 0;
	pthread_mutex_lock(&w->lock);
	while (!found && !timed_out) {
		for (size_t i = 0; i < w->reports_n && !found; i++)
			if (w->reports[i].row == row)
				found = &w->reports[i];
		if (!found)
			timed_out = pthread_cond_timedwait(&w->changed, &w->lock, &end);
	}
	pthread_mutex_unlock(&w->lock);
	if (!found)
		fail_msg("no report for %llu; fault: %s; heard:\n%s", (unsigned long long)row, w->fault,
		    buf_z(&w->heard));
	return found;
}

unsigned world_outcomes(struct world *w, unsigned outcome)
{
	unsigned n = 0;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->reports_n; i++)
		n += w->reports[i].outcome == outcome;
	pthread_mutex_unlock(&w->lock);
	return n;
}

bool world_heard(struct world *w, const char *text)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 3;
	int timed_out = 0;
	pthread_mutex_lock(&w->lock);
	bool found = false;
	while (!(found = slice_search(buf_slice(&w->heard), slice_str(text)) >= 0) && !timed_out)
		timed_out = pthread_cond_timedwait(&w->changed, &w->lock, &end);
	pthread_mutex_unlock(&w->lock);
	return found;
}
