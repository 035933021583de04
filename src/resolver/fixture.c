#include "resolver/fixture.h"
#include "ipc/dns_rdata.h"
#include <stdlib.h>

#define TTL 300
#define CNAMES 10
#define RECORDS 1000000
#define STATUS_ANY 0 /* as a record's type: the status of whatever is asked */

struct record {
	struct slice name; /* lower case, no final dot */
	unsigned type;
	enum dns_status status; /* FOUND: rdata */
	bool secure;            /* the line `NAME SECURE`: not a record */
	size_t line;            /* records of one name and type stay in the file's order */
	struct slice rdata;
};

struct fixture {
	struct dns dns;
	struct arena arena;
	struct record *records; /* ordered by name, then line */
	size_t n, cap;
};

static struct slice without_dot(struct slice name)
{
	return name.n && name.p[name.n - 1] == '.' ? slice_sub(name, 0, name.n - 1) : name;
}

/* ---- parsing ---- */

static struct record *record_new(struct fixture *f)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->records = realloc(f->records, f->cap * sizeof *f->records);
		if (!f->records)
			abort();
	}
	struct record *r = &f->records[f->n++];
	*r = (struct record){0};
	return r;
}

static bool status_read(struct slice word, enum dns_status *out)
{
	static const struct {
		struct slice word;
		enum dns_status status;
	} words[] = {{SLICE("TIMEOUT"), DNS_TIMEOUT}, {SLICE("SERVFAIL"), DNS_SERVFAIL},
	    {SLICE("NXDOMAIN"), DNS_NXDOMAIN}, {SLICE("BOGUS"), DNS_BOGUS}};
	for (size_t i = 0; i < COUNT(words); i++)
		if (slice_eq(word, words[i].word)) {
			*out = words[i].status;
			return true;
		}
	return false;
}

static bool is_field(char c)
{
	return c != ' ' && c != '\t';
}

/* NULL, or what is wrong with the line. */
static const char *parse_data(struct fixture *f, struct record *r, struct slice type, struct slice rest)
{
	if (rest.n == 0 && status_read(type, &r->status))
		return NULL;
	if (rest.n == 0 && slice_eq(type, SLICE("SECURE"))) {
		r->secure = true;
		return NULL;
	}
	r->type = dns_type_read(type);
	if (!r->type)
		return "neither a type known here nor TIMEOUT, SERVFAIL, NXDOMAIN, BOGUS or SECURE";
	if (rest.n == 0)
		return "a record needs data";
	if (status_read(rest, &r->status))
		return NULL;
	BUF_LOCAL(rdata, 65535);
	const char *why;
	if (dns_rdata_put(r->type, rest, &rdata, &why) != OK)
		return why;
	r->rdata = arena_dup(&f->arena, buf_slice(&rdata));
	return NULL;
}

static bool is_type(struct slice word)
{
	enum dns_status ignored;
	return dns_type_read(word) || status_read(word, &ignored) || slice_eq(word, SLICE("SECURE"));
}

/* Names with blanks inside exist (RFC 7208 makes them): they end before the first word that can only be a type. */
static struct slice take_name(struct cursor *c, struct slice *type_out)
{
	struct slice line = c->rest, name = cursor_while1(c, is_field);
	cursor_blanks(c);
	*type_out = cursor_while1(c, is_field);
	struct cursor more = *c;
	while (more.err == OK && !is_type(*type_out)) {
		struct slice inside = slice_sub(line, 0, line.n - more.rest.n);
		cursor_blanks(&more);
		struct slice word = cursor_while1(&more, is_field);
		if (more.err != OK || !is_type(word) || ascii_lower(word.p[0]) == word.p[0])
			continue;
		*type_out = word;
		*c = more;
		return inside;
	}
	return name;
}

static const char *parse_line(struct fixture *f, struct slice line, size_t number)
{
	struct cursor c = cursor_of(line);
	struct slice type, name = without_dot(take_name(&c, &type));
	BUF_LOCAL(wire, LIMIT_DNS_NAME + 1);
	if (c.err != OK)
		return "a line is NAME TYPE RDATA";
	if (dns_name_put(name, &wire) != OK)
		return "not a name";
	if (f->n == RECORDS)
		return "too many records";
	struct record *r = record_new(f);
	char *z = arena_z(&f->arena, name);
	for (size_t i = 0; z && i < name.n; i++)
		z[i] = ascii_lower(z[i]);
	r->name = slice_of(z, z ? name.n : 0);
	r->line = number;
	const char *why = parse_data(f, r, type, slice_trim_blank(c.rest));
	return arena_full(&f->arena) ? "the fixture is too long" : why;
}

static int by_name(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int c = slice_cmp(x->name, y->name);
	return c ? c : x->line < y->line ? -1 : x->line > y->line;
}

static void ask_fixture(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out);

enum result fixture_parse(struct slice text, struct fixture **out, struct buf *why)
{
	struct fixture *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	f->dns.ask = ask_fixture;
	arena_init(&f->arena, (size_t)256 << 20);
	for (size_t number = 1; text.n; number++) {
		struct slice line = slice_trim(slice_split(&text, '\n'));
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		const char *wrong = parse_line(f, line, number);
		if (!wrong)
			continue;
		if (why)
			buf_printf(why, "line %zu: %s: " SLICE_FMT, number, wrong,
			    SLICE_ARG(slice_sub(line, 0, 100)));
		fixture_free(f);
		return BAD;
	}
	if (f->n)
		qsort(f->records, f->n, sizeof *f->records, by_name);
	*out = f;
	return OK;
}

void fixture_free(struct fixture *f)
{
	arena_free(&f->arena);
	free(f->records);
	free(f);
}

struct dns *fixture_dns(struct fixture *f)
{
	return &f->dns;
}

/* ---- answering ---- */

/* The records of that name: the first, and *n_out how many. */
static const struct record *find(const struct fixture *f, struct slice name, size_t *n_out)
{
	size_t low = 0, high = f->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_cmp(f->records[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*n_out = 0;
	while (low + *n_out < f->n && slice_eq(f->records[low + *n_out].name, name))
		++*n_out;
	return f->n ? &f->records[low] : NULL;
}

static void answer_one(
    const struct record *all, size_t n, unsigned type, struct arena *a, struct dns_answer *out)
{
	out->rdata = arena_array(a, n + 1, sizeof *out->rdata);
	out->status = !out->rdata ? DNS_SERVFAIL : n ? DNS_NODATA : DNS_NXDOMAIN;
	out->secure = false;
	for (size_t i = 0; out->rdata && i < n; i++) {
		const struct record *r = &all[i];
		out->secure = out->secure || r->secure;
		if (r->status != DNS_FOUND && (r->type == type || r->type == STATUS_ANY)) {
			out->status = r->status;
			out->n = 0;
			return;
		}
		if (r->type == type && !r->secure && out->n < LIMIT_DNS_ANSWERS) {
			out->status = DNS_FOUND;
			out->rdata[out->n++] = r->rdata;
		}
	}
}

static void ask_fixture(
    struct dns *d, struct slice name, unsigned type, struct arena *a, struct dns_answer *out)
{
	const struct fixture *f = (const struct fixture *)d;
	char *z = arena_z(a, without_dot(name));
	bool secure = true; /* every step of it */
	*out = (struct dns_answer){.status = DNS_SERVFAIL, .ttl = TTL};
	for (int i = 0; z && i <= CNAMES; i++) {
		for (char *p = z; *p; p++)
			*p = ascii_lower(*p);
		size_t n;
		const struct record *all = find(f, slice_str(z), &n);
		struct dns_answer alias = {0};
		out->n = 0;
		out->canonical = z;
		answer_one(all, n, type, a, out);
		secure = secure && out->secure;
		out->secure = secure;
		if (out->status != DNS_NODATA || type == DNS_CNAME)
			return;
		answer_one(all, n, DNS_CNAME, a, &alias);
		if (alias.status != DNS_FOUND)
			return;
		struct slice rest = alias.rdata[0];
		const char *target = dns_name_read(&rest, a);
		z = target ? arena_z(a, slice_str(target)) : NULL;
	}
	out->status = DNS_SERVFAIL; /* a loop of CNAMEs */
}
