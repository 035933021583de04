/*
 * iprev: does the client's address have a name that leads back to it? RFC 8601 2.7.3. It adds to a verdict and decides
 * nothing.
 */
#ifndef TRUST_IPREV_H
#define TRUST_IPREV_H

#include "ipc/dns.h"

enum iprev_result { IPREV_FAIL, IPREV_PASS, IPREV_TEMPERROR, IPREV_PERMERROR };
const char *iprev_result_name(enum iprev_result r); /* PERMERROR: the address has no name */

/* *name_out: the name that leads back, else the first one; NULL: none. The first 10 names are looked at. */
enum iprev_result iprev_check(
    const struct dns_ip *ip, struct dns *dns, struct arena *a, const char **name_out);

#endif
