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
/* A set of tags; those from SIEVE_TAGS on are the conformance test's. */
typedef unsigned __int128 sieve_tagset;
#define SIEVE_TAGS_MOST 128
_Static_assert(SIEVE_TAGS < 100, "some are left for the tests");
#define SIEVE_BIT_OF(tag) ((sieve_tagset)1 << (tag))
#define SIEVE_BIT(tag) SIEVE_BIT_OF(SIEVE_TAG_##tag)

/* At most one tag of a group stands in a command; a lone tag is a group of its own. */
enum sieve_group {
	SIEVE_ALONE,
	SIEVE_COMPARATOR,
	SIEVE_MATCH,
	SIEVE_PART,
	SIEVE_GROUP_A,
	SIEVE_GROUP_B,
	SIEVE_GROUP_C
};

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
	enum { SIEVE_TEXT, SIEVE_NAME, SIEVE_NUMBERED, SIEVE_GLOBAL, SIEVE_ITEM } kind;
	struct slice text; /* the text, or the name of a global variable or of an item of the environment */
	unsigned index;    /* of a name in sieve_script.names, or of a match variable */
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
	sieve_tagset tags; /* the set of those given */
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
	struct sieve_variable_name {
		struct slice name; /* lower case */
		bool global;
	} * names;
	unsigned name_count;
};

void sieve_require(struct sieve_script *s, enum sieve_cap cap);

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
	/* "S:header names,S:key list": kinds and names; "?" before the first, "!" before the last: optional */
	const char *args;
	sieve_tagset tags, needs; /* allowed, and of which one must be there */
	sieve_check_fn *check;
	sieve_do_fn *run;    /* a command, */
	sieve_test_fn *test; /* or a test */
};

#define SIEVE_MATCHING                                                                                       \
	(SIEVE_BIT(COMPARATOR) | SIEVE_BIT(IS) | SIEVE_BIT(CONTAINS) | SIEVE_BIT(MATCHES) |                  \
	    SIEVE_BIT(REGEX) | SIEVE_BIT(LIST) | SIEVE_BIT(VALUE) | SIEVE_BIT(COUNT))
#define SIEVE_MODIFIERS                                                                                      \
	(SIEVE_BIT(LOWER) | SIEVE_BIT(UPPER) | SIEVE_BIT(LOWERFIRST) | SIEVE_BIT(UPPERFIRST) |               \
	    SIEVE_BIT(QUOTEWILDCARD) | SIEVE_BIT(QUOTEREGEX) | SIEVE_BIT(ENCODEURL) | SIEVE_BIT(LENGTH))
/* RFC 8580: a copy of what the command sends; the others need :fcc */
#define SIEVE_COPY_FILED                                                                                     \
	(SIEVE_BIT(FCC) | SIEVE_BIT(FLAGS) | SIEVE_BIT(CREATE) | SIEVE_BIT(SPECIALUSE) | SIEVE_BIT(MAILBOXID))
#define SIEVE_SCOPE (SIEVE_BIT(INDEX) | SIEVE_BIT(LAST) | SIEVE_BIT(MIME) | SIEVE_BIT(ANYCHILD))
#define SIEVE_PIECES (SIEVE_BIT(TYPE) | SIEVE_BIT(SUBTYPE) | SIEVE_BIT(CONTENTTYPE) | SIEVE_BIT(PARAM))
#define SIEVE_PARTS                                                                                          \
	(SIEVE_BIT(ALL) | SIEVE_BIT(LOCALPART) | SIEVE_BIT(DOMAIN) | SIEVE_BIT(USER) | SIEVE_BIT(DETAIL))

struct sieve_ext {
	const struct sieve_verb *verbs;
	size_t count;
	const char *name;  /* its capability */
	const char *space; /* its namespace of variables: items of the environment with that name in front */
	const struct sieve_tag_def *tags; /* numbered from SIEVE_TAGS on */
	size_t tag_count;
};

sieve_check_fn sieve_check_require, sieve_check_if, sieve_check_redirect, sieve_check_fileinto,
    sieve_check_headers, sieve_check_address, sieve_check_envelope, sieve_check_set, sieve_check_flags,
    sieve_check_hasflag, sieve_check_date, sieve_check_metadata, sieve_check_specialuse,
    sieve_check_addheader, sieve_check_deleteheader, sieve_check_include, sieve_check_global,
    sieve_check_foreverypart, sieve_check_break, sieve_check_extracttext, sieve_check_duplicate,
    sieve_check_ihave, sieve_check_vacation, sieve_check_notify, sieve_check_header, sieve_check_mailboxes,
    sieve_check_exists, sieve_check_body, sieve_check_replace, sieve_check_enclose, sieve_check_report;
sieve_do_fn sieve_run_require, sieve_run_if, sieve_run_else, sieve_run_stop, sieve_run_keep,
    sieve_run_discard, sieve_run_redirect, sieve_run_fileinto, sieve_run_set, sieve_run_flags,
    sieve_run_addheader, sieve_run_deleteheader, sieve_run_include, sieve_run_return, sieve_run_global,
    sieve_run_foreverypart, sieve_run_break, sieve_run_extracttext, sieve_run_error, sieve_run_vacation,
    sieve_run_reject, sieve_run_ereject, sieve_run_notify, sieve_run_replace, sieve_run_enclose,
    sieve_run_report, sieve_run_debug_log;
sieve_test_fn sieve_test_true, sieve_test_false, sieve_test_not, sieve_test_allof, sieve_test_anyof,
    sieve_test_header, sieve_test_address, sieve_test_envelope, sieve_test_exists, sieve_test_size,
    sieve_test_string, sieve_test_hasflag, sieve_test_body, sieve_test_date, sieve_test_currentdate,
    sieve_test_mailboxexists, sieve_test_mailboxidexists, sieve_test_metadata, sieve_test_servermetadata,
    sieve_test_metadataexists, sieve_test_servermetadataexists, sieve_test_specialuse_exists,
    sieve_test_duplicate, sieve_test_environment, sieve_test_ihave, sieve_test_spamtest, sieve_test_virustest,
    sieve_test_valid_ext_list, sieve_test_valid_notify_method, sieve_test_notify_method_capability;

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

struct sieve_included {
	struct sieve_included *next;
	struct sieve_script *script;
	bool global;
};

struct sieve_compiler {
	struct arena *a;
	const struct sieve_options *how;
	struct sieve_errors *errors;
	struct sieve_script *script;
	struct sieve_lexer lex;
	size_t depth;      /* of blocks, */
	size_t test_depth; /* of tests */
	size_t include_depth;
	struct sieve_included **includes; /* of all scripts together */
	const struct sieve_compiler *up;  /* of the script that includes this one */
	bool global;
	bool requires_over;
	bool too_many_said;
	bool lost; /* a tag of this test is unknown: what follows may be misread */
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
bool sieve_name_valid(struct slice s);
/* The place of a variable in script->names, which grows; false: too many, and said. */
bool sieve_variable_index(
    struct sieve_compiler *c, uint32_t line, uint32_t column, struct slice name, unsigned *out);
bool sieve_variable_target(struct sieve_compiler *c, const struct sieve_text *t, struct sieve_piece *out);
/* Comparator and relation. */
bool sieve_bind_match(struct sieve_compiler *c, struct sieve_node *n);
const struct sieve_verb *sieve_verb_find(struct slice name, bool test);
struct sieve_arg *sieve_tag_value(const struct sieve_node *n, enum sieve_tag tag); /* NULL: not given */
static inline bool sieve_tagged(const struct sieve_node *n, enum sieve_tag tag)
{
	return (n->tags >> tag & 1) != 0;
}

/* ---- match.c, unicode.c ---- */

#define SIEVE_CAPTURES 33 /* ${0} to ${32}; RFC 5229 3.2 asks for 9 */
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

/* A script that runs: the main one, or an included one in it. */
struct sieve_frame {
	const struct sieve_script *script;
	struct slice *values; /* of script->names */
	struct sieve_captures captures;
	struct sieve_frame *up;
};
struct sieve_global {
	struct sieve_global *next;
	struct slice name, value;
};

struct sieve_flags {
	struct slice *list; /* room for LIMIT_KEYWORDS */
	size_t count;
};
struct sieve_part_texts {
	struct sieve_part_texts *next;
	const Sekisho__Part *part;
	bool as_read;
	struct slice text;
};
/* An included script that ran. */
struct sieve_ran {
	struct sieve_ran *next;
	struct slice name;
	bool global;
};

struct sieve_runner {
	const struct sieve_message *message;
	const struct sieve_env *env;
	struct arena *a;
	struct sieve_result *out;
	uint64_t steps;
	struct sieve_action **action_end;
	struct sieve_trace **trace_end;
	bool keep_cancelled; /* no implicit keep */
	size_t redirects, notifications;
	struct sieve_frame *frame;
	struct sieve_global *globals;
	struct sieve_fields *fields; /* of the header, with the edits so far */
	struct sieve_part_fields *part_fields;
	struct sieve_part_texts *texts;
	struct sieve_flags flags; /* the variable of imap4flags */
	bool flags_given;
	size_t loops;                     /* foreverypart inside each other */
	const Sekisho__Part *part;        /* of the innermost foreverypart; NULL: outside */
	const struct sieve_node *leaving; /* by break */
	size_t remade;                    /* times the message became another one, by replace and enclose */
	size_t replaced;                  /* parts, since then */
	bool enclosed;                    /* redirect sends the message as it was after so many edits: */
	size_t edits_unenclosed;
	struct sieve_included *included; /* compiled by the run */
	struct sieve_ran *ran;
	void *ext_ctx;
};
/* Forgets what was read of the message, and flags. */
void sieve_runner_reset(struct sieve_runner *r);
void sieve_run_with(const struct sieve_script *s, const struct sieve_message *m, const struct sieve_env *env,
    struct arena *a, struct sieve_result *out, void *ext_ctx);

/* Counts work; false (and the error said) when the run has used up its steps. */
bool sieve_step(struct sieve_runner *r, const struct sieve_node *n, size_t work);
enum sieve_flow sieve_fail(struct sieve_runner *r, const struct sieve_node *n, const char *fmt, ...)
    PRINTF(3, 4);
enum sieve_flow sieve_frame_run(struct sieve_runner *r, const struct sieve_script *s);
/* An error that is reported, and does not end the run. */
void sieve_complain(struct sieve_runner *r, const struct sieve_node *n, const char *fmt, ...) PRINTF(3, 4);
enum sieve_flow sieve_block(struct sieve_runner *r, const struct sieve_node *first);
enum sieve_flow sieve_eval(struct sieve_runner *r, const struct sieve_node *test, bool *yes);
/* The string's value now. */
struct slice sieve_value(struct sieve_runner *r, const struct sieve_text *t);
static inline struct slice sieve_arg_value(struct sieve_runner *r, const struct sieve_arg *arg)
{
	return sieve_value(r, arg->texts);
}
/* Where a variable's value is; NULL: a match variable without a value, or no memory. */
struct slice *sieve_variable(struct sieve_runner *r, const struct sieve_piece *p);
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
	bool quiet;   /* leaves match variables alone */
	char *listed; /* :list: the values with zero octets between, asked about at the end */
	size_t listed_n;
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
struct sieve_part_fields {
	struct sieve_part_fields *next;
	const Sekisho__Part *part;
	struct sieve_fields fields;
};
bool sieve_fields_load(struct sieve_runner *r);
struct slice sieve_field_text(struct sieve_runner *r, struct sieve_field *f);
const struct mail_entries *sieve_field_entries(struct sieve_runner *r, struct sieve_field *f);
bool sieve_field_name_valid(struct slice name);
/*
 * The fields of the name where the test looks, by :index, :last, :mime and :anychild; until f says true, which is
 * returned.
 */
typedef bool sieve_field_fn(void *ctx, struct sieve_field *f);
bool sieve_fields_each(
    struct sieve_runner *r, const struct sieve_node *n, struct slice name, sieve_field_fn *f, void *ctx);
/* Are :index, :last and the options of :mime used together as they must be? */
bool sieve_check_scope(struct sieve_compiler *c, const struct sieve_node *n);
bool sieve_mime_match(struct sieve_match *m, struct sieve_field *f);
/* Decoded: as people read it (HTML as text), or with its charset only. */
struct slice sieve_part_text(struct sieve_runner *r, const Sekisho__Part *p, bool as_read);

/* ---- small things ---- */

/* With the edits so far. */
size_t sieve_message_size(const struct sieve_runner *r);

/* What stands now in the place of a part; NULL: the part itself. */
const struct sieve_message *sieve_replaced(const struct sieve_runner *r, const Sekisho__Part *p);
/* The outermost foreverypart is over: with what replace did in it the message is another one. False: said. */
bool sieve_parts_settle(struct sieve_runner *r, const struct sieve_node *n);
/* A change more; NULL: there are too many, or no memory. */
struct sieve_edit *sieve_edit_new(struct sieve_runner *r);
/*
 * The message after n edits: the last one that replaced it as a whole, and those behind that, which *edits and *n become.
 */
const struct sieve_message *sieve_edits_base(
    const struct sieve_message *m, const struct sieve_edit **edits, size_t *n);
/* The header with edits that sieve_edits_base() left, and its empty line. */
void sieve_header_put(
    const struct sieve_message *m, const struct sieve_edit *edits, size_t edit_count, struct buf *out);
/* MIME fields and body from a script (RFC 2045 2.4), and nothing else: other fields are left out. */
void sieve_entity_put(struct slice entity, struct buf *out);

/* What a field, or the parenthesis of an expression in it, has; score.c. */
bool sieve_score_pick(struct slice octets, struct slice where, struct arena *a, struct slice *out);
double sieve_score_number(struct slice s);
int sieve_score_percent(double score, double most);

bool sieve_mailbox_valid(struct slice name);
enum sieve_flow sieve_act_mailbox(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x);
/* :fcc and what belongs to it. */
bool sieve_check_fcc(struct sieve_compiler *c, const struct sieve_node *n);
enum sieve_flow sieve_act_fcc(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x);
void sieve_flags_start(struct sieve_runner *r);
bool sieve_act_flags(struct sieve_runner *r, const struct sieve_node *n, struct sieve_action *x);
/* Assigns to the variable of n->own, with the modifiers of n. */
enum sieve_flow sieve_assign(struct sieve_runner *r, const struct sieve_node *n, struct slice value);
struct slice sieve_key(struct sieve_runner *r, const char *kind, const struct slice *parts, size_t n);
enum sieve_flow sieve_list_ask(
    struct sieve_runner *r, struct slice list, struct slice values, bool *yes, struct slice *which);
/* ":addrbook:default" is short for a URN, RFC 6134 2.6. */
struct slice sieve_list_name(struct arena *a, struct slice name);
enum sieve_known sieve_certain(const struct sieve_node *n);
/* NULL, or what is wrong with the URI. */
const char *sieve_mailto_parse(struct slice uri, struct arena *a, struct sieve_mailto *out);
/*
 * An item of the environment, RFC 5183 and vnd.dovecot.environment; as a variable it has '_' where its name has '-'.
 * False: there is none.
 */
bool sieve_environment(const struct sieve_runner *r, const struct sieve_script *s, struct slice name,
    bool variable, struct slice *out);
/* Auto-Submitted says so, RFC 3834. */
bool sieve_automatic(struct sieve_runner *r);

/* A part of an address: false when it has no such part (no detail). */
bool sieve_address_part(struct sieve_runner *r, const struct sieve_node *n, struct slice local,
    struct slice domain, struct slice *out);
/* An address a script gives for mail to go to: canonical, or false. */
bool sieve_address_parse(struct slice text, struct arena *a, struct slice *out);

#endif
