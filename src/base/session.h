/*
 * session: a conversation that a thread serves while it is busy and that sleeps without a thread otherwise.
 *
 * A protocol embeds `struct session` as its first member and fills it in. The front's lobby calls ops->run on a worker
 * thread at the start, when the client has sent something, or when wake_fd became readable. run() talks straight-line
 * until there is nothing more to do, lingers a moment for the next command (session_wait), and returns SLEEP or END. It
 * returns SLEEP only when nothing buffered can be worked on (half a line may stay). While asleep a session costs this
 * struct, its stream and TLS state only.
 */
#ifndef BASE_SESSION_H
#define BASE_SESSION_H

#include "stream.h"

enum session_next { SESSION_SLEEP, SESSION_END };

struct session;
struct session_ops {
	const char *service;
	enum session_next (*run)(struct session *s);
	/*
	 * Slept for sleep_ms. Usually says farewell (421, BYE) without waiting and returns END; a session that only wanted a
	 * timer (the greeting after a pause) goes on and returns SLEEP.
	 */
	enum session_next (*expired)(struct session *s);
	/* Frees the session and closes its stream. */
	void (*end)(struct session *s);
};

struct session {
	const struct session_ops *ops;
	struct stream *stream; /* owned by the session */
	int wake_fd;           /* also wakes a sleeper when readable; -1: none */
	int64_t sleep_ms;      /* the longest sleep; the session sets it before it returns SLEEP */
	bool silent; /* has not said anything useful yet: the first to go when connections run short */
};

/*
 * After a command: OK when more input is at hand or came within the lingering time (*woken_out: wake_fd is readable, and
 * the input may be missing), LATER when the session should go to sleep. Lingering is 0 when worker threads are scarce.
 */
NODISCARD enum result session_wait(struct session *s, bool *woken_out);
/*
 * A protocol's loop: one command after the other, and `woken` when wake_fd is readable, until there is nothing to do: LATER,
 * and the session may sleep. Anything else: it is over, and what was said last was sent.
 */
typedef enum result session_step(struct session *s);
NODISCARD enum result session_converse(struct session *s, session_step *command, session_step *woken);
/* To sleep, for ms at most. */
enum session_next session_rest(struct session *s, int64_t ms);
void session_linger(int64_t ms); /* set by the lobby */
/* Where session_wait notes the time for this thread, set by the lobby: the session is between two commands. */
void session_pulse(_Atomic int64_t *mono_ms);

#endif
