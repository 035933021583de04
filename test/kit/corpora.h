/* corpora: where the public test sets are: $SEKISHO_CORPORA, or ../shared/corpora beside the source. */
#ifndef KIT_CORPORA_H
#define KIT_CORPORA_H

#include "base/base.h"

/* A file of them into *out. False (and loudly on stderr) when it is not there: the test then exits with KIT_SKIPPED. */
bool corpora_read(const char *name, struct buf *out);
#define KIT_SKIPPED 77

#endif
