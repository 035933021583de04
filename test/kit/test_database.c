#include "test_database.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

bool test_database_is_server(void)
{
	const char *url = getenv("SEKISHO_TEST_DATABASE");
	return url && *url;
}

static void read_password(char *out, size_t n)
{
	const char *path = getenv("SEKISHO_TEST_DATABASE_PASSWORD_FILE");
	FILE *f = path ? fopen(path, "re") : NULL;
	if (!f)
		return;
	if (!fgets(out, (int)n, f))
		*out = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	fclose(f);
}

void test_database_at(struct test_database *t, const char *dir)
{
	const char *slash = strrchr(dir, '/');
	*t = (struct test_database){.place = {.dir = dir}};
	if (!test_database_is_server())
		return;
	snprintf(t->name, sizeof t->name, "%s", slash ? slash + 1 : dir);
	snprintf(t->url, sizeof t->url, "%s dbname=%s", getenv("SEKISHO_TEST_DATABASE"), t->name);
	read_password(t->password, sizeof t->password);
	t->place.url = t->url;
	t->place.password = t->password;
}

static PGconn *connect_to(const struct test_database *t, const char *url)
{
	static const char *const keys[] = {"dbname", "password", NULL};
	const char *const values[] = {url, t->password, NULL};
	PGconn *c = PQconnectdbParams(keys, values, 1);
	if (PQstatus(c) == CONNECTION_OK)
		return c;
	fprintf(stderr, "%s", PQerrorMessage(c));
	abort();
}

static int64_t run(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	uint64_t n = 0;
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s: %s", sql, PQresultErrorMessage(r));
		abort();
	}
	if (PQntuples(r) && num_u64(slice_str(PQgetvalue(r, 0, 0)), INT64_MAX, &n) != OK)
		n = 0;
	PQclear(r);
	PQfinish(c);
	return (int64_t)n;
}

int64_t test_database_sql(const struct test_database *t, const char *sql)
{
	return run(connect_to(t, t->url), sql);
}

void test_database_make(struct test_database *t, const char *dir)
{
	char sql[256];
	test_database_at(t, dir);
	if (!t->place.url)
		return;
	snprintf(sql, sizeof sql, "CREATE DATABASE \"%s\"", t->name);
	run(connect_to(t, getenv("SEKISHO_TEST_DATABASE")), sql);
}

void test_database_remove(struct test_database *t)
{
	char sql[256];
	if (!t->place.url)
		return;
	snprintf(sql, sizeof sql, "DROP DATABASE \"%s\" WITH (FORCE)", t->name);
	run(connect_to(t, getenv("SEKISHO_TEST_DATABASE")), sql);
}
