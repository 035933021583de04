/* Taking in a message with its facts: believing nothing that scan did not seal. */
#include "store/inside.h"

#define FACTS_MOST ((uint64_t)16 << 20)
#define READ_MOST 131072

/* Reads a sealed file whole into the arena. */
static enum result read_facts(int fd, struct arena *a, struct slice *out)
{
	struct slice mapped;
	if (fd < 0)
		return BAD;
	enum result r = fd_map_sealed(fd, FACTS_MOST, &mapped);
	if (r != OK)
		return r;
	*out = arena_dup(a, mapped);
	fd_unmap(&mapped);
	return out->n ? OK : LATER;
}

/* Facts that bear scan's seal. */
static enum result unpack(struct store *s, struct arena *a, struct slice seal, struct message *m)
{
	uint8_t right[SEAL_MAC];
	seal_hmac(s->settings->scan_seal, m->packed, right);
	if (!slice_eq_secret(slice_of(right, sizeof right), seal))
		return BAD;
	struct ipc_allocator al = ipc_allocator(a);
	m->facts = sekisho__facts__unpack(&al.pb, m->packed.n, (const uint8_t *)m->packed.p);
	if (!m->facts)
		return arena_full(a) ? LATER : BAD;
	return OK;
}

static enum result take_facts(
    struct store *s, struct arena *a, const Sekisho__FactsRef *ref, int facts_fd, struct message *m)
{
	enum result r = OK;
	m->packed = slice_of_octets(ref->packed);
	if (ref->in_fd)
		r = read_facts(facts_fd, a, &m->packed);
	return r == OK ? unpack(s, a, slice_of_octets(ref->seal), m) : r;
}

/* The facts speak of this body. */
static enum result compare(struct message *m)
{
	seal_sha256(m->body, m->digest);
	if (m->facts && (m->facts->size != m->body.n ||
			    !slice_eq(slice_of_octets(m->facts->digest), slice_of(m->digest, 32))))
		return BAD;
	return OK;
}

enum result message_view(struct store *s, struct arena *a, struct slice body, struct slice packed,
    struct slice seal, struct message *m)
{
	*m = (struct message){.body = body, .packed = packed, .fd = -1};
	enum result r = unpack(s, a, seal, m);
	return r == OK ? compare(m) : r;
}

/* A small body is read: mapping it and unmapping it again makes every thread's processor stop for a moment. */
static enum result take_body(struct store *s, struct arena *a, int fd, struct message *m)
{
	uint64_t size;
	if (!fd_is_sealed(fd) || fd_size(fd, &size) != OK || size > s->settings->message_size)
		return BAD;
	if (size > READ_MOST) {
		m->mapped = true;
		return fd_map_sealed(fd, s->settings->message_size, &m->body);
	}
	char *p = arena_alloc(a, size + 1);
	if (!p)
		return LATER;
	m->body = slice_of(p, size);
	return size ? fd_pread_all(fd, p, size, 0) : OK;
}

enum result message_check(struct store *s, struct arena *a, int body_fd, const Sekisho__FactsRef *ref,
    int facts_fd, struct message *m)
{
	*m = (struct message){.fd = body_fd};
	enum result r = ref ? take_facts(s, a, ref, facts_fd, m) : OK;
	if (r == OK)
		r = take_body(s, a, body_fd, m);
	return r == OK ? compare(m) : r;
}

enum result message_take(struct store *s, struct ipc_turn *t, const Sekisho__FactsRef *ref, struct message *m)
{
	*m = (struct message){0};
	if (t->fds.n < 1)
		return BAD;
	return message_check(s, &t->arena, t->fds.fd[0], ref, t->fds.n > 1 ? t->fds.fd[1] : -1, m);
}

enum result message_scan(struct store *s, struct arena *a, int body_fd, struct message *m)
{
	struct ipc *c = ipc_thread(s->settings->scan);
	*m = (struct message){0};
	if (!c)
		return LATER;
	Sekisho__ScanAsk ask = SEKISHO__SCAN_ASK__INIT;
	Sekisho__ScanAnswer *answer = NULL;
	struct ipc_fds send = {.fd = {body_fd}, .n = 1}, got = {0};
	if (ipc_call(c, ASK_SCAN_MESSAGE, &ask, &send, a, &answer, &got) != OK)
		return LATER;
	enum result r =
	    answer->facts ? message_check(s, a, body_fd, answer->facts, got.n ? got.fd[0] : -1, m) : LATER;
	ipc_fds_close(&got);
	return r;
}

enum result message_reopen(struct store *s, struct arena *a, const struct blob_place *at, struct message *m)
{
	*m = (struct message){.fd = -1};
	BUF_LOCAL(body, at->size + 1);
	BUF_LOCAL(packed, FACTS_MOST);
	if (blob_read(s->blob, at, 0, at->size, &body) != OK || blob_read_facts(s->blob, at, &packed) != OK)
		return LATER;
	m->packed = arena_dup(a, buf_slice(&packed));
	struct ipc_allocator al = ipc_allocator(a);
	m->facts = sekisho__facts__unpack(&al.pb, m->packed.n, (const uint8_t *)m->packed.p);
	FD_LOCAL fd = fd_memory("message");
	if (!m->facts || fd < 0 || fd_write_all(fd, buf_slice(&body)) != OK || fd_seal(fd) != OK)
		return LATER;
	enum result r = take_body(s, a, fd, m);
	if (r == OK)
		r = compare(m);
	if (r != OK)
		return LATER;
	m->fd = fd;
	fd = -1;
	return OK;
}

void message_unmap(struct message *m)
{
	if (m->mapped)
		fd_unmap(&m->body);
}
