#include "fault_vfs.h"
#include "store/body/blob.h"
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int calls[FAULT_KINDS];
static enum fault_kind failing;
static int from, until, failure;

void fault_set(enum fault_kind kind, int n, int count, int error)
{
	pthread_mutex_lock(&lock);
	memset(calls, 0, sizeof calls);
	failing = n ? kind : FAULT_NONE;
	from = n;
	until = n + count;
	failure = error;
	pthread_mutex_unlock(&lock);
}

int fault_calls(enum fault_kind kind)
{
	pthread_mutex_lock(&lock);
	int n = calls[kind];
	pthread_mutex_unlock(&lock);
	return n;
}

const char *fault_name(enum fault_kind kind)
{
	static const char *const names[] = {"none", "body write", "body flush", "database write",
	    "database flush", "link send", "link receive"};
	return names[kind];
}

/* 0, or the errno this call fails with. */
static int count(enum fault_kind kind)
{
	pthread_mutex_lock(&lock);
	int n = ++calls[kind];
	int error = kind == failing && n >= from && n < until ? failure : 0;
	pthread_mutex_unlock(&lock);
	return error;
}

static ssize_t body_write(int fd, const void *p, size_t n, off_t offset)
{
	errno = count(FAULT_BODY_WRITE);
	if (!errno)
		return pwrite(fd, p, n, offset);
	/* A full disk takes a part of it first. */
	int error = errno;
	if (n > 10 && pwrite(fd, p, n / 2, offset) < 0)
		abort();
	errno = error;
	return -1;
}

static int body_sync(int fd)
{
	errno = count(FAULT_BODY_SYNC);
	return errno ? -1 : fdatasync(fd);
}

/* ---- the way to PostgreSQL: libpq finds these before the C library's ---- */

ssize_t send(int fd, const void *p, size_t n, int flags);
ssize_t recv(int fd, void *p, size_t n, int flags);

static bool cut(int fd, enum fault_kind kind)
{
	int type = 0;
	socklen_t size = sizeof type;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM || !count(kind))
		return false;
	shutdown(fd, SHUT_RDWR);
	errno = ECONNRESET;
	return true;
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	return cut(fd, FAULT_LINK_SEND) ? -1 : sendto(fd, p, n, flags, NULL, 0);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return cut(fd, FAULT_LINK_RECEIVE) ? -1 : recvfrom(fd, p, n, flags, NULL, NULL);
}

/* ---- SQLite ---- */

struct file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};
#define REAL(f) (((struct file *)(f))->real)

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;
static sqlite3_io_methods methods;

static int f_close(sqlite3_file *f)
{
	return REAL(f)->pMethods->xClose(REAL(f));
}
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int error = count(FAULT_DB_WRITE);
	if (error == ENOSPC)
		return SQLITE_FULL;
	return error ? SQLITE_IOERR_WRITE : REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return REAL(f)->pMethods->xTruncate(REAL(f), n);
}
static int f_sync(sqlite3_file *f, int flags)
{
	return count(FAULT_DB_SYNC) ? SQLITE_IOERR_FSYNC : REAL(f)->pMethods->xSync(REAL(f), flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return REAL(f)->pMethods->xFileSize(REAL(f), n);
}
static int f_lock(sqlite3_file *f, int n)
{
	return REAL(f)->pMethods->xLock(REAL(f), n);
}
static int f_unlock(sqlite3_file *f, int n)
{
	return REAL(f)->pMethods->xUnlock(REAL(f), n);
}
static int f_reserved(sqlite3_file *f, int *out)
{
	return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out);
}
static int f_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}
static int f_sector(sqlite3_file *f)
{
	return REAL(f)->pMethods->xSectorSize(REAL(f));
}
static int f_device(sqlite3_file *f)
{
	return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return REAL(f)->pMethods->xShmLock(REAL(f), offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
	REAL(f)->pMethods->xShmBarrier(REAL(f));
}
static int f_shm_unmap(sqlite3_file *f, int delete)
{
	return REAL(f)->pMethods->xShmUnmap(REAL(f), delete);
}

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct file *file = (struct file *)f;
	file->real = (sqlite3_file *)(file + 1);
	int code = real_vfs->xOpen(real_vfs, name, file->real, flags, out);
	f->pMethods = code == SQLITE_OK && file->real->pMethods ? &methods : NULL;
	return code;
}

void fault_start(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
	vfs.zName = "fault";
	vfs.pNext = NULL;
	vfs.xOpen = v_open;
	methods = (sqlite3_io_methods){2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock,
	    f_unlock, f_reserved, f_control, f_sector, f_device, f_shm_map, f_shm_lock, f_shm_barrier,
	    f_shm_unmap, NULL, NULL};
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
	blob_io = (struct blob_io){body_write, body_sync};
}
