/* box: the selected mailbox: keywords, \Recent, sets of messages. */
#include "notify.h"
#include <stdlib.h>

static void *checked_realloc(void *p, size_t n)
{
	void *q = realloc(p, n);
	if (!q)
		abort();
	return q;
}

void imap_box_free(struct imap *s)
{
	struct imap_box *box = s->box;
	if (!box)
		return;
	imap_notify_left(s);
	imap_uidmap_free(&box->map);
	for (unsigned i = 0; i < box->keywords_n; i++)
		free(box->keywords[i]);
	free(box->keywords);
	free(box->recent);
	free(box->saved);
	free(box->held);
	free(box);
	s->box = NULL;
}

/* Without room for it the client is shown its own message, which harms nobody. */
void imap_box_put(struct imap *s, uint32_t first, uint32_t last)
{
	if (!imap_runs_add(&s->put, &s->arena, first, last))
		s->put = (struct runs){0};
}

/* ---- sets ---- */

Sekisho__Run **imap_runs_pack(struct arena *a, const struct runs *r)
{
	Sekisho__Run **list = arena_array(a, r->n + 1, sizeof *list);
	Sekisho__Run *runs = arena_array(a, r->n + 1, sizeof *runs);
	if (!list || !runs)
		return NULL;
	for (size_t i = 0; i < r->n; i++) {
		sekisho__run__init(&runs[i]);
		runs[i].first = r->v[i].first;
		runs[i].count = r->v[i].last - r->v[i].first + 1;
		list[i] = &runs[i];
	}
	return list;
}

bool imap_runs_take(struct arena *a, Sekisho__Run *const *v, size_t n, struct runs *into)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t last;
		if (v[i]->first && v[i]->count && add_ok(v[i]->first, v[i]->count - 1, &last) &&
		    !imap_runs_add(into, a, v[i]->first, last))
			return false;
	}
	return true;
}

char **imap_keywords_pack(struct arena *a, const struct imap_flags *f)
{
	char **v = arena_array(a, f->n + 1, sizeof *v);
	for (size_t i = 0; v && i < f->n; i++)
		if (!(v[i] = arena_z(a, f->keywords[i])))
			return NULL;
	return v;
}

/*
 * A sequence number that stands for no message was never told to this client: an error. Not so in a range with "*",
 * which careless clients begin one above the last, and never for UIDs (RFC 3501 6.4.8).
 */
static bool all_exist(const struct uidmap *map, const struct runs *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].first != IMAP_STAR && set->v[i].last != IMAP_STAR &&
		    set->v[i].last > map->messages)
			return false;
	return true;
}

bool imap_box_resolve(struct imap *s, const struct runs *set, bool uids, struct runs *uids_out)
{
	const struct uidmap *map = &s->box->map;
	struct runs copy = {0};
	if (!uids && !all_exist(map, set))
		return false;
	for (size_t i = 0; i < set->n; i++)
		if (!imap_runs_add(&copy, &s->arena, set->v[i].first, set->v[i].last))
			return false;
	imap_set_resolve(&copy, uids ? imap_uidmap_last(map) : map->messages);
	return uids ? imap_uidmap_of_uids(map, &copy, &s->arena, uids_out)
		    : imap_uidmap_of_seqs(map, &copy, &s->arena, uids_out);
}

bool imap_box_set(struct imap *s, struct imap_args *p, struct runs *set_out)
{
	*set_out = (struct runs){0};
	if (imap_args_try(p, '$')) { /* RFC 5182 */
		for (size_t i = 0; i < s->box->saved_n; i++)
			if (!imap_runs_add(set_out, &s->arena, s->box->saved[i].first, s->box->saved[i].last))
				imap_args_fail(p, "Too much");
		return p->c.err == OK;
	}
	struct runs set;
	imap_args_set(p, &set);
	if (p->c.err == OK && !imap_box_resolve(s, &set, s->uid, set_out))
		imap_args_fail(p, "No such message");
	return p->c.err == OK;
}

bool imap_box_limit(struct imap *s, struct runs *uids)
{
	const struct uidmap *map = &s->box->map;
	uint32_t left = s->service->message_limit;
	if (map->messages <= left)
		return false;
	for (size_t i = uids->n; i-- > 0;) {
		struct run *r = &uids->v[i];
		uint32_t n = imap_uidmap_count(map, r->first, r->last);
		if (n <= left) {
			left -= n;
			if (n)
				s->limited_from =
				    MAX(r->first, map->v[imap_uidmap_run_at(map, r->first)].uid);
			continue;
		}
		if (left) {
			uint32_t top = imap_uidmap_count(map, 1, r->last);
			r->first = s->limited_from = imap_uidmap_uid(map, top - left + 1);
		}
		uids->v += left ? i : i + 1;
		uids->n -= left ? i : i + 1;
		return true;
	}
	s->limited_from = 0;
	return false;
}

/* ---- \Recent: a session's own, so that each new message is recent in one session only ---- */

bool imap_box_recent(const struct imap_box *box, uint32_t uid)
{
	struct runs r = {.v = box->recent, .n = box->recent_n};
	return box->recent_n && imap_runs_has(&r, uid);
}

uint32_t imap_box_recent_count(const struct imap_box *box)
{
	const struct uidmap *map = &box->map;
	uint32_t n = 0;
	for (unsigned i = 0; i < box->recent_n; i++) {
		struct run r = box->recent[i];
		for (uint32_t k = imap_uidmap_run_at(map, r.first); k < map->n && map->v[k].uid <= r.last;
		     k++) {
			uint32_t end = map->v[k].uid + (map->v[k].count - 1);
			n += MIN(end, r.last) - MAX(map->v[k].uid, r.first) + 1;
		}
	}
	return n;
}

void imap_box_add_recent(struct imap_box *box, uint32_t first, uint32_t last)
{
	if (box->recent_n && box->recent[box->recent_n - 1].last + 1 >= first) {
		struct run *end = &box->recent[box->recent_n - 1];
		end->last = MAX(end->last, last);
		return;
	}
	box->recent = checked_realloc(box->recent, (box->recent_n + 1) * sizeof *box->recent);
	box->recent[box->recent_n++] = (struct run){first, last};
}

/* ---- keywords and flags ---- */

static void put_keyword_names(struct imap *s)
{
	for (unsigned i = 0; i < s->box->keywords_n; i++) {
		stream_put(s->base.stream, SLICE(" "));
		stream_puts(s->base.stream, s->box->keywords[i]);
	}
}

/* What this session may change: each kind of flag has a right of its own. */
static void tell_permanent(struct imap *s)
{
	struct stream *out = s->base.stream;
	const char *rights = s->box->rights, *space = "";
	if (strchr(rights, 'w')) {
		stream_put(out, SLICE("\\Answered \\Flagged"));
		space = " ";
	}
	if (strchr(rights, 't')) {
		stream_puts(out, space);
		stream_put(out, SLICE("\\Deleted"));
		space = " ";
	}
	if (strchr(rights, 's')) {
		stream_puts(out, space);
		stream_put(out, SLICE("\\Seen"));
	}
	if (!strchr(rights, 'w'))
		return;
	stream_put(out, SLICE(" \\Draft"));
	put_keyword_names(s);
	if (s->box->keywords_n < LIMIT_KEYWORDS)
		stream_put(out, SLICE(" \\*"));
}

static void tell_flags(struct imap *s)
{
	struct stream *out = s->base.stream;
	stream_put(out, SLICE("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft"));
	put_keyword_names(s);
	stream_put(out, SLICE(")\r\n* OK [PERMANENTFLAGS ("));
	if (!s->box->examine)
		tell_permanent(s);
	stream_put(out, SLICE(")] Flags that are kept\r\n"));
}

void imap_box_keywords(struct imap *s, char *const *names, size_t n, bool tell)
{
	struct imap_box *box = s->box;
	if (n > LIMIT_KEYWORDS)
		n = LIMIT_KEYWORDS;
	if (n > box->keywords_n) {
		box->keywords = checked_realloc(box->keywords, n * sizeof *box->keywords);
		while (box->keywords_n < n) {
			char *name = strdup(names[box->keywords_n]);
			if (!name)
				abort();
			box->keywords[box->keywords_n++] = name;
		}
	} else if (!tell) {
		return;
	}
	if (!box->quiet)
		tell_flags(s);
}

void imap_put_fetch_start(struct imap *s, uint32_t seq, uint32_t uid)
{
	bool uids = s->enabled & IMAP_UIDONLY;
	stream_put(s->base.stream, SLICE("* "));
	imap_put_number(s->base.stream, uids ? uid : seq);
	stream_puts(s->base.stream, uids ? " UIDFETCH (" : " FETCH (");
}

static const struct {
	uint32_t bit;
	const char *name;
} flag_names[] = {
    {SEKISHO__FLAG__FLAG_ANSWERED, "\\Answered"},
    {SEKISHO__FLAG__FLAG_FLAGGED, "\\Flagged"},
    {SEKISHO__FLAG__FLAG_DELETED, "\\Deleted"},
    {SEKISHO__FLAG__FLAG_SEEN, "\\Seen"},
    {SEKISHO__FLAG__FLAG_DRAFT, "\\Draft"},
};

static void put_one(struct stream *out, bool *first, const char *name)
{
	if (!*first)
		stream_put(out, SLICE(" "));
	*first = false;
	stream_puts(out, name);
}

void imap_put_flags(struct imap *s, uint32_t uid, uint32_t system, uint64_t keywords)
{
	struct stream *out = s->base.stream;
	bool first = true;
	stream_put(out, SLICE("("));
	for (size_t i = 0; i < COUNT(flag_names); i++)
		if (system & flag_names[i].bit)
			put_one(out, &first, flag_names[i].name);
	if (!(s->enabled & IMAP_REV2) && imap_box_recent(s->box, uid))
		put_one(out, &first, "\\Recent");
	for (unsigned i = 0; keywords && i < s->box->keywords_n; i++)
		if (keywords >> i & 1)
			put_one(out, &first, s->box->keywords[i]);
	stream_put(out, SLICE(")"));
}
