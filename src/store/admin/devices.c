#include "store/admin/devices.h"
#include "store/account/browsers.h"
#include "store/account/signins.h"
#include "store/account/websession.h"

#define LOOK_BACK_MS (90 * DAY_MS)
#define PROGRAMS_MOST 200

static const char *const kinds[DEVICE_KINDS] = {"session", "browser", "app", "token", "program"};

/* A fingerprint is a hash: shown as such. */
void device_put(enum device_kind kind, int64_t id, struct buf *b)
{
	if (kind == DEVICE_PROGRAM)
		buf_printf(b, "%s:%016llx", kinds[kind], (unsigned long long)id);
	else
		buf_printf(b, "%s:%lld", kinds[kind], (long long)id);
}

enum result device_parse(struct slice text, enum device_kind *kind_out, int64_t *id_out)
{
	uint64_t n = 0;
	struct slice kind = slice_split(&text, ':');
	for (unsigned i = 0; i < DEVICE_KINDS; i++) {
		if (!slice_eq(kind, slice_str(kinds[i])))
			continue;
		*kind_out = (enum device_kind)i;
		if (i != DEVICE_PROGRAM) {
			enum result r = num_u64(text, INT64_MAX, &n);
			*id_out = (int64_t)n;
			return r;
		}
		BUF_LOCAL(octets, 8);
		if (text.n != 16 || hex_decode(text, &octets) != OK)
			return BAD;
		for (size_t j = 0; j < octets.n; j++)
			n = n << 8 | (unsigned char)octets.p[j];
		*id_out = (int64_t)n;
		return OK;
	}
	return BAD;
}

/* ---- rows ---- */

static json_t *device_json(enum device_kind kind, int64_t id, struct slice name, int64_t made, int64_t used)
{
	BUF_LOCAL(text, 64);
	device_put(kind, id, &text);
	return json_pack("{s:s,s:s,s:o,s:I,s:I}", "id", buf_z(&text), "kind", kinds[kind], "name",
	    admin_string(name), "created_at_ms", (json_int_t)made, "used_at_ms", (json_int_t)used);
}

static void add_place(const struct store *s, json_t *row, struct slice ip)
{
	struct ip address;
	struct geo_place place = {0};
	if (ip_read(ip, &address) == OK)
		geo_find(s->settings->geo, &address, &place);
	json_object_set_new(row, "ip", admin_string(ip));
	json_object_set_new(row, "country", json_string(place.country));
}

static void add_sessions(struct admin *a, struct db *db, int64_t account)
{
	int64_t now = clock_utc_ms();
	BUF_LOCAL(place, 500);
	DB_ROWS q =
	    DB_QUERY(db, WEB_OF_ACCOUNT, DI(account), DI(now), DI(now - a->store->settings->session_idle_ms));
	while (db_next(&q)) {
		websession_place_read(a->store, &q, 0, 6, &place);
		struct slice agent = buf_slice(&place), ip = slice_split(&agent, '\n');
		json_t *row = device_json(DEVICE_SESSION, db_int(&q, 0), agent, db_int(&q, 3), db_int(&q, 4));
		add_place(a->store, row, ip);
		json_object_set_new(row, "this", json_boolean(db_int(&q, 0) == a->actor->session));
		json_array_append_new(a->answer, row);
	}
}

static void add_browsers(struct admin *a, struct db *db, int64_t account)
{
	BUF_LOCAL(place, 500);
	DB_ROWS q = DB_QUERY(db, BROWSERS_OF, DI(account));
	while (db_next(&q)) {
		browser_place_read(a->store, &q, 0, 4, &place);
		struct slice agent = buf_slice(&place), ip = slice_split(&agent, '\n');
		json_t *row = device_json(DEVICE_BROWSER, db_int(&q, 0), agent, db_int(&q, 1), db_int(&q, 2));
		add_place(a->store, row, ip);
		json_object_set_new(row, "this", json_boolean(db_int(&q, 0) == a->actor->browser));
		json_array_append_new(a->answer, row);
	}
}

static void add_tokens(struct admin *a, struct db *db, int64_t account)
{
	DB_ROWS q = DB_QUERY(db, TOKENS_OF_MAKER, DI(account));
	while (db_next(&q)) {
		json_t *row =
		    device_json(DEVICE_TOKEN, db_int(&q, 0), db_octets(&q, 1), db_int(&q, 3), db_int(&q, 5));
		json_object_set_new(row, "role", admin_string(db_octets(&q, 2)));
		json_object_set_new(row, "expires_at_ms", json_integer((json_int_t)db_int(&q, 4)));
		json_array_append_new(a->answer, row);
	}
}

/* ---- mail programs and where passwords of applications were used, by the sign-in log ---- */

struct program {
	int64_t device, first, last, credential;
	enum door door;
	struct slice ip, client;
	bool blocked;
};

struct seen {
	struct program programs[PROGRAMS_MOST];
	size_t n;
};

static struct program *program_of(struct seen *seen, int64_t device)
{
	for (size_t i = 0; i < seen->n; i++)
		if (seen->programs[i].device == device)
			return &seen->programs[i];
	return NULL;
}

/* Rows come the newest first: the first of a device says where it was last. */
static void see(struct admin *a, const struct db_rows *q, struct seen *seen)
{
	BUF_LOCAL(agent, LIMIT_SIGNIN_AGENT);
	enum door door = (enum door)db_int(q, 3);
	struct program *p = program_of(seen, db_int(q, 8));
	if (door == DOOR_WEB || door == DOOR_API)
		return;
	if (p) {
		p->first = MIN(p->first, db_int(q, 1));
		return;
	}
	if (seen->n == PROGRAMS_MOST)
		return;
	struct slice sealed = db_octets(q, 9);
	if (sealed.n && seal_get(a->store->seal, sealed, SLICE("signin"), &agent) != OK)
		buf_clear(&agent);
	seen->programs[seen->n++] = (struct program){.device = db_int(q, 8),
	    .first = db_int(q, 1),
	    .last = db_int(q, 2),
	    .credential = db_int(q, 7),
	    .door = door,
	    .ip = arena_dup(a->arena, db_octets(q, 4)),
	    .client = arena_dup(a->arena, buf_slice(&agent))};
}

static void look_at_log(struct admin *a, struct db *db, int64_t account, struct seen *seen)
{
	{
		DB_ROWS q = DB_QUERY(db, DEVICE_ROWS, DI(account), DI(SIGNIN_IN),
		    DI(clock_utc_ms() - LOOK_BACK_MS), DI(LIMIT_DEVICE_ROWS));
		while (db_next(&q))
			see(a, &q, seen);
	}
	for (size_t i = 0; i < seen->n; i++)
		seen->programs[i].blocked =
		    DB_NUMBER(db, 0, DEVICE_BLOCKED, DI(account), DI(seen->programs[i].device)) != 0;
}

static void add_programs(struct admin *a, const struct seen *seen)
{
	for (size_t i = 0; i < seen->n; i++) {
		const struct program *p = &seen->programs[i];
		json_t *row = device_json(DEVICE_PROGRAM, p->device, p->client, p->first, p->last);
		add_place(a->store, row, p->ip);
		json_object_set_new(row, "service", json_string(door_name(p->door)));
		json_object_set_new(row, "blocked", json_boolean(p->blocked));
		json_array_append_new(a->answer, row);
	}
}

struct apps {
	struct admin *admin;
	const struct seen *seen;
};

static void add_app(void *context, const Sekisho__Credential *c)
{
	static const char *const protocols[] = {"imap", "pop3", "submission", "sieve"};
	const struct apps *apps = context;
	if (c->kind != KIND_APP)
		return;
	json_t *row = device_json(DEVICE_APP, (int64_t)c->id, slice_str(c->name), c->made_ms, c->used_ms),
	       *list = json_array();
	for (unsigned i = 0; i < COUNT(protocols); i++)
		if (c->bits >> i & 1)
			json_array_append_new(list, json_string(protocols[i]));
	json_object_set_new(row, "protocols", list);
	json_object_set_new(row, "expires_at_ms", json_integer((json_int_t)c->ends_ms));
	const struct program *last = NULL;
	for (size_t i = 0; i < apps->seen->n && !last; i++)
		if (apps->seen->programs[i].credential == (int64_t)c->id)
			last = &apps->seen->programs[i];
	if (last)
		add_place(apps->admin->store, row, last->ip);
	json_array_append_new(apps->admin->answer, row);
}

static enum result list_devices(struct admin *a, int64_t account)
{
	struct seen *seen = arena_new(a->arena, struct seen);
	if (!seen)
		return LATER;
	*seen = (struct seen){0};
	a->answer = json_array();
	{
		READER r = reader_begin(a->store);
		if (!r.db)
			return LATER;
		add_sessions(a, r.db, account);
		add_browsers(a, r.db, account);
		add_tokens(a, r.db, account);
		look_at_log(a, r.db, account, seen);
		if (db_result(r.db) != OK)
			return LATER;
	}
	add_programs(a, seen);
	return admin_credentials(a, account, add_app, &(struct apps){a, seen});
}

enum result admin_me_devices(struct admin *a, struct db *db)
{
	return list_devices(a, a->actor->account);
}

enum result admin_account_devices(struct admin *a, struct db *db)
{
	int64_t id;
	enum result r = LATER;
	{
		READER reader = reader_begin(a->store);
		if (reader.db)
			r = admin_find_account(a, reader.db, &id);
	}
	return r == OK ? list_devices(a, id) : r;
}
