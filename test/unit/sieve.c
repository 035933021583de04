/*
 * The vectors in test/sieve: scripts, messages and what must come of them. A file is a row of cases:
 *
 *     === a name
 *     env from=a@b.example          any number; see set() for the names
 *     own a@b.example               an address of the user
 *     mailbox Work                  the mailboxes there are besides INBOX
 *     known KIND A [B] = VALUE      an answer of the world: see enum sieve_ask; without "=": yes
 *     --- script                    also: --- include NAME
 *     --- message                   LF becomes CRLF; without one: that of the case before
 *     --- expect                    the actions, one a line, as put() writes them; "error LINE text" for errors
 *
 * Each case is run a second time in a world that first does not know: the run must ask, and end the same way.
 */
#include "sieve/sieve.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN_MOST 32

struct known {
	struct slice what, a, b, value;
	bool asked;
};

struct vector {
	struct slice name, script, message, expect;
	struct known known[KNOWN_MOST];
	size_t known_count;
	struct slice own[8], items[8][2];
	struct sieve_env env;
	bool forgetful; /* says UNKNOWN the first time */
	struct arena *a;
};

static const char *const asks[] = {[SIEVE_ASK_MAILBOX] = "mailbox",
    [SIEVE_ASK_MAILBOX_ID] = "mailboxid",
    [SIEVE_ASK_SPECIAL_USE] = "special-use",
    [SIEVE_ASK_METADATA] = "metadata",
    [SIEVE_ASK_SERVER_METADATA] = "servermetadata",
    [SIEVE_ASK_DUPLICATE] = "duplicate",
    [SIEVE_ASK_INCLUDE] = "include",
    [SIEVE_ASK_LIST] = "list",
    [SIEVE_ASK_LIST_NAME] = "listname"};

static enum sieve_known ask(void *ctx, const struct sieve_question *q, struct slice *value_out)
{
	struct vector *v = ctx;
	for (size_t i = 0; i < v->known_count; i++) {
		struct known *k = &v->known[i];
		if (!slice_eq(k->what, slice_str(asks[q->what])) || !slice_eq(k->a, q->a) ||
		    !slice_eq(k->b, q->b))
			continue;
		if (v->forgetful && !k->asked) {
			k->asked = true;
			return SIEVE_UNKNOWN;
		}
		*value_out = k->value;
		return SIEVE_YES;
	}
	return q->what == SIEVE_ASK_MAILBOX && slice_eq(q->a, SLICE("INBOX")) ? SIEVE_YES : SIEVE_NO;
}

/* ---- reading ---- */

static struct slice word(struct slice *rest)
{
	*rest = slice_trim_blank(*rest);
	if (rest->n && rest->p[0] == '"') {
		*rest = slice_sub(*rest, 1, rest->n);
		struct slice quoted = slice_split(rest, '"');
		return quoted;
	}
	return slice_split(rest, ' ');
}

static void known(struct vector *v, struct slice line)
{
	struct known *k = &v->known[v->known_count++];
	*k = (struct known){.what = word(&line)};
	k->a = word(&line);
	if (line.n && line.p[0] != '=')
		k->b = word(&line);
	line = slice_trim_blank(line);
	if (line.n)
		k->value = slice_trim_blank(slice_sub(line, 1, line.n));
}

static int64_t number(struct slice s)
{
	uint64_t n = 0;
	bool minus = s.n && s.p[0] == '-';
	if (num_u64(slice_sub(s, minus, s.n), INT64_MAX, &n) != OK)
		abort();
	return minus ? -(int64_t)n : (int64_t)n;
}

static void set(struct vector *v, struct slice line)
{
	struct sieve_env *e = &v->env;
	struct slice value = line, name = slice_split(&value, '=');
	struct {
		const char *name;
		struct slice *to;
	} texts[] = {{"from", &e->from}, {"to", &e->to}, {"orig_to", &e->orig_to}, {"auth", &e->auth},
	    {"user", &e->user_name}, {"notify", &e->notify}, {"ret", &e->ret}, {"envid", &e->envid},
	    {"orcpt", &e->orcpt}, {"domain", &e->domain}, {"host", &e->host}, {"location", &e->location},
	    {"phase", &e->phase}, {"remote-ip", &e->remote_ip}, {"remote-host", &e->remote_host},
	    {"delimiters", &e->delimiters}, {"inbox", &e->inbox}};
	e->has_envelope = true;
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (!slice_eq(name, slice_str(texts[i].name)))
			continue;
		*texts[i].to = value;
		return;
	}
	if (slice_eq(name, SLICE("now")))
		e->now_ms = number(value) * 1000;
	else if (slice_eq(name, SLICE("zone")))
		e->zone = (int)number(value);
	else if (slice_eq(name, SLICE("spam"))) {
		e->has_spam = true;
		e->spam_percent = (int)number(value);
	} else if (slice_eq(name, SLICE("virus")))
		e->virus = (int)number(value);
	else if (slice_eq(name, SLICE("steps")))
		e->limits.steps = (uint64_t)number(value);
	else {
		v->items[e->environment_count][0] = name;
		v->items[e->environment_count++][1] = value;
	}
}

static struct slice crlf(struct arena *a, struct slice s)
{
	BUF_LOCAL(out, s.n * 2 + 2);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			buf_putc(&out, '\r');
		buf_putc(&out, s.p[i]);
	}
	return arena_dup(a, buf_slice(&out));
}

static void section(struct vector *v, struct slice head, struct slice text)
{
	struct slice what = word(&head);
	if (slice_eq(what, SLICE("script")))
		v->script = text;
	else if (slice_eq(what, SLICE("message")))
		v->message = crlf(v->a, text);
	else if (slice_eq(what, SLICE("expect")))
		v->expect = text;
	else if (slice_eq(what, SLICE("include")))
		v->known[v->known_count++] =
		    (struct known){.what = SLICE("include"), .a = head, .value = text};
	else
		abort();
}

static struct slice cut_line(struct slice *rest)
{
	return slice_split(rest, '\n');
}

/* Reads the case at the start of *rest, behind "=== ". The message stays when it has none. */
static void vector_read(struct vector *v, struct slice *rest, struct arena *a)
{
	struct slice message = v->message;
	*v = (struct vector){.a = a, .message = message, .name = cut_line(rest)};
	v->env.limits = sieve_limits_default();
	struct slice head = SLICE_NONE;
	const char *from = rest->p;
	while (rest->n) {
		const char *start = rest->p;
		struct slice line = cut_line(rest);
		bool ends = slice_starts(line, SLICE("=== ")) || slice_starts(line, SLICE("--- "));
		if (ends && head.n)
			section(v, head, slice_of(from, (size_t)(start - from)));
		if (slice_starts(line, SLICE("=== "))) {
			*rest = slice_of(start, (size_t)(rest->p ? rest->p - start : 0) + rest->n);
			return;
		}
		if (slice_starts(line, SLICE("--- "))) {
			head = slice_sub(line, 4, line.n);
			from = rest->p;
		} else if (!head.n && line.n) {
			struct slice what = word(&line);
			if (slice_eq(what, SLICE("own")))
				v->own[v->env.own_count++] = line;
			else if (slice_eq(what, SLICE("env")))
				set(v, line);
			else if (slice_eq(what, SLICE("mailbox")))
				v->known[v->known_count++] =
				    (struct known){.what = SLICE("mailbox"), .a = line};
			else if (slice_eq(what, SLICE("known")))
				known(v, line);
			else
				abort();
		}
	}
	if (head.n && from)
		section(v, head, slice_of(from, (size_t)(rest->p ? rest->p - from : 0)));
}

/* ---- writing ---- */

static void put_text(struct buf *b, const char *key, struct slice s)
{
	if (!s.n)
		return;
	buf_printf(b, " %s=", key);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			buf_puts(b, "\\n");
		else if (s.p[i] != '\r')
			buf_putc(b, s.p[i]);
	}
}

static void put_list(struct buf *b, const char *key, const struct slice *list, size_t n)
{
	buf_printf(b, " %s=", key);
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s" SLICE_FMT, i ? "," : "", SLICE_ARG(list[i]));
}

static void put(struct buf *b, const struct sieve_action *x)
{
	buf_puts(b, x->implicit ? "implicit keep" : sieve_act_name(x->act));
	if (x->act != SIEVE_KEEP)
		put_text(b, "mailbox", x->mailbox);
	put_text(b, "address", x->address);
	put_text(b, "feedback", x->feedback);
	if (x->headers_only)
		buf_puts(b, " headers-only");
	put_text(b, "special-use", x->special_use);
	put_text(b, "mailboxid", x->mailbox_id);
	if (x->flags_set)
		put_list(b, "flags", x->flags, x->flag_count);
	put_text(b, "from", x->from);
	put_text(b, "subject", x->subject);
	put_text(b, "notify", x->notify);
	put_text(b, "ret", x->ret);
	if (x->list_count)
		put_list(b, "list", x->list_items, x->list_count);
	if (x->seconds)
		buf_printf(b, " seconds=%llu", (unsigned long long)x->seconds);
	if (x->importance)
		buf_printf(b, " importance=%u", x->importance);
	if (x->edits)
		buf_printf(b, " edits=%zu", x->edits);
	buf_printf(b, "%s%s%s%s", x->copy ? " copy" : "", x->create ? " create" : "", x->mime ? " mime" : "",
	    x->list ? " external" : "");
	put_text(b, "suppressed", x->suppressed);
	put_text(b, "reason", x->reason);
	buf_putc(b, '\n');
}

static void put_errors(struct buf *b, const struct sieve_errors *errors)
{
	for (const struct sieve_error *e = errors->first; e; e = e->next)
		if (!e->warning)
			buf_printf(b, "error " SLICE_FMT "%s%u " SLICE_FMT "\n", SLICE_ARG(e->script),
			    e->script.n ? ":" : "", e->line, SLICE_ARG(e->text));
}

static void put_visible(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		const char *at = s.p[i] ? strchr("\r\n\t", s.p[i]) : NULL;
		if (at)
			buf_printf(b, "\\%c", "rnt"[*at == '\r' ? 0 : *at == '\n' ? 1 : 2]);
		else
			buf_putc(b, s.p[i]);
	}
	buf_putc(b, '\n');
}

/* With "| " before each line; ids that follow from a digest are "#". */
static void put_message(struct buf *b, const struct sieve_edit *e)
{
	struct slice rest = e->message->octets, mark = SLICE("=_enclosed_");
	buf_printf(b, "edit %s\n", e->what == SIEVE_EDIT_REPLACE ? "part" : "message");
	while (rest.n) {
		struct slice line = slice_split(&rest, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		else
			buf_puts(b, "(no CR) ");
		if (slice_starts(line, SLICE("Date: ")) || slice_starts(line, SLICE("Message-ID: <")))
			line = slice_sub(line, 0, 10);
		ptrdiff_t at = slice_search(line, mark);
		if (at >= 0) /* the 32 digits behind the mark */
			buf_printf(b, "| " SLICE_FMT "#" SLICE_FMT "\n",
			    SLICE_ARG(slice_sub(line, 0, (size_t)at)),
			    SLICE_ARG(slice_sub(line, (size_t)at + mark.n + 32, line.n)));
		else
			buf_printf(b, "|%s" SLICE_FMT "\n", line.n ? " " : "", SLICE_ARG(line));
	}
}

static void put_edits(struct buf *b, const struct sieve_edit *e)
{
	for (; e; e = e->next) {
		if (e->what == SIEVE_EDIT_DELETE)
			buf_printf(b, "edit delete %zu\n", e->field);
		else if (e->message)
			put_message(b, e);
		else {
			buf_printf(b, "edit %s " SLICE_FMT ": ",
			    e->what == SIEVE_EDIT_ADD_FIRST ? "first" : "last", SLICE_ARG(e->name));
			put_visible(b, e->value);
		}
	}
}

static void vector_run(struct vector *v, struct buf *out)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct sieve_options how = {.limits = v->env.limits};
	struct sieve_errors errors;
	struct sieve_script *script;
	struct sieve_result result;
	Sekisho__Facts *facts;
	v->env.own = v->own;
	v->env.environment = (const struct slice(*)[2])v->items;
	v->env.ask = ask;
	v->env.ask_ctx = v;
	if (sieve_compile(v->script, &how, &a, &errors, &script) != OK) {
		put_errors(out, &errors);
		return;
	}
	if (mail_facts_extract(v->message, &a, &facts) != OK)
		abort();
	struct sieve_message m = {v->message, facts};
	size_t rounds = 0;
	do
		sieve_run(script, &m, &v->env, &a, &result);
	while (result.end == SIEVE_ASKS && ++rounds < LIMIT_SIEVE_ROUNDS);
	for (const struct sieve_action *x = result.actions; x; x = x->next)
		put(out, x);
	put_edits(out, result.edits);
	put_errors(out, &result.errors);
	for (const struct sieve_log *l = result.logs; l; l = l->next)
		buf_printf(out, "log %u " SLICE_FMT "\n", l->line, SLICE_ARG(l->text));
}

/* ---- files ---- */

static unsigned ran, failed;

static void vector_check(struct vector *v, const char *file)
{
	for (int round = 0; round < 2; round++) {
		BUF_LOCAL(out, 1 << 20);
		v->forgetful = round > 0;
		vector_run(v, &out);
		ran++;
		if (slice_eq(slice_trim(buf_slice(&out)), slice_trim(v->expect)))
			continue;
		failed++;
		printf("%s: " SLICE_FMT "%s\n--- expected\n" SLICE_FMT "--- came\n%s", file,
		    SLICE_ARG(v->name), round ? " (asked again)" : "", SLICE_ARG(v->expect), buf_z(&out));
		return;
	}
}

static void file_run(const char *folder, const char *name)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	FD_LOCAL fd = open(arena_printf(&a, "%s/%s", folder, name), O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		abort();
	char *p = arena_alloc(&a, (size_t)st.st_size + 1);
	if (!p || fd_pread_all(fd, p, (size_t)st.st_size, 0) != OK)
		abort();
	struct slice rest = slice_of(p, (size_t)st.st_size);
	struct vector v = {0};
	while (rest.n) {
		if (slice_starts(rest, SLICE("=== "))) {
			rest = slice_sub(rest, 4, rest.n);
			vector_read(&v, &rest, &a);
			vector_check(&v, name);
		} else {
			cut_line(&rest);
		}
	}
}

static int is_vector(const struct dirent *d)
{
	return slice_iends(slice_str(d->d_name), SLICE(".txt"));
}

int main(int argc, char **argv)
{
	struct dirent **names;
	int n = argc > 1 ? scandir(argv[1], &names, is_vector, alphasort) : -1;
	for (int i = 0; i < n; i++) {
		file_run(argv[1], names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("%u cases, %u failed\n", ran, failed);
	return failed || ran == 0;
}
