/* A sequence set, resolved against a mailbox; what is put parses to the same. */
#include "imap/uidmap.h"
#include <stdlib.h>

static void same_again(const struct runs *set)
{
	ARENA_LOCAL(a, 16 << 20);
	BUF_LOCAL(text, 16 << 20);
	struct runs again;
	imap_runs_put(set, &text);
	struct cursor c = cursor_of(buf_slice(&text));
	imap_set_parse(&c, &a, &again);
	if (cursor_done(&c) != OK || again.n != set->n ||
	    memcmp(again.v, set->v, set->n * sizeof *set->v) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 16 << 20);
	struct runs set, uids;
	struct cursor c = cursor_of(slice_of(data, MIN(n, 4096)));
	imap_set_parse(&c, &a, &set);
	if (c.err != OK)
		return 0;
	struct uidmap map = {0};
	imap_uidmap_append(&map, 3, 10);
	imap_uidmap_append(&map, 20, 1);
	imap_uidmap_append(&map, 4000000000u, 5);
	imap_set_resolve(&set, imap_uidmap_last(&map));
	for (size_t i = 1; i < set.n; i++)
		if (set.v[i].first <= set.v[i - 1].last || set.v[i].first > set.v[i].last)
			abort();
	same_again(&set);
	if (!imap_uidmap_of_uids(&map, &set, &a, &uids) || !imap_uidmap_of_seqs(&map, &set, &a, &uids))
		abort();
	uint32_t before = map.messages, gone = 0;
	for (uint32_t seq = 1; seq <= before; seq++)
		gone += imap_runs_has(&set, imap_uidmap_uid(&map, seq));
	imap_uidmap_remove(&map, &set);
	if (map.messages != before - gone)
		abort();
	imap_uidmap_free(&map);
	return 0;
}
