/* What is held for its recipients, and how much an account may still send. */
#include "store/admin/admin.h"
#include "store/mailbox/fields.h"
#include "store/queue/queue.h"
#include "store/contain/spend.h"

#define LIST_MOST 1000
#define ROWS_MOST 100000

/* ---- showing ---- */

static json_t *held_json(struct admin *a, struct db *db, const struct db_rows *q)
{
	struct slice mail = db_octets(q, 0);
	struct slice from = queue_open_sealed(a->store, mail, db_octets(q, 3), a->arena);
	struct hold_text why = hold_text(db_int(q, 5));
	json_t *account = json_null();
	{
		DB_ROWS of = DB_QUERY(db, ACCOUNT_SHOWN, DI(db_int(q, 4)));
		if (db_next(&of))
			account = admin_address_string(a, db_octets(&of, 0), db_octets(&of, 1));
	}
	return json_pack("{s:o,s:o,s:o,s:s,s:s,s:s,s:s,s:I,s:f,s:I,s:[]}", "mail", admin_string(mail),
	    "account", account, "from",
	    admin_address_string(a, fields_find(from, QUEUE_LOCAL), fields_find(from, QUEUE_DOMAIN)), "why",
	    why.name ? why.name : "", "why_text", why.en ? why.en : "", "why_text_ja", why.ja ? why.ja : "",
	    "context", context_name((enum context_kind)MIN(db_int(q, 7), CONTEXT_KINDS - 1)), "created_at_ms",
	    (json_int_t)db_int(q, 1), "first_time", (double)db_int(q, 6) / BUDGET_WHOLE, "size",
	    (json_int_t)db_int(q, 2), "to");
}

/* A message's rows stand together. */
static enum result list(struct admin *a, struct db *db, int64_t account, struct slice mail)
{
	size_t most = (size_t)MIN(MAX(admin_number(a, "limit", LIST_MOST), 1), 100000);
	json_t *last = NULL;
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, HELD_LIST, DI(account), DT(mail), DI(ROWS_MOST));
	while (db_next(&q)) {
		struct slice id = db_octets(&q, 0);
		const char *before = last ? json_string_value(json_object_get(last, "mail")) : "";
		if (!last || !slice_eq(slice_str(before), id)) {
			if (json_array_size(a->answer) == most)
				break;
			last = held_json(a, db, &q);
			json_array_append_new(a->answer, last);
		}
		struct slice to = queue_open_sealed(a->store, id, db_octets(&q, 8), a->arena);
		json_array_append_new(json_object_get(last, "to"),
		    admin_address_string(a, fields_find(to, QUEUE_LOCAL), fields_find(to, QUEUE_DOMAIN)));
	}
	return OK;
}

enum result admin_hold_list(struct admin *a, struct db *db)
{
	int64_t account = 0;
	if (admin_text(a, "address").n) {
		enum result r = admin_find_account(a, db, &account);
		if (r != OK)
			return r;
	}
	return list(a, db, account, SLICE_NONE);
}

enum result admin_hold_show(struct admin *a, struct db *db)
{
	struct slice mail = admin_item(a, "mail", 0);
	enum result r = mail.n ? list(a, db, 0, mail) : DENY;
	if (r == OK && json_array_size(a->answer) == 0)
		return admin_refuse(a, GONE, "no such mail is held");
	if (r == OK) {
		json_t *one = json_incref(json_array_get(a->answer, 0));
		json_decref(a->answer);
		a->answer = one;
	}
	return r;
}

/* ---- changing ---- */

void admin_hold_learn(struct admin *a, struct db *db, struct slice mail)
{
	int64_t tokens[LIMIT_SMTP_RCPTS], account = 0, now = clock_utc_ms();
	size_t n = 0;
	{
		DB_ROWS q = DB_QUERY(db, HELD_LIST, DI(0), DT(mail), DI(LIMIT_SMTP_RCPTS));
		while (n < COUNT(tokens) && db_next(&q)) {
			struct slice to = queue_open_sealed(a->store, mail, db_octets(&q, 8), a->arena);
			account = db_int(&q, 4);
			tokens[n++] = spend_token(
			    a->store, fields_find(to, QUEUE_LOCAL), fields_find(to, QUEUE_DOMAIN));
		}
	}
	for (size_t i = 0; account && i < n; i++)
		DB_RUN(db, KNOWN_ADD, DI(account), DI(tokens[i]), DI(now));
}

/* Whoever lets it go has looked at it: its recipients are known from now on. */
enum result admin_hold_release(struct admin *a, struct db *db)
{
	struct slice mail;
	for (size_t i = 0; (mail = admin_item(a, "mail", i)).n; i++)
		admin_hold_learn(a, db, mail);
	return admin_queue_release(a, db);
}

enum result admin_hold_remove(struct admin *a, struct db *db)
{
	struct slice mail;
	for (size_t i = 0; (mail = admin_item(a, "mail", i)).n; i++) {
		DB_ROWS q = DB_QUERY(db, QUEUED_FIND, DT(mail));
		if (db_next(&q) && db_int(&q, 1) != MAIL_HELD)
			return admin_refuse(a, DENY, "it is not held: " SLICE_FMT, SLICE_ARG(mail));
	}
	return admin_queue_remove(a, db);
}

/* ---- budgets ---- */

#define ALLOWANCE_MOST 1000000

static json_t *allowance_json(const struct allowance *allowed, struct slice networks)
{
	return json_pack("{s:i,s:i,s:o}", "hour", (int)allowed->hour, "day", (int)allowed->day, "networks",
	    admin_string(networks));
}

enum result admin_budget_show(struct admin *a, struct db *db)
{
	int64_t account;
	enum result r = admin_find_account(a, db, &account);
	if (r != OK)
		return r;
	struct spend_state s;
	struct allowance allowed;
	struct slice networks;
	const struct budget_rules *rules = &a->store->settings->budget;
	spend_look(a->store, db, account, &s);
	a->answer =
	    json_pack("{s:s,s:{s:I,s:I,s:I},s:{s:I,s:I,s:I},s:I,s:I}", "level", points_level_name(s.level),
		"left", "familiar", (json_int_t)budget_left(rules, &s.used_to, &s.spent, CONTEXT_FAMILIAR),
		"new_network", (json_int_t)budget_left(rules, &s.used_to, &s.spent, CONTEXT_NEW_NETWORK),
		"abroad", (json_int_t)budget_left(rules, &s.used_to, &s.spent, CONTEXT_ABROAD), "used_to",
		"first_time_hour", (json_int_t)s.used_to.hour, "first_time_day", (json_int_t)s.used_to.day,
		"recipients_10_minutes", (json_int_t)s.used_to.slot, "held", (json_int_t)s.held,
		"held_octets", (json_int_t)s.held_octets);
	if (spend_allowance(db, account, a->arena, &allowed, &networks))
		json_object_set_new(a->answer, "machine", allowance_json(&allowed, networks));
	return OK;
}

/* A number above 0 that is a number of recipients. */
static enum result take_recipients(struct admin *a, const char *key, uint32_t *out)
{
	int64_t n = admin_number(a, key, 0);
	if (n < 1 || n > ALLOWANCE_MOST)
		return admin_refuse(a, DENY, "%s is a number of recipients, at most %d", key, ALLOWANCE_MOST);
	*out = (uint32_t)n;
	return OK;
}

/* A whole country is no network of a machine. */
static enum result take_networks(struct admin *a, struct buf *out)
{
	struct slice one;
	for (size_t i = 0; (one = admin_item(a, "network", i)).n; i++) {
		struct ip_net net;
		char text[IP_NET_TEXT];
		if (i == LIMIT_NETWORKS)
			return admin_refuse(a, FULL, "that is too many networks");
		if (ip_net_read(one, &net) != OK)
			return admin_refuse(a, DENY, "this is no network: " SLICE_FMT, SLICE_ARG(one));
		if (net.bits < (net.ip.v4 ? 8u : 32u))
			return admin_refuse(a, DENY, "this network is too large: " SLICE_FMT, SLICE_ARG(one));
		buf_printf(out, "%s%s", i ? " " : "", ip_net_text(&net, text));
	}
	return out->n ? OK : admin_refuse(a, DENY, "from which networks?");
}

enum result admin_budget_set(struct admin *a, struct db *db)
{
	struct allowance allowed = {0};
	BUF_LOCAL(networks, LIMIT_NETWORKS * IP_NET_TEXT);
	int64_t account;
	enum result r = admin_find_account(a, db, &account);
	if (r == OK)
		r = take_recipients(a, "hour", &allowed.hour);
	if (r == OK)
		r = take_recipients(a, "day", &allowed.day);
	if (r == OK)
		r = take_networks(a, &networks);
	if (r != OK)
		return r;
	DB_RUN(db, ALLOWANCE_SET, DI(account), DI(allowed.hour), DI(allowed.day), DT(buf_slice(&networks)));
	a->answer = allowance_json(&allowed, buf_slice(&networks));
	return OK;
}

enum result admin_budget_reset(struct admin *a, struct db *db)
{
	int64_t account;
	enum result r = admin_find_account(a, db, &account);
	if (r == OK)
		DB_RUN(db, ALLOWANCE_FORGET, DI(account));
	return r;
}
