#include "store/account/epoch.h"
#include "store/account/websession.h"

void epoch_end_sessions(struct writer *w, struct db *db, int64_t account, int64_t but)
{
	websession_end_others(db, account, but);
	writer_tell(w, NODE_END, account);
}

void epoch_bump(struct writer *w, struct db *db, int64_t account)
{
	DB_RUN(db, EPOCH_BUMP, DI(account));
	epoch_end_sessions(w, db, account, 0);
}
