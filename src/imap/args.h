/*
 * args: takes a command's arguments apart (RFC 3501 section 9), left to right, with a sticky error.
 *
 * A command is held as one row of octets, its literals in place: "A1 LOGIN {3}" CRLF "abc" " secret". Where a value had
 * no escapes it is a slice of that row, else a copy in the command's arena. After an error every getter yields nothing;
 * the verb asks once, with imap_args_done.
 */
#ifndef IMAP_ARGS_H
#define IMAP_ARGS_H

#include "base/base.h"
#include "runs.h"

struct imap_args {
	struct cursor c;
	struct arena *arena;
	bool utf8;       /* UTF8=ACCEPT was enabled: quoted strings and names may hold UTF-8 (RFC 6855) */
	const char *why; /* what was wrong, NULL when nobody said */
};

void imap_args_fail(struct imap_args *p, const char *why);
/* BAD when anything was wrong or octets are left over. */
NODISCARD enum result imap_args_done(const struct imap_args *p);

static inline int imap_args_peek(const struct imap_args *p)
{
	return cursor_peek(&p->c);
}
static inline bool imap_args_try(struct imap_args *p, char c)
{
	return cursor_try(&p->c, c);
}
static inline void imap_args_need(struct imap_args *p, char c)
{
	cursor_need(&p->c, c);
}
static inline void imap_args_space(struct imap_args *p)
{
	cursor_need(&p->c, ' ');
}

struct slice imap_args_atom(struct imap_args *p);
struct slice imap_args_tag(struct imap_args *p);
struct slice imap_args_astring(struct imap_args *p);
struct slice imap_args_string(struct imap_args *p);
/* false: NIL */
bool imap_args_nstring(struct imap_args *p, struct slice *out);
/* A keyword of the protocol in letters, digits, '.', '-' and '='; stops before anything else. */
struct slice imap_args_word(struct imap_args *p);
uint32_t imap_args_number(struct imap_args *p);
uint64_t imap_args_number64(struct imap_args *p);
void imap_args_set(struct imap_args *p, struct runs *out);

/*
 * A mailbox name as UTF-8, "INBOX" in any case as INBOX. One that no mailbox can have (broken modified UTF-7, control
 * characters, too long) comes as IMAP_NO_NAME, which nothing is called.
 */
#define IMAP_NO_NAME SLICE("\x01")
struct slice imap_args_mailbox(struct imap_args *p);
/* The same of a name that came as UTF-8 in another way. */
struct slice imap_args_name(struct imap_args *p, struct slice utf8);
/* A pattern of LIST, as UTF-8. */
struct slice imap_args_pattern(struct imap_args *p);

struct imap_flags {
	uint32_t system;        /* bits of enum Flag */
	struct slice *keywords; /* as written */
	size_t n;
};
/* "(" flags ")"; \Recent and unknown system flags fail. */
void imap_args_flag_list(struct imap_args *p, struct imap_flags *out);
/* The same, or flags without parentheses (STORE). */
void imap_args_store_flags(struct imap_args *p, struct imap_flags *out);

/* "1-Feb-1994", quoted or not: days since 1970-01-01. */
int32_t imap_args_date(struct imap_args *p);
/* " 1-Feb-1994 21:52:25 -0800" in quotes: UTC milliseconds. */
int64_t imap_args_date_time(struct imap_args *p);

/* The literal announced at the very end of a line: "{42}", "{42+}", "~{42}". False when there is none. */
struct imap_literal {
	uint64_t n;
	bool nonsync;
	bool binary;  /* literal8, RFC 3516 */
	size_t width; /* octets of the announcement */
};
bool imap_literal_at_end(struct slice line, struct imap_literal *out);

#endif
