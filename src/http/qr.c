#include "qr.h"
#include <qrencode.h>

#define QUIET 4 /* modules around it, ISO 18004 */

void qr_put(struct buf *b, struct slice text)
{
	QRcode *code = QRcode_encodeData((int)text.n, (const unsigned char *)text.p, 0, QR_ECLEVEL_M);
	if (!code)
		return;
	int n = code->width, all = n + 2 * QUIET;
	buf_printf(b,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">"
	    "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path d=\"",
	    all, all, all, all);
	for (int y = 0; y < n; y++)
		for (int x = 0; x < n; x++)
			if (code->data[y * n + x] & 1)
				buf_printf(b, "M%d %dh1v1h-1z", x + QUIET, y + QUIET);
	buf_puts(b, "\"/></svg>");
	QRcode_free(code);
}
