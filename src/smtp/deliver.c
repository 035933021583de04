/* The message is here: scan looks at it, store takes it, and only then the client hears 250. */
#include "session.h"

#define HEAD                                                                                                 \
	((size_t)65536) /* octets of a message in which Received fields are counted here; scan counts them all */
#define SCAN_DEATHS 2
#define SCAN_WAIT_MS 3000 /* for a new life of it */
#define SCAN_WAITS 10     /* times 200 ms (ipc_open) for a scanner that is being restarted */
#define FACTS_INLINE                                                                                         \
	((size_t)12 * 1024) /* beside RCPT_OCTETS of recipients and IPC_TRUST_MOST in one packet */

/* ---- before it is sealed ---- */

static enum result count_hops(const struct smtp_body *b, unsigned *hops_out)
{
	if (b->fd < 0) {
		*hops_out = smtp_trace_hops(buf_slice(&b->small));
		return OK;
	}
	BUF_LOCAL(head, HEAD);
	size_t n = MIN(b->size, HEAD);
	char *p = buf_room(&head, n);
	enum result r = p ? fd_pread_all(b->fd, p, n, 0) : FULL;
	if (r == OK)
		*hops_out = smtp_trace_hops(slice_of(p, n));
	return r;
}

/* What is wrong with the message as far as this role can tell. */
static enum smtp_reply message_check(struct smtp *s)
{
	unsigned hops;
	if (s->mail->text.flaw != REPLY_NONE)
		return s->mail->text.flaw;
	if (count_hops(&s->mail->body, &hops) != OK)
		return REPLY_NO_ROOM;
	return hops > LIMIT_SMTP_HOPS ? REPLY_LOOP : REPLY_NONE;
}

/* ---- scan ---- */

/* Scan gave the message back as it is to be kept. */
static enum result take_rewritten(struct smtp *s, struct ipc_fds *fds)
{
	if (fds->n == 0)
		return BAD;
	int kept = fds->fd[--fds->n];
	uint64_t size;
	if (fd_size(kept, &size) != OK) {
		fd_close(&kept);
		return BAD;
	}
	fd_close(&s->mail->body.fd);
	s->mail->body.fd = kept;
	s->mail->body.size = size;
	return OK;
}

/* What scan gave, as it came, for store. */
struct scanned {
	Sekisho__FactsRef *facts; /* NULL: scan died of this message */
	ProtobufCBinaryData trust, trust_seal;
	struct ipc_fds fds; /* the facts, when they are in a descriptor */
};

static struct ipc *scan_channel(struct smtp *s)
{
	struct ipc *c = ipc_thread(s->service->scan);
	for (int i = 1; !c && i < SCAN_WAITS; i++)
		c = ipc_thread(s->service->scan);
	return c;
}

static enum result scan_once(struct smtp *s, struct scanned *out)
{
	struct ipc *c = scan_channel(s);
	if (!c)
		return LATER;
	Sekisho__ScanAsk ask = SEKISHO__SCAN_ASK__INIT;
	ask.client = &s->client;
	ask.sender = smtp_addr(&s->work, s->mail->args.from);
	ask.added = s->mail->added;
	ask.strip = s->mail->strip;
	struct ipc_fds message = {.fd = {s->mail->body.fd}, .n = 1};
	Sekisho__ScanAnswer *answer = NULL;
	enum result r = ipc_call(c, ASK_SCAN_MESSAGE, &ask, &message, &s->work, &answer, &out->fds);
	if (r == OK && answer->rewritten)
		r = take_rewritten(s, &out->fds);
	if (r != OK)
		return r;
	out->facts = answer->facts;
	out->trust = answer->trust;
	out->trust_seal = answer->trust_seal;
	return OK;
}

/*
 * LATER when there is no scanner now. A message that kills two lives of the scanner, or that it cannot work through,
 * goes on without facts and store keeps it aside: never refused, never tried for ever.
 */
static enum result scan(struct smtp *s, struct scanned *out)
{
	struct ipc_trunk *scanner = s->service->scan;
	enum result r = GONE;
	for (int deaths = 0; r == GONE && deaths < SCAN_DEATHS;) {
		/* That a channel from before has broken may be another message's doing, and long ago. */
		bool stood = ipc_thread_stands(scanner);
		uint64_t life = ipc_trunk_life(scanner);
		r = scan_once(s, out);
		if (r != GONE || (stood && !ipc_thread_stands(scanner)))
			continue;
		if (++deaths < SCAN_DEATHS && !ipc_trunk_wait(scanner, life, SCAN_WAIT_MS))
			return LATER;
	}
	if (r == LATER)
		return LATER;
	if (r != OK)
		EVENT(SCAN_FAILED, KZ("why", result_name(r)), KZ("mail", s->mail->id));
	return OK;
}

/* ---- store ---- */

static Sekisho__EnvelopeRcpt *envelope_rcpt(struct arena *a, const struct smtp_rcpt_args *args)
{
	Sekisho__EnvelopeRcpt *rcpt = arena_new(a, Sekisho__EnvelopeRcpt);
	if (!rcpt)
		return NULL;
	sekisho__envelope_rcpt__init(rcpt);
	rcpt->addr = smtp_addr(a, args->to);
	rcpt->notify = args->notify;
	rcpt->orcpt = arena_z(a, args->orcpt);
	return rcpt;
}

/* Facts that would make the packet too long beside its recipients go by descriptor. */
static enum result facts_move(struct scanned *scanned)
{
	Sekisho__FactsRef *facts = scanned->facts;
	if (!facts || facts->in_fd || facts->packed.len <= FACTS_INLINE)
		return OK;
	FD_LOCAL fd = fd_memory("facts");
	if (fd < 0 || fd_write_all(fd, slice_of(facts->packed.data, facts->packed.len)) != OK ||
	    fd_seal(fd) != OK)
		return LATER;
	facts->packed.len = 0;
	facts->in_fd = true;
	scanned->fds = (struct ipc_fds){.fd = {fd}, .n = 1};
	fd = -1;
	return OK;
}

static enum result store(struct smtp *s, struct scanned *scanned, struct slice *why_out)
{
	const struct smtp_mail *mail = s->mail;
	Sekisho__DeliverAsk ask = SEKISHO__DELIVER_ASK__INIT;
	ask.mail_id = (char *)(uintptr_t)mail->id;
	ask.sender = smtp_addr(&s->work, mail->args.from);
	ask.rcpts = arena_array(&s->work, mail->rcpts, sizeof *ask.rcpts);
	for (const struct smtp_rcpt *rcpt = mail->first; ask.rcpts && rcpt; rcpt = rcpt->next)
		ask.rcpts[ask.n_rcpts++] = envelope_rcpt(&s->work, &rcpt->args);
	ask.client = &s->client;
	ask.envid = arena_z(&s->work, mail->args.envid);
	ask.ret = mail->args.ret;
	ask.smtputf8 = mail->args.utf8;
	ask.require_tls = mail->args.require_tls;
	ask.body = mail->args.body;
	ask.strip = mail->strip;
	ask.facts = scanned->facts;
	ask.scan_failed = !scanned->facts;
	ask.trust = scanned->trust;
	ask.trust_seal = scanned->trust_seal;
	if (arena_full(&s->work) || facts_move(scanned) != OK)
		return LATER;
	struct ipc_fds fds = {.fd = {mail->body.fd}, .n = 1};
	if (scanned->facts && scanned->facts->in_fd && scanned->fds.n == 1)
		fds.fd[fds.n++] = scanned->fds.fd[0];
	Sekisho__DeliverAnswer *answer;
	return smtp_ask_store(s, ASK_STORE_DELIVER, &ask, &fds, &answer, why_out);
}

/* ---- the answer ---- */

static enum result say_accepted(struct smtp *s)
{
	const struct smtp_mail *mail = s->mail;
	BUF_LOCAL(from, 1024);
	BUF_LOCAL(text, 100);
	mail_addr_put(&from, mail->args.from);
	EVENT(SMTP_ACCEPTED, KZ("mail", mail->id), KV("from", buf_slice(&from)), KN("size", mail->body.size),
	    KN("rcpts", mail->rcpts), KN("ms", clock_mono_ms() - mail->began_ms));
	buf_printf(&text, "kept as %s", mail->id);
	smtp_say_text(s, 250, "2.0.0", buf_slice(&text));
	s->mails++;
	s->idle_commands = 0;
	return OK;
}

static enum result say_not_taken(struct smtp *s, enum result r, struct slice why)
{
	unsigned code;
	char status[16];
	struct slice text = smtp_reply_of(r, why, &code, status);
	if (code < 500) {
		BUF_LOCAL(from, 1024);
		mail_addr_put(&from, s->mail->args.from);
		EVENT(SMTP_DEFERRED, KV("from", buf_slice(&from)), KV("why", text));
	}
	smtp_say_text(s, code, status, text);
	return OK;
}

static enum result deliver(struct smtp *s)
{
	enum smtp_reply refused = message_check(s);
	if (refused == REPLY_NONE && smtp_body_seal(&s->mail->body) != OK)
		refused = REPLY_NO_ROOM;
	if (refused != REPLY_NONE)
		return smtp_answer(s, refused);
	struct scanned scanned = {0};
	struct slice why = SLICE_NONE;
	enum result r = scan(s, &scanned);
	if (r == OK)
		r = store(s, &scanned, &why);
	ipc_fds_close(&scanned.fds);
	return r == OK ? say_accepted(s) : say_not_taken(s, r, why);
}

enum result smtp_deliver(struct smtp *s)
{
	enum result r = deliver(s);
	smtp_mail_end(s);
	return r;
}
