/*
 * inspect: what is inside messages, for those who look for something in them. Pure: octets in, text out.
 *
 *   doc.h      the searchable text of a message (its "doc"), and whether it holds what is looked for
 *   terms.h    the words of a doc, by which an index finds it, and what an index must be asked for a needle
 *   file.h     the text of files: HTML, OOXML and OpenDocument, PDF, CSV and plain text in any charset, and all of these in
 *              zip archives, within a budget
 *   logo.h     whether a file may be shown as a domain's logo
 *
 * `scan` makes docs (SCAN_TEXT); `store` keeps them in its index and matches needles against them. Both sides of a search,
 * the index and the reading of what is not yet indexed, go through inspect_doc_match(), so they cannot differ.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include "inspect/doc.h"
#include "inspect/file.h"
#include "inspect/terms.h"

#endif
