/*
 * The driver of a fuzz target in an ordinary build: it feeds the seeds in the folders named on the command line, and
 * every beginning of each (of long ones: of their first 4 KiB), so that the target is a test on machines without clang.
 */
#include "base/base.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* From memory of exactly n octets: a sanitizer or valgrind then sees a read past the end. */
static void feed(const char *data, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);
	if (!exact)
		abort();
	memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static int replay_file(int folder, const char *name)
{
	FD_LOCAL fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	char *data = malloc((size_t)st.st_size + 1);
	size_t n = (size_t)st.st_size;
	if (!data || fd_pread_all(fd, data, n, 0) != OK) {
		fprintf(stderr, "cannot read %s\n", name);
		exit(1);
	}
	for (size_t part = 0; part < MIN(n, 4096); part++)
		feed(data, part);
	feed(data, n);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int seeds = 0;
	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		if (!folder) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *entry; (entry = readdir(folder));)
			seeds += replay_file(dirfd(folder), entry->d_name);
		closedir(folder);
	}
	printf("%d seeds\n", seeds);
	return seeds ? 0 : 1; /* a target without a seed tests nothing */
}
