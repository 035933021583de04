/*
 * body: one message while it arrives. Small ones are collected in memory and written once; what grows beyond
 * BODY_SMALL goes on into the memfd. In the end it is a sealed descriptor that scan and store can map without fear.
 *
 * Owner: the transaction. What is held counts against the service's budget until smtp_body_free.
 */
#ifndef SMTP_BODY_H
#define SMTP_BODY_H

#include "smtp.h"

struct smtp_body {
	struct smtp_budget *budget;
	uint64_t reserved; /* of the budget */
	uint64_t size;
	struct buf small; /* all of it while fd is -1 */
	int fd;
	enum result state; /* sticky: FULL when there was no room */
};

void smtp_body_init(struct smtp_body *b, struct smtp_budget *budget);
void smtp_body_put(struct smtp_body *b, struct slice s);
/* What it begins with, up to 64 KiB; only before the message has grown beyond that and before it is sealed. */
static inline struct slice smtp_body_start(const struct smtp_body *b)
{
	return buf_slice(&b->small);
}
/* Ends the writing; b->fd is then sealed. FULL when there was no room at some time. */
NODISCARD enum result smtp_body_seal(struct smtp_body *b);
void smtp_body_free(struct smtp_body *b);
/* Would n octets more fit the budget now? */
bool smtp_budget_fits(const struct smtp_budget *budget, uint64_t n);

#endif
