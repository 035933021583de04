/*
 * scim: accounts and groups as an identity provider sees them by SCIM (scim/scim.h). Inside the room only.
 *
 * A user is somebody's account (not a shared one), its id the account's number; who has left or was removed is none any more.
 * A group is a group, its id its address; of its members those are shown that are users or groups, the others stay as they are.
 * Refusals begin with the type of RFC 7644 table 9 where there is one (scim_fault_read).
 *
 *     scim.c   what both have in common      scim_user.c   users      scim_group.c   groups
 */
#ifndef STORE_ACCOUNT_SCIM_H
#define STORE_ACCOUNT_SCIM_H

#include "scim/scim.h"
#include "store/account/directory.h"

NODISCARD enum result scim_refuse(struct admin *a, const struct scim_fault *f);
/* meta, with a version that is another one whenever anything shown is. */
void scim_put_meta(json_t *resource, const char *type, int64_t created, int64_t changed);
/* Is it the version that the arguments ask for, if any? */
NODISCARD enum result scim_same_version(struct admin *a, const json_t *resource);
/* What becomes of a resource by the arguments "resource" or "change": a new value in its form. NULL: refused, with words. */
json_t *scim_wanted(struct admin *a, enum scim_schema kind, const json_t *now);

/* A list's answer: of what is added that fits the filter, one page. */
struct scim_list {
	struct admin *admin;
	const struct scim_filter *filter; /* NULL: all fit */
	size_t start, count, total;
	json_t *page;
};
/* Refuses a filter that is none. */
NODISCARD enum result scim_list_begin(struct scim_list *l, struct admin *a, enum scim_schema kind);
/* One more resource exists, and needs no looking at: it is not on the page, and there is no filter. */
bool scim_list_skip(struct scim_list *l);
void scim_list_add(struct scim_list *l, json_t *resource); /* which is taken */
void scim_list_end(struct scim_list *l);

/* A user's account, of its id: 0 when it is none that may be seen. */
int64_t scim_user_account(struct db *db, struct slice id);

#endif
