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
	return (int)(2 * EARTH_KM * asin(sqrt(MIN(h, 1.0))));
}
