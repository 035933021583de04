/* The routes of monitoring. */
#include "acme.h"
#include "console.h"
#include "metrics.h"
#include "oauth.h"
#include "setup.h"
#include <sys/socket.h>
#include <time.h>

#define ANSWER_MS (2 * SECOND_MS)
#define FRESH_MS SECOND_MS
#define ASK_ARENA ((size_t)64 * 1024)

static const char no_answer[] = "store does not answer";

/* ---- asking the store ---- */

void http_monitor_init(struct http_monitor *m, struct ipc_trunk *store, const struct http_metrics *metrics)
{
	*m = (struct http_monitor){.store = store, .metrics = *metrics, .started_utc_ms = clock_utc_ms()};
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->answered, &attr);
	pthread_condattr_destroy(&attr);
	m->channel = (struct ipc){.fd = -1, .why = ""};
}

void http_monitor_end(struct http_monitor *m)
{
	ipc_close(&m->channel);
	pthread_cond_destroy(&m->answered);
	pthread_mutex_destroy(&m->lock);
}

/*
 * Asks on a channel of its own, which gives up sooner than the one of a thread; when the store was restarted since the
 * last time, on a new one. NULL and the gauges, or what is wrong. Without the lock.
 */
static const char *ask_store(struct http_monitor *m, Sekisho__GaugesAnswer *out)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__GaugesAnswer *answer;
	struct timeval wait = {.tv_sec = ANSWER_MS / 1000};
	for (;;) {
		ARENA_LOCAL(a, ASK_ARENA);
		bool fresh = m->channel.fd < 0;
		if (fresh && ipc_open(m->store, &m->channel) != OK)
			return "store is not running";
		setsockopt(m->channel.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
		int64_t before = clock_mono_ms();
		enum result r = ipc_call(&m->channel, ASK_STORE_GAUGES, &ask, NULL, &a, &answer, NULL);
		if (r == OK) {
			*out = *answer; /* numbers only */
			return NULL;
		}
		if (m->channel.fd >= 0)
			return "store refuses to answer";
		if (clock_mono_ms() - before >= ANSWER_MS - 50)
			return no_answer;
		if (fresh)
			return "store is not running";
	}
}

static struct timespec deadline(int64_t ms)
{
	int64_t at = clock_mono_ms() + ms;
	return (struct timespec){.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
}

/* NULL and the store's gauges, or what is wrong with it. */
static const char *gauges(struct http_monitor *m, Sekisho__GaugesAnswer *out)
{
	struct timespec end = deadline(ANSWER_MS);
	pthread_mutex_lock(&m->lock);
	while (m->asking)
		if (pthread_cond_timedwait(&m->answered, &m->lock, &end) != 0) {
			pthread_mutex_unlock(&m->lock);
			return no_answer;
		}
	if (!m->known || clock_mono_ms() - m->asked_ms >= FRESH_MS) {
		m->asking = true;
		pthread_mutex_unlock(&m->lock);
		Sekisho__GaugesAnswer answer = SEKISHO__GAUGES_ANSWER__INIT;
		const char *why = ask_store(m, &answer);
		pthread_mutex_lock(&m->lock);
		m->asking = false;
		m->known = true;
		m->asked_ms = clock_mono_ms();
		m->why = why;
		m->gauges = answer;
		pthread_cond_broadcast(&m->answered);
	}
	const char *why = m->why;
	*out = m->gauges;
	pthread_mutex_unlock(&m->lock);
	return why;
}

/* ---- handlers ---- */

static void get_health(struct http_request *q, struct http_response *p)
{
	Sekisho__GaugesAnswer g;
	const char *why = gauges(q->service->monitor, &g);
	p->status = why ? HTTP_STATUS_UNAVAILABLE : HTTP_STATUS_OK;
	http_put_header(p, "Vary", SLICE("Accept"));
	if (!http_wants_json(q)) {
		p->type = "text/plain; charset=utf-8";
		buf_printf(&p->body, "%s\n", why ? why : "ok");
		return;
	}
	p->type = "application/json";
	buf_printf(&p->body, "{\"status\":\"%s\",\"reasons\":[", why ? "unavailable" : "ok");
	if (why)
		http_put_json(&p->body, slice_str(why));
	buf_puts(&p->body, "]}\n");
}

static void get_metrics(struct http_request *q, struct http_response *p)
{
	Sekisho__GaugesAnswer g;
	bool up = !gauges(q->service->monitor, &g);
	p->type = HTTP_METRICS_TYPE;
	http_metrics_put(&p->body, q->service->monitor, up ? &g : NULL);
}

static void get_root(struct http_request *q, struct http_response *p)
{
	p->type = "text/plain; charset=utf-8";
	buf_printf(&p->body, "This is %s, a Sekisho mail server.\nIts health is at /healthz.\n",
	    q->service->hostname);
}

/* ---- which routes on which service ---- */

static const struct http_route local[] = {
    {HTTP_IS(GET), "/", get_root, 0, 0},
    {HTTP_IS(GET), "/healthz", get_health, 0, 0},
    {HTTP_IS(GET), "/metrics", get_metrics, 0, 0},
    {HTTP_IS(GET), HTTP_ACME_PATTERN, http_acme_challenge, 0, 0},
    SETUP_ROUTES,
};
static const struct http_route open_to_all[] = {
    {HTTP_IS(GET), "/healthz", get_health, 0, 0},
    {HTTP_IS(GET), HTTP_ACME_PATTERN, http_acme_challenge, 0, 0},
    CONSOLE_ROUTES,
    OAUTH_ROUTES,
    SETUP_ROUTES,
};

const struct http_routes http_routes_local = {.at = local, .n = COUNT(local)};
const struct http_routes http_routes_public = {
    .at = open_to_all, .n = COUNT(open_to_all), .next = &http_routes_scim};
