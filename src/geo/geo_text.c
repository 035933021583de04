#include "geo/inner.h"
#include <stdlib.h>

struct line {
	struct ip_net net;
	struct geo_place place;
};

/* Sorted by family, then first address, then the shorter mask. `up`: the narrowest line that holds this one, -1: none. */
struct geo_text {
	size_t n;
	struct row {
		struct line line;
		int32_t up;
	} * rows;
};

static const struct {
	const char *word;
	enum geo_kind kind;
} kinds[] = {{"hosting", GEO_HOSTING}, {"vpn", GEO_VPN}, {"tor", GEO_TOR}, {"mobile", GEO_MOBILE}};

void geo_kind_put(unsigned kind, struct buf *out)
{
	const char *between = "";
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kind & kinds[i].kind) {
			buf_printf(out, "%s%s", between, kinds[i].word);
			between = " ";
		}
}

bool geo_is_country(struct slice s)
{
	return s.n == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z';
}

static struct slice next_word(struct slice *rest)
{
	*rest = slice_trim_blank(*rest);
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	struct slice word = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, n, rest->n);
	return word;
}

static bool read_kind(struct slice word, unsigned *kind)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (slice_ieq(word, slice_str(kinds[i].word))) {
			*kind |= kinds[i].kind;
			return true;
		}
	return false;
}

static bool read_line(struct slice text, struct line *out)
{
	struct slice net = next_word(&text), country = next_word(&text), asn = next_word(&text), word;
	*out = (struct line){0};
	if (ip_net_read(net, &out->net) != OK)
		return false;
	if (!slice_eq(country, SLICE("-"))) {
		if (!geo_is_country(country))
			return false;
		memcpy(out->place.country, country.p, 2);
	}
	if (slice_istarts(asn, SLICE("AS")))
		asn = slice_sub(asn, 2, asn.n);
	if (!slice_eq(asn, SLICE("-")) && num_u32(asn, UINT32_MAX, &out->place.asn) != OK)
		return false;
	while ((word = next_word(&text)).n)
		if (!read_kind(word, &out->place.kind))
			return false;
	return true;
}

static int compare_ip(const struct ip *a, const struct ip *b)
{
	return a->v4 != b->v4 ? (a->v4 ? -1 : 1) : memcmp(a->octets, b->octets, sizeof a->octets);
}

static int compare_rows(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	int order = compare_ip(&a->line.net.ip, &b->line.net.ip);
	return order ? order : (int)a->line.net.bits - (int)b->line.net.bits;
}

/* In sorted order a line's holder is the line before it, or holds that, and so on. */
static void link_rows(struct geo_text *t)
{
	for (size_t i = 0; i < t->n; i++) {
		int32_t up = (int32_t)i - 1;
		while (up >= 0 && !ip_net_has(&t->rows[up].line.net, &t->rows[i].line.net.ip))
			up = t->rows[up].up;
		t->rows[i].up = up;
	}
}

static void add_row(struct geo_text *t, size_t *room, const struct line *line)
{
	if (t->n == *room) {
		*room = *room ? *room * 2 : 64;
		t->rows = reallocarray(t->rows, *room, sizeof *t->rows);
		if (!t->rows)
			abort();
	}
	t->rows[t->n++] = (struct row){.line = *line};
}

enum result geo_text_read(struct slice text, struct geo_text **out, unsigned *line_out)
{
	struct geo_text *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	size_t room = 0;
	for (*line_out = 1; text.n; ++*line_out) {
		struct slice rest = slice_split(&text, '\n');
		struct slice said = slice_trim(slice_split(&rest, '#'));
		struct line line;
		if (!said.n)
			continue;
		if (!read_line(said, &line) || t->n == LIMIT_GEO_LINES) {
			geo_text_free(t);
			return BAD;
		}
		add_row(t, &room, &line);
	}
	if (t->n)
		qsort(t->rows, t->n, sizeof *t->rows, compare_rows);
	link_rows(t);
	*out = t;
	return OK;
}

void geo_text_free(struct geo_text *t)
{
	if (t)
		free(t->rows);
	free(t);
}

bool geo_text_find(const struct geo_text *t, const struct ip *ip, struct geo_place *out)
{
	size_t low = 0, high = t->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_ip(&t->rows[middle].line.net.ip, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	int32_t at = (int32_t)low - 1;
	while (at >= 0 && !ip_net_has(&t->rows[at].line.net, ip))
		at = t->rows[at].up;
	if (at < 0)
		return false;
	*out = t->rows[at].line.place;
	return true;
}
