#include "relay/post.h"
#include "relay/sms.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POST_ARENA ((size_t)1 << 20)
#define ANSWER_MOST ((size_t)65536)
#define BODY_MOST ((uint64_t)32 << 20)
#define REOPEN_MS (5 * SECOND_MS)
#define REPORT_LOOK_MS MINUTE_MS /* at least once in so long: what is queued meanwhile tells nobody */
#define ALARM_LOOK_MS (2 * SECOND_MS)
#define SMS_LOOK_MS SECOND_MS
#define SMS_MOST 4096
#define ALARM_MS (10 * SECOND_MS) /* so long its server has */

/* ---- one request ---- */

struct outcome {
	bool done, never; /* never: it will be the same the next time */
	char why[300];    /* not done */
};

/* A refusal of what was sent will be the same the next time. */
static bool is_for_good(unsigned status)
{
	return status >= 400 && status < 500 && status != 408 && status != 429;
}

/* authorization: a header's value; empty: none. */
static void post(struct https *h, struct https_request *q, struct slice type, struct slice authorization,
    struct arena *a, struct outcome *out)
{
	const struct https_field fields[] = {
	    {SLICE("Content-Type"), type}, {SLICE("Authorization"), authorization}};
	struct https_answer answer = {0};
	BUF_LOCAL(body, ANSWER_MOST);
	q->method = "POST";
	q->fields = fields;
	q->fields_n = authorization.n ? 2 : 1;
	enum result done = https_ask(h, q, a, &body, &answer);
	*out = (struct outcome){.done = done == OK && answer.status >= 200 && answer.status < 300};
	out->never = !out->done && (done == OK ? is_for_good(answer.status) : answer.failure == HTTPS_URL);
	if (done != OK)
		snprintf(out->why, sizeof out->why, "%s", answer.why);
	else if (!out->done)
		snprintf(out->why, sizeof out->why, "status %u", answer.status);
}

/* ---- reports ---- */

static void tell_failure(struct slice url, const char *why)
{
	struct https_url parts = {0};
	if (https_url_parse(url, &parts) != OK)
		parts.host = SLICE("?");
	EVENT(REPORT_POST_FAILED, KV("host", parts.host), KZ("why", why));
}

static void post_report(const struct post_settings *p, struct ipc *c, const Sekisho__ReportPostAnswer *job,
    int fd, struct arena *a)
{
	struct https_request q = {.url = slice_str(job->url)};
	struct outcome o;
	Sekisho__ReportPostedAsk ask = SEKISHO__REPORT_POSTED_ASK__INIT;
	if (fd_map_sealed(fd, BODY_MOST, &q.body) != OK)
		return;
	post(p->reports, &q, SLICE("application/tlsrpt+gzip"), SLICE_NONE, a, &o);
	fd_unmap(&q.body);
	if (!o.done)
		tell_failure(q.url, o.why);
	ask.id = job->id;
	ask.done = o.done;
	ask.never = o.never;
	ask.why = o.why;
	result_ignore(ipc_call(c, ASK_STORE_REPORT_POSTED, &ask, NULL, a, NULL, NULL)); /* it comes again */
}

/* How long to wait for the next; below 0: the channel is gone. */
static int64_t next_report(const struct post_settings *p, struct ipc *c)
{
	ARENA_LOCAL(a, POST_ARENA);
	Sekisho__ReportPostAsk ask = SEKISHO__REPORT_POST_ASK__INIT;
	Sekisho__ReportPostAnswer *job;
	struct ipc_fds fds = {0};
	enum result done = ipc_call(c, ASK_STORE_REPORT_POST, &ask, NULL, &a, &job, &fds);
	if (done == OK && job->id && fds.n)
		post_report(p, c, job, fds.fd[0], &a);
	ipc_fds_close(&fds);
	if (done != OK)
		return c->fd < 0 ? -1 : REPORT_LOOK_MS;
	return job->id ? 0 : MIN((int64_t)job->wait_ms, REPORT_LOOK_MS);
}

/* ---- alarms ---- */

static int64_t next_alarm(const struct post_settings *p, struct ipc *c)
{
	ARENA_LOCAL(a, POST_ARENA);
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__AlarmAnswer *next;
	Sekisho__AlarmDoneAsk told = SEKISHO__ALARM_DONE_ASK__INIT;
	struct outcome o;
	enum result done = ipc_call(c, ASK_STORE_ALARM_NEXT, &ask, NULL, &a, &next, NULL);
	if (done == OK && next->alarm) {
		struct https_request q = {.url = slice_str(p->webhook),
		    .body = slice_str(next->json),
		    .deadline_ms = ALARM_MS,
		    .connect_ms = ALARM_MS / 2};
		post(p->alarms, &q, SLICE("application/json"), SLICE_NONE, &a, &o);
		told.alarm = next->alarm;
		told.taken = o.done;
		told.why = o.why;
		done = ipc_call(c, ASK_STORE_ALARM_DONE, &told, NULL, &a, NULL, NULL);
		return done == OK ? 0 : c->fd < 0 ? -1 : ALARM_LOOK_MS;
	}
	return c->fd < 0 ? -1 : ALARM_LOOK_MS;
}

/* ---- short messages ---- */

static void post_sms(
    const struct post_settings *p, const Sekisho__SmsAnswer *sms, struct arena *a, struct outcome *out)
{
	__attribute__((cleanup(buf_free_secret))) struct buf body = {.max = SMS_MOST},
							     authorization = {.max = SMS_MOST};
	const struct sms_words words = {slice_str(sms->to), slice_str(sms->text), slice_str(p->sms_secret)};
	bool form = strcmp(p->sms_type, "application/x-www-form-urlencoded") == 0;
	sms_fill(slice_str(p->sms_body), form ? SMS_FORM : SMS_JSON, &words, &body);
	if (*p->sms_secret)
		sms_fill(slice_str(p->sms_authorization), SMS_PLAIN, &words, &authorization);
	struct https_request q = {.url = slice_str(p->sms_url),
	    .body = buf_slice(&body),
	    .deadline_ms = ALARM_MS,
	    .connect_ms = ALARM_MS / 2};
	post(p->sms, &q, slice_str(p->sms_type), buf_slice(&authorization), a, out);
}

/* One without a number has waited too long. */
static int64_t next_sms(const struct post_settings *p, struct ipc *c)
{
	ARENA_LOCAL(a, POST_ARENA);
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__SmsAnswer *next;
	Sekisho__SmsDoneAsk told = SEKISHO__SMS_DONE_ASK__INIT;
	struct outcome o = {.never = true, .why = "it waited too long"};
	enum result done = ipc_call(c, ASK_STORE_SMS_NEXT, &ask, NULL, &a, &next, NULL);
	if (done != OK || !next->sms)
		return c->fd < 0 ? -1 : SMS_LOOK_MS;
	if (*next->to)
		post_sms(p, next, &a, &o);
	told.sms = next->sms;
	told.taken = o.done;
	told.never = o.never;
	told.why = o.why;
	done = ipc_call(c, ASK_STORE_SMS_DONE, &told, NULL, &a, NULL, NULL);
	return done == OK ? 0 : c->fd < 0 ? -1 : SMS_LOOK_MS;
}

/* ---- the threads ---- */

struct poster {
	const struct post_settings *settings;
	int64_t (*next)(const struct post_settings *, struct ipc *);
};

static void rest(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

static void *post_main(void *arg)
{
	const struct poster *p = arg;
	for (;;) {
		struct ipc c;
		int64_t wait;
		if (ipc_open(p->settings->store, &c) == OK) {
			while ((wait = p->next(p->settings, &c)) >= 0)
				rest(wait);
			ipc_close(&c);
		}
		rest(REOPEN_MS);
	}
	return NULL;
}

static void start(struct poster *p)
{
	pthread_t t;
	if (pthread_create(&t, NULL, post_main, p) != 0)
		abort();
	pthread_detach(t);
}

void relay_post_start(const struct post_settings *settings)
{
	static struct poster reports, alarms, sms;
	reports = (struct poster){settings, next_report};
	alarms = (struct poster){settings, next_alarm};
	if (settings->reports)
		start(&reports);
	if (settings->alarms)
		start(&alarms);
	sms = (struct poster){settings, next_sms};
	if (settings->sms)
		start(&sms);
}
