#include "store/tasks.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define THREADS 8

struct tasks {
	pthread_mutex_t lock;
	pthread_cond_t put;
	struct task *first, **last;
	bool ending;
	unsigned n;
	pthread_t threads[THREADS];
};

static void *work(void *arg)
{
	struct tasks *t = arg;
	pthread_mutex_lock(&t->lock);
	while (t->first || !t->ending) {
		struct task *task = t->first;
		if (!task) {
			pthread_cond_wait(&t->put, &t->lock);
			continue;
		}
		t->first = task->next;
		if (!t->first)
			t->last = &t->first;
		pthread_mutex_unlock(&t->lock);
		task->run(task->arg);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct tasks *tasks_new(unsigned threads)
{
	struct tasks *t = calloc(1, sizeof *t);
	if (!t)
		abort();
	t->last = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->put, NULL);
	for (; t->n < threads && t->n < THREADS; t->n++)
		if (pthread_create(&t->threads[t->n], NULL, work, t) != 0)
			abort();
	return t;
}

void tasks_free(struct tasks *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->ending = true;
	pthread_cond_broadcast(&t->put);
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < t->n; i++)
		pthread_join(t->threads[i], NULL);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->put);
	free(t);
}

void tasks_put(struct tasks *t, struct task *task, void (*run)(void *arg), void *arg)
{
	*task = (struct task){.run = run, .arg = arg};
	pthread_mutex_lock(&t->lock);
	*t->last = task;
	t->last = &task->next;
	pthread_cond_signal(&t->put);
	pthread_mutex_unlock(&t->lock);
}
