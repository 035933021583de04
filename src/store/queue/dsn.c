#include "store/queue/dsn.h"
#include "mail/build.h"
#include "mail/dsn.h"
#include "store/queue/courier.h"
#include "store/queue/deliver.h"
#include "store/mailbox/fields.h"
#include "store/queue/queue.h"

#define FULL_MOST 131072 /* without RET=FULL, a failed message up to here is returned whole */
#define HEADER_MOST 262144
#define RCPTS_MOST 1000
#define DSN_ARENA ((size_t)256 << 20)

/* A recipient the sender is to hear about, as the row was when it was read. */
struct owed_row {
	int64_t row, state, delay;
	struct slice local, domain;
};

struct notice {
	struct deliver d; /* first: its job is ours */
	struct store *store;
	struct arena *arena;
	int64_t queued;

	/* the message it is about */
	struct slice about, from_local, from_domain, envid;
	int64_t created;
	uint64_t size, strip;
	uint32_t ret;
	bool require_tls;
	bool forwarded; /* by the filter of an account, which gets the notice: nothing proves who wrote it */
	struct blob_place body;

	struct owed_row *rows;
	struct mail_dsn_rcpt *rcpts;
	size_t n;
	bool failed, drop;
	const char *why;        /* it is dropped */
	struct trace_row trace; /* under the id of the message it is about */
};

/* ---- reading what is owed ---- */

static enum mail_dsn_action action_of(const struct owed_row *r)
{
	switch ((enum rcpt_state)r->state) {
	case RCPT_FAILED:
		return MAIL_DSN_FAILED;
	case RCPT_RELAYED:
		return MAIL_DSN_RELAYED;
	case RCPT_DELIVERED:
		return MAIL_DSN_DELIVERED;
	case RCPT_EXPANDED:
		return MAIL_DSN_EXPANDED;
	default:
		return MAIL_DSN_DELAYED;
	}
}

static const char *status_of(enum mail_dsn_action a)
{
	switch (a) {
	case MAIL_DSN_FAILED:
		return "5.0.0";
	case MAIL_DSN_DELAYED:
		return "4.4.7";
	default:
		return "2.0.0";
	}
}

static void add_orcpt(struct mail_dsn_rcpt *r, struct slice orcpt)
{
	ptrdiff_t semicolon = slice_find(orcpt, ';');
	if (semicolon <= 0)
		return;
	r->orcpt_type = slice_sub(orcpt, 0, (size_t)semicolon);
	r->orcpt = slice_sub(orcpt, (size_t)semicolon + 1, orcpt.n);
}

static void add_reply(struct notice *n, struct mail_dsn_rcpt *r, struct slice reply)
{
	struct slice status = fields_find(reply, QUEUE_STATUS), text = fields_find(reply, QUEUE_TEXT);
	char class = r->action == MAIL_DSN_FAILED ? '5' : r->action == MAIL_DSN_DELAYED ? '4' : '2';
	if (status.n && status.p[0] == class)
		r->status = status;
	else if (r->action == MAIL_DSN_FAILED && status.n && status.p[0] == '4')
		/* It was tried long enough; what is wrong with TLS there is worth telling all the same. */
		r->status = slice_starts(status, SLICE("4.7.5")) || slice_starts(status, SLICE("4.7.10"))
				? slice_str(arena_printf(
				      n->arena, "5" SLICE_FMT, SLICE_ARG(slice_sub(status, 1, status.n))))
				: SLICE("5.4.7");
	r->remote_mta = fields_find(reply, QUEUE_HOST);
	r->last_attempt.ms = (int64_t)fields_number(fields_find(reply, QUEUE_WHEN));
	uint64_t code = fields_number(fields_find(reply, QUEUE_CODE));
	if (code)
		r->diagnostic =
		    slice_str(arena_printf(n->arena, "%u " SLICE_FMT, (unsigned)code, SLICE_ARG(text)));
	else
		r->diagnostic = text;
}

static void add_rcpt(struct notice *n, const struct db_rows *q)
{
	struct slice fields = queue_open_sealed(n->store, n->about, db_octets(q, 3), n->arena);
	struct owed_row *row = &n->rows[n->n];
	struct mail_dsn_rcpt *r = &n->rcpts[n->n++];
	*row = (struct owed_row){
	    .row = db_int(q, 0),
	    .state = db_int(q, 1),
	    .delay = db_int(q, 2),
	    .local = fields_find(fields, QUEUE_LOCAL),
	    .domain = fields_find(fields, QUEUE_DOMAIN),
	};
	r->addr = (struct mail_addr){row->local, row->domain};
	r->action = action_of(row);
	r->status = slice_str(status_of(r->action));
	add_orcpt(r, fields_find(fields, QUEUE_ORCPT));
	add_reply(n, r, queue_open_sealed(n->store, n->about, db_octets(q, 4), n->arena));
	if (r->action == MAIL_DSN_DELAYED)
		r->retry_until.ms = n->created + n->store->settings->give_up_ms;
	n->failed |= r->action == MAIL_DSN_FAILED;
}

/*
 * What a filter passed on comes back to its account, unless it is proven who wrote it: a sender that anybody may have
 * written there is not told of anything.
 */
static void address_notice(struct notice *n, struct db *db, struct slice fields)
{
	enum mail_origin origin = queue_origin(fields);
	int64_t account = (int64_t)fields_number(fields_find(fields, QUEUE_ORIGINATOR));
	n->from_local = fields_find(fields, QUEUE_LOCAL);
	n->from_domain = fields_find(fields, QUEUE_DOMAIN);
	if (!account || !n->from_local.n || origin == ORIGIN_OURS || origin == ORIGIN_PROVEN)
		return;
	DB_ROWS q = DB_QUERY(db, ACCOUNT_TARGET, DI(account));
	if (!db_next(&q))
		return;
	n->forwarded = true;
	n->from_local = arena_dup(n->arena, db_octets(&q, 2));
	n->from_domain = arena_dup(n->arena, db_octets(&q, 3));
}

/* OK with n->n == 0: nothing is owed. */
static enum result read_owed(struct notice *n, struct db *db)
{
	{
		DB_ROWS q = DB_QUERY(db, QUEUED_NOTICE, DI(n->queued));
		if (!db_next(&q))
			return db_result(db);
		n->about = arena_dup(n->arena, db_octets(&q, 0));
		n->created = db_int(&q, 1);
		n->size = (uint64_t)db_int(&q, 2);
		n->strip = (uint64_t)db_int(&q, 3);
		n->ret = (uint32_t)db_int(&q, 4);
		struct slice fields = queue_open_sealed(n->store, n->about, db_octets(&q, 5), n->arena);
		address_notice(n, db, fields);
		n->envid = fields_find(fields, QUEUE_ENVID);
		n->body = blob_place_of(&q, 6);
		n->require_tls = db_int(&q, 12) == MAIL_TLS_REQUIRED;
	}
	n->rows = arena_array(n->arena, RCPTS_MOST, sizeof *n->rows);
	n->rcpts = arena_array(n->arena, RCPTS_MOST, sizeof *n->rcpts);
	if (!n->rows || !n->rcpts)
		return LATER;
	DB_ROWS q = DB_QUERY(db, RCPTS_OWED, DI(n->queued), DI(RCPTS_MOST));
	while (n->n < RCPTS_MOST && db_next(&q))
		add_rcpt(n, &q);
	return db_result(db);
}

/* ---- building ---- */

static bool return_full(const struct notice *n)
{
	/* RFC 8689 4.2.2: as if RET=HDRS had been given. */
	if (n->require_tls)
		return false;
	/* The limit may have been lowered since: better a notice without the message than none. */
	if (n->size + LIMIT_MESSAGE_ADDED / 2 > n->store->settings->message_size)
		return false;
	return n->failed && (n->ret == 1 || (n->ret == 0 && n->size <= FULL_MOST));
}

/* The notice as a sealed file, a Return-Path line before it for local copies. */
static enum result build(struct notice *n, const char *return_path, int *fd_out)
{
	const struct store_settings *c = n->store->settings;
	bool full = return_full(n);
	BUF_LOCAL(original, MAX(c->message_size, (uint64_t)HEADER_MOST));
	BUF_LOCAL(id, 512);
	enum result r =
	    blob_read(n->store->blob, &n->body, n->strip, full ? n->size : HEADER_MOST, &original);
	if (r != OK)
		return r;
	mail_id_make(&id, slice_str(c->hostname));
	struct mail_dsn d = {
	    .reporting_mta = slice_str(c->hostname),
	    .from_domain = slice_str(c->hostname),
	    .to = {n->from_local, n->from_domain},
	    .message_id = buf_slice(&id),
	    .envid = n->envid,
	    .arrival = {.ms = n->created},
	    .date = {.ms = clock_utc_ms()},
	    .rcpts = n->rcpts,
	    .rcpt_count = n->n,
	    .original = buf_slice(&original),
	    .full = full,
	};
	BUF_LOCAL(text, c->message_size + 65536 + n->n * 4096);
	buf_puts(&text, return_path);
	r = mail_dsn_put(&text, &d);
	if (r != OK)
		return r;
	FD_LOCAL fd = fd_memory("notice");
	if (fd < 0 || fd_write_all(fd, buf_slice(&text)) != OK || fd_seal(fd) != OK)
		return LATER;
	*fd_out = fd;
	fd = -1;
	return OK;
}

static void trace_about(struct notice *n)
{
	TRACE t;
	BUF_LOCAL(kinds, 256);
	trace_start(&t, n->store, n->about);
	for (size_t i = 0; i < n->n; i++) {
		struct slice kind = slice_str(mail_dsn_action_name(n->rcpts[i].action));
		if (slice_search(buf_slice(&kinds), kind) < 0)
			buf_printf(&kinds, "%s" SLICE_FMT, kinds.n ? ", " : "", SLICE_ARG(kind));
	}
	for (size_t i = 0; n->drop && i < n->n; i++) {
		trace_step(&t, STEP_NOTICE_DROPPED);
		trace_address(&t, TRACE_TO, n->rows[i].local, n->rows[i].domain);
		trace_field(&t, TRACE_WHY, buf_slice(&kinds));
		trace_field(&t, TRACE_REPLY, slice_str(n->why));
	}
	if (!n->drop) {
		trace_step(&t, STEP_NOTICE);
		trace_field(&t, TRACE_WHY, buf_slice(&kinds));
		trace_field(&t, TRACE_ABOUT, n->about);
	}
	trace_seal(&t, n->about, 0, &n->trace);
}

static enum result prepare(struct notice *n, struct db *db, struct message *m)
{
	static const char return_path[] = "Return-Path: <>\r\n";
	struct resolving res;
	resolve_start(&res, n->store, db, n->arena, true);
	struct verdict v = resolve(&res, n->from_local, n->from_domain, 0);
	if (v.result != OK) {
		n->drop = true;
		n->why = v.why;
		return OK;
	}
	FD_LOCAL fd = -1;
	enum result r = build(n, return_path, &fd);
	if (r == OK)
		r = message_scan(n->store, n->arena, fd, m);
	if (r != OK)
		return r;
	struct envelope_rcpt rcpt = {n->from_local, n->from_domain, SLICE_NONE, NOTIFY_NEVER};
	struct envelope e = {.rcpts = &rcpt,
	    .n_rcpts = 1,
	    .strip = sizeof return_path - 1,
	    .require_tls = n->require_tls,
	    .unfiltered = n->forwarded,
	    .origin = ORIGIN_OURS};
	e.mail = deliver_mail_id(n->arena);
	TRACE t;
	trace_start(&t, n->store, e.mail);
	trace_step(&t, STEP_RECEIVED);
	trace_address(&t, TRACE_FROM, SLICE_NONE, SLICE_NONE);
	trace_field(&t, TRACE_SERVICE, SLICE("notice"));
	trace_field(&t, TRACE_ABOUT, n->about);
	trace_number(&t, TRACE_SIZE, m->body.n);
	n->d.arena = n->arena;
	return deliver_prepare(&n->d, n->store, db, &e, &res, m, &t);
}

/* ---- the transaction ---- */

static bool still_owed(struct db *db, const struct owed_row *r)
{
	DB_ROWS q = DB_QUERY(db, RCPT_MARKS, DI(r->row));
	return db_next(&q) && db_int(&q, 0) == r->state && db_int(&q, 1) == r->delay;
}

static enum result apply(struct job *j, struct db *db)
{
	struct notice *n = (struct notice *)j;
	for (size_t i = 0; i < n->n; i++) {
		if (!still_owed(db, &n->rows[i]))
			return GONE; /* the administrator was faster: look again */
		if (n->rows[i].state == RCPT_WAITING)
			DB_RUN(db, RCPT_TOLD_DELAY, DI(n->rows[i].row));
		else
			DB_RUN(db, RCPT_REMOVE, DI(n->rows[i].row));
	}
	queue_remove_if_done(db, n->queued);
	trace_apply(j->store->writer, db, &n->trace);
	return n->drop ? OK : deliver_apply(&n->d, db);
}

static enum result make(struct notice *n)
{
	MESSAGE m = {0};
	enum result r;
	{
		READER reader = reader_begin(n->store);
		if (!reader.db)
			return LATER;
		r = read_owed(n, reader.db);
		if (r != OK || !n->n)
			return r;
		r = prepare(n, reader.db, &m);
	}
	if (r != OK) {
		if (n->d.job.store)
			deliver_finish(&n->d, r);
		return r;
	}
	trace_about(n);
	n->d.job.store = n->store;
	n->d.job.apply = apply;
	n->d.job.durable = true;
	r = writer_wait(n->store->writer, &n->d.job);
	if (!n->drop)
		deliver_finish(&n->d, r);
	trace_row_free(&n->trace);
	if (r == OK && n->n == RCPTS_MOST)
		courier_wake(n->store, n->queued); /* there may be more than one notice holds */
	if (r == OK && !n->drop)
		EVENT(DSN_MADE, KV("mail", n->d.mail), KV("about", n->about),
		    KZ("kind", n->failed ? "failed" : "other"));
	return r;
}

enum result dsn_make(struct store *s, int64_t queued)
{
	ARENA_LOCAL(a, DSN_ARENA);
	struct notice *n = arena_new(&a, struct notice);
	if (!n)
		return LATER;
	n->store = s;
	n->arena = &a;
	n->queued = queued;
	return make(n);
}
