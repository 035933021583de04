/* facts_part: turns one part of the tree, and all below it, into its protobuf. Internal to the room. */
#ifndef MAIL_FACTS_PART_H
#define MAIL_FACTS_PART_H

#include "facts.h"

/* NUL-terminated, well-formed UTF-8 without NUL; the shared empty string for an empty one. */
char *facts_string(struct arena *a, struct slice s);
/* Points at the octets. */
static inline ProtobufCBinaryData facts_bytes(struct slice s)
{
	return (ProtobufCBinaryData){.len = s.n, .data = s.n ? (uint8_t *)(uintptr_t)s.p : NULL};
}
/* Decoded header text of a raw value. */
struct slice facts_words(struct arena *a, struct slice raw, mail_defects *d);
/* NULL when the arena is full. Defects found on the way are added to *d. */
Sekisho__Part *facts_part(const struct mail_part *part, struct arena *a, mail_defects *d);

#endif
