/* Roles and people, where there is more to do than to ask the server. */
#include "cli/cli.h"
#include "mail/charset.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#define LIST_MOST ((size_t)1 << 20) /* octets of a personnel list */

static bool may(const json_t *role, const char *verb)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(role, "verbs"), i, v)
	{
		if (strcmp(json_string_value(v), verb) == 0)
			return true;
	}
	return false;
}

static enum result put_matrix(const json_t *matrix, struct buf *b)
{
	size_t i, k;
	json_t *verb, *role;
	const json_t *roles = json_object_get(matrix, "roles");
	buf_puts(b, "verb");
	json_array_foreach(roles, k, role)
	{
		buf_printf(b, ",%s", json_string_value(json_object_get(role, "role")));
	}
	buf_puts(b, "\r\n");
	json_array_foreach(json_object_get(matrix, "verbs"), i, verb)
	{
		buf_puts(b, json_string_value(verb));
		json_array_foreach(roles, k, role)
		{
			buf_puts(b, may(role, json_string_value(verb)) ? ",1" : ",");
		}
		buf_puts(b, "\r\n");
	}
	return buf_result(b);
}

/* RFC 4180; names of roles and verbs need no quoting. */
int verb_role_matrix(struct cli *c)
{
	BUF_LOCAL(text, 1048576);
	json_t *answer = NULL;
	int code = cli_admin(c, "role.matrix", NULL, &answer);
	if (code == EX_OK && !cli_flag(c, "csv"))
		code = cli_print(c, answer);
	else if (code == EX_OK && (put_matrix(answer, &text) != OK || fputs(buf_z(&text), stdout) < 0))
		code = cli_fail(c, EX_IOERR, "%s", CLI_TEXT(c, "cannot write", "書き出せません"));
	json_decref(answer);
	return code;
}

/* ---- leaving ---- */

/* "2027-03-31" or "2027-03-31 18:00" (also with a T), in local time. */
static bool read_time(const char *text, json_int_t *ms_out)
{
	struct tm tm = {.tm_isdst = -1};
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest && (*rest == ' ' || *rest == 'T'))
		rest = strptime(rest + 1, "%H:%M", &tm);
	time_t at = rest && !*rest ? mktime(&tm) : -1;
	*ms_out = (json_int_t)at * 1000;
	return at != -1;
}

int verb_offboard_add(struct cli *c)
{
	BUF_LOCAL(reply, LIMIT_OFFBOARD_REPLY + 2);
	json_int_t at;
	const char *when = cli_arg(c, "at");
	if (when && !read_time(when, &at))
		return cli_fail(c, EX_USAGE,
		    CLI_TEXT(c, "not a time: %s (2027-03-31 or \"2027-03-31 18:00\")",
			"時刻ではありません: %s(例: 2027-03-31、\"2027-03-31 18:00\")"),
		    when);
	if (when)
		json_object_set_new(c->args, "at_ms", json_integer(at));
	if (cli_flag(c, "reply_stdin")) {
		if (!cli_read_stdin(&reply) || reply.n > LIMIT_OFFBOARD_REPLY)
			return cli_fail(
			    c, EX_DATAERR, "%s", CLI_TEXT(c, "the reply is too long", "返信が長すぎます"));
		json_object_set_new(c->args, "reply", json_stringn(reply.p, reply.n));
	}
	json_object_del(c->args, "at");
	json_object_del(c->args, "reply_stdin");
	json_t *answer = NULL;
	int code = cli_admin(c, "offboard.add", c->args, &answer);
	if (code == EX_OK)
		code = cli_print(c, answer);
	json_decref(answer);
	return code;
}

/* ---- the personnel list ---- */

static int read_list(struct cli *c, const char *path, struct buf *out)
{
	BUF_LOCAL(raw, LIST_MOST);
	FD_LOCAL fd = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	bool whole = true;
	if (strcmp(path, "-") == 0) {
		whole = cli_read_stdin(&raw);
	} else if (fd < 0) {
		return cli_fail(c, EX_NOINPUT, "%s: %s", path, strerrordesc_np(errno));
	} else {
		uint64_t size;
		char *room =
		    fd_size(fd, &size) == OK && size < LIST_MOST ? buf_room(&raw, (size_t)size) : NULL;
		whole = room && fd_pread_all(fd, room, (size_t)size, 0) == OK;
		if (whole)
			buf_wrote(&raw, (size_t)size);
	}
	/* What a spreadsheet in Japan writes is Shift_JIS. */
	return whole && mail_text_decode(SLICE_NONE, buf_slice(&raw), out) == 0 && buf_result(out) == OK
		   ? EX_OK
		   : cli_fail(c, EX_DATAERR, "%s: %s", path,
			 CLI_TEXT(c, "cannot be read as a list", "名簿として読めません"));
}

int verb_people_import(struct cli *c)
{
	BUF_LOCAL(text, LIST_MOST);
	json_t *answer = NULL;
	int code = read_list(c, cli_arg(c, "file"), &text);
	if (code != EX_OK)
		return code;
	json_object_del(c->args, "file");
	json_object_set_new(c->args, "text", json_stringn(text.p ? text.p : "", text.n));
	code = cli_admin(c, "people.import", c->args, &answer);
	if (code == EX_OK)
		code = cli_print(c, answer);
	if (code == EX_OK && json_array_size(json_object_get(answer, "errors")))
		code = EX_DATAERR; /* nothing was changed: the answer says why */
	json_decref(answer);
	return code;
}
