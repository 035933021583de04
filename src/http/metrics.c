#include "metrics.h"

static void put_family(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_gauge(struct buf *b, const char *name, const char *help, uint64_t value)
{
	put_family(b, name, "gauge", help);
	buf_printf(b, "%s %llu\n", name, (unsigned long long)value);
}

/* Milliseconds as seconds. */
static void put_seconds(struct buf *b, const char *name, const char *help, int64_t ms)
{
	put_family(b, name, "gauge", help);
	buf_printf(b, "%s %lld.%03lld\n", name, (long long)(ms / 1000), (long long)(ms % 1000));
}

static void put_search(struct buf *b, const Sekisho__GaugesAnswer *g)
{
	put_gauge(b, "sekisho_search_waiting_messages",
	    "Messages that are not in the full-text index yet; a search reads them.", g->search_waiting);
	put_gauge(b, "sekisho_search_messages",
	    "Messages in the full-text index, some that are gone among them.", g->search_messages);
	put_gauge(b, "sekisho_search_segments", "Segments of the full-text index.", g->search_segments);
	put_gauge(b, "sekisho_search_text_bytes", "Text in the full-text index.", g->search_text_octets);
	put_gauge(b, "sekisho_search_bytes", "Size of the full-text index.", g->search_octets);
	put_gauge(b, "sekisho_search_reduced_messages",
	    "Messages that could be read for the index in part only.", g->search_reduced);
	put_gauge(b, "sekisho_search_rebuilding_accounts", "Accounts whose index is being built anew.",
	    g->search_rebuilding);
	put_gauge(b, "sekisho_search_failing_accounts", "Accounts that could not be indexed at the last try.",
	    g->search_failing);
	put_seconds(b, "sekisho_search_last_failure_timestamp_seconds",
	    "When an account could not be indexed the last time, in seconds since 1970; 0: never since the "
	    "start.",
	    g->search_failed_ms);
}

static void put_gauges(struct buf *b, const Sekisho__GaugesAnswer *g)
{
	int64_t age = g->oldest_ms > 0 ? MAX(clock_utc_ms() - g->oldest_ms, 0) : 0;
	put_family(b, "sekisho_queue_recipients", "gauge", "Recipients in the queue.");
	buf_printf(b, "sekisho_queue_recipients{state=\"waiting\"} %llu\n", (unsigned long long)g->queued);
	buf_printf(b, "sekisho_queue_recipients{state=\"held\"} %llu\n", (unsigned long long)g->held);
	put_seconds(b, "sekisho_queue_oldest_age_seconds",
	    "Age of the oldest queued message, 0 when there is none.", age);
	put_gauge(b, "sekisho_accounts", "Accounts.", g->accounts);
	put_gauge(b, "sekisho_messages", "Messages in all mailboxes.", g->messages);
	put_gauge(b, "sekisho_body_bytes", "Size of the kept message bodies.", g->body_octets);
	put_gauge(b, "sekisho_sessions", "Sessions that are logged in.", g->sessions);
	put_gauge(b, "sekisho_disk_free_bytes", "Free space where the mail is kept.", g->disk_free);
	put_search(b, g);
}

static void put_certificate(void *arg, const char *name, int64_t ends_ms)
{
	buf_printf(arg, "sekisho_certificate_expiry_seconds{name=\"%s\"} %lld\n", name,
	    (long long)(ends_ms / SECOND_MS));
}

/* The text of a HELP line: a backslash or a line end would break it. */
static void put_help(struct buf *b, const char *text)
{
	for (; *text; text++)
		if (*text == '\\')
			buf_puts(b, "\\\\");
		else if (*text == '\n')
			buf_puts(b, "\\n");
		else
			buf_putc(b, *text);
}

static void put_event(struct buf *b, const struct http_metrics *m, enum event e)
{
	char name[64] = "";
	const char *text = event_name(e);
	for (size_t i = 0; text[i] && i + 1 < sizeof name; i++)
		name[i] = ascii_lower(text[i]);
	buf_printf(b, "# HELP sekisho_%s_total Events: ", name);
	put_help(b, event_meaning(e));
	buf_printf(b, ".\n# TYPE sekisho_%s_total counter\n", name);
	for (unsigned role = 0; role < m->roles; role++) {
		uint64_t n =
		    atomic_load_explicit(&m->counters[(size_t)role * EV_COUNT + e], memory_order_relaxed);
		buf_printf(b, "sekisho_%s_total{role=\"%s\"} %llu\n", name, m->role_names[role],
		    (unsigned long long)n);
	}
}

void http_metrics_put(struct buf *b, const struct http_monitor *m, const Sekisho__GaugesAnswer *gauges)
{
	put_family(b, "sekisho_build_info", "gauge", "Always 1; the label tells the version.");
	buf_puts(b, "sekisho_build_info{version=\"" SEKISHO_VERSION "\"} 1\n");
	put_seconds(b, "process_start_time_seconds", "When this process started, in seconds since 1970.",
	    m->started_utc_ms);
	put_gauge(b, "sekisho_store_up",
	    "1 when the store answered in time, else 0 and its gauges are missing.", gauges != NULL);
	if (gauges)
		put_gauges(b, gauges);
	if (m->metrics.certificates) {
		put_family(b, "sekisho_certificate_expiry_seconds", "gauge",
		    "When the TLS certificate of that first name ends, in seconds since 1970.");
		m->metrics.certificates(m->metrics.context, put_certificate, b);
	}
	for (enum event e = 0; e < EV_COUNT; e++)
		put_event(b, &m->metrics, e);
}
