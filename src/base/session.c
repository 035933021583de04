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
