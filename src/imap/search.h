/*
 * search: the parts of SEARCH, shared between its files.
 *
 * Keys are a tree. A message is judged in up to three steps, each with what the one before left open: by its row
 * (flags, dates, sizes), by its facts (subject, addresses, dates), and by scan, which looks into its octets. Three
 * values do it: yes, no, and open.
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H

#include "session.h"

enum imap_key_kind {
	KEY_AND, /* children */
	KEY_OR,
	KEY_NOT,
	KEY_ALL,
	KEY_SEQ,  /* set: sequence numbers */
	KEY_UID,  /* set */
	KEY_FLAG, /* number: system flags; all must be set */
	KEY_KEYWORD,
	KEY_RECENT,
	KEY_BEFORE, /* day */
	KEY_ON,
	KEY_SINCE,
	KEY_SAVEDBEFORE,
	KEY_SAVEDON,
	KEY_SAVEDSINCE,
	KEY_SENTBEFORE,
	KEY_SENTON,
	KEY_SENTSINCE,
	KEY_LARGER, /* number */
	KEY_SMALLER,
	KEY_OLDER, /* number: seconds */
	KEY_YOUNGER,
	KEY_MODSEQ, /* number */
	KEY_EMAILID,
	KEY_THREADID,
	KEY_SUBJECT, /* text, from here on */
	KEY_FROM,
	KEY_TO,
	KEY_CC,
	KEY_BCC,
	KEY_HEADER, /* and field */
	KEY_BODY,
	KEY_TEXT,
};

struct imap_key {
	enum imap_key_kind kind;
	struct imap_key *child, *next; /* first child; next of its parent's */
	struct runs set;
	uint64_t number;
	int32_t day;
	struct slice field;
	struct slice text;   /* UTF-8 */
	struct slice folded; /* of text, as mail_text_fold has it */
	unsigned needle;     /* its number among the keys that scan may be asked */
};

enum imap_return { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8, RETURN_SAVE = 16 };

struct imap_search {
	struct imap_key *root;
	unsigned wanted; /* bits of enum imap_return; 0: the old "* SEARCH" */
	bool esearch;
	bool modseq; /* MODSEQ was asked for: the answer shows the highest */
	bool bad_charset;
	unsigned needles; /* keys that scan may be asked */
	struct imap_key *needle[32];
};

/* Behind SEARCH. Numbers of messages are already resolved against the selected mailbox. */
void imap_search_parse(struct imap *s, struct imap_args *p, struct imap_search *q);

enum imap_truth { IMAP_NO, IMAP_YES, IMAP_OPEN };
struct imap_candidate {
	const Sekisho__Row *row;
	uint32_t seq;
	int64_t now_ms;
	const Sekisho__Facts *facts; /* NULL in the first step */
	const bool *found;           /* by needle number; NULL before scan was asked */
	struct arena *arena;         /* for what is folded on the way */
};
enum imap_truth imap_search_eval(struct imap *s, const struct imap_key *key, const struct imap_candidate *c);

#endif
