#include "store/queue/srs.h"

#define HASH 8 /* characters of 5 bits */
#define DAY_WRAP 1024
#define DAYS_MS DAY_MS

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

bool srs_is(struct slice local)
{
	return (slice_istarts(local, SLICE("srs0")) || slice_istarts(local, SLICE("srs1"))) && local.n > 5 &&
	       (local.p[4] == '=' || local.p[4] == '-' || local.p[4] == '+');
}

static void make_hash(const struct seal *s, struct slice said, char out[HASH])
{
	uint8_t mac[SEAL_MAC];
	BUF_LOCAL(lower, 2048);
	for (size_t i = 0; i < said.n; i++)
		buf_putc(&lower, ascii_lower(said.p[i]));
	seal_mac(s, SEAL_SENDERS, buf_slice(&lower), mac);
	for (unsigned i = 0; i < HASH; i++)
		out[i] = digits[mac[i] & 31];
}

static unsigned day_of(int64_t ms)
{
	return (unsigned)(ms / DAYS_MS % DAY_WRAP);
}

enum result srs_forward(
    const struct seal *s, struct slice local, struct slice domain, int64_t now_ms, struct buf *out)
{
	BUF_LOCAL(said, SRS_MOST);
	bool again = srs_is(local);
	if (!again) {
		unsigned day = day_of(now_ms);
		buf_printf(&said, "%c%c=" SLICE_FMT "=" SLICE_FMT, digits[day >> 5], digits[day & 31],
		    SLICE_ARG(domain), SLICE_ARG(local));
	} else if (ascii_lower(local.p[3]) == '1') {
		/* Only the first who rewrote it has to be known: the one in between is left out. */
		struct slice rest = slice_sub(local, 5, local.n);
		slice_split(&rest, '=');
		buf_put(&said, rest);
	} else {
		buf_put(&said, domain);
		buf_putc(&said, '=');
		buf_put(&said, slice_sub(local, 4, local.n));
	}
	char hash[HASH];
	make_hash(s, buf_slice(&said), hash);
	buf_printf(out, "SRS%c=%.*s=", again ? '1' : '0', HASH, hash);
	buf_put(out, buf_slice(&said));
	return buf_result(&said) != OK ? FULL : buf_result(out);
}

static bool fresh(struct slice day, int64_t now_ms)
{
	unsigned value = 0;
	for (size_t i = 0; i < day.n; i++) {
		const char *at = strchr(digits, ascii_lower(day.p[i]));
		if (!day.p[i] || !at)
			return false;
		value = value * 32 + (unsigned)(at - digits);
	}
	return day.n == 2 && (day_of(now_ms) + DAY_WRAP - value) % DAY_WRAP <= SRS_DAYS;
}

enum result srs_reverse(const struct seal *s, struct slice local, int64_t now_ms, struct buf *room,
    struct slice *local_out, struct slice *domain_out)
{
	if (!srs_is(local))
		return DENY;
	struct slice rest = slice_sub(local, 5, local.n), hash = slice_split(&rest, '=');
	char right[HASH];
	char said[HASH] = {0};
	make_hash(s, rest, right);
	for (size_t i = 0; i < HASH && i < hash.n; i++)
		said[i] = ascii_lower(hash.p[i]);
	if (hash.n != HASH || !slice_eq_secret(slice_of(said, HASH), slice_of(right, HASH)))
		return DENY;
	if (ascii_lower(local.p[3]) == '0') {
		struct slice day = slice_split(&rest, '=');
		*domain_out = slice_split(&rest, '=');
		*local_out = rest;
		return fresh(day, now_ms) && rest.n && domain_out->n ? OK : DENY;
	}
	*domain_out = slice_split(&rest, '=');
	buf_puts(room, "SRS0");
	buf_put(room, rest);
	*local_out = buf_slice(room);
	return rest.n && domain_out->n ? buf_result(room) : DENY;
}
