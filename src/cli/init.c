#include "cli/cli.h"
#include "keys/keys.h"
#include "tls/tls.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALID_DAYS 397 /* what clients accept at most */

static int cannot(struct cli *c, const char *what)
{
	return cli_fail(c, EX_CANTCREAT, "%s: %s", what, strerrordesc_np(errno));
}

/* The way down to it as well; what is there already stays as it is. */
static bool make_path(const char *path, mode_t mode)
{
	ARENA_LOCAL(a, 65536);
	char *part = arena_z(&a, slice_str(path));
	for (char *p = part + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			if (mkdir(part, 0755) != 0 && errno != EEXIST)
				return false;
			*p = '/';
		}
	return mkdir(path, mode) == 0 || errno == EEXIST;
}

int cli_make_directories(struct cli *c, const char *data)
{
	static const struct {
		const char *name;
		mode_t mode;
	} below[] = {{"", 0711}, {"/keys", 0700}, {"/store", 0700}, {"/run", 0711}};
	for (size_t i = 0; i < COUNT(below); i++) {
		const char *path = arena_printf(&c->arena, "%s%s", data, below[i].name);
		if (!make_path(path, below[i].mode))
			return cannot(c, path);
	}
	return EX_OK;
}

int cli_write_file(struct cli *c, const char *path, struct slice text, unsigned mode)
{
	const char *fresh = arena_printf(&c->arena, "%s.new", path);
	FD_LOCAL fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0 || fchmod(fd, mode) != 0 || fd_write_all(fd, text) != OK || fsync(fd) != 0 ||
	    rename(fresh, path) != 0)
		return cannot(c, path);
	FD_LOCAL folder =
	    open(dirname(arena_z(&c->arena, slice_str(path))), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder >= 0 && fsync(folder) == 0 ? EX_OK : cannot(c, path);
}

int cli_make_master_key(struct cli *c, const char *data)
{
	const char *path = arena_printf(&c->arena, "%s/keys/master", data);
	if (access(path, F_OK) == 0 || keys_master_create(path) == OK)
		return EX_OK;
	return cannot(c, path);
}

/* An authority of its own signs it and its key is forgotten at once: who trusts it trusts this one server. */
static enum result make_certificate(
    const struct slice *names, size_t n, struct buf *authority, struct buf *chain, struct buf *key)
{
	__attribute__((cleanup(buf_free_secret))) struct buf authority_key = {.max = 65536};
	enum result r = tls_make_authority("Sekisho first start", 10 * VALID_DAYS, authority, &authority_key);
	if (r != OK)
		return r;
	return tls_make_leaf(
	    buf_slice(authority), buf_slice(&authority_key), names, n, VALID_DAYS, chain, key);
}

int cli_give_certificate(struct cli *c, const char *data, const struct slice *names, size_t n)
{
	BUF_LOCAL(authority, 65536);
	BUF_LOCAL(chain, 65536);
	__attribute__((cleanup(buf_free_secret))) struct buf key = {.max = 65536};
	if (make_certificate(names, n, &authority, &chain, &key) != OK)
		return cli_fail(c, EX_SOFTWARE, "cannot make a certificate");
	int code = cli_install_certificate(c, buf_slice(&chain), buf_slice(&key));
	const char *path = arena_printf(&c->arena, "%s/ca.pem", data);
	return code == EX_OK ? cli_write_file(c, path, buf_slice(&authority), 0644) : code;
}

int cli_log_tail(struct cli *c, const char *log)
{
	FD_LOCAL fd = open(log, O_RDONLY | O_CLOEXEC);
	char text[2048] = "";
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > (off_t)sizeof text - 1 ? size - (off_t)sizeof text + 1 : 0;
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof text - 1, from);
	text[n > 0 ? n : 0] = 0;
	return cli_fail(c, EX_UNAVAILABLE, "%s (%s)\n%s",
	    CLI_TEXT(c, "the server did not start", "サーバーが起動しませんでした"), log, text);
}

#define SETUP_DAYS 7

int cli_setup_code(struct cli *c, unsigned https, json_t **out)
{
	json_t *args = json_pack("{s:s,s:s,s:i}", "name", "setup", "role", "setup", "days", SETUP_DAYS),
	       *answer = NULL;
	int code = cli_admin(c, "token.add", args, &answer);
	const char *text = json_string_value(json_object_get(answer, "token"));
	BUF_LOCAL(port, 16);
	if (https != 443)
		buf_printf(&port, ":%u", https);
	if (code == EX_OK)
		*out = json_pack("{s:s,s:s}", "code", text, "url",
		    arena_printf(&c->arena, "https://%s%s/#/setup?code=%s",
			c->config->demo ? "127.0.0.1" : c->config->hostname, buf_z(&port), text));
	json_decref(args);
	json_decref(answer);
	return code;
}

/* The administrator and the domain are made by the running server itself: there is one way to make them. */
static int populate(struct cli *c, const char *data, struct slice password, json_t **setup_out)
{
	const char *domain = cli_arg(c, "domain"), *hostname = c->config->hostname;
	const struct slice names[] = {slice_str(hostname), slice_str(domain ? domain : hostname)};
	int code = cli_give_certificate(c, data, names, domain ? COUNT(names) : 1);
	if (!domain)
		return code == EX_OK ? cli_setup_code(c, 443, setup_out) : code;
	json_t *args = json_pack("{s:s}", "domain", domain), *answer = NULL;
	if (code == EX_OK)
		code = cli_admin(c, "domain.add", args, &answer);
	json_decref(args);
	json_decref(answer);
	if (code == EX_OK)
		code = cli_add_account(c, cli_arg(c, "administrator"), cli_arg(c, "name"), password);
	return code == EX_OK ? cli_give_role(c, cli_arg(c, "administrator"), "system") : code;
}

/* A server without ports, for as long as it takes. */
static int populate_running(
    struct cli *c, const char *data, const char *first_config, struct slice password, json_t **setup_out)
{
	const char *log = arena_printf(&c->arena, "%s/run/init.log", data);
	pid_t pid;
	int code = cli_server_start(first_config, false, log, false, &pid);
	if (code != EX_OK)
		return cli_fail(c, code, "cannot start a process");
	code = cli_server_ready(c->config, pid, 30000) ? populate(c, data, password, setup_out)
						       : cli_log_tail(c, log);
	cli_server_stop(pid);
	return code;
}

static const char *const services[] = {
    "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "http", "https", "sieve"};

static void put_first_config(struct buf *b, const char *hostname, const char *data)
{
	buf_printf(b, "hostname = \"%s\"\ndata_dir = \"%s\"\n", hostname, data);
	for (size_t i = 0; i < COUNT(services); i++)
		buf_printf(b, "listen_%s = {}\n", services[i]);
}

static void put_config(struct buf *b, const char *hostname, const char *data)
{
	buf_printf(b,
	    "# Sekisho. `sekisho config --explain` lists every option, `sekisho config check` finds "
	    "mistakes.\n"
	    "hostname = \"%s\"\ndata_dir = \"%s\"\n",
	    hostname, data);
}

static int finish(
    struct cli *c, const char *config, const char *data, struct slice password, bool made, json_t *setup)
{
	json_t *out = json_pack("{s:s,s:s,s:s*,s:s,s:O*}", "config", config, "data", data, "administrator",
	    cli_arg(c, "administrator"), "authority", arena_printf(&c->arena, "%s/ca.pem", data), "setup",
	    setup);
	if (made)
		json_object_set_new(out, "password", json_stringn(password.p, password.n));
	int code = cli_print(c, out);
	json_decref(out);
	cli_say(c,
	    CLI_TEXT(c, "\nStart it with: sekisho serve --config %s\n",
		"\n起動するには: sekisho serve --config %s\n"),
	    config);
	return code;
}

static int load_first_config(struct cli *c, const char *path)
{
	c->config_path = path;
	return cli_config(c);
}

/* The configuration is written last: where there is one, the server is whole. */
int verb_init(struct cli *c)
{
	const char *data = c->data ? c->data : "/var/lib/sekisho";
	const char *config = c->config_path ? c->config_path
			     : c->data      ? arena_printf(&c->arena, "%s/sekisho.conf", data)
					    : "/etc/sekisho/sekisho.conf";
	const char *hostname = cli_arg(c, "hostname"), *domain = cli_arg(c, "domain");
	if (domain ? !cli_arg(c, "administrator") : !hostname)
		return cli_fail(c, EX_USAGE, "%s",
		    CLI_TEXT(c, "either DOMAIN and ADMINISTRATOR, or --hostname to go on in the browser",
			"ドメインと管理者を指定するか、--hostname だけを指定してブラウザーで続けてください"));
	if (!hostname)
		hostname = arena_printf(&c->arena, "mail.%s", domain);
	if (access(config, F_OK) == 0)
		return cli_fail(
		    c, EX_CANTCREAT, CLI_TEXT(c, "%s is there already", "%s は既にあります"), config);
	__attribute__((cleanup(buf_free_secret))) struct buf password = {.max = LIMIT_PASSWORD};
	bool made = false;
	const char *first = arena_printf(&c->arena, "%s/run/init.conf", data);
	BUF_LOCAL(first_text, 65536);
	put_first_config(&first_text, hostname, data);
	BUF_LOCAL(text, 65536);
	put_config(&text, hostname, data);
	json_t *setup = NULL;
	int code = domain ? cli_new_password(c, &password, &made) : EX_OK;
	if (code == EX_OK)
		code = cli_make_directories(c, data);
	if (code == EX_OK)
		code = cli_make_master_key(c, data);
	if (code == EX_OK)
		code = cli_write_file(c, first, buf_slice(&first_text), 0644);
	if (code == EX_OK)
		code = load_first_config(c, first);
	if (code == EX_OK)
		code = populate_running(c, data, first, buf_slice(&password), &setup);
	unlink(first);
	if (code == EX_OK && !make_path(dirname(arena_z(&c->arena, slice_str(config))), 0755))
		code = cannot(c, config);
	if (code == EX_OK)
		code = cli_write_file(c, config, buf_slice(&text), 0644);
	if (code == EX_OK)
		code = finish(c, config, data, buf_slice(&password), made, setup);
	json_decref(setup);
	return code;
}

static int read_file(struct cli *c, const char *path, struct buf *b)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	for (ssize_t n = fd < 0 ? -1 : 1; n;) {
		char *room = buf_room(b, 4096);
		n = room && fd >= 0 ? read(fd, room, 4096) : -1;
		if (n < 0)
			return cli_fail(
			    c, EX_NOINPUT, "%s: %s", path, room ? strerrordesc_np(errno) : "too large");
		buf_wrote(b, (size_t)n);
	}
	return EX_OK;
}

int verb_certificate_install(struct cli *c)
{
	BUF_LOCAL(chain, 1048576);
	__attribute__((cleanup(buf_free_secret))) struct buf key = {.max = 65536};
	int code = read_file(c, cli_arg(c, "chain_file"), &chain);
	if (code == EX_OK)
		code = read_file(c, cli_arg(c, "key_file"), &key);
	return code == EX_OK ? cli_install_certificate(c, buf_slice(&chain), buf_slice(&key)) : code;
}
