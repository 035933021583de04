/* Files of all kinds to text: nothing opened, nothing endless, always UTF-8 once folded; the first octet says which kind. */
#include "inspect/inspect.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = {
	    "a.txt", "a.html", "a.pdf", "a.zip", "a.docx", "a.xml", "a.csv", "a"};
	struct inspect_budget b;
	if (!n)
		return 0;
	inspect_start();
	inspect_budget_start(&b);
	BUF_LOCAL(text, (size_t)8 << 20);
	BUF_LOCAL(folded, (size_t)16 << 20);
	struct slice octets = slice_of(data + 1, n - 1);
	if (data[0] & 8)
		inspect_xml_text(&b, (enum inspect_xml)(data[0] % 5), octets, &text);
	else if (data[0] & 16)
		inspect_pdf_text(&b, octets, &text);
	else
		inspect_file_text(&b,
		    &(struct inspect_file){.name = slice_str(names[data[0] % 8]), .octets = octets}, &text);
	mail_text_fold(buf_slice(&text), &folded);
	assert(folded.over || slice_is_utf8(buf_slice(&folded)));
	for (size_t i = 0; i < folded.n; i++)
		assert((unsigned char)folded.p[i] >= ' ');
	return 0;
}
