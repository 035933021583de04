/* rdata: record data from text to wire form. Internal to the room. */
#ifndef RESOLVER_RDATA_H
#define RESOLVER_RDATA_H

#include "ipc/dns.h"

/* BAD with a constant text in *why_out. */
NODISCARD enum result rdata_put(unsigned type, struct slice text, struct buf *out, const char **why_out);

#endif
