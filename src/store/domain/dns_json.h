/* dns_json: what the assistant found, as the administrator's verbs and the command show it. */
#ifndef STORE_DOMAIN_DNS_JSON_H
#define STORE_DOMAIN_DNS_JSON_H

#include "ipc/ipc.h"
#include <jansson.h>

/*
 * {"domain", "state", "checked_at_ms", "zone", "dnssec", "records": [..], "findings": [..], "subjects":
 * {subject: state}, "requirements": what large providers ask of senders}
 */
json_t *dns_report_json(const char *domain, int64_t checked_ms, const Sekisho__AssistAnswer *answer);
/* {"name", "shown", "kind", "state": "none", "unknown", "registered", "address", "mail"; "seen"} */
json_t *lookalike_json(const Sekisho__LookalikeSeen *s);
/* "ok", "hint", "unknown", "warning", "missing", "wrong" */
const char *dns_state_name(Sekisho__AssistState s);

#endif
