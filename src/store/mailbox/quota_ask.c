/* STORE_QUOTA: what an account keeps and may keep, for those who can read one of its mailboxes (RFC 9208). */
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include "store/mailbox/quota.h"
#include "store/queue/resolve.h"

/* The owner of a quota root, which is called by its address. */
static int64_t owner_of(struct db *db, struct slice root, struct arena *a)
{
	ptrdiff_t at = slice_rfind(root, '@');
	if (at <= 0)
		return 0;
	struct slice domain = resolve_domain(slice_sub(root, (size_t)at + 1, root.n), a);
	return domain.n ? DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain),
			      DT(resolve_local(slice_sub(root, 0, (size_t)at), a)))
			: 0;
}

static bool reads_something_of(struct db *db, int64_t account, int64_t owner, struct arena *a)
{
	struct access_list list;
	access_visible(db, account, a, &list);
	for (size_t i = 0; i < list.n; i++)
		if (DB_NUMBER(db, 0, MAILBOX_ACCOUNT, DI(list.ids[i])) == owner &&
		    access_rights(db, account, owner, list.ids[i]) & RIGHT_READ)
			return true;
	return false;
}

static enum result find_owner(struct db *db, const struct login *user, const Sekisho__QuotaAsk *ask,
    struct arena *a, int64_t *owner_out, const char **why_out)
{
	struct access x;
	if (ask->by_root) {
		*owner_out = owner_of(db, slice_str(ask->name), a);
		bool may = *owner_out == user->account ||
			   (*owner_out && reads_something_of(db, user->account, *owner_out, a));
		return may ? OK : GONE;
	}
	access_find(db, user->account, slice_str(ask->name), a, &x);
	*owner_out = x.owner;
	return access_need(&x, RIGHT_READ, why_out);
}

static void fill(struct store *s, struct db *db, int64_t owner, struct arena *a, Sekisho__QuotaAnswer *answer)
{
	struct quota q;
	quota_load(s, db, owner, &q);
	answer->storage_limit = q.storage;
	answer->storage = q.used_storage;
	answer->messages_limit = q.messages;
	answer->messages = q.used_messages;
	DB_ROWS row = DB_QUERY(db, ACCOUNT_OWNER, DI(owner));
	if (!db_next(&row))
		return;
	char *root = arena_printf(
	    a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(&row, 0)), SLICE_ARG(db_octets(&row, 1)));
	answer->root = root ? root : (char *)"";
}

void ask_quota(struct ipc_turn *t)
{
	const struct login *user = session_of(t);
	if (!user)
		return;
	Sekisho__QuotaAnswer answer = SEKISHO__QUOTA_ANSWER__INIT;
	const char *why = NULL;
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		int64_t owner = 0;
		if (r.db) {
			done = find_owner(r.db, user, t->ask, &t->arena, &owner, &why);
			if (done == OK)
				fill(store_of(t), r.db, owner, &t->arena, &answer);
			done = db_result(r.db) == OK ? done : LATER;
		}
	}
	if (done == OK)
		ipc_answer(t, &answer, NULL);
	else if (why)
		ipc_refuse(t, done, "%s", why);
	else
		refuse(t, done);
}
