/*
 * fields: the inside of a sealed column: a row of texts, each with a tag and its length.
 *
 * Written by fields_put, read back by a cursor in the same order or by looking at the tags.
 */
#ifndef STORE_MAILBOX_FIELDS_H
#define STORE_MAILBOX_FIELDS_H

#include "base/base.h"

void fields_put(struct buf *b, uint8_t tag, struct slice text);
void fields_put_number(struct buf *b, uint8_t tag, uint64_t number);
/* The next one; false at the end, and c->err is set when it was cut short. */
bool fields_next(struct cursor *c, uint8_t *tag_out, struct slice *text_out);
uint64_t fields_number(struct slice text); /* of fields_put_number; 0 when it is none */
/* The first with this tag; empty when there is none. */
struct slice fields_find(struct slice all, uint8_t tag);

#endif
