/* verbs: the tables of the language, searched. */
#include "sieve/inside.h"
#include <pthread.h>

static const struct {
	const char *name;
	bool announced;
} caps[] = {
#define X(id, name, announced) {name, announced},
#include "sieve/caps.def"
#undef X
};

const struct sieve_tag_def sieve_tags[] = {
#define X(id, name, cap, group, value, meaning) {name, SIEVE_CAP_##cap, SIEVE_##group, value, meaning},
#include "sieve/tags.def"
#undef X
};

static const struct sieve_verb verbs[] = {
#define X(name, cap, tests, block, args, tags, needs, check, run, test)                                      \
	{name, SIEVE_CAP_##cap, SIEVE_##tests, block, args, tags, needs, check, run, test},
#include "sieve/verbs.def"
#undef X
};

const char *sieve_cap_name(enum sieve_cap cap)
{
	return caps[cap].name;
}

enum sieve_cap sieve_cap_find(struct slice name)
{
	for (unsigned i = 0; i < SIEVE_CAPS; i++)
		if (caps[i].announced && slice_eq(name, slice_str(caps[i].name)))
			return i;
	return SIEVE_CAPS;
}

/* Made once, by whoever asks first. */
static char all[2048];
static size_t all_length;

static void capabilities_make(void)
{
	for (size_t i = 0; i < SIEVE_CAPS; i++) {
		size_t n = strlen(caps[i].name);
		if (!caps[i].announced || all_length + n + 1 > sizeof all)
			continue;
		if (all_length)
			all[all_length++] = ' ';
		memcpy(all + all_length, caps[i].name, n);
		all_length += n;
	}
}

struct slice sieve_capabilities(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, capabilities_make);
	return slice_of(all, all_length);
}

struct slice sieve_notify_methods(void)
{
	return SLICE("mailto");
}

const struct sieve_verb *sieve_verb_find(struct slice name, bool test)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if ((verbs[i].test != NULL) == test && slice_ieq(name, slice_str(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

const char *sieve_act_name(enum sieve_act act)
{
	static const char *const names[] = {[SIEVE_KEEP] = "keep",
	    [SIEVE_FILEINTO] = "fileinto",
	    [SIEVE_REDIRECT] = "redirect",
	    [SIEVE_REJECT] = "reject",
	    [SIEVE_EREJECT] = "ereject",
	    [SIEVE_VACATION] = "vacation",
	    [SIEVE_NOTIFY] = "notify",
	    [SIEVE_REPORT] = "report",
	    [SIEVE_DUPLICATE] = "duplicate",
	    [SIEVE_DISCARD] = "discard"};
	return names[act];
}
