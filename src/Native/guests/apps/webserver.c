// A web server on TCP port 80, with one page about the guest itself. HTTP/1.0: an answer to each connection, then it is closed.
#include "app.h"
#include "machine.h"
#include "net.h"

#include "lwip/mem.h"

enum { LONGEST_REQUEST = 1024, PATIENCE = 20 /* half seconds */ };

struct connection {
    size_t length;
    char request[LONGEST_REQUEST + 1];
};

static uint64_t started_at;
static unsigned long answered;

static size_t page(char *text, size_t size)
{
    return format(text, size,
                  "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>LightVM</title></head>\n<body>\n"
                  "<h1>A %s guest</h1>\n<p>Address %s, up for %lu s, %lu pages served.</p>\n</body>\n</html>\n",
                  machine.kind, net_address(), (clock_now() - started_at) / 1000000000, ++answered);
}

// False when there is no memory for it.
static bool respond(struct tcp_pcb *pcb, const char *status, const char *type, const char *body, size_t length, bool with_body)
{
    char head[160];
    const size_t head_length = format(head, sizeof head,
                                      "HTTP/1.0 %s\r\nServer: LightVM\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                                      status, type, length);
    return tcp_write(pcb, head, (u16_t)head_length, TCP_WRITE_FLAG_COPY | TCP_WRITE_FLAG_MORE) == ERR_OK &&
           (!with_body || tcp_write(pcb, body, (u16_t)length, TCP_WRITE_FLAG_COPY) == ERR_OK);
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool refuse(struct tcp_pcb *pcb, const char *status, bool with_body)
{
    return respond(pcb, status, "text/plain", status, strlen(status), with_body);
}

static bool answer(struct tcp_pcb *pcb, const char *request)
{
    const bool is_get = begins(request, "GET ");
    if (!is_get && !begins(request, "HEAD "))
        return refuse(pcb, "405 Method Not Allowed", true);
    const char *path = request + (is_get ? 4 : 5);
    if (!begins(path, "/ ") && !begins(path, "/index.html "))
        return refuse(pcb, "404 Not Found", is_get);
    char text[512];
    return respond(pcb, "200 OK", "text/html; charset=utf-8", text, page(text, sizeof text), is_get);
}

static bool is_complete(const struct connection *connection)
{
    const char *const end = connection->request + connection->length;
    return connection->length >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0;
}

// No more of our functions for this connection.
static void let_go(struct tcp_pcb *pcb, struct connection *connection)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, NULL, 0);
    mem_free(connection);
}

static err_t finish(struct tcp_pcb *pcb, struct connection *connection, bool orderly)
{
    let_go(pcb, connection);
    if (orderly && tcp_close(pcb) == ERR_OK)
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

static err_t received(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
    struct connection *connection = argument;
    if (!data) // the other side has closed
        return finish(pcb, connection, error == ERR_OK);
    const u16_t room = (u16_t)(LONGEST_REQUEST - connection->length);
    const bool fits = data->tot_len <= room;
    connection->length += pbuf_copy_partial(data, connection->request + connection->length, room, 0);
    connection->request[connection->length] = '\0';
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    if (!fits)
        return finish(pcb, connection, refuse(pcb, "400 Bad Request", true));
    return is_complete(connection) ? finish(pcb, connection, answer(pcb, connection->request)) : ERR_OK;
}

static void failed(void *argument, err_t error)
{
    (void)error;
    mem_free(argument);
}

static err_t too_slow(void *argument, struct tcp_pcb *pcb)
{
    return finish(pcb, argument, false);
}

static err_t opened(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)argument;
    if (error != ERR_OK || !pcb)
        return ERR_VAL;
    struct connection *connection = mem_malloc(sizeof *connection);
    if (!connection)
        return ERR_MEM;
    connection->length = 0;
    tcp_arg(pcb, connection);
    tcp_recv(pcb, received);
    tcp_err(pcb, failed);
    tcp_poll(pcb, too_slow, PATIENCE);
    return ERR_OK;
}

void app_start(void)
{
    started_at = clock_now();
    net_start();
    net_listen(80, opened);
}
