/* Stands between pyfuse3 and libfuse for what pyfuse3 does not pass on.
 *
 * Loaded with RTLD_GLOBAL before pyfuse3, it is found first under the names by which a session is made (one up to
 * libfuse 3.16, others since) and wraps the table of operations that pyfuse3 hands over:
 *
 * - Every request gets a number. When the kernel says that the program waiting for it got a signal, the number and the
 *   thread's id are written to a pipe, and the daemon may end its work on the request. pyfuse3 runs a handler at once
 *   after its C function, in the same task, so vfs_shim_request() called first in a handler gives its own number.
 * - Where the kernel opens files without asking (it was told ENOSYS), a read carries no file handle; the inode takes its place.
 * - Where each open of a directory is a request, the kernel is told to keep its listing all the same.
 * - Many files are pushed into the page cache, and many reports of opens taken, in one call: a Python thread that leaves the
 *   interpreter for each of them waits for its turn each time, which costs more than the work. The lines of a listing are
 *   sent in one call, too: a line costs 1 µs in Python.
 * - The next request can be looked for without sleep. Large replies are copied without the interpreter.
 * - At the start of the session the kernel is asked to cache symlinks, to allow 64 requests in the background, and to
 *   read past the page cache (O_DIRECT) with requests that a signal can end: the asynchronous ones cannot be.
 */
#define FUSE_USE_VERSION 32
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fuse_lowlevel.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BACKGROUND 64

static struct fuse_lowlevel_ops real;
static uint64_t request;
static int interrupts = -1;
static int keep_listings;
static struct fuse_session *session;

/* A write of 16 bytes to a pipe is whole or not at all; a full pipe loses the news, the request then ends by its deadline. */
static void interrupted(fuse_req_t req, void *number)
{
	uint64_t news[2] = {(uintptr_t)number, (uint64_t)fuse_req_ctx(req)->pid};
	if (interrupts >= 0 && write(interrupts, news, sizeof news) < 0)
		return;
}

static void number(fuse_req_t req)
{
	request++;
	fuse_req_interrupt_func(req, interrupted, (void *)(uintptr_t)request);
}

static void wrapped_init(void *userdata, struct fuse_conn_info *conn)
{
	if (real.init)
		real.init(userdata, conn);
	conn->want |= conn->capable & FUSE_CAP_CACHE_SYMLINKS;
	conn->want &= ~FUSE_CAP_ASYNC_DIO;
	conn->max_background = BACKGROUND;
}

static void wrapped_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	number(req);
	real.lookup(req, parent, name);
}

static void wrapped_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	number(req);
	real.getattr(req, ino, fi);
}

static void wrapped_readlink(fuse_req_t req, fuse_ino_t ino)
{
	number(req);
	real.readlink(req, ino);
}

static void wrapped_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	number(req);
	real.open(req, ino, fi);
}

static void wrapped_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	number(req);
	if (!fi->fh)
		fi->fh = ino;
	real.read(req, ino, size, off, fi);
}

static void wrapped_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	number(req);
	fi->cache_readdir = fi->keep_cache = keep_listings;
	real.opendir(req, ino, fi);
}

static void wrapped_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	number(req);
	if (!fi->fh)
		fi->fh = ino;
	real.readdir(req, ino, size, off, fi);
}

static void wrapped_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	number(req);
	if (!fi->fh)
		fi->fh = ino;
	real.readdirplus(req, ino, size, off, fi);
}

static void wrapped_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	number(req);
	real.getxattr(req, ino, name, size);
}

static void wrapped_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	number(req);
	real.listxattr(req, ino, size);
}

#define WRAP(name) \
	if (table.name)  \
	table.name = wrapped_##name

static struct fuse_lowlevel_ops wrap(const struct fuse_lowlevel_ops *ops, size_t size)
{
	struct fuse_lowlevel_ops table = {0};
	__builtin_memcpy(&table, ops, size < sizeof table ? size : sizeof table);
	real = table;
	table.init = wrapped_init;
	WRAP(lookup);
	WRAP(getattr);
	WRAP(readlink);
	WRAP(open);
	WRAP(read);
	WRAP(opendir);
	WRAP(readdir);
	WRAP(readdirplus);
	WRAP(getxattr);
	WRAP(listxattr);
	return table;
}

typedef struct fuse_session *(*new_session)(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t, void *);
typedef struct fuse_session *(*new_versioned)(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t, void *,
					      void *);

static struct fuse_session *versioned(const char *name, struct fuse_args *args, const struct fuse_lowlevel_ops *ops,
				      size_t size, void *version, void *userdata)
{
	new_versioned next = (new_versioned)dlsym(RTLD_NEXT, name);
	struct fuse_lowlevel_ops table = wrap(ops, size);
	return session = next ? next(args, &table, sizeof table, version, userdata) : NULL;
}

/* The names are given to the assembler: some headers declare one or the other of them, as a function or a macro. */
#define EXPORTED(name) __asm__(name) __attribute__((visibility("default")))

/* libfuse up to 3.16, and what was built against it. */
struct fuse_session *shim_new(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t, void *)
	EXPORTED("fuse_session_new");
struct fuse_session *shim_new(struct fuse_args *args, const struct fuse_lowlevel_ops *ops, size_t size, void *userdata)
{
	new_session next = (new_session)dlsym(RTLD_NEXT, "fuse_session_new");
	struct fuse_lowlevel_ops table = wrap(ops, size);
	return session = next ? next(args, &table, sizeof table, userdata) : NULL;
}

/* libfuse from 3.17 on, whose header turns fuse_session_new into one of these. `version` is passed on unseen. */
struct fuse_session *shim_new_versioned(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t, void *, void *)
	EXPORTED("fuse_session_new_versioned");
struct fuse_session *shim_new_versioned(struct fuse_args *args, const struct fuse_lowlevel_ops *ops, size_t size,
					void *version, void *userdata)
{
	return versioned("fuse_session_new_versioned", args, ops, size, version, userdata);
}

struct fuse_session *shim_new_underscored(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t, void *, void *)
	EXPORTED("_fuse_session_new");
struct fuse_session *shim_new_underscored(struct fuse_args *args, const struct fuse_lowlevel_ops *ops, size_t size,
					  void *version, void *userdata)
{
	return versioned("_fuse_session_new", args, ops, size, version, userdata);
}

/* The number of the request whose handler is being called; 0 before the first. */
__attribute__((visibility("default"))) uint64_t vfs_shim_request(void)
{
	return request;
}

/* Write number and thread id of interrupted requests to `fd`, two times 8 bytes in the byte order of the machine. */
__attribute__((visibility("default"))) void vfs_shim_interrupts(int fd)
{
	interrupts = fd;
}

/* Whether the kernel keeps the listings of directories whose opens are answered with a handle. */
__attribute__((visibility("default"))) void vfs_shim_keep_listings(int keep)
{
	keep_listings = keep != 0;
}

/* Push `count` whole files into the page cache; the outcome of each, 0 or an error number, goes to `outcomes`. Ends at
 * the first outcome but 0 and ENOENT. How many outcomes there are. Not to be called once the session is closed. */
__attribute__((visibility("default"))) size_t vfs_shim_push(size_t count, const uint64_t *inodes, char *const *data,
							    const uint64_t *sizes, int *outcomes)
{
	for (size_t i = 0; i < count; i++) {
		struct fuse_bufvec vector = FUSE_BUFVEC_INIT(sizes[i]);
		vector.buf[0].mem = data[i];
		outcomes[i] = -fuse_lowlevel_notify_store(session, inodes[i], 0, &vector, 0);
		if (outcomes[i] && outcomes[i] != ENOENT)
			return i + 1;
	}
	return count;
}

/* Lines of a listing that are sent in one call; `fitted` of them had room. Inodes and cookies count up. */
static struct {
	size_t count, fitted;
	uint64_t inode, cookie;
	const char *names;
	const uint16_t *modes;
	const uint64_t *sizes, *occupied;
	const int64_t *mtimes;
} lines;

typedef size_t (*add_line)(fuse_req_t, char *, size_t, const char *, const struct fuse_entry_param *, off_t);

static void fill_line(struct fuse_entry_param *out, size_t i)
{
	struct timespec time = {lines.mtimes[i] / 1000000000, lines.mtimes[i] % 1000000000};
	if (time.tv_nsec < 0) {
		time.tv_sec--;
		time.tv_nsec += 1000000000;
	}
	out->ino = out->attr.st_ino = lines.inode + i;
	out->attr.st_mode = lines.modes[i];
	out->attr.st_size = (off_t)lines.sizes[i];
	out->attr.st_blocks = (blkcnt_t)((lines.occupied[i] + 511) / 512);
	out->attr.st_atim = out->attr.st_ctim = out->attr.st_mtim = time;
}

/* pyfuse3 sends a line by this. Where lines are set, all of them that have room are sent in its place, each with what
 * is the same in all from `common`; a length above `size` says that none had. */
size_t shim_add_direntry_plus(fuse_req_t, char *, size_t, const char *, const struct fuse_entry_param *, off_t)
	EXPORTED("fuse_add_direntry_plus");
size_t shim_add_direntry_plus(fuse_req_t req, char *buffer, size_t size, const char *name,
			      const struct fuse_entry_param *common, off_t cookie)
{
	static add_line add;
	if (!add)
		add = (add_line)dlsym(RTLD_NEXT, "fuse_add_direntry_plus");
	if (!lines.count)
		return add(req, buffer, size, name, common, cookie);
	struct fuse_entry_param out = *common;
	size_t used = 0, length = 0;
	for (name = lines.names; lines.fitted < lines.count; lines.fitted++, name += strlen(name) + 1) {
		fill_line(&out, lines.fitted);
		length = add(req, buffer + used, size - used, name, &out, (off_t)(lines.cookie + lines.fitted));
		if (length > size - used)
			break;
		used += length;
	}
	return lines.fitted ? used : length;
}

/* Set the lines that the next call sends: `names` one after the other, each with a NUL byte at its end. */
__attribute__((visibility("default"))) void vfs_shim_lines(size_t count, uint64_t inode, uint64_t cookie,
							   const char *names, const uint16_t *modes,
							   const uint64_t *sizes, const uint64_t *occupied,
							   const int64_t *mtimes)
{
	lines.count = count;
	lines.fitted = 0;
	lines.inode = inode;
	lines.cookie = cookie;
	lines.names = names;
	lines.modes = modes;
	lines.sizes = sizes;
	lines.occupied = occupied;
	lines.mtimes = mtimes;
}

/* How many lines were sent; none are set any more. */
__attribute__((visibility("default"))) size_t vfs_shim_fitted(void)
{
	lines.count = 0;
	return lines.fitted;
}

/* pyfuse3 sends content by this, and keeps the interpreter while the kernel copies it: 0.5 ms for 1 MiB. Smaller replies do
 * not let go of it: to have it back may take longer. */
#define LARGE (128 << 10)

typedef int (*reply_buf)(fuse_req_t, const char *, size_t);

int shim_reply_buf(fuse_req_t, const char *, size_t) EXPORTED("fuse_reply_buf");
int shim_reply_buf(fuse_req_t req, const char *content, size_t size)
{
	static reply_buf reply;
	static int (*holds)(void);
	static void *(*let_go)(void);
	static void (*take_back)(void *);
	if (!reply) {
		reply = (reply_buf)dlsym(RTLD_NEXT, "fuse_reply_buf");
		holds = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Check");
		let_go = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyEval_SaveThread");
		take_back = (void (*)(void *))dlsym(RTLD_DEFAULT, "PyEval_RestoreThread");
	}
	if (size < LARGE || !holds || !let_go || !take_back || !holds())
		return reply(req, content, size);
	void *thread = let_go();
	int outcome = reply(req, content, size);
	take_back(thread);
	return outcome;
}

/* In a column of inodes: the open of a directory. In one of descriptors: an open that is not held; reports that the
 * queue had no room for; one that could not be made. */
#define DIRECTORY ((uint64_t)1 << 62)
enum { LET_GO = -1, LOST = -2, UNMADE = -3 };
#define AT_ONCE 64
#define NAP_NS 1000000

struct column {
	uint64_t *inodes;
	int32_t *pids, *fds;
};

struct familiar {
	const int32_t *pids;
	size_t count;
};

static int is_familiar(const struct familiar *familiar, int32_t pid)
{
	for (size_t i = 0; i < familiar->count; i++)
		if (familiar->pids[i] == pid)
			return 1;
	return 0;
}

static uint64_t told_of(int fd)
{
	struct stat found;
	if (fd < 0 || fstat(fd, &found) != 0)
		return 0;
	if (S_ISDIR(found.st_mode))
		return found.st_ino | DIRECTORY;
	return S_ISREG(found.st_mode) ? found.st_ino : 0;
}

/* Whether somebody is not to wait for more reports: a process that waits, or that is not among the familiar ones. */
static int tell(const struct fanotify_event_metadata *events, size_t count, const struct column *to,
		const struct familiar *familiar)
{
	int urgent = 0;
	int32_t last = 0;
	for (size_t i = 0; i < count; i++) {
		int fd = events[i].fd, held = (events[i].mask & FAN_OPEN_PERM) != 0;
		to->inodes[i] = told_of(fd);
		to->pids[i] = events[i].pid;
		to->fds[i] = fd < 0 ? LOST : held ? fd : LET_GO;
		if (fd >= 0 && !held)
			close(fd);
		urgent |= held || (events[i].pid != last && !is_familiar(familiar, events[i].pid));
		last = events[i].pid;
	}
	return urgent;
}

static int64_t nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Take up to `most` reports of opens from a fanotify descriptor, one a row of three columns: the inode, 0 for what is
 * neither a regular file nor a directory; the process; the descriptor of an open that is held, else one of the above.
 * While none but `familiar` processes open files, what comes within `patience` nanoseconds is taken too. In naps: one
 * who waits for the queue is woken by each open, which costs the opener more than the report does. How many, or -errno. */
__attribute__((visibility("default"))) long vfs_shim_opens(int queue, uint64_t *inodes, int32_t *pids, int32_t *fds,
							     size_t most, const int32_t *familiar, size_t familiars,
							     int64_t patience)
{
	struct fanotify_event_metadata events[AT_ONCE];
	const struct familiar who = {familiar, familiars};
	size_t count = 0;
	for (int64_t end = nanoseconds() + patience; count < most;) {
		const struct column to = {inodes + count, pids + count, fds + count};
		size_t room = most - count < AT_ONCE ? most - count : AT_ONCE;
		ssize_t size = read(queue, events, room * sizeof events[0]);
		if (size < 0 && errno != EAGAIN) {
			*to.inodes = 0;
			*to.pids = 0;
			*to.fds = UNMADE;
			return (long)count + 1;
		}
		if (size > 0 && events[0].vers != FANOTIFY_METADATA_VERSION)
			return -EPROTO;
		size_t taken = size > 0 ? (size_t)size / sizeof events[0] : 0;
		count += taken;
		if (tell(events, taken, &to, &who) || !count || nanoseconds() >= end)
			break;
		if (taken < room)
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	return count ? (long)count : -EAGAIN;
}

/* Looking over and over, a processor leaves its other thread, which may be the reader's, room to work. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	for (int i = 0; i < 16; i++)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
	for (int i = 0; i < 16; i++)
		__asm__ volatile("yield");
#endif
}

/* Whether there is a request, or comes within so many nanoseconds, in which the thread does not sleep. Not to be called
 * once the session is closed. */
__attribute__((visibility("default"))) int vfs_shim_look(int64_t patience)
{
	struct pollfd requests = {.fd = fuse_session_fd(session), .events = POLLIN};
	for (int64_t end = nanoseconds() + patience;; relax()) {
		if (poll(&requests, 1, 0) > 0)
			return 1;
		if (nanoseconds() >= end)
			return 0;
	}
}
