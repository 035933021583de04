/*
 * reply: what actions send: vacation (RFC 5230 5), reject (RFC 5429 2.1, RFC 8098), notify (RFC 5436 2), report (RFC
 * 5965), redirect.
 */
#include "mail/utf8.h"
#include "sieve/inside.h"

struct making {
	const struct sieve_message *m;
	const struct sieve_env *env;
	const struct sieve_action *x;
	struct arena *a;
	struct buf *out;
};

static void put_bare(struct buf *b, const char *name, struct mail_addr addr)
{
	BUF_LOCAL(text, 2 * LIMIT_ADDRESS);
	mail_path_put(&text, addr);
	mail_put_raw(b, slice_str(name), buf_slice(&text));
}

/* An ASCII name is quoted, whatever it is: nothing in it can be taken for a comment or a word. */
static void put_named(struct buf *b, const char *name, const struct mail_named *who)
{
	BUF_LOCAL(text, LIMIT_SIEVE_VALUE);
	bool ascii = slice_is_ascii(who->name);
	if (ascii && who->name.n)
		buf_putc(&text, '"');
	for (size_t i = 0; ascii && i < who->name.n; i++) {
		if (who->name.p[i] == '"' || who->name.p[i] == '\\')
			buf_putc(&text, '\\');
		buf_putc(&text, who->name.p[i]);
	}
	if (ascii && who->name.n)
		buf_puts(&text, "\" ");
	if (!ascii) {
		mail_words_put(&text, who->name, 4);
		buf_putc(&text, ' ');
	}
	mail_path_put(&text, who->addr);
	mail_put_raw(b, slice_str(name), buf_slice(&text));
}

static void put_list(struct buf *b, const char *name, const struct sieve_recipient *list, size_t n)
{
	BUF_LOCAL(text, LIMIT_SIEVE_VALUE);
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(list[i].written));
	if (n)
		mail_put_raw(b, slice_str(name), buf_slice(&text));
}

/* The first field of the name in the message as it came. */
static bool field(const struct making *k, const char *name, struct slice *value)
{
	const Sekisho__Part *root = k->m->facts->root;
	for (size_t i = 0; root && i < root->n_fields; i++) {
		if (!slice_ieq(slice_str(root->fields[i]->name), slice_str(name)))
			continue;
		struct slice all = slice_sub(k->m->octets, root->fields[i]->offset, root->fields[i]->length);
		ptrdiff_t colon = slice_find(all, ':');
		*value = mail_unfold(slice_sub(all, (size_t)(colon + 1), all.n), k->a);
		return true;
	}
	return false;
}

static struct slice decoded(const struct making *k, struct slice raw)
{
	BUF_LOCAL(out, raw.n * 4 + 64);
	mail_words_decode(raw, &out);
	return slice_trim(arena_dup(k->a, buf_slice(&out)));
}

static struct mail_named *named(const struct making *k, struct slice text)
{
	struct mail_named *out = arena_new(k->a, struct mail_named);
	struct mail_entries entries;
	mail_entries_parse(text, k->a, &entries);
	for (const struct mail_entry *e = entries.first; out && e; e = e->next) {
		if (e->kind != MAIL_ENTRY_MAILBOX || !e->domain.n)
			continue;
		*out = (struct mail_named){decoded(k, e->name), {e->local, e->domain}};
		return out;
	}
	return NULL;
}

/* The reply's recipient, with the name under which the message says he wrote it. */
static void put_to(const struct making *k)
{
	static const char *const fields[] = {"sender", "resent-from", "from", "reply-to"};
	const struct mail_named *plain = named(k, k->env->from), *found = NULL;
	for (size_t i = 0; i < COUNT(fields) && !found && plain; i++) {
		struct slice value;
		struct mail_entries entries = {0};
		if (field(k, fields[i], &value))
			mail_entries_parse(value, k->a, &entries);
		for (const struct mail_entry *e = entries.first; e && !found; e = e->next)
			if (k->env->vacation_to_header || (slice_ieq(e->local, plain->addr.local) &&
							      slice_ieq(e->domain, plain->addr.domain))) {
				struct mail_named *n = arena_new(k->a, struct mail_named);
				if (n)
					*n = (struct mail_named){decoded(k, e->name), {e->local, e->domain}};
				found = n;
			}
	}
	if (found)
		put_named(k->out, "To", found);
	else if (plain)
		put_bare(k->out, "To", plain->addr);
}

static void put_common(const struct making *k)
{
	struct slice host = k->env->host.n ? k->env->host : SLICE("localhost");
	mail_put_raw(k->out, SLICE("X-Sieve"), SLICE("Sekisho"));
	BUF_LOCAL(id, 400);
	buf_putc(&id, '<');
	mail_id_make(&id, host);
	buf_putc(&id, '>');
	mail_put_raw(k->out, SLICE("Message-ID"), buf_slice(&id));
	mail_put_date(k->out, SLICE("Date"), (struct mail_date){k->env->now_ms, k->env->zone});
}

/* References and In-Reply-To, RFC 5322 3.6.4: only what looks like message ids. */
static void put_references(const struct making *k)
{
	struct slice id, old = SLICE_NONE;
	if (!field(k, "message-id", &id))
		return;
	BUF_LOCAL(all, 65536);
	if (field(k, "references", &old) || field(k, "in-reply-to", &old))
		while (old.n) {
			ptrdiff_t from = slice_find(old, '<'), to;
			if (from < 0)
				break;
			old = slice_sub(old, (size_t)from, old.n);
			to = slice_find(old, '>');
			if (to < 0)
				break;
			struct slice one = slice_sub(old, 0, (size_t)to + 1);
			if (slice_find(one, '@') > 0 && slice_find(one, ' ') < 0)
				buf_printf(&all, SLICE_FMT " ", SLICE_ARG(one));
			old = slice_sub(old, (size_t)to + 1, old.n);
		}
	buf_put(&all, id);
	mail_put_raw(k->out, SLICE("In-Reply-To"), id);
	mail_put_raw(k->out, SLICE("References"), buf_slice(&all));
}

#define SUBJECT_MOST 256 /* characters of a subject made from another one */

static struct slice shortened(const struct making *k, struct slice s)
{
	struct slice rest = s;
	bool ok;
	size_t n = 0;
	for (; rest.n && n < SUBJECT_MOST - 1; n++)
		mail_utf8_take(&rest, &ok);
	if (!rest.n)
		return s;
	return slice_str(
	    arena_printf(k->a, SLICE_FMT "\xe2\x80\xa6", SLICE_ARG(slice_sub(s, 0, s.n - rest.n))));
}

static struct slice reply_subject(const struct making *k)
{
	struct slice raw, subject = SLICE_NONE;
	const struct sieve_env *env = k->env;
	if (k->x->subject.n)
		return decoded(k, k->x->subject); /* scripts that write encoded words mean the text */
	if (field(k, "subject", &raw))
		subject = decoded(k, raw);
	if (!subject.n)
		return env->vacation_subject.n ? env->vacation_subject : SLICE("Automated reply");
	struct slice rest = env->vacation_template.n ? env->vacation_template : SLICE("Auto: %{subject}");
	BUF_LOCAL(out, LIMIT_SIEVE_VALUE);
	ptrdiff_t at = slice_search(rest, SLICE("%{subject}"));
	buf_put(&out, slice_sub(rest, 0, at < 0 ? rest.n : (size_t)at));
	if (at >= 0) {
		buf_put(&out, mail_utf8_cut(subject, LIMIT_SIEVE_VALUE / 2));
		buf_put(&out, slice_sub(rest, (size_t)at + 10, rest.n));
	}
	return shortened(k, arena_dup(k->a, buf_slice(&out)));
}

static void make_vacation(const struct making *k)
{
	const struct mail_named *from = named(k, k->x->from.n ? k->x->from : k->env->to);
	struct mail_named me = from ? *from : (struct mail_named){0};
	put_common(k);
	if (!me.name.n)
		me.name = k->env->user_name;
	if (from && me.name.n)
		mail_put_addresses(k->out, SLICE("From"), &me, 1);
	else if (from)
		put_bare(k->out, "From", me.addr);
	put_to(k);
	mail_put_text(k->out, SLICE("Subject"), reply_subject(k));
	put_references(k);
	mail_put_raw(k->out, SLICE("Auto-Submitted"), SLICE("auto-replied (vacation)"));
	mail_put_raw(k->out, SLICE("X-Auto-Response-Suppress"), SLICE("All"));
	mail_put_raw(k->out, SLICE("Precedence"), SLICE("bulk"));
	mail_put_raw(k->out, SLICE("MIME-Version"), SLICE("1.0"));
	if (k->x->mime)
		sieve_entity_put(k->x->reason, k->out);
	else
		mail_put_text_part(k->out, SLICE("plain"), k->x->reason);
}

static struct slice postmaster(const struct making *k)
{
	const struct sieve_env *env = k->env;
	return env->postmaster.n ? env->postmaster
				 : slice_str(arena_printf(k->a, "postmaster@" SLICE_FMT,
				       SLICE_ARG(env->domain.n ? env->domain : SLICE("localhost"))));
}

/* A refusal after the message was taken: a disposition notification that says it was deleted. */
static void make_reject(const struct making *k)
{
	char boundary[MAIL_BOUNDARY + 1];
	const struct sieve_env *env = k->env;
	struct slice id;
	const struct mail_named *daemon = named(k, postmaster(k)), *to = named(k, env->from);
	mail_boundary_make(boundary);
	put_common(k);
	if (daemon)
		mail_put_addresses(k->out, SLICE("From"),
		    &(struct mail_named){SLICE("Mail Delivery Subsystem"), daemon->addr}, 1);
	if (to)
		put_bare(k->out, "To", to->addr);
	mail_put_text(
	    k->out, SLICE("Subject"), SLICE("Rejected: the recipient does not accept this message"));
	put_references(k);
	mail_put_raw(k->out, SLICE("Auto-Submitted"), SLICE("auto-replied (rejected)"));
	mail_put_raw(k->out, SLICE("Precedence"), SLICE("bulk"));
	mail_put_raw(k->out, SLICE("MIME-Version"), SLICE("1.0"));
	buf_printf(k->out,
	    "Content-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary=\"%s\"\r\n",
	    boundary);
	mail_put_boundary(k->out, boundary, false);
	BUF_LOCAL(text, k->x->reason.n + 1000);
	buf_printf(
	    &text, "Your message to <" SLICE_FMT "> was automatically rejected:\r\n\r\n", SLICE_ARG(env->to));
	buf_put(&text, k->x->reason);
	mail_put_text_part(k->out, SLICE("plain"), buf_slice(&text));
	mail_put_boundary(k->out, boundary, false);
	buf_puts(k->out, "Content-Type: message/disposition-notification\r\n\r\n");
	buf_printf(k->out, "Reporting-UA: " SLICE_FMT "; Sekisho\r\n",
	    SLICE_ARG(env->host.n ? env->host : SLICE("localhost")));
	if (env->orig_to.n)
		buf_printf(k->out, "Original-Recipient: rfc822; " SLICE_FMT "\r\n", SLICE_ARG(env->orig_to));
	buf_printf(k->out, "Final-Recipient: rfc822; " SLICE_FMT "\r\n", SLICE_ARG(env->to));
	if (field(k, "message-id", &id))
		mail_put_raw(k->out, SLICE("Original-Message-ID"), id);
	buf_puts(k->out, "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n");
	mail_put_boundary(k->out, boundary, false);
	buf_puts(k->out, "Content-Type: text/rfc822-headers\r\n\r\n");
	const Sekisho__Part *root = k->m->facts->root;
	if (root)
		buf_put(k->out, slice_sub(k->m->octets, root->header_offset, root->header_length));
	mail_put_boundary(k->out, boundary, true);
}

static void put_subject_about(const struct making *k, const char *what)
{
	struct slice raw, subject = SLICE("(no subject)");
	if (field(k, "subject", &raw))
		subject = decoded(k, raw);
	mail_put_text(k->out, SLICE("Subject"),
	    shortened(k, slice_str(arena_printf(k->a, "%s: " SLICE_FMT, what, SLICE_ARG(subject)))));
}

static void make_notify(const struct making *k)
{
	static const char *const priorities[] = {"1 (High)", "3 (Normal)", "5 (Low)"}, *const words[] = {
											   "high", "normal",
											   "low"};
	const struct sieve_mailto *to = k->x->mailto;
	struct slice subject = k->x->reason.n ? k->x->reason : to->subject;
	const struct mail_named *from = named(k, k->x->from.n ? k->x->from : postmaster(k));
	put_common(k);
	mail_put_raw(k->out, SLICE("X-Priority"), slice_str(priorities[k->x->importance - 1]));
	mail_put_raw(k->out, SLICE("Importance"), slice_str(words[k->x->importance - 1]));
	if (from)
		mail_put_addresses(k->out, SLICE("From"), from, 1);
	put_list(k->out, "To", to->to, to->to_count);
	put_list(k->out, "Cc", to->cc, to->cc_count);
	if (subject.n)
		mail_put_text(k->out, SLICE("Subject"), shortened(k, subject));
	else
		put_subject_about(k, "Notification");
	BUF_LOCAL(marker, 2 * LIMIT_ADDRESS);
	buf_puts(&marker, "auto-notified");
	if (k->env->own_count)
		buf_printf(&marker, "; owner-email=\"" SLICE_FMT "\"", SLICE_ARG(k->env->own[0]));
	mail_put_raw(k->out, SLICE("Auto-Submitted"), buf_slice(&marker));
	mail_put_raw(k->out, SLICE("Precedence"), SLICE("bulk"));
	for (size_t i = 0; i < to->header_count; i++)
		mail_put_text(k->out, to->headers[i][0], to->headers[i][1]);
	mail_put_raw(k->out, SLICE("MIME-Version"), SLICE("1.0"));
	BUF_LOCAL(body, LIMIT_SIEVE_VALUE * 2);
	if (to->body.n)
		buf_put(&body, to->body);
	else if (k->x->reason.n)
		buf_put(&body, k->x->reason);
	else
		buf_puts(&body, "Notification of new message.");
	mail_put_text_part(k->out, SLICE("plain"), buf_slice(&body));
}

/* What a program reads of a report: what is known of the delivery, RFC 5965 3. */
static void put_feedback(const struct making *k)
{
	const struct sieve_env *env = k->env;
	struct slice user = env->own_count ? env->own[0] : env->orig_to;
	const struct {
		const char *name;
		struct slice path;
	} paths[] = {{"Original-Mail-From", env->from}, {"Original-Rcpt-To", env->orig_to},
	    {"Dovecot-Reporting-User", user}};
	buf_puts(k->out, "Content-Type: message/feedback-report\r\n\r\nVersion: 1\r\n");
	mail_put_raw(k->out, SLICE("Feedback-Type"), k->x->feedback);
	buf_puts(k->out, "User-Agent: Sekisho/1\r\n");
	for (size_t i = 0; i < COUNT(paths); i++) {
		BUF_LOCAL(path, 2 * LIMIT_ADDRESS);
		buf_printf(&path, "<" SLICE_FMT ">", SLICE_ARG(paths[i].path));
		bool given = paths[i].path.n || (i == 0 && env->has_envelope);
		if (given && slice_is_ascii(paths[i].path))
			mail_put_raw(k->out, slice_str(paths[i].name), buf_slice(&path));
	}
	if (env->has_envelope)
		mail_put_date(k->out, SLICE("Arrival-Date"), (struct mail_date){env->now_ms, env->zone});
	if (env->remote_ip.n)
		mail_put_raw(k->out, SLICE("Source-IP"), env->remote_ip);
	if (env->host.n)
		buf_printf(k->out, "Reporting-MTA: dns; " SLICE_FMT "\r\n", SLICE_ARG(env->host));
}

/* The message is reported as it came: what filters made of it is not what its sender sent. */
static void make_report(const struct making *k)
{
	char boundary[MAIL_BOUNDARY + 1];
	const struct sieve_env *env = k->env;
	const Sekisho__Facts *facts = k->m->facts;
	struct slice original = k->m->octets;
	if (k->x->headers_only && facts->root)
		original = slice_sub(original, facts->root->header_offset, facts->root->header_length);
	const char *coding = facts->has_binary && !k->x->headers_only ? "binary"
			     : slice_is_ascii(original)               ? "7bit"
								      : "8bit";
	const struct mail_named *from = named(k, env->report_from.n ? env->report_from : postmaster(k)),
				*to = named(k, k->x->address);
	mail_boundary_make(boundary);
	put_common(k);
	if (from)
		mail_put_addresses(k->out, SLICE("From"), from, 1);
	if (to)
		put_bare(k->out, "To", to->addr);
	put_subject_about(k, "Report");
	mail_put_raw(k->out, SLICE("Auto-Submitted"), SLICE("auto-generated (report)"));
	mail_put_raw(k->out, SLICE("MIME-Version"), SLICE("1.0"));
	buf_printf(k->out,
	    "Content-Type: multipart/report; report-type=feedback-report;\r\n\tboundary=\"%s\"\r\n"
	    "Content-Transfer-Encoding: %s\r\n",
	    boundary, coding);
	mail_put_boundary(k->out, boundary, false);
	mail_put_text_part(k->out, SLICE("plain"), k->x->reason);
	mail_put_boundary(k->out, boundary, false);
	put_feedback(k);
	mail_put_boundary(k->out, boundary, false);
	buf_printf(k->out,
	    "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\nContent-Disposition: attachment\r\n\r\n",
	    k->x->headers_only ? "text/rfc822-headers" : "message/rfc822", coding);
	buf_put(k->out, original);
	mail_put_boundary(k->out, boundary, true);
}

static bool recipients(const struct making *k, struct sieve_mail *out)
{
	const struct sieve_mailto *m = k->x->mailto;
	size_t n = k->x->act == SIEVE_NOTIFY ? m->to_count + m->cc_count : 1;
	out->to = arena_array(k->a, n, sizeof *out->to);
	if (!out->to)
		return false;
	out->to_count = n;
	if (k->x->act != SIEVE_NOTIFY) {
		out->to[0] = k->x->address;
		return true;
	}
	for (size_t i = 0; i < n; i++)
		out->to[i] = i < m->to_count ? m->to[i].address : m->cc[i - m->to_count].address;
	return true;
}

/* Who is told when it cannot be delivered: nobody, but for notifications of mail that had a sender (RFC 5436 2.3). */
static struct slice sender(const struct making *k)
{
	struct slice address;
	if (k->x->act == SIEVE_REDIRECT)
		return k->env->from;
	if (k->x->act != SIEVE_NOTIFY || (k->env->has_envelope && !k->env->from.n))
		return SLICE_NONE;
	if (k->x->from.n && sieve_address_parse(k->x->from, k->a, &address))
		return address;
	return k->env->postmaster;
}

enum result sieve_mail_make(const struct sieve_message *m, const struct sieve_env *env,
    const struct sieve_edit *edits, const struct sieve_action *x, struct arena *a, struct buf *text,
    struct sieve_mail *out)
{
	struct making k = {.m = m, .env = env, .x = x, .a = a, .out = text};
	bool makes = x->act == SIEVE_VACATION || x->act == SIEVE_REJECT || x->act == SIEVE_EREJECT ||
		     x->act == SIEVE_NOTIFY || x->act == SIEVE_REPORT || x->act == SIEVE_REDIRECT;
	*out = (struct sieve_mail){0};
	if (!makes || x->suppressed.n)
		return DENY;
	if (!recipients(&k, out))
		return FULL;
	out->from = sender(&k);
	if (x->act == SIEVE_REDIRECT) {
		mail_put_raw(text, SLICE("X-Sieve"), SLICE("Sekisho"));
		if (env->to.n || env->own_count)
			mail_put_raw(
			    text, SLICE("X-Sieve-Redirected-From"), env->own_count ? env->own[0] : env->to);
		sieve_message_put(m, edits, x->edits, text);
	} else if (x->act == SIEVE_VACATION) {
		make_vacation(&k);
	} else if (x->act == SIEVE_NOTIFY) {
		make_notify(&k);
	} else if (x->act == SIEVE_REPORT) {
		make_report(&k);
	} else {
		make_reject(&k);
	}
	out->octets = buf_slice(text);
	return arena_full(a) ? FULL : buf_result(text);
}
