/* zip: archives and office documents, by libarchive, from memory and without extracting anything to anywhere. */
#include "inspect/doc.h"
#include "inspect/file.h"
#include "mail/charset.h"
#include <archive.h>
#include <archive_entry.h>
#include <libxml/parser.h>
#include <locale.h>

#define MEMBER_MOST ((size_t)64 << 20)
#define RATIO_MOST 200u /* of the whole archive; text packs to a tenth or so */

/* Parts of office documents that people read: what the names begin with. */
static bool office_shape(struct slice name, enum inspect_xml *out)
{
	static const struct {
		struct slice start;
		enum inspect_xml shape;
	} parts[] = {{SLICE("word/document"), INSPECT_XML_WORD}, {SLICE("word/header"), INSPECT_XML_WORD},
	    {SLICE("word/footer"), INSPECT_XML_WORD}, {SLICE("word/footnotes"), INSPECT_XML_WORD},
	    {SLICE("word/endnotes"), INSPECT_XML_WORD}, {SLICE("word/comments"), INSPECT_XML_WORD},
	    {SLICE("xl/sharedStrings"), INSPECT_XML_STRINGS},
	    {SLICE("xl/worksheets/sheet"), INSPECT_XML_SHEET}, {SLICE("xl/comments"), INSPECT_XML_STRINGS},
	    {SLICE("ppt/slides/slide"), INSPECT_XML_SLIDE}, {SLICE("ppt/notesSlides/"), INSPECT_XML_SLIDE},
	    {SLICE("ppt/diagrams/data"), INSPECT_XML_SLIDE},
	    {SLICE("xl/drawings/drawing"), INSPECT_XML_SLIDE}, {SLICE("content.xml"), INSPECT_XML_ODF}};
	if (!slice_iends(name, SLICE(".xml")))
		return false;
	for (size_t i = 0; i < COUNT(parts); i++)
		if (slice_starts(name, parts[i].start)) {
			*out = parts[i].shape;
			return true;
		}
	return false;
}

/* Files of an office document that are no text and no archive of the user's. */
static bool is_office(struct slice zip)
{
	struct slice head = slice_sub(zip, 0, 4096),
		     tail = slice_sub(zip, zip.n > 65536 ? zip.n - 65536 : 0, zip.n);
	return slice_search(head, SLICE("[Content_Types].xml")) >= 0 ||
	       slice_search(tail, SLICE("[Content_Types].xml")) >= 0 ||
	       slice_search(head, SLICE("mimetypeapplication/vnd.oasis")) >= 0;
}

/* libarchive gives names that say they are UTF-8 in a locale of UTF-8 only. */
static locale_t utf8_names;

void inspect_start(void)
{
	xmlInitParser();
	if (!utf8_names)
		utf8_names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

struct unzip {
	struct inspect_budget *budget;
	struct buf *out;
	struct archive *archive;
	bool office;
	size_t most; /* octets this archive may still unpack to */
};

static bool read_member(struct unzip *z, struct buf *out)
{
	for (;;) {
		char *p = buf_room(out, 65536);
		la_ssize_t n = p ? archive_read_data(z->archive, p, 65536) : ARCHIVE_FATAL;
		if (!p || (n > 0 && ((size_t)n > z->most || !inspect_budget_take(z->budget, (size_t)n)))) {
			z->budget->notes |= INSPECT_CUT;
			return false;
		}
		if (n == 0)
			return true;
		if (n < 0) {
			z->budget->notes |= INSPECT_UNREADABLE;
			return false;
		}
		z->most -= (size_t)n;
		buf_wrote(out, (size_t)n);
	}
}

static void read_file(struct unzip *z, struct slice name)
{
	enum inspect_xml shape = INSPECT_XML_WORD;
	struct inspect_file f = {.name = name};
	bool xml = z->office && office_shape(name, &shape);
	if (!xml && (z->office || !inspect_file_may_have_text(&f)))
		return;
	BUF_LOCAL(octets, MEMBER_MOST);
	/* What was read of a member that is too large or broken is used. */
	bool whole = read_member(z, &octets);
	f.octets = buf_slice(&octets);
	if (xml)
		inspect_xml_text(z->budget, shape, f.octets, z->out);
	else if (whole)
		inspect_file_text(z->budget, &f, z->out);
	buf_puts(z->out, "\n\n");
}

static void read_entry(struct unzip *z, struct archive_entry *e)
{
	const char *raw = archive_entry_pathname(e);
	BUF_LOCAL(name, 16384);
	if (raw)
		mail_text_decode(SLICE_NONE, slice_sub(slice_str(raw), 0, 4096), &name);
	if (archive_entry_filetype(e) != AE_IFREG && raw && name.n && name.p[name.n - 1] == '/')
		return;
	if (!z->office) {
		buf_put(z->out, buf_slice(&name));
		buf_puts(z->out, "\n\n");
	}
	if (archive_entry_is_data_encrypted(e)) {
		z->budget->notes |= INSPECT_UNREADABLE;
		return;
	}
	read_file(z, buf_slice(&name));
}

void inspect_zip_text(struct inspect_budget *b, struct slice zip, struct buf *out)
{
	if (!b->depth) {
		b->notes |= INSPECT_CUT;
		return;
	}
	b->depth--;
	struct unzip z = {.budget = b,
	    .out = out,
	    .archive = archive_read_new(),
	    .office = is_office(zip),
	    .most = zip.n * RATIO_MOST};
	if (!z.archive)
		abort();
	/* By its directory only: what has none is unpacked to find where a member ends, wanted or not, at any cost. */
	archive_read_support_format_zip_seekable(z.archive);
	struct archive_entry *e;
	locale_t before = utf8_names ? uselocale(utf8_names) : (locale_t)0;
	int r = archive_read_open_memory(z.archive, zip.p, zip.n);
	if (r != ARCHIVE_OK)
		b->notes |= INSPECT_UNREADABLE;
	while (r == ARCHIVE_OK && !out->over && inspect_budget_take(b, 0)) {
		r = archive_read_next_header(z.archive, &e);
		if (r == ARCHIVE_EOF)
			break;
		if (r == ARCHIVE_WARN)
			r = ARCHIVE_OK;
		if (r != ARCHIVE_OK) {
			b->notes |= INSPECT_UNREADABLE;
			break;
		}
		if (!b->files || !z.most) {
			b->notes |= INSPECT_CUT;
			break;
		}
		b->files--;
		read_entry(&z, e);
	}
	archive_read_free(z.archive);
	if (before)
		uselocale(before);
	b->depth++;
}
