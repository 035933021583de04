/*
 * tags: tag lists, RFC 6376 3.2: "a=b; c=d". DKIM, ARC and DMARC say everything in them.
 *
 * Strict, as two readers must not see two different lists: a tag stands once, no empty tag but behind a last semicolon.
 * UTF-8 may stand in values (RFC 8616). Slices point into the input.
 */
#ifndef TRUST_TAGS_H
#define TRUST_TAGS_H

#include "base/base.h"

struct tag {
	struct slice name;
	struct slice value; /* without white space around it */
	struct slice raw;   /* everything between the "=" and the ";" */
};

struct tags {
	size_t n;
	struct tag tag[LIMIT_TAGS];
};

/* BAD: no tag list. FULL: above LIMIT_TAGS. */
NODISCARD enum result tags_parse(struct slice text, struct tags *out);
/* Names are compared with their case. NULL: there is none of that name. */
const struct tag *tags_find(const struct tags *t, const char *name);
/* Its value; empty when there is no such tag. */
struct slice tags_value(const struct tags *t, const char *name);

/*
 * Cuts the next element of a colon-separated list, without white space around it; false at the end. An empty list has one
 * empty element.
 */
struct tag_list {
	struct slice rest;
	bool ended;
};
bool tag_list_next(struct tag_list *l, struct slice *out);
/* Whether a colon-separated list has this element, ASCII case aside. */
bool tag_list_has(struct slice list, struct slice element);

/* Base64 with white space anywhere in it (RFC 6376 2.10). BAD otherwise. */
NODISCARD enum result tag_base64(struct slice value, struct buf *out);
/* The value without any white space, at most `most` octets of it, in the arena. */
struct slice tag_squeezed(struct slice value, size_t most, struct arena *a);

#endif
