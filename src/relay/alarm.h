/*
 * alarm: posts what somebody must hear of now to the webhook of the configuration. store has it and says what comes next; one
 * thread asks, posts and reports. Only a 2xx counts as taken; store decides when it is tried again.
 */
#ifndef RELAY_ALARM_H
#define RELAY_ALARM_H

#include "https/https.h"

struct alarm_settings {
	struct ipc_trunk *store;
	struct https *https;
	const char *url;
};

/* Starts the thread. The settings must stay. */
void relay_alarm_start(const struct alarm_settings *settings);

#endif
