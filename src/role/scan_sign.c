/* What is to be signed of a message that leaves, and whether our keys are in the DNS. The keys themselves are elsewhere. */
#include "mail/facts.h"
#include "role/run.h"
#include "role/scan.h"
#include "trust/trust.h"

#define SIGNERS 64
#define ARENA_MOST ((size_t)64 << 20)
#define DNS_MOST_MS (20 * SECOND_MS) /* for the keys of one chain */

static struct dns_trunk names;

void scan_sign_start(const struct run *r)
{
	dns_trunk_init(&names, r->trunks[ROLE_RESOLVER]);
}

static struct slice slice_of_octets(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static ProtobufCBinaryData octets_of(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static Sekisho__Draft *draft_of(const struct trust_draft *d, struct arena *a)
{
	Sekisho__Draft *draft = arena_new(a, Sekisho__Draft);
	uint8_t *digest = arena_alloc(a, TRUST_DIGEST);
	if (!draft || !digest)
		return NULL;
	memcpy(digest, d->digest, TRUST_DIGEST);
	sekisho__draft__init(draft);
	draft->head = octets_of(d->head);
	draft->tail = octets_of(d->tail);
	draft->digest = (ProtobufCBinaryData){TRUST_DIGEST, digest};
	return draft;
}

/* In one turn: the message, what is asked, what is answered. */
struct drafting {
	const Sekisho__DraftAsk *ask;
	struct trust_message m;
	struct arena *arena;
	Sekisho__DraftAnswer answer;
};

static enum result draft_signatures(struct drafting *d)
{
	for (size_t i = 0; i < d->ask->n_signers; i++) {
		const Sekisho__Signer *s = d->ask->signers[i];
		struct dkim_signer how = {
		    .domain = slice_str(s->domain),
		    .selector = slice_str(s->selector),
		    .algorithm = (enum dkim_algorithm)s->algorithm,
		    .header = CANON_RELAXED,
		    .body = CANON_RELAXED,
		    .now_s = d->ask->now,
		};
		struct trust_draft made;
		enum result r = dkim_draft_make(&d->m, &how, &made);
		if (r != OK)
			return r;
		d->answer.drafts[i] = draft_of(&made, d->arena);
		d->answer.n_drafts = i + 1;
	}
	return OK;
}

static enum result draft_arc(struct drafting *d)
{
	const Sekisho__Signer *s = d->ask->sealer;
	struct arc_sealer how = {
	    .domain = slice_str(s->domain),
	    .selector = slice_str(s->selector),
	    .algorithm = (enum dkim_algorithm)s->algorithm,
	    .now_s = d->ask->now,
	};
	struct trust_check check = {.dns = &names.dns, .deadline_ms = clock_mono_ms() + DNS_MOST_MS};
	struct arc_chain chain;
	arc_verify(&d->m, &check, &chain);
	if (chain.temporary)
		return LATER;
	struct trust_draft last;
	if (d->ask->results.len) {
		enum result r = arc_seal_end(&d->m, &chain, &how, slice_of_octets(d->ask->results),
		    slice_of_octets(d->ask->signature), &last);
		if (r == OK)
			d->answer.arc = draft_of(&last, d->arena);
		return r;
	}
	struct arc_draft draft;
	BUF_LOCAL(results, LIMIT_HEADER_FIELD);
	arc_results_put(&d->m, slice_str(d->ask->authserv), &results);
	enum result r = buf_result(&results);
	if (r == OK)
		r = arc_seal_start(&d->m, &chain, &how, buf_slice(&results), &draft);
	if (r == OK) {
		d->answer.results = octets_of(draft.results);
		d->answer.arc = draft_of(&draft.signature, d->arena);
	}
	return r == DENY ? OK : r; /* the chain has ended: no seal */
}

static enum result draft_all(struct drafting *d, struct slice message)
{
	d->answer = (Sekisho__DraftAnswer)SEKISHO__DRAFT_ANSWER__INIT;
	d->answer.drafts = arena_array(d->arena, d->ask->n_signers + 1, sizeof *d->answer.drafts);
	enum result r = d->ask->n_signers <= SIGNERS ? trust_message_read(message, d->arena, &d->m) : BAD;
	if (r == OK)
		r = draft_signatures(d);
	if (r == OK && d->ask->sealer)
		r = draft_arc(d);
	return r;
}

/* The message for a server without 8BITMIME, before anything of it is signed. */
static enum result put_seven(struct slice message, int *fd_out)
{
	ARENA_LOCAL(a, ARENA_MOST);
	Sekisho__Facts *facts;
	BUF_LOCAL(out, LIMIT_MESSAGE_MOST * (size_t)2);
	FD_LOCAL fd = fd_memory("seven");
	enum result r = mail_facts_extract(message, &a, &facts);
	if (r == OK)
		r = mail_seven(message, facts->root, &out);
	if (r == OK)
		r = fd < 0 ? LATER : fd_write_all(fd, buf_slice(&out));
	if (r == OK)
		r = fd_seal(fd);
	if (r != OK)
		return r;
	*fd_out = fd;
	fd = -1;
	return OK;
}

static void answer_seven(struct ipc_turn *t, struct slice message)
{
	Sekisho__DraftAnswer answer = SEKISHO__DRAFT_ANSWER__INIT;
	struct ipc_fds fds = {.n = 1};
	scan_hand_take();
	enum result r = put_seven(message, &fds.fd[0]);
	scan_hand_give();
	if (r != OK) {
		ipc_refuse(t, r, "it cannot be put without 8-bit octets");
		return;
	}
	ipc_answer(t, &answer, &fds);
	ipc_fds_close(&fds);
}

void scan_draft(struct ipc_turn *t)
{
	struct slice message;
	ARENA_LOCAL(a, ARENA_MOST);
	struct drafting d = {.ask = t->ask, .arena = &a};
	if (!scan_map_message(t, &message))
		return;
	if (d.ask->seven) {
		answer_seven(t, message);
		fd_unmap(&message);
		return;
	}
	scan_hand_take();
	enum result r = draft_all(&d, message);
	scan_hand_give();
	if (r == BAD) { /* it leaves as it is, and why is told */
		d.answer = (Sekisho__DraftAnswer)SEKISHO__DRAFT_ANSWER__INIT;
		d.answer.why = (char *)(uintptr_t)(d.m.unfit ? d.m.unfit : "the header cannot be signed");
		r = OK;
	}
	if (r == OK && !arena_full(&a))
		ipc_answer(t, &d.answer, NULL);
	else
		ipc_refuse(t, r == OK ? FULL : r, "it cannot be signed now");
	fd_unmap(&message);
}

void scan_dkim_seen(struct ipc_turn *t)
{
	const Sekisho__DkimSeenAsk *ask = t->ask;
	Sekisho__DkimSeenAnswer answer = SEKISHO__DKIM_SEEN_ANSWER__INIT;
	answer.state = (Sekisho__DkimSeenAnswer__State)dkim_key_seen(&names.dns, slice_str(ask->domain),
	    slice_str(ask->selector), (enum dkim_algorithm)ask->algorithm, slice_of_octets(ask->public_key),
	    &t->arena);
	ipc_answer(t, &answer, NULL);
}
