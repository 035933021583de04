#include "session.h"
#include "clock.h"
#include <stdatomic.h>

static _Atomic int64_t linger_ms = 20;
static _Thread_local _Atomic int64_t *pulse;

void session_linger(int64_t ms)
{
	atomic_store_explicit(&linger_ms, ms, memory_order_relaxed);
}

void session_pulse(_Atomic int64_t *mono_ms)
{
	pulse = mono_ms;
}

enum result session_wait(struct session *s, bool *woken_out)
{
	if (pulse)
		atomic_store_explicit(pulse, clock_mono_ms(), memory_order_relaxed);
	return stream_wait_or(
	    s->stream, s->wake_fd, atomic_load_explicit(&linger_ms, memory_order_relaxed), woken_out);
}

enum result session_converse(struct session *s, session_step *command, session_step *woken)
{
	for (;;) {
		bool wake;
		enum result r = session_wait(s, &wake);
		if (r == LATER)
			return LATER;
		if (r == OK)
			r = wake ? woken(s) : command(s);
		stream_rate(s->stream, 0);
		if (r != OK) {
			result_ignore(stream_flush(s->stream)); /* the peer may have gone */
			return r == LATER ? GONE : r;
		}
	}
}

enum session_next session_rest(struct session *s, int64_t ms)
{
	s->sleep_ms = ms;
	return stream_rest(s->stream) == OK ? SESSION_SLEEP : SESSION_END;
}
