#include "store/account/websession.h"
#include "store/account/use.h"
#include <stdlib.h>

#define SECRET 32
#define STEP_MS (10 * MINUTE_MS) /* for what is left of signing in */
#define USED_MS MINUTE_MS        /* the time of the last use is kept no finer */
#define AGENT_MOST 200

static void mac_of(const struct store *s, const char *what, struct slice cookie, uint8_t mac[SEAL_MAC])
{
	BUF_LOCAL(b, COOKIE_TEXT + 40);
	buf_puts(&b, what);
	buf_put(&b, cookie);
	seal_mac(s->seal, SEAL_TOKENS, buf_slice(&b), mac);
}

static void put_bound(struct buf *b, int64_t id)
{
	buf_printf(b, "web session:%lld", (long long)id);
}

static const char *csrf_of(const struct store *s, struct slice cookie, struct arena *a)
{
	uint8_t mac[SEAL_MAC];
	BUF_LOCAL(hex, 64);
	mac_of(s, "csrf:", cookie, mac);
	buf_hex(&hex, slice_of(mac, 16));
	return arena_z(a, buf_slice(&hex));
}

enum result websession_find(
    struct store *s, struct slice cookie, const char *ip, struct arena *a, struct actor *out)
{
	uint8_t mac[SEAL_MAC];
	int64_t now = clock_utc_ms(), used;
	*out = (struct actor){0};
	if (cookie.n != COOKIE_TEXT)
		return DENY;
	mac_of(s, "web session:", cookie, mac);
	{
		READER r = reader_begin(s);
		if (!r.db)
			return LATER;
		DB_ROWS q = DB_QUERY(r.db, WEB_FIND, DB(slice_of(mac, SEAL_MAC)), DI(now),
		    DI(now - s->settings->session_idle_ms));
		if (!db_next(&q))
			return db_result(r.db) == OK ? DENY : LATER;
		struct slice local = db_octets(&q, 7), domain = db_octets(&q, 8);
		*out = (struct actor){
		    .session = db_int(&q, 0),
		    .account = db_int(&q, 1),
		    .state = (enum session_state)db_int(&q, 2),
		    .factor = db_int(&q, 3) != 0,
		    .made_ms = db_int(&q, 5),
		    .ends_ms = db_int(&q, 6),
		    .address = slice_str(
			arena_printf(a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain))),
		    .name = arena_dup(a, db_octets(&q, 9)),
		    .strange = db_int(&q, 10) != 0,
		    .password_ms = db_int(&q, 11),
		    .browser = db_int(&q, 12),
		};
		used = db_int(&q, 4);
	}
	out->csrf = csrf_of(s, cookie, a);
	out->audit = (struct audit_actor){.who = out->address.p, .role = "", .from = ip};
	if (now - used >= USED_MS)
		use_note(s, SQL_WEB_USED, out->session, now);
	return OK;
}

void websession_add(
    struct store *s, struct db *db, const struct websession_new *n, struct buf *cookie, int64_t *ends_out)
{
	uint8_t secret[SECRET], mac[SEAL_MAC];
	BUF_LOCAL(place, AGENT_MOST + 100);
	BUF_LOCAL(sealed, AGENT_MOST + 200);
	BUF_LOCAL(bound, 64);
	int64_t now = clock_utc_ms(), id = writer_number(s->writer, SEQUENCE_TOKEN);
	*ends_out = now + (n->state == SESSION_IN ? s->settings->session_most_ms : STEP_MS);
	seal_random(secret, sizeof secret);
	buf_hex(cookie, slice_of(secret, sizeof secret));
	explicit_bzero(secret, sizeof secret);
	mac_of(s, "web session:", buf_slice(cookie), mac);
	buf_printf(&place, "%.64s\n", n->ip);
	buf_put(&place, slice_sub(slice_str(n->agent), 0, AGENT_MOST));
	put_bound(&bound, id);
	seal_put(s->seal, buf_slice(&place), buf_slice(&bound), &sealed);
	DB_RUN(db, WEB_TIDY, DI(now));
	DB_RUN(db, WEB_MAKE_ROOM, DI(n->account), DI(LIMIT_WEB_SESSIONS - 1));
	DB_RUN(db, WEB_ADD, DI(id), DB(slice_of(mac, SEAL_MAC)), DI(n->account), DI(n->epoch), DI(n->state),
	    DI(n->factor), DI(now), DI(*ends_out), DB(buf_slice(&sealed)), DI(n->strange), DI(n->browser),
	    DI(n->password_ms));
}

void websession_end_others(struct db *db, int64_t account, int64_t but)
{
	DB_RUN(db, WEB_END_OTHERS, DI(account), DI(but));
}

void websession_place_read(
    const struct store *s, const struct db_rows *q, int id, int sealed, struct buf *text)
{
	BUF_LOCAL(bound, 64);
	put_bound(&bound, db_int(q, id));
	buf_clear(text);
	if (seal_get(s->seal, db_octets(q, sealed), buf_slice(&bound), text) != OK)
		buf_clear(text);
}
