/*
 * search: the parts of SEARCH, shared between its files and with SORT and THREAD.
 *
 * Keys are a tree. A message is judged in steps, each with what the one before left open: by its row (flags, dates,
 * sizes), by its card (subject, addresses, when it was sent; mail/card.h), by its facts, and by scan, which looks into
 * its octets. Three values do it: yes, no, and open. A step that no key of the tree asks for is left out.
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H

#include "cards.h"
#include "partial.h"
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
	KEY_SUBJECT, /* text, from here on; the first five in the order of enum mail_card_text */
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
	struct slice text;         /* UTF-8 */
	struct slice folded;       /* of text, as mail_text_fold has it */
	unsigned needle;           /* its number among the keys that scan may be asked */
	bool known;                /* `set` has the UIDs where the text is */
	bool fuzzy;                /* RFC 6203: only the index can say */
	bool counts;               /* and the score is part of the message's, as no NOT stands above it */
	struct imap_score *scores; /* of a fuzzy key that is known: of each UID in `set`, ascending */
	size_t n_scores, room;
};

struct imap_score {
	uint32_t uid, score;
};

enum imap_return {
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_ALL = 4,
	RETURN_COUNT = 8,
	RETURN_SAVE = 16,
	RETURN_PARTIAL = 32,
	RETURN_RELEVANCY = 64
};
#define IMAP_NEEDS_FUZZY "RELEVANCY is of a FUZZY search only"

struct imap_search {
	struct imap_key *root;
	unsigned wanted; /* bits of enum imap_return; 0: the old "* SEARCH" */
	bool esearch;
	bool modseq; /* MODSEQ was asked for: the answer shows the highest */
	bool bad_charset;
	bool fuzzy;          /* FUZZY stands in it */
	bool numbers;        /* sequence numbers or "$" stand in it */
	const char *mailbox; /* RFC 7377: the answer names it; NULL: not */
	struct imap_partial partial;
	unsigned needles; /* keys that scan may be asked */
	struct imap_key *needle[32];
};

/* ---- search_parse.c ---- */

/* Behind SEARCH. Numbers of messages are already resolved against the selected mailbox. */
void imap_search_parse(struct imap *s, struct imap_args *p, struct imap_search *q);
/* Its parts: "RETURN (...) " if it is there; a charset, which is then required; the keys. */
void imap_search_parse_return(struct imap_args *p, struct imap_search *q);
/* [CHARSET x] and the keys; adds to q. */
void imap_search_parse_keys(struct imap *s, struct imap_args *p, struct imap_search *q);
void imap_search_parse_program(struct imap *s, struct imap_args *p, struct imap_search *q);
/* False, and answered, when what was parsed cannot be searched for; the answer's result in *r. */
bool imap_search_parsed(struct imap *s, struct imap_args *p, const struct imap_search *q, enum result *r);

/* ---- search_eval.c ---- */

enum imap_truth { IMAP_NO, IMAP_YES, IMAP_OPEN };
struct imap_candidate {
	const Sekisho__Row *row;
	uint32_t seq;
	int64_t now_ms;
	const struct mail_card *card; /* its parts below; NULL: none */
	unsigned parts;
	const Sekisho__Facts *facts; /* NULL in the first steps */
	const bool *found;           /* by needle number; NULL before scan was asked */
	struct arena *arena;         /* for what is folded on the way */
};
enum imap_truth imap_search_eval(struct imap *s, const struct imap_key *key, const struct imap_candidate *c);

/* ---- search_hunt.c ---- */

struct imap_found {
	uint32_t uid;
	uint64_t modseq;
};
struct imap_hunt {
	const struct imap_search *q;
	int64_t now_ms;
	struct runs found;             /* UIDs; tidy at the end, and every UID in it is there */
	struct runs open;              /* left for the next step */
	uint64_t highest;              /* modseq of what was found */
	struct imap_found first, last; /* by UID */
};
NODISCARD enum result imap_search_hunt(struct imap *s, struct imap_hunt *h);

/* ---- search_index.c ---- */

/* Makes the keys of texts in header and body known, for these UIDs; they stay open when the store cannot say now. */
NODISCARD enum result imap_search_ask_index(
    struct imap *s, const struct imap_search *q, const struct runs *uids);

/* ---- search_relevancy.c ---- */

struct imap_relevancy {
	struct imap_score *v; /* by UID, 1 to 100 */
	size_t n;
};
/* Of what was found. False when the arena is full. */
bool imap_relevancy_of(
    struct imap *s, const struct imap_search *q, const struct runs *found, struct imap_relevancy *out);
uint32_t imap_relevancy_at(const struct imap_relevancy *r, uint32_t uid);

/* ---- search_answer.c ---- */

/* A word of ESEARCH with its number. */
void imap_put_return(struct imap *s, const char *word, uint64_t n);
/* The end of "* SEARCH" and "* SORT", with the modification sequence where it is wanted (RFC 7162 3.1.5). */
void imap_put_plain_end(struct imap *s, const struct imap_hunt *h, bool found);
/* "* ESEARCH (TAG x) [UID]" */
void imap_put_esearch(struct imap *s, const struct imap_search *q);
/* RFC 5182: what "$" stands for from now on. */
void imap_search_save(struct imap *s, const struct runs *uids);
/* The results of SEARCH, and its tagged reply. */
enum result imap_search_answer(struct imap *s, struct imap_hunt *h);
/* The results alone. */
NODISCARD enum result imap_search_tell(struct imap *s, struct imap_hunt *h);
/* UIDs found, as the client wants them named. */
bool imap_search_numbers(struct imap *s, const struct runs *uids, struct runs *out);

#endif
