/*
 * append: APPEND and REPLACE (RFC 3501 6.3.11; RFC 3502 MULTIAPPEND, 3516, 4315, 4469, 6855, 7889, 8508).
 *
 * A message's octets go into a memory file (draft.h), are scanned for their facts and handed to store as a descriptor.
 * When more messages follow, store holds each (STORE_STAGE) until the last has come, and then keeps all or none of them
 * in one transaction. Only then OK.
 */
#include "append.h"
#include "verbs.h"

bool imap_append_stop(struct imap_append *a, enum result reply)
{
	a->reply = reply;
	return false;
}

bool imap_append_bad(struct imap_append *a, const char *why)
{
	imap_args_fail(a->args, why);
	return imap_append_stop(a, imap_bad(a->s, a->args));
}

/* ---- lines and literals ---- */

/* The mailbox, and before it the message that REPLACE names. */
static void parse_target(struct imap_args *p, bool replace, uint32_t *number, struct slice *mailbox)
{
	imap_args_space(p);
	if (replace) {
		*number = imap_args_number(p);
		imap_args_space(p);
	}
	*mailbox = imap_args_mailbox(p);
	imap_args_space(p);
}

bool imap_append_is_message(struct imap_args *p, bool replace)
{
	uint32_t number;
	struct slice mailbox;
	parse_target(p, replace, &number, &mailbox);
	return p->c.err == OK;
}

static bool next_line(struct imap_append *a)
{
	struct imap *s = a->s;
	struct slice line;
	s->message_waits = false;
	enum result r = stream_line(s->base.stream, LIMIT_IMAP_LINE, &line);
	if (r != OK && r != BAD && r != FULL)
		return imap_append_stop(a, GONE);
	if (r != OK || ++a->lines > LIMIT_IMAP_LITERALS)
		return imap_append_bad(a, "Something behind the message");
	line = arena_dup(&s->arena, line);
	s->message_waits = imap_literal_at_end(line, &s->message);
	if (arena_full(&s->arena))
		return imap_append_stop(a, imap_no(s, "LIMIT", "Too much"));
	a->args->c = cursor_of(line);
	return true;
}

/* Whether nothing but the announcement of a literal is left of the line. */
static bool announced(const struct imap_append *a)
{
	const struct imap *s = a->s;
	return a->args->c.err == OK && s->message_waits && s->message.width == a->args->c.rest.n;
}

static void invite(struct imap_append *a)
{
	a->s->message_waits = false;
	if (!a->s->message.nonsync)
		stream_put(a->s->base.stream, SLICE("+ OK\r\n"));
}

bool imap_append_literal(struct imap_append *a)
{
	struct imap *s = a->s;
	struct imap_literal lit = s->message;
	if (!announced(a))
		return imap_append_bad(a, "A message was expected");
	if (lit.n > s->service->message_size || lit.n > s->service->message_size - a->draft.octets)
		return imap_append_stop(a, imap_no(s, "TOOBIG", "Larger than this server takes"));
	if (a->octets + a->draft.octets + lit.n > LIMIT_IMAP_APPEND_OCTETS)
		return imap_append_stop(a, imap_no(s, "LIMIT", "Too much for one command"));
	invite(a);
	if (imap_draft_read(s, &a->draft, lit.n, lit.binary) != OK)
		return imap_append_stop(a, GONE);
	return next_line(a);
}

bool imap_append_astring(struct imap_append *a, struct slice *out)
{
	struct imap *s = a->s;
	if (imap_args_peek(a->args) != '{') {
		*out = imap_args_astring(a->args);
		return a->args->c.err == OK || imap_append_bad(a, "A string was expected");
	}
	if (!announced(a) || s->message.n > LIMIT_IMAP_LINE)
		return imap_append_bad(a, "A string was expected");
	size_t n = (size_t)s->message.n;
	char *p = arena_alloc(&s->arena, n + 1);
	if (!p)
		return imap_append_stop(a, imap_no(s, "LIMIT", "Too much"));
	invite(a);
	if (stream_exact(s->base.stream, p, n) != OK)
		return imap_append_stop(a, GONE);
	*out = slice_of(p, n);
	return next_line(a);
}

/* ---- one message ---- */

static void parse_head(struct imap_append *a)
{
	struct imap_args *p = a->args;
	a->flags = (struct imap_flags){0};
	a->internal_ms = 0;
	if (imap_args_peek(p) == '(') {
		imap_args_flag_list(p, &a->flags);
		imap_args_space(p);
	}
	if (imap_args_peek(p) == '"') {
		a->internal_ms = imap_args_date_time(p);
		imap_args_space(p);
	}
}

/* "UTF8 (~{n}", RFC 6855 section 4. */
static bool utf8_message(struct imap_append *a)
{
	if (!(a->s->enabled & IMAP_UTF8))
		return imap_append_bad(a, "UTF8=ACCEPT was not enabled");
	if (!announced(a) || !a->s->message.binary)
		return imap_append_bad(a, "A message was expected");
	if (!imap_append_literal(a))
		return false;
	return imap_args_try(a->args, ')') || imap_append_bad(a, "Something behind the message");
}

static bool read_message(struct imap_append *a)
{
	struct imap_args *p = a->args;
	parse_head(a);
	if (p->c.err != OK)
		return imap_append_bad(a, "A message was expected");
	bool read = cursor_try_word(&p->c, SLICE("UTF8 ("))       ? utf8_message(a)
		    : cursor_try_word(&p->c, SLICE("CATENATE (")) ? imap_append_catenate(a)
								  : imap_append_literal(a);
	if (!read)
		return false;
	if (!a->draft.octets) /* a change of mind, RFC 3502 section 6 */
		return imap_append_stop(a, imap_no(a->s, NULL, "An empty message is not kept"));
	return true;
}

/* STORE_STAGE, or (the last) STORE_APPEND. */
static bool hand_over(
    struct imap_append *a, enum ipc_ask kind, struct arena *arena, Sekisho__AppendAnswer **out)
{
	struct imap *s = a->s;
	Sekisho__ScanAnswer *scanned = NULL;
	struct ipc_fds facts = {0};
	enum result r = imap_draft_finish(s, &a->draft, arena, &scanned, &facts);
	if (r == FULL)
		return imap_append_stop(a, imap_no(s, "TOOBIG", "Larger than this server takes"));
	if (r != OK)
		return imap_append_stop(a, imap_no(s, "UNAVAILABLE", "Please try again later"));
	struct ipc_fds send = {.fd = {a->draft.fd}, .n = 1};
	Sekisho__AppendAsk ask = SEKISHO__APPEND_ASK__INIT;
	ask.mailbox = arena_z(arena, a->mailbox);
	ask.flags = a->flags.system;
	ask.keywords = imap_keywords_pack(arena, &a->flags);
	ask.n_keywords = a->flags.n;
	ask.internal_ms = a->internal_ms;
	ask.facts = scanned->facts;
	ask.staged = a->staged;
	ask.replace = a->replace;
	if (scanned->facts->in_fd && facts.n)
		send.fd[send.n++] = facts.fd[0];
	r = ask.mailbox && ask.keywords ? ipc_call(&s->store, kind, &ask, &send, arena, out, NULL) : FULL;
	ipc_fds_close(&facts);
	if (r == GONE && s->store.fd >= 0 && slice_eq(slice_str(s->store.why), SLICE("NONEXISTENT")))
		return imap_append_stop(a, imap_no(s, "NONEXISTENT", "The message to be replaced is gone"));
	return r == OK || imap_append_stop(a, imap_refused(s, r, &s->store, "TRYCREATE"));
}

/* More messages follow this one. */
static bool stage(struct imap_append *a)
{
	ARENA_LOCAL(arena, (size_t)64 << 20);
	if (a->staged + 1 == LIMIT_IMAP_APPENDS)
		return imap_append_stop(a, imap_no(a->s, "LIMIT", "Too many messages for one command"));
	if (!hand_over(a, ASK_STORE_STAGE, &arena, NULL))
		return false;
	a->staged++;
	a->octets += a->draft.octets;
	return true;
}

/* ---- the end ---- */

/* NULL: into a mailbox that may not be read, of which nothing is said (RFC 4315 5). */
static const char *append_uid(struct imap_append *a, const Sekisho__AppendAnswer *answer)
{
	struct arena *arena = &a->s->arena;
	if (!answer->uidvalidity)
		return NULL;
	if (!a->staged)
		return arena_printf(arena, "APPENDUID %u %u", answer->uidvalidity, answer->uid);
	return arena_printf(
	    arena, "APPENDUID %u %u:%u", answer->uidvalidity, answer->uid - a->staged, answer->uid);
}

static enum result appended(struct imap_append *a, const Sekisho__AppendAnswer *answer)
{
	struct imap *s = a->s;
	if (s->box && s->box->uidvalidity == answer->uidvalidity) {
		s->store.notes |= NOTE_MAILBOX; /* into the selected mailbox: tell it at once */
		imap_box_put(s, answer->uid - a->staged, answer->uid);
	}
	return imap_ok_code(s, append_uid(a, answer), "Stored");
}

/*
 * The new message is there and the old one is gone. Told in this order, when both are in the selected mailbox; when
 * others changed it too, with all of that.
 */
static enum result replaced(struct imap_append *a, const Sekisho__AppendAnswer *answer)
{
	struct imap *s = a->s;
	struct imap_box *box = s->box;
	struct runs gone = {0};
	bool here = box->uidvalidity == answer->uidvalidity;
	if (here)
		imap_box_put(s, answer->uid, answer->uid);
	const char *code = append_uid(a, answer);
	stream_puts(s->base.stream,
	    code ? arena_printf(&s->arena, "* OK [%s] The new message is there\r\n", code) : "");
	if (s->store.notes & NOTE_MAILBOX)
		return imap_ok(s, "Replaced");
	if (here && imap_uidmap_append(&box->map, answer->uid, 1)) {
		box->uidnext = MAX(box->uidnext, answer->uid + 1);
		imap_put_exists(s);
	}
	if (!imap_runs_add(&gone, &s->arena, a->replace, a->replace))
		return imap_no(s, "LIMIT", "Too much");
	imap_sync_vanished(s, &gone);
	imap_sync_own(box, answer->highestmodseq, false);
	return imap_ok(s, "Replaced");
}

static bool read_all(struct imap_append *a)
{
	for (;;) {
		if (!read_message(a))
			return false;
		if (cursor_end(&a->args->c))
			return true;
		if (a->replace || !imap_args_try(a->args, ' '))
			return imap_append_bad(a, "Something behind the message");
		if (!stage(a))
			return false;
		imap_draft_end(&a->draft);
		imap_draft_begin(&a->draft);
	}
}

/* The messages that store holds for a command that failed. */
static void unstage(struct imap_append *a)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	if (a->staged && a->s->store.fd >= 0)
		result_ignore(imap_ask(a->s, ASK_STORE_UNSTAGE, &ask, NULL)); /* or when the session ends */
}

static enum result run(struct imap_append *a)
{
	Sekisho__AppendAnswer *answer = NULL;
	imap_draft_begin(&a->draft);
	bool stored = read_all(a) && hand_over(a, ASK_STORE_APPEND, &a->s->arena, &answer);
	imap_draft_end(&a->draft);
	if (stored)
		return a->replace ? replaced(a, answer) : appended(a, answer);
	unstage(a);
	return a->reply;
}

enum result imap_append(struct imap *s, struct imap_args *p)
{
	struct imap_append a = {.s = s, .args = p};
	parse_target(p, false, &a.replace, &a.mailbox);
	return p->c.err == OK ? run(&a) : imap_bad(s, p);
}

enum result imap_replace(struct imap *s, struct imap_args *p)
{
	struct imap_append a = {.s = s, .args = p};
	uint32_t number;
	parse_target(p, true, &number, &a.mailbox);
	a.replace = s->uid ? number : imap_uidmap_uid(&s->box->map, number);
	if (p->c.err == OK && !s->uid && !a.replace)
		imap_args_fail(p, "No such message");
	if (p->c.err != OK)
		return imap_bad(s, p);
	if (s->box->examine)
		return imap_no(s, NULL, "Opened to read only");
	if (!imap_uidmap_seq(&s->box->map, a.replace))
		return imap_no(s, "NONEXISTENT", "There is no such message");
	return run(&a);
}
