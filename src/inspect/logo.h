/* logo: may a file be shown as the logo of a domain (BIMI)? Pure. It has to be SVG Tiny Portable/Secure. */
#ifndef INSPECT_LOGO_H
#define INSPECT_LOGO_H

#include "base/base.h"

enum logo_fault {
#define X(name, word, wrong, en, ja) LOGO_##name,
#include "inspect/logo.def"
#undef X
	LOGO_FAULTS
};
struct logo_text {
	const char *word; /* for machines */
	bool wrong;
	const char *en, *ja;
};
const struct logo_text *inspect_logo_text(enum logo_fault f);

/* Bits: 1 << enum logo_fault. 0: nothing is wrong with it. */
unsigned inspect_logo(struct slice svg);

#endif
