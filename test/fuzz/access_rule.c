/* Any text of a rule is read or refused; what was read judges, and is written as it was read. */
#include "policy/policy.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is(void *context, enum access_who who, struct slice name)
{
	return name.n & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice rest = slice_of(data, n), doors = slice_split(&rest, '\n'),
		     who = slice_split(&rest, '\n'), wrong;
	struct access_rule r = {.action = ACCESS_DENY};
	struct access_rules rules = {.at = &r, .n = 1, .home_country = "JP", .geo = true};
	struct access_ask ask = {.door = DOOR_IMAP, .country = "JP", .is = is};
	struct access_verdict v;
	BUF_LOCAL(again, n + 100);
	if (n)
		memcpy(ask.ip.octets, data, MIN(n, sizeof ask.ip.octets));
	if (doors_read(doors, &r.doors) == OK && access_who_read(who, &r.who, &r.name) == OK &&
	    access_place_read(rest, &r, &wrong) == OK) {
		access_judge(&rules, &ask, &v);
		assert(v.allowed == !v.rule || v.preset);
		access_who_put(r.who, r.name, &again);
		enum access_who kind;
		struct slice name;
		assert(access_who_read(buf_slice(&again), &kind, &name) == OK && kind == r.who);
	}
	access_rule_free(&r);
	return 0;
}
