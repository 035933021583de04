/* ask: asks of store on the session's own channel; the client is told when one takes long (RFC 9585). */
#include "session.h"

#define LONGEST_MS (10 * MINUTE_MS) /* of one ask that the client is kept waiting for */

static enum result answered(struct imap *s, enum result r, const struct arena *a)
{
	if (r == OK)
		return OK;
	if (a != &s->arena) { /* the reason outlives the arena of one window */
		const char *why = arena_z(&s->arena, slice_str(s->store.why));
		s->store.why = why ? why : "";
	}
	if (!s->store.more)
		return r;
	ipc_close(&s->store);
	return GONE;
}

enum result imap_ask_into(struct imap *s, enum ipc_ask kind, const void *ask, struct arena *a,
    void *answer_out, struct ipc_fds *got)
{
	return answered(s, ipc_call(&s->store, kind, ask, NULL, a, answer_out, got), a);
}

enum result imap_ask(struct imap *s, enum ipc_ask kind, const void *ask, void *answer_out)
{
	return imap_ask_into(s, kind, ask, &s->arena, answer_out, NULL);
}

void imap_progress(struct imap *s)
{
	int64_t now = clock_mono_ms();
	if (s->talks || now - s->progress_ms < s->service->progress_ms)
		return;
	stream_put(s->base.stream, SLICE("* OK [INPROGRESS ("));
	imap_put_string(s->base.stream, s->tag);
	stream_put(s->base.stream, SLICE(" NIL NIL)] Still at it\r\n"));
	result_ignore(stream_flush(s->base.stream)); /* a failure sticks */
	s->progress_ms = now;
}

enum result imap_ask_long(
    struct imap *s, enum ipc_ask kind, const void *ask, struct arena *a, void *answer_out)
{
	enum result r = ipc_put(&s->store, kind, ask, NULL);
	if (r != OK)
		return r;
	for (int64_t waited = 0; waited < LONGEST_MS; waited += s->service->progress_ms) {
		if (ipc_wait(&s->store, s->service->progress_ms) == OK)
			break;
		imap_progress(s);
	}
	return answered(s, ipc_more(&s->store, a, answer_out, NULL), a);
}

enum result imap_ask_more(struct imap *s, struct arena *a, void *answer_out, struct ipc_fds *got)
{
	enum result r = ipc_more(&s->store, a ? a : &s->arena, answer_out, got);
	if (r == OK)
		return OK;
	ipc_close(&s->store);
	return GONE;
}
