/*
 * http: /healthz and /metrics with a store that answers, refuses, hangs, dies and comes back; slow and silent clients on
 * real sockets in the lobby.
 */
#include "http_net.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- a store ---- */

enum mood { ANSWERS, REFUSES, HANGS };
static _Atomic enum mood store_mood;
static _Atomic unsigned store_asked;

static void on_gauges(struct ipc_turn *t)
{
	atomic_fetch_add(&store_asked, 1);
	if (store_mood == REFUSES) {
		ipc_refuse(t, LATER, "not now");
		return;
	}
	if (store_mood == HANGS)
		usleep(3000000);
	Sekisho__GaugesAnswer a = SEKISHO__GAUGES_ANSWER__INIT;
	a.queued = 7;
	a.held = 2;
	a.oldest_ms = clock_utc_ms() - 90500;
	a.accounts = 3;
	a.messages = 18446744073709551615ull;
	a.body_octets = 4096;
	a.sessions = 5;
	a.disk_free = 123456789;
	a.search_waiting = 31;
	a.search_failed_ms = 1767225600250;
	ipc_answer(t, &a, NULL);
}

static ipc_handler *const handlers[ASK_MAX] = {[ASK_STORE_GAUGES] = on_gauges};
static struct ipc_trunk *trunk;
static struct ipc_server *server;

static void start_store(void)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), OK);
	ipc_server_add(server, fds[1], PEER_WEB, NULL, NULL, NULL);
	ipc_trunk_set(trunk, fds[0]);
}

/* ---- the service ---- */

static _Atomic uint64_t counters[2 * EV_COUNT];
static const char *const role_names[] = {"mx", "web"};
static struct http_monitor monitor;
static struct http_service service = {.name = "http", .hostname = "mail.example.org", .monitor = &monitor};

static void fresh_monitor(void)
{
	http_monitor_end(&monitor);
	http_monitor_init(&monitor, trunk, &(struct http_metrics){counters, 2, role_names, NULL, NULL});
}

/* What is said to one request; the body begins after the first empty line. */
static struct slice get(const char *path, const char *fields, struct buf *said)
{
	BUF_LOCAL(in, 1000);
	buf_printf(&in, "GET %s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n", path, fields);
	buf_clear(said);
	struct stream *s = stream_memory(buf_slice(&in), 0, said);
	struct session *session = http_session_new(&service, s, "192.0.2.1", 4711);
	assert_int_equal(session->ops->run(session), SESSION_END);
	session->ops->end(session);
	ptrdiff_t end = slice_search(buf_slice(said), SLICE("\r\n\r\n"));
	assert_true(end > 0);
	return slice_sub(buf_slice(said), (size_t)end + 4, SIZE_MAX);
}

static void assert_says(const char *path, const char *fields, const char *status, const char *body)
{
	BUF_LOCAL(said, 1 << 20);
	struct slice got = get(path, fields, &said);
	assert_true(slice_starts(slice_sub(buf_slice(&said), 9, SIZE_MAX), slice_str(status)));
	if (!slice_eq(got, slice_str(body)))
		print_message("%s: " SLICE_FMT "\n", path, SLICE_ARG(buf_slice(&said)));
	assert_true(slice_eq(got, slice_str(body)));
}

#define AS_JSON "Accept: application/json\r\n"

static void health_follows_the_store(void **state)
{
	service.routes = &http_routes_public;
	fresh_monitor();
	assert_says("/healthz", "", "200", "ok\n");
	assert_says("/healthz", AS_JSON, "200", "{\"status\":\"ok\",\"reasons\":[]}\n");
	store_mood = REFUSES;
	fresh_monitor();
	assert_says("/healthz", "", "503", "store refuses to answer\n");
	assert_says("/healthz", AS_JSON, "503",
	    "{\"status\":\"unavailable\",\"reasons\":[\"store refuses to answer\"]}\n");
	store_mood = HANGS;
	fresh_monitor();
	int64_t before = clock_mono_ms();
	assert_says("/healthz", "", "503", "store does not answer\n");
	assert_in_range(clock_mono_ms() - before, 1900, 2900);
	before = clock_mono_ms();
	assert_says("/healthz", "", "503", "store does not answer\n");
	assert_in_range(clock_mono_ms() - before, 0, 500); /* it is not asked again at once */
	store_mood = ANSWERS;
	usleep(1100000);
	assert_says("/healthz", "", "200", "ok\n");
}

static void health_survives_a_restart(void **state)
{
	fresh_monitor();
	assert_says("/healthz", "", "200", "ok\n");
	ipc_trunk_set(trunk, -1);
	ipc_close(&monitor.channel); /* as the death of the store would leave it */
	usleep(1100000);
	assert_says("/healthz", "", "503", "store is not running\n");
	start_store();
	usleep(1100000);
	assert_says("/healthz", "", "200", "ok\n");
	/* A channel that broke since the last time is opened again in the same breath. */
	shutdown(monitor.channel.fd, SHUT_RDWR);
	usleep(1100000);
	assert_says("/healthz", "", "200", "ok\n");
}

static void *ask_health(void *arg)
{
	BUF_LOCAL(said, 10000);
	assert_true(slice_eq(get("/healthz", "", &said), SLICE("ok\n")));
	return arg;
}

static void a_crowd_asks_the_store_once(void **state)
{
	pthread_t t[16];
	fresh_monitor();
	unsigned before = atomic_load(&store_asked);
	for (size_t i = 0; i < COUNT(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, ask_health, NULL), 0);
	for (size_t i = 0; i < COUNT(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&store_asked) - before, 1);
}

static void each_service_has_its_routes(void **state)
{
	BUF_LOCAL(said, 1 << 20);
	service.routes = &http_routes_public;
	get("/", "", &said);
	assert_true(slice_search(buf_slice(&said), SLICE("The console is not here")) > 0);
	assert_says("/metrics", "", "404", "404 Not Found\n");
	service.routes = &http_routes_local;
	assert_says(
	    "/", "", "200", "This is mail.example.org, a Sekisho mail server.\nIts health is at /healthz.\n");
	get("/metrics", "", &said);
	assert_true(slice_starts(buf_slice(&said), SLICE("HTTP/1.1 200 OK\r\n")));
	assert_true(slice_search(buf_slice(&said),
			SLICE("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n")) > 0);
	assert_true(slice_search(buf_slice(&said), SLICE("\r\nX-Content-Type-Options: nosniff\r\n")) > 0);
}

/* ---- the exposition format, read by the rules of its specification ---- */

static bool is_name_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == ':';
}
static bool is_label_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_';
}
static bool is_number_char(char c)
{
	return ascii_digit(c) || c == '.';
}
static bool is_quoted_char(char c)
{
	return c != '"' && c != '\\' && c != '\n';
}

struct family {
	struct slice name, type;
	size_t samples;
};

/* name{label="value",...} number */
static void check_sample(struct slice line, const struct family *f)
{
	struct cursor c = cursor_of(line);
	struct slice name = cursor_while1(&c, is_name_char);
	assert_true(slice_eq(name, f->name));
	if (cursor_try(&c, '{')) {
		do {
			assert_false(ascii_digit((char)cursor_peek(&c)));
			cursor_while1(&c, is_label_char);
			cursor_need(&c, '=');
			cursor_need(&c, '"');
			cursor_while(&c, is_quoted_char);
			cursor_need(&c, '"');
		} while (cursor_try(&c, ','));
		cursor_need(&c, '}');
	}
	cursor_need(&c, ' ');
	struct slice number = cursor_while1(&c, is_number_char);
	assert_int_equal(cursor_done(&c), OK);
	if (slice_eq(f->type, SLICE("counter"))) {
		assert_true(slice_iends(name, SLICE("_total")));
		assert_true(slice_find(number, '.') < 0);
	} else {
		assert_false(slice_iends(name, SLICE("_total")));
	}
}

static void check_exposition(struct slice text, size_t *families_out, size_t *samples_out)
{
	static struct slice seen[10000];
	struct family f = {0};
	size_t names = 0, series = 0;
	assert_true(text.n && text.p[text.n - 1] == '\n');
	while (text.n) {
		struct slice line = slice_split(&text, '\n');
		if (slice_starts(line, SLICE("# HELP "))) {
			assert_true(names == 0 || f.samples > 0);
			struct slice rest = slice_sub(line, 7, SIZE_MAX);
			f = (struct family){.name = slice_split(&rest, ' ')};
			assert_true(rest.n > 0 && slice_find(rest, '\\') < 0);
			for (size_t i = 0; i < series; i++)
				assert_false(
				    slice_starts(seen[i], f.name) && !is_name_char(seen[i].p[f.name.n]));
			names++;
		} else if (slice_starts(line, SLICE("# TYPE "))) {
			struct slice rest = slice_sub(line, 7, SIZE_MAX);
			assert_true(slice_eq(slice_split(&rest, ' '), f.name));
			f.type = rest;
			assert_true(slice_eq(rest, SLICE("gauge")) || slice_eq(rest, SLICE("counter")));
		} else {
			check_sample(line, &f);
			f.samples++;
			struct slice id = slice_sub(line, 0, (size_t)slice_rfind(line, ' '));
			for (size_t i = 0; i < series; i++)
				assert_false(slice_eq(seen[i], id));
			seen[series++] = slice_sub(line, 0, id.n + 1);
		}
	}
	*families_out = names;
	*samples_out = series;
}

static void has_line(struct slice text, const char *line)
{
	BUF_LOCAL(whole, 1000);
	buf_printf(&whole, "\n%s\n", line);
	if (slice_search(text, buf_slice(&whole)) < 0)
		fail_msg("no line %s", line);
}

static void metrics_are_well_formed(void **state)
{
	BUF_LOCAL(said, 1 << 20);
	size_t families, samples, fewer;
	service.routes = &http_routes_local;
	atomic_store(&counters[EV_SMTP_ACCEPTED], 41);
	atomic_store(&counters[EV_COUNT + EV_HTTP_REQUEST], 18446744073709551615ull);
	fresh_monitor();
	struct slice text = get("/metrics", "", &said);
	check_exposition(text, &families, &samples);
	assert_int_equal(families, 3 + 7 + 9 + EV_COUNT);
	assert_int_equal(samples, 3 + 8 + 9 + 2 * EV_COUNT);
	has_line(text, "sekisho_store_up 1");
	has_line(text, "sekisho_queue_recipients{state=\"waiting\"} 7");
	has_line(text, "sekisho_queue_recipients{state=\"held\"} 2");
	has_line(text, "sekisho_accounts 3");
	has_line(text, "sekisho_messages 18446744073709551615");
	has_line(text, "sekisho_body_bytes 4096");
	has_line(text, "sekisho_disk_free_bytes 123456789");
	has_line(text, "sekisho_search_waiting_messages 31");
	has_line(text, "sekisho_search_last_failure_timestamp_seconds 1767225600.250");
	has_line(text, "sekisho_smtp_accepted_total{role=\"mx\"} 41");
	has_line(text, "sekisho_smtp_accepted_total{role=\"web\"} 0");
	has_line(text, "sekisho_http_request_total{role=\"web\"} 18446744073709551615");
	has_line(text, "# HELP sekisho_smtp_accepted_total Events: a message was accepted.");
	assert_true(slice_search(text, SLICE("\nsekisho_queue_oldest_age_seconds 90.5")) > 0);
	store_mood = REFUSES;
	fresh_monitor();
	text = get("/metrics", "", &said);
	store_mood = ANSWERS;
	check_exposition(text, &families, &fewer);
	assert_int_equal(fewer, samples - 8 - 9);
	has_line(text, "sekisho_store_up 0");
}

/* ---- real sockets ---- */

#define REQUEST "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

/* 200 clients with half a request hold neither of the two threads. */
static void slow_clients_cost_no_thread(void **state)
{
	static struct http_service slow;
	fresh_monitor();
	slow = service;
	slow.routes = &http_routes_public;
	slow.head_ms = 1500;
	struct sockaddr_in sa = serve(&slow, 2);
	int crowd[200];
	for (size_t i = 0; i < COUNT(crowd); i++) {
		crowd[i] = connect_to(&sa);
		say(crowd[i], "GET /healthz HTTP/1.1\r\nHost");
	}
	int fd = connect_to(&sa);
	int64_t before = clock_mono_ms();
	for (int i = 0; i < 5; i++) { /* kept alive, asleep between */
		say(fd, REQUEST);
		assert_true(hear(fd, "\r\n\r\nok\n", 1000));
		usleep(50000);
	}
	assert_in_range(clock_mono_ms() - before, 0, 1400);
	say(crowd[0], ": a\r\n\r\n"); /* late but in time */
	assert_true(hear(crowd[0], "\r\n\r\nok\n", 1000));
	for (size_t i = 1; i < COUNT(crowd); i++) {
		assert_true(hear(crowd[i], "HTTP/1.1 408 Request Timeout\r\n", 3000));
		close(crowd[i]);
	}
	close(crowd[0]);
	close(fd);
}

static void on_echo(struct http_request *q, struct http_response *p)
{
	buf_put(&p->body, q->body);
}

/* A body must keep its rate; a client that drips a head is out of time however often it drips. */
static void dripping_clients_are_told(void **state)
{
	static const struct http_route echo[] = {{HTTP_IS(POST), "/", on_echo, 0, 100000}};
	static const struct http_routes routes = {echo, 1, NULL};
	static struct http_service drip;
	drip = service;
	drip.routes = &routes;
	drip.head_ms = drip.body_grace_ms = 700;
	drip.first_ms = drip.idle_ms = 400;
	drip.rate = 1000;
	struct sockaddr_in sa = serve(&drip, 2);
	int silent = connect_to(&sa), head = connect_to(&sa), body = connect_to(&sa), good = connect_to(&sa);
	say(head, "POST / HTTP/1.1\r\n");
	say(body, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
	say(good, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
	for (int i = 0; i < 20; i++) { /* 100 octets each 100 ms are the rate, and one octet is not */
		BUF_LOCAL(some, 101);
		for (int k = 0; k < 100; k++)
			buf_putc(&some, 'x');
		say(good, buf_z(&some));
		if (i < 6) {
			say(head, "x");
			say(body, "x");
		}
		if (i == 5)
			assert_true(is_over(silent, 0)); /* without a word */
		usleep(100000);
	}
	assert_true(hear(good, "Content-Length: 2000\r\n", 1000));
	assert_true(hear(head, "HTTP/1.1 408 Request Timeout\r\n", 100));
	assert_true(hear(body, "HTTP/1.1 408 Request Timeout\r\n", 100));
	assert_true(is_over(head, 100) && is_over(body, 100));
	for (size_t i = 0; i < 4; i++)
		close((int[]){silent, head, body, good}[i]);
}

/* What a client still sends must not destroy the answer that refuses it (RFC 9112 9.6). */
static void a_refusal_arrives(void **state)
{
	static struct http_service s;
	s = service;
	s.routes = &http_routes_public;
	s.close_ms = 300;
	struct sockaddr_in sa = serve(&s, 2);
	int fd = connect_to(&sa);
	say(fd, "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
	usleep(50000);
	for (int i = 0; i < 100; i++) {
		BUF_LOCAL(some, 1001);
		for (int k = 0; k < 1000; k++)
			buf_putc(&some, 'x');
		say(fd, buf_z(&some));
	}
	assert_true(hear(fd, "HTTP/1.1 405 Method Not Allowed\r\n", 1000));
	assert_true(is_over(fd, 1000));
	close(fd);
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	http_service_defaults(&service);
	trunk = ipc_trunk_new("store");
	server = ipc_server_new(handlers, 4, NULL);
	http_monitor_init(&monitor, trunk, &(struct http_metrics){counters, 2, role_names, NULL, NULL});
	start_store();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(health_follows_the_store),
	    cmocka_unit_test(health_survives_a_restart),
	    cmocka_unit_test(a_crowd_asks_the_store_once),
	    cmocka_unit_test(each_service_has_its_routes),
	    cmocka_unit_test(metrics_are_well_formed),
	    cmocka_unit_test(slow_clients_cost_no_thread),
	    cmocka_unit_test(dripping_clients_are_told),
	    cmocka_unit_test(a_refusal_arrives),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	http_monitor_end(&monitor);
	return failed;
}
