/*
 * put: everything that leaves towards an IMAP client goes through one of these (RFC 3501 section 9).
 *
 * They write straight into the stream; its failures stick there and are asked for once a command.
 */
#ifndef IMAP_PUT_H
#define IMAP_PUT_H

#include "base/base.h"
#include "runs.h"

void imap_put_number(struct stream *out, uint64_t n);
/* Quoted when it can be (printable ASCII, 512 octets at most), else a literal; a NUL, which neither may hold, as 80. */
void imap_put_string(struct stream *out, struct slice s);
/* NIL when not present. */
void imap_put_nstring(struct stream *out, struct slice s, bool present);
/* An atom where the grammar allows one. Never the atom NIL. */
void imap_put_astring(struct stream *out, struct slice s);
/* A mailbox name held as UTF-8: in modified UTF-7, or as it is once the client enabled UTF8=ACCEPT. */
void imap_put_mailbox(struct stream *out, struct slice utf8, bool utf8_accept);
/* "{n}" CRLF; the n octets follow by imap_put_octets. */
void imap_put_literal_start(struct stream *out, uint64_t n);
/* Octets of a literal; a NUL leaves as 80, since a literal may hold none (RFC 3501 section 9, CHAR8). */
void imap_put_octets(struct stream *out, struct slice s);
/* "dd-Mon-yyyy hh:mm:ss +0000" in quotes. */
void imap_put_date_time(struct stream *out, int64_t utc_ms);
void imap_put_runs(struct stream *out, const struct runs *r); /* 1:3,5 */

#endif
