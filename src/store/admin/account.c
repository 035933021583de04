/* Accounts and domains. */
#include "store/mailbox/access.h"
#include "store/admin/admin.h"
#include "store/account/epoch.h"
#include "store/account/oauth.h"
#include "store/contain/contain.h"
#include "store/queue/filter.h"
#include "store/mailbox/mailbox.h"
#include "store/account/people.h"
#include "store/domain/signing.h"

/* ---- domains ---- */

static enum result take_domain(struct admin *a, struct slice *out)
{
	struct slice text = admin_text(a, "domain");
	*out = text.n ? resolve_domain(text, a->arena) : SLICE_NONE;
	if (!out->n || out->p[0] == '[')
		return admin_refuse(a, DENY, "not a domain: " SLICE_FMT, SLICE_ARG(text));
	return OK;
}

/* A domain's keys are made when it comes, and forgotten when it goes. */
static void look_after_keys(struct admin *a)
{
	signing_wake(a->store);
}

enum result admin_domain_add(struct admin *a, struct db *db)
{
	struct slice name;
	enum result r = take_domain(a, &name);
	if (r != OK)
		return r;
	if (resolve_is_ours(db, name))
		return admin_refuse(a, DENY, "the domain is there already");
	DB_RUN(db, DOMAIN_ADD, DT(name), DI(ORGANISATION), DI(clock_utc_ms()));
	a->after = look_after_keys;
	a->answer = json_pack("{s:o}", "domain", admin_string(name));
	return OK;
}

enum result admin_domain_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, DOMAIN_LIST, DI(ORGANISATION));
	while (db_next(&q))
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:o,s:I,s:I}", "domain", admin_string(db_octets(&q, 0)),
				   "catch_all", admin_string(db_octets(&q, 1)), "accounts",
				   (json_int_t)db_int(&q, 2), "created_at_ms", (json_int_t)db_int(&q, 3)));
	return OK;
}

enum result admin_domain_remove(struct admin *a, struct db *db)
{
	struct slice name;
	enum result r = take_domain(a, &name);
	if (r != OK)
		return r;
	if (!resolve_is_ours(db, name))
		return admin_refuse(a, GONE, "no such domain");
	if (DB_NUMBER(db, 1, DOMAIN_USES, DT(name)))
		return admin_refuse(a, DENY, "there are still addresses in this domain");
	DB_RUN(db, DOMAIN_REMOVE, DT(name));
	DB_RUN(db, DKIM_MODE_FORGET, DT(name));
	a->after = look_after_keys;
	DB_RUN(db, CHECK_FORGET, DT(name));
	DB_RUN(db, LOOKALIKE_FORGET, DT(name));
	DB_RUN(db, LOOKALIKE_FORGET_ROUND, DT(name));
	return OK;
}

/* ---- accounts ---- */

static const struct {
	const char *name, *use;
} standard[] = {{"Drafts", "\\Drafts"}, {"Sent", "\\Sent"}, {"Junk", "\\Junk"}, {"Trash", "\\Trash"},
    {"Archive", "\\Archive"}};

static void add_mailboxes(struct admin *a, struct db *db, int64_t account)
{
	struct writer *w = a->store->writer;
	int64_t inbox = box_create(w, db, account, SLICE("INBOX"), "", false);
	DB_RUN(db, ACCOUNT_SET_INBOX, DI(account), DI(inbox));
	DB_RUN(db, SUBSCRIBE, DI(account), DT(SLICE("INBOX")));
	for (size_t i = 0; i < COUNT(standard); i++) {
		box_create(w, db, account, slice_str(standard[i].name), standard[i].use, false);
		DB_RUN(db, SUBSCRIBE, DI(account), DZ(standard[i].name));
	}
}

/* OK when the address is free in a domain of ours. */
static enum result take_free(struct admin *a, struct db *db, struct admin_address *at)
{
	enum result r = admin_address(a, admin_text(a, "address"), at);
	if (r != OK)
		return r;
	if (!resolve_is_ours(db, at->domain))
		return admin_refuse(a, DENY, "not a domain of ours: " SLICE_FMT, SLICE_ARG(at->domain));
	if (DB_NUMBER(db, 0, ADDRESS_FIND, DT(at->domain), DT(at->local)))
		return admin_refuse(a, DENY, "the address is in use already");
	return OK;
}

enum result admin_account_add(struct admin *a, struct db *db)
{
	struct admin_address at;
	int64_t now = clock_utc_ms();
	enum result r = take_free(a, db, &at);
	if (r != OK)
		return r;
	int64_t id = writer_number(a->store->writer, SEQUENCE_ACCOUNT);
	DB_RUN(db, ACCOUNT_ADD, DI(id), DI(ORGANISATION), DT(at.shown), DT(at.domain),
	    DT(admin_text(a, "name")), DI(PROTOCOL_ALL), DI(now));
	DB_RUN(
	    db, ADDRESS_ADD, DT(at.domain), DT(at.local), DI(ADDRESS_ACCOUNT), DI(id), DT(at.shown), DI(now));
	add_mailboxes(a, db, id);
	a->answer = json_pack(
	    "{s:I,s:o}", "id", (json_int_t)id, "address", admin_address_string(a, at.shown, at.domain));
	return OK;
}

const char *account_state_name(int64_t state)
{
	static const char *const names[] = {"active", "suspended", "left"};
	return state >= 0 && state < (int64_t)COUNT(names) ? names[state] : "suspended";
}

static json_t *account_json(struct admin *a, const struct db_rows *q)
{
	return json_pack("{s:I,s:o,s:o,s:s,s:I,s:I,s:I}", "id", (json_int_t)db_int(q, 0), "address",
	    admin_address_string(a, db_octets(q, 1), db_octets(q, 2)), "name", admin_string(db_octets(q, 3)),
	    "state", account_state_name(db_int(q, 4)), "messages", (json_int_t)db_int(q, 5), "octets",
	    (json_int_t)db_int(q, 6), "created_at_ms", (json_int_t)db_int(q, 7));
}

enum result admin_account_list(struct admin *a, struct db *db)
{
	struct slice domain = admin_text(a, "domain");
	if (domain.n)
		domain = resolve_domain(domain, a->arena);
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, ACCOUNT_LIST, DI(ORGANISATION), DT(domain));
	while (db_next(&q))
		json_array_append_new(a->answer, account_json(a, &q));
	return OK;
}

static json_t *account_addresses(struct admin *a, struct db *db, int64_t id)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, ACCOUNT_ALIASES, DI(id));
	while (db_next(&q))
		json_array_append_new(list, admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1)));
	return list;
}

enum result admin_account_show(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = admin_find_account(a, db, &id);
	if (r != OK)
		return r;
	DB_ROWS q = DB_QUERY(db, ACCOUNT_SHOW, DI(id));
	if (!db_next(&q))
		return GONE;
	a->answer = account_json(a, &q);
	json_object_set_new(a->answer, "aliases", account_addresses(a, db, id));
	json_t *protocols = json_array();
	static const char *const names[] = {"imap", "pop3", "submission"};
	for (unsigned i = 0; i < COUNT(names); i++)
		if (db_int(&q, 8) >> i & 1)
			json_array_append_new(protocols, json_string(names[i]));
	json_object_set_new(a->answer, "protocols", protocols);
	json_object_set_new(a->answer, "handed_to", admin_handovers(a, db, id));
	json_object_set_new(a->answer, "roles", roles_json(db, id));
	return OK;
}

/* Nor when the address is given to somebody else later. */
void account_forget_delegates(struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, ACCOUNT_ADDRESSES, DI(account));
	while (db_next(&q))
		DB_RUN(db, DELEGATES_FORGET_ADDRESS, DT(db_octets(&q, 0)), DT(db_octets(&q, 1)));
}

enum result admin_account_remove(struct admin *a, struct db *db)
{
	enum result r = admin_find_account(a, db, &a->account);
	if (r == OK && !a->powers->root)
		r = roles_keep_one(a, db, a->account);
	if (r != OK)
		return r;
	for (;;) {
		int64_t mailbox = DB_NUMBER(db, 0, ACCOUNT_MAILBOX, DI(a->account));
		if (!mailbox)
			break;
		box_remove(a->store->writer, db, mailbox);
	}
	DB_RUN(db, ACCOUNT_REMOVE_SUBSCRIPTIONS, DI(a->account));
	DB_RUN(db, ACL_FORGET_ACCOUNT, DI(a->account));
	DB_RUN(db, METADATA_FORGET, DI(a->account));
	DB_RUN(db, DELEGATES_FORGET_ACCOUNT, DI(a->account));
	DB_RUN(db, HANDOVERS_FORGET, DI(a->account));
	account_forget_delegates(db, a->account);
	DB_RUN(db, QUOTA_DROP, DI(ADDRESS_ACCOUNT), DI(a->account), DZ(""), DZ(""));
	DB_RUN(db, QUOTA_STATE_DROP, DI(a->account));
	DB_RUN(db, SIGNIN_DAYS_DROP, DI(a->account));
	DB_RUN(db, ACCOUNT_REMOVE_THREADS, DI(a->account));
	DB_RUN(db, IMPORTED_REMOVE, DI(a->account));
	DB_RUN(db, ACCOUNT_REMOVE_ADDRESSES, DI(a->account));
	filter_remove_account(db, a->account);
	roles_forget(db, a->account);
	DB_RUN(db, PERSON_FORGET, DI(a->account));
	DB_RUN(db, DIRECTORY_FORGET, DI(a->account));
	DB_RUN(db, PERSON_ORPHANS, DI(a->account));
	DB_RUN(db, TOKENS_FORGET_MAKER, DI(a->account));
	oauth_forget(db, a->account);
	epoch_end_sessions(a->store->writer, db, a->account, 0);
	DB_RUN(db, FACTOR_RESET_FORGET, DI(a->account));
	DB_RUN(db, FACTOR_RULE_DROP, DI(WHO_ACCOUNT), DI(a->account), DZ(""), DZ(""));
	contain_forget_account(db, a->account);
	breakglass_forget(a->store, db, a->account);
	offboard_forget(db, a->account);
	DB_RUN(db, OPENED_FORGET, DI(a->account));
	DB_RUN(db, USES_FORGET, DI(a->account));
	DB_RUN(db, BROWSERS_END_OTHERS, DI(a->account), DI(0));
	DB_RUN(db, DEVICE_BLOCKS_FORGET, DI(a->account));
	DB_RUN(db, NEWCOMERS_FORGET, DI(a->account));
	DB_RUN(db, DECOY_REMOVE, DI(a->account));
	DB_RUN(db, PASSWORD_FORGET, DI(a->account));
	DB_RUN(db, PASSWORD_RULE_DROP, DI(WHO_ACCOUNT), DI(a->account), DZ(""), DZ(""));
	DB_RUN(db, ACCOUNT_REMOVE, DI(a->account));
	return OK;
}

static enum result set_suspended(struct admin *a, struct db *db, bool suspended)
{
	enum result r = admin_find_account(a, db, &a->account);
	if (r == OK && suspended)
		r = roles_keep_one(a, db, a->account);
	if (r != OK)
		return r;
	if (DB_NUMBER(db, ACCOUNT_ACTIVE, ACCOUNT_TARGET, DI(a->account)) == ACCOUNT_CONTAINED)
		return admin_refuse(a, DENY, "there is an incident of this account: incident restore");
	DB_RUN(db, ACCOUNT_SET_SUSPENDED, DI(a->account), DI(suspended ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE));
	if (!suspended)
		offboard_forget(db, a->account);
	if (suspended)
		epoch_end_sessions(a->store->writer, db, a->account, 0);
	a->answer =
	    json_pack("{s:I,s:s}", "id", (json_int_t)a->account, "state", suspended ? "suspended" : "active");
	return OK;
}

enum result admin_account_suspend(struct admin *a, struct db *db)
{
	return set_suspended(a, db, true);
}

enum result admin_account_resume(struct admin *a, struct db *db)
{
	return set_suspended(a, db, false);
}

enum result admin_account_logout(struct admin *a, struct db *db)
{
	enum result r = admin_find_account(a, db, &a->account);
	if (r == OK)
		epoch_end_sessions(a->store->writer, db, a->account, 0);
	return r;
}

enum result admin_settings_list(struct admin *a, struct db *db)
{
	const char *shown = a->store->settings->shown;
	a->answer = json_loads(shown ? shown : "[]", 0, NULL);
	return a->answer ? OK : LATER;
}

enum result admin_status(struct admin *a, struct db *db)
{
	Sekisho__GaugesAnswer g = SEKISHO__GAUGES_ANSWER__INIT;
	store_gauges(a->store, db, &g);
	a->answer = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "queued", (json_int_t)g.queued, "held",
	    (json_int_t)g.held, "oldest_at_ms", (json_int_t)g.oldest_ms, "accounts", (json_int_t)g.accounts,
	    "messages", (json_int_t)g.messages, "body_octets", (json_int_t)g.body_octets, "sessions",
	    (json_int_t)g.sessions, "disk_free", (json_int_t)g.disk_free);
	return OK;
}
