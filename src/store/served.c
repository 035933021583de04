/* Which mail domains this server has, for certificates of the names it serves in them. */
#include "store/handlers.h"

#define DOMAINS_MOST 500

static void read_names(struct db *db, struct arena *a, Sekisho__DomainsAnswer *out)
{
	DB_ROWS q = DB_QUERY(db, DOMAIN_NAMES, DI(DOMAINS_MOST));
	out->names = arena_array(a, DOMAINS_MOST, sizeof *out->names);
	while (out->names && out->n_names < DOMAINS_MOST && db_next(&q)) {
		out->names[out->n_names] = arena_z(a, db_octets(&q, 0));
		out->n_names += out->names[out->n_names] != NULL;
	}
}

void ask_domains(struct ipc_turn *t)
{
	Sekisho__DomainsAnswer answer = SEKISHO__DOMAINS_ANSWER__INIT;
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		if (r.db) {
			read_names(r.db, &t->arena, &answer);
			done = db_result(r.db);
		}
	}
	if (done == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, done);
}
