/*
 * base: the language this program is written in.
 *
 *   result.h   how things end          slice.h  bytes of others      buf.h     bytes of ours, with a maximum
 *   arena.h    group lifetimes         num.h    safe numbers         cursor.h  reading with a sticky error
 *   clock.h    the time                event.h  logs and counters    limits.h  every limit by name
 *   stream.h   a conversation          session.h a conversation that sleeps without a thread   fd.h  descriptors
 *
 * Depends on libc and (stream only) OpenSSL. Knows nothing of mail.
 */
#ifndef BASE_H
#define BASE_H

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "cursor.h"
#include "event.h"
#include "fd.h"
#include "limits.h"
#include "num.h"
#include "result.h"
#include "slice.h"
#include "session.h"
#include "stream.h"

#endif
