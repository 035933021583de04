/* DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): the message comes in. */
#include "session.h"

#define CHUNK ((size_t)16384)
#define DRAIN_PAUSE_MS (10 * SECOND_MS) /* whoever sent rubbish may be waiting for an answer already */
#define SMALL_CHUNK 512                 /* octets: smaller ones count as commands without a message */

/* ---- where the octets go ---- */

static void body_take(struct smtp_mail *mail, struct slice run)
{
	smtp_body_put(&mail->body, run);
	if (mail->body.state != OK && mail->text.flaw == REPLY_NONE)
		mail->text.flaw = REPLY_NO_ROOM;
}

/* A submission's From field names only addresses that this account may send for; *behalf_out: not as one of them. */
static enum smtp_reply from_check(struct smtp *s, bool *behalf_out)
{
	const struct smtp_mail *mail = s->mail;
	if (!mail->submit->froms)
		*behalf_out = mail->behalf; /* From is made of the envelope's sender */
	for (size_t i = 0; i < mail->submit->froms; i++) {
		struct mail_addr from = mail->submit->from[i];
		struct slice why;
		if (mail_addr_eq(from, mail->args.from)) {
			*behalf_out |= mail->behalf;
			continue;
		}
		enum result r = smtp_check_sender(s, from, &why, behalf_out);
		if (r != OK)
			return r == DENY || r == BAD ? REPLY_FROM_NOT_YOURS : REPLY_LATER;
	}
	return REPLY_NONE;
}

static void submit_end(struct smtp *s)
{
	struct smtp_mail *mail = s->mail;
	bool behalf = false;
	BUF_LOCAL(header, (size_t)LIMIT_HEADER_BYTES + 8192);
	BUF_LOCAL(signed_header, (size_t)LIMIT_HEADER_BYTES + 16384);
	struct smtp_submit_facts facts = {.sender = mail->args.from,
	    .hostname = s->service->hostname,
	    .mail_id = mail->id,
	    .now_ms = clock_utc_ms()};
	enum smtp_reply r = smtp_submit_finish(mail->submit, &facts, &header);
	if (r == REPLY_NONE)
		r = from_check(s, &behalf);
	if (r == REPLY_NONE && behalf)
		r = smtp_submit_sender(buf_slice(&header), mail->user, &s->work, &signed_header);
	if (r != REPLY_NONE)
		mail->text.flaw = r;
	else
		body_take(mail, buf_slice(behalf ? &signed_header : &header));
}

static void message_take(void *to, struct slice run)
{
	struct smtp *s = to;
	struct smtp_mail *mail = s->mail;
	mail->received += run.n;
	if (mail->received > s->service->message_size) {
		mail->text.flaw = REPLY_TOO_BIG;
		return;
	}
	if (mail->submit && !mail->submit->done) {
		if (!smtp_submit_take(mail->submit, run, &run))
			return;
		submit_end(s);
	}
	if (mail->text.flaw == REPLY_NONE)
		body_take(mail, run);
}

static void put_trace(struct smtp *s)
{
	struct smtp_mail *mail = s->mail;
	BUF_LOCAL(fields, 8192);
	struct smtp_trace trace = {.sender = mail->args.from,
	    .client = &s->client,
	    .hostname = s->service->hostname,
	    .mail_id = mail->id,
	    .rcpt = mail->rcpts == 1 ? &mail->first->args.to : NULL,
	    .esmtp = s->esmtp,
	    .authenticated = s->login.user.n > 0,
	    .utf8 = mail->args.utf8,
	    .hide_client = s->service->submission && !s->service->show_client,
	    .now_ms = clock_utc_ms()};
	mail->strip = (uint32_t)smtp_trace_put(&fields, &trace);
	mail->added = (uint32_t)fields.n;
	body_take(mail, buf_slice(&fields));
}

static void message_begin(struct smtp *s, enum smtp_text_mode mode)
{
	struct smtp_mail *mail = s->mail;
	mail->receiving = true;
	smtp_mail_id(mail->id);
	smtp_body_init(&mail->body, s->service->budget);
	mail->text = (struct smtp_text){.mode = mode, .put = message_take, .to = s};
	put_trace(s);
	if (s->service->submission && !(mail->submit = smtp_submit_new(&s->mail_memory)))
		mail->text.flaw = REPLY_NO_ROOM;
}

/* The last octet was taken: what waited for more is done now. */
static void message_end(struct smtp *s)
{
	struct smtp_mail *mail = s->mail;
	smtp_text_finish(&mail->text);
	if (mail->text.flaw == REPLY_NONE && mail->submit && !mail->submit->done)
		submit_end(s);
}

/* ---- where they come from ---- */

/* Nobody may make us read for ever what will be refused anyway. */
static uint64_t most_octets(const struct smtp *s)
{
	return 2 * s->service->message_size + LIMIT_HEADER_BYTES;
}

/* Some octets of a message. STOP when the client stopped sending a message that has a flaw: it got its answer. */
static enum result message_some(struct smtp *s, size_t most, struct slice *out)
{
	struct stream *stream = s->base.stream;
	if (s->mail->text.flaw != REPLY_NONE &&
	    stream_wait(stream, MIN(DRAIN_PAUSE_MS, s->service->line_ms)) == LATER &&
	    stream_state(stream) == OK)
		return smtp_stop(s, s->mail->text.flaw);
	enum result r = stream_some(stream, most, out);
	if (r != OK)
		s->end_why =
		    r == LATER ? "stopped in the middle of a message" : "hung up in the middle of a message";
	return r;
}

static void begin_receiving(struct smtp *s)
{
	stream_timeout(s->base.stream, s->service->data_ms);
	stream_rate(s->base.stream, s->service->rate);
}

static enum result data_receive(struct smtp *s)
{
	struct smtp_text *text = &s->mail->text;
	uint64_t octets = 0;
	/* The client reads 354 first: wait for it, rather than look in vain. */
	if (stream_wait(s->base.stream, s->service->data_ms) == LATER && stream_state(s->base.stream) == OK)
		return smtp_stop(s, REPLY_TIMEOUT);
	begin_receiving(s);
	while (!smtp_text_ended(text)) {
		struct slice some = SLICE_NONE;
		enum result r = message_some(s, CHUNK, &some);
		if (r != OK)
			return r;
		size_t taken = smtp_text_take(text, some);
		stream_unread(s->base.stream, some.n - taken);
		octets += taken;
		if (octets > most_octets(s))
			return smtp_stop(s, REPLY_TOO_BIG);
	}
	stream_rate(s->base.stream, 0);
	return OK;
}

enum result smtp_data(struct smtp *s, struct slice args)
{
	struct smtp_mail *mail = s->mail;
	if (!mail)
		return smtp_answer(s, REPLY_MAIL_FIRST);
	if (mail->receiving)
		return smtp_answer(s, REPLY_ORDER);
	if (!mail->rcpts)
		return smtp_answer(s, REPLY_NO_RCPTS);
	if (mail->args.body == BODY_BINARYMIME)
		return smtp_answer(s, REPLY_BINARY_DATA);
	smtp_say(s, REPLY_START_MAIL);
	message_begin(s, TEXT_DATA);
	enum result r = data_receive(s);
	if (r != OK)
		return r;
	message_end(s);
	return smtp_deliver(s);
}

/* ---- BDAT ---- */

/* Reads a chunk that nobody wants, so that the next command is found behind it. */
static enum result chunk_drain(struct smtp *s, uint64_t size)
{
	if (size > most_octets(s))
		return smtp_stop(s, REPLY_TOO_BIG);
	begin_receiving(s);
	while (size) {
		struct slice some;
		enum result r = stream_some(s->base.stream, MIN(size, CHUNK), &some);
		if (r != OK)
			return r;
		size -= some.n;
	}
	stream_rate(s->base.stream, 0);
	return OK;
}

static enum result chunk_receive(struct smtp *s, uint64_t size)
{
	struct smtp_mail *mail = s->mail;
	if (size > s->service->message_size - MIN(mail->received, s->service->message_size)) {
		mail->text.flaw = REPLY_TOO_BIG;
		return chunk_drain(s, size);
	}
	begin_receiving(s);
	while (size) {
		struct slice some = SLICE_NONE;
		enum result r = stream_some(s->base.stream, MIN(size, CHUNK), &some);
		if (r != OK) {
			s->end_why = r == LATER ? "stopped in the middle of a chunk"
						: "hung up in the middle of a chunk";
			return r;
		}
		smtp_text_take(&mail->text, some);
		size -= some.n;
	}
	stream_rate(s->base.stream, 0);
	return OK;
}

static enum smtp_reply chunk_possible(const struct smtp_mail *mail)
{
	if (!mail)
		return REPLY_MAIL_FIRST;
	if (mail->failed)
		return REPLY_CHUNK_DRAINED;
	return mail->rcpts ? REPLY_NONE : REPLY_NO_RCPTS;
}

/* A chunk in the middle. */
static enum result chunk_answer(struct smtp *s, uint64_t size)
{
	struct smtp_mail *mail = s->mail;
	if (mail->text.flaw != REPLY_NONE) {
		mail->failed = true;
		smtp_body_free(&mail->body);
		return smtp_answer(s, mail->text.flaw);
	}
	BUF_LOCAL(text, 100);
	buf_printf(&text, "%llu octets", (unsigned long long)size);
	smtp_say_text(s, 250, "2.0.0", buf_slice(&text));
	return OK;
}

enum result smtp_bdat(struct smtp *s, struct slice args)
{
	uint64_t size;
	bool last;
	if (smtp_bdat_parse(args, &size, &last) != REPLY_NONE)
		return smtp_stop(s, REPLY_SYNTAX); /* where the next command begins is not known any more */
	s->idle_commands += size < SMALL_CHUNK;
	enum smtp_reply refused = chunk_possible(s->mail);
	if (refused != REPLY_NONE) {
		enum result r = chunk_drain(s, size);
		return r == OK ? smtp_answer(s, refused) : r;
	}
	struct smtp_mail *mail = s->mail;
	if (!mail->receiving)
		message_begin(s, mail->args.body == BODY_BINARYMIME ? TEXT_BINARY : TEXT_CHUNKS);
	enum result r = chunk_receive(s, size);
	if (r != OK)
		return r;
	if (!last)
		return chunk_answer(s, size);
	message_end(s);
	return smtp_deliver(s);
}
