/*
 * scim: what SCIM 2.0 (RFC 7643, 7644) says about resources, as JSON values. Pure. The door of the room.
 *
 *   schema.def, schema.c   the attributes, and resources brought into their form      discovery.c   as the protocol shows them
 *   filter.c               filters and paths, from text          match.c   a filter held against a resource
 *   patch.c                the operations of PATCH               select.c  the attributes a client wants to see
 *
 * A resource in its form has its attributes by the names of schema.def, each of its type, those of the extension in an object
 * of its own, and none that is empty.
 */
#ifndef SCIM_H
#define SCIM_H

#include "base/base.h"
#include <jansson.h>

#define SCIM_ENTERPRISE_URN "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

enum scim_schema { SCIM_COMMON, SCIM_USER, SCIM_ENTERPRISE, SCIM_GROUP, SCIM_SCHEMAS };
const char *scim_urn(enum scim_schema s); /* NULL: has none */

enum scim_type { SCIM_STRING, SCIM_BOOLEAN, SCIM_COMPLEX, SCIM_REFERENCE, SCIM_TIME };
enum {
	SCIM_REQUIRED = 1,
	SCIM_UNIQUE = 2,
	SCIM_EXACT = 4, /* the case of letters counts */
	SCIM_MULTI = 8,
	SCIM_READ_ONLY = 16,
	SCIM_IMMUTABLE = 32,
};
struct scim_attribute {
	enum scim_schema schema;
	const char *parent; /* "": none */
	const char *name;
	enum scim_type type;
	unsigned flags;
	const char *canonical, *what;
};
extern const struct scim_attribute scim_attributes[];
extern const size_t scim_attribute_count;
/* An attribute of that schema by its name in any case; of `parent` when that is not NULL. NULL: there is none. */
const struct scim_attribute *scim_find(
    enum scim_schema schema, const struct scim_attribute *parent, struct slice name);
/* A top attribute of resources of this kind (USER, GROUP), in its own, the common or the extending schema. */
const struct scim_attribute *scim_find_any(enum scim_schema kind, struct slice name);

/* Why something is refused; type: as in RFC 7644 table 9. */
struct scim_fault {
	const char *type;
	char why[240];
};
/* BAD, for the caller to return. */
NODISCARD enum result scim_fail(struct scim_fault *f, const char *type, const char *fmt, ...) PRINTF(3, 4);
/* "uniqueness: the name is taken": as it is told between roles; what is no fault of a known type is left alone. */
const char *scim_fault_text(const struct scim_fault *f, struct arena *a);
/* The type of such a text, with *why_out behind it. NULL: it names none. */
const char *scim_fault_read(const char *text, const char **why_out);

/*
 * What a client sent, in its form: a new value. What may only be read and what no schema has is left out. NULL: a value
 * is not of its type, or too large.
 */
json_t *scim_read(enum scim_schema kind, const json_t *in, struct scim_fault *f);
size_t scim_most(const struct scim_attribute *at); /* how many values it may have */
/* One value of an attribute: an array for those with several. NULL with f->type NULL: nothing is left of it. */
json_t *scim_read_value(const struct scim_attribute *at, const json_t *in, struct scim_fault *f);

/* ---- filters and paths ---- */

struct scim_filter;
struct scim_path {
	enum scim_schema container;       /* ENTERPRISE: in the extension's object */
	const struct scim_attribute *top; /* NULL: all of the extension */
	const struct scim_attribute *sub; /* or NULL */
	const struct scim_filter *which;  /* of the values of top; NULL: all */
};

enum scim_op {
	SCIM_EQ,
	SCIM_NE,
	SCIM_CO,
	SCIM_SW,
	SCIM_EW,
	SCIM_GT,
	SCIM_LT,
	SCIM_GE,
	SCIM_LE,
	SCIM_PR,
};
struct scim_filter {
	enum scim_node { SCIM_AND, SCIM_OR, SCIM_NOT, SCIM_TEST, SCIM_WITHIN } node;
	const struct scim_filter *left, *right; /* NOT and WITHIN: left */
	struct scim_path path; /* of a TEST or WITHIN; inside of brackets: top is the sub-attribute */
	enum scim_op op;
	enum { SCIM_NULL, SCIM_TEXT, SCIM_TRUTH } value;
	struct slice text;
	bool truth;
	int64_t ms; /* of a TIME */
};
/* RFC 7644 3.4.2.2. Lives in the arena. */
NODISCARD enum result scim_filter_parse(enum scim_schema kind, struct slice text, struct arena *a,
    const struct scim_filter **out, struct scim_fault *f);
/* RFC 7644 3.5.2, figure 7; also "emails.value" as in lists of attributes. */
NODISCARD enum result scim_path_parse(
    enum scim_schema kind, struct slice text, struct arena *a, struct scim_path *out, struct scim_fault *f);
/* The resource, or (inside of brackets) the value of an attribute, is one that is asked for. */
bool scim_matches(const struct scim_filter *filter, const json_t *resource);
/*
 * Every resource that fits has this text in the attribute of that name (a TEST by EQ that nothing else can replace).
 * Empty: that is not said.
 */
struct slice scim_filter_wants(const struct scim_filter *filter, const char *attribute);
/* The filter looks at this attribute. */
bool scim_filter_names(const struct scim_filter *filter, const char *attribute);
/* "2011-05-13T04:42:34.123Z" and other forms of RFC 3339; false: it is none. */
bool scim_time_read(struct slice text, int64_t *ms_out);
void scim_time_put(struct buf *b, int64_t ms);

/* ---- changes ---- */

/* Does the operations of a PATCH body (RFC 7644 3.5.2) to a resource in its form. Not OK: it is in pieces. */
NODISCARD enum result scim_patch(
    enum scim_schema kind, json_t *resource, const json_t *operations, struct arena *a, struct scim_fault *f);

/* ---- what is shown ---- */

/* Leaves only what `attributes` asks for, or takes out what `excluded` names; both are lists with commas, or empty. */
void scim_select(
    enum scim_schema kind, json_t *resource, struct slice attributes, struct slice excluded, struct arena *a);
json_t *scim_schema_json(enum scim_schema s, const char *root);
json_t *scim_resource_type_json(enum scim_schema kind, const char *root);
json_t *scim_config_json(const char *root);

#endif
