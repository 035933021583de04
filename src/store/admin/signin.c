/* The sign-in log, as administrators and people see it. */
#include "store/admin/admin.h"
#include "store/account/signins_inside.h"

#define LIST_STANDARD 100

static const struct {
	enum signin_outcome outcome;
	const char *en, *ja;
} outcomes[] = {
#define X(name, number, good, word, en, ja) {SIGNIN_##name, en, ja},
#include "store/account/signins.def"
#undef X
};

static const struct {
	enum signin_reason reason;
	const char *name;
} reasons[] = {
    {SIGNIN_FIRST_COUNTRY, "new-country"},
    {SIGNIN_FIRST_ASN, "new-network"},
    {SIGNIN_FIRST_CREDENTIAL, "new-credential"},
    {SIGNIN_FIRST_DEVICE, "new-device"},
    {SIGNIN_YOUNG, "young-account"},
    {SIGNIN_HOSTING, "hosting"},
    {SIGNIN_VPN, "vpn"},
    {SIGNIN_TOR, "tor"},
    {SIGNIN_FLAGGED, "spraying-source"},
    {SIGNIN_GUESSED, "guessed-before"},
    {SIGNIN_NO_GEO, "place-unknown"},
    {SIGNIN_MOBILE, "mobile"},
    {SIGNIN_ODD_HOUR, "odd-hour"},
};

static json_t *reasons_json(unsigned bits)
{
	json_t *list = json_array();
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (bits & reasons[i].reason)
			json_array_append_new(list, json_string(reasons[i].name));
	return list;
}

static json_t *outcome_json(enum signin_outcome o)
{
	for (size_t i = 0; i < COUNT(outcomes); i++)
		if (outcomes[i].outcome == o)
			return json_pack("{s:s,s:s}", "en", outcomes[i].en, "ja", outcomes[i].ja);
	return json_null();
}

static enum signin_outcome read_outcome(struct slice name)
{
	for (size_t i = 0; i < COUNT(outcomes); i++)
		if (slice_eq(name, slice_str(signin_outcome_name(outcomes[i].outcome))))
			return outcomes[i].outcome;
	return 0;
}

/* The columns of SIGNINS_FIND. */
enum column {
	ID,
	AT,
	LAST,
	TIMES,
	ACCOUNT,
	LOGIN,
	DOOR,
	IP,
	COUNTRY,
	ASN,
	GEO,
	CREDENTIAL,
	DEVICE,
	OUTCOME,
	RULE,
	FAMILIARITY,
	REASONS,
	SEALED
};

static json_t *account_json(struct admin *a, struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(account));
	return account && db_next(&q) ? admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1))
				      : json_null();
}

static void add_place(const struct db_rows *q, json_t *row)
{
	BUF_LOCAL(kind, 100);
	geo_kind_put((unsigned)db_int(q, GEO), &kind);
	json_object_set_new(row, "ip", admin_string(db_octets(q, IP)));
	struct ip ip;
	char z[IP_NET_TEXT];
	if (ip_read(db_octets(q, IP), &ip) == OK) {
		struct ip_net prefix = ip_prefix(&ip);
		json_object_set_new(row, "prefix", json_string(ip_net_text(&prefix, z)));
	}
	json_object_set_new(row, "country", admin_string(db_octets(q, COUNTRY)));
	json_object_set_new(row, "asn", json_integer(db_int(q, ASN)));
	json_object_set_new(row, "network", admin_string(buf_slice(&kind)));
}

static void add_client(const struct store *s, const struct db_rows *q, json_t *row)
{
	BUF_LOCAL(agent, LIMIT_SIGNIN_AGENT);
	struct slice sealed = db_octets(q, SEALED);
	if (sealed.n && seal_get(s->seal, sealed, SLICE("signin"), &agent) != OK)
		buf_clear(&agent);
	json_object_set_new(row, "client", admin_string(buf_slice(&agent)));
	json_object_set_new(row, "device", json_integer(db_int(q, DEVICE)));
	json_object_set_new(row, "credential", json_integer(db_int(q, CREDENTIAL)));
}

static json_t *row_json(struct admin *a, struct db *db, const struct db_rows *q)
{
	enum signin_outcome outcome = (enum signin_outcome)db_int(q, OUTCOME);
	json_t *row = json_pack("{s:I,s:I,s:I,s:I,s:o,s:s,s:s}", "id", (json_int_t)db_int(q, ID), "at_ms",
	    (json_int_t)db_int(q, AT), "last_ms", (json_int_t)db_int(q, LAST), "times",
	    (json_int_t)db_int(q, TIMES), "account", account_json(a, db, db_int(q, ACCOUNT)), "service",
	    door_name((enum door)db_int(q, DOOR)), "outcome", signin_outcome_name(outcome));
	if (!db_int(q, ACCOUNT)) /* a keyed hash: the same name has the same */
		json_object_set_new(row, "login", json_sprintf("%016llx", (long long)db_int(q, LOGIN)));
	add_place(q, row);
	add_client(a->store, q, row);
	if (db_int(q, RULE))
		json_object_set_new(row, "rule", json_integer(db_int(q, RULE)));
	json_object_set_new(row, "familiarity",
	    json_string(signin_familiarity_name((enum signin_familiarity)db_int(q, FAMILIARITY))));
	json_object_set_new(row, "reasons", reasons_json((unsigned)db_int(q, REASONS)));
	json_object_set_new(row, "why", outcome_json(outcome));
	return row;
}

struct filter {
	int64_t account, login, before, since, failed;
	enum signin_outcome outcome;
	char ip[IP_TEXT];
	int64_t limit;
};

static enum result read_who(struct admin *a, struct db *db, struct filter *f)
{
	struct slice who = admin_text(a, "address");
	struct admin_address at;
	if (!who.n)
		return OK;
	enum result r = admin_address(a, who, &at);
	if (r != OK)
		return r;
	f->account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(at.domain), DT(at.local));
	/* No account of ours: what was tried under that name. */
	f->login = f->account ? 0 : seal_token(a->store->seal, "login", who);
	return OK;
}

static enum result read_filter(struct admin *a, struct db *db, struct filter *f)
{
	struct slice ip = admin_text(a, "ip"), outcome = admin_text(a, "outcome");
	struct ip at;
	f->before = admin_number(a, "before_id", INT64_MAX);
	f->since = admin_number(a, "since_ms", 0);
	f->limit = MIN(MAX(admin_number(a, "limit", LIST_STANDARD), (int64_t)1), (int64_t)LIMIT_SIGNIN_LIST);
	f->failed = slice_eq(outcome, SLICE("failed"));
	f->outcome = f->failed ? 0 : read_outcome(outcome);
	if (outcome.n && !f->failed && !f->outcome)
		return admin_refuse(a, DENY, "no such outcome: " SLICE_FMT, SLICE_ARG(outcome));
	if (ip.n && ip_read(ip, &at) != OK)
		return admin_refuse(a, DENY, "not an address: " SLICE_FMT, SLICE_ARG(ip));
	if (ip.n)
		(void)ip_text(&at, f->ip);
	return read_who(a, db, f);
}

enum result admin_signin_list(struct admin *a, struct db *db)
{
	struct filter f = {0};
	enum result r = read_filter(a, db, &f);
	if (r != OK)
		return r;
	DB_ROWS q = f.account ? DB_QUERY(db, SIGNINS_OF, DI(f.account), DI(f.before), DI(f.since), DZ(f.ip),
				    DI(f.outcome), DI(f.failed), DI(f.limit))
			      : DB_QUERY(db, SIGNINS_FIND, DI(f.before), DI(f.since), DZ(f.ip), DI(f.outcome),
				    DI(f.failed), DI(f.login), DI(f.limit));
	a->answer = json_array();
	while (db_next(&q))
		json_array_append_new(a->answer, row_json(a, db, &q));
	return OK;
}

enum result admin_signin_show(struct admin *a, struct db *db)
{
	DB_ROWS q = DB_QUERY(db, SIGNIN_ONE, DI(admin_number(a, "id", 0)));
	if (!db_next(&q))
		return admin_refuse(a, GONE, "no such sign-in");
	a->answer = row_json(a, db, &q);
	return OK;
}

/* A network that the administrator knows to be this account's. */
enum result admin_signin_confirm(struct admin *a, struct db *db)
{
	int64_t account;
	struct ip_net net;
	struct slice text = admin_text(a, "network");
	enum result r = admin_find_account(a, db, &account);
	if (r != OK)
		return r;
	if (ip_net_read(text, &net) != OK)
		return admin_refuse(a, DENY, "not a network: " SLICE_FMT, SLICE_ARG(text));
	struct ip_net prefix = ip_prefix(&net.ip);
	if (net.bits < prefix.bits)
		return admin_refuse(a, DENY,
		    "a network of at most /%u can be confirmed for one account; others belong in "
		    "office_networks",
		    prefix.bits);
	signins_confirm(a->store, db, account, &prefix, clock_utc_ms());
	signins_unjudge(a->store, account);
	char z[IP_NET_TEXT];
	a->answer = json_pack("{s:s}", "network", ip_net_text(&prefix, z));
	return OK;
}

/* ---- what keys holds back ---- */

static enum result ask_keys(struct admin *a, const char *network, const char *login)
{
	Sekisho__AttemptsAsk ask = SEKISHO__ATTEMPTS_ASK__INIT;
	Sekisho__AttemptsAnswer *answer = NULL;
	struct ipc *keys = ipc_thread(a->store->settings->keys);
	ask.network = (char *)(uintptr_t)network;
	ask.login = (char *)(uintptr_t)login;
	enum result r = keys ? ipc_call(keys, ASK_KEYS_ATTEMPTS, &ask, NULL, a->arena, &answer, NULL) : LATER;
	if (r == GONE && keys && keys->fd >= 0)
		return admin_refuse(a, GONE, "nothing is held against it");
	if (r != OK)
		return admin_refuse(a, LATER, "keys does not answer");
	a->answer = json_array();
	for (size_t i = 0; i < answer->n_sentences; i++) {
		const Sekisho__Sentence *s = answer->sentences[i];
		json_array_append_new(a->answer, json_pack("{s:s,s:s,s:I,s:i}", "network", s->network, "kind",
						     s->prefix ? "blocked" : "flagged", "until_ms",
						     (json_int_t)s->until_ms, "times", (int)s->times));
	}
	return OK;
}

enum result admin_signin_blocks(struct admin *a, struct db *db)
{
	return ask_keys(a, "", "");
}

enum result admin_signin_unblock(struct admin *a, struct db *db)
{
	struct ip_net net;
	struct slice what = admin_text(a, "what");
	const char *z = arena_z(a->arena, what);
	bool network = ip_net_read(what, &net) == OK;
	if (!z || !what.n)
		return admin_refuse(a, DENY, "a network or a login is needed");
	return ask_keys(a, network ? z : "", network ? "" : z);
}
