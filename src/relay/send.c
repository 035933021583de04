/*
 * One message over one connection: MAIL, RCPT and DATA in one go where the server allows it (RFC 2920), or with BDAT the
 * octets too (RFC 3030), so that a small message costs one round trip.
 */
#include "relay/inner.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#define OR(ms, otherwise) ((ms) ? (ms) : (otherwise))
#define SLOWEST 64 /* octets a second that a server must take of a message */
#define ROUND 100  /* recipients of a transaction */
#define ORCPT 1000 /* octets; what is longer is left out */
/* Octets of a command: an address twice as long when quoted, ORCPT eight times as long when encoded. */
#define COMMAND 16384

enum how {
	HOW_DATA,
	HOW_CHUNK, /* one BDAT with all of it, sent along with the commands */
	HOW_CHUNKS /* a BDAT for each part, after the recipients' replies */
};

struct talk {
	struct delivery *d;
	struct link *l;
	const Sekisho__Job *msg;
	struct rcpt *list[ROUND];
	size_t n, accepted;
	bool utf8; /* SMTPUTF8 is used */
	enum how how;
	bool all_sent; /* with the end of the message, and MAIL was not refused: the server may have it */
	uint64_t octets_in; /* of the connection, before this transaction */
};

/* ---- what replies mean ---- */

/* The recipient is refused: for good, or by this host for now. */
static void refuse_rcpt(struct talk *t, struct rcpt *r, const struct why *why)
{
	r->state = RCPT_OPEN;
	r->why = *why;
	if (why->permanent)
		deliver_decide(t->d, r, SEKISHO__ATTEMPT__OUTCOME__FAILED, why, t->l);
}

static void refuse_all(struct talk *t, const struct why *why)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i]->state != RCPT_DONE)
			refuse_rcpt(t, t->list[i], why);
}

/* Decides the recipients whose message the server has, or may have. */
static void decide_accepted(struct talk *t, Sekisho__Attempt__Outcome kind, const struct why *why)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i]->state == RCPT_ACCEPTED)
			deliver_decide(t->d, t->list[i], kind, why, t->l);
}

static void lost_why(struct talk *t, enum result r, const char *when, struct why *why)
{
	t->l->broken = true;
	why_set(why, false, r == BAD ? "4.5.0" : "4.4.2", "%s[%s]: %s %s", t->l->host, t->l->ip,
	    r == LATER ? "no answer in time"
	    : r == BAD ? "not an SMTP reply"
		       : "the connection was lost",
	    when);
	t->d->why = *why; /* for the recipients that had no turn over this connection */
}

/*
 * All octets were sent and no answer came: the server may have the message. Another host could deliver it twice; the same
 * one, later, is what RFC 5321 4.5.3.2.6 leaves us.
 */
static void unclear(struct talk *t, enum result r)
{
	struct why why;
	lost_why(t, r, "after the message was sent; whether it arrived is not known", &why);
	for (size_t i = 0; i < t->n; i++) {
		struct rcpt *rcpt = t->list[i];
		/* Open without a reason: its reply to RCPT is among what was lost. */
		if (rcpt->state == RCPT_ACCEPTED || (rcpt->state == RCPT_OPEN && !rcpt->why.status[0]))
			deliver_decide(t->d, rcpt, SEKISHO__ATTEMPT__OUTCOME__DEFERRED, &why, t->l);
	}
}

static void lost(struct talk *t, enum result r, const char *when)
{
	struct why why;
	/* A connection that was used before and says nothing at all had ended while it was idle. */
	bool was_idle = t->l->mails > 1 && stream_octets_in(t->l->stream) == t->octets_in;
	if (t->all_sent && !was_idle) {
		unclear(t, r);
		return;
	}
	lost_why(t, r, when, &why);
	for (size_t i = 0; i < t->n; i++) {
		struct rcpt *rcpt = t->list[i];
		/* What the server said before it went counts more. */
		if (rcpt->state == RCPT_ACCEPTED || (rcpt->state == RCPT_OPEN && !rcpt->why.status[0]))
			refuse_rcpt(t, rcpt, &why);
	}
}

static enum result read_reply(struct talk *t, struct reply *r)
{
	enum result got = reply_read(t->l->stream, r, NULL, NULL);
	if (got == OK && r->code == 421) {
		t->l->broken = true;
		why_reply(&t->d->why, r);
	}
	return got;
}

/* ---- commands ---- */

static struct mail_addr addr_of(const Sekisho__Addr *a)
{
	if (!a)
		return (struct mail_addr){0};
	return (struct mail_addr){
	    slice_of(a->local.data, a->local.len), slice_of(a->domain.data, a->domain.len)};
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

/*
 * <local@domain>, the domain in A-labels where UTF-8 may not be used. False: it cannot be written for this server;
 * drop_unwritable() has seen to it that no such address is left when commands are put.
 */
static bool put_path(struct talk *t, const Sekisho__Addr *addr, struct buf *b)
{
	struct mail_addr a = addr_of(addr), ascii = a;
	if (has_control(a.local) || has_control(a.domain))
		return false;
	if (!t->utf8 && !mail_addr_null(a) &&
	    (!slice_is_ascii(a.local) || mail_addr_canon(a, &t->d->arena, &ascii) != OK))
		return false;
	mail_path_put(b, slice_is_ascii(a.domain) ? a : ascii);
	return true;
}

static void put_mail(struct talk *t)
{
	BUF_LOCAL(b, COMMAND);
	const struct caps *c = &t->l->caps;
	buf_puts(&b, "MAIL FROM:");
	(void)put_path(t, t->msg->sender, &b);
	if (c->size)
		buf_printf(&b, " SIZE=%llu", (unsigned long long)delivery_size(t->d));
	if (t->msg->body == 2 && !t->d->seven)
		buf_puts(&b, " BODY=BINARYMIME");
	else if (t->msg->body == 1 && c->eightbit)
		buf_puts(&b, " BODY=8BITMIME");
	if (t->utf8)
		buf_puts(&b, " SMTPUTF8");
	if (t->msg->require_tls && c->requiretls && stream_is_tls(t->l->stream))
		buf_puts(&b, " REQUIRETLS");
	if (c->dsn && t->msg->ret)
		buf_puts(&b, t->msg->ret == 1 ? " RET=FULL" : " RET=HDRS");
	if (c->dsn && *t->msg->envid) {
		buf_puts(&b, " ENVID=");
		mail_xtext_put(&b, slice_str(t->msg->envid));
	}
	buf_puts(&b, "\r\n");
	stream_put(t->l->stream, buf_slice(&b));
}

static void put_notify(struct buf *b, uint32_t notify)
{
	static const char *const names[] = {"SUCCESS", "FAILURE", "DELAY"};
	const char *before = " NOTIFY=";
	if (notify & 8) {
		buf_puts(b, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < COUNT(names); i++)
		if (notify & 1u << i) {
			buf_printf(b, "%s%s", before, names[i]);
			before = ",";
		}
}

/* "type;address", decoded. */
static void put_orcpt(struct buf *b, struct slice orcpt)
{
	struct slice address = orcpt, type = slice_split(&address, ';');
	for (size_t i = 0; i < type.n; i++)
		if (!ascii_alpha(type.p[i]) && !ascii_digit(type.p[i]) && type.p[i] != '-')
			return;
	if (type.n == 0 || address.n == 0 || address.n > ORCPT)
		return;
	buf_puts(b, " ORCPT=");
	buf_put(b, type);
	buf_putc(b, ';');
	if (slice_ieq(type, SLICE("utf-8")))
		mail_utf8_xtext_put(b, address);
	else
		mail_xtext_put(b, address);
}

static void put_rcpt(struct talk *t, const struct rcpt *r)
{
	BUF_LOCAL(b, COMMAND);
	buf_puts(&b, "RCPT TO:");
	(void)put_path(t, r->msg->addr, &b);
	if (t->l->caps.dsn) {
		put_notify(&b, r->msg->notify);
		put_orcpt(&b, slice_str(r->msg->orcpt));
	}
	buf_puts(&b, "\r\n");
	stream_put(t->l->stream, buf_slice(&b));
}

/* ---- replies to commands ---- */

/*
 * Before another reply of the same group: a server that writes each reply by itself, with Nagle's algorithm, waits for our
 * acknowledgement of the one before, which we would delay by 40 ms.
 */
static void acknowledge(const struct link *l)
{
	int on = 1, fd = stream_fd(l->stream);
	if (fd >= 0 && !stream_buffered(l->stream))
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* OK also when refused (nothing is accepted then); otherwise the connection is lost, and that is noted. */
static enum result read_mail(struct talk *t, bool *good_out)
{
	struct reply r;
	enum result got = read_reply(t, &r);
	*good_out = got == OK && reply_good(&r);
	if (got != OK) {
		lost(t, got, "after MAIL");
	} else if (!*good_out) {
		struct why why;
		why_reply(&why, &r);
		t->all_sent = false;
		refuse_all(t, &why);
		t->l->dirty = true;
	}
	return got;
}

static enum result read_rcpt(struct talk *t, struct rcpt *r, bool mail_good)
{
	struct reply reply;
	acknowledge(t->l);
	enum result got = read_reply(t, &reply);
	if (got != OK) {
		lost(t, got, "after RCPT");
	} else if (mail_good && reply_good(&reply)) {
		r->state = RCPT_ACCEPTED;
		t->accepted++;
	} else if (mail_good) {
		struct why why;
		why_reply(&why, &reply);
		refuse_rcpt(t, r, &why);
	}
	return got;
}

/* ---- the message ---- */

/* The reply to the end of the message. */
static void read_end(struct talk *t)
{
	struct reply r;
	struct why why;
	stream_timeout(t->l->stream, OR(t->d->settings->times.end, 10 * MINUTE_MS));
	enum result got = read_reply(t, &r);
	stream_rate(t->l->stream, 0);
	if (got != OK) {
		if (t->accepted)
			unclear(t, got);
		else
			lost(t, got, "after the message");
		return;
	}
	t->l->dirty = !reply_good(&r);
	why_reply(&why, &r);
	decide_accepted(t,
	    reply_good(&r)  ? SEKISHO__ATTEMPT__OUTCOME__SENT
	    : why.permanent ? SEKISHO__ATTEMPT__OUTCOME__FAILED
			    : SEKISHO__ATTEMPT__OUTCOME__DEFERRED,
	    &why);
}

/* Our own copy cannot be sent: the connection ends without the end of the data, so that the server drops its part. */
static void body_failed(struct talk *t, enum result r)
{
	struct why why;
	t->l->broken = true;
	if (r == BAD)
		why_set(&why, true, "5.6.0", "the message has a bare CR or LF, or is not complete");
	else
		why_set(&why, false, "4.3.0", "the message cannot be read now");
	decide_accepted(
	    t, r == BAD ? SEKISHO__ATTEMPT__OUTCOME__FAILED : SEKISHO__ATTEMPT__OUTCOME__DEFERRED, &why);
}

static void send_data(struct talk *t)
{
	struct stream *s = t->l->stream;
	struct stuffing state = {0};
	struct body body;
	struct slice part;
	enum result r;
	body_open(&body, t->d);
	stream_rate(s, SLOWEST);
	while ((r = body_next(&body, &part)) == OK && part.n && (r = body_stuff(s, &state, part)) == OK &&
	       stream_state(s) == OK)
		;
	body_close(&body);
	if (r != OK || state.cr) {
		body_failed(t, state.cr && r == OK ? BAD : r);
		return;
	}
	if (state.in_line)
		stream_puts(s, "\r\n");
	/* Nothing of the end is sent before this flush. */
	r = stream_flush(s);
	if (r != OK) {
		lost(t, r, "while the message was sent");
		return;
	}
	stream_puts(s, ".\r\n");
	read_end(t);
}

/* The reply to DATA, then the message. */
static void finish_data(struct talk *t)
{
	struct reply r;
	stream_timeout(t->l->stream, OR(t->d->settings->times.data, 3 * MINUTE_MS));
	enum result got = read_reply(t, &r);
	if (got != OK) {
		lost(t, got, "after DATA");
		return;
	}
	if (r.code == 354 && t->accepted) {
		send_data(t);
	} else if (r.code == 354) {
		/* RFC 2920 3.1: nobody is left to get it, and the server waits for it. */
		stream_puts(t->l->stream, ".\r\n");
		got = read_reply(t, &r);
		if (got != OK)
			lost(t, got, "after DATA");
	} else {
		struct why why;
		why_reply(&why, &r);
		if (reply_good(&r))
			why_set(&why, false, "4.5.0", "%s[%s]: not a reply to DATA: %s", t->l->host, t->l->ip,
			    r.text);
		for (size_t i = 0; i < t->n; i++)
			if (t->list[i]->state == RCPT_ACCEPTED)
				refuse_rcpt(t, t->list[i], &why);
		t->l->dirty = true;
	}
}

static void send_chunks(struct talk *t)
{
	struct stream *s = t->l->stream;
	struct body body;
	struct slice part;
	enum result r = OK;
	body_open(&body, t->d);
	stream_timeout(s, OR(t->d->settings->times.data, 3 * MINUTE_MS));
	stream_rate(s, SLOWEST);
	do {
		struct reply reply;
		r = body_next(&body, &part);
		if (r != OK) {
			body_failed(t, r);
			break;
		}
		bool last = body.offset == body.size;
		stream_printf(s, "BDAT %zu%s\r\n", part.n, last ? " LAST" : "");
		stream_put(s, part);
		if (last) {
			read_end(t);
			break;
		}
		r = read_reply(t, &reply);
		if (r != OK) {
			lost(t, r, "while the message was sent");
		} else if (!reply_good(&reply)) {
			struct why why;
			why_reply(&why, &reply);
			for (size_t i = 0; i < t->n; i++)
				if (t->list[i]->state == RCPT_ACCEPTED)
					refuse_rcpt(t, t->list[i], &why);
			t->l->dirty = true;
			r = DENY;
		}
	} while (r == OK);
	stream_rate(s, 0);
	body_close(&body);
}

/* ---- a transaction ---- */

/* RSET, MAIL and all RCPT at once, and with them DATA or the whole message. */
static void transact_pipelined(struct talk *t)
{
	struct stream *s = t->l->stream;
	bool dirty = t->l->dirty, good = false;
	struct reply r;
	if (dirty)
		stream_puts(s, "RSET\r\n");
	put_mail(t);
	for (size_t i = 0; i < t->n; i++)
		put_rcpt(t, t->list[i]);
	if (t->how == HOW_DATA) {
		stream_puts(s, "DATA\r\n");
	} else if (t->how == HOW_CHUNK) {
		stream_printf(s, "BDAT %zu LAST\r\n", t->d->signature.n + t->msg->data.len);
		stream_put(s, t->d->signature);
		stream_put(s, slice_of(t->msg->data.data, t->msg->data.len));
		t->all_sent = true;
	}
	t->l->dirty = false;
	enum result got = dirty ? read_reply(t, &r) : OK;
	if (got != OK)
		lost(t, got, "after RSET");
	if (got == OK)
		got = read_mail(t, &good);
	for (size_t i = 0; i < t->n && got == OK; i++)
		got = read_rcpt(t, t->list[i], good);
	if (got != OK)
		return;
	acknowledge(t->l);
	if (t->how == HOW_DATA)
		finish_data(t);
	else if (t->how == HOW_CHUNK)
		read_end(t);
	else if (t->accepted)
		send_chunks(t);
	else
		t->l->dirty = true;
}

static void transact_slowly(struct talk *t)
{
	struct reply r;
	bool good;
	enum result got = OK;
	if (t->l->dirty) {
		stream_puts(t->l->stream, "RSET\r\n");
		got = read_reply(t, &r);
		if (got != OK) {
			lost(t, got, "after RSET");
			return;
		}
	}
	t->l->dirty = false;
	put_mail(t);
	if (read_mail(t, &good) != OK || !good)
		return;
	for (size_t i = 0; i < t->n && got == OK; i++) {
		put_rcpt(t, t->list[i]);
		got = read_rcpt(t, t->list[i], true);
	}
	if (got != OK)
		return;
	if (!t->accepted) {
		t->l->dirty = true;
	} else if (t->how == HOW_DATA) {
		stream_puts(t->l->stream, "DATA\r\n");
		finish_data(t);
	} else {
		send_chunks(t);
	}
}

/* ---- what this server can take ---- */

/* The header has no octet above 127: without UTF-8 addresses nothing of it needs SMTPUTF8. */
static bool header_is_ascii(struct delivery *d)
{
	struct body body;
	struct slice part;
	body_open(&body, d);
	body.begun = true; /* what we put before it is ASCII */
	bool ascii = false;
	if (body_next(&body, &part) == OK) {
		ptrdiff_t end = slice_search(part, SLICE("\r\n\r\n"));
		ascii = end >= 0 && slice_is_ascii(slice_sub(part, 0, (size_t)end));
	}
	body_close(&body);
	return ascii;
}

/* Sets utf8 and how; the reason when this server cannot take the message. */
static bool can_take(struct talk *t, struct why *why)
{
	const struct caps *c = &t->l->caps;
	if (!delivery_suit(t->d, t->l, why))
		return false;
	uint64_t size = delivery_size(t->d);
	if (c->size_most && size > c->size_most) {
		why_set(why, true, "5.3.4", "%s takes no messages above %llu octets; this one has %llu",
		    t->l->host, (unsigned long long)c->size_most, (unsigned long long)size);
		return false;
	}
	t->utf8 = t->msg->smtputf8 && c->smtputf8;
	if (t->msg->smtputf8 && !t->utf8 && !header_is_ascii(t->d)) {
		why_set(why, true, "5.6.7", "%s takes no messages with UTF-8 headers (SMTPUTF8)", t->l->host);
		return false;
	}
	bool whole = c->chunking && c->pipelining && t->msg->has_data && t->msg->data.len && !t->d->seven;
	t->how = whole ? HOW_CHUNK : t->msg->body == 2 && !t->d->seven ? HOW_CHUNKS : HOW_DATA;
	return true;
}

/* Takes out recipients whose address cannot be written for this server; all of them when the sender's cannot. */
static void drop_unwritable(struct talk *t)
{
	BUF_LOCAL(b, COMMAND);
	struct why why;
	bool sender = put_path(t, t->msg->sender, &b);
	size_t n = 0;
	why_set(&why, true, "5.6.7", "%s takes no such addresses (SMTPUTF8)", t->l->host);
	for (size_t i = 0; i < t->n; i++) {
		buf_clear(&b);
		if (sender && put_path(t, t->list[i]->msg->addr, &b))
			t->list[n++] = t->list[i];
		else
			t->list[i]->why = why; /* stays open: another host may know SMTPUTF8 */
	}
	t->n = n;
}

/* The next recipients for this connection. */
static void gather(struct talk *t)
{
	size_t most = t->l->caps.rcptmax ? MIN(t->l->caps.rcptmax, (uint32_t)ROUND) : ROUND;
	t->n = t->accepted = 0;
	t->all_sent = false;
	t->octets_in = stream_octets_in(t->l->stream);
	for (size_t i = 0; i < t->d->job->rcpts_n && t->n < most; i++) {
		struct rcpt *r = &t->d->job->rcpts[i];
		if (r->state != RCPT_OPEN || r->tried)
			continue;
		r->tried = true;
		r->why = (struct why){0};
		t->list[t->n++] = r;
	}
}

/* RFC 5321 4.5.3.1.10: 452 to some of many recipients asks for another transaction. */
static void try_again_later_ones(struct talk *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i]->state == RCPT_OPEN && t->list[i]->why.code == 452)
			t->list[i]->tried = false;
}

void send_message(struct delivery *d, struct link *l)
{
	struct talk t = {.d = d, .l = l, .msg = d->job->msg};
	struct why why;
	for (size_t i = 0; i < d->job->rcpts_n; i++)
		d->job->rcpts[i].tried = false;
	bool able = can_take(&t, &why);
	for (gather(&t); t.n && !l->broken; gather(&t)) {
		if (!able) {
			for (size_t i = 0; i < t.n; i++)
				t.list[i]->why = why;
			continue;
		}
		drop_unwritable(&t);
		if (t.n == 0)
			continue;
		l->mails++;
		stream_timeout(l->stream, OR(d->settings->times.greeting, 5 * MINUTE_MS));
		if (l->caps.pipelining)
			transact_pipelined(&t);
		else
			transact_slowly(&t);
		if (t.accepted)
			try_again_later_ones(&t);
	}
}
