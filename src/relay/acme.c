#include "relay/acme_inner.h"
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REOPEN_MS 500 /* between two attempts to reach keys */
#define RENEWAL_INFO_MS (6 * HOUR_MS)
#define NEXT_ARENA ((size_t)4 << 20)
#define SERVED_MS (10 * MINUTE_MS) /* between two looks at the mail domains */
#define SERVED_RETRY_MS (10 * SECOND_MS)

#define STEP(s) SEKISHO__ACME_SIGN_ASK__STEP__##s
#define REPORT(k) SEKISHO__ACME_REPORT_ASK__KIND__##k

/* ---- what keys is told ---- */

enum result relay_acme_report(struct acme_run *r, const Sekisho__AcmeReportAsk *report)
{
	ARENA_LOCAL(a, 65536);
	Sekisho__AcmeReportAsk ask = *report;
	ask.task = r->task->id;
	enum result done = ipc_call(r->keys, ASK_KEYS_ACME_REPORT, &ask, NULL, &a, NULL, NULL);
	return done == OK ? OK : relay_acme_fail(r, LATER, "keys: %s", r->keys->why);
}

static enum result report_text(struct acme_run *r, Sekisho__AcmeReportAsk__Kind kind, const char *text)
{
	Sekisho__AcmeReportAsk ask = SEKISHO__ACME_REPORT_ASK__INIT;
	ask.kind = kind;
	ask.text = (char *)(uintptr_t)text;
	return relay_acme_report(r, &ask);
}

void relay_acme_waiting(struct acme_run *r, const char *fmt, ...)
{
	char text[ACME_WHY];
	char why[ACME_WHY];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	memcpy(why, r->why, sizeof why);
	result_ignore(report_text(r, REPORT(WAITING), text)); /* for the eyes of people only */
	memcpy(r->why, why, sizeof why);
}

/* ---- the authority ---- */

static enum result read_directory(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	Sekisho__AcmeReportAsk ask = SEKISHO__ACME_REPORT_ASK__INIT;
	r->directory.caa = "";
	enum result done = relay_acme_get(r, r->task->directory, &reply);
	if (done != OK)
		return done;
	if (relay_acme_read_directory(buf_slice(&reply.body), &r->arena, &r->directory) != OK)
		return relay_acme_fail(
		    r, LATER, "what is at acme_directory is not the directory of an authority");
	ask.kind = REPORT(DIRECTORY);
	ask.text = (char *)(uintptr_t)r->directory.terms;
	ask.caa = (char *)(uintptr_t)r->directory.caa;
	ask.binding = r->directory.binding;
	return relay_acme_report(r, &ask);
}

/* A known account is found by its key, a new one is made (RFC 8555 7.3). */
static enum result register_account(struct acme_run *r, Sekisho__AcmeSignAsk__Step step)
{
	REPLY_LOCAL(reply);
	const char *url;
	enum result done = relay_acme_post(r, step, r->directory.new_account, false, &reply);
	if (done == OK)
		done = relay_acme_location(r, &reply, &url);
	if (done == OK)
		done = report_text(r, REPORT(ACCOUNT), url);
	return done;
}

enum result relay_acme_account(struct acme_run *r)
{
	return *r->task->account ? OK : register_account(r, STEP(ACCOUNT));
}

static enum result change_contact(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	enum result done = relay_acme_account(r);
	if (done != OK || !*r->task->account)
		return done; /* a new account has it already */
	return relay_acme_post(r, STEP(CONTACT), r->task->account, false, &reply);
}

/* An authority that knows the new key already has heard of it in an attempt whose answer was lost. */
static enum result roll_key(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	enum result done = LATER;
	if (!*r->directory.key_change)
		return relay_acme_fail(r, DENY, "the authority does not change keys");
	if (r->task->resumed)
		done = relay_acme_post(r, STEP(FIND_NEXT), r->directory.new_account, false, &reply);
	if (done != OK)
		done = relay_acme_post(r, STEP(ROLLOVER), r->directory.key_change, false, &reply);
	return done == OK ? report_text(r, REPORT(ROLLED), "") : done;
}

static enum result deactivate(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	return relay_acme_post(r, STEP(DEACTIVATE), r->task->account, false, &reply);
}

static enum result revoke(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	enum result done = relay_acme_account(r);
	if (done == OK)
		done = relay_acme_post(r, STEP(REVOKE), r->directory.revoke, false, &reply);
	return done != OK && reply.problem.type && strcmp(reply.problem.type, "alreadyRevoked") == 0 ? OK
												     : done;
}

static enum result ask_renewal(struct acme_run *r)
{
	REPLY_LOCAL(reply);
	struct acme_window w = {0};
	Sekisho__AcmeReportAsk ask = SEKISHO__ACME_REPORT_ASK__INIT;
	ask.kind = REPORT(RENEWAL);
	ask.retry_ms = DAY_MS;
	if (*r->directory.renewal_info && *r->task->certificate) {
		size_t n = strlen(r->directory.renewal_info);
		const char *slash = r->directory.renewal_info[n - 1] == '/' ? "" : "/";
		const char *url =
		    arena_printf(&r->arena, "%s%s%s", r->directory.renewal_info, slash, r->task->certificate);
		enum result done = url ? relay_acme_get(r, url, &reply) : FULL;
		if (done != OK)
			return done;
		if (relay_acme_read_window(buf_slice(&reply.body), &w) != OK)
			return relay_acme_fail(
			    r, LATER, "the authority's renewal information cannot be understood");
		ask.from_ms = w.from_ms;
		ask.to_ms = w.to_ms;
		ask.retry_ms = https_retry_after(&reply.head, RENEWAL_INFO_MS, DAY_MS);
	}
	return relay_acme_report(r, &ask);
}

/* ---- tasks ---- */

static enum result do_task(struct acme_run *r)
{
	enum result done = read_directory(r);
	if (done != OK)
		return done;
	switch (r->task->kind) {
	case SEKISHO__ACME_TASK__KIND__LOOK:
		return OK;
	case SEKISHO__ACME_TASK__KIND__REGISTER:
		return register_account(r, STEP(ACCOUNT));
	case SEKISHO__ACME_TASK__KIND__CONTACT:
		return change_contact(r);
	case SEKISHO__ACME_TASK__KIND__ROLLOVER:
		return roll_key(r);
	case SEKISHO__ACME_TASK__KIND__DEACTIVATE:
		return deactivate(r);
	case SEKISHO__ACME_TASK__KIND__ISSUE:
		return relay_acme_issue(r);
	case SEKISHO__ACME_TASK__KIND__REVOKE:
		return revoke(r);
	case SEKISHO__ACME_TASK__KIND__RENEWAL_INFO:
		return ask_renewal(r);
	default:
		return relay_acme_fail(r, DENY, "an unknown task");
	}
}

static void run_task(const struct acme_settings *s, struct ipc *keys, const Sekisho__AcmeTask *task)
{
	struct acme_run *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	*r = (struct acme_run){.settings = s, .keys = keys, .task = task};
	arena_init(&r->arena, ACME_TASK_ARENA);
	enum result done = do_task(r);
	Sekisho__AcmeReportAsk ask = SEKISHO__ACME_REPORT_ASK__INIT;
	ask.kind = done == OK ? REPORT(DONE) : REPORT(FAILED);
	char why[ACME_WHY];
	snprintf(why, sizeof why, "%s", *r->why ? r->why : result_name(done));
	ask.text = done == OK ? (char *)(uintptr_t) "" : why;
	ask.retry_ms = done == OK ? 0 : r->retry_ms;
	result_ignore(relay_acme_report(r, &ask)); /* keys that is away begins anew */
	arena_free(&r->arena);
	free(r);
}

static void wait_for_note(struct ipc *c, int64_t ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	if (c->notes & NOTE_KEYS) {
		c->notes = 0;
		return;
	}
	if (poll(&p, 1, (int)MIN(MAX(ms, SECOND_MS), HOUR_MS)) > 0 && ipc_poll(c) != OK)
		ipc_close(c);
	c->notes = 0;
}

/* Stays with one channel to keys until it breaks. */
static void serve(const struct acme_settings *s, struct ipc *c)
{
	int64_t look_ms = 0; /* at the mail domains, again then */
	while (c->fd >= 0) {
		ARENA_LOCAL(a, NEXT_ARENA);
		Sekisho__AcmeNextAsk ask = SEKISHO__ACME_NEXT_ASK__INIT;
		Sekisho__AcmeTask *task;
		int64_t now = clock_mono_ms();
		if (now >= look_ms)
			look_ms = now + (relay_acme_served(s, &a, &ask) == OK ? SERVED_MS : SERVED_RETRY_MS);
		if (ipc_call(c, ASK_KEYS_ACME_NEXT, &ask, NULL, &a, &task, NULL) != OK)
			return;
		if (task->kind == SEKISHO__ACME_TASK__KIND__NONE)
			wait_for_note(c, MIN(task->wait_ms, look_ms - now));
		else
			run_task(s, c, task);
	}
}

static void *acme_main(void *settings)
{
	const struct acme_settings *s = settings;
	for (;;) {
		struct ipc c;
		if (ipc_open(s->keys, &c) == OK) {
			serve(s, &c);
			ipc_close(&c);
		}
		nanosleep(&(struct timespec){.tv_nsec = REOPEN_MS * 1000000L}, NULL);
	}
	return NULL;
}

void relay_acme_start(const struct acme_settings *settings)
{
	pthread_t t;
	if (pthread_create(&t, NULL, acme_main, (void *)(uintptr_t)settings) != 0)
		abort();
	pthread_detach(t);
}
