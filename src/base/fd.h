/* fd: descriptors that close themselves, and whole reads and writes. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include "result.h"
#include "slice.h"

#define FD_LOCAL __attribute__((cleanup(fd_close))) int

void fd_close(int *fd); /* closes when >= 0 and sets -1 */
NODISCARD enum result fd_write_all(int fd, struct slice s);
NODISCARD enum result fd_pread_all(
    int fd, void *p, size_t n, int64_t offset); /* GONE when the file is short */
/* A memfd that can still be written; name shows in /proc only. -1 when the system has none left. */
int fd_memory(const char *name);
/* Nobody can change or shrink it any more: a peer may map it without fear (F_SEAL_*). */
NODISCARD enum result fd_seal(int fd);
bool fd_is_sealed(int fd);
NODISCARD enum result fd_size(int fd, uint64_t *out);
/* Maps a sealed memfd (BAD when it is not sealed, or larger than max). Unmap with fd_unmap. */
NODISCARD enum result fd_map_sealed(int fd, uint64_t max, struct slice *out);
void fd_unmap(struct slice *s);

#endif
