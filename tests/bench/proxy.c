/* Stands between S3 clients and a service on loopback, adds a round trip's latency and counts.
 *
 *   proxy COUNTERS UPSTREAM-PORT     prints its own port
 *
 * COUNTERS is a file that both sides map: struct counters below. The latency may be changed while it runs. What a
 * client sends is passed on after the latency, and the first of a connection after twice that, as a TCP handshake
 * costs a round trip, too; what comes back is passed on at once, by splice. One thread, so counters need no lock.
 *
 * A wave is a set of requests none of which waited for the answer of another: their number is the number of round
 * trips that a client needed one after the other. A request belongs to one wave more than the last answer that had
 * begun when it came.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE (64 << 10)
#define PIPE (1 << 20)
#define HEAD (32 << 10)
#define EVENTS 256

struct counters {
    uint64_t latency_us;  /* set by the reader of the counters */
    uint64_t wave;        /* set to 0 by it to start anew */
    uint64_t connections, requests, gets, heads, puts, others, lists, up, down;
};

struct piece {
    struct piece *next;
    uint64_t due;
    size_t size, sent;
    char data[];
};

struct connection;

struct side {
    int fd;
    int service; /* 1 for the side that faces the service */
    struct connection *owner;
};

struct connection {
    struct side client, service;
    struct connection *next; /* of those with pieces on their way */
    struct piece *first, **last;
    int queued, waiting; /* waiting: an answer has not begun */
    int pipe[2];
    size_t piped;
    uint64_t born, wave;
    int client_ended, finished;
    char head[HEAD];
    size_t have;
    uint64_t body; /* bytes of a request's body still to come */
};

static struct counters *counters;
static struct connection *queue, *finished_ones;
static int epoll;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what) {
    fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(struct side *side, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = side};
    if (epoll_ctl(epoll, operation, side->fd, &event)) die("epoll_ctl");
}

/* Both descriptors are closed at once, the memory later: events of this round may still point here. */
static void finish(struct connection *c) {
    if (c->finished) return;
    c->finished = 1;
    close(c->client.fd);
    close(c->service.fd);
    close(c->pipe[0]);
    close(c->pipe[1]);
    for (struct piece *p = c->first; p;) {
        struct piece *next = p->next;
        free(p);
        p = next;
    }
    c->first = NULL;
    for (struct connection **at = &queue; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    c->next = finished_ones;
    finished_ones = c;
}

static void count(struct connection *c) {
    counters->requests++;
    c->wave = counters->wave + 1;
    c->waiting = 1;
    if (!strncmp(c->head, "GET ", 4)) {
        char *end = strstr(c->head, "\r\n");
        char *list = strstr(c->head, "list-type=");
        if (list && list < end) counters->lists++;
        else counters->gets++;
    } else if (!strncmp(c->head, "HEAD ", 5)) counters->heads++;
    else if (!strncmp(c->head, "PUT ", 4)) counters->puts++;
    else counters->others++;
}

static uint64_t length_in(const char *head) {
    const char *found = strcasestr(head, "\r\ncontent-length:");
    return found ? strtoull(found + 17, NULL, 10) : 0;
}

/* Follows requests through the bytes of a client. Bodies have a length, as those of boto3 do. */
static void follow(struct connection *c, const char *data, size_t size) {
    while (size) {
        if (c->body) {
            uint64_t part = size < c->body ? size : c->body;
            c->body -= part;
            data += part;
            size -= part;
            continue;
        }
        if (c->have == HEAD - 1) c->have = 0; /* no HTTP: counted wrong rather than stopped */
        c->head[c->have++] = *data++;
        size--;
        if (c->have >= 4 && !memcmp(c->head + c->have - 4, "\r\n\r\n", 4)) {
            c->head[c->have] = 0;
            count(c);
            c->body = length_in(c->head);
            c->have = 0;
        }
    }
}

static void send_due(struct connection *c, uint64_t time) {
    while (c->first && c->first->due <= time) {
        struct piece *p = c->first;
        ssize_t sent = send(c->service.fd, p->data + p->sent, p->size - p->sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            p->due = time + 1000; /* full: once more in a millisecond */
            return;
        }
        if (sent < 0) {
            finish(c);
            return;
        }
        p->sent += (size_t)sent;
        if (p->sent < p->size) continue;
        if (!(c->first = p->next)) c->last = &c->first;
        free(p);
    }
    if (!c->first && c->client_ended) shutdown(c->service.fd, SHUT_WR);
}

static void from_client(struct connection *c) {
    struct piece *p = malloc(sizeof *p + PIECE);
    if (!p) die("memory");
    ssize_t got = recv(c->client.fd, p->data, PIECE, 0);
    if (got <= 0) {
        free(p);
        if (got < 0 && errno == EAGAIN) return;
        if (got < 0 || !c->first) {
            finish(c);
            return;
        }
        c->client_ended = 1;
        watch(&c->client, 0, EPOLL_CTL_MOD);
        return;
    }
    uint64_t time = now(), latency = counters->latency_us, earliest = c->born + 2 * latency;
    *p = (struct piece){.due = time + latency > earliest ? time + latency : earliest, .size = (size_t)got};
    counters->up += (uint64_t)got;
    follow(c, p->data, p->size);
    *c->last = p;
    c->last = &p->next;
    if (!c->queued) {
        c->queued = 1;
        c->next = queue;
        queue = c;
    }
}

static int drain_pipe(struct connection *c) {
    while (c->piped) {
        ssize_t sent = splice(c->pipe[0], NULL, c->client.fd, NULL, c->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (sent < 0 && errno == EAGAIN) return 0;
        if (sent <= 0) {
            finish(c);
            return 0;
        }
        c->piped -= (size_t)sent;
    }
    return 1;
}

static void from_service(struct connection *c) {
    if (c->piped) return; /* a service that hung up is reported though nobody asked; the client drains first */
    ssize_t got = splice(c->service.fd, NULL, c->pipe[1], NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        finish(c);
        return;
    }
    if (c->waiting) {
        c->waiting = 0;
        if (c->wave > counters->wave) counters->wave = c->wave;
    }
    c->piped += (size_t)got;
    counters->down += (uint64_t)got;
    if (!drain_pipe(c) && !c->finished) { /* the client is slow: wait for it alone */
        watch(&c->service, 0, EPOLL_CTL_MOD);
        watch(&c->client, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
}

static void to_client(struct connection *c) {
    if (drain_pipe(c) && !c->finished) {
        watch(&c->client, EPOLLIN, EPOLL_CTL_MOD);
        watch(&c->service, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void accepted(int listener, int port) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int service = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (service < 0 || connect(service, (struct sockaddr *)&to, sizeof to)) {
        close(fd);
        if (service >= 0) close(service);
        return;
    }
    fcntl(service, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(service, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c || pipe2(c->pipe, O_NONBLOCK | O_CLOEXEC)) die("connection");
    fcntl(c->pipe[1], F_SETPIPE_SZ, PIPE);
    c->client = (struct side){.fd = fd, .owner = c};
    c->service = (struct side){.fd = service, .service = 1, .owner = c};
    c->last = &c->first;
    c->born = now();
    counters->connections++;
    watch(&c->client, EPOLLIN, EPOLL_CTL_ADD);
    watch(&c->service, EPOLLIN, EPOLL_CTL_ADD);
}

/* Sends what is due; returns milliseconds to the next, or -1. */
static int pass_on(void) {
    uint64_t time = now(), next = UINT64_MAX;
    for (struct connection *c = queue, *after; c; c = after) {
        after = c->next;
        send_due(c, time);
        if (!c->finished && c->first && c->first->due < next) next = c->first->due;
    }
    for (struct connection **at = &queue; *at;) {
        struct connection *c = *at;
        if (c->first) at = &c->next;
        else {
            *at = c->next;
            c->queued = 0;
        }
    }
    if (next == UINT64_MAX) return -1;
    time = now();
    return next <= time ? 0 : (int)((next - time + 999) / 1000);
}

static void answer(struct epoll_event *event) {
    struct side *side = event->data.ptr;
    struct connection *c = side->owner;
    if (c->finished) return;
    if (side->service) {
        from_service(c);
        return;
    }
    if (event->events & EPOLLOUT) to_client(c);
    if (!c->finished && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !c->client_ended) from_client(c);
    else if (!c->finished && event->events & (EPOLLHUP | EPOLLERR)) finish(c);
}

static int listen_on(struct sockaddr_in *at) {
    socklen_t size = sizeof *at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET};
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)at, size) || listen(listener, 256)) die("listen");
    if (getsockname(listener, (struct sockaddr *)at, &size)) die("port");
    return listener;
}

int main(int words, char **word) {
    if (words != 3) return 2;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    int file = open(word[1], O_RDWR);
    if (file < 0) die(word[1]);
    counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counters == MAP_FAILED) die("mmap");
    struct sockaddr_in at;
    int listener = listen_on(&at);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct side door = {.fd = listener};
    watch(&door, EPOLLIN, EPOLL_CTL_ADD);
    for (struct epoll_event events[EVENTS];;) {
        int found = epoll_wait(epoll, events, EVENTS, pass_on());
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr == &door) accepted(listener, atoi(word[2]));
            else answer(&events[i]);
        }
        while (finished_ones) {
            struct connection *next = finished_ones->next;
            free(finished_ones);
            finished_ones = next;
        }
    }
}
