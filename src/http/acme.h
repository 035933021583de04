/* acme: the answer to a certificate authority's question of the type http-01. Inside the room only. */
#ifndef HTTP_ACME_H
#define HTTP_ACME_H

#include "http.h"

#define HTTP_ACME_PATTERN "/.well-known/acme-challenge/{token}"
http_handler http_acme_challenge;
/* base64url, 1 to LIMIT_ACME_TOKEN octets. */
bool http_acme_is_token(struct slice s);
/* What stands in a Host field without its port; false when it is no name or address that could stand in a URL. */
bool http_acme_host(struct slice host, struct slice *out);

#endif
