#include "relay/alarm.h"
#include "ipc/ipc.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 2000
#define POST_MS (10 * SECOND_MS)
#define ANSWER_MOST 65536
#define ALARM_ARENA ((size_t)1 << 20)

static bool post(
    const struct alarm_settings *s, const Sekisho__AlarmAnswer *next, struct arena *a, char why[300])
{
	BUF_LOCAL(body, ANSWER_MOST);
	struct https_answer answer;
	struct https_field type = {SLICE("Content-Type"), SLICE("application/json")};
	struct https_request q = {.method = "POST",
	    .url = slice_str(s->url),
	    .fields = &type,
	    .fields_n = 1,
	    .body = slice_str(next->json),
	    .deadline_ms = POST_MS,
	    .connect_ms = POST_MS / 2};
	if (https_ask(s->https, &q, a, &body, &answer) != OK) {
		snprintf(why, 300, "%s", answer.why);
		return false;
	}
	snprintf(why, 300, "status %u", answer.status);
	return answer.status >= 200 && answer.status < 300;
}

/* False: there is nothing to be posted, or store is not there. */
static bool do_one(const struct alarm_settings *s)
{
	ARENA_LOCAL(a, ALARM_ARENA);
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__AlarmAnswer *next;
	Sekisho__AlarmDoneAsk done = SEKISHO__ALARM_DONE_ASK__INIT;
	struct ipc *c = ipc_thread(s->store);
	char why[300];
	if (!c || ipc_call(c, ASK_STORE_ALARM_NEXT, &ask, NULL, &a, &next, NULL) != OK || !next->alarm)
		return false;
	done.alarm = next->alarm;
	done.taken = post(s, next, &a, why);
	done.why = why;
	return ipc_call(c, ASK_STORE_ALARM_DONE, &done, NULL, &a, NULL, NULL) == OK;
}

static void *alarm_main(void *arg)
{
	const struct alarm_settings *s = arg;
	for (;;)
		if (!do_one(s))
			poll(NULL, 0, LOOK_MS);
	return NULL;
}

void relay_alarm_start(const struct alarm_settings *settings)
{
	pthread_t t;
	if (pthread_create(&t, NULL, alarm_main, (void *)(uintptr_t)settings) != 0)
		abort();
	pthread_detach(t);
}
