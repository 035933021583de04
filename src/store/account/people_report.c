/* Accounts that nobody uses, or that the personnel list does not know; told to postmaster once a week. */
#include "store/queue/notice.h"
#include "store/account/people.h"

#define DORMANT_DAYS 60
#define DAYS_MOST 3650
#define WEEK_MS (7 * DAY_MS)
#define TOLD "people report" /* in numbers: when it was told last */
#define TEXT_MOST 131072

static json_t *dormant_json(struct admin *a, struct db *db, int64_t days)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(
	    db, DORMANT, DI(ORGANISATION), DI(clock_utc_ms() - days * DAY_MS), DI(LIMIT_REPORT_ROWS));
	while (db_next(&q))
		json_array_append_new(list,
		    json_pack("{s:o,s:o,s:o,s:I,s:I}", "address",
			admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1)), "name",
			admin_string(db_octets(&q, 2)), "department", admin_string(db_octets(&q, 5)),
			"created_at_ms", (json_int_t)db_int(&q, 3), "used_at_ms", (json_int_t)db_int(&q, 4)));
	return list;
}

static json_t *unknown_json(struct admin *a, struct db *db)
{
	json_t *list = json_array();
	if (!db_number(db, 0, SQL_HR_COUNT, NULL, 0))
		return list; /* there never was a list */
	DB_ROWS q = DB_QUERY(db, HR_UNKNOWN, DI(ORGANISATION), DI(LIMIT_REPORT_ROWS));
	while (db_next(&q))
		json_array_append_new(
		    list, json_pack("{s:o,s:o,s:o}", "address",
			      admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1)), "name",
			      admin_string(db_octets(&q, 2)), "employee", admin_string(db_octets(&q, 3))));
	return list;
}

enum result admin_people_dormant(struct admin *a, struct db *db)
{
	int64_t days = admin_number(a, "days", DORMANT_DAYS);
	if (days < 0 || days > DAYS_MOST)
		return admin_refuse(a, DENY, "0 to %d days", DAYS_MOST);
	a->answer = dormant_json(a, db, days);
	return OK;
}

enum result admin_people_unlisted(struct admin *a, struct db *db)
{
	a->answer = unknown_json(a, db);
	return OK;
}

/* ---- weekly ---- */

static void put_rows(struct buf *b, const char *title, const json_t *list)
{
	size_t i;
	json_t *row;
	buf_printf(b, "%s (%zu)\n", title, json_array_size(list));
	json_array_foreach(list, i, row)
	{
		buf_printf(b, "- %s %s\n", json_string_value(json_object_get(row, "address")),
		    json_string_value(json_object_get(row, "name")));
	}
	buf_puts(b, "\n");
}

struct claim {
	struct job job;
	int64_t now;
};

/* One node tells it. */
static enum result apply_claim(struct job *j, struct db *db)
{
	const struct claim *c = (const struct claim *)j;
	int64_t told = DB_NUMBER(db, 0, NUMBER_GET, DZ(TOLD));
	if (told > c->now - WEEK_MS)
		return GONE;
	DB_RUN(db, NUMBER_SET, DZ(TOLD), DI(c->now));
	return told ? OK : GONE; /* a new server tells nothing in its first week */
}

static void tell(struct store *s)
{
	ARENA_LOCAL(room, (size_t)4 << 20);
	BUF_LOCAL(text, TEXT_MOST);
	BUF_LOCAL(domain, 300);
	struct admin a = {.store = s, .arena = &room};
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		json_t *dormant = dormant_json(&a, r.db, DORMANT_DAYS), *unknown = unknown_json(&a, r.db);
		if (json_array_size(dormant))
			put_rows(&text, "60 日以上使われていないアカウント / Accounts not used for 60 days",
			    dormant);
		if (json_array_size(unknown))
			put_rows(
			    &text, "人事名簿にないアカウント / Accounts not on the personnel list", unknown);
		json_decref(dormant);
		json_decref(unknown);
		DB_ROWS q = DB_QUERY(r.db, DOMAIN_LIST, DI(ORGANISATION));
		if (db_next(&q))
			buf_put(&domain, db_octets(&q, 0));
	}
	if (!text.n || !domain.n)
		return;
	struct notice n = {SLICE("postmaster"), buf_slice(&domain),
	    SLICE("アカウントの週次点検 / Weekly check of accounts"), buf_slice(&text), "people"};
	enum result r = notice_send(s, &n);
	if (r != OK)
		EVENT(INTERNAL, KZ("where", "people report"), KZ("why", result_name(r)));
}

void people_report_round(struct store *s)
{
	struct claim c = {.job = {.store = s, .apply = apply_claim}, .now = clock_utc_ms()};
	{
		READER r = reader_begin(s);
		if (!r.db || DB_NUMBER(r.db, 0, NUMBER_GET, DZ(TOLD)) > c.now - WEEK_MS)
			return;
	}
	if (writer_wait(s->writer, &c.job) == OK)
		tell(s);
}
