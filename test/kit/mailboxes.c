#include "mailboxes.h"
#include "mailboxes_inside.h"
#include "inspect/inspect.h"
#include <stdio.h>
#include <stdlib.h>

void *kit_grow(void *p, size_t n, size_t size)
{
	void *q = realloc(p, n * size);
	if (!q)
		abort();
	return q;
}

/* ---- mailboxes ---- */

struct kit_box *kit_box_find(struct mailboxes *m, const char *name)
{
	for (size_t i = 0; i < m->boxes_n; i++)
		if (strcmp(m->boxes[i]->name, name) == 0)
			return m->boxes[i];
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct kit_box *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

void kit_boxes_sort(struct mailboxes *m)
{
	qsort(m->boxes, m->boxes_n, sizeof(struct kit_box *), by_name);
}

struct kit_box *kit_box_add(struct mailboxes *m, const char *name, const char *special)
{
	struct kit_box *b = calloc(1, sizeof *b);
	m->boxes = kit_grow(m->boxes, m->boxes_n + 1, sizeof *m->boxes);
	m->boxes[m->boxes_n++] = b;
	b->name = strdup(name);
	b->special = strdup(special);
	b->id = ++m->ids;
	b->uidvalidity = (uint32_t)(1000 + b->id);
	b->uidnext = b->recent_from = 1;
	b->modseq = 1;
	kit_boxes_sort(m);
	return b;
}

static void message_free(struct kit_message *x)
{
	free(x->octets);
	free(x->facts);
}

void kit_box_remove(struct mailboxes *m, struct kit_box *b)
{
	for (struct kit_session *s = m->sessions; s; s = s->next)
		if (s->box == b) {
			s->box = NULL;
			s->box_gone = true;
			kit_note(s);
		}
	for (size_t i = 0; i < m->boxes_n; i++)
		if (m->boxes[i] == b)
			m->boxes[i] = m->boxes[--m->boxes_n];
	kit_boxes_sort(m);
	for (size_t i = 0; i < b->n; i++)
		message_free(&b->messages[i]);
	for (unsigned i = 0; i < b->keywords_n; i++)
		free(b->keywords[i]);
	free(b->messages);
	free(b->vanished);
	free(b->name);
	free(b->special);
	free(b);
}

static void extract(struct kit_message *x)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	Sekisho__Facts *facts = NULL;
	if (mail_facts_extract(slice_of(x->octets, x->n), &a, &facts) != OK)
		abort();
	x->facts_n = sekisho__facts__get_packed_size(facts);
	x->facts = malloc(x->facts_n);
	sekisho__facts__pack(facts, (uint8_t *)x->facts);
}

struct kit_message *kit_box_store(
    struct mailboxes *m, struct kit_box *b, struct slice octets, int64_t internal_ms)
{
	b->messages = kit_grow(b->messages, b->n + 1, sizeof *b->messages);
	struct kit_message *x = &b->messages[b->n++];
	*x = (struct kit_message){
	    .uid = b->uidnext++, .modseq = ++b->modseq, .ms = internal_ms, .n = octets.n};
	x->email = ++m->ids;
	x->octets = malloc(octets.n + 1);
	if (octets.n)
		memcpy(x->octets, octets.p, octets.n);
	extract(x);
	return x;
}

uint64_t kit_keyword(struct kit_box *b, const char *word)
{
	for (unsigned i = 0; i < b->keywords_n; i++)
		if (slice_ieq(slice_str(b->keywords[i]), slice_str(word)))
			return (uint64_t)1 << i;
	if (b->keywords_n == COUNT(b->keywords))
		return 0;
	b->keywords[b->keywords_n++] = strdup(word);
	return (uint64_t)1 << (b->keywords_n - 1);
}

struct kit_message *kit_message_find(struct kit_box *b, uint32_t uid)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->messages[i].uid == uid)
			return &b->messages[i];
	return NULL;
}

void kit_message_expunge(struct kit_box *b, size_t i)
{
	b->vanished = kit_grow(b->vanished, b->vanished_n + 1, sizeof *b->vanished);
	b->vanished[b->vanished_n++] = (struct kit_vanished){b->messages[i].uid, ++b->modseq};
	message_free(&b->messages[i]);
	memmove(b->messages + i, b->messages + i + 1, (b->n - i - 1) * sizeof *b->messages);
	b->n--;
}

void kit_note(struct kit_session *s)
{
	if (!s->noted)
		s->noted = ipc_note(s->conn, NOTE_MAILBOX);
}

void kit_changed(struct mailboxes *m, const struct kit_box *b, const struct kit_session *by)
{
	for (struct kit_session *s = m->sessions; s; s = s->next)
		if (s->box == b && s != by)
			kit_note(s);
	kit_watch_changed(m, b, by);
}

/* ---- acts of another session ---- */

static void act(struct mailboxes *m, struct kit_session *me, char *verb)
{
	struct slice rest = slice_str(verb + 1);
	struct slice word = slice_split(&rest, ' '), name = slice_split(&rest, ' ');
	ARENA_LOCAL(a, 65536);
	struct kit_box *b = kit_box_find(m, arena_z(&a, name));
	uint32_t uid = 0, flags = 0;
	struct slice number = slice_split(&rest, ' ');
	if (slice_eq(word, SLICE("end")))
		ipc_note(me->conn, NOTE_END);
	else if (slice_eq(word, SLICE("down")))
		ipc_conn_end(me->conn);
	else if (!b && slice_eq(word, SLICE("create")))
		kit_box_add(m, arena_z(&a, name), "");
	if (!b) {
		kit_watch_names(m);
		return;
	}
	struct kit_message *x = num_u32(number, UINT32_MAX, &uid) == OK ? kit_message_find(b, uid) : NULL;
	if (slice_eq(word, SLICE("append"))) {
		kit_box_store(m, b, SLICE("Subject: new\r\n\r\nnew\r\n"), 1000);
	} else if (slice_eq(word, SLICE("delete"))) {
		kit_box_remove(m, b);
		kit_watch_names(m);
		return;
	} else if (slice_eq(word, SLICE("rename"))) {
		free(b->name);
		b->name = strndup(number.p, number.n);
		kit_boxes_sort(m);
		kit_watch_names(m);
		return;
	} else if (slice_eq(word, SLICE("annotate"))) {
		kit_watch_annotated(m, b, number);
		return;
	} else if (x && slice_eq(word, SLICE("expunge"))) {
		kit_message_expunge(b, (size_t)(x - b->messages));
	} else if (x && slice_eq(word, SLICE("flag")) && num_u32(rest, UINT32_MAX, &flags) == OK) {
		x->flags = flags;
		x->modseq = ++b->modseq;
	} else if (x && slice_eq(word, SLICE("keyword"))) {
		x->keywords |= kit_keyword(b, arena_z(&a, rest));
		x->modseq = ++b->modseq;
	}
	kit_changed(m, b, NULL);
}

void kit_act(struct mailboxes *m, struct kit_session *me, char *verb)
{
	act(m, me, verb);
}

/* ---- login, keys, scan ---- */

struct mailboxes *kit_enter(struct ipc_turn *t)
{
	struct mailboxes *m = ipc_server_context(t);
	pthread_mutex_lock(&m->lock);
	m->asked[t->kind]++;
	return m;
}

void kit_leave(struct mailboxes *m)
{
	pthread_mutex_unlock(&m->lock);
}

static void session_ended(void *data)
{
	struct kit_session *s = data;
	struct mailboxes *m = s->all;
	pthread_mutex_lock(&m->lock);
	for (struct kit_session **p = &m->sessions; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	kit_unstage(s);
	kit_watch_end(s);
	free(s);
	pthread_mutex_unlock(&m->lock);
}

static void on_login(struct ipc_turn *t)
{
	const Sekisho__LoginAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	struct kit_session *s = calloc(1, sizeof *s);
	s->all = m;
	s->next = m->sessions;
	m->sessions = s;
	enum ipc_peer peer = strncmp(ask->client->service, "pop3", 4) == 0    ? PEER_POP3
			     : strncmp(ask->client->service, "sieve", 5) == 0 ? PEER_SIEVE
									      : PEER_IMAP;
	ipc_server_add(m->server, t->fds.fd[0], peer, s, session_ended, &s->conn);
	t->fds.fd[0] = -1;
	kit_leave(m);
	Sekisho__LoginAnswer answer = SEKISHO__LOGIN_ANSWER__INIT;
	answer.account = 7;
	answer.address = (char *)"user@our.example";
	ipc_answer(t, &answer, NULL);
}

static void on_refused(struct ipc_turn *t)
{
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	ipc_answer(t, &empty, NULL);
}

static void on_password(struct ipc_turn *t)
{
	const Sekisho__PasswordAsk *ask = t->ask;
	kit_leave(kit_enter(t));
	if (strcmp(ask->login, "user") != 0 ||
	    !slice_eq(slice_of(ask->password.data, ask->password.len), SLICE("pencil"))) {
		ipc_refuse(t, DENY, "wrong");
		return;
	}
	Sekisho__GrantAnswer answer = SEKISHO__GRANT_ANSWER__INIT;
	answer.grant.data = (uint8_t *)"grant";
	answer.grant.len = 5;
	answer.login = (char *)"user@our.example";
	ipc_answer(t, &answer, NULL);
}

/* A token that is about to be tried may; a wrong one is counted. */
static void on_bearer(struct ipc_turn *t)
{
	const Sekisho__BearerAsk *ask = t->ask;
	Sekisho__GrantAnswer answer = SEKISHO__GRANT_ANSWER__INIT;
	kit_leave(kit_enter(t));
	if (ask->wrong.len) {
		answer.result = DENY;
		answer.why = (char *)(uintptr_t) "wrong";
	}
	ipc_answer(t, &answer, NULL);
}

/* "good-token" opens everything, "narrow-token" something else. */
static void on_token(struct ipc_turn *t)
{
	const Sekisho__TokenAsk *ask = t->ask;
	Sekisho__TokenAnswer answer = SEKISHO__TOKEN_ANSWER__INIT;
	struct slice token = slice_of(ask->token.data, ask->token.len);
	bool good = slice_eq(token, SLICE("good-token")) &&
		    (!*ask->login || strcmp(ask->login, "user@our.example") == 0);
	kit_leave(kit_enter(t));
	answer.result = good ? OK : DENY;
	answer.noted = slice_eq(token, SLICE("narrow-token"));
	answer.status = (char *)(uintptr_t)(answer.noted ? "insufficient_scope" : "invalid_token");
	answer.login = (char *)(uintptr_t) "user@our.example";
	answer.grant = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "grant"};
	ipc_answer(t, &answer, NULL);
}

static void on_scan(struct ipc_turn *t)
{
	struct slice message;
	Sekisho__ScanAnswer answer = SEKISHO__SCAN_ANSWER__INIT;
	Sekisho__FactsRef ref = SEKISHO__FACTS_REF__INIT;
	Sekisho__Facts *facts = NULL;
	kit_leave(kit_enter(t));
	if (t->fds.n < 1 || fd_map_sealed(t->fds.fd[0], LIMIT_MESSAGE_SIZE * 2, &message) != OK) {
		ipc_refuse(t, BAD, "not sealed");
		return;
	}
	if (mail_facts_extract(message, &t->arena, &facts) != OK)
		abort();
	ref.packed.len = sekisho__facts__get_packed_size(facts);
	ref.packed.data = arena_alloc(&t->arena, ref.packed.len + 1);
	sekisho__facts__pack(facts, ref.packed.data);
	answer.facts = &ref;
	fd_unmap(&message);
	ipc_answer(t, &answer, NULL);
}

static void on_match(struct ipc_turn *t)
{
	static const enum inspect_where where[] = {INSPECT_IN_TEXT, INSPECT_IN_BODY, INSPECT_IN_HEADER};
	const Sekisho__MatchAsk *ask = t->ask;
	struct slice message;
	Sekisho__MatchAnswer answer = SEKISHO__MATCH_ANSWER__INIT;
	Sekisho__Facts *facts = NULL;
	kit_leave(kit_enter(t));
	if (t->fds.n < 1 || fd_map_sealed(t->fds.fd[0], LIMIT_MESSAGE_SIZE * 2, &message) != OK) {
		ipc_refuse(t, BAD, "not sealed");
		return;
	}
	if (mail_facts_extract(message, &t->arena, &facts) != OK)
		abort();
	unsigned notes;
	BUF_LOCAL(text, LIMIT_SEARCH_TEXT);
	inspect_doc_make(message, facts, ~0u, &text, &notes);
	answer.found = arena_array(&t->arena, ask->n_needles + 1, sizeof *answer.found);
	for (answer.n_found = 0; answer.n_found < ask->n_needles; answer.n_found++) {
		const Sekisho__Needle *n = ask->needles[answer.n_found];
		BUF_LOCAL(needle, 65536);
		BUF_LOCAL(field, 65536);
		mail_text_fold(slice_str(n->text), &needle);
		mail_text_fold(slice_str(n->field), &field);
		answer.found[answer.n_found] = inspect_doc_match(buf_slice(&text),
		    &(struct inspect_needle){where[n->where], buf_slice(&field), buf_slice(&needle)});
	}
	fd_unmap(&message);
	ipc_answer(t, &answer, NULL);
}

/* ---- the whole ---- */

static ipc_handler *handlers[ASK_MAX] = {
    [ASK_STORE_LOGIN] = on_login,
    [ASK_STORE_REFUSED] = on_refused,
    [ASK_KEYS_PASSWORD] = on_password,
    [ASK_KEYS_BEARER] = on_bearer,
    [ASK_STORE_TOKEN] = on_token,
    [ASK_SCAN_MESSAGE] = on_scan,
    [ASK_SCAN_MATCH] = on_match,
};

static struct ipc_trunk *trunk(struct mailboxes *m, const char *to)
{
	int fds[2];
	if (ipc_pair(fds) != OK)
		abort();
	ipc_server_add(m->server, fds[1], PEER_USER, NULL, NULL, NULL);
	struct ipc_trunk *t = ipc_trunk_new(to);
	ipc_trunk_set(t, fds[0]);
	return t;
}

struct mailboxes *mailboxes_start(void)
{
	struct mailboxes *m = calloc(1, sizeof *m);
	if (!m)
		abort();
	pthread_mutex_init(&m->lock, NULL);
	kit_handlers(handlers);
	kit_script_handlers(handlers);
	m->server = ipc_server_new(handlers, 2, m);
	m->store = trunk(m, "store");
	m->keys = trunk(m, "keys");
	m->scan = trunk(m, "scan");
	mailboxes_reset(m);
	return m;
}

void mailboxes_reset(struct mailboxes *m)
{
	pthread_mutex_lock(&m->lock);
	while (m->boxes_n)
		kit_box_remove(m, m->boxes[0]);
	for (size_t i = 0; i < m->subscribed_n; i++)
		free(m->subscribed[i]);
	m->subscribed_n = 0;
	kit_scripts_reset(m);
	m->ids = 0;
	m->facts_most = 65536;
	memset(m->asked, 0, sizeof m->asked);
	kit_box_add(m, "INBOX", "");
	kit_box_add(m, "Drafts", "\\Drafts");
	kit_box_add(m, "Sent", "\\Sent");
	kit_box_add(m, "Trash", "\\Trash");
	pthread_mutex_unlock(&m->lock);
}

bool mailboxes_add(
    struct mailboxes *m, const char *mailbox, struct slice message, uint32_t flags, int64_t internal_ms)
{
	pthread_mutex_lock(&m->lock);
	struct kit_box *b = kit_box_find(m, mailbox);
	if (b)
		kit_box_store(m, b, message, internal_ms)->flags = flags;
	pthread_mutex_unlock(&m->lock);
	return b != NULL;
}

size_t mailboxes_count(struct mailboxes *m, const char *mailbox)
{
	pthread_mutex_lock(&m->lock);
	const struct kit_box *b = kit_box_find(m, mailbox);
	size_t n = b ? b->n : 0;
	pthread_mutex_unlock(&m->lock);
	return n;
}

unsigned mailboxes_asked(struct mailboxes *m, enum ipc_ask kind)
{
	pthread_mutex_lock(&m->lock);
	unsigned n = m->asked[kind];
	pthread_mutex_unlock(&m->lock);
	return n;
}

void mailboxes_facts_most(struct mailboxes *m, size_t octets)
{
	m->facts_most = octets;
}

struct ipc_trunk *mailboxes_store(struct mailboxes *m)
{
	return m->store;
}

struct ipc_trunk *mailboxes_keys(struct mailboxes *m)
{
	return m->keys;
}

struct ipc_trunk *mailboxes_scan(struct mailboxes *m)
{
	return m->scan;
}
