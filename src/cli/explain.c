#include "cli/cli.h"
#include "mail/mail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The product's own reasoning, offline: the same functions that the roles call, on a message from stdin or on every file
 * of a folder (--each, one line of JSON a message, ordered by name).
 */

#define MESSAGE_MOST ((size_t)256 * 1024 * 1024)
#define JSON_MOST ((size_t)1024 * 1024 * 1024)

/*
 * A message file of a Unix system has LF at its line ends and no CRLF at all; the protocols know CRLF only. Anything
 * mixed stays as it is, then it is what the file wants to show; so does an archive (of a report).
 */
static void to_crlf(const struct buf *in, struct buf *out)
{
	bool packed =
	    slice_starts(buf_slice(in), SLICE("\x1f\x8b")) || slice_starts(buf_slice(in), SLICE("PK\3\4"));
	if (packed || slice_search(buf_slice(in), SLICE("\r\n")) >= 0) {
		buf_put(out, buf_slice(in));
		return;
	}
	for (size_t i = 0; i < in->n; i++) {
		if (in->p[i] == '\n')
			buf_putc(out, '\r');
		buf_putc(out, in->p[i]);
	}
}

static enum result read_all(int fd, struct buf *b)
{
	for (ssize_t n = 1; n;) {
		char *room = buf_room(b, 65536);
		n = room ? read(fd, room, 65536) : 0;
		if (!room)
			return FULL;
		if (n < 0)
			return LATER;
		buf_wrote(b, (size_t)n);
	}
	return OK;
}

int cli_read_message(struct cli *c, int fd, const char *name, struct buf *message)
{
	BUF_LOCAL(raw, MESSAGE_MOST);
	enum result r = read_all(fd, &raw);
	if (r != OK)
		return cli_fail(c, EX_NOINPUT, "%s: %s", name ? name : "stdin",
		    r == FULL ? "too large" : strerrordesc_np(errno));
	to_crlf(&raw, message);
	return EX_OK;
}

/* Explains what fd holds; with a name, that comes first in the JSON object. */
static int explain_one(struct cli *c, cli_explainer *how, void *context, int fd, const char *name)
{
	BUF_LOCAL(message, 2 * MESSAGE_MOST);
	BUF_LOCAL(out, JSON_MOST);
	int failed = cli_read_message(c, fd, name, &message);
	if (failed)
		return failed;
	enum result r = how(context, buf_slice(&message), &out);
	json_t *json = r == OK ? json_loadb(out.p, out.n, JSON_ALLOW_NUL, NULL) : NULL;
	if (!json)
		return cli_fail(c, EX_DATAERR, "%s: %s", name ? name : "stdin", result_name(r));
	if (name)
		json_object_set_new(json, "file", json_string(name));
	int code = EX_OK;
	if (name || c->json) {
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(json);
	return code;
}

static int only_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int explain_each(struct cli *c, cli_explainer *how, void *context, const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, only_visible, alphasort), code = EX_OK;
	if (n < 0)
		return cli_fail(c, EX_NOINPUT, "%s: %s", folder, strerrordesc_np(errno));
	for (int i = 0; i < n; i++) {
		FD_LOCAL fd =
		    open(arena_printf(&c->arena, "%s/%s", folder, names[i]->d_name), O_RDONLY | O_CLOEXEC);
		struct stat st;
		if (code == EX_OK && fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			code = explain_one(c, how, context, fd, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return code;
}

int cli_explain(struct cli *c, cli_explainer *how, void *context)
{
	const char *folder = cli_arg(c, "each");
	return folder ? explain_each(c, how, context, folder)
		      : explain_one(c, how, context, STDIN_FILENO, NULL);
}

static enum result mime_json(void *context, struct slice message, struct buf *out)
{
	return mail_explain_json(message, out);
}

int verb_explain_mime(struct cli *c)
{
	return cli_explain(c, mime_json, NULL);
}

static enum result facts_json(void *context, struct slice message, struct buf *out)
{
	ARENA_LOCAL(a, MESSAGE_MOST);
	Sekisho__Facts *facts;
	enum result r = mail_facts_extract(message, &a, &facts);
	if (r == OK)
		mail_explain_facts_json(facts, out);
	return r == OK ? buf_result(out) : r;
}

int verb_explain_facts(struct cli *c)
{
	return cli_explain(c, facts_json, NULL);
}

static json_t *slice_json(struct slice s)
{
	return json_stringn(s.n ? s.p : "", s.n);
}

int verb_explain_address(struct cli *c)
{
	const char *text = cli_arg(c, "address");
	struct mail_addr written, canonical = {0};
	struct slice shown = SLICE_NONE;
	enum result r = mail_addr_parse(slice_str(text), &c->arena, &written);
	if (r == OK)
		r = mail_addr_canon(written, &c->arena, &canonical);
	if (r == OK && mail_domain_unicode(canonical.domain, &c->arena, &shown) != OK)
		shown = canonical.domain;
	if (r != OK)
		return cli_fail(c, cli_exit_code(r),
		    CLI_TEXT(c, "not a mail address: %s", "メールアドレスではありません: %s"), text);
	BUF_LOCAL(wire, 2 * LIMIT_ADDRESS);
	mail_addr_put(&wire, canonical);
	json_t *out = json_object();
	json_object_set_new(out, "local", slice_json(canonical.local));
	json_object_set_new(out, "domain", slice_json(canonical.domain));
	json_object_set_new(out, "domain_shown", slice_json(shown));
	json_object_set_new(out, "wire", slice_json(buf_slice(&wire)));
	json_object_set_new(out, "smtputf8", json_boolean(mail_addr_utf8(canonical)));
	int code = cli_print(c, out);
	json_decref(out);
	return code;
}
