/*
 * The personnel list: a table (CSV) of everybody who should have an account. Held against the people there are, it
 * says who is new, whose data differ, and who is not on it any more; and does it, all of it or nothing. Columns by
 * their names in the first record:
 *
 *     employee, address   must be there          name, department, manager, language, second   as `person set` takes them
 *     leaves              a day (2027-03-31, UTC) at whose end `offboard` is planned
 *
 * A column that is not there changes nothing. Departments that are not known yet are made. Whoever has an employee
 * number here and is not on the list leaves only when that is asked for, and a list that would end the accounts of
 * many is refused unless forced: it is more likely to be cut off than true.
 */
#include "base/csv.h"
#include "mail/utf8.h"
#include "store/account/people.h"
#include <stdlib.h>
#include <time.h>

#define MISSING_FREE 5      /* so many may go without force */
#define MISSING_PER_CENT 10 /* or so many of those that have a number */
#define SOON_MS SECOND_MS   /* whoever is missing leaves a moment after the list is in */
#define ERRORS 100          /* that are told */

enum column { EMPLOYEE, ADDRESS, NAME, DEPARTMENT, MANAGER, LANGUAGE, SECOND, LEAVES, COLUMNS };
static const char *const column_names[COLUMNS] = {
    "employee", "address", "name", "department", "manager", "language", "second", "leaves"};

struct entry {
	unsigned line;
	struct slice field[COLUMNS];
	int64_t account; /* 0: new */
};

struct import {
	struct job job;
	struct admin *a;
	struct arena *room;
	struct db *db;
	bool rehearsal, offboard, force, applied;
	enum result done;
	bool has[COLUMNS];
	struct entry *entries;
	size_t n;
	json_t *added, *changed, *leaving, *missing, *errors;
};

/* A line's first fault is told: what follows may come of it. Line 0: of none. */
static void error_at(struct import *m, unsigned line, const char *why)
{
	for (size_t i = 0; line && i < json_array_size(m->errors); i++)
		if (json_integer_value(json_object_get(json_array_get(m->errors, i), "line")) == line)
			return;
	if (json_array_size(m->errors) < ERRORS)
		json_array_append_new(m->errors,
		    json_pack("{s:i,s:o}", "line", (int)line, "why", admin_string(slice_str(why))));
}

/* ---- reading ---- */

static enum result read_head(struct import *m, struct csv *c, size_t at[COLUMNS])
{
	struct slice fields[LIMIT_CSV_FIELDS];
	size_t n;
	if (csv_next(c, m->room, fields, &n) != OK)
		return admin_refuse(m->a, DENY, "there is no first line with the names of the columns");
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < COLUMNS && !slice_ieq(slice_trim_blank(fields[i]), slice_str(column_names[k])))
			k++;
		if (k == COLUMNS || m->has[k])
			return admin_refuse(m->a, DENY,
			    "column \"" SLICE_FMT "\" is unknown or there twice (employee, address, name, "
			    "department, manager, language, "
			    "second, leaves)",
			    SLICE_ARG(fields[i]));
		m->has[k] = true;
		at[k] = i;
	}
	return m->has[EMPLOYEE] && m->has[ADDRESS]
		   ? OK
		   : admin_refuse(m->a, DENY, "the columns employee and address have to be there");
}

static enum result read_table(struct import *m, struct slice text)
{
	struct csv c = csv_read(text);
	struct slice fields[LIMIT_CSV_FIELDS];
	size_t at[COLUMNS] = {0}, n;
	enum result r =
	    slice_is_utf8(text) ? read_head(m, &c, at) : admin_refuse(m->a, DENY, "the list is not UTF-8");
	if (r != OK)
		return r;
	while ((r = csv_next(&c, m->room, fields, &n)) == OK) {
		if (m->n == LIMIT_IMPORT_PEOPLE)
			return admin_refuse(m->a, FULL, "more than %d people", LIMIT_IMPORT_PEOPLE);
		struct entry *e = &m->entries[m->n++];
		*e = (struct entry){.line = c.line};
		for (size_t k = 0; k < COLUMNS; k++)
			if (m->has[k] && at[k] < n)
				e->field[k] = slice_trim_blank(fields[at[k]]);
	}
	return r == GONE
		   ? OK
		   : admin_refuse(m->a, DENY, "line %u: quotes that do not fit, or too many fields", c.next);
}

/* ---- who is who ---- */

static int by_employee(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	return slice_cmp(a->field[EMPLOYEE], b->field[EMPLOYEE]);
}

/* The same twice: as the lines stand. */
static int by_employee_and_line(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int order = by_employee(x, y);
	return order ? order : (a->line > b->line) - (a->line < b->line);
}

static void find_account(struct import *m, struct entry *e)
{
	struct admin_address address;
	struct admin one = {.store = m->a->store, .arena = m->room};
	if (!e->field[EMPLOYEE].n || e->field[EMPLOYEE].n > LIMIT_PERSON_TEXT) {
		error_at(m, e->line, "no employee number");
		return;
	}
	if (admin_address(&one, e->field[ADDRESS], &address) != OK) {
		error_at(m, e->line, one.why);
		return;
	}
	e->account = DB_NUMBER(m->db, 0, ADDRESS_ACCOUNT, DT(address.domain), DT(address.local));
	int64_t numbered = DB_NUMBER(m->db, 0, PERSON_EMPLOYEE, DT(e->field[EMPLOYEE]));
	if (numbered && numbered != e->account)
		error_at(m, e->line, "this employee has another address here");
}

static void find_accounts(struct import *m)
{
	if (m->n)
		qsort(m->entries, m->n, sizeof *m->entries, by_employee_and_line);
	for (size_t i = 0; i < m->n; i++) {
		if (i && slice_eq(m->entries[i].field[EMPLOYEE], m->entries[i - 1].field[EMPLOYEE]))
			error_at(m, m->entries[i].line, "this employee number is there twice");
		find_account(m, &m->entries[i]);
	}
}

/* ---- doing ---- */

/* A verb in the name of whoever imports, within this transaction. */
static bool run(struct import *m, const struct entry *e, admin_verb *verb, json_t *args)
{
	struct admin *a = m->a;
	struct admin one = {.store = a->store,
	    .arena = m->room,
	    .actor = a->actor,
	    .powers = a->powers,
	    .role = a->role,
	    .args = args};
	enum result r = verb(&one, m->db);
	if (r != OK)
		error_at(m, e ? e->line : 0, one.why ? one.why : result_name(r));
	json_decref(one.answer);
	json_decref(args);
	return r == OK;
}

/* What the table says otherwise than what is there; NULL: nothing. */
static json_t *differences(struct import *m, const struct entry *e)
{
	struct admin *a = m->a;
	json_t *args = json_pack("{s:o}", "address", admin_string(e->field[ADDRESS])), *out = json_object();
	struct admin one = {.store = a->store, .arena = m->room, .powers = a->powers, .args = args};
	if (e->account && admin_person_show(&one, m->db) != OK)
		error_at(m, e->line, one.why ? one.why : "this account is nobody's own");
	for (size_t k = 0; k < LEAVES; k++) {
		const json_t *now = json_object_get(one.answer, column_names[k]);
		struct slice old = slice_of(json_string_value(now), json_string_length(now));
		if (k == ADDRESS || !m->has[k] || slice_eq(old, e->field[k]) ||
		    (k == MANAGER && slice_ieq(old, e->field[k])))
			continue;
		json_object_set_new(out, column_names[k], admin_string(e->field[k]));
	}
	json_decref(one.answer);
	json_decref(args);
	if (json_object_size(out))
		return out;
	json_decref(out);
	return NULL;
}

static void make_department(struct import *m, const struct entry *e)
{
	struct slice name = e->field[DEPARTMENT];
	if (name.n && !DB_NUMBER(m->db, 0, DEPARTMENT_FIND, DI(ORGANISATION), DT(name)))
		(void)run(m, e, admin_department_add, json_pack("{s:o}", "name", admin_string(name)));
}

static void set_person(struct import *m, const struct entry *e, json_t *fields)
{
	json_t *args = json_copy(fields);
	make_department(m, e);
	json_object_set_new(args, "address", admin_string(e->field[ADDRESS]));
	(void)run(m, e, admin_person_set, args);
}

static json_t *told(const struct entry *e, json_t *fields)
{
	return json_pack("{s:i,s:o,s:O*}", "line", (int)e->line, "address", admin_string(e->field[ADDRESS]),
	    "set", fields);
}

/* All accounts first: somebody's manager may be new too. */
static void do_accounts(struct import *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *e = &m->entries[i];
		if (!e->account && run(m, e, admin_account_add,
				       json_pack("{s:o,s:o}", "address", admin_string(e->field[ADDRESS]),
					   "name", admin_string(e->field[NAME]))))
			json_array_append_new(m->added, told(e, NULL));
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *e = &m->entries[i];
		json_t *fields = differences(m, e);
		if (!fields)
			continue;
		set_person(m, e, fields);
		if (e->account)
			json_array_append_new(m->changed, told(e, fields));
		json_decref(fields);
	}
}

/* The end of that day, UTC; 0: no day. */
static int64_t end_of_day(struct slice text, struct arena *a)
{
	struct tm tm = {0};
	const char *rest = strptime(arena_z(a, text), "%Y-%m-%d", &tm);
	return rest && !*rest ? ((int64_t)timegm(&tm) + 86400) * 1000 : 0;
}

static void do_leaving(struct import *m)
{
	for (size_t i = 0; m->has[LEAVES] && i < m->n; i++) {
		const struct entry *e = &m->entries[i];
		int64_t at = e->field[LEAVES].n ? end_of_day(e->field[LEAVES], m->room) : 0;
		if (!e->field[LEAVES].n ||
		    (e->account && DB_NUMBER(m->db, 0, OFFBOARD_PENDING, DI(e->account))))
			continue;
		if (!at)
			error_at(m, e->line, "leaves: not a day (2027-03-31)");
		else if (run(m, e, admin_offboard_add,
			     json_pack("{s:o,s:I}", "address", admin_string(e->field[ADDRESS]), "at_ms",
				 (json_int_t)at)))
			json_array_append_new(m->leaving, told(e, NULL));
	}
}

static bool is_listed(const struct import *m, struct slice employee)
{
	struct entry key = {.field = {employee}};
	return m->n && bsearch(&key, m->entries, m->n, sizeof key, by_employee);
}

static enum result do_missing(struct import *m)
{
	size_t numbered = 0, i;
	json_t *row;
	{
		DB_ROWS q = DB_QUERY(m->db, PEOPLE_NUMBERED, DI(ORGANISATION));
		while (db_next(&q)) {
			numbered++;
			if (!is_listed(m, db_octets(&q, 2)))
				json_array_append_new(m->missing,
				    json_pack("{s:o,s:o}", "address",
					admin_address_string(m->a, db_octets(&q, 0), db_octets(&q, 1)),
					"employee", admin_string(db_octets(&q, 2))));
		}
	}
	size_t n = json_array_size(m->missing);
	if (m->offboard && !m->force && n > MISSING_FREE && n * 100 > numbered * MISSING_PER_CENT)
		return admin_refuse(m->a, DENY,
		    "%zu of %zu people are not on the list: is it whole? (force does it all the same)", n,
		    numbered);
	json_array_foreach(m->missing, i, row)
	{
		if (m->offboard)
			(void)run(m, NULL, admin_offboard_add,
			    json_pack("{s:O,s:I}", "address", json_object_get(row, "address"), "at_ms",
				(json_int_t)clock_utc_ms() + SOON_MS));
	}
	return OK;
}

static void keep_list(struct import *m)
{
	db_run(m->db, SQL_HR_CLEAR, NULL, 0);
	for (size_t i = 0; i < m->n; i++)
		DB_RUN(m->db, HR_ADD, DT(m->entries[i].field[EMPLOYEE]));
}

/*
 * A rehearsal does everything and is then taken back as a job that failed is, so that it says exactly what would
 * be done. So is a list with errors.
 */
static enum result apply(struct job *j, struct db *db)
{
	struct import *m = (struct import *)j;
	m->db = db;
	find_accounts(m);
	do_accounts(m);
	do_leaving(m);
	m->done = do_missing(m);
	keep_list(m);
	if (m->done == OK)
		m->done = db_result(db);
	m->applied = m->done == OK && !m->rehearsal && !json_array_size(m->errors);
	return m->applied ? OK : STOP;
}

static json_t *answer(const struct import *m)
{
	return json_pack("{s:b,s:i,s:O,s:O,s:O,s:O,s:O}", "applied", m->applied, "people", (int)m->n, "added",
	    m->added, "changed", m->changed, "leaving", m->leaving, "missing", m->missing, "errors",
	    m->errors);
}

static enum result import(struct import *m)
{
	enum result r = read_table(m, admin_text(m->a, "text"));
	if (r != OK)
		return r;
	r = writer_wait(m->job.store->writer, &m->job);
	if (r != OK && r != STOP)
		return r; /* the database failed */
	if (m->done == OK)
		m->a->answer = answer(m);
	return m->done;
}

enum result admin_people_import(struct admin *a, struct db *db)
{
	ARENA_LOCAL(room, (size_t)256 << 20);
	const json_t *args = a->args;
	struct import m = {
	    .job = {.store = a->store, .apply = apply, .durable = true},
	    .a = a,
	    .room = &room,
	    .entries = arena_array(&room, LIMIT_IMPORT_PEOPLE, sizeof *m.entries),
	    .rehearsal = json_is_true(json_object_get(args, "dry_run")),
	    .offboard = json_is_true(json_object_get(args, "offboard")),
	    .force = json_is_true(json_object_get(args, "force")),
	    .added = json_array(),
	    .changed = json_array(),
	    .leaving = json_array(),
	    .missing = json_array(),
	    .errors = json_array(),
	};
	enum result r = m.entries ? import(&m) : LATER;
	json_decref(m.added);
	json_decref(m.changed);
	json_decref(m.leaving);
	json_decref(m.missing);
	json_decref(m.errors);
	return r;
}
