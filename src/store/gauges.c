/* STORE_GAUGES: numbers for status and /metrics. */
#include "store/handlers.h"
#include "store/queue/queue.h"
#include "store/search/search.h"

static void search_gauges(struct store *s, struct db *db, Sekisho__GaugesAnswer *out)
{
	struct search_failure last;
	out->search_waiting = (uint64_t)DB_NUMBER(db, 0, SEARCH_WAITING, DI(SEARCH_SERVING));
	out->search_rebuilding = (uint64_t)DB_NUMBER(db, 0, SEARCH_BUILDS, DI(SEARCH_BUILDING));
	out->search_failing = search_failures(s->search, &last);
	out->search_failed_ms = last.at_ms;
	DB_ROWS q = DB_QUERY(db, SEARCH_GAUGES, DI(SEARCH_SERVING));
	if (db_next(&q)) {
		out->search_segments = (uint64_t)db_int(&q, 0);
		out->search_messages = (uint64_t)db_int(&q, 1);
		out->search_text_octets = (uint64_t)db_int(&q, 2);
		out->search_octets = (uint64_t)db_int(&q, 3);
		out->search_reduced = (uint64_t)db_int(&q, 4);
	}
}

void store_gauges(struct store *s, struct db *db, Sekisho__GaugesAnswer *out)
{
	out->queued = queue_numbers(s->queue).waiting;
	out->held = (uint64_t)DB_NUMBER(db, 0, GAUGE_HELD, DI(0));
	out->oldest_ms = DB_NUMBER(db, 0, GAUGE_OLDEST, DI(0));
	out->accounts = (uint64_t)DB_NUMBER(db, 0, GAUGE_ACCOUNTS, DI(ORGANISATION));
	DB_ROWS q = DB_QUERY0(db, GAUGE_MESSAGES);
	if (db_next(&q)) {
		out->messages = (uint64_t)db_int(&q, 0);
		out->body_octets = (uint64_t)db_int(&q, 1);
	}
	out->sessions = sessions_count(s->sessions);
	out->disk_free = blob_disk_free(s->blob);
	search_gauges(s, db, out);
}

void ask_gauges(struct ipc_turn *t)
{
	Sekisho__GaugesAnswer answer = SEKISHO__GAUGES_ANSWER__INIT;
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		if (r.db) {
			store_gauges(store_of(t), r.db, &answer);
			done = db_result(r.db);
		}
	}
	if (done == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, done);
}
