#include "ipc/digest.h"
#include "store_kit.h"
#include "ipc/grant.h"
#include "inspect/inspect.h"
#include "report/report.h"
#include "store/inside.h"
#include "store/queue/queue.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t facts_seal[32] = "the seal that scan puts on facts";
static const uint8_t grant_key[32] = "the key that keys seals a grant.";
static struct ip_net here = {.ip = {.octets = {127}, .v4 = true}, .bits = 8};

/* ---- keys and scan ---- */

static void play_data_key(struct ipc_turn *t)
{
	static uint8_t key[32] = "the organisation's own data key", wrapped[] = "wrapped";
	Sekisho__DataKeyAnswer answer = SEKISHO__DATA_KEY_ANSWER__INIT;
	answer.key = (ProtobufCBinaryData){sizeof key, key};
	answer.wrapped = (ProtobufCBinaryData){sizeof wrapped, wrapped};
	ipc_answer(t, &answer, NULL);
}

void store_kit_seal(struct slice packed, unsigned char out[32])
{
	seal_hmac(facts_seal, packed, out);
}

static void put_facts(struct slice message, struct buf *out)
{
	ARENA_LOCAL(a, (size_t)256 << 20);
	Sekisho__Facts *facts;
	if (mail_facts_extract(message, &a, &facts) != OK)
		abort();
	ipc_pack(facts, out);
}

static void play_scan(struct ipc_turn *t)
{
	struct slice message;
	BUF_LOCAL(packed, (size_t)64 << 20);
	if (t->fds.n != 1 || fd_map_sealed(t->fds.fd[0], UINT32_MAX, &message) != OK) {
		ipc_refuse(t, BAD, "no message");
		return;
	}
	put_facts(message, &packed);
	fd_unmap(&message);
	uint8_t seal[32];
	seal_hmac(facts_seal, buf_slice(&packed), seal);
	Sekisho__FactsRef ref = SEKISHO__FACTS_REF__INIT;
	ref.packed = octets_of(buf_slice(&packed));
	ref.seal = (ProtobufCBinaryData){sizeof seal, seal};
	Sekisho__ScanAnswer answer = SEKISHO__SCAN_ANSWER__INIT;
	answer.facts = &ref;
	ipc_answer(t, &answer, NULL);
}

static _Atomic unsigned scan_delay_ms;

void store_kit_slow_text(unsigned ms)
{
	scan_delay_ms = ms;
}

static void play_text(struct ipc_turn *t)
{
	const Sekisho__TextAsk *ask = t->ask;
	struct slice message;
	Sekisho__Facts *facts;
	Sekisho__TextAnswer answer = SEKISHO__TEXT_ANSWER__INIT;
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	if (scan_delay_ms)
		usleep(scan_delay_ms * 1000);
	if (t->fds.n != 1 || fd_map_sealed(t->fds.fd[0], UINT32_MAX, &message) != OK ||
	    mail_facts_extract(message, &t->arena, &facts) != OK) {
		ipc_refuse(t, BAD, "no message");
		return;
	}
	inspect_doc_make(message, facts, ask->want, &text, &answer.notes);
	fd_unmap(&message);
	FD_LOCAL fd = fd_memory("text");
	struct ipc_fds fds = {.fd = {fd}, .n = 1};
	answer.in_fd = text.n > 65536;
	if (!answer.in_fd)
		answer.text = octets_of(buf_slice(&text));
	else if (fd < 0 || fd_write_all(fd, buf_slice(&text)) != OK || fd_seal(fd) != OK)
		abort();
	ipc_answer(t, &answer, answer.in_fd ? &fds : NULL);
}

static _Atomic int dkim_seen;

void store_kit_dkim_seen(int state)
{
	dkim_seen = state;
}

/* No real key: store has no business with what is in it. */
static void play_dkim_make(struct ipc_turn *t)
{
	const Sekisho__DkimMakeAsk *ask = t->ask;
	Sekisho__DkimMakeAnswer answer = SEKISHO__DKIM_MAKE_ANSWER__INIT;
	answer.public_key = octets_of(slice_str(ask->selector));
	answer.wrapped = octets_of(SLICE("wrapped"));
	ipc_answer(t, &answer, NULL);
}

/* As keys does it (keys/digest.c), with a key of this program's. */
static void play_digest(struct ipc_turn *t)
{
	static const unsigned char seed[32] = "a key for tests, nobody's secret";
	const Sekisho__DigestAsk *ask = t->ask;
	Sekisho__DigestAnswer answer = SEKISHO__DIGEST_ANSWER__INIT;
	unsigned char signature[64], public[32];
	size_t n = sizeof public, signed_n = sizeof signature;
	BUF_LOCAL(text, 256);
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	digest_put(&text, ask->day, ask->number, slice_of(ask->link.data, ask->link.len));
	if (EVP_PKEY_get_raw_public_key(key, public, &n) != 1 ||
	    EVP_DigestSignInit(c, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(c, signature, &signed_n, (const unsigned char *)text.p, text.n) != 1)
		abort();
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	answer.public_key = (ProtobufCBinaryData){n, public};
	answer.signature = (ProtobufCBinaryData){signed_n, signature};
	ipc_answer(t, &answer, NULL);
}

static void play_dkim_seen(struct ipc_turn *t)
{
	Sekisho__DkimSeenAnswer answer = SEKISHO__DKIM_SEEN_ANSWER__INIT;
	answer.state = (Sekisho__DkimSeenAnswer__State)dkim_seen;
	ipc_answer(t, &answer, NULL);
}

static void play_report(struct ipc_turn *t)
{
	struct slice message;
	Sekisho__Facts *facts;
	Sekisho__Report *report;
	Sekisho__ReadReportAnswer answer = SEKISHO__READ_REPORT_ANSWER__INIT;
	BUF_LOCAL(packed, 65536);
	if (t->fds.n != 1 || fd_map_sealed(t->fds.fd[0], UINT32_MAX, &message) != OK ||
	    mail_facts_extract(message, &t->arena, &facts) != OK ||
	    report_read(message, facts, &t->arena, &report) != OK) {
		ipc_refuse(t, BAD, "no message");
		return;
	}
	fd_unmap(&message);
	ipc_pack(report, &packed);
	answer.report = octets_of(buf_slice(&packed));
	ipc_answer(t, &answer, NULL);
}

static Sekisho__ReportTargetsAnswer report_to = SEKISHO__REPORT_TARGETS_ANSWER__INIT;

void store_kit_report_to(const char *address, const char *url)
{
	static Sekisho__ReportTarget mail, web, *list[2] = {&mail, &web};
	sekisho__report_target__init(&mail);
	sekisho__report_target__init(&web);
	mail.uri = (char *)(uintptr_t)address;
	web.uri = (char *)(uintptr_t)(url ? url : "");
	web.https = true;
	report_to.targets = list;
	report_to.n_targets = !address ? 0 : url ? 2 : 1;
	report_to.p = "none";
}

static void play_report_targets(struct ipc_turn *t)
{
	ipc_answer(t, &report_to, NULL);
}

ipc_handler scan_sieve_run; /* the real one, in src/role */

static ipc_handler *const others[ASK_MAX] = {
    [ASK_KEYS_DATA_KEY] = play_data_key,
    [ASK_KEYS_DIGEST] = play_digest,
    [ASK_KEYS_DKIM_MAKE] = play_dkim_make,
    [ASK_SCAN_DKIM_SEEN] = play_dkim_seen,
    [ASK_SCAN_MESSAGE] = play_scan,
    [ASK_SCAN_SIEVE_RUN] = scan_sieve_run,
    [ASK_SCAN_TEXT] = play_text,
    [ASK_SCAN_REPORT] = play_report,
    [ASK_SCAN_REPORT_TARGETS] = play_report_targets,
};

static struct ipc_trunk *trunk_to(struct ipc_server *s, const char *name)
{
	int fds[2];
	struct ipc_trunk *t = ipc_trunk_new(name);
	if (ipc_pair(fds) != OK)
		abort();
	ipc_server_add(s, fds[1], PEER_STORE, NULL, NULL, NULL);
	ipc_trunk_set(t, fds[0]);
	return t;
}

/* ---- the store ---- */

static void note_broken(void *arg)
{
	((struct store_kit *)arg)->broken = true;
}

void store_kit_make(struct store_kit *k)
{
	char dir[] = "/tmp/store-test-XXXXXX";
	if (!mkdtemp(dir))
		abort();
	store_kit_at(k, dir);
	test_database_make(&k->database, k->dir);
}

/* SEKISHO_TEST_S3="ENDPOINT BUCKET KEY SECRET": bodies go to that object store. */
static void use_objects(struct store_kit *k)
{
	static char text[1000];
	const char *given = getenv("SEKISHO_TEST_S3");
	char *rest = text;
	if (!given)
		return;
	snprintf(text, sizeof text, "%s", given);
	k->settings.objects = (struct s3_settings){.region = "us-east-1"};
	k->settings.objects.endpoint = strsep(&rest, " ");
	k->settings.objects.bucket = strsep(&rest, " ");
	k->settings.objects.key_id = strsep(&rest, " ");
	k->settings.objects.secret = strsep(&rest, " ");
	k->settings.bodies_in_objects = true;
}

void store_kit_at(struct store_kit *k, const char *dir)
{
	static struct ipc_trunk *keys, *scan;
	if (!keys) {
		struct ipc_server *s = ipc_server_new(others, 2, NULL);
		keys = trunk_to(s, "keys");
		scan = trunk_to(s, "scan");
	}
	memset(k, 0, sizeof *k);
	snprintf(k->dir, sizeof k->dir, "%s", dir);
	test_database_at(&k->database, k->dir);
	store_settings_default(&k->settings);
	k->settings.dir = k->dir;
	k->settings.budget = (struct budget_rules){1000000, 1000000, 1000000, 1000000, 1000000, 100000000};
	k->settings.office = (struct ip_nets){&here, 1};
	k->settings.database = k->database.place;
	k->settings.hostname = "mx.here.example";
	k->settings.disk_reserve = 1 << 20;
	use_objects(k);
	memcpy(k->settings.scan_seal, facts_seal, 32);
	memcpy(k->settings.login_grant, grant_key, 32);
	k->settings.keys = keys;
	k->settings.scan = scan;
	k->settings.broken = note_broken;
	k->settings.broken_arg = k;
}

enum result store_kit_open(struct store_kit *k, unsigned threads)
{
	k->broken = false;
	enum result r = store_open(&k->settings, &k->store);
	if (r != OK)
		return r;
	k->server = ipc_server_new(store_handlers, threads, k->store);
	store_serve(k->store, k->server);
	return OK;
}

void store_kit_close(struct store_kit *k)
{
	for (int i = 0; i < 5000 && (sessions_count(k->store->sessions) || queue_claimants(k->store->queue));
	     i++)
		usleep(1000);
	store_close(k->store);
	k->store = NULL;
}

static void remove_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) != 0)
			remove_dir(fd, e->d_name);
	}
	if (d)
		closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

void store_kit_remove(struct store_kit *k)
{
	remove_dir(AT_FDCWD, k->dir);
	test_database_remove(&k->database);
}

struct ipc store_kit_channel(struct store_kit *k, enum ipc_peer peer)
{
	int fds[2];
	if (ipc_pair(fds) != OK)
		abort();
	ipc_server_add(k->server, fds[1], peer, NULL, NULL, NULL);
	return (struct ipc){.fd = fds[0], .why = ""};
}

struct ipc store_kit_login(struct store_kit *k, uint64_t account, const char *service)
{
	struct ipc front = store_kit_channel(k, PEER_USER);
	struct ipc c = store_kit_login_on(k, &front, account, service);
	ipc_close(&front);
	return c;
}

struct ipc store_kit_login_on(struct store_kit *k, struct ipc *front, uint64_t account, const char *service)
{
	static _Thread_local char why[256];
	ARENA_LOCAL(a, 1 << 20);
	struct ipc_grant g = {.account = account,
	    .epoch = k->epoch,
	    .flags = k->flags,
	    .issued_ms = clock_utc_ms(),
	    .login = SLICE("someone"),
	    .service = slice_str(service)};
	BUF_LOCAL(sealed, GRANT_MOST);
	if (ipc_grant_seal(slice_of(grant_key, 32), &g, &sealed) != OK)
		abort();
	int fds[2];
	if (ipc_pair(fds) != OK)
		abort();
	Sekisho__LoginAsk ask = SEKISHO__LOGIN_ASK__INIT;
	Sekisho__LoginAnswer *answer;
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	client.ip = (char *)(uintptr_t)(k->ip ? k->ip : "127.0.0.1");
	client.service = (char *)(uintptr_t)service;
	ask.client = &client;
	ask.grant = octets_of(buf_slice(&sealed));
	struct ipc_fds send = {.fd = {fds[1]}, .n = 1};
	enum result r = ipc_call(front, ASK_STORE_LOGIN, &ask, &send, &a, &answer, NULL);
	snprintf(why, sizeof why, "%s", front->why);
	close(fds[1]);
	if (r == OK)
		return (struct ipc){.fd = fds[0], .why = ""};
	close(fds[0]);
	return (struct ipc){.fd = -1, .why = why};
}

json_t *store_kit_admin(struct store_kit *k, const char *verb, const char *args, enum result *r_out)
{
	struct ipc c = store_kit_channel(k, PEER_ADMIN);
	ARENA_LOCAL(a, (size_t)256 << 20);
	BUF_LOCAL(text, (size_t)256 << 20);
	Sekisho__AdminAsk ask = SEKISHO__ADMIN_ASK__INIT;
	Sekisho__AdminAnswer *answer;
	ask.verb = (char *)(uintptr_t)verb;
	ask.args = (char *)(uintptr_t)args;
	enum result r = ipc_call(&c, ASK_STORE_ADMIN, &ask, NULL, &a, &answer, NULL);
	while (r == OK) {
		buf_puts(&text, answer->json);
		if (!c.more)
			break;
		r = ipc_more(&c, &a, &answer, NULL);
	}
	if (r != OK && getenv("KIT_SHOW"))
		fprintf(stderr, "%s: %s\n", verb, c.why);
	ipc_close(&c);
	*r_out = r;
	return r == OK ? json_loadb(text.p, text.n, JSON_DECODE_ANY, NULL) : NULL;
}

int64_t store_kit_must(struct store_kit *k, const char *verb, const char *args)
{
	enum result r;
	json_t *v = store_kit_admin(k, verb, args, &r);
	if (r != OK || !v) {
		fprintf(stderr, "%s %s: %s\n", verb, args, result_name(r));
		abort();
	}
	int64_t id = json_integer_value(json_object_get(v, "id"));
	json_decref(v);
	return id;
}

enum result store_kit_begin(struct store_kit *k)
{
	enum result r = store_kit_open(k, 4);
	if (r == OK)
		store_kit_must(k, "domain.add", "{\"domain\":\"here.example\"}");
	return r;
}

int64_t store_kit_account(struct store_kit *k, const char *address)
{
	char args[300];
	snprintf(args, sizeof args, "{\"address\":\"%s\"}", address);
	return store_kit_must(k, "account.add", args);
}

/* ---- messages ---- */

static int sealed_file(struct slice s)
{
	int fd = fd_memory("test");
	if (fd < 0 || fd_write_all(fd, s) != OK || fd_seal(fd) != OK)
		abort();
	return fd;
}

struct kit_mail kit_mail_make(struct store_kit *k, struct slice message)
{
	BUF_LOCAL(packed, (size_t)64 << 20);
	put_facts(message, &packed);
	struct kit_mail m = {.fd = sealed_file(message), .facts_fd = -1, .n = packed.n};
	seal_hmac(k->settings.scan_seal, buf_slice(&packed), m.seal);
	SHA256((const unsigned char *)message.p, message.n, m.digest);
	if (packed.n > 65536) {
		m.facts_fd = sealed_file(buf_slice(&packed));
		return m;
	}
	m.packed = malloc(packed.n);
	if (!m.packed)
		abort();
	memcpy(m.packed, packed.p, packed.n);
	return m;
}

void kit_mail_free(struct kit_mail *m)
{
	fd_close(&m->fd);
	fd_close(&m->facts_fd);
	free(m->packed);
}

void kit_mail_ref(const struct kit_mail *m, Sekisho__FactsRef *ref, struct ipc_fds *fds)
{
	sekisho__facts_ref__init(ref);
	*fds = (struct ipc_fds){.fd = {m->fd, m->facts_fd}, .n = m->facts_fd >= 0 ? 2 : 1};
	ref->in_fd = m->facts_fd >= 0;
	if (!ref->in_fd)
		ref->packed = (ProtobufCBinaryData){m->n, (uint8_t *)m->packed};
	ref->seal = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)m->seal};
}

void kit_mail_id(char out[17])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	uint8_t random[16];
	seal_random(random, sizeof random);
	for (size_t i = 0; i < 16; i++)
		out[i] = digits[random[i] % 32];
	out[16] = '\0';
}

static void split_address(const char *text, Sekisho__Addr *a)
{
	const char *at = strrchr(text, '@');
	sekisho__addr__init(a);
	if (!at)
		return;
	a->local = (ProtobufCBinaryData){(size_t)(at - text), (uint8_t *)(uintptr_t)text};
	a->domain = (ProtobufCBinaryData){strlen(at + 1), (uint8_t *)(uintptr_t)(at + 1)};
}

/* As scan seals it, bound to the message. */
static void put_trust(
    const struct kit_mail *m, Sekisho__Trust *trust, struct arena *a, Sekisho__DeliverAsk *ask)
{
	Sekisho__Trust nothing = SEKISHO__TRUST__INIT;
	uint8_t *seal = arena_alloc(a, 32);
	BUF_LOCAL(packed, 65536);
	if (!seal)
		abort();
	if (!trust)
		trust = &nothing;
	trust->digest = (ProtobufCBinaryData){sizeof m->digest, (uint8_t *)(uintptr_t)m->digest};
	buf_puts(&packed, "trust");
	ipc_pack(trust, &packed);
	store_kit_seal(buf_slice(&packed), seal);
	struct slice copy = arena_dup(a, slice_sub(buf_slice(&packed), 5, packed.n));
	ask->trust = (ProtobufCBinaryData){copy.n, (uint8_t *)(uintptr_t)copy.p};
	ask->trust_seal = (ProtobufCBinaryData){32, seal};
}

enum result kit_deliver(struct store_kit *k, struct ipc *c, const struct kit_envelope *e,
    const struct kit_mail *m, const char **why_out)
{
	static _Thread_local char why[256];
	ARENA_LOCAL(a, 1 << 20);
	Sekisho__DeliverAsk ask = SEKISHO__DELIVER_ASK__INIT;
	Sekisho__Addr sender, addrs[KIT_RCPTS];
	Sekisho__EnvelopeRcpt rcpts[KIT_RCPTS], *list[KIT_RCPTS];
	Sekisho__Client client = SEKISHO__CLIENT__INIT;
	Sekisho__FactsRef ref;
	struct ipc_fds fds;
	char id[17];
	kit_mail_id(id);
	client.ip = "192.0.2.1";
	client.helo = "client.example";
	client.service = "smtp";
	ask.mail_id = e->mail_id ? (char *)(uintptr_t)e->mail_id : id;
	split_address(e->from, &sender);
	ask.sender = &sender;
	ask.client = &client;
	for (; ask.n_rcpts < KIT_RCPTS && e->to[ask.n_rcpts]; ask.n_rcpts++) {
		size_t i = ask.n_rcpts;
		sekisho__envelope_rcpt__init(&rcpts[i]);
		split_address(e->to[i], &addrs[i]);
		rcpts[i].addr = &addrs[i];
		rcpts[i].notify = e->notify;
		if (e->orcpt)
			rcpts[i].orcpt = (char *)(uintptr_t)e->orcpt;
		list[i] = &rcpts[i];
	}
	ask.rcpts = list;
	ask.ret = e->ret;
	ask.strip = e->strip;
	if (e->envid)
		ask.envid = (char *)(uintptr_t)e->envid;
	ask.scan_failed = e->scan_failed;
	kit_mail_ref(m, &ref, &fds);
	if (!e->scan_failed)
		ask.facts = &ref;
	if (!e->scan_failed && !e->unsealed)
		put_trust(m, e->trust, &a, &ask);
	enum result r = ipc_call(c, ASK_STORE_DELIVER, &ask, &fds, &a, NULL, NULL);
	snprintf(why, sizeof why, "%s", c->why);
	c->why = why; /* it lay in the arena that ends here */
	if (why_out)
		*why_out = why;
	return r;
}

enum result kit_deliver_text(
    struct store_kit *k, struct ipc *c, const struct kit_envelope *e, const char *message)
{
	struct kit_mail m = kit_mail_make(k, slice_str(message));
	enum result r = kit_deliver(k, c, e, &m, NULL);
	kit_mail_free(&m);
	return r;
}

char *kit_message(const char *subject, size_t n)
{
	static _Atomic unsigned count;
	struct buf b;
	buf_init(&b, n + 4096);
	buf_printf(&b,
	    "Received: from client.example by mx.here.example; Sat, 21 Nov 2026 10:00:00 +0900\r\n"
	    "From: Hanako <hanako@there.example>\r\nTo: taro@here.example\r\nSubject: %s\r\n"
	    "Date: Sat, 21 Nov 2026 10:00:00 +0900\r\nMessage-ID: <%u.%d@there.example>\r\n\r\n",
	    subject, ++count, (int)getpid());
	while (b.n < n)
		buf_printf(&b, "%s is what this line number %zu is about.\r\n", subject, b.n);
	buf_putc(&b, '\0');
	return b.p;
}
