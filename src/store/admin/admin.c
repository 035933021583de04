/* STORE_ADMIN: finds the verb, reads the arguments, sends the answer in as many packets as it needs. */
#include "store/admin/admin.h"
#include "store/account/actor.h"
#include "store/account/signins.h"
#include "store/domain/domains.h"
#include "store/search/search.h"
#include "store/tasks.h"
#include "mail/address.h"
#include "mail/utf8.h"
#include <stdlib.h>

#define PIECE 100000 /* octets of JSON in one packet */

static const struct admin_verb_row verbs[] = {
#define X(verb, function, kind, args, en, ja) {verb, function, ADMIN_##kind, args, en, ja},
#include "store/admin/admin.def"
#undef X
};

const struct admin_verb_row *admin_verb_rows(size_t *n_out)
{
	*n_out = COUNT(verbs);
	return verbs;
}

static bool is_slow(const struct admin_verb_row *verb)
{
	return verb->kind == ADMIN_WAIT || verb->kind == ADMIN_ACT || verb->kind == ADMIN_SEEK;
}

static bool is_change(const struct admin_verb_row *verb)
{
	return verb->kind == ADMIN_WRITE || verb->kind == ADMIN_ACT;
}

enum result admin_refuse(struct admin *a, enum result r, const char *fmt, ...)
{
	BUF_LOCAL(b, 2000);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	a->why = arena_z(a->arena, buf_slice(&b));
	return r;
}

struct slice admin_text(const struct admin *a, const char *key)
{
	const json_t *v = json_object_get(a->args, key);
	return slice_of(json_string_value(v), json_string_length(v));
}

int64_t admin_number(const struct admin *a, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(a->args, key);
	uint64_t n;
	if (json_is_integer(v))
		return json_integer_value(v);
	return num_u64(admin_text(a, key), INT64_MAX, &n) == OK ? (int64_t)n : otherwise;
}

struct slice admin_item(const struct admin *a, const char *key, size_t n)
{
	const json_t *v = json_object_get(a->args, key);
	if (json_is_array(v))
		v = json_array_get(v, n);
	else if (n)
		v = NULL;
	return slice_of(json_string_value(v), json_string_length(v));
}

json_t *admin_string(struct slice s)
{
	json_t *v = json_stringn(s.p ? s.p : "", s.n);
	if (v)
		return v;
	BUF_LOCAL(b, s.n * 3 + 3);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x80)
			buf_putc(&b, s.p[i]);
		else
			buf_puts(&b, "\xef\xbf\xbd");
	return json_stringn(b.p, b.n);
}

json_t *admin_address_string(struct admin *a, struct slice local, struct slice domain)
{
	BUF_LOCAL(b, 2000);
	mail_addr_put(&b, (struct mail_addr){local, domain});
	return admin_string(buf_slice(&b));
}

enum result admin_address(struct admin *a, struct slice text, struct admin_address *out)
{
	struct mail_addr m;
	if (mail_addr_parse(text, a->arena, &m) != OK)
		return admin_refuse(a, DENY, "not an address: " SLICE_FMT, SLICE_ARG(text));
	out->shown = arena_dup(a->arena, m.local);
	out->local = resolve_local(m.local, a->arena);
	out->domain = arena_dup(a->arena, resolve_domain(m.domain, a->arena));
	return out->domain.n ? OK : admin_refuse(a, DENY, "not a domain: " SLICE_FMT, SLICE_ARG(m.domain));
}

enum result admin_find_account(struct admin *a, struct db *db, int64_t *id_out)
{
	struct admin_address at;
	struct slice text = admin_text(a, "address");
	enum result r = admin_address(a, text, &at);
	if (r != OK)
		return r;
	*id_out = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(at.domain), DT(at.local));
	return *id_out ? OK : admin_refuse(a, GONE, "no such account: " SLICE_FMT, SLICE_ARG(text));
}

enum result admin_help(struct admin *a, struct db *db)
{
	a->answer = json_array();
	for (size_t i = 0; i < COUNT(verbs); i++)
		json_array_append_new(
		    a->answer, json_pack("{s:s,s:s,s:s,s:s}", "verb", verbs[i].name, "arguments",
				   verbs[i].args, "en", verbs[i].en, "ja", verbs[i].ja));
	return OK;
}

/* ---- running ---- */

static const struct admin_verb_row *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* What a verb acts on: its first argument. */
static struct slice object_of(const struct admin *a, const struct admin_verb_row *verb)
{
	struct slice rest = slice_str(verb->args);
	struct slice name = slice_split(&rest, ' ');
	if (slice_starts(name, SLICE("[")))
		name = slice_sub(name, 1, name.n - 2);
	if (slice_iends(name, SLICE("...")))
		name.n -= 3;
	return name.n ? admin_item(a, arena_z(a->arena, name), 0) : SLICE_NONE;
}

/* "quota.set" -> what "quota.show" says before it; NULL when nothing shows that kind of thing. */
static json_t *state_of(const struct admin *a, struct db *db, const struct admin_verb_row *verb)
{
	struct slice noun = slice_str(verb->name);
	noun = slice_split(&noun, '.');
	const struct admin_verb_row *show =
	    find_verb(arena_printf(a->arena, SLICE_FMT ".show", SLICE_ARG(noun)));
	struct admin look = {.store = a->store, .arena = a->arena, .args = a->args};
	if (!show || is_slow(show) || show->run(&look, db) != OK) {
		json_decref(look.answer);
		return NULL;
	}
	return look.answer;
}

struct act {
	struct job job;
	struct admin *admin;
	const struct admin_verb_row *verb;
	enum result result; /* of an act that is only to be recorded */
};

static void record(const struct act *act, struct db *db, const json_t *before, enum result r)
{
	const struct admin *a = act->admin;
	bool write = is_change(act->verb);
	struct audit_actor actor = a->actor->audit;
	actor.role = a->role ? a->role : actor.role;
	audit_put(a->store, db,
	    &(struct audit_act){.actor = &actor,
		.act = act->verb->name,
		.object = object_of(a, act->verb),
		.args = act->verb->kind == ADMIN_SEEK ? NULL : a->args,
		.before = before,
		.after = write && r == OK ? a->answer : NULL,
		.result = r,
		.reason = r == OK ? NULL : a->why});
}

static enum result apply(struct job *j, struct db *db)
{
	const struct act *act = (const struct act *)j;
	enum result r = powers_admit(act->admin, db, act->verb->name);
	if (r != OK)
		return r;
	json_t *before = state_of(act->admin, db, act->verb);
	r = act->verb->run(act->admin, db);
	if (r == OK)
		record(act, db, before, r);
	json_decref(before);
	return r;
}

static enum result apply_record(struct job *j, struct db *db)
{
	const struct act *act = (const struct act *)j;
	record(act, db, NULL, act->result);
	return OK;
}

/* What was refused or only read is recorded on its own. Nothing is told whose telling could not be recorded. */
static enum result record_alone(struct admin *a, const struct admin_verb_row *verb, enum result result)
{
	struct act act = {.job = {.store = a->store, .apply = apply_record, .durable = true},
	    .admin = a,
	    .verb = verb,
	    .result = result};
	enum result r = writer_wait(a->store->writer, &act.job);
	return result == OK ? r : result;
}

static enum result run_write(struct admin *a, const struct admin_verb_row *verb)
{
	struct act act = {
	    .job = {.store = a->store, .apply = apply, .durable = true}, .admin = a, .verb = verb};
	enum result r = writer_wait(a->store->writer, &act.job);
	if (r != OK)
		return record_alone(a, verb, r);
	if (a->after)
		a->after(a);
	return OK;
}

static enum result read_now(struct admin *a, const struct admin_verb_row *verb)
{
	READER r = reader_begin(a->store);
	if (!r.db)
		return LATER;
	enum result done = powers_admit(a, r.db, verb->name);
	if (done == OK)
		done = verb->run(a, r.db);
	if (done == OK)
		powers_filter(a, r.db, verb->name);
	return done == OK ? db_result(r.db) : done;
}

static enum result run_slowly(struct admin *a, const struct admin_verb_row *verb)
{
	{
		READER r = reader_begin(a->store);
		enum result may = r.db ? powers_admit(a, r.db, verb->name) : LATER;
		if (may != OK)
			return may;
	}
	return verb->run(a, NULL);
}

/* What is open to somebody whose signing in is not finished. */
static bool is_open(const char *verb, enum session_state state)
{
#define AT(state) (1u << SESSION_##state)
	static const struct {
		const char *verb;
		unsigned states;
	} open[] = {
	    {"me.session", AT(FACTOR) | AT(ENROL) | AT(CHANGE)},
	    {"me.signout", AT(FACTOR) | AT(ENROL) | AT(CHANGE)},
	    {"me.factor", AT(FACTOR)},
	    {"me.factor.mail", AT(FACTOR)},
	    {"me.totp", AT(ENROL)},
	    {"me.totp.confirm", AT(ENROL)},
	    {"me.passkey", AT(ENROL)},
	    {"me.passkey.add", AT(ENROL)},
	    {"me.password", AT(CHANGE)},
	};
#undef AT
	for (size_t i = 0; i < COUNT(open); i++)
		if (strcmp(open[i].verb, verb) == 0)
			return open[i].states >> state & 1;
	return false;
}

static bool may(const struct admin *a, const struct admin_verb_row *verb)
{
	const struct actor *who = a->actor;
	if (who->account && who->state != SESSION_IN)
		return is_open(verb->name, who->state);
	if (slice_starts(slice_str(verb->name), SLICE("me.")))
		return who->account != 0;
	return powers_may(a->powers, verb->name) != NULL;
}

bool admin_may(const struct admin *a, const char *name)
{
	const struct admin_verb_row *verb = find_verb(name);
	return verb && may(a, verb);
}

bool admin_changes(const char *name)
{
	const struct admin_verb_row *verb = find_verb(name);
	return verb && is_change(verb);
}

json_t *admin_may_list(const struct admin *a)
{
	json_t *list = json_array();
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (may(a, &verbs[i]))
			json_array_append_new(list, json_string(verbs[i].name));
	return list;
}

/*
 * What would outlast a stolen password, or bring new ones: not from a place where the account was not used before, unless a
 * second factor was shown.
 */
static bool is_strange(const struct admin *a, const struct admin_verb_row *verb)
{
	static const char *const guarded[] = {"me.totp", "me.totp.confirm", "me.recovery", "me.app.add",
	    "me.passkey", "me.passkey.add", "me.factor.remove", "me.oauth.authorize", "token.add",
	    "oauth.client.add", "delegate.add"};
	if (!a->actor->strange || a->actor->factor)
		return false;
	for (size_t i = 0; i < COUNT(guarded); i++)
		if (strcmp(guarded[i], verb->name) == 0)
			return true;
	return false;
}

static const char *refusal_of(const struct admin *a)
{
	const struct actor *who = a->actor;
	if (who->account && who->state != SESSION_IN)
		return "signing in is not finished";
	if (!*who->audit.role)
		return "only those with a role for it may do this";
	return arena_printf(a->arena, "the role %s may not do this", who->audit.role);
}

enum result admin_run(struct admin *a, const char *name)
{
	const struct admin_verb_row *verb = find_verb(name);
	if (!verb)
		return admin_refuse(a, BAD, "no such verb");
	enum result r = OK;
	if (!may(a, verb)) {
		a->forbidden = true;
		r = record_alone(a, verb, admin_refuse(a, DENY, "%s", refusal_of(a)));
	} else if (is_strange(a, verb)) {
		a->forbidden = true;
		signin_sign(a->store, a->actor->account, SIGNAL_NEW_RULE);
		r = record_alone(a, verb,
		    admin_refuse(a, DENY,
			"this is not done from a place where this account was not used before; show a second "
			"factor, or do it from where you usually are"));
	} else if (verb->kind == ADMIN_WRITE) {
		r = run_write(a, verb);
	} else {
		r = is_slow(verb) ? run_slowly(a, verb) : read_now(a, verb);
		if (verb->kind != ADMIN_LOOK)
			r = record_alone(a, verb, r);
	}
	if (is_change(verb))
		EVENT(ADMIN, KZ("verb", verb->name), KZ("who", a->actor->audit.who),
		    KZ("result", result_name(r)));
	return r;
}

/* ---- answering ---- */

static json_t *only_object(json_t *args)
{
	if (json_is_object(args))
		return args;
	json_decref(args);
	return NULL;
}

json_t *admin_args(const char *text)
{
	return only_object(json_loads(*text ? text : "{}", JSON_REJECT_DUPLICATES, NULL));
}

json_t *admin_args_of(struct ipc_turn *t, const char *text)
{
	struct slice in_file;
	if (!t->fds.n)
		return admin_args(text);
	if (t->fds.n != 1 || *text || fd_map_sealed(t->fds.fd[0], LIMIT_ADMIN_ARGS, &in_file) != OK)
		return NULL;
	json_t *args = json_loadb(in_file.p, in_file.n, JSON_REJECT_DUPLICATES, NULL);
	fd_unmap(&in_file);
	return only_object(args);
}

/* Cut where a character begins: a protobuf string is UTF-8. */
void admin_cut(struct ipc_turn *t, const json_t *v, void (*piece)(struct ipc_turn *t, char *text, bool last))
{
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct slice rest = slice_str(text ? text : "null");
	for (bool last = false; !last;) {
		ARENA_LOCAL(a, (size_t)1 << 20);
		size_t n = MIN(rest.n, (size_t)PIECE);
		while (n < rest.n && ((unsigned char)rest.p[n] & 0xc0) == 0x80)
			n--;
		char *cut = arena_z(&a, slice_sub(rest, 0, n));
		rest = slice_sub(rest, n, rest.n);
		last = !rest.n;
		piece(t, cut, last);
	}
	free(text);
}

static void send_piece(struct ipc_turn *t, char *text, bool last)
{
	Sekisho__AdminAnswer answer = SEKISHO__ADMIN_ANSWER__INIT;
	answer.json = text;
	if (last)
		ipc_answer(t, &answer, NULL);
	else
		ipc_answer_part(t, &answer, NULL);
}

struct slow {
	struct task task;
	struct ipc_turn *turn;
	void (*serve)(struct ipc_turn *t);
};

static void run_slow(void *arg)
{
	struct slow *slow = arg;
	slow->serve(slow->turn);
}

void admin_serve(struct ipc_turn *t, const char *name, void (*serve)(struct ipc_turn *t))
{
	const struct admin_verb_row *verb = find_verb(name);
	struct slow *slow = verb && is_slow(verb) ? arena_new(&t->arena, struct slow) : NULL;
	if (!slow) {
		serve(t);
		return;
	}
	*slow = (struct slow){.turn = t, .serve = serve};
	struct store *s = store_of(t);
	struct tasks *tasks = verb->kind == ADMIN_SEEK ? search_tasks_of(s->search) : domains_tasks(s->watch);
	tasks_put(tasks, &slow->task, run_slow, slow);
}

static void serve_admin(struct ipc_turn *t)
{
	const Sekisho__AdminAsk *ask = t->ask;
	json_t *args = admin_args_of(t, ask->args);
	if (!args) {
		ipc_refuse(t, BAD, "arguments are a JSON object");
		return;
	}
	struct actor actor = actor_command(t);
	struct powers powers = powers_root();
	struct admin a = {
	    .store = store_of(t), .arena = &t->arena, .args = args, .actor = &actor, .powers = &powers};
	enum result r = admin_run(&a, ask->verb);
	if (r == OK)
		admin_cut(t, a.answer, send_piece);
	else if (a.why)
		ipc_refuse(t, r, "%s", a.why);
	else
		refuse(t, r);
	json_decref(a.answer);
	json_decref(args);
}

struct actor actor_command(struct ipc_turn *t)
{
	return (struct actor){.audit = audit_actor_of(t)};
}

void ask_admin(struct ipc_turn *t)
{
	const Sekisho__AdminAsk *ask = t->ask;
	admin_serve(t, ask->verb, serve_admin);
}
