/*
 * console: the pages of the browser's console, served from one file that was opened before the jail (web/pack.mjs makes it).
 *
 * The file is text up to the first empty line, octets after it:
 *
 *   sekisho-console 1
 *   PATH TYPE TAG PLAIN GZIP BROTLI      one line a file; the last three OFFSET+LENGTH into the octets, or "-" for none
 *
 * PATH is what is asked for, TYPE a media type with "_" for blanks, TAG 16 or more hexadecimal digits of the content's
 * hash. Names below /assets/ carry a hash of their content and never change; "/" is the page itself, in which
 * CONSOLE_NONCE stands where a fresh number is put for each answer, which the policy (CSP) then allows styles by.
 * Inside the room only, but for http.h.
 */
#ifndef HTTP_CONSOLE_H
#define HTTP_CONSOLE_H

#include "http.h"

#define CONSOLE_MAGIC "sekisho-console 1"
#define CONSOLE_NONCE "SEKISHO-NONCE"
#define CONSOLE_FILES 400 /* in a file of pages */

struct http_console_file {
	struct slice path, type, tag;
	struct slice plain, gzip, brotli; /* the latter two empty where there is no such form */
};
struct http_console {
	size_t n;
	struct http_console_file files[CONSOLE_FILES];
};

/* NULL: there is none. */
const struct http_console_file *http_console_find(const struct http_console *c, struct slice path);

http_handler http_console_page, http_console_file, http_console_password;

#define CONSOLE_ROUTES                                                                                       \
	{HTTP_IS(GET), "/", http_console_page, 0, 0},                                                        \
	    {HTTP_IS(GET), "/assets/{name}", http_console_file, 0, 0},                                       \
	    {HTTP_IS(GET), "/robots.txt", http_console_file, 0, 0},                                          \
	{                                                                                                    \
		HTTP_IS(GET), "/.well-known/change-password", http_console_password, 0, 0                    \
	}

#endif
