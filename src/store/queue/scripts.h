/*
 * scripts: users' Sieve scripts as rows; the organisation's own belong to account 0.
 *
 * A script has a name, which is plain as the name of a mailbox is, and a sealed text; a change makes a new version and
 * LIMIT_SCRIPT_VERSIONS former ones are kept. One script of an account may be active. The organisation has up to two, with
 * fixed names: SCRIPT_BEFORE runs before each user's script, SCRIPT_AFTER behind it.
 */
#ifndef STORE_QUEUE_SCRIPTS_H
#define STORE_QUEUE_SCRIPTS_H

#include "store/inside.h"

#define SCRIPT_BEFORE "before"
#define SCRIPT_AFTER "after"

struct script {
	struct slice name, text;
	int64_t account;
	uint32_t version;
	bool broken; /* scan died of it: it does not run until it is changed */
};

/* GONE: there is none; LATER: the database or the seal failed. `text` and `name` are in the arena. */
NODISCARD enum result script_load(
    struct store *s, struct db *db, int64_t account, struct slice name, struct arena *a, struct script *out);
NODISCARD enum result script_load_version(struct store *s, struct db *db, int64_t account, struct slice name,
    int64_t version, struct arena *a, struct script *out);
/* The name of the active one, in the arena; empty: none. */
struct slice script_active(struct db *db, int64_t account, struct arena *a);

/* ---- in apply(); `why_out` is set to what the client is told ---- */

NODISCARD enum result script_put(struct db *db, int64_t account, struct slice name, struct slice sealed,
    size_t size, const char **why_out);
/* Empty: none shall be active. */
NODISCARD enum result script_activate(struct db *db, int64_t account, struct slice name);
NODISCARD enum result script_remove(struct db *db, int64_t account, struct slice name, const char **why_out);
void scripts_remove(struct db *db, int64_t account);

/* Adds the sealed text to out. */
void script_seal(const struct store *s, int64_t account, struct slice text, struct buf *out);
/* OK, or FULL and what is too many or too large. */
NODISCARD enum result script_space(
    struct db *db, int64_t account, struct slice name, uint64_t size, const char **why_out);

#endif
