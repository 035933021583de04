/* TLS reports that go by https: rows that the relay fetches, posts and reports. */
#include "store/mailbox/fields.h"
#include "store/handlers.h"
#include "store/domain/reports.h"

#define CLAIM_MS (5 * MINUTE_MS)
#define RETRY_MS HOUR_MS
#define LOOK_MS (10 * MINUTE_MS)
#define TRIES_MOST 24 /* RFC 8460 5.4: a day */
#define SEALED_MOST ((size_t)32 << 20)

enum post_field { POST_URL = 1, POST_BODY };

static struct slice bound_to(int64_t id, char room[40])
{
	int n = snprintf(room, 40, "report post %lld", (long long)id);
	return slice_of(room, (size_t)n);
}

void reports_post_add(struct store *s, struct db *db, const char *url, struct slice packed)
{
	char room[40];
	BUF_LOCAL(fields, SEALED_MOST);
	BUF_LOCAL(sealed, SEALED_MOST);
	int64_t id = writer_number(s->writer, SEQUENCE_QUEUE);
	fields_put(&fields, POST_URL, slice_str(url));
	fields_put(&fields, POST_BODY, packed);
	seal_put(s->seal, buf_slice(&fields), bound_to(id, room), &sealed);
	DB_RUN(db, POST_ADD, DI(id), DI(clock_utc_ms()), DB(buf_slice(&sealed)));
}

/* ---- giving one out ---- */

struct posting {
	struct job job; /* first */
	struct ipc_turn *turn;
	struct buf sealed;
	Sekisho__ReportPostAnswer answer;
};

static void wait_for_more(struct posting *p, struct db *db)
{
	DB_ROWS q = DB_QUERY0(db, POST_NEXT);
	int64_t next = db_next(&q) && !db_is_null(&q, 0) ? db_int(&q, 0) - clock_utc_ms() : LOOK_MS;
	p->answer.wait_ms = (uint64_t)MIN(MAX(next, SECOND_MS), LOOK_MS);
}

static enum result apply_next(struct job *j, struct db *db)
{
	struct posting *p = (struct posting *)j;
	int64_t now = clock_utc_ms();
	{
		DB_ROWS q = DB_QUERY(db, POST_DUE, DI(now));
		if (db_next(&q)) {
			p->answer.id = (uint64_t)db_int(&q, 0);
			buf_put(&p->sealed, db_octets(&q, 4));
		}
	}
	if (p->answer.id)
		DB_RUN(db, POST_CHANGE, DI(p->answer.id), DI(now + CLAIM_MS), DI(1));
	else
		wait_for_more(p, db);
	return OK;
}

/* In the answer's descriptor. */
static enum result give_body(struct posting *p, struct ipc_fds *fds)
{
	char room[40];
	BUF_LOCAL(fields, SEALED_MOST);
	enum result r = seal_get(
	    store_of(p->turn)->seal, buf_slice(&p->sealed), bound_to((int64_t)p->answer.id, room), &fields);
	FD_LOCAL fd = r == OK ? fd_memory("report") : -1;
	p->answer.url = arena_z(&p->turn->arena, fields_find(buf_slice(&fields), POST_URL));
	if (fd < 0 || !p->answer.url || fd_write_all(fd, fields_find(buf_slice(&fields), POST_BODY)) != OK ||
	    fd_seal(fd) != OK)
		return LATER;
	fds->fd[fds->n++] = fd;
	fd = -1;
	return OK;
}

static void done_next(struct job *j, enum result r)
{
	struct posting *p = (struct posting *)j;
	struct ipc_fds fds = {.n = 0};
	if (r == OK && p->answer.id)
		r = give_body(p, &fds);
	buf_free(&p->sealed);
	if (r == OK)
		ipc_answer(p->turn, &p->answer, &fds);
	else
		refuse(p->turn, r);
	ipc_fds_close(&fds);
}

static struct posting *posting_new(struct ipc_turn *t)
{
	struct posting *p = arena_new(&t->arena, struct posting);
	if (!p) {
		refuse(t, LATER);
		return NULL;
	}
	*p = (struct posting){.turn = t, .sealed.max = SEALED_MOST};
	sekisho__report_post_answer__init(&p->answer);
	p->job.store = store_of(t);
	return p;
}

void ask_report_post(struct ipc_turn *t)
{
	struct posting *p = posting_new(t);
	if (!p)
		return;
	p->job.apply = apply_next;
	p->job.done = done_next;
	writer_put(p->job.store->writer, &p->job);
}

/* ---- what became of it ---- */

static enum result apply_posted(struct job *j, struct db *db)
{
	const Sekisho__ReportPostedAsk *ask = ((struct posting *)j)->turn->ask;
	int64_t attempts = 0;
	{
		DB_ROWS q = DB_QUERY(db, POST_GET, DI(ask->id));
		if (!db_next(&q))
			return OK;
		attempts = db_int(&q, 1);
	}
	if (ask->done || ask->never || attempts >= TRIES_MOST)
		DB_RUN(db, POST_REMOVE, DI(ask->id));
	else
		DB_RUN(db, POST_CHANGE, DI(ask->id), DI(clock_utc_ms() + RETRY_MS), DI(0));
	return OK;
}

static void done_posted(struct job *j, enum result r)
{
	struct ipc_turn *t = ((struct posting *)j)->turn;
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		refuse(t, r);
}

void ask_report_posted(struct ipc_turn *t)
{
	struct posting *p = posting_new(t);
	if (!p)
		return;
	p->job.apply = apply_posted;
	p->job.done = done_posted;
	p->job.durable = true;
	writer_put(p->job.store->writer, &p->job);
}
