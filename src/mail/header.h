/*
 * header: fields of a message header, and the texts inside them.
 *
 * Works on the octets as stored: lines end in CRLF, a bare LF counts as a line end too, a bare CR does not. Values
 * are slices of the message, still folded; mail_unfold() joins them. Decoding (RFC 2047, RFC 2231) is as lenient as
 * the clients people read mail with, and what had to be forgiven is reported as a defect.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/base.h"

/* What is wrong with a message: the names and meanings stand in defects.def. A set of them is a uint64_t. */
enum mail_defect {
#define X(name, weight, text) MAIL_DEFECT_##name,
#include "defects.def"
#undef X
	MAIL_DEFECTS
};
typedef uint64_t mail_defects;
#define MAIL_DEFECT_BIT(d) ((mail_defects)1 << (d))

/* Harmless slips of many programs against what lets two readers see two different messages. */
enum mail_defect_weight { MAIL_HARMLESS, MAIL_AMBIGUOUS };

const char *mail_defect_name(enum mail_defect d);
const char *mail_defect_text(enum mail_defect d); /* one English sentence */
enum mail_defect_weight mail_defect_weigh(enum mail_defect d);
/* By the name in facts; MAIL_DEFECTS when there is none of that name. */
enum mail_defect mail_defect_find(struct slice name);

struct mail_field {
	struct slice name;  /* as written, without blanks before the colon; empty: a line that is no field */
	struct slice value; /* behind the colon, still folded, without the last line end */
	struct slice all;   /* the whole field with its line end */
};

struct mail_fields {
	struct slice rest; /* not yet read */
	size_t count;      /* fields so far */
	size_t left;       /* of LIMIT_HEADER_BYTES */
	bool empty_seen;   /* an empty line stands further on */
	bool ended;        /* the empty line (or the end) was reached; rest is the body */
	mail_defects defects;
};

/* Reads the header at the start of `message`. */
struct mail_fields mail_fields_of(struct slice message);
/* The next field; false at the end of the header, when f->rest is the body (without the empty line). */
bool mail_fields_next(struct mail_fields *f, struct mail_field *out);
/* The first field of this name; false when there is none. `message` starts with its header. */
bool mail_header_get(struct slice message, struct slice name, struct mail_field *out);
/* The message's body: what follows the empty line. */
struct slice mail_body_of(struct slice message);

/* The value without its line ends and without blanks around it; the value itself when it needs no change. */
struct slice mail_unfold(struct slice value, struct arena *a);
/* The same, but only blanks directly behind the colon are taken off: how IMAP servers show a value. */
struct slice mail_unfold_raw(struct slice value, struct arena *a);

/*
 * Unstructured text to UTF-8: unfolds, decodes encoded words (RFC 2047) and raw octets. Adjacent words of one set
 * are joined before decoding, so that characters torn between words come out whole. Control characters, NUL
 * included, become spaces.
 */
mail_defects mail_words_decode(struct slice value, struct buf *out);

/* Octets of the encoded word that s begins with, 0 when it begins with none. */
size_t mail_word_length(struct slice s);

/* The next "<id>" of an unfolded value, without its brackets; a bare word with an "@" counts too. Empty: no more. */
struct slice mail_id_take(struct slice *rest);

/* One parameter, RFC 2045 5.1 with RFC 2231. */
struct mail_param {
	struct mail_param *next;
	struct slice name; /* lower case, without "*0*" */
	struct slice raw;  /* continuations joined; undecoded */
	bool extended;     /* raw is charset'language'%XX */
	struct slice text; /* decoded to UTF-8 */
	bool starred;      /* came in a form of RFC 2231: goes before a plain one */
};

/* "token; a=b; c=d" or "type/subtype; a=b". */
struct mail_value {
	struct slice type;    /* lower case: "text", or the only token */
	struct slice subtype; /* lower case; empty when there was no "/" */
	struct mail_param *params;
	mail_defects defects;
};

/* The value of Content-Type (`slash`) or Content-Disposition, folded or not. Never fails. */
void mail_value_parse(struct slice value, bool slash, struct arena *a, struct mail_value *out);
/* The parameter of that (lower-case) name, of several forms the extended one; NULL when there is none. */
const struct mail_param *mail_param_get(const struct mail_value *v, struct slice name);

#endif
