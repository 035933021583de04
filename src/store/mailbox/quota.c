#include "store/mailbox/quota.h"
#include "store/mailbox/access.h"
#include "store/queue/courier.h"

#define OWED_AT_ONCE 50
#define INHERITED (-1)

static const unsigned levels[] = {95, 90, 80};

/* ---- limits ---- */

/* The larger of two limits, where 0 is none and beats all. */
static int64_t larger(int64_t a, int64_t b)
{
	if (a == INHERITED || b == INHERITED)
		return MAX(a, b);
	return !a || !b ? 0 : MAX(a, b);
}

struct limits {
	struct db *db;
	int64_t storage, messages;
};

static void add_group(void *arg, struct slice domain, struct slice local)
{
	struct limits *l = arg;
	DB_ROWS q = DB_QUERY(l->db, QUOTA_GET, DI(WHO_GROUP), DI(0), DT(domain), DT(local));
	if (!db_next(&q))
		return;
	l->storage = larger(l->storage, db_int(&q, 0));
	l->messages = larger(l->messages, db_int(&q, 1));
}

static void load_limits(const struct store *s, struct db *db, int64_t account, struct quota *q)
{
	struct limits own = {db, INHERITED, INHERITED}, groups = {db, INHERITED, INHERITED};
	bool any_group = false;
	{
		DB_ROWS rows = DB_QUERY(db, QUOTA_OF, DI(account));
		while (db_next(&rows)) {
			any_group |= db_int(&rows, 0) == WHO_GROUP;
			if (db_int(&rows, 0) != WHO_ACCOUNT)
				continue;
			own.storage = db_int(&rows, 1);
			own.messages = db_int(&rows, 2);
		}
	}
	if (any_group && (own.storage == INHERITED || own.messages == INHERITED))
		access_groups(db, account, add_group, &groups);
	int64_t storage = own.storage != INHERITED ? own.storage : groups.storage;
	int64_t messages = own.messages != INHERITED ? own.messages : groups.messages;
	q->storage = storage != INHERITED ? (uint64_t)storage : s->settings->quota_storage;
	q->messages = messages != INHERITED ? (uint64_t)messages : s->settings->quota_messages;
}

static void load_used(struct db *db, int64_t account, struct quota *q)
{
	DB_ROWS rows = DB_QUERY(db, QUOTA_USED, DI(account));
	if (!db_next(&rows))
		return;
	q->used_storage = (uint64_t)db_int(&rows, 0);
	q->used_messages = (uint64_t)db_int(&rows, 1);
}

void quota_load(const struct store *s, struct db *db, int64_t account, struct quota *q)
{
	*q = (struct quota){0};
	load_limits(s, db, account, q);
	if (q->storage || q->messages)
		load_used(db, account, q);
}

void quota_show(const struct store *s, struct db *db, int64_t account, struct quota *q)
{
	*q = (struct quota){0};
	load_limits(s, db, account, q);
	load_used(db, account, q);
}

static bool fits(uint64_t limit, uint64_t used, uint64_t more)
{
	return !limit || !more || (used <= limit && more <= limit - used);
}

enum result quota_fits(const struct quota *q, uint64_t octets, uint64_t messages)
{
	return fits(q->storage, q->used_storage, octets) && fits(q->messages, q->used_messages, messages)
		   ? OK
		   : FULL;
}

enum result quota_room(
    const struct store *s, struct db *db, int64_t account, uint64_t octets, uint64_t messages)
{
	struct quota q;
	quota_load(s, db, account, &q);
	return db_result(db) == OK ? quota_fits(&q, octets, messages) : LATER;
}

/* ---- warnings that are owed ---- */

static bool reached(uint64_t limit, uint64_t used, unsigned percent)
{
	return limit && used >= limit / 100 * percent + limit % 100 * percent / 100 && used;
}

unsigned quota_level(const struct quota *q)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (reached(q->storage, q->used_storage, levels[i]) ||
		    reached(q->messages, q->used_messages, levels[i]))
			return levels[i];
	return 0;
}

static void note_level(struct db *db, int64_t account, const struct quota *q)
{
	unsigned old = 0, told = 0, level = quota_level(q);
	{
		DB_ROWS rows = DB_QUERY(db, QUOTA_STATE, DI(account));
		if (db_next(&rows)) {
			old = (unsigned)db_int(&rows, 0);
			told = (unsigned)db_int(&rows, 1);
		}
	}
	if (level == old)
		return;
	if (level)
		DB_RUN(db, QUOTA_STATE_SET, DI(account), DI(level), DI(MIN(told, level)));
	else
		DB_RUN(db, QUOTA_STATE_DROP, DI(account));
	if (level > old)
		EVENT(QUOTA_REACHED, KN("account", account), KN("percent", level),
		    KN("octets", q->used_storage), KN("messages", q->used_messages));
}

void quota_settle(const struct store *s, struct db *db, int64_t account)
{
	struct quota q;
	quota_load(s, db, account, &q);
	note_level(db, account, &q);
}

enum result quota_take(
    const struct store *s, struct db *db, int64_t account, uint64_t octets, uint64_t messages, bool enforce)
{
	struct quota q;
	quota_load(s, db, account, &q);
	if (!q.storage && !q.messages)
		return OK;
	if (enforce && quota_fits(&q, octets, messages) != OK)
		return FULL;
	q.used_storage += octets;
	q.used_messages += messages;
	note_level(db, account, &q);
	return OK;
}

void quota_wake_owed(struct store *s)
{
	int64_t accounts[OWED_AT_ONCE];
	size_t n = 0;
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		DB_ROWS q = DB_QUERY(r.db, QUOTA_OWED, DI(OWED_AT_ONCE));
		while (n < OWED_AT_ONCE && db_next(&q))
			accounts[n++] = db_int(&q, 0);
	}
	for (size_t i = 0; i < n; i++)
		courier_wake_account(s, accounts[i]);
}
