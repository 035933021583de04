/* files: reading what a source keeps in files. */
#include "ferry/inner.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum result read_whole(int fd, uint64_t size, struct buf *out)
{
	buf_clear(out);
	for (;;) {
		size_t room = size > out->n ? MIN(size - out->n, (uint64_t)1 << 20) : 4096;
		char *p = buf_room(out, room);
		if (!p)
			return FULL;
		ssize_t n = read(fd, p, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? OK : LATER;
		buf_wrote(out, (size_t)n);
	}
}

enum result ferry_wire(struct ferry *f, struct slice text, struct slice *body_out)
{
	*body_out = text;
	if (ferry_is_wire(text))
		return OK;
	struct buf *to = text.p == f->other.p ? &f->text : &f->other;
	buf_clear(to);
	ferry_to_wire(text, to);
	*body_out = buf_slice(to);
	return buf_result(to);
}

enum result ferry_read(
    struct ferry *f, int dir, const char *name, struct slice *body_out, int64_t *mtime_ms_out)
{
	struct stat st;
	FD_LOCAL fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		return errno == ENOENT ? GONE : LATER;
	if (!S_ISREG(st.st_mode))
		return BAD;
	*mtime_ms_out = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	enum result r = read_whole(fd, (uint64_t)st.st_size, &f->text);
	if (r != OK)
		return r;
	buf_clear(&f->other);
	r = ferry_unpack(buf_slice(&f->text), &f->other);
	if (r == OK)
		return ferry_wire(f, buf_slice(&f->other), body_out);
	return r == GONE ? ferry_wire(f, buf_slice(&f->text), body_out) : r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum result ferry_list(int dir, struct ferry_names *out)
{
	*out = (struct ferry_names){0};
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		fd_close(&fd);
		return LATER;
	}
	size_t room = 0;
	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (out->n == room) {
			room = room ? room * 2 : 256;
			out->name = reallocarray(out->name, room, sizeof *out->name);
		}
		char *name = strdup(e->d_name);
		if (!out->name || !name)
			abort();
		out->name[out->n++] = name;
	}
	closedir(d);
	if (out->n)
		qsort(out->name, out->n, sizeof *out->name, by_name);
	return OK;
}

void ferry_list_free(struct ferry_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct ferry_names){0};
}
