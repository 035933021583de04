#include "store/account/sms.h"
#include "store/handlers.h"

#define AGAIN_MS (5 * SECOND_MS)
#define KEPT_MS DAY_MS
#define TEXT_MOST 1000

enum { WAITS, TAKEN, GIVEN_UP };

struct sending {
	struct job job;
	int64_t account;
	struct slice to, text;
};

/* "number\ntext" */
static enum result apply_send(struct job *j, struct db *db)
{
	const struct sending *s = (const struct sending *)j;
	BUF_LOCAL(plain, TEXT_MOST);
	BUF_LOCAL(sealed, TEXT_MOST + SEAL_OVERHEAD);
	int64_t now = clock_utc_ms();
	DB_RUN(db, SMS_OLD, DI(now - KEPT_MS));
	if (DB_NUMBER(db, 0, SMS_SINCE, DI(now - HOUR_MS)) >= (int64_t)j->store->settings->sms_per_hour)
		return FULL;
	buf_put(&plain, s->to);
	buf_putc(&plain, '\n');
	buf_put(&plain, s->text);
	seal_put(j->store->seal, buf_slice(&plain), SLICE("sms"), &sealed);
	DB_RUN(db, SMS_ADD, DI(writer_number(j->store->writer, SEQUENCE_ALARM)), DI(now), DI(s->account),
	    DB(buf_slice(&sealed)));
	explicit_bzero(plain.p, plain.n);
	return OK;
}

enum result sms_send(struct store *s, int64_t account, struct slice to, struct slice text)
{
	struct sending job = {.job = {.store = s, .apply = apply_send, .durable = true},
	    .account = account,
	    .to = to,
	    .text = text};
	return writer_wait(s->writer, &job.job);
}

/* ---- relay ---- */

static enum result next_sms(struct store *s, struct arena *a, Sekisho__SmsAnswer *answer)
{
	BUF_LOCAL(plain, TEXT_MOST);
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, SMS_NEXT, DI(clock_utc_ms()));
	if (!db_next(&q))
		return db_result(r.db);
	answer->sms = (uint64_t)db_int(&q, 0);
	if (clock_utc_ms() - db_int(&q, 1) > SMS_GIVE_UP_MS ||
	    seal_get(s->seal, db_octets(&q, 3), SLICE("sms"), &plain) != OK)
		return OK; /* without a number it is given up by whoever asked for it */
	struct slice text = buf_slice(&plain), to = slice_split(&text, '\n');
	answer->to = arena_z(a, to);
	answer->text = arena_z(a, text);
	explicit_bzero(plain.p, plain.n);
	return answer->to && answer->text ? OK : LATER;
}

void ask_sms_next(struct ipc_turn *t)
{
	Sekisho__SmsAnswer answer = SEKISHO__SMS_ANSWER__INIT;
	enum result r = next_sms(store_of(t), &t->arena, &answer);
	if (r == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, r);
}

struct finishing {
	struct job job;
	struct ipc_turn *turn;
	const Sekisho__SmsDoneAsk *ask;
	int64_t attempts;
};

static enum result apply_done(struct job *j, struct db *db)
{
	struct finishing *f = (struct finishing *)j;
	int64_t now = clock_utc_ms(), at = now;
	{
		DB_ROWS q = DB_QUERY(db, SMS_AGE, DI(f->ask->sms));
		if (db_next(&q)) {
			at = db_int(&q, 0);
			f->attempts = db_int(&q, 1) + 1;
		}
	}
	int state = f->ask->taken ? TAKEN : f->ask->never || now - at > SMS_GIVE_UP_MS ? GIVEN_UP : WAITS;
	DB_RUN(db, SMS_DONE, DI(f->ask->sms), DI(state), DI(now + AGAIN_MS * f->attempts), DB(SLICE("")));
	return db_result(db);
}

static void done_done(struct job *j, enum result r)
{
	const struct finishing *f = (const struct finishing *)j;
	if (r == OK && !f->ask->taken)
		EVENT(SMS_FAILED, KN("sms", (int64_t)f->ask->sms), KZ("why", f->ask->why),
		    KN("attempts", f->attempts));
	if (r == OK)
		ipc_answer(f->turn, NULL, NULL);
	else
		refuse(f->turn, r);
}

void ask_sms_done(struct ipc_turn *t)
{
	struct finishing *f = arena_new(&t->arena, struct finishing);
	if (!f) {
		refuse(t, LATER);
		return;
	}
	*f = (struct finishing){
	    .job = {.store = store_of(t), .apply = apply_done, .done = done_done}, .turn = t, .ask = t->ask};
	writer_put(f->job.store->writer, &f->job);
}
