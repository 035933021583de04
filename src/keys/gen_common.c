/* Runs on the building machine: lists of passwords, a line each, become a sorted table of hashes on stdout. */
#include "common_hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MOST 256

static uint64_t *hashes;
static size_t n, room;

static void add(uint64_t hash)
{
	if (n == room) {
		room = room ? room * 2 : 4096;
		hashes = realloc(hashes, room * sizeof *hashes);
		if (!hashes)
			abort();
	}
	hashes[n++] = hash;
}

static void add_line(char *line)
{
	size_t length = strcspn(line, "\r\n");
	if (!length || strncmp(line, "#!comment", 9) == 0)
		return;
	for (size_t i = 0; i < length; i++)
		if (line[i] >= 'A' && line[i] <= 'Z')
			line[i] = (char)(line[i] + 32);
	add(common_hash(line, length));
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	char line[LINE_MOST];
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		if (!f) {
			perror(argv[i]);
			return 1;
		}
		while (fgets(line, sizeof line, f))
			add_line(line);
		fclose(f);
	}
	qsort(hashes, n, sizeof *hashes, compare);
	puts("#include <stdint.h>\nstatic const uint64_t common_hashes[] = {");
	for (size_t i = 0; i < n; i++)
		if (i == 0 || hashes[i] != hashes[i - 1])
			printf("0x%llx,\n", (unsigned long long)hashes[i]);
	puts("};");
	free(hashes);
	return 0;
}
