/*
 * test_database: the engine under test. SQLite in the test's directory; or, when SEKISHO_TEST_DATABASE names a
 * PostgreSQL server (test/kit/postgresql.py starts one), a database there that is named like the directory.
 */
#ifndef KIT_TEST_DATABASE_H
#define KIT_TEST_DATABASE_H

#include "store/db/db.h"

struct test_database {
	struct db_place place;
	char url[512], name[128], password[128];
};

bool test_database_is_server(void);
/* Where the database of a directory is; it is not made. */
void test_database_at(struct test_database *t, const char *dir);
void test_database_make(struct test_database *t, const char *dir);
void test_database_remove(struct test_database *t);
/* Runs SQL on the server, as an administrator of it would; the first value of the answer. */
int64_t test_database_sql(const struct test_database *t, const char *sql);

#endif
