/* html: the text of HTML and of office XML, by libxml2's parsers as streams of events; no tree is made. */
#include "inspect/doc.h"
#include "inspect/file.h"
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>

/* So much is parsed between two looks at the clock: an end that closes nothing looks at all open elements. */
#define CHUNK 4096

struct reading {
	struct inspect_budget *budget;
	struct buf *out;
	xmlParserCtxtPtr parser;
	enum inspect_xml shape;
	unsigned text; /* depth of elements whose characters are text */
	unsigned steps;
};

/* Called often: looks at the clock now and then, and ends a parser that took too long or said enough. */
static void step(struct reading *r)
{
	if (++r->steps % 1024 == 0 && (r->out->over || !inspect_budget_take(r->budget, 0)))
		xmlStopParser(r->parser);
}

static bool is_one_of(const xmlChar *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp((const char *)name, list[i]) == 0)
			return true;
	return false;
}

/* ---- HTML ---- */

static bool is_block(const xmlChar *name)
{
	static const char *const blocks[] = {"address", "article", "blockquote", "dd", "div", "dl", "dt",
	    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "option", "p",
	    "pre", "section", "table", "title", "tr", "ul"};
	return is_one_of(name, blocks, COUNT(blocks));
}

static void html_boundary(struct reading *r, const xmlChar *name)
{
	step(r);
	if (is_block(name))
		buf_puts(r->out, "\n\n");
	else if (strcmp((const char *)name, "br") == 0)
		buf_puts(r->out, "\n");
	else if (strcmp((const char *)name, "td") == 0 || strcmp((const char *)name, "th") == 0)
		buf_puts(r->out, "\t");
}

static void html_start(void *ctx, const xmlChar *name, const xmlChar **attributes)
{
	struct reading *r = ctx;
	html_boundary(r, name);
	/* What a picture says instead of itself, as readers without pictures see it. */
	for (; attributes && attributes[0]; attributes += 2)
		if (attributes[1] && strcmp((const char *)attributes[0], "alt") == 0)
			buf_puts(r->out, (const char *)attributes[1]);
}

static void html_end(void *ctx, const xmlChar *name)
{
	struct reading *r = ctx;
	if (is_block(name))
		html_boundary(r, name);
}

static void put_characters(void *ctx, const xmlChar *p, int n)
{
	struct reading *r = ctx;
	step(r);
	buf_put(r->out, slice_of(p, n > 0 ? (size_t)n : 0));
}

static void drop_characters(void *ctx, const xmlChar *p, int n)
{
	step(ctx);
}

static void say_nothing(void *ctx, const char *format, ...)
{
	(void)ctx;
	(void)format;
}

/* Scripts and styles come as CDATA. */
static xmlSAXHandler html_events(void)
{
	return (xmlSAXHandler){.startElement = html_start,
	    .endElement = html_end,
	    .characters = put_characters,
	    .ignorableWhitespace = put_characters,
	    .cdataBlock = drop_characters,
	    .warning = say_nothing,
	    .error = say_nothing};
}

void inspect_html_text(struct inspect_budget *b, struct slice html, struct buf *out)
{
	if (!html.n || html.n > INT32_MAX)
		return;
	struct reading r = {.budget = b, .out = out};
	xmlSAXHandler events = html_events();
	htmlParserCtxtPtr p = htmlCreatePushParserCtxt(&events, &r, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (!p)
		abort();
	r.parser = p;
	htmlCtxtUseOptions(p, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
				  HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
	for (size_t at = 0; at < html.n && !out->over && inspect_budget_take(b, 0); at += CHUNK) {
		struct slice piece = slice_sub(html, at, CHUNK);
		htmlParseChunk(p, piece.p, (int)piece.n, 0);
	}
	htmlParseChunk(p, NULL, 0, 1);
	htmlFreeParserCtxt(p);
}

/* ---- office XML ---- */

/* Elements whose characters are what people read. */
static bool xml_is_text(enum inspect_xml shape, const xmlChar *name)
{
	switch (shape) {
	case INSPECT_XML_SHEET:
		return name[0] == 't' || name[0] == 'v' ? name[1] == 0 : false;
	case INSPECT_XML_ODF:
		return strcmp((const char *)name, "p") == 0 || strcmp((const char *)name, "h") == 0;
	default:
		return name[0] == 't' && name[1] == 0;
	}
}

static void xml_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_spaces,
    const xmlChar **spaces, int n, int n_defaulted, const xmlChar **attributes)
{
	static const char *const breaks[] = {"br", "cr", "line-break"};
	struct reading *r = ctx;
	step(r);
	if (strcmp((const char *)name, "tab") == 0 ||
	    (r->shape == INSPECT_XML_ODF && name[0] == 's' && !name[1]))
		buf_putc(r->out, '\t');
	else if (is_one_of(name, breaks, COUNT(breaks)))
		buf_putc(r->out, '\n');
	r->text += xml_is_text(r->shape, name);
}

static void xml_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	static const char *const ends[] = {"p", "si", "c", "h", "row", "tr"};
	struct reading *r = ctx;
	if (r->text && xml_is_text(r->shape, name))
		r->text--;
	if (is_one_of(name, ends, COUNT(ends)))
		buf_puts(r->out, "\n\n");
}

static void xml_characters(void *ctx, const xmlChar *p, int n)
{
	struct reading *r = ctx;
	if (r->text)
		put_characters(ctx, p, n);
}

/* Entities are those of XML itself; what a document declares is not expanded. */
void inspect_xml_text(struct inspect_budget *b, enum inspect_xml shape, struct slice xml, struct buf *out)
{
	if (!xml.n || xml.n > INT32_MAX)
		return;
	xmlSAXHandler events = {.initialized = XML_SAX2_MAGIC,
	    .startElementNs = xml_start,
	    .endElementNs = xml_end,
	    .characters = xml_characters,
	    .ignorableWhitespace = xml_characters,
	    .cdataBlock = xml_characters,
	    .warning = say_nothing,
	    .error = say_nothing};
	struct reading r = {.budget = b, .out = out, .shape = shape};
	xmlParserCtxtPtr p = xmlCreatePushParserCtxt(&events, &r, NULL, 0, NULL);
	if (!p)
		abort();
	r.parser = p;
	xmlCtxtUseOptions(p, XML_PARSE_RECOVER | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
	for (size_t at = 0; at < xml.n && !out->over && inspect_budget_take(b, 0); at += CHUNK) {
		struct slice piece = slice_sub(xml, at, CHUNK);
		xmlParseChunk(p, piece.p, (int)piece.n, 0);
	}
	xmlParseChunk(p, NULL, 0, 1);
	if (p->myDoc)
		xmlFreeDoc(p->myDoc);
	xmlFreeParserCtxt(p);
}
