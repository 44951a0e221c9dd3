// Answers each connection to TCP port 13 with the date and the time, and closes it (RFC 867). With `ask=ADDRESS` it asks
// another one as well, every second until it is told, and says what.
#include "app.h"
#include "calendar.h"
#include "events.h"
#include "net.h"

static err_t answer(void *argument, struct tcp_pcb *connection, err_t error)
{
    (void)argument;
    if (error != ERR_OK || !connection)
        return ERR_VAL;
    char line[64];
    size_t length = calendar_format(line, sizeof line, clock_utc());
    length += format(line + length, sizeof line - length, "\r\n");
    if (tcp_write(connection, line, (u16_t)length, TCP_WRITE_FLAG_COPY) != ERR_OK || tcp_close(connection) != ERR_OK) {
        tcp_abort(connection);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static const char *asked; // whom to ask; NULL once it is told, or has nobody to ask
static ip4_addr_t whom;
static struct tcp_pcb *asking;

static void failed(void *argument, err_t error)
{
    (void)argument;
    (void)error;
    asking = NULL; // lwIP has freed it
}

static err_t told(void *argument, struct tcp_pcb *connection, struct pbuf *data, err_t error)
{
    (void)argument;
    if (data && error == ERR_OK) {
        char line[64];
        size_t length = pbuf_copy_partial(data, line, sizeof line - 1, 0);
        while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == '\n'))
            length--;
        line[length] = 0;
        say("%s says: %s", asked, line);
        asked = NULL;
        tcp_recved(connection, data->tot_len);
    }
    if (data) {
        pbuf_free(data);
        return ERR_OK;
    }
    asking = NULL;
    tcp_err(connection, NULL);
    tcp_recv(connection, NULL);
    return tcp_close(connection);
}

static void ask(void)
{
    struct tcp_pcb *connection = tcp_new();
    if (!connection)
        return;
    tcp_err(connection, failed);
    tcp_recv(connection, told);
    asking = connection;
    if (tcp_connect(connection, &whom, 13, NULL) != ERR_OK) {
        tcp_abort(connection); // calls failed
    }
}

static uint64_t each_round(void)
{
    static uint64_t next;
    const uint64_t second = UINT64_C(1000000000);
    const uint64_t now = clock_now();
    if (!asked)
        return NEVER;
    if (now >= next) {
        if (asking)
            tcp_abort(asking);
        ask();
        next = now + second;
    }
    return next;
}

void app_start(void)
{
    static char address[16];
    net_start();
    net_listen(13, answer);
    app_option("ask", address, sizeof address);
    if (!address[0])
        return;
    if (!ip4addr_aton(address, &whom)) {
        say("ask=%s is no address", address);
        return;
    }
    asked = address;
    app_each_round(each_round);
}
