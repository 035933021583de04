/*
 * clock: the only place that asks for the time.
 *
 * Two clocks: wall time in UTC (milliseconds since 1970), which a demo or a test may shift, and a monotonic one for
 * deadlines, which nothing shifts.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

int64_t clock_utc_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* Demo and tests only: seconds added to wall time from now on in this process. */
void clock_shift(int64_t seconds);
int64_t clock_shifted(void);

#endif
