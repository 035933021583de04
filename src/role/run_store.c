/*
 * store: database, bodies, queue, decisions; see store/store.h. It ends as it would crash: what was acknowledged is on
 * the disk, and the next start takes it up from there.
 */
#include "store/store.h"
#include "role/run.h"
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define STORE_THREADS 4
#define REPORT_AFTER_MS (30 * MINUTE_MS)
#define REPORT_GATHER_MS                                                                                     \
	(2 * MINUTE_MS) /* reports come in bursts: one message for the new sources of several */
#define REPORT_GATHER_DEMO_MS (2 * SECOND_MS)
#define STORE_DESCRIPTORS 200000 /* a channel for each session of the fronts, segments, the database */

static const char *languages(const struct config *c)
{
	switch (c->dsn_language) {
	case CONFIG_JA:
		return "ja";
	case CONFIG_EN:
		return "en";
	default:
		return "ja en";
	}
}

static enum store_judge judge_of(int choice)
{
	return choice == CONFIG_REFUSE       ? JUDGE_REFUSE
	       : choice == CONFIG_QUARANTINE ? JUDGE_JUNK
					     : JUDGE_ACCEPT;
}

static void disk_broken(void *arg)
{
	(void)arg;
	_exit(EX_IOERR);
}

/* ---- PostgreSQL ---- */

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
#define CA_MOST ((size_t)4 << 20)

struct remote {
	struct buf url, password, ca;
	struct buf resolve, secret, s3_ca;
};

static void read_system_ca(struct buf *out)
{
	FD_LOCAL fd = open(SYSTEM_CA, O_RDONLY | O_CLOEXEC);
	uint64_t size;
	if (fd < 0 || fd_size(fd, &size) != OK)
		return;
	char *p = buf_room(out, size);
	if (p && fd_pread_all(fd, p, size, 0) == OK)
		buf_wrote(out, size);
}

/* Before the jail: what will be out of reach. */
static void find_database(struct run *r, struct remote *d)
{
	const char *why;
	enum result done = store_database_url(r->config->database_url, &d->url, &r->database_ports, &why);
	if (done != OK) {
		EVENT(
		    CONFIG_BAD, KZ("file", "database_url"), KN("line", 0), KZ("why", why ? why : "too long"));
		_exit(EX_CONFIG);
	}
	run_file(r, "database_ca", &d->ca);
	if (!d->ca.n)
		read_system_ca(&d->ca);
}

/* libpq reads certificates from files only: they are copied to where the jail lets it. */
static const char *keep_ca(const struct run *r, const struct remote *d)
{
	static char path[4200];
	if (!d->ca.n)
		return NULL;
	snprintf(path, sizeof path, "%s/database-ca.pem", run_directory(r));
	FD_LOCAL fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd >= 0 && fd_write_all(fd, buf_slice(&d->ca)) == OK ? path : NULL;
}

static void use_database(const struct run *r, struct remote *d, struct db_place *place)
{
	place->url = buf_z(&d->url);
	place->password = run_secret_line(r, "database_password", &d->password);
	place->ca_file = keep_ca(r, d);
}

/* ---- the object store ---- */

_Noreturn static void config_bad(const char *option, const char *why)
{
	EVENT(CONFIG_BAD, KZ("file", option), KN("line", 0), KZ("why", why));
	_exit(EX_CONFIG);
}

static void find_objects(struct run *r, struct remote *d)
{
	const struct config *c = r->config;
	const char *why;
	uint16_t port;
	if (!*c->s3_endpoint) {
		if (c->bodies == CONFIG_S3)
			config_bad("s3_endpoint", "bodies = s3 needs it");
		return;
	}
	if (!*c->s3_bucket || !*c->s3_key_id || !*c->s3_secret_file)
		config_bad("s3_endpoint", "it needs s3_bucket, s3_key_id and s3_secret_file");
	enum result done = s3_find(c->s3_endpoint, &d->resolve, &port, &why);
	if (done != OK)
		config_bad("s3_endpoint", done == FULL ? "too many addresses" : why);
	if (r->database_ports.n == COUNT(r->database_ports.at))
		config_bad("s3_endpoint", "too many servers");
	r->database_ports.at[r->database_ports.n++] = port;
	run_file(r, "s3_ca", &d->s3_ca);
	if (!d->s3_ca.n)
		read_system_ca(&d->s3_ca);
}

static void use_objects(const struct run *r, struct remote *d, struct store_settings *s)
{
	const struct config *c = r->config;
	if (!*c->s3_endpoint)
		return;
	s->objects = (struct s3_settings){
	    .endpoint = c->s3_endpoint,
	    .resolve = buf_z(&d->resolve),
	    .bucket = c->s3_bucket,
	    .region = c->s3_region,
	    .key_id = c->s3_key_id,
	    .secret = run_secret_line(r, "s3_secret", &d->secret),
	    .ca_pem = buf_slice(&d->s3_ca),
	};
	if (!s->objects.secret)
		config_bad("s3_secret_file", "it cannot be read");
	s->bodies_in_objects = c->bodies == CONFIG_S3;
}

/* ---- the DNS assistant ---- */

static void add_service(struct store_dns *d, const char *name, const struct config_addresses *listen)
{
	if (listen->n)
		d->services[d->n_services++] = (struct store_service){name, listen->at[0].port};
}

static const struct store_item *items_of(const struct config_items *list)
{
	struct store_item *items = calloc(list->n + 1, sizeof *items);
	if (!items)
		abort();
	for (size_t i = 0; i < list->n; i++)
		items[i] = (struct store_item){list->at[i].name, list->at[i].value};
	return items;
}

static void fill_dns(const struct config *c, struct store_dns *d)
{
	static const char *const modes[] = {"none", "testing", "enforce"};
	const char **addresses = calloc(c->public_addresses.n + 1, sizeof *addresses);
	for (size_t i = 0; addresses && i < c->public_addresses.n; i++)
		addresses[d->n_addresses++] = c->public_addresses.at[i].host;
	d->addresses = addresses;
	add_service(d, "_submissions._tcp", &c->listen_submissions);
	add_service(d, "_submission._tcp", &c->listen_submission);
	add_service(d, "_imaps._tcp", &c->listen_imaps);
	add_service(d, "_pop3s._tcp", &c->listen_pop3s);
	add_service(d, "_sieve._tcp", &c->listen_sieve);
	add_service(d, "_autodiscover._tcp", &c->listen_https);
	d->sts_mode = modes[c->publish_mta_sts];
	d->sts_max_age_ms = c->publish_mta_sts_age;
	d->ca = c->certificate_authority;
	d->reports_to = c->reports_to;
	d->check_every_ms = c->dns_check_every;
	d->lookalikes = c->dns_lookalikes;
	d->update_key = c->dns_update_key;
}

/* ---- where clients are ---- */

struct places {
	struct geo *geo;
	struct ip_nets office;
};

static void find_places(const struct config *c, struct places *p)
{
	const char *why = "";
	struct slice wrong;
	if (geo_open(c->geo, &p->geo, &why) != OK)
		config_bad("geo", why);
	if (ip_nets_read(slice_str(c->office_networks), LIMIT_NETWORKS, &p->office, &wrong) != OK)
		config_bad("office_networks", "not a list of networks");
	if (*c->home_country && !geo_is_country(slice_str(c->home_country)))
		config_bad("home_country", "not two capital letters");
}

/* ---- what the configuration says, for settings.list ---- */

/* As it would stand in the file; no value has a quote in it (the parser of the file knows no way to write one). */
static void put_line(struct buf *b, const struct config_option *o, struct slice value)
{
	bool list = o->type == CONFIG_LISTEN || o->type == CONFIG_ADDRESSES || o->type == CONFIG_ROUTES;
	bool text = o->type == CONFIG_TEXT || o->type == CONFIG_PATH || o->type == CONFIG_HOSTPORT;
	buf_printf(b, "%s = ", o->name);
	buf_puts(b, list ? "{" : text ? "\"" : "");
	while (list && value.n) {
		buf_printf(b, "\"" SLICE_FMT "\"", SLICE_ARG(slice_trim_blank(slice_split(&value, ','))));
		buf_puts(b, value.n ? ", " : "");
	}
	buf_put(b, value);
	buf_puts(b, list ? "}" : text ? "\"" : "");
}

static json_t *option_json(const struct config *c, const struct config_option *o)
{
	BUF_LOCAL(value, 65536);
	BUF_LOCAL(range, 1024);
	config_put_value(&value, c, o);
	config_put_range(&range, o);
	BUF_LOCAL(line, 65536);
	put_line(&line, o, buf_slice(&value));
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "name", o->name, "line", buf_z(&line), "value",
	    buf_z(&value), "default", o->standard, "type", config_type_name(o->type), "range", buf_z(&range),
	    "en", o->english, "ja", o->japanese);
}

static char *show_config(const struct config *c)
{
	json_t *list = json_array();
	for (size_t i = 0; i < config_option_count; i++)
		if (!config_options[i].demo_only)
			json_array_append_new(list, option_json(c, &config_options[i]));
	char *text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

/* ---- settings from the configuration ---- */

static void fill_mail(const struct config *c, struct store_settings *s)
{
	s->hostname = c->hostname;
	s->postmaster = c->postmaster;
	s->languages = languages(c);
	s->message_size = c->message_size + LIMIT_MESSAGE_ADDED;
	s->disk_reserve = c->disk_reserve;
	s->quota_storage = c->quota_storage;
	s->quota_messages = c->quota_messages;
	s->quota_refuses = c->quota_full == CONFIG_PERMANENT;
	s->dmarc_reject = judge_of(c->dmarc_reject);
	s->dmarc_quarantine = judge_of(c->dmarc_quarantine);
	s->own_unproven = judge_of(c->own_domain_unproven);
	s->arc_trusted = c->arc_trusted;
	s->retry_first_ms = c->queue_retry_first;
	s->retry_most_ms = c->queue_retry_most;
	s->delay_notice_ms = c->queue_delay_notice;
	s->give_up_ms = c->queue_max_age;
	s->trace_keep_ms = c->trace_keep;
	s->dkim_sign = c->dkim_sign;
	s->dkim_service = c->dkim_service_domain;
	s->dkim_rotate_ms = c->dkim_rotate;
	s->dkim_overlap_ms = c->dkim_overlap;
	s->delimiters = c->recipient_delimiter;
}

static void fill_people(const struct config *c, struct store_settings *s)
{
	s->home_country = c->home_country;
	s->signin_keep_ms = c->signin_keep;
	s->access_confirm_ms = c->access_confirm;
	s->session_idle_ms = c->session_idle;
	s->session_most_ms = c->session_most;
	s->organisation = c->organisation;
	s->administrator_grace_ms = c->administrator_grace;
	s->directory.inactive_leaves = c->directory_inactive == CONFIG_OFFBOARD;
	s->directory.keep_days = (int64_t)c->directory_keep_days;
	s->directory.handover = c->directory_handover;
}

static void fill_filters(const struct config *c, struct store_settings *s)
{
	s->sieve_redirects = (uint32_t)c->sieve_redirects;
	s->sieve_sends_per_hour = c->sieve_sends_per_hour;
	s->sieve_spam_field = c->sieve_spam_field;
	s->sieve_spam_full = (uint32_t)c->sieve_spam_full;
	s->sieve_virus_field = c->sieve_virus_field;
	s->sieve_virus_words = c->sieve_virus_words;
	s->sieve_items = items_of(&c->sieve_environment);
	s->n_sieve_items = c->sieve_environment.n;
}

static void fill_sending(const struct config *c, struct store_settings *s)
{
	s->budget.hour = (uint32_t)c->first_time_hour;
	s->budget.day = (uint32_t)c->first_time_day;
	s->budget.most = (uint32_t)c->first_time_most;
	s->budget.new_network = (uint32_t)c->first_time_new_network;
	s->budget.abroad = (uint32_t)c->first_time_abroad;
	s->budget.known = (uint32_t)c->known_recipients_rate;
	s->alarm_mail = c->alarm_mail;
	s->alarm_webhook = *c->alarm_webhook != 0;
	s->sms_per_hour = *c->sms_url ? c->sms_per_hour : 0;
}

static void fill_reports(const struct config *c, struct store_reports *r)
{
	*r = (struct store_reports){.dmarc = c->dmarc_reports,
	    .tls = c->tls_reports,
	    .contact = c->reports_contact,
	    .after_ms = c->demo ? 0 : REPORT_AFTER_MS,
	    .gather_ms = c->demo ? REPORT_GATHER_DEMO_MS : REPORT_GATHER_MS,
	    .keep_ms = c->reports_keep};
}

void run_store(struct run *r)
{
	static struct remote remote = {
	    .url = {.max = 65536},
	    .password = {.max = 4096},
	    .ca = {.max = CA_MOST},
	    .resolve = {.max = 4096},
	    .secret = {.max = 4096},
	    .s3_ca = {.max = CA_MOST},
	};
	static struct store_settings s;
	static struct places places;
	struct store *store;
	const struct config *c = r->config;
	if (c->database == CONFIG_POSTGRESQL)
		find_database(r, &remote);
	find_objects(r, &remote);
	find_places(c, &places);
	run_jail(r, STORE_DESCRIPTORS, 0);
	store_settings_default(&s);
	s.geo = places.geo;
	s.office = places.office;
	if (c->database == CONFIG_POSTGRESQL)
		use_database(r, &remote, &s.database);
	use_objects(r, &remote, &s);
	s.dir = run_directory(r);
	fill_mail(c, &s);
	fill_people(c, &s);
	s.oauth_issuer = run_issuer(r);
	fill_filters(c, &s);
	fill_sending(c, &s);
	fill_dns(c, &s.dns);
	fill_reports(c, &s.reports);
	s.shown = show_config(c);
	memcpy(s.scan_seal, r->scan_seal, sizeof s.scan_seal);
	memcpy(s.login_grant, r->login_grant, sizeof s.login_grant);
	s.keys = r->trunks[ROLE_KEYS];
	s.scan = r->trunks[ROLE_SCAN];
	s.broken = disk_broken;
	enum result opened = store_open(&s, &store);
	if (opened != OK)
		_exit(opened == DENY ? EX_CONFIG : EX_IOERR);
	run_serve(r, store_handlers, STORE_THREADS, store);
	store_serve(store, r->server);
	run_ready(r);
	run_control(r);
}
