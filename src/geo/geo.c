#include "geo/inner.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MOST ((uint64_t)64 << 20)
#define MMDB_MARK "\xab\xcd\xefMaxMind.com"
#define MMDB_TAIL 131072 /* the mark stands in the last 128 KiB */

struct geo {
	struct file {
		struct geo_text *text; /* one of the two */
		struct geo_mmdb *mmdb;
	} files[GEO_FILES];
	size_t n;
};

static const char *explain(const char *path, const char *why, unsigned line)
{
	static char text[600];
	if (line)
		snprintf(text, sizeof text, "%s: line %u is not NETWORK COUNTRY ASN [hosting|vpn|tor|mobile]",
		    path, line);
	else
		snprintf(text, sizeof text, "%s: %s", path, why);
	return text;
}

static bool is_mmdb(int fd, uint64_t size)
{
	BUF_LOCAL(tail, MMDB_TAIL);
	size_t n = (size_t)MIN(size, (uint64_t)MMDB_TAIL);
	char *p = buf_room(&tail, n);
	if (!p || fd_pread_all(fd, p, n, (int64_t)(size - n)) != OK)
		return false;
	buf_wrote(&tail, n);
	return slice_search(buf_slice(&tail), SLICE(MMDB_MARK)) >= 0;
}

static enum result open_text(int fd, uint64_t size, const char *path, struct file *f, const char **why_out)
{
	struct buf text = {.max = TEXT_MOST};
	unsigned line = 0;
	char *p = buf_room(&text, size ? size : 1);
	enum result r = p ? fd_pread_all(fd, p, size, 0) : FULL;
	if (r == OK) {
		buf_wrote(&text, size);
		r = geo_text_read(buf_slice(&text), &f->text, &line);
	}
	if (r != OK)
		*why_out =
		    explain(path, r == FULL ? "too large for a text" : "cannot be read", r == BAD ? line : 0);
	buf_free(&text);
	return r == OK ? OK : BAD;
}

static enum result open_file(const char *path, struct file *f, const char **why_out)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size;
	if (fd < 0 || fd_size(fd, &size) != OK) {
		*why_out = explain(path, strerror(errno), 0);
		return BAD;
	}
	if (!is_mmdb(fd, size))
		return open_text(fd, size, path, f, why_out);
	f->mmdb = geo_mmdb_open(path, why_out);
	if (f->mmdb)
		return OK;
	*why_out = explain(path, *why_out, 0);
	return BAD;
}

enum result geo_open(const char *files, struct geo **out, const char **why_out)
{
	struct geo *g = calloc(1, sizeof *g);
	struct slice rest = slice_str(files);
	enum result r = OK;
	if (!g)
		abort();
	while (r == OK && rest.n) {
		ARENA_LOCAL(a, 8192);
		struct slice name = slice_trim(slice_split(&rest, ','));
		const char *path = arena_z(&a, name);
		if (!name.n)
			continue;
		if (g->n == GEO_FILES || !path) {
			*why_out = "geo names too many files";
			r = BAD;
		} else {
			r = open_file(path, &g->files[g->n], why_out);
			g->n += r == OK;
		}
	}
	if (r != OK || !g->n) {
		geo_close(g);
		g = NULL;
	}
	*out = g;
	return r;
}

void geo_close(struct geo *g)
{
	for (size_t i = 0; g && i < g->n; i++) {
		geo_text_free(g->files[i].text);
		geo_mmdb_close(g->files[i].mmdb);
	}
	free(g);
}

void geo_find(const struct geo *g, const struct ip *ip, struct geo_place *out)
{
	*out = (struct geo_place){0};
	for (size_t i = 0; g && i < g->n; i++) {
		struct geo_place one = {0};
		if (g->files[i].mmdb) {
			geo_mmdb_find(g->files[i].mmdb, ip, out);
			continue;
		}
		if (!geo_text_find(g->files[i].text, ip, &one))
			continue;
		if (!*out->country)
			memcpy(out->country, one.country, sizeof out->country);
		out->asn = out->asn ? out->asn : one.asn;
		out->kind |= one.kind;
	}
}
