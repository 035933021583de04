/* scan's part of the DNS assistant: everything that reads what the DNS says. */
#include "role/scan.h"
#include "trust/assist.h"
#include "trust/dns_update.h"
#include "trust/lookalike.h"

#define CHECK_MS (45 * SECOND_MS)
#define HEADROOM 1024

static struct dns_trunk *resolver_of(const struct run *r, struct dns_trunk *t)
{
	dns_trunk_init(t, r->trunks[ROLE_RESOLVER]);
	return t;
}

void scan_assist(struct ipc_turn *t)
{
	const struct run *r = ipc_server_context(t);
	struct dns_trunk dns;
	BUF_LOCAL(packed, LIMIT_IPC_PACKET);
	Sekisho__AssistAnswer *answer = trust_assist(t->ask, &resolver_of(r, &dns)->dns, CHECK_MS, &t->arena);
	if (answer)
		ipc_pack(answer, &packed);
	if (answer && packed.n < LIMIT_IPC_PACKET - HEADROOM)
		ipc_answer(t, answer, NULL);
	else
		ipc_refuse(t, FULL, "the domain publishes too much");
}

void scan_lookalikes(struct ipc_turn *t)
{
	const struct run *r = ipc_server_context(t);
	struct dns_trunk dns;
	Sekisho__LookalikeAnswer *answer =
	    trust_lookalikes_look(t->ask, &resolver_of(r, &dns)->dns, CHECK_MS, &t->arena);
	if (answer)
		ipc_answer(t, answer, NULL);
	else
		ipc_refuse(t, FULL, "the names take too much room");
}

void scan_dns_update(struct ipc_turn *t)
{
	const struct run *r = ipc_server_context(t);
	const Sekisho__DnsUpdateAsk *ask = t->ask;
	struct ipc *c = ipc_thread(r->trunks[ROLE_RESOLVER]);
	Sekisho__DnsSendAsk send = SEKISHO__DNS_SEND_ASK__INIT;
	Sekisho__DnsSendAnswer *got;
	struct dns_update_answer read;
	send.message = ask->message;
	enum result done = c ? ipc_call(c, ASK_DNS_SEND, &send, NULL, &t->arena, &got, NULL) : LATER;
	if (done == OK)
		done = trust_dns_update_read(slice_of(got->message.data, got->message.len), (uint16_t)ask->id,
		    ask->key, slice_of(ask->mac.data, ask->mac.len), &t->arena, &read);
	if (done != OK) {
		ipc_refuse(t, LATER, "the name server gave no answer");
		return;
	}
	Sekisho__DnsUpdateAnswer answer = SEKISHO__DNS_UPDATE_ANSWER__INIT;
	answer.rcode = read.rcode;
	answer.tsig_error = read.tsig_error;
	answer.mac = (ProtobufCBinaryData){read.mac.n, (uint8_t *)(uintptr_t)read.mac.p};
	answer.input = (ProtobufCBinaryData){read.input.n, (uint8_t *)(uintptr_t)read.input.p};
	answer.signed_s = read.signed_s;
	ipc_answer(t, &answer, NULL);
}
