/* Another server's side of an IMAP conversation: whatever it says, each call ends and nothing is read beyond it. */
#include "imapc/inner.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_folder(void *arg, const struct imapc_folder *f)
{
	size_t *most = arg;
	assert(f->name.n && f->name.n <= *most);
}

static void on_message(void *arg, const struct imapc_message *m)
{
	size_t *most = arg;
	assert(m->body.n <= *most && m->n_keywords <= IMAPC_KEYWORDS);
	for (size_t i = 0; i < m->n_keywords; i++)
		assert(m->keywords[i].n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	BUF_LOCAL(said, (size_t)1 << 20);
	BUF_LOCAL(text, 65536);
	struct imapc_box box;
	struct slice input = slice_of(data + 1, size - 1);
	struct imapc *c = imapc_over(stream_memory(input, data[0] & 15, &said), 100000);
	enum result r = imapc_capability(c);
	if (r == OK)
		r = imapc_login(c, SLICE("user"), SLICE("secret"), &text);
	if (r == OK)
		r = imapc_prefix(c, &text);
	if (r == OK)
		r = imapc_list(c, on_folder, &size);
	if (r == OK)
		r = imapc_examine(c, SLICE("INBOX"), &box);
	if (r == OK)
		r = imapc_rows(c, 1, 500, on_message, &size);
	if (r == OK)
		result_ignore(imapc_bodies(c, "1,2", on_message, &size));
	assert(imapc_why(c));
	imapc_close(c);
	return 0;
}
