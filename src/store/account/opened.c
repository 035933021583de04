/* Who opened whose mailbox; when an account was used last. */
#include "store/mailbox/access.h"
#include "store/account/people.h"
#include <stdlib.h>

/* How he came to it; column `how`. */
enum way { WAY_SHARED = 1, WAY_HANDOVER, WAY_BREAKGLASS };
static const char *const way_names[] = {"", "shared", "handover", "breakglass"};

struct opening {
	struct job job;
	int64_t owner, reader, day, now;
	struct slice mailbox;
	const struct opener *who;
	struct slice owners; /* address */
	enum way way;
};

static enum result apply_opening(struct job *j, struct db *db)
{
	const struct opening *o = (const struct opening *)j;
	DB_RUN(
	    db, OPENED_NOTE, DI(o->owner), DI(o->reader), DT(o->mailbox), DI(o->day), DI(o->way), DI(o->now));
	if (o->way == WAY_BREAKGLASS)
		audit_put(o->job.store, db,
		    &(struct audit_act){
			.actor = &(struct audit_actor){o->who->address, "breakglass", o->who->by},
			.act = "mailbox.open",
			.object = o->owners,
			.result = OK,
		    });
	return OK;
}

static bool is_receiver(struct db *db, int64_t owner, int64_t reader)
{
	DB_ROWS q = DB_QUERY(db, HANDOVERS_OF, DI(owner));
	while (db_next(&q))
		if (db_int(&q, 0) == reader)
			return true;
	return false;
}

enum result opened_note(struct store *s, const struct opener *who, int64_t owner, struct slice mailbox)
{
	BUF_LOCAL(owners, 2000);
	int64_t now = clock_utc_ms();
	struct opening o = {.job = {.store = s, .apply = apply_opening, .durable = true},
	    .owner = owner,
	    .reader = who->account,
	    .day = now / DAY_MS,
	    .now = now,
	    .mailbox = mailbox,
	    .who = who,
	    .way = WAY_SHARED};
	{
		READER r = reader_begin(s);
		if (!r.db)
			return LATER;
		if (DB_NUMBER(r.db, 0, BREAKGLASS_OPEN_TO, DI(owner), DI(who->account), DI(now)))
			o.way = WAY_BREAKGLASS;
		else if (is_receiver(r.db, owner, who->account))
			o.way = WAY_HANDOVER;
		access_put_who(r.db, &(struct who){.kind = WHO_ACCOUNT, .account = owner}, &owners);
	}
	o.owners = buf_slice(&owners);
	return writer_wait(s->writer, &o.job);
}

/* ---- the verbs ---- */

static enum result list_opened(struct admin *a, struct db *db, int64_t owner)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, OPENED_LIST, DI(owner), DI(LIMIT_OPENED));
	while (db_next(&q)) {
		int64_t way = db_int(&q, 3);
		json_array_append_new(
		    a->answer, json_pack("{s:o,s:o,s:s,s:I,s:I,s:I}", "who",
				   admin_address_string(a, db_octets(&q, 0), db_octets(&q, 1)), "mailbox",
				   admin_string(db_octets(&q, 2)), "how",
				   way_names[way > 0 && way < (int64_t)COUNT(way_names) ? way : 0],
				   "first_at_ms", (json_int_t)db_int(&q, 4), "last_at_ms",
				   (json_int_t)db_int(&q, 5), "times", (json_int_t)db_int(&q, 6)));
	}
	return OK;
}

enum result admin_opened_list(struct admin *a, struct db *db)
{
	enum result r = admin_find_account(a, db, &a->account);
	return r == OK ? list_opened(a, db, a->account) : r;
}

enum result admin_me_opened(struct admin *a, struct db *db)
{
	return list_opened(a, db, a->actor->account);
}

/* ---- the last use ---- */

struct use {
	struct job job;
	int64_t account, now;
	char protocol[16];
};

static enum result apply_use(struct job *j, struct db *db)
{
	const struct use *u = (const struct use *)j;
	DB_RUN(db, USE_NOTE, DI(u->account), DZ(u->protocol), DI(u->now));
	return OK;
}

static void use_done(struct job *j, enum result r)
{
	free(j);
}

void account_note_use(struct store *s, int64_t account, const char *protocol)
{
	int64_t now = clock_utc_ms();
	{
		READER r = reader_begin(s);
		if (!r.db || DB_NUMBER(r.db, 0, USE_AT, DI(account), DZ(protocol)) > now - HOUR_MS)
			return;
	}
	struct use *u = calloc(1, sizeof *u);
	if (!u)
		return;
	*u = (struct use){
	    .job = {.store = s, .apply = apply_use, .done = use_done}, .account = account, .now = now};
	for (size_t i = 0; protocol[i] && i < sizeof u->protocol - 1; i++)
		u->protocol[i] = protocol[i];
	writer_put(s->writer, &u->job);
}
