/* STORE_WATCH and STORE_WATCHED: mailboxes that a session hears of without having them selected (RFC 5465). */
#include "store/handlers.h"
#include "store/mailbox/list.h"

#define A_PACKET 500          /* mailboxes, without names */
#define A_PACKET_OCTETS 60000 /* of entries */

static bool may_read(struct db *db, const struct login *user, int64_t id)
{
	int64_t owner;
	{
		DB_ROWS q = DB_QUERY(db, MAILBOX_ACCOUNT, DI(id));
		if (!db_next(&q))
			return false;
		owner = db_int(&q, 0);
	}
	unsigned need = RIGHT_LOOKUP | RIGHT_READ;
	return owner == user->account || (access_rights(db, user->account, owner, id) & need) == need;
}

/* Nobody hears even that something happened in a mailbox that he may not read. What was annotated up to now is no news. */
static enum result begin(struct ipc_turn *t, struct login *user)
{
	const Sekisho__WatchAsk *ask = t->ask;
	READER r = reader_begin(store_of(t));
	if (!r.db)
		return LATER;
	for (size_t i = 0; i < user->n_watches; i++) {
		size_t k = i - ask->n_mailboxes;
		bool metadata = i >= ask->n_mailboxes;
		int64_t mailbox = !metadata             ? (int64_t)ask->mailboxes[i]
				  : k < ask->n_metadata ? (int64_t)ask->metadata[k]
							: 0;
		if ((mailbox || !metadata) && !may_read(r.db, user, mailbox))
			sessions_unwatch(user, i);
		else if (metadata)
			sessions_told_metadata(user, i,
			    (uint64_t)DB_NUMBER(r.db, 0, METADATA_LAST, DI(mailbox), DI(user->account)));
	}
	return db_result(r.db);
}

void ask_watch(struct ipc_turn *t)
{
	const Sekisho__WatchAsk *ask = t->ask;
	struct login *user = session_of(t);
	if (!user)
		return;
	if (ask->n_mailboxes + ask->n_metadata > LIMIT_WATCHED) {
		ipc_refuse(t, FULL, "Too many mailboxes to watch");
		return;
	}
	sessions_watch(user, ask);
	enum result r = begin(t, user);
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		refuse(t, r);
}

struct watched {
	struct ipc_turn *turn;
	struct db *db;
	struct login *user;
	Sekisho__WatchedAnswer answer;
	Sekisho__Mailbox *mailboxes[A_PACKET];
	Sekisho__MailboxStatus *status[A_PACKET];
	Sekisho__ChangedEntries *metadata[A_PACKET];
	size_t octets;
	struct arena arena; /* of one packet */
};

static void next_packet(struct watched *w)
{
	arena_reset(&w->arena);
	sekisho__watched_answer__init(&w->answer);
	w->answer.mailboxes = w->mailboxes;
	w->answer.status = w->status;
	w->answer.metadata = w->metadata;
	w->octets = 0;
}

static void send_packet(struct watched *w)
{
	ipc_answer_part(w->turn, &w->answer, NULL);
	next_packet(w);
}

static bool add_status(struct watched *w, int64_t id)
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
	if (n + 1 == A_PACKET)
		send_packet(w);
	return true;
}

static Sekisho__ChangedEntries *new_entries(struct watched *w, int64_t mailbox)
{
	Sekisho__ChangedEntries *e = arena_new(&w->arena, Sekisho__ChangedEntries);
	if (!e)
		return NULL;
	sekisho__changed_entries__init(e);
	e->mailbox = (uint64_t)mailbox;
	e->entries = arena_array(&w->arena, 4 * LIMIT_METADATA_ENTRIES + 4, sizeof *e->entries);
	if (!e->entries)
		return NULL;
	w->metadata[w->answer.n_metadata++] = e;
	return e;
}

static bool add_metadata(struct watched *w, const struct watch_news *news)
{
	uint64_t last = news->since;
	Sekisho__ChangedEntries *e = NULL;
	DB_ROWS q =
	    DB_QUERY(w->db, METADATA_CHANGED, DI(news->mailbox), DI(w->user->account), DI(news->since));
	while (db_next(&q)) {
		struct slice name = db_octets(&q, 0);
		if (w->octets + name.n > A_PACKET_OCTETS || w->answer.n_metadata == A_PACKET ||
		    (e && e->n_entries == 4 * LIMIT_METADATA_ENTRIES)) {
			send_packet(w);
			e = NULL;
		}
		if (!e && !(e = new_entries(w, news->mailbox)))
			return false;
		char *z = arena_z(&w->arena, name);
		if (!z)
			return false;
		e->entries[e->n_entries++] = z;
		w->octets += name.n + 16;
		last = MAX(last, (uint64_t)db_int(&q, 1));
	}
	sessions_told_metadata(w->user, news->at, last);
	return true;
}

static void add_all(struct watched *w, const struct watch_news *news, size_t n, bool names)
{
	for (size_t i = 0; i < n; i++) {
		bool there = !news[i].mailbox || may_read(w->db, w->user, news[i].mailbox);
		if (there && !news[i].metadata)
			there = add_status(w, news[i].mailbox);
		else if (there)
			there = add_metadata(w, &news[i]);
		/* One that is gone, or may not be read any more, is left to STORE_MAILBOXES: names have changed. */
		names |= !there;
		if (!there)
			sessions_unwatch(w->user, news[i].at);
	}
	w->answer.names = names;
}

void ask_watched(struct ipc_turn *t)
{
	struct login *user = session_of(t);
	if (!user)
		return;
	struct watched *w = arena_new(&t->arena, struct watched);
	struct watch_news *news = arena_array(&t->arena, user->n_watches + 1, sizeof *news);
	if (!w || !news) {
		refuse(t, LATER);
		return;
	}
	*w = (struct watched){.turn = t, .user = user};
	arena_init(&w->arena, (size_t)4 << 20);
	next_packet(w);
	bool names;
	size_t n = sessions_watched(user, news, &names);
	enum result done = LATER;
	{
		READER r = reader_begin(store_of(t));
		w->db = r.db;
		if (r.db) {
			add_all(w, news, n, names);
			done = db_result(r.db);
		}
	}
	struct arena packet = w->arena;
	if (done == OK) {
		ipc_answer(t, &w->answer, NULL);
	} else {
		sessions_watch_again(user);
		refuse(t, done);
	}
	arena_free(&packet);
}
