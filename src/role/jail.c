#include "role/jail.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Landlock: constants of later ABIs than Debian 12's headers know ---- */

#define FS_ABI1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ull << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define NET_BIND_TCP (1ull << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define RULE_NET_PORT 2
#define SCOPE_ABSTRACT_SOCKET (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ull << 1)
#define FILES_ALLOWED                                                                                        \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |        \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |   \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | FS_TRUNCATE)

struct ruleset {
	uint64_t fs, net, scoped;
};

static void missing(const char *what)
{
	EVENT(JAIL_MISSING, KZ("what", what), KZ("why", strerror(errno)));
}

static enum result allow_directory(int ruleset, uint64_t access, const char *directory)
{
	FD_LOCAL fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
	if (fd < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		return BAD;
	return OK;
}

/* Debian 12's headers do not know of it. */
static enum result allow_port(int ruleset, uint16_t port)
{
	const struct {
		uint64_t access, port;
	} rule = {NET_CONNECT_TCP, port};
	return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == 0 ? OK : BAD;
}

static enum result allow_ports(int ruleset, const struct jail *j)
{
	enum result r = OK;
	for (size_t i = 0; i < j->n_ports && r == OK; i++)
		r = allow_port(ruleset, j->ports[i]);
	return r;
}

static enum result landlock(const struct jail *j)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		missing("landlock");
		return OK;
	}
	struct ruleset r = {.fs = FS_ABI1};
	r.fs |= (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) | (abi >= 5 ? FS_IOCTL_DEV : 0);
	if (abi >= 4)
		r.net = j->powers & JAIL_CONNECT ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	FD_LOCAL fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0)
		return BAD;
	if (j->powers & JAIL_FILES && allow_directory(fd, FILES_ALLOWED & r.fs, j->directory) != OK)
		return BAD;
	if (r.net & NET_CONNECT_TCP && j->powers & JAIL_DATABASE && allow_ports(fd, j) != OK)
		return BAD;
	return syscall(SYS_landlock_restrict_self, fd, 0) == 0 ? OK : BAD;
}

/* ---- seccomp ---- */

/* What any thread of any role does: memory, time, locks, descriptors it already has, channels between roles. */
static const int common_calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
    SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(fcntl),
    SCMP_SYS(dup), SCMP_SYS(ftruncate), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom),
    SCMP_SYS(sendto), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getpeername),
    SCMP_SYS(getsockname), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(select),
    SCMP_SYS(pselect6), SCMP_SYS(memfd_create), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(futex), SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall), SCMP_SYS(getpid),
    SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(getrandom), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getrusage), SCMP_SYS(sysinfo),
    SCMP_SYS(uname)};

static const int file_calls[] = {SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
    SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fallocate),
    SCMP_SYS(getdents64), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(statx),
    SCMP_SYS(getcwd), SCMP_SYS(flock), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(utimensat),
    SCMP_SYS(fadvise64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(preadv), SCMP_SYS(newfstatat)};

static const int accept_calls[] = {SCMP_SYS(accept4), SCMP_SYS(accept)};
static const int connect_calls[] = {
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(ioctl)};

static int allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++)
		bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return bad;
}

/* Calls that are allowed with certain arguments only. */
static int allow_some(scmp_filter_ctx f, unsigned powers)
{
	int bad = 0;
	const uint64_t thread = CLONE_VM | CLONE_THREAD;
	bad |= seccomp_rule_add(
	    f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
	/* clone3 hides its flags behind a pointer: glibc then falls back to clone. */
	bad |= seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	bad |=
	    seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	bad |= seccomp_rule_add(
	    f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA));
	bad |= seccomp_rule_add(
	    f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* prlimit64 reads limits (new limit NULL), it sets none. */
	bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0));
	if (!(powers & JAIL_FILES)) /* fstat() of newer libcs: no path, AT_EMPTY_PATH */
		bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
		    SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (powers & JAIL_CONNECT) {
		bad |=
		    seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET));
		bad |=
		    seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	}
	return bad;
}

/* Streams only, and of three kinds. */
static int allow_database(scmp_filter_ctx f)
{
	static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6};
	int bad = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
	for (size_t i = 0; i < COUNT(families); i++)
		bad |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		    SCMP_A0(SCMP_CMP_EQ, families[i]), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
	return bad;
}

static enum result seccomp(const struct jail *j)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!f)
		return BAD;
	int bad = allow(f, common_calls, COUNT(common_calls));
	if (j->powers & JAIL_FILES)
		bad |= allow(f, file_calls, COUNT(file_calls));
	if (j->powers & JAIL_ACCEPT)
		bad |= allow(f, accept_calls, COUNT(accept_calls));
	if (j->powers & JAIL_CONNECT)
		bad |= allow(f, connect_calls, COUNT(connect_calls));
	if (j->powers & JAIL_DATABASE)
		bad |= allow_database(f);
	bad |= allow_some(f, j->powers);
	bad |= seccomp_load(f);
	seccomp_release(f);
	return bad ? BAD : OK;
}

/* ---- user and limits ---- */

static enum result become(uint32_t uid)
{
	if (geteuid() != 0 || uid == 0) {
		EVENT(JAIL_MISSING, KZ("what", "own user id"),
		    KZ("why", uid ? "not started as root" : "its directory is out of reach"));
		return OK;
	}
	if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		return BAD;
	return setuid(0) == 0 ? BAD : OK;
}

static enum result limit(int resource, uint64_t value)
{
	struct rlimit now;
	if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
		return BAD;
	rlim_t v = MIN((rlim_t)value, now.rlim_max);
	struct rlimit r = {v, v};
	return setrlimit((__rlimit_resource_t)resource, &r) == 0 ? OK : BAD;
}

static enum result limits(const struct jail *j)
{
	if (limit(RLIMIT_CORE, 0) != OK)
		return BAD;
	if (j->descriptors && limit(RLIMIT_NOFILE, j->descriptors) != OK)
		return BAD;
	return j->memory ? limit(RLIMIT_AS, j->memory) : OK;
}

/* Filters and rules hold for the thread that asks for them and for those it starts later: no other may be there yet. */
static bool alone(void)
{
	struct stat st;
	return stat("/proc/self/task", &st) != 0 || st.st_nlink == 3;
}

enum result jail_enter(const struct jail *j)
{
	if (!alone())
		return BAD;
	if (limits(j) != OK || become(j->uid) != OK)
		return BAD;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return BAD;
	if (landlock(j) != OK)
		return BAD;
	return seccomp(j);
}
