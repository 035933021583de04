/*
 * judge: what becomes of mail from elsewhere, by what scan found out about who sent it (ipc/trust.proto).
 *
 * In this order: several From fields are refused. What the author's domain asks for (DMARC), and mail in our own name that
 * proves nothing, are followed as the configuration says, unless the administrator's list names the sender, or a forwarder
 * whom it trusts (ARC) says that the author was proven. An answer of the DNS that is missing never refuses. The strictest of
 * what remains counts. What the policy of a domain made of a message is counted, for reports to that domain.
 *
 *     judge.c          the rules            judge_trust.c    believing what scan sealed; the trace
 *     judge_count.c    counting for reports      admin_trust.c    the administrator's list
 */
#ifndef STORE_QUEUE_JUDGE_H
#define STORE_QUEUE_JUDGE_H

#include "store/queue/trace.h"

enum override_kind { OVERRIDE_DOMAIN = 1, OVERRIDE_ADDRESS = 2, OVERRIDE_NETWORK = 3 };

/*
 * What is known of whom a message would be answered to, its MAIL FROM. Automatic mail goes to nobody who might be a
 * victim of it (RFC 3834 5, RFC 5429 2.1): a refusal in a message of its own goes to OURS and PROVEN only, an automatic
 * reply not to FALSE.
 */
enum mail_origin {
	ORIGIN_UNKNOWN, /* nothing stands for it */
	ORIGIN_OURS,    /* an account of ours sent it, or it was made here */
	ORIGIN_PROVEN,  /* SPF or a signature stands for the domain of MAIL FROM */
	ORIGIN_FALSE,   /* SPF says no, or the author's domain does (DMARC) */
};

struct judgement {
	enum mail_origin origin;
	enum store_judge action;
	const char *rule;  /* "dmarc", "own-domain", "from-fields"; "": nothing speaks against it */
	const char *why;   /* in words */
	const char *spare; /* "override", "arc", "option": why it is milder than asked for; "": it is not */
	const char *spare_why;
	const char *reply;   /* of a refusal, with its status code in front */
	struct slice proven; /* the author's domain, when it stands behind the message; else empty */
};

/* Who hands it in, and for whom. */
struct judge_ask {
	const Sekisho__Trust *trust;
	struct slice ip, local, domain; /* of the client; of MAIL FROM */
};

/* Everything lives in the arena. LATER: the database cannot be asked. */
NODISCARD enum result judge(
    struct store *s, struct db *db, const struct judge_ask *ask, struct arena *a, struct judgement *out);

/* Unpacks what scan sealed about the message with this digest. BAD: it did not. */
NODISCARD enum result judge_take(struct store *s, struct arena *a, ProtobufCBinaryData packed,
    ProtobufCBinaryData seal, struct slice digest, const Sekisho__Trust **out);
/* Says in the trace what was found, and what is made of it. */
void judge_trace(struct trace *t, const Sekisho__Trust *trust, const struct judgement *j);
/* ... and in the log, when it is not simply accepted. */
void judge_tell(struct slice mail, const Sekisho__Trust *trust, const struct judgement *j);

/* One more of its kind on this day; day 0: nothing to count. */
struct judge_count {
	int64_t day, token, about; /* about: a token of the domain whose policy counted */
	struct slice sealed;
};
void judge_count_make(struct store *s, const struct judge_ask *ask, const struct judgement *j,
    struct arena *a, struct judge_count *out);
void judge_count_apply(struct db *db, const struct judge_count *c);
/* Opens a row for whoever reports it. */
NODISCARD enum result judge_count_open(
    struct store *s, int64_t day, struct slice sealed, struct arena *a, Sekisho__DmarcCount **out);
/* Forgets what is older than traces are kept. The keeper's. */
void judge_forget(struct store *s);

/* "192.0.2.0/24", "2001:db8::/32", or an address: the network as it is kept; empty when it is none. */
struct slice judge_network(struct slice text, struct arena *a);

#endif
