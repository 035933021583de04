/* STORE_WATCH and STORE_WATCHED: mailboxes that a session hears of without having them selected (RFC 5465). */
#include "store/handlers.h"
#include "store/mailbox_list.h"

#define A_PACKET 500 /* mailboxes, without names */

void ask_watch(struct ipc_turn *t)
{
	const Sekisho__WatchAsk *ask = t->ask;
	struct login *user = session_of(t);
	if (!user)
		return;
	if (ask->n_mailboxes > LIMIT_WATCHED) {
		ipc_refuse(t, FULL, "Too many mailboxes to watch");
		return;
	}
	/* Whose they are is asked when there is something to tell. */
	sessions_watch(user, ask->mailboxes, ask->n_mailboxes, ask->names);
	ipc_answer(t, NULL, NULL);
}

struct watched {
	struct ipc_turn *turn;
	struct db *db;
	int64_t account;
	Sekisho__WatchedAnswer answer;
	Sekisho__Mailbox *mailboxes[A_PACKET];
	Sekisho__MailboxStatus *status[A_PACKET];
	struct arena arena; /* of one packet */
};

static void next_packet(struct watched *w)
{
	arena_reset(&w->arena);
	sekisho__watched_answer__init(&w->answer);
	w->answer.mailboxes = w->mailboxes;
	w->answer.status = w->status;
}

/* One that is gone, or may not be read any more, is left to STORE_MAILBOXES: names have changed. */
static bool may_read(const struct watched *w, int64_t id)
{
	int64_t owner;
	{
		DB_ROWS q = DB_QUERY(w->db, MAILBOX_ACCOUNT, DI(id));
		if (!db_next(&q))
			return false;
		owner = db_int(&q, 0);
	}
	unsigned need = RIGHT_LOOKUP | RIGHT_READ;
	return owner == w->account || (access_rights(w->db, w->account, owner, id) & need) == need;
}

static bool add(struct watched *w, int64_t id)
{
	size_t n = w->answer.n_mailboxes;
	DB_ROWS q = DB_QUERY(w->db, MAILBOX_SHOW, DI(id));
	if (!db_next(&q))
		return false;
	Sekisho__Mailbox *m = mailbox_message(&q, &w->arena);
	Sekisho__MailboxStatus *status = status_message(&q, &w->arena);
	if (!m || !status)
		return false;
	m->name = m->special_use = (char *)"";
	w->mailboxes[n] = m;
	w->status[n] = status;
	w->answer.n_mailboxes = w->answer.n_status = n + 1;
	return true;
}

static void add_all(struct watched *w, const int64_t *ids, size_t n, bool names)
{
	for (size_t i = 0; i < n; i++) {
		if (w->answer.n_mailboxes == A_PACKET) {
			ipc_answer_part(w->turn, &w->answer, NULL);
			next_packet(w);
		}
		if (!may_read(w, ids[i]) || !add(w, ids[i]))
			names = true;
	}
	w->answer.names = names;
}

void ask_watched(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	if (!user)
		return;
	struct watched *w = arena_new(&t->arena, struct watched);
	int64_t *ids = arena_array(&t->arena, user->n_watches + 1, sizeof *ids);
	if (!w || !ids) {
		refuse(t, LATER);
		return;
	}
	*w = (struct watched){.turn = t, .account = user->account};
	arena_init(&w->arena, (size_t)4 << 20);
	next_packet(w);
	bool names;
	size_t n = sessions_watched(user, ids, &names);
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		w->db = r.db;
		if (r.db) {
			add_all(w, ids, n, names);
			done = db_result(r.db);
		}
	}
	struct arena packet = w->arena;
	if (done == OK) {
		ipc_answer(t, &w->answer, NULL);
	} else {
		sessions_note_names(user->all, user->account, NULL); /* it is to ask for everything again */
		refuse(t, done);
	}
	arena_free(&packet);
}
