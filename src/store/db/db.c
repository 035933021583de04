/* What is the same for every engine: handing on, schema steps and the pool of readers. */
#include "store/db/db.h"
#include "store/db/engine.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* ---- handing on ---- */

static const struct db_engine *engine_of(const struct db_place *place)
{
	return place->url && *place->url ? &db_pgsql : &db_sqlite;
}

enum result db_open(const struct db_place *place, bool writer, struct db **db_out)
{
	return engine_of(place)->open(place, writer, db_out);
}

void db_close(struct db *db)
{
	if (db)
		db->engine->close(db);
}

bool db_is_shared(const struct db *db)
{
	return db->engine->shared;
}

bool db_is_durable(const struct db *db)
{
	return db->engine->durable;
}

void db_begin(struct db *db)
{
	db->engine->begin(db);
}

enum result db_commit(struct db *db)
{
	return db->engine->commit(db);
}

void db_rollback(struct db *db)
{
	db->engine->rollback(db);
}

void db_mark(struct db *db)
{
	db->engine->mark(db);
}

void db_keep(struct db *db)
{
	db->engine->keep(db);
}

void db_undo(struct db *db)
{
	db->engine->undo(db);
}

bool db_active(const struct db *db)
{
	return db->engine->active(db);
}

enum result db_result(const struct db *db)
{
	return db->engine->result(db);
}

enum result db_flush(struct db *db)
{
	return db->engine->flush(db);
}

uint64_t db_log_size(const struct db *db)
{
	return db->engine->log_size(db);
}

bool db_checkpoint(struct db *db)
{
	return db->engine->checkpoint(db);
}

bool db_was_changed(struct db *db)
{
	return db->engine->was_changed(db);
}

void db_tell(struct db *db, struct slice text)
{
	db->engine->tell(db, text);
}

enum result db_hear(struct db *db, int wake, struct buf *out)
{
	return db->engine->hear(db, wake, out);
}

void db_run(struct db *db, enum sql which, const struct db_value *values, size_t n)
{
	db->engine->run(db, which, values, n);
}

uint64_t db_changed(const struct db *db)
{
	return db->engine->changed(db);
}

struct db_rows db_query(struct db *db, enum sql which, const struct db_value *values, size_t n)
{
	return db->engine->query(db, which, values, n);
}

bool db_next(struct db_rows *rows)
{
	return rows->statement && rows->db->engine->next(rows);
}

void db_end(struct db_rows *rows)
{
	if (rows->statement)
		rows->db->engine->end(rows);
	rows->statement = NULL;
}

int64_t db_int(const struct db_rows *rows, int column)
{
	return rows->db->engine->number(rows, column);
}

struct slice db_octets(const struct db_rows *rows, int column)
{
	return rows->db->engine->octets(rows, column);
}

bool db_is_null(const struct db_rows *rows, int column)
{
	return rows->db->engine->is_null(rows, column);
}

int64_t db_number(struct db *db, int64_t otherwise, enum sql which, const struct db_value *values, size_t n)
{
	DB_ROWS rows = db_query(db, which, values, n);
	return db_next(&rows) ? db_int(&rows, 0) : otherwise;
}

/* ---- schema steps ---- */

static const char *const steps[] = {
#define X(sql) sql,
#include "store/db/schema.def"
#undef X
};

void db_words(const char *sql, const char *const words[][2], struct buf *out)
{
	struct slice rest = slice_str(sql);
	while (rest.n) {
		size_t skip = 0;
		for (size_t i = 0; words[i][0] && !skip; i++) {
			if (slice_starts(rest, slice_str(words[i][0]))) {
				buf_puts(out, words[i][1]);
				skip = strlen(words[i][0]);
			}
		}
		if (!skip) {
			buf_putc(out, rest.p[0]);
			skip = 1;
		}
		rest = slice_sub(rest, skip, rest.n);
	}
}

/* One step in a transaction of its own, unless another node took it meanwhile. */
static enum result take_step(struct db *db, int64_t *version)
{
	db_begin(db);
	*version = db->engine->version(db);
	if (*version < (int64_t)COUNT(steps) && db_result(db) == OK) {
		db->engine->script(db, steps[*version]);
		db->engine->set_version(db, ++*version);
	}
	enum result r = db_commit(db);
	return r == OK ? db_flush(db) : r;
}

enum result db_upgrade(struct db *db)
{
	int64_t version = db->engine->version(db);
	enum result r = db_result(db);
	while (r == OK && version < (int64_t)COUNT(steps))
		r = take_step(db, &version);
	if (r == OK && version > (int64_t)COUNT(steps)) {
		EVENT(
		    STORE_ERROR, KZ("what", "schema"), KZ("why", "the database was made by a newer version"));
		return DENY;
	}
	return r;
}

/* ---- the pool ---- */

#define IDLE 128
#define WAIT_S 10

struct db_pool {
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	const struct db_place *place;
	struct db *idle[IDLE];
	unsigned n, open;
};

struct db_pool *db_pool_new(const struct db_place *place)
{
	struct db_pool *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->place = place;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_t how;
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&p->given_back, &how);
	pthread_condattr_destroy(&how);
	return p;
}

void db_pool_free(struct db_pool *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->n; i++)
		db_close(p->idle[i]);
	pthread_cond_destroy(&p->given_back);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void one_less(struct db_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->open--;
	pthread_cond_signal(&p->given_back);
	pthread_mutex_unlock(&p->lock);
}

/* An idle one; NULL with *may_open_out: there is room for another; NULL: all have been in use for too long. */
static struct db *take_idle(struct db_pool *p, bool *may_open_out)
{
	struct db *db = NULL;
	unsigned most = engine_of(p->place)->readers;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&p->lock);
	while (!p->n && p->open >= most)
		if (pthread_cond_timedwait(&p->given_back, &p->lock, &until) != 0)
			break;
	*may_open_out = !p->n && p->open < most;
	if (p->n)
		db = p->idle[--p->n];
	else if (*may_open_out)
		p->open++;
	pthread_mutex_unlock(&p->lock);
	return db;
}

struct db *db_borrow(struct db_pool *p)
{
	bool may_open;
	struct db *db = take_idle(p, &may_open);
	if (!db && !may_open)
		return NULL;
	if (!db && db_open(p->place, false, &db) != OK) {
		one_less(p);
		return NULL;
	}
	db_begin(db);
	return db;
}

void db_give_back(struct db_pool *p, struct db *db)
{
	if (!db)
		return;
	bool kept = false;
	if (db_commit(db) == OK) {
		pthread_mutex_lock(&p->lock);
		kept = p->n < IDLE;
		if (kept)
			p->idle[p->n++] = db;
		pthread_cond_signal(&p->given_back);
		pthread_mutex_unlock(&p->lock);
	}
	if (kept)
		return;
	db_close(db);
	one_less(p);
}
