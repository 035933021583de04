/* qr: a text as a QR code (libqrencode), in SVG. */
#ifndef HTTP_QR_H
#define HTTP_QR_H

#include "base/base.h"

/* Adds nothing when the text is too long for one. */
void qr_put(struct buf *b, struct slice text);

#endif
