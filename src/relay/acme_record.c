/*
 * The TXT records of dns-01 by dynamic update (RFC 2136): relay says which, keys signs, resolver sends to the one name server
 * that is configured.
 */
#include "relay/acme_inner.h"
#include "trust/dns_update.h"

static enum result make_mac(void *context, struct slice input, uint8_t out[DNS_MAC])
{
	struct acme_run *r = context;
	ARENA_LOCAL(a, 65536);
	Sekisho__TsigAsk ask = SEKISHO__TSIG_ASK__INIT;
	Sekisho__TsigAnswer *answer;
	ask.input = (ProtobufCBinaryData){input.n, (uint8_t *)(uintptr_t)input.p};
	enum result done = ipc_call(r->keys, ASK_KEYS_TSIG, &ask, NULL, &a, &answer, NULL);
	if (done != OK || answer->mac.len != DNS_MAC)
		return done != OK ? done : LATER;
	memcpy(out, answer->mac.data, DNS_MAC);
	return OK;
}

static enum result send_message(void *context, struct slice message, uint16_t id, struct slice mac,
    struct arena *a, struct dns_update_answer *out)
{
	const struct acme_run *r = context;
	struct ipc *c = ipc_thread(r->settings->resolver);
	Sekisho__DnsSendAsk ask = SEKISHO__DNS_SEND_ASK__INIT;
	Sekisho__DnsSendAnswer *got;
	ask.message = (ProtobufCBinaryData){message.n, (uint8_t *)(uintptr_t)message.p};
	enum result done = c ? ipc_call(c, ASK_DNS_SEND, &ask, NULL, a, &got, NULL) : LATER;
	if (done != OK)
		return LATER;
	return trust_dns_update_read(
	    slice_of(got->message.data, got->message.len), id, r->settings->update_key, mac, a, out);
}

/* Where a CNAME puts the record, as for a zone that is kept for such records alone. */
static const char *place_of(struct acme_run *r, const char *name, struct arena *a)
{
	struct dns_answer answer;
	dns_ask(r->settings->dns, slice_str(name), DNS_TXT, a, &answer);
	return answer.canonical && *answer.canonical ? answer.canonical : name;
}

enum result relay_acme_record(struct acme_run *r, const char *name, const char *value, bool remove)
{
	ARENA_LOCAL(a, 1 << 20);
	struct dns_update_door door = {r->settings->update_key, make_mac, send_message, r};
	const char *why = "", *place = place_of(r, name, &a);
	const char *zone = trust_dns_zone(r->settings->dns, slice_str(place), &a, NULL);
	if (!zone)
		return relay_acme_fail(r, LATER, "the zone of %s is not known", place);
	enum result done = trust_dns_update_txt(&door, zone, place, slice_str(value), remove, &a, &why);
	if (done == OK)
		return OK;
	EVENT(DNS_UPDATE_FAILED, KZ("zone", zone), KZ("why", why));
	return relay_acme_fail(r, LATER, "the name server does not take the record %s: %s", place, why);
}
