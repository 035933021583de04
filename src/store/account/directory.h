/*
 * directory: accounts and groups that an outside directory keeps: an identity provider, by SCIM (scim.c).
 * Inside the room only; all of it runs inside apply().
 *
 * The directory's opinion of an account is kept beside the account. What an administrator or an incident did to the account
 * stays, whatever a directory repeats: only a change of its opinion has an effect. Mail is never destroyed on its word.
 */
#ifndef STORE_ACCOUNT_DIRECTORY_H
#define STORE_ACCOUNT_DIRECTORY_H

#include "store/admin/admin.h"

enum directory_source { DIRECTORY_NONE, DIRECTORY_SCIM };
enum directory_active {
	DIRECTORY_INACTIVE,
	DIRECTORY_ACTIVE,
	DIRECTORY_REMOVED,
	DIRECTORY_FOUND_CLOSED, /* inactive, and nobody could sign in anyway: by somebody else's doing */
};

struct directory_row {
	int64_t account;
	enum directory_source source;
	struct slice user_name; /* folded (directory_fold) */
	struct slice external;  /* what the directory calls it; may be empty */
	enum directory_active active;
	json_t *kept; /* an object, or NULL */
};
/* False: no directory knows the account. Texts live in the arena; kept is the caller's. */
bool directory_load(
    struct store *s, struct db *db, int64_t account, struct arena *a, struct directory_row *out);
/* FULL: more is to be kept than may be. */
NODISCARD enum result directory_save(struct admin *a, struct db *db, const struct directory_row *row);
/* What is kept of a row, of its sealed column; NULL: nothing. */
json_t *directory_open(struct store *s, int64_t account, struct slice sealed);
struct slice directory_fold(struct slice user_name, struct arena *a);

struct directory_person {
	struct slice address, name, employee, department, language;
	int64_t manager; /* an account, or 0 */
};
/* Makes the account when there is none (a->account 0), and its person what is said. DENY, FULL: with words. */
NODISCARD enum result directory_set(struct admin *a, struct db *db, const struct directory_person *p);
/*
 * The account's aliases: those wanted are made, and those of `made` that are not wanted any more go. What an administrator made
 * stays. *made_out: those that are the directory's now.
 */
NODISCARD enum result directory_aliases(
    struct admin *a, struct db *db, const json_t *wanted, const json_t *made, json_t **made_out);
/* The directory's opinion of a->account changes to this; *now is what is kept of it. */
NODISCARD enum result directory_become(
    struct admin *a, struct db *db, enum directory_active to, enum directory_active *now);
/* The address of an account, as people write it. */
struct slice directory_address(struct db *db, int64_t account, struct arena *a);

#endif
