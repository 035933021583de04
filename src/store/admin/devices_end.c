/* Ending what opens an account, one by one or all of it; and what follows when somebody says "this was not me". */
#include "store/admin/devices.h"
#include "store/account/epoch.h"
#include "store/account/newcomers.h"
#include "store/account/oauth.h"
#include "store/account/signins.h"
#include "store/account/websession.h"
#include "store/contain/contain.h"

#define APPS_MOST LIMIT_CREDENTIALS

struct ending {
	struct job job;
	int64_t account;
	enum device_kind kind;
	int64_t id;
	int64_t but_session, but_browser; /* of all */
};

/* Whoever is in by a program or a token leaves; those that may come in again at once. */
static enum result apply_end_one(struct job *j, struct db *db)
{
	const struct ending *e = (const struct ending *)j;
	switch (e->kind) {
	case DEVICE_SESSION:
		DB_RUN(db, WEB_END, DI(e->id), DI(e->account));
		break;
	case DEVICE_BROWSER:
		DB_RUN(db, BROWSER_SESSIONS_END, DI(e->account), DI(e->id));
		DB_RUN(db, BROWSER_END, DI(e->id), DI(e->account));
		break;
	case DEVICE_TOKEN:
		DB_RUN(db, TOKEN_END, DI(e->id), DI(e->account));
		break;
	case DEVICE_PROGRAM:
		if (DB_NUMBER(db, 0, DEVICE_BLOCKS_COUNT, DI(e->account)) >= LIMIT_DEVICE_BLOCKS)
			return FULL;
		DB_RUN(db, DEVICE_BLOCK, DI(e->account), DI(e->id), DI(clock_utc_ms()));
		writer_tell(j->store->writer, NODE_END, e->account);
		return OK;
	default:
		return BAD;
	}
	return db_changed(db) ? OK : GONE;
}

struct looked_for {
	uint64_t ids[APPS_MOST];
	size_t n;
};

static void note_app(void *context, const Sekisho__Credential *c)
{
	struct looked_for *l = context;
	if (c->kind == KIND_APP && l->n < APPS_MOST)
		l->ids[l->n++] = c->id;
}

static enum result end_app(struct admin *a, int64_t account, int64_t id)
{
	struct looked_for l = {.n = 0};
	enum result r = admin_credentials(a, account, note_app, &l);
	bool found = false;
	for (size_t i = 0; i < l.n; i++)
		found |= l.ids[i] == (uint64_t)id;
	if (r == OK && !found)
		r = GONE;
	return r == OK ? admin_credential_revoke(a, account, id) : r;
}

static enum result end_one(struct admin *a, int64_t account)
{
	struct ending e = {
	    .job = {.store = a->store, .apply = apply_end_one, .durable = true}, .account = account};
	if (device_parse(admin_text(a, "id"), &e.kind, &e.id) != OK)
		return admin_refuse(a, GONE, "there is no such device");
	enum result r =
	    e.kind == DEVICE_APP ? end_app(a, account, e.id) : writer_wait(a->store->writer, &e.job);
	if (r == GONE)
		return admin_refuse(a, GONE, "there is no such device");
	if (r == FULL)
		return admin_refuse(a, FULL, "too many programs are shut out already; change the password");
	signins_unjudge(a->store, account);
	return r;
}

static enum result find_other(struct admin *a, int64_t *id_out)
{
	READER reader = reader_begin(a->store);
	return reader.db ? admin_find_account(a, reader.db, id_out) : LATER;
}

enum result admin_me_device_revoke(struct admin *a, struct db *db)
{
	return end_one(a, a->actor->account);
}

enum result admin_account_device_revoke(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = find_other(a, &id);
	return r == OK ? end_one(a, id) : r;
}

enum result admin_me_device_allow(struct admin *a, struct db *db)
{
	enum device_kind kind;
	int64_t id;
	if (device_parse(admin_text(a, "id"), &kind, &id) != OK || kind != DEVICE_PROGRAM)
		return admin_refuse(a, GONE, "there is no such mail program");
	DB_RUN(db, DEVICE_UNBLOCK, DI(a->actor->account), DI(id));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "it is not shut out");
}

/* ---- all ---- */

static void end_rows(
    struct store *s, struct db *db, int64_t account, int64_t but_session, int64_t but_browser)
{
	DB_RUN(db, BROWSERS_END_OTHERS, DI(account), DI(but_browser));
	DB_RUN(db, TOKENS_FORGET_MAKER, DI(account));
	oauth_forget(db, account);
	epoch_end_sessions(s->writer, db, account, but_session);
}

static enum result apply_end_all(struct job *j, struct db *db)
{
	const struct ending *e = (const struct ending *)j;
	end_rows(j->store, db, e->account, e->but_session, e->but_browser);
	return db_result(db);
}

static enum result end_apps(struct admin *a, int64_t account)
{
	struct looked_for l = {.n = 0};
	enum result r = admin_credentials(a, account, note_app, &l);
	for (size_t i = 0; i < l.n && r == OK; i++) {
		r = admin_credential_revoke(a, account, (int64_t)l.ids[i]);
		if (r == GONE) /* somebody else was faster */
			r = OK;
	}
	return r;
}

static enum result end_all(struct admin *a, int64_t account, int64_t but_session, int64_t but_browser)
{
	struct ending e = {.job = {.store = a->store, .apply = apply_end_all, .durable = true},
	    .account = account,
	    .but_session = but_session,
	    .but_browser = but_browser};
	enum result r = writer_wait(a->store->writer, &e.job);
	if (r == OK)
		r = end_apps(a, account);
	signins_unjudge(a->store, account);
	return r;
}

enum result admin_me_devices_revoke(struct admin *a, struct db *db)
{
	return end_all(a, a->actor->account, a->actor->session, a->actor->browser);
}

enum result admin_account_devices_revoke(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = find_other(a, &id);
	return r == OK ? end_all(a, id, 0, 0) : r;
}

/*
 * ---- "this was not me" ----
 *
 * Somebody else knows the password: it opens nothing any more (epoch.h), and only the session in which this is
 * said can set another one. A session from where the account was not used before may be the thief's: it ends too,
 * and an administrator helps.
 */

struct disowning {
	struct job job;
	const struct actor *actor;
	int64_t since;
	bool stays; /* the session in which it is said */
};

static enum result apply_disown(struct job *j, struct db *db)
{
	const struct disowning *d = (const struct disowning *)j;
	int64_t account = d->actor->account;
	end_rows(j->store, db, account, d->stays ? d->actor->session : 0, 0);
	DB_RUN(db, EPOCH_BUMP, DI(account));
	if (d->stays) {
		DB_RUN(db, WEB_EPOCH, DI(d->actor->session), DI(account));
		DB_RUN(db, WEB_STEP, DI(d->actor->session), DI(SESSION_CHANGE), DI(d->actor->factor),
		    DI(d->actor->ends_ms));
	}
	signins_forget(db, account, d->since);
	newcomers_forget(db, account, d->since);
	(void)contain_signal(j->store, db, account, SIGNAL_NOT_ME, SLICE_NONE);
	EVENT(NOT_ME, KN("account", account));
	return db_result(db);
}

/* Since when: of the sign-in that is named, and his; a day, when none is. */
static enum result since_of(struct admin *a, int64_t *since_out)
{
	int64_t id = admin_number(a, "sign_in", 0);
	*since_out = clock_utc_ms() - DAY_MS;
	if (!id)
		return OK;
	READER r = reader_begin(a->store);
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, SIGNIN_ONE, DI(id));
	if (!db_next(&q) || db_int(&q, 4) != a->actor->account)
		return admin_refuse(a, GONE, "there is no such sign-in of yours");
	*since_out = db_int(&q, 1);
	return OK;
}

enum result admin_me_not_me(struct admin *a, struct db *db)
{
	struct disowning d = {.job = {.store = a->store, .apply = apply_disown, .durable = true},
	    .actor = a->actor,
	    .stays = a->actor->factor || !a->actor->strange};
	enum result r = since_of(a, &d.since);
	if (r == OK)
		r = writer_wait(a->store->writer, &d.job);
	if (r != OK)
		return r;
	signins_unjudge(a->store, a->actor->account);
	contain_wake(a->store);
	r = end_apps(a, a->actor->account);
	a->answer = json_pack("{s:s}", "state", d.stays ? "change" : "out");
	return r;
}
