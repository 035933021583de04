/* MAIL and RCPT. */
#include "session.h"

/* Packed, all recipients go to store in one packet, beside up to 16 KiB of other things (LIMIT_IPC_PACKET). */
#define RCPT_OCTETS ((size_t)96 * 1024)
#define RCPT_OVERHEAD 24 /* tags and lengths of one EnvelopeRcpt */

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

Sekisho__Addr *smtp_addr(struct arena *a, struct mail_addr m)
{
	Sekisho__Addr *addr = arena_new(a, Sekisho__Addr);
	if (addr) {
		sekisho__addr__init(addr);
		addr->local = octets(m.local);
		addr->domain = octets(m.domain);
	}
	return addr;
}

void smtp_mail_end(struct smtp *s)
{
	if (s->mail && s->mail->receiving)
		smtp_body_free(&s->mail->body);
	if (s->mail)
		smtp_submit_free(&s->mail->submit);
	s->mail = NULL;
	arena_free(&s->mail_memory);
}

/* ---- MAIL ---- */

static enum smtp_reply mail_possible(const struct smtp *s)
{
	if (s->service->submission && !s->tls)
		return REPLY_TLS_FIRST;
	if (s->service->submission && !s->login.user.n)
		return REPLY_AUTH_FIRST;
	return s->mail ? REPLY_ORDER : REPLY_NONE;
}

static enum smtp_reply mail_fits(const struct smtp *s, const struct smtp_mail_args *args)
{
	if (args->require_tls && !s->tls)
		return REPLY_NEEDS_TLS;
	if (args->size > s->service->message_size)
		return REPLY_TOO_BIG;
	return smtp_budget_fits(s->service->budget, args->size) ? REPLY_NONE : REPLY_NO_ROOM;
}

enum result smtp_check_sender(
    struct smtp *s, struct mail_addr sender, struct slice *why_out, bool *behalf_out)
{
	Sekisho__SenderAnswer *answer = NULL;
	Sekisho__SenderAsk ask = SEKISHO__SENDER_ASK__INIT;
	ask.sender = smtp_addr(&s->work, sender);
	ask.client = &s->client;
	enum result r = smtp_ask_store(s, ASK_STORE_SENDER, &ask, NULL, &answer, why_out);
	if (r != OK || !s->service->submission)
		return r;
	*behalf_out |= answer->behalf;
	if (s->mail && !s->mail->user.n)
		s->mail->user = arena_dup(&s->mail_memory, slice_str(answer->user));
	return r;
}

/* Another role's no, in its own words. */
static enum result say_result(struct smtp *s, enum result r, struct slice why)
{
	unsigned code;
	char status[16];
	struct slice text = smtp_reply_of(r, why, &code, status);
	smtp_say_text(s, code, status, text);
	return OK;
}

static enum result mail_refused(struct smtp *s, enum smtp_reply r)
{
	smtp_mail_end(s);
	return smtp_answer(s, r);
}

enum result smtp_mail(struct smtp *s, struct slice args)
{
	enum smtp_reply refused = mail_possible(s);
	if (refused != REPLY_NONE)
		return smtp_answer(s, refused);
	if (s->mails >= LIMIT_SMTP_MAILS)
		return smtp_stop(s, REPLY_TOO_MANY_MAILS);
	struct smtp_mail *mail = arena_new(&s->mail_memory, struct smtp_mail);
	if (!mail)
		return smtp_answer(s, REPLY_LATER);
	refused = smtp_mail_parse(args, s->service->submission, &s->mail_memory, &mail->args);
	if (refused == REPLY_NONE)
		refused = mail_fits(s, &mail->args);
	if (refused != REPLY_NONE)
		return mail_refused(s, refused);
	struct slice why;
	s->mail = mail;
	enum result r =
	    s->service->submission ? smtp_check_sender(s, mail->args.from, &why, &mail->behalf) : OK;
	if (r != OK) {
		smtp_mail_end(s);
		return say_result(s, r, why);
	}
	mail->last = &mail->first;
	mail->began_ms = clock_mono_ms();
	return smtp_answer(s, REPLY_SENDER_OK);
}

/* ---- RCPT ---- */

/* RCPT commands that came together: one ask, and the replies in the order of the commands. */
struct batch_rcpt {
	struct batch_rcpt *next;
	enum smtp_reply refused; /* without asking; REPLY_NONE: store says */
	struct smtp_rcpt *rcpt;
};
struct batch {
	struct batch_rcpt *first, **last;
	size_t asked; /* how many store is asked about */
	size_t octets;
};

static size_t rcpt_octets(const struct smtp_rcpt_args *a)
{
	return a->to.local.n + a->to.domain.n + a->orcpt.n + RCPT_OVERHEAD;
}

static enum smtp_reply rcpt_parse(struct smtp *s, struct batch *b, struct slice args, struct smtp_rcpt **out)
{
	struct smtp_mail *mail = s->mail;
	if (!mail || mail->receiving)
		return mail ? REPLY_ORDER : REPLY_MAIL_FIRST;
	if (mail->rcpts + b->asked >= s->service->rcpts)
		return REPLY_TOO_MANY_RCPTS;
	struct smtp_rcpt *rcpt = arena_new(&s->mail_memory, struct smtp_rcpt);
	if (!rcpt)
		return REPLY_TOO_MANY_RCPTS;
	enum smtp_reply r = smtp_rcpt_parse(args, mail->args.utf8, &s->mail_memory, &rcpt->args);
	if (r != REPLY_NONE)
		return r;
	if (mail->rcpt_octets + b->octets + rcpt_octets(&rcpt->args) > RCPT_OCTETS)
		return REPLY_TOO_MANY_RCPTS;
	*out = rcpt;
	return REPLY_NONE;
}

/* False when the batch can take no more. */
static bool batch_add(struct smtp *s, struct batch *b, struct slice args)
{
	struct batch_rcpt *one = arena_new(&s->work, struct batch_rcpt);
	if (!one)
		return false;
	one->refused = rcpt_parse(s, b, args, &one->rcpt);
	if (one->refused == REPLY_NONE) {
		b->asked++;
		b->octets += rcpt_octets(&one->rcpt->args);
	}
	*b->last = one;
	b->last = &one->next;
	return true;
}

/* Takes the RCPT commands that are at hand; the first other line goes back. */
static void batch_collect(struct smtp *s, struct batch *b)
{
	for (int n = 1; n < LIMIT_SMTP_RCPTS && stream_buffered(s->base.stream); n++) {
		struct slice line = SLICE_NONE, args;
		enum result r = smtp_try_line(s, &line);
		if (r == LATER && stream_state(s->base.stream) == OK)
			return; /* half a command waits for its rest; these do not */
		bool rcpt = r == OK && line.n <= LIMIT_SMTP_LINE && smtp_verb_parse(line, &args) == VERB_RCPT;
		if (!rcpt || !batch_add(s, b, args)) {
			smtp_line_back(s, r, line);
			return;
		}
	}
}

static enum result batch_ask(
    struct smtp *s, const struct batch *b, Sekisho__RcptAnswer **answer_out, struct slice *why_out)
{
	Sekisho__RcptAsk ask = SEKISHO__RCPT_ASK__INIT;
	ask.sender = smtp_addr(&s->work, s->mail->args.from);
	ask.client = &s->client;
	ask.size = s->mail->args.size;
	ask.smtputf8 = s->mail->args.utf8;
	ask.rcpts = arena_array(&s->work, b->asked, sizeof *ask.rcpts);
	for (struct batch_rcpt *one = b->first; ask.rcpts && one; one = one->next)
		if (one->refused == REPLY_NONE)
			ask.rcpts[ask.n_rcpts++] = smtp_addr(&s->work, one->rcpt->args.to);
	if (arena_full(&s->work))
		return LATER;
	enum result r = smtp_ask_store(s, ASK_STORE_RCPT, &ask, NULL, answer_out, why_out);
	return r == OK && (*answer_out)->n_verdicts != b->asked ? LATER : r;
}

static void rcpt_accept(struct smtp_mail *mail, struct smtp_rcpt *rcpt)
{
	*mail->last = rcpt;
	mail->last = &rcpt->next;
	mail->rcpts++;
	mail->rcpt_octets += rcpt_octets(&rcpt->args);
}

/* What store said about one recipient. */
static void say_verdict(struct smtp *s, struct smtp_rcpt *rcpt, const Sekisho__Verdict *v)
{
	if (v->result == OK) {
		rcpt_accept(s->mail, rcpt);
		smtp_say(s, REPLY_RCPT_OK);
		return;
	}
	bool code_ok = v->code >= 400 && v->code <= 599;
	unsigned code = code_ok ? v->code : v->result == DENY ? 550 : 451;
	smtp_say_text(s, code, v->status, slice_str(v->why));
	s->bad_rcpts += code >= 500;
	s->idle_commands += code < 500;
}

/* Refused without asking. What is only one too many is no offence, up to a point (RFC 5321 4.5.3.1.10). */
static void say_refused(struct smtp *s, enum smtp_reply refused)
{
	smtp_say(s, refused);
	if (refused == REPLY_TOO_MANY_RCPTS && ++s->mail->rcpts_over > LIMIT_SMTP_RCPTS)
		s->idle_commands++;
}

enum result smtp_rcpt(struct smtp *s, struct slice args)
{
	struct batch b = {.last = &b.first};
	if (!batch_add(s, &b, args))
		return smtp_answer(s, REPLY_LATER);
	batch_collect(s, &b);
	Sekisho__RcptAnswer *answer = NULL;
	struct slice why = SLICE_NONE;
	enum result r = b.asked ? batch_ask(s, &b, &answer, &why) : OK;
	size_t said = 0;
	for (struct batch_rcpt *one = b.first; one; one = one->next) {
		s->about = one->rcpt;
		if (one->refused != REPLY_NONE)
			say_refused(s, one->refused);
		else if (r == OK)
			say_verdict(s, one->rcpt, answer->verdicts[said++]);
		else if (say_result(s, r, why) == OK)
			s->idle_commands++;
		s->about = NULL;
		if (s->bad_commands >= LIMIT_SMTP_BAD_COMMANDS)
			return OK; /* and the loop ends the session */
		if (s->bad_rcpts >= LIMIT_SMTP_BAD_RCPTS)
			return smtp_stop(s, REPLY_TOO_MANY_BAD_RCPTS);
	}
	return OK;
}
