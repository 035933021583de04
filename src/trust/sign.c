/* Fields in the making: what they say before they are signed, and how they are put together afterwards. */
#include "trust/signature.h"
#include <stdio.h>

#define LINE 76
#define NAMES_MOST 65536

const char *dkim_algorithm_name(enum dkim_algorithm a)
{
	return a == DKIM_ED25519_SHA256 ? "ed25519-sha256" : "rsa-sha256";
}

/* ---- text ---- */

void signature_text_start(struct signature_text *t, const char *field, struct buf *out)
{
	*t = (struct signature_text){.out = out, .column = strlen(field) + 1};
	buf_puts(out, field);
	buf_putc(out, ':');
}

void signature_text_tag(struct signature_text *t, const char *name, struct slice value)
{
	size_t n = strlen(name) + 1 + value.n + 1;
	if (t->any)
		buf_putc(t->out, ';');
	bool fold = t->any && t->column + 1 + n > LINE;
	buf_puts(t->out, fold ? "\r\n " : " ");
	buf_puts(t->out, name);
	buf_putc(t->out, '=');
	buf_put(t->out, value);
	t->column = fold ? 1 + n : t->column + 1 + n;
	t->any = true;
}

void signature_text_time(struct signature_text *t, const char *name, int64_t seconds)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)seconds);
	signature_text_tag(t, name, slice_str(text));
}

void signature_text_body(struct signature_text *t, struct trust_message *m, enum canon how)
{
	BUF_LOCAL(hash, 64);
	buf_base64(&hash, slice_of(trust_body_hash(m, how, UINT64_MAX)->digest, TRUST_DIGEST));
	signature_text_tag(t, "bh", buf_slice(&hash));
}

/* ---- names ---- */

enum covering { ALWAYS, WHERE_THERE };

/* clang-format off */
static const struct {
	const char *name;
	enum covering how; /* ALWAYS: none may be added where there is none; lists add their List- fields and a Sender */
} covered[] = {
	{"From", ALWAYS}, {"Reply-To", ALWAYS}, {"To", ALWAYS}, {"Cc", ALWAYS}, {"Subject", ALWAYS}, {"Date", ALWAYS},
	{"Message-ID", ALWAYS}, {"In-Reply-To", ALWAYS}, {"References", ALWAYS}, {"MIME-Version", ALWAYS},
	{"Content-Type", ALWAYS}, {"Content-Transfer-Encoding", ALWAYS}, {"Content-Disposition", WHERE_THERE},
	{"Content-ID", WHERE_THERE}, {"Content-Description", WHERE_THERE}, {"Content-Language", WHERE_THERE},
	{"Sender", WHERE_THERE}, {"List-Id", WHERE_THERE}, {"List-Help", WHERE_THERE},
	{"List-Unsubscribe", WHERE_THERE}, {"List-Unsubscribe-Post", WHERE_THERE}, {"List-Subscribe", WHERE_THERE},
	{"List-Post", WHERE_THERE}, {"List-Owner", WHERE_THERE}, {"List-Archive", WHERE_THERE},
	{"Auto-Submitted", WHERE_THERE}, {"Feedback-ID", WHERE_THERE}, {"Autocrypt", WHERE_THERE},
	{"Disposition-Notification-To", WHERE_THERE}, {"TLS-Required", WHERE_THERE},
};
/* clang-format on */

void dkim_names_put(const struct trust_message *m, struct buf *out)
{
	for (size_t i = 0; i < COUNT(covered); i++) {
		size_t n = trust_count(m, slice_str(covered[i].name));
		if (n == 0 && covered[i].how == WHERE_THERE)
			continue;
		for (size_t k = 0; k <= n; k++) {
			if (out->n)
				buf_putc(out, ':');
			buf_puts(out, covered[i].name);
		}
	}
}

/* The list with white space behind colons where a line would become too long. */
static void fold_names(struct slice names, size_t width, struct buf *out)
{
	size_t column = 0;
	while (names.n) {
		struct slice name = slice_split(&names, ':');
		if (column && column + name.n + 1 > width) {
			buf_puts(out, "\r\n  ");
			column = 0;
		}
		buf_put(out, name);
		if (names.n)
			buf_putc(out, ':');
		column += name.n + 1;
	}
}

/* ---- drafts ---- */

enum result signature_draft(enum signature_kind kind, struct trust_message *m, struct slice field,
    struct slice seal_input, struct trust_draft *out)
{
	struct slice text = arena_dup(m->arena, field);
	struct mail_fields fields = mail_fields_of(text);
	struct mail_field f;
	struct signature s;
	if (arena_full(m->arena))
		return FULL;
	if (!mail_fields_next(&fields, &f) || !f.name.n || fields.rest.n ||
	    signature_parse(kind, &f, true, m->arena, &s))
		return BAD;
	BUF_LOCAL(input, m->all.n + seal_input.n + text.n + 2 * LIMIT_HEADER_FIELD);
	if (kind == SIGNATURE_SEAL) {
		buf_put(&input, seal_input);
		canon_signature(s.header, &s.field, s.b, &input);
	} else {
		signature_header_input(m, &s, &input);
	}
	signature_digest(buf_slice(&input), out->digest);
	size_t at = (size_t)(s.b.p - text.p);
	out->head = slice_sub(text, 0, at);
	out->tail = slice_sub(text, at + s.b.n, text.n);
	return OK;
}

enum result dkim_draft_of(struct trust_message *m, struct slice field, struct trust_draft *out)
{
	return m->unfit ? BAD : signature_draft(SIGNATURE_DKIM, m, field, SLICE_NONE, out);
}

enum result dkim_draft_make(struct trust_message *m, const struct dkim_signer *s, struct trust_draft *out)
{
	BUF_LOCAL(names, NAMES_MOST);
	BUF_LOCAL(folded, 2 * NAMES_MOST);
	BUF_LOCAL(text, 4 * NAMES_MOST);
	if (m->unfit || !trust_count(m, SLICE("From")))
		return BAD;
	if (s->names.n)
		buf_put(&names, s->names);
	else
		dkim_names_put(m, &names);
	fold_names(buf_slice(&names), LINE - 4, &folded);
	BUF_LOCAL(canons, 32);
	buf_printf(&canons, "%s/%s", canon_name(s->header), canon_name(s->body));
	struct signature_text t;
	signature_text_start(&t, "DKIM-Signature", &text);
	signature_text_tag(&t, "v", SLICE("1"));
	signature_text_tag(&t, "a", slice_str(dkim_algorithm_name(s->algorithm)));
	signature_text_tag(&t, "c", buf_slice(&canons));
	signature_text_tag(&t, "d", s->domain);
	signature_text_tag(&t, "s", s->selector);
	signature_text_time(&t, "t", s->now_s);
	if (s->expires_s)
		signature_text_time(&t, "x", s->expires_s);
	signature_text_tag(&t, "h", buf_slice(&folded));
	t.column = LINE;
	signature_text_body(&t, m, s->body);
	t.column = LINE;
	signature_text_tag(&t, "b", SLICE_NONE);
	buf_puts(&text, "\r\n");
	if (buf_result(&names) != OK || buf_result(&text) != OK)
		return BAD;
	return signature_draft(SIGNATURE_DKIM, m, buf_slice(&text), SLICE_NONE, out);
}

void dkim_draft_put(const struct trust_draft *d, struct slice signature, struct buf *out)
{
	BUF_LOCAL(base64, LIMIT_SIGNATURE_OCTETS);
	buf_base64(&base64, signature);
	struct slice rest = buf_slice(&base64);
	/* In ARC others seal the field as it stands, and the shape everybody seals has no white space there. */
	bool fold = slice_eq(d->tail, SLICE("\r\n"));
	size_t column = d->head.n - (size_t)(slice_rfind(d->head, '\n') + 1);
	size_t room = fold && column < LINE ? LINE - column : rest.n;
	buf_put(out, d->head);
	while (rest.n) {
		buf_put(out, slice_sub(rest, 0, room));
		rest = slice_sub(rest, room, rest.n);
		room = LINE - 1;
		if (rest.n)
			buf_puts(out, "\r\n ");
	}
	buf_put(out, d->tail);
}
