/* notify: notifications by mail: RFC 5435 and 5436, and the mailto URI of RFC 6068. */
#include "mail/class.h"
#include "sieve/inside.h"

/* ---- mailto: ---- */

static bool uri_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~!$'()*+,:@/", c));
}

/* Undoes %XX; false on a character that may not stand in the part of a mailto URI. */
static bool decode(struct slice s, struct arena *a, struct slice *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; p && i < s.n; i++) {
		bool hex = s.p[i] == '%' && i + 2 < s.n && mail_hex_value(s.p[i + 1]) >= 0 &&
			   mail_hex_value(s.p[i + 2]) >= 0;
		if (!hex && !uri_char(s.p[i]))
			return false;
		p[n++] = hex ? (char)(mail_hex_value(s.p[i + 1]) << 4 | mail_hex_value(s.p[i + 2])) : s.p[i];
		i += hex ? 2 : 0;
	}
	*out = slice_of(p, n);
	return p != NULL;
}

static bool known(const struct sieve_mailto *m, struct slice address)
{
	for (size_t i = 0; i < m->to_count; i++)
		if (slice_ieq(m->to[i].address, address))
			return true;
	for (size_t i = 0; i < m->cc_count; i++)
		if (slice_ieq(m->cc[i].address, address))
			return true;
	return false;
}

/* Addresses divided by commas, each percent-encoded on its own. */
static const char *addresses(struct slice list, struct arena *a, struct sieve_mailto *m, bool cc)
{
	while (list.n) {
		struct slice one = slice_split(&list, ','), address;
		if (!sieve_address_parse(one, a, &address))
			return "it has an invalid address";
		if (known(m, address))
			continue;
		if (m->to_count + m->cc_count == LIMIT_SIEVE_MAILTO)
			return "it has too many recipients";
		struct sieve_recipient **list_of = cc ? &m->cc : &m->to;
		size_t *count = cc ? &m->cc_count : &m->to_count;
		if (!*list_of)
			*list_of = arena_array(a, LIMIT_SIEVE_MAILTO, sizeof **list_of);
		if (!*list_of)
			return "there is no memory for it";
		(*list_of)[(*count)++] = (struct sieve_recipient){address, slice_trim(one)};
	}
	return NULL;
}

/* Fields that a URI may not set, RFC 5436 2.4 and common sense. */
static bool forbidden(struct slice name)
{
	const struct slice names[] = {SLICE("from"), SLICE("sender"), SLICE("date"), SLICE("message-id"),
	    SLICE("received"), SLICE("return-path"), SLICE("bcc"), SLICE("auto-submitted"),
	    SLICE("mime-version"), SLICE("x-sieve"), SLICE("reply-to"), SLICE("importance"),
	    SLICE("x-priority"), SLICE("delivered-to"), SLICE("dkim-signature")};
	for (size_t i = 0; i < COUNT(names); i++)
		if (slice_ieq(name, names[i]))
			return true;
	return slice_istarts(name, SLICE("resent-")) || slice_istarts(name, SLICE("content-")) ||
	       slice_istarts(name, SLICE("list-")) || slice_istarts(name, SLICE("arc-")) ||
	       slice_istarts(name, SLICE("authentication-"));
}

static const char *one_header(struct slice pair, struct arena *a, struct sieve_mailto *m)
{
	struct slice value = pair, name = slice_split(&value, '=');
	if (name.n == pair.n || !decode(name, a, &name) || !sieve_field_name_valid(name))
		return "it has an invalid header name";
	if (!decode(value, a, &value))
		return "it has an invalid header value";
	if (slice_ieq(name, SLICE("to")))
		return addresses(value, a, m, false);
	if (slice_ieq(name, SLICE("cc")))
		return addresses(value, a, m, true);
	if (slice_ieq(name, SLICE("subject"))) {
		m->subject = value;
	} else if (slice_ieq(name, SLICE("body"))) {
		m->body = value;
	} else if (!forbidden(name)) {
		if (m->header_count == COUNT(m->headers))
			return "it has too many headers";
		m->headers[m->header_count][0] = name;
		m->headers[m->header_count++][1] = value;
	}
	return NULL;
}

const char *sieve_mailto_parse(struct slice uri, struct arena *a, struct sieve_mailto *out)
{
	struct slice rest = uri, scheme = slice_split(&rest, ':');
	*out = (struct sieve_mailto){0};
	if (!slice_ieq(scheme, SLICE("mailto")) || scheme.n == uri.n)
		return "only mailto: is known";
	struct slice query = rest, path = slice_split(&query, '?');
	struct slice to;
	if (!decode(path, a, &to))
		return "it has an invalid character";
	const char *why = addresses(to, a, out, false);
	while (!why && query.n)
		why = one_header(slice_split(&query, '&'), a, out);
	if (!why && out->to_count + out->cc_count == 0)
		why = "it names no recipient";
	return why;
}

/* ---- notify ---- */

static unsigned importance_of(struct slice s)
{
	return s.n == 1 && s.p[0] >= '1' && s.p[0] <= '3' ? (unsigned)(s.p[0] - '0') : 0;
}

/* "name=value", RFC 5435 3.4. */
static bool option_valid(struct slice s)
{
	struct slice value = s, name = slice_split(&value, '=');
	if (name.n == s.n || !name.n || !(ascii_alpha(name.p[0]) || ascii_digit(name.p[0])))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && !strchr("._-", name.p[i]))
			return false;
	return slice_find(value, '\n') < 0 && slice_find(value, '\r') < 0 && slice_find(value, 0) < 0;
}

static bool say(struct sieve_compiler *c, const struct sieve_text *t, const char *what, const char *why)
{
	sieve_say(c, t->line, t->column, "%s '" SLICE_FMT "'%s%s", what, SLICE_ARG(slice_sub(t->text, 0, 80)),
	    why ? ": " : "", why ? why : "");
	return false;
}

bool sieve_check_notify(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_arg *from = sieve_tag_value(n, SIEVE_TAG_FROM),
			       *options = sieve_tag_value(n, SIEVE_TAG_OPTIONS);
	const struct sieve_arg *importance = sieve_tag_value(n, SIEVE_TAG_IMPORTANCE);
	const struct sieve_text *method = n->pos[0]->texts;
	struct sieve_mailto *mailto = arena_new(c->a, struct sieve_mailto);
	struct slice address;
	if (!c->how->limits.notifications) {
		sieve_say(c, n->line, n->column, "local policy prohibits the use of a notify action");
		return false;
	}
	if (!sieve_check_fcc(c, n))
		return false;
	if (from && !from->texts->pieces && !sieve_address_parse(from->texts->text, c->a, &address))
		return say(c, from->texts, "invalid :from address", NULL);
	if (importance && !importance->texts->pieces && !importance_of(importance->texts->text))
		return say(c, importance->texts, "invalid :importance", "it is 1, 2 or 3");
	bool good = true;
	for (const struct sieve_text *t = options ? options->texts : NULL; t; t = t->next)
		if (!t->pieces && !option_valid(t->text))
			good = say(c, t, "invalid option", "it has the form name=value");
	const char *why = method->pieces || !mailto ? NULL : sieve_mailto_parse(method->text, c->a, mailto);
	return (why ? say(c, method, "invalid notification method", why) : mailto != NULL) && good;
}

/* Nobody is told twice in one run. */
static void leave_known(const struct sieve_runner *r, struct sieve_mailto *m)
{
	for (const struct sieve_action *x = r->out->actions; x; x = x->next) {
		if (x->act != SIEVE_NOTIFY)
			continue;
		size_t to = 0, cc = 0;
		for (size_t i = 0; i < m->to_count; i++)
			if (!known(x->mailto, m->to[i].address))
				m->to[to++] = m->to[i];
		for (size_t i = 0; i < m->cc_count; i++)
			if (!known(x->mailto, m->cc[i].address))
				m->cc[cc++] = m->cc[i];
		m->to_count = to;
		m->cc_count = cc;
	}
}

static struct slice tag_text(struct sieve_runner *r, const struct sieve_node *n, enum sieve_tag tag)
{
	const struct sieve_arg *arg = sieve_tag_value(n, tag);
	return arg ? sieve_arg_value(r, arg) : SLICE_NONE;
}

static bool options_take(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x)
{
	const struct sieve_arg *options = sieve_tag_value(n, SIEVE_TAG_OPTIONS);
	if (!options)
		return true;
	x->list_items = arena_array(r->a, options->count + 1, sizeof *x->list_items);
	for (const struct sieve_text *t = options->texts; x->list_items && t; t = t->next)
		x->list_items[x->list_count++] = sieve_value(r, t);
	return x->list_items != NULL;
}

enum sieve_flow sieve_run_notify(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_mailto *mailto = arena_new(r->a, struct sieve_mailto);
	struct slice method = sieve_arg_value(r, n->pos[0]), from = tag_text(r, n, SIEVE_TAG_FROM), address;
	if (!mailto)
		return SIEVE_FAIL;
	const char *why = sieve_mailto_parse(method, r->a, mailto);
	if (why)
		return sieve_fail(r, n, "invalid notification method '" SLICE_FMT "': %s",
		    SLICE_ARG(slice_sub(method, 0, 80)), why);
	if (from.n && !sieve_address_parse(from, r->a, &address))
		from = SLICE_NONE; /* RFC 5435 3.3: an invalid one is ignored */
	if (!r->env->limits.notifications)
		return sieve_fail(r, n, "local policy prohibits the use of a notify action");
	if (r->notifications++ >= r->env->limits.notifications)
		return sieve_fail(r, n, "number of notify actions exceeds policy limit (more than %zu)",
		    r->env->limits.notifications);
	leave_known(r, mailto);
	struct sieve_action *x = sieve_act_new(r, n, SIEVE_NOTIFY);
	if (!x || !options_take(r, n, x))
		return SIEVE_FAIL;
	x->address = method;
	x->mailto = mailto;
	x->from = from;
	x->reason = tag_text(r, n, SIEVE_TAG_MESSAGE);
	x->importance = importance_of(tag_text(r, n, SIEVE_TAG_IMPORTANCE));
	if (!x->importance)
		x->importance = 2;
	if (sieve_automatic(r)) /* RFC 5436 2.7: no loops */
		x->suppressed = SLICE("the message was sent automatically");
	else if (mailto->to_count + mailto->cc_count == 0)
		x->suppressed = SLICE("all recipients are told already");
	return sieve_act_fcc(r, n, x);
}

enum sieve_flow sieve_test_valid_notify_method(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_mailto *mailto = arena_new(r->a, struct sieve_mailto);
	*yes = mailto != NULL;
	for (const struct sieve_text *t = n->pos[0]->texts; t && *yes; t = t->next)
		*yes = !sieve_mailto_parse(sieve_value(r, t), r->a, mailto);
	return SIEVE_GO;
}

/* "online": whether somebody is there to read it; mail cannot tell, RFC 5436 2.2. */
enum sieve_flow sieve_test_notify_method_capability(
    struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_mailto *mailto = arena_new(r->a, struct sieve_mailto);
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[2]);
	if (mailto && !sieve_mailto_parse(sieve_arg_value(r, n->pos[0]), r->a, mailto) &&
	    slice_ieq(sieve_arg_value(r, n->pos[1]), SLICE("online")))
		sieve_match_value(&m, SLICE("maybe"));
	return sieve_match_end(&m, yes);
}
