/* The parts of the store that stand alone: seals, runs, fields, recent ids, the database door, tasks. */
#include "kit/test_database.h"
#include "store/mailbox/fields.h"
#include "store/mailbox/recent.h"
#include "store/runs.h"
#include "store/body/seal.h"
#include "store/tasks.h"
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const uint8_t data_key[SEAL_KEY] = "a data key for the store's tests";

static void seals_open_where_they_belong(void **state)
{
	struct seal *s = seal_new(data_key),
		    *other = seal_new((const uint8_t *)"another data key, as long as that");
	const char *texts[] = {"", "x", "a longer text than a block of the cipher, by far"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		BUF_LOCAL(sealed, 1000);
		BUF_LOCAL(again, 1000);
		BUF_LOCAL(plain, 1000);
		seal_put(s, slice_str(texts[i]), SLICE("here"), &sealed);
		seal_put(s, slice_str(texts[i]), SLICE("here"), &again);
		assert_int_equal(sealed.n, strlen(texts[i]) + SEAL_OVERHEAD);
		assert_false(slice_eq(buf_slice(&sealed), buf_slice(&again)));
		assert_int_equal(seal_get(s, buf_slice(&sealed), SLICE("here"), &plain), OK);
		assert_true(slice_eq(buf_slice(&plain), slice_str(texts[i])));
		assert_int_equal(seal_get(s, buf_slice(&sealed), SLICE("there"), &plain), BAD);
		assert_int_equal(seal_get(other, buf_slice(&sealed), SLICE("here"), &plain), BAD);
		for (size_t k = 0; k < sealed.n; k++) {
			sealed.p[k] ^= 4;
			assert_int_equal(seal_get(s, buf_slice(&sealed), SLICE("here"), &plain), BAD);
			sealed.p[k] ^= 4;
		}
		assert_int_equal(
		    seal_get(s, slice_sub(buf_slice(&sealed), 0, sealed.n - 1), SLICE("here"), &plain), BAD);
	}
	seal_free(s);
	seal_free(other);
}

/* RFC 4231, test case 2; FIPS 180-4's "abc". */
static void digests_are_what_others_compute(void **state)
{
	BUF_LOCAL(hex, 100);
	uint8_t out[32], key[SEAL_KEY] = "Jefe";
	seal_hmac(key, SLICE("what do ya want for nothing?"), out);
	buf_hex(&hex, slice_of(out, 32));
	assert_true(slice_ieq(
	    buf_slice(&hex), SLICE("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")));
	buf_clear(&hex);
	seal_sha256(SLICE("abc"), out);
	buf_hex(&hex, slice_of(out, 32));
	assert_true(slice_ieq(
	    buf_slice(&hex), SLICE("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
}

static void tokens_fold_case_and_keep_kinds_apart(void **state)
{
	struct seal *s = seal_new(data_key);
	assert_true(seal_token(s, "from", SLICE("A@b")) == seal_token(s, "from", SLICE("a@B")));
	assert_true(seal_token(s, "from", SLICE("a@b")) != seal_token(s, "to", SLICE("a@b")));
	assert_true(seal_token(s, "from", SLICE("a@b")) > 0);
	seal_free(s);
}

/* Runs beside a naive model: a bit for each UID. */
#define SPACE 300
static void random_set(struct runs *r, bool bits[SPACE])
{
	Sekisho__Run runs[6], *list[6];
	memset(bits, 0, SPACE);
	for (int i = 0; i < 6; i++) {
		uint8_t dice[2];
		seal_random(dice, 2);
		sekisho__run__init(&runs[i]);
		runs[i].first = 1 + dice[0];
		runs[i].count = dice[1] % 40;
		for (uint32_t k = 0; k < runs[i].count; k++)
			bits[runs[i].first + k] = true;
		list[i] = &runs[i];
	}
	runs_take(r, list, 6);
}

static void assert_same(const struct runs *r, const bool bits[SPACE])
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < SPACE; i++) {
		assert_int_equal(runs_have(r, i), bits[i]);
		n += bits[i];
	}
	assert_int_equal(runs_count(r), n);
	for (size_t i = 1; i < r->n; i++)
		assert_true(run_end(r->v[i - 1]) < r->v[i].first);
}

static void runs_are_sets(void **state)
{
	for (int round = 0; round < 300; round++) {
		bool a[SPACE], b[SPACE], minus[SPACE], both[SPACE];
		RUNS_LOCAL(x);
		RUNS_LOCAL(y);
		RUNS_LOCAL(m);
		RUNS_LOCAL(n);
		random_set(&x, a);
		random_set(&y, b);
		for (int i = 0; i < SPACE; i++) {
			minus[i] = a[i] && !b[i];
			both[i] = a[i] && b[i];
		}
		runs_minus(&x, &y, &m);
		runs_both(&x, &y, &n);
		assert_same(&x, a);
		assert_same(&m, minus);
		assert_same(&n, both);
	}
	Sekisho__Run wild = SEKISHO__RUN__INIT, *list[1] = {&wild};
	wild.first = 4294967290u;
	wild.count = 4294967295u;
	RUNS_LOCAL(r);
	runs_take(&r, list, 1);
	assert_true(runs_have(&r, 4294967294u));
	assert_true(run_end(r.v[0]) <= UINT32_MAX);
}

static void fields_are_read_back(void **state)
{
	BUF_LOCAL(b, 1000);
	fields_put(&b, 1, SLICE("one"));
	fields_put(&b, 2, SLICE_NONE);
	fields_put_number(&b, 3, 1u << 31);
	assert_true(slice_eq(fields_find(buf_slice(&b), 1), SLICE("one")));
	assert_int_equal(fields_number(fields_find(buf_slice(&b), 3)), 1u << 31);
	assert_int_equal(fields_number(fields_find(buf_slice(&b), 1)), 0);
	for (size_t n = 0; n < b.n; n++) {
		struct cursor c = cursor_of(slice_sub(buf_slice(&b), 0, n));
		uint8_t tag;
		struct slice text;
		unsigned count = 0;
		while (fields_next(&c, &tag, &text))
			count++;
		assert_true(count < 3);
	}
}

static void recent_ids_are_known_for_an_hour(void **state)
{
	struct recent *r = recent_new();
	char id[17];
	int64_t now = 1000000000;
	for (int i = 0; i < 5000; i++) {
		snprintf(id, sizeof id, "%016d", i);
		recent_add(r, slice_of(id, 16), i + 1, now);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(id, sizeof id, "%016d", i);
		assert_int_equal(recent_find(r, slice_of(id, 16)), i + 1);
	}
	recent_remove(r, SLICE("0000000000000007"));
	assert_int_equal(recent_find(r, SLICE("0000000000000007")), 0);
	assert_int_equal(recent_find(r, SLICE("short")), 0);
	recent_add(r, SLICE("abcdefghijklmnop"), 9, now + RECENT_MS + 1);
	assert_int_equal(recent_find(r, SLICE("0000000000000008")), 9);
	recent_add(r, SLICE("bbcdefghijklmnop"), 9, now + 2 * RECENT_MS + 2);
	assert_int_equal(recent_find(r, SLICE("0000000000000008")), 0);
	assert_int_equal(recent_find(r, SLICE("abcdefghijklmnop")), 9);
	recent_free(r);
}

/* ---- the database ---- */

static int64_t number(struct db *db, const char *name)
{
	return DB_NUMBER(db, -1, NUMBER_GET, DZ(name));
}

static void transactions_and_marks(void **state)
{
	char dir[] = "/tmp/store-parts-XXXXXX", path[100];
	struct db *w, *r;
	struct test_database place;
	assert_non_null(mkdtemp(dir));
	test_database_make(&place, dir);
	assert_int_equal(db_open(&place.place, true, &w), OK);
	assert_int_equal(db_open(&place.place, false, &r), OK);
	db_begin(w);
	DB_RUN(w, NUMBER_SET, DZ("one"), DI(1));
	db_mark(w);
	DB_RUN(w, NUMBER_SET, DZ("two"), DI(2));
	db_undo(w);
	db_mark(w);
	DB_RUN(w, DOMAIN_ADD, DZ("a"), DI(1), DI(0));
	DB_RUN(w, DOMAIN_ADD, DZ("a"), DI(1), DI(0));
	assert_int_equal(db_result(w), DENY);
	DB_RUN(w, NUMBER_SET, DZ("three"), DI(3)); /* nothing happens after a failure */
	db_undo(w);
	assert_int_equal(db_result(w), OK);
	db_begin(r);
	assert_int_equal(number(r, "one"), -1);
	assert_int_equal(db_commit(w), OK);
	assert_int_equal(number(r, "one"), -1); /* the reader's view does not move */
	assert_int_equal(db_commit(r), OK);
	db_begin(r);
	assert_int_equal(number(r, "one"), 1);
	assert_int_equal(number(r, "two"), -1);
	assert_int_equal(number(r, "three"), -1);
	assert_int_equal(db_commit(r), OK);
	assert_int_equal(db_flush(w), OK);
	assert_true(db_log_size(w) > 0 || test_database_is_server());
	assert_true(db_checkpoint(w));
	db_close(r);
	db_close(w);
	assert_int_equal(db_open(&place.place, true, &w), OK); /* an existing one, up to date */
	assert_int_equal(number(w, "one"), 1);
	db_close(w);
	static const char *const files[] = {"db", "db-wal", "db-shm"};
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	test_database_remove(&place);
}

/* Each statement of sql.def is one that the schema can answer, with as many parameters as its text numbers. */
static void every_statement_can_be_asked(void **state)
{
	static const struct {
		const char *name, *text;
	} all[] = {
#define X(name, text) {#name, text},
#include "store/db/sql.def"
#undef X
	};
	char dir[] = "/tmp/store-parts-XXXXXX", path[100];
	struct db *db;
	struct test_database place;
	assert_non_null(mkdtemp(dir));
	test_database_make(&place, dir);
	assert_int_equal(db_open(&place.place, true, &db), OK);
	for (unsigned i = 0; i < SQL_COUNT; i++) {
		struct db_value values[20];
		size_t n = 0;
		for (const char *p = all[i].text; *p; p++) {
			size_t number = *p == '$' && ascii_digit(p[1]) ? (size_t)(p[1] - '0') : 0;
			if (number && ascii_digit(p[2]))
				number = number * 10 + (size_t)(p[2] - '0');
			n = MAX(n, number);
			if (strncmp(p, "?", 1) == 0)
				fail_msg("%s: parameters are written $1", all[i].name);
		}
		assert_in_range(n, 0, COUNT(values));
		for (size_t k = 0; k < n; k++)
			values[k] = DI(k + 1);
		db_begin(db);
		{
			DB_ROWS q = db_query(db, (enum sql)i, values, n);
			while (db_next(&q))
				;
		}
		if (db_result(db) != OK && db_result(db) != DENY)
			fail_msg("%s cannot be asked", all[i].name);
		db_rollback(db);
	}
	db_close(db);
	static const char *const files[] = {"db", "db-wal", "db-shm"};
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	test_database_remove(&place);
}

/* A mailbox of very many messages: these must go by an index. */
static void large_mailboxes_are_not_walked(void **state)
{
	static const struct {
		const char *name, *text;
	} asked[] = {
#define X(name, text) {#name, text},
#include "store/db/sql.def"
#undef X
	};
	static const char *const by[][2] = {{"DELETED_ROWS", "messages_deleted"},
	    {"ALTERED_SINCE", "messages_altered"}, {"FIRST_UNSEEN", "uid>?"}, {"UIDS_FROM", "uid>?"},
	    {"FETCH_PLACES", "uid<?"}, {"MARK_SEEN", "uid<?"}};
	char dir[] = "/tmp/store-parts-XXXXXX", path[100];
	struct db *db;
	sqlite3 *raw;
	if (test_database_is_server())
		skip(); /* these are SQLite's plans */
	struct test_database place;
	assert_non_null(mkdtemp(dir));
	test_database_make(&place, dir);
	assert_int_equal(db_open(&place.place, true, &db), OK);
	snprintf(path, sizeof path, "%s/db", dir);
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	for (size_t i = 0; i < COUNT(by); i++) {
		size_t k = 0;
		while (strcmp(asked[k].name, by[i][0]) != 0)
			k++;
		BUF_LOCAL(text, 10000);
		BUF_LOCAL(plan, 10000);
		buf_printf(&text, "EXPLAIN QUERY PLAN %s", asked[k].text);
		for (size_t c = 0; c < text.n; c++)
			text.p[c] = text.p[c] == '$' ? '?' : text.p[c];
		sqlite3_stmt *s;
		assert_int_equal(sqlite3_prepare_v2(raw, buf_z(&text), -1, &s, NULL), SQLITE_OK);
		while (sqlite3_step(s) == SQLITE_ROW)
			buf_printf(&plan, "%s; ", (const char *)sqlite3_column_text(s, 3));
		sqlite3_finalize(s);
		if (!strstr(buf_z(&plan), by[i][1]))
			fail_msg("%s: %s", by[i][0], buf_z(&plan));
	}
	sqlite3_close(raw);
	db_close(db);
	static const char *const files[] = {"db", "db-wal", "db-shm"};
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	test_database_remove(&place);
}

static _Atomic int ran;
static void count_up(void *arg)
{
	ran += *(int *)arg;
}

static void tasks_are_all_run(void **state)
{
	static struct task tasks[1000];
	int one = 1;
	struct tasks *t = tasks_new(3);
	for (size_t i = 0; i < COUNT(tasks); i++)
		tasks_put(t, &tasks[i], count_up, &one);
	tasks_free(t);
	assert_int_equal(ran, COUNT(tasks));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seals_open_where_they_belong),
	    cmocka_unit_test(digests_are_what_others_compute),
	    cmocka_unit_test(tokens_fold_case_and_keep_kinds_apart),
	    cmocka_unit_test(runs_are_sets),
	    cmocka_unit_test(fields_are_read_back),
	    cmocka_unit_test(recent_ids_are_known_for_an_hour),
	    cmocka_unit_test(transactions_and_marks),
	    cmocka_unit_test(every_statement_can_be_asked),
	    cmocka_unit_test(large_mailboxes_are_not_walked),
	    cmocka_unit_test(tasks_are_all_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
