/* webauthn: whatever a browser says of a passkey is taken apart without harm, and keys' comparisons read no further. */
#include "http/webauthn.h"
#include "keys/passkey.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_json(struct slice in, struct arena *a)
{
	json_t *v = json_loadb(in.p, in.n, JSON_REJECT_DUPLICATES, NULL);
	Sekisho__Passkey p = SEKISHO__PASSKEY__INIT;
	BUF_LOCAL(challenge, 4096);
	if (webauthn_registration(v, a, &p) == OK)
		assert(p.id.len && p.authenticator.len);
	if (webauthn_assertion(v, a, &p) == OK)
		result_ignore(webauthn_challenge(&p, &challenge));
	json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	struct slice in = slice_of(data, n), host = SLICE("mail.example.jp");
	Sekisho__Passkey made = SEKISHO__PASSKEY__INIT;
	struct passkey p;
	uint32_t counter;
	BUF_LOCAL(again, 65536);
	if (n && data[0] == '{')
		try_json(in, &a);
	if (webauthn_attested(in, &a, &made) == OK) {
		p = (struct passkey){made.algorithm, slice_of(made.id.data, made.id.len),
		    slice_of(made.key.data, made.key.len)};
		result_ignore(passkey_check(&p));
		passkey_put(&p, &again);
		struct passkey read;
		assert(passkey_read(buf_slice(&again), &read) == OK && slice_eq(read.id, p.id) &&
		       slice_eq(read.key, p.key));
	}
	result_ignore(passkey_read(in, &p));
	result_ignore(passkey_client(in, "webauthn.get", SLICE("challenge"), host));
	assert(passkey_authenticator(in, host, &counter) != OK || n >= 37);
	return 0;
}
