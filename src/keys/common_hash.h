/* FNV-1a with 64 bits: a password that is not on the list has the hash of one that is with a chance of 10^-14. */
#ifndef KEYS_COMMON_HASH_H
#define KEYS_COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t common_hash(const char *p, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)p[i]) * 0x100000001b3u;
	return hash;
}

#endif
