/*
 * Leaving. At its time everything of an account ends in one transaction: no login of any kind (the account's state
 * is "left"), its sessions, tokens, roles, forwards and filters, sending for others and by others, what it may
 * read of others, groups. Its mail goes on coming in and is answered; somebody may read it. What was done is
 * written down step by step. After some days, if so planned, the account is removed.
 */
#include "mail/address.h"
#include "store/mailbox/access.h"
#include "store/account/epoch.h"
#include "store/account/oauth.h"
#include "store/queue/filter.h"
#include "store/account/people.h"

enum plan_state { PLAN_WAITS, PLAN_LEFT, PLAN_REMOVED, PLAN_CANCELLED };
static const char *const state_names[] = {"planned", "left", "removed", "cancelled"};

#define SCRIPT "left"
#define KEEP_MOST 36500

struct plan {
	int64_t id, account, due, state, receiver, keep_days;
	struct slice address, successor, reply, asked_by;
	bool forward;
};

static struct slice bound_to(int64_t id, char room[32])
{
	int n = snprintf(room, 32, "offboard:%lld", (long long)id);
	return slice_of(room, n > 0 ? (size_t)n : 0);
}

static bool read_plan(struct store *s, const struct db_rows *q, struct arena *a, struct plan *p)
{
	char room[32];
	BUF_LOCAL(reply, LIMIT_OFFBOARD_REPLY + SEAL_OVERHEAD);
	*p = (struct plan){.id = db_int(q, 0),
	    .account = db_int(q, 1),
	    .address = arena_dup(a, db_octets(q, 2)),
	    .due = db_int(q, 3),
	    .state = db_int(q, 4),
	    .receiver = db_int(q, 5),
	    .successor = arena_dup(a, db_octets(q, 6)),
	    .forward = db_int(q, 7) != 0,
	    .keep_days = db_int(q, 9),
	    .asked_by = arena_dup(a, db_octets(q, 10))};
	if (seal_get(s->seal, db_octets(q, 8), bound_to(p->id, room), &reply) != OK)
		return false;
	p->reply = arena_dup(a, buf_slice(&reply));
	return true;
}

/* ---- the answer to senders ---- */

static void put_quoted(struct buf *b, struct slice s)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, s.p[i]);
	}
	buf_putc(b, '"');
}

static void put_usual(const struct store *s, const struct plan *p, struct buf *b)
{
	struct slice rest = slice_str(s->settings->languages);
	while (rest.n) {
		bool japanese = slice_eq(slice_split(&rest, ' '), SLICE("ja"));
		buf_puts(b, b->n ? "\n--\n" : "");
		buf_printf(b,
		    japanese
			? SLICE_FMT " の担当者は退職しました。このアドレスのメールは、本人には届きません。\n"
			: "The person at " SLICE_FMT " has left. Mail to this address does not reach them.\n",
		    SLICE_ARG(p->address));
		if (p->successor.n)
			buf_printf(b,
			    japanese ? "今後は " SLICE_FMT " までご連絡ください。\n"
				     : "Please write to " SLICE_FMT " from now on.\n",
			    SLICE_ARG(p->successor));
	}
}

static void put_script(const struct store *s, const struct plan *p, struct buf *b)
{
	BUF_LOCAL(text, LIMIT_OFFBOARD_REPLY + 8192);
	if (p->reply.n)
		buf_put(&text, p->reply);
	else
		put_usual(s, p, &text);
	buf_puts(b, "require [\"vacation\", \"copy\"];\r\n");
	if (p->forward) {
		buf_puts(b, "redirect :copy ");
		put_quoted(b, p->successor);
		buf_puts(b, ";\r\n");
	}
	buf_puts(b, "vacation :days 7 ");
	put_quoted(b, buf_slice(&text));
	buf_puts(b, ";\r\n");
}

/* His own filters stay as they were, but none of them runs. */
static enum result set_script(struct store *s, struct db *db, const struct plan *p)
{
	BUF_LOCAL(text, LIMIT_SCRIPT_SIZE);
	BUF_LOCAL(sealed, LIMIT_SCRIPT_SIZE + SEAL_OVERHEAD);
	const char *why;
	put_script(s, p, &text);
	if (buf_result(&text) != OK)
		return FULL;
	script_seal(s, p->account, buf_slice(&text), &sealed);
	enum result r = script_put(db, p->account, SLICE(SCRIPT), buf_slice(&sealed), text.n, &why);
	if (r == FULL) { /* he had as many as may be */
		scripts_remove(db, p->account);
		r = script_put(db, p->account, SLICE(SCRIPT), buf_slice(&sealed), text.n, &why);
	}
	return r == OK ? script_activate(db, p->account, SLICE(SCRIPT)) : r;
}

/* ---- what ends ---- */

struct leaving {
	struct store *store;
	struct db *db;
	const struct plan *plan;
	const char *who;
	int64_t now;
	unsigned steps;
};

static void step(struct leaving *l, const char *what, int64_t count)
{
	DB_RUN(l->db, OFFBOARD_STEP, DI(l->plan->id), DI(l->steps++), DI(l->now), DZ(l->who), DZ(what),
	    DI(count));
}

/* An alias that leads to him alone stays his, so that its mail is answered too. */
static bool leads_to_others(struct db *db, struct slice domain, struct slice local)
{
	unsigned n = 0;
	DB_ROWS q = DB_QUERY(db, MEMBERS, DT(domain), DT(local));
	while (n < 2 && db_next(&q))
		n++;
	return n > 1;
}

struct membership {
	struct slice domain, local, to_domain, to_local;
	bool group;
};

static int64_t leave_groups(struct leaving *l)
{
	ARENA_LOCAL(a, (size_t)8 << 20);
	struct membership *m = arena_array(&a, LIMIT_ALIAS_TARGETS, sizeof *m);
	size_t n = 0;
	int64_t left = 0;
	{
		DB_ROWS q = DB_QUERY(l->db, MEMBERSHIPS, DI(l->plan->account), DI(LIMIT_ALIAS_TARGETS));
		while (m && n < LIMIT_ALIAS_TARGETS && db_next(&q))
			m[n++] = (struct membership){arena_dup(&a, db_octets(&q, 0)),
			    arena_dup(&a, db_octets(&q, 1)), arena_dup(&a, db_octets(&q, 2)),
			    arena_dup(&a, db_octets(&q, 3)), db_int(&q, 4) == ADDRESS_GROUP};
	}
	for (size_t i = 0; i < n; i++) {
		if (!m[i].group && !leads_to_others(l->db, m[i].domain, m[i].local))
			continue;
		DB_RUN(l->db, MEMBER_REMOVE, DT(m[i].domain), DT(m[i].local), DT(m[i].to_domain),
		    DT(m[i].to_local), DT(m[i].to_local));
		left++;
	}
	return left;
}

static void end_powers(struct leaving *l)
{
	int64_t id = l->plan->account;
	DB_RUN(l->db, ACCOUNT_SET_SUSPENDED, DI(id), DI(ACCOUNT_LEFT));
	step(l, "sign-in", 1);
	DB_RUN(l->db, TOKENS_FORGET_MAKER, DI(id));
	oauth_forget(l->db, id);
	step(l, "tokens", (int64_t)db_changed(l->db));
	roles_forget(l->db, id);
	step(l, "roles", (int64_t)db_changed(l->db));
	breakglass_forget(l->store, l->db, id);
	DB_RUN(l->db, ACL_FORGET_ACCOUNT, DI(id));
	step(l, "mailboxes of others", (int64_t)db_changed(l->db));
	DB_RUN(l->db, HANDOVERS_FORGET_RECEIVER, DI(id));
	DB_RUN(l->db, DELEGATES_FORGET_ACCOUNT, DI(id));
	step(l, "sending for others", (int64_t)db_changed(l->db));
	account_forget_delegates(l->db, id);
	step(l, "groups", leave_groups(l));
}

static enum result leave(struct leaving *l)
{
	const struct plan *p = l->plan;
	struct who receiver = {.kind = WHO_ACCOUNT, .account = p->receiver};
	unsigned mailboxes = 0;
	end_powers(l);
	enum result r = set_script(l->store, l->db, p);
	if (r != OK)
		return r;
	step(l, "filters and forwards off, senders answered", 1);
	if (p->receiver) {
		/* A list that is full keeps nobody in office: what could be handed over is counted. */
		result_ignore(handover_mailboxes(l->db, p->account, &receiver, &mailboxes));
		DB_RUN(l->db, HANDOVER_ADD, DI(p->account), DI(p->receiver), DI(l->now));
		writer_tell(l->store->writer, NODE_NAMES, p->receiver);
		step(l, "mailboxes to read for the receiver", mailboxes);
	}
	step(l, "people without a manager now", DB_NUMBER(l->db, 0, PERSON_REPORTS, DI(p->account)));
	DB_RUN(l->db, PERSON_ORPHANS, DI(p->account));
	DB_RUN(l->db, OFFBOARD_DONE, DI(p->id), DI(l->now),
	    DI(p->keep_days ? l->now + p->keep_days * DAY_MS : 0));
	epoch_bump(l->store->writer, l->db, p->account);
	return OK;
}

/* ---- the verbs ---- */

static json_t *plan_json(const struct plan *p, struct db *db)
{
	BUF_LOCAL(to, 2000);
	if (p->receiver)
		access_put_who(db, &(struct who){.kind = WHO_ACCOUNT, .account = p->receiver}, &to);
	return json_pack("{s:I,s:o,s:I,s:s,s:o,s:o,s:b,s:I,s:o}", "id", (json_int_t)p->id, "address",
	    admin_string(p->address), "at_ms", (json_int_t)p->due, "state",
	    state_names[p->state >= 0 && p->state < (int64_t)COUNT(state_names) ? p->state : 0], "to",
	    admin_string(buf_slice(&to)), "successor", admin_string(p->successor), "forward", p->forward,
	    "keep_days", (json_int_t)p->keep_days, "asked_by", admin_string(p->asked_by));
}

static json_t *steps_json(struct db *db, int64_t id)
{
	json_t *list = json_array();
	DB_ROWS q = DB_QUERY(db, OFFBOARD_STEPS, DI(id));
	while (db_next(&q))
		json_array_append_new(
		    list, json_pack("{s:I,s:o,s:o,s:I}", "at_ms", (json_int_t)db_int(&q, 0), "who",
			      admin_string(db_octets(&q, 1)), "step", admin_string(db_octets(&q, 2)), "count",
			      (json_int_t)db_int(&q, 3)));
	return list;
}

/* The newest plan for the account of the arguments. */
static enum result find_plan(struct admin *a, struct db *db, struct plan *p)
{
	enum result r = admin_find_account(a, db, &a->account);
	if (r != OK)
		return r;
	DB_ROWS q = DB_QUERY(db, OFFBOARD_OF, DI(a->account));
	if (!db_next(&q))
		return admin_refuse(a, GONE, "nothing is planned for this account");
	return read_plan(a->store, &q, a->arena, p) ? OK : BAD;
}

enum result admin_offboard_show(struct admin *a, struct db *db)
{
	struct plan p;
	enum result r = find_plan(a, db, &p);
	if (r != OK)
		return r;
	a->answer = plan_json(&p, db);
	json_object_set_new(a->answer, "steps", steps_json(db, p.id));
	return OK;
}

enum result admin_offboard_list(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, OFFBOARDS, DI(LIMIT_OFFBOARDS));
	while (db_next(&q)) {
		struct plan p;
		if (!read_plan(a->store, &q, a->arena, &p))
			return BAD;
		json_array_append_new(a->answer, plan_json(&p, db));
	}
	return OK;
}

/* An account of ours that one of the arguments names; 0 when it is not given. */
static enum result take_account(struct admin *a, struct db *db, const char *key, int64_t *out)
{
	struct admin_address at;
	struct slice text = admin_text(a, key);
	*out = 0;
	if (!text.n)
		return OK;
	enum result r = admin_address(a, text, &at);
	if (r != OK)
		return r;
	*out = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(at.domain), DT(at.local));
	if (!*out)
		return admin_refuse(a, GONE, "%s: no such account: " SLICE_FMT, key, SLICE_ARG(text));
	if (*out == a->account)
		return admin_refuse(a, DENY, "%s: this is the account that leaves", key);
	return OK;
}

static enum result take_plan(struct admin *a, struct db *db, struct plan *p)
{
	int64_t successor, now = clock_utc_ms();
	enum result r = take_account(a, db, "to", &p->receiver);
	if (r == OK && p->receiver)
		r = powers_not_himself(a, db, &(struct who){.kind = WHO_ACCOUNT, .account = p->receiver});
	if (r == OK)
		r = take_account(a, db, "successor", &successor);
	if (r != OK)
		return r;
	p->due = MAX(admin_number(a, "at_ms", now), now);
	p->keep_days = admin_number(a, "keep_days", 0);
	p->successor = admin_text(a, "successor");
	p->reply = admin_text(a, "reply");
	p->forward = json_is_true(json_object_get(a->args, "forward"));
	p->asked_by = slice_str(a->actor->audit.who);
	if (p->forward && !p->successor.n)
		return admin_refuse(a, DENY, "forward to whom? name a successor");
	if (p->reply.n > LIMIT_OFFBOARD_REPLY)
		return admin_refuse(a, FULL, "the reply is longer than %d octets", LIMIT_OFFBOARD_REPLY);
	if (p->keep_days < 0 || p->keep_days > KEEP_MOST)
		return admin_refuse(
		    a, DENY, "an account is kept for 1 to %d days, or (0) for ever", KEEP_MOST);
	return OK;
}

static void add_plan(struct admin *a, struct db *db, struct plan *p)
{
	char room[32];
	BUF_LOCAL(sealed, LIMIT_OFFBOARD_REPLY + SEAL_OVERHEAD);
	p->id = writer_number(a->store->writer, SEQUENCE_PEOPLE);
	seal_put(a->store->seal, p->reply, bound_to(p->id, room), &sealed);
	DB_RUN(db, OFFBOARD_ADD, DI(p->id), DI(p->account), DT(p->address), DI(p->due), DI(p->receiver),
	    DT(p->successor), DI(p->forward), DB(buf_slice(&sealed)), DI(p->keep_days), DT(p->asked_by),
	    DI(clock_utc_ms()));
}

enum result admin_offboard_add(struct admin *a, struct db *db)
{
	BUF_LOCAL(address, 2000);
	struct plan p = {0};
	enum result r = admin_find_account(a, db, &a->account);
	if (r == OK)
		r = roles_keep_one(a, db, a->account);
	if (r == OK)
		r = take_plan(a, db, &p);
	if (r != OK)
		return r;
	if (a->powers->account == a->account)
		return admin_refuse(a, DENY, "nobody offboards himself");
	if (DB_NUMBER(db, 0, OFFBOARD_PENDING, DI(a->account)))
		return admin_refuse(a, DENY, "it is planned, or done, already");
	access_put_who(db, &(struct who){.kind = WHO_ACCOUNT, .account = a->account}, &address);
	p.account = a->account;
	p.address = buf_slice(&address);
	add_plan(a, db, &p);
	if (p.due <= clock_utc_ms()) {
		struct leaving l = {.store = a->store,
		    .db = db,
		    .plan = &p,
		    .who = a->actor->audit.who,
		    .now = clock_utc_ms()};
		r = leave(&l);
		if (r != OK)
			return admin_refuse(a, r, "it cannot be done: %s", result_name(r));
		p.state = PLAN_LEFT;
	}
	a->answer = plan_json(&p, db);
	json_object_set_new(a->answer, "steps", steps_json(db, p.id));
	return OK;
}

enum result admin_offboard_cancel(struct admin *a, struct db *db)
{
	struct plan p;
	enum result r = find_plan(a, db, &p);
	if (r != OK)
		return r;
	if (p.state == PLAN_LEFT && p.keep_days) { /* what can still be stopped is the removal */
		DB_RUN(db, OFFBOARD_KEEP, DI(p.id));
		p.keep_days = 0;
	} else if (p.state == PLAN_WAITS) {
		DB_RUN(db, OFFBOARD_CANCEL, DI(p.id));
		p.state = PLAN_CANCELLED;
	} else {
		return admin_refuse(a, DENY, "it is done already: see account.resume");
	}
	a->answer = plan_json(&p, db);
	return OK;
}

void offboard_forget(struct db *db, int64_t account)
{
	ARENA_LOCAL(room, 65536);
	DB_RUN(db, OFFBOARD_CANCEL_ALL, DI(account));
	if (db_changed(db) && slice_eq(script_active(db, account, &room), SLICE(SCRIPT)))
		result_ignore(script_activate(db, account, SLICE_NONE));
}

/* ---- when the time has come ---- */

struct due {
	struct job job;
	int64_t id;
};

static enum result run_removal(struct store *s, struct db *db, const struct plan *p, struct arena *room)
{
	struct powers root = powers_root();
	json_t *args = json_pack("{s:o}", "address", admin_string(p->address));
	struct admin a = {.store = s, .arena = room, .args = args, .powers = &root};
	enum result r = admin_account_remove(&a, db);
	json_decref(args);
	json_decref(a.answer);
	DB_RUN(db, OFFBOARD_REMOVED, DI(p->id));
	return r == GONE ? OK : r;
}

static enum result apply_due(struct job *j, struct db *db)
{
	const struct due *d = (const struct due *)j;
	ARENA_LOCAL(room, (size_t)1 << 20);
	struct plan p;
	{
		DB_ROWS q = DB_QUERY(db, OFFBOARD_GET, DI(d->id));
		if (!db_next(&q) || !read_plan(j->store, &q, &room, &p))
			return GONE;
	}
	if (p.state != PLAN_WAITS && p.state != PLAN_LEFT)
		return GONE; /* another node was quicker, or it was cancelled */
	const char *who = arena_z(&room, p.asked_by);
	struct leaving l = {.store = j->store, .db = db, .plan = &p, .who = who, .now = clock_utc_ms()};
	enum result r = p.state == PLAN_WAITS ? leave(&l) : run_removal(j->store, db, &p, &room);
	if (r == OK)
		audit_put(j->store, db,
		    &(struct audit_act){.actor = &(struct audit_actor){who, "schedule", "server"},
			.act = p.state == PLAN_WAITS ? "offboard.run" : "offboard.remove",
			.object = p.address,
			.result = r});
	return r;
}

bool offboard_round(struct store *s)
{
	struct due d = {.job = {.store = s, .apply = apply_due, .durable = true}};
	{
		READER r = reader_begin(s);
		if (!r.db)
			return false;
		d.id = DB_NUMBER(r.db, 0, OFFBOARD_DUE, DI(clock_utc_ms()));
	}
	if (!d.id)
		return false;
	enum result r = writer_wait(s->writer, &d.job);
	if (r != OK && r != GONE)
		EVENT(INTERNAL, KZ("where", "offboard"), KZ("why", result_name(r)));
	return r == OK;
}
