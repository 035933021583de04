#include "corpora.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

bool corpora_read(const char *name, struct buf *out)
{
	const char *top = getenv("SEKISHO_CORPORA");
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", top ? top : SEKISHO_SOURCE "/../shared/corpora", name);
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	char *room = NULL;
	if (fd >= 0 && fd_size(fd, &size) == OK)
		room = buf_room(out, size);
	if (!room || fd_pread_all(fd, room, size, 0) != OK) {
		fprintf(stderr, "SKIPPED: %s cannot be read; nothing was tested with it\n", path);
		return false;
	}
	buf_wrote(out, size);
	return true;
}
