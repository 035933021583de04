/*
 * geo: where in the world an address is, as far as that is known. The one door of the room.
 *
 *   geo_text.c     a text file, for small sites and tests: one network a line
 *   geo_mmdb.c     MaxMind DB files (libmaxminddb): country and AS number, in one file or in several
 *   geo_map.c      how far two countries are apart
 *
 * Files are read (text) or mapped (MaxMind DB) by geo_open(), before the jail; looking up touches no file, takes no lock
 * and allocates nothing. What no file knows stays empty. Nothing finer than the country is ever told: cities are guesses.
 *
 * A line of a text file: NETWORK COUNTRY ASN [hosting] [vpn] [tor] [mobile]; "-" for a country or a number that is not known;
 * "#" begins a comment. The longest network that holds an address counts.
 */
#ifndef GEO_H
#define GEO_H

#include "base/base.h"
#include "base/ip.h"

enum geo_kind {
	GEO_HOSTING = 1, /* a data centre: people are not there */
	GEO_VPN = 2,
	GEO_TOR = 4,
	GEO_MOBILE = 8, /* a phone network, whose exits say little about the place */
};

struct geo_place {
	char country[3]; /* ISO 3166 alpha-2, upper case; "": not known */
	uint32_t asn;    /* 0: not known */
	unsigned kind;   /* bits of enum geo_kind */
};

struct geo;
/*
 * Opens the files (absolute paths, commas between them); what an earlier one says goes before what a later one does. BAD: one
 * cannot be read or is neither; *why_out says which and why, and lives as long as the process.
 */
NODISCARD enum result geo_open(const char *files, struct geo **out, const char **why_out);
void geo_close(struct geo *g);                                                  /* NULL is allowed */
void geo_find(const struct geo *g, const struct ip *ip, struct geo_place *out); /* g NULL: nothing is known */

/* A text of such lines alone. BAD: *line_out is the first wrong one, from 1. The caller frees it with geo_text_free. */
struct geo_text;
NODISCARD enum result geo_text_read(struct slice text, struct geo_text **out, unsigned *line_out);
void geo_text_free(struct geo_text *t);
bool geo_text_find(const struct geo_text *t, const struct ip *ip, struct geo_place *out);

/* "hosting vpn" ... */
void geo_kind_put(unsigned kind, struct buf *out);
bool geo_is_country(struct slice s); /* two capital letters */
/*
 * Kilometres that lie at least between where people of two countries live, roughly: between neighbours 0. -1: one
 * of them is not on the map.
 */
int geo_distance(const char *a, const char *b);

#endif
