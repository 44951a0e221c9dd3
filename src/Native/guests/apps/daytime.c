// Answers each connection to TCP port 13 with the date and the time, and closes it (RFC 867).
#include "app.h"
#include "calendar.h"
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

void app_start(void)
{
    net_start();
    net_listen(13, answer);
}
