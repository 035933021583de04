/*
 * What the store alone does, asked by C channels at a time in this very process: deliveries of 4 KiB, fetches of a row
 * with a body of 24 KiB, headers of 50 messages, flag changes, appends. Prints one line a figure.
 *
 *     store_bench [SECONDS a figure] [the one figure wanted]
 */
#include "kit/store_kit.h"
#include "store/body/seal.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define USERS 64
#define CHANNELS_MOST 256

static struct store_kit kit;
static const char *only;
static int64_t users[USERS];
static _Atomic bool stop;

struct channel {
	pthread_t thread;
	struct ipc c;
	unsigned number;
	uint64_t done, failed;
	struct kit_mail mail;
	char *text;
	struct arena arena;
	void (*act)(struct channel *ch);
	int64_t worst_us;
};

#define MARK                                                                                                 \
	"000000000000" /* stands in Message-ID and Subject, and becomes another number for each message */

static void put_mark(char *p, size_t n, const char mark[sizeof MARK], const char *old)
{
	for (char *at = memmem(p, n, old, sizeof MARK - 1); at;
	     at = memmem(at, n - (size_t)(at - p), old, sizeof MARK - 1))
		memcpy(at, mark, sizeof MARK - 1);
}

/* Another message of the same shape, as a front would bring it: a new file, new facts, a new seal. */
static void renew(struct channel *ch)
{
	static _Atomic unsigned count;
	static _Thread_local char old[sizeof MARK] = MARK;
	char mark[sizeof MARK];
	uint8_t before[32], after[32];
	size_t n = strlen(ch->text);
	seal_sha256(slice_of(ch->text, n), before);
	snprintf(mark, sizeof mark, "9%011u", ++count);
	put_mark(ch->text, n, mark, old);
	put_mark(ch->mail.packed, ch->mail.n, mark, old);
	memcpy(old, mark, sizeof old);
	seal_sha256(slice_of(ch->text, n), after);
	char *digest = memmem(ch->mail.packed, ch->mail.n, before, 32);
	if (!digest)
		abort();
	memcpy(digest, after, 32);
	seal_hmac(kit.settings.scan_seal, slice_of(ch->mail.packed, ch->mail.n), ch->mail.seal);
	fd_close(&ch->mail.fd);
	ch->mail.fd = fd_memory("bench");
	if (fd_write_all(ch->mail.fd, slice_of(ch->text, n)) != OK || fd_seal(ch->mail.fd) != OK)
		abort();
}

static void act_deliver(struct channel *ch)
{
	char to[64];
	renew(ch);
	snprintf(to, sizeof to, "u%u@here.example", (ch->number + (unsigned)ch->done) % USERS);
	struct kit_envelope e = {.from = "sender@there.example", .to = {to}};
	ch->failed += kit_deliver(&kit, &ch->c, &e, &ch->mail, NULL) != OK;
}

static void fetch(struct channel *ch, uint32_t first, uint32_t count, uint32_t want)
{
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	Sekisho__FetchAnswer *answer;
	Sekisho__Run r = SEKISHO__RUN__INIT, *list[1] = {&r};
	r.first = first;
	r.count = count;
	ask.uids = list;
	ask.n_uids = 1;
	ask.want = want;
	ask.body_max = 98304;
	enum result done = ipc_call(&ch->c, ASK_STORE_FETCH, &ask, NULL, &ch->arena, &answer, NULL);
	while (done == OK && ch->c.more)
		done = ipc_more(&ch->c, &ch->arena, &answer, NULL);
	ch->failed += done != OK;
}

static void act_fetch(struct channel *ch)
{
	fetch(ch, 1 + (uint32_t)(ch->done * 7 % 200), 1, SEKISHO__WANT__WANT_BODY);
}

static void act_headers(struct channel *ch)
{
	fetch(ch, 150, 50, SEKISHO__WANT__WANT_FACTS);
}

static void act_flags(struct channel *ch)
{
	Sekisho__FlagsAsk ask = SEKISHO__FLAGS_ASK__INIT;
	Sekisho__FlagsAnswer *answer;
	Sekisho__Run r = SEKISHO__RUN__INIT, *list[1] = {&r};
	r.first = 1 + (uint32_t)(ch->done % 200);
	r.count = 1;
	ask.uids = list;
	ask.n_uids = 1;
	ask.mode = ch->done / 200 % 2 ? SEKISHO__FLAGS_ASK__MODE__REMOVE : SEKISHO__FLAGS_ASK__MODE__ADD;
	ask.flags = SEKISHO__FLAG__FLAG_FLAGGED;
	ch->failed += ipc_call(&ch->c, ASK_STORE_FLAGS, &ask, NULL, &ch->arena, &answer, NULL) != OK;
}

static void append_to(struct channel *ch, const char *mailbox)
{
	Sekisho__AppendAsk ask = SEKISHO__APPEND_ASK__INIT;
	Sekisho__FactsRef ref;
	struct ipc_fds fds;
	kit_mail_ref(&ch->mail, &ref, &fds);
	ask.mailbox = (char *)(uintptr_t)mailbox;
	ask.facts = &ref;
	ch->failed += ipc_call(&ch->c, ASK_STORE_APPEND, &ask, &fds, &ch->arena, NULL, NULL) != OK;
}

static void act_append(struct channel *ch)
{
	renew(ch);
	append_to(ch, "Sent");
}

static void *work(void *arg)
{
	struct channel *ch = arg;
	while (!atomic_load(&stop)) {
		int64_t from = clock_mono_us();
		ch->act(ch);
		int64_t us = clock_mono_us() - from;
		ch->worst_us = MAX(ch->worst_us, us);
		ch->done++;
		arena_reset(&ch->arena);
	}
	return NULL;
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static char *unique_message(unsigned number, size_t n)
{
	struct buf b;
	buf_init(&b, n + 4096);
	buf_printf(&b,
	    "Received: from client.example by mx.here.example; Sat, 21 Nov 2026 10:00:00 +0900\r\n"
	    "From: Sender <sender@there.example>\r\nTo: u1@here.example\r\nSubject: figure %u " MARK "\r\n"
	    "Date: Sat, 21 Nov 2026 10:00:00 +0900\r\nMessage-ID: <" MARK ".%u@bench.example>\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
	    number, number);
	uint32_t dice = number * 2654435761u + 1;
	while (b.n < n) {
		for (int i = 0; i < 9; i++) {
			dice = dice * 1664525 + 1013904223;
			static const char *const words[] = {"mail", "server", "quarter", "report", "meeting",
			    "invoice", "tomorrow", "please", "attached", "regards", "number", "question",
			    "the", "and", "of", "with"};
			buf_printf(&b, "%s%u ", words[dice >> 28], dice >> 12 & 0xff);
		}
		buf_puts(&b, "\r\n");
	}
	buf_putc(&b, '\0');
	return b.p;
}

static void measure(const char *name, void (*act)(struct channel *), unsigned n, int64_t ms,
    enum ipc_peer peer, const char *service, const char *mailbox)
{
	static struct channel channels[CHANNELS_MOST];
	if (only && strcmp(only, name) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct channel *ch = &channels[i];
		*ch = (struct channel){.number = i, .act = act};
		arena_init(&ch->arena, 64 << 20);
		ch->c = service ? store_kit_login(&kit, (uint64_t)users[i % USERS], service)
				: store_kit_channel(&kit, peer);
		ch->text = unique_message(i + 1000, 4096);
		ch->mail = kit_mail_make(&kit, slice_str(ch->text));
		if (mailbox) {
			Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
			ask.name = (char *)(uintptr_t)mailbox;
			result_ignore(ipc_call(&ch->c, ASK_STORE_SELECT, &ask, NULL, &ch->arena, NULL, NULL));
		}
	}
	atomic_store(&stop, false);
	double cpu = cpu_seconds();
	int64_t from = clock_mono_us();
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&channels[i].thread, NULL, work, &channels[i]) == 0)
			pthread_setname_np(channels[i].thread, "asker");
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, NULL);
	atomic_store(&stop, true);
	uint64_t done = 0, failed = 0;
	int64_t worst = 0;
	for (unsigned i = 0; i < n; i++) {
		pthread_join(channels[i].thread, NULL);
		done += channels[i].done;
		failed += channels[i].failed;
		worst = MAX(worst, channels[i].worst_us);
		ipc_close(&channels[i].c);
		kit_mail_free(&channels[i].mail);
		free(channels[i].text);
		arena_free(&channels[i].arena);
	}
	double seconds = (double)(clock_mono_us() - from) / 1e6;
	printf("%-8s %3u channels %9.0f/s  %6.1f us CPU each, both sides  worst %6.1f ms  failed %llu\n",
	    name, n, (double)done / seconds, (cpu_seconds() - cpu) * 1e6 / (double)MAX(done, 1u),
	    (double)worst / 1000, (unsigned long long)failed);
	fflush(stdout);
}

static void fill(void)
{
	struct channel ch = {.number = 0};
	arena_init(&ch.arena, 64 << 20);
	for (unsigned u = 0; u < USERS; u++) {
		ch.c = store_kit_login(&kit, (uint64_t)users[u], "imap");
		for (unsigned i = 0; i < 200; i++) {
			if (i % 50 == 0) {
				char *text = unique_message(u * 4 + i / 50, 24576);
				ch.mail = kit_mail_make(&kit, slice_str(text));
				free(text);
			}
			append_to(&ch, "Archive");
			arena_reset(&ch.arena);
			if (i % 50 == 49)
				kit_mail_free(&ch.mail);
		}
		ipc_close(&ch.c);
	}
	arena_free(&ch.arena);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 3;
	event_start("bench", EVENT_LOGFMT, EVENT_ERROR);
	if (argc > 1 && num_u64(slice_str(argv[1]), 3600, &seconds) != OK)
		return 1;
	only = argc > 2 ? argv[2] : NULL;
	store_kit_make(&kit);
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	for (unsigned i = 0; i < USERS; i++) {
		char args[100];
		snprintf(args, sizeof args, "{\"address\":\"u%u@here.example\"}", i);
		users[i] = store_kit_must(&kit, "account.add", args);
	}
	if (!only || (strcmp(only, "deliver") != 0 && strcmp(only, "append") != 0))
		fill();
	static const unsigned counts[] = {1, 16, 64};
	for (unsigned i = 0; i < COUNT(counts); i++) {
		int64_t ms = (int64_t)seconds * 1000;
		measure("deliver", act_deliver, counts[i], ms, PEER_MX, NULL, NULL);
		measure("append", act_append, counts[i], ms, PEER_IMAP, "imap", NULL);
		measure("fetch", act_fetch, counts[i], ms, PEER_IMAP, "imap", "Archive");
		measure("headers", act_headers, counts[i], ms, PEER_IMAP, "imap", "Archive");
		measure("flags", act_flags, counts[i], ms, PEER_IMAP, "imap", "Archive");
	}
	store_kit_close(&kit);
	store_kit_remove(&kit);
	return 0;
}
