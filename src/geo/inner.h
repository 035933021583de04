/* What the files of the room share; nobody outside includes this. */
#ifndef GEO_INNER_H
#define GEO_INNER_H

#include "geo/geo.h"

#define GEO_FILES 8

/* geo_mmdb.c: MaxMind DB. NULL: *why_out says why not. */
struct geo_mmdb;
struct geo_mmdb *geo_mmdb_open(const char *path, const char **why_out);
void geo_mmdb_close(struct geo_mmdb *m);
/* Fills in what is still empty in *out. */
void geo_mmdb_find(const struct geo_mmdb *m, const struct ip *ip, struct geo_place *out);

#endif
