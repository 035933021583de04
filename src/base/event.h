/*
 * event: the one way anything is logged, counted or watched.
 *
 * events.def names every event with its level, its meaning and its fields; that one table feeds the log (JSON or
 * logfmt lines on descriptor 2), the counters behind /metrics (shared memory given by master), the manual, and what
 * tests wait for. Secrets and message content are never a field.
 *
 *     EVENT(SMTP_REFUSED, KV("rcpt", rcpt), KV("why", why), KN("code", 550));
 *
 * A thread that works for a session sets event_session(), and its id is added to every line.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include "num.h"
#include "slice.h"
#include <stdatomic.h>

enum event_level { EVENT_DEBUG, EVENT_INFO, EVENT_WARN, EVENT_ERROR };

enum event {
#define X(name, level, meaning, fields) EV_##name,
#include "events.def"
#undef X
	EV_COUNT
};

struct kv {
	const char *key;
	struct slice text;
	int64_t number;
	bool is_number;
};
#define KV(k, s) ((struct kv){.key = (k), .text = (s)})
#define KZ(k, z) ((struct kv){.key = (k), .text = slice_str(z)})
#define KN(k, i) ((struct kv){.key = (k), .number = (int64_t)(i), .is_number = true})

#define EVENT(name, ...)                                                                                     \
	event_emit(EV_##name, (const struct kv[]){__VA_ARGS__}, COUNT(((const struct kv[]){__VA_ARGS__})))

void event_emit(enum event e, const struct kv *kv, size_t n);

enum event_format { EVENT_LOGFMT, EVENT_JSON };
/* Called once at the start of a process. role is kept, not copied. */
void event_start(const char *role, enum event_format format, enum event_level least);
/* The id written with each event of this thread; copied (31 octets at most). NULL: none. */
void event_session(const char *id);
const char *event_session_get(void);

/* Counters: an array of EV_COUNT for each role slot, in memory shared between the roles. */
void event_counters(_Atomic uint64_t *counters);
const char *event_name(enum event e);
const char *event_meaning(enum event e);
enum event_level event_level_of(enum event e);

#endif
