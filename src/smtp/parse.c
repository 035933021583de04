#include "parse.h"

static const struct slice verb_names[VERB_UNKNOWN + 1] = {
#define X(name, needs, function) [VERB_##name] = {#name, sizeof #name - 1},
#include "verbs.def"
#undef X
    [VERB_UNKNOWN] = {"?", 1},
};

const char *smtp_verb_name(enum smtp_verb v)
{
	return verb_names[v].p;
}

enum smtp_verb smtp_verb_parse(struct slice line, struct slice *args_out)
{
	struct slice rest = slice_trim_blank(line);
	struct slice word = slice_split(&rest, ' ');
	*args_out = slice_trim_blank(rest);
	for (enum smtp_verb v = 0; v < VERB_UNKNOWN; v++)
		if (slice_ieq(word, verb_names[v]))
			return v;
	return VERB_UNKNOWN;
}

/* ---- parameters ---- */

static bool is_keyword_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-';
}

/* esmtp-value, RFC 5321 4.1.2 as widened by RFC 6531 3.3 */
static bool is_value_char(char c)
{
	unsigned char u = (unsigned char)c;
	return u > ' ' && u != '=' && u != 0x7f;
}

struct param_sink {
	struct arena *arena;
	struct smtp_mail_args *mail;
	struct smtp_rcpt_args *rcpt;
	bool utf8;
};

/* value.p is NULL when there was no "=". */
typedef enum smtp_reply param_take(struct param_sink *to, struct slice value);

static enum smtp_reply take_size(struct param_sink *to, struct slice value)
{
	if (value.n > 20 || num_u64(value, INT64_MAX, &to->mail->size) != OK)
		return value.n && value.n <= 20 && ascii_digit(value.p[0]) ? REPLY_TOO_BIG : REPLY_SYNTAX;
	return REPLY_NONE;
}

static enum smtp_reply take_body(struct param_sink *to, struct slice value)
{
	if (slice_ieq(value, SLICE("7BIT")))
		to->mail->body = BODY_7BIT;
	else if (slice_ieq(value, SLICE("8BITMIME")))
		to->mail->body = BODY_8BITMIME;
	else if (slice_ieq(value, SLICE("BINARYMIME")))
		to->mail->body = BODY_BINARYMIME;
	else
		return REPLY_SYNTAX;
	return REPLY_NONE;
}

static enum smtp_reply take_smtputf8(struct param_sink *to, struct slice value)
{
	to->mail->utf8 = true;
	return value.p ? REPLY_SYNTAX : REPLY_NONE;
}

static enum smtp_reply take_requiretls(struct param_sink *to, struct slice value)
{
	to->mail->require_tls = true;
	return value.p ? REPLY_SYNTAX : REPLY_NONE;
}

static enum smtp_reply take_ret(struct param_sink *to, struct slice value)
{
	if (slice_ieq(value, SLICE("FULL")))
		to->mail->ret = RET_FULL;
	else if (slice_ieq(value, SLICE("HDRS")))
		to->mail->ret = RET_HDRS;
	else
		return REPLY_SYNTAX;
	return REPLY_NONE;
}

static bool printable(struct slice s, bool utf8)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char u = (unsigned char)s.p[i];
		if (u < ' ' || u == 0x7f || (u > 0x7f && !utf8))
			return false;
	}
	return slice_is_utf8(s);
}

/* RFC 3461 4.4: at most 100 characters, printable ASCII in xtext. */
static enum smtp_reply take_envid(struct param_sink *to, struct slice value)
{
	BUF_LOCAL(text, 128);
	if (value.n == 0 || value.n > 100 || mail_xtext_decode(value, &text) != OK ||
	    !printable(buf_slice(&text), false))
		return REPLY_SYNTAX;
	to->mail->envid = arena_dup(to->arena, buf_slice(&text));
	return REPLY_NONE;
}

static enum smtp_reply take_auth(struct param_sink *to, struct slice value)
{
	BUF_LOCAL(text, LIMIT_SMTP_LINE);
	bool ok = value.n && (slice_eq(value, SLICE("<>")) || mail_xtext_decode(value, &text) == OK);
	return ok ? REPLY_NONE : REPLY_SYNTAX;
}

/* "NEVER", or a list of the others, RFC 3461 4.1. */
static enum smtp_reply take_notify(struct param_sink *to, struct slice value)
{
	static const struct {
		struct slice name;
		unsigned bit;
	} names[] = {{SLICE("SUCCESS"), NOTIFY_SUCCESS}, {SLICE("FAILURE"), NOTIFY_FAILURE},
	    {SLICE("DELAY"), NOTIFY_DELAY}, {SLICE("NEVER"), NOTIFY_NEVER}};
	unsigned bits = 0;
	for (bool more = true; more;) {
		more = slice_find(value, ',') >= 0;
		struct slice word = slice_split(&value, ',');
		unsigned bit = 0;
		for (size_t i = 0; i < COUNT(names); i++)
			if (slice_ieq(word, names[i].name))
				bit = names[i].bit;
		if (!bit)
			return REPLY_SYNTAX;
		bits |= bit;
	}
	to->rcpt->notify = bits;
	return bits & NOTIFY_NEVER && bits != NOTIFY_NEVER ? REPLY_SYNTAX : REPLY_NONE;
}

/* addr-type ";" xtext, RFC 3461 4.2; of type "utf-8": RFC 6533 3. */
static enum smtp_reply take_orcpt(struct param_sink *to, struct slice value)
{
	BUF_LOCAL(text, 1024);
	if (value.n > 500)
		return REPLY_SYNTAX;
	struct cursor c = cursor_of(value);
	struct slice type = cursor_while1(&c, is_keyword_char);
	cursor_need(&c, ';');
	if (c.err != OK || c.rest.n == 0)
		return REPLY_SYNTAX;
	bool utf8 = slice_ieq(type, SLICE("utf-8"));
	buf_put(&text, type);
	buf_putc(&text, ';');
	enum result r = utf8 ? mail_utf8_xtext_decode(c.rest, &text) : mail_xtext_decode(c.rest, &text);
	if (r != OK || !printable(buf_slice(&text), utf8) || (!slice_is_ascii(value) && !to->utf8))
		return REPLY_SYNTAX;
	to->rcpt->orcpt = arena_dup(to->arena, buf_slice(&text));
	return REPLY_NONE;
}

struct param {
	struct slice name;
	param_take *take;
};
static const struct param mail_params[] = {{SLICE("SIZE"), take_size}, {SLICE("BODY"), take_body},
    {SLICE("SMTPUTF8"), take_smtputf8}, {SLICE("REQUIRETLS"), take_requiretls}, {SLICE("RET"), take_ret},
    {SLICE("ENVID"), take_envid}, {SLICE("AUTH"), take_auth}};
static const struct param rcpt_params[] = {{SLICE("NOTIFY"), take_notify}, {SLICE("ORCPT"), take_orcpt}};

/* *( SP keyword [ "=" value ] ), each at most once. */
static enum smtp_reply take_params(
    struct cursor *c, const struct param *params, size_t n, struct param_sink *to)
{
	unsigned seen = 0;
	while (!cursor_end(c)) {
		cursor_need(c, ' ');
		cursor_blanks(c);
		struct slice name = cursor_while1(c, is_keyword_char), value = SLICE_NONE;
		if (cursor_try(c, '='))
			value = cursor_while1(c, is_value_char);
		if (c->err != OK)
			return REPLY_SYNTAX;
		size_t i = 0;
		while (i < n && !slice_ieq(name, params[i].name))
			i++;
		if (i == n || seen & 1u << i)
			return REPLY_PARAMETER;
		seen |= 1u << i;
		enum smtp_reply r = params[i].take(to, value);
		if (r != REPLY_NONE)
			return r;
	}
	return REPLY_NONE;
}

/* ---- arguments ---- */

/* A copy that outlives the line; protocol and store compare domains in lower case. */
static struct mail_addr addr_keep(struct mail_addr m, struct arena *a)
{
	char *domain = arena_alloc(a, m.domain.n);
	for (size_t i = 0; domain && i < m.domain.n; i++)
		domain[i] = ascii_lower(m.domain.p[i]);
	return (struct mail_addr){arena_dup(a, m.local), {domain, domain ? m.domain.n : 0}};
}

/* "FROM:" or "TO:" and a path; a blank before the path is forgiven, many clients put one. */
static bool take_path(struct cursor *c, struct slice word, struct arena *a, struct mail_addr *out)
{
	if (!cursor_try_word(c, word))
		return false;
	cursor_blanks(c);
	struct mail_addr m;
	if (mail_path_parse(c, a, &m) != OK)
		return false;
	*out = addr_keep(m, a);
	return !arena_full(a);
}

enum smtp_reply smtp_mail_parse(
    struct slice args, bool with_auth, struct arena *a, struct smtp_mail_args *out)
{
	struct cursor c = cursor_of(args);
	*out = (struct smtp_mail_args){0};
	if (!slice_istarts(args, SLICE("FROM:")))
		return REPLY_SYNTAX;
	/* <postmaster> is for recipients only */
	if (!take_path(&c, SLICE("FROM:"), a, &out->from) || (out->from.local.n && !out->from.domain.n))
		return REPLY_BAD_SENDER;
	struct param_sink to = {.arena = a, .mail = out};
	enum smtp_reply r = take_params(&c, mail_params, COUNT(mail_params) - !with_auth, &to);
	if (r != REPLY_NONE)
		return r;
	return mail_addr_utf8(out->from) && !out->utf8 ? REPLY_UTF8_ADDRESS : REPLY_NONE;
}

enum smtp_reply smtp_rcpt_parse(struct slice args, bool utf8, struct arena *a, struct smtp_rcpt_args *out)
{
	struct cursor c = cursor_of(args);
	*out = (struct smtp_rcpt_args){0};
	if (!slice_istarts(args, SLICE("TO:")))
		return REPLY_SYNTAX;
	if (!take_path(&c, SLICE("TO:"), a, &out->to) || mail_addr_null(out->to))
		return REPLY_BAD_RCPT;
	struct param_sink to = {.arena = a, .rcpt = out, .utf8 = utf8};
	enum smtp_reply r = take_params(&c, rcpt_params, COUNT(rcpt_params), &to);
	if (r != REPLY_NONE)
		return r;
	return mail_addr_utf8(out->to) && !utf8 ? REPLY_UTF8_ADDRESS : REPLY_NONE;
}

enum smtp_reply smtp_bdat_parse(struct slice args, uint64_t *size_out, bool *last_out)
{
	struct slice rest = args, number = slice_split(&rest, ' ');
	rest = slice_trim_blank(rest);
	*last_out = slice_ieq(rest, SLICE("LAST"));
	if (num_u64(number, INT64_MAX, size_out) != OK || (rest.n && !*last_out))
		return REPLY_SYNTAX;
	return REPLY_NONE;
}

enum smtp_reply smtp_helo_parse(struct slice args, struct slice *name_out)
{
	*name_out = args;
	if (args.n == 0 || args.n > LIMIT_DNS_NAME || !printable(args, true) || slice_find(args, ' ') >= 0)
		return REPLY_SYNTAX;
	return REPLY_NONE;
}

enum smtp_reply smtp_auth_parse(struct slice args, struct slice *mechanism_out, struct slice *initial_out)
{
	struct slice rest = args;
	*mechanism_out = slice_split(&rest, ' ');
	rest = slice_trim_blank(rest);
	*initial_out = rest.n ? rest : SLICE_NONE;
	return mechanism_out->n && slice_find(rest, ' ') < 0 ? REPLY_NONE : REPLY_SYNTAX;
}
