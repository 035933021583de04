#include "geo/geo.h"
#include <math.h>

#define EARTH_KM 6371.0

static const struct middle {
	char country[3];
	int north, east;
} middles[] = {
#define X(country, north, east) {#country, north, east},
#include "geo/map.def"
#undef X
};

/* How far from the middle people live, where that is farther than REACH_KM. */
#define REACH_KM 300
static const struct reach {
	char country[3];
	int km;
} reaches[] = {
    {"RU", 3000},
    {"CA", 2300},
    {"US", 2300},
    {"CN", 1400},
    {"BR", 1800},
    {"AU", 2000},
    {"IN", 1300},
    {"AR", 1500},
    {"KZ", 1100},
    {"DZ", 900},
    {"CD", 900},
    {"SA", 800},
    {"MX", 1300},
    {"ID", 1600},
    {"LY", 800},
    {"IR", 800},
    {"MN", 800},
    {"PE", 700},
    {"CL", 1800},
    {"JP", 900},
    {"NO", 900},
    {"SE", 800},
    {"FI", 600},
    {"FR", 500},
    {"ES", 600},
    {"GB", 500},
    {"DE", 400},
    {"IT", 500},
    {"TR", 700},
    {"UA", 600},
    {"PK", 800},
    {"TH", 700},
    {"VN", 900},
    {"MM", 700},
    {"PH", 800},
    {"MY", 1200},
    {"NZ", 800},
    {"ZA", 800},
    {"NG", 500},
    {"EG", 500},
    {"PT", 1400},
};

static int reach_of(const char *country)
{
	for (size_t i = 0; i < COUNT(reaches); i++)
		if (strcmp(reaches[i].country, country) == 0)
			return reaches[i].km;
	return REACH_KM;
}

static const struct middle *find(const char *country)
{
	for (size_t i = 0; i < COUNT(middles); i++)
		if (strcmp(middles[i].country, country) == 0)
			return &middles[i];
	return NULL;
}

int geo_distance(const char *a, const char *b)
{
	const struct middle *from = find(a), *to = find(b);
	if (!from || !to)
		return -1;
	double degree = M_PI / 180;
	double north = sin((to->north - from->north) * degree / 2),
	       east = sin((to->east - from->east) * degree / 2);
	double h = north * north + cos(from->north * degree) * cos(to->north * degree) * east * east;
	int apart = (int)(2 * EARTH_KM * asin(sqrt(MIN(h, 1.0))));
	return MAX(apart - reach_of(a) - reach_of(b), 0);
}
