/*
 * One message against a user's scripts. What the scripts want comes back as a list for store, with the messages that they
 * make of it: edited ones, forwards, answers. Nothing is known here but what the job says; what it does not say is asked
 * by ending the run, and it is run again with the answer.
 */
#include "role/scan_sieve.h"

#define BULK_MOST ((size_t)1 << 30) /* octets of all messages made in one run */
#define REASON_MOST 500
#define FACTS_ARENA ((size_t)64 << 20)
#define ACTIONS_MOST (3 * LIMIT_SIEVE_ACTIONS)
#define EDIT_ROOM ((size_t)4 << 20) /* what edits may add to a message */

static ProtobufCBinaryData octets_of(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/* ---- messages made here ---- */

/* Adds a message with its facts; its number, 0 when there is no room for it. */
static uint32_t add_body(struct scan_run *r, struct slice text)
{
	ARENA_LOCAL(a, FACTS_ARENA);
	Sekisho__Facts *facts;
	Sekisho__SieveBody *b = arena_new(r->arena, Sekisho__SieveBody);
	BUF_LOCAL(packed, FACTS_ARENA);
	unsigned char *mac = arena_alloc(r->arena, 32);
	if (!b || !mac || mail_facts_extract(text, &a, &facts) != OK)
		return 0;
	ipc_pack(facts, &packed);
	scan_seal(ipc_server_context(r->turn), buf_slice(&packed), mac);
	sekisho__sieve_body__init(b);
	b->offset = r->bulk.n;
	b->length = text.n;
	buf_put(&r->bulk, text);
	b->facts_offset = r->bulk.n;
	b->facts_length = packed.n;
	buf_put(&r->bulk, buf_slice(&packed));
	b->seal = (ProtobufCBinaryData){32, mac};
	if (buf_result(&packed) != OK || buf_result(&r->bulk) != OK)
		return 0;
	r->answer.bodies[r->answer.n_bodies++] = b;
	return (uint32_t)r->answer.n_bodies;
}

/* Without the Return-Path that only local copies have (RFC 5321 4.4). */
static struct slice without_return_path(struct slice text, struct buf *room)
{
	struct mail_fields fields = mail_fields_of(text);
	struct mail_field f;
	while (mail_fields_next(&fields, &f)) {
		if (!slice_ieq(f.name, SLICE("Return-Path")))
			continue;
		size_t at = (size_t)(f.all.p - text.p);
		buf_put(room, slice_sub(text, 0, at));
		buf_put(room, slice_sub(text, at + f.all.n, text.n));
		return buf_slice(room);
	}
	return text;
}

/* The message as it was after so many edits: a number among the bodies. */
static bool edited_body(struct scan_run *r, const struct sieve_result *done, size_t edits, uint32_t *out)
{
	*out = r->base_body;
	if (!edits)
		return true;
	BUF_LOCAL(text, r->base.octets.n + EDIT_ROOM);
	sieve_message_put(&r->base, done->edits, edits, &text);
	*out = buf_result(&text) == OK ? add_body(r, buf_slice(&text)) : 0;
	return *out != 0;
}

/* Whom it is from is not for a filter to say when it goes on to others: nobody writes in another's name. */
static bool has_other_author(struct slice before, struct slice after)
{
	const struct slice names[] = {
	    SLICE("From"), SLICE("Sender"), SLICE("Resent-From"), SLICE("Resent-Sender")};
	struct mail_fields b = mail_fields_of(before), a = mail_fields_of(after);
	struct mail_field x = {0}, y = {0};
	for (size_t i = 0; i < COUNT(names); i++) {
		bool more_x, more_y;
		b = mail_fields_of(before);
		a = mail_fields_of(after);
		do {
			while ((more_x = mail_fields_next(&b, &x)) && !slice_ieq(x.name, names[i]))
				;
			while ((more_y = mail_fields_next(&a, &y)) && !slice_ieq(y.name, names[i]))
				;
			if (more_x != more_y ||
			    (more_x && !slice_eq(slice_trim(x.value), slice_trim(y.value))))
				return true;
		} while (more_x);
	}
	return false;
}

/* False: there is no room. *skip_out is set when it must not go. */
static bool forward_body(
    struct scan_run *r, const struct sieve_result *done, size_t edits, uint32_t *out, char **skip_out)
{
	*out = r->forward_of[1];
	if (r->forward_of[0] == edits + 1)
		return true;
	size_t most = r->base.octets.n + EDIT_ROOM;
	BUF_LOCAL(edited, most);
	BUF_LOCAL(room, most);
	BUF_LOCAL(text, most);
	struct slice now = r->base.octets;
	if (edits) {
		sieve_message_put(&r->base, done->edits, edits, &edited);
		now = buf_slice(&edited);
		if (has_other_author(r->base.octets, now)) {
			*skip_out = (char *)(uintptr_t) "the filter changed whom it is from";
			return true;
		}
	}
	buf_printf(&text, "Delivered-To: " SLICE_FMT "\r\n", SLICE_ARG(scan_octets(r->job->own[0])));
	buf_put(&text, r->job->strip ? without_return_path(now, &room) : now);
	*out = buf_result(&edited) == OK && buf_result(&text) == OK ? add_body(r, buf_slice(&text)) : 0;
	r->forward_of[0] = (uint32_t)edits + 1;
	r->forward_of[1] = *out;
	return *out != 0;
}

/* ---- actions ---- */

static const struct {
	enum sieve_act act;
	Sekisho__SieveAction__Act as;
} acts[] = {
    {SIEVE_KEEP, SEKISHO__SIEVE_ACTION__ACT__KEEP},
    {SIEVE_FILEINTO, SEKISHO__SIEVE_ACTION__ACT__FILEINTO},
    {SIEVE_REDIRECT, SEKISHO__SIEVE_ACTION__ACT__REDIRECT},
    {SIEVE_REJECT, SEKISHO__SIEVE_ACTION__ACT__REJECT},
    {SIEVE_EREJECT, SEKISHO__SIEVE_ACTION__ACT__EREJECT},
    {SIEVE_VACATION, SEKISHO__SIEVE_ACTION__ACT__VACATION},
    {SIEVE_NOTIFY, SEKISHO__SIEVE_ACTION__ACT__NOTIFY},
    {SIEVE_DUPLICATE, SEKISHO__SIEVE_ACTION__ACT__DUPLICATE},
    {SIEVE_REPORT, SEKISHO__SIEVE_ACTION__ACT__REPORT},
};

static bool find_act(enum sieve_act act, Sekisho__SieveAction__Act *out)
{
	for (size_t i = 0; i < COUNT(acts); i++)
		if (acts[i].act == act) {
			*out = acts[i].as;
			return true;
		}
	return false;
}

/* One line of printable ASCII and UTF-8: it becomes an SMTP reply. */
static char *one_line(struct arena *a, struct slice text)
{
	text = slice_sub(text, 0, REASON_MOST);
	while (text.n && !slice_is_utf8(text))
		text.n--;
	struct slice copy = slice_trim(text);
	char *z = arena_z(a, copy);
	for (char *p = z; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return z;
}

static void copy_flags(struct scan_run *r, const struct sieve_action *x, Sekisho__SieveAction *out)
{
	size_t n = MIN(x->flag_count, (size_t)LIMIT_KEYWORDS);
	out->flags = arena_array(r->arena, n + 1, sizeof *out->flags);
	for (; out->flags && out->n_flags < n; out->n_flags++)
		out->flags[out->n_flags] = arena_z(r->arena, x->flags[out->n_flags]);
}

/* Nobody writes in another's name: an address of the user's, or the one that the message was sent to. */
static bool is_own(struct scan_run *r, struct slice from)
{
	struct mail_entries entries;
	mail_entries_parse(from, r->arena, &entries);
	const struct mail_entry *e = entries.first;
	if (!e || e->next || e->kind != MAIL_ENTRY_MAILBOX)
		return false;
	BUF_LOCAL(address, 2 * LIMIT_ADDRESS);
	mail_addr_put(&address, (struct mail_addr){e->local, e->domain});
	for (size_t i = 0; i < r->env.own_count; i++)
		if (slice_ieq(r->env.own[i], buf_slice(&address)))
			return true;
	return !r->env.to_shared && slice_ieq(r->env.to, buf_slice(&address));
}

/* An automatic answer, a notification or a report; or why there is none. */
static bool answer_body(struct scan_run *r, const struct sieve_result *done, const struct sieve_action *x,
    Sekisho__SieveAction *out)
{
	struct sieve_mail mail;
	struct sieve_action mine = *x;
	BUF_LOCAL(text, r->base.octets.n + EDIT_ROOM);
	if (x->suppressed.n) {
		out->skip = arena_z(r->arena, x->suppressed);
		return out->skip != NULL;
	}
	if (x->from.n ? !is_own(r, x->from) : x->act == SIEVE_NOTIFY)
		mine.from = r->env.own[0];
	if (sieve_mail_make(&r->base, &r->env, done->edits, &mine, r->arena, &text, &mail) != OK)
		return false;
	out->body = add_body(r, mail.octets);
	if (x->act == SIEVE_NOTIFY)
		out->address = octets_of(mail.to[0]);
	return out->body != 0;
}

/* The message that goes out or is filed. False: there is no room. */
static bool choose_body(struct scan_run *r, const struct sieve_result *done, const struct sieve_action *x,
    Sekisho__SieveAction *out)
{
	switch (x->act) {
	case SIEVE_KEEP:
	case SIEVE_FILEINTO:
		return edited_body(r, done, x->edits, &out->body);
	case SIEVE_REDIRECT:
		out->skip = (char *)(uintptr_t)r->skip_forward;
		return *out->skip || forward_body(r, done, x->edits, &out->body, &out->skip);
	case SIEVE_REPORT:
		out->skip = (char *)(uintptr_t)r->skip_forward;
		return *out->skip || answer_body(r, done, x, out);
	case SIEVE_VACATION:
	case SIEVE_NOTIFY:
		return answer_body(r, done, x, out);
	case SIEVE_REJECT:
		return x->suppressed.n || answer_body(r, done, x, out);
	default:
		return true;
	}
}

/* A notification goes to several people: one action each, with the same message. */
static bool more_recipients(
    struct scan_run *r, const struct sieve_action *x, const Sekisho__SieveAction *first)
{
	const struct sieve_mailto *m = x->mailto;
	for (size_t i = 1; i < m->to_count + m->cc_count; i++) {
		Sekisho__SieveAction *out = arena_new(r->arena, Sekisho__SieveAction);
		if (!out || r->answer.n_actions == ACTIONS_MOST)
			return false;
		*out = *first;
		out->mailbox = out->special_use = (char *)(uintptr_t) ""; /* one copy of it is enough */
		out->address = octets_of(i < m->to_count ? m->to[i].address : m->cc[i - m->to_count].address);
		r->answer.actions[r->answer.n_actions++] = out;
	}
	return true;
}

static bool add_action(
    struct scan_run *r, const struct sieve_result *done, const struct sieve_action *x, const char *script)
{
	Sekisho__SieveAction *out = arena_new(r->arena, Sekisho__SieveAction);
	Sekisho__SieveAction__Act act;
	if (!find_act(x->act, &act))
		return true;
	if (!out || r->answer.n_actions == ACTIONS_MOST)
		return false;
	sekisho__sieve_action__init(out);
	out->act = act;
	out->mailbox = arena_z(r->arena, x->mailbox);
	out->special_use = arena_z(r->arena, x->special_use);
	out->create = x->create;
	out->address = octets_of(x->address);
	out->reason = one_line(r->arena, x->reason);
	out->key = octets_of(x->key);
	out->seconds = x->seconds;
	out->notify = arena_z(r->arena, x->notify);
	out->ret = arena_z(r->arena, x->ret);
	out->list = x->list;
	out->script = (char *)(uintptr_t)script;
	out->line = x->line;
	copy_flags(r, x, out);
	if (arena_full(r->arena) || !choose_body(r, done, x, out))
		return false;
	r->answer.actions[r->answer.n_actions++] = out;
	return x->act != SIEVE_NOTIFY || *out->skip || more_recipients(r, x, out);
}

/* ---- scripts, one after the other ---- */

static void fail(struct scan_run *r, const char *script, uint32_t line, struct slice why)
{
	r->answer.end = SEKISHO__SIEVE_RUN_ANSWER__END__FAILED;
	r->answer.n_actions = r->answer.n_bodies = 0;
	r->answer.script = (char *)(uintptr_t)script;
	r->answer.line = line;
	const char *text = line ? arena_printf(r->arena, "line %u: " SLICE_FMT, line, SLICE_ARG(why))
				: arena_z(r->arena, why);
	r->answer.errors = (char *)(uintptr_t)(text ? text : "");
}

static void fail_with(struct scan_run *r, const char *script, const struct sieve_errors *errors)
{
	const struct sieve_error *e = errors->first;
	while (e && e->warning)
		e = e->next;
	if (e)
		fail(r, script, e->line, e->text);
	else
		fail(r, script, 0, SLICE("the script failed"));
}

static void put_logs(struct scan_run *r, const char *script, const struct sieve_log *l)
{
	Sekisho__SieveRunAnswer *out = &r->answer;
	for (; l && out->n_logs < LIMIT_SIEVE_LOGS; l = l->next) {
		Sekisho__SieveLog *log = arena_new(r->arena, Sekisho__SieveLog);
		if (!log)
			return;
		sekisho__sieve_log__init(log);
		log->script = l->script.n ? arena_z(r->arena, l->script) : (char *)(uintptr_t)script;
		log->line = l->line;
		log->text = one_line(r->arena, l->text);
		if (log->script && log->text)
			out->logs[out->n_logs++] = log;
	}
}

static void put_question(struct scan_run *r, const struct sieve_question *q)
{
	Sekisho__SieveKnown *k = arena_new(r->arena, Sekisho__SieveKnown);
	if (!k)
		return;
	sekisho__sieve_known__init(k);
	k->what = (Sekisho__SieveKnown__What)q->what;
	k->a = octets_of(q->a);
	k->b = octets_of(q->b);
	k->global = q->global;
	r->answer.end = SEKISHO__SIEVE_RUN_ANSWER__END__ASKS;
	r->answer.question = k;
	r->answer.n_actions = r->answer.n_bodies = 0;
}

/* What the next script sees: the message as this one has left it. */
static bool take_edits(struct scan_run *r, const struct sieve_result *done)
{
	uint32_t number;
	if (!done->edit_count)
		return true;
	if (!edited_body(r, done, done->edit_count, &number))
		return false;
	const Sekisho__SieveBody *b = r->answer.bodies[number - 1];
	struct slice text = arena_dup(r->arena, slice_sub(buf_slice(&r->bulk), b->offset, b->length));
	Sekisho__Facts *facts;
	if (!text.n || mail_facts_extract(text, r->arena, &facts) != OK)
		return false;
	r->base = (struct sieve_message){text, facts};
	r->base_body = number;
	r->forward_of[0] = 0;
	return true;
}

/* True: a keep is left, and the next script decides about it. */
static bool run_script(struct scan_run *r, const Sekisho__SieveScript *s, bool last)
{
	struct sieve_options how = {.limits = r->env.limits};
	struct sieve_errors errors = {0};
	struct sieve_script *script;
	struct sieve_result done = {0};
	bool keep = false, fine = true;
	size_t before = r->arena->used;
	enum result compiled = sieve_compile(scan_octets(s->text), &how, r->arena, &errors, &script);
	/* What is compiled anew in each round is work too: about a step for eight octets of what it becomes. */
	r->steps = MIN(r->steps + (r->arena->used - before) / 8, (uint64_t)LIMIT_SIEVE_STEPS_ALL);
	if (compiled != OK) {
		fail_with(r, s->name, &errors);
		return false;
	}
	r->env.limits.steps = MIN(how.limits.steps, LIMIT_SIEVE_STEPS_ALL - r->steps);
	sieve_run(script, &r->base, &r->env, r->arena, &done);
	r->env.limits.steps = how.limits.steps;
	r->steps = MIN(r->steps + done.steps, (uint64_t)LIMIT_SIEVE_STEPS_ALL);
	r->answer.steps = r->steps;
	put_logs(r, s->name, done.logs);
	if (done.end == SIEVE_FAILED)
		fail_with(r, s->name, &done.errors);
	else if (done.end == SIEVE_ASKS)
		put_question(r, &done.question);
	if (done.end != SIEVE_DONE)
		return false;
	for (const struct sieve_action *x = done.actions; x; x = x->next) {
		bool onward = x->act == SIEVE_KEEP && !last;
		keep |= onward;
		fine = fine && (onward || add_action(r, &done, x, s->name));
	}
	fine = fine && (!keep || take_edits(r, &done));
	if (!fine)
		fail(r, s->name, 0, SLICE("it wants more than there is room for"));
	return fine && keep;
}

static void run_all(struct scan_run *r)
{
	const Sekisho__SieveJob *j = r->job;
	r->answer.actions = arena_array(r->arena, ACTIONS_MOST, sizeof *r->answer.actions);
	r->answer.bodies = arena_array(r->arena, ACTIONS_MOST + 3, sizeof *r->answer.bodies);
	r->answer.logs = arena_array(r->arena, LIMIT_SIEVE_LOGS, sizeof *r->answer.logs);
	if (!r->answer.actions || !r->answer.bodies || !r->answer.logs)
		return;
	scan_sieve_env(r);
	r->skip_forward = scan_sieve_no_forward(r);
	r->steps = MIN(j->steps, (uint64_t)LIMIT_SIEVE_STEPS_ALL);
	for (size_t i = 0; i < j->n_scripts; i++)
		if (!run_script(r, j->scripts[i], i + 1 == j->n_scripts))
			break;
}

/* ---- the ask ---- */

static bool take_job(struct ipc_turn *t, struct scan_run *r)
{
	const Sekisho__SieveRunAsk *asked = t->ask;
	struct ipc_allocator al = ipc_allocator(&t->arena);
	struct slice packed = scan_octets(asked->job), mapped = SLICE_NONE;
	if (asked->in_fd && (t->fds.n < 2 || fd_map_sealed(t->fds.fd[1], FACTS_ARENA, &mapped) != OK))
		return false;
	if (asked->in_fd)
		packed = mapped;
	r->job = sekisho__sieve_job__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	if (mapped.p)
		fd_unmap(&mapped);
	if (!r->job || !r->job->n_own || !r->job->n_scripts)
		return false;
	r->base.facts = sekisho__facts__unpack(&al.pb, r->job->facts.len, r->job->facts.data);
	return r->base.facts && r->base.facts->root;
}

static void answer(struct scan_run *r)
{
	struct ipc_fds fds = {.n = 0};
	FD_LOCAL fd = -1;
	if (r->answer.n_bodies) {
		fd = fd_memory("bodies");
		if (fd < 0 || fd_write_all(fd, buf_slice(&r->bulk)) != OK || fd_seal(fd) != OK) {
			ipc_refuse(r->turn, LATER, "no memory for messages");
			return;
		}
		fds = (struct ipc_fds){.fd = {fd}, .n = 1};
	}
	BUF_LOCAL(packed, LIMIT_IPC_PACKET / 2);
	ipc_pack(&r->answer, &packed);
	if (buf_result(&packed) != OK)
		ipc_refuse(r->turn, FULL, "the script wants too much");
	else
		ipc_answer(r->turn, &r->answer, &fds);
}

void scan_sieve_run(struct ipc_turn *t)
{
	struct scan_run r = {.turn = t, .arena = &t->arena, .answer = SEKISHO__SIEVE_RUN_ANSWER__INIT};
	if (!scan_map_message(t, &r.base.octets))
		return;
	struct slice message = r.base.octets;
	buf_init(&r.bulk, BULK_MOST);
	scan_hand_take();
	bool taken = take_job(t, &r);
	if (taken)
		run_all(&r);
	scan_hand_give();
	if (!taken)
		ipc_refuse(t, BAD, "not a job");
	else if (arena_full(r.arena))
		ipc_refuse(t, FULL, "the script wants too much");
	else
		answer(&r);
	buf_free(&r.bulk);
	fd_unmap(&message);
}
