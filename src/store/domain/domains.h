/*
 * domains: what our domains publish in the DNS. Inside the room only.
 *
 * A thread of its own has scan check each domain when its time has come (and the first time soon after a start), keeps
 * the answer, and tells postmaster once of what became worse, and of everything with the first check of each month
 * (UTC). The administrator's verbs that wait for the DNS run here too. Nothing that the DNS says is parsed here: scan's
 * answers are texts and states.
 *
 *   domains.c         the thread, results, warnings           domains_self.c    what we know of ourselves
 *   domains_setup.c   what web asks: is the domain ours       domains_publish.c changes by dynamic update
 *   lookalikes.c      names that look like ours
 *
 * The verbs are in admin/dns.c, admin/dmarc.c and admin/lookalikes.c.
 */
#ifndef STORE_DOMAIN_DOMAINS_H
#define STORE_DOMAIN_DOMAINS_H

#include "store/admin/admin.h"
#include "trust/own_sts.h"

struct domains;
struct domains *domains_new(struct store *s);
void domains_free(struct domains *d); /* finishes what was put; NULL is allowed */
struct tasks *domains_tasks(struct domains *d);

/*
 * Asks scan about a domain of ours; the answer lives in the arena. LATER: it cannot be asked now; FULL: the domain
 * publishes more than fits.
 */
NODISCARD enum result domains_ask(
    struct store *s, struct slice domain, bool silent, struct arena *a, Sekisho__AssistAnswer **out);
/* Keeps the answer as the domain's last check. */
void domains_keep(struct store *s, struct slice domain, const Sekisho__AssistAnswer *answer);

/* The last answer that was kept; refused when there is none. */
NODISCARD enum result domains_last(
    struct admin *a, struct db *db, struct slice domain, int64_t *at_out, Sekisho__AssistAnswer **out);

/* What we know of ourselves that matters to the domain. False: the database or the arena failed. */
bool domains_self(struct store *s, struct slice domain, struct arena *a, Sekisho__AssistAsk *out);
/* The MTA-STS policy we give out. False: none. */
bool domains_sts(const struct store *s, struct own_sts *out);

/* The verbs' beginning: the domain of the arguments, which must be ours; the assistant's answer, or words why not. */
NODISCARD enum result admin_dns_domain(struct admin *a, struct slice *out);
NODISCARD enum result admin_dns_ask(
    struct admin *a, struct slice domain, bool silent, Sekisho__AssistAnswer **answer);

#endif
