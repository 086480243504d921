/* A server whose law of answering is known: the truth that a load generator is held to.
 *
 * Usage: server NAME=VALUE...   It listens on a free port of 127.0.0.1 and prints that port.
 *
 *   seed=1                     of every random number below
 *   delay_ms=0                 every answer comes that much later
 *   mu= sigma=                 ... plus exp(Normal(mu, sigma)) ms
 *   slow_ms= slow_share=       ... or, with that share, slow_ms instead: two points
 *   drift_ms=                  ... plus that much more for every thousand answers before
 *   rate=                      answers a second that it is able to give; whatever comes faster queues
 *   stall_ms= period_ms=       it stops altogether for stall_ms, once in every period
 *   error_share=               of its answers have status 500
 *   first_ms=                  the very first answer takes that long
 *   accept_ms=                 a connection is accepted that late
 *
 * POST anything: an answer by the law. POST /redirect, /close, /never, /echo: a 302, a connection that breaks, silence,
 * a 400 that repeats the request's headers. GET /count: "requests answers errors connections", of POSTs. GET /served:
 * of each answer in turn, the milliseconds from the request's last byte to the answer's first, as it really happened.
 * GET /stalls: how many milliseconds each stall really took.
 *
 * One thread. Delays wait in a heap, so that one answer never waits for another; stalls really block.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 20, FDS = 65536 };

typedef struct {
    int open, filled, generation;
    char *data;
} Peer;

typedef struct {
    double at, came; /* when to answer, when the request was whole; an accept where fd is -1 */
    int fd, generation, failed;
} Due;

static Peer peers[FDS];
static Due *heap;
static int waiting, heap_room;
static float *served, stalls[10000];
static size_t served_room, stalled;
static size_t requests, answers, errors, connections;
static int poller, listener, timer;
static double queue_free;

static double seed = 1, delay_ms, mu, sigma = -1, slow_ms, slow_share, drift_ms, rate, stall_ms, period_ms, error_share,
              first_ms, accept_ms;
static const struct {
    const char *name;
    double *value;
} OPTIONS[] = {{"seed", &seed},           {"delay_ms", &delay_ms}, {"mu", &mu},
               {"sigma", &sigma},         {"slow_ms", &slow_ms},   {"slow_share", &slow_share},
               {"drift_ms", &drift_ms},   {"rate", &rate},         {"stall_ms", &stall_ms},
               {"period_ms", &period_ms}, {"error_share", &error_share}, {"first_ms", &first_ms},
               {"accept_ms", &accept_ms}};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double uniform(void) { /* xorshift64*, in (0, 1) */
    static uint64_t state;
    if (!state) state = (uint64_t)seed * 0x9E3779B97F4A7C15ull | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return ((state * 0x2545F4914F6CDD1Dull >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void) { return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform()); }

static void push(Due one) {
    if (waiting == heap_room && !(heap = realloc(heap, (heap_room = heap_room * 2 + 64) * sizeof *heap))) die("memory");
    int i = waiting++;
    for (; i && heap[(i - 1) / 2].at > one.at; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = one;
}

static Due pop(void) {
    Due top = heap[0], last = heap[--waiting];
    int i = 0;
    for (int child; (child = 2 * i + 1) < waiting; i = child) {
        if (child + 1 < waiting && heap[child + 1].at < heap[child].at) child++;
        if (heap[child].at >= last.at) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static void hang_up(int fd) {
    peers[fd].open = 0;
    close(fd);
}

static void say(int fd, const char *status, const char *text, size_t length) {
    static char out[ROOM + 4096];
    size_t room = length > ROOM ? ROOM : length;
    int head = snprintf(out, 512, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nLocation: /\r\nContent-Length: %zu\r\n\r\n",
                        status, length);
    memcpy(out + head, text, room);
    size_t sent = 0, all = head + room;
    while (sent < all) {
        ssize_t count = write(fd, out + sent, all - sent);
        if (count < 0 && errno == EAGAIN) continue;
        if (count <= 0) { hang_up(fd); return; }
        sent += count;
    }
    for (size_t done = room; done < length;) {
        ssize_t count = write(fd, text + done, length - done);
        if (count < 0 && errno == EAGAIN) continue;
        if (count <= 0) { hang_up(fd); return; }
        done += count;
    }
}

static void welcome(int fd) {
    if (fd >= FDS) die("too many connections");
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    Peer *peer = &peers[fd];
    if (!peer->data && !(peer->data = malloc(ROOM + 1))) die("memory");
    peer->open = 1, peer->filled = 0, peer->generation++;
    connections++;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void answer(Due one) {
    if (one.fd < 0) {
        for (int fd; (fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0;) welcome(fd);
        return;
    }
    if (!peers[one.fd].open || peers[one.fd].generation != one.generation) return;
    if (answers == served_room && !(served = realloc(served, (served_room = served_room * 2 + 4096) * sizeof *served))) die("memory");
    served[answers++] = (now() - one.came) * 1000;
    errors += one.failed;
    if (one.failed) say(one.fd, "500 Internal Server Error", "{\"error\": \"by law\"}", 19);
    else say(one.fd, "200 OK", "{\"predictions\": [0.5]}", 22);
}

static void post(int fd, const char *path, size_t whole) {
    double came = now(), wait = delay_ms;
    if (!strncmp(path, "/redirect ", 10)) { say(fd, "302 Found", "", 0); return; }
    if (!strncmp(path, "/close ", 7)) { hang_up(fd); return; }
    if (!strncmp(path, "/never ", 7)) return;
    if (!strncmp(path, "/echo ", 6)) { say(fd, "400 Bad Request", peers[fd].data, whole); return; }
    if (slow_share > 0 && uniform() < slow_share) wait = slow_ms;
    else if (sigma >= 0) wait += exp(mu + sigma * normal());
    wait += drift_ms * requests / 1000;
    if (!requests++) wait += first_ms;
    Due one = {came + wait / 1000, came, fd, peers[fd].generation, error_share > 0 && uniform() < error_share};
    if (rate > 0) one.at = queue_free = fmax(queue_free, came) + 1 / rate;
    if (one.at <= came) answer(one);
    else push(one);
}

static void list(int fd, const float *values, size_t count) {
    char *text = malloc(count * 16 + 1), *place = text;
    if (!text) die("memory");
    for (size_t i = 0; i < count; i++) place += snprintf(place, 16, "%.5g\n", values[i]);
    say(fd, "200 OK", text, place - text);
    free(text);
}

static void listen_to(int fd) {
    Peer *peer = &peers[fd];
    ssize_t count = read(fd, peer->data + peer->filled, ROOM - peer->filled);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) { hang_up(fd); return; }
    peer->filled += count;
    peer->data[peer->filled] = 0;
    char *end = memmem(peer->data, peer->filled, "\r\n\r\n", 4);
    if (!end) return;
    char *length = strcasestr(peer->data, "\r\ncontent-length:");
    size_t whole = end + 4 - peer->data, body = length && length < end ? strtoul(length + 17, 0, 10) : 0;
    if (whole + body > ROOM) { hang_up(fd); return; }
    if ((size_t)peer->filled < whole + body) return;
    peer->filled = 0;
    if (!strncmp(peer->data, "GET /count ", 11)) {
        char text[100];
        int size = snprintf(text, sizeof text, "%zu %zu %zu %zu", requests, answers, errors, connections);
        say(fd, "200 OK", text, size);
    } else if (!strncmp(peer->data, "GET /served ", 12)) {
        list(fd, served, answers);
    } else if (!strncmp(peer->data, "GET /stalls ", 12)) {
        list(fd, stalls, stalled);
    } else if (!strncmp(peer->data, "POST ", 5)) {
        post(fd, peer->data + 5, whole - 4);
    } else {
        say(fd, "404 Not Found", "", 0);
    }
}

int main(int count, char **words) {
    for (int i = 1; i < count; i++) {
        char *value = strchr(words[i], '=');
        size_t known = 0, all = sizeof OPTIONS / sizeof *OPTIONS;
        while (value && known < all && strncmp(words[i], OPTIONS[known].name, value - words[i])) known++;
        if (!value || known == all) { fprintf(stderr, "unknown: %s\n", words[i]); return 2; }
        *OPTIONS[known].value = strtod(value + 1, 0);
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1000);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < FDS ? files.rlim_max : FDS;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&here, size) || listen(listener, 4096)) die("listen");
    getsockname(listener, (struct sockaddr *)&here, &size);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int own[2] = {listener, timer};
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN | (own[i] == listener ? EPOLLET : 0), .data.fd = own[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, own[i], &event)) die("epoll_ctl");
    }
    double stall = stall_ms > 0 ? now() + period_ms / 1000 : INFINITY, armed = 0;
    for (;;) {
        double next = fmin(waiting ? heap[0].at : INFINITY, stall);
        if (next != armed) {
            struct itimerspec when = {0};
            if (isfinite(next)) when.it_value.tv_sec = (time_t)next, when.it_value.tv_nsec = (long)((next - floor(next)) * 1e9) + 1;
            if (when.it_value.tv_nsec > 999999999) when.it_value.tv_nsec = 999999999;
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, 0);
            armed = next;
        }
        struct epoll_event events[256];
        int found = epoll_wait(poller, events, 256, -1);
        double moment = now();
        if (moment >= stall) {
            struct timespec left = {(time_t)(stall_ms / 1000), (long)(fmod(stall_ms, 1000) * 1e6)};
            nanosleep(&left, 0);
            if (stalled < sizeof stalls / sizeof *stalls) stalls[stalled++] = (now() - moment) * 1000;
            stall = fmax(stall + period_ms / 1000, now());
        }
        for (int i = 0; i < found; i++) {
            int fd = events[i].data.fd;
            if (fd == timer) {
                uint64_t times;
                while (read(timer, &times, sizeof times) > 0);
                armed = 0;
            } else if (fd == listener) {
                Due all = {moment + accept_ms / 1000, moment, -1, 0, 0};
                if (accept_ms > 0) push(all);
                else answer(all);
            } else if (peers[fd].open) {
                listen_to(fd);
            }
        }
        while (waiting && heap[0].at <= now()) answer(pop());
    }
}
