#include "scim/scim.h"
#include <stdio.h>

enum {
	REQUIRED = SCIM_REQUIRED,
	UNIQUE = SCIM_UNIQUE,
	EXACT = SCIM_EXACT,
	MULTI = SCIM_MULTI,
	READ_ONLY = SCIM_READ_ONLY,
	IMMUTABLE = SCIM_IMMUTABLE,
};
const struct scim_attribute scim_attributes[] = {
#define X(schema, parent, name, type, flags, canonical, what)                                                \
	{SCIM_##schema, parent, name, SCIM_##type, flags, canonical, what},
#include "scim/schema.def"
#undef X
};
const size_t scim_attribute_count = COUNT(scim_attributes);

const char *scim_urn(enum scim_schema s)
{
	static const char *const urns[SCIM_SCHEMAS] = {
	    [SCIM_USER] = "urn:ietf:params:scim:schemas:core:2.0:User",
	    [SCIM_ENTERPRISE] = SCIM_ENTERPRISE_URN,
	    [SCIM_GROUP] = "urn:ietf:params:scim:schemas:core:2.0:Group",
	};
	return urns[s];
}

const struct scim_attribute *scim_find(
    enum scim_schema schema, const struct scim_attribute *parent, struct slice name)
{
	for (size_t i = 0; i < scim_attribute_count; i++) {
		const struct scim_attribute *at = &scim_attributes[i];
		if (at->schema == schema && slice_ieq(slice_str(at->name), name) &&
		    strcmp(at->parent, parent ? parent->name : "") == 0)
			return at;
	}
	return NULL;
}

const struct scim_attribute *scim_find_any(enum scim_schema kind, struct slice name)
{
	const struct scim_attribute *at = scim_find(kind, NULL, name);
	if (!at)
		at = scim_find(SCIM_COMMON, NULL, name);
	if (!at && kind == SCIM_USER)
		at = scim_find(SCIM_ENTERPRISE, NULL, name);
	return at;
}

/* ---- faults ---- */

static const char *const types[] = {"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax",
    "invalidPath", "noTarget", "invalidValue", "invalidVers"};

enum result scim_fail(struct scim_fault *f, const char *type, const char *fmt, ...)
{
	va_list ap;
	f->type = type;
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof f->why, fmt, ap);
	va_end(ap);
	return BAD;
}

const char *scim_fault_text(const struct scim_fault *f, struct arena *a)
{
	return arena_printf(a, "%s: %s", f->type, f->why);
}

const char *scim_fault_read(const char *text, const char **why_out)
{
	*why_out = text;
	for (size_t i = 0; i < COUNT(types); i++) {
		size_t n = strlen(types[i]);
		if (strncmp(text, types[i], n) == 0 && text[n] == ':' && text[n + 1] == ' ') {
			*why_out = text + n + 2;
			return types[i];
		}
	}
	return NULL;
}

/* ---- values ---- */

static json_t *read_text(const struct scim_attribute *at, const json_t *in, struct scim_fault *f)
{
	struct slice s = slice_of(json_string_value(in), json_string_length(in));
	if (!json_is_string(in) || s.n > LIMIT_SCIM_TEXT || memchr(s.p, 0, s.n)) {
		result_ignore(scim_fail(f, "invalidValue",
		    "%s is a text of at most %d octets without controls", at->name, LIMIT_SCIM_TEXT));
		return NULL;
	}
	return s.n ? json_stringn(s.p, s.n) : NULL;
}

/* Some clients write them as texts, with a capital. */
static json_t *read_truth(const struct scim_attribute *at, const json_t *in, struct scim_fault *f)
{
	struct slice s = slice_of(json_string_value(in), json_string_length(in));
	if (json_is_boolean(in))
		return json_boolean(json_is_true(in));
	if (slice_ieq(s, SLICE("true")) || slice_ieq(s, SLICE("false")))
		return json_boolean(slice_ieq(s, SLICE("true")));
	result_ignore(scim_fail(f, "invalidValue", "%s is true or false", at->name));
	return NULL;
}

static json_t *read_one(const struct scim_attribute *at, const json_t *in, struct scim_fault *f);

static json_t *read_complex(const struct scim_attribute *at, const json_t *in, struct scim_fault *f)
{
	json_t *out = json_object();
	const char *key;
	json_t *v;
	const struct scim_attribute *value = scim_find(at->schema, at, SLICE("value"));
	if (json_is_string(in) && value) { /* "manager": "26", as some say it */
		json_t *one = read_one(value, in, f);
		if (one)
			json_object_set_new(out, value->name, one);
	} else if (!json_is_object(in)) {
		result_ignore(scim_fail(f, "invalidValue", "%s is an object", at->name));
	}
	json_object_foreach((json_t *)(uintptr_t)in, key, v)
	{
		const struct scim_attribute *sub = scim_find(at->schema, at, slice_str(key));
		json_t *one = sub && !(sub->flags & SCIM_READ_ONLY) && !f->type ? read_one(sub, v, f) : NULL;
		if (one)
			json_object_set_new(out, sub->name, one);
	}
	if (!f->type && json_object_size(out))
		return out;
	json_decref(out);
	return NULL;
}

static json_t *read_one(const struct scim_attribute *at, const json_t *in, struct scim_fault *f)
{
	if (json_is_null(in))
		return NULL;
	switch (at->type) {
	case SCIM_BOOLEAN:
		return read_truth(at, in, f);
	case SCIM_COMPLEX:
		return read_complex(at, in, f);
	case SCIM_STRING:
	case SCIM_REFERENCE:
	case SCIM_TIME:
		break;
	}
	return read_text(at, in, f);
}

size_t scim_most(const struct scim_attribute *at)
{
	return at->schema == SCIM_GROUP ? LIMIT_SCIM_MEMBERS : LIMIT_SCIM_VALUES;
}

static json_t *read_several(const struct scim_attribute *at, const json_t *in, struct scim_fault *f)
{
	json_t *out = json_array();
	size_t n = json_is_array(in) ? json_array_size(in) : 1;
	if (n > scim_most(at))
		result_ignore(scim_fail(f, "tooMany", "%s has at most %zu values", at->name, scim_most(at)));
	for (size_t i = 0; i < n && !f->type; i++) {
		json_t *one = read_one(at, json_is_array(in) ? json_array_get(in, i) : in, f);
		if (one)
			json_array_append_new(out, one);
	}
	if (!f->type && json_array_size(out))
		return out;
	json_decref(out);
	return NULL;
}

json_t *scim_read_value(const struct scim_attribute *at, const json_t *in, struct scim_fault *f)
{
	return at->flags & SCIM_MULTI ? read_several(at, in, f) : read_one(at, in, f);
}

static void read_members(
    enum scim_schema kind, enum scim_schema schema, const json_t *in, json_t *out, struct scim_fault *f)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)in, key, v)
	{
		const struct scim_attribute *at = schema == SCIM_ENTERPRISE
						      ? scim_find(schema, NULL, slice_str(key))
						      : scim_find_any(kind, slice_str(key));
		if (f->type || !at || (at->schema == SCIM_ENTERPRISE) != (schema == SCIM_ENTERPRISE) ||
		    at->flags & SCIM_READ_ONLY)
			continue;
		json_t *one = scim_read_value(at, v, f);
		if (one)
			json_object_set_new(out, at->name, one);
	}
}

static const json_t *extension_of(const json_t *in)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)in, key, v)
	{
		if (slice_ieq(slice_str(key), SLICE(SCIM_ENTERPRISE_URN)))
			return v;
	}
	return NULL;
}

json_t *scim_read(enum scim_schema kind, const json_t *in, struct scim_fault *f)
{
	json_t *out = json_object(), *extension = json_object();
	*f = (struct scim_fault){0};
	if (!json_is_object(in))
		result_ignore(scim_fail(f, "invalidSyntax", "a resource is a JSON object"));
	read_members(kind, kind, in, out, f);
	if (kind == SCIM_USER)
		read_members(kind, SCIM_ENTERPRISE, extension_of(in), extension, f);
	if (json_object_size(extension))
		json_object_set(out, SCIM_ENTERPRISE_URN, extension);
	json_decref(extension);
	if (!f->type)
		return out;
	json_decref(out);
	return NULL;
}
