/* Rules for the age of passwords (store/account/passwords.h). */
#include "store/account/passwords.h"
#include "store/admin/admin.h"
#include "store/mailbox/access.h"

#define DAYS_LEAST 30
#define DAYS_MOST 3650

/* Shown where an age is asked for. */
static const char advice_en[] =
    "NIST SP 800-63B-4 and IPA advise against changing passwords by the calendar: people then choose weaker "
    "ones that differ by a digit. Better are long passwords, a second factor, and a change at once when "
    "there "
    "are signs of abuse, which this server asks for by itself. Set an age only where a contract or an "
    "auditor "
    "demands it.";
static const char advice_ja[] = "NIST SP 800-63B-4 や IPA は、パスワードの定期的な変更を推奨していません。"
				"末尾の数字を変えるだけの弱いパスワードを招くためです。"
				"長いパスワード、二要素認証、そして悪用の兆候があったときの即時の変更"
				"(このサーバーが自動的に求めます)の方が有効です。"
				"契約や監査で求められる場合に限って設定してください。";

struct rule_target {
	struct who who;
	struct slice role; /* "role:NAME" */
};

static int64_t kind_of(const struct rule_target *t)
{
	return t->role.n ? PASSWORD_RULE_ROLE : (int64_t)t->who.kind;
}

static enum result take_target(struct admin *a, struct db *db, struct rule_target *t)
{
	struct slice text = admin_text(a, "who"), rest = text;
	*t = (struct rule_target){0};
	if (slice_starts(text, SLICE("role:"))) {
		slice_split(&rest, ':');
		t->role = rest;
		return role_find(rest) ? OK
				       : admin_refuse(a, GONE, "no such role: " SLICE_FMT, SLICE_ARG(rest));
	}
	if (access_parse_who(db, text, a->arena, &t->who) == OK)
		return OK;
	return admin_refuse(a, GONE, "no such account or group: " SLICE_FMT, SLICE_ARG(text));
}

static json_t *advice(void)
{
	return json_pack("{s:s,s:s}", "en", advice_en, "ja", advice_ja);
}

enum result admin_password_rule_add(struct admin *a, struct db *db)
{
	struct rule_target t;
	int64_t days = admin_number(a, "days", 0);
	enum result r = take_target(a, db, &t);
	if (r != OK)
		return r;
	if (days < DAYS_LEAST || days > DAYS_MOST)
		return admin_refuse(
		    a, DENY, "a password may become %d to %d days old", DAYS_LEAST, DAYS_MOST);
	if (db_number(db, 0, SQL_PASSWORD_RULES_COUNT, NULL, 0) >= LIMIT_PASSWORD_RULES)
		return admin_refuse(
		    a, FULL, "there are %d rules, and no more can be made", LIMIT_PASSWORD_RULES);
	DB_RUN(db, PASSWORD_RULE_PUT, DI(kind_of(&t)), DI(t.who.account), DT(t.who.domain),
	    DT(t.role.n ? t.role : t.who.local), DI(days), DI(clock_utc_ms()));
	a->answer = json_pack("{s:o,s:I,s:o}", "who", admin_string(admin_text(a, "who")), "days",
	    (json_int_t)days, "advice", advice());
	return OK;
}

enum result admin_password_rule_remove(struct admin *a, struct db *db)
{
	struct rule_target t;
	enum result r = take_target(a, db, &t);
	if (r != OK)
		return r;
	DB_RUN(db, PASSWORD_RULE_DROP, DI(kind_of(&t)), DI(t.who.account), DT(t.who.domain),
	    DT(t.role.n ? t.role : t.who.local));
	return db_changed(db) ? OK : admin_refuse(a, GONE, "there is no such rule");
}

static void put_target(const struct db_rows *q, struct buf *b)
{
	int64_t kind = db_int(q, 0);
	if (kind == WHO_ANYONE)
		buf_puts(b, "anyone");
	else if (kind == PASSWORD_RULE_ROLE)
		buf_printf(b, "role:" SLICE_FMT, SLICE_ARG(db_octets(q, 2)));
	else if (kind == WHO_GROUP)
		buf_printf(b, "group:" SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(q, 2)),
		    SLICE_ARG(db_octets(q, 1)));
	else
		buf_printf(
		    b, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(q, 5)), SLICE_ARG(db_octets(q, 6)));
}

enum result admin_password_rules(struct admin *a, struct db *db)
{
	json_t *rules = json_array();
	DB_ROWS q = DB_QUERY0(db, PASSWORD_RULES);
	while (db_next(&q)) {
		BUF_LOCAL(who, 2000);
		put_target(&q, &who);
		json_array_append_new(
		    rules, json_pack("{s:o,s:I,s:I}", "who", admin_string(buf_slice(&who)), "days",
			       (json_int_t)db_int(&q, 3), "since_ms", (json_int_t)db_int(&q, 4)));
	}
	a->answer = json_pack("{s:o,s:o}", "rules", rules, "advice", advice());
	return OK;
}
