#include "store/contain/contain.h"
#include "store/queue/bounce.h"
#include "store/queue/deliver.h"
#include "store/queue/notice.h"

#define NOTICE_ARENA ((size_t)16 << 20)
#define YOUNG_MS                                                                                             \
	(7 * DAY_MS) /* mail of so young an account may have been sent elsewhere before it came here */
#define OWED_AT_ONCE 20
#define DEPTH 3 /* of parts, where the message that came back may be */
/* Marks of accounts beside those of filters (filter.h). */
#define MARK_OWED 230
#define MARK_TOLD 231

/* ---- whose it is ---- */

static bool has(struct slice tokens, int64_t token)
{
	for (size_t i = 0; i + 8 <= tokens.n; i += 8)
		if (memcmp(tokens.p + i, &token, 8) == 0)
			return true;
	return false;
}

/* The account handed it in, or it went out in the name of its address. */
static bool is_from(struct store *s, struct db *db, struct slice id, struct slice address)
{
	int64_t wanted = seal_token(s->seal, "id", id), account = seal_token(s->seal, "account", address);
	int64_t from = seal_token(s->seal, "from", address);
	{
		DB_ROWS q = DB_QUERY(db, TRACE_BY_TOKEN, DI(wanted));
		while (db_next(&q))
			if (has(db_octets(&q, 2), account) || has(db_octets(&q, 2), from))
				return true;
	}
	DB_ROWS q = DB_QUERY(db, TRACE_TAIL, DI(DB_NUMBER(db, 0, NUMBER_GET, DZ("trace indexed"))));
	while (db_next(&q))
		if (has(db_octets(&q, 2), wanted) &&
		    (has(db_octets(&q, 2), account) || has(db_octets(&q, 2), from)))
			return true;
	return false;
}

/* The message that came back: the first one that is attached. NULL: none is. */
static const Sekisho__Envelope *attached(const Sekisho__Part *p, unsigned depth)
{
	const Sekisho__Envelope *e = NULL;
	if (p->n_parts && strcmp(p->type, "message") == 0 && p->parts[0]->envelope)
		return p->parts[0]->envelope;
	for (size_t i = 0; depth && !e && i < p->n_parts; i++)
		e = attached(p->parts[i], depth - 1);
	return e;
}

static struct slice id_of(const Sekisho__Envelope *e)
{
	struct slice id = e ? slice_trim(slice_of_octets(e->message_id)) : SLICE_NONE;
	bool bracketed = id.n > 2 && id.p[0] == '<' && id.p[id.n - 1] == '>';
	return bracketed ? slice_sub(id, 1, id.n - 2) : SLICE_NONE;
}

void bounce_look(struct store *s, struct db *db, const struct resolving *to, const Sekisho__Facts *f,
    struct arena *a, struct bounce *out)
{
	const struct target *t = to->first;
	*out = (struct bounce){.now_ms = clock_utc_ms()};
	if (!f || !f->root || !t || t->next || !t->account)
		return;
	struct slice id = id_of(attached(f->root, DEPTH));
	if (!id.n)
		return;
	struct slice address =
	    slice_str(arena_printf(a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(t->local), SLICE_ARG(t->domain)));
	out->account = t->account;
	if (is_from(s, db, id, address))
		out->kind = DB_NUMBER(db, 0, GUARD_INCIDENT, DI(t->account)) ? BOUNCE_ABUSED : BOUNCE_OWN;
	else if (DB_NUMBER(db, out->now_ms, ACCOUNT_CREATED, DI(t->account)) < out->now_ms - YOUNG_MS)
		out->kind = BOUNCE_FORGED;
}

static bool is_complaint(const Sekisho__Part *p)
{
	bool found = false;
	for (size_t i = 0; !found && strcmp(p->subtype, "report") == 0 && i < p->n_parts; i++)
		found = strcmp(p->parts[i]->type, "message") == 0 &&
			strcmp(p->parts[i]->subtype, "feedback-report") == 0;
	return found;
}

static bool is_for_abuse(const struct envelope *e)
{
	for (size_t i = 0; i < e->n_rcpts; i++)
		if (slice_ieq(e->rcpts[i].local, SLICE("abuse")) ||
		    slice_ieq(e->rcpts[i].local, SLICE("postmaster")))
			return true;
	return false;
}

void bounce_complaint(struct store *s, struct db *db, const struct envelope *e, const Sekisho__Facts *f,
    struct arena *a, struct bounce *out)
{
	if (!f || !f->root || e->origin == ORIGIN_FALSE || !is_for_abuse(e) || !is_complaint(f->root))
		return;
	const Sekisho__Envelope *about = attached(f->root, DEPTH);
	struct slice id = id_of(about);
	if (!id.n || !about->n_from)
		return;
	struct slice local = resolve_local(slice_of_octets(about->from[0]->local), a);
	struct slice domain = resolve_domain(slice_of_octets(about->from[0]->domain), a);
	struct slice address =
	    slice_str(arena_printf(a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain)));
	int64_t account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(local));
	/* To those who subscribed to what a machine sends it is one of many; of a person's mail it is rare. */
	if (account && is_from(s, db, id, address) && !DB_NUMBER(db, 0, ALLOWANCE_HAS, DI(account)))
		out->complained = account;
}

void bounce_judge(const struct bounce *b, struct judgement *j)
{
	if ((b->kind != BOUNCE_FORGED && b->kind != BOUNCE_ABUSED) || j->action != JUDGE_ACCEPT)
		return;
	j->action = JUDGE_JUNK;
	j->rule = b->kind == BOUNCE_FORGED ? "bounce-forged" : "bounce-abused";
	j->why = b->kind == BOUNCE_FORGED
		     ? "a report about a message that this account did not send: somebody forged its address"
		     : "a report about what somebody else sent through this account: see its incident";
}

void bounce_apply(struct store *s, struct db *db, const struct bounce *b)
{
	if (b->complained)
		contain_signal(s, db, b->complained, SIGNAL_COMPLAINT, SLICE_NONE);
	if (b->kind == BOUNCE_FORGED &&
	    !DB_NUMBER(db, 0, FILTER_MARKED, DI(b->account), DI(MARK_TOLD), DI(0), DI(b->now_ms)))
		DB_RUN(db, FILTER_MARK, DI(b->account), DI(MARK_OWED), DI(0), DI(b->now_ms + DAY_MS));
}

/* ---- the notice ---- */

static const char subject[] = "他人があなたのアドレスを差出人にしています / Somebody forges your address";
static const char text[] =
    "あなたが送っていないメールについて、配信できなかったという通知が届きました。第三者が、あなたのアドレスを"
    "差出人として\n"
    "名乗っています。あなたのアカウントが使われた形跡はなく、することはありません。\n"
    "同様の通知は迷惑メールのフォルダーに入れ、一日一度だけお知らせします。\n"
    "別のサーバーから自分で送った場合は、そのフォルダーで通知をご覧ください。\n\n"
    "----------------------------------------\n\n"
    "Reports came that mail could not be delivered which you did not send: somebody uses your address as a "
    "false\n"
    "sender. Nothing says that your account was used, and there is nothing you have to do.\n"
    "These reports are put into your Junk mailbox, and you are told once a day.\n"
    "If you sent that mail yourself through another server, you find the reports there.\n";

struct telling {
	struct deliver d; /* first: its job is ours */
	int64_t account;
};

static enum result apply_tell(struct job *j, struct db *db)
{
	struct telling *t = (struct telling *)j;
	DB_RUN(db, FILTER_MARK_REMOVE, DI(t->account), DI(MARK_OWED), DI(0));
	if (!db_changed(db))
		return GONE; /* another node was faster */
	DB_RUN(db, FILTER_MARK, DI(t->account), DI(MARK_TOLD), DI(0), DI(clock_utc_ms() + DAY_MS));
	return deliver_apply(&t->d, db);
}

static void tell(struct store *s, int64_t account)
{
	ARENA_LOCAL(a, NOTICE_ARENA);
	struct telling *t = arena_new(&a, struct telling);
	MESSAGE m = {.fd = -1};
	struct notice n = {
	    .subject = slice_str(subject), .text = slice_str(text), .service = "bounce-forged"};
	if (!t)
		return;
	{
		READER reader = reader_begin(s);
		if (!reader.db)
			return;
		DB_ROWS q = DB_QUERY(reader.db, ACCOUNT_SHOWN, DI(account));
		if (!db_next(&q))
			return;
		n.local = arena_dup(&a, db_octets(&q, 0));
		n.domain = arena_dup(&a, db_octets(&q, 1));
	}
	{
		READER reader = reader_begin(s);
		enum result r = reader.db ? notice_prepare(s, reader.db, &a, &n, &t->d, &m) : LATER;
		if (r != OK) {
			if (t->d.job.store)
				deliver_finish(&t->d, r);
			return;
		}
	}
	t->account = account;
	t->d.job.apply = apply_tell;
	deliver_finish(&t->d, writer_wait(s->writer, &t->d.job));
}

void bounce_tell_owed(struct store *s)
{
	int64_t accounts[OWED_AT_ONCE];
	size_t n = 0;
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		DB_ROWS q = DB_QUERY(r.db, BOUNCES_OWED, DI(OWED_AT_ONCE));
		while (n < OWED_AT_ONCE && db_next(&q))
			accounts[n++] = db_int(&q, 0);
	}
	for (size_t i = 0; i < n; i++)
		tell(s, accounts[i]);
}
