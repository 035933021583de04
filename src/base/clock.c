#include "clock.h"
#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t shift_s;

static int64_t read_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_utc_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000 +
	       atomic_load_explicit(&shift_s, memory_order_relaxed) * SECOND_MS;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

void clock_shift(int64_t seconds)
{
	atomic_store(&shift_s, seconds);
}

int64_t clock_shifted(void)
{
	return atomic_load(&shift_s);
}
