/* STORE_MAILBOXES and STORE_STATUS. */
#include "store/mailbox/list.h"
#include "store/mailbox/access.h"
#include "store/handlers.h"
#include <stdlib.h>

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

void mailbox_rights(Sekisho__Mailbox *m, unsigned rights, struct arena *a)
{
	BUF_LOCAL(b, 32);
	access_put_rights(&b, rights);
	char *z = arena_z(a, buf_slice(&b));
	m->rights = z ? z : (char *)"";
}

bool mailbox_messages(struct db *db, int64_t account, const struct access *x, struct arena *a,
    Sekisho__Mailbox **mailbox_out, Sekisho__MailboxStatus **status_out)
{
	DB_ROWS q = DB_QUERY(db, MAILBOX_SHOW, DI(x->id));
	if (!db_next(&q))
		return false;
	Sekisho__Mailbox *m = *mailbox_out = mailbox_message(&q, a);
	*status_out = status_message(&q, a);
	if (!m || !*status_out)
		return false;
	if ((*status_out)->unseen)
		(*status_out)->first_unseen =
		    (uint32_t)DB_NUMBER(db, 0, FIRST_UNSEEN, DI(x->id), DI(db_int(&q, 13)));
	mailbox_rights(m, x->rights, a);
	if (x->own)
		return true;
	m->special_use = (char *)"";
	m->name = arena_z(a, access_name(db, account, x->owner, x->name, a));
	m->subscribed = m->name && DB_NUMBER(db, 0, SUBSCRIBED, DI(account), DZ(m->name));
	return m->name != NULL;
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

/* Both are in the arena, or NULL when it is full. */
static void fill_deleted_size(struct db *db, int64_t mailbox, Sekisho__MailboxStatus *status)
{
	if (status && status->deleted)
		status->deleted_size = (uint64_t)DB_NUMBER(db, 0, DELETED_SIZE, DI(mailbox));
}

static bool list_one(struct listing *l, Sekisho__Mailbox *m, Sekisho__MailboxStatus *status, unsigned rights)
{
	const Sekisho__MailboxesAsk *ask = l->turn->ask;
	size_t n = l->answer.n_mailboxes;
	if (!m || !status)
		return false;
	if (ask->with_rights)
		mailbox_rights(m, rights, &l->arena);
	l->mailboxes[n] = m;
	l->status[n] = status;
	l->answer.n_mailboxes = n + 1;
	l->answer.n_status = ask->with_status ? n + 1 : 0;
	return true;
}

static void list_mailboxes(struct listing *l, struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, MAILBOX_LIST, DI(account));
	const Sekisho__MailboxesAsk *ask = l->turn->ask;
	while (db_next(&q)) {
		listing_room(l, db_octets(&q, 1).n);
		Sekisho__MailboxStatus *status = status_message(&q, &l->arena);
		if (ask->with_deleted_size)
			fill_deleted_size(db, db_int(&q, 0), status);
		if (!list_one(l, mailbox_message(&q, &l->arena), status, RIGHTS_ALL))
			return;
	}
}

/* ---- mailboxes of others ---- */

struct shown {
	struct slice name;
	int64_t id; /* 0: a level that only leads to others */
};

struct shown_list {
	struct shown *v;
	size_t n, cap;
};

static void shown_add(struct shown_list *list, struct slice name, int64_t id)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->v = realloc(list->v, list->cap * sizeof *list->v);
		if (!list->v)
			abort();
	}
	list->v[list->n++] = (struct shown){name, id};
}

/* Of one name, the mailbox before the level. */
static int by_name(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;
	int c = slice_cmp(x->name, y->name);
	return c ? c : (y->id > x->id) - (y->id < x->id);
}

/* Their names, with all levels above them, each once and in order. */
static void read_shown(struct db *db, int64_t account, struct arena *a, struct shown_list *out)
{
	struct access_list ids;
	access_visible(db, account, a, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		int64_t owner;
		struct slice name;
		{
			DB_ROWS q = DB_QUERY(db, MAILBOX_ACCOUNT, DI(ids.ids[i]));
			if (!db_next(&q))
				continue;
			owner = db_int(&q, 0);
			name = arena_dup(a, db_octets(&q, 1));
		}
		name = access_name(db, account, owner, name, a);
		for (size_t k = 1; k < name.n; k++)
			if (name.p[k] == '/')
				shown_add(out, slice_sub(name, 0, k), 0);
		if (name.n)
			shown_add(out, name, ids.ids[i]);
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_name);
	size_t kept = 0;
	for (size_t i = 0; i < out->n; i++)
		if (!kept || !slice_eq(out->v[kept - 1].name, out->v[i].name))
			out->v[kept++] = out->v[i];
	out->n = kept;
}

static bool list_shown(struct listing *l, struct db *db, int64_t account, const struct shown *s)
{
	Sekisho__Mailbox *m = NULL;
	Sekisho__MailboxStatus *status = NULL;
	unsigned rights = s->id ? access_rights(db, account, 0, s->id) : RIGHT_LOOKUP;
	if (s->id) {
		DB_ROWS q = DB_QUERY(db, MAILBOX_SHOW, DI(s->id));
		if (!db_next(&q))
			return db_result(db) == OK;
		m = mailbox_message(&q, &l->arena);
		status = status_message(&q, &l->arena);
	} else if ((m = arena_new(&l->arena, Sekisho__Mailbox)) &&
		   (status = arena_new(&l->arena, Sekisho__MailboxStatus))) {
		sekisho__mailbox__init(m);
		sekisho__mailbox_status__init(status);
		m->noselect = true;
	}
	if (!m || !status)
		return false;
	m->name = arena_z(&l->arena, s->name);
	m->special_use = (char *)""; /* its owner's */
	m->subscribed = DB_NUMBER(db, 0, SUBSCRIBED, DI(account), DT(s->name)) != 0;
	m->no_status = !(rights & RIGHT_READ);
	const Sekisho__MailboxesAsk *ask = l->turn->ask;
	if (m->no_status)
		sekisho__mailbox_status__init(status);
	else if (ask->with_deleted_size)
		fill_deleted_size(db, s->id, status);
	return m->name && list_one(l, m, status, rights);
}

static void list_others(struct listing *l, struct db *db, int64_t account, const struct shown_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		listing_room(l, list->v[i].name.n);
		if (!list_shown(l, db, account, &list->v[i]))
			return;
	}
}

static bool is_shown(const struct shown_list *list, struct slice name)
{
	struct shown key = {.name = name}, *found = NULL;
	size_t low = 0, high = list->n;
	while (low < high && !found) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(key.name, list->v[mid].name);
		if (c == 0)
			return true;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

static void list_missing(struct listing *l, struct db *db, int64_t account, const struct shown_list *others)
{
	DB_ROWS q = DB_QUERY(db, SUBSCRIBED_MISSING, DI(account));
	while (db_next(&q)) {
		if (is_shown(others, db_octets(&q, 0)))
			continue;
		listing_room(l, db_octets(&q, 0).n);
		char *name = arena_z(&l->arena, db_octets(&q, 0));
		if (name)
			l->missing[l->answer.n_subscribed_missing++] = name;
	}
}

void ask_mailboxes(struct ipc_turn *t)
{
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
			struct shown_list others = {0};
			read_shown(r.db, user->account, &t->arena, &others);
			list_mailboxes(l, r.db, user->account);
			list_others(l, r.db, user->account, &others);
			list_missing(l, r.db, user->account, &others);
			free(others.v);
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

static enum result read_status(struct db *db, const struct login *user, struct slice name, bool deleted_size,
    struct arena *a, Sekisho__StatusAnswer *answer, const char **why_out)
{
	struct access x;
	access_find(db, user->account, name, a, &x);
	enum result r = access_need(&x, RIGHT_READ, why_out);
	bool found = r == OK && mailbox_messages(db, user->account, &x, a, &answer->mailbox, &answer->status);
	if (r == OK && !found)
		r = GONE;
	if (found && deleted_size)
		fill_deleted_size(db, x.id, answer->status);
	return db_result(db) == OK ? r : LATER;
}

void ask_status(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	const struct login *user = session_of(t);
	if (!user)
		return;
	Sekisho__StatusAnswer answer = SEKISHO__STATUS_ANSWER__INIT;
	enum result done = LATER;
	const char *why = NULL;
	{
		READER r = reader_begin(store_of(t));
		if (r.db)
			done = read_status(r.db, user, slice_str(ask->name), ask->with_deleted_size,
			    &t->arena, &answer, &why);
	}
	if (done == OK)
		ipc_answer(t, &answer, NULL);
	else if (why)
		ipc_refuse(t, done, "%s", why);
	else
		refuse(t, done);
}
