/* Bodies in a real object store (SEKISHO_TEST_S3): how they lie there, moving there and back, what is taken away, and when. */
#include "store_help.h"
#include "store/inside.h"
#include <stdio.h>
#include <unistd.h>

#define MESSAGES 300

static struct store_kit kit;

static int set_up(void **state)
{
	store_kit_make(&kit);
	return 0;
}

static int tear_down(void **state)
{
	store_kit_remove(&kit);
	arena_free(&mem);
	return 0;
}

static void begin(bool in_objects, int64_t rest_ms)
{
	kit.settings.bodies_in_objects = in_objects;
	kit.settings.object_rest_ms = rest_ms;
	assert_int_equal(store_kit_open(&kit, 4), OK);
}

static uint64_t account(void)
{
	return (uint64_t)store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
}

/* What stands in message number i; some are longer than a chunk, one than a pack's block. */
static const char *text_of(int i)
{
	static char *texts[MESSAGES];
	char subject[64];
	int at = i % MESSAGES;
	if (!texts[at]) {
		snprintf(subject, sizeof subject, "number %d", i);
		texts[at] = kit_message(subject, i % 50 == 49 ? 700000 : i % 10 == 9 ? 150000 : 500);
	}
	return texts[at];
}

static enum result deliver_one(struct ipc *mx, int i)
{
	struct kit_envelope e = {.from = "x@there.example", .to = {"taro@here.example"}};
	return kit_deliver_text(&kit, mx, &e, text_of(i));
}

static void check_all(uint64_t id)
{
	struct ipc c = store_kit_login(&kit, id, "imap");
	do_select(&c, "INBOX");
	for (int i = 0; i < MESSAGES; i++) {
		const char *text = text_of(i);
		BUF_LOCAL(body, (size_t)2 << 20);
		while (body.n < strlen(text)) {
			Sekisho__BodyAsk ask = SEKISHO__BODY_ASK__INIT;
			Sekisho__BodyAnswer *answer;
			ask.uid = (uint32_t)i + 1;
			ask.offset = body.n;
			ask.length = 98304;
			assert_int_equal(ASK(&c, BODY, &ask, &answer), OK);
			assert_true(answer->data.len > 0);
			buf_put(&body, slice_of(answer->data.data, answer->data.len));
		}
		assert_true(slice_eq(buf_slice(&body), slice_str(text)));
	}
	ipc_close(&c);
	arena_reset(&mem);
}

/* Rows whose body is in a file (or an object). */
static int64_t rows_in(bool objects)
{
	struct reader r = reader_begin(kit.store);
	int64_t n = DB_NUMBER(r.db, -1, BLOBS_LEFT, DI(objects ? SEGMENT_OBJECTS : 0),
	    DI(objects ? INT64_MAX : SEGMENT_OBJECTS));
	reader_end(&r);
	return n;
}

static int files;

static void count_file(void *arg, int64_t id)
{
	files++;
}

static int count_files(void)
{
	files = 0;
	segments_list(blob_segments(kit.store->blob), count_file, NULL);
	return files;
}

static int move_all(void)
{
	int moved = 0;
	for (;;) {
		enum result r;
		json_t *v = store_kit_admin(&kit, "bodies.move", "{}", &r);
		assert_int_equal(r, OK);
		int n = (int)json_integer_value(json_object_get(v, "moved"));
		if (!n)
			assert_int_equal(json_integer_value(json_object_get(v, "left")), 0);
		json_decref(v);
		if (!n)
			return moved;
		moved += n;
	}
}

static void bodies_move_there_and_back(void **state)
{
	begin(false, DAY_MS);
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	uint64_t id = account();
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	for (int i = 0; i < MESSAGES / 2; i++)
		assert_int_equal(deliver_one(&mx, i), OK);
	ipc_close(&mx);
	store_kit_close(&kit);
	begin(true, DAY_MS);
	mx = store_kit_channel(&kit, PEER_MX);
	for (int i = MESSAGES / 2; i < MESSAGES; i++)
		assert_int_equal(deliver_one(&mx, i), OK);
	ipc_close(&mx);
	assert_int_equal(rows_in(false), MESSAGES / 2);
	assert_int_equal(rows_in(true), MESSAGES / 2);
	check_all(id);
	blob_tidy(kit.store);
	assert_true(count_files() > 0); /* untouched until all have moved */
	assert_int_equal(move_all(), MESSAGES / 2);
	assert_int_equal(rows_in(false), 0);
	check_all(id);
	store_kit_close(&kit);
	begin(true, DAY_MS); /* nothing is remembered of what was put */
	check_all(id);
	store_kit_close(&kit);
	begin(false, DAY_MS);
	assert_int_equal(move_all(), MESSAGES);
	assert_int_equal(rows_in(true), 0);
	check_all(id);
	store_kit_close(&kit);
}

/* ---- what lies there ---- */

static struct s3 *direct;
static int objects;
static const char *sought;

static void look_into(void *arg, const char *name)
{
	BUF_LOCAL(octets, (size_t)64 << 20);
	assert_int_equal(s3_get(direct, name, 0, (size_t)64 << 20, &octets), OK);
	assert_true(slice_search(buf_slice(&octets), slice_str(sought)) < 0);
	objects++;
}

static void count_object(void *arg, const char *name)
{
	objects++;
}

static size_t list(void (*each)(void *arg, const char *name))
{
	size_t n;
	objects = 0;
	assert_int_equal(s3_list(direct, "bodies/", "", each, NULL, &n), OK);
	return n;
}

static void nothing_there_is_readable(void **state)
{
	begin(true, DAY_MS);
	struct kit_envelope e = {.from = "x@there.example", .to = {"taro@here.example"}};
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	assert_int_equal(
	    kit_deliver_text(&kit, &mx, &e, "Subject: hush\r\n\r\nplaintextbody, plaintextbody\r\n"), OK);
	ipc_close(&mx);
	store_kit_close(&kit);
	direct = s3_new(&kit.settings.objects);
	sought = "plaintextbody";
	assert_true(list(look_into) > 0);
	s3_free(direct);
}

/* ---- what is taken away ---- */

static void only_old_objects_without_rows_go(void **state)
{
	begin(true, 4000);
	direct = s3_new(&kit.settings.objects);
	struct blob blob = {0};
	uint8_t digest[32] = "nobody has this one either";
	struct reader r = reader_begin(kit.store);
	assert_int_equal(blob_keep(kit.store->blob, r.db, digest, SLICE("a body"), SLICE_NONE, &blob), OK);
	reader_end(&r);
	size_t before = list(count_object);
	assert_int_equal(blob_flush(kit.store->blob), OK);
	assert_int_equal(list(count_object), before + 1);
	struct segments *seg = blob_segments(kit.store->blob);
	assert_true(segments_good(seg, blob.at.segment));
	blob_tidy(kit.store);
	assert_true(segments_size(seg, blob.at.segment) > 0); /* held */
	int64_t id = blob.at.segment;
	blob_release(kit.store->blob, &blob);
	blob_tidy(kit.store);
	assert_true(segments_size(seg, id) > 0); /* young: another node's row may be on its way */
	sleep(6);
	for (int i = 0; i < 4 && segments_size(seg, id); i++)
		blob_tidy(kit.store);
	assert_int_equal(segments_size(seg, id), 0);
	check_all((uint64_t)1);
	s3_free(direct);
	store_kit_close(&kit);
}

static void a_late_row_is_refused(void **state)
{
	begin(true, 1000);
	struct blob blob = {0};
	uint8_t digest[32] = "this one comes too late";
	struct reader r = reader_begin(kit.store);
	assert_int_equal(blob_keep(kit.store->blob, r.db, digest, SLICE("late"), SLICE_NONE, &blob), OK);
	reader_end(&r);
	assert_int_equal(blob_flush(kit.store->blob), OK);
	assert_true(segments_good(blob_segments(kit.store->blob), blob.at.segment));
	usleep(700000);
	assert_false(segments_good(blob_segments(kit.store->blob), blob.at.segment));
	blob_release(kit.store->blob, &blob);
	store_kit_close(&kit);
}

/* ---- it is away ---- */

/* A content that was never there. */
static enum result deliver_new(struct ipc *mx)
{
	struct kit_envelope e = {.from = "x@there.example", .to = {"taro@here.example"}};
	static int number;
	char subject[64];
	snprintf(subject, sizeof subject, "new %d %d", (int)getpid(), number++);
	char *text = kit_message(subject, 500);
	enum result r = kit_deliver_text(&kit, mx, &e, text);
	free(text);
	return r;
}

static void mail_is_put_off_while_it_is_away(void **state)
{
	struct s3_settings real = kit.settings.objects;
	kit.settings.objects.endpoint = "http://127.0.0.1:1";
	begin(true, DAY_MS);
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	int64_t start = clock_mono_ms();
	for (int i = 0; i < 5; i++)
		assert_int_equal(deliver_new(&mx), LATER);
	assert_true(clock_mono_ms() - start < 6000); /* nobody waits in a row */
	struct ipc c = store_kit_login(&kit, 1, "imap");
	do_select(&c, "INBOX"); /* rows are there all the same */
	do_flags(&c, 1, 5, 0, 1, NULL);
	ipc_close(&c);
	ipc_close(&mx);
	store_kit_close(&kit);
	kit.settings.objects = real;
	begin(true, DAY_MS);
	mx = store_kit_channel(&kit, PEER_MX);
	assert_int_equal(deliver_new(&mx), OK);
	ipc_close(&mx);
	store_kit_close(&kit);
}

static void endpoints_are_taken_apart(void **state)
{
	static const struct {
		const char *endpoint, *resolve;
		uint16_t port;
		enum result result;
	} cases[] = {
	    {"http://127.0.0.1:9000", "127.0.0.1:9000:127.0.0.1", 9000, OK},
	    {"https://127.0.0.1", "127.0.0.1:443:127.0.0.1", 443, OK},
	    {"http://[::1]:80", "::1:80:[::1]", 80, OK},
	    {"http://192.0.2.1:9000", NULL, 9000, DENY},
	    {"ftp://127.0.0.1", NULL, 0, BAD},
	    {"https://", NULL, 0, BAD},
	    {"https://a:b", NULL, 0, BAD},
	    {"https://a:70000", NULL, 0, BAD},
	    {"https://127.0.0.1/path", NULL, 0, BAD},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		BUF_LOCAL(resolve, 1000);
		uint16_t port = 0;
		const char *why;
		assert_int_equal(s3_find(cases[i].endpoint, &resolve, &port, &why), cases[i].result);
		if (cases[i].result == OK) {
			assert_string_equal(buf_z(&resolve), cases[i].resolve);
			assert_int_equal(port, cases[i].port);
		}
	}
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR);
	if (!getenv("SEKISHO_TEST_S3")) {
		fprintf(stderr, "skip: SEKISHO_TEST_S3 names no object store (run by test/kit/radosgw.py)\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(endpoints_are_taken_apart),
	    cmocka_unit_test(bodies_move_there_and_back),
	    cmocka_unit_test(nothing_there_is_readable),
	    cmocka_unit_test(only_old_objects_without_rows_go),
	    cmocka_unit_test(a_late_row_is_refused),
	    cmocka_unit_test(mail_is_put_off_while_it_is_away),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
