/* use: when something that opens an account (a token, a session of the web) was used last. */
#ifndef STORE_ACCOUNT_USE_H
#define STORE_ACCOUNT_USE_H

#include "store/store.h"
#include "store/db/db.h"

/* Later, by the writer: `statement` with the id and the time. Nobody waits for it, and nothing is lost when it is not done. */
void use_note(struct store *s, enum sql statement, int64_t id, int64_t now_ms);

#endif
