/* Deciding: what was spent, and whether this still fits. In the transaction that queues the message. */
#include "store/contain/spend.h"
#include "store/contain/contain.h"
#include "store/queue/deliver.h"
#include "store/queue/queue.h"

#define HELD_OCTETS ((uint64_t)100 << 20)

static const struct hold_text texts[HOLD_REASONS] = {
    {"administrator", "an administrator holds it", "管理者が保留しました"},
    {"abroad", "more first-time recipients than one may write to from a new country or a network of servers",
	"新しい国やサーバー網からの、初めての宛先の上限を超えました"},
    {"new-network", "more first-time recipients than one may write to from a new network",
	"新しいネットワークからの、初めての宛先の上限を超えました"},
    {"hour", "more first-time recipients than this account may write to in an hour",
	"一時間に送れる、初めての宛先の上限を超えました"},
    {"day", "more first-time recipients than this account may write to in a day",
	"一日に送れる、初めての宛先の上限を超えました"},
    {"rate", "far more mail in ten minutes than this account is used to",
	"普段よりはるかに多いメールが十分間に送られました"},
    {"suspect", "there are signs that somebody else uses this account",
	"第三者がこのアカウントを使っている兆候があります"},
    {"suspended", "the account is suspended", "アカウントは停止されています"},
};

struct hold_text hold_text(int64_t why)
{
	return why >= 0 && why < HOLD_REASONS ? texts[why] : (struct hold_text){0};
}

enum context_kind spend_context(const struct signin_context *c)
{
	return c->familiarity == SIGNIN_NEW_COUNTRY ? CONTEXT_ABROAD
	       : c->familiarity == SIGNIN_NEW_ASN   ? CONTEXT_NEW_NETWORK
						    : CONTEXT_FAMILIAR;
}

static enum hold_reason reason_of(enum budget_reason why)
{
	static const enum hold_reason of[] = {
	    [BUDGET_FITS] = HOLD_ADMIN,
	    [BUDGET_OVER_ABROAD] = HOLD_ABROAD,
	    [BUDGET_OVER_NETWORK] = HOLD_NETWORK,
	    [BUDGET_OVER_HOUR] = HOLD_HOUR,
	    [BUDGET_OVER_DAY] = HOLD_DAY,
	    [BUDGET_OVER_RATE] = HOLD_RATE,
	};
	return of[why];
}

/* ---- what is known of the account ---- */

struct look {
	struct spend_state state;
	uint64_t asked;     /* first-time recipients, in halves, in an hour */
	uint64_t asked_day; /* and in a day */
	uint64_t rcpts;     /* in about a slot */
	uint64_t invalid;   /* in an hour */
};

/* So much of the slot before as still lies in the ten minutes that end now. */
static uint64_t about_a_slot(int64_t now_ms, int64_t now, int64_t before)
{
	int64_t rest = BUDGET_SLOT_MS - now_ms % BUDGET_SLOT_MS;
	return (uint64_t)(now + before * rest / BUDGET_SLOT_MS);
}

static void look(struct db *db, int64_t account, int64_t now_ms, struct look *out)
{
	int64_t slot = now_ms / BUDGET_SLOT_MS;
	*out = (struct look){0};
	DB_ROWS q = DB_QUERY(db, SPENT_LOOK, DI(account), DI(slot), DI(slot - HOUR_MS / BUDGET_SLOT_MS),
	    DI(slot - DAY_MS / BUDGET_SLOT_MS));
	if (!db_next(&q))
		return;
	out->state.level = (enum points_level)db_int(&q, 0);
	out->state.used_to =
	    (struct baseline){(uint32_t)db_int(&q, 1), (uint32_t)db_int(&q, 2), (uint32_t)db_int(&q, 3)};
	out->state.spent = (struct spent){
	    .hour = (uint64_t)db_int(&q, 4),
	    .day = (uint64_t)db_int(&q, 5),
	    .far = (uint64_t)db_int(&q, 6),
	    .known = about_a_slot(now_ms, db_int(&q, 8), db_int(&q, 9)),
	    .away = (uint64_t)db_int(&q, 15),
	};
	out->asked = (uint64_t)db_int(&q, 7);
	out->rcpts = about_a_slot(now_ms, db_int(&q, 10), db_int(&q, 11));
	out->invalid = (uint64_t)db_int(&q, 12);
	out->asked_day = (uint64_t)db_int(&q, 14);
}

void spend_look(struct store *s, struct db *db, int64_t account, struct spend_state *out)
{
	struct look l;
	look(db, account, clock_utc_ms(), &l);
	*out = l.state;
	DB_ROWS q = DB_QUERY(db, HELD_SUM, DI(account));
	if (db_next(&q)) {
		out->held = (uint64_t)db_int(&q, 0);
		out->held_octets = (uint64_t)db_int(&q, 1);
	}
}

/* ---- judging ---- */

/* Signs that show in what is sent: counted as it was asked for, held or not. */
static enum points_level weigh(struct store *s, struct db *db, const struct spending *p, const struct look *l)
{
	enum points_level level = l->state.level;
	static const enum points_signal place[CONTEXT_KINDS] = {
	    [CONTEXT_NEW_NETWORK] = SIGNAL_NEW_NETWORK, [CONTEXT_ABROAD] = SIGNAL_NEW_COUNTRY};
	const struct budget_rules *rules = &p->rules;
	const struct baseline *used_to = &l->state.used_to;
	if (p->allowed)
		return level;
	bool many = p->halves && points_many_first(rules, used_to, (l->asked + p->halves) / BUDGET_WHOLE,
				     (l->asked_day + p->halves) / BUDGET_WHOLE);
	bool fast = points_fast(rules, used_to, l->rcpts + p->n_fresh + p->n_known);
	if (place[p->from] && (many || fast))
		level = contain_signal(s, db, p->account, place[p->from], SLICE_NONE);
	if (many)
		level = contain_signal(s, db, p->account, SIGNAL_FIRST_TIME, SLICE_NONE);
	if (fast)
		level = contain_signal(s, db, p->account, SIGNAL_RATE, SLICE_NONE);
	size_t alike = p->n_fresh + (p->from == CONTEXT_FAMILIAR ? 0 : p->n_known);
	if (alike && p->shingle &&
	    points_same_body(rules, (uint64_t)DB_NUMBER(db, 0, SAME_BODY, DI(p->account), DI(p->shingle),
					DI(clock_utc_ms() / DAY_MS), DI(alike))))
		level = contain_signal(s, db, p->account, SIGNAL_SAME_BODY, SLICE_NONE);
	return level;
}

static void judge_spending(
    struct store *s, struct db *db, struct spending *p, struct look *l, enum points_level level)
{
	l->state.spent.suspected = level >= LEVEL_HOLD;
	struct budget_verdict v = budget_judge(
	    &p->rules, &l->state.used_to, &l->state.spent, p->from, p->halves, p->n_fresh, p->n_known);
	p->alarmed = level >= LEVEL_HOLD;
	if (level == LEVEL_SUSPEND) {
		p->held = true;
		p->why = HOLD_SUSPENDED;
	} else if (level == LEVEL_HOLD && p->halves) {
		p->held = true;
		p->why = HOLD_SUSPECT;
	} else if (v.hold) {
		p->held = p->alarmed = true;
		p->why = reason_of(v.why);
		contain_held(s, db, p->account, p->why);
	}
	if (!p->held && (v.slow || level == LEVEL_HOLD))
		p->wait_ms = BUDGET_SLOT_MS;
}

/* What is held may be a lot, but not everything there is room for. */
static bool holds_too_much(struct db *db, int64_t account, uint64_t size)
{
	DB_ROWS q = DB_QUERY(db, HELD_SUM, DI(account));
	return db_next(&q) &&
	       ((uint64_t)db_int(&q, 0) >= LIMIT_HELD_MAILS || (uint64_t)db_int(&q, 1) + size > HELD_OCTETS);
}

static void note_spent(struct db *db, const struct spending *p, int64_t now_ms)
{
	bool far = p->from != CONTEXT_FAMILIAR;
	uint64_t all = p->n_fresh + p->n_known, went = p->held ? 0 : p->halves, left = p->held ? 0 : all;
	DB_RUN(db, SPENT_ADD, DI(p->account), DI(now_ms / BUDGET_SLOT_MS), DI(far ? 0 : went),
	    DI(far ? went : 0), DI(p->halves), DI(p->held ? 0 : p->n_known), DI(all), DI(left), DI(0),
	    DI(far ? left : 0));
	for (size_t i = 0; i < p->n_fresh && !p->held; i++)
		DB_RUN(db, KNOWN_ADD, DI(p->account), DI(p->fresh[i]), DI(now_ms));
}

enum result spend_apply(struct deliver *d, struct db *db)
{
	struct spending *p = &d->spend;
	struct look l;
	p->held = p->full = p->alarmed = false;
	p->wait_ms = 0;
	if (!p->account)
		return OK;
	if (p->learn)
		DB_RUN(db, GUARD_LEARN, DI(p->account), DI(d->now_ms), DI(p->today), DI(p->used_to.hour),
		    DI(p->used_to.day), DI(p->used_to.slot));
	look(db, p->account, d->now_ms, &l);
	judge_spending(d->job.store, db, p, &l, weigh(d->job.store, db, p, &l));
	p->full = p->held && holds_too_much(db, p->account, d->bodies[0].size);
	if (p->full)
		return FULL;
	note_spent(db, p, d->now_ms);
	return db_result(db);
}

/* How much a filter sends is for others to say: it is no sign, and nothing of it is known to be the account's own pace. */
void spend_apply_one(struct store *s, struct db *db, int64_t account, int64_t now_ms, struct spend_one *one)
{
	struct spending p = {.account = account,
	    .rules = s->settings->budget,
	    .fresh = &one->token,
	    .n_fresh = one->halves != 0,
	    .halves = one->halves};
	struct look l;
	look(db, account, now_ms, &l);
	judge_spending(s, db, &p, &l, l.state.level);
	if (one->halves)
		note_spent(db, &p, now_ms);
	one->held = p.held;
	one->why = p.why;
}

void spend_invalid(struct store *s, struct db *db, int64_t account, unsigned n)
{
	struct look l;
	int64_t now = clock_utc_ms();
	DB_RUN(db, SPENT_ADD, DI(account), DI(now / BUDGET_SLOT_MS), DI(0), DI(0), DI(0), DI(0), DI(0), DI(0),
	    DI(n), DI(0));
	look(db, account, now, &l);
	uint64_t first = l.asked / BUDGET_WHOLE;
	enum points_signal signal = points_invalid(l.invalid, first);
	bool few = l.invalid * 10 < first && DB_NUMBER(db, 0, ALLOWANCE_HAS, DI(account));
	if (signal && !few)
		contain_signal(s, db, account, signal, SLICE_NONE);
}

/* ---- holding ---- */

enum result spend_put_held(struct deliver *d, struct db *db)
{
	struct spending *p = &d->spend;
	struct writer *w = d->job.store->writer;
	struct deliver_body *b = &d->bodies[0];
	TRACE t;
	struct trace_row row;
	b->id = blob_ref(d->job.store->blob, w, db, &b->blob, 1);
	if (!b->id)
		return LATER;
	deliver_put_queue(d, db, MAIL_HELD, p->rows, p->n_rows);
	trace_apply(w, db, &p->trace);
	trace_start(&t, d->job.store, d->mail);
	trace_step(&t, STEP_HELD_BACK);
	trace_field(&t, TRACE_WHY, slice_str(texts[p->why].name));
	trace_field(&t, TRACE_REPLY, slice_str(texts[p->why].en));
	trace_seal(&t, d->mail, 0, &row);
	trace_apply(w, db, &row);
	trace_row_free(&row);
	return db_result(db);
}

/* ---- forgetting ---- */

struct forget {
	struct job job;
	int64_t now_ms;
};

static enum result apply_forget(struct job *j, struct db *db)
{
	const struct forget *f = (const struct forget *)j;
	DB_RUN(db, SPENT_OLD, DI((f->now_ms - (BUDGET_LEARN_DAYS + 1) * DAY_MS) / BUDGET_SLOT_MS));
	DB_RUN(db, SAME_BODY_OLD, DI(f->now_ms / DAY_MS - 1));
	return OK;
}

void spend_forget(struct store *s)
{
	struct forget f = {.job = {.store = s, .apply = apply_forget}, .now_ms = clock_utc_ms()};
	result_ignore(writer_wait(s->writer, &f.job));
}
