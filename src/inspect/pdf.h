/*
 * pdf: reading PDF (ISO 32000-1) as far as its text needs it. Internal to the room.
 *
 * Values are slices of the file, or of what its streams unpack to, and are looked at where they stand; nothing is
 * built. Objects are found by reading the file from its beginning, never by its cross-reference table, which says
 * nothing that the file does not. Depths and counts are bounded; time is the budget's.
 */
#ifndef INSPECT_PDF_H
#define INSPECT_PDF_H

#include "inspect/doc.h"
#include "inspect/file.h"

#define PDF_DEPTH 32

struct pdf_object {
	uint32_t number, order;
	struct slice body; /* what stands behind "obj", to the end of the octets it stands in */
};

struct pdf {
	struct inspect_budget *budget;
	struct arena *arena;
	struct slice octets;
	struct pdf_object *objects; /* by number, the last one of a number counts */
	size_t n, cap;
};

/* ---- pdf_object.c ---- */

void pdf_find_objects(struct pdf *p);
void pdf_free(struct pdf *p);
/* The next value at the start of *rest: its octets, whole; empty at the end. "12 0 R" is one value. */
struct slice pdf_next(struct slice *rest);
/* The value of a key; references are followed. Empty: there is none. */
struct slice pdf_get(const struct pdf *p, struct slice dict, const char *key);
struct slice pdf_get_plain(struct slice dict, const char *key); /* references are not followed */
struct slice pdf_follow(const struct pdf *p, struct slice value, uint32_t *number_out);
int64_t pdf_number(struct slice value); /* 0 when it is none */
/* Adds the octets of a string, literal or hexadecimal. */
void pdf_string(struct slice value, struct buf *out);
/* Adds a stream's octets, unpacked; `object` is its dictionary and what follows. False: it cannot be unpacked. */
bool pdf_stream(const struct pdf *p, struct slice object, struct buf *out);

/* ---- pdf_font.c ---- */

struct pdf_font;
/* Never NULL but when memory is short; a font whose codes nobody can tell gives no text, which is noted. */
struct pdf_font *pdf_font(struct pdf *p, struct slice dict);
/* Adds what the codes of a shown string mean, as UTF-8. */
void pdf_font_text(struct pdf *p, const struct pdf_font *f, struct slice codes, struct buf *out);

#endif
