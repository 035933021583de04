/* tasks: a few threads for what would keep the writer waiting, such as an answer of many packets. */
#ifndef STORE_TASKS_H
#define STORE_TASKS_H

struct tasks;
struct task {
	struct task *next;
	void (*run)(void *arg);
	void *arg;
};
struct tasks *tasks_new(unsigned threads);
/* Finishes what was put. */
void tasks_free(struct tasks *t);
/* `task` is the caller's room, in use until run() begins. */
void tasks_put(struct tasks *t, struct task *task, void (*run)(void *arg), void *arg);

#endif
