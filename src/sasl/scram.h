/* scram: the messages of RFC 5802 taken apart. Pure; views into the message. Internal to the room. */
#ifndef SASL_SCRAM_H
#define SASL_SCRAM_H

#include "base/base.h"

/* client-first-message: gs2-header client-first-message-bare */
struct scram_first {
	struct slice gs2;     /* with its last comma */
	char flag;            /* 'n', 'y' or 'p' */
	struct slice binding; /* after "p=" */
	struct slice authzid; /* decoded, in the arena; empty: none */
	struct slice bare;
	struct slice user; /* decoded, in the arena */
	struct slice nonce;
};
NODISCARD enum result scram_first_parse(struct slice s, struct arena *a, struct scram_first *out);

/* client-final-message */
struct scram_final {
	struct slice binding; /* base64, after "c=" */
	struct slice nonce;
	struct slice without_proof;
	struct slice proof; /* base64 */
};
NODISCARD enum result scram_final_parse(struct slice s, struct scram_final *out);

#endif
