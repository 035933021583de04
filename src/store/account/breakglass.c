/*
 * Break-glass: reading somebody's mail for a reason. Somebody asks, another person who may consents, and for a
 * while the reader has the right to look up and read on every mailbox of that account, by its access control
 * lists; then it is taken back. Where nobody else could consent it opens at once, and the owner is told by mail.
 * What is read so stands in the audit, and the owner sees it.
 */
#include "mail/address.h"
#include "store/mailbox/access.h"
#include "store/queue/notice.h"
#include "store/account/people.h"

enum glass_state { GLASS_ASKED, GLASS_OPEN, GLASS_ENDED, GLASS_REFUSED, GLASS_LAPSED };
static const char *const state_names[] = {"asked", "open", "ended", "refused", "lapsed"};

#define MINUTES 60
#define MINUTES_MOST 1440
#define LAPSE_MS (7 * DAY_MS) /* nobody answered */
#define READING (RIGHT_LOOKUP | RIGHT_READ)

struct glass {
	int64_t id, account, reader, state, asker, minutes, until;
	struct slice asked_by;
};

/* ---- opening and ending, in apply() ---- */

static bool load(struct db *db, int64_t id, struct arena *a, struct glass *g)
{
	DB_ROWS q = DB_QUERY(db, BREAKGLASS_GET, DI(id));
	if (!db_next(&q))
		return false;
	*g = (struct glass){.id = id,
	    .account = db_int(&q, 0),
	    .reader = db_int(&q, 1),
	    .state = db_int(&q, 2),
	    .minutes = db_int(&q, 3),
	    .asker = db_int(&q, 4),
	    .asked_by = arena_dup(a, db_octets(&q, 5)),
	    .until = db_int(&q, 6)};
	return true;
}

struct boxes {
	int64_t id[LIMIT_MAILBOXES];
	unsigned rights[LIMIT_MAILBOXES];
	size_t n;
};

static struct boxes *mailboxes_of(struct db *db, int64_t account, struct arena *a)
{
	struct boxes *b = arena_new(a, struct boxes);
	DB_ROWS q = DB_QUERY(db, QUOTA_MAILBOXES, DI(account));
	while (b && b->n < LIMIT_MAILBOXES && db_next(&q))
		b->id[b->n++] = db_int(&q, 0);
	return b;
}

static unsigned granted_to(struct db *db, int64_t mailbox, const struct who *w)
{
	DB_ROWS q =
	    DB_QUERY(db, ACL_GET, DI(mailbox), DI(w->kind), DI(w->account), DT(w->domain), DT(w->local));
	return db_next(&q) ? (unsigned)db_int(&q, 0) : 0;
}

/* What he has already stays his when it ends: only what is added is written down. */
static enum result open_glass(
    struct store *s, struct db *db, struct glass *g, const char *by, struct arena *a)
{
	struct who reader = {.kind = WHO_ACCOUNT, .account = g->reader};
	struct boxes *b = mailboxes_of(db, g->account, a);
	int64_t now = clock_utc_ms();
	for (size_t i = 0; b && i < b->n; i++) {
		unsigned added = READING & ~granted_to(db, b->id[i], &reader);
		if (!added)
			continue;
		if (access_change(db, b->id[i], &reader, false, ACCESS_ADD, added) != OK)
			return FULL;
		DB_RUN(db, BREAKGLASS_BOX, DI(g->id), DI(b->id[i]), DI(added));
		writer_touch(s->writer, b->id[i], NULL);
	}
	writer_tell(s->writer, NODE_NAMES, g->reader);
	g->state = GLASS_OPEN;
	g->until = now + g->minutes * MINUTE_MS;
	DB_RUN(db, BREAKGLASS_OPEN, DI(g->id), DI(now), DI(g->until), DZ(by));
	return b ? OK : LATER;
}

static void end_glass(struct store *s, struct db *db, const struct glass *g, enum glass_state state)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	struct who reader = {.kind = WHO_ACCOUNT, .account = g->reader};
	struct boxes *b = arena_new(&a, struct boxes);
	{
		DB_ROWS q = DB_QUERY(db, BREAKGLASS_BOXES, DI(g->id));
		while (b && b->n < LIMIT_MAILBOXES && db_next(&q)) {
			b->id[b->n] = db_int(&q, 0);
			b->rights[b->n++] = (unsigned)db_int(&q, 1);
		}
	}
	for (size_t i = 0; b && i < b->n; i++) {
		result_ignore(access_change(db, b->id[i], &reader, false, ACCESS_TAKE, b->rights[i]));
		writer_touch(s->writer, b->id[i], NULL);
	}
	DB_RUN(db, BREAKGLASS_BOXES_FORGET, DI(g->id));
	DB_RUN(db, BREAKGLASS_END, DI(g->id), DI(state), DI(clock_utc_ms()));
	writer_tell(s->writer, NODE_NAMES, g->reader);
}

void breakglass_forget(struct store *s, struct db *db, int64_t account)
{
	ARENA_LOCAL(a, 65536);
	for (;;) {
		struct glass g;
		int64_t id = DB_NUMBER(db, 0, BREAKGLASS_LIVE, DI(account));
		if (!id || !load(db, id, &a, &g))
			return;
		end_glass(s, db, &g, GLASS_ENDED);
	}
}

/* ---- telling the owner ---- */

static void tell_owner(struct admin *a)
{
	BUF_LOCAL(text, 8192);
	struct slice owner = slice_str(json_string_value(json_object_get(a->answer, "address")));
	struct slice reader = slice_str(json_string_value(json_object_get(a->answer, "reader")));
	struct slice reason = admin_text(a, "reason");
	struct mail_addr m;
	buf_printf(&text,
	    SLICE_FMT " さんが、次の理由であなたのメールボックスを一時的に閲覧できるようになりました。\n"
		      "閲覧の記録は「自分のメールボックスを開いた人」に残ります。\n\n    " SLICE_FMT
		      "\n\n--\n\nFor the following reason " SLICE_FMT
		      " can read your mailboxes for a while.\n"
		      "What is opened is recorded, and you can see it.\n\n    " SLICE_FMT "\n",
	    SLICE_ARG(reader), SLICE_ARG(reason), SLICE_ARG(reader), SLICE_ARG(reason));
	if (mail_addr_parse(owner, a->arena, &m) != OK)
		return;
	struct notice n = {m.local, m.domain,
	    SLICE("メールボックスの閲覧について / Your mailboxes are being read"), buf_slice(&text),
	    "breakglass"};
	enum result r = notice_send(a->store, &n);
	if (r != OK)
		EVENT(INTERNAL, KZ("where", "breakglass"), KZ("why", result_name(r)));
}

/* ---- the verbs ---- */

static enum result answer_glass(struct admin *a, struct db *db, int64_t id)
{
	DB_ROWS q = DB_QUERY(db, BREAKGLASS_LIST, DI(0), DI(id), DI(1));
	if (!db_next(&q))
		return GONE;
	int64_t state = db_int(&q, 5);
	a->answer = json_pack("{s:I,s:o,s:o,s:s,s:o,s:I,s:o,s:o,s:I,s:I,s:I}", "id",
	    (json_int_t)db_int(&q, 0), "address", admin_address_string(a, db_octets(&q, 1), db_octets(&q, 2)),
	    "reader", admin_address_string(a, db_octets(&q, 3), db_octets(&q, 4)), "state",
	    state_names[state >= 0 && state < (int64_t)COUNT(state_names) ? state : 0], "reason",
	    admin_string(db_octets(&q, 6)), "minutes", (json_int_t)db_int(&q, 7), "asked_by",
	    admin_string(db_octets(&q, 8)), "consent_by", admin_string(db_octets(&q, 9)), "asked_at_ms",
	    (json_int_t)db_int(&q, 10), "until_ms", (json_int_t)db_int(&q, 11), "ended_at_ms",
	    (json_int_t)db_int(&q, 12));
	return a->answer ? OK : BAD;
}

enum result admin_breakglass_list(struct admin *a, struct db *db)
{
	int64_t account = 0, ids[LIMIT_BREAKGLASSES];
	size_t n = 0;
	if (admin_text(a, "address").n) {
		enum result r = admin_find_account(a, db, &account);
		if (r != OK)
			return r;
	}
	{
		DB_ROWS q = DB_QUERY(db, BREAKGLASS_LIST, DI(account), DI(0), DI(LIMIT_BREAKGLASSES));
		while (n < COUNT(ids) && db_next(&q))
			ids[n++] = db_int(&q, 0);
	}
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		if (answer_glass(a, db, ids[i]) == OK)
			json_array_append_new(list, a->answer);
	}
	a->answer = list;
	return OK;
}

/* Who reads: whoever asks, or whom the server's owner or a token without a person names. */
static enum result take_reader(struct admin *a, struct db *db, int64_t *out)
{
	struct admin_address at;
	struct slice text = admin_text(a, "reader");
	*out = a->powers->account;
	if (*out && !text.n)
		return OK;
	if (!text.n)
		return admin_refuse(a, DENY, "who is to read? name a reader");
	enum result r = admin_address(a, text, &at);
	if (r != OK)
		return r;
	*out = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(at.domain), DT(at.local));
	return *out ? OK : admin_refuse(a, GONE, "no such account: " SLICE_FMT, SLICE_ARG(text));
}

enum result admin_breakglass_ask(struct admin *a, struct db *db)
{
	struct glass g = {.minutes = admin_number(a, "minutes", MINUTES)};
	struct slice reason = admin_text(a, "reason");
	enum result r = admin_find_account(a, db, &g.account);
	if (r == OK)
		r = take_reader(a, db, &g.reader);
	if (r != OK)
		return r;
	if (!reason.n || reason.n > LIMIT_REASON)
		return admin_refuse(a, DENY, "a reason is needed, of at most %d octets", LIMIT_REASON);
	if (g.minutes < 1 || g.minutes > MINUTES_MOST)
		return admin_refuse(a, DENY, "for 1 to %d minutes", MINUTES_MOST);
	if (g.reader == g.account)
		return admin_refuse(a, DENY, "everybody reads his own mail");
	if (DB_NUMBER(db, 0, BREAKGLASS_PENDING, DI(g.account), DI(g.reader)))
		return admin_refuse(a, DENY, "this was asked already");
	g.id = writer_number(a->store->writer, SEQUENCE_PEOPLE);
	DB_RUN(db, BREAKGLASS_ADD, DI(g.id), DI(g.account), DI(g.reader), DT(reason), DI(g.minutes),
	    DI(a->powers->account), DZ(a->actor->audit.who), DI(clock_utc_ms()));
	if (!DB_NUMBER(db, 1, BREAKGLASS_OTHERS, DI(g.reader), DI(g.account))) {
		r = open_glass(a->store, db, &g, "", a->arena);
		if (r != OK)
			return admin_refuse(a, r, "too many people and groups in a mailbox's list");
		a->after = tell_owner;
	}
	return answer_glass(a, db, g.id);
}

static enum result take_glass(struct admin *a, struct db *db, enum glass_state state, struct glass *g)
{
	if (!load(db, admin_number(a, "id", 0), a->arena, g))
		return admin_refuse(a, GONE, "no such request");
	return g->state == state ? OK : admin_refuse(a, DENY, "it is %s", state_names[g->state]);
}

enum result admin_breakglass_consent(struct admin *a, struct db *db)
{
	struct glass g;
	int64_t me = a->powers->account;
	enum result r = take_glass(a, db, GLASS_ASKED, &g);
	if (r != OK)
		return r;
	if (slice_eq(g.asked_by, slice_str(a->actor->audit.who)) ||
	    (me && (me == g.asker || me == g.reader || me == g.account)))
		return admin_refuse(
		    a, DENY, "somebody else has to consent: not who asked, who reads or whose mail it is");
	r = open_glass(a->store, db, &g, a->actor->audit.who, a->arena);
	if (r != OK)
		return admin_refuse(a, r, "too many people and groups in a mailbox's list");
	return answer_glass(a, db, g.id);
}

enum result admin_breakglass_refuse(struct admin *a, struct db *db)
{
	struct glass g;
	enum result r = take_glass(a, db, GLASS_ASKED, &g);
	if (r != OK)
		return r;
	end_glass(a->store, db, &g, GLASS_REFUSED);
	return answer_glass(a, db, g.id);
}

enum result admin_breakglass_end(struct admin *a, struct db *db)
{
	struct glass g;
	enum result r = take_glass(a, db, GLASS_OPEN, &g);
	if (r != OK)
		return r;
	end_glass(a->store, db, &g, GLASS_ENDED);
	return answer_glass(a, db, g.id);
}

/* ---- when the time is over ---- */

struct over {
	struct job job;
	int64_t id;
};

static enum result apply_over(struct job *j, struct db *db)
{
	const struct over *o = (const struct over *)j;
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(owner, 2000);
	struct glass g;
	if (!load(db, o->id, &a, &g) || (g.state != GLASS_OPEN && g.state != GLASS_ASKED))
		return GONE;
	end_glass(j->store, db, &g, g.state == GLASS_OPEN ? GLASS_ENDED : GLASS_LAPSED);
	access_put_who(db, &(struct who){.kind = WHO_ACCOUNT, .account = g.account}, &owner);
	audit_put(j->store, db,
	    &(struct audit_act){
		.actor = &(struct audit_actor){arena_z(&a, g.asked_by), "schedule", "server"},
		.act = "breakglass.over",
		.object = buf_slice(&owner),
		.result = OK,
	    });
	return OK;
}

bool breakglass_round(struct store *s)
{
	struct over o = {.job = {.store = s, .apply = apply_over, .durable = true}};
	int64_t now = clock_utc_ms();
	{
		READER r = reader_begin(s);
		if (!r.db)
			return false;
		o.id = DB_NUMBER(r.db, 0, BREAKGLASS_DUE, DI(now), DI(now - LAPSE_MS));
	}
	return o.id && writer_wait(s->writer, &o.job) == OK;
}
