#include "event.h"
#include "buf.h"
#include "clock.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name, *meaning;
	enum event_level level;
} events[] = {
#define X(name, level, meaning, fields) {#name, meaning, EVENT_##level},
#include "events.def"
#undef X
};

static const char *role_name = "sekisho";
static enum event_format line_format = EVENT_LOGFMT;
static enum event_level least_level = EVENT_INFO;
static _Atomic uint64_t own_counters[EV_COUNT];
static _Atomic uint64_t *counters = own_counters;
static _Thread_local char session_id[32];

void event_start(const char *role, enum event_format format, enum event_level least)
{
	role_name = role;
	line_format = format;
	least_level = least;
}

void event_session(const char *id)
{
	snprintf(session_id, sizeof session_id, "%s", id ? id : "");
}

const char *event_session_get(void)
{
	return session_id;
}

void event_counters(_Atomic uint64_t *shared)
{
	counters = shared;
}

const char *event_name(enum event e)
{
	return events[e].name;
}

const char *event_meaning(enum event e)
{
	return events[e].meaning;
}

enum event_level event_level_of(enum event e)
{
	return events[e].level;
}

/* Text of strangers inside quotes: what could end the field or the line, or move a terminal, is escaped. */
static void put_quoted(struct buf *b, struct slice s)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c < 32 || c == 127)
			buf_printf(b, "\\u%04x", c);
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

static void put_time(struct buf *b)
{
	int64_t ms = clock_utc_ms();
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&s, &tm);
	char text[32];
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03dZ", text, (int)(ms % 1000));
}

static bool plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 32 || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' ||
		    s.p[i] == 127)
			return false;
	return s.n > 0;
}

static void put_lower(struct buf *b, const char *z)
{
	for (; *z; z++)
		buf_putc(b, ascii_lower(*z));
}

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static void put_logfmt(struct buf *b, enum event e, const struct kv *kv, size_t n)
{
	buf_puts(b, "time=");
	put_time(b);
	buf_printf(b, " level=%s role=%s event=", level_names[events[e].level], role_name);
	put_lower(b, events[e].name);
	if (session_id[0])
		buf_printf(b, " session=%s", session_id);
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, " %s=", kv[i].key);
		if (kv[i].is_number)
			buf_printf(b, "%lld", (long long)kv[i].number);
		else if (plain(kv[i].text))
			buf_put(b, kv[i].text);
		else
			put_quoted(b, kv[i].text);
	}
}

static void put_json(struct buf *b, enum event e, const struct kv *kv, size_t n)
{
	buf_puts(b, "{\"time\":\"");
	put_time(b);
	buf_printf(
	    b, "\",\"level\":\"%s\",\"role\":\"%s\",\"event\":\"", level_names[events[e].level], role_name);
	put_lower(b, events[e].name);
	buf_putc(b, '"');
	if (session_id[0])
		buf_printf(b, ",\"session\":\"%s\"", session_id);
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, ",\"%s\":", kv[i].key);
		if (kv[i].is_number)
			buf_printf(b, "%lld", (long long)kv[i].number);
		else
			put_quoted(b, kv[i].text);
	}
	buf_putc(b, '}');
}

void event_emit(enum event e, const struct kv *kv, size_t n)
{
	atomic_fetch_add_explicit(&counters[e], 1, memory_order_relaxed);
	if (events[e].level < least_level)
		return;
	BUF_LOCAL(line, 16384);
	if (line_format == EVENT_JSON)
		put_json(&line, e, kv, n);
	else
		put_logfmt(&line, e, kv, n);
	line.over = false;
	buf_putc(&line, '\n');
	/* One write a line: lines of several roles do not mix. A log that cannot be written must not stop mail. */
	ssize_t ignored = write(STDERR_FILENO, line.p, line.n);
	(void)ignored;
}
