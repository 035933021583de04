/* demo: what demo.c and sample.c share; inside of cli only. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "cli/cli.h"

/* Hands the first mails in at 127.0.0.1:port. */
NODISCARD enum result demo_send_samples(uint16_t port, const char *domain);

#endif
