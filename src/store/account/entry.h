/*
 * entry: the access rules (policy/access.h) as they are kept, and whether somebody may come in by them.
 *
 * The rules are kept in the database and read once; a change is in force at every node within a second. Sessions that are
 * open when a rule forbids them stay until they end (account.logout ends them).
 *
 * A change that would shut out the one who makes it, or every system administrator from the networks they are used from, is in
 * force for settings->access_confirm_ms only: unless access.confirm comes by then, which needs a door that is still open, the
 * rules from before come back. The former rules wait in the database, so a crash changes nothing of that.
 */
#ifndef STORE_ACCOUNT_ENTRY_H
#define STORE_ACCOUNT_ENTRY_H

#include "policy/access.h"
#include "store/inside.h"

struct gate;
struct gate *entry_new(void);
void entry_free(struct gate *e);
/* Reads the rules as they are now. LATER: the database failed, and what was read before stays. */
NODISCARD enum result entry_load(struct store *s);
/* The keeper's, each second: rules of other nodes, and a change that nobody confirmed. */
void entry_tick(struct store *s);

struct entry_verdict {
	bool allowed, preset;
	int64_t rule; /* 0: none */
};
/* OK with the verdict, or LATER. account 0: nobody known, to whom only rules for everybody speak. */
NODISCARD enum result entry_judge(
    struct store *s, int64_t account, enum door door, const struct ip *ip, struct entry_verdict *out);
/* The same by rules that are just being changed, and by those in the database, in apply(). */
void entry_judge_in(struct store *s, struct db *db, const struct access_rules *rules, int64_t account,
    enum door door, const struct ip *ip, struct access_verdict *out);

/* Rules as a transaction sees them; free with entry_rules_free. */
NODISCARD enum result entry_rules_read(
    struct store *s, struct db *db, struct arena *a, struct access_rules *out);
void entry_rules_free(struct access_rules *rules);
/* Fills in what an ask needs; `who` lives as long as the ask. */
struct entry_who {
	struct db *db;
	int64_t account;
};
void entry_ask(struct store *s, struct entry_who *who, enum door door, const struct ip *ip, char country[3],
    struct access_ask *out);
/* Inside apply(): the rules were changed. */
void entry_changed(struct db *db);

/* A loopback address: no rule's preset speaks of it. */
bool ip_is_local(const struct ip *ip);

#endif
