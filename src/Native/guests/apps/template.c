// A template for applications of your own: copy it, give the copy a name, and add that to CMakeLists.txt, where `template`
// is. docs/guests.md has the rest.
//
// It does three things, of which you will keep what you need: it reads a word of its command line (`greeting=...`), it does
// something from time to time, and it answers whoever connects to it (TCP port 7) with what it is sent.
#include "app.h"
#include "events.h"
#include "net.h"

#define SECOND UINT64_C(1000000000)

static char greeting[32] = "hello";
static unsigned long echoed; // bytes

// Called with what the other side has sent; with none when it has closed.
static err_t received(void *argument, struct tcp_pcb *connection, struct pbuf *data, err_t error)
{
    (void)argument;
    if (!data || error != ERR_OK) {
        if (data)
            pbuf_free(data);
        tcp_recv(connection, NULL);
        return tcp_close(connection);
    }
    // Without room for the answer the data is refused, and comes again.
    if (data->tot_len > tcp_sndbuf(connection))
        return ERR_MEM;
    for (const struct pbuf *part = data; part; part = part->next) {
        if (tcp_write(connection, part->payload, part->len, TCP_WRITE_FLAG_COPY) != ERR_OK) {
            tcp_abort(connection);
            pbuf_free(data);
            return ERR_ABRT; // always, and only, after tcp_abort
        }
    }
    echoed += data->tot_len;
    tcp_recved(connection, data->tot_len);
    pbuf_free(data);
    return ERR_OK;
}

static err_t opened(void *argument, struct tcp_pcb *connection, err_t error)
{
    (void)argument;
    if (error != ERR_OK || !connection)
        return ERR_VAL;
    tcp_recv(connection, received);
    return ERR_OK;
}

// Called in each round of the kernel's loop, when all events have been handled. It must not wait for anything: nothing else
// happens meanwhile. It returns when it wants to be called again at the latest; NEVER: whenever something happens.
static uint64_t each_round(void)
{
    static uint64_t next;
    const uint64_t now = clock_now();
    if (now >= next) {
        say("%s; %lu bytes so far", greeting, echoed);
        next = now + 60 * SECOND;
    }
    return next;
}

// The beginning. Devices come later, and may go and come again (a suspend and a resume): what you write here is not
// repeated then, and need not be, because the kernel and the network take care of it.
void app_start(void)
{
    app_option("greeting", greeting, sizeof greeting);
    net_start();
    net_listen(7, opened);
    app_each_round(each_round);
}
