#include "dsn.h"
#include "build.h"
#include "mail/header.h"
#include "utf8.h"

static const struct {
	struct slice code;
	const char *ja, *en;
} texts[] = {
#define X(code, ja, en) {SLICE(code), ja, en},
#include "dsn_text.def"
#undef X
};

static const struct {
	const char *name, *subject_ja, *subject_en, *intro_ja, *intro_en;
} actions[] = {
    {"failed", "メールを配送できませんでした", "Undelivered mail",
	"次の宛先へのメールを配送できませんでした。",
	"Your message could not be delivered to these recipients."},
    {"delayed", "メールの配送が遅れています", "Delayed mail",
	"次の宛先へのメールの配送が遅れています。自動的に送り直していますので、送り直していただく必要はありま"
	"せん。",
	"Your message to these recipients is delayed. We keep trying; do not send it again."},
    {"delivered", "メールを配送しました", "Delivered mail", "次の宛先のメールボックスへ配送しました。",
	"Your message was delivered to the mailboxes of these recipients."},
    {"relayed", "メールを転送しました", "Relayed mail",
	"次の宛先へのメールを相手のサーバーに渡しました。相手のサーバーは配送の通知に対応していないため、この"
	"先の通知はありません。",
	"Your message was handed to a server that sends no delivery notices. There will be no further "
	"notice."},
    {"expanded", "メールを複数の宛先へ配送しました", "Expanded mail",
	"次の宛先はメーリングリストなどで、その先の宛先へ配送しました。",
	"These recipients stand for several others, to whom your message was sent."},
};

const char *mail_dsn_action_name(enum mail_dsn_action a)
{
	return actions[a].name;
}

/* The code is the status, or stands before one of its dots. */
static size_t text_index(struct slice status)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct slice code = texts[i].code;
		if (slice_starts(status, code) && (status.n == code.n || status.p[code.n] == '.'))
			return i;
	}
	return COUNT(texts) - 1;
}

const char *mail_dsn_text_ja(struct slice status)
{
	return texts[text_index(status)].ja;
}

const char *mail_dsn_text_en(struct slice status)
{
	return texts[text_index(status)].en;
}

/* The worst thing that happened gives the subject. */
static enum mail_dsn_action worst(const struct mail_dsn *d)
{
	enum mail_dsn_action a = MAIL_DSN_EXPANDED;
	for (size_t i = 0; i < d->rcpt_count; i++)
		a = MIN(a, d->rcpts[i].action);
	return a;
}

static bool international(const struct mail_dsn *d)
{
	for (size_t i = 0; i < d->rcpt_count; i++)
		if (mail_addr_utf8(d->rcpts[i].addr))
			return true;
	return false;
}

/* A reply of several lines as one, control characters out of it. */
static void reply_put(struct buf *b, struct slice reply)
{
	bool space = false;
	for (size_t i = 0; i < reply.n && i < 2000; i++) {
		unsigned char c = (unsigned char)reply.p[i];
		if (c <= 32 || c == 127) {
			space = true;
			continue;
		}
		if (space)
			buf_putc(b, ' ');
		space = false;
		buf_putc(b, (char)c);
	}
}

static void people_rcpt(struct buf *t, const struct mail_dsn_rcpt *r, bool ja)
{
	buf_puts(t, "  ");
	mail_path_put(t, r->addr);
	buf_puts(t, "\r\n    ");
	buf_puts(t, ja ? mail_dsn_text_ja(r->status) : mail_dsn_text_en(r->status));
	buf_puts(t, "\r\n");
	if (r->diagnostic.n) {
		buf_puts(t, ja ? "    相手のサーバーの返事" : "    The server said");
		if (r->remote_mta.n) {
			buf_puts(t, " (");
			buf_put(t, r->remote_mta);
			buf_puts(t, ")");
		}
		buf_puts(t, ": ");
		reply_put(t, r->diagnostic);
		buf_puts(t, "\r\n");
	}
	if (r->action == MAIL_DSN_DELAYED && r->retry_until.ms) {
		buf_puts(t, ja ? "    この時刻まで送り直します: " : "    We keep trying until: ");
		mail_date_put(t, r->retry_until);
		buf_puts(t, "\r\n");
	}
}

static void people_language(struct buf *t, const struct mail_dsn *d, bool ja)
{
	for (enum mail_dsn_action a = MAIL_DSN_FAILED; a <= MAIL_DSN_EXPANDED; a++) {
		bool intro = false;
		for (size_t i = 0; i < d->rcpt_count; i++) {
			if (d->rcpts[i].action != a)
				continue;
			if (!intro) {
				buf_puts(t, ja ? actions[a].intro_ja : actions[a].intro_en);
				buf_puts(t, "\r\n\r\n");
			}
			intro = true;
			people_rcpt(t, &d->rcpts[i], ja);
		}
		if (intro)
			buf_puts(t, "\r\n");
	}
}

static void people_put(struct buf *b, const struct mail_dsn *d)
{
	struct buf t = {.max = b->max};
	struct mail_field subject;
	if (mail_header_get(d->original, SLICE("Subject"), &subject)) {
		BUF_LOCAL(text, 4096);
		mail_words_decode(slice_sub(subject.value, 0, 1000), &text);
		buf_puts(&t, "件名 / Subject: ");
		buf_put(&t, buf_slice(&text));
		buf_puts(&t, "\r\n\r\n");
	}
	people_language(&t, d, true);
	buf_puts(&t, "----------------------------------------\r\n\r\n");
	people_language(&t, d, false);
	mail_put_text_part(b, SLICE("plain"), buf_slice(&t));
	buf_free(&t);
}

/* "Name: type; value" of the status part. UTF-8 only where the part is the international one. */
static void status_put(struct buf *b, const char *name, struct slice type, struct slice value)
{
	buf_puts(b, name);
	buf_puts(b, ": ");
	buf_put(b, type);
	buf_puts(b, "; ");
	reply_put(b, value);
	buf_puts(b, "\r\n");
}

static void ascii_status_put(
    struct buf *b, const char *name, struct slice type, struct slice value, bool utf8)
{
	BUF_LOCAL(clean, value.n + 1);
	buf_put(&clean, value);
	for (size_t i = 0; i < clean.n && (!utf8 || !slice_is_utf8(value)); i++)
		if ((unsigned char)clean.p[i] > 127)
			clean.p[i] = '?';
	status_put(b, name, type, buf_slice(&clean));
}

static void date_put(struct buf *b, const char *name, struct mail_date date)
{
	if (date.ms == 0)
		return;
	mail_put_date(b, slice_str(name), date);
}

static void machine_rcpt(struct buf *b, const struct mail_dsn_rcpt *r, bool utf8)
{
	BUF_LOCAL(addr, (size_t)LIMIT_ADDRESS * 4);
	mail_addr_put(&addr, r->addr);
	buf_puts(b, "\r\n");
	if (r->orcpt.n) {
		/* xtext is SMTP's spelling and ends here; the type utf-8 keeps its own (RFC 6533 3). */
		BUF_LOCAL(coded, r->orcpt.n * 12 + 1);
		if (slice_ieq(r->orcpt_type, SLICE("utf-8")))
			mail_utf8_xtext_put(&coded, r->orcpt);
		else
			buf_put(&coded, r->orcpt);
		status_put(b, "Original-Recipient", r->orcpt_type, buf_slice(&coded));
	}
	bool wide = mail_addr_utf8(r->addr);
	status_put(b, "Final-Recipient", wide ? SLICE("utf-8") : SLICE("rfc822"), buf_slice(&addr));
	buf_printf(
	    b, "Action: %s\r\nStatus: " SLICE_FMT "\r\n", actions[r->action].name, SLICE_ARG(r->status));
	if (r->remote_mta.n)
		ascii_status_put(b, "Remote-MTA", SLICE("dns"), r->remote_mta, false);
	if (r->diagnostic.n)
		ascii_status_put(b, "Diagnostic-Code", SLICE("smtp"), r->diagnostic, utf8);
	date_put(b, "Last-Attempt-Date", r->last_attempt);
	if (r->action == MAIL_DSN_DELAYED)
		date_put(b, "Will-Retry-Until", r->retry_until);
}

static void machine_put(struct buf *b, const struct mail_dsn *d)
{
	bool utf8 = international(d);
	buf_printf(b, "Content-Type: message/%sdelivery-status\r\n", utf8 ? "global-" : "");
	buf_printf(b, "Content-Transfer-Encoding: %s\r\n\r\n", utf8 ? "8bit" : "7bit");
	if (d->envid.n) {
		buf_puts(b, "Original-Envelope-Id: ");
		reply_put(b, d->envid);
		buf_puts(b, "\r\n");
	}
	ascii_status_put(b, "Reporting-MTA", SLICE("dns"), d->reporting_mta, false);
	if (d->received_from.n)
		ascii_status_put(b, "Received-From-MTA", SLICE("dns"), d->received_from, false);
	date_put(b, "Arrival-Date", d->arrival);
	for (size_t i = 0; i < d->rcpt_count; i++)
		machine_rcpt(b, &d->rcpts[i], utf8);
}

/* Whether it can stand in a message as it is: no NUL, no bare CR, no line beyond 998 octets. */
static bool goes_by_data(struct slice s)
{
	if (slice_find(s, 0) >= 0)
		return false;
	while (s.n) {
		struct slice line = slice_split(&s, '\n');
		ptrdiff_t cr = slice_find(line, '\r');
		if (line.n > 999 || (cr >= 0 && (size_t)cr + 1 != line.n))
			return false;
	}
	return true;
}

static void original_put(struct buf *b, const struct mail_dsn *d)
{
	struct slice body = mail_body_of(d->original);
	bool full = d->full && goes_by_data(d->original);
	struct slice part = full ? d->original : slice_sub(d->original, 0, d->original.n - body.n);
	bool ascii = slice_is_ascii(part);
	const char *type = full    ? ascii ? "message/rfc822" : "message/global"
			   : ascii ? "text/rfc822-headers"
				   : "message/global-headers";
	bool utf8_header = !slice_is_ascii(slice_sub(d->original, 0, d->original.n - body.n));
	if (full && !utf8_header)
		type = "message/rfc822";
	buf_printf(
	    b, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", type, ascii ? "7bit" : "8bit");
	buf_put(b, part);
}

static void header_put(struct buf *b, const struct mail_dsn *d, const char *boundary)
{
	enum mail_dsn_action a = worst(d);
	struct mail_named from = {SLICE("Mail Delivery System"), {SLICE("MAILER-DAEMON"), d->from_domain}};
	struct mail_named to = {SLICE_NONE, d->to};
	mail_put_addresses(b, SLICE("From"), &from, 1);
	mail_put_addresses(b, SLICE("To"), &to, 1);
	BUF_LOCAL(subject, 512);
	buf_printf(&subject, "%s / %s", actions[a].subject_ja, actions[a].subject_en);
	mail_put_text(b, SLICE("Subject"), buf_slice(&subject));
	mail_put_date(b, SLICE("Date"), d->date);
	buf_printf(b, "Message-ID: <" SLICE_FMT ">\r\n", SLICE_ARG(d->message_id));
	struct mail_field id;
	ARENA_LOCAL(arena, (size_t)64 * 1024);
	if (mail_header_get(d->original, SLICE("Message-ID"), &id) && slice_is_ascii(id.value) &&
	    id.value.n < 900) {
		mail_put_raw(b, SLICE("In-Reply-To"), mail_unfold(id.value, &arena));
		mail_put_raw(b, SLICE("References"), mail_unfold(id.value, &arena));
	}
	buf_puts(b, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	buf_printf(b, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n",
	    boundary);
	if (international(d) || !slice_is_ascii(d->original))
		buf_puts(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_puts(b, "\r\nThis is a delivery status notification in MIME format.\r\n");
}

enum result mail_dsn_put(struct buf *b, const struct mail_dsn *d)
{
	char boundary[MAIL_BOUNDARY + 1];
	mail_boundary_make(boundary);
	header_put(b, d, boundary);
	mail_put_boundary(b, boundary, false);
	people_put(b, d);
	mail_put_boundary(b, boundary, false);
	machine_put(b, d);
	mail_put_boundary(b, boundary, false);
	original_put(b, d);
	mail_put_boundary(b, boundary, true);
	return buf_result(b);
}
