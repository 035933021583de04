/*
 * facts: what there is to know about a message, once and for all (ipc/facts.proto), and texts of it.
 *
 * Facts live in the caller's arena and point into the message: both must stay while facts are used; packed facts
 * (sekisho__facts__pack) stand alone. Nothing in a message makes the extraction fail.
 */
#ifndef MAIL_FACTS_H
#define MAIL_FACTS_H

#include "ipc/facts.pb-c.h"
#include "mail/mime.h"

#define MAIL_FACTS_VERSION 1

/* FULL when the arena's cap was reached (a few times the header and 1 KiB a part is enough). */
NODISCARD enum result mail_facts_extract(struct slice message, struct arena *a, Sekisho__Facts **out);

/* The octets of a part's body without its transfer encoding. */
void mail_facts_octets(struct slice message, const Sekisho__Part *part, struct buf *out);
/* A text part as UTF-8, line ends LF; HTML becomes plain text. Nothing for parts that are no text. */
void mail_facts_text(struct slice message, const Sekisho__Part *part, struct buf *out);

/*
 * RFC 3516 4.4, for a message that came as it is: parts whose transfer encoding is "binary" become base64, everything
 * else gets the form that is kept (CRLF, no NUL). `root` is of the message's facts, or NULL when it has none. The facts of the
 * result are others. FULL: `out` cannot hold it.
 */
NODISCARD enum result mail_unbinary(struct slice message, const Sekisho__Part *root, struct buf *out);

/*
 * RFC 6152 3, for a server without 8BITMIME: 8-bit and binary parts become quoted-printable or base64, each for itself; nothing
 * else is changed. DENY: a header has 8-bit octets, or a signature (multipart/signed) covers some. FULL: `out` cannot hold it.
 */
NODISCARD enum result mail_seven(struct slice message, const Sekisho__Part *root, struct buf *out);

/*
 * The text with the differences removed that a search does not see: case, width, compatibility forms, kinds of kana and
 * their sizes, variants of characters, white space (fold.c). What comes out is UTF-8 without control characters. A
 * text and a part of it are folded alike, but for what stands at the part's two ends.
 */
void mail_text_fold(struct slice text, struct buf *out);
/* Han, kana and their like: written without spaces between words. */
bool mail_text_is_dense(uint32_t v);
/* HTML without tags, scripts and styles; entities decoded; blocks become lines. `in` and out are UTF-8. */
void mail_html_text(struct slice html, struct buf *out);

/*
 * For people and tests: the structure with the SHA-256 and size of every decoded leaf, decoded header fields,
 * defects. Messages inside transfer encodings are opened. One JSON object.
 */
NODISCARD enum result mail_explain_json(struct slice message, struct buf *out);
/* The facts as a JSON object. */
void mail_explain_facts_json(const Sekisho__Facts *facts, struct buf *out);

#endif
