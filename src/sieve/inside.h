/* inside: what the files of this room share; nobody else includes it but the room's tests. */
#ifndef SIEVE_INSIDE_H
#define SIEVE_INSIDE_H

#include "sieve/sieve.h"

enum sieve_cap {
#define X(id, name, announced) SIEVE_CAP_##id,
#include "sieve/caps.def"
#undef X
	SIEVE_CAPS
};
const char *sieve_cap_name(enum sieve_cap cap);
enum sieve_cap sieve_cap_find(struct slice name); /* SIEVE_CAPS: none that may be required */

enum sieve_tag {
#define X(id, name, cap, group, value, meaning) SIEVE_TAG_##id,
#include "sieve/tags.def"
#undef X
	SIEVE_TAGS
};
_Static_assert(SIEVE_TAGS <= 64, "a set of tags is a uint64_t");
#define SIEVE_BIT(tag) ((uint64_t)1 << SIEVE_TAG_##tag)

/* At most one tag of a group stands in a command; a lone tag is a group of its own. */
enum sieve_group { SIEVE_ALONE, SIEVE_COMPARATOR, SIEVE_MATCH, SIEVE_PART, SIEVE_GROUP_A, SIEVE_GROUP_B };

struct sieve_tag_def {
	const char *name;
	enum sieve_cap cap;
	enum sieve_group group;
	char value; /* 's' string, 'S' string list, 'n' number, 0 none */
	const char *meaning;
};
extern const struct sieve_tag_def sieve_tags[];

/* ---- the tree ---- */

enum sieve_arg_kind { SIEVE_STRING, SIEVE_LIST, SIEVE_NUMBER, SIEVE_TAG };

/* One piece of a string with variables, RFC 5229 3. */
struct sieve_piece {
	struct sieve_piece *next;
	enum { SIEVE_TEXT, SIEVE_NAME, SIEVE_NUMBERED, SIEVE_ENVIRONMENT, SIEVE_GLOBAL } kind;
	struct slice text;     /* the text, or the name in lower case */
	unsigned index;        /* of a match variable */
	struct slice written;  /* as it stands in the script */
	struct sieve_var *var; /* filled in at the first run that meets it */
};

struct sieve_text {
	struct sieve_text *next;
	struct slice text;          /* encoded characters decoded */
	struct sieve_piece *pieces; /* NULL: constant */
	struct sieve_regex *regex;  /* compiled once when constant */
	uint32_t line, column;
};

struct sieve_arg {
	struct sieve_arg *next;
	enum sieve_arg_kind kind;
	uint32_t line, column;
	struct slice tag;
	uint64_t number;
	struct sieve_text *texts; /* STRING: one */
	size_t count;
};

enum sieve_comparator { SIEVE_I_CASEMAP, SIEVE_I_OCTET, SIEVE_I_NUMERIC, SIEVE_I_UNICODE };
enum sieve_relation { SIEVE_GT, SIEVE_GE, SIEVE_LT, SIEVE_LE, SIEVE_EQ, SIEVE_NE };

struct sieve_verb;
struct sieve_node {
	struct sieve_node *next;
	struct slice name;
	uint32_t line, column;
	struct sieve_arg *args;
	struct sieve_node *tests;
	size_t test_count;
	bool test_list; /* in parentheses */
	struct sieve_node *block;
	bool has_block;
	struct sieve_node *parent;
	const struct sieve_script *script;
	/* from here on filled in by check.c */
	const struct sieve_verb *verb;
	uint64_t tags; /* the set of those given */
	struct {
		enum sieve_tag tag;
		struct sieve_arg *arg;
	} * values; /* of tags that have one */
	size_t value_count;
	struct sieve_arg *pos[3];
	size_t pos_count;
	enum sieve_comparator comparator;
	enum sieve_relation relation;
	bool dead; /* cannot run here: behind an ihave that says no */
	void *own; /* what the verb's check keeps for its run */
};

struct sieve_runner;
struct sieve_script {
	struct slice name, text;
	struct sieve_node *commands;
	uint64_t caps;
	struct slice *globals; /* names declared by `global` */
	size_t global_count;
};

/* ---- verbs ---- */

enum sieve_flow { SIEVE_GO, SIEVE_STOP, SIEVE_RETURN, SIEVE_BREAK, SIEVE_FAIL, SIEVE_ASKED };

struct sieve_compiler;
typedef bool sieve_check_fn(struct sieve_compiler *c, struct sieve_node *n); /* false: an error was said */
typedef enum sieve_flow sieve_do_fn(struct sieve_runner *r, const struct sieve_node *n);
typedef enum sieve_flow sieve_test_fn(struct sieve_runner *r, const struct sieve_node *n, bool *yes);

enum sieve_tests { SIEVE_NO_TEST, SIEVE_ONE_TEST, SIEVE_MANY_TESTS };
struct sieve_verb {
	const char *name;
	enum sieve_cap cap;
	enum sieve_tests tests;
	bool block;
	/* "S:header names S:key list": kinds and names; "?" before the kind: may be left out */
	const char *args;
	uint64_t tags, needs; /* allowed, and of which one must be there */
	sieve_check_fn *check;
	sieve_do_fn *run;    /* a command, */
	sieve_test_fn *test; /* or a test */
};

#define SIEVE_MATCHING                                                                                       \
	(SIEVE_BIT(COMPARATOR) | SIEVE_BIT(IS) | SIEVE_BIT(CONTAINS) | SIEVE_BIT(MATCHES) |                  \
	    SIEVE_BIT(VALUE) | SIEVE_BIT(COUNT))
#define SIEVE_PARTS                                                                                          \
	(SIEVE_BIT(ALL) | SIEVE_BIT(LOCALPART) | SIEVE_BIT(DOMAIN) | SIEVE_BIT(USER) | SIEVE_BIT(DETAIL))

struct sieve_ext {
	const struct sieve_verb *verbs;
	size_t count;
	const char *name; /* its capability */
	void *ctx;        /* sieve_runner.ext_ctx */
};

sieve_check_fn sieve_check_require, sieve_check_if, sieve_check_redirect, sieve_check_fileinto,
    sieve_check_headers, sieve_check_address, sieve_check_envelope;
sieve_do_fn sieve_run_require, sieve_run_if, sieve_run_else, sieve_run_stop, sieve_run_keep,
    sieve_run_discard, sieve_run_redirect, sieve_run_fileinto;
sieve_test_fn sieve_test_true, sieve_test_false, sieve_test_not, sieve_test_allof, sieve_test_anyof,
    sieve_test_header, sieve_test_address, sieve_test_envelope, sieve_test_exists, sieve_test_size;

/* ---- lex.c ---- */

enum sieve_token {
	SIEVE_T_END,
	SIEVE_T_NAME,
	SIEVE_T_TAG,
	SIEVE_T_NUMBER,
	SIEVE_T_STRING,
	SIEVE_T_MARK, /* one of ( ) [ ] { } , ; in .mark */
	SIEVE_T_BAD,  /* was said */
};

struct sieve_lexer {
	struct sieve_compiler *c;
	struct slice text;
	size_t at, line_start;
	uint32_t line;
	/* the token in hand */
	enum sieve_token token;
	char mark;
	struct slice string;
	uint64_t number;
	uint32_t token_line, token_column;
};
void sieve_lex_next(struct sieve_lexer *l);

/* ---- parse.c, check.c ---- */

struct sieve_compiler {
	struct arena *a;
	const struct sieve_options *how;
	struct sieve_errors *errors;
	struct sieve_script *script;
	struct sieve_lexer lex;
	size_t depth;      /* of blocks, */
	size_t test_depth; /* of tests */
	size_t include_depth;
	size_t *includes; /* of all scripts together */
	struct sieve_node *loops;
	bool requires_over;
	bool variables;
};
/* Compiles a script, which becomes c->script: the main one or an included one. */
NODISCARD enum result sieve_compile_one(struct sieve_compiler *c, struct slice text);
void sieve_parse(struct sieve_compiler *c);
bool sieve_check(struct sieve_compiler *c);
void sieve_say(struct sieve_compiler *c, uint32_t line, uint32_t column, const char *fmt, ...) PRINTF(4, 5);
void sieve_warn(struct sieve_compiler *c, uint32_t line, uint32_t column, const char *fmt, ...) PRINTF(4, 5);
void sieve_errors_add(struct sieve_errors *errors, struct arena *a, const struct sieve_error *e);

static inline bool sieve_has(const struct sieve_script *s, enum sieve_cap cap)
{
	return (s->caps >> cap & 1) != 0;
}
_Static_assert(SIEVE_CAPS <= 64, "a set of capabilities is a uint64_t");

/* Encoded characters and variables of a string. */
bool sieve_text_check(struct sieve_compiler *c, struct sieve_text *t);
/* Comparator and relation. */
bool sieve_bind_match(struct sieve_compiler *c, struct sieve_node *n);
const struct sieve_verb *sieve_verb_find(struct slice name, bool test);
struct sieve_arg *sieve_tag_value(const struct sieve_node *n, enum sieve_tag tag); /* NULL: not given */
static inline bool sieve_tagged(const struct sieve_node *n, enum sieve_tag tag)
{
	return (n->tags >> tag & 1) != 0;
}

/* ---- match.c, unicode.c ---- */

#define SIEVE_CAPTURES 10 /* ${0} to ${9}, RFC 5229 3.2 */
struct sieve_captures {
	struct slice text[SIEVE_CAPTURES];
	size_t count;
};
bool sieve_glob(
    enum sieve_comparator c, struct slice key, struct slice value, struct sieve_captures *captures);
/* They become the match variables. */
void sieve_captures_keep(struct sieve_runner *r, const struct sieve_captures *captures);
/* For i;unicode-casemap, RFC 5051: title case, then decomposed. */
void sieve_unicode_fold(struct slice s, struct buf *out);
struct slice sieve_decimal(uint64_t n, char digits[static 24]);

/* ---- run.c ---- */

struct sieve_fields;
struct sieve_runner {
	const struct sieve_message *message;
	const struct sieve_env *env;
	struct arena *a;
	struct sieve_result *out;
	uint64_t steps;
	struct sieve_action **action_end;
	struct sieve_trace **trace_end;
	bool keep_cancelled; /* no implicit keep */
	size_t redirects;
	struct sieve_captures captures; /* match variables */
	struct sieve_fields *fields;    /* of the header, once read */
	void *ext_ctx;
};

/* Counts work; false (and the error said) when the run has used up its steps. */
bool sieve_step(struct sieve_runner *r, const struct sieve_node *n, size_t work);
enum sieve_flow sieve_fail(struct sieve_runner *r, const struct sieve_node *n, const char *fmt, ...)
    PRINTF(3, 4);
enum sieve_flow sieve_block(struct sieve_runner *r, const struct sieve_node *first);
enum sieve_flow sieve_eval(struct sieve_runner *r, const struct sieve_node *test, bool *yes);
/* The string's value now. */
struct slice sieve_value(struct sieve_runner *r, const struct sieve_text *t);
static inline struct slice sieve_arg_value(struct sieve_runner *r, const struct sieve_arg *arg)
{
	return sieve_value(r, arg->texts);
}
/* Asks the world. SIEVE_GO with *yes, or ASKED. */
enum sieve_flow sieve_ask_world(
    struct sieve_runner *r, const struct sieve_question *q, bool *yes, struct slice *value);
struct sieve_action *sieve_act_new(struct sieve_runner *r, const struct sieve_node *n, enum sieve_act act);

/* Is the action compatible with those before it? false: an error was said. */
bool sieve_act_allowed(struct sieve_runner *r, const struct sieve_node *n, enum sieve_act act);
void sieve_act_finish(struct sieve_runner *r);

/* ---- match.c ---- */

/* One test's way through its values: sieve_match_value() for each until `yes`, then sieve_match_end(). */
struct sieve_match {
	struct sieve_runner *r;
	const struct sieve_node *n;
	const struct sieve_arg *keys;
	size_t count;
	bool yes;
	enum sieve_flow flow;
};
void sieve_match_start(
    struct sieve_match *m, struct sieve_runner *r, const struct sieve_node *n, const struct sieve_arg *keys);
/* True when no more values are wanted. */
bool sieve_match_value(struct sieve_match *m, struct slice value);
enum sieve_flow sieve_match_end(struct sieve_match *m, bool *yes);
bool sieve_equal(enum sieve_comparator c, struct slice a, struct slice b);

/* ---- message.c ---- */

struct sieve_field {
	struct slice name, raw; /* raw: folded, as it stands */
	struct slice text;      /* decoded, once asked for */
	bool decoded;
	struct mail_entries *entries; /* once asked for */
};
struct sieve_fields {
	struct sieve_field *list;
	size_t count, room;
};
bool sieve_fields_load(struct sieve_runner *r);
struct slice sieve_field_text(struct sieve_runner *r, struct sieve_field *f);
const struct mail_entries *sieve_field_entries(struct sieve_runner *r, struct sieve_field *f);
bool sieve_field_name_valid(struct slice name);

/* A part of an address: false when it has no such part (no detail). */
bool sieve_address_part(struct sieve_runner *r, const struct sieve_node *n, struct slice local,
    struct slice domain, struct slice *out);
/* An address a script gives for mail to go to: canonical, or false. */
bool sieve_address_parse(struct slice text, struct arena *a, struct slice *out);

#endif
