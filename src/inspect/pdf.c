/* pdf: the text of pages, in the order of the pages and of what is shown on each. */
#include "inspect/pdf.h"

#define ARENA_MOST ((size_t)128 << 20)
#define CONTENT_MOST ((size_t)32 << 20)
#define FONTS 256
#define FORMS 6    /* forms in forms */
#define GAP (-180) /* thousandths of the font's size between two words; between letters it is less */
#define PAGES_MOST 20000

struct page {
	struct pdf *p;
	struct buf *out;
	struct {
		uint32_t number;
		struct pdf_font *font;
	} fonts[FONTS];
	unsigned n_fonts, forms, pages;
};

/* ---- what is shown ---- */

static struct pdf_font *font_of(struct page *g, struct slice resources, struct slice name)
{
	BUF_LOCAL(key, 256);
	uint32_t number;
	buf_put(&key, slice_sub(name, 1, name.n));
	struct slice list = pdf_get(g->p, resources, "Font");
	struct slice dict = pdf_follow(g->p, pdf_get_plain(list, buf_z(&key)), &number);
	if (!slice_starts(dict, SLICE("<<")))
		return NULL;
	for (unsigned i = 0; i < g->n_fonts; i++)
		if (number && g->fonts[i].number == number)
			return g->fonts[i].font;
	struct pdf_font *f = pdf_font(g->p, dict);
	if (g->n_fonts < FONTS) {
		g->fonts[g->n_fonts].number = number;
		g->fonts[g->n_fonts++].font = f;
	}
	return f;
}

static void show(struct page *g, const struct pdf_font *f, struct slice string)
{
	BUF_LOCAL(codes, 65536);
	pdf_string(string, &codes);
	pdf_font_text(g->p, f, buf_slice(&codes), g->out);
}

/* A line end between words: where a script writes no spaces, folding makes nothing of it. */
static void part_words(struct page *g)
{
	if (g->out->n && g->out->p[g->out->n - 1] != '\n')
		buf_putc(g->out, '\n');
}

static void show_array(struct page *g, const struct pdf_font *f, struct slice array)
{
	struct slice rest = slice_sub(array, 1, array.n ? array.n - 1 : 0), value;
	while ((value = pdf_next(&rest)).n && value.p[0] != ']') {
		if (value.p[0] == '(' || value.p[0] == '<')
			show(g, f, value);
		else if (pdf_number(value) < GAP)
			part_words(g);
	}
}

static void run_content(struct page *g, struct slice content, struct slice resources);

static void show_form(struct page *g, struct slice resources, struct slice name)
{
	BUF_LOCAL(key, 256);
	BUF_LOCAL(content, CONTENT_MOST);
	buf_put(&key, slice_sub(name, 1, name.n));
	struct slice form = pdf_get(g->p, pdf_get(g->p, resources, "XObject"), buf_z(&key));
	if (g->forms == FORMS || !slice_eq(pdf_get(g->p, form, "Subtype"), SLICE("/Form")) ||
	    !pdf_stream(g->p, form, &content))
		return;
	struct slice own = pdf_get(g->p, form, "Resources");
	g->forms++;
	run_content(g, buf_slice(&content), own.n ? own : resources);
	g->forms--;
}

/* Octets of an image between ID and EI. */
static void skip_image(struct slice *rest)
{
	for (;;) {
		ptrdiff_t at = slice_search(*rest, SLICE("EI"));
		if (at < 0) {
			*rest = SLICE_NONE;
			return;
		}
		bool before = at > 0 && (unsigned char)rest->p[at - 1] <= ' ';
		bool after = (size_t)at + 2 >= rest->n || (unsigned char)rest->p[at + 2] <= ' ';
		*rest = slice_sub(*rest, (size_t)at + 2, rest->n);
		if (before && after)
			return;
	}
}

static bool is(struct slice s, const char *word)
{
	return slice_eq(s, slice_str(word));
}

/* last[0] is the operand before the operator, last[1] the one before that. */
static void run_operator(struct page *g, struct slice op, const struct slice last[2], struct slice resources,
    const struct pdf_font **font)
{
	if (is(op, "Tf") && last[1].n && last[1].p[0] == '/')
		*font = font_of(g, resources, last[1]);
	else if (is(op, "Tj"))
		show(g, *font, last[0]);
	else if (is(op, "TJ"))
		show_array(g, *font, last[0]);
	else if (is(op, "'") || is(op, "\"")) {
		part_words(g);
		show(g, *font, last[0]);
	} else if (is(op, "Td") || is(op, "TD") || is(op, "T*") || is(op, "Tm") || is(op, "ET"))
		part_words(g);
	else if (is(op, "Do") && last[0].n && last[0].p[0] == '/')
		show_form(g, resources, last[0]);
}

static bool is_operand(struct slice s)
{
	char c = s.p[0];
	return c == '/' || c == '(' || c == '<' || c == '[' || c == '-' || c == '+' || c == '.' ||
	       ascii_digit(c);
}

static void run_content(struct page *g, struct slice content, struct slice resources)
{
	struct slice last[2] = {SLICE_NONE, SLICE_NONE}, token;
	const struct pdf_font *font = NULL;
	unsigned steps = 0;
	while ((token = pdf_next(&content)).n && !g->out->over) {
		if (++steps % 256 == 0 && !inspect_budget_take(g->p->budget, 0))
			return;
		if (is_operand(token)) {
			last[1] = last[0];
			last[0] = token;
			continue;
		}
		if (is(token, "ID"))
			skip_image(&content);
		else
			run_operator(g, token, last, resources, &font);
		last[0] = last[1] = SLICE_NONE;
	}
}

/* ---- pages ---- */

static void add_content(struct page *g, struct slice value, struct buf *out)
{
	struct slice stream = pdf_follow(g->p, value, NULL);
	if (slice_starts(stream, SLICE("<<")) && !pdf_stream(g->p, stream, out))
		g->p->budget->notes |= INSPECT_UNREADABLE;
	buf_putc(out, '\n');
}

static void show_page(struct page *g, struct slice page, struct slice resources)
{
	BUF_LOCAL(content, CONTENT_MOST);
	struct slice list = pdf_get(g->p, page, "Contents"), value;
	if (list.n && list.p[0] == '[') {
		list = slice_sub(list, 1, list.n - 1);
		while ((value = pdf_next(&list)).n && value.p[0] != ']')
			add_content(g, value, &content);
	} else {
		add_content(g, list, &content);
	}
	run_content(g, buf_slice(&content), resources);
	buf_puts(g->out, "\n\n");
}

static void show_tree(struct page *g, struct slice node, struct slice resources, unsigned depth)
{
	struct slice own = pdf_get(g->p, node, "Resources"), kids = pdf_get(g->p, node, "Kids"), kid;
	resources = own.n ? own : resources;
	if (!slice_starts(node, SLICE("<<")) || depth == PDF_DEPTH || ++g->pages > PAGES_MOST ||
	    g->out->over || !inspect_budget_take(g->p->budget, 0))
		return;
	if (!kids.n || kids.p[0] != '[') {
		show_page(g, node, resources);
		return;
	}
	kids = slice_sub(kids, 1, kids.n - 1);
	while ((kid = pdf_next(&kids)).n && kid.p[0] != ']')
		show_tree(g, pdf_follow(g->p, kid, NULL), resources, depth + 1);
}

static struct slice find_catalog(const struct pdf *p)
{
	for (size_t i = p->n; i-- && inspect_budget_take(p->budget, 0);) {
		struct slice rest = p->objects[i].body, dict = pdf_next(&rest);
		if (is(pdf_get_plain(dict, "Type"), "/Catalog"))
			return dict;
	}
	return SLICE_NONE;
}

static bool is_encrypted(struct slice pdf)
{
	ptrdiff_t at = slice_search(pdf, SLICE("/Encrypt"));
	struct slice rest = slice_sub(pdf, at < 0 ? pdf.n : (size_t)at + 8, 20);
	struct slice value = pdf_next(&rest);
	return value.n && (ascii_digit(value.p[0]) || value.p[0] == '<');
}

void inspect_pdf_text(struct inspect_budget *b, struct slice pdf, struct buf *out)
{
	ARENA_LOCAL(a, ARENA_MOST);
	struct pdf p = {.budget = b, .arena = &a, .octets = pdf};
	struct page g = {.p = &p, .out = out};
	if (is_encrypted(pdf)) {
		b->notes |= INSPECT_UNREADABLE;
		return;
	}
	pdf_find_objects(&p);
	struct slice catalog = find_catalog(&p);
	if (catalog.n)
		show_tree(&g, pdf_get(&p, catalog, "Pages"), SLICE_NONE, 0);
	else
		b->notes |= INSPECT_UNREADABLE;
	pdf_free(&p);
}
