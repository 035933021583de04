/* What programs and mail clients send of tokens: OAUTHBEARER and XOAUTH2, forms and queries, client ids, redirect addresses. */
#include "http/oauth.h"
#include "sasl/bearer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void inside(struct slice part, struct slice all)
{
	if (!part.n || part.p < all.p || part.p + part.n > all.p + all.n)
		abort();
}

static void check_form(struct slice text, struct arena *a)
{
	struct http_oauth in;
	BUF_LOCAL(uri, 65536);
	if (http_oauth_read(text, a, &in) != OK)
		return;
	if (in.state.n > LIMIT_OAUTH_TEXT || !slice_is_utf8(in.state) || slice_find(in.state, '\n') >= 0)
		abort();
	buf_puts(&uri, "https://a.example/b");
	http_oauth_put_param(&uri, "state", in.state);
	struct slice sent = slice_sub(buf_slice(&uri), sizeof "https://a.example/b", uri.n);
	for (size_t i = 0; i < sent.n; i++)
		if (sent.p[i] <= ' ' || sent.p[i] > '~' || sent.p[i] == '&' || sent.p[i] == '#')
			abort();
	/* What goes out comes back as it was. */
	struct http_oauth again;
	if (http_oauth_read(sent, a, &again) != OK || !slice_eq(again.state, in.state))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct slice message = slice_of(data, n), id, secret;
	struct bearer b;
	BUF_LOCAL(challenge, 64);
	if (n > LIMIT_OAUTH_REQUEST)
		return 0;
	if (bearer_parse(message, &a, &b) == OK)
		inside(b.token, message);
	if (bearer_parse_xoauth2(message, &a, &b) == OK) {
		inside(b.token, message);
		if (!b.login.n)
			abort();
	}
	if (http_oauth_challenge(message, &challenge) == OK &&
	    !http_oauth_challenge_ok(buf_slice(&challenge)))
		abort();
	if (http_oauth_basic(message, &a, &id, &secret) == OK && (!id.n || !slice_is_utf8(id)))
		abort();
	check_form(message, &a);
	return 0;
}
