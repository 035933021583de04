/*
 * fixture: a small DNS from a text file, for tests, demos and offline tools.
 *
 * One record a line, `NAME TYPE RDATA...`; `NAME TIMEOUT`, `NAME SERVFAIL`, `NAME BOGUS` or `NAME NXDOMAIN` for a name that
 * answers so whatever is asked; `NAME TYPE TIMEOUT` (or another of them) for one type; `NAME SECURE`: what the name answers
 * counts as validated. Names without a line do not exist. Empty lines and lines that begin with # or ; are skipped. Names
 * are compared without case and without a final dot; they may hold blanks. CNAMEs are followed.
 *
 *     example.jp        MX    10 mx.example.jp        mx.example.jp  A     192.0.2.1
 *     example.jp        TXT   "v=spf1 " "mx -all"     example.jp     TXT   v=spf1 mx -all
 *     null.example      MX    0 .                     b.example      CNAME a.example
 *     _25._tcp.mx.example.jp  TLSA  3 1 1 0123abcd...
 *     _imaps._tcp.example.jp  SRV   0 1 993 imap.example.jp
 *     example.jp        SOA   ns.example.jp root.example.jp 1 3600 600 86400 300
 */
#ifndef RESOLVER_FIXTURE_H
#define RESOLVER_FIXTURE_H

#include "ipc/dns.h"

struct fixture;

/* BAD: `why` (may be NULL) gets "line 3: ...". The text need not outlive the call. */
NODISCARD enum result fixture_parse(struct slice text, struct fixture **out, struct buf *why);
void fixture_free(struct fixture *f);
/* The fixture as somewhere to ask; lives as long as the fixture. */
struct dns *fixture_dns(struct fixture *f);

#endif
