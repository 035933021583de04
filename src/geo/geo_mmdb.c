/*
 * MaxMind DB files as their makers write them: country.iso_code (GeoLite2, GeoIP2, DB-IP), country_code or country as a text
 * (IPinfo); autonomous_system_number (GeoLite2-ASN) or asn as "AS64500"; the booleans of Anonymous-IP, at the top or in
 * `traits`.
 */
#include "geo/inner.h"
#include <arpa/inet.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdlib.h>

struct geo_mmdb {
	MMDB_s file;
};

struct geo_mmdb *geo_mmdb_open(const char *path, const char **why_out)
{
	struct geo_mmdb *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	int r = MMDB_open(path, MMDB_MODE_MMAP, &m->file);
	if (r == MMDB_SUCCESS)
		return m;
	*why_out = MMDB_strerror(r);
	free(m);
	return NULL;
}

void geo_mmdb_close(struct geo_mmdb *m)
{
	if (m)
		MMDB_close(&m->file);
	free(m);
}

static bool get(MMDB_entry_s *e, const char *const *path, MMDB_entry_data_s *out)
{
	return MMDB_aget_value(e, out, path) == MMDB_SUCCESS && out->has_data;
}

static struct slice get_text(MMDB_entry_s *e, const char *const *path)
{
	MMDB_entry_data_s d;
	if (!get(e, path, &d) || d.type != MMDB_DATA_TYPE_UTF8_STRING)
		return SLICE_NONE;
	return slice_of(d.utf8_string, d.data_size);
}

#define PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

static void find_country(MMDB_entry_s *e, char out[3])
{
	const char *const *const places[] = {PATH("country", "iso_code"),
	    PATH("registered_country", "iso_code"), PATH("country_code"), PATH("country")};
	for (size_t i = 0; i < COUNT(places); i++) {
		struct slice s = get_text(e, places[i]);
		if (geo_is_country(s)) {
			memcpy(out, s.p, 2);
			return;
		}
	}
}

static uint32_t find_asn(MMDB_entry_s *e)
{
	const char *const *const places[] = {
	    PATH("autonomous_system_number"), PATH("asn"), PATH("traits", "autonomous_system_number")};
	for (size_t i = 0; i < COUNT(places); i++) {
		MMDB_entry_data_s d;
		uint32_t n;
		if (!get(e, places[i], &d))
			continue;
		if (d.type == MMDB_DATA_TYPE_UINT32)
			return d.uint32;
		struct slice s = get_text(e, places[i]);
		if (slice_istarts(s, SLICE("AS")))
			s = slice_sub(s, 2, s.n);
		if (num_u32(s, UINT32_MAX, &n) == OK)
			return n;
	}
	return 0;
}

static bool is_set(MMDB_entry_s *e, const char *name)
{
	MMDB_entry_data_s d;
	return (get(e, PATH(name), &d) || get(e, PATH("traits", name), &d)) &&
	       d.type == MMDB_DATA_TYPE_BOOLEAN && d.boolean;
}

static unsigned find_kind(MMDB_entry_s *e)
{
	static const struct {
		const char *name;
		enum geo_kind kind;
	} flags[] = {{"is_hosting_provider", GEO_HOSTING}, {"is_anonymous_vpn", GEO_VPN},
	    {"is_public_proxy", GEO_VPN}, {"is_residential_proxy", GEO_VPN}, {"is_tor_exit_node", GEO_TOR}};
	unsigned kind = 0;
	for (size_t i = 0; i < COUNT(flags); i++)
		if (is_set(e, flags[i].name))
			kind |= flags[i].kind;
	struct slice user = get_text(e, PATH("traits", "user_type"));
	if (slice_eq(user, SLICE("hosting")))
		kind |= GEO_HOSTING;
	return slice_eq(user, SLICE("cellular")) ? kind | GEO_MOBILE : kind;
}

void geo_mmdb_find(const struct geo_mmdb *m, const struct ip *ip, struct geo_place *out)
{
	struct sockaddr_storage sa = {0};
	int error = MMDB_SUCCESS;
	if (ip->v4) {
		struct sockaddr_in *v4 = (void *)&sa;
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, ip->octets, 4);
	} else {
		struct sockaddr_in6 *v6 = (void *)&sa;
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, ip->octets, 16);
	}
	MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&m->file, (void *)&sa, &error);
	if (error != MMDB_SUCCESS || !found.found_entry)
		return;
	if (!*out->country)
		find_country(&found.entry, out->country);
	if (!out->asn)
		out->asn = find_asn(&found.entry);
	out->kind |= find_kind(&found.entry);
}
