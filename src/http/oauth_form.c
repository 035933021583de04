/* What is read of requests, and written into addresses. Pure. */
#include "oauth.h"
#include "parse.h"
#include "signin.h"
#include "webauthn.h"
#include <openssl/sha.h>

static bool value_ok(struct slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f)
			return false;
	return value.n <= LIMIT_OAUTH_TEXT && slice_is_utf8(value);
}

static struct slice *place_of(struct http_oauth *p, struct slice name)
{
	const struct {
		const char *name;
		struct slice *place;
	} all[] = {
#define X(name) {#name, &p->name},
#include "oauth_params.def"
#undef X
	};
	for (size_t i = 0; i < COUNT(all); i++)
		if (slice_eq(name, slice_str(all[i].name)))
			return all[i].place;
	return NULL;
}

enum result http_oauth_read(struct slice text, struct arena *a, struct http_oauth *out)
{
	struct http_query it = {text, a};
	struct slice name, value;
	*out = (struct http_oauth){0};
	while (http_query_next(&it, &name, &value)) {
		struct slice *place = place_of(out, name);
		if (!place)
			continue;
		if (place->p || !value_ok(value))
			return BAD;
		*place = slice_str(arena_z(a, value));
		if (!place->p)
			return BAD;
	}
	return OK;
}

/* RFC 7636 4.1. */
static bool verifier_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr("-._~", s.p[i]))
			return false;
	return s.n >= 43 && s.n <= 128;
}

enum result http_oauth_challenge(struct slice verifier, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	if (!verifier_ok(verifier))
		return BAD;
	SHA256((const unsigned char *)verifier.p, verifier.n, digest);
	webauthn_base64url(out, slice_of(digest, sizeof digest));
	return buf_result(out);
}

bool http_oauth_challenge_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n == 43;
}

enum result http_oauth_basic(
    struct slice authorization, struct arena *a, struct slice *id_out, struct slice *secret_out)
{
	BUF_LOCAL(plain, LIMIT_OAUTH_REQUEST);
	struct slice scheme = slice_split(&authorization, ' ');
	if (!slice_ieq(scheme, SLICE("Basic")) ||
	    base64_decode(slice_trim_blank(authorization), &plain) != OK ||
	    slice_find(buf_slice(&plain), ':') < 0)
		return BAD;
	struct slice secret = arena_dup(a, buf_slice(&plain));
	struct slice id = http_decode(slice_split(&secret, ':'), true, a);
	secret = http_decode(secret, true, a);
	if (!id.n || !value_ok(id) || !value_ok(secret))
		return BAD;
	*id_out = slice_str(arena_z(a, id));
	*secret_out = secret;
	return OK;
}

void http_oauth_put_param(struct buf *uri, const char *name, struct slice value)
{
	buf_printf(uri, "%s%s=", slice_find(buf_slice(uri), '?') < 0 ? "?" : "&", name);
	api_put_escaped(uri, value);
}
