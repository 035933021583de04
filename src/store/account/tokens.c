#include "store/account/tokens.h"
#include "store/account/use.h"
#include <stdlib.h>

#define SECRET 32
#define TEXT_MOST 100   /* octets; what is longer is none of ours */
#define USED_MS HOUR_MS /* the time of the last use is kept no finer */

static void mac_of(const struct store *s, struct slice text, uint8_t mac[SEAL_MAC])
{
	BUF_LOCAL(b, TEXT_MOST + 20);
	buf_puts(&b, "api token:");
	buf_put(&b, text);
	seal_mac(s->seal, SEAL_TOKENS, buf_slice(&b), mac);
}

void token_make(const struct store *s, struct buf *text, uint8_t mac[SEAL_MAC])
{
	uint8_t secret[SECRET];
	seal_random(secret, sizeof secret);
	buf_puts(text, TOKEN_BEGIN);
	for (size_t i = 0; i < sizeof secret; i++)
		buf_printf(text, "%02x", secret[i]);
	explicit_bzero(secret, sizeof secret);
	mac_of(s, buf_slice(text), mac);
}

/* A token is worth no more than its maker: he must still be there, and may still give what it has. */
static enum result maker_stands(struct db *db, struct arena *a, const struct powers *p)
{
	struct powers maker;
	if (!p->account || !p->n)
		return OK;
	{
		DB_ROWS q = DB_QUERY(db, ACCOUNT_LOGIN, DI(p->account));
		if (!db_next(&q) || db_int(&q, 3))
			return db_result(db) == OK ? DENY : LATER;
	}
	enum result r = powers_of_account(db, p->account, a, &maker);
	if (r != OK)
		return r;
	return powers_may_give(db, &maker, p->grants[0].role, &p->grants[0].scope) ? OK : DENY;
}

enum result token_find(struct store *s, struct slice text, struct arena *a, struct token *out)
{
	uint8_t mac[SEAL_MAC];
	int64_t now = clock_utc_ms(), used;
	*out = (struct token){0};
	if (!slice_starts(text, SLICE(TOKEN_BEGIN)) || text.n > TEXT_MOST)
		return DENY;
	mac_of(s, text, mac);
	{
		READER r = reader_begin(s);
		if (!r.db)
			return LATER;
		DB_ROWS q = DB_QUERY(r.db, TOKEN_FIND, DB(slice_of(mac, SEAL_MAC)), DI(now));
		if (!db_next(&q))
			return db_result(r.db) == OK ? DENY : LATER;
		out->id = db_int(&q, 0);
		out->name = arena_dup(a, db_octets(&q, 1));
		out->role = arena_dup(a, db_octets(&q, 2));
		used = db_int(&q, 3);
		int64_t maker = db_int(&q, 4);
		struct slice scope = arena_dup(a, db_octets(&q, 5));
		db_end(&q);
		enum result stands = powers_of_role(r.db, maker, out->role, scope, a, &out->powers);
		if (stands == OK)
			stands = maker_stands(r.db, a, &out->powers);
		/* The code of the first run opens nothing any more once somebody administers the server. */
		if (stands == OK && slice_eq(out->role, SLICE("setup")) &&
		    DB_NUMBER(r.db, 1, ROLE_HOLDERS, DZ("system")))
			stands = DENY;
		if (stands != OK)
			return stands;
	}
	if (now - used >= USED_MS)
		use_note(s, SQL_TOKEN_USED, out->id, now);
	return OK;
}
