/*
 * admin: the verbs of the administrator (admin.def). Inside the room only.
 *
 * A READ or LOOK verb gets a reading connection, a WRITE verb runs as a job of the writer; they put their answer into
 * a->answer. What they refuse they say in words with admin_refuse. All but LOOK are recorded (audit.h): what changes
 * something in the transaction that changes it, the others before they are answered.
 */
#ifndef STORE_ADMIN_ADMIN_H
#define STORE_ADMIN_ADMIN_H

#include "store/account/actor.h"
#include "store/handlers.h"
#include "store/queue/resolve.h"
#include "store/account/roles.h"
#include <jansson.h>

struct admin {
	struct store *store;
	struct arena *arena;
	const struct actor *actor;
	const struct powers *powers; /* what the actor may */
	const char *role;            /* in which he acts; NULL: as the actor says */
	const json_t *args;
	json_t *answer; /* NULL: null */
	const char *why;
	bool forbidden; /* refused for the lack of a power */
	/* Called once the job is committed, on the thread that took the ask. */
	void (*after)(struct admin *a);
	int64_t account;
	struct admin_rows *rows;
};

typedef enum result admin_verb(struct admin *a, struct db *db);
#define X(verb, function, kind, args, en, ja) NODISCARD admin_verb function;
#include "store/admin/admin.def"
#undef X

/*
 * LOOK: a reading that tells nothing of anybody, and leaves no record. WAIT and ACT: a reading and a change that wait for
 * others, on a thread that may; their db is NULL. SEEK: somebody searches his own mail, on the threads of the search; it is
 * recorded without its arguments, since for what he looks is nobody's business.
 */
enum admin_kind { ADMIN_LOOK, ADMIN_READ, ADMIN_WRITE, ADMIN_WAIT, ADMIN_ACT, ADMIN_SEEK };
struct admin_verb_row {
	const char *name;
	admin_verb *run;
	enum admin_kind kind;
	const char *args, *en, *ja;
};
const struct admin_verb_row *admin_verb_rows(size_t *n_out);

/* Runs a verb as the actor with his powers, and records it. a->answer is the caller's to free whatever comes out. */
NODISCARD enum result admin_run(struct admin *a, const char *verb);
/* May it run this verb? Those that begin with me. are open to whoever has signed in, and act on his account only. */
bool admin_may(const struct admin *a, const char *verb);
/* Does it change something? */
bool admin_changes(const char *verb);
/* The names of all verbs it may run, as a list. */
json_t *admin_may_list(const struct admin *a);
/* Calls serve, which runs that verb and answers: at once, or on a thread that may wait when the verb has to. */
void admin_serve(struct ipc_turn *t, const char *verb, void (*serve)(struct ipc_turn *t));
/* Reads arguments; NULL when they are no JSON object. The caller frees them. */
json_t *admin_args(const char *text);
/* The same of an ask: what is too long for a packet comes in a sealed file, and its text is empty. */
json_t *admin_args_of(struct ipc_turn *t, const char *text);
/* Gives JSON to `piece` in as many texts as an answer's packets need, each valid UTF-8. */
void admin_cut(struct ipc_turn *t, const json_t *v, void (*piece)(struct ipc_turn *t, char *text, bool last));

/* Another verb's work in the name of whoever asks, within his own: not admitted and not recorded by itself. args is taken. */
NODISCARD enum result admin_within(
    struct admin *a, struct db *db, admin_verb *verb, json_t *args, json_t **answer_out);
NODISCARD enum result admin_refuse(struct admin *a, enum result r, const char *fmt, ...) PRINTF(3, 4);

struct slice admin_text(const struct admin *a, const char *key); /* empty when it is not there */
int64_t admin_number(const struct admin *a, const char *key, int64_t otherwise);
/* The n-th of a list (a single text counts as a list of one); empty past its end. */
struct slice admin_item(const struct admin *a, const char *key, size_t n);
json_t *admin_string(struct slice s); /* what is not UTF-8 is shown as U+FFFD */
/* local@domain as JSON. */
json_t *admin_address_string(struct admin *a, struct slice local, struct slice domain);

struct admin_address {
	struct slice local, domain; /* folded */
	struct slice shown;         /* local part as given */
};
/* Refuses what is not an address. */
NODISCARD enum result admin_address(struct admin *a, struct slice text, struct admin_address *out);
/* "active", "suspended" or "left", of the column accounts.suspended. */
const char *account_state_name(int64_t state);
/* To whom an account was handed over, and when. */
json_t *admin_handovers(struct admin *a, struct db *db, int64_t account);
/* Held mail: its recipients are known from now on. Then these go, and those are taken away; a->after is set. */
void admin_hold_learn(struct admin *a, struct db *db, struct slice mail);
NODISCARD enum result admin_queue_settle(struct admin *a, struct db *db, const struct slice *go, size_t n_go,
    const struct slice *away, size_t n_away);
/* Messages with this token since then, with their steps. */
json_t *admin_trace_since(struct admin *a, struct db *db, int64_t token, int64_t since, size_t most);
/* What keys has of an account, or (0) of all; kinds as it numbers them. */
enum credential_kinds {
	KIND_TOTP = 1,
	KIND_RECOVERY = 2,
	KIND_PASSKEY = 3,
	KIND_APP = 4,
	KIND_MAIL = 8,
	KIND_SMS = 9
};
typedef void admin_credential(void *context, const Sekisho__Credential *c);
NODISCARD enum result admin_credentials(
    struct admin *a, int64_t account, admin_credential *each, void *context);
/* Takes one back (0: every second factor); its sessions end. Waits for keys. */
NODISCARD enum result admin_credential_revoke(struct admin *a, int64_t account, int64_t id);
/* Has the account an authenticator or a passkey? True also when keys does not say. */
bool admin_has_strong(struct admin *a, int64_t account);
/* The account whose primary address (or alias leading to it alone) this is. */
NODISCARD enum result admin_find_account(struct admin *a, struct db *db, int64_t *id_out);

#endif
