/*
 * fault_vfs: a disk that fails when told to: a SQLite VFS around the default one, and the calls of blob_io. Registered
 * once, before the first database is opened. Counting is over all files together. Also a network that fails: what the
 * program sends to and receives from stream sockets, which is PostgreSQL's client at work.
 */
#ifndef KIT_FAULT_VFS_H
#define KIT_FAULT_VFS_H

#include <stdbool.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_BODY_WRITE, /* blob_io.pwrite */
	FAULT_BODY_SYNC,  /* blob_io.fdatasync */
	FAULT_DB_WRITE,   /* writes to the database and its log */
	FAULT_DB_SYNC,
	FAULT_LINK_SEND, /* to PostgreSQL; the connection is cut */
	FAULT_LINK_RECEIVE,
	FAULT_KINDS
};
void fault_start(void);
/* From the n-th call of this kind on, `count` calls fail with this errno (ENOSPC or EIO); n 0: never. */
void fault_set(enum fault_kind kind, int n, int count, int error);
/* How many calls of the kind there were since fault_set. */
int fault_calls(enum fault_kind kind);
const char *fault_name(enum fault_kind kind);

#endif
