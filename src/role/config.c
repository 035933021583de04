#include "role/config.h"
#include "role/config_value.h"
#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MOST 1048576 /* octets of a configuration file */
#define ARENA_MOST (8 * FILE_MOST)

const struct config_option config_options[] = {
#define X(name, type, standard, least, most, choices, english, japanese)                                     \
	{#name, CONFIG_##type, standard, least, most, choices, false, english, japanese,                     \
	    offsetof(struct config, name)},
#define D(name, type, standard, least, most, choices, english, japanese)                                     \
	{#name, CONFIG_##type, standard, least, most, choices, true, english, japanese,                      \
	    offsetof(struct config, name)},
#include "role/config.def"
#undef D
#undef X
};
const size_t config_option_count = COUNT(config_options);

const struct config_option *config_option(struct slice name)
{
	for (size_t i = 0; i < COUNT(config_options); i++)
		if (slice_eq(slice_str(config_options[i].name), name))
			return &config_options[i];
	return NULL;
}

/* Levenshtein's distance; names longer than the row are far from everything. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[64];
	if (b.n >= COUNT(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 0; i < a.n; i++) {
		size_t corner = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < b.n; j++) {
			size_t above = row[j + 1];
			size_t swap = corner + (ascii_lower(a.p[i]) != ascii_lower(b.p[j]));
			row[j + 1] = MIN(swap, MIN(above, row[j]) + 1);
			corner = above;
		}
	}
	return row[b.n];
}

const struct config_option *config_nearest(struct slice name)
{
	const struct config_option *best = NULL;
	size_t least = MAX(name.n / 3, 2) + 1;
	for (size_t i = 0; i < COUNT(config_options); i++) {
		size_t d = distance(name, slice_str(config_options[i].name));
		if (d < least) {
			least = d;
			best = &config_options[i];
		}
	}
	return best;
}

/* libconfuse calls back without a place for our own data: what a parse in this thread has to say goes here. */
static _Thread_local struct buf *faults;
static _Thread_local struct arena *scratch;

static void on_fault(cfg_t *cfg, const char *fmt, va_list ap)
{
	BUF_LOCAL(text, 4096);
	buf_vprintf(&text, fmt, ap);
	buf_printf(faults, "%s:%d: " SLICE_FMT, cfg->filename, cfg->line, SLICE_ARG(buf_slice(&text)));
	static const struct slice unknown = SLICE("no such option '");
	if (slice_starts(buf_slice(&text), unknown)) {
		struct slice rest = slice_sub(buf_slice(&text), unknown.n, text.n);
		const struct config_option *near = config_nearest(slice_split(&rest, '\''));
		if (near)
			buf_printf(faults, "; did you mean '%s'?", near->name);
	}
	buf_putc(faults, '\n');
}

/* Each value is judged while libconfuse still knows its line. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct config_option *o = config_option(slice_str(opt->name));
	union {
		int64_t number;
		const char *text;
		struct config_address address;
		struct config_addresses list;
		struct config_routes routes;
		struct config_items items;
	} field = {0};
	if (config_is_list(o->type))
		config_value_list(o, scratch, &field, 1);
	const char *why = config_value_read(o, slice_str(value), scratch, &field, 0);
	if (why) {
		BUF_LOCAL(range, 256);
		config_put_range(&range, o);
		cfg_error(cfg, "%s: \"%s\" %s%s%s%s", o->name, value, why, range.n ? " (" : "", buf_z(&range),
		    range.n ? ")" : "");
	}
	*(const char **)result = value;
	return 0;
}

static cfg_t *reader_new(cfg_opt_t options[COUNT(config_options) + 1])
{
	for (size_t i = 0; i < COUNT(config_options); i++) {
		cfg_opt_t one = CFG_STR_CB(config_options[i].name, NULL, CFGF_NODEFAULT, on_value);
		cfg_opt_t list =
		    CFG_STR_LIST_CB(config_options[i].name, NULL, CFGF_NODEFAULT | CFGF_LIST, on_value);
		options[i] = config_is_list(config_options[i].type) ? list : one;
	}
	options[COUNT(config_options)] = (cfg_opt_t)CFG_END();
	cfg_t *reader = cfg_init(options, CFGF_NONE);
	if (!reader)
		abort();
	cfg_set_error_function(reader, on_fault);
	return reader;
}

/* The default: the same text a file could hold, lists divided by commas. */
static void take_default(struct config *c, const struct config_option *o)
{
	void *field = (char *)c + o->offset;
	struct slice rest = slice_str(o->standard);
	if (!config_is_list(o->type)) {
		const char *why = config_value_read(o, rest, &c->arena, field, 0);
		if (why)
			abort(); /* the table is wrong; a unit test loads every default */
		return;
	}
	size_t n = rest.n ? 1 : 0;
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == ',';
	config_value_list(o, &c->arena, field, n);
	for (size_t i = 0; i < n; i++)
		if (config_value_read(o, slice_trim(slice_split(&rest, ',')), &c->arena, field, i))
			abort();
}

static void take_values(struct config *c, const struct config_option *o, cfg_opt_t *opt)
{
	void *field = (char *)c + o->offset;
	unsigned n = cfg_opt_size(opt);
	if (config_is_list(o->type))
		config_value_list(o, &c->arena, field, n);
	for (unsigned i = 0; i < n; i++) {
		const char *why =
		    config_value_read(o, slice_str(cfg_opt_getnstr(opt, i)), &c->arena, field, i);
		if (why)
			buf_printf(faults, "%s: %s\n", o->name, why);
	}
}

static bool is_loopback(const char *host)
{
	struct in_addr v4;
	return strcmp(host, "::1") == 0 ||
	       (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

static void check_demo(const struct config *c, const char *file)
{
	for (size_t i = 0; i < COUNT(config_options); i++) {
		const struct config_option *o = &config_options[i];
		if (o->type != CONFIG_LISTEN)
			continue;
		const struct config_addresses *list =
		    (const struct config_addresses *)((const char *)c + o->offset);
		for (size_t k = 0; k < list->n; k++)
			if (!is_loopback(list->at[k].host))
				buf_printf(faults, "%s: %s: a demo listens on loopback only, not on %s\n",
				    file, o->name, list->at[k].host);
	}
}

static void check_production(const struct config *c, const char *file)
{
	if (c->demo)
		buf_printf(
		    faults, "%s: demo = yes: a production start refuses the configuration of a demo\n", file);
	if (c->dns_fixture[0] || c->clock_offset)
		buf_printf(faults, "%s: dns_fixture and clock_offset belong to a demo only\n", file);
}

/* What no single option can know. */
static void check_whole(const struct config *c, const char *file, enum config_mode mode)
{
	if (mode == CONFIG_DEMO && c->demo)
		check_demo(c, file);
	else
		check_production(c, file);
	if (!c->tls_certificate[0] != !c->tls_key[0])
		buf_printf(faults, "%s: tls_certificate and tls_key go together\n", file);
	if ((c->database == CONFIG_POSTGRESQL) != (c->database_url[0] != '\0'))
		buf_printf(faults, "%s: database_url goes with database = postgresql\n", file);
	if (c->relay_user[0] && (!c->relay_password_file[0] || !c->relay_host.port))
		buf_printf(faults, "%s: relay_user needs relay_host and relay_password_file\n", file);
	if (!c->dns_update_server.host[0] != !c->dns_update_key[0] ||
	    !c->dns_update_key[0] != !c->dns_update_key_file[0])
		buf_printf(faults,
		    "%s: dns_update_server, dns_update_key and dns_update_key_file go together\n", file);
	if (c->queue_retry_first > c->queue_retry_most)
		buf_printf(faults, "%s: queue_retry_first is longer than queue_retry_most\n", file);
	if (c->queue_delay_notice > c->queue_max_age)
		buf_printf(faults, "%s: queue_delay_notice is longer than queue_max_age\n", file);
	if (c->sessions_per_address > c->sessions)
		buf_printf(faults, "%s: sessions_per_address is more than sessions\n", file);
}

/* Options left empty that stand for something known only here. */
static void complete(struct config *c)
{
	if (!c->hostname[0]) {
		char name[LIMIT_DNS_NAME + 1] = "localhost";
		if (gethostname(name, sizeof name - 1) != 0 || !name[0])
			memcpy(name, "localhost", sizeof "localhost");
		c->hostname = arena_z(&c->arena, slice_str(name));
	}
	if (!c->master_key_file[0])
		c->master_key_file = arena_printf(&c->arena, "%s/keys/master", c->data_dir);
}

static void fill(struct config *c, cfg_t *reader)
{
	for (size_t i = 0; i < COUNT(config_options); i++) {
		const struct config_option *o = &config_options[i];
		cfg_opt_t *opt = cfg_getopt(reader, o->name);
		take_default(c, o);
		if (opt && cfg_opt_size(opt) > 0)
			take_values(c, o, opt);
		else if (opt && config_is_list(o->type) && opt->flags & CFGF_MODIFIED)
			config_value_list(o, &c->arena, (char *)c + o->offset, 0);
	}
}

static void read_text(struct config *c, struct slice text, const char *file)
{
	cfg_opt_t options[COUNT(config_options) + 1];
	cfg_t *reader = reader_new(options);
	reader->filename = strdup(file);
	FILE *in = fmemopen((void *)(uintptr_t)text.p, text.n, "r");
	if (!in || !reader->filename)
		abort();
	if (cfg_parse_fp(reader, in) == CFG_SUCCESS && faults->n == 0)
		fill(c, reader);
	else if (faults->n == 0)
		buf_printf(faults, "%s: cannot be understood\n", file);
	fclose(in);
	cfg_free(reader);
}

enum result config_parse(
    struct slice text, const char *file, enum config_mode mode, struct buf *why, struct config **out)
{
	if (text.n > FILE_MOST || (text.n && memchr(text.p, 0, text.n))) {
		buf_printf(why, "%s: not a text file of at most %d octets\n", file, FILE_MOST);
		return BAD;
	}
	ARENA_LOCAL(values, ARENA_MOST);
	struct config *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	arena_init(&c->arena, ARENA_MOST);
	BUF_LOCAL(said, 65536);
	faults = &said;
	scratch = &values;
	/* fmemopen refuses a buffer of no octets; a line end means the same as nothing. */
	read_text(c, text.n ? text : SLICE("\n"), file);
	if (said.n == 0)
		check_whole(c, file, mode);
	if (said.n == 0)
		complete(c);
	faults = NULL;
	scratch = NULL;
	buf_put(why, buf_slice(&said));
	if (said.n) {
		config_free(c);
		return BAD;
	}
	*out = c;
	return OK;
}

enum result config_load_text(
    const char *path, enum config_mode mode, struct buf *why, struct buf *text, struct config **out)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;
	while (got > 0) {
		char *room = buf_room(text, 4096);
		got = room ? read(fd, room, 4096) : 0;
		buf_wrote(text, got > 0 ? (size_t)got : 0);
	}
	if (got < 0) {
		buf_printf(why, "%s: %s\n", path, strerrordesc_np(errno));
		return GONE;
	}
	return config_parse(buf_slice(text), path, mode, why, out);
}

enum result config_load(const char *path, enum config_mode mode, struct buf *why, struct config **out)
{
	BUF_LOCAL(text, FILE_MOST + 4096);
	return config_load_text(path, mode, why, &text, out);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	arena_free(&c->arena);
	free(c);
}

void config_put_issuer(struct buf *b, const struct config *c)
{
	if (!c->oauth || !c->listen_https.n)
		return;
	buf_printf(b, "https://%s", c->hostname);
	if (c->listen_https.at[0].port != 443)
		buf_printf(b, ":%u", c->listen_https.at[0].port);
}
