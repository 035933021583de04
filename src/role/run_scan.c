/* scan: one message by descriptor in, sealed facts out. It holds no keys but the seal, and opens nothing. */
#include "inspect/inspect.h"
#include "mail/mail.h"
#include "role/scan.h"
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define SCAN_MEMORY ((uint64_t)8 << 30)
#define SCAN_CPU_MS 20000 /* for one message; above it the role ends and the message counts as a killer */
#define SCAN_HANDS                                                                                           \
	2 /* threads that compute at the same time; the others wait for the DNS, or for one of these */
#define WATCH_MS 500

/* The CPU clock of each thread that has a message in hand, for the watchdog. */
static struct {
	bool busy;
	clockid_t clock;
	int64_t since_ms; /* thread CPU time when it took its message */
} hands[SCAN_HANDS];
static pthread_mutex_t hand_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hand_free = PTHREAD_COND_INITIALIZER;
static _Thread_local int hand = -1;
static _Thread_local clockid_t own_clock;
static _Thread_local int64_t own_since_ms;

static int64_t cpu_ms(clockid_t id)
{
	struct timespec t;
	return clock_gettime(id, &t) == 0 ? (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 : 0;
}

/* The number of a hand that nobody has, or -1. */
static int find_hand(void)
{
	for (int i = 0; i < SCAN_HANDS; i++)
		if (!hands[i].busy)
			return i;
	return -1;
}

void scan_hand_again(void)
{
	pthread_mutex_lock(&hand_lock);
	while ((hand = find_hand()) < 0)
		pthread_cond_wait(&hand_free, &hand_lock);
	hands[hand].clock = own_clock;
	hands[hand].since_ms = own_since_ms;
	hands[hand].busy = true;
	pthread_mutex_unlock(&hand_lock);
}

void scan_hand_take(void)
{
	if (pthread_getcpuclockid(pthread_self(), &own_clock) != 0)
		abort();
	own_since_ms = cpu_ms(own_clock);
	scan_hand_again();
}

void scan_hand_give(void)
{
	pthread_mutex_lock(&hand_lock);
	hands[hand].busy = false;
	pthread_cond_signal(&hand_free);
	pthread_mutex_unlock(&hand_lock);
}

static bool takes_too_long(int i)
{
	pthread_mutex_lock(&hand_lock);
	bool late = hands[i].busy && cpu_ms(hands[i].clock) - hands[i].since_ms >= SCAN_CPU_MS;
	pthread_mutex_unlock(&hand_lock);
	return late;
}

static void *watchdog(void *arg)
{
	for (;;) {
		usleep(WATCH_MS * 1000);
		scan_arrivals_watch();
		for (int i = 0; i < SCAN_HANDS; i++) {
			if (!takes_too_long(i))
				continue;
			EVENT(SCAN_FAILED, KZ("why", "a message took too much time"));
			_exit(EX_SOFTWARE);
		}
	}
	return arg;
}

/* The message in descriptor 0, or an answer that there is none. */
bool scan_map_message(struct ipc_turn *t, struct slice *message)
{
	if (t->fds.n >= 1 &&
	    fd_map_sealed(t->fds.fd[0], LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED, message) == OK)
		return true;
	ipc_refuse(t, BAD, "no sealed message");
	return false;
}

void scan_seal(const struct run *r, struct slice packed, unsigned char out[32])
{
	unsigned n = 32;
	if (!HMAC(EVP_sha256(), r->scan_seal, 32, (const unsigned char *)packed.p, packed.n, out, &n))
		abort();
}

/* ---- what is in it ---- */

#define TEXT_INLINE 65536

static void answer_text(struct ipc_turn *t, struct slice text, unsigned notes)
{
	Sekisho__TextAnswer answer = SEKISHO__TEXT_ANSWER__INIT;
	answer.notes = notes;
	if (text.n <= TEXT_INLINE) {
		answer.text = (ProtobufCBinaryData){text.n, (uint8_t *)(uintptr_t)text.p};
		ipc_answer(t, &answer, NULL);
		return;
	}
	FD_LOCAL fd = fd_memory("text");
	if (fd < 0 || fd_write_all(fd, text) != OK || fd_seal(fd) != OK) {
		ipc_refuse(t, LATER, "no memory for the text");
		return;
	}
	answer.in_fd = true;
	struct ipc_fds fds = {.fd = {fd}, .n = 1};
	ipc_answer(t, &answer, &fds);
}

static void on_text(struct ipc_turn *t)
{
	const Sekisho__TextAsk *ask = t->ask;
	struct slice message;
	if (!scan_map_message(t, &message))
		return;
	scan_hand_take();
	Sekisho__Facts *facts;
	unsigned notes = 0;
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	enum result r = mail_facts_extract(message, &t->arena, &facts);
	if (r == OK)
		inspect_doc_make(message, facts, ask->want, &text, &notes);
	scan_hand_give();
	fd_unmap(&message);
	if (r == OK)
		answer_text(t, buf_slice(&text), notes);
	else
		ipc_refuse(t, r, "the message cannot be analysed");
}

/* A needle as it comes, folded into the arena; false when the arena is full. */
static bool take_needle(const Sekisho__Needle *n, struct arena *a, struct inspect_needle *out)
{
	size_t most = 64 + 20 * (strlen(n->text) + strlen(n->field));
	BUF_LOCAL(text, most);
	BUF_LOCAL(field, most);
	mail_text_fold(slice_str(n->text), &text);
	mail_text_fold(slice_str(n->field), &field);
	out->where = n->where == SEKISHO__NEEDLE__WHERE__HEADER ? INSPECT_IN_HEADER
		     : n->where == SEKISHO__NEEDLE__WHERE__BODY ? INSPECT_IN_BODY
								: INSPECT_IN_TEXT;
	out->text = arena_dup(a, buf_slice(&text));
	out->field = arena_dup(a, buf_slice(&field));
	return !arena_full(a);
}

static unsigned wanted_for(const Sekisho__MatchAsk *ask)
{
	unsigned want = 0;
	for (size_t i = 0; i < ask->n_needles; i++) {
		if (ask->needles[i]->where != SEKISHO__NEEDLE__WHERE__HEADER)
			want |= INSPECT_WANT_BODY | INSPECT_WANT_ATTACHMENTS;
		else if (inspect_field_is_trace(slice_str(ask->needles[i]->field)))
			want |= INSPECT_WANT_TRACE;
	}
	return want;
}

static void answer_match(
    struct ipc_turn *t, const Sekisho__MatchAsk *ask, struct slice message, const Sekisho__Facts *facts)
{
	protobuf_c_boolean *found = arena_array(&t->arena, ask->n_needles + 1, sizeof *found);
	struct inspect_needle needle;
	unsigned notes;
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	inspect_doc_make(message, facts, wanted_for(ask), &text, &notes);
	for (size_t i = 0; found && i < ask->n_needles; i++)
		found[i] = take_needle(ask->needles[i], &t->arena, &needle) &&
			   inspect_doc_match(buf_slice(&text), &needle);
	if (arena_full(&t->arena)) {
		ipc_refuse(t, FULL, "too many needles");
		return;
	}
	Sekisho__MatchAnswer answer = SEKISHO__MATCH_ANSWER__INIT;
	answer.n_found = ask->n_needles;
	answer.found = found;
	ipc_answer(t, &answer, NULL);
}

static void on_match(struct ipc_turn *t)
{
	struct slice message;
	if (!scan_map_message(t, &message))
		return;
	scan_hand_take();
	Sekisho__Facts *facts;
	enum result r = mail_facts_extract(message, &t->arena, &facts);
	if (r == OK)
		answer_match(t, t->ask, message, facts);
	else
		ipc_refuse(t, r, "the message cannot be analysed");
	scan_hand_give();
	fd_unmap(&message);
}

static ipc_handler *const handlers[ASK_MAX] = {[ASK_SCAN_MESSAGE] = scan_message,
    [ASK_SCAN_MATCH] = on_match,
    [ASK_SCAN_TEXT] = on_text,
    [ASK_SCAN_SIEVE_CHECK] = scan_sieve_check,
    [ASK_SCAN_SIEVE_RUN] = scan_sieve_run,
    [ASK_SCAN_DRAFT] = scan_draft,
    [ASK_SCAN_DKIM_SEEN] = scan_dkim_seen,
    [ASK_SCAN_ASSIST] = scan_assist,
    [ASK_SCAN_LOOKALIKES] = scan_lookalikes,
    [ASK_SCAN_DNS_UPDATE] = scan_dns_update,
    [ASK_SCAN_REPORT] = scan_report,
    [ASK_SCAN_REPORT_TARGETS] = scan_report_targets};

void run_scan(struct run *r)
{
	pthread_t t;
	tzset(); /* the organisation's clock, for scripts that ask for the hour */
	inspect_start();
	scan_sign_start(r);
	run_jail(r, 0, SCAN_MEMORY);
	if (pthread_create(&t, NULL, watchdog, NULL) != 0)
		_exit(EX_OSERR);
	run_serve(r, handlers, SCAN_THREADS, r);
	run_ready(r);
	run_control(r);
}
