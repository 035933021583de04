/* enclose: replace and enclose, RFC 5703 5 and 6: what makes another message of the one that came. */
#include "sieve/inside.h"

#define GROWTH ((size_t)4 << 20) /* octets by which a message may grow at once */

/* ---- what a script gives as a MIME part ---- */

static bool is_mime_field(struct slice name)
{
	return slice_istarts(name, SLICE("content-")) || slice_ieq(name, SLICE("mime-version"));
}

static void lines_put(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		bool cr = text.p[i] == '\r', lf = text.p[i] == '\n';
		if (!cr && !lf) {
			buf_putc(out, text.p[i]);
			continue;
		}
		buf_puts(out, "\r\n");
		i += cr && i + 1 < text.n && text.p[i + 1] == '\n';
	}
}

void sieve_entity_put(struct slice entity, struct buf *out)
{
	struct mail_fields walk = mail_fields_of(entity);
	struct mail_field f;
	while (mail_fields_next(&walk, &f))
		if (slice_istarts(f.name, SLICE("content-")) && sieve_field_name_valid(f.name))
			mail_put_raw(out, f.name, f.value);
	buf_puts(out, "\r\n");
	lines_put(walk.rest, out);
}

/* Does a line begin with "--" and this? */
static bool has_line(struct slice text, struct slice boundary)
{
	while (text.n) {
		struct slice line = slice_split(&text, '\n');
		if (slice_starts(line, SLICE("--")) && slice_starts(slice_sub(line, 2, line.n), boundary))
			return true;
	}
	return false;
}

/* A part must not end the one around it. */
static bool breaks_out(const Sekisho__Part *p, struct slice text)
{
	for (size_t i = 0; p->n_parts && i < p->n_params; i++)
		if (strcmp(p->params[i]->name, "boundary") == 0 &&
		    has_line(text, slice_str(p->params[i]->text)))
			return true;
	for (size_t i = 0; i < p->n_parts; i++)
		if (breaks_out(p->parts[i], text))
			return true;
	return false;
}

/* MIME fields, an empty line, and the body. */
static void text_put(struct slice text, struct buf *out)
{
	BUF_LOCAL(lines, text.n * 2 + 2);
	lines_put(text, &lines);
	if (!has_line(buf_slice(&lines), SLICE_NONE)) {
		mail_put_text_part(out, SLICE("plain"), text);
		return;
	}
	buf_puts(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	mail_put_base64(out, buf_slice(&lines));
}

/* ---- the message becomes another one ---- */

/* `to` gets the text, which is read as a message. False: said. */
static bool take(struct sieve_runner *r, const struct sieve_node *n, const struct buf *text,
    const struct sieve_message **out)
{
	struct sieve_message *m = arena_new(r->a, struct sieve_message);
	Sekisho__Facts *facts = NULL;
	if (buf_result(text) != OK) {
		sieve_fail(r, n, "the message becomes too large");
		return false;
	}
	if (!sieve_step(r, n, text->n / 2))
		return false;
	struct slice octets = arena_dup(r->a, buf_slice(text));
	if (!m || arena_full(r->a) || mail_facts_extract(octets, r->a, &facts) != OK || !facts->root)
		return false;
	*m = (struct sieve_message){octets, facts};
	*out = m;
	return true;
}

static bool remake(
    struct sieve_runner *r, const struct sieve_node *n, const char *command, const struct buf *text)
{
	const struct sieve_message *m;
	if (r->remade == LIMIT_SIEVE_REMAKES) {
		sieve_fail(r, n, "the message is made anew more than %d times", LIMIT_SIEVE_REMAKES);
		return false;
	}
	if (!take(r, n, text, &m))
		return false;
	struct sieve_edit *e = sieve_edit_new(r);
	if (!e) {
		sieve_fail(r, n, "there are more than %d changes of the message", LIMIT_SIEVE_EDITS);
		return false;
	}
	e->what = SIEVE_EDIT_MESSAGE;
	e->name = slice_str(command);
	e->message = m;
	r->message = m;
	r->remade++;
	r->replaced = 0;
	r->fields = NULL;
	r->part_fields = NULL;
	r->texts = NULL;
	if (r->part)
		r->part = m->facts->root;
	return sieve_fields_load(r);
}

bool sieve_parts_settle(struct sieve_runner *r, const struct sieve_node *n)
{
	if (!r->replaced)
		return true;
	BUF_LOCAL(text, r->message->octets.n + GROWTH);
	const struct sieve_edit *edits = r->out->edits;
	size_t count = r->out->edit_count;
	const struct sieve_message *m = sieve_edits_base(r->message, &edits, &count);
	sieve_message_put(m, edits, count, &text);
	return remake(r, n, "replace", &text);
}

/* ---- replace ---- */

/* The mailboxes of a :from; NULL: it is none. */
static struct mail_named *mailboxes(struct arena *a, struct slice text, size_t *count)
{
	struct mail_entries entries;
	mail_entries_parse(text, a, &entries);
	struct mail_named *list = arena_array(a, entries.count + 1, sizeof *list);
	*count = 0;
	for (const struct mail_entry *e = entries.first; list && e; e = e->next) {
		if (e->kind != MAIL_ENTRY_MAILBOX || e->broken || !e->local.n || !e->domain.n)
			return NULL;
		BUF_LOCAL(name, e->name.n * 4 + 64);
		mail_words_decode(e->name, &name);
		list[(*count)++] =
		    (struct mail_named){slice_trim(arena_dup(a, buf_slice(&name))), {e->local, e->domain}};
	}
	return *count ? list : NULL;
}

bool sieve_check_replace(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_arg *from = sieve_tag_value(n, SIEVE_TAG_FROM);
	size_t count;
	if (!from || from->texts->pieces || mailboxes(c->a, from->texts->text, &count))
		return true;
	sieve_say(c, from->line, from->column, "'" SLICE_FMT "' is not a list of mail addresses",
	    SLICE_ARG(slice_sub(from->texts->text, 0, 80)));
	return false;
}

/* Fields that are not about MIME stay; those that get another value keep the former one under another name. */
static void fields_put(struct slice header, bool subject, bool from, struct buf *out)
{
	struct mail_fields walk = mail_fields_of(header);
	struct mail_field f;
	while (mail_fields_next(&walk, &f)) {
		if (!f.name.n || is_mime_field(f.name))
			continue;
		if ((subject && slice_ieq(f.name, SLICE("subject"))) ||
		    (from && slice_ieq(f.name, SLICE("from"))))
			buf_puts(out, "Original-");
		buf_put(out, f.all);
	}
}

static void content_put(struct sieve_runner *r, const struct sieve_node *n, struct buf *out)
{
	struct slice text = sieve_arg_value(r, n->pos[0]);
	if (sieve_tagged(n, SIEVE_TAG_MIME))
		sieve_entity_put(text, out);
	else
		text_put(text, out);
}

static enum sieve_flow replace_all(struct sieve_runner *r, const struct sieve_node *n)
{
	const struct sieve_arg *subject = sieve_tag_value(n, SIEVE_TAG_SUBJECT),
			       *from = sieve_tag_value(n, SIEVE_TAG_FROM);
	const struct sieve_edit *edits = r->out->edits;
	size_t count = r->out->edit_count, authors = 0;
	const struct mail_named *list = NULL;
	BUF_LOCAL(header, (size_t)LIMIT_HEADER_BYTES * 4);
	BUF_LOCAL(text, (size_t)LIMIT_HEADER_BYTES * 4 + GROWTH);
	if (from) {
		list = mailboxes(r->a, sieve_arg_value(r, from), &authors);
		if (!list)
			return sieve_fail(r, n, "the :from of replace is not a list of mail addresses");
	}
	sieve_header_put(sieve_edits_base(r->message, &edits, &count), edits, count, &header);
	fields_put(buf_slice(&header), subject != NULL, from != NULL, &text);
	if (from)
		mail_put_addresses(&text, SLICE("From"), list, authors);
	if (subject)
		mail_put_text(&text, SLICE("Subject"), sieve_arg_value(r, subject));
	buf_puts(&text, "MIME-Version: 1.0\r\n");
	content_put(r, n, &text);
	return buf_result(&header) == OK && remake(r, n, "replace", &text) ? SIEVE_GO : SIEVE_FAIL;
}

static enum sieve_flow replace_part(struct sieve_runner *r, const struct sieve_node *n)
{
	const Sekisho__Part *p = r->part;
	const struct sieve_message *now;
	BUF_LOCAL(text, (size_t)LIMIT_HEADER_BYTES + GROWTH);
	fields_put(slice_sub(r->message->octets, p->header_offset, p->header_length), false, false, &text);
	content_put(r, n, &text);
	if (sieve_tagged(n, SIEVE_TAG_MIME) && breaks_out(r->message->facts->root, buf_slice(&text)))
		return sieve_fail(r, n, "the replacement has a line that ends the part around it");
	if (!take(r, n, &text, &now))
		return SIEVE_FAIL;
	struct sieve_edit *e = sieve_edit_new(r);
	if (!e)
		return sieve_fail(r, n, "there are more than %d changes of the message", LIMIT_SIEVE_EDITS);
	e->what = SIEVE_EDIT_REPLACE;
	e->part = p;
	e->message = now;
	r->replaced++;
	r->part_fields = NULL;
	return SIEVE_GO;
}

enum sieve_flow sieve_run_replace(struct sieve_runner *r, const struct sieve_node *n)
{
	bool all = !r->part || r->part == r->message->facts->root;
	return all ? replace_all(r, n) : replace_part(r, n);
}

/* ---- enclose ---- */

bool sieve_check_enclose(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_arg *names = sieve_tag_value(n, SIEVE_TAG_HEADERS);
	for (const struct sieve_text *t = names ? names->texts : NULL; t; t = t->next) {
		if (t->pieces || sieve_field_name_valid(t->text))
			continue;
		sieve_say(c, t->line, t->column, "field name '" SLICE_FMT "' is invalid",
		    SLICE_ARG(slice_sub(t->text, 0, 80)));
		return false;
	}
	return true;
}

/* Where mail has been: without them it could go in a circle for ever. */
static bool is_trace(struct slice name)
{
	return slice_ieq(name, SLICE("received")) || slice_ieq(name, SLICE("delivered-to")) ||
	       slice_ieq(name, SLICE("x-sieve-redirected-from"));
}

static bool is_named(struct sieve_runner *r, const struct sieve_arg *names, struct slice name)
{
	for (const struct sieve_text *t = names ? names->texts : NULL; t; t = t->next)
		if (slice_ieq(sieve_value(r, t), name))
			return true;
	return false;
}

/* The fields that the new message has from the old one; *seen tells which of the necessary ones are among them. */
enum { HAS_FROM = 1, HAS_DATE = 2, HAS_SUBJECT = 4, HAS_ID = 8 };
static void old_fields_put(
    struct sieve_runner *r, const struct sieve_node *n, unsigned *seen, struct buf *out)
{
	static const struct {
		const char *name;
		unsigned bit;
	} once[] = {{"from", HAS_FROM}, {"date", HAS_DATE}, {"subject", HAS_SUBJECT}, {"message-id", HAS_ID}};
	const struct sieve_arg *names = sieve_tag_value(n, SIEVE_TAG_HEADERS);
	for (size_t i = 0; i < r->fields->count; i++) {
		const struct sieve_field *f = &r->fields->list[i];
		unsigned bit = 0;
		for (size_t k = 0; k < COUNT(once); k++)
			if (slice_ieq(f->name, slice_str(once[k].name)))
				bit = once[k].bit;
		bool wanted = is_trace(f->name) || bit == HAS_SUBJECT || is_named(r, names, f->name);
		if (!wanted || is_mime_field(f->name) || (*seen & bit))
			continue;
		*seen |= bit;
		mail_put_raw(out, f->name, f->raw);
	}
}

static void new_fields_put(
    struct sieve_runner *r, const struct sieve_node *n, struct slice id, struct buf *out)
{
	const struct sieve_env *env = r->env;
	const struct sieve_arg *subject = sieve_tag_value(n, SIEVE_TAG_SUBJECT);
	unsigned seen = subject ? HAS_SUBJECT : 0;
	struct mail_addr me;
	old_fields_put(r, n, &seen, out);
	if (!(seen & HAS_FROM) && mail_addr_parse(env->own_count ? env->own[0] : env->to, r->a, &me) == OK)
		mail_put_addresses(out, SLICE("From"), &(struct mail_named){env->user_name, me}, 1);
	if (!(seen & HAS_DATE))
		mail_put_date(out, SLICE("Date"), (struct mail_date){env->now_ms, env->zone});
	if (subject)
		mail_put_text(out, SLICE("Subject"), sieve_arg_value(r, subject));
	if (!(seen & HAS_ID))
		buf_printf(out, "Message-ID: <" SLICE_FMT ".enclosed@" SLICE_FMT ">\r\n", SLICE_ARG(id),
		    SLICE_ARG(env->host.n ? env->host : SLICE("localhost")));
}

/*
 * Its boundary and id come from the digest of the message inside, which nobody can write into that message: another round
 * of the same run makes the same message.
 */
enum sieve_flow sieve_run_enclose(struct sieve_runner *r, const struct sieve_node *n)
{
	size_t before = r->out->edit_count;
	if (!sieve_parts_settle(r, n))
		return SIEVE_FAIL;
	const Sekisho__Facts *facts = r->message->facts;
	BUF_LOCAL(id, 100);
	BUF_LOCAL(text, r->message->octets.n + GROWTH);
	buf_hex(&id, slice_of(facts->digest.data, MIN(facts->digest.len, (size_t)16)));
	const char *boundary = arena_printf(r->a, "=_enclosed_" SLICE_FMT, SLICE_ARG(buf_slice(&id)));
	if (!boundary)
		return SIEVE_FAIL;
	new_fields_put(r, n, buf_slice(&id), &text);
	buf_printf(
	    &text, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n", boundary);
	mail_put_boundary(&text, boundary, false);
	mail_put_text_part(&text, SLICE("plain"), sieve_arg_value(r, n->pos[0]));
	mail_put_boundary(&text, boundary, false);
	buf_printf(&text, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    facts->has_binary                           ? "binary"
	    : facts->has_8bit || facts->has_8bit_header ? "8bit"
							: "7bit");
	const struct sieve_edit *edits = r->out->edits;
	size_t count = r->out->edit_count;
	const struct sieve_message *m = sieve_edits_base(r->message, &edits, &count);
	sieve_message_put(m, edits, count, &text);
	mail_put_boundary(&text, boundary, true);
	if (!remake(r, n, "enclose", &text))
		return SIEVE_FAIL;
	if (!r->enclosed)
		r->edits_unenclosed = before;
	r->enclosed = true;
	return SIEVE_GO;
}
