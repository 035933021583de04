#include "keys/vault.h"
#include "keys/keys.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1
#define NONCE ((size_t)12)
#define TAG ((size_t)16)

void vault_random(void *p, size_t n)
{
	if (n > INT32_MAX || RAND_bytes(p, (int)n) != 1)
		abort();
}

/* RFC 5869 with an empty salt: the master key is uniformly random already. */
static void derive(struct slice master, const char *use, unsigned char out[VAULT_KEY])
{
	size_t n = VAULT_KEY;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	if (!c || EVP_PKEY_derive_init(c) != 1 || EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()) != 1 ||
	    EVP_PKEY_CTX_set1_hkdf_key(c, (const unsigned char *)master.p, (int)master.n) != 1 ||
	    EVP_PKEY_CTX_add1_hkdf_info(c, (const unsigned char *)use, (int)strlen(use)) != 1 ||
	    EVP_PKEY_derive(c, out, &n) != 1 || n != VAULT_KEY)
		abort();
	EVP_PKEY_CTX_free(c);
}

static size_t vault_pages(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (sizeof(struct vault) + page - 1) / page * page;
}

struct vault *vault_new(struct slice master)
{
	if (master.n != KEYS_MASTER)
		abort();
	struct vault *v =
	    mmap(NULL, vault_pages(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v == MAP_FAILED)
		abort();
	(void)mlock(v, vault_pages());
	(void)madvise(v, vault_pages(), MADV_DONTDUMP);
	derive(master, "sekisho rows", v->key[VAULT_ROWS]);
	derive(master, "sekisho dkim", v->key[VAULT_DKIM]);
	derive(master, "sekisho audit", v->key[VAULT_AUDIT]);
	derive(master, "sekisho oauth", v->key[VAULT_OAUTH]);
	derive(master, "sekisho data key", v->key[VAULT_DATA_KEY]);
	derive(master, "sekisho scram salt", v->key[VAULT_SALT]);
	derive(master, "sekisho codes", v->key[VAULT_CODES]);
	derive(master, "sekisho attempts", v->key[VAULT_ATTEMPTS]);
	vault_random(v->key[VAULT_STATE], VAULT_KEY);
	vault_random(v->key[VAULT_CACHE], VAULT_KEY);
	return v;
}

void vault_free(struct vault *v)
{
	explicit_bzero(v, sizeof *v);
	munmap(v, vault_pages());
}

void vault_seal(
    const struct vault *v, enum vault_use use, struct slice place, struct slice text, struct buf *out)
{
	char *p = buf_room(out, text.n + VAULT_MORE);
	if (!p)
		return;
	unsigned char *nonce = (unsigned char *)p + 1, *sealed = nonce + NONCE;
	int n = 0, last = 0, skipped = 0;
	p[0] = VERSION;
	vault_random(nonce, NONCE);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, v->key[use], nonce) != 1 ||
	    EVP_EncryptUpdate(c, NULL, &skipped, (const unsigned char *)place.p, (int)place.n) != 1 ||
	    EVP_EncryptUpdate(c, sealed, &n, (const unsigned char *)text.p, (int)text.n) != 1 ||
	    EVP_EncryptFinal_ex(c, sealed + n, &last) != 1 || (size_t)(n + last) != text.n ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)TAG, sealed + text.n) != 1)
		abort();
	EVP_CIPHER_CTX_free(c);
	buf_wrote(out, text.n + VAULT_MORE);
}

enum result vault_unseal(
    const struct vault *v, enum vault_use use, struct slice place, struct slice sealed, struct buf *out)
{
	if (sealed.n < VAULT_MORE || sealed.n > INT32_MAX || sealed.p[0] != VERSION)
		return DENY;
	size_t text_n = sealed.n - VAULT_MORE;
	const unsigned char *nonce = (const unsigned char *)sealed.p + 1, *text = nonce + NONCE;
	unsigned char tag[TAG];
	memcpy(tag, text + text_n, TAG);
	unsigned char *p = (unsigned char *)buf_room(out, text_n + 1);
	if (!p)
		return FULL;
	int n = 0, last = 0, skipped = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	if (!c || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, v->key[use], nonce) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &skipped, (const unsigned char *)place.p, (int)place.n) != 1 ||
	    EVP_DecryptUpdate(c, p, &n, text, (int)text_n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)TAG, tag) != 1)
		abort();
	bool right = EVP_DecryptFinal_ex(c, p + n, &last) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!right) {
		explicit_bzero(p, text_n);
		return DENY;
	}
	buf_wrote(out, text_n);
	return OK;
}

void vault_mac(const struct vault *v, enum vault_use use, struct slice text, char out[32])
{
	unsigned n = 0;
	if (!HMAC(EVP_sha256(), v->key[use], VAULT_KEY, (const unsigned char *)text.p, text.n,
		(unsigned char *)out, &n))
		abort();
}

/* ---- the master key's file ---- */

static enum result sync_dir_of(const char *path)
{
	BUF_LOCAL(dir, 4096);
	const char *slash = strrchr(path, '/');
	buf_put(&dir, slash ? slice_of(path, (size_t)(slash - path) + 1) : SLICE("."));
	FD_LOCAL fd = open(buf_z(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0 ? OK : LATER;
}

enum result keys_master_create(const char *path)
{
	FD_LOCAL fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == EEXIST ? DENY : LATER;
	char key[KEYS_MASTER];
	vault_random(key, sizeof key);
	enum result r = fd_write_all(fd, slice_of(key, sizeof key));
	explicit_bzero(key, sizeof key);
	if (r != OK || fsync(fd) != 0 || sync_dir_of(path) != OK) {
		unlink(path);
		return LATER;
	}
	return OK;
}

enum result keys_master_read(const char *path, char out[KEYS_MASTER])
{
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size != KEYS_MASTER || (st.st_mode & 077))
		return DENY;
	return fd_pread_all(fd, out, KEYS_MASTER, 0) == OK ? OK : DENY;
}
