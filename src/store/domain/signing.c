/* STORE_SIGNATURE: what stands before a message on its way out. */
#include "store/domain/signing.h"
#include "store/mailbox/facts_cache.h"
#include "store/mailbox/fields.h"
#include "store/handlers.h"
#include "store/queue/queue.h"
#include "store/queue/resolve.h"
#include "trust/dkim.h"
#include <stdlib.h>

#define SIGNERS 8 /* of one message */
#define FIELDS_MOST 65536
#define FACTS_MOST ((uint64_t)16 << 20)
#define LATELY 128

/* ---- what was signed lately ---- */

struct signed_lately {
	pthread_mutex_t lock;
	size_t next;
	struct {
		struct slice mail; /* with the fields behind it, one allocation */
		struct slice fields;
	} list[LATELY];
};

struct signed_lately *signed_lately_new(void)
{
	struct signed_lately *l = calloc(1, sizeof *l);
	if (!l)
		abort();
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void signed_lately_free(struct signed_lately *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < LATELY; i++)
		free((void *)(uintptr_t)l->list[i].mail.p);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static bool recall(struct signed_lately *l, struct slice mail, struct arena *a, struct slice *out)
{
	bool found = false;
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < LATELY && !found; i++) {
		found = l->list[i].mail.n && slice_eq(l->list[i].mail, mail);
		if (found)
			*out = arena_dup(a, l->list[i].fields);
	}
	pthread_mutex_unlock(&l->lock);
	return found && !arena_full(a);
}

static void remember(struct signed_lately *l, struct slice mail, struct slice fields)
{
	char *p = malloc(mail.n + fields.n + 1);
	if (!p)
		abort();
	memcpy(p, mail.p, mail.n);
	if (fields.n)
		memcpy(p + mail.n, fields.p, fields.n);
	pthread_mutex_lock(&l->lock);
	size_t at = l->next++ % LATELY;
	free((void *)(uintptr_t)l->list[at].mail.p);
	l->list[at].mail = slice_of(p, mail.n);
	l->list[at].fields = slice_of(p + mail.n, fields.n);
	pthread_mutex_unlock(&l->lock);
}

/* ---- what is to be signed, and for whom ---- */

struct outgoing {
	struct store *s;
	struct arena *arena;
	struct slice mail;
	bool authored; /* sent by an account of ours, or made here */
	struct slice envelope_domain;
	struct slice author; /* of From, as the DNS has it; empty: none */
	int64_t blob;
	uint64_t strip, size; /* octets not sent; all */
	struct blob_place at;

	size_t n;
	Sekisho__Signer *signers[SIGNERS];
	struct slice wrapped[SIGNERS];
	const Sekisho__Signer *sealer;
	struct slice sealer_key;
	const char *unsigned_why;
};

/* The domain of the first mailbox in From. */
static struct slice author_of(const Sekisho__Facts *f, struct arena *a)
{
	const Sekisho__Envelope *e = f && f->root ? f->root->envelope : NULL;
	for (size_t i = 0; e && i < e->n_from; i++)
		if (e->from[i]->kind == SEKISHO__ADDRESS__KIND__MAILBOX && e->from[i]->domain.len)
			return resolve_domain(slice_of_octets(e->from[i]->domain), a);
	return SLICE_NONE;
}

static enum result read_facts(struct outgoing *o)
{
	BUF_LOCAL(packed, FACTS_MOST);
	if (!o->at.facts)
		return OK;
	if (facts_get(o->s, o->blob, &o->at, &packed) != OK)
		return LATER;
	struct ipc_allocator al = ipc_allocator(o->arena);
	const Sekisho__Facts *f = sekisho__facts__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	if (!f)
		return LATER;
	o->author = author_of(f, o->arena);
	return OK;
}

/* GONE: no such message in the queue. DENY: it is not this relay's to send. */
static enum result read_mail(struct outgoing *o, struct db *db)
{
	DB_ROWS q = DB_QUERY(db, QUEUED_SIGN, DT(o->mail));
	if (!db_next(&q))
		return db_result(db) == OK ? GONE : LATER;
	if (!queue_mail_is_claimed(o->s, db, db_int(&q, 0)))
		return DENY;
	struct slice fields = queue_open_sealed(o->s, o->mail, db_octets(&q, 3), o->arena);
	o->strip = (uint64_t)db_int(&q, 1);
	o->size = (uint64_t)db_int(&q, 2);
	o->authored = queue_origin(fields) == ORIGIN_OURS;
	o->envelope_domain = fields_find(fields, QUEUE_DOMAIN);
	o->blob = db_int(&q, 4);
	o->at = blob_place_of(&q, 5);
	return OK;
}

/* The domain itself or the nearest above it that is ours; empty: none. */
static struct slice ours_of(struct db *db, struct slice domain)
{
	while (domain.n && !resolve_is_ours(db, domain)) {
		ptrdiff_t dot = slice_find(domain, '.');
		domain = dot < 0 ? SLICE_NONE : slice_sub(domain, (size_t)dot + 1, domain.n);
	}
	return domain;
}

/* The newest key of each kind. */
static void add_signers(struct outgoing *o, struct db *db, struct slice domain)
{
	int64_t before = 0;
	if (!domain.n)
		return;
	DB_ROWS q = DB_QUERY(db, DKIM_SIGNERS, DT(domain));
	while (o->n < SIGNERS && db_next(&q)) {
		Sekisho__Signer *s = arena_new(o->arena, Sekisho__Signer);
		if (!s || db_int(&q, 1) == before)
			continue;
		sekisho__signer__init(s);
		s->domain = arena_z(o->arena, domain);
		s->selector = arena_z(o->arena, db_octets(&q, 0));
		s->algorithm = (Sekisho__DkimAlgorithm)db_int(&q, 1);
		before = db_int(&q, 1);
		o->wrapped[o->n] = arena_dup(o->arena, db_octets(&q, 2));
		o->signers[o->n++] = s;
	}
}

/* ARC is checked with RSA everywhere, with Ed25519 hardly anywhere. */
static void choose_sealer(struct outgoing *o)
{
	for (size_t i = 0; i < o->n && !o->sealer; i++) {
		if (o->signers[i]->algorithm != SEKISHO__DKIM_ALGORITHM__DKIM_RSA)
			continue;
		o->sealer = o->signers[i];
		o->sealer_key = o->wrapped[i];
	}
}

static void choose_signers(struct outgoing *o, struct db *db)
{
	struct slice service = slice_str(o->s->settings->dkim_service);
	struct slice ours = ours_of(db, o->author);
	if (o->authored && ours.n) {
		enum signing_mode mode = signing_mode_of(db, ours);
		if (mode != SIGNING_THIRD_PARTY || !service.n)
			add_signers(o, db, ours);
		if (mode != SIGNING_AUTHOR && !slice_eq(service, ours))
			add_signers(o, db, service);
	} else if (o->authored) {
		add_signers(o, db, service.n ? service : ours_of(db, o->envelope_domain));
	} else {
		struct slice via = ours_of(db, o->envelope_domain);
		add_signers(o, db, via.n ? via : service);
		choose_sealer(o);
		if (ours.n) { /* whoever wrote this, it was not shown to be one of us */
			o->n = 0;
			o->unsigned_why = "it is from elsewhere and says it is from a domain of ours";
			return;
		}
	}
	if (!o->n)
		o->unsigned_why = "no domain of ours answers for it, or it has no key";
}

/* ---- asking scan and keys ---- */

/* What the relay will send, in a sealed file. */
static enum result open_message(const struct outgoing *o, int *fd_out)
{
	FD_LOCAL fd = fd_memory("outgoing");
	BUF_LOCAL(part, BLOB_CHUNK);
	enum result r = fd < 0 ? LATER : OK;
	for (uint64_t at = o->strip; r == OK && at < o->size; at += part.n) {
		buf_clear(&part);
		r = blob_read(o->s->blob, &o->at, at, BLOB_CHUNK, &part);
		if (r == OK && !part.n)
			r = LATER;
		if (r == OK)
			r = fd_write_all(fd, buf_slice(&part));
	}
	if (r == OK)
		r = fd_seal(fd);
	if (r != OK)
		return LATER;
	*fd_out = fd;
	fd = -1;
	return OK;
}

static enum result ask_scan(
    const struct outgoing *o, int fd, const Sekisho__DraftAsk *ask, Sekisho__DraftAnswer **out)
{
	struct ipc *c = ipc_thread(o->s->settings->scan);
	struct ipc_fds send = {.fd = {fd}, .n = 1};
	return c && ipc_call(c, ASK_SCAN_DRAFT, ask, &send, o->arena, out, NULL) == OK ? OK : LATER;
}

static Sekisho__DkimSignItem *item_of(
    struct outgoing *o, const Sekisho__Signer *s, struct slice wrapped, const Sekisho__Draft *d)
{
	Sekisho__DkimSignItem *i = arena_new(o->arena, Sekisho__DkimSignItem);
	if (!i)
		return NULL;
	sekisho__dkim_sign_item__init(i);
	i->domain = s->domain;
	i->selector = s->selector;
	i->algorithm = s->algorithm;
	i->wrapped = octets_of(wrapped);
	i->digest = d->digest;
	return i;
}

static enum result ask_keys(
    const struct outgoing *o, Sekisho__DkimSignItem **items, size_t n, Sekisho__DkimSignAnswer **out)
{
	struct ipc *c = ipc_thread(o->s->settings->keys);
	Sekisho__DkimSignAsk ask = SEKISHO__DKIM_SIGN_ASK__INIT;
	ask.items = items;
	ask.n_items = n;
	if (arena_full(o->arena) || !c ||
	    ipc_call(c, ASK_KEYS_DKIM_SIGN, &ask, NULL, o->arena, out, NULL) != OK)
		return LATER;
	return (*out)->n_signatures == n ? OK : LATER;
}

/* The finished field; nothing when the key did not open. */
static void put_field(const struct outgoing *o, const Sekisho__Draft *d, const Sekisho__DkimSignItem *by,
    ProtobufCBinaryData signature, struct buf *out)
{
	struct trust_draft draft = {.head = slice_of_octets(d->head), .tail = slice_of_octets(d->tail)};
	if (signature.len)
		dkim_draft_put(&draft, slice_of_octets(signature), out);
	else
		EVENT(DKIM_UNSIGNED, KV("mail", o->mail), KZ("domain", by->domain),
		    KZ("why", "its key does not open: another master key made it"));
}

/* The second round of ARC: the seal over what the first made. */
static enum result seal(struct outgoing *o, int fd, Sekisho__DraftAsk *ask, struct slice results,
    struct slice signature, struct buf *out)
{
	Sekisho__DraftAnswer *draft;
	Sekisho__DkimSignAnswer *made;
	ask->n_signers = 0;
	ask->results = octets_of(results);
	ask->signature = octets_of(signature);
	enum result r = ask_scan(o, fd, ask, &draft);
	if (r != OK)
		return r;
	if (!draft->arc)
		return OK; /* told below: without a seal the rest of the set must not go */
	Sekisho__DkimSignItem *item = item_of(o, o->sealer, o->sealer_key, draft->arc);
	r = item ? ask_keys(o, &item, 1, &made) : LATER;
	if (r == OK && made->signatures[0].len) {
		put_field(o, draft->arc, item, made->signatures[0], out);
		buf_put(out, signature);
		buf_put(out, results);
	}
	return r;
}

static enum result sign(struct outgoing *o, int fd, struct buf *out)
{
	Sekisho__DraftAsk ask = SEKISHO__DRAFT_ASK__INIT;
	Sekisho__DraftAnswer *draft;
	Sekisho__DkimSignAnswer *made;
	Sekisho__DkimSignItem *items[SIGNERS + 1];
	size_t n = 0;
	BUF_LOCAL(signature, FIELDS_MOST);
	ask.signers = o->signers;
	ask.n_signers = o->n;
	ask.now = clock_utc_ms() / SECOND_MS;
	ask.sealer = (Sekisho__Signer *)(uintptr_t)o->sealer;
	ask.authserv = (char *)(uintptr_t)o->s->settings->hostname;
	enum result r = ask_scan(o, fd, &ask, &draft);
	if (r != OK)
		return r;
	if (draft->n_drafts != o->n && !*draft->why)
		return LATER;
	o->unsigned_why = *draft->why ? draft->why : o->unsigned_why;
	for (; n < draft->n_drafts; n++)
		items[n] = item_of(o, o->signers[n], o->wrapped[n], draft->drafts[n]);
	if (draft->arc)
		items[n++] = item_of(o, o->sealer, o->sealer_key, draft->arc);
	r = n ? ask_keys(o, items, n, &made) : OK;
	if (r == OK && draft->arc) {
		put_field(o, draft->arc, items[n - 1], made->signatures[n - 1], &signature);
		if (signature.n)
			r = seal(o, fd, &ask, slice_of_octets(draft->results), buf_slice(&signature), out);
	}
	for (size_t i = 0; r == OK && i < draft->n_drafts; i++)
		put_field(o, draft->drafts[i], items[i], made->signatures[i], out);
	return r == OK ? buf_result(out) : r;
}

/* ---- the ask ---- */

static enum result plan(struct outgoing *o)
{
	READER r = reader_begin(o->s);
	if (!r.db)
		return LATER;
	enum result done = read_mail(o, r.db);
	if (done == OK)
		done = read_facts(o);
	if (done == OK)
		choose_signers(o, r.db);
	return done == OK && db_result(r.db) != OK ? LATER : done;
}

/* The message in *fd is replaced by the one for a server without 8BITMIME. */
static enum result put_seven(const struct outgoing *o, int *fd)
{
	struct ipc *c = ipc_thread(o->s->settings->scan);
	Sekisho__DraftAsk ask = SEKISHO__DRAFT_ASK__INIT;
	Sekisho__DraftAnswer *answer;
	struct ipc_fds send = {.fd = {*fd}, .n = 1}, got = {.n = 0};
	ask.seven = true;
	enum result r = c ? ipc_call(c, ASK_SCAN_DRAFT, &ask, &send, o->arena, &answer, &got) : LATER;
	if (r == OK && got.n == 1) {
		fd_close(fd);
		*fd = got.fd[0];
		return OK;
	}
	ipc_fds_close(&got);
	return r == DENY ? DENY : LATER;
}

/* *fd: what is sent behind the fields, where it is not the message as it is kept. */
static enum result make(struct outgoing *o, bool seven, struct buf *out, int *fd)
{
	enum result r = plan(o);
	bool signs = o->s->settings->dkim_sign && (o->n || o->sealer);
	if (r == OK && (signs || seven))
		r = open_message(o, fd);
	if (r == OK && seven)
		r = put_seven(o, fd);
	if (r == OK && signs)
		r = sign(o, *fd, out);
	if (seven)
		return r;
	if (r == OK && o->unsigned_why)
		EVENT(
		    DKIM_UNSIGNED, KV("mail", o->mail), KV("domain", o->author), KZ("why", o->unsigned_why));
	if (r == OK && !arena_full(o->arena))
		remember(o->s->lately, o->mail, buf_slice(out));
	return r;
}

/* It may have been held since it was claimed: this is the last look before it goes. */
static enum result still_goes(struct store *s, struct slice mail)
{
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	DB_ROWS q = DB_QUERY(r.db, QUEUED_FIND, DT(mail));
	if (!db_next(&q))
		return db_result(r.db) == OK ? DENY : LATER;
	return db_int(&q, 1) == MAIL_GOING ? OK : DENY;
}

void ask_signature(struct ipc_turn *t)
{
	const Sekisho__SignatureAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct outgoing o = {.s = s, .arena = &t->arena, .mail = slice_str(ask->mail_id)};
	struct slice fields = SLICE_NONE;
	BUF_LOCAL(made, FIELDS_MOST);
	FD_LOCAL fd = -1;
	enum result goes = still_goes(s, o.mail);
	if (goes != OK) {
		refuse(t, goes);
		return;
	}
	if (ask->seven || (s->settings->dkim_sign && !recall(s->lately, o.mail, &t->arena, &fields))) {
		enum result r = make(&o, ask->seven, &made, &fd);
		if (r != OK) {
			refuse(t, r);
			return;
		}
		fields = buf_slice(&made);
	}
	Sekisho__SignatureAnswer answer = SEKISHO__SIGNATURE_ANSWER__INIT;
	answer.fields = octets_of(fields);
	struct ipc_fds fds = {.fd = {fd}, .n = 1};
	ipc_answer(t, &answer, ask->seven ? &fds : NULL);
}
