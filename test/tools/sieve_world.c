#include "sieve_world.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct slice world_crlf(struct world *w, struct slice s)
{
	BUF_LOCAL(out, s.n * 2 + 2);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			buf_putc(&out, '\r');
		buf_putc(&out, s.p[i]);
	}
	return arena_dup(&w->a, buf_slice(&out));
}

bool world_read(struct world *w, const char *path, struct slice *out)
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	char *p = arena_alloc(&w->a, (size_t)st.st_size + 1);
	if (!p || fd_pread_all(fd, p, (size_t)st.st_size, 0) != OK)
		abort();
	*out = slice_of(p, (size_t)st.st_size);
	return true;
}

/* The envelope is taken from the header, until the script sets it. */
void world_message(struct world *w, struct slice octets)
{
	Sekisho__Facts *facts;
	octets = arena_dup(&w->a, world_crlf(w, octets));
	if (mail_facts_extract(octets, &w->a, &facts) != OK)
		abort();
	w->message = (struct sieve_message){octets, facts};
	w->env.from = SLICE("sender@example.com");
	w->env.to = w->env.orig_to = SLICE("recipient@example.org");
	w->env.auth = SLICE_NONE;
	struct {
		const char *name;
		struct slice *to;
	} fields[] = {{"from", &w->env.from}, {"to", &w->env.to}};
	for (size_t i = 0; i < COUNT(fields); i++) {
		struct mail_field f;
		struct mail_entries entries = {0};
		BUF_LOCAL(text, 2 * LIMIT_ADDRESS);
		if (mail_header_get(octets, slice_str(fields[i].name), &f))
			mail_entries_parse(f.value, &w->a, &entries);
		const struct mail_entry *e = entries.first;
		if (!e || e->kind != MAIL_ENTRY_MAILBOX || !e->domain.n || e->broken)
			continue;
		mail_addr_put(&text, (struct mail_addr){e->local, e->domain});
		*fields[i].to = arena_dup(&w->a, buf_slice(&text));
	}
	w->env.orig_to = w->env.to;
	w->env.flags = NULL;
	w->env.flag_count = 0;
}

void world_init(struct world *w, const char *folder)
{
	arena_init(&w->a, (size_t)1 << 30);
	w->folder = arena_z(&w->a, slice_str(folder));
	w->env = (struct sieve_env){.has_envelope = true,
	    .now_ms = clock_utc_ms(),
	    .limits = sieve_limits_default(),
	    .host = SLICE("host.example.com"),
	    .domain = SLICE("example.com"),
	    .location = SLICE("MS"),
	    .phase = SLICE("post"),
	    .postmaster = SLICE("postmaster@example.com"),
	    .ask = world_ask,
	    .ask_ctx = w};
	w->items[0][0] = SLICE("tst.path");
	w->items[0][1] = slice_str(w->folder);
	w->env.environment = (const struct slice(*)[2])w->items;
	w->items[1][0] = SLICE("name"); /* the tests know their own product only */
	w->items[1][1] = SLICE("Pigeonhole Sieve");
	w->env.environment_count = 2;
	w->env.version = SLICE("1");
	w->env.own = w->own;
	w->env.protected = w->protected;
	world_message(
	    w, SLICE("From: sender@example.com\nTo: recipient@example.org\nSubject: Frop!\n\nFriep!\n"));
	world_settings(w);
}

/* ---- settings ---- */

struct slice world_setting(const struct world *w, const char *key)
{
	for (size_t i = 0; i < w->setting_count; i++)
		if (slice_eq(w->settings[i].key, slice_str(key)))
			return slice_trim(w->settings[i].value);
	return SLICE_NONE;
}

static uint64_t number(const struct world *w, const char *key, uint64_t otherwise)
{
	uint64_t n;
	struct slice text = world_setting(w, key);
	size_t digits = 0;
	while (digits < text.n && ascii_digit(text.p[digits]))
		digits++;
	if (num_u64(slice_sub(text, 0, digits), UINT32_MAX, &n) != OK)
		return otherwise;
	return digits < text.n && text.p[digits] == 'k'   ? n * 1024
	       : digits < text.n && text.p[digits] == 'd' ? n * 86400
							  : n;
}

static bool yes(const struct world *w, const char *key)
{
	return slice_eq(world_setting(w, key), SLICE("yes"));
}

static void protect(struct world *w)
{
	struct slice names = world_setting(w, "sieve_editheader_header");
	w->env.protected_count = 0;
	while (names.n && w->env.protected_count < COUNT(w->protected))
		w->protected[w->env.protected_count++] = slice_split(&names, ' ');
}

/* The address that a setting chooses. */
static struct slice chosen(const struct world *w, const char *key, struct slice normal)
{
	struct slice how = world_setting(w, key), me = world_setting(w, "sieve_user_email");
	if (slice_eq(how, SLICE("sender")))
		return w->env.from;
	if (slice_eq(how, SLICE("recipient")))
		return w->env.to;
	if (slice_eq(how, SLICE("orig_recipient")))
		return w->env.orig_to.n ? w->env.orig_to : w->env.to;
	if (slice_eq(how, SLICE("user_email")))
		return me.n ? me : w->env.to;
	if (slice_eq(how, SLICE("postmaster")))
		return w->env.postmaster;
	return slice_starts(how, SLICE("<")) ? slice_sub(how, 1, how.n - 2) : normal;
}

/* "sieve_environment/NAME" is the item vnd.dovecot.config.NAME. */
static void configure_items(struct world *w)
{
	struct slice prefix = SLICE("sieve_environment/");
	w->env.environment_count = 2;
	for (size_t i = 0; i < w->setting_count && w->env.environment_count < COUNT(w->items); i++) {
		struct slice key = w->settings[i].key;
		if (!slice_starts(key, prefix) || !w->settings[i].value.n)
			continue;
		struct slice *item = w->items[w->env.environment_count++];
		item[0] = slice_str(arena_printf(
		    &w->a, "vnd.dovecot.config." SLICE_FMT, SLICE_ARG(slice_sub(key, prefix.n, key.n))));
		item[1] = w->settings[i].value;
	}
}

void world_settings(struct world *w)
{
	struct sieve_env *e = &w->env;
	struct sieve_limits normal = sieve_limits_default();
	struct slice me = world_setting(w, "sieve_user_email");
	e->limits.variable = number(w, "sieve_variables_max_value_size",
	    number(w, "sieve_variables_max_variable_size", normal.variable));
	e->limits.includes = number(w, "sieve_include_max_includes", normal.includes);
	e->limits.include_depth = number(w, "sieve_include_max_nesting_depth", normal.include_depth);
	e->limits.notifications = number(w, "sieve_notify_max_notifications", normal.notifications);
	e->limits.steps = number(w, "sieve_max_cpu_time", 0) ? 2000000 : normal.steps;
	e->header_most = number(w, "sieve_editheader_max_header_size", 2048);
	e->delimiters = world_setting(w, "recipient_delimiter");
	e->own_count = 0;
	if (me.n)
		w->own[e->own_count++] = me;
	if (yes(w, "sieve_vacation_use_original_recipient"))
		w->own[e->own_count++] = e->orig_to;
	e->vacation_subject = world_setting(w, "sieve_vacation_default_subject");
	e->vacation_template = world_setting(w, "sieve_vacation_default_subject_template");
	e->vacation_to_header = yes(w, "sieve_vacation_to_header_ignore_envelope");
	e->vacation_unnamed = slice_eq(world_setting(w, "sieve_vacation_check_recipient"), SLICE("no"));
	e->vacation_least = number(w, "sieve_vacation_min_period", 0);
	e->report_from = chosen(w, "sieve_report_from", SLICE_NONE);
	configure_items(w);
	protect(w);
}

/* The part of a field that a setting "Name" or "Name:expression" picks; p is NULL when there is none. */
static struct slice picked(struct world *w, const char *key)
{
	struct slice out;
	if (!sieve_score_pick(w->message.octets, world_setting(w, key), &w->a, &out))
		return SLICE_NONE;
	return out.p ? out : SLICE("");
}

/* By text: which of the ten (or five) values is it? 0: none. */
static int spelled(const struct world *w, struct slice status, const char *kind)
{
	char key[64];
	for (int i = 1; i <= 10; i++) {
		snprintf(key, sizeof key, "sieve_%s_text_value/%d", kind, i);
		struct slice text = world_setting(w, key);
		if (text.n && slice_ieq(text, status))
			return i;
	}
	return 0;
}

void world_spam(struct world *w)
{
	struct slice status = picked(w, "sieve_spamtest_status_header"),
		     type = world_setting(w, "sieve_spamtest_status_type");
	struct slice limit = picked(w, "sieve_spamtest_score_max_header");
	double most =
	    sieve_score_number(limit.n ? limit : world_setting(w, "sieve_spamtest_score_max_value"));
	w->env.has_spam = false;
	if (status.p && slice_eq(type, SLICE("text"))) {
		int value = spelled(w, status, "spamtest");
		w->env.has_spam = value > 0;
		w->env.spam_percent = value > 1 ? value * 10 : 0;
	} else if (status.p && most > 0) {
		double score =
		    slice_eq(type, SLICE("strlen")) ? (double)status.n : sieve_score_number(status);
		w->env.has_spam = true;
		w->env.spam_percent = sieve_score_percent(score, most);
	}
	status = picked(w, "sieve_virustest_status_header");
	w->env.virus = status.p ? spelled(w, status, "virustest") : 0;
}

/* ---- what others know ---- */

struct box *world_box(struct world *w, struct slice name, bool create)
{
	bool inbox = slice_istarts(name, SLICE("INBOX")) && (name.n == 5 || name.p[5] == '.');
	create |= inbox && name.n == 5;
	for (size_t i = 0; i < w->box_count; i++)
		if (inbox ? slice_ieq(w->boxes[i].name, name) : slice_eq(w->boxes[i].name, name))
			return &w->boxes[i];
	if (!create || w->box_count == COUNT(w->boxes))
		return NULL;
	w->boxes[w->box_count].name = arena_dup(&w->a, name);
	return &w->boxes[w->box_count++];
}

static enum sieve_known ask_note(struct world *w, struct slice mailbox, struct slice name, struct slice *out)
{
	for (size_t i = w->note_count; i-- > 0;) {
		if (!slice_eq(w->notes[i].mailbox, mailbox) || !slice_ieq(w->notes[i].name, name))
			continue;
		*out = w->notes[i].value;
		return SIEVE_YES;
	}
	return SIEVE_NO;
}

static enum sieve_known ask_include(struct world *w, const struct sieve_question *q, struct slice *out)
{
	const char *path = arena_printf(&w->a, "%s/%s/" SLICE_FMT ".sieve", w->folder,
	    q->global ? "included-global" : "included", SLICE_ARG(q->a));
	return world_read(w, path, out) ? SIEVE_YES : SIEVE_NO;
}

/* Lists are files: a line with a key, a line with its value. */
static enum sieve_known ask_list(
    struct world *w, struct slice list, const struct slice *members, struct slice *out)
{
	struct slice prefix = SLICE("urn:ietf:params:sieve"), names = world_setting(w, "sieve_extlists_list"),
		     text;
	bool listed = false;
	if (slice_starts(list, prefix))
		list = slice_sub(list, prefix.n, list.n);
	while (names.n)
		listed |= slice_eq(slice_split(&names, ' '), list);
	if (!members || !listed)
		return listed ? SIEVE_YES : SIEVE_NO;
	struct slice path = world_setting(
	    w, arena_printf(&w->a, "sieve_extlists_list/" SLICE_FMT "/dict/file/path", SLICE_ARG(list)));
	if (!path.n || !world_read(w, arena_z(&w->a, path), &text))
		return SIEVE_NO;
	for (bool key = true; text.n; key = !key) {
		struct slice line = slice_split(&text, '\n'), rest = *members;
		ptrdiff_t at = slice_rfind(line, '/');
		while (key && rest.n) {
			*out = slice_split(&rest, '\0');
			if (slice_ieq(slice_sub(line, (size_t)(at + 1), line.n), *out))
				return SIEVE_YES;
		}
	}
	return SIEVE_NO;
}

enum sieve_known world_ask(void *ctx, const struct sieve_question *q, struct slice *value_out)
{
	struct world *w = ctx;
	switch (q->what) {
	case SIEVE_ASK_MAILBOX:
		return world_box(w, q->a, false) ? SIEVE_YES : SIEVE_NO;
	case SIEVE_ASK_METADATA:
		return ask_note(w, q->a, q->b, value_out);
	case SIEVE_ASK_SERVER_METADATA:
		return ask_note(w, SLICE_NONE, q->a, value_out);
	case SIEVE_ASK_INCLUDE:
		return ask_include(w, q, value_out);
	case SIEVE_ASK_LIST:
		return ask_list(w, q->a, &q->b, value_out);
	case SIEVE_ASK_LIST_NAME:
		return ask_list(w, q->a, NULL, value_out);
	case SIEVE_ASK_DUPLICATE:
		for (size_t i = 0; i < w->mark_count; i++)
			if (slice_eq(w->marks[i], q->a))
				return SIEVE_YES;
		return SIEVE_NO;
	default:
		return SIEVE_NO;
	}
}

/* ---- doing what was decided ---- */

void world_error(struct world *w, const char *fmt, ...)
{
	BUF_LOCAL(text, 4096);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	sieve_errors_add(
	    &w->errors, &w->a, &(struct sieve_error){.text = arena_dup(&w->a, buf_slice(&text))});
}

static bool store(
    struct world *w, const struct sieve_result *result, const struct sieve_action *x, struct slice name)
{
	bool bad = slice_search(name, SLICE("//")) >= 0 || slice_starts(name, SLICE("/")) ||
		   slice_iends(name, SLICE("/"));
	struct box *box = bad ? NULL : world_box(w, name, x->create);
	BUF_LOCAL(text, 1 << 24);
	if (!box) {
		world_error(w, "failed to store into mailbox '" SLICE_FMT "': %s", SLICE_ARG(name),
		    bad ? "invalid mailbox name" : "the mailbox does not exist");
		return false;
	}
	if (box->count == COUNT(box->messages))
		return false;
	struct stored *s = &box->messages[box->count++];
	sieve_message_put(&w->message, result->edits, x->edits, &text);
	s->octets = arena_dup(&w->a, buf_slice(&text));
	for (size_t i = 0; i < x->flag_count && s->flag_count < COUNT(s->flags) - 1; i++)
		s->flags[s->flag_count++] = x->flags[i];
	s->flags[s->flag_count++] = SLICE("$HasNoAttachment"); /* the mail store of these tests adds it */
	return true;
}

static struct slice sender(const struct world *w, const struct sieve_action *x, struct slice normal)
{
	if (x->act == SIEVE_VACATION && yes(w, "sieve_vacation_send_from_recipient"))
		return w->env.to;
	if ((x->act != SIEVE_REDIRECT && x->act != SIEVE_NOTIFY) || !w->env.from.n)
		return normal;
	return chosen(w,
	    x->act == SIEVE_REDIRECT ? "sieve_redirect_envelope_from" : "sieve_notify_mailto_envelope_from",
	    normal);
}

static bool send(struct world *w, const struct sieve_result *result, const struct sieve_action *x)
{
	struct sieve_mail mail;
	BUF_LOCAL(text, 1 << 24);
	enum result r = sieve_mail_make(&w->message, &w->env, result->edits, x, &w->a, &text, &mail);
	if (r == DENY)
		return true;
	if (r != OK)
		return false;
	for (size_t i = 0; i < mail.to_count && w->sent_count < COUNT(w->sent); i++)
		w->sent[w->sent_count++] =
		    (struct sent){sender(w, x, mail.from), mail.to[i], arena_dup(&w->a, mail.octets)};
	return true;
}

bool world_execute(struct world *w, const struct sieve_result *result)
{
	bool good = true;
	bool kept = false;
	for (const struct sieve_action *x = result->actions; x; x = x->next) {
		if (x->done)
			continue;
		if (x->act == SIEVE_KEEP || x->act == SIEVE_FILEINTO) {
			bool stored = store(w, result, x, x->mailbox);
			kept |= stored;
			good &= stored;
		} else if (x->act == SIEVE_DUPLICATE && w->mark_count < COUNT(w->marks)) {
			w->marks[w->mark_count++] = arena_dup(&w->a, x->key);
		} else {
			good &= send(w, result, x);
		}
	}
	const struct sieve_action keep = {.act = SIEVE_KEEP, .mailbox = SLICE("INBOX")};
	if (!good && !kept) /* the message as it came */
		store(w, result, &keep, keep.mailbox);
	return good;
}
