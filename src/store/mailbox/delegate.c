#include "store/mailbox/delegate.h"
#include "store/mailbox/access.h"
#include "store/queue/resolve.h"

static enum sending named(struct db *db, int64_t account, struct slice local, struct slice domain)
{
	enum sending best = SENDING_NOT;
	DB_ROWS q = DB_QUERY(db, DELEGATES_OF, DT(domain), DT(local));
	while (db_next(&q)) {
		struct who w;
		access_read_who(&q, &w);
		if (!access_is(db, account, &w))
			continue;
		if (db_int(&q, 4) == SENDING_AS)
			return SENDING_AS;
		best = SENDING_BEHALF;
	}
	return best;
}

enum sending delegate_sending(struct store *store, struct db *db, int64_t account, struct slice local,
    struct slice domain, struct arena *a)
{
	if (resolve_may_send_as(store, db, account, local, domain, a))
		return SENDING_OWN;
	struct slice folded = resolve_local(local, a), at = resolve_domain(domain, a);
	enum sending s = at.n ? named(db, account, folded, at) : SENDING_NOT;
	struct slice user = resolve_without_detail(store, folded);
	if (s == SENDING_NOT && at.n && user.n < folded.n)
		s = named(db, account, user, at);
	return s;
}
