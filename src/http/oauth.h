/*
 * oauth: the provider's side of OAuth 2.0 and OpenID Connect as programs see it. Store decides
 * (store/account/oauth.h), keys sign.
 *
 *   /.well-known/openid-configuration, /.well-known/oauth-authorization-server   what there is (RFC 8414)
 *   /oauth/authorize   the console's page, where a person signs in with all factors and consents; what is wrong
 *                      with a request is said before, to the person or to the program. The answer is made by
 *                      POST /api/v1/me/oauth/authorize.
 *   /oauth/token, /oauth/revoke, /oauth/userinfo, /oauth/jwks
 *
 * Only codes are given at /oauth/authorize, and only with PKCE (RFC 7636, S256). Inside the room only.
 */
#ifndef HTTP_OAUTH_H
#define HTTP_OAUTH_H

#include "http.h"

struct http_oauth {
#define X(name) struct slice name;
#include "oauth_params.def"
#undef X
};
/*
 * From a query or a form; decoded, in the arena; p is NULL where there was none. BAD: one came twice, or holds what no such
 * text holds (controls, more than LIMIT_OAUTH_TEXT octets, no UTF-8). Pure.
 */
NODISCARD enum result http_oauth_read(struct slice text, struct arena *a, struct http_oauth *out);
/* The challenge of a verifier (RFC 7636 4.2). BAD: it is none. */
NODISCARD enum result http_oauth_challenge(struct slice verifier, struct buf *out);
bool http_oauth_challenge_ok(struct slice challenge);
/* Client id and secret of an Authorization field (RFC 6749 2.3.1), in the arena. BAD: not that. */
NODISCARD enum result http_oauth_basic(
    struct slice authorization, struct arena *a, struct slice *id_out, struct slice *secret_out);
/* "name=value" behind what is there of an address. */
void http_oauth_put_param(struct buf *uri, const char *name, struct slice value);

http_handler http_oauth_get_metadata, http_oauth_authorize, http_oauth_token, http_oauth_revoke,
    http_oauth_userinfo, http_oauth_jwks;

#define OAUTH_ROUTES                                                                                         \
	{HTTP_IS(GET), "/.well-known/openid-configuration", http_oauth_get_metadata, 0, 0},                  \
	    {HTTP_IS(GET), "/.well-known/oauth-authorization-server", http_oauth_get_metadata, 0, 0},        \
	    {HTTP_IS(GET) | HTTP_IS(POST), "/oauth/authorize", http_oauth_authorize, 0,                      \
		LIMIT_OAUTH_REQUEST},                                                                        \
	    {HTTP_IS(POST), "/oauth/token", http_oauth_token, 0, LIMIT_OAUTH_REQUEST},                       \
	    {HTTP_IS(POST), "/oauth/revoke", http_oauth_revoke, 0, LIMIT_OAUTH_REQUEST},                     \
	    {HTTP_IS(GET) | HTTP_IS(POST), "/oauth/userinfo", http_oauth_userinfo, 0, LIMIT_OAUTH_REQUEST},  \
	{                                                                                                    \
		HTTP_IS(GET), "/oauth/jwks", http_oauth_jwks, 0, 0                                           \
	}

#endif
