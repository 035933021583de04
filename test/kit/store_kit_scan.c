/* What the role scan has around its Sieve runner, without the role: the store's tests run real filters. */
#include "role/scan.h"

/* In store_kit.c, which cannot know the role: both have a struct run. */
void store_kit_seal(struct slice packed, unsigned char out[32]);

void scan_seal(const struct run *r, struct slice packed, unsigned char out[32])
{
	store_kit_seal(packed, out);
}

void scan_hand_take(void)
{
}

void scan_hand_give(void)
{
}

bool scan_map_message(struct ipc_turn *t, struct slice *message)
{
	if (t->fds.n >= 1 && fd_map_sealed(t->fds.fd[0], UINT32_MAX, message) == OK)
		return true;
	ipc_refuse(t, BAD, "no sealed message");
	return false;
}
