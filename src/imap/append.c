/*
 * append: APPEND (RFC 3501 6.3.11; RFC 4315, 6855, 7889).
 *
 * The literal streams into a memfd, is sealed, read by scan for its facts and handed to store as a descriptor; only
 * then OK. Lines that end in a bare LF are stored with CRLF and a NUL becomes 80, so that all offsets are those of what
 * is served later; bare CRs stay.
 */
#include "verbs.h"

struct target {
	struct slice mailbox;
	struct imap_flags flags;
	int64_t internal_ms;
	bool utf8; /* "UTF8 (~{n}", RFC 6855 section 4 */
};

/* Everything before the message; what is left in the cursor is its literal's announcement. */
static void parse_target(struct imap_args *p, struct target *t)
{
	imap_args_space(p);
	t->mailbox = imap_args_mailbox(p);
	imap_args_space(p);
	if (imap_args_peek(p) == '(') {
		imap_args_flag_list(p, &t->flags);
		imap_args_space(p);
	}
	if (imap_args_peek(p) == '"') {
		t->internal_ms = imap_args_date_time(p);
		imap_args_space(p);
	}
	t->utf8 = cursor_try_word(&p->c, SLICE("UTF8 ("));
}

static bool is_announcement(struct slice s)
{
	struct imap_literal lit;
	return imap_literal_at_end(s, &lit) && lit.width == s.n;
}

bool imap_append_is_message(struct imap_args *p)
{
	struct target t = {0};
	parse_target(p, &t);
	return p->c.err == OK && is_announcement(p->c.rest);
}

/* With *cr whether the octet before was a CR. */
static void normalise(struct slice in, bool *cr, struct buf *out)
{
	size_t from = 0;
	buf_clear(out);
	for (size_t i = 0; i < in.n;) {
		const char *lf = memchr(in.p + i, '\n', in.n - i);
		if (!lf)
			break;
		i = (size_t)(lf - in.p);
		if (i ? in.p[i - 1] != '\r' : !*cr) {
			buf_put(out, slice_sub(in, from, i - from));
			buf_puts(out, "\r\n");
			from = i + 1;
		}
		i++;
	}
	buf_put(out, slice_sub(in, from, in.n));
	*cr = in.n && in.p[in.n - 1] == '\r';
	for (char *nul = out->n ? memchr(out->p, 0, out->n) : NULL; nul;) {
		*nul = (char)0x80;
		nul = memchr(nul, 0, out->n - (size_t)(nul - out->p));
	}
}

/* LATER: our own trouble, and the client's octets were all read. */
static enum result receive(struct imap *s, uint64_t n, int fd)
{
	BUF_LOCAL(chunk, 2 * 65536);
	bool cr = false;
	enum result written = fd >= 0 ? OK : LATER;
	while (n) {
		struct slice some;
		enum result r = stream_some(s->base.stream, (size_t)MIN(n, 65536), &some);
		if (r != OK)
			return GONE;
		n -= some.n;
		normalise(some, &cr, &chunk);
		if (written == OK)
			written = fd_write_all(fd, buf_slice(&chunk));
	}
	return written == OK ? OK : LATER;
}

/* What stands behind the message: the end of the line. */
static enum result end_of_command(struct imap *s, const struct target *t)
{
	struct slice line;
	enum result r = stream_line(s->base.stream, LIMIT_IMAP_LINE, &line);
	if (r == OK)
		return slice_eq(line, t->utf8 ? SLICE(")") : SLICE("")) ? OK : BAD;
	return r == BAD || r == FULL ? BAD : GONE;
}

static enum result scan_message(
    struct imap *s, int message, Sekisho__ScanAnswer **answer_out, struct ipc_fds *got)
{
	Sekisho__ScanAsk ask = SEKISHO__SCAN_ASK__INIT;
	struct ipc_fds send = {.fd = {message}, .n = 1};
	ask.client = imap_client(s);
	enum result r = LATER;
	for (int tries = 0; tries < 2; tries++) { /* once more when it died, of another message perhaps */
		struct ipc *scan = ipc_thread(s->service->scan);
		if (!scan)
			return LATER;
		r = ipc_call(scan, ASK_SCAN_MESSAGE, &ask, &send, &s->arena, answer_out, got);
		if (r != GONE)
			break;
	}
	return r;
}

static enum result store_message(
    struct imap *s, const struct target *t, int message, Sekisho__AppendAnswer **out)
{
	Sekisho__ScanAnswer *scanned = NULL;
	struct ipc_fds facts = {0}, send = {.fd = {message}, .n = 1};
	enum result r = scan_message(s, message, &scanned, &facts);
	if (r != OK || !scanned->facts)
		return LATER;
	Sekisho__AppendAsk ask = SEKISHO__APPEND_ASK__INIT;
	ask.mailbox = arena_z(&s->arena, t->mailbox);
	ask.flags = t->flags.system;
	ask.keywords = imap_keywords_pack(&s->arena, &t->flags);
	ask.n_keywords = t->flags.n;
	ask.internal_ms = t->internal_ms;
	ask.facts = scanned->facts;
	if (scanned->facts->in_fd && facts.n)
		send.fd[send.n++] = facts.fd[0];
	r = FULL;
	if (ask.mailbox && ask.keywords)
		r = ipc_call(&s->store, ASK_STORE_APPEND, &ask, &send, &s->arena, out, NULL);
	ipc_fds_close(&facts);
	return r;
}

static enum result appended(struct imap *s, const Sekisho__AppendAnswer *a)
{
	if (s->box && s->box->uidvalidity == a->uidvalidity)
		s->store.notes |= NOTE_MAILBOX; /* into the selected mailbox: tell it at once */
	return imap_ok_code(s, arena_printf(&s->arena, "APPENDUID %u %u", a->uidvalidity, a->uid), "Stored");
}

static enum result take_message(struct imap *s, const struct target *t)
{
	FD_LOCAL fd = fd_memory("append");
	struct imap_literal lit = s->message;
	s->message_waits = false;
	if (!lit.nonsync)
		stream_put(s->base.stream, SLICE("+ OK\r\n"));
	enum result r = receive(s, lit.n, fd);
	if (r == GONE)
		return GONE;
	enum result end = end_of_command(s, t);
	if (end != OK)
		return end == BAD ? imap_bad(s, &(struct imap_args){.why = "Something behind the message"})
				  : end;
	if (r != OK || fd_seal(fd) != OK)
		return imap_no(s, "UNAVAILABLE", "Please try again later");
	Sekisho__AppendAnswer *answer = NULL;
	r = store_message(s, t, fd, &answer);
	return r == OK ? appended(s, answer) : imap_refused(s, r, &s->store, "TRYCREATE");
}

enum result imap_append(struct imap *s, struct imap_args *p)
{
	struct target t = {0};
	parse_target(p, &t);
	if (p->c.err != OK || !s->message_waits || s->message.binary != t.utf8) {
		imap_args_fail(p, "A message was expected");
		return imap_bad(s, p);
	}
	if (t.utf8 && !(s->enabled & IMAP_UTF8))
		return imap_bad(s, &(struct imap_args){.why = "UTF8=ACCEPT was not enabled"});
	if (s->message.n > s->service->message_size)
		return imap_no(s, "TOOBIG", "Larger than this server takes");
	if (s->message.n == 0) { /* a change of mind, RFC 3502 section 6 */
		if (!s->message.nonsync) {
			s->message_waits = false;
			stream_put(s->base.stream, SLICE("+ OK\r\n"));
			enum result end = end_of_command(s, &t);
			if (end == GONE)
				return GONE;
		}
		return imap_no(s, NULL, "An empty message is not kept");
	}
	return take_message(s, &t);
}
