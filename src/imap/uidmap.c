#include "uidmap.h"
#include <stdlib.h>

void imap_uidmap_free(struct uidmap *m)
{
	free(m->v);
	*m = (struct uidmap){0};
}

static void grow(struct uidmap *m, uint32_t more)
{
	if (m->room - m->n >= more)
		return;
	uint32_t room = MAX(m->n + more, m->room ? m->room + m->room / 2 : 2);
	struct uidmap_run *v = realloc(m->v, room * sizeof *v);
	if (!v)
		abort();
	m->v = v;
	m->room = room;
}

uint32_t imap_uidmap_last(const struct uidmap *m)
{
	return m->n ? m->v[m->n - 1].uid + (m->v[m->n - 1].count - 1) : 0;
}

bool imap_uidmap_append(struct uidmap *m, uint32_t uid, uint32_t count)
{
	uint32_t end;
	if (!uid || !count || !add_ok(uid, count - 1, &end) || uid <= imap_uidmap_last(m) ||
	    !add_ok(m->messages, count, &end))
		return false;
	if (m->n && imap_uidmap_last(m) + 1 == uid) {
		m->v[m->n - 1].count += count;
	} else {
		grow(m, 1);
		m->v[m->n++] = (struct uidmap_run){uid, count, m->messages + 1};
	}
	m->messages += count;
	return true;
}

uint32_t imap_uidmap_run_at(const struct uidmap *m, uint32_t uid)
{
	uint32_t low = 0, high = m->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (m->v[mid].uid + (m->v[mid].count - 1) < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint32_t run_at_seq(const struct uidmap *m, uint32_t seq)
{
	uint32_t low = 0, high = m->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (m->v[mid].seq + (m->v[mid].count - 1) < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t imap_uidmap_seq(const struct uidmap *m, uint32_t uid)
{
	uint32_t i = imap_uidmap_run_at(m, uid);
	if (i == m->n || m->v[i].uid > uid)
		return 0;
	return m->v[i].seq + (uid - m->v[i].uid);
}

uint32_t imap_uidmap_uid(const struct uidmap *m, uint32_t seq)
{
	if (seq == 0 || seq > m->messages)
		return 0;
	const struct uidmap_run *r = &m->v[run_at_seq(m, seq)];
	return r->uid + (seq - r->seq);
}

/* Adds to a map under construction what is left of [uid, end] without the set's runs from *at on. */
static void keep_rest(struct uidmap *m, const struct runs *set, size_t *at, uint32_t uid, uint32_t end)
{
	while (*at < set->n && set->v[*at].last < uid)
		++*at;
	while (*at < set->n && set->v[*at].first <= end) {
		struct run gone = set->v[*at];
		if (gone.first > uid)
			imap_uidmap_append(m, uid, gone.first - uid);
		if (gone.last >= end)
			return;
		uid = gone.last + 1;
		++*at;
	}
	imap_uidmap_append(m, uid, end - uid + 1);
}

void imap_uidmap_remove(struct uidmap *m, const struct runs *set)
{
	struct uidmap left = {0};
	size_t at = 0;
	for (uint32_t i = 0; i < m->n; i++)
		keep_rest(&left, set, &at, m->v[i].uid, m->v[i].uid + (m->v[i].count - 1));
	imap_uidmap_free(m);
	*m = left;
}

bool imap_uidmap_of_seqs(
    const struct uidmap *m, const struct runs *seqs, struct arena *a, struct runs *uids_out)
{
	*uids_out = (struct runs){0};
	for (size_t i = 0; i < seqs->n; i++) {
		uint32_t from = seqs->v[i].first, to = MIN(seqs->v[i].last, m->messages);
		if (from && from <= to &&
		    !imap_runs_add(uids_out, a, imap_uidmap_uid(m, from), imap_uidmap_uid(m, to)))
			return false;
	}
	return true;
}

bool imap_uidmap_of_uids(
    const struct uidmap *m, const struct runs *set, struct arena *a, struct runs *uids_out)
{
	uint32_t end = imap_uidmap_last(m);
	*uids_out = (struct runs){0};
	for (size_t i = 0; i < set->n; i++) {
		uint32_t from = set->v[i].first, to = MIN(set->v[i].last, end);
		uint32_t at = imap_uidmap_run_at(m, from);
		/* Nothing of ours in between: nobody need be asked. */
		if (from <= to && at < m->n && m->v[at].uid <= to && !imap_runs_add(uids_out, a, from, to))
			return false;
	}
	return true;
}

bool imap_uidmap_known(const struct uidmap *m, const struct runs *set, struct arena *a, struct runs *out)
{
	*out = (struct runs){0};
	for (size_t i = 0; i < set->n; i++)
		for (uint32_t k = imap_uidmap_run_at(m, set->v[i].first);
		     k < m->n && m->v[k].uid <= set->v[i].last; k++) {
			uint32_t from = MAX(m->v[k].uid, set->v[i].first);
			uint32_t to = MIN(m->v[k].uid + (m->v[k].count - 1), set->v[i].last);
			if (!imap_runs_add(out, a, from, to))
				return false;
		}
	return true;
}

struct uidmap_walk imap_uidmap_walk(const struct uidmap *m, const struct runs *set)
{
	return (struct uidmap_walk){m, set, 0, set->n ? set->v[0].first : 0};
}

bool imap_uidmap_next(struct uidmap_walk *w, uint32_t most, struct arena *a, struct runs *out)
{
	const struct uidmap *m = w->map;
	*out = (struct runs){0};
	while (most && w->index < w->set->n) {
		uint32_t last = w->set->v[w->index].last;
		uint32_t from = imap_uidmap_run_at(m, w->at), end = last;
		uint32_t first = from < m->n ? MAX(w->at, m->v[from].uid) : 0;
		if (first && first <= last) {
			/* As many messages as are wanted, counted by their numbers: gaps between UIDs cost nothing. */
			uint32_t seq = imap_uidmap_seq(m, first);
			uint32_t take = MIN(most - 1, m->messages - seq);
			end = MIN(last, imap_uidmap_uid(m, seq + take));
			if (!imap_runs_add(out, a, first, end))
				return false;
			most -= MIN(most, take + 1);
		}
		if (end == last || !first || first > last) {
			w->index++;
			w->at = w->index < w->set->n ? w->set->v[w->index].first : 0;
		} else {
			w->at = end + 1;
		}
	}
	return true;
}

/* Messages whose UID is below this one. */
static uint32_t below(const struct uidmap *m, uint32_t uid)
{
	uint32_t k = imap_uidmap_run_at(m, uid);
	if (k == m->n)
		return m->messages;
	return m->v[k].seq - 1 + (uid > m->v[k].uid ? uid - m->v[k].uid : 0);
}

uint32_t imap_uidmap_count(const struct uidmap *m, uint32_t first, uint32_t last)
{
	uint32_t end = last == UINT32_MAX ? m->messages : below(m, last + 1);
	return first > last ? 0 : end - below(m, first);
}
