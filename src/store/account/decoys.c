#include "store/account/decoys.h"
#include "store/contain/alarm.h"
#include "store/contain/contain.h"
#include "store/domain/domains.h"
#include "store/queue/resolve.h"
#include "store/tasks.h"
#include "mail/address.h"
#include <stdlib.h>

#define ARENA_MOST ((size_t)65536)
#define LOOK_BACK_MS DAY_MS
#define TOUCHED_MOST 100 /* accounts that get a sign for one attempt */

/* People type names without a domain, too. */
static int64_t decoy_of_login(struct db *db, struct slice login, struct arena *a)
{
	struct mail_addr m;
	if (slice_find(login, '@') < 0)
		return DB_NUMBER(db, 0, DECOY_LOCAL, DT(resolve_local(login, a)));
	if (mail_addr_parse(login, a, &m) != OK)
		return 0;
	struct slice domain = resolve_domain(m.domain, a);
	return domain.n ? DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(resolve_local(m.local, a))) : 0;
}

bool decoy_look(struct store *s, struct signin *in)
{
	ARENA_LOCAL(a, ARENA_MOST);
	READER r = reader_begin(s);
	int64_t account = in->account;
	if (!r.db)
		return false;
	if (!account && in->login.n && in->login.n <= LIMIT_LOGIN_NAME && slice_is_utf8(in->login))
		account = decoy_of_login(r.db, in->login, &a);
	in->decoy = account ? DB_NUMBER(r.db, 0, DECOY_HAS, DI(account)) : 0;
	return in->decoy != 0;
}

/* ---- what follows ---- */

/* Whoever was opened from there lately and is not at home there. */
static void touch_others(struct store *s, struct db *db, struct slice ip, int64_t now)
{
	int64_t accounts[TOUCHED_MOST];
	size_t n = 0;
	{
		DB_ROWS q = DB_QUERY(db, SIGNINS_FROM, DT(ip), DI(now - LOOK_BACK_MS), DI(SIGNIN_IN),
		    DI(SIGNIN_FAMILIAR), DI(TOUCHED_MOST));
		while (n < TOUCHED_MOST && db_next(&q))
			accounts[n++] = db_int(&q, 0);
	}
	for (size_t i = 0; i < n; i++)
		(void)contain_signal(s, db, accounts[i], SIGNAL_DECOY, ip);
}

void decoy_tried(
    struct store *s, struct db *db, int64_t decoy, const struct signin_context *c, enum door door)
{
	ARENA_LOCAL(a, ARENA_MOST);
	char z[IP_TEXT];
	const char *ip = ip_text(&c->ip, z), *address = "";
	int64_t now = clock_utc_ms();
	{
		DB_ROWS q = DB_QUERY(db, ACCOUNT_SHOWN, DI(decoy));
		if (db_next(&q))
			address = arena_printf(&a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(&q, 0)),
			    SLICE_ARG(db_octets(&q, 1)));
	}
	DB_RUN(db, DECOY_TRIED, DI(decoy), DI(now));
	touch_others(s, db, slice_str(ip), now);
	EVENT(DECOY, KZ("ip", ip), KZ("service", door_name(door)), KN("account", decoy));
	alarm_put(s, db,
	    &(struct alarm){.kind = "decoy.tried",
		.severity = ALARM_WARNING,
		.account = decoy,
		.en = slice_str(arena_printf(&a,
		    "Somebody tries to sign in to the decoy %s\n\nFrom %s (%s), service %s. Nobody uses this "
		    "account, so "
		    "whoever tries it is looking for a way in. The address is held back for all accounts "
		    "now; "
		    "`sekisho signin blocks` shows that, `sekisho signin unblock` takes it back.",
		    address, ip, *c->place.country ? c->place.country : "?", door_name(door))),
		.ja = slice_str(arena_printf(&a,
		    "おとりのアカウント %s へのログインの試み\n\n接続元は %s(%s)、サービスは %s "
		    "です。このアカウントは誰も使わない"
		    "ため、侵入口を探している者と考えられます。この接続元は、すべてのアカウントに対して制限し"
		    "ました。確認は "
		    "`sekisho signin blocks`、解除は `sekisho signin unblock` です。",
		    address, ip, *c->place.country ? c->place.country : "?", door_name(door)))});
}

struct condemning {
	struct task task;
	struct store *store;
	char ip[IP_TEXT];
};

static void condemn(void *arg)
{
	struct condemning *c = arg;
	ARENA_LOCAL(a, ARENA_MOST);
	struct ipc *keys = ipc_thread(c->store->settings->keys);
	Sekisho__CondemnAsk ask = SEKISHO__CONDEMN_ASK__INIT;
	ask.ip = c->ip;
	enum result r = keys ? ipc_call(keys, ASK_KEYS_CONDEMN, &ask, NULL, &a, NULL, NULL) : LATER;
	if (r != OK)
		EVENT(INTERNAL, KZ("where", "decoys"), KZ("why", result_name(r)));
	free(c);
}

void decoy_condemn(struct store *s, const struct ip *ip)
{
	struct condemning *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->store = s;
	ip_text(ip, c->ip);
	tasks_put(domains_tasks(s->watch), &c->task, condemn, c);
}
