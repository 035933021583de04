/* post: TLS reports that others want by https (RFC 8460 5.4); store gives them out one by one. */
#include "relay/post.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define POST_ARENA ((size_t)1 << 20)
#define ANSWER_MOST ((size_t)65536)
#define BODY_MOST ((uint64_t)32 << 20)
#define REOPEN_MS (5 * SECOND_MS)
#define LOOK_MS MINUTE_MS /* at least once in so long: what is queued meanwhile tells nobody */

static void tell_failure(struct slice url, const char *why)
{
	struct https_url parts = {0};
	if (https_url_parse(url, &parts) != OK)
		parts.host = SLICE("?");
	EVENT(REPORT_POST_FAILED, KV("host", parts.host), KZ("why", why));
}

/* A refusal of what was sent will be the same the next time. */
static bool is_for_good(unsigned status)
{
	return status >= 400 && status < 500 && status != 408 && status != 429;
}

static void post_one(const struct post_settings *p, struct ipc *c, const Sekisho__ReportPostAnswer *job,
    int fd, struct arena *a)
{
	static const struct https_field fields[] = {
	    {SLICE("Content-Type"), SLICE("application/tlsrpt+gzip")}};
	struct https_request q = {
	    .method = "POST", .url = slice_str(job->url), .fields = fields, .fields_n = COUNT(fields)};
	struct https_answer answer = {0};
	BUF_LOCAL(body, ANSWER_MOST);
	BUF_LOCAL(why, 300);
	Sekisho__ReportPostedAsk ask = SEKISHO__REPORT_POSTED_ASK__INIT;
	ask.id = job->id;
	if (fd_map_sealed(fd, BODY_MOST, &q.body) != OK)
		return;
	enum result done = https_ask(p->https, &q, a, &body, &answer);
	fd_unmap(&q.body);
	ask.done = done == OK && answer.status >= 200 && answer.status < 300;
	ask.never = !ask.done && (done == OK ? is_for_good(answer.status) : answer.failure == HTTPS_URL);
	if (!ask.done) {
		if (done == OK)
			buf_printf(&why, "status %u", answer.status);
		else
			buf_puts(&why, answer.why);
		tell_failure(q.url, buf_z(&why));
	}
	ask.why = (char *)(uintptr_t)buf_z(&why);
	result_ignore(ipc_call(c, ASK_STORE_REPORT_POSTED, &ask, NULL, a, NULL, NULL)); /* it comes again */
}

/* How long to wait for the next; below 0: the channel is gone. */
static int64_t work_once(const struct post_settings *p, struct ipc *c)
{
	ARENA_LOCAL(a, POST_ARENA);
	Sekisho__ReportPostAsk ask = SEKISHO__REPORT_POST_ASK__INIT;
	Sekisho__ReportPostAnswer *job;
	struct ipc_fds fds = {0};
	enum result done = ipc_call(c, ASK_STORE_REPORT_POST, &ask, NULL, &a, &job, &fds);
	if (done == OK && job->id && fds.n)
		post_one(p, c, job, fds.fd[0], &a);
	ipc_fds_close(&fds);
	if (done != OK)
		return c->fd < 0 ? -1 : LOOK_MS;
	return job->id ? 0 : MIN((int64_t)job->wait_ms, LOOK_MS);
}

static void rest(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

static void *post_main(void *settings)
{
	const struct post_settings *p = settings;
	for (;;) {
		struct ipc c;
		int64_t wait;
		if (ipc_open(p->store, &c) == OK) {
			while ((wait = work_once(p, &c)) >= 0)
				rest(wait);
			ipc_close(&c);
		}
		rest(REOPEN_MS);
	}
	return NULL;
}

void relay_post_start(const struct post_settings *settings)
{
	pthread_t t;
	if (pthread_create(&t, NULL, post_main, (void *)(uintptr_t)settings) != 0)
		abort();
	pthread_detach(t);
}
