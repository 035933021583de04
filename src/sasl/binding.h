/* binding: what ties a login to this one TLS connection. Internal to the room. */
#ifndef SASL_BINDING_H
#define SASL_BINDING_H

#include "base/base.h"

/* There is TLS, and a name for this connection that both ends can work out. */
bool sasl_can_bind(const struct stream *stream);
/* Adds the channel's binding data: "tls-exporter" (RFC 9266) or "tls-server-end-point" (RFC 5929 4). BAD: no such thing. */
NODISCARD enum result sasl_binding(const struct stream *stream, struct slice type, struct buf *out);

#endif
