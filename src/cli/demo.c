#include "cli/demo.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A demo keeps in its data directory, beside what every server has:
 *   sekisho.conf   written anew at each start from the command line
 *   demo.json      domain and accounts with their passwords, for its owner only; made at the first start
 *   demo.pid       the process while it runs; demo.log its output
 */

#define PORT_BASE 20250
#define READY_MS 60000

/* The services in the order of their ports. */
static const char *const services[] = {
    "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "http", "https", "sieve"};

struct demo {
	struct cli *c;
	const char *data, *config, *state, *pid_file, *log;
	const char *domain;
	uint16_t base;
	json_t *about; /* demo.json */
	bool first;
	pid_t pid;
};

static uint16_t port_of(const struct demo *d, const char *service)
{
	for (size_t i = 0; i < COUNT(services); i++)
		if (strcmp(services[i], service) == 0)
			return (uint16_t)(d->base + i);
	return 0;
}

/* ---- the configuration ---- */

static void put_database(struct cli *c, struct buf *b)
{
	const char *url = cli_arg(c, "database"), *password = cli_arg(c, "database_password_file");
	if (url)
		buf_printf(b, "database = postgresql\ndatabase_url = \"%s\"\n", url);
	if (password)
		buf_printf(b, "database_password_file = \"%s\"\n", cli_absolute(c, password));
}

static void put_config(const struct demo *d, struct buf *b)
{
	struct cli *c = d->c;
	buf_printf(b,
	    "# Written by `sekisho demo` at each start.\ndemo = yes\nhostname = \"mail.%s\"\ndata_dir = "
	    "\"%s\"\n",
	    d->domain, d->data);
	for (size_t i = 0; i < COUNT(services); i++)
		buf_printf(b, "listen_%s = {\"127.0.0.1:%zu\"}\n", services[i], d->base + i);
	/* All clients come from one address, where the people of a demo are; this machine's others are strange. */
	buf_puts(b, "sessions_per_address = 20000\nsmtp_sessions_per_address = 20000\n"
		    "office_networks = \"127.0.0.1/32\"\n");
	/* A few accounts send what is to be tried; nobody was used to anything before. */
	buf_puts(b, "first_time_hour = 1000000\nfirst_time_day = 1000000\nfirst_time_most = 1000000\n"
		    "known_recipients_rate = 100000000\n");
	size_t i;
	json_t *route;
	json_array_foreach(json_object_get(c->args, "route"), i, route)
	    buf_printf(b, "%s\"%s\"", i ? ", " : "route = {", json_string_value(route));
	buf_puts(b, i ? "}\n" : "");
	const char *dns = cli_arg(c, "dns");
	/* The names of a demo are nobody's: the network is not asked about them. */
	if (!dns)
		buf_puts(b, "dns_check_every = 0s\n");
	else
		buf_printf(b, "dns_fixture = \"%s\"\n", cli_absolute(d->c, dns));
	put_database(c, b);
	json_array_foreach(json_object_get(c->args, "option"), i, route)
	{
		struct slice value = slice_str(json_string_value(route)), name = slice_split(&value, '=');
		buf_printf(b, SLICE_FMT " = \"" SLICE_FMT "\"\n", SLICE_ARG(name), SLICE_ARG(value));
	}
	json_int_t offset = json_integer_value(json_object_get(c->args, "clock_offset"));
	buf_printf(b, "clock_offset = %lld\n", (long long)offset);
}

static int write_config(struct demo *d)
{
	BUF_LOCAL(text, 1048576);
	put_config(d, &text);
	BUF_LOCAL(why, 65536);
	if (config_parse(buf_slice(&text), d->config, CONFIG_DEMO, &why, &d->c->config) != OK)
		return cli_fail(d->c, EX_USAGE, "%s", buf_z(&why));
	d->c->config_path = d->config;
	return cli_write_file(d->c, d->config, buf_slice(&text), 0644);
}

/* ---- what is remembered between starts ---- */

static json_t *new_account(const char *local, const char *domain, const char *name, const char *role)
{
	BUF_LOCAL(address, 512);
	buf_printf(&address, "%s@%s", local, domain);
	__attribute__((cleanup(buf_free_secret))) struct buf password = {.max = LIMIT_PASSWORD};
	cli_make_password(&password);
	return json_pack("{s:s,s:s,s:s,s:[s*]}", "address", buf_z(&address), "name", name, "password",
	    buf_z(&password), "roles", role);
}

static json_t *new_about(const char *domain, bool fresh)
{
	if (fresh)
		return json_pack("{s:s,s:[]}", "domain", domain, "users");
	return json_pack("{s:s,s:[o,o,o]}", "domain", domain, "users",
	    new_account("admin", domain, "管理者", "system"), new_account("hana", domain, "山田 花子", NULL),
	    new_account("taro", domain, "佐藤 太郎", NULL));
}

/* Demos on other ports have other domains, so that two of them can write to each other. */
static const char *default_domain(struct demo *d)
{
	return d->base == PORT_BASE ? "sekisho.example"
				    : arena_printf(&d->c->arena, "d%u.sekisho.example", d->base);
}

static int remember(struct demo *d)
{
	const char *wanted = cli_arg(d->c, "domain");
	d->about = json_load_file(d->state, 0, NULL);
	d->first = !d->about;
	if (d->first)
		d->about = new_about(wanted ? wanted : default_domain(d), cli_flag(d->c, "fresh"));
	const char *domain = json_string_value(json_object_get(d->about, "domain"));
	if (!domain)
		return cli_fail(d->c, EX_DATAERR, "%s is not a demo's", d->state);
	if (wanted && strcmp(domain, wanted) != 0)
		return cli_fail(d->c, EX_USAGE, "this demo's domain is %s", domain);
	d->domain = domain;
	return EX_OK;
}

/* The process of demo.pid, when it still is a server with this configuration; else 0. */
static pid_t running(struct cli *c, const char *pid_file, const char *config)
{
	char text[32] = "", command[8192] = "";
	FD_LOCAL fd = open(pid_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	uint32_t pid;
	if (n <= 0 || num_u32(slice_trim(slice_of(text, (size_t)n)), INT32_MAX, &pid) != OK)
		return 0;
	FD_LOCAL proc = open(arena_printf(&c->arena, "/proc/%u/cmdline", pid), O_RDONLY | O_CLOEXEC);
	n = proc < 0 ? 0 : read(proc, command, sizeof command);
	struct slice words = slice_of(command, n > 0 ? (size_t)n : 0);
	return slice_search(words, slice_str(config)) >= 0 ? (pid_t)pid : 0;
}

/* ---- starting ---- */

/* What opens the API of this demo. */
static int make_token(struct demo *d)
{
	json_t *args = json_pack("{s:s}", "name", "demo"), *answer = NULL;
	int code = cli_admin(d->c, "token.add", args, &answer);
	if (code == EX_OK)
		json_object_set(d->about, "token", json_object_get(answer, "token"));
	json_decref(args);
	json_decref(answer);
	return code;
}

static int add_user(struct demo *d, const json_t *user)
{
	const char *address = json_string_value(json_object_get(user, "address"));
	const char *password = json_string_value(json_object_get(user, "password"));
	int code = cli_add_account(
	    d->c, address, json_string_value(json_object_get(user, "name")), slice_str(password));
	size_t i;
	json_t *role;
	json_array_foreach(json_object_get(user, "roles"), i, role)
	{
		if (code == EX_OK)
			code = cli_give_role(d->c, address, json_string_value(role));
	}
	return code;
}

/* A server before its first run: what opens that, and what opens the API. */
static int make_setup(struct demo *d)
{
	json_t *setup = NULL;
	int code = cli_setup_code(d->c, port_of(d, "https"), &setup);
	if (code == EX_OK)
		json_object_set(d->about, "setup", setup);
	json_decref(setup);
	return code == EX_OK ? make_token(d) : code;
}

static int populate(struct demo *d)
{
	const struct slice names[] = {slice_str(d->c->config->hostname), slice_str(d->domain),
	    SLICE("localhost"), SLICE("127.0.0.1"), SLICE("::1")};
	int code = cli_give_certificate(d->c, d->data, names, COUNT(names));
	if (cli_flag(d->c, "fresh"))
		return code == EX_OK ? make_setup(d) : code;
	json_t *args = json_pack("{s:s}", "domain", d->domain), *answer = NULL;
	if (code == EX_OK)
		code = cli_admin(d->c, "domain.add", args, &answer);
	json_decref(args);
	json_decref(answer);
	size_t i;
	json_t *user;
	json_array_foreach(json_object_get(d->about, "users"), i, user)
	{
		if (code == EX_OK)
			code = add_user(d, user);
	}
	if (code == EX_OK)
		code = make_token(d);
	if (code == EX_OK && demo_send_samples(port_of(d, "smtp"), d->domain) != OK)
		return cli_fail(d->c, EX_UNAVAILABLE, "the first mails were not accepted");
	return code;
}

/* demo.json is written last: where there is one, everything in it exists. */
static int populate_once(struct demo *d)
{
	if (!d->first)
		return EX_OK;
	int code = populate(d);
	char *text = code == EX_OK ? json_dumps(d->about, JSON_INDENT(2)) : NULL;
	if (text)
		code = cli_write_file(d->c, d->state, slice_str(text), 0600);
	free(text);
	return code;
}

static int start(struct demo *d)
{
	int code = cli_server_start(d->config, true, d->log, cli_flag(d->c, "background"), &d->pid);
	if (code != EX_OK)
		return cli_fail(d->c, code, "cannot start a process");
	BUF_LOCAL(pid, 32);
	buf_printf(&pid, "%d\n", (int)d->pid);
	code = cli_write_file(d->c, d->pid_file, buf_slice(&pid), 0644);
	if (code == EX_OK && !cli_server_ready(d->c->config, d->pid, READY_MS))
		code = cli_log_tail(d->c, d->log);
	if (code == EX_OK)
		code = populate_once(d);
	if (code != EX_OK)
		cli_server_stop(d->pid);
	return code;
}

/* ---- telling ---- */

static json_t *as_json(const struct demo *d)
{
	json_t *ports = json_object(), *users = json_array(), *user;
	for (size_t i = 0; i < COUNT(services); i++)
		json_object_set_new(ports, services[i], json_integer(port_of(d, services[i])));
	size_t i;
	json_array_foreach(json_object_get(d->about, "users"), i, user) json_array_append(users, user);
	return json_pack("{s:i,s:s,s:s,s:s,s:o,s:o,s:{s:s,s:O?},s:O*}", "pid", (int)d->pid, "data", d->data,
	    "domain", d->domain, "ca", arena_printf(&d->c->arena, "%s/ca.pem", d->data), "ports", ports,
	    "users", users, "api", "url",
	    arena_printf(&d->c->arena, "https://127.0.0.1:%u", port_of(d, "https")), "token",
	    json_object_get(d->about, "token"), "setup", json_object_get(d->about, "setup"));
}

static void tell_accounts(const struct demo *d)
{
	const struct cli *c = d->c;
	size_t i;
	json_t *user;
	cli_say(c, "%s",
	    CLI_TEXT(c, "\nAccounts (address, password):\n", "\nアカウント(アドレスとパスワード):\n"));
	json_array_foreach(json_object_get(d->about, "users"), i, user)
	    cli_say(c, "  %-32s %s\n", json_string_value(json_object_get(user, "address")),
		json_string_value(json_object_get(user, "password")));
}

static void tell_commands(const struct demo *d)
{
	const struct cli *c = d->c;
	const json_t *hana = json_array_get(json_object_get(d->about, "users"), 1);
	const char *address = json_string_value(json_object_get(hana, "address"));
	const char *password = json_string_value(json_object_get(hana, "password"));
	cli_say(c, "%s", CLI_TEXT(c, "\nTry in another terminal:\n", "\n別の端末で試せるコマンド:\n"));
	cli_say(c,
	    "  swaks --server 127.0.0.1:%u --tls-on-connect --auth PLAIN --auth-user %s --auth-password %s "
	    "\\\n"
	    "        --from %s --to taro@%s --header 'Subject: hello'\n",
	    port_of(d, "submissions"), address, password, address, d->domain);
	cli_say(c, "  curl --cacert %s/ca.pem -u %s:%s 'imaps://127.0.0.1:%u/INBOX;MAILINDEX=1'\n", d->data,
	    address, password, port_of(d, "imaps"));
	cli_say(c,
	    "  mutt -e 'set ssl_ca_certificates_file=%s/ca.pem' \\\n       -f "
	    "imaps://%s@127.0.0.1:%u/INBOX\n",
	    d->data, address, port_of(d, "imaps"));
	cli_say(c, "  curl http://127.0.0.1:%u/healthz\n", port_of(d, "http"));
	cli_say(c, "  build/sekisho --data %s status\n  build/sekisho --data %s trace\n", d->data, d->data);
	cli_say(c,
	    CLI_TEXT(c,
		"Mail in the name of %s that comes to port %u without a login goes to Junk; to trust "
		"programs here:\n"
		"  build/sekisho --data %s dmarc override add 127.0.0.1\n",
		"ログインせずに %s を名乗って %u "
		"番ポートに来るメールは「迷惑メール」に入ります。このマシンのプログラムを信頼するには:\n"
		"  build/sekisho --data %s dmarc override add 127.0.0.1\n"),
	    d->domain, port_of(d, "smtp"), d->data);
}

static void tell(const struct demo *d)
{
	const struct cli *c = d->c;
	cli_say(c,
	    CLI_TEXT(c, "\nSekisho's demo runs. Domain %s, data in %s\n\nPorts on 127.0.0.1:\n ",
		"\n関所のデモが動いています。ドメイン %s、データ %s\n\n127.0.0.1 のポート:\n "),
	    d->domain, d->data);
	for (size_t i = 0; i < COUNT(services); i++)
		cli_say(c, " %s %u", services[i], port_of(d, services[i]));
	cli_say(c, "\n");
	const char *setup = json_string_value(json_object_get(json_object_get(d->about, "setup"), "url"));
	cli_say(c, CLI_TEXT(c, "\nThe console: %s\n", "\nコンソール: %s\n"),
	    setup ? setup : arena_printf(&d->c->arena, "https://127.0.0.1:%u/", port_of(d, "https")));
	if (!setup) {
		tell_accounts(d);
		tell_commands(d);
	}
	if (!cli_flag(c, "background"))
		cli_say(c,
		    CLI_TEXT(c, "\nIts log is %s. Ctrl-C stops it.\n",
			"\nログは %s です。Ctrl-C で止まります。\n"),
		    d->log);
}

/* In the foreground: until the server ends, or we are told to end it. */
static int attend(struct demo *d, const sigset_t *signals)
{
	int status;
	while (waitpid(d->pid, &status, WNOHANG) != d->pid) {
		int signal = sigwaitinfo(signals, NULL);
		if (signal != SIGINT && signal != SIGTERM)
			continue;
		cli_server_stop(d->pid);
		unlink(d->pid_file);
		return EX_OK;
	}
	unlink(d->pid_file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static int prepare(struct demo *d)
{
	struct cli *c = d->c;
	json_int_t base = json_integer_value(json_object_get(c->args, "port_base"));
	if (!c->data)
		return cli_fail(
		    c, EX_USAGE, "%s", CLI_TEXT(c, "--data DIR is missing", "--data DIR がありません"));
	if (base < 0 || base > 65535 - (json_int_t)COUNT(services))
		return cli_fail(c, EX_USAGE, "--port-base: no such ports");
	d->data = c->data;
	d->base = base ? (uint16_t)base : PORT_BASE;
	d->config = arena_printf(&c->arena, "%s/sekisho.conf", d->data);
	d->state = arena_printf(&c->arena, "%s/demo.json", d->data);
	d->pid_file = arena_printf(&c->arena, "%s/demo.pid", d->data);
	d->log = arena_printf(&c->arena, "%s/demo.log", d->data);
	if (running(c, d->pid_file, d->config))
		return cli_fail(c, EX_TEMPFAIL, "%s",
		    CLI_TEXT(c, "this demo runs already", "このデモは既に動いています"));
	int code = cli_make_directories(c, d->data);
	if (code == EX_OK)
		code = cli_make_master_key(c, d->data);
	if (code == EX_OK)
		code = remember(d);
	return code == EX_OK ? write_config(d) : code;
}

int verb_demo(struct cli *c)
{
	struct demo d = {.c = c};
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	int code = prepare(&d);
	if (code == EX_OK)
		code = start(&d);
	if (code == EX_OK && c->json) {
		json_t *out = as_json(&d);
		code = cli_print(c, out);
		json_decref(out);
	} else if (code == EX_OK) {
		tell(&d);
	}
	if (code == EX_OK && !cli_flag(c, "background")) {
		sigprocmask(SIG_BLOCK, &signals, NULL);
		code = attend(&d, &signals);
	}
	json_decref(d.about);
	return code;
}

int verb_stop(struct cli *c)
{
	if (!c->data)
		return cli_fail(
		    c, EX_USAGE, "%s", CLI_TEXT(c, "--data DIR is missing", "--data DIR がありません"));
	const char *config = arena_printf(&c->arena, "%s/sekisho.conf", c->data);
	const char *pid_file = arena_printf(&c->arena, "%s/demo.pid", c->data);
	pid_t pid = running(c, pid_file, config);
	if (!pid)
		return cli_fail(c, EX_UNAVAILABLE, "%s",
		    CLI_TEXT(c, "no demo runs there", "そこで動いているデモはありません"));
	if (!cli_server_stop(pid))
		return cli_fail(c, EX_OSERR, "cannot stop process %d", (int)pid);
	unlink(pid_file);
	json_t *out = json_pack("{s:i}", "stopped", (int)pid);
	int code = cli_print(c, out);
	json_decref(out);
	return code;
}
