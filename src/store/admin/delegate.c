/* Who may send for an address that is not his own; and the mailboxes of those who leave. */
#include "store/mailbox/access.h"
#include "store/admin/admin.h"
#include "store/mailbox/delegate.h"
#include "store/account/people.h"

static const char *mode_name(int64_t mode)
{
	return mode == SENDING_AS ? "as" : "behalf";
}

static json_t *delegate_json(struct db *db, const struct db_rows *q)
{
	struct who w;
	BUF_LOCAL(who, 2000);
	access_read_who(q, &w);
	access_put_who(db, &w, &who);
	return json_pack("{s:o,s:s}", "who", admin_string(buf_slice(&who)), "mode", mode_name(db_int(q, 4)));
}

/* An address of ours that is there, and who is named for it. */
static enum result take_both(struct admin *a, struct db *db, struct admin_address *at, struct who *w)
{
	struct slice who = admin_text(a, "who");
	enum result r = admin_address(a, admin_text(a, "address"), at);
	if (r != OK)
		return r;
	if (!DB_NUMBER(db, 0, ADDRESS_FIND, DT(at->domain), DT(at->local)))
		return admin_refuse(
		    a, GONE, "no such address of ours: " SLICE_FMT, SLICE_ARG(admin_text(a, "address")));
	if (access_parse_who(db, who, a->arena, w) != OK || w->kind == WHO_ANYONE)
		return admin_refuse(a, GONE, "no such account or group: " SLICE_FMT, SLICE_ARG(who));
	return OK;
}

enum result admin_delegate_add(struct admin *a, struct db *db)
{
	struct admin_address at;
	struct who w;
	struct slice mode = admin_text(a, "mode");
	enum result r = take_both(a, db, &at, &w);
	if (r != OK)
		return r;
	bool as = slice_eq(mode, SLICE("as"));
	if (!as && !slice_eq(mode, SLICE("behalf")))
		return admin_refuse(a, DENY, "the mode is \"as\" or \"behalf\"");
	DB_RUN(db, DELEGATE_SET, DT(at.domain), DT(at.local), DI(w.kind), DI(w.account), DT(w.domain),
	    DT(w.local), DI(as ? SENDING_AS : SENDING_BEHALF));
	a->answer = json_pack("{s:o,s:o,s:s}", "address", admin_address_string(a, at.shown, at.domain), "who",
	    admin_string(admin_text(a, "who")), "mode", as ? "as" : "behalf");
	return OK;
}

enum result admin_delegate_remove(struct admin *a, struct db *db)
{
	struct admin_address at;
	struct who w;
	enum result r = take_both(a, db, &at, &w);
	if (r != OK)
		return r;
	DB_RUN(db, DELEGATE_DROP, DT(at.domain), DT(at.local), DI(w.kind), DI(w.account), DT(w.domain),
	    DT(w.local));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "not named for this address");
}

enum result admin_delegate_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY0(db, DELEGATES_ALL);
	while (db_next(&q)) {
		json_t *v = delegate_json(db, &q);
		json_object_set_new(
		    v, "address", admin_address_string(a, db_octets(&q, 6), db_octets(&q, 5)));
		json_array_append_new(a->answer, v);
	}
	return OK;
}

/* ---- who leaves ---- */

enum result handover_mailboxes(struct db *db, int64_t account, const struct who *receiver, unsigned *n_out)
{
	int64_t ids[LIMIT_MAILBOXES];
	size_t n = 0;
	*n_out = 0;
	{
		DB_ROWS q = DB_QUERY(db, QUOTA_MAILBOXES, DI(account));
		while (n < COUNT(ids) && db_next(&q))
			ids[n++] = db_int(&q, 0);
	}
	for (size_t i = 0; i < n; i++)
		if (access_change(db, ids[i], receiver, false, ACCESS_REPLACE, RIGHT_LOOKUP | RIGHT_READ) !=
		    OK)
			return FULL;
		else
			*n_out += 1;
	return OK;
}

enum result admin_account_handover(struct admin *a, struct db *db)
{
	struct who receiver;
	struct slice to = admin_text(a, "to");
	unsigned mailboxes = 0;
	enum result r = admin_find_account(a, db, &a->account);
	if (r != OK)
		return r;
	if (access_parse_who(db, to, a->arena, &receiver) != OK || receiver.kind != WHO_ACCOUNT)
		return admin_refuse(a, GONE, "no such account: " SLICE_FMT, SLICE_ARG(to));
	if (receiver.account == a->account)
		return admin_refuse(a, DENY, "an account is not handed to itself");
	r = powers_not_himself(a, db, &receiver);
	if (r != OK)
		return r;
	r = handover_mailboxes(db, a->account, &receiver, &mailboxes);
	if (r != OK)
		return admin_refuse(a, r, "too many people and groups in a mailbox's list");
	DB_RUN(db, HANDOVER_ADD, DI(a->account), DI(receiver.account), DI(clock_utc_ms()));
	a->answer = json_pack("{s:o,s:o,s:I}", "address", admin_string(admin_text(a, "address")), "to",
	    admin_string(to), "mailboxes", (json_int_t)mailboxes);
	return OK;
}

json_t *admin_handovers(struct admin *a, struct db *db, int64_t account)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, HANDOVERS_OF, DI(account));
	while (db_next(&q)) {
		BUF_LOCAL(who, 2000);
		access_put_who(db, &(struct who){.kind = WHO_ACCOUNT, .account = db_int(&q, 0)}, &who);
		json_array_append_new(list, json_pack("{s:o,s:I}", "to", admin_string(buf_slice(&who)),
						"at_ms", (json_int_t)db_int(&q, 1)));
	}
	return list;
}
