/* samples: messages that several tests use, by name: plain, multi, nested, japanese, dots, large. */
#ifndef KIT_SAMPLES_H
#define KIT_SAMPLES_H

#include "base/base.h"

/* The message, with CRLF; p is NULL when there is none of that name. Lives for ever. */
struct slice sample_find(struct slice name);

#endif
