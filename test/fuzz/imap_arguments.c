/*
 * The arguments of each command that needs nothing but a login: the first octet says which. No store answers, so what was
 * understood is asked and refused.
 */
#include "imap/notify.h"
#include "imap/verbs.h"
#include <stdlib.h>

/* Those that read on, change the stream or end the session are imap_session's. */
static const struct {
	char letter;
	imap_verb_fn *run;
} verbs[] = {
    {'e', imap_enable},
    {'i', imap_id},
    {'s', imap_select},
    {'c', imap_create},
    {'r', imap_rename},
    {'l', imap_list},
    {'b', imap_lsub},
    {'t', imap_status},
    {'N', imap_notify},
    {'G', imap_getacl},
    {'A', imap_setacl},
    {'D', imap_deleteacl},
    {'R', imap_listrights},
    {'Y', imap_myrights},
    {'M', imap_getmetadata},
    {'W', imap_setmetadata},
    {'q', imap_getquota},
    {'o', imap_getquotaroot},
    {'Q', imap_setquota},
    {'E', imap_esearch},
};

static void notify(struct imap_args *p)
{
	struct imap_notify n = {.arena = {.cap = 1 << 20}};
	struct imap_args own = {.c = p->c, .arena = &n.arena, .utf8 = p->utf8};
	bool unknown;
	if (imap_notify_parse(&own, &n, &unknown) == OK)
		for (const struct imap_event_group *g = n.groups; g; g = g->next) {
			Sekisho__Mailbox m = SEKISHO__MAILBOX__INIT;
			m.name = (char *)"Shared/a/b";
			imap_notify_events(&n, &m);
			imap_filter_may_mean_others(g->filter);
		}
	arena_free(&n.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	size_t which = 0;
	while (which < COUNT(verbs) && verbs[which].letter != (data[0] & 0x7f))
		which++;
	if (which == COUNT(verbs))
		return 0;
	BUF_LOCAL(out, 16 << 20);
	static const struct imap_verb any = {.after = IMAP_AFTER_SYNC};
	struct imap_service service;
	imap_service_defaults(&service);
	struct imap s = {.arena = {.cap = 64 << 20},
	    .service = &service,
	    .store = {.fd = -1, .why = ""},
	    .state = IMAP_AUTH,
	    .tag = SLICE("a"),
	    .verb = &any};
	s.base.stream = stream_memory(slice_of("", 0), 0, &out);
	struct imap_args p = {
	    .c = cursor_of(slice_of(data + 1, n - 1)), .arena = &s.arena, .utf8 = data[0] & 0x80};
	if (verbs[which].run == imap_notify)
		notify(&p);
	result_ignore(verbs[which].run(&s, &p));
	free(s.agent);
	imap_notify_free(&s);
	stream_close(s.base.stream);
	arena_free(&s.arena);
	return 0;
}
