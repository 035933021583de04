/*
 * webauthn: what a browser hands over of a passkey (PublicKeyCredential as JSON, W3C Web Authentication), taken apart for
 * keys, which verifies it (keys/passkey.h). Nothing is believed here. Pure.
 */
#ifndef HTTP_WEBAUTHN_H
#define HTTP_WEBAUTHN_H

#include "ipc/ipc.h"
#include <jansson.h>

/* A new one. BAD: not one, or of a kind that is not taken. What is found lives in the arena. */
NODISCARD enum result webauthn_registration(const json_t *credential, struct arena *a, Sekisho__Passkey *out);
/* A signature of one. */
NODISCARD enum result webauthn_assertion(const json_t *credential, struct arena *a, Sekisho__Passkey *out);
/* The challenge that the client's data repeat. */
NODISCARD enum result webauthn_challenge(const Sekisho__Passkey *p, struct buf *out);
/* RFC 4648, section 5, without padding. */
void webauthn_base64url(struct buf *out, struct slice s);

/* An attestation object's authenticator data: id and key of the new credential. */
NODISCARD enum result webauthn_attested(struct slice object, struct arena *a, Sekisho__Passkey *out);

#endif
