#include "rows.h"

#define WINDOW_OCTETS ((size_t)256 << 10)
#define WINDOW_MOST 2000u
#define BODY_MOST 98304u /* octets of a body that comes inside its row */
#define FACTS_MOST ((uint64_t)64 << 20)

struct window {
	struct imap_row *v;
	size_t n, room;
	size_t octets;
};

/* Facts too large for their packet come as a descriptor. */
static bool facts_of(
    const Sekisho__Row *row, struct ipc_fds *fds, unsigned *next, struct arena *a, struct slice *out)
{
	*out = SLICE_NONE;
	if (!row->facts)
		return true;
	*out = slice_of(row->facts->packed.data, row->facts->packed.len);
	if (!row->facts->in_fd || *next >= fds->n)
		return true;
	struct slice map;
	if (fd_map_sealed(fds->fd[(*next)++], FACTS_MOST, &map) != OK)
		return true;
	*out = arena_dup(a, map);
	fd_unmap(&map);
	return !arena_full(a);
}

static bool take_packet(
    struct window *w, const Sekisho__FetchAnswer *answer, struct ipc_fds *fds, struct arena *a)
{
	unsigned next = 0;
	if (w->n + answer->n_rows > w->room) {
		size_t room = MAX(w->n + answer->n_rows, w->room * 2);
		struct imap_row *v = arena_array(a, room, sizeof *v);
		if (!v)
			return false;
		if (w->n)
			memcpy(v, w->v, w->n * sizeof *v);
		w->v = v;
		w->room = room;
	}
	for (size_t i = 0; i < answer->n_rows; i++) {
		struct imap_row *r = &w->v[w->n++];
		r->row = answer->rows[i];
		if (!facts_of(r->row, fds, &next, a, &r->facts))
			return false;
		w->octets += 64 + r->row->body.len + r->facts.n;
	}
	return true;
}

static enum result read_rows(struct imap *s, const Sekisho__FetchAsk *ask, struct arena *a, struct window *w)
{
	Sekisho__FetchAnswer *answer = NULL;
	struct ipc_fds fds = {0};
	enum result r = imap_ask_into(s, ASK_STORE_FETCH, ask, a, &answer, &fds);
	while (r == OK) {
		bool taken = take_packet(w, answer, &fds, a);
		ipc_fds_close(&fds);
		if (!taken) {
			ipc_close(&s->store);
			return GONE;
		}
		if (!s->store.more)
			break;
		r = imap_ask_more(s, a, &answer, &fds);
	}
	return r;
}

static enum result read_window(
    struct imap *s, const struct imap_rows_ask *q, const struct runs *uids, struct arena *a, struct window *w)
{
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	ask.uids = imap_runs_pack(a, uids);
	ask.n_uids = uids->n;
	ask.want = q->want;
	ask.body_max = BODY_MOST;
	ask.changed_since = q->changed_since;
	ask.mark_seen = q->mark_seen;
	return ask.uids ? read_rows(s, &ask, a, w) : FULL;
}

static enum result names_for(struct imap *s, const struct window *w)
{
	uint64_t all = 0;
	for (size_t i = 0; i < w->n; i++)
		all |= w->v[i].row->keywords;
	if (s->box->keywords_n >= 64 || !(all >> s->box->keywords_n))
		return OK;
	return imap_sync_keywords(s);
}

static uint32_t first_window(uint32_t want)
{
	if (want & SEKISHO__WANT__WANT_BODY)
		return 4;
	return want & SEKISHO__WANT__WANT_FACTS ? 64 : WINDOW_MOST;
}

enum result imap_rows(struct imap *s, const struct imap_rows_ask *q, imap_row_fn *each, void *context)
{
	ARENA_LOCAL(a, (size_t)256 << 20);
	struct uidmap_walk walk = imap_uidmap_walk(&s->box->map, q->uids);
	uint32_t most = first_window(q->want);
	for (;;) {
		struct runs uids;
		struct window w = {0};
		if (!imap_uidmap_next(&walk, most, &a, &uids))
			return FULL;
		if (!uids.n)
			return OK;
		enum result r = read_window(s, q, &uids, &a, &w);
		if (r == OK)
			r = names_for(s, &w);
		for (size_t i = 0; r == OK && i < w.n; i++) {
			imap_progress(s);
			r = each(s, &a, &w.v[i], context);
		}
		if (r != OK)
			return r;
		if (w.n) {
			size_t fits = WINDOW_OCTETS / (w.octets / w.n + 1);
			most = (uint32_t)MIN(MAX(fits, 1), WINDOW_MOST);
		}
		arena_reset(&a);
	}
}

enum result imap_row_of(struct imap *s, const char *mailbox, uint32_t uidvalidity, uint32_t uid,
    struct arena *a, struct imap_row *out)
{
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	struct window w = {0};
	Sekisho__Run run = SEKISHO__RUN__INIT, *runs = &run;
	run.first = uid;
	run.count = 1;
	ask.uids = &runs;
	ask.n_uids = 1;
	ask.want = SEKISHO__WANT__WANT_FACTS | SEKISHO__WANT__WANT_BODY;
	ask.body_max = BODY_MOST;
	ask.mailbox = (char *)(uintptr_t)mailbox;
	ask.uidvalidity = uidvalidity;
	enum result r = read_rows(s, &ask, a, &w);
	if (r != OK || !w.n)
		return r == OK ? GONE : r;
	*out = w.v[0];
	return OK;
}
