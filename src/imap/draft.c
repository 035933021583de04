#include "draft.h"
#include "mail/facts.h"

#define PIECE 65536

void imap_draft_begin(struct imap_draft *d)
{
	*d = (struct imap_draft){.fd = fd_memory("append")};
	d->failed = d->fd < 0;
}

void imap_draft_end(struct imap_draft *d)
{
	fd_close(&d->fd);
}

static void normalise(struct slice in, bool *cr, struct buf *out)
{
	size_t from = 0;
	for (size_t i = 0; i < in.n;) {
		const char *lf = memchr(in.p + i, '\n', in.n - i);
		if (!lf)
			break;
		i = (size_t)(lf - in.p);
		if (i ? in.p[i - 1] != '\r' : !*cr) {
			buf_put(out, slice_sub(in, from, i - from));
			buf_puts(out, "\r\n");
			from = i + 1;
		}
		i++;
	}
	buf_put(out, slice_sub(in, from, in.n));
	*cr = in.n && in.p[in.n - 1] == '\r';
	for (char *nul = out->n ? memchr(out->p, 0, out->n) : NULL; nul;) {
		*nul = (char)0x80;
		nul = memchr(nul, 0, out->n - (size_t)(nul - out->p));
	}
}

static void put_piece(struct imap_draft *d, struct slice octets, bool raw)
{
	BUF_LOCAL(text, 2 * PIECE);
	d->octets += octets.n;
	if (raw)
		d->cr = octets.n && octets.p[octets.n - 1] == '\r';
	else
		normalise(octets, &d->cr, &text);
	if (!d->failed && fd_write_all(d->fd, raw ? octets : buf_slice(&text)) != OK)
		d->failed = true;
}

void imap_draft_put(struct imap_draft *d, struct slice octets, bool raw)
{
	d->binary |= raw;
	for (size_t at = 0; at < octets.n; at += PIECE)
		put_piece(d, slice_sub(octets, at, PIECE), raw);
}

enum result imap_draft_read(struct imap *s, struct imap_draft *d, uint64_t n, bool raw)
{
	while (n) {
		struct slice some;
		if (stream_some(s->base.stream, (size_t)MIN(n, PIECE), &some) != OK)
			return GONE;
		n -= some.n;
		imap_draft_put(d, some, raw);
	}
	return OK;
}

static enum result ask_scan(
    struct imap *s, int message, struct arena *a, Sekisho__ScanAnswer **answer_out, struct ipc_fds *got)
{
	Sekisho__ScanAsk ask = SEKISHO__SCAN_ASK__INIT;
	struct ipc_fds send = {.fd = {message}, .n = 1};
	ask.client = imap_client(s);
	enum result r = LATER;
	for (int tries = 0; tries < 2; tries++) { /* once more when it died, of another message perhaps */
		struct ipc *scan = ipc_thread(s->service->scan);
		if (!scan)
			return LATER;
		r = ipc_call(scan, ASK_SCAN_MESSAGE, &ask, &send, a, answer_out, got);
		if (r != GONE)
			break;
	}
	return r == OK && (*answer_out)->facts ? OK : LATER;
}

/* The facts that came, unpacked; NULL when they make no sense. */
static const Sekisho__Facts *unpack(
    const Sekisho__ScanAnswer *answer, const struct ipc_fds *got, struct arena *a)
{
	struct ipc_allocator al = ipc_allocator(a);
	const Sekisho__FactsRef *ref = answer->facts;
	if (!ref->in_fd)
		return sekisho__facts__unpack(&al.pb, ref->packed.len, ref->packed.data);
	struct slice map;
	if (!got->n || fd_map_sealed(got->fd[0], (uint64_t)64 << 20, &map) != OK)
		return NULL;
	const Sekisho__Facts *facts = sekisho__facts__unpack(&al.pb, map.n, (const uint8_t *)map.p);
	fd_unmap(&map);
	return facts;
}

static enum result write_encoded(
    const struct imap *s, struct imap_draft *d, struct slice message, const Sekisho__Part *root)
{
	BUF_LOCAL(out, s->service->message_size);
	if (mail_unbinary(message, root, &out) != OK)
		return FULL;
	fd_close(&d->fd);
	d->fd = fd_memory("append");
	return d->fd >= 0 && fd_write_all(d->fd, buf_slice(&out)) == OK && fd_seal(d->fd) == OK ? OK : LATER;
}

/* What came as literal8, in the form that is kept. */
static enum result encode(struct imap *s, struct imap_draft *d)
{
	ARENA_LOCAL(a, (size_t)128 << 20);
	Sekisho__ScanAnswer *answer = NULL;
	struct ipc_fds got = {0};
	struct slice message;
	enum result r = ask_scan(s, d->fd, &a, &answer, &got);
	const Sekisho__Facts *facts = r == OK ? unpack(answer, &got, &a) : NULL;
	ipc_fds_close(&got);
	if (!facts || fd_map_sealed(d->fd, s->service->message_size, &message) != OK)
		return LATER;
	r = write_encoded(s, d, message, facts->root);
	fd_unmap(&message);
	return r;
}

enum result imap_draft_finish(struct imap *s, struct imap_draft *d, struct arena *a,
    Sekisho__ScanAnswer **answer_out, struct ipc_fds *got)
{
	enum result r = !d->failed && fd_seal(d->fd) == OK ? OK : LATER;
	if (r == OK && d->binary)
		r = encode(s, d);
	return r == OK ? ask_scan(s, d->fd, a, answer_out, got) : r;
}
