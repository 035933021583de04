#include "session.h"
#include <stdatomic.h>

static _Atomic int64_t linger_ms = 20;

void session_linger(int64_t ms)
{
	atomic_store_explicit(&linger_ms, ms, memory_order_relaxed);
}

enum result session_wait(struct session *s, bool *woken_out)
{
	return stream_wait_or(
	    s->stream, s->wake_fd, atomic_load_explicit(&linger_ms, memory_order_relaxed), woken_out);
}
