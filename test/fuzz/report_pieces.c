/* A DMARC report in pieces of any size says what it says as a whole, however much has to be mended in it. */
#include "report/inner.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Sekisho__DmarcReport *read_in(struct slice text, size_t piece, struct arena *a)
{
	Sekisho__DmarcReport *out = NULL;
	const char *why = NULL;
	struct dmarc_reader *r = dmarc_reader_new(a, false);
	enum result done = OK;
	while (text.n && done == OK) {
		done = dmarc_reader_put(r, slice_sub(text, 0, piece), &why);
		text = slice_sub(text, piece, text.n);
	}
	if (done != BAD && dmarc_reader_end(r, &out, &why) != OK)
		out = NULL;
	dmarc_reader_free(r);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	if (size < 2)
		return 0;
	struct slice text = slice_of(data + 1, size - 1);
	const Sekisho__DmarcReport *whole = read_in(text, text.n, &a),
				   *cut = read_in(text, 1u + data[0] % 32u, &a);
	if (!whole != !cut)
		abort();
	if (whole && (whole->rows != cut->rows || whole->messages != cut->messages ||
			 strcmp(whole->org, cut->org) != 0 || strcmp(whole->id, cut->id) != 0 ||
			 whole->n_sources != cut->n_sources))
		abort();
	return 0;
}
