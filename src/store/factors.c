#include "store/factors.h"

int64_t factors_due(struct store *s, struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, FACTOR_DUE, DI(account));
	return db_next(&q) && !db_is_null(&q, 0) ? db_int(&q, 0) : 0;
}
