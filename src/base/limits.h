/* limits: named limits for everything that is counted from outside; the table is limits.def. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum limit {
#define X(name, value, unit, above) LIMIT_##name = (value),
#include "limits.def"
#undef X
};

#endif
