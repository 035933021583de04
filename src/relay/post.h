/* post: TLS reports that others want by https (RFC 8460 5.4): store gives them out, and hears what became of each. */
#ifndef RELAY_POST_H
#define RELAY_POST_H

#include "https/https.h"

struct post_settings {
	struct ipc_trunk *store;
	struct https *https;
};

/* Starts the one thread that does all of it. The settings must stay. */
void relay_post_start(const struct post_settings *settings);

#endif
