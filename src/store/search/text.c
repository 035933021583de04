/* search_text: the searchable text of a message, by asking scan. */
#include "store/search/search.h"

#define SCAN_WAIT_MS (20 * SECOND_MS)
#define MOVED_TRIES 3
#define FACTS_MOST ((size_t)64 << 20)

_Thread_local const char *search_why = "";

void search_message_read(const struct db_rows *rows, struct search_message *m)
{
	*m = (struct search_message){.uid = (uint32_t)db_int(rows, 0),
	    .email = db_int(rows, 1),
	    .blob = db_int(rows, 2),
	    .at = blob_place_of(rows, 3)};
}

static enum result read_body(struct store *s, const struct search_message *m, struct buf *out)
{
	struct blob_place at = m->at;
	for (unsigned i = 0;; i++) {
		buf_clear(out);
		enum result r = blob_read_sure(s->blob, &at, 0, at.size, out);
		if (r != GONE || i == MOVED_TRIES)
			return r == GONE ? LATER : r;
		READER fresh = reader_begin(s);
		if (!fresh.db || !blob_find(fresh.db, m->blob, &at))
			return LATER;
	}
}

static enum result body_fd(struct store *s, const struct search_message *m, int *fd_out)
{
	FD_LOCAL fd = fd_memory("search");
	BUF_LOCAL(body, LIMIT_MESSAGE_MOST + LIMIT_MESSAGE_ADDED);
	if (fd < 0)
		return LATER;
	enum result r = read_body(s, m, &body);
	if (r == OK)
		r = fd_write_all(fd, buf_slice(&body));
	if (r == OK)
		r = fd_seal(fd);
	if (r != OK)
		return r == BAD ? BAD : LATER;
	*fd_out = fd;
	fd = -1;
	return OK;
}

static enum result take_answer(
    const Sekisho__TextAnswer *answer, int fd, struct buf *out, uint32_t *notes_out)
{
	*notes_out = answer->notes & (INSPECT_CUT | INSPECT_UNREADABLE);
	if (!answer->in_fd) {
		buf_put(out, slice_of_octets(answer->text));
		return buf_result(out);
	}
	struct slice mapped;
	if (fd < 0 || fd_map_sealed(fd, LIMIT_SEARCH_TEXT, &mapped) != OK)
		return LATER;
	buf_put(out, mapped);
	fd_unmap(&mapped);
	return buf_result(out);
}

static enum result ask_scan(struct store *s, int fd, unsigned want, struct buf *out, uint32_t *notes_out)
{
	struct ipc *c = ipc_thread(s->settings->scan);
	if (!c)
		return LATER;
	ARENA_LOCAL(a, (size_t)1 << 20);
	Sekisho__TextAsk ask = SEKISHO__TEXT_ASK__INIT;
	Sekisho__TextAnswer *answer = NULL;
	struct ipc_fds send = {.fd = {fd}, .n = 1}, got = {0};
	ask.want = want;
	enum result r = ipc_call(c, ASK_SCAN_TEXT, &ask, &send, &a, &answer, &got);
	if (r == OK)
		r = take_answer(answer, got.n ? got.fd[0] : -1, out, notes_out);
	ipc_fds_close(&got);
	return r;
}

/* What was known of it when it came, if that can be read. */
static void put_facts(struct store *s, const struct search_message *m, struct buf *out)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	BUF_LOCAL(packed, FACTS_MOST);
	struct ipc_allocator al = ipc_allocator(&a);
	struct blob_place at = m->at;
	if (blob_read_facts(s->blob, &at, &packed) != OK)
		return;
	Sekisho__Facts *facts = sekisho__facts__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
	if (facts)
		inspect_doc_of_facts(facts, out);
}

static enum result reduced(
    struct store *s, const struct search_message *m, struct buf *out, uint32_t *notes_out)
{
	EVENT(SEARCH_REDUCED, KN("email", m->email));
	buf_clear(out);
	put_facts(s, m, out);
	*notes_out = SEARCH_REDUCED;
	return OK;
}

enum result search_text(
    struct store *s, const struct search_message *m, unsigned want, struct buf *out, uint32_t *notes_out)
{
	const unsigned less[] = {want, want, want & ~(unsigned)INSPECT_WANT_ATTACHMENTS};
	FD_LOCAL fd = -1;
	enum result r = body_fd(s, m, &fd);
	if (r == BAD)
		return reduced(s, m, out, notes_out);
	if (r != OK) {
		search_why = "a message cannot be read now";
		return r;
	}
	for (unsigned i = 0; i < COUNT(less);) {
		bool stood = ipc_thread_stands(s->settings->scan);
		uint64_t life = ipc_trunk_life(s->settings->scan);
		buf_clear(out);
		r = ask_scan(s, fd, less[i], out, notes_out);
		if (r == OK) {
			*notes_out |= less[i] != want ? SEARCH_REDUCED : 0;
			return OK;
		}
		if (r == BAD || r == DENY || r == FULL)
			break; /* scan says that it cannot be analysed */
		search_why = "scan gives no answer";
		if (r != GONE)
			return LATER;
		if (stood) /* that a channel from before has broken may be another message's doing */
			continue;
		i++;
		EVENT(SCAN_FAILED, KZ("why", "it ended while it looked for text"));
		if (!ipc_trunk_wait(s->settings->scan, life, SCAN_WAIT_MS))
			return LATER;
	}
	return reduced(s, m, out, notes_out);
}
