/* STORE_SETUP: what web has to know of a domain. Accounts play no part in it. */
#include "store/domain/domains.h"

void ask_setup(struct ipc_turn *t)
{
	const Sekisho__SetupAsk *ask = t->ask;
	struct store *s = store_of(t);
	struct slice domain = resolve_domain(slice_str(ask->domain), &t->arena);
	Sekisho__SetupAnswer answer = SEKISHO__SETUP_ANSWER__INIT;
	struct own_sts sts;
	BUF_LOCAL(policy, 4096);
	{
		READER r = reader_begin(s);
		if (!r.db) {
			refuse(t, LATER);
			return;
		}
		answer.ours = domain.n && resolve_is_ours(r.db, domain);
	}
	if (answer.ours && domains_sts(s, &sts))
		trust_own_sts_put(&sts, &policy);
	answer.domain = answer.ours ? arena_z(&t->arena, domain) : NULL;
	answer.sts_policy = arena_z(&t->arena, buf_slice(&policy));
	if (!answer.domain)
		answer.domain = (char *)(uintptr_t) "";
	ipc_answer(t, &answer, NULL);
}
