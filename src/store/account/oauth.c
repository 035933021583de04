#include "store/account/oauth.h"
#include "store/audit/audit.h"

#define SECRET 32
#define TEXT_MOST 200 /* octets; what is longer is none of ours */
#define FAMILY 32     /* digits of a refresh token that all of its grant have in common */
#define BEGIN 4       /* octets before the random digits */

static void mac_of(const struct store *s, const char *what, struct slice text, uint8_t mac[SEAL_MAC])
{
	BUF_LOCAL(b, TEXT_MOST + 40);
	buf_puts(&b, what);
	buf_put(&b, text);
	seal_mac(s->seal, SEAL_TOKENS, buf_slice(&b), mac);
}

static void put_random(struct buf *b, size_t octets)
{
	uint8_t random[SECRET];
	seal_random(random, octets);
	buf_hex(b, slice_of(random, octets));
	explicit_bzero(random, sizeof random);
}

/* ---- clients ---- */

void oauth_client_read(const struct db_rows *q, struct arena *a, struct oauth_client *out)
{
	struct slice secret = db_octets(q, 5);
	*out = (struct oauth_client){
	    .id = db_int(q, 0),
	    .client = arena_dup(a, db_octets(q, 1)),
	    .name = arena_dup(a, db_octets(q, 2)),
	    .scopes = db_int(q, 3),
	    .redirects = arena_dup(a, db_octets(q, 4)),
	    .made = db_int(q, 6),
	    .confidential = secret.n == SEAL_MAC,
	};
	if (out->confidential)
		memcpy(out->secret, secret.p, SEAL_MAC);
}

enum result oauth_client_find(struct db *db, struct slice client, struct arena *a, struct oauth_client *out)
{
	DB_ROWS q = DB_QUERY(db, OAUTH_CLIENT, DT(client));
	if (!db_next(&q))
		return db_result(db) == OK ? GONE : LATER;
	oauth_client_read(&q, a, out);
	return OK;
}

void oauth_secret_make(const struct store *s, struct buf *text, uint8_t mac[SEAL_MAC])
{
	buf_puts(text, "sks_");
	put_random(text, SECRET);
	mac_of(s, "oauth client:", buf_slice(text), mac);
}

bool oauth_secret_is(const struct store *s, const struct oauth_client *c, struct slice secret)
{
	uint8_t mac[SEAL_MAC];
	if (!c->confidential)
		return secret.n == 0;
	if (!secret.n || secret.n > TEXT_MOST)
		return false;
	mac_of(s, "oauth client:", secret, mac);
	return slice_eq_secret(slice_of(mac, SEAL_MAC), slice_of(c->secret, SEAL_MAC));
}

/* ---- finding ---- */

static void read_grant(const struct db_rows *q, struct arena *a, struct oauth_grant *g)
{
	struct slice refresh = db_octets(q, 11);
	*g = (struct oauth_grant){
	    .id = db_int(q, 0),
	    .account = db_int(q, 1),
	    .epoch = db_int(q, 2),
	    .client = arena_dup(a, db_octets(q, 3)),
	    .scopes = db_int(q, 4),
	    .ends = db_int(q, 5),
	    .code_ends = db_int(q, 6),
	    .challenge = arena_dup(a, db_octets(q, 7)),
	    .redirect = arena_dup(a, db_octets(q, 8)),
	    .nonce = arena_dup(a, db_octets(q, 9)),
	    .auth = db_int(q, 10),
	    .now_epoch = db_int(q, 12),
	    .suspended = db_int(q, 13),
	    .local = arena_dup(a, db_octets(q, 14)),
	    .domain = arena_dup(a, db_octets(q, 15)),
	    .name = arena_dup(a, db_octets(q, 16)),
	    .used = db_int(q, 17),
	};
	if (refresh.n == SEAL_MAC)
		memcpy(g->refresh, refresh.p, SEAL_MAC);
}

static enum result take_grant(struct db *db, struct db_rows *q, struct arena *a, struct oauth_grant *out)
{
	if (!db_next(q))
		return db_result(db) == OK ? DENY : LATER;
	read_grant(q, a, out);
	return OK;
}

bool oauth_stands(const struct oauth_grant *g)
{
	return !g->suspended && g->epoch == g->now_epoch;
}

enum result oauth_find_access(
    struct store *s, struct db *db, struct slice token, struct arena *a, struct oauth_grant *out)
{
	uint8_t mac[SEAL_MAC];
	if (!slice_starts(token, SLICE("ska_")) || token.n > TEXT_MOST)
		return DENY;
	mac_of(s, "oauth access:", token, mac);
	DB_ROWS q = DB_QUERY(db, OAUTH_BY_ACCESS, DB(slice_of(mac, SEAL_MAC)), DI(clock_utc_ms()));
	return take_grant(db, &q, a, out);
}

/* ---- grants ---- */

static void drop(struct store *s, struct db *db, int64_t id, int64_t account)
{
	DB_RUN(db, OAUTH_ACCESS_FORGET, DI(id));
	DB_RUN(db, OAUTH_GRANT_DROP, DI(id));
	writer_tell(s->writer, NODE_END, account);
}

static void make_room(struct store *s, struct db *db, int64_t account, int64_t now)
{
	DB_RUN(db, OAUTH_TIDY_ACCESS, DI(now), DI(now - OAUTH_IDLE_MS));
	DB_RUN(db, OAUTH_TIDY, DI(now), DI(now - OAUTH_IDLE_MS));
	int64_t oldest = DB_NUMBER(db, 0, OAUTH_OLDEST, DI(account), DI(LIMIT_OAUTH_GRANTS - 1));
	if (oldest)
		drop(s, db, oldest, account);
}

void oauth_grant_add(struct store *s, struct db *db, const struct oauth_new *n, struct buf *code)
{
	uint8_t mac[SEAL_MAC];
	int64_t now = clock_utc_ms(), id = writer_number(s->writer, SEQUENCE_TOKEN);
	make_room(s, db, n->account, now);
	buf_puts(code, "skc_");
	put_random(code, SECRET);
	mac_of(s, "oauth code:", buf_slice(code), mac);
	DB_RUN(db, OAUTH_GRANT_ADD, DI(id), DI(n->account), DI(n->epoch), DT(n->client), DI(n->scopes),
	    DI(now), DI(now + OAUTH_GRANT_MS), DB(slice_of(mac, SEAL_MAC)), DI(now + OAUTH_CODE_MS),
	    DT(n->challenge), DT(n->redirect), DT(n->nonce), DI(n->auth_ms), DB(SLICE("")));
}

void oauth_issued_free(struct oauth_issued *i)
{
	buf_free_secret(&i->access);
	buf_free_secret(&i->refresh);
}

static void issue_access(struct store *s, struct db *db, struct oauth_issued *out, int64_t now)
{
	uint8_t mac[SEAL_MAC];
	out->access.max = TEXT_MOST;
	buf_puts(&out->access, "ska_");
	put_random(&out->access, SECRET);
	mac_of(s, "oauth access:", buf_slice(&out->access), mac);
	DB_RUN(db, OAUTH_ACCESS_ROOM, DI(out->grant.id), DI(LIMIT_OAUTH_ACCESS - 1));
	DB_RUN(
	    db, OAUTH_ACCESS_ADD, DB(slice_of(mac, SEAL_MAC)), DI(out->grant.id), DI(now + OAUTH_ACCESS_MS));
}

/* `family`: digits that it begins with. */
static void make_refresh(
    const struct store *s, struct slice family, struct oauth_issued *out, uint8_t mac[SEAL_MAC])
{
	out->refresh.max = TEXT_MOST;
	buf_puts(&out->refresh, "skr_");
	buf_put(&out->refresh, family);
	put_random(&out->refresh, SECRET);
	mac_of(s, "oauth refresh:", buf_slice(&out->refresh), mac);
}

static enum result deny(const char **why_out, const char *why)
{
	*why_out = why;
	return DENY;
}

/* Whoever shows it a second time is not the only one who has it. */
static void note_reuse(struct store *s, struct db *db, const struct oauth_grant *g, const char *what)
{
	BUF_LOCAL(address, 1024);
	BUF_LOCAL(who, LIMIT_OAUTH_TEXT + 40);
	buf_printf(&address, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(g->local), SLICE_ARG(g->domain));
	buf_printf(&who, "client " SLICE_FMT, SLICE_ARG(g->client));
	struct audit_actor actor = {.who = buf_z(&who), .role = "", .from = ""};
	audit_put(s, db,
	    &(struct audit_act){.actor = &actor,
		.act = "oauth.reuse",
		.object = buf_slice(&address),
		.result = DENY,
		.reason = what});
	drop(s, db, g->id, g->account);
}

/* What is wrong with a code that is there, for this program; NULL: nothing. */
static const char *code_flaw(const struct oauth_grant *g, const Sekisho__OauthAsk *ask, int64_t now)
{
	if (now >= g->code_ends)
		return "the code is too old";
	if (!slice_eq(g->redirect, slice_str(ask->redirect_uri)))
		return "the code was not given for this redirect_uri";
	if (!slice_eq_secret(g->challenge, slice_str(ask->challenge)))
		return "the code_verifier is not the one that the code was asked for with";
	return oauth_stands(g) ? NULL : "the account is not open to this any more";
}

enum result oauth_code(struct store *s, struct db *db, const struct oauth_client *c,
    const Sekisho__OauthAsk *ask, struct arena *a, struct oauth_issued *out, const char **why_out)
{
	uint8_t mac[SEAL_MAC], family_mac[SEAL_MAC] = {0};
	struct slice code = slice_of_octets(ask->token);
	struct oauth_grant *g = &out->grant;
	int64_t now = clock_utc_ms();
	if (code.n > TEXT_MOST)
		return deny(why_out, "there is no such code");
	mac_of(s, "oauth code:", code, mac);
	{
		DB_ROWS q = DB_QUERY(db, OAUTH_BY_CODE, DB(slice_of(mac, SEAL_MAC)));
		enum result r = take_grant(db, &q, a, g);
		if (r != OK)
			return r == DENY ? deny(why_out, "there is no such code") : r;
	}
	if (!slice_eq(g->client, c->client))
		return deny(why_out, "the code was given to another client");
	if (!g->code_ends) {
		note_reuse(s, db, g, "a code was shown twice");
		return deny(why_out, "the code was used already; what it gave has ended");
	}
	const char *flaw = code_flaw(g, ask, now);
	if (flaw) {
		drop(s, db, g->id, g->account);
		return deny(why_out, flaw);
	}
	issue_access(s, db, out, now);
	memset(mac, 0, sizeof mac);
	if (g->scopes & OAUTH_LASTING) {
		BUF_LOCAL(family, FAMILY);
		put_random(&family, FAMILY / 2);
		make_refresh(s, buf_slice(&family), out, mac);
		mac_of(s, "oauth family:", buf_slice(&family), family_mac);
	}
	size_t n = out->refresh.n ? SEAL_MAC : 0;
	DB_RUN(db, OAUTH_ISSUED, DI(g->id), DI(now), DB(slice_of(family_mac, n)), DB(slice_of(mac, n)));
	return OK;
}

/* Finds the grant of a refresh token, whichever of its tokens this is. */
static enum result find_refresh(
    struct store *s, struct db *db, struct slice token, struct arena *a, struct oauth_grant *out)
{
	uint8_t mac[SEAL_MAC];
	if (!slice_starts(token, SLICE("skr_")) || token.n != BEGIN + FAMILY + 2 * SECRET)
		return DENY;
	mac_of(s, "oauth family:", slice_sub(token, BEGIN, FAMILY), mac);
	DB_ROWS q = DB_QUERY(db, OAUTH_BY_FAMILY, DB(slice_of(mac, SEAL_MAC)));
	return take_grant(db, &q, a, out);
}

enum result oauth_refresh(struct store *s, struct db *db, const struct oauth_client *c, struct slice token,
    struct arena *a, struct oauth_issued *out, const char **why_out)
{
	uint8_t mac[SEAL_MAC];
	struct oauth_grant *g = &out->grant;
	int64_t now = clock_utc_ms();
	enum result r = find_refresh(s, db, token, a, g);
	if (r == DENY || (r == OK && !slice_eq(g->client, c->client)))
		return deny(why_out, "there is no such refresh token");
	if (r != OK)
		return r;
	mac_of(s, "oauth refresh:", token, mac);
	if (!slice_eq_secret(slice_of(mac, SEAL_MAC), slice_of(g->refresh, SEAL_MAC))) {
		note_reuse(s, db, g, "a refresh token was shown twice");
		return deny(why_out, "the refresh token was used already; what it belongs to has ended");
	}
	if (now >= g->ends || now - g->used >= OAUTH_IDLE_MS || !oauth_stands(g)) {
		drop(s, db, g->id, g->account);
		return deny(why_out, "the access has ended");
	}
	issue_access(s, db, out, now);
	make_refresh(s, slice_sub(token, BEGIN, FAMILY), out, mac);
	DB_RUN(db, OAUTH_ROTATED, DI(g->id), DI(now), DB(slice_of(mac, SEAL_MAC)));
	return OK;
}

void oauth_revoke(struct store *s, struct db *db, const struct oauth_client *c, struct slice token)
{
	ARENA_LOCAL(a, 65536);
	struct oauth_grant g;
	if (find_refresh(s, db, token, &a, &g) == OK && slice_eq(g.client, c->client)) {
		drop(s, db, g.id, g.account);
	} else if (oauth_find_access(s, db, token, &a, &g) == OK && slice_eq(g.client, c->client)) {
		uint8_t mac[SEAL_MAC];
		mac_of(s, "oauth access:", token, mac);
		DB_RUN(db, OAUTH_ACCESS_DROP, DB(slice_of(mac, SEAL_MAC)));
		writer_tell(s->writer, NODE_END, g.account);
	}
}

bool oauth_grant_end(struct store *s, struct db *db, int64_t account, int64_t id)
{
	if (!DB_NUMBER(db, 0, OAUTH_GRANT_OF, DI(id), DI(account)))
		return false;
	DB_RUN(db, OAUTH_CONSENT_DROP, DI(account), DI(id));
	drop(s, db, id, account);
	return true;
}

void oauth_forget(struct db *db, int64_t account)
{
	DB_RUN(db, OAUTH_FORGET_ACCESS, DI(account));
	DB_RUN(db, OAUTH_FORGET, DI(account));
	DB_RUN(db, OAUTH_CONSENTS_FORGET, DI(account));
}

void oauth_client_end(struct store *s, struct db *db, struct slice client)
{
	{
		DB_ROWS q = DB_QUERY(db, OAUTH_CLIENT_ACCOUNTS, DT(client));
		while (db_next(&q))
			writer_tell(s->writer, NODE_END, db_int(&q, 0));
	}
	DB_RUN(db, OAUTH_CLIENT_FORGET_ACCESS, DT(client));
	DB_RUN(db, OAUTH_CLIENT_FORGET, DT(client));
	DB_RUN(db, OAUTH_CLIENT_FORGET_CONSENTS, DT(client));
	DB_RUN(db, OAUTH_CLIENT_REMOVE, DT(client));
}
