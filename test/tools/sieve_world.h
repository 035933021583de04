/*
 * The small world in which sieve_suite runs *.svtest scripts (the test language of Dovecot's Pigeonhole): a message, an
 * envelope, mailboxes in memory, mail that was sent, settings, and what was reported last.
 */
#ifndef SIEVE_WORLD_H
#define SIEVE_WORLD_H

#include "sieve/inside.h"
#include "sieve/regex.h"

struct stored {
	struct slice octets;
	struct slice flags[64];
	size_t flag_count;
};
struct box {
	struct slice name;
	struct stored messages[32];
	size_t count;
};
struct sent {
	struct slice from, to, octets;
};
struct note {
	struct slice mailbox, name, value; /* metadata; mailbox is empty for the server's */
};
struct setting {
	struct slice key, value;
};

struct world {
	struct arena a;
	const char *folder; /* of the script */
	struct sieve_message message;
	struct sieve_env env;
	struct slice own[4], items[16][2], protected[16];
	struct box boxes[64];
	size_t box_count;
	struct sent sent[64];
	size_t sent_count;
	struct note notes[64];
	size_t note_count;
	struct setting settings[256];
	size_t setting_count;
	struct slice marks[64]; /* of duplicate and vacation */
	size_t mark_count;
	struct sieve_errors errors; /* of the last compilation or run */
	struct sieve_script *script;
	/* the test that runs */
	struct slice test;
	bool test_failed, skipped;
	size_t passed, failed;
	bool talk; /* say every test */
};

void world_init(struct world *w, const char *folder);
void world_message(struct world *w, struct slice octets);
struct slice world_crlf(struct world *w, struct slice s);
struct slice world_setting(const struct world *w, const char *key); /* empty: not set */
void world_settings(struct world *w);                               /* settings to env */
void world_spam(struct world *w); /* the message's scores to env, by settings */
struct box *world_box(struct world *w, struct slice name, bool create);
bool world_read(struct world *w, const char *path, struct slice *out);
sieve_asker world_ask;
void world_error(struct world *w, const char *fmt, ...) PRINTF(2, 3);
/* Does what the actions say; false when something could not be done. */
bool world_execute(struct world *w, const struct sieve_result *result);

#endif
