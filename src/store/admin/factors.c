/* Who has which second factors and applications' passwords (keys knows), who has to, and taking them away. */
#include "ipc/grant.h"
#include "store/mailbox/access.h"
#include "store/admin/admin.h"
#include "store/account/epoch.h"
#include "store/account/factors.h"
#include "store/queue/notice.h"

#define GRACE_DAYS 14
#define GRACE_DAYS_MOST 365
#define ARENA_MOST ((size_t)64 << 20)
#define REQUEST_MS DAY_MS /* a reset waits so long for the second administrator */

/* ---- asking keys ---- */

enum result admin_credentials(struct admin *a, int64_t account, admin_credential *each, void *context)
{
	ARENA_LOCAL(arena, ARENA_MOST);
	struct ipc *c = ipc_thread(a->store->settings->keys);
	Sekisho__CredentialsAsk ask = SEKISHO__CREDENTIALS_ASK__INIT;
	Sekisho__CredentialsAnswer *answer = NULL;
	ask.account = (uint64_t)account;
	enum result r = c ? ipc_call(c, ASK_KEYS_CREDENTIALS, &ask, NULL, &arena, &answer, NULL) : LATER;
	while (r == OK) {
		for (size_t i = 0; i < answer->n_credentials; i++)
			each(context, answer->credentials[i]);
		if (!c->more)
			break;
		r = ipc_more(c, &arena, &answer, NULL);
	}
	return r == OK ? OK : admin_refuse(a, LATER, "the key store does not answer");
}

static enum result ask_revoke(struct admin *a, int64_t account, int64_t id)
{
	ARENA_LOCAL(arena, LIMIT_IPC_PACKET * 2);
	struct ipc *c = ipc_thread(a->store->settings->keys);
	Sekisho__RevokeAsk ask = SEKISHO__REVOKE_ASK__INIT;
	ask.account = (uint64_t)account;
	ask.id = (uint64_t)id;
	enum result r = c ? ipc_call(c, ASK_KEYS_REVOKE, &ask, NULL, &arena, NULL, NULL) : LATER;
	if (r == GONE)
		return admin_refuse(a, GONE, "there is no such thing");
	return r == OK ? OK : admin_refuse(a, LATER, "the key store does not answer");
}

/* Whoever came in with what was taken away leaves. */
struct ending {
	struct job job;
	int64_t account;
};

static enum result apply_ending(struct job *j, struct db *db)
{
	writer_tell(j->store->writer, NODE_END, ((const struct ending *)j)->account);
	return OK;
}

enum result admin_credential_revoke(struct admin *a, int64_t account, int64_t id)
{
	enum result r = ask_revoke(a, account, id);
	struct ending e = {
	    .job = {.store = a->store, .apply = apply_ending, .durable = true}, .account = account};
	return r == OK ? writer_wait(a->store->writer, &e.job) : r;
}

static void note_strong(void *context, const Sekisho__Credential *c)
{
	bool *strong = context;
	*strong |= c->kind == KIND_TOTP || c->kind == KIND_PASSKEY;
}

bool admin_has_strong(struct admin *a, int64_t account)
{
	bool strong = false;
	return admin_credentials(a, account, note_strong, &strong) != OK || strong;
}

/* ---- one's own ---- */

static json_t *common_json(const Sekisho__Credential *c)
{
	return json_pack("{s:I,s:s,s:I,s:I}", "id", (json_int_t)c->id, "name", c->name, "created_at_ms",
	    (json_int_t)c->made_ms, "used_at_ms", (json_int_t)c->used_ms);
}

static void put_factor(void *context, const Sekisho__Credential *c)
{
	json_t *v = context;
	if (c->kind == KIND_TOTP) {
		json_object_set_new(v, "totp", json_true());
		json_object_set_new(v, "totp_id", json_integer((json_int_t)c->id));
	} else if (c->kind == KIND_RECOVERY) {
		json_object_set_new(v, "recovery_left", json_integer(c->left));
	} else if (c->kind == KIND_PASSKEY) {
		json_array_append_new(json_object_get(v, "passkeys"), common_json(c));
	} else if (c->kind == KIND_MAIL || c->kind == KIND_SMS) {
		json_t *row = common_json(c);
		json_object_set_new(row, "kind", json_string(c->kind == KIND_MAIL ? "mail" : "sms"));
		json_array_append_new(json_object_get(v, "codes"), row);
	}
}

static enum result show_factors(struct admin *a, int64_t account)
{
	int64_t due = 0;
	bool administrator;
	{
		READER reader = reader_begin(a->store);
		if (!reader.db)
			return LATER;
		due = factors_due(a->store, reader.db, account);
		administrator = factors_administrator(reader.db, account);
	}
	a->answer = json_pack("{s:b,s:[],s:[],s:i,s:b,s:b,s:b,s:I}", "totp", 0, "passkeys", "codes",
	    "recovery_left", 0, "sms_available", a->store->settings->sms_per_hour != 0, "codes_allowed",
	    !administrator, "required", due != 0, "grace_until_ms", (json_int_t)due);
	return admin_credentials(a, account, put_factor, a->answer);
}

enum result admin_me_factors(struct admin *a, struct db *db)
{
	return show_factors(a, a->actor->account);
}

static void put_app(void *context, const Sekisho__Credential *c)
{
	static const char *const names[] = {"imap", "pop3", "submission", "sieve"};
	if (c->kind != KIND_APP)
		return;
	json_t *v = common_json(c), *protocols = json_array();
	for (unsigned i = 0; i < COUNT(names); i++)
		if (c->bits >> i & 1)
			json_array_append_new(protocols, json_string(names[i]));
	json_object_set_new(v, "protocols", protocols);
	json_object_set_new(v, "expires_at_ms", json_integer((json_int_t)c->ends_ms));
	json_array_append_new(context, v);
}

enum result admin_me_apps(struct admin *a, struct db *db)
{
	a->answer = json_array();
	return admin_credentials(a, a->actor->account, put_app, a->answer);
}

struct looked_for {
	uint64_t id;
	unsigned kind;
};

static void look_for(void *context, const Sekisho__Credential *c)
{
	struct looked_for *l = context;
	if (c->id == l->id)
		l->kind = c->kind;
}

static enum result remove_of(struct admin *a, int64_t account, bool app)
{
	struct looked_for l = {.id = (uint64_t)admin_number(a, "id", 0)};
	enum result r = admin_credentials(a, account, look_for, &l);
	if (r != OK)
		return r;
	if (!l.kind || app != (l.kind == KIND_APP))
		return admin_refuse(a, GONE, "there is no such thing");
	return admin_credential_revoke(a, account, (int64_t)l.id);
}

enum result admin_me_app_remove(struct admin *a, struct db *db)
{
	return remove_of(a, a->actor->account, true);
}

enum result admin_me_factor_remove(struct admin *a, struct db *db)
{
	return remove_of(a, a->actor->account, false);
}

/* ---- others' ---- */

static enum result find_other(struct admin *a, int64_t *id_out)
{
	READER reader = reader_begin(a->store);
	return reader.db ? admin_find_account(a, reader.db, id_out) : LATER;
}

enum result admin_account_apps(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = find_other(a, &id);
	a->answer = json_array();
	return r == OK ? admin_credentials(a, id, put_app, a->answer) : r;
}

enum result admin_account_app_remove(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = find_other(a, &id);
	return r == OK ? remove_of(a, id, true) : r;
}

enum result admin_account_factors(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = find_other(a, &id);
	return r == OK ? show_factors(a, id) : r;
}

struct resetting {
	struct job job;
	int64_t account, by;
	bool done; /* it may be done now */
};

/* The server's owner alone, the second of two, or the only one there is. */
static enum result apply_resetting(struct job *j, struct db *db)
{
	struct resetting *s = (struct resetting *)j;
	int64_t now = clock_utc_ms();
	int64_t first = DB_NUMBER(db, 0, FACTOR_RESET_BY, DI(s->account), DI(now - REQUEST_MS));
	int64_t others = DB_NUMBER(db, 0, FACTOR_OTHER_ADMINISTRATORS, DI(s->by), DI(s->account));
	s->done = !s->by || (first && first != s->by) || others == 0;
	if (s->done)
		DB_RUN(db, FACTOR_RESET_FORGET, DI(s->account));
	else
		DB_RUN(db, FACTOR_RESET_PUT, DI(s->account), DI(s->by), DI(now));
	return OK;
}

/* In his own mailbox: whoever reads it is told what an attacker would like to keep from him. */
static void tell_owner(struct admin *a)
{
	struct admin_address at;
	if (admin_address(a, admin_text(a, "address"), &at) != OK)
		return;
	struct notice n = {.local = at.local,
	    .domain = at.domain,
	    .subject = SLICE("Your second factor was reset / 二要素認証がリセットされました"),
	    .text = SLICE("An administrator has removed the second factors of your account. Set up a new one "
			  "at your next "
			  "sign-in. If you did not ask for this, tell your administrators at once.\n\n"
			  "管理者があなたのアカウントの二要素認証を解除しました。次のサインインで新しく設定し"
			  "てください。"
			  "心当たりがない場合は、すぐに管理者へ連絡してください。\n"),
	    .service = "factors"};
	result_ignore(notice_send(a->store, &n)); /* the audit has it all the same */
}

enum result admin_factors_reset(struct admin *a, struct db *db)
{
	struct resetting s = {.job = {.store = a->store, .apply = apply_resetting, .durable = true},
	    .by = a->powers->root ? 0 : a->powers->account};
	enum result r = find_other(a, &s.account);
	if (r != OK)
		return r;
	if (s.by == s.account)
		return admin_refuse(a, DENY, "another administrator has to do this");
	r = writer_wait(a->store->writer, &s.job);
	if (r == OK && s.done)
		r = admin_credential_revoke(a, s.account, 0);
	if (r != OK)
		return r;
	if (s.done)
		tell_owner(a);
	a->answer = json_pack("{s:s}", "state", s.done ? "reset" : "waits for a second administrator");
	return OK;
}

/* ---- who has to ---- */

static enum result take_who(struct admin *a, struct db *db, struct who *w)
{
	struct slice text = admin_text(a, "who");
	if (access_parse_who(db, text, a->arena, w) == OK)
		return OK;
	return admin_refuse(a, GONE, "no such account or group: " SLICE_FMT, SLICE_ARG(text));
}

enum result admin_factors_require(struct admin *a, struct db *db)
{
	struct who w;
	int64_t days = admin_number(a, "days", GRACE_DAYS);
	enum result r = take_who(a, db, &w);
	if (r != OK)
		return r;
	if (days < 0 || days > GRACE_DAYS_MOST)
		return admin_refuse(a, DENY, "the grace is 0 to %d days", GRACE_DAYS_MOST);
	DB_RUN(db, FACTOR_RULE_PUT, DI(w.kind), DI(w.account), DT(w.domain), DT(w.local), DI(clock_utc_ms()),
	    DI(days * DAY_MS));
	a->answer =
	    json_pack("{s:o,s:I}", "who", admin_string(admin_text(a, "who")), "days", (json_int_t)days);
	return OK;
}

enum result admin_factors_release(struct admin *a, struct db *db)
{
	struct who w;
	enum result r = take_who(a, db, &w);
	if (r != OK)
		return r;
	DB_RUN(db, FACTOR_RULE_DROP, DI(w.kind), DI(w.account), DT(w.domain), DT(w.local));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "there is no such rule");
}

enum result admin_factors_rules(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, FACTOR_RULES);
	while (db_next(&q)) {
		int64_t kind = db_int(&q, 0);
		BUF_LOCAL(who, 2000);
		int local = kind == WHO_GROUP ? 2 : 5, domain = kind == WHO_GROUP ? 1 : 6;
		if (kind == WHO_ANYONE)
			buf_puts(&who, "anyone");
		else
			buf_printf(&who, "%s" SLICE_FMT "@" SLICE_FMT, kind == WHO_GROUP ? "group:" : "",
			    SLICE_ARG(db_octets(&q, local)), SLICE_ARG(db_octets(&q, domain)));
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:I,s:I}", "who", admin_string(buf_slice(&who)), "since_ms",
				   (json_int_t)db_int(&q, 3), "days", (json_int_t)(db_int(&q, 4) / DAY_MS)));
	}
	return OK;
}

/* ---- the report ---- */

/* Per account what keys says: bits by kind. */
static void note_kind(void *context, const Sekisho__Credential *c)
{
	json_t *kinds = context;
	BUF_LOCAL(key, 32);
	buf_printf(&key, "%llu", (unsigned long long)c->account);
	json_int_t have = json_integer_value(json_object_get(kinds, buf_z(&key)));
	json_object_set_new(kinds, buf_z(&key), json_integer(have | (json_int_t)1 << c->kind));
}

static json_int_t kinds_of(const json_t *kinds, int64_t account)
{
	BUF_LOCAL(key, 32);
	buf_printf(&key, "%lld", (long long)account);
	return json_integer_value(json_object_get(kinds, buf_z(&key)));
}

static void add_person(
    struct admin *a, struct db *db, const struct db_rows *q, const json_t *kinds, unsigned counts[3])
{
	int64_t id = db_int(q, 0), due = factors_due(a->store, db, id);
	json_int_t have = kinds_of(kinds, id);
	bool sent = have & (1 << KIND_MAIL | 1 << KIND_SMS);
	bool has = (have & (1 << KIND_TOTP | 1 << KIND_PASSKEY)) || (sent && !factors_administrator(db, id));
	counts[0]++;
	counts[1] += has;
	counts[2] += due && !has && due <= clock_utc_ms();
	json_array_append_new(json_object_get(a->answer, "accounts"),
	    json_pack("{s:o,s:b,s:b,s:b,s:b,s:b,s:b,s:I}", "address",
		admin_address_string(a, db_octets(q, 1), db_octets(q, 2)), "enrolled", has, "totp",
		(have >> KIND_TOTP & 1) != 0, "passkey", (have >> KIND_PASSKEY & 1) != 0, "sent_codes", sent,
		"app_passwords", (have >> KIND_APP & 1) != 0, "required", due != 0, "enrol_by_ms",
		(json_int_t)due));
}

enum result admin_factors_report(struct admin *a, struct db *db)
{
	unsigned counts[3] = {0};
	json_t *kinds = json_object();
	enum result r = admin_credentials(a, 0, note_kind, kinds);
	a->answer = json_pack("{s:[]}", "accounts");
	{
		READER reader = reader_begin(a->store);
		if (r == OK && !reader.db)
			r = LATER;
		if (r == OK) {
			DB_ROWS q = DB_QUERY(reader.db, FACTOR_PEOPLE, DI(ORGANISATION));
			while (db_next(&q))
				add_person(a, reader.db, &q, kinds, counts);
			r = db_result(reader.db);
		}
	}
	json_decref(kinds);
	json_object_set_new(a->answer, "people", json_integer(counts[0]));
	json_object_set_new(a->answer, "enrolled", json_integer(counts[1]));
	json_object_set_new(a->answer, "overdue", json_integer(counts[2]));
	json_object_set_new(a->answer, "percent", json_integer(counts[0] ? counts[1] * 100 / counts[0] : 0));
	return r;
}
