#include "patient.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define PLACES 16384
#define HOURS 24

/* The upper 40 bits are the address's hash, the lower 24 the hour (monotonic) it was noted in; 0: nobody. */
static _Atomic uint64_t places[PLACES];
static uint64_t seed;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		abort();
}

static uint64_t hash(const char *ip)
{
	pthread_once(&seeded, make_seed);
	uint64_t h = seed;
	for (; *ip; ip++) {
		h = (h ^ (unsigned char)*ip) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

static uint64_t hour(void)
{
	return (uint64_t)(clock_mono_ms() / HOUR_MS) + 1;
}

static bool fresh(uint64_t place, uint64_t h)
{
	return place >> 24 == h >> 24 && hour() - (place & 0xffffff) < HOURS;
}

bool smtp_patient_is(const char *ip)
{
	uint64_t h = hash(ip);
	return fresh(atomic_load(&places[h % PLACES]), h);
}

void smtp_patient_note(const char *ip)
{
	uint64_t h = hash(ip);
	atomic_store(&places[h % PLACES], (h & ~(uint64_t)0xffffff) | (hour() & 0xffffff));
}
