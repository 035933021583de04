#include "inspect/logo.h"
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>

#define SVG_NAMESPACE "http://www.w3.org/2000/svg"
#define SIZE_MOST 32768
#define FAULT(name) (1u << LOGO_##name)

static const struct logo_text texts[] = {
#define X(name, word, wrong, en, ja) {word, wrong, en, ja},
#include "inspect/logo.def"
#undef X
};

const struct logo_text *inspect_logo_text(enum logo_fault f)
{
	return &texts[f];
}

struct looking {
	unsigned faults;
	unsigned depth;
	bool title; /* inside of it */
};

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static bool is_active(const char *name)
{
	static const char *const active[] = {"script", "handler", "listener", "animate", "animateColor",
	    "animateMotion", "animateTransform", "animation", "set", "discard", "a", "image", "video",
	    "audio", "foreignObject", "prefetch", "iframe", "style"};
	return is_one_of(name, active, COUNT(active));
}

/* libxml2 gives five pointers an attribute: name, prefix, namespace, value, its end. */
struct attribute {
	const char *name;
	struct slice value;
};

static struct attribute attribute_at(const xmlChar **list, int i)
{
	const xmlChar **five = list + 5 * i;
	return (struct attribute){(const char *)five[0], slice_of(five[3], (size_t)(five[4] - five[3]))};
}

/* Four numbers, of which the last two are the sides. */
static bool is_square(struct slice box)
{
	double side[4] = {0};
	char text[128];
	char *at = text, *end;
	if (!box.n || box.n >= sizeof text)
		return false;
	memcpy(text, box.p, box.n);
	text[box.n] = 0;
	for (size_t i = 0; i < COUNT(side); i++) {
		side[i] = strtod(at, &end);
		if (end == at)
			return false;
		at = end + strspn(end, ", \t\r\n");
	}
	return side[2] > 0 && side[2] >= side[3] && side[2] <= side[3];
}

static void look_at_root(struct looking *l, const char *name, const xmlChar *uri, int n, const xmlChar **list)
{
	unsigned missing = FAULT(VERSION) | FAULT(PROFILE) | FAULT(NOT_SQUARE);
	if (strcmp(name, "svg") != 0 || !uri || strcmp((const char *)uri, SVG_NAMESPACE) != 0)
		l->faults |= FAULT(NOT_SVG);
	for (int i = 0; i < n; i++) {
		struct attribute a = attribute_at(list, i);
		if (strcmp(a.name, "version") == 0 && slice_eq(a.value, SLICE("1.2")))
			missing &= ~FAULT(VERSION);
		else if (strcmp(a.name, "baseProfile") == 0 && slice_eq(a.value, SLICE("tiny-ps")))
			missing &= ~FAULT(PROFILE);
		else if (strcmp(a.name, "viewBox") == 0 && is_square(a.value))
			missing &= ~FAULT(NOT_SQUARE);
		else if (strcmp(a.name, "x") == 0 || strcmp(a.name, "y") == 0)
			l->faults |= FAULT(PLACED);
	}
	l->faults |= missing;
}

/* url(#x) and #x stay inside. */
static bool leads_out(const struct attribute *a)
{
	struct slice rest = a->value;
	if (strcmp(a->name, "href") == 0)
		return rest.n && rest.p[0] != '#';
	ptrdiff_t at = slice_search(rest, SLICE("url("));
	if (at < 0)
		return false;
	rest = slice_trim(slice_sub(rest, (size_t)at + 4, rest.n));
	rest = slice_sub(rest, rest.n && (rest.p[0] == '\'' || rest.p[0] == '"'), rest.n);
	return !rest.n || rest.p[0] != '#';
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
    int n_namespaces, const xmlChar **namespaces, int n, int n_defaulted, const xmlChar **list)
{
	struct looking *l = ctx;
	if (l->depth++ == 0)
		look_at_root(l, (const char *)name, uri, n, list);
	if (is_active((const char *)name))
		l->faults |= FAULT(ACTIVE);
	l->title = l->depth == 2 && strcmp((const char *)name, "title") == 0;
	for (int i = 0; i < n; i++) {
		struct attribute a = attribute_at(list, i);
		if (strncmp(a.name, "on", 2) == 0)
			l->faults |= FAULT(ACTIVE);
		if (leads_out(&a))
			l->faults |= FAULT(OUTSIDE);
	}
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct looking *l = ctx;
	l->depth--;
	l->title = false;
}

static void on_text(void *ctx, const xmlChar *p, int n)
{
	struct looking *l = ctx;
	if (l->title && slice_trim(slice_of(p, (size_t)n)).n)
		l->faults &= ~FAULT(NO_TITLE);
}

/* Entities of its own are where files hide other things. */
static void on_dtd(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	((struct looking *)ctx)->faults |= FAULT(UNREADABLE);
}

static void on_complaint(void *ctx, const char *fmt, ...)
{
}

unsigned inspect_logo(struct slice svg)
{
	xmlSAXHandler events = {.initialized = XML_SAX2_MAGIC,
	    .internalSubset = on_dtd,
	    .startElementNs = on_start,
	    .endElementNs = on_end,
	    .characters = on_text,
	    .cdataBlock = on_text,
	    .warning = on_complaint,
	    .error = on_complaint};
	struct looking l = {.faults = FAULT(NO_TITLE) | (svg.n > SIZE_MOST ? FAULT(LARGE) : 0)};
	if (!svg.n || svg.n > LIMIT_LOGO)
		return FAULT(UNREADABLE);
	xmlParserCtxtPtr p = xmlCreatePushParserCtxt(&events, &l, NULL, 0, NULL);
	if (!p)
		abort();
	xmlCtxtUseOptions(p, XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
	xmlParseChunk(p, svg.p, (int)svg.n, 0);
	xmlParseChunk(p, NULL, 0, 1);
	if (!p->wellFormed)
		l.faults = FAULT(UNREADABLE);
	if (p->myDoc)
		xmlFreeDoc(p->myDoc);
	xmlFreeParserCtxt(p);
	return l.faults & FAULT(UNREADABLE) ? FAULT(UNREADABLE) : l.faults;
}
