/* packet: one datagram of a channel, with its descriptors. Inside the room only. */
#ifndef IPC_PACKET_H
#define IPC_PACKET_H

#include "ipc/ipc.h"

enum packet_flag { PACKET_MORE = 1, PACKET_NOTE = 2 };

struct packet_header {
	uint16_t ask; /* for a note: its bits */
	uint8_t result;
	uint8_t flags;
	uint32_t length; /* octets that follow */
};

/* The message types and powers of an ask; name is NULL when there is no such ask. */
struct ask_info {
	const char *name;
	const ProtobufCMessageDescriptor *ask, *answer;
	unsigned who; /* bits 1 << enum ipc_peer */
};
const struct ask_info *ask_info(unsigned ask);

/* Sends one packet. GONE, or LATER when it does not fit now and wait_ms passed. */
NODISCARD enum result packet_send(
    int fd, struct packet_header h, struct slice body, const struct ipc_fds *fds, int64_t wait_ms);
/* Packs and sends a message; msg NULL: an empty body. */
NODISCARD enum result packet_send_message(
    int fd, struct packet_header h, const void *msg, const struct ipc_fds *fds, int64_t wait_ms);
/*
 * Receives one packet into this thread's buffer (valid until the next receive of the thread). LATER when there is none
 * (dont_wait) or the socket's time passed; GONE at the end; BAD when malformed.
 */
NODISCARD enum result packet_receive(
    int fd, bool dont_wait, struct packet_header *h_out, struct slice *body_out, struct ipc_fds *fds_out);

#endif
