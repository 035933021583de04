#include "role/config_value.h"
#include <arpa/inet.h>

bool config_is_list(enum config_type t)
{
	return t == CONFIG_LISTEN || t == CONFIG_ADDRESSES || t == CONFIG_ROUTES || t == CONFIG_ITEMS;
}

const char *config_type_name(enum config_type t)
{
	static const char *const names[] = {
	    [CONFIG_TEXT] = "text",
	    [CONFIG_PATH] = "path",
	    [CONFIG_BOOL] = "yes|no",
	    [CONFIG_NUMBER] = "number",
	    [CONFIG_SIZE] = "size",
	    [CONFIG_TIME] = "duration",
	    [CONFIG_OFFSET] = "seconds",
	    [CONFIG_CHOICE] = "choice",
	    [CONFIG_LISTEN] = "list of address:port",
	    [CONFIG_ADDRESSES] = "list of address[:port]",
	    [CONFIG_HOSTPORT] = "host:port",
	    [CONFIG_ROUTES] = "list of domain=host:port",
	    [CONFIG_ITEMS] = "list of name=text",
	};
	return names[t];
}

void config_value_list(const struct config_option *o, struct arena *a, void *field, size_t n)
{
	if (o->type == CONFIG_ROUTES)
		*(struct config_routes *)field =
		    (struct config_routes){arena_array(a, n, sizeof(struct config_route)), n};
	else if (o->type == CONFIG_ITEMS)
		*(struct config_items *)field =
		    (struct config_items){arena_array(a, n, sizeof(struct config_item)), n};
	else
		*(struct config_addresses *)field =
		    (struct config_addresses){arena_array(a, n, sizeof(struct config_address)), n};
}

struct unit {
	char letter;
	int64_t factor;
};
static const struct unit time_units[] = {
    {'s', SECOND_MS}, {'m', MINUTE_MS}, {'h', HOUR_MS}, {'d', DAY_MS}, {0}};
static const struct unit size_units[] = {{'K', 1024}, {'M', 1024 * 1024}, {'G', 1024 * 1024 * 1024}, {0}};

/* Digits and one letter of the table; without a letter the number stands for itself when `bare`. */
static bool read_units(struct slice s, const struct unit *units, bool bare, int64_t *out)
{
	int64_t factor = bare ? 1 : 0;
	for (; units->letter && s.n; units++)
		if (s.p[s.n - 1] == units->letter) {
			factor = units->factor;
			s.n--;
			break;
		}
	uint64_t v;
	return factor && num_u64(s, INT64_MAX, &v) == OK && mul_ok((int64_t)v, factor, out);
}

static bool read_number(const struct config_option *o, struct slice s, int64_t *out)
{
	if (o->type == CONFIG_TIME)
		return read_units(s, time_units, false, out);
	if (o->type == CONFIG_SIZE)
		return read_units(s, size_units, true, out);
	bool minus = o->type == CONFIG_OFFSET && s.n && s.p[0] == '-';
	uint64_t v;
	if (num_u64(slice_sub(s, minus, s.n), INT64_MAX, &v) != OK)
		return false;
	*out = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static const char *read_measure(const struct config_option *o, struct slice s, int64_t *out)
{
	if (!read_number(o, s, out)) {
		if (o->type == CONFIG_TIME)
			return "is not a duration such as 30s, 5m, 4h or 5d";
		return o->type == CONFIG_SIZE ? "is not a size such as 512K or 50M" : "is not a whole number";
	}
	if ((o->least || o->most) && (*out < o->least || *out > o->most))
		return "is out of range";
	return NULL;
}

static bool is_literal(const char *host)
{
	unsigned char addr[16];
	return inet_pton(AF_INET, host, addr) == 1 || inet_pton(AF_INET6, host, addr) == 1;
}

/* Names by RFC 1123; underscores are seen in private zones. */
static bool is_host(struct slice s)
{
	if (s.n == 0 || s.n > LIMIT_DNS_NAME || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' &&
		    s.p[i] != '_')
			return false;
	return true;
}

/* host:port, [v6]:port; with port_optional also host, v6. A name is allowed only without `literal`. */
static const char *read_address(
    struct slice s, bool literal, bool port_optional, struct arena *a, struct config_address *out)
{
	struct slice host = s, port = SLICE_NONE;
	ptrdiff_t colon = slice_rfind(s, ':'), close = slice_find(s, ']');
	if (s.n && s.p[0] == '[' && close > 0) {
		host = slice_sub(s, 1, (size_t)close - 1);
		port = slice_sub(s, (size_t)close + 1, s.n);
		if (port.n && port.p[0] != ':')
			return "is not [address]:port";
		port = slice_sub(port, 1, port.n);
	} else if (colon >= 0 && slice_find(s, ':') == colon) {
		host = slice_sub(s, 0, (size_t)colon);
		port = slice_sub(s, (size_t)colon + 1, s.n);
	}
	uint32_t number = 0;
	if (port.n ? num_u32(port, 65535, &number) != OK || number == 0 : !port_optional)
		return "has no port from 1 to 65535";
	const char *z = arena_z(a, host);
	if (!is_literal(z) && (literal || !is_host(host)))
		return literal ? "is not an IPv4 address or an IPv6 address in brackets" : "is not a host";
	*out = (struct config_address){z, (uint16_t)number};
	return NULL;
}

static const char *read_route(struct slice s, struct arena *a, struct config_route *out)
{
	if (slice_find(s, '=') < 0)
		return "is not domain=host:port";
	struct slice to = s, domain = slice_split(&to, '=');
	if (!is_host(domain))
		return "does not begin with a domain";
	char *lower = arena_z(a, domain);
	for (char *p = lower; *p; p++)
		*p = ascii_lower(*p);
	out->domain = lower;
	return read_address(to, false, false, a, &out->to);
}

static const char *read_choice(const struct config_option *o, struct slice s, int *out)
{
	struct slice rest = slice_str(o->choices);
	for (int i = 0; rest.n; i++)
		if (slice_eq(slice_split(&rest, '|'), s)) {
			*out = i;
			return NULL;
		}
	return "is none of the choices";
}

static const char *read_bool(struct slice s, bool *out)
{
	*out = slice_ieq(s, SLICE("yes")) || slice_ieq(s, SLICE("true")) || slice_ieq(s, SLICE("on"));
	if (*out || slice_ieq(s, SLICE("no")) || slice_ieq(s, SLICE("false")) || slice_ieq(s, SLICE("off")))
		return NULL;
	return "is neither yes nor no";
}

static const char *read_text(const struct config_option *o, struct slice s, struct arena *a, const char **out)
{
	if (o->type == CONFIG_PATH && s.n && s.p[0] != '/')
		return "is not an absolute path";
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 32 || s.p[i] == 127)
			return "has a control character";
	*out = arena_z(a, s);
	return slice_is_utf8(s) ? NULL : "is not UTF-8";
}

static const char *read_item(
    const struct config_option *o, struct slice s, struct arena *a, struct config_item *out)
{
	struct slice value = s, name = slice_split(&value, '=');
	bool good = name.n && name.n < s.n && name.n <= LIMIT_SIEVE_NAME;
	for (size_t i = 0; i < name.n; i++)
		good = good && (ascii_alpha(name.p[i]) || ascii_digit(name.p[i]) || strchr("_-.", name.p[i]));
	if (!good)
		return "is not name=text, the name of letters, digits, \"-\", \"_\" and \".\"";
	out->name = arena_z(a, name);
	return read_text(o, value, a, &out->value);
}

const char *config_value_read(
    const struct config_option *o, struct slice s, struct arena *a, void *field, size_t index)
{
	switch (o->type) {
	case CONFIG_TEXT:
	case CONFIG_PATH:
		return read_text(o, s, a, field);
	case CONFIG_BOOL:
		return read_bool(s, field);
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_TIME:
	case CONFIG_OFFSET:
		return read_measure(o, s, field);
	case CONFIG_CHOICE:
		return read_choice(o, s, field);
	case CONFIG_HOSTPORT:
		*(struct config_address *)field = (struct config_address){"", 0};
		return s.n ? read_address(s, false, false, a, field) : NULL;
	case CONFIG_LISTEN:
	case CONFIG_ADDRESSES: {
		struct config_addresses *list = field;
		return read_address(
		    s, true, o->type == CONFIG_ADDRESSES, a, (struct config_address *)&list->at[index]);
	}
	case CONFIG_ROUTES: {
		struct config_routes *list = field;
		return read_route(s, a, (struct config_route *)&list->at[index]);
	}
	case CONFIG_ITEMS: {
		struct config_items *list = field;
		return index < LIMIT_SIEVE_ENVIRONMENT
			   ? read_item(o, s, a, (struct config_item *)&list->at[index])
			   : "has too many items";
	}
	}
	return "has no type";
}

static void put_address(struct buf *b, struct config_address a)
{
	bool v6 = strchr(a.host, ':') != NULL;
	buf_printf(b, v6 && a.port ? "[%s]" : "%s", a.host);
	if (a.port)
		buf_printf(b, ":%u", a.port);
}

static void put_units(struct buf *b, int64_t v, const struct unit *units)
{
	const struct unit *best = NULL;
	for (; units->letter; units++)
		if (v && v % units->factor == 0)
			best = units;
	if (best)
		buf_printf(b, "%lld%c", (long long)(v / best->factor), best->letter);
	else
		buf_printf(b, "%lld", (long long)v);
}

static void put_measure(struct buf *b, const struct config_option *o, int64_t v)
{
	if (o->type == CONFIG_TIME)
		put_units(b, v, time_units);
	else if (o->type == CONFIG_SIZE)
		put_units(b, v, size_units);
	else
		buf_printf(b, "%lld", (long long)v);
}

void config_put_range(struct buf *b, const struct config_option *o)
{
	if (o->choices[0]) {
		buf_puts(b, o->choices);
	} else if (o->least || o->most) {
		put_measure(b, o, o->least);
		buf_puts(b, " .. ");
		put_measure(b, o, o->most);
	}
}

static void put_addresses(struct buf *b, const struct config_addresses *list)
{
	for (size_t i = 0; i < list->n; i++) {
		buf_puts(b, i ? ", " : "");
		put_address(b, list->at[i]);
	}
}

static void put_items(struct buf *b, const struct config_items *list)
{
	for (size_t i = 0; i < list->n; i++)
		buf_printf(b, "%s%s=%s", i ? ", " : "", list->at[i].name, list->at[i].value);
}

static void put_routes(struct buf *b, const struct config_routes *list)
{
	for (size_t i = 0; i < list->n; i++) {
		buf_printf(b, "%s%s=", i ? ", " : "", list->at[i].domain);
		put_address(b, list->at[i].to);
	}
}

static void put_choice(struct buf *b, const struct config_option *o, int index)
{
	struct slice rest = slice_str(o->choices), word = SLICE_NONE;
	for (int i = 0; i <= index; i++)
		word = slice_split(&rest, '|');
	buf_put(b, word);
}

void config_put_value(struct buf *b, const struct config *c, const struct config_option *o)
{
	const void *field = (const char *)c + o->offset;
	switch (o->type) {
	case CONFIG_TEXT:
	case CONFIG_PATH:
		buf_puts(b, *(const char *const *)field);
		break;
	case CONFIG_BOOL:
		buf_puts(b, *(const bool *)field ? "yes" : "no");
		break;
	case CONFIG_NUMBER:
	case CONFIG_SIZE:
	case CONFIG_TIME:
	case CONFIG_OFFSET:
		put_measure(b, o, *(const int64_t *)field);
		break;
	case CONFIG_CHOICE:
		put_choice(b, o, *(const int *)field);
		break;
	case CONFIG_HOSTPORT:
		put_address(b, *(const struct config_address *)field);
		break;
	case CONFIG_LISTEN:
	case CONFIG_ADDRESSES:
		put_addresses(b, field);
		break;
	case CONFIG_ROUTES:
		put_routes(b, field);
		break;
	case CONFIG_ITEMS:
		put_items(b, field);
		break;
	}
}
