/* segment_files: segments as append-only files beside the database. */
#include "store/body/segment_inside.h"
#include "store/body/blob.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SLOTS 1024 /* segments kept open */
#define ACTIVE 64  /* segments that may have octets not yet flushed, or are held */
#define FREE_FOR_MS 500

struct blob_io blob_io = {pwrite, fdatasync};

struct slot {
	int64_t id; /* 0: free */
	int fd;
	unsigned users;
};

struct active {
	int64_t id;
	unsigned held; /* places handed out and not yet released */
	bool dirty, bad;
};

struct files {
	int dir;
	pthread_mutex_t lock;
	int64_t current;              /* 0: none yet */
	uint64_t end;                 /* of the current one */
	int64_t last;                 /* the highest id in use */
	struct active active[ACTIVE]; /* [id % ACTIVE] */
	struct slot slots[SLOTS];
	uint64_t disk_free;
	int64_t disk_free_at;
};

static void name_of(int64_t id, char name[32])
{
	snprintf(name, 32, "%08lld.seg", (long long)id);
}

static bool id_of(const char *name, int64_t *id_out)
{
	struct slice s = slice_str(name);
	uint64_t id;
	if (!slice_iends(s, SLICE(".seg")) || num_u64(slice_sub(s, 0, s.n - 4), INT64_MAX, &id) != OK || !id)
		return false;
	*id_out = (int64_t)id;
	return true;
}

void files_list(struct files *s, void (*each)(void *arg, int64_t id), void *arg)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d)
		return;
	int64_t id;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (id_of(e->d_name, &id))
			each(arg, id);
	closedir(d);
}

static void find_last(void *arg, int64_t id)
{
	struct files *s = arg;
	s->last = MAX(s->last, id);
}

enum result files_open(const char *dir, struct files **out)
{
	BUF_LOCAL(path, 4096);
	buf_printf(&path, "%s/bodies", dir);
	if (mkdir(buf_z(&path), 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC ? FULL : LATER;
	struct files *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->dir = open(buf_z(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		free(s);
		return LATER;
	}
	for (unsigned i = 0; i < SLOTS; i++)
		s->slots[i].fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	files_list(s, find_last, s);
	/* Records go on after whatever the last file holds; a torn one is left behind as garbage. */
	if (s->last && files_size(s, s->last) < BLOB_SEGMENT) {
		s->current = s->last;
		s->end = files_size(s, s->last);
	}
	*out = s;
	return OK;
}

void files_close(struct files *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		fd_close(&s->slots[i].fd);
	fd_close(&s->dir);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

uint64_t files_size(struct files *s, int64_t id)
{
	char name[32];
	struct stat st;
	name_of(id, name);
	return fstatat(s->dir, name, &st, 0) == 0 ? (uint64_t)st.st_size : 0;
}

/* ---- open files ---- */

struct held {
	int fd;
	struct slot *slot; /* NULL: the descriptor is closed after use */
};

/* With the lock held: the slot of an open segment, or a free one, or NULL when another segment's is in use. */
static struct slot *slot_of(struct files *s, int64_t id)
{
	struct slot *slot = &s->slots[(uint64_t)id % SLOTS];
	if (slot->id == id || !slot->id)
		return slot;
	if (slot->users)
		return NULL;
	fd_close(&slot->fd);
	slot->id = 0;
	return slot;
}

static struct held hold(struct files *s, int64_t id)
{
	char name[32];
	struct held h = {-1, NULL};
	pthread_mutex_lock(&s->lock);
	struct slot *slot = slot_of(s, id);
	if (slot && slot->id == id) {
		h = (struct held){slot->fd, slot};
	} else {
		name_of(id, name);
		h.fd = openat(s->dir, name, O_RDWR | O_CLOEXEC);
		if (h.fd >= 0 && slot) {
			*slot = (struct slot){.id = id, .fd = h.fd};
			h.slot = slot;
		}
	}
	if (h.slot)
		h.slot->users++;
	pthread_mutex_unlock(&s->lock);
	return h;
}

static void let_go(struct files *s, struct held h)
{
	if (!h.slot) {
		fd_close(&h.fd);
		return;
	}
	pthread_mutex_lock(&s->lock);
	h.slot->users--;
	pthread_mutex_unlock(&s->lock);
}

enum result files_read(struct files *s, int64_t id, uint64_t place, void *p, size_t n)
{
	struct held h = hold(s, id);
	if (h.fd < 0)
		return GONE;
	enum result r = fd_pread_all(h.fd, p, n, (int64_t)place);
	let_go(s, h);
	return r;
}

/* ---- writing ---- */

static enum result disk_result(const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT;
	if (full)
		EVENT(STORE_FULL, KN("free", 0));
	else
		EVENT(STORE_ERROR, KZ("what", what), KZ("why", strerrorname_np(errno)));
	return full ? FULL : LATER;
}

/* With the lock held. Ids are never used again, since rows may still name an old one. */
static enum result start_segment(struct files *s)
{
	char name[32];
	int64_t id = s->last + 1;
	struct active *a = &s->active[id % ACTIVE];
	if (a->held || (a->dirty && !a->bad))
		return LATER;
	name_of(id, name);
	FD_LOCAL fd = openat(s->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(s->dir) != 0)
		return disk_result("segment");
	*a = (struct active){.id = id};
	s->last = id;
	s->current = id;
	s->end = 0;
	return OK;
}

enum result files_reserve(struct files *s, uint64_t n, int64_t *id_out, uint64_t *place_out)
{
	enum result r = OK;
	pthread_mutex_lock(&s->lock);
	if (!s->current || s->end >= BLOB_SEGMENT || s->active[s->current % ACTIVE].bad)
		r = start_segment(s);
	if (r == OK) {
		*id_out = s->current;
		*place_out = s->end;
		s->active[s->current % ACTIVE].id = s->current;
		s->active[s->current % ACTIVE].held++;
		s->end += n;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void files_release(struct files *s, int64_t id)
{
	pthread_mutex_lock(&s->lock);
	s->active[id % ACTIVE].held--;
	pthread_mutex_unlock(&s->lock);
}

bool files_held(struct files *s, int64_t id)
{
	pthread_mutex_lock(&s->lock);
	const struct active *a = &s->active[id % ACTIVE];
	bool held = a->id == id && a->held;
	pthread_mutex_unlock(&s->lock);
	return held;
}

static enum result write_all(int fd, uint64_t place, struct slice octets)
{
	while (octets.n) {
		ssize_t n = blob_io.pwrite(fd, octets.p, octets.n, (off_t)place);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return disk_result("write");
		octets = slice_sub(octets, (size_t)n, octets.n);
		place += (uint64_t)n;
	}
	return OK;
}

enum result files_write(struct files *s, int64_t id, uint64_t place, struct slice octets)
{
	struct held h = hold(s, id);
	if (h.fd < 0)
		return LATER;
	enum result r = write_all(h.fd, place, octets);
	let_go(s, h);
	pthread_mutex_lock(&s->lock);
	s->active[id % ACTIVE].dirty = true;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static enum result flush_one(struct files *s, int64_t id)
{
	struct held h = hold(s, id);
	enum result r = OK;
	if (h.fd < 0 || blob_io.fdatasync(h.fd) != 0)
		r = disk_result("flush");
	if (h.fd >= 0)
		let_go(s, h);
	return r;
}

enum result files_flush(struct files *s)
{
	enum result all = OK;
	for (unsigned i = 0; i < ACTIVE; i++) {
		pthread_mutex_lock(&s->lock);
		struct active *a = &s->active[i];
		int64_t id = a->dirty && !a->bad ? a->id : 0;
		a->dirty = a->bad;
		pthread_mutex_unlock(&s->lock);
		enum result r = id ? flush_one(s, id) : OK;
		if (r == OK)
			continue;
		pthread_mutex_lock(&s->lock);
		a->bad = true;
		pthread_mutex_unlock(&s->lock);
		all = r;
	}
	return all;
}

bool files_good(struct files *s, int64_t id)
{
	pthread_mutex_lock(&s->lock);
	const struct active *a = &s->active[id % ACTIVE];
	bool good = a->id != id || !a->bad;
	pthread_mutex_unlock(&s->lock);
	return good;
}

int64_t files_current(struct files *s)
{
	pthread_mutex_lock(&s->lock);
	int64_t id = s->current;
	pthread_mutex_unlock(&s->lock);
	return id;
}

enum result files_remove(struct files *s, int64_t id)
{
	char name[32];
	name_of(id, name);
	pthread_mutex_lock(&s->lock);
	struct slot *slot = slot_of(s, id);
	bool used = slot && slot->id == id && slot->users;
	if (slot && slot->id == id && !used) {
		fd_close(&slot->fd);
		slot->id = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (used)
		return LATER;
	return unlinkat(s->dir, name, 0) == 0 || errno == ENOENT ? OK : LATER;
}

uint64_t files_disk_free(struct files *s)
{
	pthread_mutex_lock(&s->lock);
	int64_t now = clock_mono_ms();
	struct statvfs v;
	if ((!s->disk_free_at || now - s->disk_free_at > FREE_FOR_MS) && fstatvfs(s->dir, &v) == 0) {
		s->disk_free = (uint64_t)v.f_bavail * v.f_frsize;
		s->disk_free_at = now;
	}
	uint64_t n = s->disk_free;
	pthread_mutex_unlock(&s->lock);
	return n;
}
