/* What is the same for every engine: schema steps and the pool of readers. */
#include "store/db.h"
#include "store/db_engine.h"
#include <pthread.h>
#include <stdlib.h>

static const char *const steps[] = {
#define X(sql) sql,
#include "store/schema.def"
#undef X
};

enum result db_upgrade(struct db *db)
{
	int64_t version = db_version(db);
	if (version > (int64_t)COUNT(steps)) {
		EVENT(
		    STORE_ERROR, KZ("what", "schema"), KZ("why", "the database was made by a newer version"));
		return DENY;
	}
	for (; version < (int64_t)COUNT(steps); version++) {
		db_begin(db);
		db_script(db, steps[version]);
		db_set_version(db, version + 1);
		enum result r = db_commit(db);
		if (r == OK)
			r = db_flush(db);
		if (r != OK)
			return r;
	}
	return db_result(db);
}

int64_t db_number(struct db *db, int64_t otherwise, enum sql which, const struct db_value *values, size_t n)
{
	DB_ROWS rows = db_query(db, which, values, n);
	return db_next(&rows) ? db_int(&rows, 0) : otherwise;
}

#define POOL 128

struct db_pool {
	pthread_mutex_t lock;
	char *dir;
	struct db *idle[POOL];
	unsigned n;
};

struct db_pool *db_pool_new(const char *dir)
{
	struct db_pool *p = calloc(1, sizeof *p);
	if (!p || !(p->dir = strdup(dir)))
		abort();
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void db_pool_free(struct db_pool *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->n; i++)
		db_close(p->idle[i]);
	pthread_mutex_destroy(&p->lock);
	free(p->dir);
	free(p);
}

struct db *db_borrow(struct db_pool *p)
{
	struct db *db = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->n)
		db = p->idle[--p->n];
	pthread_mutex_unlock(&p->lock);
	if (!db && db_open(p->dir, false, &db) != OK)
		return NULL;
	db_begin(db);
	return db;
}

void db_give_back(struct db_pool *p, struct db *db)
{
	if (!db)
		return;
	bool good = db_commit(db) == OK;
	pthread_mutex_lock(&p->lock);
	if (good && p->n < POOL) {
		p->idle[p->n++] = db;
		db = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	db_close(db);
}
