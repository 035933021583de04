#include "store/account/factors.h"
#include "store/account/roles.h"

#define ROLES_ARENA ((size_t)1 << 20)

/* Whoever has a role, of any kind, can do harm to others. */
bool factors_administrator(struct db *db, int64_t account)
{
	ARENA_LOCAL(a, ROLES_ARENA);
	struct powers p;
	return powers_of_account(db, account, &a, &p) == OK && p.n > 1; /* the first is everybody's */
}

static int64_t due_as_administrator(struct store *s, struct db *db, int64_t account)
{
	if (!factors_administrator(db, account))
		return 0;
	return DB_NUMBER(db, 0, ACCOUNT_MADE, DI(account)) + s->settings->administrator_grace_ms;
}

int64_t factors_due(struct store *s, struct db *db, int64_t account)
{
	int64_t as_administrator = due_as_administrator(s, db, account), by_rule = 0;
	DB_ROWS q = DB_QUERY(db, FACTOR_DUE, DI(account));
	if (db_next(&q) && !db_is_null(&q, 0))
		by_rule = db_int(&q, 0);
	if (!as_administrator || !by_rule)
		return MAX(as_administrator, by_rule);
	return MIN(as_administrator, by_rule);
}
