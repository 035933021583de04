/*
 * syslog: the audit on its way to a log server, over TLS (RFC 5424, RFC 5425).
 *
 * Rows are taken from store in order, a batch at a time, and store is told how far the log server has come only
 * when its kernel has acknowledged every octet and the connection still stands. What was lost with a connection is
 * sent again over the next one: nothing is left out, and a row that comes twice has the same sequenceId. While the
 * server cannot be reached everything waits in the audit itself.
 */
#ifndef RELAY_SYSLOG_H
#define RELAY_SYSLOG_H

#include "ipc/dns.h"
#include "ipc/ipc.h"
#include <openssl/ssl.h>

#define SYSLOG_PORT 6514

struct syslog_settings {
	struct ipc_trunk *store;
	struct dns *dns;
	const char *hostname; /* ours */
	const char *host;     /* a name or an address, which its certificate must be for */
	uint16_t port;
	SSL_CTX *verified;
};

/* Starts the one thread that does all of it. The settings must stay. */
void relay_syslog_start(const struct syslog_settings *settings);

/* One row as a frame (RFC 5425 section 4.3): octet count, blank, message. */
void syslog_put(struct buf *out, const char *hostname, const Sekisho__AuditLine *line);

#endif
