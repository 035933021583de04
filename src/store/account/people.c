#include "store/account/people.h"
#include "store/admin/posture.h"
#include "store/account/newcomers.h"
#include "store/account/passwords.h"
#include "store/rounds.h"
#include <stdlib.h>

#define TICK_MS SECOND_MS

struct people {
	struct store *store;
	struct rounds rounds;
};

void people_round(struct store *s)
{
	while (!atomic_load(&s->broken) && breakglass_round(s))
		;
	while (!atomic_load(&s->broken) && offboard_round(s))
		;
	while (!atomic_load(&s->broken) && audit_alerts_round(s))
		;
	while (!atomic_load(&s->broken) && newcomers_round(s))
		;
	if (atomic_load(&s->broken))
		return;
	audit_digest_round(s);
	people_report_round(s);
	posture_round(s);
	passwords_round(s);
}

static int64_t work(void *arg)
{
	people_round(((struct people *)arg)->store);
	return TICK_MS;
}

struct people *people_new(struct store *s)
{
	struct people *p = calloc(1, sizeof *p);
	if (!p)
		abort();
	p->store = s;
	rounds_start(&p->rounds, "people", TICK_MS, work, p);
	return p;
}

void people_free(struct people *p)
{
	if (!p)
		return;
	rounds_stop(&p->rounds);
	free(p);
}
