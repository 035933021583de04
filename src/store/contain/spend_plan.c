/* Preparing: who is written to for the first time, and what the account is used to. Beside the writer. */
#include "store/queue/deliver.h"
#include "store/queue/queue.h"
#include "store/contain/spend.h"

/* What everybody may be taken to be used to. */
static const struct baseline floor_of = {.hour = 3, .day = 3, .slot = 5};
#define REFERENCES_MOST 4 /* messages in References that are looked for */

int64_t spend_token(const struct store *s, struct slice local, struct slice domain)
{
	BUF_LOCAL(address, 2 * LIMIT_ADDRESS);
	buf_printf(&address, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain));
	return seal_token(s->seal, "known", buf_slice(&address));
}

/* ---- who is new ---- */

static bool has(struct slice tokens, int64_t token)
{
	for (size_t i = 0; i + 8 <= tokens.n; i += 8)
		if (memcmp(tokens.p + i, &token, 8) == 0)
			return true;
	return false;
}

/* A message with this id came from this address: the trace knows it by both. */
static bool came_from(struct db *db, int64_t id, int64_t from, int64_t indexed)
{
	{
		DB_ROWS q = DB_QUERY(db, TRACE_BY_TOKEN, DI(id));
		while (db_next(&q))
			if (has(db_octets(&q, 2), from))
				return true;
	}
	DB_ROWS q = DB_QUERY(db, TRACE_TAIL, DI(indexed));
	while (db_next(&q))
		if (has(db_octets(&q, 2), id) && has(db_octets(&q, 2), from))
			return true;
	return false;
}

/*
 * Whose mail the account answers, from a familiar place: one who wrote the message that this one refers to. Who finds a
 * message in the mailbox may answer it, but to its sender only.
 */
static bool is_answer(
    struct deliver *d, struct db *db, const struct message *m, struct slice local, struct slice domain)
{
	const Sekisho__Facts *f = m->facts;
	const struct store *s = d->job.store;
	BUF_LOCAL(address, 2 * LIMIT_ADDRESS);
	if (!f || !f->n_references || d->spend.from != CONTEXT_FAMILIAR)
		return false;
	buf_printf(&address, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain));
	int64_t from = seal_token(s->seal, "from", buf_slice(&address));
	int64_t indexed = DB_NUMBER(db, 0, NUMBER_GET, DZ("trace indexed"));
	for (size_t i = 0; i < f->n_references && i < REFERENCES_MOST; i++) {
		struct slice id = slice_str(f->references[f->n_references - 1 - i]);
		if (DB_NUMBER(
			db, 0, THREAD_FIND, DI(d->spend.account), DI(seal_token(s->seal, "thread", id))) &&
		    came_from(db, seal_token(s->seal, "id", id), from, indexed))
			return true;
	}
	return false;
}

/* What one costs; 0: it is known. */
static uint64_t cost(struct store *s, struct db *db, int64_t account, int64_t token, bool ours, bool familiar)
{
	if (DB_NUMBER(db, 0, KNOWN_BY, DI(account), DI(token)))
		return 0;
	bool half = familiar && (ours || DB_NUMBER(db, 0, KNOWN_HERE, DI(token)));
	return half ? BUDGET_HALF : BUDGET_WHOLE;
}

static bool is_self(const struct resolving *r, unsigned rcpt, int64_t account)
{
	for (const struct target *t = r->first; t; t = t->next)
		if (t->rcpt == rcpt)
			return t->account == account && !t->spread;
	return false;
}

static bool met(const struct spending *p, int64_t token)
{
	for (size_t i = 0; i < p->n_fresh; i++)
		if (p->fresh[i] == token)
			return true;
	return false;
}

static void plan_rcpt(struct deliver *d, struct db *db, struct slice local, struct slice domain,
    const struct message *m, bool ours)
{
	struct spending *p = &d->spend;
	int64_t token = spend_token(d->job.store, local, domain);
	uint64_t halves = cost(d->job.store, db, p->account, token, ours, p->from == CONTEXT_FAMILIAR);
	if (halves && met(p, token))
		return;
	if (halves && !is_answer(d, db, m, local, domain)) {
		p->fresh[p->n_fresh++] = token;
		p->halves += halves;
	} else {
		p->n_known++;
	}
}

/* ---- what it is used to ---- */

struct learning {
	uint32_t *hours, *days, *slots;
	size_t n_hours, n_days, n_slots;
	int64_t hour, day; /* of the last in the lists */
};

static void add_to(uint32_t *v, size_t *n, int64_t *at, int64_t now, uint32_t count)
{
	if (*n && *at == now)
		v[*n - 1] += count;
	else
		v[(*n)++] = count;
	*at = now;
}

static enum result learn(struct deliver *d, struct db *db, const struct baseline *was, int64_t learned)
{
	struct spending *p = &d->spend;
	int64_t from = (d->now_ms - BUDGET_LEARN_DAYS * DAY_MS) / BUDGET_SLOT_MS;
	size_t most = BUDGET_LEARN_DAYS * DAY_MS / BUDGET_SLOT_MS + 2;
	ARENA_LOCAL(a, most * 3 * sizeof(uint32_t) + 4096);
	struct learning l = {.hours = arena_array(&a, most, sizeof(uint32_t)),
	    .days = arena_array(&a, most, sizeof(uint32_t)),
	    .slots = arena_array(&a, most, sizeof(uint32_t))};
	if (!l.hours || !l.days || !l.slots)
		return LATER;
	DB_ROWS q = DB_QUERY(db, SPENT_LEARN, DI(p->account), DI(from));
	while (db_next(&q) && l.n_slots < most) {
		int64_t slot = db_int(&q, 0);
		uint32_t fresh = (uint32_t)((db_int(&q, 1) + 1) / BUDGET_WHOLE),
			 went = (uint32_t)db_int(&q, 2);
		if (went)
			l.slots[l.n_slots++] = went;
		if (fresh) {
			add_to(l.hours, &l.n_hours, &l.hour, slot / (HOUR_MS / BUDGET_SLOT_MS), fresh);
			add_to(l.days, &l.n_days, &l.day, slot / (DAY_MS / BUDGET_SLOT_MS), fresh);
		}
	}
	unsigned days = learned ? (unsigned)MIN(p->today - learned, (int64_t)BUDGET_LEARN_DAYS) : 1;
	p->used_to =
	    (struct baseline){baseline_move(was->hour, baseline_p99(l.hours, l.n_hours), floor_of.hour, days),
		baseline_move(was->day, baseline_p99(l.days, l.n_days), floor_of.day, days),
		baseline_move(was->slot, baseline_p99(l.slots, l.n_slots), floor_of.slot, days)};
	p->learn = true;
	return db_result(db);
}

/* Once a day. */
static enum result learn_if_due(struct deliver *d, struct db *db)
{
	struct spending *p = &d->spend;
	struct baseline was = {0};
	int64_t learned = 0, slot = d->now_ms / BUDGET_SLOT_MS;
	{
		DB_ROWS q = DB_QUERY(db, SPENT_LOOK, DI(p->account), DI(slot), DI(slot), DI(slot));
		if (!db_next(&q))
			return db_result(db);
		was = (struct baseline){
		    (uint32_t)db_int(&q, 1), (uint32_t)db_int(&q, 2), (uint32_t)db_int(&q, 3)};
		learned = db_int(&q, 13);
	}
	p->today = d->now_ms / DAY_MS;
	return learned < p->today ? learn(d, db, &was, learned) : OK;
}

/* ---- machines ---- */

bool spend_allowance(
    struct db *db, int64_t account, struct arena *a, struct allowance *out, struct slice *networks_out)
{
	DB_ROWS q = DB_QUERY(db, ALLOWANCE_GET, DI(account));
	if (!db_next(&q))
		return false;
	*out = (struct allowance){(uint32_t)db_int(&q, 0), (uint32_t)db_int(&q, 1)};
	*networks_out = arena_dup(a, db_octets(&q, 2));
	return true;
}

/* From its own networks a machine has rules of its own, and is at home. */
static void choose_rules(struct deliver *d, struct db *db)
{
	struct spending *p = &d->spend;
	struct allowance allowed;
	struct slice networks, wrong;
	struct ip_nets nets;
	p->rules = d->job.store->settings->budget;
	if (!spend_allowance(db, p->account, d->arena, &allowed, &networks) ||
	    ip_nets_read(networks, LIMIT_NETWORKS, &nets, &wrong) != OK)
		return;
	p->allowed = ip_nets_have(&nets, &p->ip);
	free(nets.at);
	if (!p->allowed)
		return;
	p->rules = budget_rules_allowed(&p->rules, &allowed);
	p->from = CONTEXT_FAMILIAR;
}

/* ---- the whole ---- */

/* For each recipient of the envelope a row, as they are when somebody lets the message go. */
static enum result plan_rows(struct deliver *d, const struct envelope *e, const bool *ours)
{
	struct spending *p = &d->spend;
	p->rows = arena_array(d->arena, e->n_rcpts, sizeof *p->rows);
	for (size_t i = 0; p->rows && i < e->n_rcpts; i++) {
		const struct envelope_rcpt *r = &e->rcpts[i];
		p->rows[p->n_rows++] = (struct deliver_remote){.state = ours[i] ? RCPT_INWARD : RCPT_WAITING,
		    .notify = r->notify,
		    .domain = arena_dup(d->arena, r->domain),
		    .sealed =
			queue_seal_rcpt(d->job.store, d->mail, r->local, r->domain, r->orcpt, d->arena)};
	}
	return arena_full(d->arena) ? LATER : OK;
}

/* What arrived and for whom, for the case that it is held. */
static void plan_trace(struct deliver *d, const struct envelope *e, const struct trace *t, size_t first)
{
	TRACE held;
	trace_start(&held, d->job.store, d->mail);
	memcpy(held.tokens, t->tokens, sizeof held.tokens);
	held.n_tokens = t->n_tokens;
	buf_put(&held.steps, slice_sub(buf_slice(&t->steps), 0, first));
	for (size_t i = 0; i < e->n_rcpts; i++) {
		trace_step(&held, STEP_ADDRESSED);
		trace_address(&held, TRACE_TO, e->rcpts[i].local, e->rcpts[i].domain);
	}
	trace_seal(&held, d->mail, d->content, &d->spend.trace);
}

enum result spend_plan(struct deliver *d, struct db *db, const struct envelope *e, const struct resolving *r,
    const struct message *m, const struct trace *t, size_t first)
{
	struct spending *p = &d->spend;
	if (!p->account)
		return OK;
	bool *ours = arena_array(d->arena, e->n_rcpts, sizeof *ours);
	p->fresh = arena_array(d->arena, e->n_rcpts + r->n, sizeof *p->fresh);
	choose_rules(d, db);
	if (!ours || !p->fresh)
		return LATER;
	for (size_t i = 0; i < e->n_rcpts; i++) {
		const struct envelope_rcpt *to = &e->rcpts[i];
		ours[i] = i && slice_eq(e->rcpts[i].domain, e->rcpts[i - 1].domain)
			      ? ours[i - 1]
			      : resolve_is_ours(db, e->rcpts[i].domain);
		if (ours[i] && is_self(r, (unsigned)i, p->account))
			p->own++;
		else
			plan_rcpt(d, db, to->local, to->domain, m, ours[i]);
	}
	for (const struct target *to = r->first; to; to = to->next)
		if (!to->account && !to->report && ours[to->rcpt])
			plan_rcpt(d, db, to->local, to->domain, m, false);
	if (m->facts && (p->halves || p->from != CONTEXT_FAMILIAR))
		p->shingle = (int64_t)(points_shingle(slice_str(m->facts->preview)) & INT64_MAX);
	enum result done = learn_if_due(d, db);
	if (done == OK)
		done = plan_rows(d, e, ours);
	if (done == OK)
		plan_trace(d, e, t, first);
	return done == OK ? db_result(db) : done;
}

void spend_plan_one(struct store *s, struct db *db, int64_t account, struct slice local, struct slice domain,
    bool answers, struct spend_one *out)
{
	out->token = spend_token(s, local, domain);
	out->halves = answers ? 0 : cost(s, db, account, out->token, resolve_is_ours(db, domain), true);
}
