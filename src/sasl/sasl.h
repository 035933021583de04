/*
 * sasl: how a client proves who it is (RFC 4422), the same for SMTP, IMAP and POP3. The one door of the room.
 *
 * PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; channel binding tls-exporter,
 * RFC 9266, and tls-server-end-point, RFC 5929), OAUTHBEARER (RFC 7628) and XOAUTH2 (bearer.h). Messages are taken apart here
 * and the channel binding is checked here; passwords and proofs are judged by keys, tokens by store, which gives a grant; store
 * turns the grant into a channel that is bound to the account. No secret is kept longer than the call.
 *
 *     struct sasl s = {.keys = .., .store = .., .stream = .., .client = .., .arena = .., .ask = ask_line, .session = me};
 *     r = sasl_authenticate(&s, mechanism, initial);         AUTH, AUTHENTICATE
 *     r = sasl_password(&s, "LOGIN", login, password);       IMAP LOGIN, POP3 PASS
 *     r = sasl_open(&s, &channel, &answer);                  then, the session's own channel to store
 *
 * Results of all of them:
 *
 *   OK     done
 *   BAD    the client broke the grammar, or gave up with "*"              501   BAD        -ERR
 *   DENY   not this client: wrong password, unbound channel, suspended    535   NO [AUTHENTICATIONFAILED]
 *   LATER  keys or store is down                                          454   NO [UNAVAILABLE]
 *   FULL   sasl_open: too many sessions of the account                    454   NO [LIMIT]
 *   other  from ask(): the conversation itself failed
 *
 * Whoever calls counts DENY and BAD, and ends the session above its limit. The protocol must have seen to it that the
 * stream is encrypted. AUTH_OK and AUTH_FAILED are emitted here, and what fails is told to store for the sign-in log
 * (a client that gives up or breaks the grammar before it named a login has tried nothing).
 */
#ifndef SASL_H
#define SASL_H

#include "ipc/ipc.h"

struct sasl {
	/* From the caller. The trunks may lead to roles that are down. */
	struct ipc_trunk *keys, *store;
	const struct stream *stream;          /* for channel binding */
	const struct Sekisho__Client *client; /* its service and ip are also what the events show */
	struct arena *arena;                  /* grant, user and answers live in it; 256 KiB will do */
	/*
	 * Sends a challenge (base64; may be empty) in the protocol's form and reads the client's line, without its
	 * CRLF. The slice lives until the next call.
	 */
	enum result (*ask)(struct sasl *s, struct slice challenge, struct slice *response_out);
	void *session;       /* for ask() */
	const char *issuer;  /* of tokens, https://...; NULL: none are taken */
	bool binding_unsaid; /* sasl_unbound was announced: a client's "y" is no sign of an attack */
	/* Found out. */
	const char *mechanism; /* as announced */
	struct slice user;     /* as typed; after OK as the account spells it */
	struct slice grant;    /* for sasl_open, good for 30 s (ipc/grant.h) */
};

/*
 * "PLAIN LOGIN SCRAM-SHA-256", SCRAM-SHA-256-PLUS where the stream can be bound to, OAUTHBEARER and XOAUTH2 where there is an
 * issuer of tokens.
 */
const char *sasl_mechanisms(const struct stream *stream, const char *issuer);
/* What submission announces: decision 0013. SCRAM-SHA-256-PLUS can be used all the same. */
const char *sasl_unbound(const char *issuer);
bool sasl_known(struct slice mechanism, const struct stream *stream, const char *issuer);

/*
 * One exchange. `initial` is the initial response in base64, "=" for an empty one; initial.p is NULL when there was
 * none. BAD for an unknown mechanism too (ask sasl_known first where the protocol tells them apart).
 */
NODISCARD enum result sasl_authenticate(struct sasl *s, struct slice mechanism, struct slice initial);
/* A login and password that came by a command of the protocol. */
NODISCARD enum result sasl_password(
    struct sasl *s, const char *mechanism, struct slice login, struct slice password);
/* After one of these was OK: the session's channel to store, which the caller closes. */
NODISCARD enum result sasl_open(struct sasl *s, struct ipc *channel_out, Sekisho__LoginAnswer **answer_out);

#endif
