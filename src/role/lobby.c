#include "role/lobby.h"
#include "role/proxy.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINGER_MS 20
#define PROXY_MS (2 * SECOND_MS)
#define WORKER_STACK ((size_t)512 * 1024)
#define SLOW_MS 300 /* a thread that is in one command for longer does not count as a worker of the others */
#define SLOW_MOST 1000            /* threads beyond the settings' that slow sessions may cost */
#define SPARE_MS (10 * SECOND_MS) /* a thread too many ends after this time without work */

/*
 * A seat's state is the lock on its session: whoever moves it from ASLEEP to BUSY owns the session. On its way to sleep
 * it is SETTLING: its descriptors are already watched, and an event that comes now leaves it STIRRED, so the worker runs
 * it again. Seats are never given back to the system, so a late event may look at a seat that meanwhile serves another
 * session: it wakes that one, which finds nothing to do and goes back to sleep.
 */
enum seat_state { FREE, BUSY, SETTLING, STIRRED, ASLEEP };

struct seat {
	_Atomic int state;
	bool listening;
	bool in_set, wake_in_set; /* descriptors known to epoll */
	_Atomic bool silent;      /* of the sleeping session */
	struct session *session;
	_Atomic int64_t until;      /* mono ms: when an ASLEEP session expires */
	_Atomic int64_t busy_since; /* mono ms: when a thread took up the command that a BUSY one is in */
	int64_t since;              /* mono ms of the connection */
	unsigned char address[16];
	struct seat *next_free; /* in free_seats or handed */
	/* of a listening socket */
	int fd;
	const char *name;
	lobby_open *open;
	const void *service;
};

struct lobby {
	struct lobby_settings settings;
	int epoll;
	struct seat *seats; /* settings.sessions + LISTENERS, reserved at once, touched as needed */
	pthread_mutex_t lock;
	struct seat *free_seats;
	struct seat *handed; /* BUSY ones that wait for a worker to run them */
	int handed_fd;       /* counts them */
	_Atomic size_t used; /* seats handed out so far from the array */
	_Atomic unsigned open_count, busy;
	_Atomic unsigned running, wanted; /* workers */
};

#define LISTENERS 64

static struct seat *seat_take(struct lobby *l)
{
	pthread_mutex_lock(&l->lock);
	struct seat *s = l->free_seats;
	if (s)
		l->free_seats = s->next_free;
	else if (l->used < l->settings.sessions + LISTENERS)
		s = &l->seats[l->used++];
	pthread_mutex_unlock(&l->lock);
	return s;
}

static void seat_give(struct lobby *l, struct seat *s)
{
	s->session = NULL;
	s->in_set = s->wake_in_set = false;
	pthread_mutex_lock(&l->lock);
	atomic_store(&s->state, FREE);
	s->next_free = l->free_seats;
	l->free_seats = s;
	pthread_mutex_unlock(&l->lock);
}

static bool seat_move(struct seat *s, int from, int to)
{
	return atomic_compare_exchange_strong(&s->state, &from, to);
}

static bool seat_own(struct seat *s)
{
	return seat_move(s, ASLEEP, BUSY);
}

static void seat_end(struct lobby *l, struct seat *s)
{
	s->session->ops->end(s->session);
	seat_give(l, s);
	atomic_fetch_sub(&l->open_count, 1);
}

static bool watch(struct lobby *l, struct seat *s, int fd, bool *known)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = s};
	int operation = *known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	*known = true;
	return epoll_ctl(l->epoll, operation, fd, &e) == 0 ||
	       (operation == EPOLL_CTL_MOD && errno == ENOENT &&
		   epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* Puts a session to bed: true when it sleeps or has ended, false when something came meanwhile. */
static bool seat_sleep(struct lobby *l, struct seat *s)
{
	struct session *session = s->session;
	int wake = session->wake_fd;
	if (stream_rest(session->stream) != OK) {
		seat_end(l, s);
		return true;
	}
	atomic_store(&s->silent, session->silent);
	atomic_store(&s->until, clock_mono_ms() + session->sleep_ms);
	atomic_store(&s->state, SETTLING);
	bool watched = watch(l, s, stream_fd(session->stream), &s->in_set) &&
		       (wake < 0 || watch(l, s, wake, &s->wake_in_set));
	if (watched && seat_move(s, SETTLING, ASLEEP))
		return true;
	atomic_store(&s->state, BUSY);
	if (!watched)
		seat_end(l, s);
	return !watched;
}

static void seat_serve(struct lobby *l, struct seat *s, enum session_next (*step)(struct session *))
{
	unsigned busy = atomic_fetch_add(&l->busy, 1) + 1;
	session_linger(busy < atomic_load(&l->running) ? LINGER_MS : 0);
	atomic_store(&s->busy_since, clock_mono_ms());
	session_pulse(&s->busy_since);
	enum session_next next = step(s->session);
	while (next == SESSION_SLEEP && !seat_sleep(l, s))
		next = s->session->ops->run(s->session);
	if (next == SESSION_END)
		seat_end(l, s);
	session_pulse(NULL);
	atomic_fetch_sub(&l->busy, 1);
	event_session(NULL);
}

/* Leaves a session that somebody owns to a worker. */
static void hand_over(struct lobby *l, struct seat *s)
{
	uint64_t one = 1;
	atomic_store(&s->busy_since, clock_mono_ms());
	pthread_mutex_lock(&l->lock);
	s->next_free = l->handed;
	l->handed = s;
	pthread_mutex_unlock(&l->lock);
	if (write(l->handed_fd, &one, sizeof one) != sizeof one)
		abort();
}

static void take_handed(struct lobby *l)
{
	uint64_t n;
	if (read(l->handed_fd, &n, sizeof n) != sizeof n)
		return;
	pthread_mutex_lock(&l->lock);
	struct seat *s = l->handed;
	if (s)
		l->handed = s->next_free;
	pthread_mutex_unlock(&l->lock);
	if (s)
		seat_serve(l, s, s->session->ops->run);
}

/* expired() does not wait for anybody; what comes after it may, and is left to a worker. */
static void seat_expire(struct lobby *l, struct seat *s)
{
	if (s->session->ops->expired(s->session) == SESSION_END)
		seat_end(l, s);
	else if (!seat_sleep(l, s))
		hand_over(l, s);
	event_session(NULL);
}

/* ---- new connections ---- */

struct peer {
	char ip[INET6_ADDRSTRLEN];
	unsigned port;
	unsigned char key[16]; /* the address that counts: IPv4 whole, IPv6 its /64 */
};

static void peer_of(const struct sockaddr_storage *sa, struct peer *p)
{
	memset(p, 0, sizeof *p);
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)sa;
		inet_ntop(AF_INET, &v4->sin_addr, p->ip, sizeof p->ip);
		p->port = ntohs(v4->sin_port);
		memcpy(p->key + 12, &v4->sin_addr, 4);
	} else {
		const struct sockaddr_in6 *v6 = (const void *)sa;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
		inet_ntop(mapped ? AF_INET : AF_INET6, (const char *)&v6->sin6_addr + (mapped ? 12 : 0),
		    p->ip, sizeof p->ip);
		p->port = ntohs(v6->sin6_port);
		memcpy(p->key + (mapped ? 12 : 0), (const char *)&v6->sin6_addr + (mapped ? 12 : 0),
		    mapped ? 4 : 8);
	}
}

/* Ends the oldest silent sleeper (of that address, when key is not NULL); false when there is none. */
static bool evict(struct lobby *l, const unsigned char *key)
{
	struct seat *oldest = NULL;
	for (size_t i = 0; i < l->used; i++) {
		struct seat *s = &l->seats[i];
		if (atomic_load(&s->state) != ASLEEP || !atomic_load(&s->silent))
			continue;
		if (key && memcmp(s->address, key, sizeof s->address) != 0)
			continue;
		if (!oldest || s->since < oldest->since)
			oldest = s;
	}
	if (!oldest || !seat_own(oldest))
		return false;
	seat_end(l, oldest);
	return true;
}

static unsigned count_address(struct lobby *l, const unsigned char *key)
{
	unsigned n = 0;
	for (size_t i = 0; i < l->used; i++)
		n += atomic_load(&l->seats[i].state) != FREE && !l->seats[i].listening &&
		     memcmp(l->seats[i].address, key, sizeof l->seats[i].address) == 0;
	return n;
}

/* Makes room for one more; says what was short when it cannot. */
static const char *admit(struct lobby *l, const struct peer *p)
{
	unsigned open = atomic_load(&l->open_count);
	if (open >= l->settings.sessions_per_address &&
	    count_address(l, p->key) >= l->settings.sessions_per_address && !evict(l, p->key))
		return "too many from this address";
	if (open >= l->settings.sessions && !evict(l, NULL))
		return "too many connections";
	return NULL;
}

/*
 * A load balancer says whose connection it passes on. It does so at once: the thread waits for it. NULL: *p is who counts;
 * else what is wrong.
 */
static const char *unwrap(struct lobby *l, int fd, struct peer *p)
{
	struct proxy_client c;
	struct ip ip;
	if (!l->settings.proxies.n || ip_read(slice_str(p->ip), &ip) != OK ||
	    !ip_nets_have(&l->settings.proxies, &ip))
		return NULL;
	if (proxy_read(fd, PROXY_MS, &c) != OK)
		return "no PROXY header from a proxy";
	if (c.itself)
		return NULL;
	*p = (struct peer){.port = c.port};
	(void)ip_text(&c.ip, p->ip);
	memcpy(p->key + (c.ip.v4 ? 12 : 0), c.ip.octets, c.ip.v4 ? 4 : 8);
	return NULL;
}

static void welcome(struct lobby *l, const struct seat *listener, int fd, const struct sockaddr_storage *sa)
{
	struct peer p;
	peer_of(sa, &p);
	const char *why = unwrap(l, fd, &p);
	if (!why)
		why = admit(l, &p);
	struct seat *s = why ? NULL : seat_take(l);
	if (!s) {
		EVENT(CONNECT_LIMIT, KZ("service", listener->name), KZ("ip", p.ip),
		    KZ("why", why ? why : "no seat"));
		fd_close(&fd);
		return;
	}
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	memcpy(s->address, p.key, sizeof s->address);
	s->since = clock_mono_ms();
	s->listening = false;
	s->session = listener->open(listener->service, stream_socket(fd), p.ip, p.port);
	if (!s->session) {
		seat_give(l, s);
		return;
	}
	atomic_store(&s->state, BUSY);
	atomic_fetch_add(&l->open_count, 1);
	seat_serve(l, s, s->session->ops->run);
}

static void rearm_listener(struct lobby *l, struct seat *s)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = s};
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &e) != 0)
		EVENT(INTERNAL, KZ("where", "lobby"), KZ("why", strerror(errno)));
}

static void take_connection(struct lobby *l, struct seat *listener)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	int fd = accept4(listener->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && evict(l, NULL))
		fd = accept4(listener->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
		EVENT(CONNECT_LIMIT, KZ("service", listener->name), KZ("ip", ""), KZ("why", strerror(errno)));
		usleep(10000);
	}
	rearm_listener(l, listener);
	if (fd >= 0)
		welcome(l, listener, fd, &sa);
}

void lobby_listen(struct lobby *l, int fd, const char *name, lobby_open *open, const void *service)
{
	struct seat *s = seat_take(l);
	if (!s)
		abort();
	s->listening = true;
	s->fd = fd;
	s->name = name;
	s->open = open;
	s->service = service;
	atomic_store(&s->state, BUSY);
	struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = s};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		abort();
}

/* ---- threads ---- */

/* True when there are more workers than wanted: the caller ends. */
static bool is_spare(struct lobby *l)
{
	unsigned n = atomic_load(&l->running);
	while (n > atomic_load(&l->wanted))
		if (atomic_compare_exchange_weak(&l->running, &n, n - 1))
			return true;
	return false;
}

static void *worker(void *arg)
{
	struct lobby *l = arg;
	for (;;) {
		struct epoll_event e;
		int n = epoll_wait(l->epoll, &e, 1, SPARE_MS);
		if (n == 0 && is_spare(l))
			return NULL;
		if (n != 1)
			continue;
		struct seat *s = e.data.ptr;
		if (!s)
			take_handed(l);
		else if (s->listening)
			take_connection(l, s);
		else if (seat_own(s))
			seat_serve(l, s, s->session->ops->run);
		else
			seat_move(s, SETTLING, STIRRED);
	}
}

static bool start_thread(void *(*run)(void *), struct lobby *l)
{
	pthread_attr_t attr;
	pthread_t t;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	bool started = pthread_create(&t, &attr, run, l) == 0;
	if (started)
		pthread_detach(t);
	pthread_attr_destroy(&attr);
	return started;
}

/* As many workers as the settings say, not counting those that slow sessions hold. */
static void keep_workers(struct lobby *l, unsigned slow)
{
	unsigned wanted = l->settings.threads + MIN(slow, (unsigned)SLOW_MOST);
	atomic_store(&l->wanted, wanted);
	while (atomic_load(&l->running) < wanted) {
		atomic_fetch_add(&l->running, 1);
		if (start_thread(worker, l))
			continue;
		atomic_fetch_sub(&l->running, 1);
		EVENT(CONNECT_LIMIT, KZ("service", ""), KZ("ip", ""), KZ("why", "no further thread"));
		return;
	}
}

/* Looks ten times a second for sleepers whose time is over, and for slow sessions. */
static void *reaper(void *arg)
{
	struct lobby *l = arg;
	for (;;) {
		usleep(100000);
		int64_t now = clock_mono_ms();
		size_t used = l->used;
		unsigned slow = 0;
		for (size_t i = 0; i < used; i++) {
			struct seat *s = &l->seats[i];
			int state = atomic_load(&s->state);
			slow += state == BUSY && !s->listening && now - atomic_load(&s->busy_since) > SLOW_MS;
			if (state == ASLEEP && atomic_load(&s->until) <= now && seat_own(s))
				seat_expire(l, s);
		}
		keep_workers(l, slow);
	}
	return NULL;
}

struct lobby *lobby_new(const struct lobby_settings *settings)
{
	struct lobby *l = calloc(1, sizeof *l);
	if (!l)
		abort();
	l->settings = *settings;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->handed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	size_t size = ((size_t)settings->sessions + LISTENERS) * sizeof(struct seat);
	l->seats =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct epoll_event handed = {.events = EPOLLIN};
	if (l->epoll < 0 || l->handed_fd < 0 || l->seats == MAP_FAILED ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->handed_fd, &handed) != 0)
		abort();
	pthread_mutex_init(&l->lock, NULL);
	keep_workers(l, 0);
	if (atomic_load(&l->running) < settings->threads || !start_thread(reaper, l))
		abort();
	return l;
}
