/* config_value: one option's value from text and back; inside of config only. */
#ifndef ROLE_CONFIG_VALUE_H
#define ROLE_CONFIG_VALUE_H

#include "role/config.h"

bool config_is_list(enum config_type t);
/*
 * Reads one value (of a list: its item number `index`, for which the array has been allocated) into the option's field
 * at `field`. NULL when it is good, else what is wrong with it (static text). What is kept is copied to the arena.
 */
const char *config_value_read(
    const struct config_option *o, struct slice text, struct arena *a, void *field, size_t index);
/* Makes room for a list of n items in the option's field. */
void config_value_list(const struct config_option *o, struct arena *a, void *field, size_t n);

#endif
