/* misc: duplicate (RFC 7352), environment (5183), ihave (5463), spamtest and virustest (5235), extlists (6134). */
#include "sieve/inside.h"
#include <openssl/sha.h>

/* ---- duplicate ---- */

struct slice sieve_key(struct sieve_runner *r, const char *kind, const struct slice *parts, size_t n)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	BUF_LOCAL(all, (size_t)16 << 20);
	BUF_LOCAL(key, 100);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&all, "%zu:", parts[i].n);
		buf_put(&all, parts[i]);
	}
	SHA256((const unsigned char *)(all.p ? all.p : ""), all.n, digest);
	buf_printf(&key, "%s:", kind);
	buf_hex(&key, slice_of(digest, sizeof digest));
	return arena_dup(r->a, buf_slice(&key));
}

bool sieve_check_duplicate(struct sieve_compiler *c, struct sieve_node *n)
{
	const struct sieve_arg *header = sieve_tag_value(n, SIEVE_TAG_HEADER);
	if (!header || header->texts->pieces || sieve_field_name_valid(header->texts->text))
		return true;
	sieve_say(c, header->line, header->column, "'" SLICE_FMT "' is not the name of a header field",
	    SLICE_ARG(slice_sub(header->texts->text, 0, 80)));
	return false;
}

static bool first_field(void *ctx, struct sieve_field *f)
{
	*(struct sieve_field **)ctx = f;
	return true;
}

/* What makes the message unique: false when it has no such thing. */
static bool unique_id(struct sieve_runner *r, const struct sieve_node *n, struct slice *out)
{
	const struct sieve_arg *header = sieve_tag_value(n, SIEVE_TAG_HEADER),
			       *id = sieve_tag_value(n, SIEVE_TAG_UNIQUEID);
	struct slice name = header ? sieve_arg_value(r, header) : SLICE("message-id");
	struct sieve_field *f = NULL;
	if (id) {
		*out = sieve_arg_value(r, id);
		return out->n > 0;
	}
	sieve_fields_each(r, n, name, first_field, &f);
	*out = f ? mail_unfold(f->raw, r->a) : SLICE_NONE;
	return out->n > 0;
}

enum sieve_flow sieve_test_duplicate(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	const struct sieve_arg *handle = sieve_tag_value(n, SIEVE_TAG_HANDLE),
			       *seconds = sieve_tag_value(n, SIEVE_TAG_SECONDS);
	struct slice id, name = handle ? sieve_arg_value(r, handle) : SLICE_NONE;
	if (!unique_id(r, n, &id))
		return SIEVE_GO;
	struct slice kind = sieve_tagged(n, SIEVE_TAG_HEADER) ? SLICE("h") : SLICE("u");
	struct sieve_question q = {.what = SIEVE_ASK_DUPLICATE};
	q.a = sieve_key(r, "duplicate", (struct slice[]){name, kind, id}, 3);
	enum sieve_flow flow = sieve_ask_world(r, &q, yes, NULL);
	if (flow != SIEVE_GO || (*yes && !sieve_tagged(n, SIEVE_TAG_LAST)))
		return flow;
	for (const struct sieve_action *x = r->out->actions; x; x = x->next)
		if (x->act == SIEVE_DUPLICATE && slice_eq(x->key, q.a))
			return SIEVE_GO;
	struct sieve_action *x = sieve_act_new(r, n, SIEVE_DUPLICATE);
	if (!x)
		return SIEVE_FAIL;
	x->key = q.a;
	x->seconds = MIN(seconds ? seconds->number : LIMIT_SIEVE_DUPLICATE_SECONDS,
	    (uint64_t)LIMIT_SIEVE_DUPLICATE_SECONDS);
	return SIEVE_GO;
}

/* ---- environment ---- */

static bool is_item(struct slice name, bool variable, struct slice item)
{
	bool same = name.n == item.n;
	for (size_t i = 0; same && i < name.n; i++)
		same = ascii_lower(name.p[i]) == ascii_lower(item.p[i]) ||
		       (variable && name.p[i] == '_' && item.p[i] == '-');
	return same;
}

bool sieve_environment(const struct sieve_runner *r, const struct sieve_script *s, struct slice name,
    bool variable, struct slice *out)
{
	const struct sieve_env *env = r->env;
	const struct {
		const char *name;
		struct slice value;
	} items[] = {{"domain", env->domain}, {"host", env->host}, {"location", env->location},
	    {"phase", env->phase}, {"name", SLICE("Sekisho")}, {"version", env->version},
	    {"remote-host", env->remote_host}, {"remote-ip", env->remote_ip},
	    {"vnd.dovecot.default-mailbox", env->inbox.n ? env->inbox : SLICE("INBOX")},
	    {"vnd.dovecot.username", env->own_count ? env->own[0] : env->to}};
	if (slice_istarts(name, SLICE("vnd.dovecot.")) && !sieve_has(s, SIEVE_CAP_VND_ENVIRONMENT))
		return false;
	for (size_t i = 0; i < env->environment_count; i++) {
		*out = env->environment[i][1];
		if (is_item(name, variable, env->environment[i][0]))
			return true;
	}
	for (size_t i = 0; i < COUNT(items); i++) {
		*out = items[i].value;
		if (is_item(name, variable, slice_str(items[i].name)))
			return out->n > 0;
	}
	return false;
}

enum sieve_flow sieve_test_environment(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	struct sieve_match m;
	struct slice value;
	sieve_match_start(&m, r, n, n->pos[1]);
	if (!sieve_environment(r, n->script, sieve_arg_value(r, n->pos[0]), false,
		&value)) /* RFC 5183 4: then nothing matches */
		return SIEVE_GO;
	sieve_match_value(&m, value);
	return sieve_match_end(&m, yes);
}

/* ---- ihave ---- */

static bool have(const struct sieve_arg *names)
{
	for (const struct sieve_text *t = names->texts; t; t = t->next)
		switch (sieve_cap_find(t->text)) {
		case SIEVE_CAPS:
		case SIEVE_CAP_VARIABLES: /* these change how strings are read: too late for them, RFC 5463 4 */
		case SIEVE_CAP_ENCODED_CHARACTER:
			return false;
		default:
			break;
		}
	return true;
}

/* Capabilities that are there count as required from here on; whoever asks for others gets false. */
bool sieve_check_ihave(struct sieve_compiler *c, struct sieve_node *n)
{
	bool *known = arena_new(c->a, bool);
	if (!known)
		return false;
	for (const struct sieve_text *t = n->pos[0]->texts; t; t = t->next) {
		if (!t->pieces)
			continue;
		sieve_say(c, t->line, t->column, "the names of capabilities must be constant");
		return false;
	}
	*known = have(n->pos[0]);
	n->own = known;
	for (const struct sieve_text *t = n->pos[0]->texts; t && *known; t = t->next)
		sieve_require(c->script, sieve_cap_find(t->text));
	return true;
}

enum sieve_flow sieve_test_ihave(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = *(const bool *)n->own;
	return r ? SIEVE_GO : SIEVE_FAIL;
}

/* What a test says for certain before the run: that which ihave decides. */
enum sieve_known sieve_certain(const struct sieve_node *n)
{
	enum sieve_known all = SIEVE_YES, any = SIEVE_NO;
	if (n->verb->test == sieve_test_ihave)
		return *(const bool *)n->own ? SIEVE_YES : SIEVE_NO;
	if (n->verb->test == sieve_test_true)
		return SIEVE_YES;
	if (n->verb->test == sieve_test_false)
		return SIEVE_NO;
	if (n->verb->test == sieve_test_not) {
		enum sieve_known inner = sieve_certain(n->tests);
		return inner == SIEVE_YES ? SIEVE_NO : inner == SIEVE_NO ? SIEVE_YES : SIEVE_UNKNOWN;
	}
	for (const struct sieve_node *t = n->tests; t; t = t->next) {
		enum sieve_known one = sieve_certain(t);
		all = one == SIEVE_NO || all == SIEVE_NO ? SIEVE_NO : one == SIEVE_YES ? all : SIEVE_UNKNOWN;
		any = one == SIEVE_YES || any == SIEVE_YES ? SIEVE_YES
		      : one == SIEVE_NO                    ? any
							   : SIEVE_UNKNOWN;
	}
	return n->verb->test == sieve_test_allof   ? all
	       : n->verb->test == sieve_test_anyof ? any
						   : SIEVE_UNKNOWN;
}

enum sieve_flow sieve_run_error(struct sieve_runner *r, const struct sieve_node *n)
{
	return sieve_fail(r, n, "the script says: " SLICE_FMT,
	    SLICE_ARG(slice_sub(sieve_arg_value(r, n->pos[0]), 0, 1000)));
}

/* ---- spamtest, virustest ---- */

static enum sieve_flow match_number(
    struct sieve_runner *r, const struct sieve_node *n, uint64_t value, bool *yes)
{
	char digits[24];
	struct sieve_match m;
	sieve_match_start(&m, r, n, n->pos[0]);
	/* One value, always: :count says 1, and 0 for what was not tested. */
	if (value || !sieve_tagged(n, SIEVE_TAG_COUNT))
		sieve_match_value(&m, arena_dup(r->a, sieve_decimal(value, digits)));
	return sieve_match_end(&m, yes);
}

/* 0: not tested; 1 to 10, or with :percent 0 to 100. */
enum sieve_flow sieve_test_spamtest(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	const struct sieve_env *env = r->env;
	uint64_t percent = env->has_spam ? (uint64_t)MAX(0, MIN(100, env->spam_percent)) : 0;
	if (sieve_tagged(n, SIEVE_TAG_PERCENT))
		return match_number(r, n, percent, yes);
	return match_number(r, n, env->has_spam ? 1 + percent * 9 / 100 : 0, yes);
}

enum sieve_flow sieve_test_virustest(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	return match_number(r, n, (uint64_t)MAX(0, MIN(5, r->env->virus)), yes);
}

/* ---- external lists ---- */

/* ":addrbook:default" is short for the URN, RFC 6134 2.6. */
struct slice sieve_list_name(struct arena *a, struct slice name)
{
	if (!slice_starts(name, SLICE(":")))
		return name;
	return slice_str(arena_printf(a, "urn:ietf:params:sieve" SLICE_FMT, SLICE_ARG(name)));
}

enum sieve_flow sieve_list_ask(
    struct sieve_runner *r, struct slice list, struct slice values, bool *yes, struct slice *which)
{
	struct sieve_question q = {.what = SIEVE_ASK_LIST, .a = sieve_list_name(r->a, list), .b = values};
	return sieve_ask_world(r, &q, yes, which);
}

enum sieve_flow sieve_test_valid_ext_list(struct sieve_runner *r, const struct sieve_node *n, bool *yes)
{
	*yes = true;
	for (const struct sieve_text *t = n->pos[0]->texts; t && *yes; t = t->next) {
		struct sieve_question q = {
		    .what = SIEVE_ASK_LIST_NAME, .a = sieve_list_name(r->a, sieve_value(r, t))};
		enum sieve_flow flow = sieve_ask_world(r, &q, yes, NULL);
		if (flow != SIEVE_GO)
			return flow;
	}
	return SIEVE_GO;
}
