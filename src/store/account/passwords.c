#include "store/account/passwords.h"
#include "store/account/tell.h"
#include <stdlib.h>

#define ROUND_MS HOUR_MS
#define AT_ONCE 100
#define ROUND "password ages" /* in numbers: the last round */

static int64_t end_of(struct db *db, int64_t account, int64_t made)
{
	int64_t ends = 0;
	DB_ROWS q = DB_QUERY(db, PASSWORD_ENDS, DI(account));
	while (db_next(&q)) {
		int64_t by_rule = MAX(made + db_int(&q, 0) * DAY_MS, db_int(&q, 1) + PASSWORD_NOTICE_MS);
		ends = ends ? MIN(ends, by_rule) : by_rule;
	}
	return ends;
}

struct password_state password_state(struct db *db, int64_t account, int64_t made_ms, int64_t now_ms)
{
	struct password_state p = {.ends_ms = end_of(db, account, made_ms)};
	p.outdated = p.ends_ms && now_ms >= p.ends_ms;
	return p;
}

/* ---- when it was made ---- */

void password_seen(struct db *db, int64_t account, int64_t made_ms)
{
	if (made_ms)
		DB_RUN(db, PASSWORD_SEEN, DI(account), DI(made_ms));
}

struct noting {
	struct job job;
	int64_t account, made;
};

static enum result apply_noting(struct job *j, struct db *db)
{
	const struct noting *n = (const struct noting *)j;
	if (DB_NUMBER(db, 0, ACCOUNT_MADE, DI(n->account)))
		password_seen(db, n->account, n->made);
	return db_result(db);
}

static void noting_done(struct job *j, enum result r)
{
	free(j);
}

void password_note(struct store *s, int64_t account, int64_t made_ms)
{
	{
		READER r = reader_begin(s);
		if (!made_ms || !r.db || DB_NUMBER(r.db, 0, PASSWORD_MADE, DI(account)) == made_ms)
			return;
	}
	struct noting *n = calloc(1, sizeof *n);
	if (!n)
		abort();
	*n = (struct noting){.job = {.store = s, .apply = apply_noting, .done = noting_done},
	    .account = account,
	    .made = made_ms};
	writer_put(s->writer, &n->job);
}

/* ---- notices ---- */

/* The least of 14, 7 and 1 that its days are not above; 0: there is time. */
static int64_t step_of(int64_t left_ms)
{
	static const int64_t steps[] = {1, 7, 14};
	for (size_t i = 0; i < COUNT(steps); i++)
		if (left_ms <= steps[i] * DAY_MS)
			return steps[i];
	return 0;
}

struct warned {
	struct job job;
	int64_t account, step;
};

static enum result apply_warned(struct job *j, struct db *db)
{
	const struct warned *w = (const struct warned *)j;
	DB_RUN(db, PASSWORD_WARNED, DI(w->account), DI(w->step));
	return db_result(db);
}

static void warn(struct store *s, int64_t account, int64_t step, int64_t left_ms)
{
	BUF_LOCAL(en, 2048);
	BUF_LOCAL(ja, 2048);
	struct warned w = {
	    .job = {.store = s, .apply = apply_warned, .durable = true}, .account = account, .step = step};
	long long days = (long long)(MAX(left_ms, (int64_t)0) / DAY_MS);
	if (writer_wait(s->writer, &w.job) != OK)
		return;
	buf_printf(&en,
	    "Your password has to be changed within %lld days\n\nYour organisation asks for a new password "
	    "from time to "
	    "time. Open https://%s/ (type the address yourself), go to \"Your account\" and choose another "
	    "one. Afterwards it "
	    "is asked for when you sign in; programs with a password of their own are not concerned.\n",
	    days, s->settings->hostname);
	buf_printf(&ja,
	    "パスワードの変更期限まであと %lld "
	    "日です\n\n組織の規則により、パスワードを定期的に変更することになっています。"
	    "https://%s/ "
	    "を(アドレスを自分で入力して)"
	    "開き、「自分のアカウント」で新しいパスワードを設定してください。期限を過ぎると、"
	    "サインインの際に変更を求められます。アプリパスワードを使うソフトウェアには影響しません。\n",
	    days, s->settings->hostname);
	struct tell tell = {.account = account,
	    .where = TELL_MAILBOX,
	    .en = buf_slice(&en),
	    .ja = buf_slice(&ja),
	    .service = "passwords"};
	enum result r = tell_person(s, &tell);
	if (r != OK)
		EVENT(INTERNAL, KZ("where", "passwords"), KZ("why", result_name(r)));
}

struct batch {
	struct {
		int64_t account, step, left;
	} at[AT_ONCE];
	size_t n;
	int64_t after; /* the last account that was looked at; 0: that was all */
};

static void find_due(struct db *db, int64_t after, int64_t now, struct batch *b)
{
	struct {
		int64_t account, made, warned;
	} rows[AT_ONCE];
	size_t n = 0;
	*b = (struct batch){0};
	{
		DB_ROWS q = DB_QUERY(db, PASSWORDS_ALL, DI(after), DI(AT_ONCE));
		for (; n < AT_ONCE && db_next(&q); n++) {
			rows[n].account = db_int(&q, 0);
			rows[n].made = db_int(&q, 1);
			rows[n].warned = db_int(&q, 2);
		}
	}
	for (size_t i = 0; i < n; i++) {
		int64_t ends = end_of(db, rows[i].account, rows[i].made),
			step = ends ? step_of(ends - now) : 0;
		if (!step || (rows[i].warned && rows[i].warned <= step))
			continue;
		b->at[b->n].account = rows[i].account;
		b->at[b->n].step = step;
		b->at[b->n++].left = ends - now;
	}
	b->after = n == AT_ONCE ? rows[n - 1].account : 0;
}

static enum result apply_round(struct job *j, struct db *db)
{
	int64_t now = clock_utc_ms(), last = DB_NUMBER(db, 0, NUMBER_GET, DZ(ROUND));
	if (last > now - ROUND_MS && last <= now)
		return GONE; /* another node's */
	DB_RUN(db, NUMBER_SET, DZ(ROUND), DI(now));
	return OK;
}

void passwords_round(struct store *s)
{
	struct job claim = {.store = s, .apply = apply_round};
	int64_t now = clock_utc_ms();
	struct batch b = {0};
	{
		READER r = reader_begin(s);
		if (!r.db || !db_number(r.db, 0, SQL_PASSWORD_RULES_COUNT, NULL, 0))
			return;
		int64_t last = DB_NUMBER(r.db, 0, NUMBER_GET, DZ(ROUND));
		if (last > now - ROUND_MS && last <= now)
			return;
	}
	if (writer_wait(s->writer, &claim) != OK)
		return;
	do {
		{
			READER r = reader_begin(s);
			if (!r.db)
				return;
			find_due(r.db, b.after, now, &b);
		}
		for (size_t i = 0; i < b.n; i++)
			warn(s, b.at[i].account, b.at[i].step, b.at[i].left);
	} while (b.after);
}
