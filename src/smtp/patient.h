/*
 * patient: the clients that waited for the greeting once, so that they need not wait at every connection.
 *
 * 16,384 places for addresses, by a hash nobody outside can aim; a newer address takes the place of an older one. An
 * address is remembered for a day. Forgotten when the process ends. Any thread.
 */
#ifndef SMTP_PATIENT_H
#define SMTP_PATIENT_H

#include "base/base.h"

bool smtp_patient_is(const char *ip);
void smtp_patient_note(const char *ip);

#endif
