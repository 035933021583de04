/* drop: the maildrop (RFC 1939 sections 5 to 7). */
#include "session.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- opening ---- */

static void add_rows(struct pop3 *s, const Sekisho__FetchAnswer *a, uint32_t *room)
{
	for (size_t i = 0; i < a->n_rows; i++) {
		if (s->n == *room) {
			*room = *room ? *room * 2 : 64;
			s->messages = realloc(s->messages, *room * sizeof *s->messages);
			if (!s->messages)
				abort();
		}
		s->messages[s->n++] =
		    (struct pop3_message){.uid = a->rows[i]->uid, .size = a->rows[i]->size & INT64_MAX};
	}
}

static enum result read_rows(struct pop3 *s, uint32_t uidnext)
{
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	Sekisho__Run all = SEKISHO__RUN__INIT, *list[] = {&all};
	Sekisho__FetchAnswer *answer = NULL;
	uint32_t room = 0;
	if (uidnext < 2)
		return OK;
	all.first = 1;
	all.count = uidnext - 1;
	ask.uids = list;
	ask.n_uids = 1;
	ARENA_LOCAL(a, (size_t)64 << 20);
	enum result r = ipc_call(&s->store, ASK_STORE_FETCH, &ask, NULL, &a, &answer, NULL);
	while (r == OK) {
		add_rows(s, answer, &room);
		arena_reset(&a);
		if (!s->store.more)
			break;
		r = ipc_more(&s->store, &a, &answer, NULL);
	}
	return r;
}

enum result pop3_drop_open(struct pop3 *s)
{
	Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *first = NULL, *next;
	ask.name = (char *)"INBOX";
	enum result r = ipc_call(&s->store, ASK_STORE_SELECT, &ask, NULL, &s->arena, &first, NULL);
	while (r == OK && s->store.more)
		r = ipc_more(&s->store, &s->arena, &next, NULL);
	if (r != OK || !first->mailbox || !first->status)
		return r == OK ? GONE : r;
	s->uidvalidity = first->mailbox->uidvalidity;
	return read_rows(s, first->status->uidnext);
}

/* ---- arguments ---- */

bool pop3_numbers(
    struct pop3 *s, struct slice args, unsigned least, unsigned most, uint32_t *out, unsigned *count)
{
	struct slice rest = args;
	*count = 0;
	while (rest.n && *count < most) {
		struct slice one = slice_split(&rest, ' ');
		if (num_u32(one, INT32_MAX, &out[(*count)++]) != OK)
			*count = most + 1;
	}
	if (!rest.n && *count >= least && *count <= most)
		return true;
	pop3_err(s, NULL, "Numbers were expected");
	return false;
}

struct pop3_message *pop3_find(struct pop3 *s, uint32_t number)
{
	if (number && number <= s->n && !s->messages[number - 1].deleted)
		return &s->messages[number - 1];
	pop3_err(s, NULL, "No such message");
	return NULL;
}

/* ---- STAT, LIST, UIDL ---- */

enum result pop3_noop(struct pop3 *s, struct slice args)
{
	return args.n ? pop3_err(s, NULL, "NOOP has no arguments") : pop3_ok(s, "Done");
}

static void count(const struct pop3 *s, uint32_t *n, uint64_t *octets)
{
	*n = 0;
	*octets = 0;
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->messages[i].deleted) {
			++*n;
			*octets += s->messages[i].size;
		}
}

enum result pop3_stat(struct pop3 *s, struct slice args)
{
	uint32_t n;
	uint64_t octets;
	if (args.n)
		return pop3_err(s, NULL, "STAT has no arguments");
	count(s, &n, &octets);
	stream_printf(s->base.stream, "+OK %u %llu\r\n", n, (unsigned long long)octets);
	return stream_state(s->base.stream);
}

typedef void put_line(struct pop3 *s, uint32_t number, const struct pop3_message *m);

static void put_size(struct pop3 *s, uint32_t number, const struct pop3_message *m)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%u %llu\r\n", number, (unsigned long long)m->size);
	stream_put(s->base.stream, slice_of(line, (size_t)n));
}

/* Unique and lasting: a UID is never used again under one UIDVALIDITY. */
static void put_unique(struct pop3 *s, uint32_t number, const struct pop3_message *m)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%u %08x%08x\r\n", number, s->uidvalidity, m->uid);
	stream_put(s->base.stream, slice_of(line, (size_t)n));
}

static enum result listing(struct pop3 *s, struct slice args, put_line *put)
{
	uint32_t number;
	unsigned given;
	if (!pop3_numbers(s, args, 0, 1, &number, &given))
		return stream_state(s->base.stream);
	if (given) {
		const struct pop3_message *m = pop3_find(s, number);
		if (m) {
			stream_put(s->base.stream, SLICE("+OK "));
			put(s, number, m);
		}
		return stream_state(s->base.stream);
	}
	pop3_ok(s, "The list");
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->messages[i].deleted)
			put(s, i + 1, &s->messages[i]);
	return pop3_end_of_list(s);
}

enum result pop3_list(struct pop3 *s, struct slice args)
{
	return listing(s, args, put_size);
}

enum result pop3_uidl(struct pop3 *s, struct slice args)
{
	return listing(s, args, put_unique);
}

/* ---- DELE, RSET, QUIT ---- */

enum result pop3_dele(struct pop3 *s, struct slice args)
{
	uint32_t number;
	unsigned given;
	if (!pop3_numbers(s, args, 1, 1, &number, &given))
		return stream_state(s->base.stream);
	struct pop3_message *m = pop3_find(s, number);
	if (!m)
		return stream_state(s->base.stream);
	m->deleted = true;
	return pop3_ok(s, "Marked");
}

enum result pop3_rset(struct pop3 *s, struct slice args)
{
	if (args.n)
		return pop3_err(s, NULL, "RSET has no arguments");
	for (uint32_t i = 0; i < s->n; i++)
		s->messages[i].deleted = false;
	return pop3_ok(s, "Nothing is marked");
}

#define RUNS_AN_ASK 4000u /* fit one packet */

/* Removes marked messages from index *at on: as many as one ask can name. */
static enum result expunge_some(struct pop3 *s, uint32_t *at)
{
	Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
	arena_reset(&s->arena);
	ask.uids = arena_array(&s->arena, RUNS_AN_ASK, sizeof *ask.uids);
	Sekisho__Run *runs = arena_array(&s->arena, RUNS_AN_ASK, sizeof *runs);
	ask.any_flag = true;
	if (!ask.uids || !runs)
		return FULL;
	for (; *at < s->n; ++*at) {
		uint32_t uid = s->messages[*at].uid;
		Sekisho__Run *last = ask.n_uids ? ask.uids[ask.n_uids - 1] : NULL;
		if (!s->messages[*at].deleted)
			continue;
		if (last && last->first + last->count == uid) {
			last->count++;
			continue;
		}
		if (ask.n_uids == RUNS_AN_ASK)
			break;
		sekisho__run__init(&runs[ask.n_uids]);
		runs[ask.n_uids].first = uid;
		runs[ask.n_uids].count = 1;
		ask.uids[ask.n_uids] = &runs[ask.n_uids];
		ask.n_uids++;
	}
	if (!ask.n_uids)
		return OK;
	Sekisho__ExpungeAnswer *answer = NULL;
	enum result r = ipc_call(&s->store, ASK_STORE_EXPUNGE, &ask, NULL, &s->arena, &answer, NULL);
	while (r == OK && s->store.more)
		r = ipc_more(&s->store, &s->arena, &answer, NULL);
	return r;
}

enum result pop3_quit(struct pop3 *s, struct slice args)
{
	if (args.n)
		return pop3_err(s, NULL, "QUIT has no arguments");
	uint32_t at = 0;
	enum result r = OK;
	while (r == OK && at < s->n)
		r = expunge_some(s, &at);
	if (r == OK)
		pop3_ok(s, "Goodbye");
	else
		pop3_err(s, "SYS/TEMP", "Some marked messages were not removed");
	return STOP;
}
