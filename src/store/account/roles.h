/*
 * roles: who may do what, and for whom (roles.def). Inside the room only.
 *
 * A role is given to an account for the whole organisation or within a scope: a domain, a department with all below it, or a
 * group. Whoever asks comes with his powers; admin_run lets him do what one of his roles may do within its scope.
 */
#ifndef STORE_ACCOUNT_ROLES_H
#define STORE_ACCOUNT_ROLES_H

#include "store/inside.h"
#include <jansson.h>

struct admin;

struct role {
	const char *name, *verbs, *gives, *en, *ja;
};
const struct role *role_find(struct slice name); /* NULL: there is none */
bool role_may(const struct role *role, const char *verb);

enum scope_kind { SCOPE_ALL, SCOPE_DOMAIN, SCOPE_DEPARTMENT, SCOPE_GROUP };
struct scope {
	enum scope_kind kind;
	int64_t department;
	struct slice domain, local; /* of a domain; of a group's address */
};
/*
 * "" or "all", "domain:here.example", "department:Sales", "group:sales@here.example". GONE: there is no such thing. The texts
 * live in the arena.
 */
NODISCARD enum result scope_parse(struct db *db, struct slice text, struct arena *a, struct scope *out);
/* A department is the other one, or somewhere below it. */
bool department_is_below(struct db *db, int64_t id, int64_t above);
/* As people write it, and (kept) as it is kept, where a department is a number. */
void scope_put(struct db *db, const struct scope *scope, bool kept, struct buf *out);

struct grant {
	const struct role *role;
	struct scope scope;
};
struct powers {
	int64_t account; /* whose they are; a token's are its maker's; 0: nobody's in particular */
	bool root;       /* everything, for the server's owner */
	struct grant *grants;
	size_t n;
};
struct powers powers_root(void);
/* What an account may; all in the arena. LATER: the database failed. */
NODISCARD enum result powers_of_account(struct db *db, int64_t account, struct arena *a, struct powers *out);
/* What a role within a scope (as it is kept) may, in the name of an account. */
NODISCARD enum result powers_of_role(struct db *db, int64_t account, struct slice role, struct slice scope,
    struct arena *a, struct powers *out);

/* One of the roles may do this, somewhere; its name for the audit. NULL: none. */
const char *powers_may(const struct powers *p, const char *verb);
/* DENY, with words: what the arguments name lies outside of every scope in which he may. */
NODISCARD enum result powers_admit(struct admin *a, struct db *db, const char *verb);
/* Takes out of a list what lies outside. */
void powers_filter(struct admin *a, struct db *db, const char *verb);
/* He may give and take this role within this scope. */
bool powers_may_give(
    struct db *db, const struct powers *p, const struct role *role, const struct scope *scope);

/* He may do this to all that lies within this scope. */
bool powers_cover(struct db *db, const struct powers *p, const char *verb, const struct scope *scope);

/* Whom an account's mail would be opened to is the one who asks, or a group or everybody with him: refused, with words. */
struct who;
NODISCARD enum result powers_not_himself(struct admin *a, struct db *db, const struct who *w);

/* Roles of an account, as a list of {role, scope}. */
json_t *roles_json(struct db *db, int64_t account);
/* Refuses to be left without a system administrator, should this account lose the role. */
NODISCARD enum result roles_keep_one(struct admin *a, struct db *db, int64_t account);
void roles_forget(struct db *db, int64_t account);

#endif
