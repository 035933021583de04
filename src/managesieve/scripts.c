/* scripts: what a user does with scripts. */
#include "session.h"

/* RFC 5804 1.6: Unicode, without control characters and line or paragraph separators. */
static bool name_ok(struct slice name)
{
	if (!name.n || name.n > LIMIT_SCRIPT_NAME || !slice_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		struct slice at = slice_sub(name, i, 3);
		bool c1 = c == 0xc2 && i + 1 < name.n && (unsigned char)name.p[i + 1] < 0xa0;
		if (c < ' ' || c == 0x7f || c1 || slice_eq(at, SLICE("\xe2\x80\xa8")) ||
		    slice_eq(at, SLICE("\xe2\x80\xa9")))
			return false;
	}
	return true;
}

static enum result bad_name(struct managesieve *s)
{
	return managesieve_no(s, NULL, "Not a name for a script");
}

/* What store answered instead of OK. */
static enum result refused(struct managesieve *s, enum result r)
{
	const char *why = s->store.why;
	if (s->store.fd < 0)
		return managesieve_bye(s, "TRYLATER", "The scripts cannot be reached now");
	if (r == FULL && strcmp(why, "QUOTA/MAXSCRIPTS") == 0)
		return managesieve_no(s, why, "Too many scripts");
	if (r == FULL && strcmp(why, "QUOTA/MAXSIZE") == 0)
		return managesieve_no(s, why, "The script is too large");
	if (r == FULL)
		return managesieve_no(s, "QUOTA", "There is no room now");
	if (r == GONE)
		return managesieve_no(s, "NONEXISTENT", "No such script");
	if (r == DENY && strcmp(why, "ALREADYEXISTS") == 0)
		return managesieve_no(s, why, "There is a script of this name");
	if (r == DENY && strcmp(why, "ACTIVE") == 0)
		return managesieve_no(s, why, "The active script cannot be deleted");
	if (r == DENY || r == BAD)
		return managesieve_no(s, NULL, "Refused");
	return managesieve_no(s, "TRYLATER", "Please try again later");
}

/* `answer` of store becomes OK or a reason. */
static enum result done(struct managesieve *s, enum result r, const char *text)
{
	return r == OK ? managesieve_ok(s, NULL, text) : refused(s, r);
}

static char *name_z(struct managesieve *s, struct slice name)
{
	return arena_z(&s->arena, name);
}

/* ---- checking ---- */

static ProtobufCBinaryData octets(struct slice text)
{
	return (ProtobufCBinaryData){.len = text.n, .data = (uint8_t *)(uintptr_t)text.p};
}

/* Scan has looked at it, and the answer is in *out; otherwise the client was answered. */
static bool check(
    struct managesieve *s, struct slice text, Sekisho__SieveCheckAnswer **out, enum result *r_out)
{
	Sekisho__SieveCheckAsk ask = SEKISHO__SIEVE_CHECK_ASK__INIT;
	ask.text = octets(text);
	enum result r = GONE;
	for (int tries = 0; r == GONE && tries < 2; tries++) {
		struct ipc *scan = ipc_thread(s->service->scan);
		r = scan ? ipc_call(scan, ASK_SCAN_SIEVE_CHECK, &ask, NULL, &s->arena, out, NULL) : LATER;
	}
	if (r != OK)
		*r_out = managesieve_no(s, "TRYLATER", "The script cannot be checked now");
	else if (!(*out)->ok)
		*r_out = managesieve_no(s, NULL, (*out)->errors);
	return r == OK && (*out)->ok;
}

/* RFC 5804 1.3, WARNINGS: taken, but there is something to say about it. */
static enum result taken(struct managesieve *s, const Sekisho__SieveCheckAnswer *a, const char *text)
{
	return *a->errors ? managesieve_ok(s, "WARNINGS", a->errors) : managesieve_ok(s, NULL, text);
}

enum result managesieve_checkscript(struct managesieve *s, const struct managesieve_command *c)
{
	Sekisho__SieveCheckAnswer *answer = NULL;
	enum result r;
	if (!check(s, c->args[0].text, &answer, &r))
		return r;
	return taken(s, answer, "The script is fine");
}

/* ---- space ---- */

static enum result ask_space(struct managesieve *s, struct slice name, uint64_t size)
{
	Sekisho__ScriptSpaceAsk ask = SEKISHO__SCRIPT_SPACE_ASK__INIT;
	ask.name = name_z(s, name);
	ask.size = size;
	return ipc_call(&s->store, ASK_STORE_SCRIPT_SPACE, &ask, NULL, &s->arena, NULL, NULL);
}

enum result managesieve_havespace(struct managesieve *s, const struct managesieve_command *c)
{
	if (!name_ok(c->args[0].text))
		return bad_name(s);
	return done(s, ask_space(s, c->args[0].text, c->args[1].value), "There is room");
}

enum result managesieve_putscript(struct managesieve *s, const struct managesieve_command *c)
{
	Sekisho__ScriptPutAsk ask = SEKISHO__SCRIPT_PUT_ASK__INIT;
	Sekisho__SieveCheckAnswer *answer = NULL;
	enum result r;
	if (!name_ok(c->args[0].text))
		return bad_name(s);
	if (!check(s, c->args[1].text, &answer, &r))
		return r;
	ask.name = name_z(s, c->args[0].text);
	ask.text = octets(c->args[1].text);
	r = ipc_call(&s->store, ASK_STORE_SCRIPT_PUT, &ask, NULL, &s->arena, NULL, NULL);
	return r == OK ? taken(s, answer, "The script is kept") : refused(s, r);
}

/* ---- the rest ---- */

enum result managesieve_listscripts(struct managesieve *s, const struct managesieve_command *c)
{
	Sekisho__Empty ask = SEKISHO__EMPTY__INIT;
	Sekisho__ScriptsAnswer *answer = NULL;
	(void)c;
	enum result r = ipc_call(&s->store, ASK_STORE_SCRIPTS, &ask, NULL, &s->arena, &answer, NULL);
	if (r != OK)
		return refused(s, r);
	for (size_t i = 0; i < answer->n_scripts; i++) {
		managesieve_put_string(s->base.stream, slice_str(answer->scripts[i]->name));
		stream_puts(s->base.stream, answer->scripts[i]->active ? " ACTIVE\r\n" : "\r\n");
	}
	return managesieve_ok(s, NULL, "That is all");
}

static enum result ask_name(struct managesieve *s, enum ipc_ask kind, struct slice name, void *answer_out)
{
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	ask.name = name_z(s, name);
	return ipc_call(&s->store, kind, &ask, NULL, &s->arena, answer_out, NULL);
}

/* RFC 5804 2.8: the empty name means that no script is active. */
enum result managesieve_setactive(struct managesieve *s, const struct managesieve_command *c)
{
	struct slice name = c->args[0].text;
	if (name.n && !name_ok(name))
		return bad_name(s);
	return done(s, ask_name(s, ASK_STORE_SCRIPT_ACTIVATE, name, NULL), "Done");
}

enum result managesieve_getscript(struct managesieve *s, const struct managesieve_command *c)
{
	Sekisho__ScriptTextAnswer *answer = NULL;
	if (!name_ok(c->args[0].text))
		return bad_name(s);
	enum result r = ask_name(s, ASK_STORE_SCRIPT_GET, c->args[0].text, &answer);
	if (r != OK)
		return refused(s, r);
	/* Always a literal: a script's text is more than a string to some clients. */
	stream_printf(s->base.stream, "{%zu}\r\n", answer->text.len);
	stream_put(s->base.stream, slice_of(answer->text.data, answer->text.len));
	stream_put(s->base.stream, SLICE("\r\n"));
	return managesieve_ok(s, NULL, "That is it");
}

enum result managesieve_deletescript(struct managesieve *s, const struct managesieve_command *c)
{
	if (!name_ok(c->args[0].text))
		return bad_name(s);
	return done(s, ask_name(s, ASK_STORE_SCRIPT_DELETE, c->args[0].text, NULL), "The script is gone");
}

enum result managesieve_renamescript(struct managesieve *s, const struct managesieve_command *c)
{
	Sekisho__RenameAsk ask = SEKISHO__RENAME_ASK__INIT;
	if (!name_ok(c->args[0].text) || !name_ok(c->args[1].text))
		return bad_name(s);
	ask.from = name_z(s, c->args[0].text);
	ask.to = name_z(s, c->args[1].text);
	return done(s, ipc_call(&s->store, ASK_STORE_SCRIPT_RENAME, &ask, NULL, &s->arena, NULL, NULL),
	    "The script has its new name");
}
