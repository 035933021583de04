/* signin: what signing in and the handling of secrets share. Inside the room only. */
#ifndef HTTP_SIGNIN_H
#define HTTP_SIGNIN_H

#include "api.h"
#include "ipc/grant.h"

Sekisho__Client api_client(const struct http_request *q);
/* Asks over this thread's channel, once more when it proves dead. *why_out is never NULL. */
NODISCARD enum result api_ask_role(struct ipc_trunk *role, enum ipc_ask kind, const void *ask,
    struct arena *a, void *answer_out, const char **why_out);
/* A grant at the store: the session with its cookie, or the refusal. */
void api_open_session(
    struct http_request *q, struct http_response *p, struct slice grant, struct slice login);

/* RFC 3986: what is not unreserved is written as its octets. */
void api_put_escaped(struct buf *b, struct slice s); /* secrets.c */

api_special api_oauth_authorize; /* oauth.c */
api_special api_own_password, api_others_password, api_totp_begin, api_totp_confirm, api_recovery,
    api_app_add, api_factor, api_passkey_begin, api_passkey_add, api_code_confirm; /* secrets.c */
/* What a browser needs to show a passkey in the session of this cookie; NULL: p is the refusal. */
json_t *api_passkey_options(
    struct http_request *q, struct http_response *p, struct slice cookie, struct arena *a);

#endif
