/* Programs that may ask for tokens, and what people gave them. */
#include "store/account/oauth.h"
#include "store/admin/admin.h"

#define NAME_MOST 100
#define FRESH_MS (2 * MINUTE_MS) /* who was asked to sign in again did so within this */
#define CHALLENGE 43             /* characters of a SHA-256 (RFC 7636 4.2) */

static json_t *scopes_json(int64_t scopes)
{
	BUF_LOCAL(b, 200);
	json_t *list = json_array();
	oauth_scopes_put(&b, scopes);
	for (struct slice rest = buf_slice(&b); rest.n;)
		json_array_append_new(list, admin_string(slice_split(&rest, ' ')));
	return list;
}

/* ---- clients ---- */

static json_t *client_json(const struct oauth_client *c)
{
	json_t *redirects = json_array();
	for (struct slice rest = c->redirects; rest.n;)
		json_array_append_new(redirects, admin_string(slice_split(&rest, ' ')));
	return json_pack("{s:o,s:o,s:b,s:o,s:o,s:I}", "client", admin_string(c->client), "name",
	    admin_string(c->name), "confidential", c->confidential, "scopes", scopes_json(c->scopes),
	    "redirects", redirects, "created_at_ms", (json_int_t)c->made);
}

enum result admin_oauth_client_list(struct admin *a, struct db *db)
{
	struct oauth_client c;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, OAUTH_CLIENTS);
	while (db_next(&q)) {
		oauth_client_read(&q, a->arena, &c);
		json_array_append_new(a->answer, client_json(&c));
	}
	return OK;
}

static enum result find_client(struct admin *a, struct db *db, struct oauth_client *out)
{
	struct slice client = admin_text(a, "client");
	enum result r = oauth_client_find(db, client, a->arena, out);
	return r == GONE ? admin_refuse(a, GONE, "no such client: " SLICE_FMT, SLICE_ARG(client)) : r;
}

enum result admin_oauth_client_show(struct admin *a, struct db *db)
{
	struct oauth_client c;
	enum result r = find_client(a, db, &c);
	if (r == OK)
		a->answer = client_json(&c);
	return r;
}

static bool client_id_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr("-._", s.p[i]))
			return false;
	return s.n && s.n <= NAME_MOST;
}

static enum result take_redirects(struct admin *a, struct buf *out)
{
	size_t n = 0;
	for (struct slice uri; (uri = admin_item(a, "redirect", n)).n; n++) {
		if (n == LIMIT_OAUTH_REDIRECTS)
			return admin_refuse(
			    a, DENY, "there are at most %d redirect addresses", LIMIT_OAUTH_REDIRECTS);
		if (!oauth_redirect_ok(uri))
			return admin_refuse(a, DENY,
			    "programs are answered at https://HOST/..., http://127.0.0.1/... or a scheme of "
			    "their own "
			    "with a dot in it, without a fragment: " SLICE_FMT,
			    SLICE_ARG(uri));
		buf_printf(out, "%s" SLICE_FMT, n ? " " : "", SLICE_ARG(uri));
	}
	return n ? OK : admin_refuse(a, DENY, "a redirect address is needed");
}

static enum result take_scopes(struct admin *a, int64_t *out)
{
	*out = 0;
	for (size_t n = 0;; n++) {
		struct slice word = admin_item(a, "scope", n);
		if (!word.n)
			break;
		int64_t bit = oauth_scopes_read(word);
		if (!bit)
			return admin_refuse(a, DENY, "no such scope: " SLICE_FMT, SLICE_ARG(word));
		*out |= bit;
	}
	if (!*out)
		*out = OAUTH_OPENID | OAUTH_EMAIL | OAUTH_PROFILE;
	return OK;
}

enum result admin_oauth_client_add(struct admin *a, struct db *db)
{
	struct slice client = admin_text(a, "client"), name = admin_text(a, "name");
	struct oauth_client there;
	uint8_t mac[SEAL_MAC];
	int64_t scopes, now = clock_utc_ms();
	BUF_LOCAL(redirects, LIMIT_OAUTH_REDIRECTS * (LIMIT_OAUTH_TEXT + 1));
	BUF_LOCAL(secret, 200);
	bool public = json_is_true(json_object_get(a->args, "public"));
	if (!client_id_ok(client))
		return admin_refuse(
		    a, DENY, "a client is named by at most %d letters, digits, - . and _", NAME_MOST);
	if (name.n > NAME_MOST)
		return admin_refuse(a, DENY, "a name has at most %d octets", NAME_MOST);
	enum result r = take_redirects(a, &redirects);
	if (r == OK)
		r = take_scopes(a, &scopes);
	if (r != OK)
		return r;
	if (oauth_client_find(db, client, a->arena, &there) == OK)
		return admin_refuse(a, DENY, "there is such a client already");
	if (DB_NUMBER(db, 0, OAUTH_CLIENT_COUNT, DI(0)) >= LIMIT_OAUTH_CLIENTS)
		return admin_refuse(a, FULL, "there are too many; remove one first");
	if (!public)
		oauth_secret_make(a->store, &secret, mac);
	DB_RUN(db, OAUTH_CLIENT_ADD, DI(writer_number(a->store->writer, SEQUENCE_TOKEN)), DT(client),
	    DT(name.n ? name : client), DI(scopes), DT(buf_slice(&redirects)),
	    DB(slice_of(mac, public ? 0 : SEAL_MAC)), DI(now));
	a->answer = json_pack("{s:o,s:o}", "client", admin_string(client), "scopes", scopes_json(scopes));
	if (!public)
		json_object_set_new(a->answer, "secret", admin_string(buf_slice(&secret)));
	return OK;
}

enum result admin_oauth_client_remove(struct admin *a, struct db *db)
{
	struct oauth_client c;
	enum result r = find_client(a, db, &c);
	if (r == OK)
		oauth_client_end(a->store, db, c.client);
	return r;
}

/* ---- grants ---- */

static enum result list_grants(struct admin *a, struct db *db, int64_t account)
{
	int64_t now = clock_utc_ms();
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, OAUTH_OF_ACCOUNT, DI(account), DI(now), DI(now - OAUTH_IDLE_MS));
	while (db_next(&q))
		json_array_append_new(a->answer,
		    json_pack("{s:I,s:o,s:o,s:o,s:I,s:I,s:I}", "id", (json_int_t)db_int(&q, 0), "client",
			admin_string(db_octets(&q, 1)), "name", admin_string(db_octets(&q, 2)), "scopes",
			scopes_json(db_int(&q, 3)), "created_at_ms", (json_int_t)db_int(&q, 4), "used_at_ms",
			(json_int_t)db_int(&q, 5), "expires_at_ms", (json_int_t)db_int(&q, 6)));
	return OK;
}

static enum result end_grant(struct admin *a, struct db *db, int64_t account)
{
	return oauth_grant_end(a->store, db, account, admin_number(a, "id", 0))
		   ? OK
		   : admin_refuse(a, GONE, "there is no such access");
}

enum result admin_me_oauth_list(struct admin *a, struct db *db)
{
	return list_grants(a, db, a->actor->account);
}

enum result admin_me_oauth_remove(struct admin *a, struct db *db)
{
	return end_grant(a, db, a->actor->account);
}

enum result admin_oauth_grant_list(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = admin_find_account(a, db, &id);
	return r == OK ? list_grants(a, db, id) : r;
}

enum result admin_oauth_grant_remove(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = admin_find_account(a, db, &id);
	return r == OK ? end_grant(a, db, id) : r;
}

/* ---- consent ---- */

/* RFC 7636 4.2: what S256 makes is always this long. */
static bool challenge_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n == CHALLENGE;
}

static enum result take_request(struct admin *a, struct db *db, struct oauth_client *c, struct oauth_new *n)
{
	struct slice client = admin_text(a, "client_id");
	enum result r = a->store->settings->oauth_issuer ? oauth_client_find(db, client, a->arena, c) : GONE;
	if (r != OK)
		return r == GONE ? admin_refuse(a, GONE, "there is no such client") : r;
	*n = (struct oauth_new){
	    .account = a->actor->account,
	    .epoch = DB_NUMBER(db, 0, EPOCH_OF, DI(a->actor->account)),
	    .scopes = oauth_scopes_read(admin_text(a, "scope")) & c->scopes,
	    .auth_ms = a->actor->made_ms,
	    .client = c->client,
	    .redirect = admin_text(a, "redirect_uri"),
	    .nonce = admin_text(a, "nonce"),
	    .challenge = admin_text(a, "code_challenge"),
	};
	if (!oauth_redirect_fits(c->redirects, n->redirect))
		return admin_refuse(a, DENY, "redirect_uri is not one that the client was registered with");
	if (!n->scopes || n->nonce.n > LIMIT_OAUTH_TEXT || !challenge_ok(n->challenge))
		return admin_refuse(a, DENY, "scope, nonce or code_challenge is not right");
	return OK;
}

/* What was consented to before holds, where whoever is answered can be nobody else. */
static bool has_consent(struct db *db, const struct oauth_new *n)
{
	int64_t given = DB_NUMBER(db, 0, OAUTH_CONSENT, DI(n->account), DT(n->client));
	return (given & n->scopes) == n->scopes && !oauth_redirect_is_native(n->redirect);
}

static bool has_word(struct slice list, struct slice word)
{
	while (list.n)
		if (slice_eq(slice_split(&list, ' '), word))
			return true;
	return false;
}

/* A sign-in of this very moment was asked for, or one that is not older than so many seconds. */
static bool is_stale(const struct admin *a)
{
	int64_t age = clock_utc_ms() - a->actor->made_ms, most = admin_number(a, "max_age", -1);
	bool again = has_word(admin_text(a, "prompt"), SLICE("login"));
	return (again && age > FRESH_MS) || (most >= 0 && age / SECOND_MS > MAX(most, FRESH_MS / SECOND_MS));
}

enum result admin_me_oauth_authorize(struct admin *a, struct db *db)
{
	struct oauth_client c;
	struct oauth_new n;
	BUF_LOCAL(code, 200);
	bool allow = json_is_true(json_object_get(a->args, "allow"));
	enum result r = take_request(a, db, &c, &n);
	if (r != OK)
		return r;
	bool ask = !has_consent(db, &n) || has_word(admin_text(a, "prompt"), SLICE("consent"));
	if (is_stale(a) || (ask && !allow)) {
		a->answer = json_pack("{s:s,s:o,s:o}", "needs", is_stale(a) ? "signin" : "consent", "name",
		    admin_string(c.name), "scopes", scopes_json(n.scopes));
		return OK;
	}
	if (allow)
		DB_RUN(db, OAUTH_CONSENT_PUT, DI(n.account), DT(n.client), DI(n.scopes), DI(clock_utc_ms()));
	oauth_grant_add(a->store, db, &n, &code);
	a->answer = json_pack("{s:o}", "code", admin_string(buf_slice(&code)));
	return OK;
}
