/* What is shown of packed facts that nobody packed: sections never reach outside the message. */
#include "imap/facts.h"
#include "imap/fetch.h"
#include <stdlib.h>

static void check_sections(const Sekisho__Part *root)
{
	static const char *const sections[] = {
	    "BODY[1]", "BODY[2.1.MIME]", "BODY[1.HEADER]", "BODY[1.1.TEXT]", "RFC822.TEXT"};
	for (size_t i = 0; i < COUNT(sections); i++) {
		ARENA_LOCAL(a, 1 << 20);
		struct imap_fetch q;
		struct imap_range r;
		struct imap_args p = {.c = cursor_of(slice_str(sections[i])), .arena = &a};
		imap_fetch_parse(&p, &q);
		if (imap_section_range(root, 1000, &q.sections[0], &r) &&
		    (r.offset > 1000 || r.length > 1000 - r.offset))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 64 << 20);
	BUF_LOCAL(out, 64 << 20);
	struct imap_facts_top top = imap_facts_top(slice_of(data, n));
	struct cursor c = cursor_of(top.root);
	struct imap_field f;
	imap_facts_header_place(top.root);
	while (imap_facts_next_field(&c, &f))
		;
	if (n > 4096)
		return 0;
	struct ipc_allocator al = ipc_allocator(&a);
	const Sekisho__Facts *facts = sekisho__facts__unpack(&al.pb, n, data);
	if (!facts || !facts->root)
		return 0;
	struct stream *stream = stream_memory(SLICE_NONE, 0, &out);
	imap_put_envelope(stream, facts->root->envelope);
	imap_put_bodystructure(stream, facts->root, IMAP_EXTENDED | IMAP_GLOBAL);
	result_ignore(stream_flush(stream));
	stream_close(stream);
	check_sections(facts->root);
	return 0;
}
