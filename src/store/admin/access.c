/* Shared accounts, and who may do what with a mailbox. */
#include "store/mailbox/access.h"
#include "store/admin/admin.h"

/* What people say instead of letters. */
static const struct {
	const char *word, *letters;
} words[] = {
    {"none", ""}, {"read", "lrs"}, {"append", "lrsip"}, {"write", "lrswipkxte"}, {"all", "lrswipkxtea"}};

static enum result take_rights(struct admin *a, unsigned *out)
{
	struct slice text = admin_text(a, "rights");
	for (size_t i = 0; i < COUNT(words); i++)
		if (slice_ieq(text, slice_str(words[i].word)))
			text = slice_str(words[i].letters);
	return access_parse_rights(text, out) == OK
		   ? OK
		   : admin_refuse(a, DENY,
			 "not rights: " SLICE_FMT
			 " (letters of lrswipkxtea, or none, read, append, write, all)",
			 SLICE_ARG(text));
}

static enum result take_who(struct admin *a, struct db *db, struct who *out)
{
	struct slice text = admin_text(a, "who");
	return access_parse_who(db, text, a->arena, out) == OK
		   ? OK
		   : admin_refuse(a, GONE,
			 "no such account or group: " SLICE_FMT " (an address, group:ADDRESS, or anyone)",
			 SLICE_ARG(text));
}

/* The mailbox args["mailbox"] of the account args["address"]. */
static enum result take_mailbox(struct admin *a, struct db *db, int64_t *account_out, int64_t *mailbox_out)
{
	struct slice name = admin_text(a, "mailbox");
	enum result r = admin_find_account(a, db, account_out);
	if (r != OK)
		return r;
	*mailbox_out = box_find(db, *account_out, name);
	return *mailbox_out ? OK : admin_refuse(a, GONE, "no such mailbox: " SLICE_FMT, SLICE_ARG(name));
}

static json_t *list_json(struct admin *a, struct db *db, int64_t mailbox)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, ACL_OF, DI(mailbox));
	while (db_next(&q)) {
		struct who w;
		access_read_who(&q, &w);
		for (int negative = 0; negative < 2; negative++) {
			BUF_LOCAL(who, 2000);
			BUF_LOCAL(rights, 32);
			if (!db_int(&q, 4 + negative))
				continue;
			buf_puts(&who, negative ? "-" : "");
			access_put_who(db, &w, &who);
			access_put_rights(&rights, (unsigned)db_int(&q, 4 + negative));
			json_array_append_new(
			    list, json_pack("{s:o,s:o}", "who", admin_string(buf_slice(&who)), "rights",
				      admin_string(buf_slice(&rights))));
		}
	}
	return list;
}

static enum result change(struct admin *a, struct db *db, enum access_change how)
{
	int64_t account, mailbox;
	struct who w;
	unsigned rights = 0;
	bool negative = json_is_true(json_object_get(a->args, "negative"));
	enum result r = take_mailbox(a, db, &account, &mailbox);
	if (r == OK)
		r = take_who(a, db, &w);
	if (r == OK && how == ACCESS_REPLACE)
		r = take_rights(a, &rights);
	if (r != OK)
		return r;
	if (w.kind == WHO_ACCOUNT && w.account == account)
		return admin_refuse(a, DENY, "its owner has every right");
	if (how == ACCESS_REPLACE && !negative && rights)
		r = powers_not_himself(a, db, &w);
	if (r != OK)
		return r;
	if (how == ACCESS_TAKE) { /* both what is granted and what is denied */
		result_ignore(access_change(db, mailbox, &w, true, ACCESS_REPLACE, 0));
		rights = RIGHTS_ALL;
	}
	if (access_change(db, mailbox, &w, negative, how, rights) != OK)
		return admin_refuse(a, FULL, "too many people and groups in its list");
	writer_touch(a->store->writer, mailbox, NULL);
	writer_tell(a->store->writer, NODE_NAMES, w.kind == WHO_ACCOUNT ? w.account : 0);
	a->answer = json_pack("{s:o,s:o}", "mailbox", admin_string(admin_text(a, "mailbox")), "access",
	    list_json(a, db, mailbox));
	return OK;
}

enum result admin_mailbox_grant(struct admin *a, struct db *db)
{
	return change(a, db, ACCESS_REPLACE);
}

enum result admin_mailbox_revoke(struct admin *a, struct db *db)
{
	return change(a, db, ACCESS_TAKE);
}

enum result admin_mailbox_list(struct admin *a, struct db *db)
{
	int64_t account;
	enum result r = admin_find_account(a, db, &account);
	if (r != OK)
		return r;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, MAILBOX_LIST, DI(account));
	while (db_next(&q))
		json_array_append_new(a->answer,
		    json_pack("{s:o,s:I,s:I,s:I,s:o}", "mailbox", admin_string(db_octets(&q, 1)), "messages",
			(json_int_t)db_int(&q, 8), "unseen", (json_int_t)db_int(&q, 9), "octets",
			(json_int_t)db_int(&q, 11), "access", list_json(a, db, db_int(&q, 0))));
	return OK;
}

/* ---- shared accounts ---- */

enum result admin_shared_add(struct admin *a, struct db *db)
{
	enum result r = admin_account_add(a, db);
	if (r != OK)
		return r;
	int64_t id = json_integer_value(json_object_get(a->answer, "id"));
	DB_RUN(db, ACCOUNT_SET_SHARED, DI(id), DI(1), DI(0));
	return OK;
}

enum result admin_shared_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, SHARED_LIST, DI(ORGANISATION));
	while (db_next(&q))
		json_array_append_new(a->answer,
		    json_pack("{s:o,s:o,s:I,s:I,s:o}", "address",
			admin_address_string(a, db_octets(&q, 1), db_octets(&q, 2)), "name",
			admin_string(db_octets(&q, 3)), "messages", (json_int_t)db_int(&q, 5), "octets",
			(json_int_t)db_int(&q, 6), "access", list_json(a, db, db_int(&q, 4))));
	return OK;
}

enum result admin_shared_remove(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = admin_find_account(a, db, &id);
	if (r != OK)
		return r;
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(id));
	if (!db_next(&q) || !db_int(&q, 2))
		return admin_refuse(a, DENY, "this is a person's account, not a shared one");
	db_end(&q);
	return admin_account_remove(a, db);
}
