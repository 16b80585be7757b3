/*
 * Posts to a server on a Unix socket, as an engine does to its plugins, and prints what it answers:
 *
 *   http-post SOCKET PATH BODY
 *
 * It fails if the status is not 200.
 */
#include "guest.h"

#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv) {
    errno = 0;
    if (argc != 4) die("usage: http-post SOCKET PATH BODY");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(argv[1]) >= sizeof address.sun_path) die("%s is too long", argv[1]);
    strcpy(address.sun_path, argv[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect %s", argv[1]);
    dprintf(fd, "POST %s HTTP/1.1\r\nHost: \r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", argv[2],
            strlen(argv[3]), argv[3]);

    char answer[65536];
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, answer + length, sizeof answer - 1 - length)) > 0) length += (size_t)got;
    if (got < 0) die("read");
    answer[length] = 0;
    char *body = strstr(answer, "\r\n\r\n");
    puts(body ? body + 4 : answer);
    return strncmp(answer, "HTTP/1.1 200 ", 13) != 0;
}
