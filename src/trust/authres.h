/*
 * authres: the header field in which a server says what it checked, RFC 8601.
 *
 * Written by calls in a row: authres_begin, then for each method authres_method and its properties, authres_end. What
 * comes from outside is quoted or cut so that it cannot become another result. Read leniently, but never so that a
 * value turns into more than one.
 */
#ifndef TRUST_AUTHRES_H
#define TRUST_AUTHRES_H

#include "base/base.h"

#define AUTHRES_FIELD "Authentication-Results"

struct authres_writer {
	struct buf *out;
	unsigned methods;
};
void authres_begin(struct authres_writer *w, struct buf *out, const char *id);
/* `note` (may be NULL) becomes a comment. */
void authres_method(struct authres_writer *w, const char *method, const char *result, const char *note);
/* An empty value is left out. */
void authres_property(struct authres_writer *w, const char *type, const char *property, struct slice value);
/* An address: its domain alone when the local part needs quoting. */
void authres_address(struct authres_writer *w, const char *type, const char *property, struct slice local,
    struct slice domain);
void authres_end(struct authres_writer *w);

struct authres_prop {
	struct authres_prop *next;
	struct slice type, property, value;
};
struct authres_result {
	struct authres_result *next;
	struct slice method, result, reason;
	struct authres_prop *props;
};
struct authres {
	struct slice id;
	struct authres_result *results;
};
/* The field's value, folded or not. BAD when it breaks the grammar; what was read before is there. Linear time. */
NODISCARD enum result authres_parse(struct slice value, struct arena *a, struct authres *out);
/* The value of a property, empty when there is none. */
struct slice authres_get(const struct authres_result *r, struct slice type, struct slice property);

/*
 * Does this field speak in the name of `id` (any case; names below it count, as does what has no readable name)? Such a
 * one that came from outside is forged, RFC 8601 5.
 */
bool authres_claims(struct slice value, struct slice id);

#endif
