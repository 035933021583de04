#include "role/own.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH 4 /* a role's directory is shallow */

static enum result give(int dir, uint32_t uid, unsigned depth);

static enum result give_entry(int dir, const char *name, uint32_t uid, unsigned depth)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? OK : DENY;
	if ((st.st_uid != uid || st.st_gid != uid) && fchownat(dir, name, uid, uid, AT_SYMLINK_NOFOLLOW) != 0)
		return DENY;
	if (!S_ISDIR(st.st_mode))
		return OK;
	int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return below < 0 ? DENY : give(below, uid, depth + 1);
}

/* Everything in the directory; takes the descriptor. */
static enum result give(int dir, uint32_t uid, unsigned depth)
{
	DIR *d = depth < DEPTH ? fdopendir(dir) : NULL;
	if (!d) {
		close(dir);
		return DENY;
	}
	enum result r = OK;
	for (struct dirent *e; r == OK && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = give_entry(dirfd(d), e->d_name, uid, depth);
	closedir(d);
	return r;
}

static bool reachable(const char *path, uint32_t uid)
{
	if (setegid(uid) != 0 || seteuid(uid) != 0)
		return false;
	bool can = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
	return seteuid(0) == 0 && setegid(0) == 0 && can;
}

static enum result give_all(const char *path, uint32_t uid)
{
	if (chown(path, uid, uid) != 0)
		return DENY;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? DENY : give(dir, uid, 0);
}

enum result own_directory(const char *path, uint32_t uid, bool may_stay, uint32_t *uid_out)
{
	*uid_out = uid;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return DENY;
	if (geteuid() != 0)
		return OK;
	if (give_all(path, uid) != OK)
		return DENY;
	if (reachable(path, uid))
		return OK;
	if (!may_stay)
		return DENY;
	*uid_out = 0;
	return give_all(path, 0);
}
