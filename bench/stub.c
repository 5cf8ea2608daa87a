// A stub upstream for bench/run.py: one thread serves two reads of the gateway contract from memory.
//
//     stub TOKEN      serves 127.0.0.1 and prints its port
//
// A read without `Token: TOKEN` gets {"code":301}, so that the check notices a proxy without the header.
// GET /calls returns the number of reads since the last such request; GET /delay/20 delays every later read by 20 ms.
// GET /split/1 sends the head and the body of every later read in two segments, with Nagle's algorithm; GET /split/0 ends that.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_fds = 65536, input_size = 8192 };

struct response { char *bytes; size_t size, head; };

struct connection {
  unsigned generation;           // a delayed response never goes to a later connection with the same number
  size_t filled, sent;
  bool has_nagle;
  const struct response *response;  // being delayed or sent; nothing more is read meanwhile
  char input[input_size + 1];
};

struct delayed { int fd; unsigned generation; double due; };

static struct connection *connections[most_fds];
static struct delayed queue[most_fds];  // a ring; the delay is the same for all, so the order is that of arrival
static unsigned first_delayed, last_delayed;
static struct response values, history, token, refused, missing, text;
static const char *token_value;
static double delay;
static bool split;
static long calls;
static int epoll;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static struct response make(const char *status, const char *body) {
  struct response made;
  const char *form = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s";
  int size = asprintf(&made.bytes, form, status, strlen(body), body);
  if (size < 0) exit(1);
  made.size = (size_t)size;
  made.head = made.size - strlen(body);
  return made;
}

// Returns a response whose envelope is `size` bytes long.
static struct response padded(size_t size, const char *element) {
  char *body = malloc(size + 1), *end = body + size;
  char *at = stpcpy(body, "{\"code\":200,\"msg\":\"success\",\"ResultPointObjArr\":[");
  size_t length = strlen(element);
  for (bool any = false; (size_t)(end - at) > length + 16; any = true) {
    if (any) *at++ = ',';
    at = stpcpy(at, element);
  }
  *at++ = ']';
  memset(at, ' ', (size_t)(end - at) - 1);
  strcpy(end - 1, "}");
  struct response made = make("200 OK", body);
  free(body);
  return made;
}

static void drop(int fd) {
  connections[fd]->generation++;
  connections[fd]->response = NULL;
  connections[fd]->filled = 0;
  close(fd);
}

static bool begins(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

static const char *field(const char *head, const char *name) {
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, strlen(name)) != 0 || line[2 + strlen(name)] != ':') continue;
    return line + 3 + strlen(name) + strspn(line + 3 + strlen(name), " ");
  }
  return NULL;
}

static const struct response *response_to(const char *head) {
  char number[32];
  if (begins(head, "GET /_webtalk/_cur/api/access_token?")) return &token;
  if (begins(head, "GET /delay/")) delay = atof(head + 11);
  if (begins(head, "GET /split/")) split = head[11] == '1';
  if (begins(head, "GET /calls ") || begins(head, "GET /delay/") || begins(head, "GET /split/")) {
    snprintf(number, sizeof number, "%ld", calls);
    calls = 0;
    free(text.bytes);
    text = make("200 OK", number);
    return &text;
  }
  bool is_values = begins(head, "POST /_webtalk/_cur/api/getCodesVal ");
  if (!is_values && !begins(head, "POST /_webtalk/_cur/api/getCodesHisVal ")) return &missing;
  calls++;
  const char *sent = field(head, "Token");
  size_t length = strlen(token_value);
  if (!sent || strncmp(sent, token_value, length) != 0 || sent[length] != '\r') return &refused;
  return is_values ? &values : &history;
}

static void send_response(int fd) {
  struct connection *it = connections[fd];
  bool is_split = split && it->response != &text;
  if (is_split != it->has_nagle) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){it->has_nagle}, sizeof(int));
  it->has_nagle = is_split;
  while (it->sent < it->response->size) {
    size_t end = is_split && it->sent < it->response->head ? it->response->head : it->response->size;
    ssize_t count = send(fd, it->response->bytes + it->sent, end - it->sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) {
      epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = EPOLLOUT, .data.fd = fd});
      return;
    }
    if (count < 0) {
      drop(fd);
      return;
    }
    it->sent += (size_t)count;
  }
  if (it->response->size > 65536) {
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
  }
  it->response = NULL;
}

static void receive(int fd) {
  struct connection *it = connections[fd];
  ssize_t count = recv(fd, it->input + it->filled, input_size - it->filled, 0);
  if (count <= 0) {
    if (count == 0 || errno != EAGAIN) drop(fd);
    return;
  }
  it->filled += (size_t)count;
  it->input[it->filled] = 0;
  char *body = strstr(it->input, "\r\n\r\n");
  if (!body || it->response) return;
  const char *length = field(it->input, "Content-Length");
  size_t size = (size_t)(body + 4 - it->input) + (length ? strtoul(length, NULL, 10) : 0);
  if (it->filled < size) return;
  it->response = response_to(it->input);
  it->sent = 0;
  it->filled = 0;  // a proxy sends its next request after this response
  if (delay > 0 && (it->response == &values || it->response == &history)) {
    queue[last_delayed++ % most_fds] = (struct delayed){fd, it->generation, now() + delay};
  } else {
    send_response(fd);
  }
}

static void accept_all(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (fd >= most_fds) {
      close(fd);
      continue;
    }
    if (!connections[fd]) connections[fd] = calloc(1, sizeof(struct connection));
    connections[fd]->has_nagle = false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
  }
}

int main(int count, char **arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: stub TOKEN\n");
    return 2;
  }
  token_value = arguments[1];
  char *pair;
  if (asprintf(&pair, "{\"access_token\":\"%s\",\"refresh_token\":\"once\"}", token_value) < 0) return 1;
  token = make("200 OK", pair);
  refused = make("200 OK", "{\"code\":301,\"error\":\"token\"}");
  missing = make("404 Not Found", "{\"code\":404,\"error\":\"path\"}");
  const char *point = "{\"pointId\":\"C_5001_AV_0001\",\"value\":18.5,\"time\":\"2026-06-21 02:04:07\"}";
  values = padded(1024, point);
  history = padded(262144, point);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
    perror("stub");
    return 1;
  }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
  while (true) {
    struct epoll_event events[256];
    bool waits = first_delayed != last_delayed;
    int ready = epoll_wait(epoll, events, 256, waits ? 1 : -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all(fd);
      else if (connections[fd]->response && events[i].events & EPOLLOUT) send_response(fd);
      else receive(fd);
    }
    while (first_delayed != last_delayed && queue[first_delayed % most_fds].due <= now()) {
      struct delayed it = queue[first_delayed++ % most_fds];
      if (connections[it.fd]->generation == it.generation) send_response(it.fd);
    }
  }
}
