#include "store/account/newcomers.h"
#include "store/account/signins_inside.h"
#include "store/account/tell.h"
#include <time.h>

#define NOTABLE                                                                                              \
	(SIGNIN_FIRST_COUNTRY | SIGNIN_FIRST_ASN | SIGNIN_FIRST_DEVICE | SIGNIN_HOSTING | SIGNIN_VPN |       \
	    SIGNIN_TOR | GUESS)
#define GUESS (SIGNIN_FLAGGED | SIGNIN_GUESSED)
#define KEPT_DAYS 400
#define TEXT_MOST 8192

static int64_t token_of(const struct store *s, const struct signin_context *c)
{
	BUF_LOCAL(text, 128);
	char z[IP_NET_TEXT];
	if (c->place.asn)
		buf_printf(&text, "%lld AS%u %s", (long long)c->device, c->place.asn, c->place.country);
	else
		buf_printf(&text, "%lld %s", (long long)c->device, ip_net_text(&c->prefix, z));
	return seal_token(s->seal, "newcomer", buf_slice(&text));
}

static bool is_notable(const struct store *s, const struct signin_context *c)
{
	if (ip_nets_have(&s->settings->office, &c->ip))
		return c->reasons & GUESS;
	return c->reasons & NOTABLE;
}

void newcomer_seen(
    struct store *s, struct db *db, int64_t account, int64_t row, const struct signin_context *c, int64_t at)
{
	if (!is_notable(s, c))
		return;
	bool first =
	    !DB_NUMBER(db, 0, SIGNIN_DAYS_ANY, DI(account), DI(DAY_CREDENTIAL), DI(0), DI(at / DAY_MS + 1));
	bool told =
	    !first && DB_NUMBER(db, 0, NEWCOMERS_TOLD, DI(account), DI(at - DAY_MS)) < LIMIT_NEWCOMERS;
	DB_RUN(db, NEWCOMER_ADD, DI(account), DI(token_of(s, c)), DI(at), DI(row), DI(told));
	if (db_changed(db) && told)
		EVENT(NEWCOMER, KN("account", account), KN("signin", row));
}

void newcomers_forget(struct db *db, int64_t account, int64_t since)
{
	DB_RUN(db, NEWCOMERS_SINCE, DI(account), DI(since));
}

/* ---- telling ---- */

struct due {
	int64_t account, token, at;
	enum door door;
	struct slice ip, country, client;
	int64_t asn;
};

static bool next_due(struct store *s, struct arena *a, struct due *out)
{
	BUF_LOCAL(agent, LIMIT_SIGNIN_AGENT);
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, NEWCOMERS_DUE, DI(1));
	if (!db_next(&q))
		return false;
	*out = (struct due){.account = db_int(&q, 0),
	    .token = db_int(&q, 1),
	    .at = db_int(&q, 2),
	    .door = (enum door)db_int(&q, 3),
	    .ip = arena_dup(a, db_octets(&q, 4)),
	    .country = arena_dup(a, db_octets(&q, 5)),
	    .asn = db_int(&q, 6)};
	struct slice sealed = db_octets(&q, 7);
	if (sealed.n && seal_get(s->seal, sealed, SLICE("signin"), &agent) == OK)
		out->client = arena_dup(a, buf_slice(&agent));
	return true;
}

static void put_facts(const struct due *d, bool ja, struct buf *b)
{
	struct tm tm;
	char when[64];
	time_t at = (time_t)(d->at / 1000);
	gmtime_r(&at, &tm);
	strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &tm);
	buf_printf(b, "  %s: %s\n", ja ? "日時" : "When", when);
	buf_printf(b, "  %s: " SLICE_FMT, ja ? "接続元" : "From", SLICE_ARG(d->ip));
	if (d->country.n)
		buf_printf(b, " (" SLICE_FMT ")", SLICE_ARG(d->country));
	buf_printf(b, "\n  %s: %s\n", ja ? "サービス" : "Service", door_name(d->door));
	if (d->client.n)
		buf_printf(b, "  %s: " SLICE_FMT "\n", ja ? "ソフトウェア" : "Program", SLICE_ARG(d->client));
}

static void put_en(const struct store *s, const struct due *d, struct buf *b)
{
	buf_puts(b,
	    "New sign-in to your mail account: was it you?\n\n"
	    "Your account was signed in to from a place or by a program that was not seen before:\n\n");
	put_facts(d, false, b);
	buf_printf(b,
	    "\nIf it was you, there is nothing to do. If it was not, open https://%s/ (type the address "
	    "yourself), go to "
	    "\"Your account\" and press \"This was not me\": everything that is signed in ends, the "
	    "passwords of programs are "
	    "taken back, and you choose a new password. If you cannot sign in any more, call your "
	    "administrators at once.\n",
	    s->settings->hostname);
}

static void put_ja(const struct store *s, const struct due *d, struct buf *b)
{
	buf_puts(b, "新しいサインインがありました。ご本人ですか?\n\n"
		    "これまでにない場所またはソフトウェアから、あなたのメールアカウントへのサインインがありま"
		    "した。\n\n");
	put_facts(d, true, b);
	buf_printf(b,
	    "\nご本人であれば、何もする必要はありません。心当たりがない場合は、https://%s/ "
	    "を(アドレスを自分で入力して)開き、"
	    "「自分のアカウント」で「自分ではありません」を押してください。すべてのサインインを終わらせ、アプ"
	    "リパスワードを取り消し、新しい"
	    "パスワードを設定します。サインインできなくなっている場合は、すぐに管理者へ連絡してください。\n",
	    s->settings->hostname);
}

struct telling {
	struct job job;
	int64_t account, token;
};

static enum result apply_told(struct job *j, struct db *db)
{
	const struct telling *t = (const struct telling *)j;
	DB_RUN(db, NEWCOMER_STATE, DI(t->account), DI(t->token), DI(2));
	DB_RUN(db, NEWCOMERS_OLD, DI(clock_utc_ms() - KEPT_DAYS * DAY_MS));
	return db_result(db);
}

/* Marked first: a crash in between tells nothing, where two would tell twice for ever if mail cannot be made. */
bool newcomers_round(struct store *s)
{
	ARENA_LOCAL(a, (size_t)65536);
	BUF_LOCAL(en, TEXT_MOST);
	BUF_LOCAL(ja, TEXT_MOST);
	struct due d;
	if (!next_due(s, &a, &d))
		return false;
	struct telling t = {.job = {.store = s, .apply = apply_told, .durable = true},
	    .account = d.account,
	    .token = d.token};
	if (writer_wait(s->writer, &t.job) != OK)
		return false;
	put_en(s, &d, &en);
	put_ja(s, &d, &ja);
	struct tell tell = {.account = d.account,
	    .where = TELL_MAILBOX | TELL_SECOND,
	    .en = buf_slice(&en),
	    .ja = buf_slice(&ja),
	    .service = "newcomer"};
	enum result r = tell_person(s, &tell);
	if (r != OK && r != GONE)
		EVENT(INTERNAL, KZ("where", "newcomers"), KZ("why", result_name(r)));
	return true;
}
