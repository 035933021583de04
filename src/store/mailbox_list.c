/* STORE_MAILBOXES and STORE_STATUS. */
#include "store/mailbox_list.h"
#include "store/handlers.h"

#define A_PACKET 200 /* mailboxes; their names have LIMIT_MAILBOX_NAME octets at most, and rarely fifty */
#define A_PACKET_OCTETS 60000

Sekisho__Mailbox *mailbox_message(const struct db_rows *q, struct arena *a)
{
	Sekisho__Mailbox *m = arena_new(a, Sekisho__Mailbox);
	if (!m)
		return NULL;
	sekisho__mailbox__init(m);
	m->id = (uint64_t)db_int(q, 0);
	m->name = arena_z(a, db_octets(q, 1));
	m->uidvalidity = (uint32_t)db_int(q, 2);
	m->special_use = arena_z(a, db_octets(q, 3));
	m->subscribed = db_int(q, 4) != 0;
	m->noselect = db_int(q, 5) != 0;
	return arena_full(a) ? NULL : m;
}

Sekisho__MailboxStatus *status_message(const struct db_rows *q, struct arena *a)
{
	Sekisho__MailboxStatus *s = arena_new(a, Sekisho__MailboxStatus);
	if (!s)
		return NULL;
	sekisho__mailbox_status__init(s);
	s->uidnext = (uint32_t)db_int(q, 6);
	s->highestmodseq = (uint64_t)db_int(q, 7);
	s->messages = (uint32_t)db_int(q, 8);
	s->unseen = (uint32_t)db_int(q, 9);
	s->deleted = (uint32_t)db_int(q, 10);
	s->size = (uint64_t)db_int(q, 11);
	s->recent = (uint32_t)db_int(q, 12);
	return s;
}

bool mailbox_messages(struct db *db, int64_t mailbox, struct arena *a, Sekisho__Mailbox **mailbox_out,
    Sekisho__MailboxStatus **status_out)
{
	DB_ROWS q = DB_QUERY(db, MAILBOX_SHOW, DI(mailbox));
	if (!db_next(&q))
		return false;
	*mailbox_out = mailbox_message(&q, a);
	*status_out = status_message(&q, a);
	if (!*mailbox_out || !*status_out)
		return false;
	if ((*status_out)->unseen)
		(*status_out)->first_unseen =
		    (uint32_t)DB_NUMBER(db, 0, FIRST_UNSEEN, DI(mailbox), DI(db_int(&q, 13)));
	return true;
}

struct listing {
	struct ipc_turn *turn;
	Sekisho__MailboxesAnswer answer;
	Sekisho__Mailbox *mailboxes[A_PACKET];
	Sekisho__MailboxStatus *status[A_PACKET];
	char *missing[A_PACKET];
	size_t octets;
	struct arena arena; /* of one packet */
};

static void listing_reset(struct listing *l)
{
	arena_reset(&l->arena);
	sekisho__mailboxes_answer__init(&l->answer);
	l->answer.mailboxes = l->mailboxes;
	l->answer.status = l->status;
	l->answer.subscribed_missing = l->missing;
	l->octets = 0;
}

static void listing_room(struct listing *l, size_t need)
{
	l->octets += need + 80;
	if (l->answer.n_mailboxes < A_PACKET && l->answer.n_subscribed_missing < A_PACKET &&
	    l->octets < A_PACKET_OCTETS)
		return;
	ipc_answer_part(l->turn, &l->answer, NULL);
	listing_reset(l);
}

static void list_mailboxes(struct listing *l, struct db *db, int64_t account, bool with_status)
{
	DB_ROWS q = DB_QUERY(db, MAILBOX_LIST, DI(account));
	while (db_next(&q)) {
		listing_room(l, db_octets(&q, 1).n);
		size_t n = l->answer.n_mailboxes;
		l->mailboxes[n] = mailbox_message(&q, &l->arena);
		l->status[n] = status_message(&q, &l->arena);
		if (!l->mailboxes[n] || !l->status[n])
			return;
		l->answer.n_mailboxes = n + 1;
		l->answer.n_status = with_status ? n + 1 : 0;
	}
}

static void list_missing(struct listing *l, struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, SUBSCRIBED_MISSING, DI(account));
	while (db_next(&q)) {
		listing_room(l, db_octets(&q, 0).n);
		char *name = arena_z(&l->arena, db_octets(&q, 0));
		if (name)
			l->missing[l->answer.n_subscribed_missing++] = name;
	}
}

void ask_mailboxes(struct ipc_turn *t)
{
	const Sekisho__MailboxesAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	struct listing *l = arena_new(&t->arena, struct listing);
	if (!l) {
		refuse(t, LATER);
		return;
	}
	l->turn = t;
	arena_init(&l->arena, (size_t)4 << 20);
	listing_reset(l);
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		if (r.db) {
			list_mailboxes(l, r.db, user->account, ask->with_status);
			list_missing(l, r.db, user->account);
			done = db_result(r.db);
		}
	}
	struct arena packet = l->arena;
	if (done == OK)
		ipc_answer(t, &l->answer, NULL);
	else
		refuse(t, done);
	arena_free(&packet);
}

void ask_status(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	Sekisho__StatusAnswer answer = SEKISHO__STATUS_ANSWER__INIT;
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		if (r.db) {
			int64_t id = box_find(r.db, user->account, slice_str(ask->name));
			bool found =
			    id && mailbox_messages(r.db, id, &t->arena, &answer.mailbox, &answer.status);
			done = db_result(r.db);
			if (done == OK && !found)
				done = GONE;
		}
	}
	if (done == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, done);
}
