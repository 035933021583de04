/* keys: private keys, password hashes and data keys; see keys/keys.h. */
#include "keys/keys.h"
#include "role/run.h"
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define KEYS_THREADS 4

static void install_configured(struct run *r, struct keys *k)
{
	BUF_LOCAL(chain, 1 << 20);
	__attribute__((cleanup(buf_free_secret))) struct buf key = {.max = 1 << 20};
	const char *why;
	run_file(r, "tls_certificate", &chain);
	run_file(r, "tls_key", &key);
	if (!chain.n && !key.n)
		return;
	if (keys_install_certificate(k, buf_slice(&chain), buf_slice(&key), &why) != OK)
		EVENT(CONFIG_BAD, KZ("file", r->config->tls_certificate), KN("line", 0), KZ("why", why));
}

static void tell_fronts(void *context)
{
	const struct run *r = context;
	if (r->server)
		ipc_server_note(r->server, 1u << PEER_MX | 1u << PEER_USER | 1u << PEER_WEB, NOTE_KEYS);
}

static void tell_relay(void *context)
{
	const struct run *r = context;
	if (r->server)
		ipc_server_note(r->server, 1u << PEER_RELAY, NOTE_KEYS);
}

/* The master key may live apart from data_dir: it is read before the jail. */
static enum result read_master(const struct run *r, char out[KEYS_MASTER])
{
	char path[4096];
	snprintf(path, sizeof path, "%s/master", run_directory(r));
	return keys_master_read(*r->config->master_key_file ? r->config->master_key_file : path, out);
}

#define TSIG_MOST 512

/* For the life of the process. */
static struct slice read_tsig(const struct run *r)
{
	static struct buf key = {.max = TSIG_MOST};
	__attribute__((cleanup(buf_free_secret))) struct buf text = {.max = 4096};
	const char *line = run_secret_line(r, "dns_update_key", &text);
	if (line && base64_decode(slice_str(line), &key) != OK) {
		EVENT(CONFIG_BAD, KZ("file", r->config->dns_update_key_file), KN("line", 1),
		    KZ("why", "not base64"));
		buf_clear(&key);
	}
	return buf_slice(&key);
}

/* For the life of the process. */
static struct ip_nets read_office(const struct run *r)
{
	struct ip_nets nets;
	struct slice wrong;
	if (ip_nets_read(slice_str(r->config->office_networks), LIMIT_NETWORKS, &nets, &wrong) != OK) {
		EVENT(CONFIG_BAD, KZ("file", "office_networks"), KN("line", 0),
		    KZ("why", "not a list of networks"));
		_exit(EX_CONFIG);
	}
	return nets;
}

void run_keys(struct run *r)
{
	char master[KEYS_MASTER];
	struct keys *keys;
	if (read_master(r, master) != OK) {
		EVENT(CONFIG_BAD, KZ("file", "master_key_file"), KN("line", 0),
		    KZ("why", "the master key cannot be read; was `sekisho init` run?"));
		_exit(EX_CONFIG);
	}
	run_jail(r, 0, 0);
	const struct config *c = r->config;
	struct keys_acme acme = {.directory = c->acme_directory,
	    .contact = c->acme_contact,
	    .hostname = c->hostname,
	    .hosts = c->acme_hosts,
	    .challenge = (Sekisho__AcmeChallenge)c->acme_challenge,
	    .rsa = c->acme_key == CONFIG_RSA};
	struct keys_settings settings = {.dir = run_directory(r),
	    .master = slice_of(master, sizeof master),
	    .grant = slice_of(r->login_grant, sizeof r->login_grant),
	    .acme = &acme,
	    .acme_wanted = tell_relay,
	    .tsig = read_tsig(r),
	    .office = read_office(r),
	    .certificates_changed = tell_fronts,
	    .context = r};
	if (keys_open(&settings, &keys) != OK)
		_exit(EX_CONFIG);
	explicit_bzero(master, sizeof master);
	install_configured(r, keys);
	run_serve(r, keys_handlers, KEYS_THREADS, keys);
	run_ready(r);
	run_control(r);
}
