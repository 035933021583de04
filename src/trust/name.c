#include "trust/name.h"

#define NAME_MOST 253

bool trust_name_ok(struct slice name)
{
	size_t label = 0;
	if (name.n == 0 || name.n > NAME_MOST)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (c < ' ' || c > '~' || c == '\\' || ++label > 63)
			return false;
	}
	return label > 0;
}

bool trust_name_within(struct slice name, struct slice above)
{
	if (above.n == 0 || !slice_iends(name, above))
		return false;
	return name.n == above.n || name.p[name.n - above.n - 1] == '.';
}

size_t trust_name_labels(struct slice name)
{
	size_t n = name.n > 0;
	for (size_t i = 0; i < name.n; i++)
		n += name.p[i] == '.';
	return n;
}

struct slice trust_name_last(struct slice name, size_t n)
{
	size_t i = name.n;
	while (i > 0 && (name.p[i - 1] != '.' || --n > 0))
		i--;
	return slice_sub(name, i, name.n);
}

struct slice trust_name_bare(struct slice name)
{
	return name.n && name.p[name.n - 1] == '.' ? slice_sub(name, 0, name.n - 1) : name;
}
