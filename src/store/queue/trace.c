#include "store/queue/trace.h"
#include "store/mailbox/fields.h"
#include "store/mailbox/recent.h"
#include <time.h>

void trace_start(struct trace *t, const struct store *s, struct slice mail)
{
	*t = (struct trace){.store = s};
	buf_init(&t->steps, TRACE_MOST);
	trace_token(t, "mail", mail);
}

void trace_free(struct trace *t)
{
	buf_free(&t->steps);
}

static enum stats_kind stat_of(enum trace_step step)
{
	switch (step) {
	case STEP_SENT:
		return STAT_SENT;
	case STEP_FAILED:
		return STAT_FAILED;
	case STEP_REFUSED:
		return STAT_REFUSED;
	case STEP_HELD:
		return STAT_HELD;
	case STEP_JUNKED:
		return STAT_JUNK;
	default:
		return 0;
	}
}

void trace_step(struct trace *t, enum trace_step step)
{
	t->stats[stat_of(step)]++;
	trace_number(t, TRACE_STEP, step);
}

void trace_field(struct trace *t, enum trace_tag tag, struct slice text)
{
	if (text.n)
		fields_put(&t->steps, (uint8_t)tag, slice_sub(text, 0, 2000));
}

void trace_number(struct trace *t, enum trace_tag tag, uint64_t n)
{
	fields_put_number(&t->steps, (uint8_t)tag, n);
}

void trace_token(struct trace *t, const char *kind, struct slice text)
{
	if (t->n_tokens < TRACE_TOKENS && text.n)
		t->tokens[t->n_tokens++] = seal_token(t->store->seal, kind, text);
}

void trace_address(struct trace *t, enum trace_tag tag, struct slice local, struct slice domain)
{
	BUF_LOCAL(address, 1024);
	if (local.n || domain.n)
		buf_printf(&address, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(local), SLICE_ARG(domain));
	else
		buf_puts(&address, "<>");
	trace_field(t, tag, buf_slice(&address));
	trace_token(t, tag == TRACE_FROM ? "from" : "to", buf_slice(&address));
}

void trace_subject(struct trace *t, struct slice subject)
{
	trace_field(t, TRACE_SUBJECT, slice_sub(subject, 0, 200));
	trace_token(t, "subject", subject);
	for (unsigned n = 0; n < 12 && subject.n; n++) {
		struct slice word = slice_split(&subject, ' ');
		if (word.n > 1)
			trace_token(t, "subject", word);
	}
}

void trace_time(struct buf *b, int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm tm;
	char text[32];
	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_puts(b, text);
}

static struct slice bound_to(struct slice mail, char room[64])
{
	memcpy(room, "trace ", 6);
	size_t n = MIN(mail.n, (size_t)32);
	memcpy(room + 6, mail.p, n);
	return slice_of(room, 6 + n);
}

void trace_seal(const struct trace *t, struct slice mail, int64_t content, struct trace_row *row)
{
	char room[64];
	*row = (struct trace_row){.at = clock_utc_ms(), .content = content, .counter = t->store->stats};
	memcpy(row->stats, t->stats, sizeof row->stats);
	memcpy(row->mail, mail.p, MIN(mail.n, sizeof row->mail - 1));
	buf_init(&row->tokens, sizeof t->tokens);
	buf_init(&row->detail, TRACE_MOST + SEAL_OVERHEAD);
	buf_put(&row->tokens, slice_of(t->tokens, t->n_tokens * sizeof *t->tokens));
	seal_put(t->store->seal, buf_slice(&t->steps), bound_to(slice_str(row->mail), room), &row->detail);
}

void trace_row_free(struct trace_row *row)
{
	buf_free(&row->tokens);
	buf_free(&row->detail);
}

void trace_apply(struct writer *w, struct db *db, const struct trace_row *row)
{
	DB_RUN(db, TRACE_ADD, DI(writer_number(w, SEQUENCE_TRACE)), DZ(row->mail), DI(row->at),
	    DI(row->content), DB(buf_slice(&row->tokens)), DB(buf_slice(&row->detail)));
	for (enum stats_kind i = 1; i < STAT_COUNT; i++)
		stats_count(row->counter, i, row->stats[i]);
}

enum result trace_open(const struct store *s, struct slice mail, struct slice detail, struct buf *out)
{
	char room[64];
	return seal_get(s->seal, detail, bound_to(mail, room), out);
}

/* ---- the index ---- */

struct chore {
	struct job job;
	unsigned most;
	bool more;
};

static void index_row(struct db *db, int64_t id, struct slice tokens)
{
	for (size_t i = 0; i + 8 <= tokens.n; i += 8) {
		int64_t token;
		memcpy(&token, tokens.p + i, sizeof token);
		DB_RUN(db, TRACE_TOKEN_ADD, DI(token), DI(id));
	}
}

static enum result apply_index(struct job *j, struct db *db)
{
	struct chore *c = (struct chore *)j;
	int64_t done = DB_NUMBER(db, 0, NUMBER_GET, DZ("trace indexed")), last = done;
	unsigned n = 0;
	{
		DB_ROWS q = DB_QUERY(db, TRACE_AFTER, DI(done), DI(c->most));
		for (; db_next(&q); n++) {
			last = db_int(&q, 0);
			index_row(db, last, db_octets(&q, 1));
		}
	}
	if (last != done)
		DB_RUN(db, NUMBER_SET, DZ("trace indexed"), DI(last));
	c->more = n == c->most;
	return OK;
}

static enum result apply_forget(struct job *j, struct db *db)
{
	struct chore *c = (struct chore *)j;
	int64_t before = clock_utc_ms() - c->job.store->settings->trace_keep_ms, last = 0;
	int64_t indexed = DB_NUMBER(db, 0, NUMBER_GET, DZ("trace indexed"));
	unsigned n = 0;
	{
		DB_ROWS q = DB_QUERY(db, TRACE_OLDEST, DI(before), DI(indexed), DI(c->most));
		for (; db_next(&q); n++) {
			last = db_int(&q, 0);
			struct slice tokens = db_octets(&q, 1);
			for (size_t i = 0; i + 8 <= tokens.n; i += 8) {
				int64_t token;
				memcpy(&token, tokens.p + i, sizeof token);
				DB_RUN(db, TRACE_TOKEN_REMOVE, DI(token), DI(last));
			}
		}
	}
	if (n)
		DB_RUN(db, TRACE_REMOVE_TO, DI(last));
	c->more = n == c->most;
	return OK;
}

static bool do_chore(struct store *s, enum result (*apply)(struct job *, struct db *), unsigned most)
{
	struct chore c = {.job = {.store = s, .apply = apply}, .most = most};
	return writer_wait(s->writer, &c.job) == OK && c.more;
}

bool trace_index_some(struct store *s, unsigned most)
{
	return do_chore(s, apply_index, most);
}

bool trace_forget_some(struct store *s, unsigned most)
{
	return do_chore(s, apply_forget, most);
}

void trace_load_recent(struct store *s, struct db *db)
{
	int64_t now = clock_utc_ms();
	DB_ROWS q = DB_QUERY0(db, TRACE_NEWEST);
	while (db_next(&q) && db_int(&q, 1) > now - RECENT_MS)
		if (db_int(&q, 2))
			recent_add(s->recent, db_octets(&q, 0), db_int(&q, 2), now);
}
