/* export: reading an account's mailboxes for what writes them somewhere. Inside the room only. */
#ifndef FERRY_EXPORT_H
#define FERRY_EXPORT_H

#include "ferry/inner.h"

struct out_message {
	uint32_t uid, flags;
	const char *keywords[FERRY_KEYWORDS];
	size_t n_keywords;
	int64_t internal_ms;
	struct slice body; /* wire form */
};

/* What writes. Results other than OK end the export; they have said why (ferry_fail). */
struct out_ops {
	enum result (*begin)(struct ferry *f, void *to, struct slice mailbox);
	enum result (*put)(struct ferry *f, void *to, const struct out_message *m);
	enum result (*end)(struct ferry *f, void *to);
};
/* folder: NULL for all. */
NODISCARD enum result out_all(struct ferry *f, const char *folder, const struct out_ops *ops, void *to);

/* Makes a new directory, or takes an empty one. */
NODISCARD enum result out_directory(struct ferry *f, const char *path, int *dir_out);
/* A new file, whole and flushed, with this time as its mtime. */
NODISCARD enum result out_file(
    struct ferry *f, int dir, const char *name, struct slice text, int64_t mtime_ms);
/* The directory of a mailbox below root; without `all` that of the level above it, and *last gets the last level. */
NODISCARD enum result out_tree(
    struct ferry *f, int root, struct slice mailbox, bool all, int *dir_out, struct buf *last);

#endif
