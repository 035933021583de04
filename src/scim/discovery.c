/* The schemas and what the server can do, as RFC 7643 5 to 7 have them. */
#include "scim/scim.h"

static const char *const names[SCIM_SCHEMAS] = {
    [SCIM_USER] = "User", [SCIM_ENTERPRISE] = "EnterpriseUser", [SCIM_GROUP] = "Group"};

static json_t *words(const char *text)
{
	json_t *list = json_array();
	struct slice rest = slice_str(text);
	while (rest.n) {
		struct slice word = slice_split(&rest, ' ');
		json_array_append_new(list, json_stringn(word.p, word.n));
	}
	return list;
}

static json_t *children_of(const struct scim_attribute *parent);

static json_t *attribute_json(const struct scim_attribute *at)
{
	static const char *const types[] = {[SCIM_STRING] = "string",
	    [SCIM_BOOLEAN] = "boolean",
	    [SCIM_COMPLEX] = "complex",
	    [SCIM_REFERENCE] = "reference",
	    [SCIM_TIME] = "dateTime"};
	json_t *v = json_pack("{s:s,s:s,s:b,s:s,s:b,s:s,s:s}", "name", at->name, "type", types[at->type],
	    "multiValued", (at->flags & SCIM_MULTI) != 0, "description", at->what, "required",
	    (at->flags & SCIM_REQUIRED) != 0, "mutability",
	    at->flags & SCIM_READ_ONLY   ? "readOnly"
	    : at->flags & SCIM_IMMUTABLE ? "immutable"
					 : "readWrite",
	    "returned", "default");
	if (at->type == SCIM_STRING || at->type == SCIM_REFERENCE) {
		json_object_set_new(v, "caseExact", json_boolean((at->flags & SCIM_EXACT) != 0));
		json_object_set_new(
		    v, "uniqueness", json_string(at->flags & SCIM_UNIQUE ? "server" : "none"));
	}
	if (at->type == SCIM_REFERENCE)
		json_object_set_new(
		    v, "referenceTypes", *at->canonical ? words(at->canonical) : words("external"));
	else if (*at->canonical)
		json_object_set_new(v, "canonicalValues", words(at->canonical));
	if (at->type == SCIM_COMPLEX)
		json_object_set_new(v, "subAttributes", children_of(at));
	return v;
}

static json_t *children_of(const struct scim_attribute *parent)
{
	json_t *list = json_array();
	for (size_t i = 0; i < scim_attribute_count; i++)
		if (scim_attributes[i].schema == parent->schema &&
		    strcmp(scim_attributes[i].parent, parent->name) == 0)
			json_array_append_new(list, attribute_json(&scim_attributes[i]));
	return list;
}

static json_t *meta(const char *type, const char *root, const char *place, const char *id)
{
	BUF_LOCAL(b, 1000);
	buf_printf(&b, "%s/%s%s%s", root, place, id ? "/" : "", id ? id : "");
	return json_pack("{s:s,s:s}", "resourceType", type, "location", buf_z(&b));
}

json_t *scim_schema_json(enum scim_schema s, const char *root)
{
	const struct scim_attribute nobody = {.schema = s, .name = ""};
	return json_pack("{s:[s],s:s,s:s,s:s,s:o,s:o}", "schemas",
	    "urn:ietf:params:scim:schemas:core:2.0:Schema", "id", scim_urn(s), "name", names[s],
	    "description", names[s], "attributes", children_of(&nobody), "meta",
	    meta("Schema", root, "Schemas", scim_urn(s)));
}

json_t *scim_resource_type_json(enum scim_schema kind, const char *root)
{
	json_t *v = json_pack("{s:[s],s:s,s:s,s:s,s:s,s:s,s:o}", "schemas",
	    "urn:ietf:params:scim:schemas:core:2.0:ResourceType", "id", names[kind], "name", names[kind],
	    "endpoint", kind == SCIM_USER ? "/Users" : "/Groups", "description",
	    kind == SCIM_USER ? "Accounts of people" : "Groups of accounts", "schema", scim_urn(kind), "meta",
	    meta("ResourceType", root, "ResourceTypes", names[kind]));
	if (kind == SCIM_USER)
		json_object_set_new(v, "schemaExtensions",
		    json_pack("[{s:s,s:b}]", "schema", SCIM_ENTERPRISE_URN, "required", 0));
	return v;
}

json_t *scim_config_json(const char *root)
{
	return json_pack(
	    "{s:[s],s:{s:b},s:{s:b,s:i,s:i},s:{s:b,s:i},s:{s:b},s:{s:b},s:{s:b},s:[{s:s,s:s,s:s,s:b}],s:o}",
	    "schemas", "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig", "patch", "supported", 1,
	    "bulk", "supported", 0, "maxOperations", 0, "maxPayloadSize", 0, "filter", "supported", 1,
	    "maxResults", LIMIT_SCIM_PAGE, "changePassword", "supported", 0, "sort", "supported", 0, "etag",
	    "supported", 1, "authenticationSchemes", "type", "oauthbearertoken", "name", "Bearer token",
	    "description", "A token with the role provisioning", "primary", 1, "meta",
	    meta("ServiceProviderConfig", root, "ServiceProviderConfig", NULL));
}
