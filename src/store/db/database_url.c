/* The configured connection string of PostgreSQL, made ready for a process that may look nothing up any more. */
#include "store/store.h"
#include <libpq-fe.h>
#include <netdb.h>
#include <sys/socket.h>

#define HOSTS_MOST 16
#define USER "sekisho"
#define PORT "5432"

struct servers {
	struct buf hosts, addresses, ports; /* lists divided by commas, in step */
	uint16_t tcp[HOSTS_MOST];
	size_t n, n_tcp;
	bool away; /* one of them is on another machine */
	const char *why;
};

static const char *value_of(const PQconninfoOption *o, const char *name)
{
	for (; o->keyword; o++)
		if (strcmp(o->keyword, name) == 0)
			return o->val && *o->val ? o->val : NULL;
	return NULL;
}

static void add(struct servers *s, struct slice host, const char *address, struct slice port)
{
	const char *comma = s->n++ ? "," : "";
	buf_printf(&s->hosts, "%s" SLICE_FMT, comma, SLICE_ARG(host));
	buf_printf(&s->addresses, "%s%s", comma, address);
	buf_printf(&s->ports, "%s" SLICE_FMT, comma, SLICE_ARG(port));
}

static bool add_tcp_port(struct servers *s, struct slice port)
{
	uint32_t number;
	if (num_u32(port, UINT16_MAX, &number) != OK || !number)
		return false;
	for (size_t i = 0; i < s->n_tcp; i++)
		if (s->tcp[i] == number)
			return true;
	if (s->n_tcp < HOSTS_MOST)
		s->tcp[s->n_tcp++] = (uint16_t)number;
	return true;
}

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* Every address of a host is tried in turn, as if the string had named each. */
static void look_up(struct servers *s, struct slice host, struct slice port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	BUF_LOCAL(name, 512);
	buf_put(&name, host);
	if (!add_tcp_port(s, port)) {
		s->why = "a port is not a number";
		return;
	}
	if (getaddrinfo(buf_z(&name), NULL, &hints, &found) != 0) {
		s->why = "the address of a server cannot be found";
		return;
	}
	for (const struct addrinfo *a = found; a && s->n < HOSTS_MOST; a = a->ai_next) {
		char text[64];
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		s->away |= !is_loopback(text);
		add(s, host, text, port);
	}
	freeaddrinfo(found);
}

static void find_servers(const PQconninfoOption *o, struct servers *s)
{
	const char *host = value_of(o, "host"), *port = value_of(o, "port");
	if (value_of(o, "hostaddr"))
		host = value_of(o, "hostaddr");
	struct slice hosts = slice_str(host ? host : "/var/run/postgresql");
	struct slice ports = slice_str(port ? port : PORT), one = SLICE_NONE;
	while (hosts.n && !s->why && s->n < HOSTS_MOST) {
		struct slice h = slice_split(&hosts, ',');
		one = ports.n ? slice_split(&ports, ',') : one; /* the last one is for all that follow */
		if (h.n && h.p[0] == '/')
			add(s, h, "", one);
		else
			look_up(s, h, one);
	}
	if (!s->n && !s->why)
		s->why = "it names no server";
}

/* keyword='value' with what libpq wants escaped. */
static void put(struct buf *b, const char *keyword, const char *value)
{
	buf_printf(b, "%s%s='", b->n ? " " : "", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_putc(b, '\\');
		buf_putc(b, *value);
	}
	buf_putc(b, '\'');
}

static void put_all(const PQconninfoOption *o, struct servers *s, struct buf *out)
{
	static const char *const ours[] = {"host", "hostaddr", "port", "passfile", "service"};
	put(out, "host", buf_z(&s->hosts));
	put(out, "hostaddr", buf_z(&s->addresses));
	put(out, "port", buf_z(&s->ports));
	if (!value_of(o, "user"))
		put(out, "user", USER);
	if (!value_of(o, "dbname"))
		put(out, "dbname", USER);
	/* Over a network only to a server that proves its name, unless the administrator says otherwise. */
	if (!value_of(o, "sslmode"))
		put(out, "sslmode", s->away ? "verify-full" : "prefer");
	for (; o->keyword; o++) {
		bool is_ours = !o->val || !*o->val;
		for (size_t i = 0; i < COUNT(ours); i++)
			is_ours |= strcmp(o->keyword, ours[i]) == 0;
		if (!is_ours)
			put(out, o->keyword, o->val);
	}
}

enum result store_database_url(
    const char *configured, struct buf *out, struct store_ports *ports_out, const char **why_out)
{
	struct servers s = {.hosts = {.max = 4096}, .addresses = {.max = 4096}, .ports = {.max = 512}};
	PQconninfoOption *o = PQconninfoParse(configured, NULL);
	if (!o)
		s.why = "it is not a connection string of PostgreSQL";
	else if (value_of(o, "password"))
		s.why = "it holds a password, which belongs into database_password_file";
	else
		find_servers(o, &s);
	if (!s.why)
		put_all(o, &s, out);
	for (size_t i = 0; i < s.n_tcp; i++)
		ports_out->at[i] = s.tcp[i];
	ports_out->n = s.n_tcp;
	PQconninfoFree(o);
	buf_free(&s.hosts);
	buf_free(&s.addresses);
	buf_free(&s.ports);
	*why_out = s.why;
	return s.why ? DENY : buf_result(out);
}
