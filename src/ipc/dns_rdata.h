/* dns_rdata: record data from text, as in a zone file, to wire form. */
#ifndef IPC_DNS_RDATA_H
#define IPC_DNS_RDATA_H

#include "ipc/dns.h"

/* BAD with a constant text in *why_out. */
NODISCARD enum result dns_rdata_put(unsigned type, struct slice text, struct buf *out, const char **why_out);

#endif
