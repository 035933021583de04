#include "roles.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_MOST ((size_t)256 * 1024 * 1024)
#define SAID_MOST 16

/* What an ask of this kind is to be answered, in order. */
struct said {
	enum result result[SAID_MOST];
	char why[SAID_MOST][200];
	unsigned first, n;
};

struct roles {
	pthread_mutex_t lock;
	struct ipc_server *server;
	struct ipc_trunk *store[2], *scan[2], *keys;
	struct said said[ASK_MAX];
	unsigned asked[ASK_MAX];
	struct buf log;
	struct buf message;
	struct ipc_conn *login;
	int login_fd;
};

static const struct {
	const char *role, *name;
	enum ipc_ask kind;
} kinds[] = {
    {"STORE", "sender", ASK_STORE_SENDER},
    {"STORE", "rcpt", ASK_STORE_RCPT},
    {"STORE", "deliver", ASK_STORE_DELIVER},
    {"STORE", "login", ASK_STORE_LOGIN},
    {"SCAN", "message", ASK_SCAN_MESSAGE},
    {"KEYS", "password", ASK_KEYS_PASSWORD},
    {"KEYS", "start", ASK_KEYS_SCRAM_START},
    {"KEYS", "finish", ASK_KEYS_SCRAM_FINISH},
};

/* ---- the log ---- */

static struct roles *enter(struct ipc_turn *t)
{
	struct roles *r = ipc_server_context(t);
	pthread_mutex_lock(&r->lock);
	r->asked[t->kind]++;
	return r;
}

static void leave(struct roles *r)
{
	pthread_mutex_unlock(&r->lock);
}

static void log_addr(struct roles *r, const Sekisho__Addr *a)
{
	buf_putc(&r->log, '<');
	buf_put(&r->log, slice_of(a->local.data, a->local.len));
	if (a->domain.len)
		buf_putc(&r->log, '@');
	buf_put(&r->log, slice_of(a->domain.data, a->domain.len));
	buf_putc(&r->log, '>');
}

/*
 * The outcome that was ordered, else OK. With the lock held. A login's own channel is really gone then; the others,
 * which the tests share, only say so.
 */
static enum result ordered(struct roles *r, enum ipc_ask kind, const char **why_out)
{
	struct said *s = &r->said[kind];
	*why_out = "";
	if (s->first == s->n)
		return OK;
	*why_out = s->why[s->first];
	if (s->result[s->first] == GONE && r->login_fd >= 0)
		shutdown(r->login_fd, SHUT_RDWR);
	return s->result[s->first++];
}

/* ---- store ---- */

static bool local_is(const Sekisho__Addr *a, const char *name)
{
	return slice_ieq(slice_of(a->local.data, a->local.len), slice_str(name));
}

static void judge_rcpt(const Sekisho__Addr *a, bool user, Sekisho__Verdict *v)
{
	sekisho__verdict__init(v);
	bool ours = slice_eq(slice_of(a->domain.data, a->domain.len), SLICE("our.example"));
	bool known = local_is(a, "anna") || local_is(a, "bob") || local_is(a, "o'hara") || local_is(a, "a b");
	if (user || (ours && known) || (a->domain.len == 0 && local_is(a, "postmaster"))) {
		v->code = 250;
		v->status = (char *)(uintptr_t) "2.1.5";
		return;
	}
	v->result = DENY;
	v->code = 550;
	v->status = (char *)(uintptr_t)(ours ? "5.1.1" : "5.7.1");
	v->why = (char *)(uintptr_t)(ours ? "no such mailbox" : "no relaying");
}

static void on_sender(struct ipc_turn *t)
{
	const Sekisho__SenderAsk *ask = t->ask;
	struct roles *r = enter(t);
	const char *why;
	buf_puts(&r->log, "store sender ");
	log_addr(r, ask->sender);
	buf_putc(&r->log, '\n');
	enum result result = ordered(r, t->kind, &why);
	leave(r);
	if (result == OK && !local_is(ask->sender, "anna") && ask->sender->local.len)
		result = DENY;
	if (result == OK)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, result, "%s", why);
}

static void on_rcpt(struct ipc_turn *t)
{
	const Sekisho__RcptAsk *ask = t->ask;
	struct roles *r = enter(t);
	const char *why;
	bool user = ipc_conn_peer(t->conn) == PEER_SUBMISSION;
	Sekisho__RcptAnswer answer = SEKISHO__RCPT_ANSWER__INIT;
	Sekisho__Verdict *verdicts = calloc(ask->n_rcpts + 1, sizeof *verdicts);
	answer.verdicts = calloc(ask->n_rcpts + 1, sizeof *answer.verdicts);
	for (size_t i = 0; i < ask->n_rcpts; i++) {
		buf_puts(&r->log, "store rcpt ");
		log_addr(r, ask->rcpts[i]);
		buf_putc(&r->log, '\n');
		judge_rcpt(ask->rcpts[i], user, &verdicts[i]);
		answer.verdicts[answer.n_verdicts++] = &verdicts[i];
	}
	enum result result = ordered(r, t->kind, &why);
	leave(r);
	if (result == OK)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, result, "%s", why);
	free(verdicts);
	free(answer.verdicts);
}

static void log_deliver(struct roles *r, const Sekisho__DeliverAsk *ask)
{
	buf_puts(&r->log, "store deliver ");
	log_addr(r, ask->sender);
	buf_puts(&r->log, " ->");
	for (size_t i = 0; i < ask->n_rcpts; i++) {
		buf_putc(&r->log, ' ');
		log_addr(r, ask->rcpts[i]->addr);
		if (ask->rcpts[i]->notify)
			buf_printf(&r->log, ";notify=%u", ask->rcpts[i]->notify);
		if (ask->rcpts[i]->orcpt[0])
			buf_printf(&r->log, ";orcpt=%s", ask->rcpts[i]->orcpt);
	}
	buf_printf(&r->log, " body=%u utf8=%d ret=%u envid=%s helo=%s%s%s\n", ask->body, ask->smtputf8,
	    ask->ret, ask->envid, ask->client ? ask->client->helo : "?",
	    ask->client && ask->client->tls[0] ? " tls" : "", ask->scan_failed ? " scan_failed" : "");
}

static void log_message(struct roles *r, struct slice message)
{
	while (message.n) {
		buf_puts(&r->log, "| ");
		struct slice line = slice_split(&message, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		buf_put(&r->log, line);
		buf_putc(&r->log, '\n');
	}
}

/* What any store would insist on; the reason when something is wrong. */
static const char *deliver_wrong(
    const Sekisho__DeliverAsk *ask, const struct ipc_fds *fds, struct slice message)
{
	if (strlen(ask->mail_id) != 16 || !ask->n_rcpts || ask->strip > message.n)
		return "malformed";
	struct slice trace = slice_sub(message, ask->strip, message.n);
	if (ask->trust.len && !slice_starts(trace, SLICE("Authentication-Results: ")))
		return "no results";
	if (ask->trust.len)
		slice_split(&trace, '\n');
	if (!slice_starts(message, SLICE("Return-Path: <")) || !slice_starts(trace, SLICE("Received: ")))
		return "no trace fields";
	if (ask->scan_failed)
		return ask->facts ? "facts of a failed scan" : NULL;
	if (!ask->facts || !slice_eq(slice_of(ask->facts->seal.data, ask->facts->seal.len), SLICE("seal")))
		return "no seal";
	return ask->facts->in_fd != (fds->n == 2) ? "no facts" : NULL;
}

static void on_deliver(struct ipc_turn *t)
{
	const Sekisho__DeliverAsk *ask = t->ask;
	struct roles *r = enter(t);
	struct slice message = SLICE_NONE;
	const char *why, *wrong = "not sealed";
	if (t->fds.n && fd_map_sealed(t->fds.fd[0], LOG_MOST, &message) == OK)
		wrong = deliver_wrong(ask, &t->fds, message);
	if (wrong)
		buf_printf(&r->log, "store deliver BROKEN %s\n", wrong);
	log_deliver(r, ask);
	enum result result = wrong ? BAD : ordered(r, t->kind, &why);
	if (result == OK) {
		log_message(r, message);
		buf_clear(&r->message);
		buf_put(&r->message, message);
	}
	fd_unmap(&message);
	leave(r);
	Sekisho__DeliverAnswer answer = SEKISHO__DELIVER_ANSWER__INIT;
	answer.mail_id = ask->mail_id;
	if (result == OK)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, result, "%s", wrong ? wrong : why);
}

static void on_login(struct ipc_turn *t)
{
	const Sekisho__LoginAsk *ask = t->ask;
	struct roles *r = enter(t);
	const char *why;
	buf_printf(&r->log, "store login %s\n", ask->client->service);
	enum result result = ordered(r, t->kind, &why);
	if (result == OK &&
	    (t->fds.n != 1 || !slice_eq(slice_of(ask->grant.data, ask->grant.len), SLICE("grant"))))
		result = DENY;
	leave(r);
	if (result != OK) {
		ipc_refuse(t, result, "%s", why);
		return;
	}
	fd_close(&r->login_fd);
	r->login_fd = dup(t->fds.fd[0]);
	ipc_server_add(r->server, t->fds.fd[0], PEER_SUBMISSION, NULL, NULL, &r->login);
	t->fds.fd[0] = -1;
	Sekisho__LoginAnswer answer = SEKISHO__LOGIN_ANSWER__INIT;
	answer.account = 7;
	answer.address = (char *)(uintptr_t) "anna@our.example";
	ipc_answer(t, &answer, NULL);
}

/* ---- scan ---- */

/* As master does when a role was started again. */
static void renew(struct roles *r, struct ipc_trunk *t, enum ipc_peer peer)
{
	int fds[2];
	if (ipc_pair(fds) != OK)
		abort();
	ipc_server_add(r->server, fds[1], peer, NULL, NULL, NULL);
	ipc_trunk_set(t, fds[0]);
}

/* The message with a field of results behind its Return-Path, as scan gives it back. */
static int rewrite(struct ipc_turn *t)
{
	const Sekisho__ScanAsk *ask = t->ask;
	struct slice message;
	int fd = fd_memory("mail");
	if (fd < 0 || fd_map_sealed(t->fds.fd[0], UINT32_MAX, &message) != OK ||
	    fd_write_all(fd, slice_sub(message, 0, ask->strip)) != OK ||
	    fd_write_all(fd, SLICE("Authentication-Results: mx.our.example; none\r\n")) != OK ||
	    fd_write_all(fd, slice_sub(message, ask->strip, message.n)) != OK || fd_seal(fd) != OK)
		abort();
	fd_unmap(&message);
	return fd;
}

static void on_scan(struct ipc_turn *t)
{
	struct roles *r = enter(t);
	const char *why;
	buf_puts(&r->log, "scan message\n");
	enum result result = ordered(r, t->kind, &why);
	leave(r);
	if (result == GONE) {
		renew(r, r->scan[0], PEER_MX);
		renew(r, r->scan[1], PEER_USER);
	}
	if (result != OK) {
		ipc_refuse(t, result, "%s", why);
		return;
	}
	/* The size of the facts: as ordered in words, to see small, large and very large ones through. */
	static uint8_t filler[60000];
	Sekisho__FactsRef facts = SEKISHO__FACTS_REF__INIT;
	facts.seal = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "seal"};
	facts.packed = (ProtobufCBinaryData){!strcmp(why, "large") ? sizeof filler : 100, filler};
	struct ipc_fds fds = {.n = 0};
	if (!strcmp(why, "huge")) {
		facts.in_fd = true;
		facts.packed.len = 0;
		fds = (struct ipc_fds){.fd = {fd_memory("facts")}, .n = 1};
	}
	Sekisho__ScanAnswer answer = SEKISHO__SCAN_ANSWER__INIT;
	answer.facts = &facts;
	answer.rewritten = !strcmp(why, "huge") || !strcmp(why, "rewritten");
	if (answer.rewritten) {
		fds.fd[fds.n++] = rewrite(t);
		answer.trust = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "trust"};
	}
	ipc_answer(t, &answer, &fds);
	ipc_fds_close(&fds);
}

/* ---- keys: the example of RFC 7677 section 3 ---- */

static void answer_grant(struct ipc_turn *t, enum result result, const char *server_final)
{
	Sekisho__GrantAnswer answer = SEKISHO__GRANT_ANSWER__INIT;
	answer.grant = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "grant"};
	answer.login = (char *)(uintptr_t) "anna@our.example";
	answer.server_final = (ProtobufCBinaryData){strlen(server_final), (uint8_t *)(uintptr_t)server_final};
	if (result == OK)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, result, "no");
}

static void on_password(struct ipc_turn *t)
{
	const Sekisho__PasswordAsk *ask = t->ask;
	struct roles *r = enter(t);
	const char *why;
	buf_printf(&r->log, "keys password %s\n", ask->login);
	enum result result = ordered(r, t->kind, &why);
	leave(r);
	if (result == OK && (strcmp(ask->login, "user") != 0 ||
				!slice_eq(slice_of(ask->password.data, ask->password.len), SLICE("pencil"))))
		result = DENY;
	answer_grant(t, result, "");
}

/* A token that is about to be tried may; a wrong one is counted. */
static void on_bearer(struct ipc_turn *t)
{
	const Sekisho__BearerAsk *ask = t->ask;
	Sekisho__GrantAnswer answer = SEKISHO__GRANT_ANSWER__INIT;
	struct roles *r = enter(t);
	buf_printf(&r->log, "keys bearer %s%s\n", ask->login, ask->wrong.len ? " wrong" : "");
	leave(r);
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
	struct roles *r = enter(t);
	buf_printf(&r->log, "store token %s\n", ask->login);
	leave(r);
	answer.result = good ? OK : DENY;
	answer.noted = slice_eq(token, SLICE("narrow-token"));
	answer.status = (char *)(uintptr_t)(answer.noted ? "insufficient_scope" : "invalid_token");
	answer.login = (char *)(uintptr_t) "user@our.example";
	answer.grant = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "grant"};
	ipc_answer(t, &answer, NULL);
}

static void on_start(struct ipc_turn *t)
{
	static const char first[] =
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
	const Sekisho__ScramStartAsk *ask = t->ask;
	struct roles *r = enter(t);
	const char *why;
	buf_printf(&r->log, "keys start %s\n", ask->login);
	enum result result = ordered(r, t->kind, &why);
	leave(r);
	Sekisho__ScramStartAnswer answer = SEKISHO__SCRAM_START_ANSWER__INIT;
	answer.server_first = (ProtobufCBinaryData){sizeof first - 1, (uint8_t *)(uintptr_t)first};
	answer.state = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "state"};
	if (result == OK)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, result, "%s", why);
}

static void on_finish(struct ipc_turn *t)
{
	const Sekisho__ScramFinishAsk *ask = t->ask;
	struct roles *r = enter(t);
	const char *why;
	BUF_LOCAL(proof, 200);
	buf_base64(&proof, slice_of(ask->proof.data, ask->proof.len));
	buf_printf(&r->log, "keys finish %.*s\n", (int)ask->client_final_without_proof.len,
	    (const char *)ask->client_final_without_proof.data);
	enum result result = ordered(r, t->kind, &why);
	leave(r);
	if (result == OK &&
	    (!slice_eq(buf_slice(&proof), SLICE("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")) ||
		!slice_eq(slice_of(ask->state.data, ask->state.len), SLICE("state"))))
		result = DENY;
	answer_grant(t, result, "v=6rriTRBi23WpRIj4WgFY9wg6FVt4Y7xy1wFA7NfCXu4=");
}

/* ---- the kit ---- */

static void on_refused(struct ipc_turn *t)
{
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	ipc_answer(t, &empty, NULL);
}

static ipc_handler *const handlers[ASK_MAX] = {
    [ASK_STORE_SENDER] = on_sender,
    [ASK_STORE_RCPT] = on_rcpt,
    [ASK_STORE_DELIVER] = on_deliver,
    [ASK_STORE_LOGIN] = on_login,
    [ASK_STORE_REFUSED] = on_refused,
    [ASK_SCAN_MESSAGE] = on_scan,
    [ASK_KEYS_PASSWORD] = on_password,
    [ASK_KEYS_BEARER] = on_bearer,
    [ASK_STORE_TOKEN] = on_token,
    [ASK_KEYS_SCRAM_START] = on_start,
    [ASK_KEYS_SCRAM_FINISH] = on_finish,
};

static struct ipc_trunk *trunk(struct roles *r, const char *to, enum ipc_peer peer)
{
	struct ipc_trunk *t = ipc_trunk_new(to);
	renew(r, t, peer);
	return t;
}

struct roles *roles_start(void)
{
	struct roles *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	pthread_mutex_init(&r->lock, NULL);
	r->login_fd = -1;
	buf_init(&r->log, LOG_MOST);
	buf_init(&r->message, LOG_MOST);
	r->server = ipc_server_new(handlers, 2, r);
	for (int user = 0; user < 2; user++) {
		r->store[user] = trunk(r, "store", user ? PEER_USER : PEER_MX);
		r->scan[user] = trunk(r, "scan", user ? PEER_USER : PEER_MX);
	}
	r->keys = trunk(r, "keys", PEER_USER);
	return r;
}

void roles_reset(struct roles *r)
{
	pthread_mutex_lock(&r->lock);
	memset(r->said, 0, sizeof r->said);
	memset(r->asked, 0, sizeof r->asked);
	buf_clear(&r->log);
	buf_clear(&r->message);
	fd_close(&r->login_fd);
	pthread_mutex_unlock(&r->lock);
}

struct ipc_trunk *roles_store(struct roles *r, bool user)
{
	return r->store[user];
}

struct ipc_trunk *roles_scan(struct roles *r, bool user)
{
	return r->scan[user];
}

struct ipc_trunk *roles_keys(struct roles *r)
{
	return r->keys;
}

static bool result_find(struct slice name, enum result *out)
{
	for (enum result i = OK; i <= STOP; i++)
		if (slice_eq(name, slice_str(result_name(i)))) {
			*out = i;
			return true;
		}
	return false;
}

bool roles_directive(struct roles *r, struct slice line)
{
	struct slice role = slice_split(&line, ' '), ask = slice_split(&line, ' '),
		     outcome = slice_split(&line, ' ');
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct said *s = &r->said[kinds[i].kind];
		if (!slice_eq(role, slice_str(kinds[i].role)) || !slice_eq(ask, slice_str(kinds[i].name)))
			continue;
		if (s->n == SAID_MOST || !result_find(outcome, &s->result[s->n]))
			return false;
		snprintf(s->why[s->n++], sizeof s->why[0], SLICE_FMT, SLICE_ARG(line));
		return true;
	}
	return false;
}

struct slice roles_log(struct roles *r)
{
	return buf_slice(&r->log);
}

struct slice roles_message(struct roles *r)
{
	return buf_slice(&r->message);
}

void roles_note(struct roles *r, enum ipc_note note)
{
	ipc_note(r->login, note);
}

unsigned roles_asked(struct roles *r, enum ipc_ask kind)
{
	return r->asked[kind];
}
