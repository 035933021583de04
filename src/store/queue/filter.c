#include "store/queue/filter.h"
#include "mail/address.h"
#include "store/queue/queue.h"
#include "store/queue/srs.h"

#define FORGET_JOB_MOST 500

static void load_own_script(struct filtering *f, const char *name, struct script *out)
{
	*out = (struct script){0};
	if (script_load(f->store, f->db, 0, slice_str(name), f->d->arena, out) != OK || out->broken)
		out->name = SLICE_NONE;
}

void filter_start(struct filtering *f, struct deliver *d, struct db *reader, const struct envelope *e,
    const struct message *m, struct trace *t)
{
	*f = (struct filtering){.d = d, .store = d->job.store, .db = reader, .e = e, .m = m, .trace = t};
	load_own_script(f, SCRIPT_BEFORE, &f->before);
	load_own_script(f, SCRIPT_AFTER, &f->behind);
}

void filter_sender(struct store *s, struct db *db, enum mail_origin origin, struct slice keeper,
    struct slice ours, struct buf *room, struct slice *local, struct slice *domain)
{
	if (!local->n || resolve_is_ours(db, *domain) || !resolve_is_ours(db, ours))
		return;
	if (origin != ORIGIN_OURS && origin != ORIGIN_PROVEN)
		*local = keeper;
	else if (srs_forward(s->seal, *local, *domain, clock_utc_ms(), room) == OK)
		*local = buf_slice(room);
	else
		return;
	*domain = ours;
}

/* ---- which scripts ---- */

static void add_script(struct filter_run *run, const struct script *s)
{
	if (s->name.n)
		run->scripts[run->n_scripts++] = *s;
}

static enum result choose_scripts(struct filter_run *run)
{
	struct filtering *f = run->f;
	struct script own = {0};
	struct slice name = script_active(f->db, run->to->account, f->d->arena);
	add_script(run, &f->before);
	if (name.n) {
		enum result r = script_load(f->store, f->db, run->to->account, name, f->d->arena, &own);
		if (r == LATER)
			return LATER;
		if (r == OK && !own.broken)
			add_script(run, &own);
	}
	add_script(run, &f->behind);
	return db_result(f->db) != OK ? LATER : run->n_scripts ? OK : GONE;
}

static void add_own(struct filter_run *run, struct slice local, struct slice domain)
{
	BUF_LOCAL(b, 2 * LIMIT_ADDRESS);
	mail_addr_put(&b, (struct mail_addr){local, domain});
	run->own[run->n_own++] = arena_dup(run->f->d->arena, buf_slice(&b));
}

/* The addresses the account may speak for; the one that is its own is the first. */
static enum result load_person(struct filter_run *run)
{
	struct filtering *f = run->f;
	struct arena *a = f->d->arena;
	run->own = arena_array(a, LIMIT_FILTER_OWN + 1, sizeof *run->own);
	if (!run->own)
		return LATER;
	add_own(run, run->to->local, run->to->domain);
	{
		DB_ROWS q = DB_QUERY(f->db, FILTER_ADDRESSES, DI(run->to->account), DI(LIMIT_FILTER_OWN));
		while (run->n_own <= LIMIT_FILTER_OWN && db_next(&q))
			add_own(run, db_octets(&q, 0), db_octets(&q, 1));
	}
	DB_ROWS q = DB_QUERY(f->db, ACCOUNT_LOGIN, DI(run->to->account));
	run->name = db_next(&q) ? arena_z(a, db_octets(&q, 2)) : "";
	return db_result(f->db) != OK || arena_full(a) ? LATER : OK;
}

/* ---- what becomes of actions ---- */

const char *filter_act_name(const Sekisho__SieveAction *a)
{
	static const char *const names[] = {
	    "keep", "fileinto", "redirect", "reject", "ereject", "vacation", "notify", "duplicate", "report"};
	return (unsigned)a->act < COUNT(names) ? names[a->act] : "?";
}

void filter_step(const struct filter_run *run, enum trace_step step, const Sekisho__SieveAction *a)
{
	struct filtering *f = run->f;
	const struct envelope_rcpt *rcpt = &f->e->rcpts[run->to->rcpt];
	trace_step(f->trace, step);
	trace_address(f->trace, TRACE_TO, rcpt->local, rcpt->domain);
	trace_field(f->trace, TRACE_ACCOUNT, run->own[0]);
	trace_field(f->trace, TRACE_SCRIPT, a ? slice_str(a->script) : run->scripts[0].name);
	if (!a)
		return;
	trace_number(f->trace, TRACE_LINE, a->line);
	trace_field(f->trace, TRACE_ACTION, slice_str(filter_act_name(a)));
}

static const struct {
	const char *name;
	uint32_t bit;
} system_flags[] = {
    {"\\Seen", SEKISHO__FLAG__FLAG_SEEN},
    {"\\Answered", SEKISHO__FLAG__FLAG_ANSWERED},
    {"\\Flagged", SEKISHO__FLAG__FLAG_FLAGGED},
    {"\\Deleted", SEKISHO__FLAG__FLAG_DELETED},
    {"\\Draft", SEKISHO__FLAG__FLAG_DRAFT},
};

static bool is_keyword(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("(){%*\"\\]", s.p[i]))
			return false;
	return s.n && s.n <= LIMIT_KEYWORD;
}

/* What is no flag is left out. */
void filter_flags(struct filter_run *run, struct deliver_local *l, const Sekisho__SieveAction *a)
{
	l->keywords =
	    arena_array(run->f->d->arena, MIN(a->n_flags, (size_t)LIMIT_KEYWORDS) + 1, sizeof *l->keywords);
	for (size_t i = 0; l->keywords && i < a->n_flags; i++) {
		struct slice flag = slice_str(a->flags[i]);
		bool known = false;
		for (size_t j = 0; j < COUNT(system_flags); j++) {
			if (!slice_ieq(flag, slice_str(system_flags[j].name)))
				continue;
			known = true;
			l->flags |= system_flags[j].bit;
		}
		if (!known && is_keyword(flag) && l->n_keywords < LIMIT_KEYWORDS)
			l->keywords[l->n_keywords++] = arena_z(run->f->d->arena, flag);
	}
}

static bool is_there(const struct filter_run *run, struct slice mailbox, unsigned body)
{
	for (const struct deliver_local *l = run->f->d->locals; l; l = l->next)
		if (l->account == run->to->account && l->body == body && slice_eq(l->mailbox, mailbox) &&
		    !l->with)
			return true;
	return false;
}

bool filter_mailbox(const struct filter_run *run, const Sekisho__SieveAction *a, struct slice *name_out)
{
	struct filtering *f = run->f;
	struct slice name = slice_str(a->mailbox);
	*name_out = SLICE_NONE;
	if (*a->special_use) {
		DB_ROWS q = DB_QUERY(f->db, SPECIAL_USE_NAME, DI(run->to->account), DZ(a->special_use));
		if (db_next(&q))
			name = arena_dup(f->d->arena, db_octets(&q, 0));
	}
	if (!name.n || slice_ieq(name, SLICE("INBOX")))
		return true;
	*name_out = arena_dup(f->d->arena, name);
	return a->create || box_find(f->db, run->to->account, name) != 0;
}

/* A copy of a body into a mailbox; once, however often it is asked for. */
static enum result place(
    struct filter_run *run, const Sekisho__SieveAction *a, struct slice mailbox, unsigned body)
{
	run->placed++;
	if (is_there(run, mailbox, body))
		return OK;
	struct deliver_local *l = deliver_add_local(run->f->d, run->to);
	if (!l)
		return LATER;
	l->mailbox = mailbox;
	l->create = a->create;
	l->body = body;
	filter_flags(run, l, a);
	filter_step(run, a->line || mailbox.n ? STEP_FILTERED : STEP_DELIVERED, a);
	trace_field(run->f->trace, TRACE_MAILBOX, mailbox.n ? mailbox : SLICE("INBOX"));
	return OK;
}

static enum result file(struct filter_run *run, const Sekisho__SieveAction *a)
{
	struct slice mailbox = SLICE_NONE;
	unsigned body = 0;
	if (a->act == SEKISHO__SIEVE_ACTION__ACT__FILEINTO && !filter_mailbox(run, a, &mailbox)) {
		filter_step(run, STEP_LEFT_OUT, a);
		trace_field(run->f->trace, TRACE_MAILBOX, mailbox);
		trace_field(run->f->trace, TRACE_WHY, SLICE("there is no such mailbox"));
		mailbox = SLICE_NONE; /* RFC 5228 2.10.6: kept where it is sure to be found */
	}
	enum result r = filter_body(run, a->body, &body);
	return r == OK ? place(run, a, mailbox, body) : r;
}

/* NULL: refused in the conversation, or a notice may go to its sender. Otherwise nobody would hear of it. */
static const char *why_untold(const struct filter_run *run)
{
	const struct envelope *e = run->f->e;
	if (e->answered && run->f->total == 1)
		return NULL;
	if (e->from_local.n && e->origin != ORIGIN_OURS && e->origin != ORIGIN_PROVEN)
		return "others did not refuse it, and its sender is not proven: a notice could go to "
		       "somebody else";
	return filter_too_many(run);
}

/* Once it is known who else refuses it, the client is told or the sender gets a notice. */
static enum result reject(struct filter_run *run, const Sekisho__SieveAction *a)
{
	struct filtering *f = run->f;
	const struct envelope_rcpt *rcpt = &f->e->rcpts[run->to->rcpt];
	const char *untold = why_untold(run);
	run->refused++;
	if (!f->reason.n)
		f->reason = arena_dup(f->d->arena, slice_str(a->reason));
	if (run->refused == 1 && untold) { /* kept, unless everybody refuses it */
		static const Sekisho__SieveAction keep = SEKISHO__SIEVE_ACTION__INIT;
		filter_step(run, STEP_LEFT_OUT, a);
		trace_field(f->trace, TRACE_WHY, slice_str(untold));
		return place(run, &keep, SLICE_NONE, 0);
	}
	filter_step(run, STEP_REJECTED, a);
	trace_field(f->trace, TRACE_WHY, slice_str(a->reason));
	if (run->refused > 1 || !f->e->from_local.n || (rcpt->notify & NOTIFY_NEVER))
		return OK;
	if (a->act == SEKISHO__SIEVE_ACTION__ACT__REJECT && a->body)
		return filter_send(run, a);
	struct deliver_remote *row =
	    deliver_add_row(f->d, RCPT_FAILED, NOTIFY_FAILURE, rcpt->local, rcpt->domain, rcpt->orcpt);
	row->reply = queue_seal_outcome(f->store, f->d->mail, "5.7.1", slice_str(a->reason), f->d->arena);
	return OK;
}

/* Kept as seen once all of this is done. */
static enum result mark(struct filter_run *run, const Sekisho__SieveAction *a)
{
	struct deliver *d = run->f->d;
	struct deliver_mark *m = arena_new(d->arena, struct deliver_mark);
	if (!m)
		return LATER;
	*m = (struct deliver_mark){.next = d->marks,
	    .account = run->to->account,
	    .kind = FILTER_DUPLICATE,
	    .token = seal_token(run->f->store->seal, "duplicate", slice_of_octets(a->key)),
	    .until = d->now_ms + (int64_t)MIN(a->seconds, (uint64_t)LIMIT_FILTER_REMEMBER) * SECOND_MS};
	d->marks = m;
	return OK;
}

static enum result act(struct filter_run *run, const Sekisho__SieveAction *a)
{
	switch (a->act) {
	case SEKISHO__SIEVE_ACTION__ACT__KEEP:
	case SEKISHO__SIEVE_ACTION__ACT__FILEINTO:
		return file(run, a);
	case SEKISHO__SIEVE_ACTION__ACT__REJECT:
	case SEKISHO__SIEVE_ACTION__ACT__EREJECT:
		return reject(run, a);
	case SEKISHO__SIEVE_ACTION__ACT__DUPLICATE:
		return mark(run, a);
	default:
		return filter_send(run, a);
	}
}

static enum result act_all(struct filter_run *run)
{
	static const Sekisho__SieveAction keep = SEKISHO__SIEVE_ACTION__INIT;
	for (size_t i = 0; i < run->answer->n_actions; i++) {
		enum result r = act(run, run->answer->actions[i]);
		if (r != OK)
			return r;
	}
	if (run->skipped && !run->placed && !run->forwarded && !run->refused)
		return place(
		    run, &keep, SLICE_NONE, 0); /* what was to be sent was not: nothing may be lost */
	if (!run->placed && !run->refused)
		filter_step(run, STEP_UNWANTED, NULL);
	if (run->refused)
		run->f->refusing++;
	return OK;
}

/* ---- failures ---- */

static enum result keep_failed(struct filter_run *run, struct slice script, struct slice why)
{
	static const Sekisho__SieveAction keep = SEKISHO__SIEVE_ACTION__INIT;
	Sekisho__SieveAction named = keep;
	named.script = arena_z(run->f->d->arena, script);
	filter_step(run, STEP_FILTER_FAILED, &named);
	trace_field(run->f->trace, TRACE_WHY, why);
	filter_tell(run, script, why);
	return place(run, &keep, SLICE_NONE, 0);
}

static enum result apply_break(struct job *j, struct db *db);

struct breaking {
	struct job job;
	const struct filter_run *run;
};

static enum result apply_break(struct job *j, struct db *db)
{
	const struct filter_run *run = ((struct breaking *)j)->run;
	for (unsigned i = 0; i < run->n_scripts; i++) {
		const struct script *s = &run->scripts[i];
		DB_RUN(db, SCRIPT_BREAK, DI(s->account), DT(s->name), DI(s->version));
	}
	return OK;
}

/* Scan died of it twice: it must not happen with every message. */
static enum result keep_deadly(struct filter_run *run)
{
	struct breaking b = {
	    .job = {.store = run->f->store, .apply = apply_break, .durable = true}, .run = run};
	enum result r = writer_wait(run->f->store->writer, &b.job);
	if (r != OK)
		return LATER;
	return keep_failed(run, run->scripts[run->n_scripts - 1].name,
	    SLICE("it took too much and does not run any more until it is changed"));
}

/* What scripts have written down (debug_log), as long as it leaves room for what is decided. */
static void trace_logs(const struct filter_run *run)
{
	struct trace *t = run->f->trace;
	for (size_t i = 0; i < run->answer->n_logs && t->steps.n < TRACE_MOST / 2; i++) {
		const Sekisho__SieveLog *log = run->answer->logs[i];
		trace_step(t, STEP_SAID);
		trace_field(t, TRACE_ACCOUNT, run->own[0]);
		trace_field(t, TRACE_SCRIPT, slice_str(log->script));
		trace_number(t, TRACE_LINE, log->line);
		trace_field(t, TRACE_SAID, slice_str(log->text));
	}
}

enum result filter_target(struct filtering *f, const struct target *to)
{
	struct filter_run run = {.f = f, .to = to, .name = ""};
	f->targets++;
	enum result r = choose_scripts(&run);
	if (r == OK)
		r = load_person(&run);
	if (r == OK) {
		r = filter_ask(&run);
		if (r == OK)
			trace_logs(&run);
		if (r == DENY)
			r = keep_deadly(&run);
		else if (r == FULL)
			r = keep_failed(
			    &run, run.scripts[0].name, SLICE("it asks for more than may be done"));
		else if (r == OK && run.answer->end == SEKISHO__SIEVE_RUN_ANSWER__END__FAILED)
			r = keep_failed(&run, slice_str(run.answer->script), slice_str(run.answer->errors));
		else if (r == OK)
			r = act_all(&run);
	}
	if (run.bulk.p)
		fd_unmap(&run.bulk);
	return r;
}

/* ---- forgetting ---- */

void filter_remove_account(struct db *db, int64_t account)
{
	scripts_remove(db, account);
	DB_RUN(db, FILTER_MARKS_REMOVE, DI(account));
	DB_RUN(db, FILTER_COUNTS_REMOVE, DI(account));
}

struct forgetting {
	struct job job;
	unsigned most, n;
};

static enum result apply_forget(struct job *j, struct db *db)
{
	struct forgetting *f = (struct forgetting *)j;
	int64_t now = clock_utc_ms();
	struct {
		int64_t account, kind, token;
	} over[FORGET_JOB_MOST];
	{
		DB_ROWS q = DB_QUERY(db, FILTER_MARKS_OVER, DI(now), DI(MIN(f->most, FORGET_JOB_MOST)));
		for (f->n = 0; f->n < FORGET_JOB_MOST && db_next(&q); f->n++) {
			over[f->n].account = db_int(&q, 0);
			over[f->n].kind = db_int(&q, 1);
			over[f->n].token = db_int(&q, 2);
		}
	}
	for (unsigned i = 0; i < f->n; i++)
		DB_RUN(db, FILTER_MARK_REMOVE, DI(over[i].account), DI(over[i].kind), DI(over[i].token));
	DB_RUN(db, FILTER_COUNTS_OVER, DI(now / HOUR_MS - 1));
	return OK;
}

bool filter_forget_some(struct store *s, unsigned most)
{
	struct forgetting f = {.job = {.store = s, .apply = apply_forget}, .most = most};
	return writer_wait(s->writer, &f.job) == OK && f.n >= MIN(most, FORGET_JOB_MOST);
}
