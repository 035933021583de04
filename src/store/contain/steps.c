/* The steps of an incident: a thread of its own takes one after the other, each in a transaction that says so. */
#include "store/contain/alarm.h"
#include "store/queue/bounce.h"
#include "store/contain/contain.h"
#include "store/contain/reading.h"
#include "store/account/epoch.h"
#include "store/mailbox/fields.h"
#include "store/account/signins.h"
#include "store/rounds.h"
#include <stdlib.h>

#define COOL_EVERY_MS (10 * MINUTE_MS)
#define TRACED_MOST 5000 /* messages whose trace says that they were stopped */
#define FIELD_FROZEN 1   /* the name of a filter that ran, in the sealed column */

struct contain {
	struct reading *reading;
	struct store *store;
	struct rounds rounds;
	int64_t cooled; /* monotonic */
};

/* One incident at one step. */
struct work {
	struct job job;
	int64_t incident, account, bad_since;
	enum points_level level;
	enum contain_step step; /* the one to be taken */
};

/* ---- the steps; in apply() ---- */

static void trace_stopped(struct store *s, struct db *db, struct slice mail, enum hold_reason why)
{
	TRACE t;
	struct trace_row row;
	trace_start(&t, s, mail);
	trace_step(&t, STEP_STOPPED);
	trace_field(&t, TRACE_WHY, slice_str(hold_text(why).name));
	trace_field(&t, TRACE_REPLY, slice_str(hold_text(why).en));
	trace_seal(&t, mail, 0, &row);
	trace_apply(s->writer, db, &row);
	trace_row_free(&row);
}

static void hold_waiting(struct work *w, struct db *db)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	bool all = w->level == LEVEL_SUSPEND;
	enum hold_reason why = all ? HOLD_SUSPENDED : HOLD_SUSPECT;
	struct slice *mails = arena_array(&a, TRACED_MOST, sizeof *mails);
	size_t n = 0;
	{
		DB_ROWS q = DB_QUERY(db, WAITING_MAILS, DI(w->account), DI(all), DI(TRACED_MOST));
		while (mails && n < TRACED_MOST && db_next(&q))
			mails[n++] = arena_dup(&a, db_octets(&q, 0));
	}
	DB_RUN(db, HOLD_WAITING, DI(w->account), DI(why), DI(all));
	for (size_t i = 0; i < n; i++)
		trace_stopped(w->job.store, db, mails[i], why);
}

static void suspend(struct work *w, struct db *db)
{
	DB_RUN(db, ACCOUNT_CONTAIN, DI(w->account));
	DB_RUN(db, INCIDENT_SUSPEND, DI(w->incident), DI(clock_utc_ms()));
	epoch_bump(w->job.store->writer, db, w->account);
	signins_forget(db, w->account, w->bad_since);
}

/* Filters that were changed since it began do not run; which one ran is kept, for the one who restores it. */
static void freeze(struct work *w, struct db *db)
{
	BUF_LOCAL(fields, 4096);
	BUF_LOCAL(sealed, 4096 + SEAL_OVERHEAD);
	{
		DB_ROWS q = DB_QUERY(db, SCRIPT_ACTIVE_CHANGED, DI(w->account), DI(w->bad_since));
		if (!db_next(&q))
			return;
		fields_put(&fields, FIELD_FROZEN, db_octets(&q, 0));
	}
	DB_RUN(db, SCRIPT_DEACTIVATE, DI(w->account));
	seal_put(w->job.store->seal, buf_slice(&fields), SLICE("incident"), &sealed);
	DB_RUN(db, INCIDENT_NOTE, DI(w->incident), DB(buf_slice(&sealed)));
}

struct slice contain_frozen(struct store *s, struct slice sealed, struct arena *a)
{
	BUF_LOCAL(b, 4096);
	if (!sealed.n || seal_get(s->seal, sealed, SLICE("incident"), &b) != OK)
		return SLICE_NONE;
	return arena_dup(a, fields_find(buf_slice(&b), FIELD_FROZEN));
}

static void put_texts(struct work *w, struct db *db, struct buf *en, struct buf *ja)
{
	struct spend_state state;
	BUF_LOCAL(who, 2 * LIMIT_ADDRESS);
	spend_look(w->job.store, db, w->account, &state);
	{
		DB_ROWS q = DB_QUERY(db, ACCOUNT_SHOWN, DI(w->account));
		if (db_next(&q)) {
			buf_put(&who, db_octets(&q, 0));
			buf_putc(&who, '@');
			buf_put(&who, db_octets(&q, 1));
		}
	}
	long long went = DB_NUMBER(db, 0, SPENT_WENT, DI(w->account), DI(w->bad_since / BUDGET_SLOT_MS));
	bool suspended = w->level == LEVEL_SUSPEND;
	buf_printf(en, "%s: " SLICE_FMT "\n\n", suspended ? "Account suspended" : "Mail held",
	    SLICE_ARG(buf_slice(&who)));
	buf_printf(ja, "%s: " SLICE_FMT "\n\n", suspended ? "アカウントを停止しました" : "送信を保留しました",
	    SLICE_ARG(buf_slice(&who)));
	{
		DB_ROWS q = DB_QUERY(db, SIGNALS_OF, DI(w->account));
		while (db_next(&q)) {
			const struct points_text *text = points_text((enum points_signal)db_int(&q, 0));
			if (!text)
				continue;
			buf_printf(en, "- %s\n", text->en);
			buf_printf(ja, "- %s\n", text->ja);
		}
	}
	buf_printf(en,
	    "\nMail held: %llu messages. Recipients whom mail of this account left for since it began: "
	    "%lld.\n"
	    "%s\nIncident %lld: sekisho incident show %lld\n",
	    (unsigned long long)state.held, went,
	    suspended ? "Nobody can sign in to it; mail for it is still accepted. Another person must "
			"restore it, with a new "
			"password."
		      : "Mail to people it never wrote to waits until somebody releases it; the rest goes "
			"on, slower.",
	    (long long)w->incident, (long long)w->incident);
	buf_printf(ja,
	    "\n保留中のメール: %llu 通。発生以降に送信された宛先: %lld 件。\n%s\nインシデント %lld: sekisho "
	    "incident show %lld\n",
	    (unsigned long long)state.held, went,
	    suspended
		? "このアカウントにはログインできません(受信は続きます)"
		  "。復旧は別の担当者が、新しいパスワードとともに行います。"
		: "初めての宛先へのメールは、承認されるまで保留されます。それ以外は遅れて送信されます。",
	    (long long)w->incident, (long long)w->incident);
}

static void tell(struct work *w, struct db *db)
{
	BUF_LOCAL(en, 8192);
	BUF_LOCAL(ja, 8192);
	bool suspended = w->level == LEVEL_SUSPEND;
	put_texts(w, db, &en, &ja);
	alarm_put(w->job.store, db,
	    &(struct alarm){.kind = suspended ? "account.suspended" : "mail.held",
		.severity = suspended ? ALARM_CRITICAL : ALARM_WARNING,
		.account = w->account,
		.personal = true,
		.en = buf_slice(&en),
		.ja = buf_slice(&ja)});
}

static enum contain_step next_step(enum contain_step done, enum points_level level)
{
	if (done == CONTAIN_HELD && level < LEVEL_SUSPEND)
		return CONTAIN_TOLD;
	return done == CONTAIN_FROZEN ? CONTAIN_TOLD : done + 1;
}

static void take_step(struct work *w, struct db *db)
{
	switch (w->step) {
	case CONTAIN_HELD:
		hold_waiting(w, db);
		break;
	case CONTAIN_SUSPENDED:
		suspend(w, db);
		break;
	case CONTAIN_FROZEN:
		freeze(w, db);
		break;
	case CONTAIN_TOLD:
		tell(w, db);
		break;
	default:
		break;
	}
	DB_RUN(db, INCIDENT_STEP, DI(w->incident), DI(w->step));
}

/* One step of the oldest incident that has some to be taken: as it is now, since its level may just have risen. */
static enum result apply_step(struct job *j, struct db *db)
{
	struct work *w = (struct work *)j;
	{
		DB_ROWS q = DB_QUERY(db, INCIDENTS_DUE, DI(1));
		if (!db_next(&q))
			return db_result(db);
		w->incident = db_int(&q, 0);
		w->account = db_int(&q, 1);
		w->level = (enum points_level)db_int(&q, 2);
		w->step = next_step((enum contain_step)db_int(&q, 3), w->level);
		w->bad_since = db_int(&q, 4);
	}
	take_step(w, db);
	return db_result(db);
}

/* ---- the thread ---- */

/* False: there is nothing to be done, or it failed. */
static bool do_one(struct store *s)
{
	struct work w = {.job = {.store = s, .apply = apply_step, .durable = true}};
	{
		READER r = reader_begin(s);
		if (!r.db || !DB_NUMBER(r.db, 0, INCIDENTS_DUE, DI(1)))
			return false;
	}
	if (writer_wait(s->writer, &w.job) != OK || !w.incident)
		return false;
	if (w.step == CONTAIN_SUSPENDED)
		signins_unjudge(s, w.account);
	EVENT(CONTAINED, KN("incident", w.incident), KN("account", w.account), KN("step", w.step));
	return true;
}

static int64_t work(void *arg)
{
	struct contain *c = arg;
	while (do_one(c->store))
		;
	alarm_mail_waiting(c->store);
	bounce_tell_owed(c->store);
	if (clock_mono_ms() - c->cooled > COOL_EVERY_MS) {
		c->cooled = clock_mono_ms();
		contain_cool(c->store);
	}
	return ROUNDS_UNTIL_WOKEN; /* the keeper does, each second */
}

void contain_wake(struct store *s)
{
	if (s->contain)
		rounds_wake(&s->contain->rounds);
}

struct contain *contain_new(struct store *s)
{
	struct contain *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	c->store = s;
	c->reading = reading_new();
	c->cooled = clock_mono_ms();
	rounds_start(&c->rounds, "contain", 0, work, c); /* at once: what a crash has left */
	return c;
}

void contain_free(struct contain *c)
{
	if (!c)
		return;
	rounds_stop(&c->rounds);
	reading_free(c->reading);
	free(c);
}

struct reading *contain_reading(const struct store *s)
{
	return s->contain ? s->contain->reading : NULL;
}
