/*
 * parse: what an IMAP server says, taken apart. Pure; everything is a view into the response or lives in the arena.
 *
 * A response is the octets as they came: lines with CRLF, a literal's octets after the line that announces it.
 */
#ifndef IMAPC_PARSE_H
#define IMAPC_PARSE_H

#include "imapc/imapc.h"

enum imapc_kind { IMAPC_TAGGED, IMAPC_UNTAGGED, IMAPC_CONTINUE };
struct imapc_reply {
	enum imapc_kind kind;
	struct slice tag;
	uint32_t number; /* before the word: "* 12 FETCH" */
	bool numbered;
	struct slice word; /* "OK", "FETCH", "LIST" ... */
	struct slice rest; /* after the word and its blank; without the last CRLF */
};
NODISCARD enum result imapc_reply_parse(struct slice text, struct imapc_reply *out);
/* True for responses whose text is for people, where "{5}" at the end of a line announces nothing. */
bool imapc_is_status(struct slice first_line);
/* The length of the literal that a line announces at its end. */
bool imapc_literal(struct slice line, uint64_t *n_out);

/* "[UIDVALIDITY 5] text": code and its argument; false when there is none. */
bool imapc_code(struct slice rest, struct slice *code_out, struct slice *argument_out);
NODISCARD enum result imapc_list_parse(struct slice rest, struct arena *a, struct imapc_folder *out);
NODISCARD enum result imapc_fetch_parse(struct slice rest, struct arena *a, struct imapc_message *out);
/* NAMESPACE: the first personal prefix. */
NODISCARD enum result imapc_namespace_parse(struct slice rest, struct arena *a, struct slice *prefix_out);

#endif
