/*
 * talk: conversation files, read and replayed. The format is described in test/talk/README.md.
 *
 * A talk is replayed several times: politely (the client waits for each answer), all at once, octet by octet, and cut at
 * random places. The answers must be the ones in the file every time.
 */
#ifndef KIT_TALK_H
#define KIT_TALK_H

#include "base/base.h"

/* What a conversation is held with. */
struct talk_service {
	void *context;
	/* A new replay begins: peers and settings are as they are by default. */
	void (*reset)(void *context);
	/* A line of the file that is not about the conversation: "STORE deliver later". False: not understood. */
	bool (*directive)(void *context, struct slice line);
	/* The server's session on this stream. */
	struct session *(*open)(void *context, struct stream *stream);
	/* What the peers were asked in this replay, one line each. */
	struct slice (*log)(void *context);
};

/* Replays every *.talk in the folder; prints what differs. Returns how many files failed; *count_out: how many there were. */
int talk_folder(const char *folder, const struct talk_service *service, int *count_out);

/* Text with '*' for any octets against a line. */
bool talk_match(struct slice pattern, struct slice line);

#endif
