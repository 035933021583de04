#include "store/account/scim.h"
#include <stdlib.h>

enum result scim_refuse(struct admin *a, const struct scim_fault *f)
{
	return admin_refuse(a, DENY, "%s", scim_fault_text(f, a->arena));
}

static void put_time(json_t *meta, const char *key, int64_t ms)
{
	BUF_LOCAL(b, 64);
	scim_time_put(&b, ms);
	json_object_set_new(meta, key, admin_string(buf_slice(&b)));
}

void scim_put_meta(json_t *resource, const char *type, int64_t created, int64_t changed)
{
	uint8_t digest[32];
	BUF_LOCAL(version, 64);
	char *text = json_dumps(resource, JSON_COMPACT | JSON_SORT_KEYS);
	seal_sha256(slice_str(text), digest);
	free(text);
	buf_puts(&version, "W/\"");
	buf_hex(&version, slice_of(digest, 12));
	buf_putc(&version, '"');
	json_t *meta = json_pack("{s:s}", "resourceType", type);
	put_time(meta, "created", created);
	put_time(meta, "lastModified", MAX(created, changed));
	json_object_set_new(meta, "version", admin_string(buf_slice(&version)));
	json_object_set_new(resource, "meta", meta);
}

enum result scim_same_version(struct admin *a, const json_t *resource)
{
	struct slice asked = admin_text(a, "version");
	const json_t *v = json_object_get(json_object_get(resource, "meta"), "version");
	if (!asked.n || slice_search(asked, slice_of(json_string_value(v), json_string_length(v))) >= 0)
		return OK;
	return admin_refuse(a, DENY, "invalidVers: it was changed meanwhile");
}

json_t *scim_wanted(struct admin *a, enum scim_schema kind, const json_t *now)
{
	struct scim_fault fault = {0};
	const json_t *change = json_object_get(a->args, "change");
	json_t *wanted = NULL;
	if (change) {
		json_t *resource = json_deep_copy(now);
		if (scim_patch(kind, resource, change, a->arena, &fault) == OK)
			wanted = scim_read(kind, resource, &fault);
		json_decref(resource);
	} else {
		wanted = scim_read(kind, json_object_get(a->args, "resource"), &fault);
	}
	if (!wanted)
		result_ignore(scim_refuse(a, &fault));
	return wanted;
}

/* ---- lists ---- */

enum result scim_list_begin(struct scim_list *l, struct admin *a, enum scim_schema kind)
{
	struct scim_fault fault;
	struct slice text = admin_text(a, "filter");
	int64_t start = admin_number(a, "start", 1), count = admin_number(a, "count", LIMIT_SCIM_PAGE);
	*l = (struct scim_list){.admin = a,
	    .start = start > 1 ? (size_t)start : 1,
	    .count = count > 0 ? (size_t)MIN(count, LIMIT_SCIM_PAGE) : 0};
	if (text.n && scim_filter_parse(kind, text, a->arena, &l->filter, &fault) != OK)
		return scim_refuse(a, &fault);
	l->page = json_array();
	return OK;
}

static bool is_on_page(const struct scim_list *l)
{
	return l->total + 1 >= l->start && l->total + 1 - l->start < l->count;
}

bool scim_list_skip(struct scim_list *l)
{
	if (l->filter || is_on_page(l))
		return false;
	l->total++;
	return true;
}

void scim_list_add(struct scim_list *l, json_t *resource)
{
	if (!l->filter || scim_matches(l->filter, resource)) {
		if (is_on_page(l))
			json_array_append(l->page, resource);
		l->total++;
	}
	json_decref(resource);
}

void scim_list_end(struct scim_list *l)
{
	l->admin->answer = json_pack("{s:[s],s:I,s:I,s:I,s:o}", "schemas",
	    "urn:ietf:params:scim:api:messages:2.0:ListResponse", "totalResults", (json_int_t)l->total,
	    "startIndex", (json_int_t)l->start, "itemsPerPage", (json_int_t)json_array_size(l->page),
	    "Resources", l->page);
}
