/* send: one DNS message to a configured server over TCP (RFC 7766), in a thread of its own. Internal to the room. */
#ifndef RESOLVER_SEND_H
#define RESOLVER_SEND_H

#include "resolver/resolver.h"

struct sender {
	struct dns_ip ip;
	uint16_t port; /* 0: no server is configured */
	_Atomic unsigned busy;
};

/* BAD: `address` is no address. An empty one: nothing is sent. */
NODISCARD enum result sender_init(struct sender *s, const char *address, uint16_t port);
/* Answers DNS_SEND, now or later. */
void sender_ask(struct sender *s, struct ipc_turn *t);

#endif
