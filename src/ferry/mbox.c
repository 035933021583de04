/*
 * mbox: files in mbox form, one or a directory of them (Thunderbird's NAME.sbd holds the folders below NAME).
 *
 * The file is mapped, and what was read is given back. A message's name at the source is its digest and how many equal
 * ones stood before it, so a file that grew at its end can be imported again.
 */
#include "ferry/inner.h"
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEVELS_MOST 64
#define GIVE_BACK ((size_t)64 << 20)

/* How often each digest was seen in this file. */
struct seen {
	struct {
		uint64_t digest; /* 0: free */
		uint32_t times;
	} * slot;
	size_t n, room;
};

static void seen_grow(struct seen *s)
{
	struct seen wide = {.room = s->room ? s->room * 2 : 1024};
	wide.slot = calloc(wide.room, sizeof *wide.slot);
	if (!wide.slot)
		abort();
	for (size_t i = 0; i < s->room; i++) {
		if (!s->slot[i].digest)
			continue;
		size_t at = s->slot[i].digest & (wide.room - 1);
		while (wide.slot[at].digest)
			at = (at + 1) & (wide.room - 1);
		wide.slot[at] = s->slot[i];
	}
	wide.n = s->n;
	free(s->slot);
	*s = wide;
}

static uint32_t seen_before(struct seen *s, const uint8_t *sha256)
{
	uint64_t digest;
	memcpy(&digest, sha256, sizeof digest);
	digest |= !digest;
	if (s->n * 2 >= s->room)
		seen_grow(s);
	size_t at = digest & (s->room - 1);
	while (s->slot[at].digest && s->slot[at].digest != digest)
		at = (at + 1) & (s->room - 1);
	s->n += !s->slot[at].digest;
	s->slot[at].digest = digest;
	return s->slot[at].times++;
}

/* ---- one file ---- */

struct mbox {
	struct ferry *ferry;
	const char *into;
	struct slice level[LEVELS_MOST];
	size_t n_levels;
	struct arena names;
	bool counting;
};

static void take_keywords(struct arena *a, struct slice words, struct ferry_message *m)
{
	while (words.n && m->n_keywords < FERRY_KEYWORDS) {
		struct slice word = slice_trim(slice_split(&words, ' '));
		if (word.n && slice_is_ascii(word))
			m->keywords[m->n_keywords++] = arena_z(a, word);
	}
}

static enum result take_message(
    struct ferry *f, const struct mbox_message *at, const char *mailbox, struct seen *seen, uint64_t number)
{
	struct ferry_message m = {.mailbox = mailbox};
	struct mbox_fields fields;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	BUF_LOCAL(where, 4096);
	ARENA_LOCAL(a, 65536);
	buf_printf(&where, "%s: %llu", mailbox, (unsigned long long)number);
	m.where = buf_z(&where);
	buf_clear(&f->text);
	mbox_message_text(at, &f->text, &fields);
	if (fields.internal) {
		ferry_problem(
		    f, m.where, "not a message: what another mail program kept in the file for itself");
		return OK;
	}
	if (buf_result(&f->text) != OK || ferry_wire(f, buf_slice(&f->text), &m.body) != OK) {
		ferry_refused(f, m.where, "too large");
		return OK;
	}
	if (fields.exact && m.body.n > fields.octets && m.body.n - fields.octets <= 2)
		m.body.n = fields.octets; /* the line end that an mbox must have */
	SHA256((const uint8_t *)m.body.p, m.body.n, digest);
	char times[16];
	uint32_t before = seen_before(seen, digest);
	memcpy(times, &before, sizeof before);
	const struct slice parts[] = {SLICE("mbox"), slice_str(mailbox), slice_of(digest, sizeof digest),
	    slice_of(times, sizeof before)};
	ferry_key(m.key, parts, COUNT(parts));
	m.flags = fields.flags;
	take_keywords(&a, fields.keywords, &m);
	m.internal_ms = fields.internal_ms ? fields.internal_ms : mbox_date(at->from);
	return ferry_put(f, &m);
}

static void give_back(struct slice all, size_t done, size_t *given)
{
	size_t whole = done & ~(size_t)4095;
	if (whole - *given < GIVE_BACK)
		return;
	madvise((void *)(uintptr_t)(all.p + *given), whole - *given, MADV_DONTNEED);
	*given = whole;
}

static enum result take_all(struct mbox *b, struct slice all, const char *mailbox)
{
	struct ferry *f = b->ferry;
	struct slice rest = all;
	struct mbox_message m;
	struct seen seen = {0};
	size_t given = 0;
	uint64_t start = f->n.octets_done, number = 0;
	enum result r = ferry_mailbox(f, mailbox);
	while (r == OK && mbox_next(&rest, &m)) {
		r = take_message(f, &m, mailbox, &seen, ++number);
		f->n.octets_done = start + (all.n - rest.n);
		give_back(all, all.n - rest.n, &given);
	}
	if (r == OK && rest.n)
		ferry_problem(f, mailbox, "not an mbox file: it does not begin with \"From \"");
	f->n.octets_done = start + all.n;
	free(seen.slot);
	return r;
}

static enum result take_file(struct mbox *b, int dir, const char *name)
{
	struct stat st;
	BUF_LOCAL(mailbox, 4096);
	FD_LOCAL fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		ferry_refused(b->ferry, name, "cannot be read");
		return OK;
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return OK;
	if (b->counting) {
		b->ferry->n.all_octets += (uint64_t)st.st_size;
		return OK;
	}
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return ferry_fail(b->ferry, LATER, "%s: cannot be mapped", name);
	madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
	ferry_name(&mailbox, b->into, b->level, b->n_levels);
	enum result r = take_all(b, slice_of(p, (size_t)st.st_size), buf_z(&mailbox));
	munmap(p, (size_t)st.st_size);
	return r;
}

/* ---- a directory ---- */

/* What mail programs keep beside their mbox files. */
static bool is_beside(struct slice name)
{
	static const char *const ends[] = {".msf", ".dat", ".lock", ".html", ".json", ".log"};
	bool beside = name.p[0] == '.';
	for (size_t i = 0; i < COUNT(ends); i++)
		beside |= slice_iends(name, slice_str(ends[i]));
	return beside;
}

static void push_level(struct mbox *b, struct slice name)
{
	BUF_LOCAL(level, 4096);
	if (slice_iends(name, SLICE(".sbd")))
		name.n -= 4;
	else if (slice_iends(name, SLICE(".mbox")))
		name.n -= 5;
	ferry_get_file_name(name, &level);
	b->level[b->n_levels++] = arena_dup(&b->names, buf_slice(&level));
}

static enum result walk(struct mbox *b, int dir)
{
	struct ferry_names names;
	enum result r = OK;
	if (b->n_levels == LEVELS_MOST || ferry_list(dir, &names) != OK)
		return OK;
	for (size_t i = 0; i < names.n && r == OK; i++) {
		struct slice name = slice_str(names.name[i]);
		if (is_beside(name))
			continue;
		FD_LOCAL sub = openat(dir, names.name[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		push_level(b, name);
		r = sub >= 0 ? walk(b, sub) : take_file(b, dir, names.name[i]);
		b->n_levels--;
	}
	ferry_list_free(&names);
	return r;
}

enum result ferry_from_mbox(struct ferry *f, const char *path, const char *into)
{
	struct mbox b = {.ferry = f, .into = into, .counting = true};
	struct stat st;
	if (stat(path, &st) != 0)
		return ferry_fail(f, GONE, "%s: no such file or directory", path);
	arena_init(&b.names, (size_t)64 << 20);
	enum result r = OK;
	FD_LOCAL dir = S_ISDIR(st.st_mode) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	for (unsigned round = 0; round < 2 && r == OK; round++) {
		b.counting = round == 0;
		r = dir >= 0 ? walk(&b, dir) : take_file(&b, AT_FDCWD, path);
	}
	arena_free(&b.names);
	enum result settled = ferry_settle(f);
	return r == OK ? settled : r;
}
