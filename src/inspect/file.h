/*
 * file: the text of files, as people would read it, within a budget.
 *
 * Everything works on memory; nothing is opened, and nothing a file says makes it fail: what cannot be read is noted and
 * left out. Output is UTF-8 with LF; cells and paragraphs are parted by tabs and empty lines.
 */
#ifndef INSPECT_FILE_H
#define INSPECT_FILE_H

#include "base/base.h"

/* What one message may cost; shared by all its files, however deep they lie. */
struct inspect_budget {
	int64_t cpu_until_us;  /* of this thread's CPU time */
	size_t octets;         /* left to be unpacked */
	unsigned files, depth; /* left */
	unsigned notes;        /* bits of enum inspect_note */
};
/* Once in a process, before its threads begin. */
void inspect_start(void);

void inspect_budget_start(struct inspect_budget *b); /* LIMIT_INSPECT_* */
/* Takes octets off; false, and noted, when nothing is left of them or of the time. */
bool inspect_budget_take(struct inspect_budget *b, size_t octets);

struct inspect_file {
	struct slice name;          /* may be empty */
	struct slice type, subtype; /* as declared, lower case; may be empty */
	struct slice octets;
};
/* By name and type alone: whether it is worth decoding. */
bool inspect_file_may_have_text(const struct inspect_file *f);
/* Adds its text. What it is, its first octets say rather than its name. */
void inspect_file_text(struct inspect_budget *b, const struct inspect_file *f, struct buf *out);

/* HTML, as UTF-8: no scripts, styles or markup; every entity. */
void inspect_html_text(struct inspect_budget *b, struct slice html, struct buf *out);
/* Text in a charset nobody declared: by its byte order mark, or guessed (mail_charset_guess; UTF-16 too). */
void inspect_plain_text(struct slice octets, struct buf *out);
/* The text of an XML file of an office document; `shape` says which. */
enum inspect_xml {
	INSPECT_XML_WORD,
	INSPECT_XML_SHEET,
	INSPECT_XML_STRINGS,
	INSPECT_XML_SLIDE,
	INSPECT_XML_ODF
};
void inspect_xml_text(struct inspect_budget *b, enum inspect_xml shape, struct slice xml, struct buf *out);
/* A zip: an office document, or an archive of any files. */
void inspect_zip_text(struct inspect_budget *b, struct slice zip, struct buf *out);
void inspect_pdf_text(struct inspect_budget *b, struct slice pdf, struct buf *out);

#endif
