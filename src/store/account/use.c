#include "store/account/use.h"
#include "store/inside.h"
#include <stdlib.h>

struct use {
	struct job job;
	enum sql statement;
	int64_t id, now_ms;
};

static enum result apply_use(struct job *j, struct db *db)
{
	const struct use *u = (const struct use *)j;
	db_run(db, u->statement, (const struct db_value[]){DI(u->id), DI(u->now_ms)}, 2);
	return OK;
}

static void use_done(struct job *j, enum result r)
{
	free(j);
}

void use_note(struct store *s, enum sql statement, int64_t id, int64_t now_ms)
{
	struct use *u = calloc(1, sizeof *u);
	if (!u)
		return;
	*u = (struct use){.job = {.store = s, .apply = apply_use, .done = use_done},
	    .statement = statement,
	    .id = id,
	    .now_ms = now_ms};
	writer_put(s->writer, &u->job);
}
