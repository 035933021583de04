/*
 * search_bench: a mailbox of MESSAGES (100,000) generated messages, Japanese and English, is delivered by eight senders and
 * indexed; then searches are timed through STORE_SEARCH. Run by hand: build/test/search_bench [MESSAGES [DIR]]
 *
 * With DIR the mailbox is kept there, and not delivered again by the next run. CPU is the whole process's: on a machine that
 * has other things to do it says more than the time.
 */
#include "kit/store_kit.h"
#include "store/search/search.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SENDERS 8

static _Thread_local uint64_t seed;
static unsigned any(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* Few words often, many words seldom, as people write. */
static unsigned skewed(unsigned n)
{
	double x = (double)any(1 << 20) / (1 << 20);
	return (unsigned)((double)n * x * x * x * x);
}

static void put_english(struct buf *b)
{
	static const char *const parts[] = {"re", "in", "con", "ta", "mo", "ver", "le", "ship", "tion",
	    "port", "al", "er", "pro", "voi", "ce", "me", "et", "ing", "st", "and"};
	unsigned word = skewed(20000);
	for (unsigned i = 0; i < 2 + word % 3; i++, word /= 7)
		buf_puts(b, parts[(word * 13 + i * 7) % COUNT(parts)]);
	buf_puts(b, any(12) ? " " : any(3) ? ". " : "\r\n");
}

static void put_character(struct buf *b, unsigned v)
{
	char p[3] = {(char)(0xe0 | v >> 12), (char)(0x80 | (v >> 6 & 63)), (char)(0x80 | (v & 63))};
	buf_put(b, slice_of(p, 3));
}

static void put_japanese(struct buf *b)
{
	unsigned word = skewed(20000);
	for (unsigned i = 0; i < 2 + word % 2; i++)
		put_character(b, 0x4e00 + (word * 31 + i * 977) % 2500);
	put_character(b, 0x3042 + skewed(80));
	if (!any(4))
		put_character(b, 0x3042 + skewed(80));
	if (!any(12))
		buf_puts(b, any(4) ? "。" : "。\r\n");
}

static void make(struct buf *b, unsigned number)
{
	seed = number * 2654435761u + 7;
	buf_printf(b,
	    "Received: from a.example by here.example; Thu, 1 Jan 2026 00:00:00 +0900\r\nFrom: Sender %u "
	    "<s%u@else.example>\r\n"
	    "To: taro@here.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0900\r\nMessage-ID: "
	    "<%u.%u@else.example>\r\nSubject: ",
	    number % 500, number % 500, number, any(1u << 30));
	for (unsigned i = 0; i < 5; i++)
		put_english(b);
	while (b->n && (b->p[b->n - 1] == '\n' || b->p[b->n - 1] == '\r'))
		b->n--;
	for (size_t i = 0, colon = b->n - 60; i < 60; i++)
		if (b->p[colon + i] == '\r' || b->p[colon + i] == '\n')
			b->p[colon + i] = ' ';
	buf_puts(b, "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	size_t end = b->n + 500 + any(3000);
	if (number % 997 == 0)
		buf_puts(b, "the needle in the haystack 珍品\r\n");
	if (number % 3 == 0)
		buf_puts(b, "thank you for your mail\r\nお世話になっております\r\n");
	if (number % 4 == 0)
		buf_printf(b,
		    "ticket #%u, see https://www.else.example/t/%x or write to desk@else.example\r\n", number,
		    any(1u << 30));
	while (b->n < end)
		number % 2 ? put_japanese(b) : put_english(b);
	buf_puts(b, "\r\n");
}

struct sought {
	const char *what;
	unsigned where; /* enum inspect_where */
	const char *field, *text;
	bool fuzzy;
};

static uint64_t ask(struct ipc *c, const struct sought *n, int64_t *us)
{
	ARENA_LOCAL(a, (size_t)256 << 20);
	Sekisho__SearchAsk ask = SEKISHO__SEARCH_ASK__INIT;
	Sekisho__SearchNeedle needle = SEKISHO__SEARCH_NEEDLE__INIT, *list[] = {&needle};
	Sekisho__SearchAnswer *answer = NULL;
	uint64_t hits = 0;
	needle.where = n->where;
	needle.field = (char *)(uintptr_t)n->field;
	needle.fuzzy = n->fuzzy;
	BUF_LOCAL(folded, 1000);
	mail_text_fold(slice_str(n->text), &folded);
	needle.text = (char *)(uintptr_t)buf_z(&folded);
	ask.needles = list;
	ask.n_needles = 1;
	int64_t start = clock_mono_us();
	enum result r = ipc_call(c, ASK_STORE_SEARCH, &ask, NULL, &a, &answer, NULL);
	for (;;) {
		for (size_t i = 0; r == OK && i < answer->n_uids; i++)
			hits += answer->uids[i]->count;
		if (r != OK || !c->more)
			break;
		r = ipc_more(c, &a, &answer, NULL);
	}
	*us = clock_mono_us() - start;
	if (r != OK)
		abort();
	return hits;
}

static int64_t cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void measure(struct ipc *c, const struct sought *n)
{
	int64_t best = INT64_MAX, cpu = INT64_MAX, first = 0, us;
	uint64_t hits = 0;
	for (unsigned i = 0; i < 6; i++) {
		int64_t before = cpu_us();
		hits = ask(c, n, &us);
		cpu = MIN(cpu, cpu_us() - before);
		best = MIN(best, us);
		first = i ? first : us;
	}
	printf("%-36s %8.1f ms, CPU %8.1f, the first time %8.1f %8llu found\n", n->what, (double)best / 1000,
	    (double)cpu / 1000, (double)first / 1000, (unsigned long long)hits);
}

static const struct sought sought[] = {
    {"TEXT rare word", 0, "", "haystack", false},
    {"TEXT common word", 0, "", "thank", false},
    {"TEXT part of many words", 0, "", "in", false},
    {"TEXT one letter", 0, "", "e", false},
    {"BODY two Japanese characters", 1, "", "世話", false},
    {"BODY rare two characters", 1, "", "珍品", false},
    {"BODY one character", 1, "", "話", false},
    {"BODY one kana, in all of Japanese", 1, "", "い", false},
    {"BODY phrase, rare", 1, "", "needle in the haystack", false},
    {"BODY phrase, common", 1, "", "thank you for your mail", false},
    {"TEXT phrase, parts of common words", 0, "", "k you for y", false},
    {"BODY common words that stand apart", 1, "", "mail for thank", false},
    {"BODY long Japanese, common", 1, "", "お世話になっております", false},
    {"BODY address, common", 1, "", "desk@else.example", false},
    {"BODY URL, rare", 1, "", "https://www.else.example/t/1f", false},
    {"TEXT number", 0, "", "#50000", false},
    {"TEXT nothing", 0, "", "zqxwvu", false},
    {"BODY nothing, Japanese", 1, "", "絶無也", false},
    {"TEXT address of all", 0, "", "taro@here.example", false},
    {"HEADER From", 2, "from", "s77@else.example", false},
    {"HEADER Subject, part of a word", 2, "subject", "ver", false},
    {"HEADER Message-ID", 2, "message-id", "50000.", false},
    {"FUZZY one word", 0, "", "haystack", true},
    {"FUZZY common words", 0, "", "thank mail", true},
    {"FUZZY Japanese", 0, "", "お世話 珍品", true},
};

static void memory(const char *when)
{
	char line[200];
	FILE *f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "VmRSS", 5) == 0 || strncmp(line, "VmHWM", 5) == 0)
			printf("%s: %s", when, line);
	if (f)
		fclose(f);
}

static void index_all(struct store_kit *k, int64_t account)
{
	int64_t start = clock_mono_ms();
	search_now(k->store->search, account);
	for (;;) {
		usleep(100000);
		READER r = reader_begin(k->store);
		int64_t index = DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_SERVING));
		if (index && !search_due_count(r.db, account, index))
			break;
		search_now(k->store->search, account);
	}
	usleep(300000);
	READER r = reader_begin(k->store);
	struct search_parts parts;
	uint64_t text = 0, octets = 0;
	search_parts_of(r.db, DB_NUMBER(r.db, 0, SEARCH_INDEX, DI(account), DI(SEARCH_SERVING)), &parts);
	for (size_t i = 0; i < parts.n; i++) {
		text += parts.v[i].text;
		octets += parts.v[i].octets;
	}
	double s = (double)(clock_mono_ms() - start) / 1000;
	printf("indexed what was left in %.1f s; %zu segments, text %.1f MB, index %.1f MB (%.2f)\n", s,
	    parts.n, (double)text / 1e6, (double)octets / 1e6, (double)octets / (double)text);
	search_parts_free(&parts);
	memory("after indexing");
}

/* ---- the mailbox ---- */

static struct store_kit kit;
static uint32_t messages = 100000;
static _Atomic uint32_t next;

static void *send_some(void *arg)
{
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	(void)arg;
	for (uint32_t i; (i = atomic_fetch_add(&next, 1)) < messages;) {
		BUF_LOCAL(b, 100000);
		make(&b, i);
		if (kit_deliver_text(&kit, &mx,
			&(struct kit_envelope){.from = "a@else.example", .to = {"taro@here.example"}},
			buf_z(&b)) != OK)
			abort();
	}
	ipc_close(&mx);
	return NULL;
}

static void deliver(void)
{
	pthread_t threads[SENDERS];
	int64_t start = clock_mono_ms();
	for (unsigned i = 0; i < SENDERS; i++)
		if (pthread_create(&threads[i], NULL, send_some, NULL) != 0)
			abort();
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	printf("delivered %u in %.1f s\n", messages, (double)(clock_mono_ms() - start) / 1000);
}

/* The account; what is in DIR already is left as it is. */
static int64_t mailbox(void)
{
	int64_t taro;
	{
		READER r = reader_begin(kit.store);
		taro = DB_NUMBER(r.db, 0, SEARCH_ACCOUNTS, DI(ORGANISATION));
	}
	if (taro)
		return taro;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
	deliver();
	return taro;
}

static bool start(int argc, char **argv)
{
	if (argc > 1 && num_u32(slice_str(argv[1]), 10000000, &messages) != OK)
		return false;
	event_start("bench", EVENT_LOGFMT, EVENT_ERROR);
	if (argc > 2) {
		mkdir(argv[2], 0700);
		store_kit_at(&kit, argv[2]);
	} else {
		store_kit_make(&kit);
	}
	return store_kit_open(&kit, 4) == OK;
}

int main(int argc, char **argv)
{
	if (!start(argc, argv))
		return 2;
	int64_t taro = mailbox();
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap");
	index_all(&kit, taro);
	Sekisho__SelectAsk select = SEKISHO__SELECT_ASK__INIT;
	ARENA_LOCAL(a, (size_t)64 << 20);
	select.name = (char *)(uintptr_t) "INBOX";
	enum result r = ipc_call(&c, ASK_STORE_SELECT, &select, NULL, &a, NULL, NULL);
	while (r == OK && c.more)
		r = ipc_more(&c, &a, NULL, NULL);
	for (size_t i = 0; i < COUNT(sought); i++)
		measure(&c, &sought[i]);
	memory("after searching");
	ipc_close(&c);
	store_kit_close(&kit);
	if (argc < 3)
		store_kit_remove(&kit);
	return 0;
}
