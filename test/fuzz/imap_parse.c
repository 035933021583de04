/* The grammars of arguments: the first octet says which. */
#include "imap/fetch.h"
#include "imap/list.h"
#include "imap/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	ARENA_LOCAL(a, 64 << 20);
	struct imap_box box = {.uidnext = 101};
	struct imap s = {.arena = {.cap = 64 << 20}, .box = &box};
	struct imap_args p = {.c = cursor_of(slice_of(data + 1, n - 1)), .arena = &a, .utf8 = data[0] & 0x80};
	struct imap_fetch fetch;
	struct imap_search search;
	struct imap_flags flags;
	struct slice text;
	imap_uidmap_append(&box.map, 1, 100);
	switch (data[0] & 0x7f) {
	case 'f':
		imap_fetch_parse(&p, &fetch);
		break;
	case 's':
		imap_search_parse(&s, &p, &search);
		break;
	case 'm':
		text = imap_args_mailbox(&p);
		imap_list_matches(text, text);
		break;
	case 'l':
		imap_args_store_flags(&p, &flags);
		break;
	case 'd':
		imap_args_date_time(&p);
		break;
	case 'n':
		imap_args_nstring(&p, &text);
		break;
	}
	result_ignore(imap_args_done(&p));
	arena_free(&s.arena);
	imap_uidmap_free(&box.map);
	return 0;
}
