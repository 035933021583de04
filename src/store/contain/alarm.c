#include "store/contain/alarm.h"
#include "mail/address.h"
#include "store/contain/contain.h"
#include "store/mailbox/fields.h"
#include "store/handlers.h"
#include "store/queue/notice.h"

#define ALARM_ARENA ((size_t)24 << 20)
#define TEXT_MOST 16384
#define AT_ONCE 20
#define POST_FIRST_MS (10 * SECOND_MS)
#define POST_MOST_MS (30 * MINUTE_MS)
#define POST_GIVE_UP_MS DAY_MS

enum { TO_BE_DONE, DONE, GIVEN_UP };
enum field { FIELD_EN = 1, FIELD_JA, FIELD_PERSONAL };

const char *alarm_severity_name(enum alarm_severity s)
{
	static const char *const names[] = {"info", "warning", "critical"};
	return names[s];
}

/* ---- writing ---- */

void alarm_put(struct store *s, struct db *db, const struct alarm *a)
{
	BUF_LOCAL(fields, 2 * TEXT_MOST + 64);
	BUF_LOCAL(sealed, 2 * TEXT_MOST + 256);
	int64_t id = writer_number(s->writer, SEQUENCE_ALARM), now = clock_utc_ms();
	fields_put(&fields, FIELD_EN, slice_sub(a->en, 0, TEXT_MOST));
	fields_put(&fields, FIELD_JA, slice_sub(a->ja, 0, TEXT_MOST));
	fields_put_number(&fields, FIELD_PERSONAL, a->personal);
	seal_put(s->seal, buf_slice(&fields), SLICE("alarm"), &sealed);
	DB_RUN(db, ALARM_ADD, DI(id), DI(now), DZ(a->kind), DI(a->severity), DI(a->account),
	    DI(s->settings->alarm_webhook ? TO_BE_DONE : DONE), DB(buf_slice(&sealed)));
	EVENT(ALARM, KN("alarm", id), KZ("kind", a->kind), KZ("severity", alarm_severity_name(a->severity)),
	    KN("account", a->account));
}

struct raising {
	struct job job;
	const struct alarm *alarm;
};

static enum result apply_raise(struct job *j, struct db *db)
{
	alarm_put(j->store, db, ((struct raising *)j)->alarm);
	return db_result(db);
}

enum result alarm_raise(struct store *s, const struct alarm *a)
{
	struct raising r = {.job = {.store = s, .apply = apply_raise, .durable = true}, .alarm = a};
	enum result done = writer_wait(s->writer, &r.job);
	contain_wake(s);
	return done;
}

/* ---- reading ---- */

struct waiting {
	int64_t id, at, severity, account, attempts;
	struct slice kind, en, ja;
	bool personal;
};

/* Rows of id, at, kind, severity, account, sealed. */
static void read_row(struct store *s, const struct db_rows *q, struct arena *a, struct waiting *w)
{
	BUF_LOCAL(fields, 2 * TEXT_MOST + 64);
	*w = (struct waiting){.id = db_int(q, 0),
	    .at = db_int(q, 1),
	    .kind = slice_str(arena_z(a, db_octets(q, 2))),
	    .severity = db_int(q, 3),
	    .account = db_int(q, 4)};
	if (seal_get(s->seal, db_octets(q, 5), SLICE("alarm"), &fields) != OK)
		return;
	struct slice all = arena_dup(a, buf_slice(&fields));
	w->en = fields_find(all, FIELD_EN);
	w->ja = fields_find(all, FIELD_JA);
	w->personal = fields_number(fields_find(all, FIELD_PERSONAL)) != 0;
}

/* ---- mail ---- */

struct mailing {
	struct deliver d; /* first: its job is ours */
	int64_t alarm;    /* 0: another mail of it follows */
};

static enum result apply_mail(struct job *j, struct db *db)
{
	struct mailing *m = (struct mailing *)j;
	if (m->alarm)
		DB_RUN(db, ALARM_MAILED, DI(m->alarm), DI(DONE));
	return deliver_apply(&m->d, db);
}

struct target_list {
	struct mail_addr v[LIMIT_ALARM_TARGETS];
	size_t n;
};

/* Not into the mailbox that it is about. */
static void add_target(struct store *s, struct db *db, const struct waiting *w, struct slice text,
    struct arena *a, struct target_list *list)
{
	struct mail_addr to;
	struct resolving res;
	if (list->n == COUNT(list->v) || mail_addr_parse(text, a, &to) != OK)
		return;
	to.domain = resolve_domain(to.domain, a);
	resolve_start(&res, s, db, a, true);
	if (!to.domain.n || resolve(&res, to.local, to.domain, 0).result != OK)
		return;
	for (const struct target *t = res.first; t; t = t->next)
		if (w->account && t->account == w->account)
			return;
	list->v[list->n++] = to;
}

static void find_targets(
    struct store *s, struct db *db, const struct waiting *w, struct arena *a, struct target_list *list)
{
	struct slice rest = slice_str(s->settings->alarm_mail);
	list->n = 0;
	while (rest.n) {
		struct slice one = slice_split(&rest, ' ');
		if (one.n)
			add_target(s, db, w, one, a, list);
	}
	if (w->personal) {
		DB_ROWS person = DB_QUERY(db, PERSON_GET, DI(w->account));
		if (db_next(&person) && db_octets(&person, 4).n)
			add_target(s, db, w, arena_dup(a, db_octets(&person, 4)), a, list);
	}
	DB_ROWS q = DB_QUERY(db, DOMAIN_LIST, DI(ORGANISATION));
	if (!list->n && db_next(&q)) {
		struct slice domain = arena_dup(a, db_octets(&q, 0));
		add_target(s, db, w, slice_str(arena_printf(a, "postmaster@" SLICE_FMT, SLICE_ARG(domain))),
		    a, list);
	}
}

static struct slice first_line(struct slice text)
{
	return slice_split(&text, '\n');
}

/* Both languages in the order of the configuration; the first one's first line is the subject. */
static struct slice put_text(const struct store *s, const struct waiting *w, struct buf *b)
{
	struct slice order = slice_str(s->settings->languages), subject = SLICE_NONE;
	while (order.n) {
		struct slice language = slice_split(&order, ' ');
		struct slice text = slice_eq(language, SLICE("ja")) ? w->ja : w->en;
		if (!subject.n)
			subject = first_line(text);
		else
			buf_puts(b, "\n----------------------------------------\n\n");
		buf_put(b, text);
		buf_putc(b, '\n');
	}
	return subject;
}

static enum result send_one(struct store *s, const struct waiting *w, struct mail_addr to, bool last)
{
	ARENA_LOCAL(a, ALARM_ARENA);
	BUF_LOCAL(text, 3 * TEXT_MOST);
	struct mailing *m = arena_new(&a, struct mailing);
	MESSAGE message = {.fd = -1};
	if (!m)
		return LATER;
	struct notice n = {.local = to.local, .domain = to.domain, .service = "alarm"};
	n.subject = put_text(s, w, &text);
	n.text = buf_slice(&text);
	{
		READER reader = reader_begin(s);
		enum result r = reader.db ? notice_prepare(s, reader.db, &a, &n, &m->d, &message) : LATER;
		if (r != OK) {
			if (m->d.job.store)
				deliver_finish(&m->d, r);
			return r;
		}
	}
	m->alarm = last ? w->id : 0;
	m->d.job.apply = apply_mail;
	enum result r = writer_wait(s->writer, &m->d.job);
	deliver_finish(&m->d, r);
	return r;
}

struct marking {
	struct job job;
	int64_t alarm;
};

static enum result apply_nobody(struct job *j, struct db *db)
{
	DB_RUN(db, ALARM_MAILED, DI(((struct marking *)j)->alarm), DI(GIVEN_UP));
	return db_result(db);
}

static void mail_one(struct store *s, const struct waiting *w)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	struct target_list list;
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		find_targets(s, r.db, w, &a, &list);
	}
	if (!list.n) {
		struct marking m = {.job = {.store = s, .apply = apply_nobody}, .alarm = w->id};
		result_ignore(writer_wait(s->writer, &m.job));
	}
	/* Should it fail in between, the first ones hear of it twice. */
	for (size_t i = 0; i < list.n; i++)
		if (send_one(s, w, list.v[i], i + 1 == list.n) != OK)
			return;
}

void alarm_mail_waiting(struct store *s)
{
	ARENA_LOCAL(a, (size_t)4 << 20);
	struct waiting list[AT_ONCE];
	size_t n = 0;
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		DB_ROWS q = DB_QUERY(r.db, ALARMS_TO_MAIL, DI(AT_ONCE));
		while (n < AT_ONCE && db_next(&q))
			read_row(s, &q, &a, &list[n++]);
	}
	for (size_t i = 0; i < n; i++)
		mail_one(s, &list[i]);
}

/* ---- the webhook ---- */

static json_t *alarm_json(struct store *s, struct db *db, const struct waiting *w, struct arena *a)
{
	const char *address = "";
	DB_ROWS q = DB_QUERY(db, ACCOUNT_SHOWN, DI(w->account));
	if (db_next(&q))
		address = arena_printf(
		    a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(&q, 0)), SLICE_ARG(db_octets(&q, 1)));
	bool ja = slice_starts(slice_str(s->settings->languages), SLICE("ja"));
	const char *en_text = arena_z(a, w->en), *ja_text = arena_z(a, w->ja);
	return json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", (json_int_t)w->id, "at_ms",
	    (json_int_t)w->at, "kind", w->kind.p, "severity",
	    alarm_severity_name((enum alarm_severity)w->severity), "account", address, "host",
	    s->settings->hostname, "text", ja ? ja_text : en_text, "text_en", en_text, "text_ja", ja_text);
}

void ask_alarm_next(struct ipc_turn *t)
{
	struct store *s = store_of(t);
	Sekisho__AlarmAnswer answer = SEKISHO__ALARM_ANSWER__INIT;
	enum result done = LATER;
	char *text = NULL;
	{
		READER r = reader_begin(s);
		struct waiting w;
		bool found = false;
		if (r.db) {
			DB_ROWS q = DB_QUERY(r.db, ALARM_TO_POST, DI(clock_utc_ms()));
			found = db_next(&q);
			if (found)
				read_row(s, &q, &t->arena, &w);
			done = db_result(r.db);
		}
		json_t *v = found ? alarm_json(s, r.db, &w, &t->arena) : NULL;
		text = v ? json_dumps(v, JSON_COMPACT) : NULL;
		answer.alarm = text ? (uint64_t)w.id : 0;
		json_decref(v);
	}
	if (text)
		answer.json = text;
	if (done == OK)
		ipc_answer(t, &answer, NULL);
	else
		refuse(t, done);
	free(text);
}

struct posted {
	struct job job;
	struct ipc_turn *turn;
	int64_t alarm, attempts;
	bool taken;
};

static enum result apply_posted(struct job *j, struct db *db)
{
	struct posted *p = (struct posted *)j;
	int64_t now = clock_utc_ms(), at = now, attempts = 0;
	{
		DB_ROWS q = DB_QUERY(db, ALARM_AGE, DI(p->alarm));
		if (db_next(&q)) {
			at = db_int(&q, 0);
			attempts = db_int(&q, 1);
		}
	}
	p->attempts = attempts + 1;
	int64_t wait = POST_FIRST_MS << MIN(attempts, (int64_t)8);
	int what = p->taken ? DONE : now - at > POST_GIVE_UP_MS ? GIVEN_UP : TO_BE_DONE;
	DB_RUN(db, ALARM_POSTED, DI(p->alarm), DI(what), DI(now + MIN(wait, POST_MOST_MS)));
	return db_result(db);
}

static void done_posted(struct job *j, enum result r)
{
	const struct posted *p = (const struct posted *)j;
	struct ipc_turn *t = p->turn;
	const Sekisho__AlarmDoneAsk *ask = t->ask;
	if (r == OK && !p->taken)
		EVENT(ALARM_FAILED, KN("alarm", p->alarm), KZ("why", ask->why), KN("attempts", p->attempts));
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		refuse(t, r);
}

void ask_alarm_done(struct ipc_turn *t)
{
	const Sekisho__AlarmDoneAsk *ask = t->ask;
	struct posted *p = arena_new(&t->arena, struct posted);
	if (!p) {
		refuse(t, LATER);
		return;
	}
	*p = (struct posted){.job = {.store = store_of(t), .apply = apply_posted, .done = done_posted},
	    .turn = t,
	    .alarm = (int64_t)ask->alarm,
	    .taken = ask->taken};
	writer_put(p->job.store->writer, &p->job);
}

/* ---- the list ---- */

static enum result apply_forget(struct job *j, struct db *db)
{
	DB_RUN(db, ALARMS_OLD, DI(clock_utc_ms() - j->store->settings->trace_keep_ms));
	return db_result(db);
}

void alarm_forget(struct store *s)
{
	struct job j = {.store = s, .apply = apply_forget};
	result_ignore(writer_wait(s->writer, &j));
}

void alarm_list(struct store *s, struct db *db, int64_t since, int64_t most, struct arena *a, json_t **out)
{
	static const char *const how[] = {"waiting", "done", "given-up"};
	*out = json_array();
	DB_ROWS q = DB_QUERY(db, ALARM_LIST, DI(since), DI(most));
	while (db_next(&q)) {
		struct waiting w;
		read_row(s, &q, a, &w);
		json_t *v = alarm_json(s, db, &w, a);
		json_object_set_new(v, "mail", json_string(how[MIN((size_t)db_int(&q, 6), COUNT(how) - 1)]));
		json_object_set_new(v, "webhook",
		    json_string(s->settings->alarm_webhook ? how[MIN((size_t)db_int(&q, 7), COUNT(how) - 1)]
							   : "none"));
		json_array_append_new(*out, v);
	}
}
