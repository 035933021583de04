#include "store/mailbox/mailbox.h"
#include "store/mailbox/cards.h"
#include "store/search/search.h"

bool box_load(struct db *db, int64_t id, struct box *b)
{
	DB_ROWS q = DB_QUERY(db, MAILBOX_LOAD, DI(id));
	if (!db_next(&q))
		return false;
	*b = (struct box){
	    .id = id,
	    .account = db_int(&q, 0),
	    .uidvalidity = (uint32_t)db_int(&q, 1),
	    .uidnext = (uint32_t)db_int(&q, 2),
	    .modseq = (uint64_t)db_int(&q, 3),
	    .messages = (uint32_t)db_int(&q, 4),
	    .unseen = (uint32_t)db_int(&q, 5),
	    .deleted = (uint32_t)db_int(&q, 6),
	    .size = (uint64_t)db_int(&q, 7),
	    .recent = (uint32_t)db_int(&q, 8),
	    .recent_from = (uint32_t)db_int(&q, 9),
	    .noselect = db_int(&q, 10) != 0,
	    .unseen_from = (uint32_t)db_int(&q, 11),
	};
	return true;
}

int64_t box_find(struct db *db, int64_t account, struct slice name)
{
	if (slice_ieq(name, SLICE("INBOX")))
		name = SLICE("INBOX");
	return DB_NUMBER(db, 0, MAILBOX_FIND, DI(account), DT(name));
}

void box_save(struct db *db, const struct box *b)
{
	DB_RUN(db, MAILBOX_SAVE, DI(b->id), DI(b->uidnext), DI(b->modseq), DI(b->messages), DI(b->unseen),
	    DI(b->deleted), DI(b->size), DI(b->recent), DI(b->recent_from), DI(b->unseen_from));
}

void box_advance(struct db *db, struct box *b)
{
	if (b->unseen)
		b->unseen_from =
		    (uint32_t)DB_NUMBER(db, b->unseen_from, FIRST_UNSEEN, DI(b->id), DI(b->unseen_from));
}

void box_count(struct box *b, const struct entry *e, int by)
{
	uint32_t one = (uint32_t)by;
	b->messages += one;
	b->size += by > 0 ? e->size : -e->size;
	if (!(e->flags & SEKISHO__FLAG__FLAG_SEEN)) {
		if (by > 0 && (!b->unseen || e->uid < b->unseen_from))
			b->unseen_from = e->uid;
		b->unseen += one;
	}
	if (e->flags & SEKISHO__FLAG__FLAG_DELETED)
		b->deleted += one;
	if (e->uid >= b->recent_from)
		b->recent += one;
}

void box_add(struct writer *w, struct db *db, struct box *b, struct entry *e)
{
	if (!e->modseq)
		e->modseq = writer_modseq(w, db, b->account);
	e->uid = b->uidnext++;
	b->modseq = MAX(b->modseq, e->modseq);
	box_count(b, e, 1);
	if (e->uid % CARDS_A_BLOCK == 0)
		writer_cards(w, b->id);
	search_due(writer_store(w)->search, b->account);
	DB_RUN(db, MESSAGE_ADD, DI(b->id), DI(e->uid), DI(e->email), DI(e->thread), DI(e->blob), DI(e->flags),
	    DI(e->keywords), DI(e->modseq), DI(e->internal_ms), DI(e->saved_ms), DI(e->size));
}

void box_vanish(struct db *db, struct box *b, const struct entry *entries, size_t n, uint64_t modseq,
    bool unref, struct runs *vanished)
{
	RUNS_LOCAL(gone);
	for (size_t i = 0; i < n; i++) {
		DB_RUN(db, MESSAGE_REMOVE, DI(b->id), DI(entries[i].uid));
		if (unref)
			blob_unref(db, entries[i].blob, 1);
		box_count(b, &entries[i], -1);
		runs_put(&gone, (struct run){entries[i].uid, 1});
	}
	runs_normalise(&gone);
	for (size_t i = 0; i < gone.n; i++) {
		DB_RUN(db, EXPUNGED_ADD, DI(b->id), DI(modseq), DI(gone.v[i].first), DI(gone.v[i].count));
		if (vanished)
			runs_put(vanished, gone.v[i]);
	}
	b->modseq = modseq;
	box_advance(db, b);
}

void entry_read(const struct db_rows *rows, struct entry *e)
{
	*e = (struct entry){
	    .uid = (uint32_t)db_int(rows, 0),
	    .flags = (uint32_t)db_int(rows, 1),
	    .keywords = (uint64_t)db_int(rows, 2),
	    .modseq = (uint64_t)db_int(rows, 3),
	    .email = db_int(rows, 4),
	    .thread = db_int(rows, 5),
	    .blob = db_int(rows, 6),
	    .internal_ms = db_int(rows, 7),
	    .saved_ms = db_int(rows, 8),
	    .size = (uint64_t)db_int(rows, 9),
	};
}

/* ---- keywords ---- */

void box_keyword_names(struct db *db, int64_t mailbox, struct arena *a, char ***names_out, size_t *n_out)
{
	char **names = arena_array(a, LIMIT_KEYWORDS, sizeof *names);
	size_t n = 0;
	DB_ROWS q = DB_QUERY(db, KEYWORDS, DI(mailbox));
	while (names && n < LIMIT_KEYWORDS && db_next(&q))
		names[n++] = arena_z(a, db_octets(&q, 0));
	*names_out = names;
	*n_out = arena_full(a) ? 0 : n;
}

static int find_keyword(struct db *db, int64_t mailbox, struct slice name, int *count_out)
{
	int found = -1, n = 0;
	DB_ROWS q = DB_QUERY(db, KEYWORDS, DI(mailbox));
	for (; db_next(&q); n++)
		if (slice_ieq(db_octets(&q, 0), name))
			found = n;
	*count_out = n;
	return found;
}

enum result box_keywords(
    struct db *db, int64_t mailbox, char *const *names, size_t n, uint64_t *bits_out, bool *added_out)
{
	*bits_out = 0;
	for (size_t i = 0; i < n; i++) {
		struct slice name = slice_str(names[i]);
		int count, bit = find_keyword(db, mailbox, name, &count);
		if (bit < 0) {
			if (count >= LIMIT_KEYWORDS || name.n > LIMIT_KEYWORD || !name.n)
				return FULL;
			DB_RUN(db, KEYWORD_ADD, DI(mailbox), DI(count), DT(name));
			bit = count;
			*added_out = true;
		}
		*bits_out |= (uint64_t)1 << bit;
	}
	return OK;
}

/* ---- threads ---- */

size_t thread_tokens(const struct store *s, const Sekisho__Facts *facts, int64_t *tokens, size_t most)
{
	size_t n = 0;
	struct slice own = slice_str(facts->message_id);
	tokens[n++] = own.n ? seal_token(s->seal, "thread", own) : 0;
	for (size_t i = facts->n_references; i > 0 && n < most; i--) {
		struct slice id = slice_str(facts->references[i - 1]);
		if (id.n)
			tokens[n++] = seal_token(s->seal, "thread", id);
	}
	return n;
}

int64_t thread_of(struct db *db, int64_t account, int64_t email, const int64_t *tokens, size_t n)
{
	int64_t thread = 0;
	for (size_t i = 0; i < n && !thread; i++)
		if (tokens[i])
			thread = DB_NUMBER(db, 0, THREAD_FIND, DI(account), DI(tokens[i]));
	if (!thread)
		thread = email;
	for (size_t i = 0; i < n; i++)
		if (tokens[i])
			DB_RUN(db, THREAD_ADD, DI(account), DI(tokens[i]), DI(thread));
	return thread;
}

/* ---- whole mailboxes ---- */

int64_t box_create(struct writer *w, struct db *db, int64_t account, struct slice name,
    const char *special_use, bool noselect)
{
	int64_t id = writer_number(w, SEQUENCE_MAILBOX);
	/* Ids are never used again, so they serve as UIDVALIDITY too: 1 and up, in 32 bits. */
	DB_RUN(db, MAILBOX_ADD, DI(id), DI(account), DT(name), DI((id - 1) % UINT32_MAX + 1),
	    DI(writer_modseq(w, db, account)), DZ(special_use), DI(noselect));
	writer_names(w, account);
	return id;
}

void box_remove(struct writer *w, struct db *db, int64_t mailbox)
{
	struct box b;
	if (!box_load(db, mailbox, &b))
		return;
	{
		DB_ROWS q = DB_QUERY(db, MESSAGE_BLOBS, DI(mailbox));
		while (db_next(&q))
			blob_unref(db, db_int(&q, 0), (unsigned)db_int(&q, 1));
	}
	writer_names(w, b.account);
	/* What comes later in this account counts on from here. */
	DB_RUN(db, ACCOUNT_SET_MODSEQ, DI(b.account), DI(writer_modseq(w, db, b.account)));
	DB_RUN(db, MESSAGES_REMOVE, DI(mailbox));
	DB_RUN(db, CARDS_REMOVE, DI(mailbox));
	DB_RUN(db, EXPUNGED_REMOVE, DI(mailbox));
	DB_RUN(db, KEYWORDS_REMOVE, DI(mailbox));
	DB_RUN(db, ACL_REMOVE, DI(mailbox));
	DB_RUN(db, METADATA_REMOVE, DI(mailbox));
	DB_RUN(db, MAILBOX_REMOVE, DI(mailbox));
	writer_touch(w, mailbox, NULL);
}
