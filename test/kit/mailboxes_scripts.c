/* mailboxes_scripts: the asks about Sieve scripts; scan's check is the real compiler. */
#include "mailboxes_inside.h"
#include "sieve/sieve.h"
#include <stdlib.h>

static struct kit_script *find(struct mailboxes *m, const char *name)
{
	for (size_t i = 0; i < m->scripts_n; i++)
		if (strcmp(m->scripts[i].name, name) == 0)
			return &m->scripts[i];
	return NULL;
}

void kit_scripts_reset(struct mailboxes *m)
{
	for (size_t i = 0; i < m->scripts_n; i++) {
		free(m->scripts[i].name);
		free(m->scripts[i].text);
	}
	m->scripts_n = 0;
}

static void on_scripts(struct ipc_turn *t)
{
	Sekisho__ScriptsAnswer answer = SEKISHO__SCRIPTS_ANSWER__INIT;
	struct mailboxes *m = kit_enter(t);
	answer.scripts = arena_array(&t->arena, m->scripts_n + 1, sizeof *answer.scripts);
	for (size_t i = 0; i < m->scripts_n; i++) {
		Sekisho__Script *s = arena_new(&t->arena, Sekisho__Script);
		sekisho__script__init(s);
		s->name = arena_z(&t->arena, slice_str(m->scripts[i].name));
		s->active = m->scripts[i].active;
		answer.scripts[answer.n_scripts++] = s;
	}
	kit_leave(m);
	ipc_answer(t, &answer, NULL);
}

static void on_get(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	Sekisho__ScriptTextAnswer answer = SEKISHO__SCRIPT_TEXT_ANSWER__INIT;
	struct mailboxes *m = kit_enter(t);
	const struct kit_script *s = find(m, ask->name);
	if (s) {
		struct slice text = arena_dup(&t->arena, slice_of(s->text, s->n));
		answer.text = (ProtobufCBinaryData){text.n, (uint8_t *)(uintptr_t)text.p};
	}
	kit_leave(m);
	if (s)
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "no such thing");
}

static void put(struct mailboxes *m, const Sekisho__ScriptPutAsk *ask)
{
	struct kit_script *s = find(m, ask->name);
	if (!s) {
		m->scripts = kit_grow(m->scripts, m->scripts_n + 1, sizeof *m->scripts);
		s = &m->scripts[m->scripts_n++];
		*s = (struct kit_script){.name = strdup(ask->name)};
	}
	free(s->text);
	s->n = ask->text.len;
	s->text = malloc(s->n + 1);
	if (s->n)
		memcpy(s->text, ask->text.data, s->n);
}

static void on_put(struct ipc_turn *t)
{
	struct mailboxes *m = kit_enter(t);
	const Sekisho__ScriptPutAsk *ask = t->ask;
	bool full = !find(m, ask->name) && m->scripts_n == KIT_SCRIPTS;
	if (!full)
		put(m, ask);
	kit_leave(m);
	if (full)
		ipc_refuse(t, FULL, "QUOTA/MAXSCRIPTS");
	else
		ipc_answer(t, NULL, NULL);
}

static void on_activate(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	bool found = !*ask->name || find(m, ask->name);
	for (size_t i = 0; found && i < m->scripts_n; i++)
		m->scripts[i].active = strcmp(m->scripts[i].name, ask->name) == 0;
	kit_leave(m);
	if (found)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, GONE, "no such thing");
}

static void on_delete(struct ipc_turn *t)
{
	const Sekisho__NameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	struct kit_script *s = find(m, ask->name);
	bool active = s && s->active;
	if (s && !active) {
		free(s->name);
		free(s->text);
		size_t left = m->scripts_n - (size_t)(s - m->scripts) - 1;
		memmove(s, s + 1, left * sizeof *s);
		m->scripts_n--;
	}
	kit_leave(m);
	if (s && !active)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, s ? DENY : GONE, s ? "ACTIVE" : "no such thing");
}

static void on_rename(struct ipc_turn *t)
{
	const Sekisho__RenameAsk *ask = t->ask;
	struct mailboxes *m = kit_enter(t);
	struct kit_script *s = find(m, ask->from);
	bool taken = find(m, ask->to) != NULL;
	if (s && !taken) {
		free(s->name);
		s->name = strdup(ask->to);
	}
	kit_leave(m);
	if (s && !taken)
		ipc_answer(t, NULL, NULL);
	else
		ipc_refuse(t, s ? DENY : GONE, s ? "ALREADYEXISTS" : "no such thing");
}

static void on_space(struct ipc_turn *t)
{
	const Sekisho__ScriptSpaceAsk *ask = t->ask;
	kit_leave(kit_enter(t));
	if (ask->size > LIMIT_SCRIPT_SIZE)
		ipc_refuse(t, FULL, "QUOTA/MAXSIZE");
	else
		ipc_answer(t, NULL, NULL);
}

static void on_check(struct ipc_turn *t)
{
	const Sekisho__SieveCheckAsk *ask = t->ask;
	struct sieve_options how = {.limits = sieve_limits_default()};
	struct sieve_errors errors = {0};
	struct sieve_script *script;
	Sekisho__SieveCheckAnswer answer = SEKISHO__SIEVE_CHECK_ANSWER__INIT;
	kit_leave(kit_enter(t));
	answer.ok =
	    sieve_compile(slice_of(ask->text.data, ask->text.len), &how, &t->arena, &errors, &script) == OK;
	if (errors.first)
		answer.errors = arena_printf(
		    &t->arena, "line %u: " SLICE_FMT, errors.first->line, SLICE_ARG(errors.first->text));
	ipc_answer(t, &answer, NULL);
}

void kit_script_handlers(ipc_handler **table)
{
	table[ASK_STORE_SCRIPTS] = on_scripts;
	table[ASK_STORE_SCRIPT_GET] = on_get;
	table[ASK_STORE_SCRIPT_PUT] = on_put;
	table[ASK_STORE_SCRIPT_ACTIVATE] = on_activate;
	table[ASK_STORE_SCRIPT_DELETE] = on_delete;
	table[ASK_STORE_SCRIPT_RENAME] = on_rename;
	table[ASK_STORE_SCRIPT_SPACE] = on_space;
	table[ASK_SCAN_SIEVE_CHECK] = on_check;
}
