/* import, export: mail into an account and out of it, by way of the running server. */
#include "ferry/ferry.h"
#include "cli/cli.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PASSWORD_MOST 1024

/* What is shown while it goes on. */
struct showing {
	struct cli *c;
	bool terminal, line; /* a line of progress stands there */
	json_t *problems;
};

static json_t *counts_json(const struct ferry_counts *n)
{
	int64_t ms = MAX(clock_mono_ms() - n->started_ms, (int64_t)1);
	uint64_t done = n->taken + n->known + n->failed;
	double rate = (double)done * 1000 / (double)ms, left = -1;
	if (n->messages > done && done)
		left = (double)(n->messages - done) / rate;
	else if (!n->messages && n->all_octets > n->octets_done && n->octets_done)
		left = (double)ms / 1000 * (double)(n->all_octets - n->octets_done) / (double)n->octets_done;
	else if (done)
		left = 0;
	json_t *v = json_pack("{s:I,s:I,s:I,s:I,s:f,s:f}", "taken", (json_int_t)n->taken, "known",
	    (json_int_t)n->known, "failed", (json_int_t)n->failed, "octets", (json_int_t)n->octets, "seconds",
	    (double)ms / 1000, "messages_per_second", rate);
	if (n->messages)
		json_object_set_new(v, "messages", json_integer((json_int_t)n->messages));
	if (n->all_octets)
		json_object_set_new(v, "all_octets", json_integer((json_int_t)n->all_octets));
	if (left >= 0)
		json_object_set_new(v, "seconds_left", json_real(left));
	return v;
}

static void print_line(const json_t *v)
{
	json_dumpf(v, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
}

static void show_progress(void *arg, const struct ferry_counts *n)
{
	struct showing *s = arg;
	json_t *v = counts_json(n);
	if (s->c->json) {
		json_t *line = json_pack("{s:O}", "progress", v);
		print_line(line);
		json_decref(line);
	} else if (s->terminal) {
		const json_t *left = json_object_get(v, "seconds_left");
		fprintf(stderr,
		    CLI_TEXT(s->c, "\r%llu of %llu messages, %.1f MB, %.0f/s, %.0f s left   ",
			"\r%llu / %llu 通、%.1f MB、毎秒 %.0f 通、残り %.0f 秒   "),
		    (unsigned long long)(n->taken + n->known + n->failed), (unsigned long long)n->messages,
		    (double)n->octets / 1e6, json_real_value(json_object_get(v, "messages_per_second")),
		    json_number_value(left));
		fflush(stderr);
		s->line = true;
	}
	json_decref(v);
}

static void show_problem(void *arg, const char *where, const char *why)
{
	struct showing *s = arg;
	BUF_LOCAL(place, 8192);
	BUF_LOCAL(text, 8192);
	cli_put_safe(&place, slice_str(where));
	cli_put_safe(&text, slice_str(why));
	if (s->c->json) {
		json_t *line =
		    json_pack("{s:{s:s,s:s}}", "problem", "where", buf_z(&place), "why", buf_z(&text));
		print_line(line);
		json_decref(line);
		return;
	}
	fprintf(stderr, "%s%s: %s\n", s->line ? "\n" : "", buf_z(&place), buf_z(&text));
	s->line = false;
}

/* The last word; 65 when some messages could not be taken. */
static int finish(struct showing *s, struct ferry *f, enum result r)
{
	struct cli *c = s->c;
	const struct ferry_counts *n = ferry_counts(f);
	if (s->line)
		fputc('\n', stderr);
	if (r != OK) {
		int code = r == GONE ? EX_NOINPUT : r == DENY ? EX_NOPERM : cli_exit_code(r);
		return cli_fail(c, code,
		    CLI_TEXT(c, "%s (%llu messages are done; the same command goes on from there)",
			"%s(%llu 通は完了。同じコマンドで続きから再開します)"),
		    ferry_why(f), (unsigned long long)(n->taken + n->known));
	}
	json_t *v = counts_json(n);
	json_object_del(v, "seconds_left");
	int code = cli_print(c, v);
	json_decref(v);
	return code == EX_OK && n->failed ? EX_DATAERR : code;
}

/* Opens the way to the account named first; EX_OK, or what the verb has to return. */
static int begin(struct cli *c, struct showing *s, struct ferry **out)
{
	*s = (struct showing){.c = c, .terminal = isatty(STDERR_FILENO)};
	const struct ferry_watch watch = {show_progress, show_problem, s};
	BUF_LOCAL(why, 4096);
	int code = cli_config(c);
	if (code != EX_OK)
		return code;
	const char *socket = arena_printf(&c->arena, "%s/run/admin.sock", c->config->data_dir);
	enum result r = ferry_open(socket, cli_arg(c, "address"), &watch, &why, out);
	if (r != OK)
		return cli_fail(c, r == GONE ? EX_UNAVAILABLE : cli_exit_code(r), "%s", buf_z(&why));
	return EX_OK;
}

/* ---- from another server ---- */

static bool tls_of(const char *text, enum imapc_tls *out)
{
	*out = IMAPC_TLS;
	if (text && strcmp(text, "starttls") == 0)
		*out = IMAPC_STARTTLS;
	else if (text && strcmp(text, "none") == 0)
		*out = IMAPC_CLEAR;
	return !text || strcmp(text, "tls") == 0 || *out != IMAPC_TLS;
}

static int read_password(struct cli *c, const char *user, struct buf *out)
{
	char line[PASSWORD_MOST + 2];
	if (!cli_flag(c, "password_stdin")) {
		char *typed = getpass(CLI_TEXT(c, "Password there: ", "相手側のパスワード: "));
		if (!typed)
			return cli_fail(
			    c, EX_USAGE, "the password of %s is read with --password-stdin", user);
		buf_puts(out, typed);
		OPENSSL_cleanse(typed, strlen(typed));
		return EX_OK;
	}
	if (!fgets(line, sizeof line, stdin))
		return cli_fail(c, EX_DATAERR, "no password on standard input");
	line[strcspn(line, "\r\n")] = 0;
	buf_puts(out, line);
	OPENSSL_cleanse(line, sizeof line);
	return EX_OK;
}

static int imap_settings(struct cli *c, struct imapc_settings *out)
{
	const json_t *port = json_object_get(c->args, "port");
	*out = (struct imapc_settings){.host = cli_arg(c, "source"),
	    .port = (uint16_t)json_integer_value(port),
	    .unverified = cli_flag(c, "insecure"),
	    .ca_file = cli_arg(c, "ca"),
	    .message_most = (uint64_t)LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED};
	if (json_integer_value(port) < 0 || json_integer_value(port) > UINT16_MAX)
		return cli_fail(c, EX_USAGE, "--port is a number up to 65535");
	if (!tls_of(cli_arg(c, "tls"), &out->tls))
		return cli_fail(c, EX_USAGE, "--tls is tls, starttls or none");
	return EX_OK;
}

static int from_imap(struct cli *c)
{
	struct showing s;
	struct ferry *f = NULL;
	struct imapc *imap = NULL;
	struct imapc_settings settings;
	BUF_LOCAL(why, 4096);
	BUF_LOCAL(password, PASSWORD_MOST + 2);
	const char *user = cli_arg(c, "user") ? cli_arg(c, "user") : cli_arg(c, "address");
	int code = imap_settings(c, &settings);
	if (code == EX_OK)
		code = read_password(c, user, &password);
	if (code == EX_OK)
		code = begin(c, &s, &f);
	if (code != EX_OK)
		return code;
	enum result r = imapc_open(&settings, &why, &imap);
	if (r == OK)
		r = imapc_login(imap, slice_str(user), buf_slice(&password), &why);
	buf_free_secret(&password);
	if (r != OK) {
		code =
		    cli_fail(c, r == DENY ? EX_NOPERM : EX_UNAVAILABLE, "%s: %s", settings.host, buf_z(&why));
	} else {
		const char *name = arena_printf(&c->arena, "%s@%s", user, settings.host);
		r = ferry_from_imap(f, imap, name, cli_arg(c, "into"));
		code = finish(&s, f, r);
	}
	imapc_close(imap);
	ferry_close(f);
	return code;
}

/* ---- the verbs ---- */

typedef enum result ferry_way(struct ferry *f, const char *path, const char *folder);

static int run(struct cli *c, ferry_way *way, const char *path, const char *folder)
{
	struct showing s;
	struct ferry *f = NULL;
	int code = begin(c, &s, &f);
	if (code != EX_OK)
		return code;
	code = finish(&s, f, way(f, cli_absolute(c, path), folder));
	ferry_close(f);
	return code;
}

static ferry_way *find_way(const char *kind, ferry_way *maildir, ferry_way *mbox, ferry_way *eml)
{
	if (strcmp(kind, "maildir") == 0)
		return maildir;
	if (strcmp(kind, "mbox") == 0)
		return mbox;
	return strcmp(kind, "eml") == 0 ? eml : NULL;
}

int verb_import(struct cli *c)
{
	const char *kind = cli_arg(c, "kind");
	if (strcmp(kind, "imap") == 0)
		return from_imap(c);
	ferry_way *way = find_way(kind, ferry_from_maildir, ferry_from_mbox, ferry_from_eml);
	if (!way)
		return cli_fail(c, EX_USAGE, "%s: maildir, mbox, eml or imap", kind);
	return run(c, way, cli_arg(c, "source"), cli_arg(c, "into"));
}

int verb_export(struct cli *c)
{
	const char *kind = cli_arg(c, "kind");
	ferry_way *way = find_way(kind, ferry_to_maildir, ferry_to_mbox, ferry_to_eml);
	if (!way)
		return cli_fail(c, EX_USAGE, "%s: maildir, mbox or eml", kind);
	return run(c, way, cli_arg(c, "path"), cli_arg(c, "folder"));
}
