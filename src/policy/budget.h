/*
 * budget: mail to people whom an account never wrote to draws from a budget, which depends on how familiar the place is from
 * where the account is used. What exceeds it is held, not sent: so a stolen password is worth a few mails, however late it is
 * noticed.
 *
 * First-time recipients are counted in halves: one who is known to the organisation costs HALF in a familiar context,
 * everybody else WHOLE. Windows are made of slots; a slot counts as long as any of it lies in the window.
 */
#ifndef POLICY_BUDGET_H
#define POLICY_BUDGET_H

#include "base/base.h"

/* From where an account is used. ABROAD: a new country, a network of servers, VPNs or Tor, or a source that sprays. */
enum context_kind { CONTEXT_FAMILIAR, CONTEXT_NEW_NETWORK, CONTEXT_ABROAD, CONTEXT_KINDS };
const char *context_name(enum context_kind kind); /* "familiar" ... */

#define BUDGET_WHOLE 2 /* a recipient */
#define BUDGET_HALF 1
#define BUDGET_SLOT_MS (10 * MINUTE_MS)
#define BUDGET_LEARN_DAYS 60
#define BUDGET_FAR_KNOWN 10

struct budget_rules {
	uint32_t hour, day;   /* familiar: first-time recipients at once */
	uint32_t most;        /* a day, however much the account is used to */
	uint32_t new_network; /* a day, one pool with abroad */
	uint32_t abroad;      /* a day */
	uint32_t known;       /* known recipients in a slot */
};
struct budget_rules budget_rules_default(void);
/*
 * For a machine that writes to many (a scanner, a shop, a monitor): what an administrator allows the account, from networks
 * that he names. Nothing is learned of it, and that it sends much is no sign of anything.
 */
struct allowance {
	uint32_t hour, day; /* recipients */
};
struct budget_rules budget_rules_allowed(const struct budget_rules *rules, const struct allowance *a);

/* What the account is used to, as the 99th percentile of the last BUDGET_LEARN_DAYS; in recipients. */
struct baseline {
	uint32_t hour, day; /* first-time recipients */
	uint32_t slot;      /* recipients */
};

/* What went out already, in halves; known and all: in recipients. */
struct spent {
	uint64_t hour, day; /* from familiar contexts */
	uint64_t far;       /* in a day, from the others */
	uint64_t known;     /* in this slot and the one before */
	uint64_t away;      /* in a day, from the others: recipients of all kinds */
	bool suspected;     /* LEVEL_HOLD (points.h) */
};

enum budget_reason {
	BUDGET_FITS,
	BUDGET_OVER_ABROAD,
	BUDGET_OVER_NETWORK,
	BUDGET_OVER_HOUR,
	BUDGET_OVER_DAY,
	BUDGET_OVER_RATE, /* too many to known recipients: put off, or held when there are far too many */
};
struct budget_verdict {
	enum budget_reason why;
	bool hold; /* all of the message */
	bool slow; /* it may go a slot later */
};
/*
 * Whoever sits far away at a stolen account may write to its friends first: from an unfamiliar context recipients of all
 * kinds are no more in a day than BUDGET_FAR_KNOWN times the first-time ones (from a new network half as many times), and
 * half of that once there are signs of an abuse.
 *
 * A message with `fresh` halves of first-time recipients, who are `n_fresh`, and `known` others.
 */
struct budget_verdict budget_judge(const struct budget_rules *rules, const struct baseline *used_to,
    const struct spent *spent, enum context_kind from, uint64_t fresh, uint64_t n_fresh, uint64_t known);

/* What is left, in recipients, for first-time recipients from such a context. */
uint32_t budget_left(const struct budget_rules *rules, const struct baseline *used_to,
    const struct spent *spent, enum context_kind from);

/* The value that 99 of 100 do not exceed; sorts v. 0 of none. */
uint32_t baseline_p99(uint32_t *v, size_t n);
/*
 * What an account is used to moves by a tenth a day (by one where that is less), so that nobody gets it used to much in a
 * week. `floor` is where it begins, and it never falls below.
 */
uint32_t baseline_move(uint32_t was, uint32_t seen, uint32_t floor, unsigned days);

#endif
