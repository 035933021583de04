/* config: defaults, values, and what is said about mistakes. */
#include "role/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static struct config *good(const char *text, enum config_mode mode)
{
	BUF_LOCAL(why, 65536);
	struct config *c = NULL;
	enum result r = config_parse(slice_str(text), "test.conf", mode, &why, &c);
	if (r != OK)
		print_error(SLICE_FMT, SLICE_ARG(buf_slice(&why)));
	assert_int_equal(r, OK);
	return c;
}

/* The text is refused and what is said has `expected` in it. */
static void refused(const char *text, enum config_mode mode, const char *expected)
{
	BUF_LOCAL(why, 65536);
	struct config *c = NULL;
	assert_int_equal(config_parse(slice_str(text), "test.conf", mode, &why, &c), BAD);
	assert_null(c);
	if (slice_search(buf_slice(&why), slice_str(expected)) < 0)
		print_error("said: " SLICE_FMT "\nnot:  %s\n", SLICE_ARG(buf_slice(&why)), expected);
	assert_true(slice_search(buf_slice(&why), slice_str(expected)) >= 0);
}

static void an_empty_file_gives_the_defaults(void **state)
{
	struct config *c = good("", CONFIG_PRODUCTION);
	assert_string_equal(c->data_dir, "/var/lib/sekisho");
	assert_string_equal(c->master_key_file, "/var/lib/sekisho/keys/master");
	assert_true(c->hostname[0]);
	assert_int_equal(c->listen_smtp.n, 2);
	assert_string_equal(c->listen_smtp.at[0].host, "0.0.0.0");
	assert_string_equal(c->listen_smtp.at[1].host, "::");
	assert_int_equal(c->listen_smtp.at[1].port, 25);
	assert_int_equal(c->message_size, 50 * 1024 * 1024);
	assert_int_equal(c->queue_max_age, 5 * DAY_MS);
	assert_true(c->queue_retry_first <= 5 * MINUTE_MS);
	assert_int_equal(c->queue_delay_notice, 4 * HOUR_MS);
	assert_int_equal(c->relay_per_destination, 20);
	assert_int_equal(c->dsn_language, CONFIG_BOTH);
	assert_false(c->demo);
	assert_int_equal(c->route.n, 0);
	config_free(c);
}

static void values_are_typed(void **state)
{
	struct config *c = good("hostname = mail.example.jp # ours\n"
				"listen_imap = {}\n"
				"listen_imaps = {\"192.0.2.1:993\", \"[2001:db8::1]:1993\"}\n"
				"message_size = 10M\nqueue_retry_first = 90s\nrelay_tls = required\n"
				"relay_host = \"relay.example.net:587\"\n"
				"route = {\"Example.ORG=127.0.0.1:2525\", \"b.test=[::1]:26\"}\n"
				"dns_servers = {\"192.0.2.53\", \"2001:db8::53\", \"192.0.2.54:5353\"}\n",
	    CONFIG_PRODUCTION);
	assert_string_equal(c->hostname, "mail.example.jp");
	assert_int_equal(c->listen_imap.n, 0);
	assert_int_equal(c->listen_imaps.n, 2);
	assert_string_equal(c->listen_imaps.at[1].host, "2001:db8::1");
	assert_int_equal(c->listen_imaps.at[1].port, 1993);
	assert_int_equal(c->message_size, 10485760);
	assert_int_equal(c->queue_retry_first, 90000);
	assert_int_equal(c->relay_tls, CONFIG_REQUIRED);
	assert_string_equal(c->relay_host.host, "relay.example.net");
	assert_string_equal(c->route.at[0].domain, "example.org");
	assert_int_equal(c->route.at[1].to.port, 26);
	assert_int_equal(c->dns_servers.at[1].port, 0);
	assert_string_equal(c->dns_servers.at[1].host, "2001:db8::53");
	config_free(c);
}

static void mistakes_are_named(void **state)
{
	static const char *const wrong[][2] = {
	    {"\n\nhostnam = a\n", "test.conf:3: no such option 'hostnam'; did you mean 'hostname'?"},
	    {"listen_smpt = {}\n", "did you mean 'listen_smtp'?"},
	    {"message_size = 1T\n", "test.conf:1: message_size: \"1T\" is not a size"},
	    {"message_size = 500M\n", "is out of range (1M .. 256M)"},
	    {"queue_max_age = 5\n", "is not a duration"},
	    {"queue_retry_first = 6m\n", "is out of range"},
	    {"threads = -1\n", "is not a whole number"},
	    {"threads = 99999999999999999999\n", "is not a whole number"},
	    {"log_format = xml\n", "is none of the choices (logfmt|json)"},
	    {"demo = maybe\n", "is neither yes nor no"},
	    {"data_dir = mail\n", "is not an absolute path"},
	    {"listen_smtp = {\"localhost:25\"}\n", "is not an IPv4 address"},
	    {"listen_smtp = {\"127.0.0.1\"}\n", "has no port"},
	    {"listen_smtp = {\"127.0.0.1:0\"}\n", "has no port"},
	    {"listen_smtp = {\"[::1]25\"}\n", "is not [address]:port"},
	    {"listen_smtp = {\"127.0.0.1:65536\"}\n", "has no port"},
	    {"route = {\"a.test\"}\n", "is not domain=host:port"},
	    {"route = {\"=127.0.0.1:25\"}\n", "does not begin with a domain"},
	    {"relay_host = \"a b:25\"\n", "is not a host"},
	    {"tls_key = /x\n", "go together"},
	    {"relay_user = x\n", "needs relay_host"},
	    {"queue_delay_notice = 5d\nqueue_max_age = 4d\n", "longer than queue_max_age"},
	    {"hostname = \"a\n", "test.conf:"},
	    {"hostname\n", "test.conf:"},
	};
	for (size_t i = 0; i < COUNT(wrong); i++)
		refused(wrong[i][0], CONFIG_PRODUCTION, wrong[i][1]);
}

static void two_mistakes_are_both_named(void **state)
{
	const char *text = "threads = x\n\nsessions = y\n";
	refused(text, CONFIG_PRODUCTION, "test.conf:1: threads");
	refused(text, CONFIG_PRODUCTION, "test.conf:3: sessions");
}

#define LOOPBACK                                                                                             \
	"demo = yes\nlisten_smtp = {\"127.0.0.1:2525\"}\nlisten_submission = {}\nlisten_submissions = {}\n"  \
	"listen_imap = {}\nlisten_imaps = {}\nlisten_pop3 = {}\nlisten_pop3s = {}\nlisten_sieve = "          \
	"{}\nlisten_https = "                                                                                \
	"{\"[::1]:8443\"}\n"

static void demo_options_need_a_demo(void **state)
{
	struct config *c = good(LOOPBACK "dns_fixture = /tmp/dns\nclock_offset = -60\n", CONFIG_DEMO);
	assert_int_equal(c->clock_offset, -60);
	assert_string_equal(c->dns_fixture, "/tmp/dns");
	config_free(c);
	refused(LOOPBACK, CONFIG_PRODUCTION, "a production start refuses");
	refused("dns_fixture = /tmp/dns\n", CONFIG_PRODUCTION, "belong to a demo only");
	refused("dns_fixture = /tmp/dns\n", CONFIG_DEMO, "belong to a demo only");
	refused("clock_offset = 1\n", CONFIG_PRODUCTION, "belong to a demo only");
	refused("demo = yes\n", CONFIG_DEMO, "a demo listens on loopback only");
}

static void every_value_reads_as_it_is_written(void **state)
{
	struct config *c = good("", CONFIG_PRODUCTION);
	BUF_LOCAL(text, 65536);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		BUF_LOCAL(value, 1024);
		config_put_value(&value, c, o);
		if (strcmp(o->name, "hostname") != 0 && strcmp(o->name, "master_key_file") != 0)
			assert_string_equal(buf_z(&value), o->standard);
		bool list = o->type == CONFIG_LISTEN || o->type == CONFIG_ADDRESSES ||
			    o->type == CONFIG_ROUTES || o->type == CONFIG_ITEMS;
		if (!list)
			buf_printf(&text, "%s = \"%s\"\n", o->name, buf_z(&value));
	}
	config_free(c);
	config_free(good(buf_z(&text), CONFIG_PRODUCTION));
}

static void every_option_explains_itself(void **state)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		assert_true(strlen(o->english) > 10 && strlen(o->japanese) > 10);
		assert_true(slice_is_utf8(slice_str(o->japanese)) && !slice_is_ascii(slice_str(o->japanese)));
		assert_ptr_equal(config_option(slice_str(o->name)), o); /* no name twice */
		assert_non_null(config_type_name(o->type));
	}
	assert_null(config_nearest(SLICE("completely_different")));
}

static void a_file_is_read(void **state)
{
	char path[] = "/tmp/sekisho-config-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, SLICE("threads = 7\n")), OK);
	close(fd);
	BUF_LOCAL(why, 1024);
	struct config *c = NULL;
	assert_int_equal(config_load(path, CONFIG_PRODUCTION, &why, &c), OK);
	assert_int_equal(c->threads, 7);
	config_free(c);
	unlink(path);
	assert_int_equal(config_load(path, CONFIG_PRODUCTION, &why, &c), GONE);
	assert_true(slice_search(buf_slice(&why), SLICE("No such file")) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_file_gives_the_defaults),
	    cmocka_unit_test(values_are_typed),
	    cmocka_unit_test(mistakes_are_named),
	    cmocka_unit_test(two_mistakes_are_both_named),
	    cmocka_unit_test(demo_options_need_a_demo),
	    cmocka_unit_test(every_value_reads_as_it_is_written),
	    cmocka_unit_test(every_option_explains_itself),
	    cmocka_unit_test(a_file_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
