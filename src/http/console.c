#include "console.h"
#include <stdlib.h>
#include <sys/random.h>

/* ---- the file of pages ---- */

/* OFFSET+LENGTH of the octets, or "-". */
static bool read_part(struct slice text, struct slice octets, struct slice *out)
{
	uint64_t from, n, end;
	*out = SLICE_NONE;
	if (slice_eq(text, SLICE("-")))
		return true;
	struct slice at = slice_split(&text, '+');
	if (num_u64(at, octets.n, &from) != OK || num_u64(text, octets.n, &n) != OK ||
	    !add_ok(from, n, &end) || end > octets.n)
		return false;
	*out = slice_sub(octets, from, n);
	return true;
}

static bool is_tag(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return s.n >= 16 && s.n <= 64;
}

static bool is_type(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n < 80;
}

static bool read_line(struct slice line, struct slice octets, struct http_console_file *f)
{
	f->path = slice_split(&line, ' ');
	f->type = slice_split(&line, ' ');
	f->tag = slice_split(&line, ' ');
	struct slice plain = slice_split(&line, ' '), gzip = slice_split(&line, ' ');
	return slice_starts(f->path, SLICE("/")) && is_type(f->type) && is_tag(f->tag) &&
	       read_part(plain, octets, &f->plain) && read_part(gzip, octets, &f->gzip) &&
	       read_part(line, octets, &f->brotli) && f->plain.n;
}

static int by_path(const void *a, const void *b)
{
	const struct http_console_file *one = a, *other = b;
	return slice_cmp(one->path, other->path);
}

struct http_console *http_console_read(struct slice file)
{
	ptrdiff_t end = slice_search(file, SLICE("\n\n"));
	struct slice lines = slice_sub(file, 0, end < 0 ? 0 : (size_t)end);
	struct slice octets = end < 0 ? SLICE_NONE : slice_sub(file, (size_t)end + 2, SIZE_MAX);
	if (!slice_eq(slice_split(&lines, '\n'), SLICE(CONSOLE_MAGIC)))
		return NULL;
	struct http_console *c = calloc(1, sizeof *c);
	if (!c)
		abort();
	bool good = true;
	while (good && lines.n)
		good =
		    c->n < CONSOLE_FILES && read_line(slice_split(&lines, '\n'), octets, &c->files[c->n++]);
	if (good)
		qsort(c->files, c->n, sizeof c->files[0], by_path);
	if (good && http_console_find(c, SLICE("/")))
		return c;
	free(c);
	return NULL;
}

const struct http_console_file *http_console_find(const struct http_console *c, struct slice path)
{
	const struct http_console_file wanted = {.path = path};
	return c ? bsearch(&wanted, c->files, c->n, sizeof c->files[0], by_path) : NULL;
}

/* ---- handlers ---- */

/* Whatever is shown here may load from here, run no script of a page's own text, and stand in nobody's frame. */
#define POLICY                                                                                               \
	"default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "       \
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'self'"

static void put_guards(struct http_response *p)
{
	http_put_header(p, "Cross-Origin-Opener-Policy", SLICE("same-origin"));
	http_put_header(p, "Cross-Origin-Resource-Policy", SLICE("same-origin"));
	http_put_header(
	    p, "Permissions-Policy", SLICE("camera=(), geolocation=(), microphone=(), payment=(), usb=()"));
}

static void make_nonce(struct buf *b)
{
	char octets[16];
	if (getrandom(octets, sizeof octets, 0) != sizeof octets)
		abort();
	buf_hex(b, slice_of(octets, sizeof octets));
}

static void put_page(struct http_response *p, struct slice page)
{
	BUF_LOCAL(nonce, 64);
	BUF_LOCAL(policy, 1024);
	make_nonce(&nonce);
	buf_printf(&policy, POLICY " 'nonce-%s'", buf_z(&nonce));
	for (ptrdiff_t at; (at = slice_search(page, SLICE(CONSOLE_NONCE))) >= 0;) {
		buf_put(&p->body, slice_sub(page, 0, (size_t)at));
		buf_put(&p->body, buf_slice(&nonce));
		page = slice_sub(page, (size_t)at + sizeof CONSOLE_NONCE - 1, SIZE_MAX);
	}
	buf_put(&p->body, page);
	p->type = "text/html; charset=utf-8";
	http_put_header(p, "Content-Security-Policy", buf_slice(&policy));
	put_guards(p);
}

void http_console_page(struct http_request *q, struct http_response *p)
{
	const struct http_console_file *f = http_console_find(q->service->console, SLICE("/"));
	if (f) {
		put_page(p, f->plain);
		return;
	}
	p->type = "text/plain; charset=utf-8";
	buf_printf(&p->body,
	    "This is %s, a Sekisho mail server.\nIts health is at /healthz, its API at /api/v1.\n"
	    "The console is not here: it was not built, or its file (console_file) cannot be read.\n",
	    q->service->hostname);
}

/* The best form of it that the client takes: what it weighs with q= is served plain. */
static struct slice choose_form(
    const struct http_request *q, const struct http_console_file *f, const char **coding)
{
	static const struct slice field = {"Accept-Encoding", 15};
	if (f->brotli.n && http_header_lists(q, field, SLICE("br"))) {
		*coding = "br";
		return f->brotli;
	}
	if (f->gzip.n && http_header_lists(q, field, SLICE("gzip"))) {
		*coding = "gzip";
		return f->gzip;
	}
	*coding = "";
	return f->plain;
}

void http_console_file(struct http_request *q, struct http_response *p)
{
	const struct http_console_file *f = http_console_find(q->service->console, q->path);
	if (!f) {
		http_refuse(p, HTTP_STATUS_NOT_FOUND, NULL);
		return;
	}
	const char *coding;
	struct slice form = choose_form(q, f, &coding);
	const char *tag =
	    arena_printf(q->arena, "\"" SLICE_FMT "%s%s\"", SLICE_ARG(f->tag), *coding ? "-" : "", coding);
	bool lasting = slice_starts(f->path, SLICE("/assets/"));
	http_put_header(p, "ETag", slice_str(tag));
	http_put_header(p, "Cache-Control",
	    lasting ? SLICE("public, max-age=31536000, immutable") : SLICE("public, max-age=3600"));
	http_put_header(p, "Vary", SLICE("Accept-Encoding"));
	put_guards(p);
	if (http_header_lists(q, SLICE("If-None-Match"), slice_str(tag))) {
		p->status = HTTP_STATUS_NOT_MODIFIED;
		return;
	}
	if (*coding)
		http_put_header(p, "Content-Encoding", slice_str(coding));
	char *type = arena_z(q->arena, f->type);
	for (char *c = type; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	p->type = type;
	p->lasting = form;
}

/* Where password managers send who wants to change a password. */
void http_console_password(struct http_request *q, struct http_response *p)
{
	p->status = HTTP_STATUS_FOUND;
	http_put_header(p, "Location", SLICE("/#/me"));
}
