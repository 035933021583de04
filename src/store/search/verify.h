/* search_verify: proves that an index has every message, and that what it has is whole. */
#ifndef STORE_SEARCH_VERIFY_H
#define STORE_SEARCH_VERIFY_H

#include "store/search/search.h"

#define SEARCH_VERIFY_SHOWN 100

struct search_verdict {
	uint64_t checked;           /* messages that should be in the index, each looked for */
	uint64_t waiting;           /* messages that are not yet due to be in it: searches read them */
	uint64_t segments, damaged; /* damaged: made again from its texts it is another, or cannot be read */
	struct search_list missing; /* emails that should be in the index and are not */
	struct search_list differ; /* emails whose text in the index is not that of the message (deep only) */
};
/* deep: scan reads every message again. */
NODISCARD enum result search_verify(
    struct store *s, struct db *db, int64_t account, bool deep, struct search_verdict *out);

#endif
