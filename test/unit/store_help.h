/* store_help: asks of the mailbox kind in one line each, for the store's tests. Answers live in the arena `mem`. */
#ifndef STORE_HELP_H
#define STORE_HELP_H

#include "kit/store_kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct arena mem = {.cap = (size_t)1 << 30};

#define ASK(c, kind, ask, answer) ipc_call((c), ASK_STORE_##kind, (ask), NULL, &mem, (answer), NULL)

/* For tear-downs. */
static inline int store_help_end(struct store_kit *k)
{
	store_kit_close(k);
	store_kit_remove(k);
	arena_free(&mem);
	return 0;
}

static inline struct ipc store_help_login(struct store_kit *k, int64_t account)
{
	struct ipc c = store_kit_login(k, (uint64_t)account, "imap");
	assert_true(c.fd >= 0);
	return c;
}

static inline Sekisho__Run **one_run(uint32_t first, uint32_t count)
{
	Sekisho__Run **list = arena_array(&mem, 1, sizeof *list);
	list[0] = arena_new(&mem, Sekisho__Run);
	sekisho__run__init(list[0]);
	list[0]->first = first;
	list[0]->count = count;
	return list;
}

static inline Sekisho__SelectAnswer *do_select(struct ipc *c, const char *name)
{
	Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *answer = NULL;
	ask.name = (char *)(uintptr_t)name;
	assert_int_equal(ASK(c, SELECT, &ask, &answer), OK);
	assert_false(c->more);
	return answer;
}

static inline Sekisho__MailboxStatus *do_status(struct ipc *c, const char *name)
{
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	Sekisho__StatusAnswer *answer = NULL;
	ask.name = (char *)(uintptr_t)name;
	assert_int_equal(ASK(c, STATUS, &ask, &answer), OK);
	return answer->status;
}

static inline enum result do_name(struct ipc *c, enum ipc_ask kind, const char *name)
{
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	ask.name = (char *)(uintptr_t)name;
	return ipc_call(c, kind, &ask, NULL, &mem, NULL, NULL);
}

static inline enum result do_create(struct ipc *c, const char *name, const char *use)
{
	Sekisho__CreateAsk ask = SEKISHO__CREATE_ASK__INIT;
	ask.name = (char *)(uintptr_t)name;
	ask.special_use = (char *)(uintptr_t)use;
	return ASK(c, CREATE, &ask, NULL);
}

static inline enum result do_rename(struct ipc *c, const char *from, const char *to)
{
	Sekisho__RenameAsk ask = SEKISHO__RENAME_ASK__INIT;
	ask.from = (char *)(uintptr_t)from;
	ask.to = (char *)(uintptr_t)to;
	return ASK(c, RENAME, &ask, NULL);
}

/* All rows of all packets, copied into one list. */
struct rows {
	Sekisho__Row *v[5000];
	size_t n;
	struct ipc_fds fds;
};
static inline enum result do_fetch(
    struct ipc *c, uint32_t first, uint32_t count, uint32_t want, bool seen, struct rows *out)
{
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	Sekisho__FetchAnswer *answer = NULL;
	ask.uids = one_run(first, count);
	ask.n_uids = 1;
	ask.want = want;
	ask.body_max = 98304;
	ask.mark_seen = seen;
	out->n = 0;
	enum result r = ipc_call(c, ASK_STORE_FETCH, &ask, NULL, &mem, &answer, &out->fds);
	while (r == OK) {
		for (size_t i = 0; i < answer->n_rows; i++)
			out->v[out->n++] = answer->rows[i];
		if (!c->more)
			break;
		r = ipc_more(c, &mem, &answer, &out->fds);
	}
	return r;
}

static inline Sekisho__FlagsAnswer *do_flags(
    struct ipc *c, uint32_t first, uint32_t count, int mode, uint32_t flags, const char *keyword)
{
	Sekisho__FlagsAsk ask = SEKISHO__FLAGS_ASK__INIT;
	Sekisho__FlagsAnswer *answer = NULL;
	char *words[1] = {(char *)(uintptr_t)keyword};
	ask.uids = one_run(first, count);
	ask.n_uids = 1;
	ask.mode = (Sekisho__FlagsAsk__Mode)mode;
	ask.flags = flags;
	ask.keywords = words;
	ask.n_keywords = keyword ? 1 : 0;
	assert_int_equal(ASK(c, FLAGS, &ask, &answer), OK);
	return answer;
}

static inline Sekisho__ExpungeAnswer *do_expunge(struct ipc *c)
{
	Sekisho__ExpungeAsk ask = SEKISHO__EXPUNGE_ASK__INIT;
	Sekisho__ExpungeAnswer *answer = NULL;
	ask.all = true;
	assert_int_equal(ASK(c, EXPUNGE, &ask, &answer), OK);
	return answer;
}

static inline enum result do_copy(
    struct ipc *c, uint32_t first, uint32_t count, const char *to, bool move, Sekisho__CopyAnswer **answer)
{
	Sekisho__CopyAsk ask = SEKISHO__COPY_ASK__INIT;
	ask.uids = one_run(first, count);
	ask.n_uids = 1;
	ask.to = (char *)(uintptr_t)to;
	ask.move = move;
	return ASK(c, COPY, &ask, answer);
}

static inline Sekisho__SyncAnswer *do_sync(struct ipc *c, uint64_t since, uint32_t known_uidnext)
{
	Sekisho__SyncAsk ask = SEKISHO__SYNC_ASK__INIT;
	Sekisho__SyncAnswer *answer = NULL;
	ask.since = since;
	ask.known_uidnext = known_uidnext;
	assert_int_equal(ASK(c, SYNC, &ask, &answer), OK);
	assert_false(c->more);
	return answer;
}

static inline enum result do_append(
    struct store_kit *k, struct ipc *c, const char *mailbox, const char *text, Sekisho__AppendAnswer **answer)
{
	Sekisho__AppendAsk ask = SEKISHO__APPEND_ASK__INIT;
	Sekisho__FactsRef ref;
	struct ipc_fds fds;
	struct kit_mail m = kit_mail_make(k, slice_str(text));
	kit_mail_ref(&m, &ref, &fds);
	ask.mailbox = (char *)(uintptr_t)mailbox;
	ask.facts = &ref;
	ask.flags = SEKISHO__FLAG__FLAG_SEEN;
	ask.internal_ms = 1000000;
	enum result r = ipc_call(c, ASK_STORE_APPEND, &ask, &fds, &mem, answer, NULL);
	kit_mail_free(&m);
	return r;
}

/* Reads a message by STORE_BODY in pieces. */
static inline enum result do_body(struct ipc *c, uint32_t uid, size_t piece, struct buf *out)
{
	for (;;) {
		Sekisho__BodyAsk ask = SEKISHO__BODY_ASK__INIT;
		Sekisho__BodyAnswer *answer = NULL;
		ask.uid = uid;
		ask.offset = out->n;
		ask.length = (uint32_t)piece;
		enum result r = ASK(c, BODY, &ask, &answer);
		if (r != OK)
			return r;
		buf_put(out, slice_of(answer->data.data, answer->data.len));
		if (answer->data.len < piece)
			return OK;
	}
}

/* The sender's domain stands behind it. */
static inline enum result deliver_proven(
    struct store_kit *k, const char *from, const char *to, const char *text)
{
	struct ipc c = store_kit_channel(k, PEER_MX);
	Sekisho__Trust trust = SEKISHO__TRUST__INIT;
	Sekisho__TrustSpf spf = SEKISHO__TRUST_SPF__INIT;
	spf.result = "pass";
	trust.spf = &spf;
	struct kit_envelope e = {.from = from, .to = {to}, .trust = &trust};
	enum result r = kit_deliver_text(k, &c, &e, text);
	ipc_close(&c);
	return r;
}

static inline enum result deliver(struct store_kit *k, const char *from, const char *to, const char *text)
{
	struct ipc c = store_kit_channel(k, PEER_MX);
	struct kit_envelope e = {.from = from, .to = {to}};
	enum result r = kit_deliver_text(k, &c, &e, text);
	ipc_close(&c);
	return r;
}

#endif
