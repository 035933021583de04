#include "fd.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

enum result fd_write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? FULL : GONE;
		s = slice_sub(s, (size_t)n, s.n);
	}
	return OK;
}

enum result fd_pread_all(int fd, void *p, size_t n, int64_t offset)
{
	char *at = p;
	while (n) {
		ssize_t got = pread(fd, at, n, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return GONE;
		at += got;
		n -= (size_t)got;
		offset += got;
	}
	return OK;
}

int fd_memory(const char *name)
{
	return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

enum result fd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) == 0 ? OK : BAD;
}

bool fd_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) == (F_SEAL_SHRINK | F_SEAL_WRITE);
}

enum result fd_size(int fd, uint64_t *out)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size < 0)
		return GONE;
	*out = (uint64_t)st.st_size;
	return OK;
}

enum result fd_map_sealed(int fd, uint64_t max, struct slice *out)
{
	uint64_t size;
	if (!fd_is_sealed(fd) || fd_size(fd, &size) != OK || size > max)
		return BAD;
	*out = SLICE_NONE;
	if (size == 0)
		return OK;
	void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return LATER;
	*out = slice_of(p, size);
	return OK;
}

void fd_unmap(struct slice *s)
{
	if (s->n)
		munmap((void *)(uintptr_t)s->p, s->n);
	*s = SLICE_NONE;
}
