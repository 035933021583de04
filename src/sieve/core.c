/* core: require and the tests on header, envelope and size, RFC 5228 3.2 and 5; subaddress, RFC 5233. */
#include "mail/class.h"
#include "sieve/inside.h"

void sieve_require(struct sieve_script *s, enum sieve_cap cap)
{
	s->caps |= (uint64_t)1 << cap;
	if (cap == SIEVE_CAP_VACATION_SECONDS) /* RFC 6131 2 */
		s->caps |= (uint64_t)1 << SIEVE_CAP_VACATION;
	if (cap == SIEVE_CAP_SPAMTESTPLUS) /* RFC 5235 2.2 */
		s->caps |= (uint64_t)1 << SIEVE_CAP_SPAMTEST;
	if (cap == SIEVE_CAP_VND_ENVIRONMENT)
		s->caps |= (uint64_t)1 << SIEVE_CAP_ENVIRONMENT;
}

bool sieve_check_require(struct sieve_compiler *c, struct sieve_node *n)
{
	bool good = true;
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next) {
		enum sieve_cap cap = sieve_cap_find(t->text);
		const struct sieve_ext *more = c->how->more;
		if (cap < SIEVE_CAPS) {
			sieve_require(c->script, cap);
		} else if (!more || !slice_starts(t->text, slice_str(more->name))) {
			sieve_say(c, t->line, t->column, "unknown capability '" SLICE_FMT "'",
			    SLICE_ARG(slice_sub(t->text, 0, 80)));
			good = false;
		}
	}
	return good;
}

/* What ihave says is certain; its block is not even looked at then, RFC 5463 4. */
bool sieve_check_if(struct sieve_compiler *c, struct sieve_node *n)
{
	n->dead = sieve_certain(n->tests) == SIEVE_NO;
	return c != NULL;
}

/* A field of a name that no field can have is never there. */
bool sieve_check_headers(struct sieve_compiler *c, struct sieve_node *n)
{
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next)
		if (!t->pieces && !sieve_field_name_valid(t->text))
			sieve_warn(c, t->line, t->column, "'" SLICE_FMT "' is not the name of a header field",
			    SLICE_ARG(slice_sub(t->text, 0, 80)));
	return true;
}

bool sieve_check_header(struct sieve_compiler *c, struct sieve_node *n)
{
	return sieve_check_headers(c, n) && sieve_check_scope(c, n);
}

static bool match_header(void *ctx, struct sieve_field *f)
{
	return sieve_mime_match(ctx, f);
}

enum sieve_flow sieve_test_header(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[1]);
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next)
		if (sieve_fields_each(r, n, sieve_value(r, t), match_header, &m))
			break;
	return sieve_match_end(&m, yes);
}

static bool is_there(void *ctx, struct sieve_field *f)
{
	*(bool *)ctx = f != NULL;
	return true;
}

enum sieve_flow sieve_test_exists(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = true;
	for (const struct sieve_text *t = n->pos[0]->texts; t && *yes; t = t->next) {
		*yes = false;
		sieve_fields_each(r, n, sieve_value(r, t), is_there, yes);
	}
	return SIEVE_GO;
}

enum sieve_flow sieve_test_size(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	uint64_t limit = n->pos[0]->number, size = sieve_message_size(r);
	*yes = sieve_tagged(n, SIEVE_TAG_OVER) ? size > limit : size < limit;
	return SIEVE_GO;
}

/* ---- addresses ---- */

/* Fields made of addresses, of the registry (RFC 4021 on) and in use; besides them any that begins with X-. */
bool sieve_check_address(struct sieve_compiler *c, struct sieve_node *n)
{
	static const char *const fields[] = {"from", "to", "cc", "bcc", "sender", "reply-to", "resent-from",
	    "resent-to", "resent-cc", "resent-bcc", "resent-sender", "resent-reply-to", "abuse-reports-to",
	    "apparently-to", "approved", "author", "delivered-to", "disposition-notification-to",
	    "envelope-to", "errors-to", "for-approval", "for-comment", "for-handling", "mail-copies-to",
	    "mail-followup-to", "mail-reply-to", "original-from", "read-receipt-to",
	    "registered-mail-reply-requested-by", "return-path", "return-receipt-requested",
	    "return-receipt-to"};
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next) {
		size_t i = 0;
		while (i < COUNT(fields) && !slice_ieq(t->text, slice_str(fields[i])))
			i++;
		if (t->pieces || i < COUNT(fields) || slice_istarts(t->text, SLICE("x-")))
			continue;
		sieve_say(c, t->line, t->column, "header '" SLICE_FMT "' is not allowed for the address test",
		    SLICE_ARG(slice_sub(t->text, 0, 80)));
		return false;
	}
	return sieve_check_scope(c, n);
}

/* Where user and detail part, RFC 5233 4; -1: nowhere. */
static ptrdiff_t separator(const struct sieve_env *env, struct slice local)
{
	struct slice marks = env->delimiters.p ? env->delimiters : SLICE("+");
	for (size_t i = 0; i < local.n; i++)
		if (slice_find(marks, local.p[i]) >= 0)
			return (ptrdiff_t)i;
	return -1;
}

bool sieve_address_part(struct sieve_runner *r, const struct sieve_node *n, struct slice local,
    struct slice domain, struct slice *out)
{
	if (sieve_tagged(n, SIEVE_TAG_LOCALPART)) {
		*out = local;
	} else if (sieve_tagged(n, SIEVE_TAG_DOMAIN)) {
		*out = domain;
	} else if (sieve_tagged(n, SIEVE_TAG_USER) || sieve_tagged(n, SIEVE_TAG_DETAIL)) {
		ptrdiff_t at = separator(r->env, local);
		bool user = sieve_tagged(n, SIEVE_TAG_USER);
		if (at < 0 && !user)
			return false;
		*out = at < 0 ? local
		       : user ? slice_sub(local, 0, (size_t)at)
			      : slice_sub(local, (size_t)at + 1, local.n);
	} else {
		BUF_LOCAL(all, local.n * 2 + domain.n + 8);
		mail_addr_put(&all, (struct mail_addr){local, domain});
		*out = arena_dup(r->a, buf_slice(&all));
	}
	return true;
}

static bool match_field(void *ctx, struct sieve_field *f)
{
	struct sieve_match *m = ctx;
	const struct mail_entries *entries = sieve_field_entries(m->r, f);
	bool all = !(m->n->tags & (SIEVE_PARTS & ~SIEVE_BIT(ALL)));
	/* RFC 5228 2.7.4: what is no address has its whole text, here none. */
	if (entries && !entries->first && all && !sieve_tagged(m->n, SIEVE_TAG_COUNT))
		return sieve_match_value(m, SLICE_NONE);
	for (const struct mail_entry *e = entries ? entries->first : NULL; e; e = e->next) {
		struct slice part = e->local;
		if (e->kind != MAIL_ENTRY_MAILBOX)
			continue;
		bool has = e->domain.n && !e->broken;
		if (has ? sieve_address_part(m->r, m->n, e->local, e->domain, &part) : all)
			if (sieve_match_value(m, part))
				return true;
	}
	return false;
}

enum sieve_flow sieve_test_address(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[1]);
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next)
		if (sieve_fields_each(r, n, sieve_value(r, t), match_field, &m))
			break;
	return sieve_match_end(&m, yes);
}

/* ---- envelope ---- */

enum { PART_FROM, PART_TO, PART_ORIG_TO, PART_AUTH, PART_NOTIFY, PART_RET, PART_ENVID, PART_ORCPT, PARTS };

/* RFC 5228 5.4, RFC 6009 2.1; orig_to and auth are ours. */
static unsigned part_find(struct slice name)
{
	static const char *const names[PARTS] = {
	    "from", "to", "orig_to", "auth", "notify", "ret", "envid", "orcpt"};
	unsigned i = 0;
	while (i < PARTS && !slice_ieq(name, slice_str(names[i])))
		i++;
	return i;
}

bool sieve_check_envelope(struct sieve_compiler *c, struct sieve_node *n)
{
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next) {
		unsigned part = part_find(t->text);
		if (t->pieces || part < PART_NOTIFY ||
		    (part < PARTS && sieve_has(c->script, SIEVE_CAP_ENVELOPE_DSN)))
			continue;
		sieve_say(c, t->line, t->column, "unknown envelope part '" SLICE_FMT "'",
		    SLICE_ARG(slice_sub(t->text, 0, 80)));
		return false;
	}
	return true;
}

static bool all_of(struct slice s, const char *more)
{
	for (size_t i = 0; i < s.n; i++)
		if (!mail_is(s.p[i], MAIL_ATEXT) && !(s.p[i] && strchr(more, s.p[i])))
			return false;
	return s.n > 0;
}

static bool host_like(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr("-_.", s.p[i] ? s.p[i] : '?'))
			return false;
	return s.n > 0 && s.p[0] != '.' && s.p[s.n - 1] != '.' && slice_search(s, SLICE("..")) < 0;
}

/* As SMTP has it, with a source route passed over; and what SMTP would not have let in but people use. */
static bool path_parse(struct sieve_runner *r, struct slice path, struct mail_addr *out)
{
	struct cursor c = cursor_of(slice_str(arena_printf(r->a, "<" SLICE_FMT ">", SLICE_ARG(path))));
	if (mail_path_parse(&c, r->a, out) == OK && cursor_done(&c) == OK)
		return true;
	ptrdiff_t at = slice_rfind(path, '@');
	*out = (struct mail_addr){slice_sub(path, 0, at < 0 ? path.n : (size_t)at),
	    slice_sub(path, (size_t)(at + 1), at < 0 ? 0 : path.n)};
	return all_of(out->local, ".") && (at < 0 || host_like(out->domain));
}

/* A path that is none has no parts, and as a whole no value. */
static bool match_path(struct sieve_match *m, struct slice path)
{
	struct mail_addr addr;
	struct slice part = SLICE_NONE;
	if (path.n && !path_parse(m->r, path, &addr))
		return false;
	if (path.n && !addr.domain.n && !(m->n->tags & (SIEVE_PARTS & ~SIEVE_BIT(ALL))))
		part = addr.local;
	else if (path.n && !sieve_address_part(m->r, m->n, addr.local, addr.domain, &part))
		return false;
	return sieve_match_value(m, part);
}

enum sieve_flow sieve_test_envelope(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	const struct sieve_env *env = r->env;
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[1]);
	for (const struct sieve_text *t = n->pos[0]->texts; t && env->has_envelope; t = t->next) {
		unsigned part = part_find(sieve_value(r, t));
		const struct slice values[PARTS] = {env->from, env->to, env->orig_to, env->auth, env->notify,
		    env->ret, env->envid, env->orcpt};
		bool given = part == PART_FROM || (part < PARTS && values[part].n);
		if (given &&
		    (part < PART_AUTH ? match_path(&m, values[part]) : sieve_match_value(&m, values[part])))
			break;
	}
	return sieve_match_end(&m, yes);
}
