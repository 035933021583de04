#include "trust/author.h"
#include "mail/address.h"
#include "mail/header.h"
#include "trust/name.h"
#include <pthread.h>
#include <unicode/uspoof.h>

#define DECODED_MOST ((size_t)65536)

const char *trust_flag_name(uint32_t flag)
{
	switch (flag) {
#define X(name, bit, word, english, japanese)                                                                \
	case TRUST_##name:                                                                                   \
		return word;
#include "ipc/trust_flags.def"
#undef X
	default:
		return NULL;
	}
}

/* ---- look-alikes ---- */

static USpoofChecker *checker;

static void checker_open(void)
{
	UErrorCode e = U_ZERO_ERROR;
	checker = uspoof_open(&e);
	if (U_FAILURE(e))
		checker = NULL;
}

/* The ASCII name that this one, which is not ASCII, cannot be told from by eye; empty: there is none. */
static struct slice looks_like(struct slice domain, struct arena *a)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct slice shown;
	char out[1024];
	UErrorCode e = U_ZERO_ERROR;
	if (mail_domain_unicode(domain, a, &shown) != OK || slice_is_ascii(shown))
		return SLICE_NONE;
	pthread_once(&once, checker_open);
	int32_t n =
	    checker ? uspoof_getSkeletonUTF8(checker, 0, shown.p, (int32_t)shown.n, out, sizeof out, &e) : 0;
	struct slice skeleton = slice_of(out, n > 0 && n < (int32_t)sizeof out ? (size_t)n : 0);
	return U_SUCCESS(e) && skeleton.n && slice_is_ascii(skeleton) ? arena_dup(a, skeleton) : SLICE_NONE;
}

/* ---- domains ---- */

static void add_domain(struct trust_authors *out, struct slice domain, struct arena *a)
{
	struct slice ascii;
	if (mail_domain_ascii(domain, a, &ascii) != OK || !trust_name_ok(ascii)) {
		out->flags |= TRUST_FROM_MALFORMED;
		return;
	}
	for (size_t i = 0; i < out->n; i++)
		if (slice_ieq(out->domain[i], ascii))
			return;
	if (out->n == COUNT(out->domain)) {
		out->cut = true;
		return;
	}
	out->domain[out->n++] = ascii;
	struct slice like = looks_like(ascii, a);
	if (like.n) {
		out->flags |= TRUST_HOMOGRAPH;
		out->looks_like = like;
	}
}

static bool is_domain_octet(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '.' || (unsigned char)c > 127;
}

/* The next thing behind an "@" that could be a domain; empty: no more. */
static struct slice next_domain(struct slice *rest)
{
	for (;;) {
		ptrdiff_t at = slice_find(*rest, '@');
		if (at < 0)
			return SLICE_NONE;
		struct cursor c = cursor_of(slice_trim(slice_sub(*rest, (size_t)at + 1, rest->n)));
		struct slice name = trust_name_bare(cursor_while(&c, is_domain_octet));
		*rest = c.rest;
		if (slice_find(name, '.') > 0)
			return name;
	}
}

/* Whatever any program might take for a domain in this text. */
static void add_anything(struct trust_authors *out, struct slice text, struct arena *a)
{
	struct slice name, ascii;
	while (!out->cut && (name = next_domain(&text)).n)
		if (mail_domain_ascii(name, a, &ascii) == OK)
			add_domain(out, ascii, a);
}

/* ---- fields ---- */

static bool has_controls(struct slice value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if ((c < 32 && c != '\t' && c != '\r' && c != '\n') || c == 127)
			return true;
	}
	return !slice_is_utf8(value);
}

/* A local part that may be taken for more than one. */
static bool local_is_plain(struct slice local)
{
	for (size_t i = 0; i < local.n; i++)
		if (strchr("@<>,;:()\\\"", local.p[i]) || local.p[i] <= ' ')
			if ((unsigned char)local.p[i] < 128)
				return false;
	return local.n > 0 && !slice_starts(local, SLICE("=?"));
}

/* Whether the entries are exactly what every program reads. */
static bool entries_are_plain(const struct mail_entries *list)
{
	for (const struct mail_entry *e = list->first; e; e = e->next)
		if (e->broken || (e->kind == MAIL_ENTRY_MAILBOX &&
				     (e->route.n || !e->domain.n || !local_is_plain(e->local))))
			return false;
	return !list->cut;
}

/* The name people see holds an address, and that is not of the same domain. */
static bool name_shows_other(const struct mail_entry *e, struct arena *a)
{
	BUF_LOCAL(text, DECODED_MOST);
	struct slice own, other, name;
	if (slice_find(e->name, '@') < 0 && slice_search(e->name, SLICE("=?")) < 0)
		return false;
	mail_words_decode(e->name, &text);
	struct slice rest = buf_slice(&text);
	bool known = mail_domain_ascii(e->domain, a, &own) == OK;
	while ((name = next_domain(&rest)).n)
		if (mail_domain_ascii(name, a, &other) == OK && !(known && slice_ieq(own, other)))
			return true;
	return false;
}

bool trust_field_domains(struct slice value, struct arena *a, struct trust_authors *out)
{
	struct mail_entries list;
	size_t mailboxes = 0;
	mail_entries_parse(value, a, &list);
	for (const struct mail_entry *e = list.first; e; e = e->next) {
		if (e->kind != MAIL_ENTRY_MAILBOX)
			continue;
		mailboxes++;
		if (e->domain.n)
			add_domain(out, e->domain, a);
		if (name_shows_other(e, a))
			out->flags |= TRUST_DISPLAY_ADDRESS;
		if (!out->address.n && e->domain.n)
			out->address = slice_str(arena_printf(
			    a, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(e->local), SLICE_ARG(e->domain)));
	}
	if (mailboxes > 1)
		out->flags |= TRUST_FROM_SEVERAL;
	out->cut |= list.cut;
	return entries_are_plain(&list) && !has_controls(value);
}

/* A field that can be read in several ways: as it stands, without its comments, and decoded. */
static void add_every_reading(struct trust_authors *out, struct slice value, struct arena *a)
{
	BUF_LOCAL(decoded, DECODED_MOST);
	add_anything(out, value, a);
	mail_words_decode(value, &decoded);
	add_anything(out, buf_slice(&decoded), a);
	if (buf_result(&decoded) != OK)
		out->cut = true;
}

/* "From:", as lines that are no field but may be taken for one: with a blank or an octet of its own before it, or folded. */
static bool is_disguised(struct slice line)
{
	while (line.n && (line.p[0] <= ' ' || (unsigned char)line.p[0] > 126))
		line = slice_sub(line, 1, line.n);
	bool named = slice_istarts(line, SLICE("From"));
	struct slice rest = slice_trim(named ? slice_sub(line, 4, line.n) : line);
	return rest.n ? rest.p[0] == ':' : named;
}

/* A message without From: what programs show instead. */
static void add_substitutes(struct trust_authors *out, struct slice message, struct arena *a)
{
	static const struct slice names[] = {SLICE("Sender"), SLICE("Resent-From"), SLICE("Resent-Sender")};
	struct mail_field field;
	for (size_t i = 0; i < COUNT(names); i++)
		if (mail_header_get(message, names[i], &field))
			add_every_reading(out, field.value, a);
}

/* Is its Sender of another domain than the authors? */
static void note_sender(struct trust_authors *out, struct slice message, struct arena *a)
{
	struct mail_field field;
	struct trust_authors sender = {0};
	if (!out->n || !mail_header_get(message, SLICE("Sender"), &field))
		return;
	(void)trust_field_domains(field.value, a, &sender);
	for (size_t i = 0; i < sender.n; i++) {
		bool known = false;
		for (size_t j = 0; j < out->n; j++)
			known |= slice_ieq(sender.domain[i], out->domain[j]);
		if (!known)
			out->flags |= TRUST_SENDER_OTHER;
	}
}

/* One field of the header; true when it is a From. */
static bool take_field(struct trust_authors *out, const struct mail_field *field, bool first, struct arena *a)
{
	if (slice_istarts(field->name, SLICE("Resent-")))
		out->flags |= TRUST_RESENT;
	if (field->name.n == 0 && is_disguised(field->all)) {
		out->flags |= TRUST_FROM_MALFORMED;
		add_every_reading(out, field->all, a);
		return true;
	}
	if (!slice_ieq(field->name, SLICE("From")))
		return false;
	if (!trust_field_domains(field->value, a, out) || !first) {
		out->flags |= TRUST_FROM_MALFORMED;
		add_every_reading(out, field->value, a);
	}
	return true;
}

void trust_authors_read(struct slice message, struct arena *a, struct trust_authors *out)
{
	*out = (struct trust_authors){0};
	struct mail_fields fields = mail_fields_of(message);
	struct mail_field field;
	unsigned froms = 0;
	while (mail_fields_next(&fields, &field))
		froms += take_field(out, &field, froms == 0, a);
	if (froms > 1)
		out->flags |= TRUST_FROM_FIELDS;
	if (froms == 0)
		add_substitutes(out, message, a);
	if (froms == 0 || out->n == 0)
		out->flags |= TRUST_FROM_MISSING;
	out->cut |= arena_full(a);
	note_sender(out, message, a);
}
