/* The attributes a client wants to see (RFC 7644 3.9). What is always returned stays: id and schemas. */
#include "scim/scim.h"

#define NAMED 64 /* attributes in a list; further ones are not looked at */

struct named {
	struct scim_path at[NAMED];
	size_t n;
};

static void read_list(enum scim_schema kind, struct slice list, struct arena *a, struct named *out)
{
	struct scim_fault ignored;
	out->n = 0;
	while (list.n && out->n < NAMED) {
		struct slice name = slice_trim_blank(slice_split(&list, ','));
		if (scim_path_parse(kind, name, a, &out->at[out->n], &ignored) == OK)
			out->n++;
	}
}

/* What a list says of an attribute: all of it, some of its parts, or nothing. */
static bool names_all(const struct named *list, const struct scim_attribute *top)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].top ? list->at[i].top == top && !list->at[i].sub
				    : top->schema == SCIM_ENTERPRISE)
			return true;
	return false;
}

static bool names_part(const struct named *list, const struct scim_attribute *top, const char *sub)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].top == top && list->at[i].sub &&
		    (!sub || strcmp(list->at[i].sub->name, sub) == 0))
			return true;
	return false;
}

static void cut_parts(json_t *one, const struct scim_attribute *top, const struct named *list, bool keep)
{
	const char *key;
	json_t *v;
	void *next;
	json_object_foreach_safe(one, next, key, v)
	{
		if (names_part(list, top, key) != keep)
			json_object_del(one, key);
	}
}

static void cut_value(json_t *v, const struct scim_attribute *top, const struct named *list, bool keep)
{
	if (!json_is_array(v)) {
		cut_parts(v, top, list, keep);
		return;
	}
	for (size_t i = 0; i < json_array_size(v); i++)
		cut_parts(json_array_get(v, i), top, list, keep);
}

static void cut(
    json_t *in, enum scim_schema schema, enum scim_schema kind, const struct named *list, bool keep)
{
	const char *key;
	json_t *v;
	void *next;
	json_object_foreach_safe(in, next, key, v)
	{
		const struct scim_attribute *top = schema == SCIM_ENTERPRISE
						       ? scim_find(schema, NULL, slice_str(key))
						       : scim_find_any(kind, slice_str(key));
		if (!top || strcmp(key, "id") == 0)
			continue;
		if (names_all(list, top) == keep && (keep || !names_part(list, top, NULL)))
			continue;
		if (names_part(list, top, NULL) && !names_all(list, top))
			cut_value(v, top, list, keep);
		else
			json_object_del(in, key);
	}
}

void scim_select(
    enum scim_schema kind, json_t *resource, struct slice attributes, struct slice excluded, struct arena *a)
{
	bool keep = attributes.n > 0;
	struct named *list = keep || excluded.n ? arena_new(a, struct named) : NULL;
	if (!list)
		return;
	read_list(kind, keep ? attributes : excluded, a, list);
	cut(resource, kind, kind, list, keep);
	json_t *extension = json_object_get(resource, SCIM_ENTERPRISE_URN);
	cut(extension, SCIM_ENTERPRISE, kind, list, keep);
	if (extension && !json_object_size(extension))
		json_object_del(resource, SCIM_ENTERPRISE_URN);
}
