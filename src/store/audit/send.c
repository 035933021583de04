/* STORE_AUDIT_TAKE: rows of the audit for the log server, which relay reaches. What it has is remembered here. */
#include "store/audit/audit.h"
#include "store/handlers.h"

#define SENT "audit sent" /* in numbers */
#define ROW_MOST ((size_t)2 << 20)
#define TEXT_MOST 60000    /* octets of one row's text; longer ones are told by number */
#define BATCH_OCTETS 40000 /* a packet holds that and one row more */

struct progress {
	struct job job;
	int64_t sent;
};

static enum result apply_progress(struct job *j, struct db *db)
{
	const struct progress *p = (const struct progress *)j;
	if (p->sent > DB_NUMBER(db, 0, NUMBER_GET, DZ(SENT)))
		DB_RUN(db, NUMBER_SET, DZ(SENT), DI(p->sent));
	return OK;
}

static Sekisho__AuditLine *make_line(const struct audit_row *row, struct arena *a)
{
	Sekisho__AuditLine *line = arena_new(a, Sekisho__AuditLine);
	json_t *v = json_loadb(row->text.p, row->text.n, 0, NULL);
	const char *act = json_string_value(json_object_get(v, "act"));
	const char *result = json_string_value(json_object_get(v, "result"));
	if (line) {
		sekisho__audit_line__init(line);
		line->number = row->number;
		line->at_ms = row->at_ms;
		line->act = arena_z(a, slice_str(act));
		line->refused = result && strcmp(result, "ok") != 0;
		line->text = row->text.n <= TEXT_MOST
				 ? arena_z(a, row->text)
				 : arena_printf(a, "{\"number\":%lld,\"text\":\"(too large)\"}",
				       (long long)row->number);
	}
	json_decref(v);
	return line && line->act && line->text ? line : NULL;
}

static enum result fill(struct store *s, struct arena *a, Sekisho__AuditTakeAnswer *answer)
{
	BUF_LOCAL(text, ROW_MOST);
	size_t octets = 0;
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	answer->lines = arena_array(a, LIMIT_AUDIT_BATCH, sizeof *answer->lines);
	if (!answer->lines)
		return LATER;
	int64_t after = DB_NUMBER(r.db, 0, NUMBER_GET, DZ(SENT));
	DB_ROWS q = DB_QUERY(r.db, AUDIT_ROWS, DI(after), DI(LIMIT_AUDIT_BATCH));
	while (octets < BATCH_OCTETS && db_next(&q)) {
		struct audit_row row;
		if (audit_read(s, &q, &text, &row) != OK)
			row.text = SLICE("{\"act\":\"(cannot be read)\"}");
		Sekisho__AuditLine *line = make_line(&row, a);
		if (!line)
			break;
		answer->lines[answer->n_lines++] = line;
		octets += row.text.n;
	}
	return db_result(r.db);
}

void ask_audit_take(struct ipc_turn *t)
{
	const Sekisho__AuditTakeAsk *ask = t->ask;
	Sekisho__AuditTakeAnswer answer = SEKISHO__AUDIT_TAKE_ANSWER__INIT;
	struct progress p = {
	    .job = {.store = store_of(t), .apply = apply_progress, .durable = true}, .sent = ask->sent};
	enum result r = ask->sent > 0 ? writer_wait(store_of(t)->writer, &p.job) : OK;
	if (r == OK)
		r = fill(store_of(t), &t->arena, &answer);
	if (r == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, r);
}
