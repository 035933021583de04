#include "role/control.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

union room {
	struct cmsghdr align;
	char octets[CMSG_SPACE(sizeof(int))];
};

enum result control_send(int channel, const struct control *c, int fd)
{
	union room room = {0};
	struct iovec io = {(void *)(uintptr_t)c, sizeof *c};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
	if (fd >= 0) {
		m.msg_control = room.octets;
		m.msg_controllen = sizeof room.octets;
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(h), &fd, sizeof fd);
	}
	ssize_t n;
	do
		n = sendmsg(channel, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof *c ? OK : GONE;
}

enum result control_receive(int channel, struct control *c_out, int *fd_out)
{
	union room room = {0};
	struct iovec io = {c_out, sizeof *c_out};
	struct msghdr m = {.msg_iov = &io,
	    .msg_iovlen = 1,
	    .msg_control = room.octets,
	    .msg_controllen = sizeof room.octets};
	ssize_t n;
	do
		n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*fd_out = -1;
	if (n <= 0)
		return GONE;
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(fd_out, CMSG_DATA(h), sizeof *fd_out);
	if (n == (ssize_t)sizeof *c_out && memchr(c_out->name, 0, sizeof c_out->name))
		return OK;
	fd_close(fd_out);
	return BAD;
}
