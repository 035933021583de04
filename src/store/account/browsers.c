#include "store/account/browsers.h"

#define SECRET 32
#define PLACE_MOST 300

static bool is_cookie(struct slice cookie)
{
	for (size_t i = 0; i < cookie.n; i++)
		if (!ascii_digit(cookie.p[i]) && (cookie.p[i] < 'a' || cookie.p[i] > 'f'))
			return false;
	return cookie.n == BROWSER_COOKIE;
}

static void mac_of(const struct store *s, struct slice cookie, uint8_t mac[SEAL_MAC])
{
	BUF_LOCAL(b, BROWSER_COOKIE + 16);
	buf_puts(&b, "browser:");
	buf_put(&b, cookie);
	seal_mac(s->seal, SEAL_TOKENS, buf_slice(&b), mac);
}

enum result browser_find(
    struct store *s, int64_t account, struct slice cookie, int64_t now_ms, struct browser *out)
{
	uint8_t mac[SEAL_MAC];
	*out = (struct browser){0};
	if (!is_cookie(cookie))
		return OK;
	mac_of(s, cookie, mac);
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, BROWSER_FIND, DB(slice_of(mac, SEAL_MAC)), DI(account));
	if (db_next(&q))
		*out = (struct browser){
		    db_int(&q, 0), db_int(&q, 1) || now_ms - db_int(&q, 2) >= BROWSER_TRUSTED_MS};
	return db_result(r.db) == OK ? OK : LATER;
}

static void bound_put(struct buf *b, int64_t id)
{
	buf_printf(b, "browser:%lld", (long long)id);
}

static void place_seal(struct store *s, int64_t id, const struct browser_use *u, struct buf *sealed)
{
	BUF_LOCAL(place, PLACE_MOST);
	BUF_LOCAL(bound, 64);
	buf_printf(&place, "%.64s\n", u->ip);
	buf_put(&place, slice_sub(slice_str(u->agent), 0, LIMIT_SIGNIN_AGENT));
	bound_put(&bound, id);
	seal_put(s->seal, buf_slice(&place), buf_slice(&bound), sealed);
}

static void make_cookie(struct buf *out)
{
	uint8_t secret[SECRET];
	seal_random(secret, sizeof secret);
	buf_hex(out, slice_of(secret, sizeof secret));
	explicit_bzero(secret, sizeof secret);
}

int64_t browser_used(struct store *s, struct db *db, const struct browser_use *u, struct buf *fresh)
{
	uint8_t mac[SEAL_MAC];
	BUF_LOCAL(sealed, PLACE_MOST + SEAL_OVERHEAD);
	int64_t now = clock_utc_ms(), id = 0;
	struct slice cookie = u->cookie;
	if (!is_cookie(cookie)) {
		make_cookie(fresh);
		cookie = buf_slice(fresh);
	}
	mac_of(s, cookie, mac);
	id = DB_NUMBER(db, 0, BROWSER_FIND, DB(slice_of(mac, SEAL_MAC)), DI(u->account));
	if (id) {
		place_seal(s, id, u, &sealed);
		DB_RUN(db, BROWSER_USED, DI(id), DI(now), DI(u->proven), DB(buf_slice(&sealed)));
		return id;
	}
	id = writer_number(s->writer, SEQUENCE_TOKEN);
	place_seal(s, id, u, &sealed);
	DB_RUN(db, BROWSERS_OLD, DI(now - BROWSER_KEPT_MS));
	DB_RUN(db, BROWSERS_MAKE_ROOM, DI(u->account), DI(LIMIT_BROWSERS - 1));
	DB_RUN(db, BROWSER_ADD, DI(id), DI(u->account), DB(slice_of(mac, SEAL_MAC)), DI(now), DI(u->proven),
	    DB(buf_slice(&sealed)));
	return id;
}

void browser_place_read(const struct store *s, const struct db_rows *q, int id, int sealed, struct buf *text)
{
	BUF_LOCAL(bound, 64);
	bound_put(&bound, db_int(q, id));
	buf_clear(text);
	if (seal_get(s->seal, db_octets(q, sealed), buf_slice(&bound), text) != OK)
		buf_clear(text);
}
