#include "policy/door.h"

static const char *const names[DOORS] = {
#define X(name, number, word, en, ja) [DOOR_##name] = word,
#include "policy/doors.def"
#undef X
};

const char *door_name(enum door d)
{
	return names[d];
}

enum result door_read(struct slice name, enum door *out)
{
	for (enum door d = 0; d < DOORS; d++)
		if (slice_ieq(name, slice_str(names[d]))) {
			*out = d;
			return OK;
		}
	return BAD;
}

enum result doors_read(struct slice text, unsigned *bits_out)
{
	*bits_out = 0;
	while (text.n) {
		enum door d;
		struct slice name = slice_trim(slice_split(&text, ','));
		if (slice_ieq(name, SLICE("all")))
			*bits_out |= DOOR_ALL;
		else if (door_read(name, &d) == OK)
			*bits_out |= DOOR_BIT(d);
		else
			return BAD;
	}
	return *bits_out ? OK : BAD;
}

void doors_put(unsigned bits, struct buf *out)
{
	const char *between = "";
	if (bits == DOOR_ALL) {
		buf_puts(out, "all");
		return;
	}
	for (enum door d = 0; d < DOORS; d++)
		if (bits & DOOR_BIT(d)) {
			buf_printf(out, "%s%s", between, names[d]);
			between = ",";
		}
}
