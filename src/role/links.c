#include "role/links.h"
#include "role/jail.h"

const struct link links[] = {
#define X(id, name, powers)
#define L(from, to, peer) {ROLE_##from, ROLE_##to, peer},
#include "role/roles.def"
#undef X
#undef L
};
const size_t link_count = COUNT(links);

const unsigned role_powers[ROLE_COUNT] = {
#define X(id, name, powers) powers,
#define L(from, to, peer)
#include "role/roles.def"
#undef X
#undef L
};

const char *role_name(enum role r)
{
	static const char *const names[] = {
#define X(id, name, powers) name,
#define L(from, to, peer)
#include "role/roles.def"
#undef X
#undef L
	};
	return (unsigned)r < ROLE_COUNT ? names[r] : "?";
}

enum result link_pair(int fds[2])
{
	return ipc_pair(fds);
}
