/* grant: octets nobody sealed never open, and what was sealed opens as it was; warrants likewise. */
#include "ipc/grant.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_warrant(struct slice key, struct slice in)
{
	struct ipc_warrant w, made = {.act = WARRANT_APP_ADD, .account = in.n, .session = 1, .text = in};
	BUF_LOCAL(b, WARRANT_MOST);
	assert(ipc_warrant_verify(key, in, false, 0, &w) != OK &&
	       ipc_warrant_verify(key, in, true, 0, &w) != OK);
	if (ipc_warrant_seal(key, &made, true, &b) != OK)
		return;
	assert(ipc_warrant_verify(key, buf_slice(&b), false, 0, &w) != OK);
	assert(ipc_warrant_verify(key, buf_slice(&b), true, 0, &w) == OK);
	assert(w.act == made.act && w.account == in.n && slice_eq(w.text, in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char key_octets[GRANT_KEY];
	struct slice key = slice_of(key_octets, GRANT_KEY);
	struct slice in = slice_of(data, n);
	struct ipc_grant g;
	assert(ipc_grant_verify(key, in, 0, &g) != OK);
	try_warrant(key, in);
	if (n == 0)
		return 0;
	struct ipc_grant made = {
	    .account = n, .login = slice_sub(in, 1, n), .service = slice_sub(in, 0, data[0])};
	BUF_LOCAL(b, GRANT_MOST);
	if (ipc_grant_seal(key, &made, &b) != OK)
		return 0;
	assert(ipc_grant_verify(key, buf_slice(&b), 0, &g) == OK);
	assert(g.account == n && slice_eq(g.login, made.login) && slice_eq(g.service, made.service));
	return 0;
}
