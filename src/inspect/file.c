#include "inspect/file.h"
#include "inspect/doc.h"
#include "mail/charset.h"
#include <time.h>

static int64_t cpu_us(void)
{
	struct timespec t;
	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0
		   ? (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000
		   : 0;
}

void inspect_budget_start(struct inspect_budget *b)
{
	*b = (struct inspect_budget){
	    .cpu_until_us = cpu_us() + (int64_t)LIMIT_INSPECT_CPU_MS * 1000,
	    .octets = LIMIT_INSPECT_OCTETS,
	    .files = LIMIT_INSPECT_FILES,
	    .depth = LIMIT_INSPECT_DEPTH,
	};
}

bool inspect_budget_take(struct inspect_budget *b, size_t octets)
{
	if (octets > b->octets || cpu_us() > b->cpu_until_us) {
		b->octets = 0;
		b->notes |= INSPECT_CUT;
		return false;
	}
	b->octets -= octets;
	return true;
}

/* ---- what it is ---- */

enum shape { UNKNOWN, PLAIN, HTML, ZIP, PDF };

static enum shape shape_by_name(const struct inspect_file *f)
{
	static const struct {
		struct slice end;
		enum shape shape;
	} ends[] = {{SLICE(".txt"), PLAIN}, {SLICE(".csv"), PLAIN}, {SLICE(".tsv"), PLAIN},
	    {SLICE(".log"), PLAIN}, {SLICE(".md"), PLAIN}, {SLICE(".json"), PLAIN}, {SLICE(".xml"), HTML},
	    {SLICE(".ics"), PLAIN}, {SLICE(".vcf"), PLAIN}, {SLICE(".html"), HTML}, {SLICE(".htm"), HTML},
	    {SLICE(".pdf"), PDF}, {SLICE(".zip"), ZIP}, {SLICE(".docx"), ZIP}, {SLICE(".docm"), ZIP},
	    {SLICE(".dotx"), ZIP}, {SLICE(".xlsx"), ZIP}, {SLICE(".xlsm"), ZIP}, {SLICE(".pptx"), ZIP},
	    {SLICE(".pptm"), ZIP}, {SLICE(".odt"), ZIP}, {SLICE(".ods"), ZIP}, {SLICE(".odp"), ZIP}};
	for (size_t i = 0; i < COUNT(ends); i++)
		if (slice_iends(f->name, ends[i].end))
			return ends[i].shape;
	if (slice_eq(f->type, SLICE("text")))
		return slice_eq(f->subtype, SLICE("html")) ? HTML : PLAIN;
	return UNKNOWN;
}

static bool declared(const struct inspect_file *f)
{
	static const struct slice starts[] = {SLICE("pdf"), SLICE("zip"), SLICE("x-zip"),
	    SLICE("octet-stream"), SLICE("vnd.openxmlformats"), SLICE("vnd.oasis.opendocument"),
	    SLICE("vnd.ms-"), SLICE("x-pdf"), SLICE("msword")};
	if (!slice_eq(f->type, SLICE("application")))
		return false;
	for (size_t i = 0; i < COUNT(starts); i++)
		if (slice_starts(f->subtype, starts[i]))
			return true;
	return false;
}

bool inspect_file_may_have_text(const struct inspect_file *f)
{
	return shape_by_name(f) != UNKNOWN || declared(f);
}

static enum shape shape_of(const struct inspect_file *f)
{
	if (slice_starts(f->octets, SLICE("PK\3\4")) || slice_starts(f->octets, SLICE("PK\5\6")))
		return ZIP;
	/* Readers accept a PDF whose beginning has up to a kilobyte of something else before it. */
	if (slice_search(slice_sub(f->octets, 0, 1024), SLICE("%PDF-")) >= 0)
		return PDF;
	enum shape s = shape_by_name(f);
	return s == PLAIN || s == HTML ? s : UNKNOWN;
}

void inspect_file_text(struct inspect_budget *b, const struct inspect_file *f, struct buf *out)
{
	if (!f->octets.n || !inspect_budget_take(b, 0))
		return;
	switch (shape_of(f)) {
	case PLAIN:
		inspect_plain_text(f->octets, out);
		return;
	case HTML: {
		BUF_LOCAL(text, f->octets.n * 4 + 4);
		inspect_plain_text(f->octets, &text);
		inspect_html_text(b, buf_slice(&text), out);
		return;
	}
	case ZIP:
		inspect_zip_text(b, f->octets, out);
		return;
	case PDF:
		inspect_pdf_text(b, f->octets, out);
		return;
	case UNKNOWN:
		if (shape_by_name(f) != UNKNOWN)
			b->notes |= INSPECT_UNREADABLE;
		return;
	}
}

/* ---- plain text ---- */

static bool looks_utf16(struct slice s, bool big)
{
	size_t zero = 0, pairs = MIN(s.n, (size_t)2048) / 2;
	for (size_t i = 0; i < pairs; i++) {
		unsigned char high = (unsigned char)s.p[2 * i + (big ? 0 : 1)];
		unsigned char low = (unsigned char)s.p[2 * i + (big ? 1 : 0)];
		zero += high == 0 && low >= 9 && low < 127;
	}
	return pairs && zero * 20 > pairs; /* line ends and digits at least; no other charset has NULs */
}

void inspect_plain_text(struct slice s, struct buf *out)
{
	struct slice label = SLICE_NONE;
	if (slice_starts(s, SLICE("\xff\xfe")))
		label = SLICE("utf-16le");
	else if (slice_starts(s, SLICE("\xfe\xff")))
		label = SLICE("utf-16be");
	else if (slice_starts(s, SLICE("\xef\xbb\xbf")))
		label = SLICE("utf-8");
	if (label.n)
		s = slice_sub(s, label.n == 5 ? 3 : 2, s.n);
	else if (memchr(s.p, 0, MIN(s.n, (size_t)2048)))
		label = looks_utf16(s, false)  ? SLICE("utf-16le")
			: looks_utf16(s, true) ? SLICE("utf-16be")
					       : SLICE_NONE;
	mail_text_decode(label, s, out);
}
