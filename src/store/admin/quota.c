/* How much accounts and groups may keep. */
#include "store/mailbox/access.h"
#include "store/admin/admin.h"
#include "store/mailbox/quota.h"

#define INHERITED (-1)

/* "10G", "500M", "none", "default"; a count may have a unit too, which does no harm. */
static enum result take_amount(struct admin *a, const char *key, int64_t *io)
{
	struct slice text = admin_text(a, key);
	uint64_t n, unit = 1;
	if (json_is_integer(json_object_get(a->args, key))) {
		*io = admin_number(a, key, *io);
		return *io >= 0 ? OK : admin_refuse(a, DENY, "not an amount");
	}
	if (!text.n)
		return OK;
	if (slice_ieq(text, SLICE("default")) || slice_ieq(text, SLICE("none"))) {
		*io = slice_ieq(text, SLICE("none")) ? 0 : INHERITED;
		return OK;
	}
	static const char units[] = "KMGT";
	const char *found = strchr(units, ascii_upper(text.p[text.n - 1]));
	struct slice digits = text;
	if (found) {
		digits.n--;
		unit = (uint64_t)1 << (10 * (found - units + 1));
	}
	if (num_u64(digits, INT64_MAX / 2, &n) != OK || !mul_ok(n, unit, &n) || n > INT64_MAX)
		return admin_refuse(
		    a, DENY, "not an amount: " SLICE_FMT " (500M, 10G, none, default)", SLICE_ARG(text));
	*io = (int64_t)n;
	return OK;
}

static json_t *limit_json(uint64_t limit)
{
	return limit ? json_integer((json_int_t)limit) : json_string("none");
}

static json_t *quota_json(struct admin *a, struct db *db, int64_t account)
{
	struct quota q;
	quota_show(a->store, db, account, &q);
	json_t *v = json_pack("{s:I,s:o,s:I,s:o,s:I}", "octets", (json_int_t)q.used_storage, "octets_limit",
	    limit_json(q.storage), "messages", (json_int_t)q.used_messages, "messages_limit",
	    limit_json(q.messages), "reached_percent", (json_int_t)quota_level(&q));
	DB_ROWS row = DB_QUERY(db, ACCOUNT_OWNER, DI(account));
	if (db_next(&row))
		json_object_set_new(
		    v, "address", admin_address_string(a, db_octets(&row, 0), db_octets(&row, 1)));
	return v;
}

/* Of an account, or of "group:address". */
static enum result take_whose(struct admin *a, struct db *db, struct who *w)
{
	struct slice text = admin_text(a, "who");
	if (access_parse_who(db, text, a->arena, w) == OK && w->kind != WHO_ANYONE)
		return OK;
	return admin_refuse(a, GONE, "no such account or group: " SLICE_FMT, SLICE_ARG(text));
}

enum result admin_quota_set(struct admin *a, struct db *db)
{
	struct who w;
	int64_t storage = INHERITED, messages = INHERITED;
	enum result r = take_whose(a, db, &w);
	if (r != OK)
		return r;
	{
		DB_ROWS q = DB_QUERY(db, QUOTA_GET, DI(w.kind), DI(w.account), DT(w.domain), DT(w.local));
		if (db_next(&q)) {
			storage = db_int(&q, 0);
			messages = db_int(&q, 1);
		}
	}
	r = take_amount(a, "storage", &storage);
	if (r == OK)
		r = take_amount(a, "messages", &messages);
	if (r != OK)
		return r;
	if (storage == INHERITED && messages == INHERITED)
		DB_RUN(db, QUOTA_DROP, DI(w.kind), DI(w.account), DT(w.domain), DT(w.local));
	else
		DB_RUN(db, QUOTA_SET, DI(w.kind), DI(w.account), DT(w.domain), DT(w.local), DI(storage),
		    DI(messages));
	if (w.kind == WHO_ACCOUNT) {
		quota_settle(a->store, db, w.account);
		a->answer = quota_json(a, db, w.account);
		return OK;
	}
	a->answer = json_pack("{s:o,s:I,s:I}", "who", admin_string(admin_text(a, "who")), "octets_limit",
	    (json_int_t)storage, "messages_limit", (json_int_t)messages);
	return OK;
}

enum result admin_quota_show(struct admin *a, struct db *db)
{
	int64_t account;
	enum result r = admin_find_account(a, db, &account);
	if (r == OK)
		a->answer = quota_json(a, db, account);
	return r;
}

enum result admin_quota_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, QUOTA_ACCOUNTS, DI(ORGANISATION));
	while (db_next(&q))
		json_array_append_new(a->answer, quota_json(a, db, db_int(&q, 0)));
	return OK;
}

/* ---- counting again ---- */

struct recount {
	struct job job;
	int64_t mailbox;
	bool corrected;
};

struct counted {
	int64_t messages, size, unseen, deleted;
};

/* What the mailbox's row says, and what its messages say. */
static bool differs(struct db *db, int64_t mailbox, const struct counted *row, struct counted *out)
{
	DB_ROWS q = DB_QUERY(db, QUOTA_COUNTED, DI(mailbox));
	if (!db_next(&q))
		return false;
	*out = (struct counted){db_int(&q, 0), db_int(&q, 1), db_int(&q, 2), db_int(&q, 3)};
	return memcmp(row, out, sizeof *row) != 0;
}

static enum result apply_recount(struct job *j, struct db *db)
{
	struct recount *r = (struct recount *)j;
	struct counted now;
	struct box b;
	if (!box_load(db, r->mailbox, &b))
		return OK;
	struct counted row = {b.messages, (int64_t)b.size, b.unseen, b.deleted};
	r->corrected = differs(db, r->mailbox, &row, &now);
	if (r->corrected)
		DB_RUN(db, QUOTA_CORRECT, DI(r->mailbox), DI(now.messages), DI(now.size), DI(now.unseen),
		    DI(now.deleted));
	quota_settle(j->store, db, b.account);
	return OK;
}

struct found {
	unsigned mailboxes, corrected;
};

/* Looked at by a reader; only what differs is counted again by the writer. */
static enum result recount_account(struct admin *a, struct db *db, int64_t account, struct found *f)
{
	DB_ROWS q = DB_QUERY(db, QUOTA_MAILBOXES, DI(account));
	while (db_next(&q)) {
		struct counted row = {db_int(&q, 1), db_int(&q, 2), db_int(&q, 3), db_int(&q, 4)}, now;
		f->mailboxes++;
		if (!differs(db, db_int(&q, 0), &row, &now))
			continue;
		struct recount r = {
		    .job = {.store = a->store, .apply = apply_recount, .durable = true},
		    .mailbox = db_int(&q, 0),
		};
		enum result done = writer_wait(a->store->writer, &r.job);
		if (done != OK)
			return done;
		f->corrected += r.corrected;
	}
	return OK;
}

enum result admin_quota_recount(struct admin *a, struct db *db)
{
	struct found f = {0};
	int64_t account;
	enum result r = OK;
	if (admin_text(a, "address").n) {
		r = admin_find_account(a, db, &account);
		if (r == OK)
			r = recount_account(a, db, account, &f);
	} else {
		DB_ROWS q = DB_QUERY(db, QUOTA_ACCOUNTS, DI(ORGANISATION));
		while (r == OK && db_next(&q))
			r = recount_account(a, db, db_int(&q, 0), &f);
	}
	a->answer = json_pack("{s:i,s:i}", "mailboxes", f.mailboxes, "corrected", f.corrected);
	return r;
}
