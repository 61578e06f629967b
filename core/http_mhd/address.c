#include "core/http/text.h"
#include "core/http_mhd/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define ADDRESS_TEXT_MAX 80
// What the kernel keeps of a reply that a client does not read; it would grow to megabytes.
#define SEND_ROOM (128 * 1024)

static ow_code bad_address(const char *address, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_address",
                   "\"%s\" is no address: 127.0.0.1:8080, [::1]:0 or unix:/path is expected",
                   address);
}

static ow_code bind_failed(const char *address, int errnum, ow_err *err) {
    if (errnum == EADDRINUSE) {
        return ow_fail(err, OW_UNAVAILABLE, "address_in_use", "%s is in use already", address);
    }
    return ow_fail_errno(err, errnum, "cannot listen on %s", address);
}

// True when a socket file is left over: nobody answers behind it.
static bool is_stale(const struct sockaddr_un *name) {
    struct stat info;
    if (lstat(name->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

static ow_code listen_unix(const char *address, const char *path, int fd, ow_err *err) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path || path[0] != '/') {
        return bad_address(address, err);
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    if (is_stale(&name)) {
        unlink(path);
    }
    mode_t before = umask(0177);
    int failed = bind(fd, (const struct sockaddr *)&name, sizeof name) != 0 ? errno : 0;
    umask(before);
    if (failed == 0 && listen(fd, BACKLOG) != 0) {
        failed = errno;
    }
    return failed == 0 ? OW_OK : bind_failed(address, failed, err);
}

// Splits "host:port", "[v6]:port".
static bool split(const char *address, char host[static ADDRESS_TEXT_MAX], const char **ret_port) {
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || colon[1] == '\0' ||
        (size_t)(colon - address) >= ADDRESS_TEXT_MAX) {
        return false;
    }
    bool bracketed = address[0] == '[' && colon[-1] == ']';
    size_t size = (size_t)(colon - address) - (bracketed ? 2 : 0);
    memcpy(host, address + bracketed, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    long long number = ow_http_parse_number(colon + 1);
    return number >= 0 && number <= UINT16_MAX && (bracketed || strchr(host, ':') == NULL);
}

static ow_code resolve(const char *address, struct addrinfo **ret_info, ow_err *err) {
    char host[ADDRESS_TEXT_MAX];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    if (!split(address, host, &port) || getaddrinfo(host, port, &hints, ret_info) != 0) {
        return bad_address(address, err);
    }
    return OW_OK;
}

static ow_code describe(int fd, char **ret_text, ow_err *err) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char text[ADDRESS_TEXT_MAX];
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0) {
        return ow_fail_errno(err, errno, "getsockname");
    }
    char peer[PEER_TEXT_MAX];
    address_of_peer((struct sockaddr *)&name, peer);
    if (name.ss_family == AF_INET6) {
        snprintf(text, sizeof text, "[%s]:%d", peer,
                 ntohs(((struct sockaddr_in6 *)&name)->sin6_port));
    } else {
        snprintf(text, sizeof text, "%s:%d", peer, ntohs(((struct sockaddr_in *)&name)->sin_port));
    }
    *ret_text = strdup(text);
    return *ret_text != NULL ? OW_OK : ow_fail_errno(err, ENOMEM, "address");
}

static ow_code listen_tcp(const char *address, const struct addrinfo *info, int fd, ow_err *err) {
    int one = 1;
    int room = SEND_ROOM;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    // Connections inherit it.
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        return bind_failed(address, errno, err);
    }
    return OW_OK;
}

static ow_code open_unix(const char *address, int *ret_fd, char **ret_text, char **ret_unix_path,
                         ow_err *err) {
    const char *path = address + strlen("unix:");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "socket");
    }
    ow_code code = listen_unix(address, path, fd, err);
    if (code != OW_OK) {
        close(fd);
        return code;
    }
    *ret_text = strdup(address);
    *ret_unix_path = strdup(path);
    *ret_fd = fd;
    return *ret_text != NULL && *ret_unix_path != NULL ? OW_OK
                                                       : ow_fail_errno(err, ENOMEM, "address");
}

static ow_code open_tcp(const char *address, int *ret_fd, char **ret_text, ow_err *err) {
    struct addrinfo *info;
    ow_code code = resolve(address, &info, err);
    if (code != OW_OK) {
        return code;
    }
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    code = fd < 0 ? ow_fail_errno(err, errno, "socket") : listen_tcp(address, info, fd, err);
    freeaddrinfo(info);
    code = code == OW_OK ? describe(fd, ret_text, err) : code;
    if (code != OW_OK) {
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    *ret_fd = fd;
    return OW_OK;
}

ow_code address_listen(const char *address, int *ret_fd, char **ret_text, char **ret_unix_path,
                       ow_err *err) {
    if (strncmp(address, "unix:", strlen("unix:")) == 0) {
        return open_unix(address, ret_fd, ret_text, ret_unix_path, err);
    }
    return open_tcp(address, ret_fd, ret_text, err);
}

// An IPv4 client of an IPv6 socket is an IPv4 client: nobody is to take all of them for one network.
void address_of_peer(const struct sockaddr *address, char text[static PEER_TEXT_MAX]) {
    const void *bytes = NULL;
    int family = address != NULL ? address->sa_family : AF_UNSPEC;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)address)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *long_one = &((const struct sockaddr_in6 *)address)->sin6_addr;
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(long_one);
        family = is_v4 ? AF_INET : AF_INET6;
        bytes = is_v4 ? &long_one->s6_addr[12] : long_one->s6_addr;
    }
    if (bytes == NULL || inet_ntop(family, bytes, text, PEER_TEXT_MAX) == NULL) {
        snprintf(text, PEER_TEXT_MAX, "unix");
    }
}
