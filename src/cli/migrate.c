/* migrate: bodies to where the configuration says, rows to the other engine. */
#include "store/db/migrate.h"
#include "cli/cli.h"
#include "ipc/ipc.h"
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void print_progress(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static void show(struct cli *c, const char *what, uint64_t done, uint64_t all, int64_t started)
{
	double seconds = (double)MAX(clock_mono_ms() - started, (int64_t)1) / 1000,
	       rate = (double)done / seconds;
	double left = rate > 0 && all > done ? (double)(all - done) / rate : 0;
	if (c->json)
		print_progress(json_pack("{s:{s:s,s:I,s:I,s:f,s:f}}", "progress", "what", what, "done",
		    (json_int_t)done, "all", (json_int_t)all, "per_second", rate, "seconds_left", left));
	else if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%s: %llu / %llu, %.0f/s, %.0f s   ", what, (unsigned long long)done,
		    (unsigned long long)all, rate, left);
}

int verb_migrate_bodies(struct cli *c)
{
	int64_t moved = 0, octets = 0, left = 0, started = clock_mono_ms(), counted = 0;
	const char *to = "";
	for (;;) {
		json_t *answer = NULL;
		int64_t now = clock_mono_ms();
		json_t *args = json_pack("{s:i}", "count", now - counted > 2 * SECOND_MS);
		int code = cli_admin(c, "bodies.move", args, &answer);
		json_decref(args);
		if (code != EX_OK)
			return code;
		int64_t n = json_integer_value(json_object_get(answer, "moved"));
		moved += n;
		octets += json_integer_value(json_object_get(answer, "octets"));
		to = arena_z(&c->arena, slice_str(json_string_value(json_object_get(answer, "to"))));
		if (json_object_get(answer, "left")) {
			counted = now;
			left = json_integer_value(json_object_get(answer, "left"));
			show(c, "bodies", (uint64_t)moved, (uint64_t)(moved + left), started);
		}
		json_decref(answer);
		if (!n)
			break;
	}
	json_t *out = json_pack("{s:s,s:I,s:I,s:I}", "to", to, "moved", (json_int_t)moved, "octets",
	    (json_int_t)octets, "left", (json_int_t)left);
	int code = cli_print(c, out);
	json_decref(out);
	return code;
}

/* ---- rows ---- */

struct moving {
	struct cli *c;
	int64_t started;
};

static void on_rows(void *arg, const char *table, uint64_t rows, uint64_t all, bool checking)
{
	const struct moving *m = arg;
	BUF_LOCAL(what, 200);
	buf_printf(&what, "%s%s", checking ? CLI_TEXT(m->c, "checking ", "照合 ") : "", table);
	show(m->c, buf_z(&what), rows, all, m->started);
}

static bool server_runs(struct cli *c)
{
	struct ipc ipc = {.fd = -1, .why = ""};
	if (ipc_connect(arena_printf(&c->arena, "%s/run/admin.sock", c->config->data_dir), &ipc) != OK)
		return false;
	ipc_close(&ipc);
	return true;
}

static int read_line(struct cli *c, const char *path, const char **out)
{
	char text[4096];
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (n < 0)
		return cli_fail(c, EX_NOINPUT, "%s: %s", path, strerrordesc_np(errno));
	struct slice rest = slice_of(text, (size_t)n);
	*out = arena_z(&c->arena, slice_trim(slice_split(&rest, '\n')));
	return EX_OK;
}

static int find_server(struct cli *c, struct db_place *out)
{
	struct store_ports ports;
	const char *why = "";
	BUF_LOCAL(url, 65536);
	if (!*c->config->database_url)
		return cli_fail(c, EX_CONFIG, "database_url is not set");
	if (store_database_url(c->config->database_url, &url, &ports, &why) != OK)
		return cli_fail(c, EX_CONFIG, "database_url: %s", why ? why : "too long");
	out->url = arena_z(&c->arena, buf_slice(&url));
	out->ca_file = *c->config->database_ca_file ? c->config->database_ca_file : NULL;
	return *c->config->database_password_file
		   ? read_line(c, c->config->database_password_file, &out->password)
		   : EX_OK;
}

/* What root makes here belongs to whom the directory belongs to. */
static void give_to_owner(struct cli *c, const char *dir)
{
	static const char *const names[] = {"db", "db-wal", "db-shm"};
	struct stat st;
	if (stat(dir, &st) != 0)
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *path = arena_printf(&c->arena, "%s/%s", dir, names[i]);
		if (chown(path, st.st_uid, st.st_gid) != 0 && errno != ENOENT)
			cli_say(c, "%s: %s\n", path, strerrordesc_np(errno));
	}
}

static int run(struct cli *c, bool to_server, const struct db_place *file, const struct db_place *server)
{
	struct moving m = {c, clock_mono_ms()};
	const struct migrate_watch watch = {on_rows, &m};
	BUF_LOCAL(why, 4096);
	uint64_t rows = 0;
	enum result r =
	    migrate_rows(to_server ? file : server, to_server ? server : file, &watch, &why, &rows);
	give_to_owner(c, file->dir);
	if (r != OK)
		return cli_fail(c,
		    r == DENY  ? EX_CANTCREAT
		    : r == BAD ? EX_DATAERR
			       : EX_UNAVAILABLE,
		    "%s", buf_z(&why));
	json_t *out = json_pack("{s:s,s:I,s:f}", "to", to_server ? "postgresql" : "sqlite", "rows",
	    (json_int_t)rows, "seconds", (double)(clock_mono_ms() - m.started) / 1000);
	int code = cli_print(c, out);
	json_decref(out);
	cli_say(c,
	    CLI_TEXT(c, "All rows are there and were compared. Now set database = %s and start the server.\n",
		"すべての行を写し、照合しました。database = %s と設定してサーバーを起動してください。\n"),
	    to_server ? "postgresql" : "sqlite");
	return code;
}

int verb_migrate_database(struct cli *c)
{
	const char *target = cli_arg(c, "target");
	struct db_place file = {0}, server = {0};
	bool to_server = strcmp(target, "postgresql") == 0;
	if (!to_server && strcmp(target, "sqlite") != 0)
		return cli_fail(c, EX_USAGE, "%s: postgresql or sqlite", target);
	int code = cli_config(c);
	if (code != EX_OK)
		return code;
	if (server_runs(c))
		return cli_fail(c, EX_TEMPFAIL, "%s",
		    CLI_TEXT(c, "the server is running: stop it first",
			"サーバーが動いています。先に止めてください"));
	file.dir = server.dir = arena_printf(&c->arena, "%s/store", c->config->data_dir);
	code = find_server(c, &server);
	return code == EX_OK ? run(c, to_server, &file, &server) : code;
}
