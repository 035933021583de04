/* sms: what a gateway for short messages is told. Pure. */
#ifndef RELAY_SMS_H
#define RELAY_SMS_H

#include "base/base.h"

enum sms_escape {
	SMS_PLAIN, /* a header's value: control characters go */
	SMS_JSON,  /* inside a string, RFC 8259 */
	SMS_FORM,  /* application/x-www-form-urlencoded */
};

struct sms_words {
	struct slice to, text, secret;
};
/* The template with {to}, {text} and {secret} filled in; other braces stay. */
void sms_fill(struct slice template, enum sms_escape how, const struct sms_words *w, struct buf *out);

#endif
